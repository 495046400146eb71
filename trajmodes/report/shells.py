"""Pair constants by shell of neighbours: what the table and the figure of the fit show."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data import ForceConstants

__all__ = ["Shells", "jackknife_sem", "shells_of"]

_SAME_DISTANCE = 1e-3
"""Pairs whose lengths differ by less than this, in Å, are one shell."""


@dataclass(frozen=True, slots=True)
class Shells:
    """Pairs of the same species at the same distance, nearest first, without self terms."""

    distance: Floats
    """(h,), unit: Å."""
    species: tuple[str, ...]
    """(h,) for example Na–Cl."""
    neighbours: Ints
    """(h,) number of listed pairs, those seen from every site of the primitive cell."""
    norm: Floats
    """(h,), unit: eV/Å². Root mean square over the shell of the Frobenius norm |Φ|."""
    norm_sem: Floats | None
    """(h,), unit: eV/Å²."""
    trace: Floats
    """(h,), unit: eV/Å². Mean over the shell of the trace of Φ."""
    trace_sem: Floats | None
    """(h,), unit: eV/Å²."""

    def __post_init__(self) -> None:
        sizes = {"h": len(self.species)}
        freeze(self, sizes, float, distance="h", norm="h", norm_sem="h")
        freeze(self, sizes, float, trace="h", trace_sem="h")
        freeze(self, sizes, int, neighbours="h")


def shells_of(constants: ForceConstants) -> Shells:
    """Sort the pairs of force constants into shells.

    Parameters
    ----------
    constants
        The pair constants, with replicates where error bars are wanted.
    """
    crystal = constants.crystal
    sites = crystal.sites
    between = constants.lattice + sites[constants.second] - sites[constants.first]
    length = np.linalg.norm(between @ crystal.cell, axis=1)
    names = [
        "–".join(sorted((crystal.species[i], crystal.species[j])))
        for i, j in zip(constants.first, constants.second, strict=True)
    ]
    order = sorted(np.flatnonzero(length > _SAME_DISTANCE), key=lambda p: (names[p], length[p]))
    # A new shell begins where the species change or the length jumps.
    starts = [
        k
        for k, p in enumerate(order)
        if k == 0
        or names[order[k - 1]] != names[p]
        or length[p] - length[order[k - 1]] > _SAME_DISTANCE
    ]
    members = np.split(np.array(order, dtype=np.int64), starts[1:]) if starts else []
    members.sort(key=lambda pairs: float(length[pairs].mean()))

    norm, trace = _norm_and_trace(constants.values[None], members)
    sems: tuple[Floats | None, Floats | None] = (None, None)
    if constants.replicates is not None:
        norms, traces = _norm_and_trace(constants.replicates, members)
        sems = (jackknife_sem(norms), jackknife_sem(traces))
    return Shells(
        distance=np.array([length[pairs].mean() for pairs in members]),
        species=tuple(names[pairs[0]] for pairs in members),
        neighbours=np.array([len(pairs) for pairs in members], dtype=np.int64),
        norm=norm[0],
        norm_sem=sems[0],
        trace=trace[0],
        trace_sem=sems[1],
    )


def _norm_and_trace(phi_bpxy: Floats, members: list[Ints]) -> tuple[Floats, Floats]:
    """(b, h) norms and traces of every replicate."""
    square_bp = (phi_bpxy**2).sum(axis=(2, 3))
    trace_bp = np.trace(phi_bpxy, axis1=2, axis2=3)
    norm = [np.sqrt(square_bp[:, pairs].mean(axis=1)) for pairs in members]
    trace = [trace_bp[:, pairs].mean(axis=1) for pairs in members]
    shape = (len(phi_bpxy), len(members))
    return (
        np.array(norm).reshape(shape[::-1]).T,
        np.array(trace).reshape(shape[::-1]).T,
    )


def jackknife_sem(replicates: Floats) -> Floats:
    """Form the standard error √[(B − 1)/B Σ_b (g_b − ḡ)²] of delete-one-block estimates.

    Parameters
    ----------
    replicates
        (b, …) estimates, each without one block.
    """
    n_blocks = len(replicates)
    spread = replicates - replicates.mean(axis=0)
    sem: Floats = np.sqrt((n_blocks - 1) / n_blocks * (spread**2).sum(axis=0))
    return sem
