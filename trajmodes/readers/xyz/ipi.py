"""Files of i-PI: positions, velocities and forces of one run, each in an XYZ file of its own.

The comment of every frame names cell, step, bead, quantity and units; see
`trajmodes.readers.xyz.comment`. The frames of the files are joined by their steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError
from trajmodes.readers.text.source import open_source
from trajmodes.readers.trajectory import FrameFields, FrameReader, Trajectory
from trajmodes.readers.units import unit_factors
from trajmodes.readers.xyz.comment import IPI_LENGTHS
from trajmodes.readers.xyz.first_frame import read_first_frame
from trajmodes.readers.xyz.open import open_xyz

_ELECTRON, _METAL, _SI = (unit_factors(style) for style in ("electron", "metal", "si"))
_ATOMIC_TIME = 2.4188843265864e-5
"""ħ over the Hartree energy in ps."""
_FACTORS = {
    "positions": IPI_LENGTHS,
    "velocities": {
        "atomic_unit": IPI_LENGTHS["atomic_unit"] / _ATOMIC_TIME,
        "angstrom/ps": _METAL.velocity,
        "m/s": _SI.velocity,
    },
    "forces": {
        "atomic_unit": _ELECTRON.force,
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
            return found.cells, found.positions
        first = int(index[0])
        found = self.frames.read(first, int(index[-1]) + 1)
        return found.cells[index - first], found.positions[index - first] * self.factor


@dataclass(frozen=True, slots=True)
class IpiFrames:
    """Frames of files of i-PI."""

    positions: _Part
    velocities: _Part | None
    forces: _Part | None

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        cells, positions = self.positions.read(start, stop)
        velocities, forces = (
            None if part is None else part.read(start, stop)[1]
            for part in (self.velocities, self.forces)
        )
        return FrameFields(cells, positions, velocities, forces)

    def place(self, frame: int, atom: int) -> str:
        """File and line of the position of an atom in a frame."""
        return self.positions.frames.place(int(self.positions.index[frame]), atom)


def is_ipi(path: Path) -> bool:
    """Whether an XYZ file was written by i-PI."""
    return "ipi" in read_first_frame(open_source(path)).values


def open_xyz_or_ipi(
    paths: Sequence[Path], options: ReadOptions, *, cell: Floats | None = None
) -> Trajectory:
    """Open XYZ files of one run, of i-PI or any other program; see `open_xyz`.

    Raises
    ------
    UsageError
        If a file cannot be read, or the unit of a quantity is unknown.
    DataError
        If a file is invalid, or the files do not belong together.
    """
    sources = [open_source(path, allow_partial=options.allow_partial) for path in paths]
    heads = {
        path: read_first_frame(source).values
        for path, source in zip(paths, sources, strict=True)
    }
    if not any("ipi" in values for values in heads.values()):
        return open_xyz(paths, options, cell=cell)
    _refuse_mixture(heads)
    parts = {}
    for kind, factors in _FACTORS.items():
        files = [path for path, values in heads.items() if _KINDS[values["ipi"]] == kind]
        if files:
            factor = _factor(kind, factors, {path: heads[path]["unit"] for path in files})
            parts[kind] = open_xyz(files, options, cell=cell), factor
    if "positions" not in parts:
        raise DataError(
            "there are no positions",
            where=", ".join(map(str, paths)),
            why="i-PI writes positions, velocities and forces to separate files",
            fix="give all files of the run",
        )
    return _joined(parts)


def _refuse_mixture(heads: Mapping[Path, Mapping[str, str]]) -> None:
    """Refuse files of several programs, beads, or of quantities that are not read."""
    for path, values in heads.items():
        if values.get("ipi") not in _KINDS:
            raise DataError(
                f"this file has {values.get('ipi') or 'frames of another kind'}",
                where=str(path),
                why="of i-PI these are read: " + ", ".join(_KINDS),
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
                why=f"of i-PI these units are read: {', '.join(factors)}, one in all files",
                fix=f"write them in one of these, such as {kind}{{{next(iter(factors))}}}",
            )
    return factors[next(iter(units.values()))]


def _joined(parts: dict[str, tuple[Trajectory, float]]) -> Trajectory:
    """Join the files of one run by their steps."""
    base, length = parts["positions"]
    found = {}
    for kind, (one, factor) in parts.items():
        index = np.searchsorted(one.steps, base.steps)
        inside = np.minimum(index, one.n_frames - 1)
        missing = base.steps != one.steps[inside]
        if missing.any() or one.n_atoms != base.n_atoms or one.species != base.species:
            what = f"step {base.steps[missing.argmax()]} is in the positions only"
            raise DataError(
                what if missing.any() else f"the {kind} are of other atoms than the positions",
                where=", ".join(str(path) for path in (*base.paths, *one.paths)),
                why="the files belong to different runs, or were written at different strides",
                fix="write positions, velocities and forces at the same steps",
            )
        found[kind] = _Part(one.frames, index, factor)
    every = [one for one, _ in parts.values()]
    return replace(
        base,
        paths=tuple(path for one in every for path in one.paths),
        unit_style="i-PI",
        columns=tuple(parts),
        has_velocities="velocities" in parts,
        has_forces="forces" in parts,
        n_bytes=sum(one.n_bytes for one in every),
        rounding=base.rounding * length,
        frames=IpiFrames(found["positions"], found.get("velocities"), found.get("forces")),
    )
