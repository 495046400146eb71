"""Error bars of all orders match the scatter of many runs of correlated frames."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of, fit_equations
from trajmodes.fit.model import model_of
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell

N_FRAMES = 1600
MOVED, NOISE = 0.1, 0.3
"""Standard deviations of displacements in Å and of force noise in eV/Å."""


def correlated(rng, shape, memory):
    """Noise of unit variance with correlation memoryᵗ between frames."""
    fresh = rng.normal(size=shape)
    for t in range(1, shape[0]):
        fresh[t] = memory * fresh[t - 1] + np.sqrt(1.0 - memory**2) * fresh[t]
    return fresh


@pytest.fixture(scope="module")
def runs(crystals, dense_of):
    """``runs(n, memory)`` yields normal equations of wurtzite up to third order.

    Displacements are Gaussian, so that ⟨uuu⟩ = 0 and the sequential limit is the truth.
    """
    supercell = build_supercell(crystals["wurtzite"], np.diag([2, 2, 1]))
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: 2.5, 3: 2.1})
    model = model_of(expansion, constraints=Constraints(), scheme="sequential")
    x = np.random.default_rng(0).normal(size=model.n_parameters)
    truth = x * np.where(model.order == 3, 2.0, 1.0)
    dense = dense_of(constants_of(model, truth), supercell)
    reduction = ForceRows(expansion, supercell, N_FRAMES)

    def make(n_runs, memory):
        for seed in range(n_runs):
            rng = np.random.default_rng(seed)
            u_tx = MOVED * correlated(rng, (N_FRAMES, 3 * supercell.n_atoms), memory)
            f_tx = NOISE * correlated(rng, u_tx.shape, memory) - u_tx @ dense[2]
            f_tx -= 0.5 * np.einsum("xty,ty->tx", u_tx @ dense[3], u_tx)
            u_tax, f_tax = (one.reshape(N_FRAMES, -1, 3) for one in (u_tx, f_tx))
            yield reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))

    return make, truth[model.order > 1]


def independent(fit):
    """Free parameters of second and third order, and the mask of these."""
    z = np.zeros(fit.model.expansion.n_parameters)
    for basis, values in zip(
        fit.model.expansion.bases[1:],
        (fit.constants.values, fit.constants.triplets.values),
        strict=True,
    ):
        units = basis.expand(np.eye(basis.n_parameters)).reshape(basis.n_parameters, -1)
        z[fit.model.expansion.columns(basis.order)] = units @ values.ravel()
    fitted = fit.model.order > 1
    return fit.model.null_space[:, fitted].T @ z, fitted


@pytest.mark.parametrize(
    ("n_runs", "memory"),
    [
        pytest.param(20, 0.7, id="few"),
        pytest.param(100, 0.0, marks=pytest.mark.slow),
        pytest.param(100, 0.7, marks=pytest.mark.slow),
        pytest.param(100, 0.85, marks=pytest.mark.slow),
    ],
)
def test_error_bars_of_both_orders_match_the_scatter(runs, n_runs, memory):
    make, truth = runs
    scores, inefficiencies = {"jackknife": [], "sandwich": []}, []
    for equations in make(n_runs, memory):
        for method, found in scores.items():
            fit = fit_equations(equations, options=FitOptions(errors=method))
            x, fitted = independent(fit)
            found.append((x - truth) / np.sqrt(fit.errors.variance[fitted]))
        inefficiencies.append(fit.errors.inefficiency)
    orders = fit.model.order[fit.model.order > 1]
    for method, found in scores.items():
        for order in (2, 3):
            spread = np.sqrt(np.mean(np.array(found)[:, orders == order] ** 2))
            assert 0.85 < spread < 1.2, (method, order, spread)
    # u ε and uu ε have the correlations memory² and memory³ between frames
    parts = [(1.0 + memory**n) / (1.0 - memory**n) for n in (2, 3)]
    expected = np.mean(np.where(orders == 2, *parts))
    assert np.mean(inefficiencies) == pytest.approx(expected, rel=0.15)


def test_replicates_give_the_errors_of_force_constants(runs):
    """The replicates give the error of any function of the force constants."""
    make, _ = runs
    fit = fit_equations(next(make(1, 0.0)))
    basis, own = fit.model.expansion.bases[2], fit.model.expansion.columns(3)
    spread = fit.constants.triplets.replicates
    spread = spread - spread.mean(axis=0)
    n_blocks = len(spread)
    variance = (n_blocks - 1) / n_blocks * (spread**2).sum(axis=(0, 2, 3, 4))
    fitted = fit.model.order == 3
    expected = fit.errors.variance[fitted].sum()
    assert variance.sum() == pytest.approx(expected)
    assert len(variance) == basis.orbits.n_clusters
    assert own.stop - own.start == basis.n_parameters
