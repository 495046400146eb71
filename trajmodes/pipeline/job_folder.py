"""The folder of a job: its log, the provenance of its results, and its files.

The report writes tables and figures; this module writes force constants, normal equations, the
job and the log.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import xarray as xr

from trajmodes import __version__
from trajmodes.config.job import Job, toml_text
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.results import InputFile, Results
from trajmodes.errors import UsageError, system_errors
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.formats.registry import write_force_constants
from trajmodes.readers.text.remote import RemotePath
from trajmodes.readers.text.stamp import FileStamp, stamp_file, unchanged
from trajmodes.report.write import RESULT_FILES, Painter, second_painter, write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import ResultsFolder, Writer, open_folder, require_replaceable
from trajmodes.results.netcdf import AMPLITUDES, NORMAL_EQUATIONS, encode
from trajmodes.results.normal_equations import equations_dataset
from trajmodes.results.storage import storage_error
from trajmodes.streaming.workers import scheduled_on

if TYPE_CHECKING:
    from trajmodes.pipeline.load import LoadedRun

_P = ParamSpec("_P")
_R = TypeVar("_R")
StartBar = Callable[[str, int], Callable[[int], None]]
"""Starts a progress bar: (title, number of frames) → function that advances it by frames. With
no frames it moves, without a scale, until the function is called."""


def no_bars(_title: str, _total: int) -> Callable[[int], None]:
    """Show no progress bar."""
    return lambda _frames: None


def on_scheduler(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Reduce runs within a function on the scheduler of its first argument, or of its job."""

    @wraps(function)
    def scheduled(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        job: Any = getattr(args[0], "job", args[0])
        with scheduled_on(job.running.scheduler):
            return function(*args, **kwargs)

    return scheduled


class Log:
    """Stages of a job in order, each with its duration, and notes."""

    def __init__(self, bars: StartBar = no_bars) -> None:
        """Start the clock; ``bars`` shows stages that have no bar of their own."""
        self._bars = bars
        self._lines: list[str] = []
        self._seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @property
    def seconds(self) -> Mapping[str, float]:
        """Stage → duration in seconds."""
        return dict(self._seconds)

    @contextmanager
    def stage(self, name: str, *, has_bars: bool = False) -> Iterator[None]:
        """Record a stage and its duration; show it while it runs, unless it ``has_bars``."""
        self.record(f"{name} …")
        start = time.perf_counter()
        end = None if has_bars else self._bars(name, 0)
        yield
        if end is not None:
            end(0)
        self._seconds[name] = time.perf_counter() - start
        self.record(f"{name}: {self._seconds[name]:.2f} s")

    def record(self, text: str) -> None:
        """Add a line, with the seconds since the start."""
        self._lines.append(f"{time.perf_counter() - self._start:9.2f}  {text}")

    def write(self, path: Path) -> None:
        """Write the log as text."""
        path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")


_LIBRARIES = ("numpy", "scipy", "numba", "dask", "spglib", "phonopy", "seekpath", "xarray")
_PIECE_BYTES = 1 << 20


def versions() -> dict[str, str]:
    """Versions of trajmodes and of the libraries that results depend on."""
    return {"trajmodes": __version__, **{name: version(name) for name in _LIBRARIES}}


@contextmanager
def input_files(paths: list[Path]) -> Iterator["Future[tuple[InputFile, ...]]"]:
    """Hash files in a thread until the caller leaves; hashing releases the GIL.

    A simulation may append to a file: its size and digest are those at the beginning.
    """
    left = Event()
    stamps = [None if path.is_dir() else stamp_file(path) for path in paths]
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(lambda: tuple(map(_describe, paths, stamps, repeat(left))))
        finally:
            # After an error the rest of a large file need not be hashed.
            left.set()


def _describe(path: Path, stamp: FileStamp | None, left: Event) -> InputFile:
    """Describe a file, or a folder without a stamp; DataError if the file has changed.

    An object is not read again for its digest.
    """
    if stamp is None:
        return _describe_folder(path, left)
    if isinstance(path, RemotePath):
        return InputFile(str(path), stamp.size, "")
    with unchanged((stamp,)):
        return _describe_file(path, stamp.size, left)


def _describe_file(path: Path, size: int, left: Event) -> InputFile:
    digest, rest = hashlib.sha256(), size
    with system_errors(path), path.open("rb", buffering=0) as file:
        while not left.is_set() and (piece := file.read(min(rest, _PIECE_BYTES))):
            digest.update(piece)
            rest -= len(piece)
        has_grown = bool(file.read(1))
    return InputFile(path.name, size, digest.hexdigest(), has_grown)


def _describe_folder(path: Path, left: Event) -> InputFile:
    """Size of all files in a folder, and the digest of their names and digests."""
    files = sorted(one for one in path.rglob("*") if one.is_file())
    found = [_describe_file(one, one.stat().st_size, left) for one in files]
    pairs = zip(files, found, strict=True)
    text = "".join(f"{one.relative_to(path).as_posix()} {file.sha256}\n" for one, file in pairs)
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    has_grown = any(file.has_grown for file in found)
    return InputFile(path.name, sum(file.n_bytes for file in found), digest, has_grown)


CONSTANTS_FILE = "force_constants.h5"
JOB_FILES = ("run.toml", "run.log")
PHONOPY_FILES = ("FORCE_CONSTANTS", "phonopy_params.yaml")
MOST_FOR_PHONOPY = 10_000
"""Atoms of a supercell; phonopy needs minutes for more (15 s for 5832)."""


class Written(NamedTuple):
    """Results and the files that hold them."""

    results: Results
    files: Mapping[str, str]
    """Path → description of the file."""


class Analysis(NamedTuple):
    """Results and the normal equations of their force constants."""

    results: Results
    equations: NormalEquationBlocks | None = None
    extra: Mapping[str, Writer] = MappingProxyType({})
    """Name → further file of the results folder."""
    run: "LoadedRun | None" = None
    """The run that was projected."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """The folder of a job, locked against other processes."""

    job: Job
    log: Log
    for_phonopy: bool
    """Whether files for phonopy are written too."""
    folder: ResultsFolder
    scratch: Path
    """Subfolder for temporary files; it is removed at the end."""
    painter: Painter | None
    """A second process that draws some of the figures."""

    def write(self, found: Analysis) -> Written:
        """Write results and all files that belong to them.

        Raises
        ------
        StorageError
            If the files cannot be written.
        """
        with self.log.stage("write"):
            dataset = to_dataset(found.results)
            files = write_results(
                dataset, self.folder, lambda: self._extra(found), self.painter
            )
        paths = {str(Path(self.job.folder) / name): text for name, text in files.items()}
        return Written(replace(found.results, timings=self.log.seconds), paths)

    def _extra(self, found: Analysis) -> dict[str, Writer]:
        """Files in addition to those of the report."""
        constants, supercell = found.results.constants, found.results.supercell
        for_phonopy = self.for_phonopy and supercell.n_atoms <= MOST_FOR_PHONOPY
        if self.for_phonopy and not for_phonopy:
            self.log.record(
                f"files for phonopy are not written: {supercell.n_atoms} atoms; `trajmodes "
                "export` writes them"
            )
        return {
            **(_for_phonopy(constants, supercell, self.scratch) if for_phonopy else {}),
            **_of_constants(constants, supercell, self.scratch),
            **_of_equations(found.equations),
            **found.extra,
            **_of_job(toml_text(self.job), self.log),
        }


@contextmanager
def output_folder(job: Job, log: Log, *, for_phonopy: bool = False) -> Iterator[OutputFolder]:
    """Lock the folder of a job while its results are computed.

    Raises
    ------
    UsageError
        If the results would replace their own input, or a file that trajmodes did not write.
    LockedError
        If another process writes to the folder.
    """
    require_replaceable(job.folder, _names(job, for_phonopy=for_phonopy), inputs_of(job))
    with (
        open_folder(job.folder) as folder,
        scratch_in(folder.path) as scratch,
        second_painter(Path(scratch)) as painter,
    ):
        yield OutputFolder(job, log, for_phonopy, folder, Path(scratch), painter)


def require_no_results(folder: Path) -> None:
    """Refuse a folder that holds the results of a run, which other files would replace."""
    if (folder / "results.nc").exists():
        raise UsageError(
            "this folder holds the results of a run, which would be lost",
            where=str(folder),
            fix="name another folder with -o (--output)",
        )


def inputs_of(job: Job) -> tuple[str, ...]:
    """Input files and folders, which results must not replace.

    Normal equations of an earlier fit may be replaced, because the new ones include them. A
    folder of frames is left out, because results replace none of its files.
    """
    named = (
        job.projection.force_constants,
        job.matching.cell,
        job.reading.supercell,
        job.polar.born,
    )
    frames = (name for name in job.trajectory if not Path(name).is_dir())
    return (*(name for name in named if name is not None), *frames)


def _names(job: Job, *, for_phonopy: bool) -> tuple[str, ...]:
    """Names of the files that the job may write."""
    return (
        *RESULT_FILES,
        *(CONSTANTS_FILE, *JOB_FILES),
        *((NORMAL_EQUATIONS.file,) if job.projection.force_constants is None else ()),
        *((AMPLITUDES.file,) if job.projection.save_amplitudes else ()),
        *(PHONOPY_FILES if for_phonopy else ()),
    )


def save_analysis(
    folder: str | os.PathLike[str], dataset: xr.Dataset, found: Analysis, log: Log | None
) -> None:
    """Write results that are in memory to a folder, as their command does.

    Raises
    ------
    UsageError
        If a file would be overwritten that trajmodes did not write.
    StorageError
        If the system refuses to write.
    """
    results = found.results
    with open_folder(folder) as opened, scratch_in(opened.path) as scratch:
        extra = {
            **_of_constants(results.constants, results.supercell, Path(scratch)),
            **_of_equations(found.equations),
            **_of_job(results.provenance.run_file, log),
        }
        write_results(dataset, opened, lambda: extra)


def copy_results(folder: str | os.PathLike[str], dataset: xr.Dataset, source: Path) -> None:
    """Write the results of a folder to another one, with all files that belong to them.

    Raises
    ------
    UsageError
        If both folders are one, or a file would be overwritten that trajmodes did not write.
    StorageError
        If the system refuses to write.
    """
    names = (CONSTANTS_FILE, NORMAL_EQUATIONS.file, AMPLITUDES.file, *PHONOPY_FILES, *JOB_FILES)
    require_replaceable(folder, (*RESULT_FILES, *names), [source])
    with open_folder(folder) as opened:
        paths = [path for name in names if (path := source / name).is_file()]
        extra = {path.name: Writer(f"copy of {path}", _copy(path)) for path in paths}
        write_results(dataset, opened, lambda: extra)


def _of_constants(
    constants: ForceConstants, supercell: Supercell, scratch: Path
) -> dict[str, Writer]:
    paths = write_force_constants(constants, supercell, scratch, "hdf5").paths
    text = "all force constants in full precision; `trajmodes export` converts them"
    return {path.name: Writer(text, _copy(path)) for path in paths}


def _for_phonopy(
    constants: ForceConstants, supercell: Supercell, scratch: Path
) -> dict[str, Writer]:
    paths = sorted(write_force_constants(constants, supercell, scratch, "phonopy").paths)
    return {path.name: Writer("loaded by phonopy", _copy(path)) for path in paths}


def _of_equations(equations: NormalEquationBlocks | None) -> dict[str, Writer]:
    if equations is None:
        return {}
    dataset = equations_dataset(equations)
    text = "normal equations of the fit, for `trajmodes scan` and `trajmodes fit --append`"
    return {
        NORMAL_EQUATIONS.file: Writer(text, partial(encode, dataset, kind=NORMAL_EQUATIONS))
    }


def _of_job(text: str, log: Log | None) -> dict[str, Writer]:
    job_file, log_file = JOB_FILES
    writers = {job_file: Writer("the job as resolved", text_writer(text))}
    if log is not None:
        writers[log_file] = Writer("what was done, and how long it took", log.write)
    return writers


@contextmanager
def scratch_in(folder: Path) -> Iterator[str]:
    """Folder for large intermediate files on the disk of the results.

    Windows does not remove files that are still in use: the next command that writes to the
    folder removes them.
    """
    try:
        path = mkdtemp(dir=folder, prefix=".trajmodes.")
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _copy(source: Path) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        shutil.copyfile(source, path)

    return write


def text_writer(text: str) -> Callable[[Path], None]:
    """Make a function that writes a text to a file."""

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write
