"""The same displacements and forces by way of every program that collects them."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from click.testing import CliRunner
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

import trajmodes as tm
from program_files.snapshots import as_dfset, as_phonopy, as_tdep, atoms_of
from trajmodes.cli.program import main
from trajmodes.formats.registry import read_force_constants
from trajmodes.readers.arrays import trajectory_of_atoms
from trajmodes.symmetry.translations import build_supercell, cell_rank
from trajmodes.units import DALTON

CUTOFF, N_FRAMES = 4.1, 12


@pytest.fixture(scope="module")
def frames(crystals, springs, hessian_of):
    """phonopy's supercell of rock salt, displacements and harmonic forces in its order."""
    crystal = crystals["rock salt"]
    unit = PhonopyAtoms(
        symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites,
        masses=crystal.masses / DALTON,
    )  # fmt: skip
    phonon = Phonopy(unit, 3 * np.eye(3, dtype=int), primitive_matrix=np.eye(3))
    theirs, ours = phonon.supercell, build_supercell(crystal, 3 * np.eye(3))
    sites = np.array([{"Na": 0, "Cl": 1}[symbol] for symbol in theirs.symbols])
    cells = np.rint(theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites])
    order = cell_rank(ours, cells) * 2 + sites
    truth = springs(crystal, CUTOFF)
    hessian = hessian_of(truth, ours).reshape(ours.n_atoms, 3, ours.n_atoms, 3)
    u_tax = 0.03 * np.random.default_rng(0).normal(size=(N_FRAMES, ours.n_atoms, 3))
    f_tax = -np.einsum("axby,tby->tax", hessian[order][:, :, order], u_tax)
    return phonon, u_tax, f_tax, truth


@pytest.mark.parametrize("write", [as_phonopy, as_dfset, as_tdep])
def test_constants_are_those_of_the_forces(frames, tmp_path, write, monkeypatch):
    phonon, u_tax, f_tax, truth = frames
    words = write(tmp_path, phonon, u_tax, f_tax)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["fit", *words, "--cutoff", str(CUTOFF), "-o", "out"])
    assert result.exit_code == 0, result.output
    compare(read_force_constants(tmp_path / "out" / "force_constants.h5"), truth)


def test_atoms_about_a_known_structure(frames):
    phonon, u_tax, f_tax, truth = frames
    ideal = atoms_of(phonon.supercell)
    images = []
    for u_ax, f_ax in zip(u_tax, f_tax, strict=True):
        image = ideal.copy()
        image.positions += u_ax
        image.arrays["forces"] = f_ax
        images.append(image)
    snapshots = trajectory_of_atoms(images, ideal=ideal)
    compare(tm.fit_runs(snapshots, cutoff=CUTOFF), truth)


def compare(found, truth) -> None:
    """Bonds are compared by species and vector: cells may differ by name only."""

    def table(constants):
        crystal = constants.crystal
        ends = constants.lattice + crystal.sites[constants.second]
        bonds = (ends - crystal.sites[constants.first]) @ crystal.cell
        kinds = np.array(crystal.species)
        pairs = zip(kinds[constants.first], kinds[constants.second], bonds, strict=True)
        keys = [(a, b, *(np.round(bond, 2) + 0.0)) for a, b, bond in pairs]
        return dict(zip(keys, constants.values, strict=True))

    ours, theirs = table(found), table(truth)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, atol=1e-5)


def test_displacements_are_counted_from_the_average(crystals, springs, hessian_of, tmp_path):
    """Wurtzite may relax along c: a given structure that does not is left behind."""
    supercell = build_supercell(crystals["wurtzite"], np.diag([3, 3, 2]))
    hessian = hessian_of(springs(supercell.crystal, CUTOFF), supercell)
    offset = np.array([[0, 0, 0.01], [0, 0, 0.01], [0, 0, -0.05], [0, 0, -0.05]])
    shift = np.tile(offset, (supercell.n_cells, 1))
    rng = np.random.default_rng(1)
    ideal = Atoms(supercell.species, positions=supercell.positions, cell=supercell.cell, pbc=1)
    images = []
    for u_ax in 0.05 * rng.normal(size=(40, supercell.n_atoms, 3)):
        image = ideal.copy()
        image.positions += u_ax + shift
        image.arrays["forces"] = -(hessian @ u_ax.ravel()).reshape(-1, 3)
        images.append(image)
    crystal = supercell.crystal
    unit = Atoms(crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True)
    ase.io.write(tmp_path / "POSCAR", unit, direct=True)
    frames = trajectory_of_atoms(images, ideal=ideal)
    settings = {"cell": tmp_path / "POSCAR", "cutoff": CUTOFF}
    given = tm.fit_runs(frames, **settings).record.results
    assert any("--displacements-from average" in str(note) for note in given.notes)
    results = tm.fit_runs(frames, displacements_from="average", **settings).record.results
    moved = results.supercell.crystal.positions - crystal.positions
    apart = (moved - moved[0])[:, 2]
    np.testing.assert_allclose(apart, (offset - offset[0])[:, 2], atol=2e-3)
    assert any("relative to the average structure" in str(note) for note in results.notes)
    assert np.abs(results.reference.shift).max() < 1e-3
    assert np.abs(hessian_of(results.constants, supercell) - hessian).max() < 1e-4
