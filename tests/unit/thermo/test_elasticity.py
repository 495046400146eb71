"""Elastic constants and sound, against the bands, closed forms and strained crystals."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.coulomb.long_waves import long_wave_dipoles
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.errors import UsageError
from trajmodes.phonons import strain
from trajmodes.phonons.modes import frequencies_at
from trajmodes.pipeline.thermo.asymmetry import asymmetry_warnings
from trajmodes.thermo.elasticity import (
    acoustic_tensor,
    debye_temperature_of_sound,
    elasticity,
    sound_velocities,
)
from trajmodes.units import BOLTZMANN, DALTON, HBAR


def central_springs(crystal: Crystal, cutoff: float, stiff: float = 3.0) -> ForceConstants:
    """Springs without initial tension between all neighbours within a cutoff."""
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    s = crystal.n_sites
    first, second, cell = (x.ravel() for x in np.indices((s, s, len(cells))))
    apart = cells[cell] + crystal.sites[second] - crystal.sites[first]
    r_px = apart @ crystal.cell
    length = np.linalg.norm(r_px, axis=1)
    near = (length > 1e-6) & (length < cutoff)
    unit = r_px[near] / length[near, None]
    values = -stiff * unit[:, :, None] * unit[:, None, :] / length[near, None, None]
    own = np.zeros((s, 3, 3))
    np.subtract.at(own, first[near], values)
    at = np.arange(s)
    return ForceConstants(
        crystal,
        np.concatenate([at, first[near]]),
        np.concatenate([at, second[near]]),
        np.concatenate([np.zeros((s, 3), int), cells[cell[near]]]),
        np.concatenate([own, values]),
    )


DIRECTIONS = np.array([[1.0, 0, 0], [1, 1, 0], [0.3, -1.2, 0.7], [0, 0, -2]])


def test_sound_of_a_polar_crystal_is_the_slope_of_its_bands(crystals, springs):
    """Rock salt is not piezoelectric: the macroscopic field does not act on sound."""
    constants = springs(crystals["rock salt"], 5.0)
    charges = Charges(np.array([1.1, -1.1])[:, None, None] * np.eye(3), 2.4 * np.eye(3))
    polar = replace(constants, charges=charges)
    found = sound_velocities(polar, DIRECTIONS)
    unit = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    omega, _ = frequencies_at(polar, 2e-4 * unit @ polar.crystal.cell.T / (2.0 * np.pi))
    np.testing.assert_allclose(found.velocity, omega[:, :3] / 2e-4, rtol=1e-4)
    assert np.abs(found.velocity / sound_velocities(constants, unit).velocity - 1).max() > 0.01


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "quartz", "triclinic"])
def test_sound_is_the_slope_of_the_bands_at_gamma(name, crystals, springs):
    constants = springs(crystals[name], 5.0)
    found = sound_velocities(constants, DIRECTIONS)
    unit = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    step = 2e-4  # 1/Å
    q_qx = step * unit @ constants.crystal.cell.T / (2.0 * np.pi)
    omega, _ = frequencies_at(constants, q_qx)
    np.testing.assert_allclose(found.velocity, omega[:, :3] / step, rtol=1e-4)
    norms = np.linalg.norm(found.polarisation, axis=2)
    np.testing.assert_allclose(norms, 1.0, rtol=1e-12)


def test_central_forces_in_a_cubic_crystal_have_the_closed_form():
    """fcc with bonds to nearest neighbours: C11 = 2C12 = 2C44 = √2 k/a (Born and Huang)."""
    a = 4.0
    cell = a / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    crystal = Crystal(cell, np.zeros((1, 3)), ("Al",), np.array([27.0 * DALTON]))
    stiff = 3.0
    bond = a / np.sqrt(2.0)
    found = elasticity(central_springs(crystal, 1.1 * bond, stiff * bond))
    c11 = 2.0 * stiff / a
    c = found.stiffness
    np.testing.assert_allclose(np.diag(c), [c11] * 3 + [c11 / 2] * 3, rtol=1e-10)
    np.testing.assert_allclose(c[[0, 0, 1], [1, 2, 2]], c11 / 2, rtol=1e-10)
    assert found.huang < 1e-12
    np.testing.assert_allclose(found.moduli.bulk, c11 * 2 / 3, rtol=1e-10)


@pytest.mark.parametrize("name", ["wurtzite", "quartz", "triclinic"])
def test_constants_are_second_derivatives_of_the_energy(name, crystals):
    """Of springs without tension, with the sublattices relaxed at each strain."""
    crystal = crystals[name]
    constants = central_springs(crystal, 5.5)
    found = elasticity(constants)
    r = constants.lattice + crystal.sites[constants.second] - crystal.sites[constants.first]
    r_px = r @ crystal.cell
    s = crystal.n_sites
    pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    strains = []
    for i, j in pairs:
        one = np.zeros((3, 3))
        one[i, j] += 0.5
        one[j, i] += 0.5
        strains.append(one)
    # U = −¼ Σ_p d·Φ·d with d the relative displacement of the pair
    moved = np.einsum("cxy,py->pcx", np.array(strains), r_px)
    shift = np.zeros((constants.n_pairs, 3 * s, 3))
    for p, (i, j) in enumerate(zip(constants.first, constants.second, strict=True)):
        shift[p, 3 * j : 3 * j + 3] += np.eye(3)
        shift[p, 3 * i : 3 * i + 3] -= np.eye(3)
    both = np.concatenate([moved, shift], axis=1)
    hessian = -0.5 * np.einsum("pax,pxy,pby->ab", both, constants.values, both)
    relaxed = (
        hessian[:6, :6]
        - hessian[:6, 6:] @ np.linalg.pinv(hessian[6:, 6:], rcond=1e-10) @ hessian[6:, :6]
    )
    np.testing.assert_allclose(
        found.stiffness, relaxed / crystal.volume, atol=1e-9 * np.abs(relaxed).max()
    )
    assert found.huang < 1e-10


@pytest.mark.parametrize("name", ["diamond", "wurtzite"])
def test_errors_are_those_of_the_replicates(name, fitted):
    constants = fitted(name)
    found = elasticity(constants)
    singles = [
        elasticity(replace(constants, values=values, replicates=None))
        for values in constants.replicates
    ]
    anew = jackknife_sem(np.asarray(x.debye_temperature) for x in singles)
    assert found.debye_temperature_sem == pytest.approx(float(anew), rel=0.01)
    for one in ("stiffness", "eigenvalues"):
        anew = jackknife_sem(np.asarray(getattr(x, one)) for x in singles)
        np.testing.assert_allclose(getattr(found, f"{one}_sem"), anew, rtol=1e-9, atol=1e-12)
    anew = jackknife_sem(x.velocities for x in singles)
    np.testing.assert_allclose(found.velocities_sem, anew, rtol=0.05, atol=0.02 * anew.max())
    anew = jackknife_sem(x.moduli.young for x in singles)
    np.testing.assert_allclose(found.moduli.young_sem, anew, rtol=1e-9)


def test_averages_of_an_isotropic_crystal_are_equal():
    """Hexagonal layers of springs: Voigt = Reuss = Hill in the plane, ν = 1/3."""
    a, height = 3.0, 20.0
    cell = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, height]])
    crystal = Crystal(cell, np.zeros((1, 3)), ("C",), np.array([12.0 * DALTON]))
    found = elasticity(central_springs(crystal, 1.1 * a, 2.0 * a))
    # Triangular lattice of springs k: K = √3 k/2, G = √3 k/4
    np.testing.assert_allclose(found.moduli.bulk, np.sqrt(3.0), rtol=1e-10)
    np.testing.assert_allclose(found.moduli.shear, np.sqrt(0.75), rtol=1e-10)
    np.testing.assert_allclose(found.moduli.poisson, 1 / 3, rtol=1e-10)
    assert found.moduli.anisotropy == pytest.approx(0.0, abs=1e-10)
    assert found.stiffness.shape == (3, 3)
    assert found.planes == ("xy",)
    assert np.isnan(found.debye_temperature)


def test_an_unstable_crystal_shows_a_negative_eigenvalue(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    found = elasticity(replace(constants, values=-constants.values))
    assert found.eigenvalues[0] < 0.0
    assert (found.velocities < 0.0).all()
    assert np.isnan(found.debye_temperature)


def test_the_mean_velocity_of_an_isotropic_solid_is_debyes(crystals):
    """Two waves of one velocity and a faster one, in every direction."""
    constants = central_springs(crystals["bcc"], 3.0)
    theta, sem = debye_temperature_of_sound(constants)
    assert sem is None
    rng = np.random.default_rng(2)
    unit = rng.standard_normal((20000, 3))
    velocity = sound_velocities(constants, unit).velocity
    mean = (velocity**-3.0).mean() ** (-1 / 3)
    crystal = constants.crystal
    wanted = HBAR / BOLTZMANN * mean * (6 * np.pi**2 / crystal.volume) ** (1 / 3)
    assert theta == pytest.approx(wanted, rel=3e-3)


def test_a_direction_of_zero_length_is_refused(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    with pytest.raises(UsageError, match="not all zero"):
        sound_velocities(constants, [0.0, 0.0, 0.0])
    assert acoustic_tensor(constants, None).shape == (3, 3, 3, 3)


def test_dipoles_are_summed_once_for_all_replicates(fitted, monkeypatch):
    constants = fitted("rock salt")
    charges = Charges(np.array([1.1, -1.1])[:, None, None] * np.eye(3), 2.4 * np.eye(3))
    polar, calls = replace(constants, charges=charges), []

    def counted(*arguments):
        calls.append(arguments)
        return long_wave_dipoles(*arguments)

    monkeypatch.setattr(strain, "long_wave_dipoles", counted)
    found = elasticity(polar)
    assert len(calls) == 1
    # The part of the dipoles is the same in all replicates.
    bare = elasticity(constants)
    assert abs(found.stiffness - bare.stiffness).max() > 0.01 * bare.stiffness.max()
    np.testing.assert_allclose(found.stiffness_sem, bare.stiffness_sem, rtol=1e-6, atol=1e-12)


A = 3.0
HEXAGONAL = Crystal(
    np.array([[A, 0, 0], [-A / 2, A * np.sqrt(0.75), 0], [0, 0, 20.0]]),
    np.zeros((1, 3)),
    ("C",),
    np.array([12.0 * DALTON]),
)


def directed_springs(crystal: Crystal, cutoff: float, along_x: float) -> ForceConstants:
    """Springs to nearest neighbours, by this factor stiffer the more they are along x."""
    plain = central_springs(crystal, cutoff)
    apart = plain.lattice + crystal.sites[plain.second] - crystal.sites[plain.first]
    r_px = apart @ crystal.cell
    square = (r_px**2).sum(axis=1)
    part = np.divide(r_px[:, 0] ** 2, square, out=np.zeros_like(square), where=square > 0.0)
    values = plain.values * (1.0 + (along_x - 1.0) * part)[:, None, None]
    own = np.zeros((crystal.n_sites, 3, 3))
    np.add.at(own, plain.first[crystal.n_sites :], values[crystal.n_sites :])
    return replace(plain, values=np.concatenate([-own, values[crystal.n_sites :]]))


@pytest.mark.parametrize("name", ["layer", "bcc"])
def test_the_mean_over_the_point_group_is_that_of_mean_springs(name, crystals):
    """One atom in a cell: C is linear in the springs, which symmetry mixes."""
    crystal = HEXAGONAL if name == "layer" else crystals[name]
    cutoff = 1.1 * A if name == "layer" else 3.0
    found = elasticity(directed_springs(crystal, cutoff, 1.6))
    even = elasticity(central_springs(crystal, cutoff))
    # Mean x²/r² of the neighbours: ½ in the layer, ⅓ in bcc.
    mean = 1.0 + 0.6 * (0.5 if name == "layer" else 1 / 3)
    np.testing.assert_allclose(found.symmetric, mean * even.stiffness, atol=1e-12)
    np.testing.assert_allclose(even.symmetric, even.stiffness, atol=1e-12)
    if name == "layer":
        # Bonds along x are stiffer by 0.6 k, those at 60° by 0.15 k.
        assert found.stiffness[0, 0] > 1.1 * found.stiffness[1, 1]
        (warning,) = asymmetry_warnings(found)
        assert "C(xx,xx) differs by" in str(warning)
        assert "n × n × 1 primitive cells" in warning.fix
        assert "--cutoff2" in warning.fix
    assert asymmetry_warnings(even) == ()


def test_a_difference_within_the_errors_is_no_lack_of_symmetry():
    skewed = directed_springs(HEXAGONAL, 1.1 * A, 1.6)
    noise = np.random.default_rng(4).standard_normal(8)
    for size, count in ((0.02, 1), (2.0, 0)):
        replicates = np.array(
            [directed_springs(HEXAGONAL, 1.1 * A, 1.6 + size * x).values for x in noise]
        )
        found = elasticity(replace(skewed, replicates=replicates))
        assert len(asymmetry_warnings(found)) == count
        # The error of the difference is that of the strength of bonds along x.
        factor = np.sqrt(7 / 8 * ((noise - noise.mean()) ** 2).sum()) * size / 0.6
        change = np.abs(found.stiffness - found.symmetric)
        np.testing.assert_allclose(found.asymmetry_sem, factor * change, rtol=1e-6, atol=1e-9)
