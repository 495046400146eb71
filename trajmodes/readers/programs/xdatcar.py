"""VASP's ``XDATCAR``: cell and reduced positions of every frame.

A header of seven lines (title, scale, cell, symbols, numbers of atoms) stands at the beginning
of the file and, if the cell changes, before every frame. Every frame has a line
``Direct configuration=``. The number behind it is that of the step. The file contains neither
velocities nor forces, and no time.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, with_location
from trajmodes.readers.binary.frames import damaged, frame_of
from trajmodes.readers.programs.spans import TextFrames, indexed, marked_lines
from trajmodes.readers.text.index_cache import Index
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.text.tables import parse_rows
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, is_symbol

_SHORTEST_ROW = 6
"""Bytes of the shortest line with three numbers."""
_MOST_DIGITS = 15
_NUMBER = rb"[ \t]+[-+.\deE]+"
_HEADER = rb"[^\n]*\n%s[ \t\r]*\n(?:%s[ \t\r]*\n){3}[^\n]*\n[\d \t]+\r?\n" % (
    _NUMBER,
    _NUMBER * 3,
)
_MARK = re.compile(rb"^(%s)?Direct configuration=([^\n]*)\n" % _HEADER, re.MULTILINE)


def open_xdatcar(path: Path, options: ReadOptions) -> ForeignFile:
    """Open an ``XDATCAR``; ``options.strict`` makes an incomplete last frame an error.

    Raises
    ------
    DataError
        If the file is damaged or contains no complete frame.
    """
    source, found, notes = indexed(path, "xdatcar frames", _index, strict=options.strict)
    spans, species = found["spans"], tuple(found["species"].tolist())
    n_frames = len(spans)
    parse = _Frame(len(species), found["cells"], found["steps"])
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=len(species),
        frames=TextFrames(source, spans, parse),
        unit_style="VASP",
        # Eight decimals of reduced coordinates.
        precision_digits=8,
        species=species,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Converts the rows of a frame."""

    n_atoms: int
    cells: Floats
    """(t, 3, 3)."""
    steps: Ints
    """(t,); −1 where there is none."""

    def __call__(self, data: bytes, number: int) -> ForeignFrame:
        rows = parse_rows(data.split(b"\n"), 1, "row")[0]
        if len(rows) != self.n_atoms:
            raise damaged(f"the frame has {len(rows)} rows for {self.n_atoms} atoms")
        cell, step = self.cells[number], int(self.steps[number])
        frame = frame_of(cell, rows @ cell, step)
        return frame if step >= 0 else frame._replace(step=None)


def _index(source: TextSource) -> Index:
    """Find the rows of all complete frames, their cells and steps, and the species."""
    where = str(source.stamp.path)
    starts, cells = [], []
    stops: list[int] = []
    steps: list[int] = []
    headers: list[int] = []
    species: tuple[str, ...] = ()
    cell = np.zeros((3, 3))
    for at, match in marked_lines(source, _MARK):
        if at and not stops:
            raise DataError(
                "no frame follows the header of seven lines",
                where=where,
                why="the line “Direct configuration=” of the first frame is missing",
                fix="use the file as VASP wrote it",
            )
        stops.append(at)
        starts.append(at + len(match[0]))
        try:
            cell, species = _header(match[1], cell, species, source.size)
        except DataError as error:
            raise with_location(error, f"{where}, line {source.line_at(at)}") from None
        headers += [] if match[1] is None else [len(steps)]
        word = match[2].strip()
        steps.append(int(word) if word.isdigit() and len(word) <= _MOST_DIGITS else -1)
        cells.append(cell)
    if len(steps) // 2 < len(headers) < len(steps):
        bare = next(t for t in range(len(steps)) if t not in headers)
        raise with_location(damaged(f"frame {bare} has no header, unlike most others"), where)
    ends = [*stops[1:], source.size][: len(starts)]
    spans = np.array([starts, ends], dtype=np.int64).T
    whole = len(spans)
    if whole:
        start, stop = spans[-1].tolist()
        whole -= source.data(start, stop - start).count(b"\n") < len(species)
    return {
        "spans": spans[:whole],
        "cells": np.array(cells[:whole]).reshape(-1, 3, 3),
        "steps": np.array(steps[:whole], dtype=np.int64),
        "species": np.array(species),
        "broken": np.array(stops[-1] if whole < len(spans) else -1),
    }


def _header(
    text: bytes | None, cell: Floats, species: tuple[str, ...], size: int
) -> tuple[Floats, tuple[str, ...]]:
    """Cell in Å and species of a header; the previous ones if there is no header."""
    if text is None:
        if not species:
            raise damaged("the file does not begin with a header of seven lines")
        return cell, species
    _, scale, *rows, symbols, counts = text.splitlines()
    cell = parse_rows(rows, 1, "row")[0]
    factor = float(parse_rows([b" ".join([scale] * 3)], 1, "row")[0, 0, 0])
    if factor < 0.0:
        # A negative scale is that of the volume.
        factor = float(np.cbrt(-factor / max(abs(np.linalg.det(cell)), 1e-300)))
    # VASP may write the name of the potential behind the symbol.
    names = [re.split(r"[_/]", word)[0] for word in symbols.decode("ascii", "replace").split()]
    numbers = [int(word) if len(word) <= _MOST_DIGITS else size for word in counts.split()]
    if len(names) != len(numbers) or not all(map(is_symbol, names)):
        raise damaged("the header does not name the species and their numbers")
    if sum(numbers) * _SHORTEST_ROW > size:
        raise damaged(
            f"the header announces {sum(numbers)} atoms, but the file has {size} bytes"
        )
    pairs = zip(names, numbers, strict=True)
    named = tuple(name for name, count in pairs for _ in range(count))
    if species not in {(), named}:
        raise DataError("the atoms change", why="the file contains several runs")
    return cell * factor, named
