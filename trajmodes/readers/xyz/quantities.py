"""Files of i-PI and CP2K, with each quantity of a run in a separate XYZ file.

The frames of the files are joined by their steps. With i-PI, the comment of every frame names
cell, step, bead, quantity and units; see `trajmodes.readers.xyz.comment`. With CP2K, it has the
step and the time; the quantity is in the name of the file, and cells are in a separate file
(``NAME-1.cell``). Positions are in Å, velocities and forces in atomic units, as CP2K writes
them unless its input sets another UNIT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError
from trajmodes.notes import Note
from trajmodes.readers.programs.companions import (
    companions,
    companions_note,
    quantity_in_name,
)
from trajmodes.readers.text.source import open_source
from trajmodes.readers.text.tables import parse_rows
from trajmodes.readers.trajectory import (
    FrameFields,
    FrameReader,
    Trajectory,
    select_frames,
)
from trajmodes.readers.units import ATOMIC_UNITS, unit_factors
from trajmodes.readers.xyz.comment import IPI_LENGTHS
from trajmodes.readers.xyz.first_frame import read_first_frame
from trajmodes.readers.xyz.open import open_xyz

_METAL, _SI = (unit_factors(style) for style in ("metal", "si"))
_FACTORS = {
    "positions": IPI_LENGTHS,
    "velocities": {
        "atomic_unit": ATOMIC_UNITS.velocity,
        "angstrom/ps": _METAL.velocity,
        "m/s": _SI.velocity,
    },
    "forces": {
        "atomic_unit": ATOMIC_UNITS.force,
        "ev/ang": _METAL.force,
        "newton": _SI.force,
    },
}
"""Quantity → name of a unit of i-PI → its value in Å, Å/ps or eV/Å."""
_KINDS = {
    **{name: name for name in _FACTORS},
    "unwrapped_positions": "positions",
    "x_centroid": "positions",
    "v_centroid": "velocities",
    "f_centroid": "forces",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """The file or files of one quantity."""

    frames: FrameReader
    """Reads the quantity in place of positions."""
    index: Ints
    """(t,) frame of the file for each frame of the run."""
    factor: float

    def read(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """Cells and values (t, a, 3) of frames [start, stop) of the run."""
        index = self.index[start:stop]
        if not len(index):
            found = self.frames.read(0, 0)
            assert found.positions is not None
            return found.cells, found.positions
        first = int(index[0])
        found = self.frames.read(first, int(index[-1]) + 1)
        assert found.positions is not None
        return found.cells[index - first], found.positions[index - first] * self.factor


@dataclass(frozen=True, slots=True)
class QuantityFrames:
    """Frames of which each quantity is in a separate file."""

    parts: Mapping[str, _Part]
    """Those of positions, velocities and forces that there are, in this order."""
    cells: Floats | None = None
    """(t, 3, 3), unit: Å. Cells from another file; None if those of the first part are used."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        read = {kind: part.read(start, stop) for kind, part in self.parts.items()}
        found = {kind: values for kind, (_, values) in read.items()}
        cells = next(iter(read.values()))[0] if self.cells is None else self.cells[start:stop]
        return FrameFields(cells, *map(found.get, _FACTORS))

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame, in the first part."""
        first = next(iter(self.parts.values()))
        return first.frames.place(int(first.index[frame]), atom)


def has_one_quantity(path: Path) -> bool:
    """Whether an XYZ file was written by i-PI or CP2K."""
    return not {"ipi", "cp2k"}.isdisjoint(read_first_frame(open_source(path)).values)


def open_xyz_files(
    paths: Sequence[Path],
    options: ReadOptions,
    *,
    cell: Floats | None = None,
) -> Trajectory:
    """Open XYZ files of one run, with all quantities in each file or in separate files.

    Files that CP2K wrote beside them are read as well. Without positions the steps are those of
    the velocities. Otherwise as `open_xyz`.

    Raises
    ------
    UsageError
        If a file cannot be read, or the unit of a quantity or the cell is unknown.
    DataError
        If a file is invalid, or the files do not belong together.
    """
    heads = {path: _head(path, options) for path in paths}
    beside: dict[str, Path] = {}
    if any("cp2k" in values for values in heads.values()):
        beside = {name: file for path in paths for name, file in companions(path).items()}
        extra = [file for name, file in beside.items() if name != "cells"]
        heads |= {file: _head(file, options) for file in extra}
    elif not any("ipi" in values for values in heads.values()):
        return open_xyz(paths, options, cell=cell)
    _refuse_mixture(heads)
    cells = beside.get("cells") if cell is None else None
    parts = {}
    for kind, factors in _FACTORS.items():
        files = [path for path, values in heads.items() if _KINDS[values["ipi"]] == kind]
        if files:
            factor = _factor(kind, factors, {path: heads[path]["unit"] for path in files})
            elsewhere = cell is None and (cells is not None or kind != "positions")
            box = np.full((3, 3), np.nan) if elsewhere else cell
            parts[kind] = open_xyz(files, options, cell=box), factor
    joined = _joined(parts)
    if "cp2k" not in next(iter(heads.values())):
        return joined
    return _of_cp2k(joined, cells, [file for file in beside.values() if file not in paths])


def _head(path: Path, options: ReadOptions) -> dict[str, str]:
    """Pairs of the first comment, where those of CP2K also have the quantity and its unit."""
    source = open_source(path, allow_partial=options.allow_partial)
    values = dict(read_first_frame(source).values)
    if "cp2k" in values:
        kind = quantity_in_name(path)
        unit = "angstrom" if kind == "positions" else "atomic_unit"
        values |= {"ipi": kind, "unit": unit, "cp2k": "T"}
    return values


def _of_cp2k(whole: Trajectory, cells: Path | None, beside: Sequence[Path]) -> Trajectory:
    """Add the cells of a file to a run of CP2K, and a note on files that were not named."""
    frames = whole.frames
    assert isinstance(frames, QuantityFrames)
    if cells is not None:
        frames = replace(frames, cells=_cells(cells, whole.steps))
    return replace(
        whole,
        paths=(*whole.paths, *([] if cells is None else [cells])),
        unit_style="CP2K",
        notes=(*whole.notes, *companions_note(list(beside))),
        frames=frames,
    )


def _cells(path: Path, steps: Ints) -> Floats:
    """Cells (t, 3, 3) in Å of steps (t,) from a file ``.cell`` of CP2K.

    Its rows are step, time, nine components of the vectors and the volume.
    """
    source = open_source(path)
    # A line without an end may be cut.
    lines = source.data(0, source.size).split(b"\n")[:-1]
    rows = np.concatenate(parse_rows(lines, 4, f"{path}, line"), axis=1)
    index = np.minimum(np.searchsorted(rows[:, 0], steps), len(rows) - 1)
    missing = rows[index, 0] != steps
    if missing.any():
        raise DataError(
            f"the cell of step {steps[missing.argmax()]} is missing",
            where=str(path),
            why="cells and atoms were written at different steps",
            fix="write them at the same steps (MOTION/PRINT: CELL, TRAJECTORY), or give a "
            "constant cell, --box",
        )
    return rows[index, 2:11].reshape(-1, 3, 3)


def _refuse_mixture(heads: Mapping[Path, Mapping[str, str]]) -> None:
    """Refuse files of several programs, beads, or of quantities that are not read."""
    for path, values in heads.items():
        if values.get("ipi") not in _KINDS:
            raise DataError(
                f"this file has {values.get('ipi') or 'frames of another kind'}",
                where=str(path),
                why="of i-PI and CP2K these are read: " + ", ".join(_KINDS),
                fix="give the positions, velocities and forces of one run",
            )
    beads = {values.get("bead", "0") for values in heads.values()}
    if len(beads) > 1:
        raise DataError(
            f"the files belong to the beads {', '.join(sorted(beads))} of a path integral",
            where=", ".join(map(str, heads)),
            fix="give the files of one bead, or those of the centroid",
        )


def _factor(kind: str, factors: dict[str, float], units: dict[Path, str]) -> float:
    """Value of the unit that all files of a quantity have."""
    for path, unit in units.items():
        if unit not in factors or unit != next(iter(units.values())):
            raise UnitsError(
                f"the {kind} are in {unit or 'a unit that is not named'}",
                where=str(path),
                why=f"these units are read: {', '.join(factors)}, one in all files",
                fix=f"write them in one of these, such as {kind}{{{next(iter(factors))}}}",
            )
    return factors[next(iter(units.values()))]


def _ended_together(base: Trajectory, last: int) -> Trajectory:
    """Leave out frames after the last step of all files, with a note."""
    n_frames = int(np.searchsorted(base.steps, last, side="right"))
    if n_frames in {0, base.n_frames}:
        return base
    text = (
        f"{base.n_frames - n_frames} frames after step {last} are left out: not all quantities "
        "are written there"
    )
    whole = select_frames(base, 0, n_frames)
    return replace(whole, notes=(*whole.notes, Note("warning", text)))


def _unused_ends(
    leading: str, parts: Mapping[str, tuple[Trajectory, float]]
) -> tuple[Note, ...]:
    """Note frames of other quantities after the last one of the leading quantity."""
    last = int(parts[leading][0].steps[-1])
    later = {kind: int((one.steps > last).sum()) for kind, (one, _) in parts.items()}
    return tuple(
        Note(
            "warning",
            f"{n_frames} frames of {kind} after step {last}, the last of the "
            f"{leading}, are not used",
        )
        for kind, n_frames in later.items()
        if n_frames and kind != leading
    )


def _joined(parts: dict[str, tuple[Trajectory, float]]) -> Trajectory:
    """Join the files of one run by the steps of the first quantity."""
    leading, (base, unit) = next(iter(parts.items()))
    has_positions, notes = leading == "positions", _unused_ends(leading, parts)
    base = _ended_together(base, min(one.steps[-1] for one, _ in parts.values()))
    found = {}
    for kind, (one, factor) in parts.items():
        index = np.searchsorted(one.steps, base.steps)
        inside = np.minimum(index, one.n_frames - 1)
        missing = base.steps != one.steps[inside]
        if missing.any() or one.n_atoms != base.n_atoms or one.species != base.species:
            what = f"step {base.steps[missing.argmax()]} is in the {leading} only"
            raise DataError(
                what if missing.any() else f"the {kind} are of other atoms than the {leading}",
                where=", ".join(str(path) for path in (*base.paths, *one.paths)),
                why="the files belong to different runs, or were written at different strides",
                fix="write positions, velocities and forces at the same steps",
            )
        found[kind] = _Part(one.frames, index, factor)
    every = [one for one, _ in parts.values()]
    # Digits and rounding are those of positions.
    more = [one for one in base.notes if has_positions or one.subject != "rounding"]
    return replace(
        base,
        paths=tuple(path for one in every for path in one.paths),
        unit_style="i-PI",
        columns=tuple(parts),
        has_positions=has_positions,
        has_velocities="velocities" in parts,
        has_forces="forces" in parts,
        n_bytes=sum(one.n_bytes for one in every),
        precision_digits=base.precision_digits if has_positions else 0,
        rounding=base.rounding * unit if has_positions else 0.0,
        notes=(*more, *notes),
        frames=QuantityFrames(found),
    )
