"""The atoms of a LAMMPS dump from its first frame, and the rounding of its coordinates."""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.lammps.columns import Layout
from trajmodes.readers.lammps.dump import FramePlaces, parse_frames
from trajmodes.readers.text.rows import SKIP, Target
from trajmodes.readers.trajectory import (
    AtomTable,
    Rounding,
    is_symbol,
    order_by_id,
    rounding_of,
)

_SAMPLE_BYTES = 1 << 15
_MASS_OF_CARBON = (11.5, 13.5)
_EXACT = float(1 << 53)


def describe_atoms(
    places: FramePlaces, n_atoms: int, layout: Layout, mass_factor: float
) -> tuple[AtomTable, tuple[Note, ...]]:
    """Ids, types, masses and species of the first frame.

    ``mass_factor`` is one unit of mass of the file in eV ps²/Å².

    Raises
    ------
    DataError
        If ids or types are not integers, an id appears twice, or a row is invalid.
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
        species, notes = _chemical_symbols([symbols[a] for a in order], types, masses)
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
    """Tokens of the complete rows of a frame, or of those within its first ``most`` bytes."""
    source = places.sources[places.file[frame]]
    at, stop = int(places.body[frame]), int(places.stop[frame])
    lines = source.data(at, min(stop - at, most or stop - at)).split(b"\n")
    # Split bytes, as the kernels do: str.split also splits at blanks of other alphabets.
    rows = [line.split() for line in lines[:-1]]
    return [[token.decode("utf-8", "replace") for token in row] for row in rows if row]


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


def coordinate_rounding(places: FramePlaces, layout: Layout) -> Rounding:
    """Estimate the rounding of the coordinates, in their own unit, from some frames."""
    n_frames = len(places.steps)
    literals: list[str] = []
    for frame in {0, n_frames // 2, n_frames - 1}:
        names = places.columns[places.header[frame]]
        wanted = [names.index(name) for name in layout.coordinates.names]
        for row in _rows(places, frame, _SAMPLE_BYTES):
            if len(row) == len(names):
                literals += [row[column] for column in wanted]
    return rounding_of(literals)
