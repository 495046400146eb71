"""Diagnosis of a run from a sample of its frames: its uses, and how to improve it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.lattice import Deformation
from trajmodes.data.results import Finding
from trajmodes.errors import DataError
from trajmodes.matching.displacements import Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Outliers
from trajmodes.matching.sample import ENOUGH, RunSample, mean_and_error, sample_run
from trajmodes.notes import Note
from trajmodes.readers.lammps.dump import dump_lines
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import unit_factors
from trajmodes.symmetry.translations import half_space
from trajmodes.units import DALTON, THZ

PROVABLE_UNITS: tuple[
    Literal["metal", "real", "si", "cgs", "electron", "micro", "nano"], ...
] = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
"""Unit styles with fixed factors; those of lj are known to the user only."""
PROOF = 1.8
"""Kinetic and virial temperature within this factor of each other prove the units of a file."""
_RATIO = 3.0
"""Largest ratio of kinetic and virial temperature in a solid."""
_AGREE, _DISAGREE = 1.3, 1.8
"""Ratios of kinetic to virial temperature. In an anharmonic crystal both differ by a few per
cent; a wrong element changes the kinetic one by the ratio of the masses."""
_NET = 0.1
"""Net force relative to √(3N) rms forces, the sum of uncorrelated forces."""
_NET_EACH = 0.01
"""Net force per atom relative to the rms force; the stricter bound for small cells."""
_COARSE = 0.01
"""Rounding of coordinates relative to the rms displacement that gives a note."""
_BASE_BYTES, _BLOCK_BYTES, _WAITING_BYTES = 350e6, 3e6, 38e6
"""Memory of the libraries, of a block of frames, of the amplitudes buffered for a spectrum."""
_BASE_SECONDS, _PASSES = 12.0, 3.0
"""Time to start, plot and write; time of both passes relative to reading and displacing."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Quantities of a run, the conclusions from them, and its commensurate q points."""

    figures: Mapping[str, Finding]
    """Name → value, in the order of the report."""
    verdict: tuple[Note, ...]
    qpoints: Floats
    """(q, 3) commensurate q points, one of each pair ±q, reduced coordinates."""
    weights: Floats
    """(q,) 2 where a point represents ±q."""
    sample: RunSample

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q")
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))

    @property
    def usable(self) -> bool:
        """Whether no note is an error."""
        return all(note.severity != "error" for note in self.verdict)


def diagnose(
    trajectory: Trajectory,
    match: Match,
    *,
    hops: Hops = "refuse",
    outliers: Outliers = "refuse",
) -> Diagnosis:
    """Evaluate a sample of frames; ``hops`` and ``outliers`` are those of `Displacer`.

    Raises
    ------
    DataError
        If velocities and forces have different temperatures, as with wrong units, or a sampled
        frame cannot be used.
    """
    sample = sample_run(trajectory, match, hops=hops, outliers=outliers)
    _check_units(trajectory, sample)
    space = half_space(match.supercell)
    figures = {
        **_match_figures(match),
        **_motion_figures(sample),
        **_time_figures(trajectory, sample),
        **_size_figures(trajectory, match, sample),
    }
    verdict = (
        *match.notes,
        # `_field_notes` judges missing fields and rounding by the sample.
        *(note for note in trajectory.notes if note.subject not in ("fields", "rounding")),
        _match_note(match),
        *_field_notes(trajectory, match, sample),
        *_time_notes(trajectory, match, sample),
        *_physics_notes(match, sample),
    )
    return Diagnosis(figures, verdict, space.qpoints, space.weights, sample)


def units_are_proved(sample: RunSample) -> bool | None:
    """Whether velocities and forces give one temperature; None where one of them is missing."""
    if sample.kinetic is None or sample.virial is None:
        return None
    return bool(1.0 / PROOF < sample.kinetic.mean() / sample.virial.mean() < PROOF)


def _check_units(trajectory: Trajectory, sample: RunSample) -> None:
    """Raise a `DataError` if the two temperatures are inconsistent."""
    (kinetic, _), (virial, _) = mean_and_error(sample.kinetic), mean_and_error(sample.virial)
    if not np.isfinite([kinetic, virial]).all() or len(sample.frames) < ENOUGH:
        return
    if virial > 0.0 and 1.0 / _RATIO < kinetic / virial < _RATIO:
        return
    likely = _likely_units(trajectory.unit_style, kinetic, virial)
    raise DataError(
        f"velocities give {kinetic:.4g} K, forces and displacements {virial:.4g} K",
        where=f"{len(sample.frames)} frames, read with units {trajectory.unit_style}",
        why=f"the file is likely in {likely}"
        if likely
        else "velocities or forces are in another unit, of other atoms, or of opposite sign",
        fix=f"give units {likely.split()[-1]}"
        if likely.startswith("units")
        else "check the elements and masses, the units, and that positions, velocities and "
        "forces belong to the same step",
    )


def _likely_units(style: str, kinetic: float, virial: float) -> str:
    """Name the unit for which both temperatures agree; empty if there is none."""
    if virial <= 0.0 or kinetic <= 0.0:
        return ""
    if style in PROVABLE_UNITS:
        taken = unit_factors(style)
        for other in PROVABLE_UNITS:
            factors = unit_factors(other)
            if factors.length != taken.length:
                continue
            t_kinetic = kinetic * (factors.velocity / taken.velocity) ** 2
            t_virial = virial * factors.force / taken.force
            if 1.0 / _RATIO < t_kinetic / t_virial < _RATIO and 0.01 < t_kinetic < 1e5:
                return f"units {other}"
    for factor, name in ((1e3, "Å/fs"), (1e-3, "Å/ps taken for Å/fs")):
        if 1.0 / _RATIO < kinetic * factor**2 / virial < _RATIO:
            return f"other units: velocities seem to be in {name}"
    return ""


def _match_figures(match: Match) -> dict[str, Finding]:
    cosine = np.clip((np.trace(match.rotation) - 1.0) / 2.0, -1.0, 1.0)
    largest = Deformation(match.strain, match.rotation).largest
    supercell, moved = match.supercell, np.linalg.norm(match.relaxation, axis=1).max()
    matrix = str(supercell.matrix.tolist())
    return {
        "atoms": Finding(supercell.n_atoms, "", f"all on sites, {match.space_group}"),
        "primitive cells": Finding(supercell.n_cells, "", f"supercell matrix {matrix}"),
        "rotation": Finding(float(np.degrees(np.arccos(cosine))), "°", "file to cell file"),
        "strain": Finding(
            round(100 * largest, 6) + 0.0, "%", "largest, from the cell file to the run"
        ),
        "residual": Finding(match.residual_rms, "Å", "rms, mean positions from ideal sites"),
        "largest residual": Finding(
            match.residual_max, "Å", f"neighbours {match.spacing:.4g} Å"
        ),
        "relaxation": Finding(
            float(moved),
            "Å",
            f"of sites, as symmetry allows, ± {match.relaxation_sem:.1e}; without symmetry "
            f"{match.raw_relaxation_max:.1e}",
        ),
    }


def _motion_figures(sample: RunSample) -> dict[str, Finding]:
    kinetic, kinetic_sem = mean_and_error(sample.kinetic)
    virial, virial_sem = mean_and_error(sample.virial)
    speed = "" if sample.drift_speed is None else f", at most {sample.drift_speed:.1e} Å/ps"
    figures = {
        "drift": Finding(sample.drift, "Å", f"largest, of the centre of mass{speed}"),
        "box change": Finding(sample.box_change, "", "largest, relative"),
        "displacement": Finding(
            sample.displacement_rms,
            "Å",
            f"rms component; largest of an atom {sample.farthest:.3g}",
        ),
    }
    if sample.kinetic is not None:
        figures["kinetic temperature"] = Finding(kinetic, "K", f"± {kinetic_sem:.2g}, 3N − 3")
    if sample.virial is not None:
        figures["virial temperature"] = Finding(
            virial, "K", f"± {virial_sem:.2g}, −⟨u·F⟩/(3N − 3)k_B"
        )
    if sample.net_force is not None and sample.force_rms is not None:
        figures["net force"] = Finding(
            sample.net_force,
            "eV/Å",
            f"largest; rms component of an atom {sample.force_rms:.3g}",
        )
    return figures


def _time_figures(trajectory: Trajectory, sample: RunSample) -> dict[str, Finding]:
    n_segments = len(trajectory.segments)
    gaps = f"in {n_segments} segments, with gaps between"
    figures = {
        "frames": Finding(
            trajectory.n_frames, "", "without a gap" if n_segments == 1 else gaps
        ),
        "digits": Finding(
            trajectory.precision_digits,
            "",
            f"of a coordinate, at most; rounded by up to {trajectory.rounding:.0e} Å",
        ),
    }
    if trajectory.interval_ps is not None:
        interval, stride = trajectory.interval_ps, trajectory.time.step_stride
        step = f"{stride} steps of {1e3 * interval / stride:.4g} fs" if stride else ""
        figures["interval"] = Finding(1e3 * interval, "fs", step)
        figures["Nyquist frequency"] = Finding(0.5 / interval, "THz", "of the frames")
    if sample.interval_ps is not None:
        figures["interval from motion"] = Finding(
            1e3 * sample.interval_ps, "fs", "displacement divided by velocity"
        )
    if sample.omega_bound is not None:
        figures["highest frequency"] = Finding(
            sample.omega_bound / THZ,
            "THz",
            "lower bound, from moments; often 1.2 to 2 times higher",
        )
    return figures


def _size_figures(
    trajectory: Trajectory, match: Match, sample: RunSample
) -> dict[str, Finding]:
    n_fields = 1 + trajectory.has_velocities + trajectory.has_forces
    n_workers = os.cpu_count() or 1
    # Text and numbers of the blocks being processed; amplitudes of half the run at half the q.
    frame_bytes = 48.0 * n_fields * match.supercell.n_atoms
    memory = _BASE_BYTES + 6.0 * n_workers * max(_BLOCK_BYTES, frame_bytes)
    memory += 2.0 * min(_WAITING_BYTES, 12.0 * match.supercell.n_atoms * trajectory.n_frames)
    seconds = trajectory.n_frames * sample.seconds_per_frame / n_workers
    seconds = _BASE_SECONDS + _PASSES * seconds
    total = int(match.supercell.n_cells)
    return {
        "q points": Finding(total, "", "commensurate with the supercell, ±q counted twice"),
        "memory of a run": Finding(memory / 1e9, "GB", "about"),
        "time of a run": Finding(
            float(f"{seconds:.1g}"), "s", f"about, with {n_workers} workers"
        ),
        "file": Finding(
            trajectory.n_bytes / 1e9, "GB", f"columns {' '.join(trajectory.columns)}"
        ),
    }


def _match_note(match: Match) -> Note:
    if match.residual_max <= 0.15 * match.spacing:
        return Note("ok", "every atom is assigned to a site")
    text = (
        f"a mean position is {match.residual_max:.2f} Å from its site: the run is short, or "
        "its structure differs from the cell file"
    )
    return Note("warning", text, fix="compare with the cell found without a cell file")


def _field_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    notes = []
    lines = dump_lines(trajectory, match.supercell.crystal.species)
    if not trajectory.has_forces:
        text = "no forces: force constants cannot be fitted"
        attach = "attach forces to the frames, for example by a SinglePointCalculator"
        fix = lines if trajectory.paths else attach
        notes.append(Note("error", text, fix=fix, concerns="fit"))
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


def _time_notes(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Note]:
    if trajectory.ideal is not None:
        return [Note("ok", "snapshots about a known structure: force constants can be fitted")]
    if trajectory.interval_ps is None:
        text = "the time between frames is not known: no spectra, no lifetimes"
        fix = "give the time step (--timestep-fs), or dump_modify ID time yes"
        return [Note("error", text, fix=fix, concerns="spectra")]
    notes = []
    if sample.omega_bound is not None:
        notes.append(_nyquist_note(trajectory, match, sample.omega_bound))
    measured = sample.interval_ps
    if measured is not None and not 0.6 < measured / trajectory.interval_ps < 1.7:
        text = (
            f"atoms move as if frames were {1e3 * measured:.3g} fs apart, not "
            f"{1e3 * trajectory.interval_ps:.3g} fs"
        )
        fix = (
            "check the time step (without step numbers in the file, --timestep-fs is the time "
            "between frames) and the unit of the velocities"
        )
        notes.append(Note("error", text, fix=fix, concerns="spectra"))
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
    return Note("warning", text, fix=fix, concerns="spectra")


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
