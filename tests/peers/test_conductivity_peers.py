"""Group velocities of phonopy and κ of phono3py, from the same force constants as ours."""

import numpy as np
import phonopy
import pytest
from ase import Atoms
from phonopy.phonon.group_velocity import GroupVelocity
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.phonons.anharmonic.conductivity import heat_flow
from trajmodes.phonons.bands import Branches, group_velocities
from trajmodes.phonons.qpoints import mesh
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.stars import point_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON, W_MK

pytestmark = pytest.mark.peer

phono3py = pytest.importorskip("phono3py")
hiphive = pytest.importorskip("hiphive")

# General points, and points and lines where branches are degenerate.
Q_LIST = np.array(
    [
        [0.13, 0.27, -0.4],
        [0.5, 0.5, 0],
        [0.25, 0.25, 0],
        [0.2, 0.2, 0.2],
        [0.3, 0, 0],
        [0, 0, 0.5],
    ]
)


def unit_cell(crystal) -> PhonopyAtoms:
    return PhonopyAtoms(
        symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )  # fmt: skip


def whole(constants, positions, supercell, hessian_of) -> np.ndarray:
    """Force constants of the whole supercell in the order of its atoms."""
    apart = (positions[:, None] - supercell.positions) @ np.linalg.inv(supercell.cell)
    order = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
    n = supercell.n_atoms
    hessian = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
    return np.ascontiguousarray(hessian[order][:, order])


@pytest.mark.parametrize("name", ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"])
def test_group_velocities_equal_those_of_phonopy(name, crystals, springs, hessian_of):
    crystal = crystals[name]
    supercell = build_supercell(crystal, np.diag([4, 4, 3]))
    constants = springs(crystal, 0.999 * inscribed_radius(supercell))
    peer = phonopy.Phonopy(
        unit_cell(crystal), np.diag([4, 4, 3]), primitive_matrix=np.eye(3), is_symmetry=False
    )
    peer.force_constants = whole(constants, peer.supercell.positions, supercell, hessian_of)
    theirs = GroupVelocity(peer.dynamical_matrix)
    theirs.run(Q_LIST)
    ours = group_velocities(constants, Q_LIST).velocity
    # ∂f/∂(k/2π) there, which is the same
    wanted = theirs.group_velocities
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(("name", "division"), [("diamond", 5), ("wurtzite", 4)])
def test_conductivity_with_widths_of_phono3py_is_its_own(
    name, division, crystals, springs, hessian_of
):
    crystal = crystals[name]
    repeat = np.diag([3, 3, 2 if name == "wurtzite" else 3])
    supercell = build_supercell(crystal, repeat)
    constants = springs(crystal, 0.999 * inscribed_radius(supercell))
    peer = phono3py.Phono3py(unit_cell(crystal), repeat, primitive_matrix=np.eye(3))
    atoms = Atoms(
        peer.supercell.symbols, cell=peer.supercell.cell, positions=peer.supercell.positions,
        pbc=True,
    )  # fmt: skip
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    space = hiphive.ClusterSpace(primitive, [3.3, 3.3])
    parameters = np.random.default_rng(4).normal(size=space.n_dofs)
    peer.fc3 = (
        hiphive.ForceConstantPotential(space, parameters)
        .get_force_constants(atoms)
        .get_fc_array(order=3)
    )
    peer.fc2 = whole(constants, peer.supercell.positions, supercell, hessian_of)
    divisions = (division, division, division)
    peer.mesh_numbers = divisions
    peer.init_phph_interaction(symmetrize_tetrahedra=True, average_degenerate_weights=True)
    temperatures = [100.0, 300.0, 3e4]
    peer.run_thermal_conductivity(temperatures=temperatures)
    theirs = peer.thermal_conductivity
    address = peer.grid.addresses[theirs.grid_points] / division
    own = group_velocities(constants, address)
    # At degenerate points they average v over the little group, and we do not.
    same = Branches(own.omega, theirs.group_velocities)
    turns = crystal.cell.T @ point_group(crystal) @ np.linalg.inv(crystal.cell.T)
    weights = np.asarray(theirs.grid_weights) / division**3
    assert len(weights) == len(mesh(crystal, divisions)[0])
    for k, temperature in enumerate(temperatures):
        half = theirs.gamma[0, k]
        with np.errstate(divide="ignore"):
            lifetime = np.where(half > 0.0, 1.0 / (4.0 * np.pi * half), 0.0)
        wanted = theirs.kappa[0, k]
        for branches, rtol in ((same, 1e-5), (own, 2e-3)):
            flow = heat_flow(branches, lifetime, temperature, crystal.volume) / W_MK
            kappa = np.einsum("kqmxy,q->kxy", flow, weights)
            kappa = np.einsum("gxi,kij,gyj->kxy", turns, kappa, turns) / len(turns)
            found = kappa[1][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-9 * wanted.max())
    # hot: classical and quantum are one
    np.testing.assert_allclose(kappa[0], kappa[1], rtol=1e-3, atol=1e-4 * wanted.max())
