"""One-phonon lines of force constants."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.charges import Charges
from trajmodes.data.spectra import OnePhonon
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.scattering.one_phonon import Grid, Target, phonon_lines
from trajmodes.pipeline.scattering.structure_factor import classical_displacements
from trajmodes.scattering.density import density_transform
from trajmodes.scattering.one_phonon import (
    Thermal,
    broadened,
    one_phonon,
    replicate_lines,
    with_errors,
)
from trajmodes.scattering.structure_factor import StructureFactorReduction
from trajmodes.scattering.wavevectors import commensurate_on, on_grid, section
from trajmodes.scattering.weights import weights
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import half_space
from trajmodes.units import BOLTZMANN, HBAR, THZ

F = {"Na": 3.6, "Cl": -1.7}
AMPLITUDES = "Na:3.6 Cl:-1.7"


def _site_tensors(harmonic) -> np.ndarray:
    """⟨uu⟩ (s, 3, 3) of the sites of the supercell."""
    n = harmonic.supercell.n_atoms
    blocks = harmonic.covariance.reshape(n, 3, n, 3)
    own = np.array([blocks[a, :, a, :] for a in range(n)])
    return own.reshape(-1, harmonic.supercell.crystal.n_sites, 3, 3).mean(axis=0)


def _classical(harmonic) -> Thermal:
    return Thermal(harmonic.kelvin, quantum=False, displacements=_site_tensors(harmonic))


@pytest.fixture(scope="module")
def waves(harmonic):
    one = section(harmonic.supercell.crystal, (0, 0.5, 0), (1, 2.5, 0), (0, 0.5, 2))
    return commensurate_on(one, harmonic.supercell)


def test_intensities_are_the_covariance_of_the_displacements(harmonic, waves):
    """Σ_m S_m = Q·⟨ρ₁ρ₁*⟩·Q/N f², with ⟨uu⟩ of the whole supercell by its Hessian."""
    supercell, thermal = harmonic.supercell, _classical(harmonic)
    amplitudes = weights(AMPLITUDES, waves)
    lines = one_phonon(harmonic.constants, waves, amplitudes, thermal)
    n = supercell.n_atoms
    f_a = np.array([F[name] for name in supercell.species])
    q_kx = waves.cartesian
    site = thermal.displacements[supercell.site_index]
    factor = np.exp(-0.5 * np.einsum("kx,axy,ky->ka", q_kx, site, q_kx))
    first = (f_a * factor * np.exp(-1j * q_kx @ supercell.positions.T))[:, :, None] * q_kx[
        :, None
    ]
    flat = first.reshape(len(q_kx), -1)
    total = np.einsum("ki,ij,kj->k", flat, harmonic.covariance, flat.conj()).real
    expected = total / n / amplitudes.mean_square
    found = (lines.created + lines.annihilated).sum(axis=1)
    # At reciprocal lattice points the acoustic modes are the drift, which both leave out.
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert len(q_kx) == 20


def test_displacements_have_the_symmetry_of_the_supercell(harmonic):
    """⟨uu⟩ of the waves that a sheared supercell admits is not isotropic, as in the run."""
    space = half_space(harmonic.supercell)
    modes = modes_at(harmonic.constants, space.qpoints, space.weights)
    found = classical_displacements(modes, harmonic.kelvin)
    expected = _site_tensors(harmonic)
    np.testing.assert_allclose(found, expected, atol=1e-9 * expected.max())
    axes = np.linalg.eigvalsh(expected)
    assert (axes[:, 2] > 1.05 * axes[:, 0]).all()


def test_lines_without_a_width_are_counted(harmonic, waves):
    """Only lines that scatter count, whether they have a width or not."""
    amplitudes, thermal = weights(AMPLITUDES, waves), _classical(harmonic)
    grid = Grid(np.linspace(0.0, 50.0, 11), 0.3 * THZ)
    plain = phonon_lines(harmonic.constants, Target(waves, amplitudes), thermal, grid)
    assert plain.notes == ()
    scatters = plain.lines.created > 0.0
    width = np.where(scatters, 1.0, np.nan)
    target = Target(waves, amplitudes, width)
    assert phonon_lines(harmonic.constants, target, thermal, grid).notes == ()
    width[tuple(np.argwhere(scatters)[[2, 5, 7]].T)] = np.nan
    (note,) = phonon_lines(harmonic.constants, target, thermal, grid).notes
    text = f"3 of {scatters.sum()} one-phonon lines have no width in the results"
    assert note.text.startswith(text)
    assert "0.3 THz" in note.text


@pytest.mark.slow
def test_a_harmonic_run_has_the_lines_of_its_force_constants(harmonic):
    """Means over bins around each line of independent runs, within their errors."""
    supercell, n_runs, length, interval = harmonic.supercell, 200, 512, 0.008
    ranges = tuple((k * length, (k + 1) * length) for k in range(n_runs))
    waves = commensurate_on(section(supercell.crystal, (0, 0.5, 0), (0, 1.5, 0)), supercell)
    amplitudes = weights(AMPLITUDES, waves)
    reduction = StructureFactorReduction(
        density_transform(supercell, waves, amplitudes), amplitudes, length, interval, ranges
    )
    times = interval * np.arange(length)
    found = stream(
        lambda a, b: replace(harmonic.motion((b - a) // length, times, seed=a), first_frame=a),
        list(ranges),
        reduction,
        workers=1,
    )
    lines = one_phonon(harmonic.constants, waves, amplitudes, _classical(harmonic))
    step, scores = found.omega[1], []
    for k, (omega, up) in enumerate(zip(lines.omega, lines.created, strict=True)):
        for m in np.flatnonzero(up > 1e-3 * up.max()):
            same = np.abs(omega - omega[m]) < 1e-6
            near = (np.abs(omega - omega[m]) < 8.0 * step) & ~same & (up > 1e-3 * up.max())
            if same[:m].any() or near.any():
                continue
            here = np.abs(found.omega - omega[m]) < 4.0 * step
            total, sem = (one[k, here].sum() * step for one in (found.power, found.power_sem))
            scores.append((total - up[same].sum()) / sem)
    assert len(scores) >= 2
    assert np.abs(scores).max() < 3.0
    both = (lines.created + lines.annihilated).sum(axis=1)
    z = (found.static - both) / found.static_sem
    # Processes of two phonons add a few per cent.
    assert np.abs(z).max() < 4.0


def test_quantum_lines_obey_detailed_balance(harmonic, waves):
    kelvin = 150.0
    thermal = Thermal(kelvin, quantum=True, displacements=np.zeros((2, 3, 3)))
    lines = one_phonon(harmonic.constants, waves, weights("equal", waves), thermal)
    seen = lines.created > 1e-12
    boltzmann = np.exp(-HBAR * lines.omega / (BOLTZMANN * kelvin))
    np.testing.assert_allclose(lines.annihilated[seen], (lines.created * boltzmann)[seen])
    # With a width the whole spectrum obeys it.
    damped = replace(lines, width=np.full_like(lines.omega, 0.4 * THZ))
    omega = np.linspace(-40.0, 40.0, 401)
    found = broadened(damped, omega, 0.05 * THZ, thermal)
    ratio = np.exp(-HBAR * omega / (BOLTZMANN * kelvin))
    np.testing.assert_allclose(found[:, ::-1], found * ratio, rtol=1e-9)


def test_quantum_lines_become_classical_ones_when_hot(harmonic, waves):
    none = np.zeros((2, 3, 3))
    hot, amplitudes = 1e6, weights(AMPLITUDES, waves)
    quantum, classical = (
        one_phonon(harmonic.constants, waves, amplitudes, Thermal(hot, q, none))
        for q in (True, False)
    )
    np.testing.assert_allclose(quantum.created, classical.created, rtol=1e-3, atol=1e-9)
    cold = one_phonon(
        harmonic.constants, waves, amplitudes, Thermal(0.0, quantum=True, displacements=none)
    )
    assert not cold.annihilated.any()
    assert cold.created.any()


@pytest.mark.parametrize("quantum", [True, False])
def test_lines_keep_their_intensity_when_broadened(harmonic, waves, quantum):
    thermal = Thermal(200.0, quantum, np.zeros((2, 3, 3)))
    lines = one_phonon(harmonic.constants, waves, weights("equal", waves), thermal)
    omega = np.linspace(-120.0, 120.0, 6001)
    total = (lines.created + lines.annihilated).sum(axis=1)
    found = broadened(lines, omega, 0.2 * THZ, thermal)
    np.testing.assert_allclose(found.sum(axis=1) * (omega[1] - omega[0]), total, rtol=1e-9)
    assert (found >= 0.0).all()


@pytest.mark.parametrize("gamma", [0.3, 3.0, 20.0, 45.0])
def test_a_wide_line_is_a_damped_oscillator(gamma):
    """With a very fine resolution the profile is the formula of the docstring."""
    centre, thermal = 20.0, Thermal(300.0, quantum=False, displacements=np.zeros((1, 3, 3)))
    one = np.array([[centre]])
    lines = OnePhonon(one, one / one, one / one, one / one, width=gamma * one / one)
    omega = np.linspace(-80.0, 80.0, 1601)
    found = broadened(lines, omega, 1e-3 * gamma, thermal)[0]
    square = centre**2
    expected = 2.0 / np.pi * gamma * square / ((omega**2 - square) ** 2 + (gamma * omega) ** 2)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_frequencies_and_intensities_have_errors(harmonic, waves):
    """Replicates are constants scaled by 1 + δ: ω changes by δ/2, ⟨uu⟩ and 1/ω² by −δ."""
    n, delta = 8, 1e-4 * np.random.default_rng(1).normal(size=8)
    values = (1.0 + delta[:, None, None, None]) * harmonic.constants.values
    constants = replace(harmonic.constants, replicates=values)
    # As hot as crystals are where the Debye–Waller factor matters.
    moved = 40.0 * _site_tensors(harmonic)
    changes = -delta[:, None, None, None] * moved
    thermal = Thermal(
        40.0 * harmonic.kelvin, quantum=False, displacements=moved, changes=changes
    )
    amplitudes = weights("equal", waves)
    lines = one_phonon(constants, waves, amplitudes, thermal)
    found = with_errors(lines, replicate_lines(constants, waves, amplitudes, thermal))
    spread = np.sqrt((n - 1) / n * ((delta - delta.mean()) ** 2).sum())
    seen = lines.created > 1e-6 * lines.created.max()
    np.testing.assert_allclose(
        found.omega_sem[seen], 0.5 * spread * lines.omega[seen], rtol=2e-3
    )
    # The derivative with respect to δ, of intensities with both changed by hand.
    step = 1e-4
    up, down = (
        one_phonon(
            replace(constants, values=(1.0 + s) * constants.values, replicates=None),
            waves,
            amplitudes,
            replace(thermal, displacements=moved / (1.0 + s)),
        ).created
        for s in (step, -step)
    )
    slope = np.abs(up - down) / (2.0 * step)
    np.testing.assert_allclose(
        found.created_sem[seen], spread * slope[seen], rtol=5e-3, atol=1e-8
    )


def test_imaginary_modes_scatter_nothing(crystals, springs):
    constants = springs(crystals["bcc"], 4.0, strength=-1.0)
    waves = on_grid(section(constants.crystal, (0.1, 0, 0), (0.5, 0, 0)), 5)
    lines = one_phonon(
        constants,
        waves,
        weights("equal", waves),
        Thermal(300.0, quantum=True, displacements=np.zeros((1, 3, 3))),
    )
    assert (lines.omega < 0.0).any()
    assert not lines.created[lines.omega < 0.0].any()


def test_lines_of_a_polar_crystal_are_continuous_at_reciprocal_lattice_points(harmonic):
    born = np.array([1.0, -1.0])[:, None, None] * np.eye(3)
    constants = replace(harmonic.constants, charges=Charges(born, 2.5 * np.eye(3)))
    waves = on_grid(section(harmonic.supercell.crystal, (0, 0.99, 0), (0, 1.01, 0)), 3)
    args = (waves, weights(AMPLITUDES, waves), _classical(harmonic))
    before, at, after = one_phonon(constants, *args).omega[:, 3:]
    np.testing.assert_allclose(at, 0.5 * (before + after), rtol=1e-3)
    without = one_phonon(constants, *args, in_supercell=True).omega[1, 3:]
    np.testing.assert_allclose(without, without[0])
    assert at[-1] > 1.05 * without[-1]
