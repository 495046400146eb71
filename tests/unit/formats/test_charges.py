"""Born charges: files of other programs, numbers, and the force constants that have them."""

from dataclasses import replace

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.file_IO import write_BORN

from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.data.charges import Charges, same_charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import write_poscar
from trajmodes.formats.charges import charges_of_numbers, read_charges
from trajmodes.formats.dipoles import with_charges
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.formats.phonopy import from_phonopy, phonopy_object, to_phonopy
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space

Q = np.random.default_rng(5).uniform(-1, 1, (6, 3))


@pytest.fixture(scope="module", params=["rock salt", "rutile", "triclinic"])
def polar(request, crystals, springs, charges_of):
    """Short-range constants that fit their supercell, with charges."""
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, np.diag([4, 4, 4]))
    return replace(springs(crystal, 3.3, 5.0), charges=charges_of(crystal)), supercell


def _matrices(constants, qpoints=Q):
    return dynamical_matrices(lattice_sum(constants), qpoints)


@pytest.mark.parametrize("target", ["hdf5", "phonopy", "phono3py", "tdep"])
def test_force_constants_with_charges_are_read_back(target, polar, tmp_path):
    constants, supercell = polar
    write_force_constants(constants, supercell, tmp_path, target)
    found = read_force_constants(tmp_path)
    wanted = _matrices(constants)
    scale = np.abs(wanted).max()
    # TDEP's files omit force constants below 1e-8 eV/Å².
    accuracy = {"hdf5": 1e-13, "tdep": 1e-6}.get(target, 1e-8)
    # TDEP has natural masses.
    found = replace(found, crystal=replace(found.crystal, masses=constants.crystal.masses))
    order = np.argsort([constants.crystal.species.index(s) for s in found.crystal.species])
    np.testing.assert_allclose(
        np.linalg.eigvalsh(_matrices(found)),
        np.linalg.eigvalsh(wanted),
        rtol=0,
        atol=accuracy * scale,
    )
    np.testing.assert_allclose(found.charges.born[order], constants.charges.born, atol=1e-9)


def test_exports_hold_the_charges(polar, tmp_path):
    constants, supercell = polar
    paths = write_force_constants(constants, supercell, tmp_path, "alamode").paths
    rows = np.loadtxt(tmp_path / "BORNINFO")
    assert tmp_path / "BORNINFO" in paths
    np.testing.assert_allclose(rows[:3], constants.charges.dielectric)
    np.testing.assert_allclose(rows[3:].reshape(-1, 3, 3), constants.charges.born, atol=1e-14)


def test_phonopy_keeps_charges_in_memory(polar):
    constants, supercell = polar
    again, _ = from_phonopy(to_phonopy(constants, supercell))
    assert same_charges(again.charges, constants.charges)
    wanted = _matrices(constants)
    np.testing.assert_allclose(_matrices(again), wanted, atol=1e-8 * np.abs(wanted).max())


def test_whole_constants_are_divided_and_keep_commensurate_matrices(polar):
    """Charges given beside whole force constants change nothing at the q of the supercell."""
    constants, supercell = polar
    bare = replace(constants, charges=None, replicates=np.array([constants.values] * 3))
    found = with_charges(bare, supercell, constants.charges)
    q = half_space(supercell).qpoints
    wanted = _matrices(bare, q)
    np.testing.assert_allclose(_matrices(found, q), wanted, atol=1e-9 * np.abs(wanted).max())
    np.testing.assert_allclose(found.replicates[1], found.values, atol=1e-14)
    with pytest.raises(DataError, match="have Born charges of their own"):
        with_charges(found, supercell, constants.charges)


@pytest.fixture
def files(polar, tmp_path):
    """Name → a file with the charges."""
    constants, supercell = polar
    crystal, charges = constants.crystal, constants.charges
    phonon: Phonopy = phonopy_object(supercell)
    write_BORN(phonon.primitive, charges.born, charges.dielectric, tmp_path / "BORN")
    rows = np.concatenate([charges.dielectric, *charges.born])
    lines = ["14.4", *(" ".join(map(str, t.ravel())) for t in rows.reshape(-1, 3, 3))]
    (tmp_path / "BORN_of_all").write_text("\n".join(lines) + "\n")
    phonon.nac_params = {
        "born": charges.born, "dielectric": charges.dielectric, "factor": 14.4,
    }  # fmt: skip
    phonon.save(tmp_path / "phonopy_params.yaml")
    np.savetxt(tmp_path / "infile.lotosplitting", rows, fmt="%.14f")
    for name in ("POSCAR", "infile.ucposcar"):
        write_poscar(tmp_path / name, crystal.cell, crystal.sites, crystal.species)
    (tmp_path / "OUTCAR").write_text(_outcar(charges))
    write_hdf5(constants, supercell, tmp_path / "force_constants.h5")
    (tmp_path / "vasprun.xml").write_text(_vasprun(crystal, charges))
    return tmp_path


def _rows(tensor, form=" {:.8f} {:.8f} {:.8f}"):
    return [form.format(*row) for row in tensor]


def _outcar(charges):
    n = len(charges.born)
    lines = [
        f"   number of dos      NEDOS =    301   number of ions     NIONS = {n:6d}",
        " MACROSCOPIC STATIC DIELECTRIC TENSOR (including local field effects in DFT)",
        " ------------------------------------------------------",
        *_rows(charges.dielectric),
        " ------------------------------------------------------",
        " BORN EFFECTIVE CHARGES (including local field effects) (in |e|, cumulative output)",
        " -----------------------------------------------------------------",
    ]
    for number, tensor in enumerate(charges.born, start=1):
        lines.append(f" ion {number:4d}")
        lines += [f"{k:5d} {row}" for k, row in enumerate(_rows(tensor), start=1)]
    return "\n".join(lines) + "\n\n"


def _vasprun(crystal, charges):
    def vectors(name, rows, form="<v>{:.10f} {:.10f} {:.10f}</v>"):
        return f'<varray name="{name}">{"".join(_rows(rows, form))}</varray>'

    kinds = list(dict.fromkeys(crystal.species))
    atoms = "".join(f"<rc><c>{s}</c><c>{kinds.index(s) + 1}</c></rc>" for s in crystal.species)
    types = "".join(
        f"<rc><c>{crystal.species.count(s)}</c><c>{s}</c><c>1.0</c><c>1.0</c><c>PAW</c></rc>"
        for s in kinds
    )
    born = "".join(
        f"<set>{''.join(_rows(t, '<v>{:.10f} {:.10f} {:.10f}</v>'))}</set>"
        for t in charges.born
    )
    structure = (
        f"<structure>{{}}<crystal>{vectors('basis', crystal.cell)}</crystal>"
        f"{vectors('positions', crystal.sites)}</structure>"
    )
    return (
        f"<modeling><atominfo><atoms>{crystal.n_sites}</atoms><types>{len(kinds)}</types>"
        f'<array name="atoms"><set>{atoms}</set></array>'
        f'<array name="atomtypes"><set>{types}</set></array></atominfo>'
        f"{structure.format('')}<calculation>{structure.format('')}"
        f"{vectors('epsilon', charges.dielectric)}"
        f'<array name="born_charges">{born}</array></calculation></modeling>'
    )


SOURCES = (
    "BORN",
    "BORN_of_all",
    "phonopy_params.yaml",
    "infile.lotosplitting",
    "OUTCAR",
    "vasprun.xml",
    "force_constants.h5",
)


@pytest.mark.parametrize("name", SOURCES)
def test_every_file_gives_the_same_charges(name, polar, files):
    constants, _ = polar
    found, notes = read_charges(files / name, constants.crystal)
    np.testing.assert_allclose(found.born, constants.charges.born, atol=1e-7)
    np.testing.assert_allclose(found.dielectric, constants.charges.dielectric, atol=1e-7)
    assert [note.severity for note in notes] == ["note"]
    assert name in notes[0].text


@pytest.mark.parametrize("name", ["phonopy_params.yaml", "infile.lotosplitting", "vasprun.xml"])
def test_charges_follow_the_positions_of_the_sites(name, polar, files):
    """The crystal of a run may have its sites in another order, origin and volume."""
    constants, _ = polar
    crystal = constants.crystal
    order = np.roll(np.arange(crystal.n_sites), 1)
    moved = Crystal(
        1.01 * crystal.cell,
        crystal.sites[order] + [0.3, -0.1, 1.2],
        tuple(crystal.species[s] for s in order),
        crystal.masses[order],
    )
    found, _ = read_charges(files / name, moved)
    np.testing.assert_allclose(found.born, constants.charges.born[order], atol=1e-7)


def test_quadrupoles_follow_the_sites_and_are_stored(polar, tmp_path):
    constants, supercell = polar
    crystal = constants.crystal
    random = np.random.default_rng(3).normal(size=(crystal.n_sites, 3, 3, 3))
    raw = replace(constants.charges, quadrupoles=random + random.swapaxes(1, 2))
    charges, _ = symmetric_charges(raw, space_group(crystal))
    path = tmp_path / "force_constants.h5"
    write_hdf5(replace(constants, charges=charges), supercell, path)
    assert same_charges(read_force_constants(path).charges, charges)
    order = np.roll(np.arange(crystal.n_sites), 1)
    moved = Crystal(
        crystal.cell,
        crystal.sites[order] + [0.3, -0.1, 1.2],
        tuple(crystal.species[s] for s in order),
        crystal.masses[order],
    )
    found, _ = read_charges(path, moved)
    np.testing.assert_allclose(found.quadrupoles, charges.quadrupoles[order], atol=1e-9)
    plain = replace(charges, quadrupoles=None)
    assert not same_charges(plain, charges)


def test_charges_of_another_structure_are_refused(files, crystals):
    with pytest.raises(DataError, match="belong to another structure"):
        read_charges(files / "phonopy_params.yaml", crystals["wurtzite"])
    with pytest.raises(DataError, match=r"charges of \d sites, and the crystal has 1, of"):
        read_charges(files / "BORN", crystals["bcc"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("BORN", "14.4\n1 0 0 0 1 0 0 0 1\n", "no Born charges"),
        ("BORN", "14.4\n1 0 0 0 1 0 0 0\n1 2 3\n", "cannot be read"),
        ("phonopy.yaml", "phonopy: {}\n", "cannot be read: KeyError"),
        ("vasprun.xml", "<modeling>", "cannot be read"),
        ("OUTCAR", "", "no POSCAR beside OUTCAR"),
    ],
)
def test_damaged_files_name_themselves(name, text, message, crystals, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=rf"{message}[\s\S]*{name}"):
        read_charges(tmp_path / name, crystals["rock salt"])


def test_a_missing_file_is_named(crystals, tmp_path):
    with pytest.raises(UsageError, match=r"there is no .*BORN"):
        read_charges(tmp_path / "BORN", crystals["rock salt"])


def test_numbers_give_charges(crystals):
    found, notes = charges_of_numbers(["Na 1.1", "Cl: -1.1"], [2.4], crystals["rock salt"])
    wanted = Charges(np.array([1.1, -1.1])[:, None, None] * np.eye(3), 2.4 * np.eye(3))
    assert same_charges(found, wanted)
    assert "Na +1.100, Cl -1.100 e" in notes[0].text
    nine = " ".join(map(str, 1.1 * np.eye(3).ravel()))
    again, _ = charges_of_numbers([f"Na {nine}", "Cl -1.1"], [2.4] * 3, crystals["rock salt"])
    assert same_charges(again, wanted)


@pytest.mark.parametrize(
    ("born", "message"),
    [
        (["Na 1.1"], "given of Na, and the crystal consists of Na, Cl"),
        (["Na 1.1", "K -1.1"], "given of Na, K"),
        (["Na 1.1", "Cl -1.1 0"], "is not a Born charge"),
        (["Na 1.1", "Cl x"], "is not a Born charge"),
    ],
)
def test_other_numbers_are_refused(born, message, crystals):
    with pytest.raises(UsageError, match=message):
        charges_of_numbers(born, [2.4], crystals["rock salt"])


def test_a_layer_is_warned_of(crystals):
    salt = crystals["rock salt"]
    cell = np.diag([4.0, 4.0, 20.0])
    layer = Crystal(cell, [[0, 0, 0], [0.5, 0.5, 0]], salt.species, salt.masses)
    _, notes = charges_of_numbers(["Na 1", "Cl -1"], [2.0], layer)
    assert notes[-1].severity == "warning"
    assert "is a layer" in notes[-1].text


@pytest.mark.slow
def test_shengbte_gets_the_charges(polar, tmp_path):
    """The first index of born in CONTROL is the direction of the field."""
    constants, supercell = polar
    nothing = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.zeros((1, 3, 3, 3))
    )
    with_triplets = replace(constants, triplets=nothing)
    write_force_constants(with_triplets, supercell, tmp_path, "shengbte")
    control = (tmp_path / "CONTROL").read_text()
    assert "nonanalytic=.TRUE." in control
    found = {
        line.split("=")[0].strip(): line.split("=")[1].rstrip(",").split()
        for line in control.splitlines()
        if line.strip().startswith(("born", "epsilon"))
    }
    born = np.array(
        [
            [found[f"born(:,{i},{s + 1})"] for i in (1, 2, 3)]
            for s in range(constants.crystal.n_sites)
        ],
        dtype=float,
    )
    np.testing.assert_allclose(born.swapaxes(1, 2), constants.charges.born, atol=1e-11)
    bare = replace(with_triplets, charges=None)
    write_force_constants(bare, supercell, tmp_path / "bare", "shengbte")
    assert "nonanalytic=.FALSE." in (tmp_path / "bare" / "CONTROL").read_text()
