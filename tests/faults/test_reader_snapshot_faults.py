"""Damaged files of displacements and forces raise a DataError with file and line."""

import lzma
import random

import numpy as np
import phonopy
import pytest
from ase import Atoms
from ase.io import write
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.formats.open import open_trajectory

N_ATOMS, N_FRAMES = 8, 3


@pytest.fixture
def supercell(tmp_path):
    x = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    atoms = Atoms("Na4Cl4", cell=np.eye(3) * 5.64, scaled_positions=[*x, *(x + 0.5)])
    write(tmp_path / "SPOSCAR", atoms, format="vasp", direct=True)
    return tmp_path / "SPOSCAR"


@pytest.fixture
def dfset(tmp_path):
    rows = np.random.default_rng(0).normal(size=(N_FRAMES * N_ATOMS, 6)) * 0.1
    lines = []
    for r, row in enumerate(rows):
        if r % N_ATOMS == 0:
            lines.append(f"# snapshot {r // N_ATOMS}")
        lines.append(" ".join(f"{x:.12f}" for x in row))
    path = tmp_path / "DFSET"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def yaml_file(tmp_path):
    x = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    unit = PhonopyAtoms(
        ["Na"] * 4 + ["Cl"] * 4, cell=np.eye(3) * 5.64, scaled_positions=[*x, *(x + 0.5)]
    )
    made = phonopy.Phonopy(unit, np.eye(3, dtype=int), primitive_matrix="F")
    rng = np.random.default_rng(0)
    shape = (N_FRAMES, N_ATOMS, 3)
    made.dataset = {"displacements": rng.normal(size=shape), "forces": rng.normal(size=shape)}
    made.save(tmp_path / "phonopy_params.yaml")
    return tmp_path / "phonopy_params.yaml"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: row.replace(" ", " nan ", 1).rsplit(" ", 1)[0], "'nan' is not a finite"),
        (lambda row: row.rsplit(" ", 1)[0], "ends before its 6 columns"),
        (lambda row: row + " 1.0", "follows the last of 6 columns"),
        (lambda row: row.replace(".", ",", 1), "decimals must be written with a point"),
        (lambda row: "x" + row, "is not a number"),
    ],
)
def test_damaged_rows_are_reported(dfset, supercell, damage, message):
    lines = dfset.read_text().splitlines()
    lines[12] = damage(lines[12])
    dfset.write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"{message}(.|\n)*DFSET, line 13"):
        open_trajectory(dfset, ReadOptions(supercell=supercell))


def test_a_truncated_dfset_is_refused(dfset, supercell):
    dfset.write_text("\n".join(dfset.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="23 rows are not a whole number of frames of 8 atoms"):
        open_trajectory(dfset, ReadOptions(supercell=supercell))


CUT = r"ends without a line break, after “.*”(.|\n)*inside its last number"


def test_a_dfset_cut_inside_its_last_number_is_refused(dfset, supercell):
    dfset.write_text(dfset.read_text()[:-3])
    with pytest.raises(DataError, match=CUT):
        open_trajectory(dfset, ReadOptions(supercell=supercell))


def test_a_supercell_cut_inside_its_last_number_is_refused(dfset, supercell):
    supercell.write_text(supercell.read_text().rstrip()[:-3])
    with pytest.raises(DataError, match=CUT):
        open_trajectory(dfset, ReadOptions(supercell=supercell))


@pytest.mark.parametrize("name", ["infile.positions", "infile.forces", "infile.ssposcar"])
def test_a_tdep_file_cut_inside_its_last_number_is_refused(name, supercell):
    rows = "0.125 0.125 0.125\n" * (N_ATOMS * N_FRAMES)
    for file in ("infile.positions", "infile.forces"):
        supercell.with_name(file).write_text(rows)
    supercell.rename(supercell.with_name("infile.ssposcar"))
    path = supercell.with_name(name)
    path.write_text(path.read_text().rstrip()[:-2])
    with pytest.raises(DataError, match=CUT):
        open_trajectory(supercell.parent)


@pytest.mark.parametrize("kind", [1, 2])
def test_force_sets_cut_inside_their_last_number_are_refused(kind, yaml_file):
    text = yaml_file.read_text()
    at = text.index("  forces:")
    yaml_file.write_text(text[:at])
    path = yaml_file.with_name("FORCE_SETS")
    row = "0.125 0.125 0.125"
    if kind == 1:
        path.write_text(f"{N_ATOMS}\n1\n1\n0.01 0.0 0.0\n" + f"{row}\n" * N_ATOMS)
    else:
        path.write_text(f"{row} {row}\n" * (N_ATOMS * N_FRAMES))
    assert open_trajectory(yaml_file).has_forces
    path.write_text(path.read_text()[:-3])
    with pytest.raises(DataError, match=CUT):
        open_trajectory(yaml_file)


def test_a_damaged_archive_is_refused(dfset, supercell):
    packed = dfset.with_name("DFSET.xz")
    packed.write_bytes(lzma.compress(dfset.read_bytes())[:-40])
    with pytest.raises(TrajmodesError, match=r"DFSET.xz(.|\n)*"):
        open_trajectory(packed, ReadOptions(supercell=supercell))


def test_an_invalid_number_in_a_yaml_row_is_refused(yaml_file):
    text = yaml_file.read_text()
    at = text.index("    - [", text.index("  forces:"))
    rest = text[text.index("\n", at) + 1 :]
    yaml_file.write_text(f"{text[: at + 7]} nan, 0.0, 0.0 ]\n{rest}")
    with pytest.raises(DataError, match=r"'nan' is not a finite(.|\n)*yaml, forces, row 1"):
        open_trajectory(yaml_file)


def test_forces_of_other_displacements_are_refused(yaml_file):
    text = yaml_file.read_text()
    at = text.rindex("  - # 3")
    yaml_file.write_text(text[:at])
    with pytest.raises(DataError, match="forces of 2 supercells and displacements of 3"):
        open_trajectory(yaml_file)


def test_yaml_constructs_nothing(yaml_file, tmp_path):
    """A tag that would run code is an error, and no code runs."""
    mark = tmp_path / "ran"
    text = yaml_file.read_text() + f"\nx: !!python/object/apply:os.mkdir ['{mark}']\n"
    yaml_file.write_text(text)
    with pytest.raises(DataError, match="requests a Python object"):
        open_trajectory(yaml_file)
    assert not mark.exists()


def test_other_yaml_files_are_refused(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("phonopy:\n- 1\n- 2\n")
    with pytest.raises(UsageError, match="has no supercell"):
        open_trajectory(path)
    path.write_text("- phonopy\n- 2\n")
    with pytest.raises(DataError, match="has no mapping at its top level"):
        open_trajectory(path, format="phonopy")


@pytest.mark.parametrize("kind", ["dfset", "yaml"])
def test_no_damage_raises_another_error(kind, dfset, yaml_file, supercell):
    path = dfset if kind == "dfset" else yaml_file
    options = {"supercell": supercell} if kind == "dfset" else {}
    text, rng = path.read_bytes(), random.Random(kind)
    refused = 0
    for _ in range(60):
        data = bytearray(text)
        for _ in range(rng.choice([1, 2, 8])):
            at = rng.randrange(len(data))
            data[at : at + rng.choice([0, 1, 40])] = bytes(
                rng.choice(b"0123456789 .-eE[]#:,\n\0x") for _ in range(rng.choice([1, 5]))
            )
        path.write_bytes(bytes(data[: rng.randrange(1, len(data) + 1)]))
        try:
            open_trajectory(
                path, ReadOptions(**options), format="phonopy" if kind == "yaml" else "alamode"
            )
        except TrajmodesError:
            refused += 1
    assert refused > 20
