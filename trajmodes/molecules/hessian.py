"""Second derivatives of a molecule, read from a file or fitted to a run in one pass.

In the Eckart frame √M u is in the space of the vibrations, with an orthonormal basis B of d
rows. Only the part of √M⁻¹F in this space acts on them. With q = B √M u and f = B √M⁻¹ F the
model

    f = f0 − D q ,   D symmetric, d × d ,   Φ = √M Bᵀ D B √M ,

describes exactly the force constants Φ that are symmetric and vanish for translations and
infinitesimal rotations about the reference. Least squares of Σ|f − f0 + D q|² over symmetric D
needs only the covariances S = cov(q, q) and G = cov(f, q),

    D S + S D = −(G + Gᵀ) ,

which is solved in the eigenvectors of S. Errors are jackknife errors over blocks of time, of
the length that gives the largest errors.
"""

import os
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from tokenize import TokenError

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import FitQuality, ForceConstants, jackknife_sem
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.accumulate import forces_of
from trajmodes.molecules.geometry import vibrational_space
from trajmodes.notes import Note
from trajmodes.readers.text.source import open_source
from trajmodes.readers.text.tables import require_line_end
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums
from trajmodes.units import BOLTZMANN

_LARGEST_ASYMMETRY = 0.01
_NOTED_ASYMMETRY = 1e-6
_FEWEST_BLOCKS, _MOST_BLOCKS = 8, 32
_SUMS_BYTES = 1 << 28
"""Largest memory for the sums of all blocks of time; it limits the number of blocks."""
_STILL = 1e-11
"""Least variance of a vibration relative to the largest, above rounding. A ratio of frequencies
of 100 gives a ratio of variances of 10⁴."""


_DAMAGE = (ValueError, OSError, TypeError, EOFError, SyntaxError, ArithmeticError, TokenError)
"""Exceptions that NumPy raises for damaged files, whose heads it parses as Python literals."""


def read_hessian(path: str | os.PathLike[str], n_atoms: int) -> tuple[Floats, tuple[Note, ...]]:
    """Read second derivatives ∂²U/∂x∂y in eV/Å², rows and columns x, y, z of each atom.

    The file is in NumPy's format (``.npy``) or text, with 3a × 3a numbers. A NumPy file may
    also have the shape (a, 3, a, 3) of ASE's ``VibrationsData.get_hessian()``.

    Returns
    -------
    The symmetric (3a, 3a) second derivatives in eV/Å², and notes on them.

    Raises
    ------
    UsageError
        If the file is missing or cannot be read.
    DataError
        If the shape is wrong, the numbers are not finite or not symmetric, or a text may end
        inside its last number.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError("the file of the Hessian does not exist", where=str(file))
    try:
        # Memory-mapped, so that a header with too large a shape reserves no memory.
        given = (
            np.load(file, mmap_mode="r", allow_pickle=False)
            if file.suffix == ".npy"
            else _table(file)
        )
        values = np.array(given, dtype=float)
    except _DAMAGE as error:
        raise UsageError(
            "the Hessian cannot be read",
            where=str(file),
            why=f"{type(error).__name__}: {error}",
            fix="write it with numpy.save or numpy.savetxt",
        ) from error
    n = 3 * n_atoms
    if values.shape not in {(n, n), (n_atoms, 3, n_atoms, 3)}:
        raise DataError(
            f"the Hessian has shape {values.shape} instead of ({n}, {n}) for {n_atoms} atoms",
            where=str(file),
        )
    square = values.reshape(n, n)
    if not np.isfinite(square).all():
        raise DataError("a number of the Hessian is not finite", where=str(file))
    largest = float(np.abs(square).max())
    if largest == 0.0:
        raise DataError("the Hessian is zero", where=str(file))
    asymmetry = float(np.abs(square - square.T).max()) / largest
    if asymmetry > _LARGEST_ASYMMETRY:
        raise DataError(
            f"the Hessian is not symmetric: entries differ from the transposed ones by up to "
            f"{asymmetry:.1%} of the largest",
            where=str(file),
            why="it is not a matrix of second derivatives, or the finite differences were too "
            "coarse",
            fix="give ∂²U/∂x∂y in eV/Å², x y z of each atom",
        )
    text = f"the Hessian was symmetrised; its asymmetry was {asymmetry:.1e} of the largest"
    notes = (Note("note", text),) if asymmetry > _NOTED_ASYMMETRY else ()
    return 0.5 * (square + square.T), notes


def _table(file: Path) -> Floats:
    """Numbers of a text file, compressed or not, which must not end inside its last number."""
    source = open_source(file)
    text = source.data(0, source.size)
    require_line_end(text, str(file))
    table: Floats = np.loadtxt(text.decode("utf-8", "replace").splitlines(), ndmin=2)
    return table


def pairs_of_hessian(
    molecule: Supercell, hessian: Floats, replicates: Floats | None = None
) -> ForceConstants:
    """Make force constants of a molecule from its second derivatives (3a, 3a) in eV/Å².

    ``replicates`` (b, 3a, 3a) are delete-one-block estimates.
    """
    n = molecule.n_atoms
    first, second = np.divmod(np.arange(n * n), n)

    def pairs(matrices: Floats) -> Floats:
        blocks: Floats = matrices.reshape(-1, n, 3, n, 3).swapaxes(2, 3)
        return blocks.reshape(-1, n * n, 3, 3)

    return ForceConstants(
        crystal=molecule.crystal,
        first=first,
        second=second,
        lattice=np.zeros((n * n, 3), dtype=np.int64),
        values=pairs(hessian)[0],
        replicates=None if replicates is None else pairs(replicates),
    )


def hessian_of(constants: ForceConstants) -> Floats:
    """Hessians (1 + b, 3a, 3a) in eV/Å² of a molecule: values, then replicates."""
    n = constants.crystal.n_sites
    values = [constants.values[None]]
    values += [] if constants.replicates is None else [constants.replicates]
    blocks_bpxy = np.concatenate(values)
    full = np.zeros((len(blocks_bpxy), n, n, 3, 3))
    full[:, constants.first, constants.second] = blocks_bpxy
    matrices: Floats = full.swapaxes(2, 3).reshape(len(full), 3 * n, 3 * n)
    return matrices


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
    """Σ m v² in eV; nan without velocities."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, coordinate="d", force="d")
        freeze(self, sizes, float, square="d d", cross="d d", force_square="d d")

    def __sub__(self, other: "VibrationSums") -> "VibrationSums":
        """Subtract the sums of a part of the frames."""
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
        u_td = block.displacements_or_raise().reshape(n_frames, -1)
        q_td = (u_td * root) @ self.space.T
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
            If the run does not excite every vibration, or all forces are zero.
        """
        blocks = state.in_time_order()
        total = reduce(add, blocks)
        if not total.force_square.any():
            raise DataError("all forces are zero", fix="check the forces of the file")
        dynamical = _solve(total)
        if dynamical is None:
            raise self._undetermined(total)
        root = np.repeat(np.sqrt(self.molecule.masses), 3)
        rows = self.space * root

        def hessians(matrices: Floats) -> Floats:
            full: Floats = rows.T @ matrices @ rows
            return full

        replicates = _replicates(blocks, total)
        temperature = total.kinetic / (total.frames * len(self.space) * BOLTZMANN)
        return replace(
            pairs_of_hessian(
                self.molecule,
                hessians(dynamical),
                None if replicates is None else hessians(replicates),
            ),
            temperature=temperature if np.isfinite(temperature) else None,
            quality=self._quality(total, dynamical, rows),
        )

    def _undetermined(self, total: VibrationSums) -> DataError:
        moving, d = _moving(total), len(self.space)
        few = total.frames <= d
        return DataError(
            f"the run determines {moving} of the {d} vibrations, so the second derivatives "
            "cannot be fitted",
            where=f"{total.frames} frames",
            why=f"at least {d + 1} frames are needed, and successive frames are correlated"
            if few
            else "the others do not move: they are not excited, or are constrained (rigid "
            "bonds)",
            fix="run longer, or give the second derivatives: --hessian FILE",
        )

    def _quality(self, total: VibrationSums, dynamical: Floats, rows: Floats) -> FitQuality:
        """Residual of the forces in eV/Å, and rank of the fit."""
        n, d = total.frames, len(self.space)
        metric = rows @ rows.T  # |F|² = fᵀ metric f of the vibrational part of the force
        square, cross, force = _covariances(total)
        half = dynamical @ cross.T
        residual = force + half + half.T + dynamical @ square @ dynamical
        components = 3 * self.molecule.n_atoms
        whole = float(np.sum(metric * total.force_square)) / n
        unexplained = float(np.sum(metric * residual))
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
    """Make the reduction that fits second derivatives to the ``n_frames`` frames of a run.

    Raises
    ------
    DataError
        If the molecule has no vibrations.
    """
    space = vibrational_space(molecule)
    if len(space) == 0:
        raise DataError("a single atom has no vibrations")
    fitting = _SUMS_BYTES // (3 * space.itemsize * len(space) ** 2)
    n_blocks = max(_FEWEST_BLOCKS, min(_MOST_BLOCKS, fitting))
    return HessianReduction(molecule, space, n_frames, n_blocks)


def _covariances(sums: VibrationSums) -> tuple[Floats, Floats, Floats]:
    """cov(q, q), cov(f, q) and cov(f, f), each (d, d)."""
    n = sums.frames
    q, f = sums.coordinate / n, sums.force / n
    square = sums.square / n - np.outer(q, q)
    cross = sums.cross / n - np.outer(f, q)
    return square, cross, sums.force_square / n - np.outer(f, f)


def _moving(sums: VibrationSums) -> int:
    """Count the vibrations that the run excites."""
    if sums.frames < 2:
        return 0
    spread = np.linalg.eigvalsh(_covariances(sums)[0])
    return min(int((spread > _STILL * max(spread[-1], 0.0)).sum()), sums.frames - 1)


def _solve(sums: VibrationSums) -> Floats | None:
    """D (d, d); None if the frames do not determine it."""
    if _moving(sums) < len(sums.coordinate):
        return None
    square, cross, _ = _covariances(sums)
    spread, columns = np.linalg.eigh(square)
    right = columns.T @ (cross + cross.T) @ columns
    solved: Floats = -columns @ (right / (spread[:, None] + spread)) @ columns.T
    return 0.5 * (solved + solved.T)


def _replicates(blocks: list[VibrationSums], total: VibrationSums) -> Floats | None:
    """D (b, d, d) without one block each, for the block length with the largest errors."""
    best, largest = None, -1.0
    while len(blocks) >= _FEWEST_BLOCKS:
        found = [_solve(total - block) for block in blocks]
        if any(one is None for one in found):
            return best
        estimates = np.array(found)
        error = float((jackknife_sem(estimates) ** 2).sum())
        if error > largest:
            best, largest = estimates, error
        blocks = [reduce(add, blocks[b : b + 2]) for b in range(0, len(blocks) - 1, 2)]
    return best
