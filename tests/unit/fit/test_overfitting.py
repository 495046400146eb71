"""A fit that describes the fitted frames far better than others is warned of."""

import numpy as np
import pytest

from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions

NOISE = 0.05


@pytest.fixture
def fitted(wurtzite, springs, hessian_of, equations_of, random_frames):
    """``fitted(n_frames, **cutoffs)``: harmonic forces with noise, as large as the forces."""
    hessian = hessian_of(springs(wurtzite.crystal, 4.0), wurtzite)

    def make(n_frames, cutoffs, n_blocks=8, options=None):
        u_tax, noise_tax = random_frames(wurtzite, n_frames, seed=1)
        f_tax = -(u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
        # The forces of all atoms add up to zero.
        noise_tax = noise_tax - noise_tax.mean(axis=1, keepdims=True)
        f_tax = NOISE * (f_tax / f_tax.std() + noise_tax)
        equations = equations_of(wurtzite, cutoffs, 0.05 * u_tax, f_tax, n_blocks)
        return fit_equations(equations, options=options)

    return make


def warnings(fit):
    return [str(note) for note in fit.notes if note.severity == "warning"]


def test_left_out_r_squared_is_that_of_unseen_frames(fitted):
    # Half of Σ|f|² is noise: no force constants describe more than ½ of other frames, and
    # p parameters describe p/N of the noise of N forces.
    quality = fitted(4, {2: 4.4}).constants.quality
    share = quality.n_parameters / (4 * 3 * 71)
    assert quality.r_squared == pytest.approx(0.5 + 0.5 * share, abs=0.02)
    # One block of four left out: p/N grows by 4/3.
    left_out = 0.5 - 0.5 * share * (4 / 3) / (1.0 - share * 4 / 3)
    assert quality.r_squared_predicted == pytest.approx(left_out, abs=0.03)


def test_enough_frames_are_not_overfitted(fitted):
    fit = fitted(100, {2: 4.4})
    assert warnings(fit) == []
    quality = fit.constants.quality
    assert quality.r_squared_predicted == pytest.approx(quality.r_squared, abs=0.01)


def test_frames_left_out_that_are_predicted_far_worse_are_a_warning(fitted):
    fit = fitted(7, {2: "supercell"})
    quality = fit.constants.quality
    # The supercell has a lower symmetry than the crystal, which is another warning.
    (text,) = (one for one in warnings(fit) if "symmetry" not in one)
    assert text.startswith(f"overfitted: R² is {quality.r_squared:.3f} of the frames fitted")
    assert f"is {quality.r_squared_predicted:.3f} of frames left out" in text


def test_a_single_block_is_judged_by_the_number_of_parameters(fitted):
    fit = fitted(7, {2: "supercell"}, n_blocks=1)
    assert fit.constants.quality.r_squared_predicted is None
    assert "is expected to be" in warnings(fit)[0]


@pytest.mark.slow
def test_more_parameters_than_forces_are_a_warning(fitted):
    # Each order is determined by itself, all together are not.
    fit = fitted(7, {2: "supercell", 3: 3.4})
    quality = fit.constants.quality
    assert quality.rank == quality.n_parameters > 7 * 3 * 71
    assert warnings(fit)[0].startswith("the fit has more parameters than data")


def test_a_regularised_fit_may_have_more_parameters_than_forces(fitted):
    options = FitOptions(method="ridge", strength=1.0)
    fit = fitted(2, {2: "supercell"}, options=options)
    assert not any("more parameters" in text for text in warnings(fit))


def test_exact_forces_are_not_overfitted(wurtzite, springs, hessian_of, equations_of):
    # Residuals of rounding size say nothing, however different they are.
    hessian = hessian_of(springs(wurtzite.crystal, 4.0), wurtzite)
    u_tax = np.random.default_rng(0).normal(size=(8, wurtzite.n_atoms, 3))
    f_tax = -(u_tax.reshape(8, -1) @ hessian).reshape(u_tax.shape)
    assert warnings(fit_equations(equations_of(wurtzite, {2: 4.4}, u_tax, f_tax, 8))) == []
