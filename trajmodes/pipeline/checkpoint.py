"""Checkpoints: the states of the passes of a job, from which another process continues it.

A checkpoint is a hidden folder in the results. It holds the job, the versions of the program
and of its libraries, and the sizes and times of the input files. A process that finds all of
these unchanged continues each pass from its last state; the state of a complete pass is its
end. The results equal those of an uninterrupted run, byte for byte.
"""

import hashlib
import json
import pickle
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from trajmodes.config.job import STANDARD_INPUT, Job, job_of, toml_text
from trajmodes.config.running import RunningOptions
from trajmodes.errors import (
    DataError,
    StorageError,
    TimeLimitError,
    TrajmodesWarning,
    UsageError,
    system_errors,
)
from trajmodes.machine import uninterrupted
from trajmodes.pipeline.job_folder import Log, inputs_of, versions
from trajmodes.readers.inputs import input_paths
from trajmodes.readers.text.remote import RemotePath
from trajmodes.readers.text.stamp import stamp_file
from trajmodes.results.folder import CHECKPOINT, ResultsFolder
from trajmodes.results.storage import atomic_file
from trajmodes.streaming.reduction import Reduction
from trajmodes.streaming.schedule import Begin, Reached, kept_by
from trajmodes.streaming.state_file import read_state, write_state
from trajmodes.streaming.workers import scheduled_on

_JOB, _ABOUT, _SERIES = "job.toml", "about.json", "series"
_FORMAT = 2
_EVERY_S = 300.0
"""Default time between two checkpoints."""
_LARGEST_SHARE = 0.01
"""Of the time, spent on writing them."""
_SHORT = 0.1
"""A pass that is shorter than this part of the time between checkpoints is done again."""
_SECONDS_PER_HOUR = 3600.0


class Task(NamedTuple):
    """A command with its job."""

    name: str
    """Name of the command."""
    command: str
    """The command line or call."""
    job: Job


def unfinished(folder: str) -> Task:
    """Read the job whose checkpoint a folder holds.

    Raises
    ------
    UsageError
        If there is no checkpoint.
    DataError
        If it is damaged, or the input or the program have changed since.
    """
    place = Path(folder) / CHECKPOINT
    if not (place / _ABOUT).exists():
        raise UsageError(
            "there is no checkpoint",
            where=folder,
            why="the job was finished, its checkpoints were turned off, or it had run for less "
            "than the time between them",
            fix="repeat its command",
        )
    about = _read_about(place)
    job = job_of(about["name"], str(place / _JOB), {}).with_options(output=folder)
    task = Task(about["name"], about["command"], job)
    changed = _changes(about, _about(task))
    if changed:
        raise DataError(
            f"the checkpoint cannot be continued: {changed} changed since it was written",
            where=str(place),
            fix=f"repeat the command from its beginning: {about['command']}",
        )
    return task


@contextmanager
def checkpoints(
    task: Task,
    folder: ResultsFolder,
    *,
    log: Log,
    scratch: Path | None = None,
    is_whole: bool = True,
) -> Iterator[Path | None]:
    """Store the states of the passes of a job in a locked folder, and continue stored passes.

    The passes run on the scheduler of the job. Yields the folder for amplitudes of modes, which
    is `scratch` unless the amplitudes are kept. After success the checkpoint is removed.

    Parameters
    ----------
    scratch
        Folder for temporary files.
    is_whole
        Whether the job names all data. Data in memory have no checkpoint.

    Raises
    ------
    TimeLimitError
        If the time limit of the job is reached.
    """
    job = task.job
    every, hours = job.running.checkpoint_every, job.running.max_hours
    if STANDARD_INPUT in job.trajectory:
        # What came through a pipe is gone with the command.
        is_whole = False
        if hours is not None:
            raise UsageError(
                "--max-hours ends a job with a checkpoint, which needs files",
                fix="write what comes through the pipe to a file, and give its name",
            )
    if every == "never" and hours is not None:
        raise UsageError(
            "--max-hours ends a job with a checkpoint, and --checkpoint-every never was given",
            fix="leave one of them out",
        )
    place = folder.path / CHECKPOINT
    with scheduled_on(job.running.scheduler):
        if every == "never" or not is_whole:
            shutil.rmtree(place, ignore_errors=True)
            yield scratch
            return
        with _kept(task, place, log) as series_folder:
            yield series_folder if job.projection.save_amplitudes else scratch


@contextmanager
def _kept(task: Task, place: Path, log: Log) -> Iterator[Path]:
    """Store the states of the passes in a folder; yield the folder for amplitudes of modes."""
    job = task.job
    every, hours = job.running.checkpoint_every, job.running.max_hours
    about = _about(task)
    text = toml_text(job)
    _continue_or_clear(place, about, text, log)
    states = _States(
        place,
        {_ABOUT: json.dumps(about), _JOB: text},
        every_s=float(every or _EVERY_S),
        limit_s=None if hours is None else hours * _SECONDS_PER_HOUR,
        log=log,
    )
    try:
        with kept_by(states):
            yield states.series_folder
    except (KeyboardInterrupt, TimeLimitError) as error:
        if (place / _ABOUT).exists():
            error.add_note(f"`trajmodes resume {place.parent}` continues from the checkpoint")
        raise
    finally:
        states.clear_if_empty()
    shutil.rmtree(place, ignore_errors=True)


class _States:
    """The states of the passes of a job, in files; see `Passes` of the streaming room."""

    def __init__(
        self,
        place: Path,
        texts: dict[str, str],
        *,
        every_s: float,
        limit_s: float | None,
        log: Log,
    ) -> None:
        self._place, self._texts, self._log = place, texts, log
        self._every_s, self._limit_s = every_s, limit_s
        self._number, self._digest, self._n_blocks = -1, "", 0
        self._start = self._saved = self._window = time.monotonic()
        self._cost_s = 0.0

    @property
    def series_folder(self) -> Path:
        """Folder of the amplitudes that the job saves."""
        path = self._place / _SERIES
        path.mkdir(parents=True, exist_ok=True)
        return path

    def begin(
        self, reduction: Reduction[Any, Any, Any], blocks: Sequence[tuple[int, int]]
    ) -> Begin:
        """State of the next pass, if stored for the same reduction of the same blocks."""
        self._number += 1
        self._n_blocks = len(blocks)
        # Before the pass, because a reduction may keep what it computes.
        self._digest = _digest((reduction, tuple(blocks)))
        self._window = time.monotonic()
        if not self._file.exists():
            return Begin(reduction, Reached())
        found = read_state(self._file)
        if found["pass"] != self._digest:
            self._log.record("the state of this pass is of other numbers: it begins anew")
            return Begin(reduction, Reached())
        self._log.record(f"continued after {found['blocks']} of {len(blocks)} blocks")
        return Begin(reduction, Reached(found["states"], found["blocks"]))

    def folded(self, reached: Reached) -> None:
        """Write the states at the set intervals, and end the job at its time limit."""
        now = time.monotonic()
        took_s, self._window = now - self._window, now
        ends = reached.blocks == self._n_blocks
        due_s = max(self._every_s, self._cost_s / _LARGEST_SHARE)
        if now - self._saved >= due_s * (_SHORT if ends else 1.0):
            self._try_to_write(reached)
        if self._limit_s is not None and now - self._start + took_s > self._limit_s:
            self._write(reached)
            raise TimeLimitError(
                f"--max-hours is over after {reached.blocks} of {self._n_blocks} "
                f"blocks of pass {self._number + 1}",
                where=str(self._place.parent),
                fix=f"trajmodes resume {self._place.parent}",
            )

    def interrupted(self, reached: Reached) -> None:
        """Write the last state of a pass that a signal ends, unless the job is short."""
        if reached.blocks and time.monotonic() - self._start >= self._every_s:
            self._try_to_write(reached)

    def clear_if_empty(self) -> None:
        """Remove the folder if no state was written to it."""
        if not (self._place / _ABOUT).exists():
            shutil.rmtree(self._place, ignore_errors=True)

    def _try_to_write(self, reached: Reached) -> None:
        """Write the state; an error of the disk does not end the job."""
        try:
            self._write(reached)
        except StorageError as error:
            self._saved = time.monotonic()
            text = f"there is no checkpoint of the last part of the run: {error}"
            warnings.warn(text, TrajmodesWarning, stacklevel=2)

    def _write(self, reached: Reached) -> None:
        begin = time.monotonic()
        kept = {"pass": self._digest, "blocks": reached.blocks, "states": reached.states}
        with uninterrupted():
            self._place.mkdir(parents=True, exist_ok=True)
            with atomic_file(self._file) as partial, partial.open("wb") as file:
                write_state(file, kept)
            # Last: without it there is no checkpoint.
            for name, text in reversed(self._texts.items()):
                with atomic_file(self._place / name) as partial:
                    partial.write_text(text, encoding="utf-8")
        self._saved = time.monotonic()
        self._cost_s = self._saved - begin

    @property
    def _file(self) -> Path:
        return self._place / f"pass-{self._number + 1}.npz"


def _digest(value: Any) -> str:
    """Digest of an object and of the numbers in it.

    The object is pickled, but never unpickled, because unpickling can execute code.
    """
    found = hashlib.sha256()

    class Hashing:
        def write(self, data: bytes) -> int:
            found.update(data)
            return memoryview(data).nbytes

    # Arrays are hashed where they are, not copied.
    pickler = pickle.Pickler(
        Hashing(), protocol=5, buffer_callback=lambda data: found.update(data.raw())
    )
    pickler.dump(value)
    return found.hexdigest()


def _continue_or_clear(place: Path, about: dict[str, Any], text: str, log: Log) -> None:
    """Keep the checkpoint of the same job, and remove any other."""
    if not (place / _ABOUT).exists():
        shutil.rmtree(place, ignore_errors=True)
        return
    earlier = _read_about(place)
    reason = _changes(earlier, about)
    is_same = earlier["name"] == about["name"] and _same_job(place / _JOB, text)
    if reason or not is_same:
        log.record(f"the checkpoint is not used: {reason or 'the job'} changed")
        shutil.rmtree(place, ignore_errors=True)
        return
    log.record("the checkpoint of the same job is continued")
    warnings.warn(
        "an unfinished run of the same job is continued from its checkpoint",
        TrajmodesWarning,
        stacklevel=2,
    )


def _same_job(path: Path, text: str) -> bool:
    """Whether two job files differ in threads, times and folder alone."""
    own = [f"{name} = " for name in RunningOptions.__dataclass_fields__]

    def lines(content: str) -> list[str]:
        return [one for one in content.splitlines() if not one.startswith(tuple(own))]

    return lines(path.read_text(encoding="utf-8")) == lines(text)


def _about(task: Task) -> dict[str, Any]:
    """Describe the job, program and input of a checkpoint, as in JSON."""
    return {
        "format": _FORMAT,
        "name": task.name,
        "command": task.command,
        "versions": versions(),
        "inputs": sorted(map(list, _identities(_inputs(task.job)))),
    }


def _inputs(job: Job) -> list[Path]:
    """All files and folders that a job reads."""
    of_molecule = job.molecule.reference, job.molecule.hessian
    forces = job.reading.forces_from
    patterns = [*job.trajectory, *([] if forces is None else [forces])]
    named = {*inputs_of(job), job.fit.append, *of_molecule} - {None, *patterns}
    return [*input_paths(patterns), *(Path(str(one)) for one in named)]


def _identities(paths: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of files, and of the files of folders.

    Files that do not exist have size −1; the job itself raises the error. An object is
    identified by a digest of the response of its server.
    """
    for path in paths:
        if isinstance(path, RemotePath):
            mark = hashlib.sha256(stamp_file(path).mark.encode()).digest()
            yield str(path), stamp_file(path).size, int.from_bytes(mark[:6], "big")
            continue
        with system_errors(path):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            found = file.stat() if file.exists() else None
            size, changed = (-1, 0) if found is None else (found.st_size, found.st_mtime_ns)
            yield str(file.absolute()), size, changed


def _changes(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """Name the differences between two checkpoints of one job; empty if there are none."""
    if earlier["versions"] != now["versions"]:
        names = [k for k, one in now["versions"].items() if earlier["versions"].get(k) != one]
        return f"the version of {', '.join(names)}"
    before, after = ({path: rest for path, *rest in one["inputs"]} for one in (earlier, now))
    paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return f"the input {', '.join(paths[:3])}" if paths else ""


def _read_about(place: Path) -> dict[str, Any]:
    try:
        found = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
        if found["format"] == _FORMAT and set(found) == {
            "format",
            "name",
            "command",
            "versions",
            "inputs",
        }:
            return dict(found)
        why = "another version of trajmodes wrote it"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"it is damaged: {error}"
    raise DataError(
        "the checkpoint cannot be read",
        where=str(place),
        why=why,
        fix=f"remove {place}, and repeat the run",
    )
