"""What the stages return arrives in the nouns of the report unchanged."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data import MotionBlock, PowerSpectra
from trajmodes.fit import Fit, ForceCovariance, fit_harmonic
from trajmodes.phonons import band_path, dispersion, modes_at
from trajmodes.pipeline.collect import bands_of, convergence_of, spectral_map
from trajmodes.symmetry import build_supercell, half_space
from trajmodes.units import THZ

N_FRAMES = 64


@pytest.fixture(scope="module")
def space(crystals):
    return half_space(build_supercell(crystals["bcc"], 3 * np.eye(3, dtype=int)))


@pytest.fixture(scope="module")
def fit(crystals, springs, hessian_of, space) -> Fit:
    """Springs whose forces are ten per cent stronger in the first half of the run."""
    random = np.random.default_rng(4)
    u_tax = random.normal(0.0, 0.05, (N_FRAMES, space.supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    hessian = hessian_of(springs(crystals["bcc"], 3.0), space.supercell)
    f_tax = -(u_tax.reshape(N_FRAMES, -1) @ hessian).reshape(u_tax.shape)
    f_tax[: N_FRAMES // 2] *= 1.1
    reduction = ForceCovariance(space, N_FRAMES)
    state = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
    return fit_harmonic(reduction.finalize(state), cutoff=3.0)


@pytest.fixture(scope="module")
def modes(fit, space):
    return modes_at(fit.constants, space.qpoints, space.weights)


def test_convergence_of_constants_and_frequencies(fit, modes) -> None:
    found = convergence_of(fit, modes)
    assert found.fraction[-1] == 1.0
    assert found.change[-1] < 1e-12
    assert found.freq_change_thz[-1] < 1e-6
    # Half of the run has constants 1.1 k, all of it about 1.05 k; ω goes with the root.
    half = int(np.flatnonzero(found.fraction == 0.5)[0])
    assert found.change[half] == pytest.approx(1.1 / 1.05 - 1.0, rel=0.2)
    rms_thz = np.sqrt(
        np.average((modes.omega / THZ) ** 2, axis=0, weights=modes.weights).mean()
    )
    expected = (np.sqrt(1.1 / 1.05) - 1.0) * rms_thz
    assert found.freq_change_thz[half] == pytest.approx(expected, rel=0.2)


def test_frames_too_few_for_the_constants_are_left_out(fit, modes) -> None:
    parameters = fit.convergence.parameters.copy()
    parameters[:3] = np.nan
    short = replace(fit, convergence=replace(fit.convergence, parameters=parameters))
    found, whole = convergence_of(short, modes), convergence_of(fit, modes)
    np.testing.assert_array_equal(found.freq_change_thz, whole.freq_change_thz[3:])
    np.testing.assert_array_equal(found.fraction, whole.fraction[3:])


def test_bands_keep_their_jumps(fit) -> None:
    bands = dispersion(fit.constants, band_path(fit.constants.crystal, 0.1))
    shown = bands_of(bands)
    np.testing.assert_allclose(shown.freq_thz, bands.omega / THZ)
    # Γ–H–N–Γ–P–H|P–N: one jump, at no distance.
    assert len(shown.breaks) == 1
    here = int(shown.breaks[0])
    assert shown.distance[here] == pytest.approx(shown.distance[here - 1])
    assert np.abs(shown.qpoints[here] - shown.qpoints[here - 1]).max() > 0.1
    assert "H|P" in shown.tick_labels


def test_the_map_adds_up_the_branches(fit, modes) -> None:
    bands = dispersion(fit.constants, band_path(fit.constants.crystal, 0.1))
    # A spectrum that tells the label of its set.
    power_gw = np.arange(1.0, modes.n_sets + 1.0)[:, None] * np.ones(4)
    spectra = PowerSpectra(np.arange(4.0), power_gw, np.ones(modes.n_sets), 16, 0.01)
    found = spectral_map(bands, modes, spectra)
    sums = {float((row + 1.0).sum()) for row in modes.sets if (row >= 0).all()}
    assert set(found.power[:, 0].tolist()) <= sums
    assert (np.diff(found.distance) >= 0.0).all()
