"""What every fit to forces sums over frames besides its own products."""

from dataclasses import dataclass

from trajmodes.arrays import Floats
from trajmodes.data import MotionBlock, Supercell
from trajmodes.errors import DataError
from trajmodes.streaming.blocks import Sums

__all__ = ["ForceSums", "forces_of", "site_sums"]


@dataclass(frozen=True, slots=True)
class ForceSums(Sums):
    """Sums over some frames of one block of time."""

    displacement_sum: Floats
    """(s, 3), unit: Å. Σ_t of the mean displacement of each site over the cells."""
    force_sum: Floats
    """(s, 3), unit: eV/Å. Σ_t of the mean force on each site over the cells."""


def forces_of(block: MotionBlock) -> Floats:
    """(t, a, 3) forces in eV/Å.

    Raises
    ------
    DataError
        If the trajectory has none.
    """
    if block.forces is None:
        raise DataError(
            "the trajectory has no forces, and force constants are fitted to forces",
            where=f"frames from {block.first_frame}",
            fix="add fx fy fz to the dump: dump 1 all custom 10 run.lammpstrj "
            "id type xu yu zu vx vy vz fx fy fz",
        )
    return block.forces


def site_sums(supercell: Supercell, field: Floats) -> Floats:
    """(s, 3) sum over frames of the mean over the cells of a field (t, a, 3)."""
    by_site = (supercell.n_cells, supercell.crystal.n_sites, 3)
    mean: Floats = field.sum(axis=0).reshape(by_site).mean(axis=0)
    return mean
