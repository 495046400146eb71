"""Force constants of several runs of one crystal, listed over the same pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.charges import same_charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants, jackknife_sem
from trajmodes.data.lattice import SAME_CRYSTAL, crystal_difference
from trajmodes.errors import DataError
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.series.cells import strained
from trajmodes.thermo.series.conditions import Conditions
from trajmodes.thermo.series.interpolation import (
    Trend,
    all_polynomials,
    averaged,
    basis_weights,
)

_NEGLIGIBLE = 1e-4
"""Weight below which a polynomial is left out of the replicates."""
_BETWEEN_SHELLS = 0.1
"""Least distance in Å of two shells between which a cutoff is proposed."""


@dataclass(frozen=True, slots=True)
class ConstantsTrend:
    """Force constants as polynomials in temperature and strain.

    The weights of the runs are the same for all force constants. Every linear relation that
    holds in all runs, such as symmetry and sum rules, therefore holds at any temperature.
    """

    constants: tuple[ForceConstants, ...]
    """(r,) of the runs, over the same pairs."""
    trends: tuple[Trend, ...]
    """(o,) each polynomial, of (r, n) values; its solution is one for all."""
    basis_weights: Floats
    """(o, 1) weight of each polynomial."""
    trend: Trend
    """Their average."""
    widening: float
    """Factor of the standard errors where the polynomials do not describe the runs."""

    @property
    def conditions(self) -> Conditions:
        """Temperatures and strains of the runs."""
        return self.trend.conditions

    @property
    def has_triplets(self) -> bool:
        """Whether third order is interpolated, because all runs have the same triplets."""
        return _are_comparable([one.triplets for one in self.constants])

    def at(
        self, kelvin: float, volume: float | None = None, ratio: float | None = None
    ) -> ForceConstants:
        """Force constants at a temperature, a volume in Å³ and an axial ratio c/a.

        Volume and ratio are separate variables if runs of one temperature have different ones;
        None stands for the reference. Higher orders are interpolated if all runs have the same
        clusters; otherwise there are none. The replicates are those of all runs, each about the
        interpolated values, and two for each polynomial, so that their jackknife covariance is
        that of the average.
        """
        strains = self.conditions.strains_at(volume, ratio)
        weights = self.trend.weights(kelvin, strains)[0]
        of_bases = np.stack([one.weights(kelvin, strains)[0] for one in self.trends])
        first = self.constants[0]
        static = {one.has_static_part for one in self.constants}
        crystals = [one.crystal for one in self.constants]
        cell = np.tensordot(weights, np.stack([one.cell for one in crystals]), 1)
        sites = np.tensordot(weights, np.stack([one.sites for one in crystals]), 1)
        crystal = replace(first.crystal, cell=cell, sites=sites)
        values, replicates = self._combined(weights, of_bases, self.constants)
        return replace(
            first,
            crystal=strained(crystal, self.conditions, strains),
            values=values,
            replicates=replicates,
            temperature=kelvin,
            has_static_part=static.pop() if len(static) == 1 else None,
            quality=None,
            triplets=self._clusters(
                weights, of_bases, [one.triplets for one in self.constants]
            ),
            quartets=self._clusters(
                weights, of_bases, [one.quartets for one in self.constants]
            ),
        )

    def _clusters(
        self, weights: Floats, of_bases: Floats, listed: Sequence[ClusterConstants | None]
    ) -> ClusterConstants | None:
        known = [one for one in listed if one is not None]
        if not _are_comparable(listed):
            return None
        values, replicates = self._combined(weights, of_bases, known)
        return replace(known[0], values=values, replicates=replicates)

    def _combined(
        self,
        weights: Floats,
        of_bases: Floats,
        runs: Sequence[ForceConstants] | Sequence[ClusterConstants],
    ) -> tuple[Floats, Floats | None]:
        """Weighted sum of the values of all runs; its replicates if all runs have them."""
        each = np.stack([one.values for one in runs])
        values: Floats = np.tensordot(weights, each, 1)
        listed = [one.replicates for one in runs]
        known = [one for one in listed if one is not None]
        if len(known) < len(listed):
            return values, None
        used = np.flatnonzero(self.basis_weights[:, 0] > _NEGLIGIBLE)
        used = used if len(used) > 1 else used[:0]
        total = sum(map(len, known)) + 2 * len(used)
        scale = np.sqrt(total / (total - 1))
        found = np.empty((total, *values.shape))
        start = 0
        # Σ_o w_o of the variances of all polynomials, see `interpolation`.
        factors = np.sqrt(self.basis_weights[:, 0] @ of_bases**2)
        for weight, one in zip(factors, known, strict=True):
            n = len(one)
            # (B − 1)/B of one run becomes that of all replicates together.
            factor = weight * np.sqrt((n - 1) / n) * scale * self.widening
            found[start : start + n] = values + factor * (one - one.mean(axis=0))
            start += n
        for o in used.tolist():
            apart = np.tensordot(of_bases[o] - weights, each, 1)
            apart *= np.sqrt(0.5 * self.basis_weights[o, 0]) * scale
            found[start : start + 2] = values + apart, values - apart
            start += 2
        return values, found


def common_constants(
    names: Sequence[str], constants: Sequence[ForceConstants]
) -> tuple[ForceConstants, ...]:
    """List the force constants of all runs over the pairs of the first one.

    Parameters
    ----------
    names
        (r,) names of the runs, for error messages.

    Raises
    ------
    DataError
        If two runs are of different crystals, or have different pairs.
    """
    first = constants[0]
    order = _order(first.first, first.second, first.lattice)
    rank = np.argsort(order)
    found = [first]
    for name, one in zip(names[1:], constants[1:], strict=True):
        cells = _require_same_crystal(names[0], first.crystal, name, one.crystal)
        lattice = one.lattice + cells[one.second] - cells[one.first]
        place = _order(one.first, one.second, lattice)
        listed = (
            len(place) == len(order)
            and np.array_equal(one.first[place], first.first[order])
            and np.array_equal(one.second[place], first.second[order])
            and np.array_equal(lattice[place], first.lattice[order])
        )
        if not listed:
            raise _other_pairs(names[0], first, name, one)
        if not same_charges(one.charges, first.charges):
            raise DataError(
                f"the force constants of {name} and {names[0]} have different Born charges",
                why="their dipole–dipole parts are not comparable",
                fix="fit all runs with the same Born charges",
            )
        chosen = place[rank]
        crystal = replace(one.crystal, sites=one.crystal.sites - cells)
        # Clusters are not listed anew for other cells of the sites.
        higher = {} if not cells.any() else {"triplets": None, "quartets": None}
        replicates = None if one.replicates is None else one.replicates[:, chosen]
        found.append(
            replace(
                one,
                crystal=crystal,
                first=first.first,
                second=first.second,
                lattice=first.lattice,
                values=one.values[chosen],
                replicates=replicates,
                **higher,
            )
        )
    return tuple(found)


def constants_trend(
    conditions: Conditions, constants: Sequence[ForceConstants]
) -> ConstantsTrend:
    """Fit polynomials in temperature and strain to force constants over the same pairs.

    The covariance of each run is taken as a common matrix times a scale of the run, the mean of
    its variances relative to those of all runs. Without replicates of all runs the weights are
    equal. The weights of the polynomials follow from the errors of runs left out, for all force
    constants together; the number of independent force constants follows from the correlations
    of their replicates.
    """
    values_rn = np.stack([one.values.ravel() for one in constants])
    sems = _standard_errors(constants)
    scale = None
    used, independent = values_rn, 1.0
    if sems is not None:
        shared = np.sqrt((sems**2).mean(axis=0))
        known = shared > 1e-12 * np.abs(values_rn).max()
        scale = np.sqrt(((sems[:, known] / shared[known]) ** 2).mean(axis=1, keepdims=True))
        used = values_rn[:, known] / shared[known]
        independent = _independent(constants, shared, known)
    trends = all_polynomials(conditions, used, scale)
    weights = basis_weights(trends, has_errors=scale is not None, shared=independent)
    ratio = 1.0
    if sems is not None:
        # χ²/ν of each polynomial, where there are degrees of freedom.
        each = [float(one.chi2.mean()) / one.n_free if one.n_free else 1.0 for one in trends]
        ratio = float(weights[:, 0] @ np.maximum(1.0, each))
    return ConstantsTrend(
        tuple(constants),
        trends,
        weights,
        averaged(trends, weights),
        float(np.sqrt(ratio)),
    )


def _independent(constants: Sequence[ForceConstants], sems: Floats, known: Bools) -> float:
    """Effective number of independent force constants, (tr C)²/tr C² of their correlations."""
    rows = [
        ((one.replicates - one.replicates.mean(axis=0)).reshape(len(one.replicates), -1))
        for one in constants
        if one.replicates is not None
    ]
    scaled = np.concatenate(
        [
            one[:, known] / sems[known] / np.linalg.norm(one[:, known] / sems[known])
            for one in rows
        ]
    )
    gram = scaled @ scaled.T
    return float(np.trace(gram) ** 2 / (gram**2).sum())


def _standard_errors(constants: Sequence[ForceConstants]) -> Floats | None:
    known = [one.replicates for one in constants if one.replicates is not None]
    if len(known) < len(constants):
        return None
    return np.stack([jackknife_sem(one).ravel() for one in known])


def _are_comparable(listed: Sequence[ClusterConstants | None]) -> bool:
    """Whether all runs have the same clusters."""
    first = listed[0]
    return first is not None and all(
        one is not None
        and np.array_equal(one.sites, first.sites)
        and np.array_equal(one.lattice, first.lattice)
        for one in listed
    )


def _order(first: Ints, second: Ints, lattice: Ints) -> Ints:
    order: Ints = np.lexsort((*lattice.T, second, first))
    return order


def _require_same_crystal(one_name: str, one: Crystal, other_name: str, other: Crystal) -> Ints:
    """Lattice vectors (s, 3) from the sites of one crystal to those of the other."""

    def error(
        why: str, fix: str = "give runs of one crystal, fitted with the same cell file"
    ) -> DataError:
        text = f"{other_name} and {one_name} hold different crystals"
        return DataError(text, why=why, fix=fix)

    if one.species != other.species:
        kinds = " ".join(other.species), " ".join(one.species)
        raise error(f"their sites are {kinds[0]} and {kinds[1]}")
    found = crystal_difference(one, other)
    if abs(found.largest_strain) > SAME_CRYSTAL.strain:
        most = 100.0 * SAME_CRYSTAL.strain
        raise error(
            f"their cells differ by a strain of {100.0 * found.largest_strain:.2g} %",
            f"give runs of one crystal whose cells differ by less than {most:.2g} %",
        )
    if found.angle > SAME_CRYSTAL.angle:
        raise error(f"their cells are rotated by {np.degrees(found.angle):.2g}°")
    if found.shift.max() > SAME_CRYSTAL.site:
        raise error(f"a site is displaced by {found.shift.max():.2g} Å")
    if np.abs(found.mass).max() > SAME_CRYSTAL.mass:
        raise error("the masses of a site differ")
    groups = space_group(one), space_group(other)
    if groups[0].n_operations != groups[1].n_operations:
        counts = groups[1].n_operations, groups[0].n_operations
        raise error(f"their space groups have {counts[0]} and {counts[1]} operations")
    return found.cells


def _other_pairs(
    one_name: str, one: ForceConstants, other_name: str, other: ForceConstants
) -> DataError:
    def text(name: str, known: ForceConstants) -> str:
        reach = "" if known.cutoff is None else f" within {known.cutoff:.4g} Å"
        return f"{name} has {known.n_pairs} pairs{reach}"

    cutoff = _common_cutoff(one, other)
    such = "" if cutoff is None else f", such as {cutoff:.2f} Å"
    return DataError(
        f"the force constants of {other_name} and {one_name} are those of different pairs",
        why=f"{text(other_name, other)}, {text(one_name, one)}",
        fix="fit all runs with the same cutoff (--cutoff2), between two shells of neighbours"
        + such,
    )


def _common_cutoff(one: ForceConstants, other: ForceConstants) -> float | None:
    """Longest cutoff in Å well between shells, within which both have as many pairs."""
    lengths = [np.sort(_pair_lengths(x)) for x in (one, other)]
    reach = min(one.cutoff or lengths[0][-1], other.cutoff or lengths[1][-1])
    edges = np.unique(np.append(np.concatenate(lengths).clip(max=reach), reach))
    middles = (0.5 * (edges[1:] + edges[:-1]))[np.diff(edges) > _BETWEEN_SHELLS]
    counts = [np.searchsorted(x, middles) for x in lengths]
    common = middles[counts[0] == counts[1]]
    return float(common[-1]) if len(common) else None


def _pair_lengths(constants: ForceConstants) -> Floats:
    """Distances (p,) in Å."""
    sites = constants.crystal.sites
    apart = constants.lattice + sites[constants.second] - sites[constants.first]
    lengths: Floats = np.linalg.norm(apart @ constants.crystal.cell, axis=1)
    return lengths
