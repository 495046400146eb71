"""What a run says about its own units, elements and files."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

import trajmodes as tm
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.readers.units import unit_factors


def write_dump(path, run, columns, *, style="metal", types=None):
    """Write a run in memory as a dump in the units of a style."""
    factors = unit_factors(style)
    scale = {"xu": factors.length, "vx": factors.velocity, "fx": factors.force}
    arrays = {"xu": run.positions, "vx": run.velocities, "fx": run.forces}
    cell = run.cells[0]
    assert np.allclose(cell, np.diag(np.diag(cell)))
    lengths = np.diag(cell) / factors.length
    kinds = np.ones(run.n_atoms, dtype=int) if types is None else types
    fields = [name for name in arrays if name in columns]
    names = " ".join({"xu": "xu yu zu", "vx": "vx vy vz", "fx": "fx fy fz"}[n] for n in fields)
    with path.open("w") as file:
        for t, step in enumerate(run.steps):
            head = f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{run.n_atoms}\n"
            head += "ITEM: BOX BOUNDS pp pp pp\n"
            head += "".join(f"0 {length:.17g}\n" for length in lengths)
            file.write(f"{head}ITEM: ATOMS id type {names}\n")
            values = np.hstack([arrays[name][t] / scale[name] for name in fields])
            for a in range(run.n_atoms):
                row = " ".join(f"{x:.10g}" for x in values[a])
                file.write(f"{a + 1} {kinds[a]} {row}\n")
    return path


@pytest.fixture(scope="module")
def salt(crystals, einstein):
    """Rock salt in a cubic box, with types 1 for Na and 2 for Cl."""
    cubic = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    run = einstein(crystals["rock salt"], 2 * cubic, n_frames=40)
    return run, np.array([1 if name == "Na" else 2 for name in run.species])


@pytest.fixture(scope="module")
def cell_file(tmp_path_factory, crystals):
    crystal = crystals["rock salt"]
    path = tmp_path_factory.mktemp("cell") / "POSCAR"
    atoms = Atoms(crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True)
    write(path, atoms, format="vasp")
    return path


@pytest.mark.parametrize("style", ["metal", "real", "electron"])
@pytest.mark.parametrize("columns", [("xu", "vx", "fx"), ("xu", "vx")])
def test_units_are_proved_by_the_motion(tmp_path, salt, cell_file, style, columns):
    """By one temperature; without forces, by displacements, velocities and time step."""
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, columns, style=style, types=types)
    opened = tm.open(path, cell=cell_file, timestep_fs=1.0, species="Na,Cl")
    assert opened.trajectory.unit_style == style
    assert any(f"they are {style}, the only ones" in note.text for note in opened.notes)
    one, other = opened.frames(0, 1).velocities[0], run.velocities[0]
    assert one == pytest.approx(other, rel=1e-6, abs=1e-6)


def test_positions_alone_need_no_units_but_a_crystal(tmp_path, salt, cell_file):
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu",), types=types)
    opened = tm.open(path, cell=cell_file, timestep_fs=1.0, species="Na,Cl")
    assert opened.trajectory.unit_style == "metal"
    with pytest.raises(UnitsError, match="positions alone do not show them"):
        tm.open(path, timestep_fs=1.0, species="Na,Cl")


def test_units_are_asked_for_where_nothing_shows_them(tmp_path, salt, cell_file):
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu", "vx"), types=types)
    with pytest.raises(UnitsError, match="only with a time step"):
        tm.open(path, cell=cell_file, species="Na,Cl")
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu", "fx"), types=types)
    with pytest.raises(UnitsError, match="forces without velocities"):
        tm.open(path, cell=cell_file, species="Na,Cl", timestep_fs=1.0)


def test_a_file_that_is_given_twice_is_refused(tmp_path, salt, cell_file):
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu", "vx", "fx"), types=types)
    (tmp_path / "link").symlink_to(path)
    for other in (path, tmp_path / "link", tmp_path / "." / ".." / tmp_path.name / path.name):
        with pytest.raises(UsageError, match="is given twice"):
            tm.fit_runs([path, other], cell=cell_file, units="metal", species="Na,Cl")


def test_elements_are_those_of_one_temperature(tmp_path, salt, cell_file):
    """Types of equal numbers of atoms: only the right masses give both one temperature."""
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu", "vx", "fx"), types=3 - types)
    opened = tm.open(path, cell=cell_file, timestep_fs=1.0, units="metal")
    assert any("type 1 is Cl, type 2 is Na" in note.text for note in opened.notes)
    found = opened.supercell.species
    right = [("Cl", "Na")[kind - 1] for kind in 3 - types]
    assert [found[k] for k in opened.match.permutation] == right
    with pytest.raises(DataError, match="temperatures of the species differ"):
        tm.open(path, cell=cell_file, timestep_fs=1.0, units="metal", species="Na,Cl").fit(
            cutoff2=4.0
        )
    bare = write_dump(tmp_path / "bare.lammpstrj", run, ("xu", "fx"), types=3 - types)
    with pytest.raises(UsageError, match="several assignments of elements to types"):
        tm.open(bare, cell=cell_file, timestep_fs=1.0, units="metal")


def test_what_the_user_accepts_is_in_the_results(tmp_path, salt, cell_file):
    """A fit with interchanged elements, by one who knows better."""
    run, types = salt
    path = write_dump(tmp_path / "run.lammpstrj", run, ("xu", "vx", "fx"), types=3 - types)
    given = {"cell": cell_file, "timestep_fs": 1.0, "units": "metal", "species": "Na,Cl"}
    folder = tmp_path / "fit"
    tm.fit_runs([path], **given, cutoff2=4.0, accept="temperature", output=folder)
    assert 'accept = ["temperature"]' in (folder / "run.toml").read_text()
    shown = " ".join(str(tm.load(folder)).split())
    assert "accepted (--accept temperature)" in shown
