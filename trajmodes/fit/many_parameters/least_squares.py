"""Least squares of second order in covariances, with linear constraints on the parameters.

With the covariances of `harmonic`, and D(q) of the parameters z without masses, the squared
residual

    Σ_t |f|² + Σ_q w_q {tr[D C_uu D†] + 2 Re tr[D† C_fu]}

has the gradient 2 Σ_q w_q Re[e^{−iq·R} (D C_uu + C_fu)] with respect to the force constants of
lattice vector R: a product of matrices as large as the dynamical matrix. The constraints A z =
0 are kept by the projector 1 − Aᵀ(A Aᵀ)⁺A. The constant forces are eliminated by referring
displacements and forces to their invariant means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.constraints import sparse_constraint_rows
from trajmodes.symmetry.operations import invariant_part
from trajmodes.symmetry.tensors import SymmetryBasis
from trajmodes.symmetry.translations import cell_rank

_NULL = 1e-10
"""Eigenvalues of A Aᵀ below this fraction of the largest are zero."""


@dataclass(frozen=True, slots=True)
class FrameSums:
    """Sums over frames, added and subtracted field by field."""

    frames: float
    square: float
    """Σ_t |f|²."""
    displacement: Floats
    """(s, 3) Σ_t of the mean displacement of each site over the cells."""
    force: Floats
    """(s, 3) the same of the forces."""
    uu: Complexes | Floats
    """(q, 3s, 3s) Σ_t u u†, with the phases of cells."""
    fu: Complexes | Floats
    """(q, 3s, 3s) Σ_t f u†."""

    def plus(self, other: "FrameSums", sign: float = 1.0) -> "FrameSums":
        """Add, or subtract, the sums over other frames."""
        values = (getattr(self, name) + sign * getattr(other, name) for name in self.__slots__)
        return FrameSums(*values)

    def about(self, displacement: Floats, force: Floats, n_cells: int) -> "FrameSums":
        """Refer displacements and forces to others (s, 3), which are equal in all cells."""
        u, f = displacement.ravel(), force.ravel()
        su, sf = self.displacement.ravel(), self.force.ravel()
        uu, fu = self.uu.copy(), self.fu.copy()
        uu[0] -= n_cells * (np.outer(su, u) + np.outer(u, su) - self.frames * np.outer(u, u))
        fu[0] -= n_cells * (np.outer(sf, u) + np.outer(f, su) - self.frames * np.outer(f, u))
        square = self.square - n_cells * float(2.0 * sf @ f - self.frames * f @ f)
        return replace(self, square=square, uu=uu, fu=fu)


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Least squares in the parameters (z) of second order, under linear constraints."""

    covariances: ForceCovariances
    basis: SymmetryBasis
    options: FitOptions
    blocks: tuple[FrameSums, ...]
    weights: Floats
    """(q,)."""
    phases: Complexes | Floats
    """(q, c) e^{iq·R} of the lattice vectors of all pairs, up to those of the supercell."""
    origin: int
    """Index of the lattice vector zero."""
    units: scipy.sparse.csr_array
    """(c·3s·3s, z) force constants of a unit of each parameter."""
    rows: scipy.sparse.csr_array
    """(r, z) A of the constraints A z = 0."""
    inverse: Floats
    """(r, r) (A Aᵀ)⁺."""
    n_free: int
    """Number of parameters less the rank of A."""

    @property
    def n_cells(self) -> int:
        """Number of cells of the supercell."""
        return self.covariances.space.supercell.n_cells

    def centred(self, sums: FrameSums, about: FrameSums | None = None) -> FrameSums:
        """Eliminate the constant forces, from the means of these sums or of others."""
        if not self.options.constant_force:
            return sums
        other, group = about or sums, self.basis.orbits.group
        displacement = invariant_part(group, other.displacement) / other.frames
        force = invariant_part(group, other.force) / other.frames
        return sums.about(displacement, force, self.n_cells)

    def allowed(self, z: Floats) -> Floats:
        """Project (z,) parameters on those that obey the constraints."""
        result: Floats = z - self.rows.T @ (self.inverse @ (self.rows @ z))
        return result

    def dynamical(self, z: Floats) -> Complexes | Floats:
        """(q, 3s, 3s) dynamical matrices without masses."""
        flat = (self.units @ z).reshape(self.phases.shape[1], -1)
        n = 3 * self.basis.orbits.group.crystal.n_sites
        result: Complexes | Floats = (self.phases @ flat).reshape(-1, n, n)
        return result

    def gradient(self, matrices: Complexes | Floats) -> Floats:
        """(z,) Σ_q w_q Re tr[∂D†/∂z M] of matrices (q, 3s, 3s); the adjoint of `dynamical`."""
        flat = self.weights[:, None] * matrices.reshape(len(matrices), -1)
        result: Floats = self.units.T @ (self.phases.conj().T @ flat).real.ravel()
        return result

    def residual(self, sums: FrameSums, z: Floats) -> float:
        """Σ|f + D u|² in eV²/Å²."""
        d = self.dynamical(z)
        terms = (
            np.vdot(d, self.weights[:, None, None] * x) for x in (d @ sums.uu, 2.0 * sums.fu)
        )
        return sums.square + float(sum(term.real for term in terms))


def least_squares(
    covariances: ForceCovariances, expansion: Expansion, options: FitOptions
) -> LeastSquares:
    """Set up the least squares of second order for the covariances of a run."""
    space, basis = covariances.space, expansion.bases[1]
    n_sites = space.supercell.crystal.n_sites
    lattice = basis.orbits.lattice[:, 1]
    ranks = cell_rank(space.supercell, lattice)
    _, first, cell = np.unique(ranks, return_index=True, return_inverse=True)
    phases: Complexes | Floats = np.exp(2j * np.pi * (space.qpoints @ lattice[first].T))
    rows = sparse_constraint_rows(basis, options.constraints)
    weights, vectors = np.linalg.eigh((rows @ rows.T).toarray())
    used = weights > _NULL * weights.max(initial=0.0)
    inverse = (vectors[:, used] / weights[used]) @ vectors[:, used].T
    # e^{iq·τ}: from the ideal positions of the atoms to the origins of their cells
    own = np.repeat(space.phases.conj(), 3, axis=1)
    turn = own[:, :, None] * own[:, None, :].conj()
    matrices: list[Complexes | Floats] = [
        covariances.displacement * turn,
        covariances.force * turn,
    ]
    # At Γ and the middle of the zone all matrices are real.
    if (space.weights == 1.0).all():
        phases, matrices = phases.real, [one.real for one in matrices]
    names = ("frames", "square", "displacement_sum", "force_sum")
    sums = [getattr(covariances, name) for name in names]
    return LeastSquares(
        covariances=covariances,
        basis=basis,
        options=options,
        blocks=tuple(FrameSums(*one) for one in zip(*sums, *matrices, strict=True)),
        weights=space.weights,
        phases=phases,
        origin=int(cell.reshape(-1)[np.flatnonzero(~lattice.any(axis=1))[0]]),
        units=_units(basis, cell.reshape(-1), len(first), n_sites),
        rows=rows,
        inverse=inverse,
        n_free=basis.n_parameters - int(used.sum()),
    )


def _units(
    basis: SymmetryBasis, cell: Ints, n_cells: int, n_sites: int
) -> scipy.sparse.csr_array:
    one, k, component = np.nonzero(basis.tensors)
    x, y = np.divmod(component, 3)
    row = (cell[one] * n_sites + basis.orbits.sites[one, 0]) * 3 + x
    row = (row * n_sites + basis.orbits.sites[one, 1]) * 3 + y
    values, columns = basis.tensors[one, k, component], basis.columns[one, k]
    shape = (n_cells * (3 * n_sites) ** 2, basis.n_parameters)
    return scipy.sparse.csr_array((values, (row, columns)), shape=shape)


def sum_of(parts: Sequence[FrameSums]) -> FrameSums:
    """Add the sums over several blocks of frames."""
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total
