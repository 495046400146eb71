"""Damaged dumps: every frame is used, or refused with its position and the reason."""

import gzip
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.formats.open import open_trajectory

DATA = Path(__file__).parents[1] / "data" / "lammps"
TEXT = (DATA / "o_custom.lammpstrj").read_bytes()
STARTS = [match.start() for match in re.finditer(b"ITEM: TIMESTEP", TEXT)]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def bad(tmp_path):
    """Write a text and open it."""

    def write(text, **options):
        path = tmp_path / "run.lammpstrj"
        path.write_bytes(text)
        return open_trajectory(path, ReadOptions(units="metal", **options))

    return write


# Positions in the last frame: in the header, in a row, at the end of a row, in and after the
# last number.
CUTS = sorted(
    {
        *range(STARTS[4] + 1, len(TEXT), 97),
        len(TEXT) - 1,
        len(TEXT) - 2,
        len(TEXT) - 9,
        TEXT.rindex(b"\n", 0, -1) + 1,
        TEXT.index(b"ATOMS id", STARTS[4]),
    }
)


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_last_frame_is_left_out_with_a_warning(bad, cut):
    step = "step 40" if cut > TEXT.index(b"ATOMS id", STARTS[4]) + 36 else "header"
    with pytest.warns(TrajmodesWarning, match=f"{step}.*byte {STARTS[4]}.*is not complete"):
        trajectory = bad(TEXT[:cut])
    assert trajectory.n_frames == 4
    assert any("is not complete" in str(note) for note in trajectory.notes)
    expected = open_trajectory(DATA / "o_custom.lammpstrj", ReadOptions(units="metal")).read(
        0, 4
    )
    assert np.array_equal(trajectory.read(0, 4).positions, expected.positions)
    with pytest.raises(DataError, match=f"from byte {STARTS[4]}.*is not complete"):
        bad(TEXT[:cut], strict=True)


def test_a_last_header_cut_at_any_byte_is_left_out(bad):
    """Line ends too: the file may stop exactly where the next item would begin."""
    body = TEXT.index(b"\n", TEXT.index(b"ATOMS id", STARTS[4])) + 1
    for cut in range(STARTS[4] + 1, body + 1):
        with pytest.warns(TrajmodesWarning, match="is not complete"):
            assert bad(TEXT[:cut]).n_frames == 4


def test_zeros_at_the_end_count_as_a_cut(bad):
    for cut in (STARTS[4], STARTS[4] + 700):
        text = TEXT[:cut] + bytes(1000)
        if cut == STARTS[4]:
            assert bad(text).n_frames == 4
            continue
        with pytest.warns(TrajmodesWarning, match="step 40.*is not complete"):
            assert bad(text).n_frames == 4


def test_a_cut_only_frame_is_an_error(bad):
    with pytest.raises(DataError, match="is not complete, and there is no other"):
        bad(TEXT[: STARTS[1] - 1])


def edited(frame, row, column, token):
    """The run with one token of one row replaced."""
    lines = TEXT.split(b"\n")
    number = frame * 41 + 9 + row
    tokens = lines[number].split()
    tokens[column] = token
    lines[number] = b" ".join(tokens)
    return b"\n".join(lines), number + 1


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (b"nan", "'nan' is not a finite number"),
        (b"-inf", "'-inf' is not a finite number"),
        (b"1.2.3", "'1.2.3' is not a number"),
        (b"0,25", "'0,25' is not a number: decimals must be written with a point"),
        (b"abc", "'abc' is not a number"),
        (b"0x1p3", "'0x1p3' is not a number"),
        (b"1e400", "'1e400' is not a finite number"),
        (b"1_0", "'1_0' is not a number"),
        (b"--1", "'--1' is not a number"),
        (b"\xff\xfe", "is not a number"),
        (b"0.5\x00", "is not a number"),
        (b"\x000.5", "is not a number"),
        (b"0.5\x1f", "is not a number"),
    ],
)
@pytest.mark.parametrize("row", [0, 17, 31])
def test_invalid_numbers_are_reported_with_their_position(bad, token, message, row):
    text, line = edited(3, row, 6, token)
    trajectory = bad(text)
    trajectory.read(0, 3)
    place = rf"run\.lammpstrj, frame 3, step 30, line {line}, column vy"
    with pytest.raises(DataError, match=f"{re.escape(message)} \\(.*{place}\\)"):
        trajectory.read(2, 5)


def test_separators_are_parsed_alike_wherever_a_read_begins(bad):
    """The first rows of a text are parsed by another path than later ones."""
    for between in (b"\x00", b"\x01", b"\x1c", b"\x0b", b"\x0c", b"\t", b"\r"):
        lines = TEXT.split(b"\n")
        lines[41 + 9 : 41 + 41] = [row.replace(b" ", between) for row in lines[50:82]]
        text = b"\n".join(lines)
        if between.isspace():
            block = bad(text).read(0, 5)
            assert np.array_equal(block.positions, bad(TEXT).read(0, 5).positions)
            continue
        for start in (0, 1):
            with pytest.raises(
                DataError, match=r"(not a number|ends before).*frame 1, step 10"
            ):
                bad(text).read(start, 5)


def test_bad_first_frames_are_refused_when_opened(bad):
    with pytest.raises(DataError, match=r"id 3 appears|twice in one frame: 3 \(.*frame 0"):
        bad(edited(0, 20, 0, b"3")[0])
    with pytest.raises(DataError, match=r"2\.5 is not an integer.*column id"):
        bad(edited(0, 1, 0, b"2.5")[0])
    for token in (b"1e300", b"-9223372036854775808", b"9007199254740993"):
        with pytest.raises(DataError, match=r"larger than any id .*frame 0, step 0, column id"):
            bad(edited(0, 1, 0, token)[0])


@pytest.mark.parametrize("number", [b"-3", b"0", b"-9007199254740991"])
def test_ids_that_are_not_positive_are_refused(bad, number):
    with pytest.raises(DataError, match=rf"an atom has the id {number.decode()} .*frame 0"):
        bad(TEXT.replace(b"\n32 1 ", b"\n" + number + b" 1 "))


@pytest.mark.parametrize("number", [b"99", b"9007199254740991"])
def test_extreme_ids_are_accepted(bad, number):
    """They sort the atoms, and no difference of two of them overflows."""
    text = TEXT.replace(b"\n32 1 ", b"\n" + number + b" 1 ")
    order = np.argsort([*range(1, 32), int(number)])
    sound = bad(TEXT).read(0, 5).positions
    assert np.array_equal(bad(text).read(0, 5).positions, sound[:, order])
    later = TEXT[STARTS[1] :].replace(b"\n32 1 ", b"\n" + b"9" * 19 + b" 1 ")
    first = text[: text.index(b"ITEM: TIMESTEP", 1)]
    with pytest.raises(
        DataError, match=r"'9{19}' is not a number .*frame 1, step 10.*column id"
    ):
        bad(first + later).read(0, 5)


@pytest.mark.parametrize(
    ("column", "token", "message"),
    [
        (0, b"5", "atom id 5 appears twice in one frame"),
        (0, b"99", "atom id 99 does not occur in the first frame"),
        (1, b"2", "the atom has type 2 here"),
    ],
)
def test_other_atoms_in_a_later_frame_are_refused(bad, column, token, message):
    text, _ = edited(2, 20, column, token)
    with pytest.raises(DataError, match=f"{message}.*frame 2, step 20, line"):
        bad(text).read(0, 5)


@pytest.mark.parametrize(
    ("tokens", "message"), [(10, "the row ends before"), (12, "follows the last")]
)
def test_rows_too_short_or_too_long_are_refused(bad, tokens, message):
    lines = TEXT.split(b"\n")
    row = lines[41 + 9 + 4].split()
    lines[41 + 9 + 4] = b" ".join((row + row)[:tokens])
    with pytest.raises(DataError, match=f"{message}.*frame 1, step 10, line 55"):
        bad(b"\n".join(lines)).read(0, 5)


@pytest.mark.parametrize(("rows", "there"), [(-1, 31), (1, 33), (-32, 0)])
def test_missing_or_additional_rows_are_refused(bad, rows, there):
    lines = TEXT.split(b"\n")
    body = lines[50:82]
    lines[50:82] = body[: 32 + rows] if rows < 0 else [*body, body[0]]
    with pytest.raises(
        DataError, match=f"announces 32 atoms, but {there} rows.*frame 1, step 10"
    ):
        bad(b"\n".join(lines))


def test_a_changed_atom_count_suggests_the_group(bad):
    text = TEXT[: STARTS[2]] + TEXT[STARTS[2] :].replace(b"ATOMS\n32", b"ATOMS\n31", 1)
    with pytest.raises(
        DataError, match=r"changes from 32 to 31.*frame 2(?s:.*)no dynamic group"
    ):
        bad(text)


@pytest.mark.parametrize("count", [b"900000000", b"-5", b"0", b"9223372036854775807"])
def test_absurd_counts_are_refused_without_allocation(bad, count):
    text = TEXT[: STARTS[1]].replace(b"ATOMS\n32", b"ATOMS\n" + count, 1)[:400]
    tracemalloc.start()
    with pytest.raises(
        DataError, match=r"announces -?\d+ atoms, but \d+ bytes|not a valid number"
    ):
        bad(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_absurd_counts_in_later_frames_are_refused(bad):
    text = TEXT[: STARTS[4]] + TEXT[STARTS[4] :].replace(b"ATOMS\n32", b"ATOMS\n900000000", 1)
    with pytest.raises(DataError, match="changes from 32 to 900000000"):
        bad(text)


def test_endless_lines_are_refused_within_bounded_memory(bad):
    for text, message in [
        (b"ITEM: TIMESTEP " + b"x" * 10_000_000, "a line is longer than"),
        (b"ITEM: " + b"7 " * 5_000_000, "a line is longer than"),
        (TEXT[: STARTS[1]] + b"\n" * 6_000_000 + TEXT[STARTS[1] :], None),
        (
            TEXT.replace(b"\n32 1 ", b"\n32 " + b"1" * 8_000_000 + b" ", 1),
            "bytes long on average",
        ),
    ]:
        if message is None:
            assert bad(text).n_frames == 5
            continue
        with pytest.raises(DataError, match=message):
            bad(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            b"ITEM: TIMESTEP\n10",
            b"ITEM: TIMESTEP\nten",
            "a header value is not a valid number.*line 43",
        ),
        (b"ITEM: TIMESTEP\n10\n", b"", "no ITEM: TIMESTEP|announces 32 atoms"),
        (b"ITEM: NUMBER OF ATOMS\n32\n", b"", "no ITEM: NUMBER OF ATOMS"),
        (
            b"ITEM: BOX BOUNDS pp pp pp\n",
            b"ITEM: BOX BOUNDS pp pp pp\nx ",
            "a header value is not",
        ),
        (b"ITEM: ATOMS id type xs", b"ITEM: ATOMS id type id", "two columns are named id"),
        (
            b"ITEM: ATOMS id type xs",
            b"ITEM: ATOMS id type foo",
            "frames have no coordinates in common",
        ),
        (b"ITEM: ATOMS id type xs ys zs vx", b"ITEM: ATOMS", "no coordinates|two columns|id"),
        (
            b"ITEM: ATOMS id",
            b"ITEM:\nATOMS id",
            "another header follows before the ITEM: ATOMS",
        ),
        (b"ITEM: ATOMS id", b"ITEM: BTOMS id", "another header .*frame 0, line 42"),
        (
            b"\nITEM: TIMESTEP",
            b"\nxITEM: TIMESTEP",
            "the 32 rows of the frame are not followed by another header",
        ),
        (b"TIMESTEP\n10\n", b"TIMESTEP\n10\x00\n", "a header value is not.*line 43"),
        (b"TIMESTEP\n10\n", b"TIMESTEP\n9223372036854775807\n", "a header value is not"),
        (b"TIMESTEP\n10\n", b"TIMESTEP\n\n", "a header value is not"),
        (b"pp pp pp\n-5.2599999999999998e+00", b"pp pp pp\n1e400", "a header value is not"),
    ],
)
def test_invalid_headers_are_refused(bad, old, new, message):
    with pytest.raises(DataError, match=message):
        bad(TEXT.replace(old, new, 1))


def with_box(row):
    """The run with another first row of the box in frame 2."""
    at = TEXT.index(b"pp pp pp\n", STARTS[2]) + 9
    return TEXT[:at] + row + TEXT[TEXT.index(b"\n", at) :]


@pytest.mark.parametrize("row", [b"0 0", b"5 -5", b"0 1e308", b"-1e308 1e308"])
def test_boxes_without_volume_are_refused(bad, row):
    with pytest.raises(DataError, match=r"the box has no volume .*frame 2, step 20"):
        bad(with_box(row))


def with_times(*times):
    parts = [TEXT[a:b] for a, b in zip(STARTS, [*STARTS[1:], None], strict=True)]
    return b"".join(b"ITEM: TIME\n%s\n%s" % pair for pair in zip(times, parts, strict=True))


def test_times_that_do_not_increase_are_refused(bad):
    assert bad(with_times(b"0", b"1", b"2", b"3", b"4")).interval_ps == 1.0
    for times in ((b"0", b"1", b"2", b"2", b"4"), (b"0", b"1e300", b"2", b"3", b"4")):
        with pytest.raises(
            DataError, match=r"time does not increase.*run.lammpstrj, frame [23]"
        ):
            bad(with_times(*times))


@pytest.mark.parametrize("timestep", [0.0, -1.0, float("nan"), float("inf")])
def test_invalid_time_steps_are_refused(bad, timestep):
    with pytest.raises(UsageError, match="must be a positive number"):
        bad(TEXT, timestep_fs=timestep)


@pytest.mark.parametrize(
    ("flags", "texts"),
    [
        (b"pp ff pp", ["fixed along y (ff); all"]),
        (b"ss pp fm", ["shrink-wrapped and fixed along x (ss), z (fm); all"]),
        (b"pp pp pp", []),
        (b"", []),
    ],
)
def test_open_boundaries_are_noted(bad, flags, texts):
    """Also in one frame: a box may change between runs."""
    for text in (
        TEXT.replace(b"BOX BOUNDS pp pp pp", b"BOX BOUNDS " + flags),
        TEXT[: STARTS[3]] + TEXT[STARTS[3] :].replace(b"pp pp pp", flags, 1),
    ):
        notes = [
            note
            for note in bad(text).notes
            if note.subject == "box" and "not periodic" in note.text
        ]
        assert len(notes) == len(texts)
        for note, words in zip(notes, texts, strict=True):
            assert words in note.text
            assert note.fix == "boundary p p p"


def test_open_boundaries_of_tilted_boxes_are_noted(tmp_path):
    for name, where in (("t_restricted", "y (ff)"), ("t_general", "b (ff)")):
        text = (DATA / f"{name}.lammpstrj").read_text()
        path = tmp_path / name
        path.write_text(text.replace("pp pp pp", "pp ff pp"))
        (note,) = (
            n
            for n in open_trajectory(path, ReadOptions(units="metal")).notes
            if "not periodic" in n.text
        )
        assert f"along {where}; all directions" in note.text


@pytest.mark.parametrize(
    ("columns", "form", "scale", "warned"),
    [
        ("id type xu yu zu", "%.4f", 1.0, None),
        ("id type xu yu zu", "%.3f", 1.0, "5e-04 Å, to 5 significant digits; fix: {} float"),
        ("id type xu yu zu", "%g", 1.0, None),
        ("id type xu yu zu", "%g", 20.0, "5e-04 Å, to 6 significant digits; fix: {} float"),
        ("id type xu yu zu", "%.10g", 20.0, None),
        ("id type xu yu zu", "%.2e", 1.0, "5e-02 Å, to 3 significant digits; fix: {} float"),
        ("id type xs ys zs", "%.6f", 0.05, None),
        ("id type xs ys zs", "%.4f", 0.05, '1e-03 Å, to 4 significant digits; fix: {} line "'),
    ],
)
def test_large_rounding_is_noted(bad, columns, form, scale, warned):
    """Atoms within a box of 20 Å; `dump atom` has no `format float`."""
    numbers = np.random.default_rng(1).uniform(0.0, 20.0, (3, 32, 3)) * scale
    text = ""
    for t, rows in enumerate(numbers):
        box = "0 20\n" * 3
        text += f"ITEM: TIMESTEP\n{t}\nITEM: NUMBER OF ATOMS\n32\nITEM: BOX BOUNDS pp pp pp\n"
        text += f"{box}ITEM: ATOMS {columns}\n"
        for a, row in enumerate(rows):
            text += f"{a + 1} 1 {' '.join(form % x for x in row)}\n"
    run = bad(text.encode())
    length = 20.0 if "xs" in columns else 1.0
    wrong = np.abs(run.read(0, 3).positions - numbers * length).max()
    assert 0.8 * run.rounding < wrong <= 1.0001 * run.rounding
    notes = [note for note in run.notes if note.subject == "rounding"]
    assert bool(notes) == (warned is not None)
    if warned:
        assert str(notes[0]).startswith(
            f"coordinates are rounded by up to {warned.format('dump_modify ID format')}"
        )


def test_text_that_is_not_a_dump_is_refused(bad, tmp_path):
    path = tmp_path / "other"
    path.write_text("hello\nworld\n")
    with pytest.raises(DataError, match="starts with a line 'ITEM: …', but this file does not"):
        open_trajectory(path, format="lammps")
    with pytest.raises(DataError, match="two columns are named id"):
        bad(TEXT.replace(b"id type xs", b"id id xs"))


@pytest.mark.parametrize("how", ["shrink", "rewrite", "replace", "remove", "touch"])
def test_files_that_change_during_the_run_are_refused(bad, how):
    trajectory = bad(TEXT)
    (path,) = trajectory.paths
    trajectory.read(0, 2)
    if how == "shrink":
        path.write_bytes(TEXT[:-300])
    elif how == "rewrite":
        path.write_bytes(TEXT[300:] + TEXT)
    elif how == "replace":
        other = path.with_suffix(".new")
        other.write_bytes(TEXT)
        other.replace(path)
    elif how == "remove":
        path.unlink()
    else:
        os.utime(path, ns=(5, 5))
    with pytest.raises(DataError, match="has changed since it was opened"):
        trajectory.read(2, 4)


def test_a_file_that_grows_gives_the_frames_that_it_had(bad):
    trajectory = bad(TEXT)
    before = trajectory.read(0, trajectory.n_frames)
    (path,) = trajectory.paths
    for part in (TEXT[:300], TEXT[300:]):
        with path.open("ab") as file:
            file.write(part)
        after = trajectory.read(0, trajectory.n_frames)
        np.testing.assert_array_equal(after.positions, before.positions)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"# made by hand\n" + TEXT, 2),
        (b"\n\n# made by hand\nITEM: UNITS\nmetal\nITEM: TIME\n0\n" + TEXT, 4),
        (TEXT[TEXT.index(b"\n") + 1 :], 41),
        (TEXT[1:], 42),
        (TEXT[STARTS[1] - 100 :], 3),
        (b"1 2 3\n" * 700_000 + TEXT, 700_001),
        (gzip.compress(b"1 2 3\n" * 10_000 + TEXT), 10_001),
    ],
)
def test_a_dump_with_other_first_lines_is_not_left_to_ase(bad, text, line):
    """ASE reads such files, but neither their steps nor their units."""
    with pytest.raises(DataError, match=rf"is a LAMMPS dump, but(.|\n)*line {line}\)"):
        bad(text)
    with pytest.raises(DataError, match=rf"tail -n \+{line} run\.lammpstrj"):
        bad(text)


def test_decimal_commas_in_the_box_are_named(bad):
    box = b"-5.2599999999999998e+00 5.2599999999999998e+00"
    assert box in TEXT
    with pytest.raises(DataError, match=r"'-5,26', decimals must be .* point .*line 6\)"):
        bad(TEXT.replace(box, b"-5,26 5,26"))


def test_files_of_different_runs_are_refused():
    with pytest.raises(DataError, match="changes from 27 to 32"):
        open_trajectory(
            [DATA / "o_custom.lammpstrj", DATA / "t_plain.lammpstrj"],
            ReadOptions(units="metal"),
        )


def test_changing_units_are_refused(bad):
    later = TEXT.replace(b"ITEM: TIMESTEP", b"ITEM: UNITS\nreal\nITEM: TIMESTEP", 1)
    with pytest.raises(UsageError, match="units metal are requested, but the file is in real"):
        bad(later)
    text = later + TEXT[STARTS[4] :].replace(b"TIMESTEP\n40", b"TIMESTEP\n50").replace(
        b"ITEM: TIMESTEP", b"ITEM: UNITS\nmetal\nITEM: TIMESTEP"
    )
    with pytest.raises(DataError, match="frames in different units: metal, real"):
        bad(text)


def test_a_cell_for_a_dump_is_refused():
    with pytest.raises(UsageError, match="a LAMMPS dump has its own"):
        open_trajectory(DATA / "o_custom.lammpstrj", ReadOptions(units="metal", box=np.eye(3)))
    with pytest.raises(UsageError, match="there is no format “gro”"):
        open_trajectory(DATA / "o_custom.lammpstrj", format="gro")
    with pytest.raises(UsageError, match="no trajectory file is given"):
        open_trajectory([])
