"""Checks of a run by a sample of its frames: its uses, and how to improve it."""

import numpy as np

from trajmodes.matching.match import Match
from trajmodes.matching.sample import ENOUGH, RunSample, mean_and_error
from trajmodes.notes import Note, Severity
from trajmodes.readers.lammps.dump import dump_lines
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import DALTON, THZ

_AGREE, _DISAGREE = 1.3, 1.8
"""Ratios of kinetic to virial temperature. In an anharmonic crystal both differ by a few per
cent; a wrong element changes the kinetic one by the ratio of the masses."""
_NET = 0.1
"""Net force relative to √(3N) rms forces, the sum of uncorrelated forces."""
_NET_EACH = 0.01
"""Net force per atom relative to the rms force; the stricter bound for small cells."""
_COARSE = 0.01
"""Rounding of coordinates relative to the rms displacement that gives a note."""


def check_run(trajectory: Trajectory, match: Match, sample: RunSample) -> tuple[Note, ...]:
    """Check what a run can be used for."""
    return (
        *match.notes,
        *_reader_notes(trajectory),
        *_match_notes(match),
        *_field_notes(trajectory, match, sample),
        *_time_notes(trajectory, match, sample),
        *_physics_notes(match, sample),
    )


def _match_notes(match: Match) -> list[Note]:
    notes = []
    if match.residual_max > 0.15 * match.spacing:
        notes.append(
            Note(
                "warning",
                f"a mean position is {match.residual_max:.2f} Å from its site: the run is "
                "short, or its structure differs from the cell file",
                fix="compare with the cell found without a cell file",
            )
        )
    else:
        notes.append(Note("ok", "every atom is assigned to a site"))
    return notes


def _field_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    notes = []
    lines = dump_lines(trajectory, match.supercell.crystal.species)
    if not trajectory.has_forces:
        text = "no forces: force constants cannot be fitted"
        attach = "attach forces to the frames, for example by a SinglePointCalculator"
        notes.append(
            Note("error", text, fix=lines if trajectory.paths else attach, concerns="fit")
        )
    if not trajectory.has_velocities and trajectory.ideal is None:
        text = (
            "no velocities: kinetic energies and spectra come from differences of positions if "
            "the time between frames is short enough"
        )
        notes.append(Note("warning", text, fix=lines))
    rounding = trajectory.rounding
    if rounding > _COARSE * sample.displacement_rms:
        text = (
            f"coordinates are rounded by up to {rounding:.0e} Å, "
            f"{rounding / sample.displacement_rms:.0%} of the rms displacement"
        )
        notes.append(Note("warning", text, fix=lines))
    return notes


def _reader_notes(trajectory: Trajectory) -> list[Note]:
    """Select notes of the reader; `_field_notes` judges fields and digits."""
    return [note for note in trajectory.notes if note.subject not in ("fields", "rounding")]


def _time_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    if trajectory.ideal is not None:
        return [Note("ok", "snapshots about a known structure: force constants can be fitted")]
    if trajectory.interval_ps is None:
        return [
            Note(
                "error",
                "the time between frames is not known: no spectra, no lifetimes",
                fix="give the time step (--timestep-fs), or dump_modify ID time yes",
                concerns="spectra",
            )
        ]
    notes = []
    if sample.omega_bound is not None:
        notes.append(_nyquist_note(trajectory, match, sample.omega_bound))
    measured = sample.interval_ps
    if measured is not None and not 0.6 < measured / trajectory.interval_ps < 1.7:
        notes.append(
            Note(
                "error",
                f"atoms move as if frames were {1e3 * measured:.3g} fs apart, not "
                f"{1e3 * trajectory.interval_ps:.3g} fs",
                fix="check the time step (without step numbers in the file, --timestep-fs is "
                "the time between frames) and the unit of the velocities",
                concerns="spectra",
            )
        )
    return notes


def _nyquist_note(trajectory: Trajectory, match: Match, omega: float) -> Note:
    assert trajectory.interval_ps is not None
    nyquist, bound = 0.5 / trajectory.interval_ps, omega / THZ
    if nyquist > 2.0 * bound:
        return Note("ok", f"frames are dense enough: Nyquist {nyquist:.3g} THz")
    stride = trajectory.time.step_stride
    # The highest frequency may be above its bound, so the Nyquist frequency is three times it.
    wanted = max(1, int(stride * nyquist / (3.0 * bound)))
    text = (
        f"frames are {1e3 * trajectory.interval_ps:.3g} fs apart, Nyquist {nyquist:.3g} THz, "
        f"less than twice {bound:.3g} THz, a lower bound of the highest frequency"
    )
    fix = dump_lines(trajectory, match.supercell.crystal.species, stride=wanted)
    severity: Severity = "error" if nyquist < 1.2 * bound else "warning"
    return Note(severity, text, fix=fix, concerns="spectra")


def _temperature_note(match: Match, kinetic: float, virial: float) -> Note:
    ratio = kinetic / virial
    both = f"velocities ({kinetic:.4g} K) and forces ({virial:.4g} K)"
    if 1.0 / _AGREE < ratio < _AGREE:
        return Note("ok", f"{both} give the same temperature")
    masses_da = np.unique(match.supercell.crystal.masses / DALTON)
    guess = ", ".join(f"{mass / ratio:.4g} Da instead of {mass:.4g}" for mass in masses_da)
    fix = f"check elements and masses ({guess} would agree), and the units"
    severe = not 1.0 / _DISAGREE < ratio < _DISAGREE
    return Note("error" if severe else "warning", f"{both} disagree", fix=fix)


def _physics_notes(match: Match, sample: RunSample) -> list[Note]:
    notes = []
    (kinetic, sem), (virial, _) = mean_and_error(sample.kinetic), mean_and_error(sample.virial)
    if np.isfinite([kinetic, virial]).all():
        if len(sample.frames) < ENOUGH:
            text = "too few frames to verify the units by the two temperatures"
            notes.append(Note("warning", text, fix="run longer"))
        else:
            notes.append(_temperature_note(match, kinetic, virial))
    if sample.kinetic is not None and len(sample.kinetic) >= 2 * ENOUGH:
        half = len(sample.kinetic) // 2
        change = float(sample.kinetic[half:].mean() - sample.kinetic[:half].mean())
        if abs(change) > max(5.0 * sem, 0.02 * kinetic):
            text = (
                f"the temperature changes by {change:+.3g} K from the first half to the second"
            )
            notes.append(Note("warning", text, fix="omit the start, or run longer"))
    if sample.net_force is not None and sample.force_rms is not None:
        n_atoms = match.supercell.n_atoms
        bound = min(_NET * np.sqrt(3.0 * n_atoms), _NET_EACH * n_atoms) * sample.force_rms
        if sample.net_force > bound:
            text = (
                f"forces do not add up to zero: {sample.net_force:.2g} eV/Å in one frame, "
                f"{sample.net_force / n_atoms:.2g} per atom, rms of an atom "
                f"{sample.force_rms:.2g}; they are wrong or incomplete, or a thermostat such "
                "as Langevin adds its own"
            )
            fix = "dump all atoms, and forces before any constraint, field or thermostat"
            notes.append(Note("warning", text, fix=fix))
    return notes
