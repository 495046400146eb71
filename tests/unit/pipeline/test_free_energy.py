"""Free energy of a harmonic crystal, which is known exactly."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

import trajmodes as tm
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.units import BOLTZMANN, DALTON, HBAR

KELVIN, GROUND = 300.0, -4.5


@pytest.fixture
def harmonic_run(crystals, springs, hessian_of):
    """Run of a harmonic crystal, and (t,) the potential energy of its frames in eV."""
    crystal = crystals["bcc"]
    supercell = build_supercell(crystal, np.diag([3, 3, 3]))
    constants = springs(crystal, 3.3)
    ensemble = harmonic_ensemble(constants, supercell, KELVIN)
    u_tax = ensemble.draw(400, np.random.default_rng(3)).displacements
    hessian = hessian_of(constants, supercell)
    flat = u_tax.reshape(len(u_tax), -1)
    f_tax = -(flat @ hessian).reshape(u_tax.shape)
    energies = supercell.n_atoms * GROUND + 0.5 * np.einsum("ti,ij,tj->t", flat, hessian, flat)
    sites = np.tile(crystal.positions, (supercell.n_cells, 1))
    ideal = sites + np.repeat(supercell.cells @ crystal.cell, crystal.n_sites, axis=0)
    run = tm.from_arrays(
        ideal + u_tax,
        supercell.matrix @ crystal.cell,
        list(supercell.species),
        forces=f_tax,
        masses_da=supercell.masses / DALTON,
        ideal=ideal,
    )
    return run, energies


def test_a_harmonic_crystal_has_its_harmonic_free_energy(harmonic_run, hessian_of):
    run, energies = harmonic_run
    constants = run.fit(cutoff2="supercell", temperature=KELVIN)
    found = constants.free_energy(run, energies, mesh=6)
    np.testing.assert_allclose(found.terms.terms, [GROUND, 0, 0, 0], atol=1e-8)
    for order in found.total.T:
        np.testing.assert_allclose(order, found.harmonic + GROUND, atol=1e-8)
    thermo = constants.thermodynamics(mesh=6, temperatures=[KELVIN])
    both = [thermo[name].item() for name in ("free_energy_classical", "free_energy")]
    np.testing.assert_allclose(found.harmonic, both, rtol=1e-9)
    # 3N − 3 oscillators of the supercell
    weights = np.repeat(run.supercell.masses, 3) ** -0.5
    hessian = hessian_of(constants, run.supercell)
    square = np.linalg.eigvalsh(hessian * np.outer(weights, weights))[3:]
    heat = BOLTZMANN * KELVIN
    exact = heat * np.log(HBAR * np.sqrt(square) / heat).sum() / run.supercell.n_atoms
    assert found.commensurate[0] == pytest.approx(exact, rel=1e-8)
    assert found.order == 3
    assert found.terms.converges


def test_frames_without_an_energy_are_left_out(harmonic_run):
    run, energies = harmonic_run
    energies[::4] = np.nan
    found = run.fit(cutoff2="supercell", temperature=KELVIN).free_energy(run, energies, mesh=4)
    assert found.terms.n_frames == 300
    np.testing.assert_allclose(found.terms.terms[0], GROUND, atol=1e-8)


def test_another_number_of_energies_is_refused(harmonic_run):
    run, energies = harmonic_run
    constants = run.fit(cutoff2="supercell", temperature=KELVIN)
    with pytest.raises(DataError, match=r"shape \(399,\), and the run has 400 frames"):
        constants.free_energy(run, energies[1:])


def test_energies_count_from_the_sites_that_the_fit_has_moved(
    crystals, springs, hessian_of, tmp_path
):
    crystal = crystals["wurtzite"]
    supercell = build_supercell(crystal, np.diag([3, 3, 2]))
    constants = springs(crystal, 3.4)
    hessian = hessian_of(constants, supercell)
    drawn = harmonic_ensemble(constants, supercell, KELVIN).draw(200, np.random.default_rng(5))
    flat = drawn.displacements.reshape(200, -1)
    energies = supercell.n_atoms * GROUND + 0.5 * np.einsum("ti,ij,tj->t", flat, hessian, flat)
    # The cell file has another internal coordinate than the run.
    off = crystal.sites + np.where(np.array(crystal.species) == "N", 0.02, 0.0)[:, None] * [
        *(0.0, 0.0, 1.0)
    ]
    write(tmp_path / "POSCAR", Atoms(crystal.species, cell=crystal.cell, scaled_positions=off))
    run = tm.from_arrays(
        supercell.positions + drawn.displacements,
        supercell.cell,
        list(supercell.species),
        forces=-(flat @ hessian).reshape(drawn.displacements.shape),
        masses_da=supercell.masses / DALTON,
        cell=tmp_path / "POSCAR",
    )
    found = run.fit(cutoff2="supercell", temperature=KELVIN).free_energy(run, energies, mesh=3)
    np.testing.assert_allclose(found.terms.terms[0], GROUND, atol=1e-4)
    assert abs(found.terms.terms[1]) < 1e-5
