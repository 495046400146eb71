"""The atoms and the rounding of coordinates, from the first frames of a LAMMPS dump."""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.atom_table import AtomTable, is_symbol, order_by_id
from trajmodes.readers.lammps.columns import Layout
from trajmodes.readers.lammps.dump import FramePlaces, parse_frames
from trajmodes.readers.text.rounding import Rounding, rounding_of
from trajmodes.readers.text.rows import SKIP, Target

_SAMPLE_BYTES = 1 << 15
_MASS_OF_CARBON = (11.5, 13.5)
_EXACT = float(1 << 53)


def look_at_atoms(
    places: FramePlaces, n_atoms: int, layout: Layout, mass_factor: float
) -> tuple[AtomTable, tuple[Note, ...]]:
    """Ids, types, masses and species of the first frame.

    Parameters
    ----------
    places
        Where the frames are.
    n_atoms
        Number of atoms.
    layout
        Which columns every frame has.
    mass_factor
        One unit of mass of the file in eV ps²/Å².

    Raises
    ------
    DataError
        If ids or types are not integers, an id appears twice, or a row is not sound.
    """
    names = places.columns[places.header[0]]
    wanted = {"id": 0, "type": 1, "mass": 2}
    plan = np.array([wanted.get(name, SKIP) for name in names], dtype=np.int64)
    none = np.empty(0, dtype=np.int64)
    fields = np.zeros((1, 1, n_atoms, 3))
    parse_frames(places, 0, 1, Target(plan, none, none, fields))
    ids = _integers(fields[0, 0, :, 0], "id", places)
    types = _integers(fields[0, 0, :, 1], "type", places)
    order = order_by_id(ids, places.name_of(0)) if layout.ids else np.arange(n_atoms)
    ids, types = ids[order], types[order]
    masses = fields[0, 0, order, 2] if "mass" in names else None
    species: tuple[str, ...] | None = None
    notes: tuple[Note, ...] = ()
    if "element" in names:
        symbols = [row[names.index("element")] for row in _rows(places, 0)]
        species, notes = _credible([symbols[a] for a in order], types, masses)
    atoms = AtomTable(
        ids=ids if layout.ids else None,
        types=types if layout.types else None,
        species=species,
        masses=None if masses is None else masses * mass_factor,
    )
    return atoms, notes


def _integers(values: Floats, name: str, places: FramePlaces) -> Ints:
    fractional = np.flatnonzero(values != np.rint(values))
    if len(fractional):
        what = f"{values[fractional[0]]:g} is not an integer"
        raise DataError(what, where=f"{places.name_of(0)}, column {name}")
    large = np.flatnonzero(np.abs(values) >= _EXACT)
    if len(large):
        what = f"{values[large[0]]:g} is larger than any {name} that LAMMPS writes"
        raise DataError(what, where=f"{places.name_of(0)}, column {name}")
    return values.astype(np.int64)


def _rows(places: FramePlaces, frame: int, most: int | None = None) -> list[list[str]]:
    """Tokens of the complete rows of a frame, or of those within its first `most` bytes."""
    source = places.sources[places.file[frame]]
    at, stop = int(places.body[frame]), int(places.stop[frame])
    lines = source.data(at, min(stop - at, most or stop - at)).split(b"\n")
    # Bytes are split where the kernels split them, text also at blanks of other alphabets.
    rows = [line.split() for line in lines[:-1]]
    return [[token.decode("utf-8", "replace") for token in row] for row in rows if row]


def _credible(
    symbols: list[str], types: Ints, masses: Floats | None
) -> tuple[tuple[str, ...] | None, tuple[Note, ...]]:
    """Species as the column `element` has them, unless they are only LAMMPS's default C."""
    fix = "dump_modify ID element SYMBOLS, one for each type"
    others = sorted({symbol for symbol in symbols if not is_symbol(symbol)})
    if others:
        text = f"'{others[0]}' in column element is not a chemical symbol"
        return None, (Note("warning", text, fix=fix),)
    if set(symbols) == {"C"}:
        low, high = _MASS_OF_CARBON
        carbon = masses is not None and bool(((masses > low) & (masses < high)).all())
        if not carbon or len(np.unique(types)) > 1:
            text = "column element says C for all atoms, which LAMMPS writes by default"
            return None, (Note("warning", text, fix=fix),)
    return tuple(symbols), ()


def coordinate_rounding(places: FramePlaces, layout: Layout) -> Rounding:
    """How the coordinates are rounded, in their own unit, by a sample of the frames.

    Parameters
    ----------
    places
        Where the frames are.
    layout
        Which columns are the coordinates.
    """
    n_frames = len(places.steps)
    literals: list[str] = []
    for frame in {0, n_frames // 2, n_frames - 1}:
        names = places.columns[places.header[frame]]
        wanted = [names.index(name) for name in layout.coordinates.names]
        for row in _rows(places, frame, _SAMPLE_BYTES):
            if len(row) == len(names):
                literals += [row[column] for column in wanted]
    return rounding_of(literals)
