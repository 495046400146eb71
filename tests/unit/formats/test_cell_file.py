"""Cell files: what is read, reduced and refused."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, sort
from ase.spacegroup import crystal as ase_crystal
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import get_primitive, guess_primitive_matrix

from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal, read_atoms, read_poscar
from trajmodes.symmetry.operations import space_group
from trajmodes.units import DALTON


def written(folder: Path, atoms: Atoms, name: str) -> Path:
    path = folder / name
    ase.io.write(path, atoms)
    return path


def spaced(names: str, group: int, cellpar: list[float], places: list[list[float]]) -> Atoms:
    return ase_crystal(names.split(), places, spacegroup=group, cellpar=cellpar)


def assert_same_structure(small, atoms: Atoms) -> None:
    """Assert that every atom of the file is a site of the crystal, in the frame of the file."""
    box = atoms.cell.array @ np.linalg.inv(small.cell)
    assert np.abs(box - np.rint(box)).max() < 1e-8
    for symbol, place in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True):
        apart = (place - small.positions) @ np.linalg.inv(small.cell)
        distance = np.linalg.norm((apart - np.rint(apart)) @ small.cell, axis=1)
        assert small.species[int(distance.argmin())] == symbol
        assert distance.min() < 1e-6


def test_conventional_poscar_becomes_primitive(tmp_path):
    atoms = bulk("Si", "diamond", a=5.43, cubic=True)
    loaded = load_crystal(written(tmp_path, atoms, "POSCAR"))
    assert loaded.crystal.n_sites == 2
    assert loaded.crystal.volume == pytest.approx(5.43**3 / 4, rel=1e-12)
    assert_same_structure(loaded.crystal, atoms)
    assert loaded.crystal.masses == pytest.approx(28.085 * DALTON)
    assert "8 atoms is 4 primitive cells of 2" in str(loaded.notes[0])


def test_primitive_cell_is_kept_as_it_stands(tmp_path):
    atoms = bulk("MgO", "rocksalt", a=4.21)
    atoms.positions += [0.1, 0.2, 0.3]
    loaded = load_crystal(written(tmp_path, atoms, "POSCAR"))
    assert loaded.notes == ()
    assert loaded.crystal.cell == pytest.approx(atoms.cell.array, abs=1e-12)
    assert loaded.crystal.positions == pytest.approx(atoms.positions, abs=1e-9)
    assert loaded.crystal.species == ("Mg", "O")


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Au", cubic=True),
        bulk("Fe", cubic=True).repeat((2, 1, 3)),
        bulk("Si", cubic=True).repeat(2),
        spaced(
            "Al O", 167, [4.76, 4.76, 12.99, 90, 90, 120], [[0, 0, 0.352], [0.306, 0, 0.25]]
        ),
        spaced("Si O", 5, [5.3, 4.2, 6.6, 90, 103, 90], [[0.1, 0.2, 0.3], [0.3, 0.1, 0.15]]),
        spaced("Si O", 38, [5.3, 4.2, 6.6, 90, 90, 90], [[0.1, 0.2, 0.3], [0.3, 0.1, 0.15]]),
    ],
    ids=["F", "I", "diamond", "R", "C", "A"],
)
def test_reduced_axes_are_those_of_phonopy(tmp_path, atoms):
    atoms = atoms.copy()
    atoms.rotate(20.0, (1, 2, 3), rotate_cell=True)
    path = written(tmp_path, atoms, "POSCAR")
    unit = PhonopyAtoms(
        symbols=atoms.symbols,
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    wanted = get_primitive(unit, guess_primitive_matrix(unit, symprec=1e-3))
    assert load_crystal(path).crystal.cell == pytest.approx(wanted.cell, abs=1e-9)


@pytest.mark.parametrize("name", ["cell.vasp", "cell.xyz", "cell.cif"])
def test_turned_supercell_keeps_its_frame(tmp_path, name):
    atoms = bulk("GaN", "wurtzite", a=3.19, c=5.19, u=0.376).repeat((2, 1, 3))
    if not name.endswith("cif"):
        atoms.rotate(37.0, (1.0, 2.0, 3.0), rotate_cell=True)
    path = written(tmp_path, atoms, name)
    crystal = load_crystal(path).crystal
    assert crystal.n_sites == 4
    assert_same_structure(crystal, ase.io.read(path, format="vasp" if "vasp" in name else None))


def test_rounded_sites_are_moved_to_symmetric_positions(tmp_path):
    cell = [[3.19, 0.0, 0.0], [-1.595, 3.19 * 0.75**0.5, 0.0], [0.0, 0.0, 5.19]]
    sites = [[0.3333, 0.6667, 0.0], [0.6667, 0.3333, 0.5], [0.3333, 0.6667, 0.376]]
    atoms = Atoms("Ga2N2", cell=cell, scaled_positions=[*sites, [0.6667, 0.3333, 0.876]])
    loaded = load_crystal(written(tmp_path, atoms, "POSCAR"))
    assert space_group(loaded.crystal, tolerance=1e-6).symbol == "P6_3mc"
    assert "sites were moved by up to" in str(loaded.notes[0])


def test_order_of_sites_is_that_of_the_file(tmp_path):
    atoms = bulk("OMg", "rocksalt", a=4.2, cubic=True)
    assert load_crystal(written(tmp_path, atoms, "POSCAR")).crystal.species == ("O", "Mg")


def test_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="missing or not a file"):
        load_crystal(tmp_path / "POSCAR")


def test_an_unreadable_file_is_a_usage_error(tmp_path):
    path = tmp_path / "POSCAR"
    path.write_text("this is no cell\n")
    with pytest.raises(
        UsageError, match="no structure that can be read; it begins with “this is no cell”"
    ):
        load_crystal(path)


def test_a_poscar_of_no_element_is_a_usage_error(tmp_path):
    path = written(tmp_path, bulk("Si"), "POSCAR")
    path.write_text(path.read_text().replace("Si", "Gee"))
    with pytest.raises(UsageError, match="no structure that can be read") as raised:
        load_crystal(path)
    assert raised.value.why == "“Gee” is not a chemical symbol"


@pytest.mark.parametrize("damaged", ["1e999", "nan"])
@pytest.mark.parametrize("number", ["4.2100000000000000", "2.1050000000000000"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, number, damaged):
    """The library of space groups crashes on them."""
    sites = [[0.0, 0.0, 0.0], [2.105, 2.105, 2.105]]
    path = written(tmp_path, Atoms("MgO", sites, cell=np.eye(3) * 4.21, pbc=True), "POSCAR")
    assert number in path.read_text()
    path.write_text(path.read_text().replace(number, damaged, 1))
    with pytest.raises((DataError, UsageError)):
        load_crystal(path)


def test_a_negative_number_of_atoms_is_refused(tmp_path):
    """Its absolute value must not be taken from the atoms of another species."""
    atoms = sort(bulk("MgO", "rocksalt", a=4.21, cubic=True))
    path = written(tmp_path, atoms, "POSCAR")
    lines = path.read_text().splitlines()
    assert lines[6].split() == ["4", "4"]
    path.write_text("\n".join([*lines[:6], "4 -1", *lines[7:]]) + "\n")
    with pytest.raises((DataError, UsageError)):
        load_crystal(path)
    with pytest.raises(DataError, match="a number of atoms is negative"):
        read_poscar(path)


def test_molecule_without_cell_is_refused(tmp_path):
    path = written(tmp_path, Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]]), "cell.xyz")
    with pytest.raises(DataError, match="contains no crystal"):
        load_crystal(path)


def test_partly_occupied_sites_are_refused(tmp_path):
    path = tmp_path / "cell.cif"
    path.write_text(
        "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_symmetry_space_group_name_H-M 'P 1'\n"
        "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n"
        "_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\n"
        "Cu1 Cu 0 0 0 0.5\nAu1 Au 0 0 0 0.5\n"
    )
    with pytest.raises(DataError, match="partly occupied"):
        load_crystal(path)


def test_atoms_listed_twice_are_refused(tmp_path):
    atoms = Atoms("Fe2", cell=[2.8] * 3, positions=[[0.0] * 3, [0.0, 0.0, 1e-5]])
    path = tmp_path / "POSCAR"
    ase.io.write(path, atoms, format="vasp")
    with pytest.raises(DataError, match="atoms coincide"):
        load_crystal(path)


_GALLIUM_NITRIDE = """Ga N
{scale}
5.43 0.1 0.0
0.0 5.1234567890123 0.0
0.3 0.0 6.7
{names}
{kind}
0.1 0.2 0.333333333333 {end}
0.5 0.7 1.25 {end}
-0.1 0.2 0.9 {end}
"""


@pytest.mark.parametrize("scale", ["1.0", "1.37", "-150.0", "1.0 1.1 1.2"])
@pytest.mark.parametrize("kind", ["Direct", "Cartesian", "k", "Selective\ndirect"])
@pytest.mark.parametrize("names", ["Ga N\n1 2", "Ga N ! named\n1 2", "1 2"])
def test_poscar_is_to_the_bit_what_ase_reads(tmp_path, scale, kind, names):
    file = tmp_path / "POSCAR"
    end = "T T F" if kind.startswith("S") else ""
    text = _GALLIUM_NITRIDE.format(scale=scale, names=names, kind=kind, end=end)
    file.write_text(text)
    wanted, atoms = ase.io.read(file), read_atoms(file)
    assert np.array_equal(atoms.cell.array, wanted.cell.array)
    assert np.array_equal(atoms.positions, wanted.positions)
    assert np.array_equal(atoms.numbers, wanted.numbers)


@pytest.mark.parametrize(("cells", "noise"), [(2, 0.001), (2, 0.1), (3, 0.05)])
def test_a_noisy_supercell_is_symmetrised_within_the_given_tolerance(tmp_path, cells, noise):
    ideal = bulk("Si", "diamond", a=5.43, cubic=True).repeat(cells)
    atoms = ideal.copy()
    atoms.positions += np.random.default_rng(2).normal(0.0, noise, atoms.positions.shape)
    path = written(tmp_path, atoms, "POSCAR")
    assert load_crystal(path).crystal.n_sites == len(atoms)
    loaded = load_crystal(path, tolerance=3.0 * noise)
    assert loaded.crystal.cell == pytest.approx(load_standard(tmp_path, ideal), abs=1e-9)
    group = space_group(loaded.crystal, tolerance=1e-9)
    assert group.symbol == "Fd-3m"
    assert "sites were moved by up to" in str(loaded.notes[1])


def load_standard(folder: Path, atoms: Atoms) -> np.ndarray:
    return load_crystal(written(folder, atoms, "ideal.vasp")).crystal.cell


def test_a_lattice_is_symmetrised_within_the_given_tolerance(tmp_path):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.set_cell([3.6, 3.61, 3.598], scale_atoms=True)
    path = written(tmp_path, atoms, "POSCAR")
    assert space_group(load_crystal(path).crystal).symbol == "Fmmm"
    crystal = load_crystal(path, tolerance=0.05).crystal
    assert space_group(crystal, tolerance=1e-9).symbol == "Fm-3m"
