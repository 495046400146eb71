"""Text of `trajmodes check`."""

import numpy as np

from trajmodes.data.labels import point
from trajmodes.errors import UsageError
from trajmodes.fit.expansion import expansion_of
from trajmodes.notes import Note
from trajmodes.pipeline.check.cost import cost_of
from trajmodes.pipeline.check.noise import noise_in_sample
from trajmodes.pipeline.fit_choices import (
    cutoffs_of,
    fit_options,
    plan_of,
    species_plan_of,
)
from trajmodes.pipeline.load import LoadedRun
from trajmodes.project.spectra.plan import FEWEST_FRAMES
from trajmodes.report.summary import WIDTH, text_of
from trajmodes.report.text.check import brief_of_check, check_rows, render_check
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import star_labels


def show_check(run: LoadedRun, *, verbose: bool = False) -> str:
    """Text of a check for the terminal, brief or with all quantities and notes."""
    group = space_group(run.supercell.crystal)
    expansion = expansion_of(group, run.supercell, cutoffs_of(run.job))
    options = fit_options(run.job, [run])
    plan, species = plan_of([run], expansion, options), None
    refusals = [] if plan.refusal is None else [plan.refusal]
    try:
        species = species_plan_of([run], expansion, options, None)
    except UsageError as error:
        refusals.append(error)
    rows = check_rows({**run.diagnosis.figures, **cost_of(run, plan, species)})
    found, noise = [*run.notes, *run.diagnosis.verdict], noise_in_sample(run)
    found += [
        Note("error", one.what, why=one.why, fix=one.fix, concerns="fit") for one in refusals
    ]
    found += _few_frames(run)
    if noise is not None:
        found = [noise.note, *(note for note in found if note.subject != "net-force")]
    notes = tuple(dict.fromkeys(found))
    if not verbose:
        return text_of(brief_of_check(rows, notes))
    return text_of(render_check(rows, notes)) + "\n" + _commensurate_points(run)


def _few_frames(run: LoadedRun) -> list[Note]:
    """State that the longest part without a gap is too short for spectra, if it is."""
    longest = max(stop - start for start, stop in run.trajectory.segments)
    if run.trajectory.ideal is not None or longest >= FEWEST_FRAMES:
        return []
    text = (
        f"too few frames for spectra and lifetimes: {longest} without a gap, and at least "
        f"{FEWEST_FRAMES} are needed"
    )
    return [
        Note("error", text, fix="run longer, or write frames more often", concerns="spectra")
    ]


def _commensurate_points(run: LoadedRun) -> str:
    """List the commensurate q points, one of each star, in columns."""
    diagnosis = run.diagnosis
    labels = star_labels(run.supercell.crystal, diagnosis.qpoints)
    _, first, star = np.unique(labels, return_index=True, return_inverse=True)
    sizes = np.bincount(star, diagnosis.weights).astype(int)
    cells = [
        f"{point(diagnosis.qpoints[k])} ×{size}" for k, size in zip(first, sizes, strict=True)
    ]
    width = max(map(len, cells)) + 3
    per_line = max(1, WIDTH // width)
    lines = [
        "".join(cell.ljust(width) for cell in cells[i : i + per_line]).rstrip()
        for i in range(0, len(cells), per_line)
    ]
    title = "q points of the supercell, one of each star × its members (reduced coordinates)"
    return "\n".join([title, *lines]) + "\n"
