"""Dumps of LAMMPS in YAML: the numbers, boxes and faults of the text of the same frames."""

import pickle

import numpy as np
import pytest

from program_files.lammps_dumps import COLUMNS, yaml_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning
from trajmodes.formats.open import open_trajectory


def rows_of(t, n_atoms=6):
    rng = np.random.default_rng(t)
    ids = 1 + rng.permutation(n_atoms)
    return np.column_stack([ids, 1 + ids % 2, rng.normal(size=(n_atoms, 9))])


def opened(folder, data, **options):
    path = folder / "run.yaml"
    path.write_bytes(data)
    return open_trajectory(path, ReadOptions(**options))


FRAMES = [yaml_frame(5 * t, rows_of(t), columns=COLUMNS) for t in range(3)]


def test_numbers_are_those_written(tmp_path):
    run = opened(tmp_path, b"".join(FRAMES))
    block = pickle.loads(pickle.dumps(run)).read(0, 3)
    for t in range(3):
        rows = rows_of(t)[np.argsort(rows_of(t)[:, 0])]
        for k, name in enumerate(("positions", "velocities", "forces")):
            got = getattr(block, name)[t]
            np.testing.assert_array_equal(got, rows[:, 2 + 3 * k : 5 + 3 * k])
        np.testing.assert_array_equal(run.types, rows[:, 1])
    np.testing.assert_array_equal(block.cells[0], np.diag([5.5, 4.0, 4.0]))
    np.testing.assert_allclose(run.times_ps, [0.0, 0.005, 0.01])
    assert (run.unit_style, run.unwrapped, run.has_forces) == ("metal", True, True)
    assert "fixed along z (ff)" in str(run.notes)


def test_a_tilted_box_is_found_from_its_bounds(tmp_path):
    tilt = "  - [ 1, -0.5, 0.25 ]\n"
    run = opened(tmp_path, yaml_frame(0, rows_of(0), columns=COLUMNS, tilt=tilt))
    cell = [[5.5 - 1.5, 0, 0], [1, 4 - 0.25, 0], [-0.5, 0.25, 4]]
    np.testing.assert_allclose(run.read(0, 1).cells[0], cell, atol=1e-14)


def test_a_last_frame_cut_anywhere_is_left_out(tmp_path):
    whole, last = b"".join(FRAMES), len(FRAMES[0]) + len(FRAMES[1])
    expected = opened(tmp_path, whole).read(0, 2).positions
    for cut in [*range(last + 1, len(whole), 131), len(whole) - 4, len(whole) - 1]:
        with pytest.warns(TrajmodesWarning, match=rf"byte {last}\) is not complete"):
            run = opened(tmp_path, whole[:cut])
        np.testing.assert_array_equal(run.read(0, run.n_frames).positions, expected)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"natoms: 6", b"natoms: 5", "number of atoms changes from 6 to 5"),
        (b"natoms: 6", b"natoms: 900000000", "900000000 atoms are announced"),
        (b"timestep: 5", b"timestep: x", "number of the header is not valid"),
        (b"  - [ 0, 4 ]\n", b"", "header has no box"),
        (b"  - [ -1, 4.5 ]", b"  - [ -1, inf ]", "not finite"),
        (b"data:\n  - [", b"data:\n  - [ 1,5 , ", "follows the last of 11 columns"),
        (b"data:\n  - [", b"data:\n  - [ nan , ", "not"),
        (b"...\n---", b"---", "follows the last announced row"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, old, new, what):
    middle = FRAMES[1] + FRAMES[2]
    assert old in middle
    with pytest.raises(DataError, match=what) as caught:
        opened(tmp_path, FRAMES[0] + middle.replace(old, new, 1)).read(0, 2)
    if "column" in what:
        text = FRAMES[0] + FRAMES[1]
        line = text[: text.rindex(b"data:\n")].count(b"\n") + 2
        assert f"line {line}" in str(caught.value)
