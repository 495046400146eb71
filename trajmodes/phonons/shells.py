"""Force constants by shell of neighbours, for any order."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import (
    ClusterConstants,
    ForceConstants,
    Shells,
    jackknife_sem,
)

_SAME_DISTANCE = 1e-3
"""Distances that differ by less than this, in Å, are equal."""


def shells_of(constants: ForceConstants) -> tuple[Shells, ...]:
    """Sort the force constants of every order into shells; replicates give error bars."""
    higher = (constants.triplets, constants.quartets)
    return (
        pair_shells(constants),
        *(cluster_shells(constants.crystal, one) for one in higher if one is not None),
    )


def pair_shells(constants: ForceConstants) -> Shells:
    """Sort the force constants of second order into shells."""
    grouped = _Grouping.of(constants.crystal, *constants.members)
    return grouped.shells(constants.values, constants.replicates)


def cluster_shells(crystal: Crystal, constants: ClusterConstants) -> Shells:
    """Sort force constants of third or fourth order into shells."""
    grouped = _Grouping.of(crystal, constants.sites, constants.lattice)
    return grouped.shells(constants.values, constants.replicates)


@dataclass(frozen=True, slots=True)
class _Grouping:
    """The shell of each cluster."""

    clusters: Ints
    """(k,) clusters that belong to a shell."""
    shell: Ints
    """(k,) their shell."""
    species: tuple[str, ...]
    distances: Floats
    listed: Ints

    @classmethod
    def of(cls, crystal: Crystal, sites: Ints, lattice: Ints) -> "_Grouping":
        """Group clusters (c, n) of sites in cells (c, n, 3) by species and distances."""
        place_cnx = (lattice + crystal.sites[sites]) @ crystal.cell
        sides = list(combinations(range(sites.shape[1]), 2))
        length_cd = np.stack(
            [np.linalg.norm(place_cnx[:, a] - place_cnx[:, b], axis=1) for a, b in sides],
            axis=1,
        )
        length_cd = np.sort(np.where(length_cd > _SAME_DISTANCE, length_cd, 0.0), axis=1)
        clusters = np.flatnonzero(length_cd[:, -1] > 0.0)
        names = np.array(sorted(set(crystal.species)))
        kinds = np.searchsorted(names, np.array(crystal.species))[sites[clusters]]
        # Sorted by the longest side, then by all sides from the shortest, then by species.
        step_cd = _steps(length_cd[clusters])
        keys = np.concatenate([step_cd[:, -1:], step_cd, np.sort(kinds, axis=1)], axis=1)
        unique, first, shell = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        shell = shell.reshape(-1)
        counts = np.bincount(shell, minlength=len(unique))
        means = [
            np.bincount(shell, side, len(unique)) / counts for side in length_cd[clusters].T
        ]
        return cls(
            clusters=clusters,
            shell=shell,
            species=tuple("–".join(names[np.sort(kinds[c])]) for c in first),
            distances=np.stack(means, axis=1),
            listed=counts,
        )

    def shells(self, values: Floats, replicates: Floats | None) -> Shells:
        """Norms, and traces of pairs, of force constants (c, 3, …) and (b, c, 3, …)."""
        order = values.ndim - 1
        of_pairs = replicates if order == 2 else None
        return Shells(
            order=order,
            species=self.species,
            distances=self.distances,
            listed=self.listed,
            norm=self._norm(values[None])[0],
            norm_sem=None if replicates is None else jackknife_sem(self._norm(replicates)),
            trace=self._trace(values[None])[0] if order == 2 else None,
            trace_sem=None if of_pairs is None else jackknife_sem(self._trace(of_pairs)),
        )

    def _norm(self, values: Floats) -> Floats:
        """(b, h) root mean square of the Frobenius norm over each shell."""
        flat = values.reshape(*values.shape[:2], -1)
        return np.sqrt(self._mean(np.einsum("bcx,bcx->bc", flat, flat)))

    def _trace(self, values: Floats) -> Floats:
        """(b, h) mean trace over each shell of pairs."""
        return self._mean(np.trace(values, axis1=2, axis2=3))

    def _mean(self, values_bc: Floats) -> Floats:
        """(b, h) mean over each shell of one number for each cluster."""
        n_shells = len(self.species)
        sums = [np.bincount(self.shell, one[self.clusters], n_shells) for one in values_bc]
        return np.array(sums).reshape(len(values_bc), n_shells) / self.listed


def _steps(length_cd: Floats) -> Ints:
    """Rank of each distance among the distinct ones."""
    values, place = np.unique(length_cd, return_inverse=True)
    # The rank increases where the sorted length jumps.
    number = np.cumsum(np.diff(values, prepend=values[:1]) > _SAME_DISTANCE)
    return number[place.reshape(length_cd.shape)].astype(np.int64)
