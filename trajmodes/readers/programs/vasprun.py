"""VASP's ``vasprun.xml``: cell, positions and forces of every step.

The file is read twice in pieces, never as a tree. The first pass, by the XML parser, checks
that the file is well-formed and finds the bytes of every step; a file that ends early is used
up to its last complete step. Ab initio steps are in an element ``calculation``; steps with
learned forces have the same content outside of it. Positions are reduced. VASP writes no
velocities.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, with_location
from trajmodes.notes import Note
from trajmodes.readers.binary.frames import frame_of
from trajmodes.readers.programs.spans import TextFrames
from trajmodes.readers.text.index_cache import Index, cached_index, incomplete_end
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.text.tables import parse_rows
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame, is_symbol
from trajmodes.units import DALTON, FEMTOSECOND

_PIECE = 1 << 18
_LONGEST_WORD = 1 << 10
_LONGEST_TAG = 1 << 20
_VARRAY = re.compile(rb'<varray\s+name="(basis|positions|forces)"\s*>')
_STEPS = ("calculation", "modeling")
"""Parents of the elements of a step."""
_SETTINGS = ("IBRION", "POTIM", "ML_LMLFF", "ML_OUTBLOCK")
_ENTITY = "no program writes such files, and a few entities can expand beyond all memory"


def open_vasprun(path: Path, options: ReadOptions) -> ForeignFile:
    """Open a ``vasprun.xml``; ``options.strict`` makes an incomplete last step an error.

    Raises
    ------
    DataError
        If the file is not well-formed, defines an entity, or contains no complete step.
    """
    source = open_source(path)

    def index() -> Index:
        return _Walk(source).arrays()

    found = cached_index(source, "vasprun steps", index)
    spans, species = found["spans"], tuple(found["species"].tolist())
    broken = int(found["broken"])
    n_frames = len(spans)
    notes = incomplete_end(
        source, broken, f"number {n_frames}", n_frames, strict=options.strict
    )
    interval_ps = float(found["interval_ps"])
    if found["learned"]:
        text = "the forces of some steps, or of all, are those of a machine-learned force field"
        notes += (Note("note", text),)
    if not np.isfinite(interval_ps):
        text = "the file is not one of molecular dynamics (IBRION = 0): it has no time step"
        notes += (Note("warning", text),)
    masses = found["masses"] * DALTON
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=len(species),
        frames=TextFrames(source, spans, _Frame(len(species), interval_ps)),
        unit_style="VASP",
        # Eight decimals of reduced coordinates.
        precision_digits=8,
        species=species,
        masses=masses if np.isfinite(masses).all() else None,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Converts the bytes of a step to a frame."""

    n_atoms: int
    interval_ps: float

    def __call__(self, data: bytes, number: int) -> ForeignFrame:
        arrays = _arrays(data)
        for name in ("positions", "forces"):
            if name in arrays and len(arrays[name]) != self.n_atoms:
                what = f"{len(arrays[name])} {name} are written for {self.n_atoms} atoms"
                raise DataError(what, why="the file is damaged")
        if not {"basis", "positions"} <= arrays.keys() or len(arrays["basis"]) != 3:
            raise DataError("the step has no cell or no positions", why="the file is damaged")
        cell = arrays["basis"]
        time_ps = number * self.interval_ps
        frame = frame_of(cell, arrays["positions"] @ cell, number, None)
        return frame._replace(
            step=None,
            time_ps=time_ps if np.isfinite(time_ps) else None,
            forces=arrays.get("forces"),
        )


def _arrays(data: bytes) -> Mapping[str, Floats]:
    """Arrays (r, 3) of the elements ``varray`` in the bytes of a step, by name."""
    found: dict[str, Floats] = {}
    for match in _VARRAY.finditer(data):
        name = match[1].decode()
        if name in found:
            raise DataError(f"the step has {name} twice", why="the file is damaged")
        text = data[match.end() : data.find(b"</varray", match.end())].strip()
        rows = text.replace(b"<v>", b"").replace(b"</v>", b"\n").split(b"\n")
        try:
            found[name] = parse_rows(rows, 1, "row")[0]
        except DataError as error:
            raise with_location(error, name) from None
    return found


def _parser() -> expat.XMLParserType:
    """Make an XML parser that refuses entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(name: str, *_: object) -> None:
        raise DataError(
            f"the XML file defines an entity, “{name[:60]}”",
            where=f"line {parser.CurrentLineNumber}",
            why=_ENTITY,
            fix="do not use the file unless you know who wrote it",
        )

    parser.EntityDeclHandler = refuse
    return parser


@dataclass(slots=True)
class _Walk:
    """One pass over a file: the places of its steps, its atoms and its time step."""

    source: TextSource
    path: list[str] = field(default_factory=list)
    """Names of the elements that are open, with the attribute ``name`` behind a colon."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    has_forces: list[bool] = field(default_factory=list)
    """Whether each step has forces."""
    start: int = -1
    """Byte at which the structure begins that is read now; −1 outside of structures."""
    learned: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[list[str]]] = field(
        default_factory=lambda: {"array:atoms": [], "array:atomtypes": []}
    )
    words: list[str] = field(default_factory=list)
    parser: expat.XMLParserType = field(default_factory=_parser)
    ended: bool = False

    def arrays(self) -> Index:
        """Read the file."""
        self.parser.StartElementHandler = self._enter
        self.parser.EndElementHandler = self._leave
        source = self.source
        try:
            for at in range(0, source.size, _PIECE):
                self._parse(at)
        except (expat.ExpatError, LookupError) as error:  # such as an unknown encoding
            raise DataError(
                f"the file is not XML: {error}",
                where=str(source.stamp.path),
                why="the file was damaged, or several files were joined",
                fix="copy it again, or give the XDATCAR of the run",
            ) from None
        except DataError as error:
            raise with_location(error, str(source.stamp.path)) from None
        return self._found()

    def _parse(self, at: int) -> None:
        """Parse the piece from a byte on."""
        end = min(at + _PIECE, self.source.size)
        self.parser.Parse(self.source.data(at, end - at), False)  # noqa: FBT003 - more follows
        # The parser keeps a tag that has not ended, and reads it again with every piece.
        if end - self.parser.CurrentByteIndex > _LONGEST_TAG:
            raise DataError(f"a tag is longer than {_LONGEST_TAG} bytes")

    def _found(self) -> Index:
        where = str(self.source.stamp.path)
        if not self.path and not self.ended:
            raise DataError("the file contains no XML element", where=where)
        species = [row[0] for row in self.tables["array:atoms"] if row]
        if not species or not all(map(is_symbol, species)):
            raise DataError(
                "the file does not name its atoms",
                where=where,
                why="it is not a vasprun.xml, or was cut off before its first step",
            )
        self._drop_incomplete_step()
        # Rows of the types of atoms: number, element, mass, valence, pseudopotential.
        masses = {row[1]: row[2] for row in self.tables["array:atomtypes"] if len(row) > 2}
        return {
            "spans": np.array(self.spans, dtype=np.int64).reshape(-1, 2),
            "species": np.array(species),
            "masses": np.array([_number(masses.get(name, "")) for name in species]),
            "interval_ps": np.array(self._interval_ps()),
            "learned": np.array(self.learned),
            "broken": np.array(-1 if self.ended else max(self.start, 0)),
        }

    def _drop_incomplete_step(self) -> None:
        """Drop the last step of a file that ends before the forces of this step."""
        expected = any(self.has_forces) or "calculation" in self.path
        if self.spans and expected and not (self.ended or self.has_forces[-1]):
            self.start, _ = self.spans.pop()
        elif self.spans and self.start < 0:
            self.start = self.spans[-1][1]

    def _interval_ps(self) -> float:
        """Time between steps; nan if the run is not molecular dynamics."""
        if self.settings.get("IBRION") != "0":
            return float("nan")
        interval = _number(self.settings.get("POTIM", "")) * FEMTOSECOND
        # Learned steps may be written at an interval of their own, but only if all are such.
        only = self.settings.get("ML_LMLFF", "F").startswith("T") and self.learned
        return interval * (_number(self.settings.get("ML_OUTBLOCK", "1")) if only else 1.0)

    def _enter(self, tag: str, attributes: dict[str, str]) -> None:
        name, parent = attributes.get("name", ""), "".join(self.path[-1:])
        self.path.append(f"{tag}:{name}" if name else tag)
        if tag == "structure" and not name and parent in _STEPS:
            self.start = self.parser.CurrentByteIndex
            self.learned |= parent == "modeling"
        is_setting = tag == "i" and name in _SETTINGS and "calculation" not in self.path
        if is_setting or tag == "c":
            self.words.clear()
            self.parser.CharacterDataHandler = self._keep
        elif tag == "rc":
            for table, rows in self.tables.items():
                if table in self.path:
                    rows.append([])

    def _keep(self, text: str) -> None:
        if len(self.words) < _LONGEST_WORD:
            self.words.append(text[:_LONGEST_WORD])

    def _leave(self, tag: str) -> None:
        name = self.path.pop()
        parent = "".join(self.path[-1:])
        after = self.parser.CurrentByteIndex + len(f"</{tag}>")
        if tag in {"i", "c"}:
            self.parser.CharacterDataHandler = None
            self._store(name, "".join(self.words).strip())
        elif parent not in _STEPS:
            self.ended |= not self.path
        elif name == "structure":
            self.spans.append((self.start, after))
            self.has_forces.append(False)
            self.start = -1
        elif name == "varray:forces" and self.spans:
            self.spans[-1] = self.spans[-1][0], after
            self.has_forces[-1] = True

    def _store(self, name: str, text: str) -> None:
        setting = name.removeprefix("i:")
        if setting in _SETTINGS and "calculation" not in self.path:
            self.settings[setting] = text
        for table, rows in self.tables.items():
            if name == "c" and table in self.path and rows:
                rows[-1].append(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
