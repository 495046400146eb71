"""Which module reads a file, by its name and its first bytes."""

from collections.abc import Callable
from pathlib import Path

from trajmodes.readers.programs.vasprun import open_vasprun
from trajmodes.readers.programs.xdatcar import open_xdatcar
from trajmodes.readers.text.source import read_head
from trajmodes.readers.trajectory import ForeignFile

_BY_CONTENT: tuple[tuple[bytes, Callable[..., ForeignFile]], ...] = (
    (b"\nDirect configuration=", open_xdatcar),
    (b"<modeling>", open_vasprun),
)


def opener_of(path: Path) -> Callable[..., ForeignFile] | None:
    """Find the function that opens a file, compressed or not; None if there is none."""
    head = read_head(path)
    return next((opener for mark, opener in _BY_CONTENT if mark in head), None)
