"""What results were made from: versions of the libraries, names, sizes and hashes of files."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Event

from trajmodes import __version__
from trajmodes.data import InputFile

__all__ = ["input_files", "versions"]

_LIBRARIES = ("numpy", "scipy", "numba", "dask", "spglib", "phonopy", "seekpath", "xarray")
_PIECE_BYTES = 1 << 20


def versions() -> dict[str, str]:
    """Versions of trajmodes and of the libraries that numbers pass through."""
    return {"trajmodes": __version__, **{name: version(name) for name in _LIBRARIES}}


@contextmanager
def input_files(paths: list[Path]) -> Iterator["Future[tuple[InputFile, ...]]"]:
    """Hash files in the background; hashing releases the GIL, and ends when the caller leaves.

    Parameters
    ----------
    paths
        Files that were, or are about to be, read.
    """
    left = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(lambda: tuple(_describe(path, left) for path in paths))
        finally:
            # An error must not wait until the rest of a large file is hashed.
            left.set()


def _describe(path: Path, left: Event) -> InputFile:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while not left.is_set() and (piece := file.read(_PIECE_BYTES)):
            digest.update(piece)
    return InputFile(path.name, path.stat().st_size, digest.hexdigest())
