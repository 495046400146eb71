"""Data files of LAMMPS as cells: what LAMMPS and its manual write, and damaged files."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal, read_atoms

SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
STYLES = {
    "atomic": "{id} {type} {x}",
    "charge": "{id} {type} {q} {x}",
    "molecular": "{id} 7 {type} {x}",
    "full": "{id} 7 {type} {q} {x}",
    "sphere": "{id} {type} 1.0 2.5 {x}",
}


def text(atoms, style="atomic", *, named=True, images="", masses=(22.98977, 35.453)) -> str:
    """Data file with the atoms in an order that is not that of their ids."""
    kinds = {"Na": 1, "Cl": 2}
    a, b, c = atoms.cell.array
    lines = [
        "LAMMPS data file via write_data, version 22 Jul 2025, timestep = 0, units = metal", "",
        f"{len(atoms)} atoms", "2 atom types", "",
        f"-1.0 {a[0] - 1.0:.12g} xlo xhi", f"0 {b[1]:.12g} ylo yhi", f"0 {c[2]:.12g} zlo zhi",
    ]  # fmt: skip
    if np.abs([b[0], *c[:2]]).max() > 1e-9:
        lines += [f"{b[0]:.12g} {c[0]:.12g} {c[1]:.12g} xy xz yz"]
    if masses:
        lines += ["", "Masses", "", *(f"{k} {mass}" for k, mass in enumerate(masses, 1))]
    lines += ["", "Pair Coeffs # lj/cut", "", "1 0.1 2.0", "2 0.1 2.0"]
    lines += ["", f"Atoms # {style}" if named else "Atoms", ""]
    for k in np.random.default_rng(1).permutation(len(atoms)):
        x = " ".join(f"{value:.12g}" for value in atoms.positions[k]) + images
        q = "1.0" if atoms.symbols[k] == "Na" else "-1.0"
        lines += [STYLES[style].format(id=k + 1, type=kinds[atoms.symbols[k]], q=q, x=x)]
    lines += ["", "Velocities", "", *(f"{k + 1} 0 0 0" for k in range(len(atoms)))]
    return "\n".join(lines) + "\n"


def saved(folder, content: str):
    path = folder / "cell.data"
    path.write_text(content)
    return path


@pytest.mark.parametrize("images", ["", " 0 1 -2"])
@pytest.mark.parametrize(
    ("style", "named"),
    # Without its name, a style is known by its columns; sphere has those of full.
    [(style, True) for style in STYLES] + [(style, False) for style in list(STYLES)[:4]],
)
def test_atoms_of_every_style_are_read_by_id(tmp_path, style, images, named):
    atoms = read_atoms(saved(tmp_path, text(SALT, style, named=named, images=images)))
    assert atoms.positions == pytest.approx(SALT.positions, abs=1e-10)
    assert atoms.cell.array == pytest.approx(SALT.cell.array, abs=1e-10)
    assert (atoms.numbers == SALT.numbers).all()
    assert set(atoms.get_masses()) == {22.98977, 35.453}


def test_a_tilted_box_and_its_primitive_cell(tmp_path):
    turned = bulk("NaCl", "rocksalt", a=5.64).repeat(3)
    turned.set_cell(turned.cell.standard_form()[0], scale_atoms=True)
    assert read_atoms(saved(tmp_path, text(turned))).cell.array == pytest.approx(
        turned.cell.array, abs=1e-9
    )
    assert load_crystal(tmp_path / "cell.data").crystal.formula == "NaCl"


def test_a_general_triclinic_box(tmp_path):
    head, _, rest = text(SALT).partition("-1.0 ")
    vectors = "5.64 0 0 avec\n0 0 5.64 bvec\n0 -5.64 0 cvec\n0 0 0 abc origin\n"
    atoms = read_atoms(saved(tmp_path, head + vectors + rest[rest.index("\nMasses") :]))
    assert atoms.cell.array == pytest.approx(
        5.64 * np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    )


def test_what_ase_writes_is_read(tmp_path):
    path = tmp_path / "cell.data"
    ase.io.write(path, SALT, format="lammps-data", masses=True, specorder=["Na", "Cl"])
    assert (read_atoms(path).numbers == SALT.numbers).all()


def test_elements_are_those_of_the_user_the_file_or_the_masses(tmp_path):
    assert load_crystal(saved(tmp_path, text(SALT)), ("K", "Br")).crystal.formula == "KBr"
    deuterated = text(SALT).replace("1 22.98977", "1 2.014 # H")
    assert load_crystal(saved(tmp_path, deuterated)).crystal.formula == "HCl"
    labels = "Atom Type Labels\n\n1 Na\n2 Cl\n\nMasses\n\nNa 22.99\nCl 35.45"
    labelled = text(SALT).replace("Masses\n\n1 22.98977\n2 35.453", labels)
    labelled = labelled.replace(" 1 ", " Na ").replace(" 2 ", " Cl ")
    assert load_crystal(saved(tmp_path, labelled)).crystal.formula == "NaCl"
    for masses in ((), (2.0, 35.453)):
        with pytest.raises(UsageError, match=r"elements of atom types 1.* are not known"):
            load_crystal(saved(tmp_path, text(SALT, masses=masses)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8 atoms", "9 atoms", "9 atoms are announced, 8 are listed"),
        ("0 5.64 ylo yhi", "5.64 ylo yhi", "no line of 2 numbers and “ylo yhi”"),
        ("\n3 1 ", "\n2 1 ", "the same id"),
        ("\n3 1 ", "\n3 1 x", "no id, type and position"),
        ("2 35.453", "2 -35.453", "no positive mass"),
    ],
)
def test_damaged_files_are_refused(tmp_path, old, new, message):
    content = text(SALT)
    assert old in content
    with pytest.raises(DataError, match=message):
        read_atoms(saved(tmp_path, content.replace(old, new, 1)))
    with pytest.raises(DataError, match="ends without a line break"):
        read_atoms(saved(tmp_path, content[:-1]))


def test_an_unknown_style_and_other_units_are_refused(tmp_path):
    with pytest.raises(UsageError, match="“wavepacket”, which is not read"):
        read_atoms(saved(tmp_path, text(SALT).replace("# atomic", "# wavepacket")))
    with pytest.raises(UsageError, match="Lennard-Jones"):
        read_atoms(saved(tmp_path, text(SALT).replace("metal", "lj")))
