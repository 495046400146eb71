"""Linear constraints on the parameters of orbits: sum rules and rotational invariance.

Each constraint is a set of rows A with A z = 0 for the parameters z of a `SymmetryBasis`;
`null_space` converts rows to orthonormal free parameters x, z = N x. The constraints are

* translations: Σ over the last member of Φ = 0 for every choice of the others, so that a
  uniform translation exerts no force;
* Hermiticity of D(q): the sum of Φ_ij over the neighbours of i is symmetric, since it is −Φ_ii.
  Site symmetry implies this for most sites, but not at low symmetry;
* Born–Huang: Σ_j (Φ_ij^{αβ} r_ij^γ − Φ_ij^{αγ} r_ij^β) = 0, so that a rotation of the crystal
  exerts no force on any atom (Born and Huang, Dynamical Theory of Crystal Lattices, §23);
* Huang: the bracket [αβ,γδ] = Σ_ij Φ_ij^{αβ} r_ij^γ r_ij^δ equals [γδ,αβ], which holds without
  initial stress (ibid., §27). The last two concern pairs in a crystal in equilibrium.

Where clusters are decorated by species, the sums are means over all atoms of the species of the
first member.
"""

from dataclasses import dataclass, fields
from math import prod

import numpy as np
import scipy.linalg
import scipy.sparse

from trajmodes.arrays import Floats, Ints
from trajmodes.symmetry.clusters import classify
from trajmodes.symmetry.tensors import SymmetryBasis

_NULL = 1e-6
"""Pivots below this fraction of the largest are zero; in practice 1e-15 or above 0.05."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """Constraints imposed besides the translational sum rules."""

    hermitian: bool = True
    """The sum of Φ2 over the neighbours of an atom is symmetric."""
    born_huang: bool = False
    """A rotation of the crystal exerts no force."""
    huang: bool = False
    """There is no initial stress."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the imposed constraints."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name))


def constraint_rows(basis: SymmetryBasis, constraints: Constraints) -> Floats:
    """(r, z) rows A of the constraints A z = 0 on the parameters of one order."""
    rows: Floats = sparse_constraint_rows(basis, constraints).toarray()
    return rows


def sparse_constraint_rows(
    basis: SymmetryBasis, constraints: Constraints
) -> scipy.sparse.csr_array:
    """Sparse `constraint_rows`."""
    others = _inequivalent_others(basis)
    if basis.order != 2:
        return _summed(basis, others, basis.mean_tensors)
    phi_ckxy = basis.mean_tensors.reshape(*basis.tensors.shape[:2], 3, 3)
    bonds = _bonds(basis)
    # Without Hermiticity only the symmetric part of the sum over all neighbours vanishes.
    sums_ckxy = phi_ckxy if constraints.hermitian else phi_ckxy + phi_ckxy.swapaxes(2, 3)
    rows = [_summed(basis, others, sums_ckxy)]
    if constraints.born_huang:
        moment_ckxyz = np.einsum("ckxy,cz->ckxyz", phi_ckxy, bonds)
        rows.append(_summed(basis, others, moment_ckxyz - moment_ckxyz.swapaxes(3, 4)))
    if constraints.huang:
        bracket_ckxyzw = np.einsum("ckxy,cz,cw->ckxyzw", phi_ckxy, bonds, bonds)
        stress_ckxyzw = bracket_ckxyzw - bracket_ckxyzw.transpose(0, 1, 4, 5, 2, 3)
        rows.append(_summed(basis, np.zeros_like(others), stress_ckxyzw))
    return scipy.sparse.vstack(rows, format="csr")


def null_space(rows: Floats) -> Floats:
    """(z, n) orthonormal solutions of rows (r, z) @ z = 0, by rank-revealing QR."""
    used = np.abs(rows).max(axis=1, initial=0.0) > 0.0
    full, upper, _ = scipy.linalg.qr(rows[used].T, pivoting=True)
    diagonal = np.abs(np.diag(upper))
    rank = int((diagonal > _NULL * max(1.0, diagonal.max(initial=0.0))).sum())
    result: Floats = np.ascontiguousarray(full[:, rank:])
    return result


def _bonds(basis: SymmetryBasis) -> Floats:
    """(c, 3) vectors from the first to the second member, in units of the longest."""
    orbits, crystal = basis.orbits, basis.orbits.group.crystal
    apart = crystal.sites[orbits.sites[:, 1]] - crystal.sites[orbits.sites[:, 0]]
    bonds = (apart + orbits.lattice[:, 1]) @ crystal.cell
    longest: float = np.linalg.norm(bonds, axis=1).max(initial=0.0)
    return bonds / (longest or 1.0)


def _inequivalent_others(basis: SymmetryBasis) -> Ints:
    """(c,) index of the inequivalent choice of all members but the last; −1 for its images.

    The constraint of one choice implies those of all its images, by symmetry.
    """
    orbits, order = basis.orbits, basis.order
    if order == 1:
        return np.zeros(orbits.n_clusters, dtype=np.int64)
    sites, cells = orbits.sites[:, :-1], orbits.lattice[:, :-1]
    members = np.column_stack([sites, cells.reshape(len(cells), -1)])
    found, choice = np.unique(members, axis=0, return_inverse=True)
    shape = (len(found), order - 1, 3)
    cells = found[:, order - 1 :].reshape(shape)
    others = classify(orbits.group, found[:, : order - 1], cells, orbits.images)
    representatives = others.representatives
    listed = np.column_stack([others.sites, others.lattice.reshape(others.n_clusters, -1)])
    _, same = np.unique(
        np.concatenate([found, listed[representatives]]), axis=0, return_inverse=True
    )
    number = np.full(len(found), -1)
    number[same.reshape(-1)[len(found) :]] = np.arange(len(representatives))
    result: Ints = number[choice.reshape(-1)]
    return result


def _summed(basis: SymmetryBasis, group: Ints, tensors: Floats) -> scipy.sparse.csr_array:
    """(r·y, z) sums of tensors (c, k, …) over the clusters of each group (c,) from 0."""
    n_groups, n_sums = int(group.max(initial=-1)) + 1, prod(tensors.shape[2:])
    kept = np.flatnonzero(group >= 0)
    flat = tensors[kept].reshape(len(kept), tensors.shape[1], n_sums)
    one, k, component = np.nonzero(flat)
    place = (
        group[kept[one]] * n_sums + component,
        basis.columns[kept[one], k],
    )
    shape = (n_groups * n_sums, basis.n_parameters)
    # Entries of the same place are added.
    return scipy.sparse.csr_array((flat[one, k, component], place), shape=shape)
