"""From results to their folder: what is written beside the tables and figures of the report."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from trajmodes.config import Job, toml_text
from trajmodes.data import Results
from trajmodes.fit import Ledger, ledger_dataset
from trajmodes.formats import write_constants, write_phonopy
from trajmodes.pipeline.log import Log
from trajmodes.report import write_results
from trajmodes.report.painter import Painter, second_painter
from trajmodes.report.write import RESULT_FILES
from trajmodes.results import (
    AMPLITUDES,
    LEDGER,
    ResultsFolder,
    Writer,
    encode,
    open_folder,
    require_replaceable,
)

__all__ = [
    "CONSTANTS_FILE",
    "Analysis",
    "OutputFolder",
    "Written",
    "inputs_of",
    "output_folder",
]

CONSTANTS_FILE = "force_constants.h5"
JOB_FILES = ("run.toml", "run.log")
PHONOPY_FILES = ("FORCE_CONSTANTS", "phonopy_params.yaml")


class Written(NamedTuple):
    """Results and the files that hold them."""

    results: Results
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


class Analysis(NamedTuple):
    """Results and the sums that their constants were fitted to."""

    results: Results
    ledger: Ledger | None = None
    extra: Mapping[str, Writer] = MappingProxyType({})
    """Name → further file of the folder."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """The folder of a job while other processes are kept from it."""

    job: Job
    log: Log
    for_phonopy: bool
    """Whether phonopy's files are written too."""
    folder: ResultsFolder
    scratch: Path
    """Folder in it for what may not stay in memory; it is removed at the end."""
    painter: Painter | None
    """A second process that draws some of the figures."""

    def write(self, found: Analysis) -> Written:
        """Write results and all files that belong to them.

        Raises
        ------
        StorageError
            If the disk does not take them.
        """
        with self.log.stage("write"):
            extra = _for_phonopy(found.results, self.scratch) if self.for_phonopy else {}
            extra |= _extra(found, self.job, self.log, self.scratch)
            files = write_results(found.results, self.folder, extra, self.painter)
        paths = {str(Path(self.job.folder) / name): text for name, text in files.items()}
        return Written(replace(found.results, timings=self.log.seconds), paths)


@contextmanager
def output_folder(job: Job, log: Log, *, for_phonopy: bool = False) -> Iterator[OutputFolder]:
    """Keep the folder of a job from other processes while its results are calculated.

    Parameters
    ----------
    job
        The job; it names the folder.
    log
        Takes down the stages.
    for_phonopy
        Whether phonopy's files are written too.

    Raises
    ------
    UsageError
        If the results would replace what they are made from, or a file that is not ours.
    LockedError
        If another process writes to the folder.
    """
    require_replaceable(job.folder, _names(job, for_phonopy=for_phonopy), inputs_of(job))
    with (
        open_folder(job.folder) as folder,
        TemporaryDirectory(dir=folder.path, prefix=".trajmodes.") as scratch,
        second_painter(Path(scratch)) as painter,
    ):
        yield OutputFolder(job, log, for_phonopy, folder, Path(scratch), painter)


def inputs_of(job: Job) -> tuple[str, ...]:
    """Files and folders that results are made from, and that they may not replace.

    A ledger that is appended to is none of them, for the new one holds all that it held; nor is
    a folder of frames, of which results replace no file.

    Parameters
    ----------
    job
        The job.
    """
    named = (job.projection.force_constants, job.matching.cell, job.reading.supercell)
    frames = (name for name in job.trajectory if not Path(name).is_dir())
    return (*(name for name in named if name is not None), *frames)


def _names(job: Job, *, for_phonopy: bool) -> tuple[str, ...]:
    """Files that may be written, as far as the job tells."""
    return (
        *RESULT_FILES,
        *(CONSTANTS_FILE, *JOB_FILES),
        *((LEDGER.file,) if job.projection.force_constants is None else ()),
        *((AMPLITUDES.file,) if job.projection.save_amplitudes else ()),
        *(PHONOPY_FILES if for_phonopy else ()),
    )


def _extra(found: Analysis, job: Job, log: Log, scratch: Path) -> dict[str, Writer]:
    """Files that other rooms than the report know how to write."""
    constants, supercell = found.results.constants, found.results.supercell
    whole = write_constants(constants, supercell, scratch, "hdf5").paths
    text = "all constants, exactly; `trajmodes export` writes them for other programs"
    extra = {path.name: Writer(text, _copy(path)) for path in whole}
    if found.ledger is not None:
        dataset = ledger_dataset(found.ledger)
        text = "sums of the fit, for `trajmodes scan` and `trajmodes fit --append`"
        extra[LEDGER.file] = Writer(text, partial(encode, dataset, kind=LEDGER))
    extra |= found.extra
    job_file, log_file = JOB_FILES
    extra[job_file] = Writer("the job as resolved", _text_writer(toml_text(job)))
    extra[log_file] = Writer("what was done, and how long it took", log.write)
    return extra


def _for_phonopy(results: Results, scratch: Path) -> dict[str, Writer]:
    paths = write_phonopy(results.constants, results.supercell, scratch)
    return {path.name: Writer("loaded by phonopy", _copy(path)) for path in paths}


def _copy(source: Path) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        shutil.copyfile(source, path)

    return write


def _text_writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write
