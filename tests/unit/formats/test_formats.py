"""Single formats: what their files contain, omit and refuse."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import (
    ClusterConstants,
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.formats.cell_file import read_poscar
from trajmodes.formats.registry import TARGETS, read_force_constants, write_force_constants
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON


def clusters(order: int, cell: tuple[int, int, int] = (0, 0, 0)) -> ClusterConstants:
    lattice = np.zeros((1, order, 3), dtype=int)
    lattice[0, -1] = cell
    values = np.random.default_rng(order).normal(size=(1, *(3,) * order))
    return ClusterConstants(np.zeros((1, order), dtype=int), lattice, values)


@pytest.fixture
def constants(crystals, springs) -> ForceConstants:
    """Iron with one third-order and one fourth-order cluster."""
    return replace(springs(crystals["bcc"], 2.6), triplets=clusters(3), quartets=clusters(4))


@pytest.fixture
def supercell(crystals):
    return build_supercell(crystals["bcc"], np.diag([3, 3, 3]))


@pytest.mark.parametrize("target", TARGETS)
def test_every_format_makes_its_folder_and_files(target, constants, supercell, tmp_path):
    folder = tmp_path / "new" / "folder"
    export = write_force_constants(constants, supercell, folder, target)
    assert set(export.paths) == set(folder.iterdir())
    assert all(path.stat().st_size > 0 for path in export.paths)


def test_shengbte_requires_third_order(constants, supercell, tmp_path):
    without = replace(constants, triplets=None)
    with pytest.raises(DataError, match="fix: fit with --cutoff3"):
        write_force_constants(without, supercell, tmp_path / "new", "shengbte")
    assert not (tmp_path / "new").exists()


def test_phono3py_accepts_second_order_alone(constants, supercell, tmp_path):
    pairs = replace(constants, triplets=None, quartets=None)
    export = write_force_constants(pairs, supercell, tmp_path, "phono3py")
    assert [path.name for path in export.paths] == ["phono3py_params.yaml", "fc2.hdf5"]
    assert any("no fc3.hdf5" in note for note in export.notes)
    qpoints = [[0.1, 0.2, 0.3], [0.5, 0.0, 0.0]]
    ours, theirs = (
        dynamical_matrices(lattice_sum(c), qpoints)
        for c in (pairs, read_force_constants(tmp_path))
    )
    np.testing.assert_allclose(theirs, ours, atol=1e-9 * np.abs(ours).max())


def test_phono3py_omits_fourth_order(constants, supercell, tmp_path):
    notes = write_force_constants(constants, supercell, tmp_path, "phono3py").notes
    assert any("no fourth-order force constants" in note for note in notes)
    far = replace(constants, triplets=clusters(3, (2, 0, 0)), quartets=None)
    notes = write_force_constants(far, supercell, tmp_path, "phono3py").notes
    assert any(note.startswith("triplets reach beyond") for note in notes)


def test_zeros_of_third_order_take_no_space(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["bcc"], np.diag([7, 7, 7]))
    constants = replace(springs(crystals["bcc"], 2.6), triplets=clusters(3))
    write_force_constants(constants, supercell, tmp_path, "phono3py")
    with h5py.File(tmp_path / "fc3.hdf5") as file:
        assert file["fc3"].shape == (1, 343, 343, 3, 3, 3)
    # 25 MB in memory
    assert (tmp_path / "fc3.hdf5").stat().st_size < 200_000


def test_alamode_refuses_clusters_beyond_neighbouring_supercells(constants, crystals, tmp_path):
    small = build_supercell(crystals["bcc"], np.eye(3))
    far = replace(constants, triplets=clusters(3, (2, 0, 0)))
    with pytest.raises(DataError, match="beyond the neighbours of the supercell"):
        write_force_constants(far, small, tmp_path, "alamode")


def test_control_lists_every_kind_of_atom(crystals, springs, tmp_path):
    known = crystals["triclinic"]
    masses = np.array([28.085, 15.999, 17.999]) * DALTON
    crystal = Crystal(known.cell, known.sites, ("Si", "O", "O"), masses)
    constants = replace(springs(crystal, 3.9), triplets=clusters(3), temperature=450.0)
    supercell = build_supercell(crystal, [[2, 0, 0], [1, 2, 0], [0, 0, 2]])
    write_force_constants(constants, supercell, tmp_path, "shengbte")
    control = (tmp_path / "CONTROL").read_text()
    for line in (
        "nelements=3,", "natoms=3,", "T=450,", 'elements="Si" "O" "O",', "types=1 2 3,",
        "masses=28.08500000 15.99900000 17.99900000,", "lfactor=0.1,",
        "lattvec(:,2)=0.700000000000000 4.600000000000000 0.500000000000000,",
        "positions(:,3)=0.100000000000000 0.600000000000000 0.300000000000000,",
        "nonanalytic=.FALSE.,",
    ):  # fmt: skip
        assert f"  {line}\n" in control
    repeat = np.array(control.split("scell(:)=")[1].split("\n")[0].split(), dtype=int)
    atoms = int((tmp_path / "FORCE_CONSTANTS_2ND").read_text().split()[0])
    assert atoms == 3 * repeat.prod()


def assert_equal(one: object, other: object) -> None:
    """Bit by bit, field by field."""
    assert type(one) is type(other)
    for name in type(one).__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if hasattr(type(a), "__dataclass_fields__"):
            assert_equal(a, b)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b
            assert type(a) is type(b)


def test_hdf5_is_read_back_exactly(constants, supercell, tmp_path):
    rng = np.random.default_rng(8)
    orders = tuple(
        OrderQuality(n, "4.5", 27, 0.97, 0.1, left, 0.02) for n, left in ((2, 0.5), (3, 0.25))
    )
    quality = FitQuality(
        31, 30, 2.5e4, 20001, 0.97, 0.8, 0.1, rng.normal(size=(1, 3)), orders, "joint",
        ("Huang",),
    )  # fmt: skip
    quartets = replace(clusters(4), cutoff=3.0, replicates=rng.normal(size=(5, 1, 3, 3, 3, 3)))
    full = replace(
        constants,
        replicates=rng.normal(size=(5, constants.n_pairs, 3, 3)),
        temperature=300.0,
        has_static_part=False,
        quality=quality,
        quartets=quartets,
    )
    write_force_constants(full, supercell, tmp_path, "hdf5")
    assert_equal(read_force_constants(tmp_path), full)
    bare = replace(constants, triplets=None, quartets=None, cutoff=None)
    write_force_constants(bare, supercell, tmp_path, "hdf5")
    assert_equal(read_force_constants(tmp_path / "force_constants.h5"), bare)


def test_every_hdf5_dataset_has_axes_and_unit(constants, supercell, tmp_path):
    write_force_constants(constants, supercell, tmp_path, "hdf5")
    seen = []

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name != "crystal/species":
            assert item.attrs["axes"].count(",") == item.ndim - 1
            seen.append(item.attrs["unit"])

    with h5py.File(tmp_path / "force_constants.h5") as file:
        file.visititems(look)
    assert {"eV/angstrom^2", "eV/angstrom^3", "eV/angstrom^4", "angstrom"} <= set(seen)


def test_an_unknown_target_is_refused(constants, supercell, tmp_path):
    with pytest.raises(UsageError, match="take one of hdf5, phono3py, phonopy"):
        write_force_constants(constants, supercell, tmp_path, "vasp")


def test_a_folder_that_cannot_be_made_is_reported(constants, supercell, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        write_force_constants(constants, supercell, tmp_path / "file", "hdf5")


def test_a_folder_of_several_programs_is_ambiguous(constants, supercell, tmp_path):
    for target in ("phonopy", "tdep"):
        write_force_constants(constants, supercell, tmp_path, target)
    with pytest.raises(UsageError, match="constants of several programs"):
        read_force_constants(tmp_path)
    assert read_force_constants(tmp_path / "outfile.forceconstant").quartets is not None
    # The file of trajmodes contains everything that the others were written from.
    write_force_constants(constants, supercell, tmp_path, "hdf5")
    assert np.array_equal(read_force_constants(tmp_path).values, constants.values)


def test_tdep_reads_infiles_and_a_cartesian_cell(constants, supercell, tmp_path):
    write_force_constants(constants, supercell, tmp_path, "tdep")
    for path in tmp_path.glob("outfile.*"):
        path.rename(tmp_path / path.name.replace("outfile", "infile"))
    before = read_force_constants(tmp_path)
    lines = (tmp_path / "infile.ucposcar").read_text().splitlines()
    lines[1] = f"{-abs(np.linalg.det(supercell.crystal.cell)):.12f}"
    lines[7:] = ["Cartesian", "0.0 0.0 0.0"]
    (tmp_path / "infile.ucposcar").write_text("\n".join(lines) + "\n")
    after = read_force_constants(tmp_path)
    np.testing.assert_allclose(after.crystal.cell, before.crystal.cell, atol=1e-9)
    np.testing.assert_array_equal(after.values, before.values)


def test_cartesian_positions_are_scaled(tmp_path):
    path = tmp_path / "POSCAR"
    path.write_text("x\n2.0\n2 0 0\n0 2 0\n0 0 2\nNa Cl\n1 1\nCartesian\n0 0 0\n1 1 1\n")
    crystal = read_poscar(path)
    np.testing.assert_allclose(crystal.cell, 4 * np.eye(3))
    np.testing.assert_allclose(crystal.sites[1], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(crystal.masses / DALTON, [22.98976928, 35.45], rtol=1e-3)


def test_tdep_accepts_any_order_and_cell_of_atoms(crystals, springs, tmp_path):
    known = crystals["wurtzite"]
    # The permutation that groups these is not its own inverse.
    mixed = Crystal(known.cell, known.sites, ("Ga", "N", "N", "Ga"), known.masses)
    constants = springs(mixed, 3.0)
    supercell = build_supercell(mixed, np.diag([3, 3, 2]))
    write_force_constants(constants, supercell, tmp_path / "mixed", "tdep")
    found = read_force_constants(tmp_path / "mixed")
    assert found.crystal.species == ("Ga", "Ga", "N", "N")
    np.testing.assert_allclose(found.crystal.sites, known.sites[[0, 3, 1, 2]])
    place = np.array([0, 2, 3, 1])
    for mine, value in zip(place[constants.first], constants.values, strict=True):
        assert np.abs(found.values[found.first == mine] - value).max(axis=(1, 2)).min() < 1e-14
    onsite = found.values[(found.second == found.first) & ~found.lattice.any(axis=1)]
    np.testing.assert_allclose(onsite, constants.values[:4][[0, 3, 1, 2]], atol=1e-14)


def test_tdep_force_constants_fit_sites_in_other_cells(crystals, springs, tmp_path):
    known = crystals["wurtzite"]
    shift = np.array([[0, 0, 0], [2, 0, -1], [0, -3, 0], [1, 1, 1]])
    moved = Crystal(known.cell, known.sites + shift, known.species, known.masses)
    constants = springs(moved, 3.0)
    supercell = build_supercell(moved, np.diag([3, 3, 2]))
    write_force_constants(constants, supercell, tmp_path, "tdep")
    found = read_force_constants(tmp_path, supercell=supercell)
    q = np.random.default_rng(1).uniform(-1, 1, (4, 3))
    wanted = dynamical_matrices(lattice_sum(constants), q)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(
        dynamical_matrices(lattice_sum(found), q), wanted, rtol=0, atol=1e-12 * scale
    )


def test_units_of_calculators_are_converted_at_every_order(constants, supercell, tmp_path):
    write_force_constants(constants, supercell, tmp_path, "phono3py")
    before = read_force_constants(tmp_path)
    yaml = tmp_path / "phono3py_params.yaml"
    yaml.write_text(yaml.read_text().replace('calculator: "vasp"', 'calculator: "qe"'))
    after = read_force_constants(tmp_path)
    bohr, rydberg = 0.529177, 13.605693
    np.testing.assert_allclose(after.crystal.cell, before.crystal.cell * bohr, rtol=1e-5)
    factor = rydberg / bohr**2
    np.testing.assert_allclose(after.values, before.values * factor, rtol=1e-5)
    factor = rydberg / bohr**3
    np.testing.assert_allclose(
        after.triplets.values, before.triplets.values * factor, rtol=1e-5
    )
