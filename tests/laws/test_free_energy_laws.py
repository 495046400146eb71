"""Energies of higher orders against their forces, and free energies that are known exactly."""

from functools import cache

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of
from trajmodes.fit.model import model_of
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.free_energy.higher_orders import higher_orders
from trajmodes.units import BOLTZMANN, DALTON, HBAR

KELVIN, MASS_DA = 300.0, 40.0
HEAT = BOLTZMANN * KELVIN
N_ATOMS, STIFFNESS = 8, 2.0


@pytest.mark.parametrize(
    ("name", "matrix", "cutoffs"),
    [
        ("diamond", [[-2, 2, 2], [2, -2, 2], [2, 2, -2]], {3: 4.0, 4: 2.5}),
        ("wurtzite", np.diag([3, 3, 2]), {3: 3.3, 4: 2.3}),
    ],
)
def test_energies_of_higher_orders_do_the_work_of_their_forces(
    crystals, image_forces, name, matrix, cutoffs
):
    crystal, rng = crystals[name], np.random.default_rng(2)
    supercell = build_supercell(crystal, matrix)
    expansion = expansion_of(space_group(crystal), supercell, {2: 3.0, **cutoffs})
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    u_tax = 0.1 * rng.standard_normal((70, supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    for order in (3, 4):
        own = constants_of(model, np.where(model.order == order, 1.0, 0.0))
        force = image_forces(own, supercell, u_tax)
        # U is homogeneous of this order
        work = -np.einsum("tax,tax->t", u_tax, force) / order
        found = higher_orders(own, supercell).energies(u_tax)
        assert np.abs(work).max() > 1e-4
        np.testing.assert_allclose(found, work, atol=1e-12 * np.abs(work).max(), rtol=1e-9)


def _bond(d, quartic):
    return 0.5 * STIFFNESS * d**2 + quartic * d**4


def _log_partition(quartic):
    """ln ∫ Π exp(−φ(d_i)/k_BT) δ(Σ d_i) dd of the ring of bonds, by its Fourier integral."""
    d, step = np.linspace(-1.0, 1.0, 801, retstep=True)
    k, step_k = np.linspace(-100.0, 100.0, 801, retstep=True)
    weight = np.exp(-_bond(d, quartic) / HEAT)
    transformed = np.exp(1j * np.outer(k, d)) @ weight * step
    return float(np.log((transformed**N_ATOMS).sum().real * step_k / (2.0 * np.pi)))


@cache
def _exact(quartic):
    """Free energy per atom of the ring, its centre of mass at rest, in eV."""
    # 3N − 3 harmonic oscillators, and the ratio of the configuration integrals
    q = np.arange(1, N_ATOMS) / N_ATOMS
    omega = 2.0 * np.sqrt(STIFFNESS / (MASS_DA * DALTON)) * np.sin(np.pi * q)
    harmonic = 3.0 * HEAT * np.log(HBAR * omega / HEAT).sum()
    ratio = 3.0 * HEAT * (_log_partition(0.0) - _log_partition(quartic))
    return (harmonic + ratio) / N_ATOMS


def _bonds(quartic, n_frames, rng):
    """(t, a, 3) lengths of the bonds in thermal equilibrium: Metropolis moves of pairs."""
    d = np.sqrt(HEAT / STIFFNESS) * rng.standard_normal((N_ATOMS, n_frames, 3))
    d -= d.mean(axis=0)
    for _ in range(40 * N_ATOMS):
        i, j = rng.choice(N_ATOMS, 2, replace=False)
        move = 2.0 * np.sqrt(HEAT / STIFFNESS) * rng.uniform(-1.0, 1.0, (n_frames, 3))
        change = _bond(d[i] + move, quartic) - _bond(d[i], quartic)
        change += _bond(d[j] - move, quartic) - _bond(d[j], quartic)
        taken = rng.random((n_frames, 3)) < np.exp(-change / HEAT)
        d[i] += np.where(taken, move, 0.0)
        d[j] -= np.where(taken, move, 0.0)
    return d.swapaxes(0, 1)


def _ring(d_tax, quartic):
    """Run of atoms along x with these bonds to the next atom, and energies of its frames.

    The forces of the bonds act on each direction on its own, and none act across the chain.
    """
    u_tax = np.cumsum(d_tax, axis=1)
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    slope = STIFFNESS * d_tax + 4.0 * quartic * d_tax**3
    # Bond i is between the atoms i − 1 and i.
    f_tax = np.roll(slope, -1, axis=1) - slope
    ideal = np.arange(N_ATOMS)[:, None] * np.array([2.5, 0.0, 0.0])
    run = tm.from_arrays(
        ideal + u_tax,
        np.diag([N_ATOMS * 2.5, 7.0, 7.0]),
        ["Ar"] * N_ATOMS,
        forces=f_tax,
        masses_da=np.full(N_ATOMS, MASS_DA),
        ideal=ideal,
    )
    return run, _bond(d_tax, quartic).sum(axis=(1, 2))


def _error(found, order, quartic):
    """Deviation from the exact F of the supercell in eV per atom, and its standard error."""
    total = found.commensurate[0] + found.terms.terms[:order].sum()
    return total - _exact(quartic), found.total_sem[0, order - 1]


def test_an_anharmonic_ring_has_the_free_energy_of_quadrature():
    quartic = 5.0
    bonds = _bonds(quartic, 2000, np.random.default_rng(4))
    run, energies = _ring(bonds, quartic)
    found = run.fit(cutoff2="supercell", temperature=KELVIN).free_energy(run, energies, mesh=4)
    deviation, sem = _error(found, 3, quartic)
    assert abs(deviation) < 3.0 * sem
    assert abs(deviation) < 0.1e-3
    first, _ = _error(found, 1, quartic)
    assert first < -3.0 * found.total_sem[0, 0]  # a lower bound
    assert found.terms.converges
    assert found.order == 3


def test_force_constants_of_all_orders_leave_little_of_the_energy():
    quartic = 5.0
    bonds = _bonds(quartic, 2000, np.random.default_rng(4))
    run, energies = _ring(bonds, quartic)
    options = {"cutoff2": "supercell", "cutoff3": 2.6, "cutoff4": 2.6, "temperature": KELVIN}
    found = run.fit(**options).free_energy(run, energies, mesh=4)
    own = found.integrated[0] - found.harmonic[0] + found.commensurate[0]
    assert abs(own - _exact(quartic)) < 3.0 * found.integrated_sem[0]
    rest, terms = found.anharmonic.rest.terms, found.terms.terms
    assert rest[1] < terms[1]
    # The energy is a polynomial of fourth order: a joint fit has it exactly.
    exact = run.fit(**options, scheme="joint").free_energy(run, energies, mesh=4).anharmonic
    np.testing.assert_allclose(exact.rest.terms, 0.0, atol=1e-9)
    assert exact.orders == (3, 4)


@pytest.mark.slow
def test_error_bars_of_the_free_energy_are_those_of_repeated_runs():
    quartic, n_runs = 5.0, 50
    bonds = _bonds(quartic, 1000 * n_runs, np.random.default_rng(7))
    errors = []
    for part in bonds.reshape(n_runs, -1, N_ATOMS, 3):
        run, energies = _ring(part, quartic)
        constants = run.fit(cutoff2="supercell", temperature=KELVIN)
        found = constants.free_energy(run, energies, mesh=4)
        errors.append([_error(found, order, quartic) for order in (1, 2, 3)])
    deviation, sem = np.moveaxis(errors, 2, 0)
    # First and second order lack the terms beyond them, in all runs the same.
    z = ((deviation - deviation.mean(axis=0)) / sem).std(axis=0)
    assert ((z > 0.85) & (z < 1.2)).all(), z
    assert 0.85 < np.sqrt(((deviation / sem)[:, 2] ** 2).mean()) < 1.2
