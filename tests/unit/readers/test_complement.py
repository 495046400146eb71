"""Positions in one dump and forces in another: what is read is the dump with both."""

import pickle

import numpy as np
import pytest

from program_files.lammps_dumps import binary_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_runs, open_trajectory

N_ATOMS, N_FRAMES = 5, 6
POSITIONS, MOTION = "id type xu yu zu", "id vx vy vz fx fy fz"
RNG = np.random.default_rng(5)
NUMBERS = RNG.normal(size=(N_FRAMES, 3, N_ATOMS, 3))


def text_frame(step, rows, *, columns, box=(0.0, 4.0) * 3, time=None):
    lines = "".join(" ".join(f"{x:.17g}" for x in row) + "\n" for row in rows)
    sides = "".join(f"{low} {high}\n" for low, high in np.reshape(box, (3, 2)))
    return (
        f"ITEM: UNITS\nmetal\nITEM: TIME\n{time:.17g}\nITEM: TIMESTEP\n{step}\n"
        f"ITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS pp pp pp\n{sides}"
        f"ITEM: ATOMS {columns}\n{lines}"
    ).encode()


FORMS = {"lammpstrj": text_frame, "bin": binary_frame}


def write(path, columns, frames=range(N_FRAMES), *, ids=None, box=(0.0, 4.0) * 3, shift=0.0):
    """Write some columns of all frames, atoms in any order."""
    ids = np.arange(1, N_ATOMS + 1) if ids is None else np.array(ids)
    data = b""
    for t in frames:
        moved = NUMBERS[t, 0] + shift
        fields = {"x": moved, "v": NUMBERS[t, 1], "f": NUMBERS[t, 2]}
        parts = [fields[name[0]] for name in columns.split() if name in ("xu", "vx", "fx")]
        types = [1 + ids % 2] if "type" in columns else []
        rows = np.column_stack([ids, *types, *parts])[RNG.permutation(N_ATOMS)]
        frame = FORMS[path.suffix[1:]]
        data += frame(10 * t, rows, columns=columns, box=box, time=0.01 * t)
    path.write_bytes(data)
    return path


def opened(path, other, **options):
    return open_trajectory(path, ReadOptions(forces_from=str(other), **options))


@pytest.mark.parametrize("suffix", FORMS)
def test_two_dumps_are_the_dump_with_all_columns(tmp_path, suffix):
    path = write(tmp_path / f"pos.{suffix}", POSITIONS)
    other = write(tmp_path / "frc.bin", MOTION)
    whole = open_trajectory(write(tmp_path / f"all.{suffix}", POSITIONS + MOTION[2:]))
    run = opened(path, other)
    block, truth = run.read(0, N_FRAMES), whole.read(0, N_FRAMES)
    for name in ("cells", "positions", "velocities", "forces"):
        np.testing.assert_array_equal(getattr(block, name), getattr(truth, name))
    assert (run.has_velocities, run.has_forces, run.paths) == (True, True, (path, other))
    assert (run.segments, run.interval_ps) == (whole.segments, whole.interval_ps)
    assert not any(note.subject == "fields" for note in run.notes)
    part = pickle.loads(pickle.dumps(run)).read(2, 4)
    np.testing.assert_array_equal(part.forces, truth.forces[2:4])
    (one,) = open_runs([path], ReadOptions(forces_from=str(other)))
    np.testing.assert_array_equal(one.read(0, N_FRAMES).forces, truth.forces)


def test_frames_in_both_files_are_used_and_the_others_counted(tmp_path):
    path = write(tmp_path / "pos.lammpstrj", POSITIONS)
    other = write(tmp_path / "frc.lammpstrj", "id fx fy fz", frames=(2, 4, 5))
    run = opened(path, other)
    np.testing.assert_array_equal(run.steps, [20, 40, 50])
    block = run.read(0, 3)
    np.testing.assert_array_equal(block.positions, NUMBERS[[2, 4, 5], 0])
    np.testing.assert_array_equal(block.forces, NUMBERS[[2, 4, 5], 2])
    assert "3 of 6 frames of pos.lammpstrj are left out" in str(run.notes)
    every_second = write(tmp_path / "frc2.lammpstrj", "id fx fy fz", frames=(0, 2, 4))
    run = opened(path, every_second)
    assert run.segments == ((0, 3),)
    assert run.interval_ps == pytest.approx(0.02)
    assert opened(path, every_second, frames=(1, None, 1)).n_frames == 2


def test_fields_are_taken_where_they_are_missing(tmp_path):
    path = write(tmp_path / "pos.lammpstrj", POSITIONS + " vx vy vz")
    run = opened(path, write(tmp_path / "frc.lammpstrj", MOTION))
    assert "forces are those of" in str(run.notes)
    with pytest.raises(UsageError, match="no velocities or forces that"):
        opened(path, write(tmp_path / "v.lammpstrj", "id vx vy vz"))


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        (
            "id fx fy fz",
            {"ids": (1, 2, 3, 4, 9)},
            "atom ids are in one of the files only: 5, 9",
        ),
        ("id fx fy fz", {"box": (0.0, 4.5) * 3}, "the boxes of one step differ"),
        ("id xu yu zu fx fy fz", {"shift": 0.1}, "positions of step 0 differ"),
    ],
)
def test_files_of_different_runs_are_refused(tmp_path, columns, options, match):
    path = write(tmp_path / "pos.lammpstrj", POSITIONS)
    other = write(tmp_path / "frc.lammpstrj", columns, **options)
    with pytest.raises(DataError, match=match):
        opened(path, other).read(0, N_FRAMES)


def test_no_common_step_is_an_error(tmp_path):
    path = write(tmp_path / "pos.lammpstrj", POSITIONS, frames=(0, 2))
    other = write(tmp_path / "frc.lammpstrj", "id fx fy fz", frames=(1, 3))
    with pytest.raises(DataError, match="no step is in both"):
        opened(path, other)


def test_forces_belong_to_one_run(tmp_path):
    other = write(tmp_path / "frc.lammpstrj", "id fx fy fz")
    paths = [write(tmp_path / f"{name}.lammpstrj", POSITIONS) for name in "ab"]
    with pytest.raises(UsageError, match="2 runs"):
        open_runs(paths, ReadOptions(forces_from=str(other)))
