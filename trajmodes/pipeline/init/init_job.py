"""`trajmodes init`: examines a run and the files beside it, and writes a job file.

The job names a cell file if the run matches it, and a time step if an input or a log of LAMMPS
gives it. Values that are not found are left open, with a comment.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trajmodes.config.job import job_from_mapping
from trajmodes.config.running import FOLDERS
from trajmodes.errors import TrajmodesError, UsageError
from trajmodes.pipeline.init.job_text import commented_job
from trajmodes.pipeline.init.neighbours import cells_beside, time_steps_beside
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import LoadedRun, load_runs
from trajmodes.readers.inputs import input_paths
from trajmodes.report.summary import text_of
from trajmodes.report.text.brief import Brief
from trajmodes.results.storage import atomic_file

_COMMAND = "run"
_HEAD = """\
A job of `trajmodes run`, made by `trajmodes init`.
Options with # before them are not set. Paths are relative to this file."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Settings of the job as found in the files, and remarks on them."""

    settings: dict[str, Any] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def init_job(names: Sequence[str], given: Mapping[str, Any], log: Log) -> str:
    """Write a job file for one or several trajectory files; return what was found.

    Parameters
    ----------
    given
        Options that are known, by name, and ``output``, the job file.

    Raises
    ------
    UsageError
        If the job file exists already, or a trajectory is missing.
    DataError
        If the trajectory is damaged, or matches no crystal.
    StorageError
        If the job file cannot be written.
    """
    path = Path(given["output"])
    if path.exists():
        raise UsageError(
            f"{path} exists already", fix="name another file with -o, or remove this one"
        )
    files = input_paths(tuple(names))
    known = {name: one for name, one in given.items() if name != "output" and one is not None}
    found = _Found({"trajectory": list(map(str, files)), **known})
    run = _matched(found, files[0], log)
    if run.trajectory.interval_ps is None:
        run = _with_time_step(found, files[0], run, log)
    settings = _relative(found.settings, path.absolute().parent)
    settings["output"] = FOLDERS[_COMMAND]
    found.remarks["trajectory"] = _described(run)
    with atomic_file(path) as partial:
        text = commented_job(_COMMAND, settings, found.remarks, _HEAD)
        partial.write_text(text, encoding="utf-8")
    return _text(path, run, settings, found.remarks)


def _matched(found: _Found, trajectory: Path, log: Log) -> LoadedRun:
    """Match the run to the first cell file that fits, or to its average structure."""
    if "cell" in found.settings:
        return _load(found.settings, log)
    refused = []
    for cell in cells_beside(trajectory, map(Path, found.settings["trajectory"])):
        settings = {**found.settings, "cell": str(cell)}
        try:
            run = _load(settings, log)
        except TrajmodesError as error:
            refused.append(f"{cell.name} ({error.what})")
            continue
        found.settings["cell"] = str(cell)
        found.remarks["cell"] = f"the run matches {cell.name}"
        return run
    run = _load(found.settings, log)
    found.remarks["cell"] = "found from the average structure of the run"
    if refused:
        found.remarks["cell"] += f"; these do not match it: {', '.join(refused)}"
    return run


def _with_time_step(found: _Found, trajectory: Path, run: LoadedRun, log: Log) -> LoadedRun:
    """Take the time step of inputs and logs if they agree; otherwise note that they differ."""
    steps = time_steps_beside(trajectory)
    values = {round(one.femtoseconds, 9) for one in steps}
    if len(values) != 1:
        texts = [f"{one.femtoseconds:g} fs in {one.file.name}" for one in steps]
        why = (
            f"files disagree: {', '.join(texts)}" if texts else "no file beside the run has it"
        )
        found.remarks["timestep_fs"] = f"not known ({why}); spectra and lifetimes need it"
        return run
    found.settings["timestep_fs"] = values.pop()
    found.remarks["timestep_fs"] = f"from {', '.join(one.file.name for one in steps)}"
    return _load(found.settings, log)


def _load(settings: Mapping[str, Any], log: Log) -> LoadedRun:
    return load_runs(job_from_mapping(settings), log=log)[0]


def _relative(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths relative to the folder of the job file."""
    names = [os.path.relpath(name, folder) for name in settings["trajectory"]]
    cell = {"cell": os.path.relpath(settings["cell"], folder)} if "cell" in settings else {}
    return {**settings, "trajectory": names, **cell}


def _described(run: LoadedRun) -> str:
    interval_ps = run.trajectory.interval_ps
    apart = "" if interval_ps is None else f", {1e3 * interval_ps:.6g} fs apart"
    fields = ", ".join(run.fields)
    return (
        f"{run.n_frames} frames of {run.supercell.n_atoms} atoms{apart}, with {fields}; "
        f"{run.supercell.crystal.formula}, {run.match.space_group}, {run.supercell.n_cells} "
        "primitive cells"
    )


def _text(
    path: Path, run: LoadedRun, settings: Mapping[str, Any], remarks: Mapping[str, str]
) -> str:
    rows = [("Run", f"{remarks['trajectory']}; {', '.join(settings['trajectory'])}")]
    for name, label in (("cell", "Cell"), ("timestep_fs", "Time step in fs")):
        parts = [str(settings[name])] if name in settings else []
        parts += [remarks[name]] if name in remarks else []
        rows.append((label, ": ".join(parts)))
    shown = shlex.quote(str(path))
    where = (("Next", f"trajmodes check {shown}"), ("", f"trajmodes run {shown}"))
    verdict = f"{path} is a job of this run, with all options explained"
    return text_of(Brief(verdict, run.diagnosis.verdict, tuple(rows), where))
