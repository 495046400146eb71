"""`trajmodes report`: the page of one or more results folders, written in one step."""

import os
from collections.abc import Sequence
from pathlib import Path

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.html.page import GENERATOR, Source, page_of
from trajmodes.report.numbers import short_names, size_of
from trajmodes.results.folder import add_file, open_folder
from trajmodes.results.netcdf import read_arrays
from trajmodes.results.storage import atomic_file, is_replaced

FILE = "report.html"
_HEAD = 1000


def write_report(paths: Sequence[str | os.PathLike[str]], output: str | None = None) -> str:
    """Write the report of results folders; return a text about the file.

    Parameters
    ----------
    paths
        Results folders, or their ``results.nc``, of one crystal.
    output
        The file; by default ``report.html`` in the first folder, which is removed when the
        folder gets new results.

    Raises
    ------
    DataError
        If a folder holds no results, or they are of different crystals.
    UsageError
        If the file exists and is not a report.
    StorageError
        If it cannot be written.
    """
    folders = [_folder(Path(one)) for one in paths]
    names = short_names([str(one.resolve()) for one in folders])
    text = page_of(
        [
            Source(name, read_arrays(path), folder)
            for name, path, folder in zip(names, paths, folders, strict=True)
        ]
    )
    return _written(text, folders[0], output)


def report_of(dataset: NamedArrays, folder: Path | None, output: str) -> str:
    """Write the report of results in memory; return a text about the file.

    `folder` is the folder from which they were read, if any.
    """
    place = folder or Path(output).parent
    return _written(page_of([Source(place.resolve().name, dataset, folder)]), place, output)


def _written(text: str, folder: Path, output: str | None) -> str:
    if output is None:
        with open_folder(folder) as place:
            add_file(place, FILE, lambda path: path.write_text(text, encoding="utf-8"))
        target = folder / FILE
    else:
        target = Path(output)
        is_replaced(target, "report", _is_report)
        with atomic_file(target) as partial:
            partial.write_text(text, encoding="utf-8")
    size = size_of(len(text.encode()))
    return f"{target}: {size}, one self-contained file for any browser\n"


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(_HEAD)
