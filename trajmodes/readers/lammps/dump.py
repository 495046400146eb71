"""Contents of the rows of a LAMMPS dump: columns, atoms, and frames in internal units.

`choose_layout` decides which columns are read, `describe_atoms` reads the atoms of the first
frame, and `LammpsFrames` converts the columns of any frames to Cartesian coordinates in
internal units, in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.kernels import kernel
from trajmodes.notes import Note
from trajmodes.readers.text.parse import FrameRows
from trajmodes.readers.text.rows import ID, SKIP, TYPE
from trajmodes.readers.trajectory import (
    AtomTable,
    FrameFields,
    Needs,
    Rounding,
    Trajectory,
    is_symbol,
    order_by_id,
    rounding_of,
)
from trajmodes.readers.units import UnitFactors, scaled

_SAMPLE_BYTES = 1 << 15
_MASS_OF_CARBON = (11.5, 13.5)
_EXACT = float(1 << 53)
_DIGITS_OF_DOUBLE = 15
_NONE = np.empty(0, dtype=np.int64)


_ALONE = (
    "; velocities alone are enough for trajmodes project with given force constants, and for "
    "trajmodes sed"
)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """One form in which LAMMPS writes positions."""

    names: tuple[str, str, str]
    scaled: bool
    """Whether they are multiples of the box vectors, relative to the origin."""
    images: bool
    """Whether image flags ix iy iz have to be added."""
    unwrapped: bool
    """Whether the resulting positions are continuous in time."""


IMAGES = ("ix", "iy", "iz")
"""Columns of the images of the box that atoms are in."""
_VELOCITIES = ("vx", "vy", "vz")
_FORCES = ("fx", "fy", "fz")
_BY_PREFERENCE = (
    Coordinates(("xu", "yu", "zu"), scaled=False, images=False, unwrapped=True),
    Coordinates(("xsu", "ysu", "zsu"), scaled=True, images=False, unwrapped=True),
    Coordinates(("x", "y", "z"), scaled=False, images=True, unwrapped=True),
    Coordinates(("xs", "ys", "zs"), scaled=True, images=True, unwrapped=True),
    Coordinates(("x", "y", "z"), scaled=False, images=False, unwrapped=False),
    Coordinates(("xs", "ys", "zs"), scaled=True, images=False, unwrapped=False),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Fields that are read from every frame, whatever the order of its columns."""

    coordinates: Coordinates | None
    """None where there are none, in files of forces or velocities alone."""
    velocities: bool
    forces: bool
    ids: bool
    types: bool

    @property
    def fields(self) -> tuple[tuple[str, str, str], ...]:
        """Column names of each field that is filled: positions first, images last."""
        return (
            *((self.coordinates.names,) if self.coordinates else ()),
            *((_VELOCITIES,) if self.velocities else ()),
            *((_FORCES,) if self.forces else ()),
            *((IMAGES,) if self.coordinates and self.coordinates.images else ()),
        )

    def plan(self, columns: Sequence[str]) -> Ints:
        """(c,) plan of `parse.fill_rows` for columns of these names."""
        names = [name for field in self.fields for name in field]
        codes = {name: code for code, name in enumerate(names)}
        codes |= {"id": ID} if self.ids else {}
        codes |= {"type": TYPE} if self.types else {}
        return np.array([codes.get(name, SKIP) for name in columns], dtype=np.int64)


def choose_layout(
    layouts: Sequence[tuple[str, ...]],
    *,
    trust_order: bool,
    where: str,
    needs: Needs = "positions",
) -> Layout:
    """Choose the fields of all frames: the preferred coordinates, velocities and forces.

    ``layouts`` are the different lists of column names that occur. Atoms without ids are taken
    in the order of the file only with ``trust_order``.

    Raises
    ------
    DataError
        If there are no coordinates, no ids, or two columns of one name.
    """
    for names in layouts:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                f"two columns are named {', '.join(twice)}",
                where=where,
                why="it is unknown which of them to read",
                fix="name each column of the dump command once",
            )
    common = set(layouts[0]).intersection(*layouts)
    found = [
        form
        for form in _BY_PREFERENCE
        if common.issuperset(form.names) and (not form.images or common.issuperset(IMAGES))
    ]
    named = {name for form in _BY_PREFERENCE for name in form.names}
    alone = common.issuperset(_VELOCITIES) and not named.intersection(*layouts)
    if not found and (needs == "positions" or (needs == "motion" and not alone)):
        different = list(dict.fromkeys(" ".join(names) for names in layouts))
        lists = " in some frames, ".join(different[:2]) + " in others"
        raise DataError(
            f"no coordinates among the columns {different[0]}"
            if len(different) == 1
            else f"frames have no coordinates in common: their columns are {lists}",
            where=where,
            why="every frame needs x y z, xs ys zs, xu yu zu or xsu ysu zsu",
            fix="dump ID all custom N FILE id type xu yu zu vx vy vz fx fy fz" + _ALONE * alone,
        )
    if "id" not in common and not trust_order:
        raise DataError(
            "the dump has no column id",
            where=where,
            why="LAMMPS writes atoms in an order that changes from frame to frame",
            fix="dump ID all custom N FILE id type …; or, if the order is known to be fixed, "
            "--trust-order (trust_order=True)",
        )
    return Layout(
        found[0] if found else None,
        velocities=common.issuperset(_VELOCITIES),
        forces=common.issuperset(_FORCES),
        ids="id" in common,
        types="type" in common,
    )


def describe_atoms(
    rows: FrameRows, n_atoms: int, layout: Layout, mass_factor: float
) -> tuple[AtomTable, tuple[Note, ...]]:
    """Ids, types, masses and species of the first frame.

    ``mass_factor`` is one unit of mass of the file in eV ps²/Å².

    Raises
    ------
    DataError
        If ids or types are not integers, an id is not positive or appears twice, or a row is
        invalid.
    """
    names = rows.columns[0]
    wanted = {"id": 0, "type": 1, "mass": 2}
    plan = np.array([wanted.get(name, SKIP) for name in names], dtype=np.int64)
    fields = np.zeros((1, 1, n_atoms, 3))
    replace(rows, plans=(plan,), ids=_NONE, types=_NONE).fill(0, 1, fields)
    ids = _integers(fields[0, 0, :, 0], "id", rows)
    types = _integers(fields[0, 0, :, 1], "type", rows)
    order = order_by_id(ids, rows.name_of(0)) if layout.ids else np.arange(n_atoms)
    if layout.ids and ids[order[0]] < 1:
        raise DataError(
            f"an atom has the id {ids[order[0]]}",
            where=rows.name_of(0),
            why="LAMMPS numbers atoms from 1: the file is damaged, or the atoms have no ids "
            "(atom_modify id no)",
        )
    ids, types = ids[order], types[order]
    masses = fields[0, 0, order, 2] if "mass" in names else None
    species: tuple[str, ...] | None = None
    notes: tuple[Note, ...] = ()
    # A binary dump has the type of the atom in this column.
    if "element" in names and not rows.exact:
        symbols = [row[names.index("element")] for row in rows.tokens(0)]
        species, notes = _chemical_symbols([symbols[a] for a in order], types, masses)
    atoms = AtomTable(
        ids=ids if layout.ids else None,
        types=types if layout.types else None,
        species=species,
        masses=None if masses is None else masses * mass_factor,
    )
    return atoms, notes


def _integers(values: Floats, name: str, rows: FrameRows) -> Ints:
    for wrong, what in (
        (values != np.rint(values), "not an integer"),
        (np.abs(values) >= _EXACT, f"larger than any {name} that LAMMPS writes"),
    ):
        if wrong.any():
            where = f"{rows.name_of(0)}, column {name}"
            raise DataError(f"{values[wrong][0]:g} is {what}", where=where)
    return values.astype(np.int64)


def _chemical_symbols(
    symbols: list[str], types: Ints, masses: Floats | None
) -> tuple[tuple[str, ...] | None, tuple[Note, ...]]:
    """Species of the column `element`, unless all are the default C of LAMMPS."""
    fix = "dump_modify ID element SYMBOLS, one for each type"
    others = sorted({symbol for symbol in symbols if not is_symbol(symbol)})
    if others:
        text = f"'{others[0]}' in column element is not a chemical symbol"
        return None, (Note("warning", text, fix=fix),)
    if set(symbols) == {"C"}:
        low, high = _MASS_OF_CARBON
        carbon = masses is not None and bool(((masses > low) & (masses < high)).all())
        if not carbon or len(np.unique(types)) > 1:
            text = "column element is C for all atoms, which is the default of LAMMPS"
            return None, (Note("warning", text, fix=fix),)
    return tuple(symbols), ()


def coordinate_rounding(rows: FrameRows, layout: Layout) -> Rounding:
    """Estimate the rounding of the coordinates, in their own unit, from some frames."""
    if layout.coordinates is None:
        return Rounding(0, 0.0)
    if rows.exact:
        return Rounding(_DIGITS_OF_DOUBLE, 0.0)
    n_frames = len(rows.steps)
    literals: list[str] = []
    for frame in {0, n_frames // 2, n_frames - 1}:
        names = rows.columns[rows.order[frame]]
        wanted = [names.index(name) for name in layout.coordinates.names]
        for row in rows.tokens(frame, _SAMPLE_BYTES):
            if len(row) == len(names):
                literals += [row[column] for column in wanted]
    return rounding_of(literals)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LammpsFrames:
    """Frames of LAMMPS text dumps."""

    layout: Layout
    factors: UnitFactors
    rows: FrameRows
    n_atoms: int
    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors."""
    origins: Floats
    """(t, 3), unit: Å. Corners of the box."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, cells="t 3 3", origins="t 3")

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop)."""
        fields = np.empty((len(self.layout.fields), stop - start, self.n_atoms, 3))
        self.rows.fill(start, stop, fields)
        # One box of all frames is stored once.
        cells = np.ascontiguousarray(self.cells[start:stop])
        layout, form, named = self.layout, self.layout.coordinates, iter(fields)
        positions = None if form is None else next(named)
        if form is not None and positions is not None and form.scaled:
            _from_scaled(positions, cells, np.ascontiguousarray(self.origins[start:stop]))
        elif positions is not None:
            scaled(positions, self.factors.length)
        velocities = scaled(next(named), self.factors.velocity) if layout.velocities else None
        forces = scaled(next(named), self.factors.force) if layout.forces else None
        if form is not None and positions is not None and form.images:
            _add_images(positions, next(named), cells)
        return FrameFields(cells, positions, velocities, forces)

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.rows.place(frame, atom)


@kernel()
def _from_scaled(positions: Floats, cells: Floats, origins: Floats) -> None:
    """Scaled to Cartesian coordinates in place: x = origin + s @ cell."""
    for t in range(positions.shape[0]):
        cell, origin = cells[t], origins[t]
        for a in range(positions.shape[1]):
            s0, s1, s2 = positions[t, a, 0], positions[t, a, 1], positions[t, a, 2]
            for x in range(3):
                shift = s0 * cell[0, x] + s1 * cell[1, x] + s2 * cell[2, x]
                positions[t, a, x] = origin[x] + shift


@kernel()
def _add_images(positions: Floats, images: Floats, cells: Floats) -> None:
    """Unwrap in place: x += image @ cell."""
    for t in range(positions.shape[0]):
        cell = cells[t]
        for a in range(positions.shape[1]):
            i0, i1, i2 = images[t, a, 0], images[t, a, 1], images[t, a, 2]
            for x in range(3):
                positions[t, a, x] += i0 * cell[0, x] + i1 * cell[1, x] + i2 * cell[2, x]


def dump_lines(
    trajectory: Trajectory,
    species: tuple[str, ...],
    *,
    stride: int | None = None,
    stored_forces: bool = False,
) -> str:
    """Lines ``dump`` and ``dump_modify`` for a later run of the same system.

    Elements are given to LAMMPS in the order of types if this is known. ``stride`` is the
    number of steps between frames, by default that of the trajectory, or the greatest common
    divisor of its intervals. ``stored_forces`` takes the forces before other fixes, such as a
    thermostat, add theirs.
    """
    # Frames at unequal intervals become even at the largest common divisor of these.
    apart = np.diff(trajectory.steps)
    every = stride or int(np.gcd.reduce(apart[apart > 0])) or 1
    names = " ".join(_species_by_type(trajectory, species))
    forces = first = rename = ""
    if stored_forces:
        first = "fix pure all store/force  # before the fix of the thermostat\n"
        forces = " ".join(f"f_pure[{k}]" for k in (1, 2, 3))
        rename = "".join(f" colname f_pure[{k}] f{x}" for k, x in enumerate("xyz", start=1))
    return (
        f"{first}dump d all custom {every} run.lammpstrj id type element xu yu zu vx vy vz "
        f"{forces or 'fx fy fz'}\n"
        f"dump_modify d sort id format float %.10g units yes time yes element {names}{rename}"
    )


def _species_by_type(trajectory: Trajectory, species: tuple[str, ...]) -> list[str]:
    if trajectory.types is None or trajectory.species is None:
        return list(dict.fromkeys(species))
    named = dict(zip(trajectory.types.tolist(), trajectory.species, strict=True))
    return [named.get(kind, "X") for kind in range(1, max(named) + 1)]
