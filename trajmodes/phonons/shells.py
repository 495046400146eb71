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
    """Sort the force constants of every order into shells, second order first."""
    higher = (constants.triplets, constants.quartets)
    return (
        pair_shells(constants),
        *(cluster_shells(constants.crystal, one) for one in higher if one is not None),
    )


def pair_shells(constants: ForceConstants) -> Shells:
    """Sort the force constants of second order into shells; replicates give error bars."""
    lattice = np.stack([np.zeros_like(constants.lattice), constants.lattice], axis=1)
    sites = np.stack([constants.first, constants.second], axis=1)
    grouped = _Grouping.of(constants.crystal, sites, lattice)
    replicates = constants.replicates
    traces = None
    if replicates is not None:
        traces = grouped.mean(np.trace(replicates, axis1=2, axis2=3))
    return Shells(
        order=2,
        species=grouped.species,
        distances=grouped.distances,
        listed=grouped.listed,
        norm=grouped.norm(constants.values[None])[0],
        norm_sem=None if replicates is None else jackknife_sem(grouped.norm(replicates)),
        trace=grouped.mean(np.trace(constants.values, axis1=1, axis2=2)[None])[0],
        trace_sem=None if traces is None else jackknife_sem(traces),
    )


def cluster_shells(crystal: Crystal, constants: ClusterConstants) -> Shells:
    """Sort force constants of third or fourth order into shells; replicates give error bars."""
    grouped = _Grouping.of(crystal, constants.sites, constants.lattice)
    replicates = constants.replicates
    return Shells(
        order=constants.order,
        species=grouped.species,
        distances=grouped.distances,
        listed=grouped.listed,
        norm=grouped.norm(constants.values[None])[0],
        norm_sem=None if replicates is None else jackknife_sem(grouped.norm(replicates)),
    )


@dataclass(frozen=True, slots=True)
class _Grouping:
    """The shell of each cluster."""

    clusters: Ints
    """(k,) clusters that belong to a shell."""
    shell: Ints
    """(k,) their shell."""
    species: tuple[str, ...]
    distances: Floats

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
        )

    @property
    def listed(self) -> Ints:
        """(h,) number of clusters of each shell."""
        counts: Ints = np.bincount(self.shell, minlength=len(self.species))
        return counts

    def mean(self, values_bc: Floats) -> Floats:
        """(b, h) mean over each shell of one number for each cluster."""
        n_shells = len(self.species)
        sums = [np.bincount(self.shell, one[self.clusters], n_shells) for one in values_bc]
        return np.array(sums).reshape(len(values_bc), n_shells) / self.listed

    def norm(self, values: Floats) -> Floats:
        """(b, h) rms Frobenius norm over each shell of constants (b, c, 3, …)."""
        flat = values.reshape(*values.shape[:2], -1)
        norm: Floats = np.sqrt(self.mean(np.einsum("bcx,bcx->bc", flat, flat)))
        return norm


def _steps(length_cd: Floats) -> Ints:
    """Rank of each distance among the distinct ones."""
    values, place = np.unique(length_cd, return_inverse=True)
    # The rank increases where the sorted length jumps.
    number = np.cumsum(np.diff(values, prepend=values[:1]) > _SAME_DISTANCE)
    steps: Ints = number[place.reshape(length_cd.shape)].astype(np.int64)
    return steps
