"""The harmonic fit as a user asks for it: covariances in, force constants with errors out."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data import FitQuality, ForceConstants
from trajmodes.errors import DataError
from trajmodes.fit.covariance import ForceCovariances
from trajmodes.fit.normal_equations import NormalEquations, normal_equations
from trajmodes.fit.solve import Solution, solve
from trajmodes.fit.uncertainty import Convergence, Jackknife, convergence, jackknife
from trajmodes.symmetry import (
    Orbits,
    SpaceGroup,
    inscribed_radius,
    invariant_part,
    pair_orbits,
    space_group,
    supercell_pair_orbits,
    symmetry_basis,
)

__all__ = ["HarmonicFit", "Shells", "fit_harmonic"]

_SIGNIFICANT = 5.0
"""Standard errors beyond which a mean force is worth a word, …"""

_NOTABLE = 0.01
"""… if it is also more than this part of the rms force."""

_LONG_BLOCKS = 8
"""Blocks for the errors of means, which beats between modes correlate over many periods."""


@dataclass(frozen=True, slots=True)
class Shells:
    """Neighbour shells (o): the orbits of pairs, by ascending distance, self terms first."""

    distances: Floats
    """(o,), unit: Å."""
    labels: tuple[str, ...]
    """(o,) species of both atoms."""
    multiplicities: Ints
    """(o,) number of such pairs per primitive cell, either direction counted."""
    norms: Floats
    """(o,), unit: eV/Å². Root of the sum of the squares of the nine constants of one pair."""
    norms_sem: Floats | None
    """(o,), unit: eV/Å². The same of their standard errors; None if unknown."""

    def __post_init__(self) -> None:
        sizes = {"o": len(self.labels)}
        freeze(self, sizes, float, distances="o", norms="o", norms_sem="o")
        freeze(self, sizes, np.int64, multiplicities="o")


@dataclass(frozen=True, slots=True)
class HarmonicFit:
    """Harmonic constants fitted to a run, and what is to be known about them."""

    constants: ForceConstants
    group: SpaceGroup
    shells: Shells
    convergence: Convergence
    reference_shift: Floats
    """(s, 3), unit: Å. Mean displacement of each site as far as symmetry allows it."""
    reference_shift_sem: Floats
    """(s, 3), unit: Å. Its standard error; nan if unknown."""
    jackknife: Jackknife | None
    """Blocks behind the error bars; None where the run is too short for any."""
    notes: tuple[str, ...]
    """What a user should know, in plain sentences."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, reference_shift="s 3", reference_shift_sem="s 3")


def fit_harmonic(
    covariances: ForceCovariances,
    *,
    cutoff: float | Literal["supercell"] | None = None,
    temperature: float | None = None,
    group: SpaceGroup | None = None,
    shift_reference: bool = True,
    minimum_norm: bool = False,
) -> HarmonicFit:
    """Fit harmonic force constants to forces: the best harmonic model of the ensemble.

    Parameters
    ----------
    covariances
        Sums over the trajectory, from the reduction `ForceCovariance`.
    cutoff
        Radius in Å of the pairs to fit; ``None`` for the largest that the supercell admits;
        ``"supercell"`` for all pairs of the supercell with Wigner–Seitz sharing.
    temperature
        Temperature in K to note in the constants.
    group
        Space group of the crystal; found by spglib if ``None``.
    shift_reference
        Fit a constant force on each site, as far as symmetry allows it, together with the
        constants: the same as counting displacements from the average structure.
    minimum_norm
        Take the solution of least norm where the data leave a choice, instead of refusing.

    Raises
    ------
    UsageError
        If the cutoff reaches beyond the supercell's inscribed sphere.
    DataError
        If the forces are all zero, or the data leave constants undetermined.
    """
    supercell = covariances.space.supercell
    group = space_group(supercell.crystal) if group is None else group
    if cutoff == "supercell":
        radius, orbits = None, supercell_pair_orbits(group, supercell)
    else:
        radius = inscribed_radius(supercell) if cutoff is None else float(cutoff)
        orbits = pair_orbits(group, radius, supercell=supercell)
    centred = covariances.with_reference_shift(group) if shift_reference else covariances
    equations = normal_equations(centred, symmetry_basis(orbits))
    if not equations.square.sum() > 0.0:
        raise DataError("all forces are zero, or merely constant", fix="check the dump")
    solution = solve(equations, minimum_norm=minimum_norm)
    errors = jackknife(equations, solution)
    constants = equations.basis.constants(solution.parameters)
    first_order, first_order_sem = _first_order(covariances, constants)
    allowed = invariant_part(group, covariances.displacement_sum)
    shift, shift_sem = _mean(allowed, covariances.frames)
    quality = _quality(covariances, equations, solution, first_order)
    constants = replace(
        constants,
        replicates=None if errors is None else equations.basis.expand(errors.replicates),
        temperature=temperature,
        cutoff=radius,
        quality=quality,
    )
    return HarmonicFit(
        constants=constants,
        group=orbits.group,
        shells=_shells(orbits, constants),
        convergence=convergence(equations),
        reference_shift=shift,
        reference_shift_sem=shift_sem,
        jackknife=errors,
        notes=(
            # The default cutoff lies on the boundary by its definition.
            *(() if cutoff is None else orbits.notes),
            *_rank_notes(solution, covariances.n_frames),
            *_error_notes(errors),
            *_relaxation_notes(quality, first_order_sem),
        ),
    )


def _quality(
    covariances: ForceCovariances,
    equations: NormalEquations,
    solution: Solution,
    first_order: Floats,
) -> FitQuality:
    n_components = equations.n_components * covariances.n_frames
    square = float(covariances.force_square.sum())
    explained = float(equations.moment.sum(axis=0) @ solution.parameters)
    # An exact fit may come out below zero by rounding.
    residual = max(float(equations.square.sum()) - explained, 0.0)
    return FitQuality(
        n_parameters=equations.basis.n_parameters,
        rank=solution.rank,
        condition=solution.condition,
        n_frames=covariances.n_frames,
        r_squared=1.0 - residual / square,
        rms_force=float(np.sqrt(square / n_components)),
        rms_residual=float(np.sqrt(residual / n_components)),
        first_order=first_order,
    )


def _first_order(
    covariances: ForceCovariances, constants: ForceConstants
) -> tuple[Floats, Floats]:
    """(s, 3) mean of f + Φ u about the given reference, and its standard error."""
    n_sites = constants.crystal.n_sites
    uniform_stxy = np.zeros((n_sites, n_sites, 3, 3))
    np.add.at(uniform_stxy, (constants.first, constants.second), constants.values)
    left_bsx = covariances.force_sum + np.einsum(
        "stxy,bty->bsx", uniform_stxy, covariances.displacement_sum
    )
    return _mean(left_bsx, covariances.frames)


def _mean(sums: Floats, frames: Ints) -> tuple[Floats, Floats]:
    """Mean per frame from the sums of blocks, and its standard error from long blocks."""
    mean = sums.sum(axis=0) / frames.sum()
    if len(frames) < _LONG_BLOCKS:
        return mean, np.full_like(mean, np.nan)
    together = len(frames) // _LONG_BLOCKS
    cuts = np.arange(0, len(frames), together)
    counts = np.add.reduceat(frames, cuts)
    weights = counts[:, None, None] / frames.sum()
    spread = np.add.reduceat(sums, cuts) / counts[:, None, None] - mean
    sem = np.sqrt((weights**2 * spread**2).sum(axis=0) * len(cuts) / (len(cuts) - 1))
    return mean, sem


def _shells(orbits: Orbits, constants: ForceConstants) -> Shells:
    chosen = orbits.representatives
    # A pair's whole constant, though its images may share it.
    whole = 1.0 / orbits.share[chosen]
    norms_sem = None
    if constants.replicates is not None:
        replicates = constants.replicates[:, chosen]
        spread = replicates - replicates.mean(axis=0)
        n_blocks = len(replicates)
        variance = (n_blocks - 1) / n_blocks * np.einsum("boxy,boxy->o", spread, spread)
        norms_sem = whole * np.sqrt(variance)
    counts = np.rint(np.bincount(orbits.orbit, orbits.share))
    return Shells(
        distances=orbits.radii,
        labels=orbits.labels(),
        multiplicities=counts.astype(np.int64),
        norms=whole * np.linalg.norm(constants.values[chosen], axis=(1, 2)),
        norms_sem=norms_sem,
    )


def _rank_notes(solution: Solution, n_frames: int) -> tuple[str, ...]:
    if not solution.undetermined:
        return ()
    missing = len(solution.parameters) - solution.rank
    return (
        f"{missing} parameters are not determined by the {n_frames} frames; "
        f"the solution of least norm is taken (shells {', '.join(solution.undetermined)})",
    )


def _error_notes(errors: Jackknife | None) -> tuple[str, ...]:
    if errors is None:
        return ("there are too few frames for error bars",)
    if not errors.levelled:
        return (
            f"with {errors.n_blocks} blocks of {errors.block_frames:.0f} frames the errors "
            "have not been seen to level off: take them as lower bounds, or run longer",
        )
    return ()


def _relaxation_notes(quality: FitQuality, sem: Floats) -> tuple[str, ...]:
    force = quality.first_order
    threshold = np.maximum(_SIGNIFICANT * sem, _NOTABLE * quality.rms_force)
    if not (np.abs(force) > threshold).any():
        return ()
    site = int(np.abs(force).max(axis=1).argmax())
    return (
        f"the reference structure is not at rest: the mean force on site {site} is "
        f"{np.linalg.norm(force[site]):.2g} eV/Å; it wants to relax",
    )
