"""Grouping of files into runs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import UnitsError, UsageError
from trajmodes.formats.open import group_runs, open_runs, open_trajectory

PIECES = Path(__file__).parents[2] / "data" / "lammps" / "multi"
BOX = 10.0


METAL = ReadOptions(units="metal")


def write_dump(path, steps, seed, *, n_atoms=6, shift=0.0):
    """Atoms on smooth paths, which depend on the seed and not on the steps."""
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    home, phase = np.arange(n_atoms)[:, None] + 2.0, rng.uniform(0, 6.28, (n_atoms, 3))
    with path.open("w") as file:
        for step in steps:
            x = home + 0.3 * np.sin(0.01 * step + phase) + shift
            rows = "".join(
                f"{a + 1} 1 {p[0]:.9f} {p[1]:.9f} {p[2]:.9f}\n" for a, p in enumerate(x)
            )
            bounds = f"0 {BOX}\n" * 3
            file.write(
                f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n"
                f"ITEM: BOX BOUNDS pp pp pp\n{bounds}ITEM: ATOMS id type xu yu zu\n{rows}"
            )
    return path


def groups(*paths):
    return [
        tuple(path.name for path in run)
        for run in group_runs([open_trajectory([path], METAL) for path in paths])
    ]


def test_pieces_that_lammps_wrote_are_one_run():
    paths = sorted(PIECES.iterdir())
    assert len(paths) == 5
    (run,) = open_runs(reversed(paths), METAL)
    assert run.paths == tuple(paths)
    assert run.steps.tolist() == [0, 10, 20, 30, 40]


def test_pieces_in_two_folders_are_two_runs(tmp_path):
    for name in ("T300", "T300b"):
        shutil.copytree(PIECES, tmp_path / name)
    runs = open_runs(sorted(tmp_path.glob("*/*")), METAL)
    assert [len(run.paths) for run in runs] == [5, 5]
    assert [run.paths[0].parent.name for run in runs] == ["T300", "T300b"]


def test_steps_that_start_again_are_another_run(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 100, 10), 1)
    b = write_dump(tmp_path / "b", range(0, 100, 10), 2)
    c = write_dump(tmp_path / "c", range(0, 50, 10), 1)
    assert groups(b, a, c) == [("b",), ("a",), ("c",)]
    assert [run.n_frames for run in open_runs([a, b, c], METAL)] == [10, 10, 5]


def test_continuations_with_a_gap_or_a_common_step_are_one_run(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 101, 10), 1)
    b = write_dump(tmp_path / "b", range(100, 201, 10), 1)
    c = write_dump(tmp_path / "c", range(500, 601, 10), 1)
    assert groups(c, b, a) == [("a", "b", "c")]
    (run,) = open_runs([c, b, a], METAL)
    assert run.n_frames == 32
    assert len(run.segments) > 1


def test_a_restart_that_rewrote_steps_is_one_run(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 101, 10), 1)
    b = write_dump(tmp_path / "b", range(60, 201, 10), 1)
    assert groups(a, b) == [("a", "b")]
    (run,) = open_runs([a, b], METAL)
    assert run.steps.tolist() == list(range(0, 201, 10))
    assert any("step 60 to step 100 (a restart)" in str(note) for note in run.notes)


def test_overlapping_runs_whose_atoms_differ_are_two(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 101, 10), 1)
    assert groups(a, write_dump(tmp_path / "b", range(60, 201, 10), 2)) == [("a",), ("b",)]
    assert groups(a, write_dump(tmp_path / "c", range(100, 201, 10), 3)) == [("a",), ("c",)]
    # no common step to compare: another run
    assert groups(a, write_dump(tmp_path / "d", range(65, 201, 10), 1)) == [("a",), ("d",)]


def test_a_drift_of_the_whole_crystal_is_ignored(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 101, 10), 1)
    b = write_dump(tmp_path / "b", range(100, 201, 10), 1, shift=3.0)
    assert groups(a, b) == [("a", "b")]


def test_interleaved_runs_are_separated(tmp_path):
    """Two runs of two files each, in one folder, without a common step."""
    a, b = (write_dump(tmp_path / f"{s}0", range(0, 101, 10), s) for s in (1, 2))
    c, d = (write_dump(tmp_path / f"{s}1", range(110, 201, 10), s) for s in (2, 1))
    assert groups(a, b, c, d) == [("10", "11"), ("20", "21")]


def test_other_atoms_are_another_run(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 101, 10), 1)
    b = write_dump(tmp_path / "b", range(110, 201, 10), 1, n_atoms=5)
    assert groups(a, b) == [("a",), ("b",)]


def test_files_without_steps_are_separate_runs(tmp_path):
    for name in ("a.xyz", "b.xyz"):
        frame = "2\nplain\nNa 0 0 0\nCl 2 2 2\n"
        (tmp_path / name).write_text(frame * 3)
    boxed = ReadOptions(box=np.eye(3) * 4.0)
    assert [run.n_frames for run in open_runs(sorted(tmp_path.iterdir()), boxed)] == [3, 3]


def test_files_without_units_beside_one_with_units_are_refused(tmp_path):
    a = write_dump(tmp_path / "a", range(0, 50, 10), 1)
    b = write_dump(tmp_path / "b", range(50, 100, 10), 1)
    with pytest.raises(UnitsError, match="does not name its units"):
        open_runs([a, b], ReadOptions())
    a.write_text("ITEM: UNITS\nreal\n" + a.read_text())
    for paths in ([a, b], [b, a]):
        with pytest.raises(
            UsageError, match=f"{b} does not name .*, and {a} is in real"
        ) as caught:
            open_runs(paths, ReadOptions())
        # A UnitsError would make the caller try all styles and blame the other file.
        assert not isinstance(caught.value, UnitsError)
        assert "--units real" in caught.value.fix


def test_no_file_is_an_error():
    with pytest.raises(UsageError, match="no trajectory file is given"):
        open_runs([], METAL)
