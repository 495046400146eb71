"""Checks before a projection: crystal of the force constants, time between frames, time step.

Crystal. Force constants from another source must belong to the crystal of the run. Phases are
those of integer cells, so the strain between the two cells does not enter them. But force
constants depend on the volume at which they were determined; frequencies differ by −γ ΔV/V with
Grüneisen parameters γ of 1 to 2. Sites must be the same, in the same order and in the same
cells, because each row of a polarisation vector belongs to one site and its phase. If the
crystals agree, the force constants are transferred to the crystal of the run: displacements are
measured from its sites, and its masses are used.

Time step. In velocity Verlet with step h, a harmonic mode of frequency ω remains exactly
harmonic, but has the frequency ω_md,

    sin(ω_md h/2) = ωh/2,     ω_md ≈ ω(1 + ω²h²/24).

At 15 THz and 2 fs, ω_md is 0.15 % higher than ω. The velocities of velocity Verlet are central
differences over the step, v = A sin(ω_md h)/h, so that

    ⟨|Q̇|²⟩ = ω²⟨|Q|²⟩(1 − ω²h²/4)

for the harmonic ω of the force constants. In an exactly harmonic run at 15 THz and 2 fs, K is
0.9 % below U, and ω from ⟨|Q̇|²⟩/⟨|Q|²⟩ is too low by half of that. (This follows from the
recursion x_{n+1} + x_{n−1} = (2 − ω²h²) x_n, whose solution is x_n = A cos(ω_md n h).)
"""

from dataclasses import replace
from itertools import permutations

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import NOTABLE, SAME_CRYSTAL, CrystalDifference, crystal_difference
from trajmodes.data.motion import HEADROOM, LARGEST_PHASE, LEAST_KEPT
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.project.sampling import frequency_from_ratio
from trajmodes.units import DALTON, FEMTOSECOND, THZ

_MOST_PERMUTATIONS = 5040


def check_lattice(of_constants: Crystal, of_run: Crystal) -> tuple[Note, ...]:
    """Compare the crystal of force constants with that of a run to be projected on them.

    Returns
    -------
    Notes on a strained cell, shifted sites, or different masses.

    Raises
    ------
    DataError
        If the crystals differ in cells, orientation, species, sites or their order.
    """
    if of_constants.n_sites != of_run.n_sites:
        raise _mismatch(
            f"the cell of the force constants contains {of_constants.formula}, that of the run "
            f"{of_run.formula}",
            "one is a primitive cell and the other a conventional one, or the crystals differ",
        )
    difference = crystal_difference(of_constants, of_run)
    if abs(difference.largest_strain) > SAME_CRYSTAL.strain:
        raise _mismatch(
            "the cell of the force constants is strained by "
            f"{abs(difference.largest_strain):.1%} relative to that of the run",
            "it is another crystal, or its lattice vectors are chosen differently",
        )
    if difference.angle > SAME_CRYSTAL.angle:
        raise _mismatch(
            f"the cell of the run is rotated by {np.degrees(difference.angle):.2f}° against "
            "that of the force constants",
            "force constants and polarisation vectors refer to the axes of their own cell file",
        )
    _check_species(of_constants, of_run)
    return (
        *_strain_notes(of_constants, of_run, difference),
        *_site_notes(of_constants, of_run, difference),
        *_mass_notes(of_constants, of_run, difference),
    )


def _mismatch(what: str, why: str) -> DataError:
    fix = "match the run to the cell file of the force constants (--cell)"
    return DataError(what, why=why, fix=fix)


def _check_species(of_constants: Crystal, of_run: Crystal) -> None:
    if of_constants.species == of_run.species:
        return
    text = (
        f"{' '.join(of_constants.species)} in the force constants, "
        f"{' '.join(of_run.species)} in the run"
    )
    if sorted(of_constants.species) == sorted(of_run.species):
        raise _mismatch(f"sites are in another order: {text}", "the two cell files differ")
    raise _mismatch(f"species differ: {text}", "the force constants belong to another crystal")


def _strain_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    largest = difference.largest_strain
    if abs(largest) < NOTABLE.strain:
        return []
    volume = of_run.volume / of_constants.volume - 1.0
    text = (
        f"the force constants belong to another lattice parameter; that of the run differs by "
        f"{largest:+.2%} in length and {volume:+.2%} in volume. Expect frequencies of the run "
        f"to differ by about {-1.5 * volume:+.1%} (Grüneisen parameters of 1 to 2), besides "
        "the effect of temperature; force constants fitted at this volume avoid this shift"
    )
    return [Note("warning", text)]


def _site_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    farthest = difference.shift.max()
    if farthest > SAME_CRYSTAL.site:
        order = _site_permutation(of_constants, of_run)
        if order is not None:
            raise _mismatch(
                "sites are in another order: those of the run are numbers "
                f"{' '.join(map(str, order))} of the force constants",
                "the two cell files differ",
            )
        raise _mismatch(
            f"site {difference.shift.argmax()} of the force constants is "
            f"{farthest:.2f} Å from that of the run",
            "the force constants belong to another structure",
        )
    if difference.cells.any():
        site = int(np.abs(difference.cells).max(axis=1).argmax())
        cell = " ".join(f"{x:+d}" for x in difference.cells[site])
        raise _mismatch(
            f"site {site} of the force constants is in another cell than that of the run, "
            f"{cell} lattice vectors away",
            "phases of polarisation vectors depend on the cells of the sites",
        )
    if farthest > NOTABLE.site:
        text = (
            f"sites of the force constants are up to {farthest:.3f} Å from those of the run: "
            "the structure relaxed differently, which changes the force constants"
        )
        return [Note("warning", text)]
    return []


def _site_permutation(of_constants: Crystal, of_run: Crystal) -> tuple[int, ...] | None:
    """Sites of the force constants in the order of the run; None if no permutation fits."""
    n_sites = of_run.n_sites
    for tried, order in enumerate(permutations(range(n_sites))):
        if tried >= _MOST_PERMUTATIONS:
            return None
        if any(of_constants.species[k] != of_run.species[s] for s, k in enumerate(order)):
            continue
        sorted_ = replace(of_constants, sites=of_constants.sites[list(order)])
        if crystal_difference(sorted_, of_run).shift.max() < NOTABLE.site:
            return order
    return None


def _mass_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    site = int(np.abs(difference.mass).argmax())
    if abs(difference.mass[site]) < NOTABLE.mass:
        return []
    text = (
        f"site {site} has {of_run.masses[site] / DALTON:.4f} Da in the run and "
        f"{of_constants.masses[site] / DALTON:.4f} Da in the force constants"
    )
    if abs(difference.mass[site]) > SAME_CRYSTAL.mass:
        raise _mismatch(f"masses differ: {text}", "an element differs")
    return [Note("warning", f"{text}: the modes use the masses of the run")]


_REPORTED_SHIFT = 5e-4
"""Relative shift of the highest frequency above which it is reported."""


def verlet_frequency(omega: Floats, timestep_ps: float) -> Floats:
    """Frequency of a harmonic mode in a velocity Verlet run, (2/h) asin(ωh/2).

    `omega` (…) in rad/ps is negative for imaginary modes, for which the sine becomes the
    hyperbolic sine. The result is nan for ωh > 2, where the integration is unstable.
    """
    half = 0.5 * timestep_ps * omega
    stable = np.where(half <= 1.0, half, np.nan)
    angle = np.where(half < 0.0, np.arcsinh(half), np.arcsin(np.maximum(stable, 0.0)))
    shifted: Floats = 2.0 / timestep_ps * angle
    return shifted


def verlet_ratio(omega: Floats, timestep_ps: float) -> Floats:
    """Frequency from ⟨|Q̇|²⟩/⟨|Q|²⟩ of a harmonic mode in a velocity Verlet run.

    `omega` (…) in rad/ps is negative for imaginary modes. The result is ω √(1 − ω²h²/4), nan
    where the integration is unstable.
    """
    square = 1.0 - 0.25 * timestep_ps**2 * omega * np.abs(omega)
    frequency: Floats = omega * np.sqrt(np.where(square >= 0.0, square, np.nan))
    return frequency


def oscillator_frequency(
    ratio: Floats, differenced_ps: float | None, timestep_ps: float | None
) -> Floats:
    """Frequency √(Φ/M) (…) in rad/ps of an oscillator from its √(⟨|Q̇|²⟩/⟨|Q|²⟩).

    This is the inverse of `verlet_ratio`. If velocities are differences, it is the inverse of
    `verlet_frequency`, applied to the result of `frequency_from_ratio`. A ratio that is too
    large for any motion is replaced by the largest possible ratio.

    Parameters
    ----------
    differenced_ps
        Time between positions whose central differences are the velocities; None for velocities
        of the simulation.
    timestep_ps
        Time step of the simulation; None if unknown.
    """
    if differenced_ps is not None:
        moving: Floats = np.nan_to_num(
            frequency_from_ratio(ratio, np.ones(()), differenced_ps),
            nan=0.5 * np.pi / differenced_ps,
        )
        if timestep_ps is None:
            return moving
        own: Floats = 2.0 * np.sin(0.5 * timestep_ps * moving) / timestep_ps
        return own
    if timestep_ps is None:
        return ratio
    square = np.minimum(ratio * timestep_ps, 1.0) ** 2
    # 1 − √(1 − x) without the difference of nearly equal numbers
    exact: Floats = np.sqrt(2.0 * square / (1.0 + np.sqrt(1.0 - square))) / timestep_ps
    return exact


def verlet_note(highest_omega: float, timestep_fs: float | None) -> Note | None:
    """Report the effect of the time step on the fastest mode, if it is noticeable.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps.
    timestep_fs
        Time step of the simulation, not the time between frames; None if unknown.

    Returns
    -------
    The note; None if the shift is below 0.05 % or the time step is unknown.
    """
    if timestep_fs is None or highest_omega <= 0.0:
        return None
    timestep_ps = timestep_fs * FEMTOSECOND
    shift = float(verlet_frequency(np.array(highest_omega), timestep_ps)) / highest_omega - 1.0
    given = f"a time step of {timestep_fs:g} fs, modes up to {highest_omega / THZ:.4g} THz"
    if not np.isfinite(shift):
        text = f"{given}: no simulation is stable with this, so it is not that of the run"
        return Note("note", text)
    if shift < _REPORTED_SHIFT:
        return None
    # K/U = 1 − ω²h²/4.
    short = 0.25 * (timestep_ps * highest_omega) ** 2
    text = (
        f"{given}: velocity Verlet raises the highest frequency by {shift:.2%}, lower ones in "
        f"proportion to ω², and reduces its kinetic energy relative to the potential energy by "
        f"{short:.2%}; frequencies of the run and of the force constants agree only within this"
    )
    return Note("note", text)


def nyquist_note(omega: Floats, interval_ps: float) -> Note | None:
    """Report modes whose lines are aliased at the time between frames, or nearly so.

    A line above the Nyquist frequency 1/2Δ is aliased.

    Parameters
    ----------
    omega
        (g,) harmonic frequencies in rad/ps.
    interval_ps
        Time Δ between frames.

    Returns
    -------
    A warning if harmonic frequencies lie above the Nyquist frequency, a note if less than a
    tenth is left for anharmonic shifts of the highest frequency; otherwise None.
    """
    nyquist, highest = np.pi / interval_ps, float(omega.max())
    if HEADROOM * highest < nyquist:
        return None
    # Rounded down, so that the advised interval suffices.
    densest_fs = np.floor(1e4 * np.pi / (HEADROOM * highest)) / 10.0
    sampling = (
        f"frames {1e3 * interval_ps:.3g} fs apart resolve {nyquist / THZ:.4g} THz, and the "
        f"crystal has modes up to {highest / THZ:.4g} THz"
    )
    fix = f"write frames at most {densest_fs:.1f} fs apart"
    beyond = int((omega >= nyquist).sum())
    if beyond == 0:
        text = f"{sampling}: lines so close to the limit may be aliased and are not given"
        return Note("note", text, fix=fix)
    text = (
        f"the frames are too far apart for the lines of {beyond} of {len(omega)} sets of "
        f"modes: {sampling}. These lines are aliased and are not given. In spectra and "
        "densities of states they appear at wrong frequencies. Energies are not affected"
    )
    return Note("warning", text, fix=fix)


def require_correctable(highest_omega: float, interval_ps: float) -> None:
    """Refuse a run in which differences attenuate the fastest modes too much.

    `highest_omega` is the highest harmonic frequency in rad/ps; the run may exceed it by a
    tenth.

    Raises
    ------
    DataError
        If the fastest motion is attenuated to less than 0.7, or lies above the Nyquist
        frequency.
    """
    phase = HEADROOM * highest_omega * interval_ps
    if phase <= LARGEST_PHASE:
        return
    # Rounded down, so that the advised interval suffices.
    densest_fs = np.floor(1e4 * LARGEST_PHASE / (HEADROOM * highest_omega)) / 10.0
    if phase >= np.pi:
        lost = f"the frames resolve no more than {np.pi / interval_ps / THZ:.3g} THz"
    else:
        lost = (
            f"differences would reduce its amplitude to {np.sinc(phase / np.pi):.2g}, below "
            f"the limit of {LEAST_KEPT} for a correction"
        )
    raise DataError(
        "velocities cannot be computed from positions: the frames are too far apart",
        where=f"{1e3 * interval_ps:.3g} fs between frames, modes up to "
        f"{highest_omega / THZ:.3g} THz",
        why=f"the motion may be a tenth faster than the highest harmonic mode, but {lost}",
        fix=f"write velocities, or frames at most {densest_fs:.1f} fs apart",
    )
