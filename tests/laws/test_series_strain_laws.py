"""Series of runs at several temperatures, volumes and axial ratios."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trajmodes.data.series.runs import SeriesRun
from trajmodes.errors import DataError
from trajmodes.phonons.modes import frequencies_at
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.series.cells import conditions_of, conventional_lengths
from trajmodes.thermo.series.common import constants_trend
from trajmodes.thermo.series.modes import follow_modes
from trajmodes.thermo.series.trends import mode_trends

KELVIN, STRAINS = (300.0, 600.0, 900.0), (-0.03, 0.0, 0.03)
GRID = list(product(KELVIN, STRAINS))
N_SERIES, N_BLOCKS = 200, 24
# N of bcc, where symmetry fixes the polarisation vectors: ω² is linear in the constants.
N_POINT = np.array([[0.5, 0.0, 0.0]])


def strained(crystal, volume=0.0, ratio=0.0):
    """Crystal with other ln V and ln c/a; the third axis of its cell is c."""
    scale = np.exp(volume / 3.0 + np.array([-1.0, -1.0, 2.0]) * ratio / 3.0)
    return replace(crystal, cell=crystal.cell * scale)


@pytest.fixture(scope="module")
def exact(two_springs):
    """``exact(kelvin, strain, a, b)``: two springs that are parabolas in T and ln V."""
    whole, other = two_springs

    def build(kelvin, strain, a=0.0, b=0.0):
        t = (kelvin - 600.0) / 300.0
        first = (
            1.0 - 0.05 * t - 4.0 * strain + 0.06 * t**2 - 1.5 * t * strain + 20.0 * strain**2
        )
        second = 0.3 + 0.02 * t - 2.0 * strain
        return replace(
            whole,
            crystal=strained(whole.crystal, strain),
            values=whole.values * (first + a) + other * (second + b),
            temperature=kelvin,
        )

    return build


def series_of(runs):
    kelvin = np.array([one.temperature for one in runs])
    conditions = conditions_of(kelvin, [one.crystal for one in runs])
    return conditions, constants_trend(conditions, runs)


def trends_of(conditions, trend, runs, qpoints=N_POINT):
    followed = follow_modes(trend.at(conditions.middle), runs, qpoints, np.ones(len(qpoints)))
    supercell = build_supercell(runs[0].crystal, 2 * np.eye(3, dtype=int))
    named = [SeriesRun(str(k), one, supercell) for k, one in enumerate(runs)]
    return mode_trends(conditions, followed, named, trend)


def gruneisen(build, kelvin, step=1e-4):
    """Frequencies at N, and −∂ln ω/∂(strain) by differences."""
    low, at, high = (
        frequencies_at(build(kelvin, x), N_POINT)[0][0] for x in (-step, 0.0, step)
    )
    return at, -(np.log(high) - np.log(low)) / (2.0 * step)


def test_constants_that_are_polynomials_in_t_and_volume_are_found_exactly(exact):
    runs = [exact(*place) for place in GRID]
    conditions, trend = series_of(runs)
    assert conditions.strain_names == ("ln V",)
    for kelvin, strain in ((450.0, 0.013), (900.0, -0.03), (700.0, 0.0)):
        wanted = exact(kelvin, strain)
        found = trend.at(kelvin, wanted.crystal.volume)
        np.testing.assert_allclose(found.values, wanted.values, atol=1e-10)
        np.testing.assert_allclose(found.crystal.cell, wanted.crystal.cell, rtol=1e-10)
    _, gamma = gruneisen(exact, 600.0)
    found = trends_of(conditions, trend, runs)
    np.testing.assert_allclose(np.sort(found.gruneisen), np.sort(gamma), rtol=1e-6)
    assert found.axial_gruneisen is None


@pytest.mark.slow
def test_z_scores_of_series_in_t_and_volume_have_unit_spread(exact):
    """Of frequencies at a temperature and volume, inside and outside, and of γ."""
    places = ((450.0, 0.013), (1000.0, -0.04))
    omega, gamma = gruneisen(exact, 600.0)
    order = np.argsort(omega)
    truth = {place: exact(*place) for place in GRID}
    still = exact(600.0, 0.0)
    first, second = (exact(600.0, 0.0, *one).values - still.values for one in ((1, 0), (0, 1)))
    rng = np.random.default_rng(2)
    scores = [[], [], []]
    for _ in range(N_SERIES):
        runs = []
        for place in GRID:
            spread = rng.uniform(0.02, 0.06)
            a, b = spread * rng.standard_normal((2, N_BLOCKS, 1, 1, 1))
            blocks = truth[place].values + a * first + b * second
            mean = blocks.mean(axis=0)
            left_out = (N_BLOCKS * mean - blocks) / (N_BLOCKS - 1)
            runs.append(replace(truth[place], values=mean, replicates=left_out))
        conditions, trend = series_of(runs)
        for k, place in enumerate(places):
            wanted = exact(*place)
            found, sem = frequencies_at(trend.at(place[0], wanted.crystal.volume), N_POINT)
            scores[k].append((found[0] - frequencies_at(wanted, N_POINT)[0][0]) / sem[0])
        modes = trends_of(conditions, trend, runs)
        here = np.argsort(modes.squared.mean(axis=0))
        error = modes.gruneisen[here] - gamma[order]
        scores[2].append(error / modes.gruneisen_sem[here])
    spreads = [np.sqrt(np.mean(np.square(one))) for one in scores]
    assert all(0.85 < one < 1.2 for one in spreads), spreads


def test_axial_ratio_and_volume_are_separate_variables(crystals, springs):
    crystal = crystals["wurtzite"]
    whole = springs(crystal, 3.5)

    def build(kelvin, volume, ratio):
        t = (kelvin - 600.0) / 300.0
        scale = 1.0 - 0.1 * t - 3.0 * volume + 1.2 * ratio + 0.4 * t * ratio
        return replace(
            whole,
            crystal=strained(crystal, volume, ratio),
            values=scale * whole.values,
            temperature=kelvin,
        )

    runs = [build(*place) for place in product((300.0, 900.0), (-0.02, 0.02), (-0.01, 0.01))]
    conditions, trend = series_of(runs)
    assert conditions.strain_names == ("ln V", "ln c/a")
    wanted = build(450.0, 0.01, 0.004)
    a, _, c = conventional_lengths([wanted.crystal])[0]
    found = trend.at(450.0, wanted.crystal.volume, c / a)
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-9)
    np.testing.assert_allclose(found.crystal.cell, wanted.crystal.cell, atol=1e-9)
    modes = trends_of(conditions, trend, runs, np.array([[0.5, 0.0, 0.0]]))
    # ω² is proportional to one number.
    np.testing.assert_allclose(modes.gruneisen, 1.5, rtol=1e-6)
    np.testing.assert_allclose(modes.axial_gruneisen, -0.6, rtol=1e-6)


def test_a_strain_that_varies_with_the_temperature_is_no_variable(exact):
    runs = [exact(kelvin, 1e-5 * kelvin) for kelvin in KELVIN]
    conditions, _ = series_of(runs)
    assert conditions.strain_names == ()
    with pytest.raises(DataError, match="temperature and volume are not separable"):
        conditions.strain_rows(conditions.basis(1), np.array(KELVIN), "ln V")
