"""Columns of a LAMMPS dump: which are read, what they mean, and a command that writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.errors import DataError
from trajmodes.readers.text.rows import ID, SKIP, TYPE
from trajmodes.readers.trajectory import Trajectory


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


_IMAGES = ("ix", "iy", "iz")
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

    coordinates: Coordinates
    velocities: bool
    forces: bool
    ids: bool
    types: bool

    @property
    def fields(self) -> tuple[tuple[str, str, str], ...]:
        """Column names of each field that is filled: positions first, images last."""
        return (
            self.coordinates.names,
            *((_VELOCITIES,) if self.velocities else ()),
            *((_FORCES,) if self.forces else ()),
            *((_IMAGES,) if self.coordinates.images else ()),
        )

    def plan(self, columns: Sequence[str]) -> Ints:
        """(c,) plan of `parse.fill_rows` for columns of these names."""
        names = [name for field in self.fields for name in field]
        codes = {name: code for code, name in enumerate(names)}
        codes |= {"id": ID} if self.ids else {}
        codes |= {"type": TYPE} if self.types else {}
        return np.array([codes.get(name, SKIP) for name in columns], dtype=np.int64)


def choose_layout(
    layouts: Sequence[tuple[str, ...]], *, trust_order: bool, where: str
) -> Layout:
    """Choose the fields of all frames: the preferred coordinates, velocities and forces.

    Parameters
    ----------
    layouts
        The different lists of column names that occur.
    trust_order
        Whether atoms without ids are taken in the order of the file.

    Raises
    ------
    DataError
        If there are no coordinates, no ids, or two columns of one name.
    """
    everywhere: set[str] | None = None
    for names in layouts:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                f"two columns are named {', '.join(twice)}",
                where=where,
                why="it is unknown which of them to read",
                fix="name each column of the dump command once",
            )
        everywhere = set(names) if everywhere is None else everywhere & set(names)
    common = everywhere or set()
    found = [
        form
        for form in _BY_PREFERENCE
        if common.issuperset(form.names) and (not form.images or common.issuperset(_IMAGES))
    ]
    if not found:
        different = list(dict.fromkeys(" ".join(names) for names in layouts))
        lists = " in some frames, ".join(different[:2]) + " in others"
        raise DataError(
            f"no coordinates among the columns {different[0]}"
            if len(different) == 1
            else f"frames have no coordinates in common: their columns are {lists}",
            where=where,
            why="every frame needs x y z, xs ys zs, xu yu zu or xsu ysu zsu",
            fix="dump ID all custom N FILE id type xu yu zu vx vy vz fx fy fz",
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
        found[0],
        velocities=common.issuperset(_VELOCITIES),
        forces=common.issuperset(_FORCES),
        ids="id" in common,
        types="type" in common,
    )


def dump_lines(
    trajectory: Trajectory, species: tuple[str, ...], *, stride: int | None = None
) -> str:
    """Lines ``dump`` and ``dump_modify`` for a later run of the same system.

    Parameters
    ----------
    species
        Elements of the crystal, given to LAMMPS in the order of types where it is known.
    stride
        Steps between frames; by default those of the trajectory.
    """
    steps = trajectory.steps
    every = stride or (int(steps[1] - steps[0]) if len(steps) > 1 else 1)
    names = " ".join(_species_by_type(trajectory, species))
    return (
        f"dump d all custom {every} run.lammpstrj id type element xu yu zu vx vy vz fx fy fz\n"
        f"dump_modify d sort id format float %.10g units yes time yes element {names}"
    )


def _species_by_type(trajectory: Trajectory, species: tuple[str, ...]) -> list[str]:
    if trajectory.types is None or trajectory.species is None:
        return list(dict.fromkeys(species))
    named = dict(zip(trajectory.types.tolist(), trajectory.species, strict=True))
    return [named.get(kind, "X") for kind in range(1, max(named) + 1)]
