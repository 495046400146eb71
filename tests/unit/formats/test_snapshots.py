"""Displacements and forces of phonopy, phono3py, TDEP and ALAMODE."""

import lzma
import sys
import warnings
from pathlib import Path

import numpy as np
import phonopy
import pytest
from ase import Atoms
from ase.io import write
from phonopy.file_IO import write_FORCE_SETS
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal
from trajmodes.formats.open import (
    open_runs,
    open_trajectory,
    sibling_cell_file,
    sibling_charges,
)
from trajmodes.formats.phonopy_yaml import read_supercell_energies
from trajmodes.matching.average import average_structure
from trajmodes.matching.diagnosis import diagnose
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import match
from trajmodes.units import DALTON

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "dispforce"
N_FRAMES = 4
BOHR, RYDBERG = 0.529177210903, 13.605693122994


@pytest.fixture(scope="module")
def salt():
    """Conventional rock salt, 2 × 2 × 2, with random displacements and forces."""
    x = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    sites = np.array([*x, *(np.array(x) + 0.5)])
    unit = PhonopyAtoms(["Na"] * 4 + ["Cl"] * 4, cell=np.eye(3) * 5.64, scaled_positions=sites)
    made = phonopy.Phonopy(unit, 2 * np.eye(3, dtype=int), primitive_matrix="F")
    rng = np.random.default_rng(3)
    shape = (N_FRAMES, len(made.supercell), 3)
    return made, rng.normal(size=shape) * 0.04, rng.normal(size=shape)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Change to an empty folder: no file of the working folder may matter."""
    monkeypatch.chdir(tmp_path)


def ideal_atoms(made):
    cell = made.supercell
    return Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)


def motion_of(run):
    block = run.read(0, run.n_frames)
    return block.positions - run.ideal, block.forces


def check(run, u_tax, f_tax, tolerance=1e-12):
    u, f = motion_of(run)
    assert u == pytest.approx(u_tax, abs=tolerance)
    assert f == pytest.approx(f_tax, abs=tolerance)
    assert run.has_forces
    assert not run.has_velocities
    assert run.unwrapped


def write_tdep(folder, made, u_tax, f_tax, *, meta=None):
    folder.mkdir(exist_ok=True)
    ideal = ideal_atoms(made)
    write(folder / "infile.ssposcar", ideal, format="vasp", direct=True)
    unit = made.unitcell
    atoms = Atoms(unit.symbols, cell=unit.cell, scaled_positions=unit.scaled_positions)
    write(folder / "infile.ucposcar", atoms, format="vasp", direct=True)
    s = (ideal.positions + u_tax) @ np.linalg.inv(ideal.cell.array)
    np.savetxt(folder / "infile.positions", (s % 1.0).reshape(-1, 3), fmt="%25.17E")
    np.savetxt(folder / "infile.forces", f_tax.reshape(-1, 3), fmt="%25.17E")
    text = meta or f"{len(ideal)} # N atoms\n{len(u_tax)} # N steps\n1.0 # fs\n300 # K\n"
    (folder / "infile.meta").write_text(text)
    return folder


def write_dfset(path, u_tax, f_tax):
    rows = np.concatenate([u_tax, f_tax], axis=2)
    text = "".join(
        f"# Filename: disp{t}.xml, Snapshot: {t} (E_pot = 0)\n"
        + "".join(" ".join(f"{x:.17e}" for x in row) + "\n" for row in frame)
        for t, frame in enumerate(rows)
    )
    path.write_text(text)
    return path


def test_phonopy_type_two(salt, tmp_path):
    made, u_tax, f_tax = salt
    path = tmp_path / "phonopy_params.yaml"
    made.dataset = {"displacements": u_tax, "forces": f_tax}
    made.save(path)
    run = open_trajectory(path)
    check(run, u_tax, f_tax, 1e-9)
    assert run.masses == pytest.approx(made.supercell.masses * DALTON)
    assert run.paths == (path,)
    assert run.unit_style == "phonopy"
    packed = tmp_path / "packed.yaml.xz"
    packed.write_bytes(lzma.compress(path.read_bytes()))
    check(open_trajectory(packed), u_tax, f_tax, 1e-9)


def test_rows_read_fast_equal_rows_read_as_yaml(salt, tmp_path):
    """A data set in another layout is read by the yaml parser."""
    made, u_tax, f_tax = salt
    path = tmp_path / "phonopy_params.yaml"
    made.dataset = {"displacements": u_tax, "forces": f_tax}
    made.save(path)
    other = tmp_path / "other.yaml"
    other.write_text(path.read_text().replace("    - [", "    -   ["))
    fast, slow = motion_of(open_trajectory(path)), motion_of(open_trajectory(other))
    assert (fast[0] == slow[0]).all()
    assert (fast[1] == slow[1]).all()


@pytest.mark.parametrize("inside", [True, False])
def test_phonopy_type_one(salt, tmp_path, inside):
    made, _, f_tax = salt
    single = made.replicate()
    single.generate_displacements(distance=0.03)
    n = len(single.supercells_with_displacements)
    path = tmp_path / "phonopy_disp.yaml"
    if inside:
        single.forces = f_tax[:n]
        single.save(path)
    else:
        single.save(path)
        single.forces = f_tax[:n]
        write_FORCE_SETS(single.dataset, filename=tmp_path / "FORCE_SETS")
    expected = np.zeros((n, len(single.supercell), 3))
    for t, (atom, *moved) in enumerate(single.displacements):
        expected[t, int(atom)] = moved
    check(open_trajectory(path), expected, f_tax[:n], 1e-9)


def test_phonopy_in_bohr_and_rydberg(salt, tmp_path):
    made, u_tax, f_tax = salt
    text = {}
    for program in (None, "qe"):
        other = phonopy.Phonopy(
            made.unitcell, 2 * np.eye(3, dtype=int), primitive_matrix="F", calculator=program
        )
        other.dataset = {"displacements": u_tax, "forces": f_tax}
        other.save(tmp_path / "some.yaml")
        text[program] = open_trajectory(tmp_path / "some.yaml")
    (u, f), (v, g) = motion_of(text[None]), motion_of(text["qe"])
    assert v == pytest.approx(u * BOHR, rel=1e-6)
    assert g == pytest.approx(f * RYDBERG / BOHR, rel=1e-6)
    assert load_crystal(tmp_path / "some.yaml").crystal.volume == pytest.approx(
        (5.64 * BOHR) ** 3 / 4, rel=1e-6
    )


def test_yaml_without_forces_reports_the_missing_file(salt, tmp_path):
    made, u_tax, _ = salt
    path = tmp_path / "phonopy_disp.yaml"
    made.dataset = {"displacements": u_tax}
    made.save(path)
    with pytest.raises(UsageError, match="no FORCE_SETS beside it"):
        open_trajectory(path)
    bare = made.replicate()
    bare.save(path)
    with pytest.raises(UsageError, match=r"has no displacements(.|\n)*phonopy_params.yaml"):
        open_trajectory(path)


def test_phono3py_random_and_pairs(salt, tmp_path):
    phono3py = pytest.importorskip("phono3py")
    made, u_tax, f_tax = salt
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        third = phono3py.Phono3py(made.unitcell, 2 * np.eye(3, dtype=int), primitive_matrix="F")
        third.dataset = {"displacements": u_tax, "forces": f_tax}
        path = tmp_path / "phono3py_params.yaml"
        third.save(path)
        check(open_trajectory(path), u_tax, f_tax, 1e-9)
        third.dataset = None
        third.generate_displacements(cutoff_pair_distance=3.0)
        path = tmp_path / "phono3py_disp.yaml"
        third.save(path)
    # supercells that were calculated; phono3py's `displacements` lacks the first atoms of pairs
    cells = third.supercells_with_displacements
    there = np.array([cell is not None for cell in cells])
    assert 2 < there.sum() < len(there)
    moved = [cell.positions - third.supercell.positions for cell in cells if cell is not None]
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(len(cells), *u_tax.shape[1:])) * there[:, None, None]
    with (tmp_path / "FORCES_FC3").open("w") as file:
        for t, force in enumerate(forces):
            file.write(f"# File: {t + 1}\n# 1 0.03 0 0\n")
            np.savetxt(file, force, fmt="%15.10f")
    run = open_trajectory(path)
    check(run, np.array(moved), forces[there], 1e-9)
    assert "displaced supercells have no forces and are left out" in str(run.notes[0])
    rows = np.concatenate([u_tax, f_tax], axis=2).reshape(-1, 6)
    np.savetxt(tmp_path / "FORCES_FC3", rows, fmt="%.17e")
    check(open_trajectory(path), u_tax, f_tax)


@pytest.fixture
def two_cells(salt):
    """phono3py's object with a larger supercell for second order."""
    phono3py = pytest.importorskip("phono3py")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return phono3py.Phono3py(
            salt[0].unitcell,
            2 * np.eye(3, dtype=int),
            phonon_supercell_matrix=np.diag([3, 2, 2]),
            primitive_matrix="F",
        )


def test_energies_of_displaced_supercells_are_read(salt, tmp_path):
    made, u_tax, f_tax = salt
    path, energies = tmp_path / "phonopy_params.yaml", -200.0 + np.arange(len(u_tax)) / 7.0
    made.dataset = {
        "displacements": u_tax, "forces": f_tax, "supercell_energies": energies,
    }  # fmt: skip
    made.save(path)
    np.testing.assert_allclose(read_supercell_energies(path), energies, rtol=1e-12)
    made.dataset = {"displacements": u_tax, "forces": f_tax}
    made.save(path)
    with pytest.raises(DataError, match="no energies of the displaced supercells"):
        read_supercell_energies(path)
    singles = [
        {"number": n, "displacement": [0.0, 0.0, 0.01], "forces": f_tax[0],
         "supercell_energy": -3.5 - n}
        for n in (0, 9)
    ]  # fmt: skip
    made.dataset = {"natom": len(u_tax[0]), "first_atoms": singles}
    made.save(path)
    np.testing.assert_allclose(read_supercell_energies(path), [-3.5, -12.5])


def test_both_data_sets_of_phono3py_are_runs(salt, two_cells, tmp_path):
    _, u_tax, f_tax = salt
    shape = (2, 3, len(two_cells.phonon_supercell), 3)
    large = np.random.default_rng(1).normal(size=shape)
    two_cells.dataset = {"displacements": u_tax, "forces": f_tax}
    two_cells.phonon_dataset = {"displacements": large[0], "forces": large[1]}
    path = tmp_path / "phono3py_params.yaml"
    two_cells.save(path)
    first, second = open_runs([path], ReadOptions())
    check(first, u_tax, f_tax, 1e-9)
    check(second, *large, 1e-9)
    assert first.notes == second.notes == ()
    single = open_trajectory(path)
    check(single, u_tax, f_tax, 1e-9)
    assert "96 atoms, displaced for second order, are not used" in str(single.notes[0])
    thinned = open_runs([path], ReadOptions(frames=(0, None, 3)))
    assert [run.n_frames for run in thinned] == [2, 1]
    two_cells.dataset = None
    two_cells.save(path)
    (alone,) = open_runs([path], ReadOptions())
    check(alone, *large, 1e-9)


def test_each_data_set_of_phono3py_has_a_file_of_forces(two_cells, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        two_cells.generate_displacements(cutoff_pair_distance=3.0)
        two_cells.generate_fc2_displacements()
        path = tmp_path / "phono3py_disp.yaml"
        two_cells.save(path)
    with pytest.raises(UsageError, match="no FORCES_FC3 beside it"):
        open_runs([path], ReadOptions())
    rng = np.random.default_rng(1)
    cells = two_cells.supercells_with_displacements
    there = np.array([cell is not None for cell in cells])
    forces = rng.normal(size=(len(cells), 64, 3)) * there[:, None, None]
    np.savetxt(tmp_path / "FORCES_FC3", forces.reshape(-1, 3), fmt="%15.10f")
    with pytest.raises(UsageError, match="no FORCES_FC2 beside it"):
        open_runs([path], ReadOptions())
    cells = two_cells.phonon_supercells_with_displacements
    moved = np.array([cell.positions - two_cells.phonon_supercell.positions for cell in cells])
    pulled = rng.normal(size=moved.shape).round(10)
    np.savetxt(tmp_path / "FORCES_FC2", pulled.reshape(-1, 3), fmt="%15.10f")
    first, second = open_runs([path], ReadOptions())
    assert first.n_frames == there.sum()
    check(second, moved, pulled, 1e-9)


def test_a_missing_phono3py_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "phono3py.interface.phono3py_yaml", None)
    path = tmp_path / "phono3py_params.yaml"
    path.write_text("phono3py:\n  version: 1\n")
    with pytest.raises(UsageError, match=r"phono3py is needed(.|\n)*trajmodes\[kappa\]"):
        open_trajectory(path)


def test_tdep_folder(salt, tmp_path):
    made, u_tax, f_tax = salt
    folder = write_tdep(tmp_path / "T300", made, u_tax, f_tax)
    for name in ("", "infile.positions", "infile.meta"):
        run = open_trajectory(folder / name)
        check(run, u_tax, f_tax, 1e-9)
    assert run.paths == (folder / "infile.positions",)
    assert "--temperature 300" in str(run.notes[0])
    assert sibling_cell_file(folder / "infile.forces") == folder / "infile.ucposcar"
    assert load_crystal(sibling_cell_file(folder)).crystal.n_sites == 2
    # infile.* gives every file of the folder, which is one run
    (one,) = open_runs(sorted(folder.iterdir()), ReadOptions())
    assert one.n_frames == N_FRAMES


def test_charges_beside_snapshots_are_found(salt, tmp_path):
    made, u_tax, f_tax = salt
    folder = write_tdep(tmp_path / "T300", made, u_tax, f_tax)
    assert sibling_charges(folder) is None
    charges = folder / "infile.lotosplitting"
    charges.write_text("2 0 0\n")
    assert sibling_charges(folder) == sibling_charges(folder / "infile.positions") == charges
    path = tmp_path / "phonopy_params.yaml"
    made.dataset = {"displacements": u_tax, "forces": f_tax}
    made.save(path)
    assert sibling_charges(path) is None
    (tmp_path / "BORN").write_text("14.4\n")
    assert sibling_charges(path) == tmp_path / "BORN"


def test_contradicting_tdep_files_are_refused(salt, tmp_path):
    made, u_tax, f_tax = salt
    n = u_tax.shape[1]
    folder = write_tdep(tmp_path / "a", made, u_tax, f_tax, meta=f"{n}\n2000\n1.0\n300\n")
    with pytest.raises(DataError, match="announces 2000 frames, the other files have 4"):
        open_trajectory(folder)
    folder = write_tdep(tmp_path / "b", made, u_tax, f_tax, meta="few\n")
    with pytest.raises(DataError, match="does not contain the four numbers"):
        open_trajectory(folder)
    folder = write_tdep(tmp_path / "c", made, u_tax, f_tax[:3])
    with pytest.raises(DataError, match="4 frames of positions and 3 of forces"):
        open_trajectory(folder)
    (folder / "infile.forces").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*infile\.forces"):
        open_trajectory(folder)


@pytest.mark.parametrize(
    ("units", "length", "force"), [(None, BOHR, RYDBERG / BOHR), ("metal", 1.0, 1.0)]
)
def test_dfset(salt, tmp_path, units, length, force):
    made, u_tax, f_tax = salt
    path = write_dfset(tmp_path / "DFSET_random", u_tax / length, f_tax / force)
    write(tmp_path / "SPOSCAR", ideal_atoms(made), format="vasp", direct=True)
    run = open_trajectory(path, ReadOptions(supercell=tmp_path / "SPOSCAR", units=units))
    check(run, u_tax, f_tax, 1e-8)
    assert (units is None) == any("--units metal" in str(note) for note in run.notes)
    both = open_trajectory(
        [path, path], ReadOptions(supercell=tmp_path / "SPOSCAR", units=units)
    )
    check(both, np.tile(u_tax, (2, 1, 1)), np.tile(f_tax, (2, 1, 1)), 1e-8)
    assert both.segments == ((0, 2 * N_FRAMES),)
    assert sibling_cell_file(path) is None


def test_dfset_requires_its_supercell(salt, tmp_path):
    made, u_tax, f_tax = salt
    path = write_dfset(tmp_path / "DFSET", u_tax, f_tax)
    with pytest.raises(UsageError, match="--supercell SPOSCAR"):
        open_trajectory(path)
    write(tmp_path / "SPOSCAR", ideal_atoms(made) * (1, 1, 3), format="vasp")
    with pytest.raises(
        DataError, match="256 rows are not a whole number of frames of 192 atoms"
    ):
        open_trajectory(path, ReadOptions(supercell=tmp_path / "SPOSCAR"))


def test_files_of_different_structures_are_not_joined(salt, tmp_path):
    made, u_tax, f_tax = salt
    folders = []
    for name, size in (("a", 1.0), ("b", 1.01)):
        unit = made.unitcell.copy()
        unit.cell = unit.cell * size
        other = phonopy.Phonopy(unit, 2 * np.eye(3, dtype=int), primitive_matrix="F")
        folders.append(write_tdep(tmp_path / name, other, u_tax, f_tax))
    with pytest.raises(DataError, match="displacements from different structures"):
        open_trajectory(folders)
    assert [run.n_frames for run in open_runs(folders, ReadOptions())] == [4, 4]
    twice = [folders[0], write_tdep(tmp_path / "c", made, u_tax, f_tax)]
    assert [run.n_frames for run in open_runs(twice, ReadOptions())] == [8]


def test_unused_options_are_refused(salt, tmp_path):
    made, u_tax, f_tax = salt
    folder = write_tdep(tmp_path / "T", made, u_tax, f_tax)
    with pytest.raises(UsageError, match="tdep files define their units"):
        open_trajectory(folder, ReadOptions(units="metal"))
    with pytest.raises(UsageError, match="the supercell has its own"):
        open_trajectory(folder, ReadOptions(box=np.eye(3)))
    dump = Path(__file__).parents[2] / "data" / "lammps" / "o_custom.lammpstrj"
    with pytest.raises(UsageError, match="contains positions and not displacements"):
        open_trajectory(dump, ReadOptions(units="metal", supercell=folder / "infile.ssposcar"))
    (tmp_path / "FORCE_SETS").write_text("16\n1\n")
    with pytest.raises(UsageError, match="forces without their supercell"):
        open_trajectory(tmp_path / "FORCE_SETS")
    made.dataset = {"displacements": u_tax, "forces": f_tax}
    made.save(tmp_path / "p.yaml")
    with pytest.raises(UsageError, match="the file contains its own"):
        open_trajectory(tmp_path / "p.yaml", ReadOptions(supercell=folder / "infile.ssposcar"))


def test_the_reference_is_the_ideal_structure(salt, tmp_path):
    """Few large displacements in one direction: their mean is not a reference."""
    made, u_tax, f_tax = salt
    one_way = u_tax[:2] + np.where(np.arange(u_tax.shape[1]) < 32, 0.3, 0.0)[:, None]
    run = open_trajectory(write_tdep(tmp_path / "T", made, one_way, f_tax[:2]))
    average = average_structure(run)
    given = load_crystal(sibling_cell_file(tmp_path / "T")).crystal
    for crystal in (given, find_crystal(average, run.species).crystal):
        found = match(crystal, run, average=average)
        assert found.residual_max < 1e-9
        assert np.abs(found.relaxation).max() < 1e-9
        assert found.relaxation_sem == 0.0
        assert found.reference == pytest.approx(run.ideal, abs=1e-9)
    diagnosis = diagnose(run, found)
    assert diagnosis.usable
    assert any("snapshots" in remark.text for remark in diagnosis.verdict)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/dispforce")
def test_rock_salt_of_symfc():
    path = DATA / "dfset_NaCl_222_rd.xz"
    run = open_trajectory(path, ReadOptions(supercell=DATA / "NaCl_222.vasp", units="metal"))
    with lzma.open(path, "rt") as file:
        rows = np.loadtxt(file).reshape(20, 64, 6)
    check(run, rows[..., :3], rows[..., 3:])
    found = match(load_crystal(DATA / "NaCl_222.vasp").crystal, run)
    assert found.space_group == "Fm-3m"
    assert found.residual_max < 1e-9
