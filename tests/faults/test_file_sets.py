"""Sets of files of one run in which some lack information, and files that are not text.

Information is taken from another file only where the numbers prove it; otherwise the file is
refused with a correct message.
"""

import gzip

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.formats.open import open_trajectory

COLUMNS = "id type xu yu zu vx vy vz fx fy fz"


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def frame(step, columns=COLUMNS, *, units="", time=None, size=1.0, box=4.0, run=0):
    """One frame of four atoms, with velocities and forces of a given size."""
    rng = np.random.default_rng([step, run])
    head = f"ITEM: UNITS\n{units}\n" if units else ""
    head += "" if time is None else f"ITEM: TIME\n{time}\n"
    head += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n"
    head += f"0 {box}\n" * 3 + f"ITEM: ATOMS {columns}\n"
    rows = []
    for atom in range(4):
        fixed = {"id": str(atom + 1), "type": "1"}
        scale = {name: 1.0 if name[0] in "xyz" else size for name in columns.split()}
        rows.append(
            " ".join(fixed.get(n) or f"{rng.normal() * scale[n]:.9g}" for n in columns.split())
        )
    return head + "\n".join(rows) + "\n"


def saved(path, *frames):
    path.write_text("".join(frames))
    return path


@pytest.mark.parametrize("named_file", ["a", "b"])
def test_units_are_taken_from_another_file_where_the_numbers_prove_it(tmp_path, named_file):
    named = {"a": "", "b": ""} | {named_file: "real"}
    a = saved(tmp_path / "a", frame(0, units=named["a"]), frame(10))
    b = saved(tmp_path / "b", frame(20, units=named["b"]), frame(30))
    found = open_trajectory([a, b])
    assert found.unit_style == "real"
    silent, other = (b, a) if named_file == "a" else (a, b)
    note = f"{silent} does not name its units: real is used, as in {other}"
    assert any(
        note in str(note_found) and "box, velocities, forces" in str(note_found)
        for note_found in found.notes
    )
    assert not any(
        "name its units" in str(n)
        for n in open_trajectory([a, b], ReadOptions(units="real")).notes
    )


def test_units_named_in_the_first_frame_apply_to_the_file(tmp_path):
    a = saved(tmp_path / "a", frame(0, units="metal", size=1e-9), frame(10))
    assert not any("name its units" in str(note) for note in open_trajectory(a).notes)


@pytest.mark.parametrize(
    ("size", "box", "why"),
    [
        (1e-3, 4.0, "velocities: its numbers are 0.001.* forces: its numbers are 0.001"),
        (1.0, 7.6, "box: its numbers are 1.9 times"),
        (0.0, 4.0, "nothing moves in it"),
    ],
)
def test_units_that_the_numbers_do_not_prove_are_required(tmp_path, size, box, why):
    a = saved(tmp_path / "a", *(frame(t, units="metal") for t in (0, 10)))
    # the same random numbers as in a, apart from the factor
    later = [
        frame(t, size=size, box=box).replace(f"TIMESTEP\n{t}", f"TIMESTEP\n{t + 20}")
        for t in (0, 10)
    ]
    b = saved(tmp_path / "b", *later)
    with pytest.raises(
        UsageError, match=f"{b} does not name .*, and {a} is in metal"
    ) as note_found:
        open_trajectory([a, b])
    assert not isinstance(note_found.value, UnitsError)
    with pytest.raises(UsageError, match=why):
        open_trajectory([a, b])
    assert open_trajectory([a, b], ReadOptions(units="metal")).n_frames == 4


def test_times_in_one_file_only_are_not_used(tmp_path):
    a = saved(tmp_path / "a", *(frame(t, time=0.002 * t) for t in (0, 10, 20)))
    b = saved(tmp_path / "b", frame(30), frame(40))
    found = open_trajectory([a, b], ReadOptions(units="metal"))
    assert found.times_ps is None
    note = f"some frames have no time; the first is {b}, frame 3, step 30; fix: give"
    assert any(
        note in str(note_found) and "(the others imply 2)" in str(note_found)
        for note_found in found.notes
    )
    given = open_trajectory([a, b], ReadOptions(units="metal", timestep_fs=2.0))
    assert given.times_ps.tolist() == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08])
    assert any(
        "all times are computed from a time step of 2 fs" in str(note_found)
        for note_found in given.notes
    )
    with pytest.raises(UsageError, match="of 1 fs is given, but the times in the file imply 2"):
        open_trajectory([a, b], ReadOptions(units="metal", timestep_fs=1.0))


def test_a_restart_is_not_noted_as_a_gap(tmp_path):
    a = saved(tmp_path / "a", *map(frame, range(0, 60, 10)))
    b = saved(tmp_path / "b", *(frame(step, run=1) for step in range(40, 100, 10)))
    found = open_trajectory([a, b], ReadOptions(units="metal"))
    assert found.segments == ((0, 4), (4, 10))
    assert any("(a restart)" in str(note) for note in found.notes)
    assert not any("not uniform" in str(note) for note in found.notes)
    c = saved(tmp_path / "c", frame(200), frame(210))
    gap = open_trajectory([a, b, c], ReadOptions(units="metal"))
    assert any(
        "not uniform: 3 segments (after step 90 comes step 200)" in str(note)
        for note in gap.notes
    )


def test_motion_goes_on_over_a_frame_that_stands_twice(tmp_path):
    """LAMMPS writes the frame at which a run is continued again, with other rounded forces."""
    parts = [range(0, 60, 10), range(50, 90, 10), range(80, 120, 10)]
    whole = open_trajectory(
        saved(tmp_path / "whole", *map(frame, range(0, 120, 10))), ReadOptions(units="metal")
    )
    files = [saved(tmp_path / f"part{k}", *map(frame, part)) for k, part in enumerate(parts)]
    appended = saved(tmp_path / "appended", *(path.read_text() for path in files))
    for paths in (files, [appended]):
        found = open_trajectory(paths, ReadOptions(units="metal"))
        assert found.segments == ((0, 12),)
        assert np.array_equal(found.read(0, 12).velocities, whole.read(0, 12).velocities)
        assert any("spectra continue over it" in note.text for note in found.notes)


@pytest.mark.parametrize("changed", ["positions", "velocities"])
def test_motion_ends_where_velocities_or_positions_change(tmp_path, changed):
    """A run that goes on from the same step with new velocities is another motion."""
    a = saved(tmp_path / "a", *map(frame, range(0, 60, 10)))
    other, first = frame(50, run=1).splitlines(), frame(50).splitlines()
    columns = slice(2, 5) if changed == "positions" else slice(5, 8)
    for k in range(-4, 0):
        words = first[k].split()
        words[columns] = other[k].split()[columns]
        first[k] = " ".join(words)
    b = saved(tmp_path / "b", "\n".join(first) + "\n", frame(60), frame(70))
    found = open_trajectory([a, b], ReadOptions(units="metal"))
    assert found.segments == ((0, 5), (5, 8))


def test_files_without_numbers_continue_where_they_share_a_frame(tmp_path):
    """ASE writes the last frame of a run again when the run is continued; it is used once."""
    rng = np.random.default_rng(3)
    rows = [
        "\n".join("Ar " + " ".join(f"{x:.8f}" for x in rng.normal(size=6)) for _ in range(4))
        for _ in range(7)
    ]
    head = '4\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:momenta:R:3\n'
    texts = [f"{head}{row}\n" for row in rows]
    a = saved(tmp_path / "a.xyz", *texts[:4])
    for first, segments in ((3, ((0, 7),)), (4, ((0, 4), (4, 7)))):
        b = saved(tmp_path / "b.xyz", *texts[first:])
        found = open_trajectory([a, b], ReadOptions(timestep_fs=1.0, units="ase"))
        assert (found.n_frames, found.segments) == (7, segments)
        places = [float(row.split()[1]) for row in rows]
        assert found.read(0, 7).positions[:, 0, 0].tolist() == places
        assert "frame 2" in found.place(6, 0) or "line" in found.place(6, 0)


def test_coordinates_missing_in_some_frames_are_refused(tmp_path):
    scaled = COLUMNS.replace("xu yu zu", "xs ys zs")
    with pytest.raises(DataError, match=r"no coordinates in common.* xu yu zu .* xs ys zs "):
        open_trajectory(
            saved(tmp_path / "a", frame(0), frame(10, scaled)), ReadOptions(units="metal")
        )
    with pytest.raises(DataError, match=r"no coordinates among the columns id type xu yu \("):
        open_trajectory(
            saved(tmp_path / "b", frame(0, "id type xu yu")), ReadOptions(units="metal")
        )
    with pytest.raises(DataError, match=r"two columns are named xu(.|\n)*fix: name each"):
        open_trajectory(
            saved(tmp_path / "c", frame(0, "id xu yu zu xu")), ReadOptions(units="metal")
        )


def test_single_components_are_noted(tmp_path):
    found = open_trajectory(
        saved(tmp_path / "a", frame(0, "id xu yu zu vx")), ReadOptions(units="metal")
    )
    assert any("not all components of velocities; fix: add vx" in str(n) for n in found.notes)
    assert any(note.text.startswith("no forces") for note in found.notes)


def test_an_unknown_unit_style_is_refused_with_its_file(tmp_path):
    path = saved(tmp_path / "a", frame(0, units="metric"))
    with pytest.raises(UsageError, match=rf"'metric' is not a unit style of LAMMPS \({path}\)"):
        open_trajectory(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \r\n\t\n", "only blanks"),
        (gzip.compress(b"", mtime=0), "contains no text"),
        (gzip.compress(frame(0).encode(), mtime=0)[:5], "end too early, at byte 0"),
        (frame(0).replace("\n", "\r").encode(), "carriage return alone(.|\n)*tr '"),
        (frame(0).encode("utf-16"), "UTF-16(.|\n)*iconv"),
    ],
    ids=["blanks", "empty gz", "gz cut in its header", "CR", "UTF-16"],
)
def test_files_without_text_are_refused(tmp_path, content, message):
    path = tmp_path / "run.lammpstrj"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_trajectory(path, ReadOptions(units="metal"))


def test_tabs_and_windows_line_ends_are_accepted(tmp_path):
    text = frame(0) + frame(10)
    plain = open_trajectory(saved(tmp_path / "a", text), ReadOptions(units="metal")).read(0, 2)
    odd = tmp_path / "b"
    odd.write_bytes(text.replace(" ", "\t").replace("ITEM:\t", "ITEM: ").encode())
    for old, new in (("NUMBER\tOF\tATOMS", "NUMBER OF ATOMS"), ("BOX\tBOUNDS", "BOX BOUNDS")):
        odd.write_bytes(odd.read_bytes().replace(old.encode(), new.encode()))
    odd.write_bytes(odd.read_bytes().replace(b"\n", b"\r\n"))
    found = open_trajectory(odd, ReadOptions(units="metal")).read(0, 2)
    assert np.array_equal(found.positions, plain.positions)
    assert np.array_equal(found.forces, plain.forces)


def extended(comment, velocity="vel"):
    row = "Si 0.5 0.5 0.5 1 2 3\n"
    return (
        f'1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:{velocity}:R:3 '
        f"{comment}\n{row}"
    )


def test_velocities_of_unknown_units_are_refused_with_their_file(tmp_path):
    path = saved(tmp_path / "a.xyz", extended(""))
    with pytest.raises(UnitsError, match=rf"velocities 'vel' is unknown \({path}\)"):
        open_trajectory(path)


def test_files_of_two_programs_are_refused(tmp_path):
    gpumd = "Time=1 energy=0 virial=0 stress=0"
    a = saved(tmp_path / "a.xyz", extended(gpumd))
    b = saved(tmp_path / "b.xyz", extended("Time=2"))
    with pytest.raises(UnitsError, match=rf"unknown program, .* gpumd \({b}\)"):
        open_trajectory([a, b])
    assert open_trajectory([a, b], ReadOptions(units="gpumd")).n_frames == 2


def test_a_box_alone_does_not_prove_units(tmp_path):
    a = saved(tmp_path / "a", frame(0, "id type xu yu zu", units="real"))
    b = saved(tmp_path / "b", frame(10, "id type xu yu zu"))
    with pytest.raises(UsageError, match="the box alone does not show it"):
        open_trajectory([a, b])


def test_units_named_in_a_rewritten_frame_are_kept(tmp_path):
    rest = [frame(step) for step in (10, 20, 30, 20, 30, 40)]
    assert open_trajectory(saved(tmp_path / "a", frame(0, units="metal"), *rest)).n_frames == 5
    early = [frame(10, units="metal"), frame(20), frame(10), frame(20), frame(30)]
    found = open_trajectory(saved(tmp_path / "b", frame(0), *early), ReadOptions(units="metal"))
    assert found.n_frames == 4
    late = saved(tmp_path / "c", frame(0, units="metal"), frame(10), frame(20))
    more = saved(tmp_path / "d", frame(10, units="metal"), *map(frame, (20, 30, 20, 30, 40)))
    assert open_trajectory([late, more]).unit_style == "metal"


def test_a_run_appended_to_another_one_is_refused(tmp_path):
    twice = saved(tmp_path / "a", *map(frame, (0, 10, 20, 0, 10, 20, 30)))
    with pytest.raises(DataError, match="starts again at its first step, 0"):
        open_trajectory(twice, ReadOptions(units="metal"))
