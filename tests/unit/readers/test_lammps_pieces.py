"""Dumps of single processors: joined, they are the dump of one file; nothing may be missing."""

import pickle

import numpy as np
import pytest

from program_files.lammps_dumps import COLUMNS, binary_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.formats.open import open_runs, open_trajectory
from trajmodes.readers.inputs import input_paths

N_ATOMS, N_FRAMES, N_PIECES = 7, 4, 3


def text_frame(step, rows, *, columns=COLUMNS, box=4.0, units="metal"):
    lines = "".join(" ".join(f"{x:.17g}" for x in row) + "\n" for row in rows)
    return (
        f"ITEM: UNITS\n{units}\nITEM: TIME\n{0.001 * step:.16g}\nITEM: TIMESTEP\n{step}\n"
        f"ITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS pp pp pp\n"
        + f"0 {box}\n" * 3
        + f"ITEM: ATOMS {columns}\n{lines}"
    ).encode()


def bin_frame(step, rows):
    return binary_frame(step, rows, columns=COLUMNS, time=0.001 * step)


FORMS = {"lammpstrj": text_frame, "bin": bin_frame}


def written(folder, suffix="lammpstrj", n_frames=N_FRAMES):
    """One file, and the same frames in files of processors that exchange atoms.

    One processor has no atom in the second frame.
    """
    rng = np.random.default_rng(1)
    frame, pieces, whole = FORMS[suffix], [b""] * N_PIECES, b""
    for t in range(n_frames):
        rows = np.column_stack(
            [1 + np.arange(N_ATOMS), 1 + np.arange(N_ATOMS) % 2, rng.normal(size=(N_ATOMS, 9))]
        )
        rows = rows[rng.permutation(N_ATOMS)]
        whole += frame(10 * t, rows)
        owner = rng.integers(0, N_PIECES - (t == 1), N_ATOMS)
        owner[: N_PIECES - (t == 1)] = np.arange(N_PIECES - (t == 1))
        for k in range(N_PIECES):
            pieces[k] += frame(10 * t, rows[owner == k])
    (folder / f"whole.{suffix}").write_bytes(whole)
    paths = [folder / f"run.{k}.{suffix}" for k in range(N_PIECES)]
    for path, data in zip(paths, pieces, strict=True):
        path.write_bytes(data)
    return paths


def read(paths, **options):
    run = open_trajectory(paths, ReadOptions(**options))
    return run, run.read(0, run.n_frames)


def assert_same(one, other):
    for name in ("cells", "positions", "velocities", "forces"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("suffix", FORMS)
def test_pieces_are_the_dump_of_one_file(tmp_path, suffix):
    paths = written(tmp_path, suffix)
    run, block = read(paths[::-1])
    whole, truth = read([tmp_path / f"whole.{suffix}"])
    assert_same(block, truth)
    np.testing.assert_array_equal(run.steps, whole.steps)
    np.testing.assert_array_equal(run.times_ps, whole.times_ps)
    assert run.paths == tuple(paths)
    assert "joined frame by frame" in str(run.notes)
    part = pickle.loads(pickle.dumps(run)).read(1, 3)
    np.testing.assert_array_equal(part.positions, block.positions[1:3])


def test_pattern_names_all_pieces_in_the_order_of_their_numbers(tmp_path):
    paths = written(tmp_path)
    paths[2].rename(tmp_path / "run.10.lammpstrj")
    (tmp_path / "run.x.lammpstrj").write_text("another file")
    found = input_paths([str(tmp_path / "run.%.lammpstrj")])
    assert [path.name for path in found] == [f"run.{k}.lammpstrj" for k in (0, 1, 10)]
    with pytest.raises(UsageError, match="with a number for %"):
        input_paths([str(tmp_path / "other.%.lammpstrj")])


def test_one_set_of_pieces_for_each_step_is_one_run(tmp_path):
    written(tmp_path)
    _, truth = read([tmp_path / "whole.lammpstrj"])
    for k in range(N_PIECES):
        frames = (tmp_path / f"run.{k}.lammpstrj").read_bytes().split(b"ITEM: UNITS")[1:]
        for t, frame in enumerate(frames):
            (tmp_path / f"step.{10 * t}.{k}.lammpstrj").write_bytes(b"ITEM: UNITS" + frame)
    runs = open_runs(sorted(tmp_path.glob("step.*")), ReadOptions())
    assert len(runs) == 1
    assert_same(runs[0].read(0, N_FRAMES), truth)


def test_files_of_independent_runs_are_not_joined(tmp_path):
    written(tmp_path)
    text = (tmp_path / "whole.lammpstrj").read_bytes()
    paths = [tmp_path / f"replica.{k}.lammpstrj" for k in range(2)]
    for path in paths:
        path.write_bytes(text)
    assert len(open_runs(paths, ReadOptions())) == 2


def test_damaged_number_is_named_with_its_file_and_line(tmp_path):
    paths = written(tmp_path)
    lines = paths[1].read_text().splitlines(keepends=True)
    last = len(lines) - 1
    lines[last] = " ".join([*lines[last].split()[:-1], "1.2.3\n"])
    paths[1].write_text("".join(lines))
    run = open_trajectory(paths, ReadOptions())
    with pytest.raises(DataError) as caught:
        run.read(0, N_FRAMES)
    assert f"line {len(lines)} of run.1.lammpstrj" in str(caught.value)
    atom = int(lines[last].split()[0]) - 1
    assert run.place(N_FRAMES - 1, atom).endswith(f"line {len(lines)} of run.1.lammpstrj")


def test_missing_piece_is_found(tmp_path):
    paths = written(tmp_path)
    with pytest.raises(DataError, match="file 1 of a dump by single processors is missing"):
        open_trajectory([paths[0], paths[2]], ReadOptions())
    with pytest.raises(DataError, match="most likely the last one"):
        open_trajectory(paths[:2], ReadOptions())


def test_piece_that_ends_earlier(tmp_path):
    paths = written(tmp_path)
    text = paths[1].read_bytes()
    paths[1].write_bytes(text[:-30])
    with pytest.warns(TrajmodesWarning, match="is not complete"):
        run, block = read(paths)
    _, truth = read([tmp_path / "whole.lammpstrj"])
    np.testing.assert_array_equal(block.positions, truth.positions[:3])
    assert "run.1.lammpstrj ends after 3 whole frames" in str(run.notes)
    with pytest.raises(DataError, match="not complete"):
        open_trajectory(paths, ReadOptions(strict=True))
    paths[1].write_bytes(b"ITEM: UNITS".join(text.split(b"ITEM: UNITS")[:3]))
    with pytest.raises(DataError, match=r"run\.1\.lammpstrj ends after 2 whole frames"):
        open_trajectory(paths, ReadOptions())


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"\n20\n", b"\n25\n", "the step is not that of run.0.lammpstrj: 25, and 20 there"),
        (b"0 4.0\n", b"0 5.0\n", "the box or time is not that of run.0"),
        (b"fx fy fz\n", b"fx fz fy\n", "the list of columns is not that of run.0"),
    ],
)
def test_pieces_of_different_dumps_are_refused(tmp_path, old, new, match):
    paths = written(tmp_path)
    text = paths[1].read_bytes()
    at = text.rindex(old) if old != b"\n20\n" else text.index(old)
    paths[1].write_bytes(text[:at] + new + text[at + len(old) :])
    with pytest.raises(DataError, match=match):
        open_trajectory(paths, ReadOptions())
