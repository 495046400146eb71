"""Dipole–dipole force constants against exact results and sums without Ewald's method."""

import numpy as np
import pytest

from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.coulomb.ewald import dipole_matrices, dipole_slopes, dipole_sum
from trajmodes.data.charges import Charges
from trajmodes.data.lattice import cells_within
from trajmodes.errors import DataError
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import star_images
from trajmodes.units import COULOMB

POLAR = ("rock salt", "wurtzite", "rutile", "quartz", "monoclinic", "triclinic")


def _q(n_points, seed=0):
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (n_points, 3))


@pytest.mark.parametrize("name", POLAR)
def test_the_sum_does_not_depend_on_the_width_of_the_gaussian(name, crystals, charges_of):
    crystal = crystals[name]
    charges = charges_of(crystal)
    q = np.concatenate([_q(4), [[0, 0, 0], [0, 0, 0], [1, 0, -1]]])
    towards = np.tile([1.0, 2.0, 3.0], (7, 1))
    towards[-1] = 0.0
    wanted = dipole_matrices(dipole_sum(crystal, charges), q, towards)
    for width in (0.5, 8.0):
        found = dipole_matrices(dipole_sum(crystal, charges, width), q, towards)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("name", POLAR)
def test_matrices_are_hermitian_and_uniform_shifts_are_free(name, crystals, charges_of):
    crystal = crystals[name]
    total = dipole_sum(crystal, charges_of(crystal))
    q = _q(3)
    plus, minus = dipole_matrices(total, q), dipole_matrices(total, -q)
    scale = np.abs(plus).max()
    np.testing.assert_allclose(plus, plus.conj().swapaxes(1, 2), atol=1e-13 * scale)
    np.testing.assert_allclose(minus, plus.conj(), atol=1e-13 * scale)
    at_gamma = dipole_matrices(total, np.zeros((1, 3)), np.array([[1.0, 0.3, 0.2]]))[0]
    sums = at_gamma.reshape(-1, crystal.n_sites, 3).sum(axis=1)
    np.testing.assert_allclose(sums, 0.0, atol=1e-13 * scale)


@pytest.mark.parametrize("name", POLAR)
def test_the_star_of_a_q_has_one_spectrum(name, crystals, charges_of):
    crystal = crystals[name]
    total = dipole_sum(crystal, charges_of(crystal))
    images = star_images(crystal, _q(1))[:, 0]
    spectra = np.linalg.eigvalsh(dipole_matrices(total, images))
    np.testing.assert_allclose(spectra, spectra[:1].repeat(len(images), 0), atol=1e-12)


@pytest.mark.parametrize("name", ["rock salt", "quartz", "triclinic"])
def test_slopes_are_differences_of_matrices(name, crystals, charges_of):
    crystal = crystals[name]
    total = dipole_sum(crystal, charges_of(crystal))
    q, step = _q(3), 1e-4
    slopes = dipole_slopes(total, q)
    for x in range(3):
        # k = 2π A⁻ᵀ q, so that dq = A dk / 2π
        dq = step * crystal.cell[:, x] / (2.0 * np.pi)
        change = dipole_matrices(total, q + dq) - dipole_matrices(total, q - dq)
        np.testing.assert_allclose(
            change / (2.0 * step), slopes[x], rtol=0, atol=1e-6 * np.abs(slopes).max()
        )


@pytest.mark.parametrize("name", ["quartz", "triclinic"])
def test_quadrupoles_obey_the_laws_of_the_dipoles(name, crystals, charges_of):
    """Hermitian, real in space, symmetric, slopes, uniform shifts, and the limit q → 0."""
    crystal = crystals[name]
    random = np.random.default_rng(2).normal(size=(crystal.n_sites, 3, 3, 3))
    plain = charges_of(crystal)
    given = Charges(plain.born, plain.dielectric, random + random.swapaxes(1, 2))
    charges, _ = symmetric_charges(given, space_group(crystal))
    total = dipole_sum(crystal, charges)
    q, step = _q(2), 1e-4
    plus, slopes = dipole_matrices(total, q), dipole_slopes(total, q)
    scale = np.abs(plus).max()
    assert np.abs(plus - dipole_matrices(dipole_sum(crystal, plain), q)).max() > 0.01 * scale
    np.testing.assert_allclose(plus, plus.conj().swapaxes(1, 2), atol=1e-13 * scale)
    np.testing.assert_allclose(dipole_matrices(total, -q), plus.conj(), atol=1e-13 * scale)
    spectra = np.linalg.eigvalsh(dipole_matrices(total, star_images(crystal, q[:1])[:, 0]))
    np.testing.assert_allclose(spectra, spectra[:1].repeat(len(spectra), 0), atol=1e-11)
    for x in range(3):
        dq = step * crystal.cell[:, x] / (2.0 * np.pi)
        change = dipole_matrices(total, q + dq) - dipole_matrices(total, q - dq)
        np.testing.assert_allclose(
            change / (2.0 * step), slopes[x], rtol=0, atol=1e-6 * np.abs(slopes).max()
        )
    along = np.array([0.6, 0.0, 0.8])
    split = dipole_matrices(total, np.zeros((1, 3)), along[None])[0]
    sums = split.reshape(-1, crystal.n_sites, 3).sum(axis=1)
    np.testing.assert_allclose(sums, 0.0, atol=1e-12 * scale)
    near = 1e-5 * crystal.cell @ along / (2.0 * np.pi)
    found = dipole_matrices(total, near[None])[0]
    np.testing.assert_allclose(found, split, atol=1e-3 * scale)


def test_a_cubic_crystal_has_the_field_of_lorentz(crystals):
    """In a cubic crystal the local field is 4πP/3 beyond the macroscopic one (Lorentz)."""
    crystal = crystals["rock salt"]
    born = np.array([1.1, -1.1])[:, None, None] * np.eye(3)
    epsilon = 2.3
    total = dipole_sum(crystal, Charges(born, epsilon * np.eye(3)))
    pairs = 1.1**2 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    unit = 4.0 * np.pi * COULOMB / (epsilon * crystal.volume) * pairs
    along = np.array([1.0, -2.0, 0.5]) / np.sqrt(5.25)
    free, split = dipole_matrices(
        total, np.zeros((2, 3)), np.array([np.zeros(3), along])
    ).reshape(2, 2, 3, 2, 3)
    np.testing.assert_allclose(free, np.einsum("st,xy->sxty", -unit / 3, np.eye(3)), atol=1e-12)
    field = np.einsum("st,x,y->sxty", unit, along, along)
    np.testing.assert_allclose(split - free, field, atol=1e-12)
    # The limit along a direction is the limit of q → 0.
    q = 1e-5 * crystal.cell @ along / (2.0 * np.pi)
    near = dipole_matrices(total, q[None])[0].reshape(2, 3, 2, 3)
    np.testing.assert_allclose(near, split, atol=1e-4)


def test_the_sum_is_that_of_dipoles_one_by_one(crystals, charges_of):
    """Differences of C(q) between q points, from a sum over cells with a slow cutoff."""
    crystal = crystals["wurtzite"]
    charges = charges_of(crystal)
    q = np.array([[0.5, 0.0, 0.0], [0.31, -0.42, 0.17]])
    lattice = cells_within(crystal.cell, 60.0)
    apart = crystal.sites[None, :] - crystal.sites[:, None]
    r = (lattice[:, None, None, :] + apart) @ crystal.cell
    inverse = np.linalg.inv(charges.dielectric)
    d2 = np.einsum("rstx,xy,rsty->rst", r, inverse, r)
    own = d2 < 1e-9
    d2[own] = 1.0
    bent = r @ inverse
    hessian = 3.0 * bent[..., :, None] * bent[..., None, :] / d2[..., None, None] - inverse
    hessian *= (~own / d2**1.5 / np.sqrt(np.linalg.det(charges.dielectric)))[..., None, None]
    phases = np.exp(2j * np.pi * np.einsum("qx,rstx->qrst", q, lattice[:, None, None] + apart))
    found = []
    for soft in (0.02, 0.01):
        damped = phases * np.exp(-((soft * np.sqrt(d2)) ** 2) * 4.0)
        summed = np.einsum("qrst,rstzw->qsztw", damped, hessian)
        dipoles = np.einsum("sza,qsztw,twb->qsatb", charges.born, summed, charges.born)
        found.append(-COULOMB * dipoles.reshape(2, 12, 12))
    sums = (4.0 * found[1] - found[0]) / 3.0
    wanted = dipole_matrices(dipole_sum(crystal, charges), q)
    difference = wanted - sums
    # The self terms do not depend on q.
    np.testing.assert_allclose(
        difference[0], difference[1], rtol=0, atol=2e-3 * np.abs(wanted).max()
    )
    blocks = np.abs(difference[0].reshape(4, 3, 4, 3)).max(axis=(1, 3))
    assert blocks[~np.eye(4, dtype=bool)].max() < 2e-3 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [
        (np.diag([2.0, 3.0, -1.0]), "not positive: its lowest eigenvalue is -1"),
        ([[2.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], "not symmetric"),
        (np.full((3, 3), np.nan), "not finite"),
    ],
)
def test_a_wrong_dielectric_tensor_is_refused(epsilon, text):
    with pytest.raises(DataError, match=text):
        Charges(np.zeros((2, 3, 3)), np.array(epsilon))
