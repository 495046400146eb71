"""The primitive crystal: cell, sites, species, masses."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, freeze
from trajmodes.errors import DataError

__all__ = ["Crystal"]


@dataclass(frozen=True, slots=True)
class Crystal:
    """A primitive cell in the user's Cartesian frame.

    Raises
    ------
    DataError
        If shapes disagree, a mass is not positive, or the cell is left-handed or flat.
    """

    cell: Floats
    """(3, 3), unit: Å. Rows are the lattice vectors."""
    sites: Floats
    """(s, 3), no unit. Reduced coordinates of the sites."""
    species: tuple[str, ...]
    """(s,) chemical symbols."""
    masses: Floats
    """(s,), unit: eV ps²/Å²."""

    def __post_init__(self) -> None:
        sizes = {"s": len(self.species)}
        freeze(self, sizes, float, cell="3 3", sites="s 3", masses="s")
        object.__setattr__(self, "species", tuple(self.species))
        if not self.volume > 0.0:
            raise DataError(
                f"the cell has volume {self.volume:.6g} Å³",
                why="its vectors are left-handed or lie in a plane",
                fix="give three vectors with a positive triple product",
            )
        if not (self.masses > 0.0).all():
            raise DataError(f"masses must be positive, got {self.masses}")

    @property
    def n_sites(self) -> int:
        """Number of sites in the primitive cell."""
        return len(self.species)

    @property
    def formula(self) -> str:
        """Species and their numbers in the cell, such as Si2."""
        kinds = dict.fromkeys(self.species)
        counts = ((kind, self.species.count(kind)) for kind in kinds)
        return "".join(f"{kind}{n if n > 1 else ''}" for kind, n in counts)

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        a, b, c = (tuple(map(float, row)) for row in self.cell)
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )

    @property
    def positions(self) -> Floats:
        """(s, 3) Cartesian positions of the sites in Å."""
        return self.sites @ self.cell
