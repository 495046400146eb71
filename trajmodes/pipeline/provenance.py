"""What results were made from: versions of the libraries, names, sizes and hashes of files."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from trajmodes import __version__
from trajmodes.report import InputFile

__all__ = ["input_files", "versions"]

_LIBRARIES = ("numpy", "scipy", "numba", "dask", "spglib", "phonopy", "seekpath", "xarray")


def versions() -> dict[str, str]:
    """Versions of trajmodes and of the libraries that numbers pass through."""
    return {"trajmodes": __version__, **{name: version(name) for name in _LIBRARIES}}


@contextmanager
def input_files(paths: list[Path]) -> Iterator["Future[tuple[InputFile, ...]]"]:
    """Hash files in the background; hashing releases the GIL.

    Parameters
    ----------
    paths
        Files that were, or are about to be, read.
    """
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(lambda: tuple(_describe(path) for path in paths))


def _describe(path: Path) -> InputFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return InputFile(path.name, path.stat().st_size, digest)
