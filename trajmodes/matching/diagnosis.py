"""Diagnosis of a run from a sample of its frames: its uses, and how to improve it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.lattice import Deformation
from trajmodes.data.results import Finding
from trajmodes.matching.acceptance import accepted
from trajmodes.matching.conclusions import (
    field_notes,
    match_note,
    physics_notes,
    time_notes,
)
from trajmodes.matching.displacements import Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Outliers
from trajmodes.matching.sample import RunSample, mean_and_error, sample_run
from trajmodes.matching.temperatures import require_units, species_note
from trajmodes.notes import Note, Subject
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.translations import half_space
from trajmodes.units import THZ


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
    accept: Collection[Subject] = (),
) -> Diagnosis:
    """Evaluate a sample of frames; ``hops`` and ``outliers`` are those of `Displacer`.

    Errors of the subjects in ``accept`` become warnings.

    Raises
    ------
    DataError
        If velocities and forces have different temperatures, as with wrong units, or a sampled
        frame cannot be used.
    """
    sample = sample_run(trajectory, match, hops=hops, outliers=outliers)
    elements = species_note(trajectory, match.masses_of_species, sample)
    # If interchanged elements are found, they are the cause of wrong temperatures.
    if "temperature" not in accept and (elements is None or elements.severity != "error"):
        require_units(trajectory, sample)
    space = half_space(match.supercell)
    figures = {
        **_match_figures(match),
        **_motion_figures(sample),
        **_time_figures(trajectory, sample),
        **_size_figures(trajectory, match),
    }
    verdict = (
        *match.notes,
        # `field_notes` assesses missing fields and rounding with the sample.
        *(note for note in trajectory.notes if note.subject not in ("fields", "rounding")),
        # A snapshot that gives the sites has no mean positions.
        *([match_note(match)] if trajectory.has_positions else []),
        *field_notes(trajectory, match, sample),
        *time_notes(trajectory, match, sample),
        *([] if elements is None else [elements]),
        *physics_notes(match, sample),
    )
    verdict = tuple(accepted(note) if note.subject in accept else note for note in verdict)
    return Diagnosis(figures, verdict, space.qpoints, space.weights, sample)


def _match_figures(match: Match) -> dict[str, Finding]:
    cosine = np.clip((np.trace(match.rotation) - 1.0) / 2.0, -1.0, 1.0)
    largest = Deformation(match.strain, match.rotation).largest
    supercell, moved = match.supercell, np.linalg.norm(match.relaxation, axis=1).max()
    matrix, occupation = str(supercell.matrix.tolist()), match.occupation
    on_sites = "all on sites"
    if occupation is not None:
        on_sites = f"{occupation.n_extra} on no site, {occupation.n_vacancies} sites empty"
    return {
        "atoms": Finding(match.n_file_atoms, "", f"{on_sites}, {match.space_group}"),
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
            f"of sites, as symmetry allows, ± {_length(match.relaxation_sem)}; without "
            f"symmetry {_length(match.raw_relaxation_max)}",
        ),
    }


def _length(value: float) -> str:
    """Text of a length in Å; lengths at the level of rounding errors are 0."""
    return "0" if value < _ROUND_OFF else f"{value:.1e}"


_ROUND_OFF = 1e-12


def _motion_figures(sample: RunSample) -> dict[str, Finding]:
    kinetic, kinetic_sem = mean_and_error(sample.kinetic)
    virial, virial_sem = mean_and_error(sample.virial)
    speed = "" if sample.drift_speed is None else f", at most {sample.drift_speed:.1e} Å/ps"
    figures = {}
    if sample.drift is not None:
        text = f"largest, of the centre of mass{speed}"
        figures["drift"] = Finding(sample.drift, "Å", text)
    figures["box change"] = Finding(100.0 * sample.box_change, "%", "largest")
    if sample.displacement_rms is not None:
        text = f"rms component; largest of an atom {sample.farthest:.3g}"
        figures["displacement"] = Finding(sample.displacement_rms, "Å", text)
    if sample.kinetic is not None:
        figures["kinetic temperature"] = Finding(kinetic, "K", f"± {kinetic_sem:.2g}, 3N − 3")
    several = sample.kinetic_by_species if len(sample.kinetic_by_species) > 1 else {}
    for name, values in several.items():
        mean, sem = mean_and_error(values)
        figures[f"kinetic temperature {name}"] = Finding(mean, "K", f"± {sem:.2g}")
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
    }
    if trajectory.has_positions:
        text = f"of a coordinate, at most; rounded by up to {trajectory.rounding:.0e} Å"
        figures["digits"] = Finding(trajectory.precision_digits, "", text)
    if trajectory.interval_ps is not None:
        interval, stride = trajectory.interval_ps, trajectory.time.step_stride
        step = f"{stride} steps of {1e3 * interval / stride:.4g} fs" if stride else ""
        figures["interval"] = Finding(1e3 * interval, "fs", step)
        figures["Nyquist frequency"] = Finding(0.5 / interval, "THz", "of the frames")
    if (measured := sample.interval) is not None:
        figures["interval from motion"] = Finding(
            1e3 * measured.ps,
            "fs",
            f"± {1e3 * measured.sem_ps:.2g}, displacement divided by velocity",
        )
    if sample.omega_bound is not None:
        figures["highest frequency"] = Finding(
            sample.omega_bound / THZ,
            "THz",
            "lower bound, from moments; often 1.2 to 2 times higher",
        )
    return figures


def _size_figures(trajectory: Trajectory, match: Match) -> dict[str, Finding]:
    total = int(match.supercell.n_cells)
    return {
        "q points": Finding(total, "", "commensurate with the supercell, ±q counted twice"),
        "file": Finding(
            trajectory.n_bytes / 1e9, "GB", f"columns {' '.join(trajectory.columns)}"
        ),
    }
