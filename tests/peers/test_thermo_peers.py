"""Thermodynamics of phonopy and trajmodes with the same force constants and mesh."""

import numpy as np
import phonopy
import pytest
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo import debye, displacements, functions
from trajmodes.thermo import thermodynamics as thermodynamics_of
from trajmodes.thermo.displacements import cif_tensors
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import DALTON, THZ

pytestmark = pytest.mark.peer

MESH = (9, 8, 7)
KELVIN = np.array([0.0, 20.0, 300.0, 1500.0])
# phonopy has older values of e, u and ħ: with these, ours gives the same numbers.
PEER = get_physical_units()
FREQUENCY = PEER.DefaultToTHz * np.sqrt(DALTON) * THZ
"""A frequency of phonopy over ours."""
PLANCK = PEER.THzToEv / (2.0 * np.pi) * FREQUENCY
KILOJOULE = 1.0 / PEER.EvTokJmol
"""1 kJ/mol in eV."""
DALTON_OF_PEER = PEER.AMU / (PEER.EV * 1e-4)
VARIANCE = PEER.Hbar * 1e12 / PLANCK / FREQUENCY * DALTON / DALTON_OF_PEER
"""A mean square displacement of phonopy over ours."""
SAME = 1e-8


@pytest.fixture(params=["diamond", "rock salt", "wurtzite", "triclinic"])
def beside(request, crystals, springs, hessian_of, monkeypatch):
    """Our thermodynamics on a mesh, and phonopy with the same Hessian."""
    for module in (functions, thermodynamics_of, debye):
        monkeypatch.setattr(module, "HBAR", PLANCK)
    for module in (functions, displacements, debye):
        monkeypatch.setattr(module, "BOLTZMANN", PEER.KB)
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    constants = springs(crystal, 0.999 * inscribed_radius(supercell))
    unit = PhonopyAtoms(
        symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )  # fmt: skip
    peer = phonopy.Phonopy(unit, supercell.matrix.T, primitive_matrix=np.eye(3))
    n = supercell.n_atoms
    apart = (peer.supercell.positions[:, None] - supercell.positions) @ np.linalg.inv(
        supercell.cell
    )
    order = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
    hessian = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
    peer.force_constants = np.ascontiguousarray(hessian[order][:, order])
    mesh = MESH if request.param == "triclinic" else (9, 9, 9)
    ours = thermodynamics(constants, mesh, KELVIN, fine_at_gamma=False)
    return ours, peer, mesh


def test_thermal_functions_equal_those_of_phonopy(beside):
    ours, peer, mesh = beside
    peer.run_mesh(mesh, is_gamma_center=True)
    for classical, found in ((False, ours.quantum), (True, ours.classical)):
        peer.run_thermal_properties(
            temperatures=KELVIN, cutoff_frequency=1e-3, classical=classical
        )
        theirs = peer.thermal_properties
        warm = slice(1, None)
        np.testing.assert_allclose(
            found.free_energy[warm], theirs.free_energy[warm] * KILOJOULE, rtol=SAME
        )
        unit = KILOJOULE * 1e-3
        np.testing.assert_allclose(
            found.heat_capacity[warm], theirs.heat_capacity[warm] * unit, rtol=SAME
        )
        np.testing.assert_allclose(found.entropy[warm], theirs.entropy[warm] * unit, rtol=SAME)
    assert ours.zero_point_energy == pytest.approx(ours.quantum.free_energy[0], rel=1e-12)


def test_the_density_of_tetrahedra_equals_that_of_phonopy(beside):
    ours, peer, mesh = beside
    peer.run_mesh(mesh, is_gamma_center=True)
    grid = ours.density.omega / THZ * FREQUENCY
    peer.run_total_dos(
        freq_min=grid[0], freq_max=grid[-1], freq_pitch=grid[1] - grid[0],
        use_tetrahedron_method=True,
    )  # fmt: skip
    theirs = peer.total_dos.dos[: len(grid)] * FREQUENCY / THZ
    np.testing.assert_allclose(ours.density.total, theirs, atol=1e-8 * theirs.max())


def test_displacements_equal_those_of_phonopy(beside):
    ours, peer, mesh = beside
    peer.run_mesh(mesh, is_gamma_center=True, with_eigenvectors=True, is_mesh_symmetry=False)
    peer.run_thermal_displacement_matrices(temperatures=KELVIN, freq_min=1e-3)
    found = peer.thermal_displacement_matrices
    theirs = found.thermal_displacement_matrices
    np.testing.assert_allclose(
        ours.displacements.quantum * VARIANCE, theirs, rtol=0, atol=SAME * np.abs(theirs).max()
    )
    np.testing.assert_allclose(
        cif_tensors(ours.displacements.quantum, ours.crystal) * VARIANCE,
        found.thermal_displacement_matrices_cif,
        rtol=0,
        atol=SAME * np.abs(theirs).max(),
    )


def test_isotropic_displacement_parameters_equal_those_of_phonopy(beside):
    """B = 8π²⟨u²⟩/3, with the sum of mean squares along x, y and z."""
    ours, peer, mesh = beside
    peer.run_mesh(mesh, is_gamma_center=True, with_eigenvectors=True, is_mesh_symmetry=False)
    peer.run_thermal_displacements(temperatures=KELVIN, freq_min=1e-3)
    squares = peer.thermal_displacements.thermal_displacements
    theirs = 8.0 * np.pi**2 / 3.0 * squares.reshape(len(KELVIN), -1, 3).sum(axis=2)
    np.testing.assert_allclose(ours.displacements.b_iso * VARIANCE, theirs, rtol=SAME)


@pytest.mark.parametrize("beside", ["triclinic"], indirect=True)
def test_the_density_of_sites_equals_that_of_phonopy(beside):
    """Without symmetry both sum over the same tetrahedra.

    Along a single direction they differ next to Γ, where the vectors of acoustic modes are
    arbitrary; ours are means over the three.
    """
    ours, peer, mesh = beside
    peer.run_mesh(mesh, is_gamma_center=True, with_eigenvectors=True, is_mesh_symmetry=False)
    grid = ours.density.omega / THZ * FREQUENCY
    peer.run_projected_dos(
        freq_min=grid[0], freq_max=grid[-1], freq_pitch=grid[1] - grid[0],
        use_tetrahedron_method=True, xyz_projection=True,
    )  # fmt: skip
    theirs = peer.projected_dos.projected_dos[:, : len(grid)] * FREQUENCY / THZ
    theirs = theirs.reshape(ours.density.sites.shape)
    top = theirs.max()
    np.testing.assert_allclose(
        ours.density.sites.sum(axis=1), theirs.sum(axis=1), atol=1e-8 * top
    )
    high = grid > 0.5 * grid[-1]
    np.testing.assert_allclose(
        ours.density.sites[..., high], theirs[..., high], atol=1e-8 * top
    )
