"""Sums over the frames of a trajectory: normal equations of any order, kinetic temperature.

Rows of the design matrix are computed site by site for some cells and up to 64 frames, so that
they and their monomials stay in the cache. A few thousand rows at a time are multiplied by BLAS
and discarded, so that memory does not grow with the number of frames.
"""

from dataclasses import dataclass, field

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.coulomb.supercells import DipoleForces
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.rows import ForceMap, fill_rows, force_maps
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums
from trajmodes.units import BOLTZMANN

_FRAMES = 64
"""Frames treated at once; the inner loops of the kernel run over them."""

_ROW_BYTES = 1 << 20
"""Memory of the rows multiplied at once: large enough for BLAS, small enough for the cache."""

_EQUATION_BYTES = 1 << 28
"""Memory that all blocks should take: fewer blocks where there are many parameters."""

_BLOCKS = (8, 32)
"""Fewest and most blocks of time of all runs together; error bars need about eight."""


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


@dataclass(frozen=True, slots=True)
class NormalEquationSums(ForceSums):
    """Sums over some frames of one block of time."""

    gram: Floats
    """(z + 1, z + 1) products of all columns and, last, of the force."""
    whole_square: float
    """Σ|f|² with the dipole–dipole forces, in eV²/Å²."""
    components: int
    """Number of force components."""


def default_blocks(n_parameters: int, n_runs: int = 1) -> int:
    """Choose the number of blocks of time of each run, fewer for many parameters."""
    fewest, most = _BLOCKS
    one = 8 * (n_parameters + 1) ** 2
    together = int(np.clip(_EQUATION_BYTES // one, fewest, most))
    return max(1, together // n_runs, -(-fewest // n_runs))


@dataclass(frozen=True, slots=True)
class ForceRows(BlockReduction[MotionBlock, NormalEquationSums]):
    """A `Reduction` of motion to `NormalEquationBlocks`."""

    expansion: Expansion
    supercell: Supercell
    n_frames: int
    n_blocks: int = 32
    dipoles: DipoleForces | None = None
    """Dipole–dipole forces, which are subtracted from those of every frame."""
    occupied: Bools | None = None
    """(a,) sites that have an atom; None where all have. Clusters with an empty site have no
    forces, so that the self terms of its neighbours obey the sum rules without it."""
    maps: tuple[ForceMap, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        maps = force_maps(self.expansion, self.supercell)
        if self.occupied is not None:
            maps = tuple(one.within(self.occupied) for one in maps)
        object.__setattr__(self, "maps", maps)

    def finalize(self, state: BlockSums[NormalEquationSums]) -> NormalEquationBlocks:
        """Stack the blocks in order of time."""
        gram = state.stack("gram")
        return NormalEquationBlocks(
            supercell=self.supercell,
            expansion=self.expansion,
            run=np.zeros(len(gram), dtype=np.int64),
            frames=state.stack("frames"),
            components=state.stack("components"),
            gram=gram[:, :-1, :-1],
            moment=gram[:, :-1, -1],
            square=gram[:, -1, -1],
            displacement_sum=state.stack("displacement_sum"),
            force_sum=state.stack("force_sum"),
            charges=None if self.dipoles is None else self.dipoles.charges,
            whole_square=None if self.dipoles is None else state.stack("whole_square"),
        )

    def sums(self, block: MotionBlock) -> NormalEquationSums:
        """Sum over frames of one block of time."""
        return self.sums_of_atoms(block, self.atoms)

    @property
    def atoms(self) -> Ints:
        """Sites that have an atom, in canonical order."""
        if self.occupied is None:
            return np.arange(self.supercell.n_atoms)
        return np.flatnonzero(self.occupied)

    def sums_of_atoms(self, block: MotionBlock, atoms: Ints) -> NormalEquationSums:
        """Sum the equations of the forces on some atoms over frames."""
        displacements, forces = block.displacements_or_raise(), forces_of(block)
        own_forces = forces if len(atoms) == forces.shape[1] else forces[:, atoms]
        whole_square = float(np.vdot(own_forces, own_forces))
        if self.dipoles is not None:
            forces = forces - self.dipoles(displacements)
        n_frames, n_sites = block.n_frames, self.supercell.crystal.n_sites
        size = self.expansion.n_parameters + 1
        gram = np.zeros((size, size))
        for batch in np.array_split(np.arange(n_frames), -(-n_frames // _FRAMES)):
            part = slice(batch[0], batch[-1] + 1)
            u_axt = np.ascontiguousarray(displacements[part].transpose(1, 2, 0))
            f_axt = np.ascontiguousarray(forces[part].transpose(1, 2, 0))
            for table in self.maps:
                cells = atoms[atoms % n_sites == table.site] // n_sites
                if len(cells):
                    own = np.append(table.columns, size - 1)
                    gram[np.ix_(own, own)] += _products(table, u_axt, f_axt, n_sites, cells)
        return NormalEquationSums(
            n_frames,
            site_sums(self.supercell, displacements),
            site_sums(self.supercell, forces),
            gram,
            whole_square,
            3 * len(atoms) * n_frames,
        )


@dataclass(frozen=True, slots=True)
class RowsByAtoms(ForceRows):
    """A `Reduction` to `NormalEquationBlocks` of groups of atoms in place of blocks of time.

    All frames are summed; each block holds the forces on some neighbouring cells.
    """

    def chunk(self, block: MotionBlock, /) -> BlockSums[NormalEquationSums]:
        """Sum over consecutive frames, separately for each group of atoms."""
        groups = np.array_split(self.atoms, self.n_blocks)
        return BlockSums(
            {g: self.sums_of_atoms(block, atoms) for g, atoms in enumerate(groups)}
        )


def _products(
    table: ForceMap, u_axt: Floats, f_axt: Floats, n_sites: int, chosen: Ints
) -> Floats:
    """(z + 1, z + 1) products of the columns of one site, summed over some cells and frames."""
    n_columns, n_frames = len(table.columns) + 1, u_axt.shape[2]
    atoms = np.arange(table.site, len(u_axt), n_sites)
    together = max(1, _ROW_BYTES // (8 * 3 * n_frames * n_columns))
    parts = np.array_split(chosen, -(-len(chosen) // together))
    # One buffer for all parts: allocation would cost more than the arithmetic.
    buffer = np.empty(n_columns * len(parts[0]) * 3 * n_frames)
    total = np.zeros((n_columns, n_columns))
    for cells in parts:
        rows = buffer[: n_columns * len(cells) * 3 * n_frames].reshape(n_columns, -1)
        rows_zcxt = rows.reshape(n_columns, -1, 3, n_frames)
        fill_rows(table, u_axt, f_axt, atoms[cells], cells, rows_zcxt)
        # numpy computes a product with its own transpose by dsyrk: half the work
        total += rows @ rows.T
    return total


_KineticSum = tuple[int, float]
"""Number of frames and Σ_t Σ_a m v²."""


@dataclass(frozen=True, slots=True)
class KineticTemperature:
    """A `Reduction` of motion to the kinetic temperature Σ m v²/(3N − 3)k_B in K.

    N is the number of atoms. The three degrees of freedom of the centre of mass are not
    counted. The temperature is nan without velocities.
    """

    masses: Floats
    """(a,) in canonical order; zero on an empty site."""

    def chunk(self, block: MotionBlock) -> _KineticSum:
        """Sum over one block of frames."""
        if block.velocities is None:
            return 0, 0.0
        square_a = np.einsum("tax,tax->a", block.velocities, block.velocities)
        return block.n_frames, float(square_a @ self.masses)

    def combine(self, earlier: _KineticSum, later: _KineticSum) -> _KineticSum:
        """Add two sums."""
        return earlier[0] + later[0], earlier[1] + later[1]

    def finalize(self, state: _KineticSum) -> float:
        """Convert the sum to a temperature in K."""
        n_frames, total = state
        n_free = 3 * int(np.count_nonzero(self.masses)) - 3
        return total / (n_frames * n_free * BOLTZMANN) if n_frames and n_free else np.nan
