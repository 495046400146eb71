"""Series of runs: polynomials in T, the same modes in all runs, soft modes, linewidths."""

import re
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import ClusterConstants, jackknife_sem
from trajmodes.data.series.runs import MeasuredLines
from trajmodes.errors import DataError
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.elasticity import elasticity, stiffness_of
from trajmodes.thermo.series.common import common_constants, constants_trend
from trajmodes.thermo.series.conditions import Conditions
from trajmodes.thermo.series.interpolation import (
    all_polynomials,
    averaged,
    basis_weights,
    polynomial,
)
from trajmodes.thermo.series.modes import common_qpoints, follow_modes, lines_of
from trajmodes.thermo.series.soft_mode import EXTRAPOLATED, RESOLVED, soft_modes
from trajmodes.thermo.series.trends import elastic_trend
from trajmodes.thermo.series.widths import width_laws

KELVIN = np.array([200.0, 500.0, 700.0, 900.0, 1200.0])


def conditions(kelvin=KELVIN, volumes=40.0):
    return Conditions(kelvin, np.broadcast_to(volumes, kelvin.shape))


def basis(order):
    """1, T, …; the strains are added by `Conditions.basis`."""
    return conditions().basis(order)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_polynomial_is_reproduced_with_its_slope(order):
    powers = np.random.default_rng(order).standard_normal((order + 1, 4))
    exact = np.polynomial.Polynomial

    def value(kelvin):
        return np.array([exact(column)(kelvin / 1000.0) for column in powers.T]).T

    trend = polynomial(conditions(), value(KELVIN), np.ones((5, 1)), basis(order))
    at = np.array([300.0, 1500.0])
    np.testing.assert_allclose(trend.at(at)[0], value(at), atol=1e-10)
    slope = (value(at + 0.01) - value(at - 0.01)) / 0.02
    np.testing.assert_allclose(trend.slope(at)[0], slope, atol=1e-9)
    assert trend.chi2 == pytest.approx(0.0, abs=1e-18)


def test_the_error_of_runs_left_out_is_that_of_fits_without_them():
    rng = np.random.default_rng(1)
    values, sems = rng.standard_normal((5, 1)), rng.uniform(0.5, 2.0, (5, 1))
    errors = []
    for k in range(5):
        kept = np.arange(5) != k
        line = np.polyfit(KELVIN[kept], values[kept, 0], 1, w=1.0 / sems[kept, 0])
        errors.append((values[k, 0] - np.polyval(line, KELVIN[k])) / sems[k, 0])
    found = polynomial(conditions(), values, sems, basis(1)).left_out
    assert found == pytest.approx(np.mean(np.square(errors)))


@pytest.mark.parametrize(
    ("order", "quantities", "least"), [(1, 1, 0.7), (1, 20, 0.97), (2, 20, 0.97)]
)
def test_the_right_order_has_most_of_the_weight(order, quantities, least):
    rng = np.random.default_rng(7)
    t = (KELVIN - 700.0) / 500.0
    right = 0
    for _ in range(200):
        curve = sum(
            rng.choice([-8.0, 8.0], quantities) * t[:, None] ** k for k in range(order + 1)
        )
        values = curve + rng.standard_normal((5, quantities))
        trends = all_polynomials(conditions(), values, np.ones((5, 1)))
        right += basis_weights(trends, has_errors=True, shared=quantities)[order - 1, 0]
    assert right >= 200 * least


def test_the_variance_of_an_average_is_the_mean_variance_and_the_spread_of_the_polynomials():
    rng = np.random.default_rng(3)
    values, sems = rng.standard_normal((5, 4)), rng.uniform(0.5, 2.0, (5, 4))
    trends = all_polynomials(conditions(), values, sems)
    weights = basis_weights(trends, has_errors=True)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    at = np.array([100.0, 650.0, 1500.0])
    found, error = averaged(trends, weights).at(at)
    each = [one.at(at) for one in trends]
    mean = sum(w * value for w, (value, _) in zip(weights, each, strict=True))
    np.testing.assert_allclose(found, mean)
    variance = sum(
        w * (sem**2 + (value - mean) ** 2)
        for w, (value, sem) in zip(weights, each, strict=True)
    )
    np.testing.assert_allclose(error**2, variance)


def test_errors_are_widened_where_the_runs_scatter_more_than_their_errors():
    values = np.array([[0.0], [1.0], [-1.0], [1.0], [0.0]])
    wide, narrow = (
        polynomial(conditions(), values, np.full((5, 1), s), basis(1)) for s in (1.0, 0.1)
    )
    assert wide.widening == 1.0
    assert narrow.widening == pytest.approx(np.sqrt(narrow.chi2 / 3))
    middle = np.array([700.0])
    assert narrow.at(middle)[1] > 5.0 * 0.1 * wide.at(middle)[1]


def test_runs_of_two_volumes_separate_the_effect_of_volume():
    kelvin = np.array([300.0, 300.0, 600.0, 900.0])
    volumes = np.array([40.0, 41.0, 40.5, 41.0])
    at = Conditions(kelvin, volumes)
    assert at.is_separable
    values = (3.0 - 1e-3 * kelvin - 2.0 * np.log(volumes / at.volume))[:, None]
    trend = polynomial(at, values, np.full((4, 1), 0.1), at.basis(1))
    assert trend.strain_slope(np.zeros(1), "ln V")[0] == pytest.approx(-2.0)
    assert trend.at(np.array([500.0]))[0] == pytest.approx(2.5)
    together = conditions(KELVIN, np.linspace(40.0, 41.0, 5))
    assert not together.is_separable
    with pytest.raises(DataError, match="not separable"):
        polynomial(together, np.ones((5, 1)), None, basis(1)).strain_slope(KELVIN, "ln V")


@pytest.mark.parametrize("kelvin", [0.0, 300.0])
def test_runs_of_one_temperature_have_no_slope_in_temperature(kelvin):
    """It is unknown, and not zero."""
    at = Conditions(np.full(3, kelvin), np.array([40.0, 41.0, 42.0]))
    values = (3.0 - 2.0 * np.log(at.volumes / at.volume))[:, None]
    trend = polynomial(at, values, np.full((3, 1), 0.1), at.basis(0))
    slope, sem = trend.slope(np.array([kelvin]))
    assert np.isnan(slope).all()
    assert np.isnan(sem).all()
    assert trend.at(np.array([kelvin]))[0] == pytest.approx(3.0)
    assert trend.strain_slope(np.zeros(1), "ln V")[0] == pytest.approx(-2.0)


def test_one_temperature_and_volume_is_no_series():
    with pytest.raises(DataError, match="two temperatures or more"):
        conditions(np.array([300.0, 301.0]))


@pytest.fixture(scope="module")
def runs(crystals, springs):
    """``runs(kelvin, rng, spread)``: two spring constants, both linear in T, with errors."""
    crystal = crystals["bcc"]
    whole, near = springs(crystal, 4.5), springs(crystal, 2.6)
    keys = [(*r,) for r in whole.lattice.tolist()]
    other = np.zeros_like(whole.values)
    other[[keys.index((*r,)) for r in near.lattice.tolist()]] = near.values

    def build(kelvin, rng=None, spread=0.0, blocks=20):
        found = []
        for one in kelvin:
            exact = whole.values * (1.2 - 2e-4 * one) - other * (1.0 - 5e-4 * one)
            values, replicates = exact, None
            if rng is not None:
                a, b = spread * rng.standard_normal((2, blocks, 1, 1, 1))
                drawn = exact + a * whole.values + b * other
                values = drawn.mean(axis=0)
                replicates = (blocks * values - drawn) / (blocks - 1)
            cell = crystal.cell * (1.0 + 1e-5 * one)
            found.append(
                replace(
                    whole,
                    crystal=replace(crystal, cell=cell),
                    values=values,
                    replicates=replicates,
                    temperature=float(one),
                )
            )
        return found

    return build


def test_interpolated_constants_keep_linear_relations_and_covariance(runs):
    constants = runs(KELVIN, np.random.default_rng(2), 0.02)
    trend = constants_trend(conditions(), constants)
    at = trend.at(650.0)
    exact = runs([650.0])[0]
    np.testing.assert_allclose(at.values.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(at.crystal.cell, exact.crystal.cell)
    assert at.temperature == 650.0
    sem = jackknife_sem(at.replicates)
    weights = trend.trend.weights(650.0)[0]
    assert weights.sum() == pytest.approx(1.0)
    squares = np.stack([jackknife_sem(one.replicates) ** 2 for one in constants])
    each = [np.tensordot(one.weights(650.0)[0] ** 2, squares, 1) for one in trend.trends]
    summed = np.tensordot(trend.basis_weights[:, 0], each, 1)
    # The choice of the polynomial adds its part.
    apart = [
        np.tensordot(one.weights(650.0)[0], np.stack([run.values for run in constants]), 1)
        - at.values
        for one in trend.trends
    ]
    choice = np.tensordot(trend.basis_weights[:, 0], np.square(apart), 1)
    assert choice.max() > 0.0
    wanted = np.sqrt(trend.widening**2 * summed + choice)
    np.testing.assert_allclose(sem, wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(at.replicates.mean(axis=0), at.values)


def test_elastic_constants_of_a_bravais_crystal_are_those_of_interpolated_constants(runs):
    """They are linear in the force constants at one volume."""
    constants = [
        replace(one, crystal=runs(KELVIN)[0].crystal)
        for one in runs(KELVIN, np.random.default_rng(2), 0.02)
    ]
    trend = constants_trend(conditions(), constants)
    found = elastic_trend(trend)
    wanted, sem = elasticity(trend.at(700.0)).stiffness, stiffness_of(trend.at(700.0))[1]
    middle = len(found.curve) // 2
    np.testing.assert_allclose(found.curve[middle], wanted, rtol=0.01, atol=1e-9)
    different = np.abs(found.curve[middle] - wanted).max(axis=None)
    assert different < 0.2 * sem.max()
    np.testing.assert_allclose(found.curve_sem[middle], sem, rtol=0.3, atol=1e-6)
    np.testing.assert_allclose(found.stiffness[0], elasticity(constants[0]).stiffness)


def test_interpolated_constants_have_the_static_part_that_all_runs_have(runs):
    mixed = [True] * 4 + [False]
    for known, wanted in (([True] * 5, True), ([False] * 5, False), (mixed, None)):
        constants = [
            replace(one, has_static_part=own)
            for one, own in zip(runs(KELVIN), known, strict=True)
        ]
        assert constants_trend(conditions(), constants).at(650.0).has_static_part is wanted


def test_third_order_is_interpolated_where_all_runs_have_the_same(runs):
    triplets = ClusterConstants(
        sites=np.zeros((2, 3), int),
        lattice=np.zeros((2, 3, 3), int),
        values=np.random.default_rng(1).standard_normal((2, 3, 3, 3)),
    )
    constants = [
        replace(one, triplets=replace(triplets, values=one.temperature * triplets.values))
        for one in runs(KELVIN)
    ]
    at = constants_trend(conditions(), constants).at(650.0)
    np.testing.assert_allclose(at.triplets.values, 650.0 * triplets.values)
    assert at.triplets.replicates is None
    fewer = [replace(constants[0], triplets=None), *constants[1:]]
    assert constants_trend(conditions(), fewer).at(650.0).triplets is None


def test_pairs_are_matched_whatever_their_order_and_the_cell_of_a_site(crystals, springs):
    first = springs(crystals["diamond"], 4.0)
    shift = np.array([[0, 0, 0], [1, 0, -1]])
    order = np.random.default_rng(0).permutation(first.n_pairs)
    crystal = replace(first.crystal, sites=first.crystal.sites + shift)
    moved = replace(
        first,
        crystal=crystal,
        first=first.first[order],
        second=first.second[order],
        lattice=(first.lattice + shift[first.first] - shift[first.second])[order],
        values=first.values[order],
    )
    _, found = common_constants(["a", "b"], [first, moved])
    np.testing.assert_array_equal(found.values, first.values)
    np.testing.assert_array_equal(found.lattice, first.lattice)
    np.testing.assert_allclose(found.crystal.sites, first.crystal.sites)


def test_different_crystals_and_cutoffs_are_refused(crystals, springs):
    diamond, salt = (springs(crystals[name], 4.0) for name in ("diamond", "rock salt"))
    with pytest.raises(DataError, match="b and a hold different crystals"):
        common_constants(["a", "b"], [diamond, salt])
    with pytest.raises(DataError, match=r"different pairs(.|\n)*same cutoff"):
        common_constants(["a", "b"], [diamond, springs(crystals["diamond"], 5.0)])
    wide = replace(diamond.crystal, cell=1.1 * diamond.crystal.cell)
    with pytest.raises(DataError, match=r"strain of 10 %"):
        common_constants(["a", "b"], [diamond, replace(diamond, crystal=wide)])


@pytest.mark.parametrize("stretch", [1.0, 1.005, 1.02])
def test_the_cutoff_that_is_proposed_suits_both_runs(crystals, springs, stretch):
    """Of a run with a longer range, and of one whose crystal has expanded."""
    crystal = crystals["bcc"]
    wide = replace(crystal, cell=stretch * crystal.cell)
    with pytest.raises(DataError, match="such as ") as caught:
        common_constants(["a", "b"], [springs(crystal, 7.5), springs(wide, 5.1)])
    proposed = float(re.search(r"such as ([\d.]+) Å", caught.value.fix)[1])
    assert 3.0 < proposed < 5.1
    pair = [springs(one, proposed) for one in (crystal, wide)]
    assert len(common_constants(["a", "b"], pair)) == 2


def test_modes_are_followed_through_a_crossing(runs):
    constants = runs([0.0, 600.0, 2000.0])
    space = half_space(build_supercell(constants[0].crystal, np.diag([2, 2, 2])))
    followed = follow_modes(constants[1], constants, space.qpoints, space.weights)
    squares = followed.squares
    # ω² of every mode of this q is linear in T, because symmetry fixes its vector.
    middle = squares[0] + 0.3 * (squares[2] - squares[0])
    np.testing.assert_allclose(squares[1], middle, rtol=1e-6, atol=1e-6 * squares.max())
    order = np.argsort(squares, axis=1)
    assert not np.array_equal(order[0], order[2])


def test_lines_of_a_run_belong_to_the_same_modes(runs):
    constants = runs([300.0, 900.0])
    supercell = build_supercell(constants[0].crystal, np.diag([2, 2, 2]))
    space = half_space(supercell)
    followed = follow_modes(constants[0], constants, space.qpoints, space.weights)
    lines = []
    for one in constants:
        modes = modes_at(one, space.qpoints)
        omega = np.array([modes.omega[modes.sets == g].mean() for g in range(modes.n_sets)])
        lines.append(MeasuredLines(modes.qpoints, modes.sets, omega, omega, omega, omega))
    found = lines_of(followed, [*lines[:1], None])
    np.testing.assert_allclose(found[0, 0], np.sqrt(followed.squares[0]))
    assert np.isnan(found[:, 1]).all()
    both = lines_of(followed, lines)
    np.testing.assert_allclose(both[2, 1], np.sqrt(followed.squares[1]))


def test_common_q_points_are_those_of_all_supercells(crystals):
    cells = [build_supercell(crystals["bcc"], np.diag([n, n, n])) for n in (4, 6)]
    qpoints, weights = common_qpoints(cells)
    wanted, _ = common_qpoints([build_supercell(crystals["bcc"], np.diag([2, 2, 2]))])
    assert len(qpoints) == len(wanted)
    assert weights.sum() == 8.0


def test_a_soft_mode_is_resolved_or_it_is_said_why_not():
    squares = np.stack(
        [
            *(0.01 * (KELVIN - 350.0), 20.0 + 1e-3 * KELVIN, 1e-4 * (KELVIN - 400.0)),
            *(2.5 - 0.001 * KELVIN, np.full(5, 0.1)),
        ]
    ).T
    found = soft_modes(conditions(), squares, np.full((5, 5), 0.1))
    assert found.temperature[0] == pytest.approx(350.0)
    assert found.verdicts[0] == RESOLVED
    # The error of a straight line at its zero.
    line = np.polyfit(KELVIN, squares[:, 0], 1, w=np.full(5, 10.0), cov="unscaled")[1]
    variance = np.array([350.0, 1.0]) @ line @ np.array([350.0, 1.0])
    # It is a little larger, because the order is not known.
    ratio = found.temperature_sem[0] / (np.sqrt(variance) / 0.01)
    assert 1.0 < ratio < 1.02
    assert found.verdicts[1] == ""
    assert np.isnan(found.temperature[1])
    assert "slope" in found.verdicts[2]
    # Far above the runs: 2500 K is beyond twice their range.
    assert found.verdicts[3] == ""
    assert "at all temperatures" in found.verdicts[4]
    above = soft_modes(conditions(), 0.01 * (1500.0 - KELVIN[:, None]), np.full((5, 1), 0.1))
    assert above.temperature == pytest.approx(1500.0)
    assert above.verdicts == (EXTRAPOLATED,)
    unknown = soft_modes(conditions(), squares, None)
    assert unknown.temperature[0] == pytest.approx(350.0)


def test_linewidths_have_the_exponent_of_their_power_law():
    widths = np.stack([0.1 * KELVIN, 2e-4 * KELVIN**2, np.full(5, np.nan)], axis=1)
    widths[1:4, 1] = np.nan
    found = width_laws(KELVIN, widths, 0.1 * widths)
    np.testing.assert_allclose(found.exponent, [1.0, 2.0, np.nan])
    log_t = np.log(KELVIN)
    sem = 0.1 / np.sqrt(((log_t - log_t.mean()) ** 2).sum())
    assert found.exponent_sem[0] == pytest.approx(sem)
    assert found.chi2[0] == pytest.approx(0.0, abs=1e-20)
    assert np.isnan(found.chi2[1])
    # A run at 0 K has no width, and takes no part.
    cold = width_laws(
        np.concatenate([[0.0], KELVIN]),
        np.concatenate([[[np.nan] * 3], widths]),
        np.concatenate([[[np.nan] * 3], 0.1 * widths]),
    )
    np.testing.assert_array_equal(cold.exponent, found.exponent)
    assert cold.mean == found.mean
    only = width_laws(KELVIN[:1], widths[:1], 0.1 * widths[:1])
    assert np.isnan(only.exponent).all()
    assert np.isnan(only.mean)
