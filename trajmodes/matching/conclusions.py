"""Conclusions from a sample of frames, with advice before a long job."""

from functools import partial

import numpy as np

from trajmodes.data.motion import HEADROOM, LARGEST_PHASE
from trajmodes.matching.match import Match
from trajmodes.matching.sample import CORRELATED, ENOUGH, Interval, RunSample, mean_and_error
from trajmodes.matching.temperatures import two_temperatures_note
from trajmodes.matching.without_positions.missing_positions import VELOCITIES_ARE_ENOUGH
from trajmodes.notes import Note
from trajmodes.readers.lammps.dump import dump_lines
from trajmodes.readers.programs.settings import Missing, how_to_write
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import LAMMPS_STYLES
from trajmodes.units import THZ

_NET = 0.1
"""Net force relative to √(3N) times the rms force, the sum of uncorrelated forces."""
_NET_EACH = 0.01
"""Net force per atom relative to the rms force; the stricter bound for small cells."""
_COARSE = 0.01
"""Rounding of coordinates relative to the rms displacement above which there is a note."""
_SURELY = 3.0
"""Standard errors beyond which the time between frames is wrong."""
_USUAL_PS = 0.01
"""Time between frames that suffices for nearly all crystals."""
_MARGIN = 1.3
"""Ratio of the Nyquist frequency to the lower bound of the highest frequency above which there
is no note."""


def better_file(
    trajectory: Trajectory,
    species: tuple[str, ...],
    missing: Missing = "frames",
    *,
    apart_ps: float | None = None,
) -> str:
    """Say how to write a file with all fields, and frames at most ``apart_ps`` apart."""
    interval_ps, step_stride = trajectory.interval_ps, trajectory.time.step_stride
    if trajectory.unit_style in LAMMPS_STYLES:
        stride = None
        if apart_ps is not None and interval_ps is not None:
            stride = max(1, int(step_stride * apart_ps / interval_ps))
        return dump_lines(trajectory, species, stride=stride)
    return how_to_write(trajectory.unit_style, missing, 1e3 * apart_ps if apart_ps else None)


def stored_forces_advice(trajectory: Trajectory, match: Match) -> str:
    """Say how to write forces without those of a thermostat."""
    if trajectory.unit_style not in LAMMPS_STYLES:
        return "write the forces of the potential, before the thermostat adds its own"
    return dump_lines(trajectory, match.supercell.crystal.species, stored_forces=True)


def match_note(match: Match) -> Note:
    """Note whether every atom is near its site."""
    if match.residual_max <= 0.15 * match.spacing:
        return Note("ok", "every atom is assigned to a site")
    text = (
        f"a mean position is {match.residual_max:.2f} Å from its site: the run is short, or "
        "its structure differs from the cell file"
    )
    return Note("warning", text, fix="compare with the cell found without a cell file")


def field_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    """Note missing fields and rounding."""
    notes = []
    lines = partial(better_file, trajectory, match.supercell.crystal.species)
    if not trajectory.has_positions:
        return [_no_positions(lines("positions"))]
    if not trajectory.has_forces:
        text = "no forces: force constants cannot be fitted"
        attach = "attach forces to the frames, for example by a SinglePointCalculator"
        fix = lines("forces") if trajectory.paths else attach
        fix += "\nforce constants of another run are enough for trajmodes project"
        known = "" if trajectory.has_velocities else " --temperature KELVIN"
        fix += f"\ntrajmodes run{known} finds effective ones from the displacements"
        notes.append(Note("error", text, fix=fix, concerns="fit", subject="fields"))
    if not trajectory.has_velocities and trajectory.ideal is None:
        notes.append(_no_velocities(trajectory, sample, lines("velocities")))
    rounding = trajectory.rounding
    if sample.displacement_rms is not None and rounding > _COARSE * sample.displacement_rms:
        text = (
            f"coordinates are rounded by up to {rounding:.0e} Å, "
            f"{rounding / sample.displacement_rms:.0%} of the rms displacement"
        )
        of_lammps = trajectory.unit_style in LAMMPS_STYLES
        fix = lines() if of_lammps else "write positions with more digits"
        notes.append(Note("warning", text, fix=fix))
    return notes


def _no_positions(fix: str) -> Note:
    """Say what velocities without displacements are enough for."""
    text = "no positions: force constants, which come from displacements, cannot be fitted"
    fix += f"\n{VELOCITIES_ARE_ENOUGH}"
    return Note("error", text, fix=fix, concerns="fit", subject="fields")


def _no_velocities(trajectory: Trajectory, sample: RunSample, fix: str) -> Note:
    """Say whether differences of positions can replace the velocities."""
    apart_ps, correlation = trajectory.interval_ps, sample.correlation
    # The correlation is a mean of cos ωΔ: at least one mode has this phase.
    phase = 0.0 if correlation is None else float(np.arccos(np.clip(correlation, -1.0, 1.0)))
    if apart_ps is not None and HEADROOM * phase > LARGEST_PHASE:
        text = (
            f"no velocities, and frames are {1e3 * apart_ps:.3g} fs apart, too far to compute "
            "them from positions: no kinetic energies, no spectra, no lifetimes"
        )
        return Note("error", text, fix=fix, concerns="spectra", subject="not-done")
    text = (
        "no velocities: kinetic energies and spectra come from differences of positions if "
        "the time between frames is short enough"
    )
    return Note("warning", text, fix=fix, subject="fields")


def time_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    """Note whether the time between frames is known, correct, and short enough for spectra."""
    if trajectory.ideal is not None:
        return [Note("ok", "snapshots about a known structure: force constants can be fitted")]
    measured = sample.interval
    if trajectory.interval_ps is None:
        text = "the time between frames is not known: no spectra, no lifetimes"
        fix = "give the time step (--timestep-fs), or dump_modify ID time yes"
        if trajectory.unit_style not in LAMMPS_STYLES:
            fix = "give the time between frames (--timestep-fs)"
        if measured is not None:
            fix = f"{fix}; {_as_if(measured)}"
        return [Note("error", text, fix=fix, concerns="spectra", subject="not-done")]
    notes = []
    if sample.omega_bound is not None:
        notes.append(_nyquist_note(trajectory, match, sample))
    wrong = time_step_note(trajectory, measured)
    return notes if wrong is None else [*notes, wrong]


def time_step_note(trajectory: Trajectory, measured: Interval | None) -> Note | None:
    """Refuse a time between frames that contradicts the motion; None if both agree."""
    given_ps = trajectory.interval_ps
    if measured is None or given_ps is None:
        return None
    if abs(measured.ps - given_ps) <= _SURELY * measured.sem_ps:
        return None
    stride = trajectory.time.step_stride or 1
    text = f"{_as_if(measured)}, not {1e3 * given_ps:.4g} fs"
    if stride > 1:
        found, given = (f"{1e3 * one / stride:.3g} fs" for one in (measured.ps, given_ps))
        text = f"{text}: a time step of {found}, not {given}"
    fix = (
        "check the time step (without step numbers in the file, --timestep-fs is the time "
        "between frames) and the unit of the velocities; --accept time-step uses the run "
        "as it is"
    )
    return Note("error", text, fix=fix, concerns="spectra", subject="time-step")


def _as_if(measured: Interval) -> str:
    return (
        f"atoms move as if frames were {1e3 * measured.ps:.4g} ± {1e3 * measured.sem_ps:.2g} "
        "fs apart"
    )


def _nyquist_note(trajectory: Trajectory, match: Match, sample: RunSample) -> Note:
    """Compare the Nyquist frequency with the lower bound of the highest frequency."""
    assert trajectory.interval_ps is not None
    assert sample.omega_bound is not None
    nyquist, bound = 0.5 / trajectory.interval_ps, sample.omega_bound / THZ
    apart = f"frames are {1e3 * trajectory.interval_ps:.3g} fs apart"
    lines = partial(better_file, trajectory, match.supercell.crystal.species)
    # Forces and velocities of one frame give the bound for any time between frames.
    is_known = sample.kinetic is not None and sample.virial is not None
    if not is_known and sample.correlation is not None and sample.correlation < CORRELATED:
        text = (
            f"{apart}, too far for an estimate of the highest frequency: lines above "
            f"{nyquist:.3g} THz, if there are any, are lost"
        )
        return Note("warning", text, fix=lines(apart_ps=_USUAL_PS))
    if nyquist > _MARGIN * bound:
        text = f"frames are dense enough: Nyquist {nyquist:.3g} THz, motion up to at least "
        return Note("ok", f"{text}{bound:.3g} THz")
    text = (
        f"{apart}, Nyquist {nyquist:.3g} THz, and the highest frequency is above {bound:.3g} "
        "THz, often by a factor of 1.2 to 2: lines above the Nyquist frequency are lost"
    )
    # The highest frequency may be above its bound, so the Nyquist frequency is three times the
    # bound.
    return Note("warning", text, fix=lines(apart_ps=0.5 / (3.0 * bound)), concerns="spectra")


def physics_notes(match: Match, sample: RunSample) -> list[Note]:
    """Judge the temperature and the net force."""
    both = two_temperatures_note(match.supercell.crystal, sample)
    notes = [] if both is None else [both]
    kinetic, sem = mean_and_error(sample.kinetic)
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
                "as Langevin adds forces"
            )
            fix = "dump all atoms, and forces before any constraint, field or thermostat"
            notes.append(Note("warning", text, fix=fix, subject="net-force"))
    return notes
