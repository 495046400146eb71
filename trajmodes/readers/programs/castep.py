"""CASTEP's ``.md``: cell, positions, velocities and forces of every step, in atomic units.

After a header, every step begins with a line that has only its time. The end of every further
line says what it contains: ``<-- h`` a vector of the cell, ``<-- R``, ``<-- V`` and ``<-- F``
position, velocity and force of one atom, after its species and its number.
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
from trajmodes.readers.text.tables import is_number, parse_rows
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, is_symbol
from trajmodes.readers.units import ATOMIC_UNITS

_TIME = re.compile(rb"^[ \t]+([-+.\dEe]+)[ \t]*\r?\n", re.MULTILINE)
_TAGS = (b"h", b"R", b"V", b"F")


def open_castep(path: Path, options: ReadOptions) -> ForeignFile:
    """Open an ``.md`` file; ``options.strict`` makes an incomplete last step an error.

    Raises
    ------
    DataError
        If the file is damaged or contains no complete step.
    """
    source, found, notes = indexed(path, "castep steps", _index, strict=options.strict)
    spans = found["spans"]
    n_frames = len(spans)
    start, stop = spans[0].tolist()
    try:
        labels = tuple(_rows(source.data(start, stop - start))[b"R"][0])
    except DataError as error:
        raise with_location(error, f"{path}, frame 0") from None
    # A label may follow the symbol: Si:1.
    species = tuple(label.partition(" ")[0].partition(":")[0] for label in labels)
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=len(labels),
        frames=TextFrames(source, spans, _Step(labels, species)),
        unit_style="CASTEP",
        precision_digits=9,
        species=species if all(map(is_symbol, species)) else None,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """Converts the bytes of a step to a frame."""

    labels: tuple[str, ...]
    """(a,) species and number of each atom, as written."""
    species: tuple[str, ...]

    def __call__(self, data: bytes, _number: int) -> ForeignFrame:
        rows, units = _rows(data), ATOMIC_UNITS
        arrays: dict[bytes, Floats] = {}
        for tag, (labels, lines) in rows.items():
            if tag != b"h" and tuple(labels) != self.labels:
                name = tag.decode()
                raise damaged(f"the atoms of the lines <-- {name} are not those of step 0")
            try:
                arrays[tag] = parse_rows(lines, 1, "row")[0]
            except DataError as error:
                raise with_location(error, f"<-- {tag.decode()}") from None
        if len(arrays.get(b"h", ())) != 3:
            raise damaged("the step has no cell of three vectors")
        time = data.split(None, 1)[0]
        if not is_number(time):
            raise damaged(f"the time is {time.decode(errors='replace')[:40]}")
        frame = frame_of(arrays[b"h"] * units.length, arrays[b"R"] * units.length, 0)
        return frame._replace(
            step=None,
            time_ps=float(time) * units.time,
            velocities=arrays[b"V"] * units.velocity if b"V" in arrays else None,
            forces=arrays[b"F"] * units.force if b"F" in arrays else None,
            species=self.species,
        )


def _rows(data: bytes) -> dict[bytes, tuple[list[str], list[bytes]]]:
    """Labels and numbers of the lines of a step, by their tags; DataError without positions."""
    rows: dict[bytes, tuple[list[str], list[bytes]]] = {}
    for line in data.splitlines():
        numbers, arrow, tag = line.partition(b"<--")
        if arrow and tag.strip() in _TAGS:
            words = numbers.split()
            n_words = 0 if tag.strip() == b"h" else 2
            labels, lines = rows.setdefault(tag.strip(), ([], []))
            labels.append(b" ".join(words[:n_words]).decode(errors="replace"))
            lines.append(b" ".join(words[n_words:]))
    if b"R" not in rows:
        raise damaged("the step has no positions")
    return rows


def _index(source: TextSource) -> Index:
    """Find the bytes of all complete steps."""
    header = max(source.find(b"END header"), 0)
    starts = [at for at, _ in marked_lines(source, _TIME) if at > header]
    if starts and b"<--" in source.data(header, starts[0] - header):
        where = f"{source.stamp.path}, line {source.line_at(header)}"
        raise with_location(damaged("the first step has no line with its time"), where)
    ends = [*starts[1:], source.size][: len(starts)]
    spans = np.array([starts, ends], dtype=np.int64).T
    whole, broken = len(spans), -1
    if whole and not _same_lines(source, spans):
        whole, broken = whole - 1, starts[-1]
    return {"spans": spans[:whole], "broken": np.array(broken)}


def _same_lines(source: TextSource, spans: Ints) -> bool:
    """Whether the last step has as many lines of every kind as the first one."""
    first, last = (
        source.data(start, stop - start).split(b"\n") for start, stop in spans[[0, -1]].tolist()
    )
    # If there is one step only, a blank line ends it.
    ended = len(spans) > 1 or not last[-2].strip()
    counts = _counts(last)
    return ended and counts == _counts(first) and len(set(counts[1:]) - {0}) == 1


def _counts(lines: list[bytes]) -> list[int]:
    """Count the lines of each kind, but for the last one, which may be cut."""
    tags = [line.rpartition(b"<--")[2].strip() for line in lines[:-1]]
    return [tags.count(tag) for tag in _TAGS]
