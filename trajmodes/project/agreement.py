"""Comparison of the frequencies of force constants with static frequencies of the run.

In classical equilibrium ⟨Q* 𝓕⟩ = −⟨|Q̇|²⟩ for every mode, however anharmonic (the virial
theorem). Least squares with all pairs of the supercell gives ω² = −⟨Q* 𝓕⟩/⟨|Q|²⟩, so that the
frequencies of a fit equal those from ⟨|Q̇|²⟩/⟨|Q|²⟩. They differ if force constants omit
forces, such as those of distant pairs, or belong to another temperature, volume or potential.

Velocity Verlet reduces ⟨|Q̇|²⟩ by the factor 1 − ω²h²/4 (see `project.checks`), which is
corrected. A fit alone has no projection on modes. It uses −⟨Q* 𝓕⟩/⟨|Q|²⟩ from the covariances
of displacements and forces, without velocities.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats
from trajmodes.data.crystal import Supercell
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.labels import point
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.notes import Note
from trajmodes.symmetry.operations import loses_symmetry
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.units import FEMTOSECOND, THZ

_SURE, _NOTABLE = 4.0, 0.01
"""Standard errors and relative difference beyond which the two frequencies of a set differ. By
chance, 4 errors are exceeded in one of 16 000 sets."""

_AT_REST = 1e-9
"""Sets with a smaller fraction of the squared amplitudes of all sets are at rest."""

_MANY = 0.1
"""Fraction of the sets of modes that must differ, at least two sets. Neither underestimated
errors, as in short runs, nor a single mode cause a warning."""


class StaticFrequencies(NamedTuple):
    """Frequencies of sets of modes (g) from equal-time averages of a run."""

    omega: Floats
    """(g,), unit: rad/ps. Negative if imaginary."""
    omega_sem: Floats
    """(g,), unit: rad/ps. nan where unknown."""
    formula: str


def of_energies(
    modes: Modes, energies: ModeEnergies, timestep_fs: float | None
) -> StaticFrequencies | None:
    """Compute ⟨|Q̇|²⟩/⟨|Q|²⟩ of a projection, without the effect of the time step.

    None where the run has no positions.

    ``timestep_fs`` is that of the simulation that wrote the velocities; None if unknown, or if
    velocities are differences of positions.
    """
    if energies.omega_ratio is None or energies.omega_ratio_sem is None:
        return None
    phase = set_omega(modes) * (timestep_fs or 0.0) * FEMTOSECOND
    # A step with which the integration is unstable cannot be that of the run.
    kept = np.where(phase**2 < 2.0, 1.0 - 0.25 * phase**2, 1.0)
    omega = energies.omega_ratio / np.sqrt(kept)
    return StaticFrequencies(omega, energies.omega_ratio_sem, "⟨|Q̇|²⟩/⟨|Q|²⟩")


def of_forces(modes: Modes, displacement: Complexes, force: Complexes) -> StaticFrequencies:
    """Compute −⟨Q* 𝓕⟩/⟨|Q|²⟩ from covariances, with errors by jackknife.

    Parameters
    ----------
    modes
        Modes at the q points of the supercell.
    displacement, force
        (b, q, 3s, 3s) sums Σ u(q) u(q)† in Å² and Σ f(q) u(q)† in eV over blocks of time.
    """
    root_k = np.sqrt(np.repeat(modes.crystal.masses, 3))
    e_qmk = modes.vectors.reshape(*modes.omega.shape, -1)

    def averaged(covariance: Complexes, left_k: Floats) -> Floats:
        right = covariance @ (e_qmk * root_k).swapaxes(1, 2)
        values = np.einsum("qmk,bqkm->bqm", (e_qmk * left_k).conj(), right).real
        return set_mean(values, modes)

    square_bg, virial_bg = averaged(displacement, root_k), -averaged(force, 1.0 / root_k)
    # Sets without motion, as of single displaced atoms, have no frequency.
    square_bg = np.where(square_bg.sum(axis=0) > _AT_REST * square_bg.sum(), square_bg, np.nan)
    found = virial_bg.sum(axis=0) / square_bg.sum(axis=0)
    sem = np.full(modes.n_sets, np.nan)
    if len(square_bg) > 1:
        rest_bg = square_bg.sum(axis=0) - square_bg
        left_out = virial_bg.sum(axis=0) - virial_bg
        sem = jackknife_sem(left_out / np.where(rest_bg > 0.0, rest_bg, np.nan))
    omega = np.copysign(np.sqrt(np.abs(found)), found)
    return StaticFrequencies(omega, sem / (2.0 * np.abs(omega)), "−⟨Q*𝓕⟩/⟨|Q|²⟩")


def disagreement_note(
    constants: ForceConstants,
    modes: Modes,
    static: StaticFrequencies,
    supercell: Supercell,
    *,
    is_fitted: bool,
) -> Note | None:
    """Warn if the static frequencies of many modes are not those of the force constants.

    ``is_fitted``: whether the force constants were fitted to this run, of this supercell.
    """
    omega, measured = set_omega(modes), static.omega
    differs = _differ(modes, omega, static)
    n_sets = len(omega)
    if differs.sum() < max(2.0, _MANY * n_sets):
        return None
    apart = np.where(differs, np.abs(measured - omega), 0.0)
    g = int(apart.argmax())
    q, branch = np.argwhere(modes.sets == g)[0]
    text = (
        f"the force constants do not describe the motion: in {differs.sum()} of {n_sets} sets "
        f"of modes the harmonic frequency differs from the static frequency, {static.formula} "
        f"of the run, by more than {_SURE:g} standard errors and {_NOTABLE:.0%}. The largest "
        f"difference is in set {g} (q = {point(modes.qpoints[q])}, branch "
        f"{branch + 1}): {omega[g] / THZ:.2f} THz, and {measured[g] / THZ:.2f} THz in the run"
    )
    why, fix = _reason(constants, supercell, is_fitted=is_fitted)
    return Note("warning", text, why=why, fix=fix)


def _differ(modes: Modes, omega: Floats, measured: StaticFrequencies) -> Bools:
    """(g,) whether the frequencies of each set differ; False where an error is unknown."""
    given = np.zeros_like(modes.omega) if modes.omega_sem is None else modes.omega_sem
    square, square_sem = signed_squares(omega, set_mean(given, modes))
    static, static_sem = signed_squares(measured.omega, measured.omega_sem)
    error = np.hypot(square_sem, static_sem)
    sure = np.abs(static - square) > _SURE * error
    differ: Bools = sure & (np.abs(measured.omega - omega) > _NOTABLE * measured.omega)
    return differ


def _reason(
    constants: ForceConstants, supercell: Supercell, *, is_fitted: bool
) -> tuple[str, str]:
    """Give the likely reason of a disagreement, and what to do."""
    if not is_fitted:
        return (
            "the force constants belong to another temperature, volume or potential, or omit "
            "long-range forces",
            "fit force constants to this run (trajmodes run)",
        )
    if constants.cutoff is None:
        return (
            "the run is not in equilibrium, or its positions, velocities and forces do not "
            "belong together",
            "check the equilibration of the run, the masses and the units",
        )
    species = " and ".join(dict.fromkeys(constants.crystal.species))
    ions = f", as Coulomb forces between ions do ({species} may be charged)" * (
        " " in species and constants.charges is None
    )
    why = f"forces reach farther than the cutoff of {constants.cutoff:.2f} Å{ions}"
    if not loses_symmetry(supercell):
        fix = "give --cutoff2 supercell, which includes all pairs of the supercell"
        return why, f"{fix}, or a larger cutoff"
    return why, (
        "run a larger supercell with the symmetry of the crystal (n × n × n primitive cells, "
        "n × n × 1 of a layer). In this supercell force constants between all pairs "
        "(--cutoff2 supercell) have its lower symmetry, and are valid only at its q points"
    )
