"""What phonopy, phono3py and hiPhive make of the files, and we of theirs.

Constants are those of hiPhive with random parameters: every symmetry and sum rule holds, and
hiPhive spreads them over a supercell in its own way.
"""

import itertools

import numpy as np
import phonopy
import pytest
from ase import Atoms
from phonopy import Phonopy
from phonopy.file_IO import (
    parse_FORCE_CONSTANTS,
    write_FORCE_CONSTANTS,
    write_force_constants_to_hdf5,
)
from phonopy.physical_units import get_calculator_physical_units, get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.formats.folding import images_of_pairs
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.symmetry.translations import build_supercell, cell_rank
from trajmodes.units import DALTON, THZ

pytestmark = pytest.mark.peer

phono3py = pytest.importorskip("phono3py")
file_io = pytest.importorskip("phono3py.file_IO")
gruneisen = pytest.importorskip("phono3py.phonon3.gruneisen")
real_to_reciprocal = pytest.importorskip("phono3py.phonon3.real_to_reciprocal")
hiphive = pytest.importorskip("hiphive")

# Older values of e and u in phonopy.
PHONOPY_THZ = get_physical_units().DefaultToTHz * np.sqrt(DALTON) * THZ
CASES = {
    "diamond": ([[-2, 2, 2], [2, -2, 2], [2, 2, -2]], (5.0, 4.0)),
    "wurtzite": (np.diag([3, 3, 2]), (4.6, 3.4)),
    "triclinic": ([[2, 0, 0], [0, 2, 0], [1, 0, 2]], (3.9, 3.4)),
}


class Example:
    """A crystal with constants, in hiPhive's hands and in ours."""

    def __init__(self, crystal: Crystal, matrix, cutoffs) -> None:
        self.crystal, self.supercell = crystal, build_supercell(crystal, matrix)
        unit = Atoms(
            crystal.species, scaled_positions=crystal.sites, cell=crystal.cell, pbc=True
        )
        space = hiphive.ClusterSpace(unit, list(cutoffs))
        parameters = np.random.default_rng(3).normal(size=space.n_dofs)
        self.potential = hiphive.ForceConstantPotential(space, parameters)
        self.unit = unit
        sites, lattice, values = self._clusters(2)
        self.constants = ForceConstants(
            crystal, sites[:, 0], sites[:, 1], lattice[:, 1], values,
            triplets=ClusterConstants(*self._clusters(3)),
        )  # fmt: skip

    def on(self, supercell: Supercell) -> hiphive.ForceConstants:
        atoms = Atoms(
            supercell.species, positions=supercell.positions, cell=supercell.cell, pbc=True
        )
        return self.potential.get_force_constants(atoms)

    def dense(self, order: int, theirs: np.ndarray) -> np.ndarray:
        """Constants between all atoms at given positions, in the order of these."""
        apart = (theirs[:, None] - self.supercell.positions) @ np.linalg.inv(
            self.supercell.cell
        )
        place = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
        array = self.on(self.supercell).get_fc_array(order=order)
        return array[np.ix_(*[place] * order)]

    def _clusters(self, order: int) -> tuple[np.ndarray, ...]:
        images = images_of_pairs(self.supercell, 1e-5)
        site = self.supercell.site_index
        cell = np.repeat(self.supercell.cells, self.crystal.n_sites, axis=0)
        rows = {}
        for atoms, value in self.on(self.supercell).get_fc_dict(order=order).items():
            for turn in itertools.permutations(range(order)):
                key = tuple(int(atoms[m]) for m in turn)
                if key[0] < self.crystal.n_sites and np.abs(value).max() > 0:
                    rows[key] = value.transpose(turn)
        keys = np.array(list(rows))
        first = site[keys[:, :1]]
        rank = cell_rank(self.supercell, cell[keys])
        assert (images.count[first, site[keys], rank] == 1).all()
        lattice = images.lattice[images.start[first, site[keys], rank]]
        return site[keys], lattice, np.array(list(rows.values()))


@pytest.fixture(scope="module")
def examples(crystals):
    """``examples(name)`` makes each one once."""
    made = {}

    def example(name: str) -> Example:
        if name not in made:
            made[name] = Example(crystals[name], *CASES[name])
        return made[name]

    return example


def random_q(n: int) -> np.ndarray:
    return np.random.default_rng(11).uniform(-1, 1, (n, 3))


def assert_same_frequencies(constants: ForceConstants, q, theirs, atol: float = 1e-6) -> None:
    """Within ``atol`` in THz at the highest frequency, and what that means for ω² elsewhere."""
    ours = frequencies_at(constants, q)[0] / THZ
    theirs = np.asarray(theirs) / PHONOPY_THZ
    allowed = atol * np.abs(ours).max()
    np.testing.assert_allclose(theirs * np.abs(theirs), ours * np.abs(ours), atol=allowed)


@pytest.mark.parametrize("name", CASES)
def test_phono3py_loads_the_constants_of_hiphive(name, examples, tmp_path, monkeypatch):
    example = examples(name)
    export = write_force_constants(example.constants, example.supercell, tmp_path, "phono3py")
    assert export.notes == ()
    monkeypatch.chdir(tmp_path)
    found = phono3py.load(export.paths[0], log_level=0)
    rows = found.primitive.p2s_map
    places = found.supercell.positions
    for order, theirs in ((2, found.fc2), (3, found.fc3)):
        wanted = example.dense(order, places)[rows]
        np.testing.assert_allclose(theirs, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def gruneisen_squares(constants: ForceConstants, q: np.ndarray) -> np.ndarray:
    """γω² in (rad/ps)² of each mode, ions clamped to the strain: −⅙ Σ e*ₐ e_b Φ_abc·r_c/√(MM).

    Broido, Ward and Mingo, Phys. Rev. B 72, 014308 (2005), equation 14.
    """
    crystal, c = constants.crystal, constants.triplets
    ends = (c.lattice + crystal.sites[c.sites]) @ crystal.cell
    away = ends - ends[:, :1]
    mass = np.sqrt(crystal.masses[c.sites[:, 0]] * crystal.masses[c.sites[:, 1]])
    change = np.einsum("cxyz,cz->cxy", c.values, away[:, 2]) / mass[:, None, None]
    vectors = modes_at(constants, q).vectors.reshape(len(q), -1, crystal.n_sites, 3)
    squares = []
    for point, e_msx in zip(q, vectors, strict=True):
        phase = np.exp(2j * np.pi * away[:, 1] @ np.linalg.inv(crystal.cell) @ point)
        left, right = e_msx[:, c.sites[:, 0]], e_msx[:, c.sites[:, 1]]
        squares.append(-np.einsum("mcx,c,cxy,mcy->m", left.conj(), phase, change, right) / 6)
    return np.array(squares).real


@pytest.mark.parametrize("name", CASES)
def test_phono3py_gives_the_same_frequencies_and_gruneisen_parameters(
    name, examples, tmp_path, monkeypatch
):
    example = examples(name)
    export = write_force_constants(example.constants, example.supercell, tmp_path, "phono3py")
    monkeypatch.chdir(tmp_path)
    found = phono3py.load(export.paths[0], log_level=0)
    theirs = gruneisen.Gruneisen(
        found.fc2, found.fc3, found.supercell, found.primitive, ion_clamped=True
    )
    q = random_q(12)
    theirs.set_qpoints(q)
    theirs.run()
    assert_same_frequencies(example.constants, q, theirs.frequencies)
    squares = theirs.frequencies * np.abs(theirs.frequencies) * (THZ / PHONOPY_THZ) ** 2
    gamma = np.trace(theirs.gruneisen_parameters, axis1=2, axis2=3) / 3
    wanted = gruneisen_squares(example.constants, q)
    np.testing.assert_allclose(gamma * squares, wanted, atol=1e-6 * np.abs(wanted).max())


def test_phono3py_gives_the_same_lines_as_from_hiphive(examples, tmp_path, monkeypatch):
    example = examples("diamond")
    export = write_force_constants(example.constants, example.supercell, tmp_path, "phono3py")
    monkeypatch.chdir(tmp_path)
    lines = []
    for ours in (True, False):
        found = phono3py.load(export.paths[0], log_level=0)
        if not ours:
            found.fc3 = example.dense(3, found.supercell.positions)
            found.fc2 = example.dense(2, found.supercell.positions)
            found.fc3_nonzero_indices = None
        found.mesh_numbers = [3, 3, 3]
        found.sigmas = [0.5]
        found.init_phph_interaction()
        result = found.run_imag_self_energy([1, 4], [300], frequency_points=[5.0, 10.0])
        lines.append(np.array(result.gammas))
    assert lines[1].max() > 0
    np.testing.assert_allclose(lines[0], lines[1], rtol=1e-8)


def random_dense(n_sites: int, supercell, seed: int) -> np.ndarray:
    """Cubic constants between all atoms, of any range, with symmetry under exchange only."""
    rng = np.random.default_rng(seed)
    site, cell = supercell.site_index, np.repeat(supercell.cells, n_sites, axis=0)
    n = supercell.n_atoms
    rows = rng.normal(size=(n_sites, n, n, 3, 3, 3))
    # The home atom of each first atom, and where that takes the other two.
    step = cell_rank(supercell, cell - cell[:, None]) * n_sites + site
    dense = rows[site[:, None, None], step[:, :, None], step[:, None, :]]
    turns = itertools.permutations(range(3))
    return sum(dense.transpose(*t, *(3 + m for m in t)) for t in turns)


@pytest.mark.parametrize("name", ["triclinic", "bcc"])
def test_constants_of_any_range_are_shared_among_images_like_phono3py(
    name, crystals, springs, tmp_path, monkeypatch
):
    crystal = crystals[name]
    supercell = build_supercell(crystal, [[2, 0, 0], [0, 2, 0], [1, 0, 2]])
    unit = atoms_of(crystal)
    peer = phono3py.Phono3py(unit, supercell.matrix.T, np.eye(3), is_symmetry=False)
    place = order_of(peer.supercell.positions, supercell)
    peer.fc3 = np.ascontiguousarray(
        random_dense(crystal.n_sites, supercell, 2)[np.ix_(place, place, place)]
    )
    pairs = springs(crystal, 3.0)
    write_force_constants(pairs, supercell, tmp_path, "phonopy")
    two = phonopy.load(tmp_path / "phonopy_params.yaml", is_nac=False, is_symmetry=False)
    peer.fc2 = two.force_constants
    (tmp_path / "three").mkdir()
    monkeypatch.chdir(tmp_path / "three")
    peer.save("phono3py.yaml")
    file_io.write_fc3_to_hdf5(peer.fc3)
    file_io.write_fc2_to_hdf5(peer.fc2)
    found = read_force_constants(tmp_path / "three" / "fc3.hdf5")
    mesh, triplet = np.array([7, 7, 7]), np.array([[1, 2, 3], [2, 4, -1], [-3, -6, -2]])
    n = crystal.n_sites
    _, smallest = peer.primitive.get_smallest_vectors()
    assert smallest[:, :, 0].max() > 1
    theirs = real_to_reciprocal.RealToReciprocal(
        peer.fc3, peer.primitive, mesh, make_r0_average=True,
        all_shortest=np.zeros((n, len(place), len(place)), dtype="byte"),
    )  # fmt: skip
    theirs.run(triplet)
    # Phases at the atoms' positions; the first member lies in the home cell.
    c = found.triplets
    ends = c.lattice + found.crystal.sites[c.sites]
    phase = np.exp(2j * np.pi * np.einsum("cmx,mx->c", ends, triplet / mesh))
    ours = np.zeros((n, n, n, 3, 3, 3), dtype=complex)
    np.add.at(ours, tuple(c.sites.T), phase[:, None, None, None] * c.values)
    wanted = theirs.get_fc3_reciprocal()
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())


def test_hiphive_reads_the_file_for_shengbte(examples, tmp_path):
    example = examples("diamond")
    write_force_constants(example.constants, example.supercell, tmp_path, "shengbte")
    supercell = example.supercell
    atoms = Atoms(
        supercell.species, positions=supercell.positions, cell=supercell.cell, pbc=True
    )
    atoms.wrap()
    found = hiphive.ForceConstants.read_shengBTE(
        atoms, str(tmp_path / "FORCE_CONSTANTS_3RD"), example.unit
    )
    wanted = example.dense(3, supercell.positions)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found.get_fc_array(order=3), wanted, atol=1e-12 * scale)


def test_phonopy_reads_the_pairs_for_shengbte(examples, tmp_path):
    example = examples("diamond")
    write_force_constants(example.constants, example.supercell, tmp_path, "shengbte")
    control = (tmp_path / "CONTROL").read_text()
    repeat = [int(word) for word in control.split("scell(:)=")[1].split("\n")[0].split()]
    peer = Phonopy(atoms_of(example.crystal), np.diag(repeat), primitive_matrix=np.eye(3))
    peer.force_constants = parse_FORCE_CONSTANTS(tmp_path / "FORCE_CONSTANTS_2ND")
    n = len(peer.supercell)
    assert peer.force_constants.shape == (n, n, 3, 3)
    q = random_q(10)
    peer.run_qpoints(q)
    assert_same_frequencies(example.constants, q, peer.qpoints.frequencies)


def atoms_of(crystal: Crystal) -> PhonopyAtoms:
    return PhonopyAtoms(
        symbols=crystal.species,
        cell=crystal.cell,
        scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )


def order_of(positions: np.ndarray, supercell: Supercell) -> np.ndarray:
    apart = (positions[:, None] - supercell.positions) @ np.linalg.inv(supercell.cell)
    return np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)


def conventional(calculator: str | None = None) -> Phonopy:
    """Rock salt from its cube of eight atoms, with random constants of the whole supercell."""
    length = get_calculator_physical_units(calculator).distance_to_A
    cube = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    unit = PhonopyAtoms(
        symbols=["Na"] * 4 + ["Cl"] * 4,
        cell=np.eye(3) * 5.64 / length,
        scaled_positions=[*cube, *(np.array(cube) + np.array([0.5, 0, 0]))],
        masses=[23.5] * 4 + [35.45] * 4,
    )
    peer = Phonopy(
        unit, np.diag([2, 2, 1]), primitive_matrix="F", is_symmetry=False, calculator=calculator
    )
    n = len(peer.supercell)
    rows = np.random.default_rng(5).normal(size=(2, n, 3, 3))
    # The same constants for all translations, and symmetric under exchange.
    permutations = peer.primitive.atomic_permutations
    full = np.zeros((n, n, 3, 3))
    for row, atom in zip(rows, peer.primitive.p2s_map, strict=True):
        for moved in permutations:
            full[moved[atom], moved] = row
    peer.force_constants = 0.5 * (full + full.transpose(1, 0, 3, 2))
    return peer


@pytest.mark.parametrize("kind", ["text", "compact", "hdf5", "compact hdf5", "yaml"])
@pytest.mark.parametrize("calculator", [None, "qe"])
def test_constants_of_phonopy_give_its_frequencies(kind, calculator, tmp_path):
    peer = conventional(calculator)
    full, rows = peer.force_constants, peer.primitive.p2s_map
    path = tmp_path / "FORCE_CONSTANTS"
    if kind == "yaml":
        path = tmp_path / "phonopy_params.yaml"
    elif "hdf5" in kind:
        path = tmp_path / "force_constants.hdf5"
    peer.save(tmp_path / "phonopy_params.yaml", settings={"force_constants": kind == "yaml"})
    chosen = full[rows] if "compact" in kind else full
    if "hdf5" in kind:
        write_force_constants_to_hdf5(chosen, path, p2s_map=rows)
    elif kind != "yaml":
        write_FORCE_CONSTANTS(chosen, path, p2s_map=rows if "compact" in kind else None)
    found = read_force_constants(path)
    np.testing.assert_allclose(found.crystal.masses / DALTON, [23.5, 35.45])
    q = random_q(10)
    peer.run_qpoints(q)
    # Quantum ESPRESSO's units reach phonopy's THz by other constants of nature.
    assert_same_frequencies(
        found, q, peer.qpoints.frequencies, 1e-6 if not calculator else 2e-6
    )


def test_phono3py_with_two_supercells_is_read(examples, tmp_path, monkeypatch):
    example = examples("diamond")
    peer = phono3py.Phono3py(
        atoms_of(example.crystal), example.supercell.matrix.T, primitive_matrix=np.eye(3),
        phonon_supercell_matrix=np.diag([4, 4, 4]),
    )  # fmt: skip
    larger = build_supercell(example.crystal, np.diag([4, 4, 4]))
    place = order_of(peer.phonon_supercell.positions, larger)
    pairs = example.on(larger).get_fc_array(order=2)
    peer.fc2 = np.ascontiguousarray(pairs[np.ix_(place, place)])
    peer.fc3 = example.dense(3, peer.supercell.positions)
    monkeypatch.chdir(tmp_path)
    peer.generate_displacements()
    peer.save("phono3py_disp.yaml")
    file_io.write_fc3_to_hdf5(peer.fc3)
    file_io.write_fc2_to_hdf5(peer.fc2)
    found = read_force_constants(tmp_path)
    q = random_q(6)
    wanted = frequencies_at(example.constants, q)[0]
    np.testing.assert_allclose(frequencies_at(found, q)[0] ** 2, wanted**2, atol=1e-6)
    np.testing.assert_allclose(
        gruneisen_squares(found, q), gruneisen_squares(example.constants, q), atol=1e-6
    )
