"""Diagnosis of a run from a sample of its frames, before the long passes.

`checks` draws the conclusions.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.results import Finding
from trajmodes.errors import DataError
from trajmodes.matching.checks import check_run
from trajmodes.matching.displacements import Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Outliers
from trajmodes.matching.sample import ENOUGH, RunSample, mean_and_error, sample_run
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import unit_factors
from trajmodes.symmetry.translations import half_space
from trajmodes.units import THZ

PROVABLE_UNITS: tuple[
    Literal["metal", "real", "si", "cgs", "electron", "micro", "nano"], ...
] = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
"""Unit styles with fixed factors; those of lj are known to the user only."""
PROOF = 1.8
"""Kinetic and virial temperature within this factor of each other prove the units of a file."""
_RATIO = 3.0
"""Largest ratio of kinetic and virial temperature in a solid."""
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
    return Diagnosis(
        figures, check_run(trajectory, match, sample), space.qpoints, space.weights, sample
    )


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
    strain = np.linalg.eigvalsh(match.strain)
    largest = float(strain[np.abs(strain).argmax()])
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
    (kinetic, kinetic_sem), (virial, virial_sem) = (
        mean_and_error(sample.kinetic),
        mean_and_error(sample.virial),
    )
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
    figures = {
        "frames": Finding(trajectory.n_frames, "", _gap_text(len(trajectory.segments))),
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


def _gap_text(n_segments: int) -> str:
    return (
        "without a gap" if n_segments == 1 else f"in {n_segments} segments, with gaps between"
    )


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
    # One significant digit.
    seconds = float(f"{seconds:.1g}")
    total = int(match.supercell.n_cells)
    return {
        "q points": Finding(total, "", "commensurate with the supercell, ±q counted twice"),
        "memory of a run": Finding(memory / 1e9, "GB", "about"),
        "time of a run": Finding(seconds, "s", f"about, with {n_workers} workers"),
        "file": Finding(
            trajectory.n_bytes / 1e9, "GB", f"columns {' '.join(trajectory.columns)}"
        ),
    }
