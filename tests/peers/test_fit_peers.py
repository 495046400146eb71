"""hiPhive and symfc on the same frames: the same numbers of parameters, the same constants."""

import numpy as np
import pytest
from ase import Atoms

from trajmodes.data import MotionBlock
from trajmodes.fit import ForceCovariance, fit_harmonic
from trajmodes.symmetry import build_supercell, half_space, space_group, supercell_group

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
# supercell matrix, cutoff in Å, frames, and the number of parameters where it is known
CASES = {
    "diamond": (3 * CONVENTIONAL, 8.0, 4, 31),
    "wurtzite": (np.diag([3, 3, 2]), 4.7, 15, None),
    "bcc": ([[4, 0, 0], [0, 5, 1], [1, 0, 4]], 4.2, 8, None),
    "triclinic": (np.diag([3, 2, 2]), 4.2, 40, None),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param("diamond", marks=pytest.mark.slow), "wurtzite", "bcc", "triclinic"],
)
def case(request, crystals, springs, hessian_of):
    """Frames whose forces are harmonic but for anharmonic terms and noise."""
    matrix, cutoff, n_frames, n_parameters = CASES[request.param]
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, matrix)
    hessian = hessian_of(springs(crystal, cutoff + 0.5), supercell)
    rng = np.random.default_rng(5)
    u_tx = 0.05 * rng.normal(size=(n_frames, 3 * supercell.n_atoms))
    f_tx = -u_tx @ hessian - 20.0 * u_tx**3 + 0.05 * rng.normal(size=u_tx.shape)
    u_tax, f_tax = (x.reshape(len(x), -1, 3) for x in (u_tx, f_tx))
    f_tax = f_tax - f_tax.mean(axis=1, keepdims=True)
    reduction = ForceCovariance(half_space(supercell), len(u_tax))
    covariances = reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))
    fit = fit_harmonic(covariances, cutoff=cutoff, shift_reference=False)
    assert n_parameters in {None, fit.constants.quality.n_parameters}
    return supercell, cutoff, u_tax, f_tax, covariances


def _compare(ours, theirs):
    assert np.abs(ours - theirs).max() < 1e-8 * np.abs(theirs).max()


def test_constants_equal_hiphive(case, hessian_of):
    hiphive = pytest.importorskip("hiphive")
    optimise = pytest.importorskip("trainstation").Optimizer
    supercell, cutoff, u_tax, f_tax, covariances = case
    constants = fit_harmonic(covariances, cutoff=cutoff, shift_reference=False).constants
    crystal = supercell.crystal
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    ideal = Atoms(
        supercell.species, cell=supercell.cell, positions=supercell.positions, pbc=True
    )
    space = hiphive.ClusterSpace(primitive, [cutoff])
    assert space.n_dofs == constants.quality.n_parameters
    container = hiphive.StructureContainer(space)
    for u_ax, f_ax in zip(u_tax, f_tax, strict=True):
        frame = ideal.copy()
        frame.new_array("displacements", u_ax)
        frame.new_array("forces", f_ax)
        container.add_structure(frame)
    optimizer = optimise(container.get_fit_data(), train_size=1.0, check_condition=False)
    optimizer.train()
    potential = hiphive.ForceConstantPotential(space, optimizer.parameters)
    theirs = potential.get_force_constants(ideal).get_fc_array(order=2)
    flat = theirs.swapaxes(1, 2).reshape(3 * supercell.n_atoms, -1)
    _compare(hessian_of(constants, supercell), flat)


def test_constants_equal_symfc(case, hessian_of):
    symfc = pytest.importorskip("symfc")
    pytest.importorskip("symfc.utils.utils")
    supercell, cutoff, u_tax, f_tax, covariances = case
    # symfc knows only the symmetry of the supercell, which may be less than the crystal's
    group = supercell_group(space_group(supercell.crystal), supercell)
    fit = fit_harmonic(covariances, cutoff=cutoff, group=group, shift_reference=False)
    constants = fit.constants
    kinds = sorted(set(supercell.species))
    atoms = symfc.utils.utils.SymfcAtoms(
        cell=supercell.cell,
        scaled_positions=supercell.positions @ np.linalg.inv(supercell.cell) % 1.0,
        numbers=[kinds.index(symbol) + 1 for symbol in supercell.species],
    )
    solver = symfc.Symfc(
        atoms, displacements=u_tax, forces=f_tax, cutoff={2: cutoff}, log_level=0
    ).run(orders=[2], is_compact_fc=False)
    assert solver.basis_set[2].basis_set.shape[1] == constants.quality.n_parameters
    theirs = solver.force_constants[2].swapaxes(1, 2).reshape(3 * supercell.n_atoms, -1)
    _compare(hessian_of(constants, supercell), theirs)
