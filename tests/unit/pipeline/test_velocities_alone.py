"""A run of velocities alone is projected as the whole run is, with sites from a structure."""

import itertools
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk

import trajmodes as tm
from tests.unit.pipeline.test_not_done import CELL, WHOLE, bundled, dump, law
from trajmodes.config.job import job_from_mapping
from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.check.show import show_check
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import load
from trajmodes.pipeline.partial.not_done import PARTS

OF_VELOCITIES = (
    *("kinetic_mev", "mode_temperature", "temperature", "power", "vdos", "map_power"),
    *("freq_spectrum_thz", "linewidth_thz", "lifetime_ps", "line_kinetic_mev"),
)
"""Results that depend on velocities alone; error bars of K and of ω contain U beside them."""
OF_POSITIONS = ("potential_mev", "freq_ratio_thz", "u2_measured", "heat_capacity_kb", "sigma")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    path = dump(tmp_path_factory.mktemp("fit") / "run.lammpstrj", "rvf", WHOLE)
    return tm.run(path, cell=CELL, timestep_fs=1.0, cutoff=4.0).force_constants


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    path = dump(tmp_path_factory.mktemp("run") / "run.lammpstrj", "rv", WHOLE)
    return tm.open(path, timestep_fs=1.0).project(fitted)


@pytest.fixture
def snapshot(tmp_path):
    return dump(tmp_path / "snapshot.lammpstrj", "r", [0])


def renumbered(path: Path, order: np.ndarray) -> Path:
    """Give the atoms with the ids 1, 2, … the ids of an order, and shuffle the rows."""
    rng, parts = (
        np.random.default_rng(2),
        path.read_text(encoding="utf-8").split("ITEM: UNITS\n"),
    )
    for k, part in enumerate(parts[1:], start=1):
        *head, first, rows = part.partition("ITEM: ATOMS ")
        names, *atoms = rows.splitlines()
        words = [row.split() for row in atoms]
        new = [" ".join([str(order[int(w[0]) - 1]), *w[1:]]) for w in words]
        rng.shuffle(new)
        parts[k] = "".join([*head, first, "\n".join([names, *new]), "\n"])
    path.write_text("ITEM: UNITS\n".join(parts), encoding="utf-8")
    return path


def require_same(found, whole):
    for name in OF_VELOCITIES:
        np.testing.assert_array_equal(found[name].values, whole[name].values, err_msg=name)


def test_results_of_velocities_are_those_of_the_whole_run_to_the_bit(
    fitted, whole, snapshot, tmp_path
):
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    found = tm.open(path, cell=snapshot, timestep_fs=1.0).project(fitted)
    require_same(found, whole)
    ratio = found["kinetic_mev_sem"].values / whole["kinetic_mev_sem"].values
    assert 0.75 < np.median(ratio) < 1.33
    assert not [name for name in OF_POSITIONS if name in found.dataset]


def test_what_needs_positions_is_listed_with_the_line_that_writes_them(
    fitted, snapshot, tmp_path
):
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    results = tm.open(path, cell=snapshot, timestep_fs=1.0).project(fitted).analysis.results
    assert law(results, fits=False) == {p.name for p in PARTS if "positions" in p.needs}
    (missing,) = results.not_done
    assert "the run has no positions" in missing.text
    assert "dump d all custom 25 run.lammpstrj id type element xu yu zu" in missing.fix
    (note,) = (one.text for one in results.notes if "no positions" in one.text)
    assert note.endswith("those of snapshot.lammpstrj, matched by id")


def test_atoms_are_matched_by_id_whatever_their_order(fitted, snapshot, tmp_path):
    """Waves of a crystal with other ids are the same up to the order of sums."""
    order = 100 + np.random.default_rng(4).permutation(64)
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    usual = tm.open(path, cell=snapshot, timestep_fs=1.0).project(fitted)
    renumbered(path, order)
    renumbered(snapshot, order)
    found = tm.open(path, cell=snapshot, timestep_fs=1.0).project(fitted)
    for name in ("kinetic_mev", "mode_temperature", "freq_spectrum_thz"):
        np.testing.assert_allclose(found[name].values, usual[name].values, rtol=1e-6)
    # The other order of the atoms is another motion.
    other = renumbered(dump(tmp_path / "other.lammpstrj", "r", [0]), order[::-1])
    wrong = tm.open(path, cell=other, timestep_fs=1.0).project(fitted)
    assert not np.allclose(wrong["kinetic_mev"], usual["kinetic_mev"], rtol=0.05)


def data_file(path: Path) -> Path:
    """Data file of LAMMPS with the atoms of the first frame of the bundled run."""
    atoms = snapshot_atoms(path.parent)
    lengths = atoms.cell.lengths()
    rows = [f"{k} 1 {x} {y} {z}" for k, (x, y, z) in enumerate(atoms.positions, start=1)]
    box = "\n".join(
        f"0 {float(length)!r} {x}lo {x}hi" for x, length in zip("xyz", lengths, strict=True)
    )
    # Rows in another order: the ids count.
    body = "\n".join(rows[::-1])
    path.write_text(
        f"silicon\n\n64 atoms\n1 atom types\n\n{box}\n\nMasses\n\n1 28.0855 # Si\n\n"
        f"Atoms # atomic\n\n{body}\n",
        encoding="utf-8",
    )
    return path


def snapshot_atoms(folder: Path) -> ase.Atoms:
    run = tm.open(dump(folder / "first.lammpstrj", "rv", [0]), cell=CELL, timestep_fs=1.0)
    block = run.frames(0, 1)
    return ase.Atoms("Si64", positions=block.positions[0], cell=block.cells[0], pbc=True)


def test_files_of_any_order_give_the_same_sites(fitted, whole, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    poscar, xyz, atoms = tmp_path / "POSCAR", tmp_path / "one.xyz", snapshot_atoms(tmp_path)
    ase.io.write(poscar, atoms, format="vasp")
    atoms.set_array("id", np.arange(1, 65))
    ase.io.write(xyz, atoms[np.random.default_rng(3).permutation(64)], format="extxyz")
    by = {data_file(tmp_path / "silicon.data"): "by id", xyz: "by id", poscar: "has no ids"}
    for file, how in by.items():
        found = tm.open(path, cell=file, timestep_fs=1.0).project(fitted)
        require_same(found, whole)
        assert any(how in note.text for note in found.analysis.results.notes), file


def test_extended_xyz_of_velocities_is_the_same_run(fitted, whole, snapshot, tmp_path):
    path = tmp_path / "run.xyz"
    with path.open("w", encoding="utf-8") as file:
        for part in itertools.islice(bundled(), len(WHOLE)):
            head, _, body = part.partition("ITEM: ATOMS ")
            names, *rows = body.splitlines()
            columns = [names.split().index(x) for x in ("element", "id", "vx", "vy", "vz")]
            low, high = head.split("BOX BOUNDS")[1].splitlines()[1].split()[:2]
            side = float(high) - float(low)
            box = f"{side!r} 0 0 0 {side!r} 0 0 0 {side!r}"
            step = head.split()[0]
            file.write(f'64\nLattice="{box}" Timestep={step} ')
            file.write("Properties=species:S:1:id:I:1:velo:R:3\n")
            for row in rows[:64]:
                words = row.split()
                file.write(" ".join(words[k] for k in columns) + "\n")
    run = tm.open(path, cell=snapshot, timestep_fs=1.0, units="metal")
    found = run.project(fitted)
    for name in ("kinetic_mev", "mode_temperature", "freq_spectrum_thz"):
        np.testing.assert_allclose(found[name].values, whole[name].values, rtol=1e-9)


def test_the_spectral_energy_density_needs_velocities_alone(fitted, snapshot, tmp_path):
    runs = {
        "v": {"cell": snapshot},
        "rv": {},
    }
    v, rv = (
        tm.open(dump(tmp_path / f"{fields}.lammpstrj", fields, WHOLE), timestep_fs=1.0, **given)
        .sed(force_constants=fitted)["map_power"]
        .values
        for fields, given in runs.items()
    )
    np.testing.assert_array_equal(v, rv)


def test_a_check_says_what_velocities_are_enough_for(snapshot, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    given = {"trajectory": [str(path)], "cell": str(snapshot), "timestep_fs": 1.0}
    text = show_check(load(job_from_mapping(given), log=Log()))
    assert "suited for spectra and lifetimes, not for force constants" in text
    assert "no positions: force constants" in text


def test_there_is_nothing_to_fit(snapshot, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "v", WHOLE)
    enough = "no coordinates among the columns id element vx vy vz(.|\n)*xu yu zu(.|\n)*enough"
    with pytest.raises(DataError, match=enough):
        tm.fit_runs(path, cell=snapshot, timestep_fs=1.0)
    with pytest.raises(DataError, match="no positions: force constants, which come from"):
        tm.run(path, cell=snapshot, timestep_fs=1.0)


def test_without_a_structure_the_sites_are_unknown(tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "v", range(20))
    with pytest.raises(
        UsageError, match=r"the sites of the atoms are unknown(.|\n)*--cell FILE"
    ):
        tm.open(path, timestep_fs=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("box", "the box of the run is not that of the structure(.|\n)*another supercell"),
        ("number", "POSCAR has 2 atoms, the run 64"),
        ("element", "1 atoms have other elements(.|\n)*Si in the run and Ge in POSCAR"),
    ],
)
def test_another_structure_is_refused(tmp_path, change, message):
    path = dump(tmp_path / "run.lammpstrj", "v", range(20))
    atoms = snapshot_atoms(tmp_path)
    if change == "box":
        atoms = bulk("Si", a=5.455, cubic=True).repeat((1, 2, 4))
    elif change == "number":
        atoms = bulk("Si", a=5.455)
    else:
        atoms.symbols[7] = "Ge"
    ase.io.write(tmp_path / "POSCAR", atoms, format="vasp", sort=False)
    with pytest.raises(DataError, match=message):
        tm.open(path, cell=tmp_path / "POSCAR", timestep_fs=1.0)


def test_other_ids_are_refused(snapshot, tmp_path):
    path = dump(tmp_path / "run.lammpstrj", "v", range(20))
    renumbered(snapshot, np.arange(2, 66))
    with pytest.raises(DataError, match=r"in snapshot\.lammpstrj or in the run only: 1, 65"):
        tm.open(path, cell=snapshot, timestep_fs=1.0)
