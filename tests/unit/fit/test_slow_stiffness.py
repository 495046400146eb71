"""Error bars of a crystal whose stiffness follows a slow variable, as that of other modes."""

import numpy as np
import pytest

from trajmodes.fit.quality import compared_with_lifetimes
from trajmodes.symmetry.translations import build_supercell

LIFETIME = 8.0
"""Correlation time of the stiffness in frames; one frame is 1 ps."""

RUNS = 60


@pytest.fixture
def runs(crystals, springs, hessian_of, reduce_frames, fit_harmonic):
    """``runs(n_frames)``: fits to many runs."""
    supercell = build_supercell(crystals["bcc"], np.diag([2, 2, 2]))
    exact = springs(supercell.crystal, 3.0)
    hessian = hessian_of(exact, supercell)
    memory = np.exp(-1.0 / LIFETIME)

    def make(n_frames):
        rng = np.random.default_rng(0)
        found = []
        for _ in range(RUNS):
            u_tax = rng.normal(size=(n_frames, supercell.n_atoms, 3))
            kicks = rng.normal(size=n_frames) * np.sqrt(1.0 - memory**2)
            stiffness = np.empty(n_frames)
            stiffness[0] = rng.normal()
            for t in range(1, n_frames):
                stiffness[t] = memory * stiffness[t - 1] + kicks[t]
            scale = 1.0 + 0.1 * stiffness[:, None, None]
            f_tax = -scale * (u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
            fit = fit_harmonic(reduce_frames(supercell, u_tax, f_tax), cutoff="supercell")
            found.append(fit)
        return found

    return make


def spread_of(fits):
    """Root mean square of (x − mean of all runs)/error, of the stiffness of the site."""
    values = np.array([fit.constants.values[0, 0, 0] for fit in fits])
    replicates = np.array([fit.constants.replicates.std(axis=0)[0, 0, 0] for fit in fits])
    counts = np.array([len(fit.constants.replicates) for fit in fits])
    errors = replicates * np.sqrt(counts - 1)
    return float(np.sqrt((((values - values.mean()) / errors) ** 2).mean()))


def test_converged_errors_are_the_scatter_of_runs(runs):
    fits = runs(1024)
    assert 0.85 < spread_of(fits) < 1.25
    kept = [compared_with_lifetimes(fit.errors, 1.0, np.array([LIFETIME]))[1] for fit in fits]
    assert kept == [None] * RUNS


@pytest.mark.parametrize("n_frames", [32, 128])
def test_errors_of_short_runs_are_called_lower_bounds(runs, n_frames):
    fits = runs(n_frames)
    assert spread_of(fits) > 1.25
    for fit in fits:
        errors, note = compared_with_lifetimes(fit.errors, 1.0, np.array([LIFETIME]))
        assert not errors.levelled
        assert "lower bounds" in str(note)
