"""The atoms of a trajectory, and how a reader identifies them in the first frame."""

import re
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError

_SYMBOL = re.compile(r"[A-Z][a-z]?")
_LISTED_IDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomTable:
    """The atoms, the same in every frame; sorted by id where they have ids."""

    ids: Ints | None = None
    """(a,) sorted ids; None where the file has none."""
    types: Ints | None = None
    """(a,) types; None where the file has none."""
    species: tuple[str, ...] | None
    """(a,) chemical symbols, where the file names them credibly."""
    masses: Floats | None
    """(a,), unit: eV ps²/Å²; None where the file has none."""

    def __post_init__(self) -> None:
        sizes = {} if self.species is None else {"a": len(self.species)}
        freeze(self, sizes, np.int64, ids="a", types="a")
        freeze(self, sizes, float, masses="a")


def is_symbol(text: str) -> bool:
    """Whether a text has the form of a chemical symbol."""
    return _SYMBOL.fullmatch(text) is not None


def order_by_id(ids: Ints, where: str) -> Ints:
    """Sort the rows of a frame by their ids (a,).

    Raises
    ------
    DataError
        If an id appears twice.
    """
    order = np.argsort(ids, kind="stable").astype(np.int64)
    repeated = np.unique(ids[order][1:][np.diff(ids[order]) == 0])
    if len(repeated):
        listed = ", ".join(map(str, repeated[:_LISTED_IDS].tolist()))
        ids_appear = "id {} appears" if len(repeated) == 1 else "ids {} appear"
        raise DataError(f"atom {ids_appear.format(listed)} twice in one frame", where=where)
    return order
