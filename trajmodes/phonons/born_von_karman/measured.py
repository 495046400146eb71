"""Constants of neighbour shells by a fit to measured frequencies.

D(q) = Σ_n c_n D_n(q) is linear in the constants c. The squared frequencies λ of the measured
branches are fitted by least squares, with ∂λ/∂c_n = ⟨e|D_n|e⟩ (Hellmann and Feynman) averaged
over degenerate branches. Measurements along lines of high symmetry alone do not determine the
constants uniquely (Leigh, Szigeti, Tewary, Proc. R. Soc. A 320, 505 (1971)): different
constants have the same frequencies, with other polarisation vectors.

Branches cross as the constants change, so that χ² has several minima. The fit is started from
several points, which are central forces of random strengths.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.potentials.shell_constants import (
    MeasuredFit,
    MeasuredFrequencies,
    ShellConstants,
)
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.born_von_karman.projection import (
    admissible,
    force_constants_of,
    replicates_of,
    shell_constants,
)
from trajmodes.phonons.born_von_karman.shells import NeighbourShells
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sums

_DEGENERATE = 1e-6
"""Difference of λ, relative to the largest, below which branches are degenerate."""
_STARTS = 16
"""Points at which the fit is begun."""
_SPLIT = 1e-2
"""Difference of λ, relative to their sum, beyond which transverse branches are two."""
_DETERMINED = 1e-7
"""Least singular value, relative to the largest, of constants that the data determine."""


def fit_to_frequencies(
    measured: MeasuredFrequencies, shells: NeighbourShells
) -> tuple[ShellConstants, MeasuredFit]:
    """Fit the constants of shells to measured frequencies, with their errors.

    Errors are multiplied by the root of the reduced χ² if it exceeds 1.

    Raises
    ------
    UsageError
        If there are more constants than frequencies, or a branch does not exist.
    DataError
        If the frequencies do not determine all constants, an error is not positive, or the two
        transverse branches differ at a q where one is measured.
    """
    problem = _problem(measured, shells)
    _require_one_transverse(problem)
    n_data, n_constants = len(measured.branch), problem.free.shape[1]
    if n_data < n_constants:
        raise UsageError(
            f"{n_data} frequencies cannot determine {n_constants} constants",
            fix="give fewer --shells, or more frequencies",
        )
    fits = (
        least_squares(problem.residual, start, jac=problem.slope, x_scale="jac", max_nfev=200)
        for start in problem.starts()
    )
    found = min(fits, key=lambda one: float(one.cost))
    if not found.success:
        raise DataError(
            "the fit to the measured frequencies did not converge",
            why="a branch may have the wrong number, or a q the wrong units",
            fix="check the table of frequencies",
        )
    _, sizes, axes = np.linalg.svd(problem.slope(found.x) / problem.scales)
    if sizes[-1] < _DETERMINED * sizes[0]:
        unknown = int(np.argmax(np.abs(problem.free @ axes[-1])))
        shell = shells.shell[unknown] + 1
        raise DataError(
            f"the frequencies do not determine all constants: {shells.names[unknown]} of shell "
            f"{shell} may be combined with others without a change",
            fix="give fewer --shells, or frequencies at points off the lines of symmetry",
        )
    n_free = n_data - n_constants
    chi2 = float(np.sum(found.fun**2))
    known = measured.omega_sem is not None
    replicates = None
    if known or n_free:
        widening = np.sqrt(max(chi2 / n_free, 1.0 if known else 0.0)) if n_free else 1.0
        root = widening * (axes.T / sizes) / problem.scales[:, None]
        replicates = replicates_of(problem.free @ found.x, problem.free @ root)
    constants = shell_constants(shells, problem.free @ found.x, replicates=replicates)
    squared = problem.squared(found.x)[0]
    reduced = chi2 / n_free if known and n_free else None
    return constants, MeasuredFit(measured, squared, reduced)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Squared frequencies (m) as functions of free combinations (n) of the constants (c)."""

    free: Floats
    """(c, n) orthonormal combinations of the constants that are `admissible`."""
    matrices: Complexes
    """(n, m, k, k), unit: (rad/ps)² per eV/Å². D at each measured q for a unit of each."""
    along: Floats
    """(m, 3) unit vectors along q; zero at Γ."""
    branch: tuple[str, ...]
    target: Floats
    """(m,) measured λ."""
    sem: Floats
    """(m,) errors of λ."""
    shells: NeighbourShells

    @property
    def scales(self) -> Floats:
        """(n,) norms of the columns of the Jacobian, by which singular values are scaled."""
        flat = self.matrices.reshape(len(self.matrices), -1)
        norms: Floats = np.linalg.norm(flat, axis=1)
        return norms

    def starts(self) -> Iterator[Floats]:
        """Constants of central forces that decrease with distance, of random strengths."""
        shells, rng = self.shells, np.random.default_rng(0)
        stiffness = float(shells.crystal.masses.min()) * float(self.target.max()) / 8.0
        nearness = (shells.distances[0] / shells.distances) ** 4
        for _ in range(_STARTS):
            guess = np.zeros(len(shells.names))
            strength = stiffness * nearness * rng.uniform(0.0, 2.0, shells.n_shells)
            across = rng.uniform(-0.2, 0.2, shells.n_shells)
            for h in range(shells.n_shells):
                own = np.flatnonzero(shells.shell == h)
                along = shells.vectors[h] / shells.distances[h]
                unit = np.outer(along, along)
                wanted = strength[h] * (unit + across[h] * (np.eye(3) - unit))
                columns = shells.matrices[own].reshape(len(own), 9).T
                guess[own] = np.linalg.lstsq(columns, wanted.ravel(), rcond=None)[0]
            yield guess @ self.free

    def squared(self, constants: Floats) -> tuple[Floats, Floats]:
        """(m,) λ of the measured branches, and (m, n) their derivatives."""
        d_mkl = np.einsum("n,nmkl->mkl", constants, self.matrices)
        square_mb, vectors_mkb = np.linalg.eigh(d_mkl)
        weights_mb = self._weights(square_mb, vectors_mkb)
        slopes_nmb = np.einsum(
            "mkb,nmkl,mlb->nmb", vectors_mkb.conj(), self.matrices, vectors_mkb, optimize=True
        ).real
        slopes: Floats = np.einsum("nmb,mb->mn", slopes_nmb, weights_mb)
        return np.einsum("mb,mb->m", square_mb, weights_mb), slopes

    def residual(self, constants: Floats) -> Floats:
        """(m,) deviations in units of the errors."""
        return (self.squared(constants)[0] - self.target) / self.sem

    def slope(self, constants: Floats) -> Floats:
        """(m, n) derivatives of the residual."""
        slopes: Floats = self.squared(constants)[1] / self.sem[:, None]
        return slopes

    def transverse_splitting(self, constants: Floats) -> Floats:
        """(m,) difference of the two transverse λ over their sum; zero for other branches."""
        square_mb, vectors_mkb = np.linalg.eigh(
            np.einsum("n,nmkl->mkl", constants, self.matrices)
        )
        is_transverse = np.array(self.branch) == "T"
        pairs = square_mb[is_transverse][
            self._weights(square_mb, vectors_mkb)[is_transverse] > 0.0
        ].reshape(-1, 2)
        found = np.zeros(len(square_mb))
        found[is_transverse] = np.abs(np.diff(pairs)[:, 0]) / np.abs(pairs).sum(axis=1)
        return found

    def _weights(self, square_mb: Floats, vectors_mkb: Complexes) -> Floats:
        """(m, b) weights of the branches whose mean was measured."""
        weights = np.zeros_like(square_mb)
        margin = _DEGENERATE * float(np.abs(square_mb).max())
        for m, word in enumerate(self.branch):
            if word in ("L", "T"):
                overlap = np.abs(self.along[m] @ vectors_mkb[m]) ** 2
                longitudinal = np.arange(len(overlap)) == overlap.argmax()
                chosen = longitudinal if word == "L" else ~longitudinal
            else:
                chosen = np.abs(square_mb[m] - square_mb[m, int(word) - 1]) <= margin
            weights[m] = chosen / chosen.sum()
        return weights


def _problem(measured: MeasuredFrequencies, shells: NeighbourShells) -> _Problem:
    crystal = shells.crystal
    _require_branches(measured.branch, crystal.n_sites)
    span, sizes, _ = np.linalg.svd(admissible(shells))
    # Singular values of a projection are 0, or 1 and more.
    free = span[:, sizes > 0.5]
    parts = [force_constants_of(shell_constants(shells, one), shells) for one in free.T]
    totals = lattice_sums(parts[0], np.array([one.values for one in parts]))
    matrices = np.array([dynamical_matrices(one, measured.qpoints) for one in totals])
    k_mx = 2.0 * np.pi * measured.qpoints @ np.linalg.inv(crystal.cell).T
    length = np.linalg.norm(k_mx, axis=1, keepdims=True)
    along = np.divide(k_mx, length, out=np.zeros_like(k_mx), where=length > 0.0)
    target = np.sign(measured.omega) * measured.omega**2
    sem = np.full(len(target), float(np.abs(target).max()))
    if measured.omega_sem is not None:
        if not (measured.omega_sem > 0.0).all():
            raise DataError(
                "an error of a measured frequency is not positive",
                fix="leave out the column of errors if they are unknown",
            )
        sem = 2.0 * np.maximum(np.abs(measured.omega), measured.omega_sem) * measured.omega_sem
    return _Problem(free, matrices, along, measured.branch, target, sem, shells)


def _require_one_transverse(problem: _Problem) -> None:
    """Refuse T if the two transverse branches are not equal by symmetry."""
    if "T" not in problem.branch:
        return
    splitting = np.max([problem.transverse_splitting(x) for x in problem.starts()], axis=0)
    rows = np.flatnonzero(splitting > _SPLIT)
    if not len(rows):
        return
    name = "frequency" if len(rows) == 1 else "frequencies"
    listed = ", ".join(str(row + 1) for row in rows)
    raise DataError(
        f"the branch T of {name} {listed} is not unique: at this q there are two transverse "
        "branches of different frequencies",
        why="the two are equal only along axes of threefold or fourfold symmetry, and not "
        "along [1 1 0]",
        fix="give the number of the branch by ascending frequency",
    )


def _require_branches(words: tuple[str, ...], n_sites: int) -> None:
    known = {str(branch) for branch in range(1, 3 * n_sites + 1)}
    known |= {"L", "T"} if n_sites == 1 else set()
    for word in words:
        if word not in known:
            letters = ", L or T" if n_sites == 1 else ""
            raise UsageError(
                f"there is no branch {word}",
                fix=f"branches are 1 to {3 * n_sites}, by ascending frequency{letters}",
            )
