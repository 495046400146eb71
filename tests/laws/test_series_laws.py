"""Error bars of a series of runs: frequencies between the runs, slopes and T_c."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.phonons.modes import frequencies_at
from trajmodes.thermo.series.common import constants_trend
from trajmodes.thermo.series.interpolation import Conditions, polynomial
from trajmodes.thermo.series.modes import follow_modes
from trajmodes.thermo.series.soft_mode import RESOLVED, soft_modes
from trajmodes.units import THZ

N_SERIES, N_BLOCKS = 50, 24
KELVIN = np.array([400.0, 600.0, 800.0, 1000.0, 1200.0])
BETWEEN = 700.0
# N of bcc, where symmetry fixes the polarisation vectors: ω² is linear in the constants.
N_POINT = np.array([[0.5, 0.0, 0.0]])


@pytest.fixture(scope="module")
def exact(crystals, springs):
    """``exact(kelvin, a, b)``: two springs, the near one weaker at low temperature."""
    crystal = crystals["bcc"]
    whole, near = springs(crystal, 4.5), springs(crystal, 2.6)
    keys = [(*r,) for r in whole.lattice.tolist()]
    other = np.zeros_like(whole.values)
    other[[keys.index((*r,)) for r in near.lattice.tolist()]] = near.values
    # Without this part of the near springs, found by bisection, a mode at N is soft.
    low, high = 0.0, 50.0
    for _ in range(60):
        ratio = 0.5 * (low + high)
        lowest = frequencies_at(replace(whole, values=whole.values - ratio * other), N_POINT)
        low, high = (ratio, high) if lowest[0].min() > 0.0 else (low, ratio)

    def build(kelvin, a=0.0, b=0.0):
        strength = ratio * (1.0 - 4e-4 * (kelvin - 500.0))
        return whole.values * (1.0 + a) - other * (strength + b)

    return whole, build


def test_z_scores_of_synthetic_series_have_unit_spread(exact):
    whole, build = exact
    conditions = Conditions(KELVIN, np.full(len(KELVIN), whole.crystal.volume))
    between = replace(whole, values=build(BETWEEN))
    truth = frequencies_at(between, N_POINT)[0][0]
    rng = np.random.default_rng(11)
    of_constants, of_modes, zeros, orders = [], [], [], []
    for _ in range(N_SERIES):
        runs = []
        for kelvin in KELVIN:
            # Runs of different length.
            spread = rng.uniform(0.01, 0.03)
            a, b = spread * rng.standard_normal((2, N_BLOCKS, 1, 1, 1))
            blocks = build(kelvin, a, b)
            mean = blocks.mean(axis=0)
            left_out = (N_BLOCKS * mean - blocks) / (N_BLOCKS - 1)
            runs.append(replace(whole, values=mean, replicates=left_out, temperature=kelvin))
        trend = constants_trend(conditions, runs)
        orders.append(trend.trend.order)
        omega, sem = frequencies_at(trend.at(BETWEEN), N_POINT)
        of_constants.append((omega[0] - truth) / sem[0])
        followed = follow_modes(trend.at(BETWEEN), runs, N_POINT, np.ones(1))
        squares, sems = followed.squares, followed.squares_sem
        fitted, error = polynomial(conditions, squares, sems, 1).at(np.array([BETWEEN]))
        here = np.argsort(fitted[0])
        of_modes.append((fitted[0, here] - truth**2) / error[0, here])
        soft = soft_modes(conditions, squares[:, here[:1]], sems[:, here[:1]])
        assert soft.verdicts == (RESOLVED,)
        zeros.append((soft.temperature[0] - 500.0) / soft.temperature_sem[0])
    assert np.mean(np.array(orders) == 1) > 0.8
    spreads = [np.sqrt(np.mean(np.square(one))) for one in (of_constants, of_modes, zeros)]
    assert all(0.85 < one < 1.2 for one in spreads), spreads
    assert truth[0] / THZ < truth[1] / THZ
