"""Constants of neighbour shells from force constants, and force constants from these."""

from collections.abc import Iterator

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.shell_constants import ShellConstants
from trajmodes.phonons.born_von_karman.shells import NeighbourShells

_ROUNDING = 1e-8
"""Singular values of the sums over the bonds below this are zero; others are of order 1."""


def constants_in(constants: ForceConstants, shells: NeighbourShells) -> ShellConstants:
    """Find the constants of shells in force constants: averages over each star.

    The constants of pairs that are not listed are zero; see `listed_parts` for incompletely
    listed shells.
    """
    place = _places(constants, shells)
    values = _projected(constants.values, place, shells)
    replicates = None
    if constants.replicates is not None:
        replicates = np.array([_projected(one, place, shells) for one in constants.replicates])
    return shell_constants(
        shells, values, replicates=replicates, residual=_residual(constants, values, shells)
    )


def listed_parts(constants: ForceConstants, shells: NeighbourShells) -> Floats:
    """(h,) fraction of the bonds of each shell that the force constants list."""
    orbit = shells.basis.orbits.orbit
    listed = _places(constants, shells) >= 0
    parts: Floats = np.bincount(orbit, listed) / np.bincount(orbit)
    return parts


def shell_constants(
    shells: NeighbourShells,
    values: Floats,
    *,
    replicates: Floats | None = None,
    residual: Floats | None = None,
    given_sem: Floats | None = None,
) -> ShellConstants:
    """Join constants (n,) in eV/Å², and their errors, with the description of their shells."""
    return ShellConstants(
        crystal=shells.crystal,
        is_cubic=shells.half_parameter is not None,
        species=shells.species,
        bonds=shells.indices,
        sites=shells.sites,
        lattice=shells.lattice,
        distances=shells.distances,
        multiplicity=shells.multiplicity,
        names=shells.names,
        shell=shells.shell,
        matrices=shells.matrices,
        values=values,
        replicates=replicates,
        residual=residual,
        given_sem=given_sem,
    )


def force_constants_of(found: ShellConstants, shells: NeighbourShells) -> ForceConstants:
    """Expand constants of shells into force constants; self terms by the sum rule.

    Constants that would make the self terms asymmetric are replaced by the nearest ones that do
    not, see `admissible`. Errors from a table become replicates of independent constants.
    """
    replicates = found.replicates
    if replicates is None and found.given_sem is not None:
        replicates = replicates_of(found.values, np.diag(found.given_sem))
    orbits, n_sites = shells.basis.orbits, shells.crystal.n_sites
    own = np.arange(n_sites)
    sites = np.concatenate([orbits.sites, np.stack([own, own], axis=1)])
    lattice = np.concatenate([orbits.lattice[:, 1], np.zeros((n_sites, 3), dtype=np.int64)])
    project = admissible(shells)

    def expanded(values: Floats) -> Floats:
        pairs = shells.basis.expand(shells.parameters @ (project @ values))
        sums = np.zeros((n_sites, 3, 3))
        np.add.at(sums, orbits.sites[:, 0], -pairs)
        return np.concatenate([pairs, 0.5 * (sums + sums.swapaxes(1, 2))])

    return ForceConstants(
        crystal=shells.crystal,
        first=sites[:, 0],
        second=sites[:, 1],
        lattice=lattice,
        values=expanded(found.values),
        replicates=None if replicates is None else np.array([expanded(x) for x in replicates]),
    )


def admissible(shells: NeighbourShells) -> Floats:
    """(n, n) projection of constants onto those that force constants of these shells can have.

    The self term of a site, −Σ Φ over its bonds, is a second derivative of the energy, and
    symmetric. At sites where the point group allows an antisymmetric tensor this is a relation
    between the constants of all shells, which a subset of the shells need not obey. The
    projection is orthogonal in Σ |Φ|² over the bonds.
    """
    rows = _antisymmetric_sums(shells)
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    normal = axes[sizes > _ROUNDING]
    inside = np.eye(rows.shape[1]) - normal.T @ normal
    found: Floats = np.linalg.solve(shells.parameters, inside @ shells.parameters)
    return found


def inadmissible_part(found: ShellConstants, shells: NeighbourShells) -> float:
    """Norm of the part of constants that `admissible` removes, over their norm."""
    given = shells.parameters @ found.values
    kept = shells.parameters @ (admissible(shells) @ found.values)
    whole = float(np.linalg.norm(given))
    return float(np.linalg.norm(given - kept)) / whole if whole else 0.0


def _antisymmetric_sums(shells: NeighbourShells) -> Floats:
    """(3 s, z) antisymmetric part of Σ Φ over the bonds of each site, by parameter."""
    basis = shells.basis
    tensors = basis.tensors.reshape(*basis.tensors.shape[:2], 3, 3)
    y, z = [1, 2, 0], [2, 0, 1]
    parts_ckx = tensors[:, :, y, z] - tensors[:, :, z, y]
    sums = np.zeros((shells.crystal.n_sites, basis.n_parameters + 1, 3))
    np.add.at(sums, (basis.orbits.sites[:, :1], basis.columns), parts_ckx)
    return np.moveaxis(sums[:, :-1], 2, 1).reshape(-1, basis.n_parameters)


def replicates_of(values: Floats, root: Floats) -> Floats:
    """(2k, n) jackknife replicates about values (n,) with the covariance of a root (n, k).

    They are values ± √(b/(2(b − 1))) times each column of the root, with b = 2k. Their
    jackknife covariance is root @ rootᵀ.
    """
    columns = root.T
    count = 2 * len(columns)
    step = np.sqrt(count / (2.0 * (count - 1.0))) * columns
    return np.concatenate([values + step, values - step])


def _places(constants: ForceConstants, shells: NeighbourShells) -> Ints:
    """(c,) row of each bond of the shells in the force constants; −1 where it is not listed."""
    listed = {key: row for row, key in enumerate(_keys(constants))}
    orbits = shells.basis.orbits
    bonds = zip(orbits.sites.tolist(), orbits.lattice[:, 1].tolist(), strict=True)
    rows = (listed.get((*sites, *cell), -1) for sites, cell in bonds)
    return np.fromiter(rows, dtype=np.int64, count=orbits.n_clusters)


def _keys(constants: ForceConstants) -> Iterator[tuple[int, ...]]:
    sites, cells = constants.members[0].tolist(), constants.lattice.tolist()
    return ((*pair, *cell) for pair, cell in zip(sites, cells, strict=True))


def _on_bonds(values: Floats, place: Ints) -> Floats:
    """(c, 9) force constants of the bonds; zero where they are not listed."""
    return np.where(place[:, None] >= 0, values.reshape(-1, 9)[place], 0.0)


def _projected(values: Floats, place: Ints, shells: NeighbourShells) -> Floats:
    """(n,) constants of force constants (p, 3, 3)."""
    basis = shells.basis
    # The tensors are orthonormal in the sum over all clusters.
    inner_ck = np.einsum("cky,cy->ck", basis.tensors, _on_bonds(values, place))
    parameters = np.zeros(basis.n_parameters + 1)
    np.add.at(parameters, basis.columns, inner_ck)
    return np.asarray(np.linalg.solve(shells.parameters, parameters[:-1]), dtype=float)


def _residual(constants: ForceConstants, values: Floats, shells: NeighbourShells) -> Floats:
    """(h,) norm of the part of each shell that symmetry forbids, over that of the shell."""
    basis = shells.basis
    given = _on_bonds(constants.values, _places(constants, shells))
    kept = basis.expand(shells.parameters @ values).reshape(-1, 9)
    shell = basis.orbits.orbit
    rest = np.bincount(shell, ((given - kept) ** 2).sum(axis=1))
    whole = np.bincount(shell, (given**2).sum(axis=1))
    ratio: Floats = np.sqrt(rest / np.maximum(whole, np.finfo(float).tiny))
    return ratio
