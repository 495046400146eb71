"""Convergence of force constants and frequencies with the length of the run."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.fit import Fit
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.phonons.modes import frequency_change, modes_at
from trajmodes.symmetry.translations import build_supercell, half_space

N_FRAMES = 64


@pytest.fixture(scope="module")
def space(crystals):
    return half_space(build_supercell(crystals["bcc"], 3 * np.eye(3, dtype=int)))


@pytest.fixture(scope="module")
def fitted(crystals, springs, hessian_of, space, fit_harmonic):
    """Springs whose forces are ten per cent stronger in the first half of the run."""
    hessian = hessian_of(springs(crystals["bcc"], 3.0), space.supercell)

    def fit(n_at_rest=0) -> Fit:
        random = np.random.default_rng(4)
        u_tax = random.normal(0.0, 0.05, (N_FRAMES, space.supercell.n_atoms, 3))
        u_tax -= u_tax.mean(axis=1, keepdims=True)
        u_tax[:n_at_rest] = 0.0
        f_tax = -(u_tax.reshape(N_FRAMES, -1) @ hessian).reshape(u_tax.shape)
        f_tax[: N_FRAMES // 2] *= 1.1
        reduction = ForceCovariance(space, N_FRAMES)
        state = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
        return fit_harmonic(reduction.finalize(state), cutoff=3.0)

    return fit


@pytest.fixture(scope="module")
def fit(fitted) -> Fit:
    return fitted()


def test_the_last_part_is_the_whole_run(fit) -> None:
    found = fit.convergence
    assert found.fraction[-1] == 1.0
    assert found.change[-1, 0] < 1e-12
    values = fit.constants.values
    np.testing.assert_allclose(fit.partial_values[-1], values, atol=1e-9 * abs(values).max())


def test_stronger_forces_in_the_first_half_change_its_fit(fit, space) -> None:
    """1.1 k for half of the run, about 1.05 k for all of it; ω goes with the root."""
    modes = modes_at(fit.constants, space.qpoints, space.weights)
    half = int(np.flatnonzero(fit.convergence.fraction == 0.5)[0])
    assert fit.convergence.change[half, 0] == pytest.approx(1.1 / 1.05 - 1.0, rel=0.2)
    change = frequency_change(fit.constants, fit.partial_values, modes)
    rms = np.sqrt(np.average(modes.omega**2, axis=0, weights=modes.weights).mean())
    assert change[half] == pytest.approx((np.sqrt(1.1 / 1.05) - 1.0) * rms, rel=0.2)
    assert change[-1] < 1e-5


def test_undetermined_parts_are_left_out(fitted) -> None:
    found = fitted(n_at_rest=N_FRAMES // 4)
    assert found.convergence.fraction[0] > 0.25
    assert np.isfinite(found.convergence.change).all()
    assert len(found.partial_values) == len(found.convergence.fraction) < 16
