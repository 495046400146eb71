"""phono3py and trajmodes with the same random third-order force constants from hiPhive."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
from ase import Atoms
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_at
from trajmodes.phonons.anharmonic.linewidths import perturbative_linewidths
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.translations import build_supercell, cell_rank
from trajmodes.units import BOLTZMANN, DALTON, HBAR, THZ

pytestmark = pytest.mark.peer

phono3py = pytest.importorskip("phono3py")
hiphive = pytest.importorskip("hiphive")

# repetitions of the primitive cell, cutoffs of pairs and triplets in Å
CASES = {"diamond": ((3, 3, 3), 5.0, 4.0), "wurtzite": ((3, 3, 2), 4.5, 3.3)}
Q_LIST = np.array([[0.5, 0.5, 0], [0.5, 0, 0], [0.1, 0.27, -0.4], [0, 0, 0], [0, 0, 0.25]])


@dataclass(frozen=True)
class Beside:
    constants: ForceConstants
    peer: "phono3py.Phono3py"
    fc2: np.ndarray
    fc3: np.ndarray


@pytest.fixture(scope="module", params=CASES)
def beside(request, crystals, springs) -> Beside:
    """The same constants as ours and in a Phono3py object, on one supercell."""
    repeat, cutoff2, cutoff3 = CASES[request.param]
    crystal = crystals[request.param]
    unit = PhonopyAtoms(
        symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )  # fmt: skip
    peer = phono3py.Phono3py(unit, np.diag(repeat), primitive_matrix=np.eye(3))
    fc3 = random_fc3(crystal, peer.supercell, cutoff3)
    constants = springs(crystal, cutoff2)
    triplets = as_triplets(crystal, peer, fc3)
    fc2 = whole_fc2(constants, peer)
    return Beside(replace(constants, triplets=triplets), peer, fc2, fc3)


def random_fc3(crystal: Crystal, supercell: PhonopyAtoms, cutoff: float) -> np.ndarray:
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    atoms = Atoms(
        supercell.symbols, cell=supercell.cell, positions=supercell.positions, pbc=True
    )
    space = hiphive.ClusterSpace(primitive, [cutoff, cutoff])
    parameters = np.random.default_rng(4).normal(size=space.n_dofs)
    potential = hiphive.ForceConstantPotential(space, parameters)
    return potential.get_force_constants(atoms).get_fc_array(order=3)


def sites_and_cells(crystal: Crystal, peer) -> tuple[np.ndarray, np.ndarray]:
    theirs = peer.supercell
    order = {int(atom): site for site, atom in enumerate(theirs.u2s_map)}
    sites = np.array([order[int(atom)] for atom in theirs.s2u_map])
    cells = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    assert np.abs(cells - np.rint(cells)).max() < 1e-6
    return sites, np.rint(cells).astype(int)


def as_triplets(crystal: Crystal, peer, fc3: np.ndarray) -> ClusterConstants:
    """List what is not zero, each atom at the image nearest to the first."""
    sites, cells = sites_and_cells(crystal, peer)
    box = peer.supercell_matrix
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ box.T
    found = []
    for atom in peer.primitive.p2s_map:
        step = cells - cells[atom]
        apart = (
            step[:, None]
            + shifts
            + (crystal.sites[sites] - crystal.sites[sites[atom]])[:, None]
        )
        nearest = np.linalg.norm(apart @ crystal.cell, axis=2).argmin(axis=1)
        near = step + shifts[nearest]
        j, k = np.nonzero(np.abs(fc3[atom]).max(axis=(2, 3, 4)) > 0)
        home = np.zeros_like(near[j])
        found.append(
            (
                np.stack([np.full(len(j), sites[atom]), sites[j], sites[k]], axis=1),
                np.stack([home, near[j], near[k]], axis=1),
                fc3[atom, j, k],
            )
        )
    return ClusterConstants(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def whole_fc2(constants: ForceConstants, peer) -> np.ndarray:
    crystal = constants.crystal
    sites, cells = sites_and_cells(crystal, peer)
    supercell = build_supercell(crystal, peer.supercell_matrix.T)
    place = np.argsort(cell_rank(supercell, cells) * crystal.n_sites + sites)
    fc2 = np.zeros((len(sites), len(sites), 3, 3))
    for atom, (site, cell) in enumerate(zip(sites, cells, strict=True)):
        mine = np.flatnonzero(constants.first == site)
        rank = cell_rank(supercell, cell + constants.lattice[mine])
        other = place[rank * crystal.n_sites + constants.second[mine]]
        np.add.at(fc2, (atom, other), constants.values[mine])
    return fc2


@pytest.mark.parametrize("relaxed", [True, False])
def test_gruneisen_tensors_equal_those_of_phono3py(beside, relaxed):
    gruneisen = pytest.importorskip("phono3py.phonon3.gruneisen")
    peer = gruneisen.Gruneisen(
        beside.fc2, beside.fc3, beside.peer.supercell, beside.peer.primitive,
        ion_clamped=not relaxed,
    )  # fmt: skip
    peer.set_qpoints(Q_LIST)
    peer.run()
    ours = gruneisen_at(beside.constants, Q_LIST, relaxed=relaxed)
    theirs = peer.gruneisen_parameters
    # Random cubic constants change when the crystal is turned; strain is the symmetric part.
    theirs = 0.5 * (theirs + theirs.swapaxes(-1, -2))
    sets = modes_at(beside.constants, Q_LIST).sets
    scale = np.nanmax(np.abs(ours.tensor))
    for q, m in np.argwhere(sets >= 0):
        mean = theirs[q, sets[q] == sets[q, m]].mean(axis=0)
        np.testing.assert_allclose(ours.tensor[q, m], mean, rtol=0, atol=1e-8 * scale)
        assert ours.gamma[q, m] == pytest.approx(np.trace(mean) / 3, rel=1e-6, abs=1e-8 * scale)


def test_linewidths_equal_those_of_phono3py(beside):
    crystal, peer = beside.constants.crystal, beside.peer
    supercell = build_supercell(crystal, [[2, 0, 0], [0, 2, 0], [0, 0, 2]])
    temperature = 300.0
    lines = perturbative_linewidths(beside.constants, supercell, (3, 3, 3), temperature)
    assert lines.mesh == (4, 4, 4)
    peer.fc2, peer.fc3 = beside.fc2, beside.fc3
    peer.mesh_numbers = lines.mesh
    peer.init_phph_interaction(
        symmetrize_tetrahedra=True, exclude_gamma_acoustic=True, average_degenerate_weights=True
    )
    for q in (1, len(lines.qpoints) - 1):
        address = np.rint(lines.qpoints[q] * lines.mesh).astype(int)
        theirs = peer.run_imag_self_energy(
            [peer.grid.get_indices_from_addresses(address)], [temperature, 1e3 * temperature],
            frequency_points_at_bands=True,
        ).gammas  # fmt: skip
        half, hot = theirs[0, :, 0]
        wanted = 2 * half
        np.testing.assert_allclose(lines.quantum[q] / THZ, wanted, rtol=1e-5)
        classical = 2 * hot / 1e3
        np.testing.assert_allclose(lines.classical[q] / THZ, classical, rtol=1e-5)
    assert np.isnan(lines.quantum[0, :3]).all()


def test_classical_widths_are_sums_with_classical_occupation(beside):
    """phono3py's interaction strengths and weights, summed here with n = k_BT/ħω."""
    module = pytest.importorskip("phono3py.phonon3.imag_self_energy")
    peer, temperature = beside.peer, 300.0
    supercell = build_supercell(beside.constants.crystal, np.diag([2, 2, 2]))
    qpoints = [[0.25, 0.5, 0.0]]
    lines = perturbative_linewidths(
        beside.constants, supercell, (4, 4, 4), temperature, qpoints
    )
    peer.fc2, peer.fc3 = beside.fc2, beside.fc3
    peer.mesh_numbers = (4, 4, 4)
    peer.init_phph_interaction(
        symmetrize_tetrahedra=True, exclude_gamma_acoustic=True, average_degenerate_weights=True
    )
    peer.run_phonon_solver()
    energy = module.ImagSelfEnergy(peer.phph_interaction, lang="Rust")
    energy.set_grid_point(peer.grid.get_indices_from_addresses(np.array([1, 2, 0])))
    energy.run_interaction()
    energy.set_sigma(None)
    energy.run_integration_weights()
    delta, *_ = energy.get_integration_weights()
    triplets, weights, *_ = peer.phph_interaction.get_triplets_at_q()
    strength = peer.phph_interaction.interaction_strength
    freq_thz, _, _ = peer.get_phonon_data()
    first, second = freq_thz[triplets[:, 1]], freq_thz[triplets[:, 2]]

    def total(occupation, half: float) -> np.ndarray:
        n1, n2 = occupation(first)[:, None, :, None], occupation(second)[:, None, None, :]
        parts = (n1 + n2 + half) * delta[0] + (n1 - n2) * delta[1]
        found = np.einsum("t,tmab,tmab->m", weights, strength, parts)
        sets = modes_at(beside.constants, qpoints).sets
        return set_means(found[None], sets)[0]

    unit = HBAR * THZ / (BOLTZMANN * temperature)

    def bose(freq: np.ndarray) -> np.ndarray:
        return np.where(freq > 1e-4, 1.0 / np.expm1(unit * np.maximum(freq, 1e-3)), 0.0)

    def classical(freq: np.ndarray) -> np.ndarray:
        return np.where(freq > 1e-4, 1.0 / (unit * np.maximum(freq, 1e-3)), 0.0)

    ratio = lines.quantum[0] / THZ / total(bose, 1.0)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    np.testing.assert_allclose(
        lines.classical[0] / THZ, ratio[0] * total(classical, 0.0), rtol=1e-5
    )
    assert np.abs(lines.classical / lines.quantum - 1).max() > 1e-3


def set_means(values: np.ndarray, sets: np.ndarray) -> np.ndarray:
    means = np.empty_like(values)
    for q, labels in enumerate(sets):
        for label in np.unique(labels):
            means[q, labels == label] = values[q, labels == label].mean()
    return means


def test_constants_shared_among_images_map_onto_the_supercell_of_the_run(beside):
    """Without a cutoff the pairs belong to that supercell; a larger one contains them as
    well.
    """
    crystal = beside.constants.crystal
    shared = replace(beside.constants, cutoff=None)
    large = build_supercell(crystal, np.diag([4, 4, 4]))
    qpoints = [[0.5, 0.25, 0.0]]
    wanted = perturbative_linewidths(beside.constants, large, (4, 4, 4), 300.0, qpoints)
    found = perturbative_linewidths(shared, large, (4, 4, 4), 300.0, qpoints)
    np.testing.assert_allclose(found.quantum, wanted.quantum, rtol=1e-6)
    small = build_supercell(crystal, np.diag([2, 2, 2]))
    with pytest.raises(DataError, match="finds other frequencies"):
        perturbative_linewidths(shared, small, (4, 4, 4), 300.0, qpoints)


def test_widths_go_with_the_square_of_the_cubic_constants(beside):
    crystal = beside.constants.crystal
    cubic = beside.constants.triplets
    stronger = replace(beside.constants, triplets=replace(cubic, values=2.0 * cubic.values))
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    one = perturbative_linewidths(beside.constants, supercell, (2, 2, 2), 300.0)
    two = perturbative_linewidths(stronger, supercell, (2, 2, 2), 600.0)
    np.testing.assert_allclose(two.classical, 8.0 * one.classical, rtol=1e-8, atol=1e-14)


def test_sites_may_lie_in_any_cell(beside):
    constants = beside.constants
    moved = np.zeros((constants.crystal.n_sites, 3), dtype=int)
    moved[-1] = [1, -2, 0]
    crystal = replace(constants.crystal, sites=constants.crystal.sites - moved)
    triplets = constants.triplets
    cells = triplets.lattice + moved[triplets.sites]
    elsewhere = replace(
        constants,
        crystal=crystal,
        lattice=constants.lattice + moved[constants.second] - moved[constants.first],
        triplets=replace(triplets, lattice=cells - cells[:, :1]),
    )
    widths = [
        perturbative_linewidths(one, build_supercell(one.crystal, np.eye(3)), (3, 3, 3), 300.0)
        for one in (constants, elsewhere)
    ]
    for name in ("quantum", "classical"):
        first, second = (getattr(one, name) for one in widths)
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)
