"""The constant force Φ1: what R² includes, and a fit without it.

In wurtzite symmetry allows a force along the c axis, opposite on the two species.
"""

import numpy as np
import pytest

from trajmodes.config.job import job_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.pipeline.fit_choices import fit_options

N_FRAMES = 100


@pytest.fixture
def frames(wurtzite, springs, hessian_of, random_frames):
    """Displacements, forces of springs with a constant force, and the Hessian."""
    hessian = hessian_of(springs(wurtzite.crystal, 4.0), wurtzite)
    u_tax, noise_tax = random_frames(wurtzite, N_FRAMES)
    u_tax = 0.05 * u_tax
    along = np.outer([1.0, 1.0, -1.0, -1.0], [0.0, 0.0, 0.3])
    constant = np.tile(along, (wurtzite.n_cells, 1))
    f_tax = constant - (u_tax.reshape(N_FRAMES, -1) @ hessian).reshape(u_tax.shape)
    return u_tax, f_tax + 0.05 * noise_tax, hessian


def test_r_squared_is_given_with_and_without_the_constant_force(
    wurtzite, frames, reduce_frames, fit_harmonic, hessian_of
):
    u_tax, f_tax, _ = frames
    fit = fit_harmonic(reduce_frames(wurtzite, u_tax, f_tax), cutoff=4.0)
    fitted = hessian_of(fit.constants, wurtzite)
    rest = f_tax + (u_tax.reshape(N_FRAMES, -1) @ fitted).reshape(u_tax.shape)
    alone = 1.0 - (rest**2).sum() / (f_tax**2).sum()
    quality = fit.constants.quality
    assert quality.r_squared_without_constant == pytest.approx(alone, abs=1e-10)
    assert quality.r_squared > quality.r_squared_without_constant + 0.005


def test_without_a_constant_force_there_is_one_r_squared(
    wurtzite, frames, reduce_frames, fit_harmonic, hessian_of
):
    u_tax, f_tax, _ = frames
    covariances = reduce_frames(wurtzite, u_tax, f_tax)
    fit = fit_harmonic(covariances, cutoff=4.0, options=FitOptions(constant_force=False))
    quality = fit.constants.quality
    assert quality.r_squared_without_constant is None
    fitted = hessian_of(fit.constants, wurtzite)
    rest = f_tax + (u_tax.reshape(N_FRAMES, -1) @ fitted).reshape(u_tax.shape)
    alone = 1.0 - (rest**2).sum() / (f_tax**2).sum()
    assert quality.r_squared == pytest.approx(alone, abs=1e-10)
    # least squares without Φ1 describes the forces better than force constants fitted beside it
    beside = fit_harmonic(covariances, cutoff=4.0).constants.quality
    assert quality.r_squared > beside.r_squared_without_constant


def test_the_option_fits_no_constant_force_at_any_order(wurtzite, frames, equations_of):
    u_tax, f_tax, _ = frames
    job = job_of("fit", "run.lammpstrj", {"no_constant_force": True})
    equations = equations_of(wurtzite, {2: 4.0, 3: 2.2}, u_tax, f_tax)
    fit = fit_equations(equations, options=fit_options(job))
    assert fit.model.count(1) == 0
    # no column of any order contains a constant force
    assert not fit.model.null_space[fit.model.expansion.columns(1)].any()
    other = fit_equations(equations, options=fit_options(job_of("fit", "run.lammpstrj", {})))
    assert other.model.count(1) == 1
