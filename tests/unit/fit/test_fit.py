import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.fit.solution import FitOptions


@pytest.fixture
def run(wurtzite, springs, hessian_of, reduce_frames, random_frames):
    def make(n_frames, noise=0.05, cutoff=4.0):
        hessian = hessian_of(springs(wurtzite.crystal, cutoff), wurtzite)
        u_tax, noise_tax = random_frames(wurtzite, n_frames)
        u_tax = 0.05 * u_tax
        f_tax = -(u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
        return reduce_frames(wurtzite, u_tax, f_tax + noise * noise_tax), u_tax, f_tax

    return make


def test_quality_describes_the_frames(run, fit_harmonic):
    covariances, _, f_tax = run(200)
    fit = fit_harmonic(covariances, cutoff=4.0, temperature=300.0)
    quality = fit.constants.quality
    rms = np.sqrt((f_tax**2).mean())
    assert quality.rms_force == pytest.approx(np.hypot(rms, 0.05), rel=0.01)
    assert quality.rms_residual == pytest.approx(0.05, rel=0.02)
    assert quality.r_squared == pytest.approx(1 - 0.05**2 / (rms**2 + 0.05**2), abs=1e-4)
    assert quality.rank == quality.n_parameters
    assert quality.n_frames == 200
    assert fit.constants.temperature == 300.0
    assert fit.constants.cutoff == 4.0
    assert fit.notes == ()


def test_force_constants_have_pairs_and_errors(run, fit_harmonic):
    covariances, _, _ = run(200)
    fit = fit_harmonic(covariances, cutoff=4.0)
    constants = fit.constants
    assert constants.n_pairs == fit.model.expansion.bases[1].orbits.n_clusters
    assert len(constants.replicates) == fit.errors.n_blocks
    spread = constants.replicates - constants.replicates.mean(axis=0)
    n_blocks = len(spread)
    sem = np.sqrt((n_blocks - 1) / n_blocks * (spread**2).sum(axis=0))
    assert 0.0 < sem.max() < 0.05
    # force constants that vanish by symmetry have no error
    zero = np.abs(constants.values) < 1e-12
    assert sem[zero].max() < 1e-12


def test_constant_force_equals_shifting_the_frames(
    wurtzite, reduce_frames, random_frames, fit_harmonic
):
    u_tax, f_tax = random_frames(wurtzite, 40)
    fit = fit_harmonic(reduce_frames(wurtzite, u_tax, f_tax, n_blocks=4), cutoff=4.4)

    def allowed(x_tax):
        # wurtzite: along c, and the same for both atoms of a species
        mean_sx = x_tax.reshape(40, wurtzite.n_cells, 4, 3).mean(axis=(0, 1))
        along = np.repeat([mean_sx[:2, 2].mean(), mean_sx[2:, 2].mean()], 2)
        return np.outer(along, [0, 0, 1])

    def everywhere(x_sx):
        return np.tile(x_sx, (wurtzite.n_cells, 1))

    by_hand = reduce_frames(
        wurtzite,
        u_tax - everywhere(allowed(u_tax)),
        f_tax - everywhere(allowed(f_tax)),
        n_blocks=4,
    )
    shifted = fit_harmonic(by_hand, cutoff=4.4, options=FitOptions(constant_force=False))
    np.testing.assert_allclose(fit.constants.values, shifted.constants.values, atol=1e-12)
    np.testing.assert_allclose(fit.reference.shift, allowed(u_tax), atol=1e-14)
    fixed = fit_harmonic(
        reduce_frames(wurtzite, u_tax, f_tax, n_blocks=4),
        cutoff=4.4,
        options=FitOptions(constant_force=False),
    )
    assert np.abs(fixed.constants.values - shifted.constants.values).max() > 1e-6


def test_default_cutoff_is_the_largest(run, fit_harmonic):
    covariances, _, _ = run(100)
    fit = fit_harmonic(covariances)
    assert fit.constants.cutoff == pytest.approx(1.5 * 3.19)
    orbits = fit.model.expansion.bases[1].orbits
    assert orbits.radii[-1] < fit.constants.cutoff
    assert fit_harmonic(covariances, cutoff="supercell").constants.cutoff is None


def test_few_frames_have_no_error_bars(run, fit_harmonic):
    covariances, _, _ = run(5)
    fit = fit_harmonic(covariances, cutoff=4.0)
    assert fit.constants.replicates is None
    assert fit.errors is None
    assert np.isnan(fit.reference.shift_sem).all()
    assert any("too few frames for error bars" in str(note) for note in fit.notes)


def test_mean_forces_on_the_reference_are_noted(wurtzite, run, reduce_frames, fit_harmonic):
    _, u_tax, f_tax = run(100)
    mean_force = np.tile(np.outer([1, 1, -1, -1], [0, 0, 0.3]), (wurtzite.n_cells, 1))
    fit = fit_harmonic(reduce_frames(wurtzite, u_tax, f_tax + mean_force), cutoff=4.0)
    np.testing.assert_allclose(fit.constants.quality.first_order, mean_force[:4], atol=1e-10)
    assert any("0.3 eV/Å, and the site would relax" in str(note) for note in fit.notes)


def test_minimum_norm_is_noted(wurtzite, run, reduce_frames, fit_harmonic):
    _, u_tax, f_tax = run(50)
    flat = reduce_frames(wurtzite, u_tax * [0, 0, 1], f_tax)
    with pytest.raises(DataError, match="undetermined"):
        fit_harmonic(flat, cutoff=4.0)
    fit = fit_harmonic(flat, cutoff=4.0, options=FitOptions(minimum_norm=True))
    assert fit.constants.quality.rank < fit.constants.quality.n_parameters
    assert "minimum-norm solution" in str(fit.notes[0])


def test_zero_forces_are_refused(wurtzite, run, reduce_frames, fit_harmonic):
    _, u_tax, f_tax = run(10)
    with pytest.raises(DataError, match="all forces are zero"):
        fit_harmonic(reduce_frames(wurtzite, u_tax, 0.0 * f_tax), cutoff=4.0)
