"""Files of force constants that are truncated, changed, or without their companions."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from trajmodes.data.force_constants import ClusterConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.registry import (
    read_force_constants,
    read_supercell,
    write_force_constants,
)
from trajmodes.symmetry.translations import build_supercell

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def good(crystals, springs, tmp_path_factory):
    """``good(target)``: a folder with intact files."""
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    zeros = np.zeros((1, 4), dtype=int), np.zeros((1, 4, 3), dtype=int)
    cubic = ClusterConstants(zeros[0][:, :3], zeros[1][:, :3], np.ones((1, 3, 3, 3)))
    quartic = ClusterConstants(*zeros, np.ones((1, 3, 3, 3, 3)))
    constants = replace(springs(crystals["bcc"], 2.6), triplets=cubic, quartets=quartic)

    def make(target):
        folder = tmp_path_factory.mktemp("good")
        write_force_constants(constants, supercell, folder, target)
        return folder

    return make


TEXTS = [
    ("phonopy", "FORCE_CONSTANTS"),
    ("tdep", "outfile.forceconstant"),
    ("tdep", "outfile.forceconstant_thirdorder"),
    ("tdep", "outfile.forceconstant_fourthorder"),
    ("tdep", "infile.ucposcar"),
]


def named(name: str) -> str:
    """The file to open, so that the damaged one is read."""
    return "outfile.forceconstant" if name == "infile.ucposcar" else name


@pytest.mark.parametrize(("target", "name"), TEXTS)
def test_a_text_cut_at_any_line_names_the_line(target, name, good):
    folder = good(target)
    path = folder / name
    lines = path.read_text().splitlines()
    for n in {0, 1, 2, 3, 4, len(lines) // 2, len(lines) - 1}:
        path.write_text("\n".join(lines[:n]) + "\n")
        with pytest.raises(DataError, match=rf"{re.escape(str(path))}:\d+\)") as caught:
            read_force_constants(folder / named(name))
        assert int(caught.value.where.rsplit(":", 1)[1]) <= max(n, 1)
        assert "the file ends where" in caught.value.what or n < 3
        assert caught.value.fix


@pytest.mark.parametrize(("target", "name"), TEXTS)
def test_a_text_cut_inside_its_last_number_is_refused(target, name, good):
    """Half of a number is a number: only a line break shows that it is complete."""
    folder = good(target)
    path = folder / name
    text = path.read_text().rstrip()
    # Cut inside an exponent, or before the last line of second order, the text is no table.
    ends = r"ends without a line break|constants expected|the file ends where"
    for n in range(1, 12):
        path.write_text(text.removesuffix("0   no Born charges").rstrip()[:-n])
        with pytest.raises(DataError, match=rf"({ends}).*\({re.escape(str(path))}"):
            read_force_constants(folder / named(name))


@pytest.mark.parametrize("junk", ["***", "", "NaN 0.0 0.0", "1.0 2.0"])
@pytest.mark.parametrize(("target", "name"), TEXTS)
def test_a_line_of_junk_is_refused(target, name, junk, good):
    folder = good(target)
    path = folder / name
    lines = path.read_text().splitlines()
    middle = 4 if name == "infile.ucposcar" else len(lines) // 2
    path.write_text("\n".join([*lines[:middle], junk, *lines[middle + 1 :]]) + "\n")
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}:\d+\)") as caught:
        read_force_constants(folder / named(name))
    line = int(caught.value.where.rsplit(":", 1)[1])
    assert middle <= line
    assert line <= middle + 3 or not junk


def test_a_text_with_extra_lines_is_refused(good):
    folder = good("phonopy")
    with (folder / "FORCE_CONSTANTS").open("a") as file:
        file.write("\n1 1\n")
    with pytest.raises(DataError, match="continues where it should end"):
        read_force_constants(folder / "FORCE_CONSTANTS")


def test_atoms_out_of_order_are_refused(good):
    path = good("phonopy") / "FORCE_CONSTANTS"
    lines = path.read_text().splitlines()
    lines[5] = "1 3"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"atom 2 expected, found 3 \(.*FORCE_CONSTANTS:6\)"):
        read_force_constants(path)


BINARIES = [
    ("hdf5", "force_constants.h5"),
    ("phono3py", "fc3.hdf5"),
    ("phono3py", "fc2.hdf5"),
]


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(("target", "name"), BINARIES)
def test_a_binary_cut_anywhere_is_refused(target, name, part, good):
    folder = good(target)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(part * len(data))])
    with pytest.raises(DataError, match=r"(cannot be read: (.|\n)*|)" + re.escape(name)):
        read_force_constants(folder)


def test_numbers_that_are_not_finite_are_refused(good):
    folder = good("phono3py")
    with h5py.File(folder / "fc3.hdf5", "r+") as file:
        file["fc3"][0, 0, 0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match=r"not finite .*fc3"):
        read_force_constants(folder)
    with h5py.File(folder / "fc2.hdf5", "r+") as file:
        file["force_constants"][0, 0, 0, 0] = np.inf
    with pytest.raises(DataError, match=r"not finite .*fc2"):
        read_force_constants(folder)


def test_a_missing_array_is_refused(good):
    folder = good("hdf5")
    with h5py.File(folder / "force_constants.h5", "r+") as file:
        del file["pairs/lattice"]
    with pytest.raises(DataError, match=r"cannot be read.*lattice"):
        read_force_constants(folder)


def test_a_later_version_is_refused(good):
    folder = good("hdf5")
    with h5py.File(folder / "force_constants.h5", "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(DataError, match="has version 2"):
        read_force_constants(folder)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("unit_cell: [", "the file is not YAML"),
        ("supercell_matrix: [[1,0,0],[0,1,0],[0,0,1]]\n", "does not describe a crystal"),
    ],
)
def test_a_damaged_yaml_is_refused(text, match, good):
    folder = good("phonopy")
    (folder / "phonopy_params.yaml").write_text(text)
    with pytest.raises(DataError, match=match):
        read_force_constants(folder / "FORCE_CONSTANTS")


def test_a_yaml_without_constants_is_no_file_of_constants(good):
    folder = good("phono3py")
    with pytest.raises(UsageError, match="no file of force constants is recognised"):
        read_force_constants(folder / "phono3py_params.yaml")


@pytest.mark.parametrize(
    ("target", "missing", "match"),
    [
        ("phonopy", "phonopy_params.yaml", "does not describe the crystal"),
        ("phono3py", "phono3py_params.yaml", "does not describe the crystal"),
        ("phono3py", "fc2.hdf5", "fc2.hdf5 is missing"),
        ("tdep", "infile.ucposcar", "infile.ucposcar is missing"),
        ("tdep", "outfile.forceconstant", "cannot be read: No such file"),
    ],
)
def test_a_missing_companion_is_reported(target, missing, match, good):
    folder = good(target)
    (folder / missing).unlink()
    with pytest.raises(DataError, match=match):
        read_force_constants(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no"):
        read_force_constants(tmp_path / "missing")
    (tmp_path / "POSCAR").write_text("no constants\n")
    with pytest.raises(UsageError, match="no file of force constants is recognised"):
        read_force_constants(tmp_path)


def test_tdep_with_other_born_charges_is_refused(good):
    path = good("tdep") / "outfile.forceconstant"
    text = path.read_text().replace(" 0   no Born charges", " 1   Born charges follow")
    path.write_text(text)
    with pytest.raises(DataError, match="Born charges of type 3 expected, found type 1"):
        read_force_constants(path)


def test_third_order_of_another_cell_is_refused(good):
    folder = good("phono3py")
    with h5py.File(folder / "fc3.hdf5", "r+") as file:
        del file["fc3"]
        file["fc3"] = np.zeros((1, 8, 8, 3, 3, 3))
    with pytest.raises(
        DataError, match="1 × 8 force constants, but the cells require 1 or 27 × 27"
    ):
        read_force_constants(folder)


def test_a_supercell_that_is_not_a_multiple_is_refused(good):
    folder = good("tdep")
    path = folder / "infile.ssposcar"
    lines = path.read_text().splitlines()
    lines[1] = "1.01"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"not a supercell of infile.ucposcar"):
        read_supercell(folder)
