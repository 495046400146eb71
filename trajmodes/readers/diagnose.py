"""Everything about a run that decides whether results can be trusted, before the work is done.

Figures come from a sample of frames; remarks say what follows from them, and what mends it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.errors import DataError
from trajmodes.readers.lammps_units import unit_factors
from trajmodes.readers.match import Match
from trajmodes.readers.mending import dump_lines
from trajmodes.readers.run_sample import RunSample, sample_run
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.translations import half_space
from trajmodes.units import DALTON, THZ

__all__ = ["Diagnosis", "Figure", "Remark", "diagnose"]

_STYLES = ("metal", "real", "electron", "si", "cgs", "micro", "nano")
_RATIO = 3.0
"""Kinetic and virial temperature of a solid may differ by this factor, not by more."""
_AGREE, _DISAGREE = 1.3, 1.8
"""The two temperatures of an anharmonic crystal differ by a few per cent; a wrong element shows
in the kinetic one, as its mass does."""
_ENOUGH = 8
"""Sampled frames from which two temperatures may be compared."""
_COARSE = 0.01
"""Rounding of coordinates as a part of the rms displacement that is worth a remark."""
_BASE_BYTES, _BLOCK_BYTES, _WAITING_BYTES = 350e6, 3e6, 38e6
"""Memory of the libraries, of a block of frames, of amplitudes that wait for a spectrum."""
_BASE_SECONDS, _PASSES = 5.0, 3.0
"""Time to start, draw and write; and of both passes, in times of reading and displacing."""


class Figure(NamedTuple):
    """One number about the run."""

    value: float
    """nan where only the text says something."""
    unit: str
    text: str
    """What it means, in a few words."""


class Remark(NamedTuple):
    """What follows from the figures."""

    severity: Literal["error", "warning", "ok"]
    text: str
    fix: str
    """What to do about it; empty if nothing."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Figures of a run, what follows from them, and the q points that it holds."""

    figures: Mapping[str, Figure]
    """Name → figure, in the order to be told."""
    verdict: tuple[Remark, ...]
    qpoints: Floats
    """(q, 3) commensurate q points, one of each pair ±q, reduced coordinates."""
    weights: Floats
    """(q,) 2 where a point stands for ±q."""
    sample: RunSample

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q")
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))

    @property
    def usable(self) -> bool:
        """Whether no remark is an error."""
        return all(remark.severity != "error" for remark in self.verdict)


def diagnose(trajectory: Trajectory, match: Match) -> Diagnosis:
    """Look at a sample of frames and say what the run is good for.

    Parameters
    ----------
    trajectory
        The run.
    match
        Its match to a crystal.

    Raises
    ------
    DataError
        If velocities and forces belong to different temperatures, as wrong units make them, or
        a sampled frame cannot be used.
    """
    sample = sample_run(trajectory, match)
    _check_units(trajectory, sample)
    space = half_space(match.supercell)
    figures = {
        **_match_figures(match),
        **_motion_figures(sample),
        **_time_figures(trajectory, sample),
        **_size_figures(trajectory, match, sample),
    }
    remarks = (
        *(Remark("warning", note, "") for note in match.notes),
        *_told_by_reader(trajectory),
        *_match_remarks(match),
        *_field_remarks(trajectory, match, sample),
        *_time_remarks(trajectory, match, sample),
        *_physics_remarks(match, sample),
    )
    return Diagnosis(figures, remarks, space.qpoints, space.weights, sample)


def _mean(values: Floats | None) -> tuple[float, float]:
    """Mean and standard error of sampled values."""
    if values is None:
        return float("nan"), float("nan")
    sem = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(sem)


def _check_units(trajectory: Trajectory, sample: RunSample) -> None:
    """Refuse where the two temperatures cannot belong to one run."""
    (kinetic, _), (virial, _) = _mean(sample.kinetic), _mean(sample.virial)
    if not np.isfinite([kinetic, virial]).all() or len(sample.frames) < _ENOUGH:
        return
    if virial > 0.0 and 1.0 / _RATIO < kinetic / virial < _RATIO:
        return
    likely = _likely_units(trajectory.unit_style, kinetic, virial)
    raise DataError(
        f"velocities say {kinetic:.4g} K, forces and displacements {virial:.4g} K",
        where=f"{len(sample.frames)} frames, read with units {trajectory.unit_style}",
        why=f"the file is likely in {likely}"
        if likely
        else "velocities or forces are in another unit, of other atoms, or of the other sign",
        fix=f"give units {likely.split()[-1]}"
        if likely.startswith("units")
        else "check the elements and masses, the units, and that positions, velocities and "
        "forces are of one step",
    )


def _likely_units(style: str, kinetic: float, virial: float) -> str:
    """Name the unit that would make both temperatures agree; empty if none does."""
    if virial <= 0.0 or kinetic <= 0.0:
        return ""
    if style in _STYLES:
        taken = unit_factors(style)
        for other in _STYLES:
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


def _match_figures(match: Match) -> dict[str, Figure]:
    cosine = np.clip((np.trace(match.rotation) - 1.0) / 2.0, -1.0, 1.0)
    strain = np.linalg.eigvalsh(match.strain)
    largest = float(strain[np.abs(strain).argmax()])
    supercell, moved = match.supercell, np.linalg.norm(match.relaxation, axis=1).max()
    matrix = str(supercell.matrix.tolist())
    return {
        "atoms": Figure(supercell.n_atoms, "", f"all on sites, {match.space_group}"),
        "primitive cells": Figure(supercell.n_cells, "", f"supercell matrix {matrix}"),
        "rotation": Figure(float(np.degrees(np.arccos(cosine))), "°", "file to cell file"),
        "strain": Figure(
            round(100 * largest, 6), "%", "largest, from the cell file to the run"
        ),
        "residual": Figure(match.residual_rms, "Å", "rms, mean positions from ideal sites"),
        "largest residual": Figure(
            match.residual_max, "Å", f"neighbours {match.spacing:.4g} Å"
        ),
        "relaxation": Figure(
            float(moved),
            "Å",
            f"of sites as symmetry allows, ± {match.relaxation_sem:.1e}; without symmetry "
            f"{match.raw_relaxation_max:.1e}",
        ),
    }


def _motion_figures(sample: RunSample) -> dict[str, Figure]:
    (kinetic, kinetic_sem), (virial, virial_sem) = _mean(sample.kinetic), _mean(sample.virial)
    speed = "" if sample.drift_speed is None else f", at most {sample.drift_speed:.1e} Å/ps"
    figures = {
        "drift": Figure(sample.drift, "Å", f"largest, of the centre of mass{speed}"),
        "box change": Figure(sample.box_change, "", "largest, relative"),
        "displacement": Figure(
            sample.displacement_rms,
            "Å",
            f"rms component; largest of an atom {sample.farthest:.3g}",
        ),
    }
    if sample.kinetic is not None:
        figures["kinetic temperature"] = Figure(kinetic, "K", f"± {kinetic_sem:.2g}, 3N − 3")
    if sample.virial is not None:
        figures["virial temperature"] = Figure(
            virial, "K", f"± {virial_sem:.2g}, −⟨u·F⟩/(3N − 3)k_B"
        )
    if sample.net_force is not None and sample.force_rms is not None:
        figures["net force"] = Figure(
            sample.net_force,
            "eV/Å",
            f"largest; rms component of an atom {sample.force_rms:.3g}",
        )
    return figures


def _time_figures(trajectory: Trajectory, sample: RunSample) -> dict[str, Figure]:
    figures = {
        "frames": Figure(trajectory.n_frames, "", _count(len(trajectory.segments))),
        "digits": Figure(
            trajectory.precision_digits,
            "",
            f"of a coordinate, at most; rounded by up to {trajectory.rounding:.0e} Å",
        ),
    }
    if trajectory.interval_ps is not None:
        interval, stride = trajectory.interval_ps, _stride(trajectory)
        step = f"{stride} steps of {1e3 * interval / stride:.4g} fs" if stride else ""
        figures["interval"] = Figure(1e3 * interval, "fs", step)
        figures["Nyquist frequency"] = Figure(0.5 / interval, "THz", "of the frames")
    if sample.interval_ps is not None:
        figures["interval from motion"] = Figure(
            1e3 * sample.interval_ps, "fs", "distance gone over velocity"
        )
    if sample.omega_bound is not None:
        figures["highest frequency"] = Figure(
            sample.omega_bound / THZ, "THz", "at least, from moments; often 1.2 to 2 times that"
        )
    return figures


def _count(n_segments: int) -> str:
    return (
        "without a gap" if n_segments == 1 else f"in {n_segments} stretches, with gaps between"
    )


def _stride(trajectory: Trajectory) -> int:
    """Count the steps between neighbouring frames; 0 where there are none."""
    for start, stop in trajectory.segments:
        if stop - start > 1:
            return int(trajectory.steps[start + 1] - trajectory.steps[start])
    return 0


def _size_figures(trajectory: Trajectory, match: Match, sample: RunSample) -> dict[str, Figure]:
    n_fields = 1 + trajectory.has_velocities + trajectory.has_forces
    n_workers = os.cpu_count() or 1
    # Text and numbers of the blocks in flight; half the run as amplitudes of half the q.
    frame_bytes = 48.0 * n_fields * match.supercell.n_atoms
    memory = _BASE_BYTES + 6.0 * n_workers * max(_BLOCK_BYTES, frame_bytes)
    memory += 2.0 * min(_WAITING_BYTES, 12.0 * match.supercell.n_atoms * trajectory.n_frames)
    seconds = trajectory.n_frames * sample.seconds_per_frame / n_workers
    seconds = _BASE_SECONDS + _PASSES * seconds
    total = int(match.supercell.n_cells)
    return {
        "q points": Figure(total, "", "commensurate with the supercell, ±q counted twice"),
        "memory of a run": Figure(memory / 1e9, "GB", "about"),
        "time of a run": Figure(seconds, "s", f"about, with {n_workers} workers"),
        "file": Figure(
            trajectory.n_bytes / 1e9, "GB", f"columns {' '.join(trajectory.columns)}"
        ),
    }


def _match_remarks(match: Match) -> list[Remark]:
    remarks = []
    if match.residual_max > 0.15 * match.spacing:
        remarks.append(
            Remark(
                "warning",
                f"a mean position is {match.residual_max:.2f} Å from its site: the run is "
                "short, or its structure is not quite that of the cell file",
                "compare with the cell found without a cell file",
            )
        )
    else:
        remarks.append(Remark("ok", "every atom has its site", ""))
    return remarks


def _field_remarks(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Remark]:
    remarks = []
    lines = dump_lines(trajectory, match.supercell.crystal.species)
    if not trajectory.has_forces:
        text = "no forces: constants cannot be fitted; others can be projected on"
        remarks.append(Remark("error", text, lines))
    if not trajectory.has_velocities:
        text = "no velocities: no kinetic energies and no spectra; constants can be fitted"
        remarks.append(Remark("warning", text, lines))
    rounding = trajectory.rounding
    if rounding > _COARSE * sample.displacement_rms:
        text = (
            f"coordinates are rounded by up to {rounding:.0e} Å, "
            f"{rounding / sample.displacement_rms:.0%} of the rms displacement"
        )
        remarks.append(Remark("warning", text, lines))
    return remarks


def _told_by_reader(trajectory: Trajectory) -> list[Remark]:
    """Pass notes of the reader on, but for fields and digits: `_field_remarks` has these."""
    remarks = []
    for note in trajectory.notes:
        text, _, fix = note.partition("; mend")
        if not any(words in text for words in ("no velocities", "no forces", "are rounded by")):
            remarks.append(Remark("warning", text, fix.lstrip(":, ")))
    return remarks


def _time_remarks(trajectory: Trajectory, match: Match, sample: RunSample) -> list[Remark]:
    if trajectory.interval_ps is None:
        return [
            Remark(
                "error",
                "the time between frames is not known: no spectra, no lifetimes",
                "give the time step (--timestep-fs), or dump_modify ID time yes",
            )
        ]
    remarks = []
    if sample.omega_bound is not None:
        remarks.append(_nyquist_remark(trajectory, match, sample.omega_bound))
    told = sample.interval_ps
    if told is not None and not 0.6 < told / trajectory.interval_ps < 1.7:
        remarks.append(
            Remark(
                "error",
                f"atoms move as if frames were {1e3 * told:.3g} fs apart, not "
                f"{1e3 * trajectory.interval_ps:.3g} fs",
                "check the time step and the unit of the velocities",
            )
        )
    return remarks


def _nyquist_remark(trajectory: Trajectory, match: Match, omega: float) -> Remark:
    assert trajectory.interval_ps is not None
    nyquist, bound = 0.5 / trajectory.interval_ps, omega / THZ
    if nyquist > 2.0 * bound:
        return Remark("ok", f"frames are dense enough: Nyquist {nyquist:.3g} THz", "")
    stride = _stride(trajectory)
    # Nyquist at three times the bound leaves room for what the bound does not see.
    wanted = max(1, int(stride * nyquist / (3.0 * bound)))
    text = (
        f"frames are {1e3 * trajectory.interval_ps:.3g} fs apart, good for {nyquist:.3g} THz, "
        f"while the crystal has modes of {bound:.3g} THz at least"
    )
    fix = dump_lines(trajectory, match.supercell.crystal.species, stride=wanted)
    return Remark("error" if nyquist < 1.2 * bound else "warning", text, fix)


def _temperatures_remark(match: Match, kinetic: float, virial: float) -> Remark:
    ratio = kinetic / virial
    both = f"velocities ({kinetic:.4g} K) and forces ({virial:.4g} K)"
    if 1.0 / _AGREE < ratio < _AGREE:
        return Remark("ok", f"{both} belong to one temperature", "")
    masses_da = np.unique(match.supercell.crystal.masses / DALTON)
    guess = ", ".join(f"{mass / ratio:.4g} Da instead of {mass:.4g}" for mass in masses_da)
    fix = f"check elements and masses ({guess} would agree), and the units"
    severe = not 1.0 / _DISAGREE < ratio < _DISAGREE
    return Remark("error" if severe else "warning", f"{both} disagree", fix)


def _physics_remarks(match: Match, sample: RunSample) -> list[Remark]:
    remarks = []
    (kinetic, sem), (virial, _) = _mean(sample.kinetic), _mean(sample.virial)
    if np.isfinite([kinetic, virial]).all():
        if len(sample.frames) < _ENOUGH:
            text = "too few frames to prove the units by two temperatures"
            remarks.append(Remark("warning", text, "run longer"))
        else:
            remarks.append(_temperatures_remark(match, kinetic, virial))
    if sample.kinetic is not None and len(sample.kinetic) >= 2 * _ENOUGH:
        half = len(sample.kinetic) // 2
        change = float(sample.kinetic[half:].mean() - sample.kinetic[:half].mean())
        if abs(change) > max(5.0 * sem, 0.02 * kinetic):
            text = (
                f"the temperature changes by {change:+.3g} K from the first half to the second"
            )
            remarks.append(Remark("warning", text, "leave out the start, or run longer"))
    if sample.net_force is not None and sample.force_rms is not None:
        each = sample.net_force / match.supercell.n_atoms
        if each > 0.01 * sample.force_rms:
            text = (
                f"forces do not add up to zero: {each:.2g} eV/Å per atom, "
                f"rms {sample.force_rms:.2g}"
            )
            fix = "dump all atoms, and forces before any constraint or external field"
            remarks.append(Remark("warning", text, fix))
    return remarks
