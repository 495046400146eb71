"""Whether a cell file beside force constants is of the crystal that these belong to."""

from trajmodes.data import Crystal
from trajmodes.data.crystal_difference import same_substance, shortest_lengths
from trajmodes.errors import DataError
from trajmodes.formats import load_crystal

__all__ = ["require_same_crystal"]


def require_same_crystal(known: Crystal, path: str) -> None:
    """Refuse a cell file of another crystal than that of given constants.

    Composition and volume per atom must agree, and the shortest lattice vectors where the
    cells have as many sites: a choice of the cell does not matter.

    Parameters
    ----------
    known
        The crystal of the constants.
    path
        The cell file.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is of another crystal.
    """
    given = load_crystal(path).crystal
    if same_substance(known, given):
        return
    raise DataError(
        f"the cell file is of {_described(given)}, the constants are of {_described(known)}",
        where=path,
        why="constants know the crystal that they belong to, and another cell does not go "
        "with them",
        fix="leave out the cell, or give the constants of this crystal",
    )


def _described(crystal: Crystal) -> str:
    lengths = ", ".join(f"{x:.4g}" for x in shortest_lengths(crystal))
    return (
        f"{crystal.formula} ({lengths} Å, {crystal.volume / crystal.n_sites:.4g} Å³ per atom)"
    )
