"""Trajectories of cp.x of Quantum ESPRESSO."""

import numpy as np
import pytest

from program_files.espresso import espresso
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_runs, open_trajectory

FIELDS = ["velocities", "forces"]
INPUT = """&CONTROL
/
ATOMIC_SPECIES
 Si 28.0 Si.UPF
ATOMIC_POSITIONS (bohr)
 Si 0.0 0.0 0.0
! a comment
 Si1 0.1 0.0 0.0
 C 0.1 0.0 0.0
 O 0.1 0.0 0.0
 O_h 0.1 0.0 0.0
"""


@pytest.fixture
def path(run, here):
    (here / "si.in").write_text(INPUT)
    return espresso(here / "si.pos", run.images)


def test_cp_agrees_with_the_extended_xyz_of_the_run(run, path):
    found = open_trajectory(path)
    run.compare(found, FIELDS, atol=1e-8)
    assert found.interval_ps == pytest.approx(1e-3)
    assert found.steps.tolist() == [0, 10, 20, 30, 40]
    assert [one.suffix for one in found.paths] == [".pos", ".vel", ".for", ".cel"]
    said = " ".join(map(str, found.notes))
    assert "si.vel, si.for, si.cel of the same run are read" in said
    assert "the species are those of si.in" in said


def test_the_files_may_all_be_named(run, path):
    files = [path.with_suffix(one) for one in (".for", ".cel", ".vel", ".pos")]
    run.compare(open_trajectory(files), FIELDS, atol=1e-8)
    (pooled,) = open_runs(files, ReadOptions())
    run.compare(pooled, FIELDS, atol=1e-8)


def test_input_that_does_not_list_atoms_by_species_is_not_used(path):
    place = path.with_suffix(".in")
    lines = INPUT.splitlines(keepends=True)
    place.write_text("".join([*lines[:5], lines[9], *lines[5:9], lines[10]]))
    found = open_trajectory(path)
    assert found.species is None
    assert "does not show the species" in str(found.notes)
    place.unlink()
    assert open_trajectory(path).species is None


def test_missing_files_are_missing_fields(run, path):
    path.with_suffix(".for").unlink()
    run.compare(open_trajectory(path), FIELDS[:1], atol=1e-8)
    path.with_suffix(".cel").unlink()
    with pytest.raises(UsageError, match="no periodic cell"):
        open_trajectory(path)
    assert open_trajectory(path, ReadOptions(box=(6.0, 7.0, 8.0))).has_velocities


def test_steps_that_a_restart_repeats_are_read_once(run, path):
    """The restart begins with step 20 and ends at 40; its frames are used."""
    for suffix in (".pos", ".vel", ".for", ".cel"):
        place = path.with_suffix(suffix)
        rows = 4 if suffix == ".cel" else 6
        lines = place.read_text().splitlines(keepends=True)
        before = "".join(lines[: 3 * rows]).replace("E-", "E+")
        whole = "".join(lines[: 2 * rows]) + before[len("".join(lines[: 2 * rows])) :]
        place.write_text(whole + "".join(lines[2 * rows :]))
    found = open_trajectory(path)
    run.compare(found, FIELDS, atol=1e-8)
    assert "step 20 was written again" in " ".join(map(str, found.notes))


def test_a_file_cut_anywhere_gives_the_whole_frames(path, survive_cuts):
    size = path.stat().st_size
    assert survive_cuts(path, [*range(1, size, 61), size]) == set(range(6))


def test_files_that_end_earlier_shorten_the_run(path):
    place = path.with_suffix(".vel")
    place.write_text("".join(place.read_text().splitlines(keepends=True)[:19]))
    with pytest.warns(match="not complete"):
        found = open_trajectory(path)
    assert found.n_frames == 3
    assert "2 frames after step 20 are left out" in " ".join(map(str, found.notes))


def test_damage_is_located(path):
    place = path.with_suffix(".for")
    lines = place.read_text().splitlines(keepends=True)
    place.write_text("".join([*lines[:8], *lines[9:]]))
    with pytest.raises(DataError, match=r"4 rows .* 5 are expected .*si\.for from line 8"):
        open_trajectory(path)
    place.write_text("".join([*lines[:6], *lines[12:]]))
    with pytest.raises(DataError, match="step 10 is in the positions, not in the forces"):
        open_trajectory(path)
    changed = lines[8].split()
    place.write_text("".join([*lines[:8], f" {changed[0]} 1..2 3\n", *lines[9:]]))
    with pytest.raises(DataError, match=r"'1\.\.2' is not a number"):
        open_trajectory(path)


def test_cells_are_transposed(run, path):
    """The first row of the matrix is the x components of all vectors."""
    numbers = path.with_suffix(".cel").read_text().split()
    first = np.array(numbers[2:5], float) * 0.529177210903
    np.testing.assert_allclose(first, run.images[0].cell.array[:, 0], rtol=1e-9)
