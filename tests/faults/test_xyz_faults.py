"""Damaged XYZ files are reported, and nothing is guessed."""

import gzip
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesError, TrajmodesWarning, UsageError
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.xyz.open import open_xyz

DATA = Path(__file__).parents[1] / "data"
PLAIN = ReadOptions()
BOX = 'Lattice="4 0 0 0 5 0 0 0 6"'
HEAD = f"{BOX} Properties=species:S:1:pos:R:3:forces:R:3"
ROWS = ["Si 0 0 0 1 2 3", "C 1 1 1 4 5 6", "O 2 2 2 7 8 9"]


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def frame(rows: list[str] = ROWS, comment: str = HEAD, count: object = None) -> str:
    return "\n".join([str(len(rows) if count is None else count), comment, *rows, ""])


def opened(folder: Path, *frames: str, options: ReadOptions = PLAIN) -> Trajectory:
    path = folder / "bad.xyz"
    path.write_bytes("".join(frames).encode())
    return open_xyz([path], options)


def read_all(folder: Path, *frames: str) -> None:
    found = opened(folder, *frames)
    found.read(0, found.n_frames)


SOUND = (DATA / "o.extxyz").read_bytes()
ENDS = [len(b"".join(SOUND.splitlines(keepends=True)[: 34 * (t + 1)])) for t in range(5)]


@given(cut=st.integers(1, len(SOUND)))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_a_file_cut_anywhere_keeps_its_complete_frames(tmp_path_factory: Any, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "cut.xyz"
    path.write_bytes(SOUND[:cut])
    complete = sum(end <= cut for end in ENDS)
    if complete == 0:
        with pytest.raises(DataError, match=r"first frame|number of atoms"):
            open_xyz([path], PLAIN)
        return
    if cut in ENDS:
        assert open_xyz([path], ReadOptions(strict=True)).n_frames == complete
        return
    # The step is known once the comment line is complete.
    name = rf"last frame \((step {10 * complete}|number {complete}), from byte"
    with pytest.warns(TrajmodesWarning, match=rf"{name} {ENDS[complete - 1]}\)"):
        found = open_xyz([path], PLAIN)
    assert "is not complete" in str(found.notes[0])
    assert found.n_frames == complete
    assert np.isfinite(found.read(0, complete).positions).all()
    with pytest.raises(DataError, match="--strict"):
        open_xyz([path], ReadOptions(strict=True))


def test_a_frame_without_final_line_end_is_incomplete(tmp_path: Path) -> None:
    with pytest.warns(TrajmodesWarning, match=r"last frame \(number 1, from byte"):
        assert opened(tmp_path, frame(), frame()[:-1]).n_frames == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "C 1 1 nan 4 5 6",
            r"'nan' is not a finite number .*frame 1, step 1, line 9, column 4",
        ),
        ("C 1 1 1 -inf 5 6", r"'-inf' is not a finite number .*line 9, column 5"),
        ("C 1 1 1 4 5 1e999", r"'1e999' is not a finite number .*line 9"),
        ("C 1 1.2.3 1 4 5 6", r"'1\.2\.3' is not a number .*line 9, column 3"),
        ("C 1 1,5 1 4 5 6", r"'1,5' is not a number: decimals .*line 9, column 3"),
        ("C 1 one 1 4 5 6", r"'one' is not a number .*line 9, column 3"),
        ("C 1 1 1 4 5", r"row ends before its 7 columns .*line 9"),
        ("C", r"row ends before its 7 columns .*line 9"),
        ("C 1 1 1 4 5 6 7", r"'7' follows the last of 7 columns .*line 9"),
        ("Si 1 1 1 4 5 6", r"'Si 1 1 1 4 5 6' where another atom .*frame 1, line 9"),
        ("Cl 1 1 1 4 5 6", r"'Cl 1 1 1 4 5 6' where another atom .*frame 1, line 9"),
        ("", r"where another atom is expected .*frame 1, line 9"),
    ],
)
def test_a_bad_row_is_reported_with_its_position(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(DataError, match=rf"{message}") as caught:
        read_all(tmp_path, frame(), frame([ROWS[0], row, ROWS[2]]), frame())
    assert "bad.xyz" in str(caught.value)


def test_bad_numbers_in_the_first_frame_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"frame 0, line 4"):
        read_all(tmp_path, frame([ROWS[0], "C 1 1 1 4 5", ROWS[2]]))
    with pytest.raises(DataError, match=r"frame 0, step 0, line 4, column 2"):
        read_all(tmp_path, frame([ROWS[0], "C x 1 1 4 5 6", ROWS[2]]))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (frame(ROWS[:2], count=3), "line begins with '3' where another atom"),
        (frame([*ROWS, ROWS[2]], count=3), "'O 2 2 2 7 8 9' where the number of atoms"),
        (frame(ROWS[:2]), "frame has 2 atoms, but the first one has 3"),
        (frame(count="3.0"), "'3.0' where the number of atoms"),
        (frame(count="-3"), "frame has -3 atoms"),
        (frame(count=900_000_000), "frame has 900000000 atoms"),
        (frame(count="9" * 30), "where the number of atoms"),
    ],
)
def test_frames_that_differ_in_length_are_refused(
    tmp_path: Path, second: str, message: str
) -> None:
    with pytest.raises(DataError, match=rf"{message}.*frame [12], line"):
        read_all(tmp_path, frame(), second, frame())


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (900_000_000, "should have 900000000 atoms, but only"),
        ("9" * 40, "number of atoms is absurdly large: '9{40}'"),
        (0, "should have 0 atoms"),
        (-5, "should have -5 atoms"),
        ("three", "number of atoms is not an integer: 'three'"),
        (40, "first frame is not complete"),
    ],
)
def test_absurd_counts_are_refused_at_once(tmp_path: Path, count: object, message: str) -> None:
    began = time.perf_counter()
    with pytest.raises(DataError, match=message):
        opened(tmp_path, frame(count=count))
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("head", ["", "3\n", f"{frame()}3\n", f"{frame()}3\n{HEAD}\nSi "])
def test_endless_lines_are_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(DataError, match=r"line is longer than \d+ bytes|not an integer"):
        opened(tmp_path, head, "1" * (3 << 22))


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (HEAD.replace('6"', ""), "no key=value pair can be read"),
        (HEAD.replace('6"', '0"'), "span no volume"),
        (HEAD.replace('6"', '"'), "8 numbers where 9"),
        (HEAD + " Time=soon", "time is not a finite number: 'soon'"),
        (HEAD.replace("forces", "magmoms"), "columns change from"),
        (HEAD.replace("pos:R:3", "pos:R:three"), "Properties contains pos:R:three"),
    ],
)
def test_damaged_comments_are_refused(tmp_path: Path, comment: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}.*bad.xyz, frame 1, line 7"):
        read_all(tmp_path, frame(), frame(comment=comment), frame())


def test_a_missing_cell_is_refused(tmp_path: Path) -> None:
    later = HEAD.replace(BOX, "")
    with pytest.raises(UsageError, match="frame 1 has no cell"):
        opened(tmp_path, frame(), frame(comment=later))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["C 7 1 1 1", "C 7 2 2 2"], "atom id 7 appears twice"),
        (["C 7 1 1 1", "Si 4 2 2 2"], "'Si 4 2 2 2', an atom id that the first frame lacks"),
        (["C 3 1 1 1", "Si 7 2 2 2"], "'C 3 1 1 1' where another atom"),
        (["C x 1 1 1", "Si 3 2 2 2"], "'C x 1 1 1', an atom id"),
    ],
)
def test_inconsistent_ids_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    comment = f"{BOX} Properties=species:S:1:id:I:1:pos:R:3"
    with pytest.raises(DataError, match=message):
        read_all(tmp_path, frame(["C 7 1 1 1", "Si 3 2 2 2"], comment), frame(rows, comment))
    with pytest.raises(DataError, match="atom id 7 appears twice"):
        opened(tmp_path, frame(["C 7 1 1 1", "Si 7 2 2 2"], comment))


def test_paths_that_are_not_files_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.xyz"
    empty.touch()
    with pytest.raises(DataError, match="is empty"):
        open_xyz([empty], PLAIN)
    with pytest.raises(UsageError, match="is a folder"):
        open_xyz([tmp_path], PLAIN)
    with pytest.raises(UsageError, match="No such file"):
        open_xyz([tmp_path / "none.xyz"], PLAIN)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe"):
        open_xyz([tmp_path / "pipe"], PLAIN)
    empty.write_text("\n \n\t\n")
    with pytest.raises(DataError, match="first frame is not complete"):
        open_xyz([empty], PLAIN)


def test_files_of_different_runs_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.xyz", tmp_path / "b.xyz"]
    paths[0].write_text(frame())
    paths[1].write_text(frame([ROWS[1], ROWS[0], ROWS[2]]))
    with pytest.raises(DataError, match="differ from those of the first file"):
        open_xyz(paths, PLAIN)


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    found = opened(tmp_path, frame(), frame())
    found.read(0, 1)
    with (tmp_path / "bad.xyz").open("w") as file:
        file.write(frame())
    with pytest.raises(DataError, match="has changed since it was opened"):
        found.read(0, 1)


def test_damaged_gz_is_refused(tmp_path: Path) -> None:
    # Random numbers, so that the cut lies well behind the first frames.
    numbers = np.random.default_rng(0).normal(size=(400, 3, 6))
    rows = [[f"Si {' '.join(map(repr, row))}" for row in part] for part in numbers.tolist()]
    packed = gzip.compress("".join(map(frame, rows)).encode())
    path = tmp_path / "cut.xyz.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"end too early, at byte \d+"):
        open_xyz([path], PLAIN)
    with pytest.warns(TrajmodesWarning, match="end too early"):
        found = open_xyz([path], ReadOptions(allow_partial=True))
    assert 100 < found.n_frames < 300
    np.testing.assert_array_equal(
        found.read(0, found.n_frames).positions, numbers[: found.n_frames, :, :3]
    )


@given(data=st.data())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_flipped_byte_is_reported_or_harmless(tmp_path_factory: Any, data: Any) -> None:
    at = data.draw(st.integers(0, len(SOUND) - 1))
    bad = bytearray(SOUND)
    bad[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "flip.xyz"
    path.write_bytes(bad)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajmodesWarning)
        try:
            found = open_xyz([path], ReadOptions(units="metal"))
            block = found.read(0, found.n_frames)
        except TrajmodesError:
            return
    assert np.isfinite(block.positions).all()
    assert found.n_atoms == 32


HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("rows", "comment", "message"),
    [
        (["C 1 1 1", f"Si {HUGE} 1 1"], "species:S:1:pos:R:3", "is not a finite number"),
        ([f"C {HUGE} 1 1 1"], "species:S:1:id:I:1:pos:R:3", "an atom id is absurdly large"),
        ([f"C {1 << 63} 1 1 1"], "species:S:1:id:I:1:pos:R:3", "an atom id is absurdly large"),
        ([f"C {HUGE} 1 1 1"], "species:S:1:type:I:1:pos:R:3", "atom type is absurdly large"),
        (["C 1 1 1"], f"species:S:1:pos:R:3 Timestep={HUGE}", "the step is absurdly large"),
        (
            ["C 1 1 1"],
            "species:S:1:pos:R:3 Timestep=9007199254740993",
            "step is absurdly large",
        ),
        (["C 1 1 1"], f"species:S:1:pos:R:3 Time={HUGE}", "time is not a finite number"),
    ],
)
def test_absurd_numbers_are_refused(
    tmp_path: Path, rows: list[str], comment: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_all(tmp_path, frame(rows, f"{BOX} Properties={comment}"))
    assert "bad.xyz" in str(caught.value)


def test_absurd_comments_are_refused(tmp_path: Path) -> None:
    for later in (frame(), ""):
        with pytest.raises(
            DataError, match=r"comment has 200004 characters .*frame [01], line"
        ):
            opened(tmp_path, later, frame(comment="a=[" + "x " * 100_000 + "]")[:-1] + "\n")


def test_absurd_cells_are_refused(tmp_path: Path) -> None:
    wild = HEAD.replace("4 0 0 0 5 0 0 0 6", "1e200 0 0 0 1e200 0 0 0 6")
    with pytest.raises(DataError, match="span no volume"):
        opened(tmp_path, frame(comment=wild))


@pytest.mark.parametrize("name", ["²", "1" * 5000, "٣"])  # digits that are not types
def test_names_that_look_like_numbers_are_accepted(tmp_path: Path, name: str) -> None:
    found = opened(tmp_path, frame([f"{name} 0 0 0 1 2 3"] * 3))
    assert found.types is None
    assert any("not chemical symbols" in str(note) for note in found.notes)


@pytest.mark.parametrize("junk", ["\x00", "\x01 all is well", "\r\x00"])
def test_junk_between_frames_is_refused(tmp_path: Path, junk: str) -> None:
    with pytest.raises(DataError, match="where the number of atoms is expected"):
        opened(tmp_path, frame(), f"{junk}\n", frame())
    assert opened(tmp_path, frame(), " \t\r\n\n", frame()).n_frames == 2


def test_rounding_is_noted_with_a_format_for_each_column(tmp_path: Path) -> None:
    comment = f"Timestep=0 {BOX} Properties=species:S:1:pos:R:3:forces:R:3"
    (note,) = (
        note
        for note in opened(tmp_path, frame(["C 0.12 3.25 1.5 0 0 0"], comment)).notes
        if note.subject == "rounding"
    )
    assert note.text.startswith(
        "coordinates are rounded by up to 5e-03 Å, to 3 significant digits"
    )
    assert note.fix == (f'dump_modify ID format line "%s{" %.10g" * 6}"')
