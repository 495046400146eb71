"""What the columns of a LAMMPS dump mean: which of them are read, and as what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.errors import DataError
from trajmodes.readers.text.rows import ID, SKIP, TYPE


@dataclass(frozen=True, slots=True)
class Coordinates:
    """One way in which LAMMPS writes positions."""

    names: tuple[str, str, str]
    scaled: bool
    """Whether they are multiples of the box vectors, counted from the origin."""
    images: bool
    """Whether image flags ix iy iz have to be added."""
    unwrapped: bool
    """Whether what comes out is continuous in time."""


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
    """What is read from every frame, whatever the order of its columns."""

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
        """(c,) what `scan.fill_rows` is to do with each column.

        Parameters
        ----------
        columns
            Column names of a frame, in its order.
        """
        names = [name for field in self.fields for name in field]
        codes = {name: code for code, name in enumerate(names)}
        codes |= {"id": ID} if self.ids else {}
        codes |= {"type": TYPE} if self.types else {}
        return np.array([codes.get(name, SKIP) for name in columns], dtype=np.int64)


def choose_layout(
    layouts: Sequence[tuple[str, ...]], *, trust_order: bool, where: str
) -> Layout:
    """Best that all frames offer: coordinates by preference, velocities and forces if there.

    Parameters
    ----------
    layouts
        The different lists of column names that occur.
    trust_order
        Whether atoms without ids may be taken in the order of the file.
    where
        The file, for messages.

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
                f"two columns are called {', '.join(twice)}",
                where=where,
                why="which of them counts cannot be known",
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
            why="x y z, xs ys zs, xu yu zu or xsu ysu zsu must be there in every frame",
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
