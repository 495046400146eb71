r"""Second derivatives of a molecule from its displacements and forces, in one pass.

In the Eckart frame √M u lies in the space of the vibrations, with an orthonormal basis B (d
rows), and so does what a force √M⁻¹F can do to them. With q = B √M u and f = B √M⁻¹ F the model

    f = f0 − D q ,   D symmetric, d × d ,   Φ = √M Bᵀ D B √M ,

has all constants Φ that are symmetric and vanish for translations and infinitesimal rotations
about the reference, and no others. Least squares of Σ|f − f0 + D q|² over symmetric D needs
only the covariances S = cov(q, q) and G = cov(f, q):

    D S + S D = −(G + Gᵀ) ,

solved in the eigenvectors of S. Errors come from leaving out blocks of time one by one, of the
length that makes them largest.
"""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import FitQuality, ForceConstants, jackknife_sem
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.accumulate import forces_of
from trajmodes.molecules.point_group import pairs_of_hessian, vibrational_space
from trajmodes.streaming.blocks import BlockReduction, BlockSums, Sums
from trajmodes.units import BOLTZMANN

_FEWEST_BLOCKS, _MOST_BLOCKS = 8, 32
_SUMS_BYTES = 1 << 28
"""Memory for the sums of all blocks of time; fewer blocks where they would take more."""
_STILL = 1e-11
"""Least variance of a vibration, in largest ones, that tells its constants from rounding: modes
whose frequencies are as 1 to 100 have variances as 10⁴ to 1."""


@dataclass(frozen=True, slots=True)
class VibrationSums(Sums):
    """Sums over frames of vibrational coordinates q in √(eV) ps and forces f in √(eV)/ps."""

    coordinate: Floats
    """(d,) Σ q."""
    force: Floats
    """(d,) Σ f."""
    square: Floats
    """(d, d) Σ q qᵀ."""
    cross: Floats
    """(d, d) Σ f qᵀ."""
    force_square: Floats
    """(d, d) Σ f fᵀ."""
    kinetic: float
    """Σ m v² in eV; nan where there are no velocities."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, coordinate="d", force="d")
        freeze(self, sizes, float, square="d d", cross="d d", force_square="d d")

    def __sub__(self, other: "VibrationSums") -> "VibrationSums":
        """Take the frames of a part away."""
        names = [field.name for field in fields(self)]
        return VibrationSums(*(getattr(self, n) - getattr(other, n) for n in names))


@dataclass(frozen=True, slots=True)
class HessianReduction(BlockReduction[MotionBlock, VibrationSums]):
    """Reduction from the motion of a molecule to its `ForceConstants`, with their quality."""

    molecule: Supercell
    """The reference, of one cell."""
    space: Floats
    """(d, 3a) orthonormal basis of the vibrations in mass-weighted coordinates."""
    n_frames: int
    n_blocks: int

    def sums(self, block: MotionBlock) -> VibrationSums:
        """Sum over frames of one block of time.

        Raises
        ------
        DataError
            If the trajectory has no forces.
        """
        n_frames = block.n_frames
        root = np.repeat(np.sqrt(self.molecule.masses), 3)
        q_td = (block.displacements.reshape(n_frames, -1) * root) @ self.space.T
        f_td = (forces_of(block).reshape(n_frames, -1) / root) @ self.space.T
        kinetic = np.nan
        if block.velocities is not None:
            square_a = np.einsum("tay,tay->a", block.velocities, block.velocities)
            kinetic = float(square_a @ self.molecule.masses)
        return VibrationSums(
            frames=n_frames,
            coordinate=q_td.sum(axis=0),
            force=f_td.sum(axis=0),
            square=q_td.T @ q_td,
            cross=f_td.T @ q_td,
            force_square=f_td.T @ f_td,
            kinetic=kinetic,
        )

    def finalize(self, state: BlockSums[VibrationSums]) -> ForceConstants:
        """Fit the second derivatives.

        Raises
        ------
        DataError
            If the run does not move along every vibration, or all forces are zero.
        """
        blocks = state.in_time_order()
        total = _total(blocks)
        dynamical = _solve(total)
        if dynamical is None:
            raise self._undetermined(total)
        root = np.repeat(np.sqrt(self.molecule.masses), 3)
        rows = self.space * root

        def hessians(matrices: Floats) -> Floats:
            full: Floats = rows.T @ matrices @ rows
            return full

        left_out = _left_out(blocks, total)
        constants = pairs_of_hessian(
            self.molecule,
            hessians(dynamical),
            None if left_out is None else hessians(left_out),
        )
        quality = self._quality(total, dynamical, rows)
        temperature = total.kinetic / (total.frames * len(self.space) * BOLTZMANN)
        return ForceConstants(
            crystal=constants.crystal,
            first=constants.first,
            second=constants.second,
            lattice=constants.lattice,
            values=constants.values,
            replicates=constants.replicates,
            temperature=temperature if np.isfinite(temperature) else None,
            quality=quality,
        )

    def _undetermined(self, total: VibrationSums) -> DataError:
        moving, d = _moving(total), len(self.space)
        few = total.frames <= d
        return DataError(
            f"the run determines {moving} of the {d} vibrations, so the second derivatives "
            "cannot be fitted",
            where=f"{total.frames} frames",
            why=f"{d + 1} frames are the least, and neighbours in time tell little new"
            if few
            else "the others do not move: they were never excited, or are constrained (rigid "
            "bonds)",
            fix="run longer, or give the second derivatives: --hessian FILE",
        )

    def _quality(self, total: VibrationSums, dynamical: Floats, rows: Floats) -> FitQuality:
        """How well the fit tells the forces, in eV/Å."""
        n, d = total.frames, len(self.space)
        metric = rows @ rows.T  # |F|² = fᵀ metric f of what moves the vibrations
        square, cross, force = _covariances(total)
        half = dynamical @ cross.T
        left = force + half + half.T + dynamical @ square @ dynamical
        components = 3 * self.molecule.n_atoms
        whole = float(np.sum(metric * total.force_square)) / n
        unexplained = float(np.sum(metric * left))
        spread = np.linalg.eigvalsh(square)
        at_reference = (total.force + dynamical @ total.coordinate) / n
        return FitQuality(
            n_parameters=d * (d + 1) // 2,
            rank=d * (d + 1) // 2,
            condition=float(spread[-1] / spread[0]),
            n_frames=n,
            r_squared=1.0 - unexplained / float(np.sum(metric * force)),
            rms_force=float(np.sqrt(whole / components)),
            rms_residual=float(np.sqrt(max(unexplained, 0.0) / components)),
            first_order=(rows.T @ at_reference).reshape(-1, 3),
            constraints=("translations", "rotations"),
        )


def hessian_reduction(molecule: Supercell, n_frames: int) -> HessianReduction:
    """Reduction that fits the second derivatives of a molecule.

    Parameters
    ----------
    molecule
        The reference, of one cell.
    n_frames
        Number of frames of the whole run.

    Raises
    ------
    DataError
        If it has no vibrations.
    """
    space = vibrational_space(molecule)
    if len(space) == 0:
        raise DataError("a single atom has no vibrations")
    held = _SUMS_BYTES // (3 * space.itemsize * len(space) ** 2)
    n_blocks = max(_FEWEST_BLOCKS, min(_MOST_BLOCKS, held))
    return HessianReduction(molecule, space, n_frames, n_blocks)


def _total(blocks: list[VibrationSums]) -> VibrationSums:
    total = blocks[0]
    for block in blocks[1:]:
        total = total + block
    return total


def _covariances(sums: VibrationSums) -> tuple[Floats, Floats, Floats]:
    """cov(q, q), cov(f, q) and cov(f, f), each (d, d)."""
    n = sums.frames
    q, f = sums.coordinate / n, sums.force / n
    square = sums.square / n - np.outer(q, q)
    cross = sums.cross / n - np.outer(f, q)
    return square, cross, sums.force_square / n - np.outer(f, f)


def _moving(sums: VibrationSums) -> int:
    """Count the directions that the run moves along."""
    if sums.frames < 2:
        return 0
    spread = np.linalg.eigvalsh(_covariances(sums)[0])
    return min(int((spread > _STILL * max(spread[-1], 0.0)).sum()), sums.frames - 1)


def _solve(sums: VibrationSums) -> Floats | None:
    """D (d, d); None where the frames do not determine it."""
    if _moving(sums) < len(sums.coordinate):
        return None
    square, cross, _ = _covariances(sums)
    spread, turn = np.linalg.eigh(square)
    right = turn.T @ (cross + cross.T) @ turn
    solved: Floats = -turn @ (right / (spread[:, None] + spread)) @ turn.T
    return 0.5 * (solved + solved.T)


def _left_out(blocks: list[VibrationSums], total: VibrationSums) -> Floats | None:
    """D (b, d, d) without each block, of the blocks' length that gives the largest errors."""
    best, largest = None, -1.0
    while len(blocks) >= _FEWEST_BLOCKS:
        found = [_solve(total - block) for block in blocks]
        if any(one is None for one in found):
            return best
        replicates = np.array(found)
        error = float((jackknife_sem(replicates) ** 2).sum())
        if error > largest:
            best, largest = replicates, error
        blocks = [_total(blocks[b : b + 2]) for b in range(0, len(blocks) - 1, 2)]
    return best
