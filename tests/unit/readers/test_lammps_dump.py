"""Dumps that LAMMPS wrote: all forms of coordinates give the same frames."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.lammps import index as lammps_index
from trajmodes.readers.lammps.index import index_dump
from trajmodes.readers.text.source import open_source
from trajmodes.units import DALTON

DATA = Path(__file__).parents[2] / "data" / "lammps"
HEADER = (
    "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n}\n"
    "ITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n0 4\n"
)
SIX_DIGITS = 6e-6


def whole(trajectory):
    return trajectory.read(0, trajectory.n_frames)


def with_columns(tmp_path, source, keep):
    """Copy some columns of a dump, as `dump custom` would have written them."""
    lines, names = [], []
    for line in (DATA / source).read_text().splitlines():
        if line.startswith("ITEM: ATOMS"):
            names = line.split()[2:]
            lines.append("ITEM: ATOMS " + " ".join(keep))
        elif len(line.split()) == len(names):
            row = dict(zip(names, line.split(), strict=True))
            lines.append(" ".join(row[name] for name in keep))
        else:
            lines.append(line)
    path = tmp_path / "columns.lammpstrj"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "source", ["o_all.lammpstrj", "t_restricted.lammpstrj", "t_general.lammpstrj"]
)
@pytest.mark.parametrize(
    ("columns", "unwrapped"),
    [
        ("id type xu yu zu", True),
        ("x y z type id ix iy iz", True),
        ("id xs ys zs ix iy iz type", True),
        ("id type x y z", False),
        ("zs id type xs ys", False),
        ("id xsu ysu zsu", True),
    ],
)
def test_all_coordinate_variants_agree(tmp_path, source, columns, unwrapped):
    if "xsu" in columns and not source.startswith("o_all"):
        pytest.skip("the tilted runs were dumped without xsu")
    full = open_trajectory(DATA / source, ReadOptions(units="metal"))
    part = open_trajectory(
        with_columns(tmp_path, source, columns.split()), ReadOptions(units="metal")
    )
    assert part.unwrapped is unwrapped
    wrapped = [note.severity for note in part.notes if "nearest to its site" in note.text]
    assert wrapped == ["note"] * (not unwrapped)
    assert part.ids.tolist() == full.ids.tolist()
    difference = whole(part).positions - whole(full).positions
    if not unwrapped:
        shift = np.linalg.solve(whole(full).cells.swapaxes(1, 2), difference.swapaxes(1, 2))
        difference = (shift - np.rint(shift)).swapaxes(1, 2) @ whole(full).cells
    # LAMMPS itself rounds xsu to 4.5e-14 of the box.
    assert np.abs(difference).max() < 1e-12


@pytest.mark.parametrize("name", ["o_custom", "o_custom_x"])
def test_six_digit_dumps_agree_with_the_exact_one(name):
    exact, rounded = (
        open_trajectory(DATA / f"{stem}.lammpstrj", ReadOptions(units="metal"))
        for stem in ("o_all", name)
    )
    a, b = whole(exact), whole(rounded)
    assert np.abs(a.positions - b.positions).max() < SIX_DIGITS
    assert np.abs(a.velocities - b.velocities).max() < SIX_DIGITS
    assert np.abs(a.forces - b.forces).max() < SIX_DIGITS
    assert exact.precision_digits == 15
    assert rounded.precision_digits == 6
    assert np.abs(a.positions - b.positions).max() <= exact.rounding + rounded.rounding
    assert 1e-16 < exact.rounding < 1e-12
    # Six digits of numbers below 10 Å, or of fractions of a box of 10.52 Å.
    assert rounded.rounding == pytest.approx({"o_custom": 5.26e-6, "o_custom_x": 5e-6}[name])
    assert not any("are rounded" in str(note) for note in exact.notes + rounded.notes)


def test_general_triclinic_is_the_restricted_cell_rotated():
    restricted = whole(open_trajectory(DATA / "t_restricted.lammpstrj"))
    general = whole(open_trajectory(DATA / "t_general.lammpstrj", ReadOptions(units="metal")))
    for t in range(3):
        rotation = np.linalg.solve(restricted.cells[t], general.cells[t])
        assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-14
        for name in ("positions", "velocities", "forces"):
            turned = getattr(restricted, name)[t] @ rotation
            assert np.abs(turned - getattr(general, name)[t]).max() < 2e-13


def test_restricted_triclinic_box_is_not_its_bounding_box():
    # Three times the fcc primitive vectors of a = 5.26 Å: equal lengths, 60° apart.
    cell = whole(open_trajectory(DATA / "t_plain.lammpstrj", ReadOptions(units="metal"))).cells[
        0
    ]
    length = 3 * 5.26 / np.sqrt(2)
    gram = length**2 * (0.5 + 0.5 * np.eye(3))
    assert np.abs(cell @ cell.T - gram).max() < 1e-11


def test_the_description_of_a_file():
    trajectory = open_trajectory(DATA / "o_all.lammpstrj")
    assert (trajectory.n_frames, trajectory.n_atoms, trajectory.unit_style) == (5, 32, "metal")
    assert trajectory.steps.tolist() == [0, 10, 20, 30, 40]
    assert np.allclose(trajectory.times_ps, [0, 0.02, 0.04, 0.06, 0.08], rtol=0, atol=1e-15)
    assert trajectory.interval_ps == pytest.approx(0.02, rel=1e-12)
    assert trajectory.segments == ((0, 5),)
    assert trajectory.species == ("Ar",) * 32
    assert trajectory.has_velocities
    assert trajectory.has_forces
    assert trajectory.notes == ()
    assert trajectory.columns[:3] == ("id", "type", "element")
    assert trajectory.n_bytes == (DATA / "o_all.lammpstrj").stat().st_size


def test_files_are_ordered_by_step_not_by_name():
    paths = sorted((DATA / "multi").glob("*"), key=lambda path: path.name[::-1])[::-1]
    many = open_trajectory(
        [*paths[2:], *paths[:2]], ReadOptions(units="metal", timestep_fs=2.0)
    )
    one = open_trajectory(DATA / "o_all.lammpstrj")
    assert many.steps.tolist() == [0, 10, 20, 30, 40]
    assert many.interval_ps == pytest.approx(0.02)
    assert many.segments == ((0, 5),)
    assert np.abs(whole(many).positions - whole(one).positions).max() < SIX_DIGITS


@settings(max_examples=25, deadline=None, derandomize=True)
@given(start=st.integers(0, 5), stop=st.integers(0, 5))
def test_any_range_of_frames_is_a_slice_of_all(start, stop):
    trajectory = open_trajectory(DATA / "o_custom.lammpstrj", ReadOptions(units="metal"))
    if start > stop:
        with pytest.raises(UsageError, match="are requested of 5"):
            trajectory.read(start, stop)
        return
    block, everything = trajectory.read(start, stop), whole(trajectory)
    assert block.first_frame == start
    for name in ("positions", "velocities", "forces", "cells", "steps"):
        assert np.array_equal(getattr(block, name), getattr(everything, name)[start:stop])


def test_threads_and_pickles_read_the_same_frames():
    for name in ("o_custom.lammpstrj", "o_custom.lammpstrj.gz"):
        trajectory = open_trajectory(DATA / name, ReadOptions(units="metal"))
        twin = pickle.loads(pickle.dumps(trajectory))
        with ThreadPoolExecutor(4) as pool:
            starts = [k % 5 for k in range(40)]
            blocks = list(pool.map(trajectory.read, starts, [k + 1 for k in starts]))
        for k, block in enumerate(blocks):
            assert np.array_equal(block.positions, twin.read(k % 5, k % 5 + 1).positions)


def write(path, frames, header=HEADER, columns="id type x y z", end="\n"):
    """Frames as (step, rows)."""
    text = "".join(
        header.format(step=step, n=len(rows))
        + f"ITEM: ATOMS {columns}\n"
        + "\n".join(rows)
        + "\n"
        for step, rows in frames
    )
    path.write_bytes(text.replace("\n", end).encode())
    return path


def two_atoms(step):
    return (step, [f"7 2 {step}.5 1 1", f"3 1 0.25 {step} 0"])


def test_rows_are_sorted_by_id_and_ids_may_have_gaps(tmp_path):
    path = write(tmp_path / "a", [two_atoms(0), (5, two_atoms(5)[1][::-1])])
    trajectory = open_trajectory(path, ReadOptions(units="metal"))
    assert trajectory.ids.tolist() == [3, 7]
    assert trajectory.types.tolist() == [1, 2]
    assert whole(trajectory).positions[:, 1, 0].tolist() == [0.5, 5.5]


@pytest.mark.parametrize("end", ["\r\n", " \n", "  \t\r\n", "\n"])
def test_line_ends_and_trailing_blanks(tmp_path, end):
    # Header lines may have them as well.
    plain = open_trajectory(
        write(tmp_path / "a", map(two_atoms, range(4))), ReadOptions(units="metal")
    )
    odd = open_trajectory(
        write(tmp_path / "b", map(two_atoms, range(4)), end=end), ReadOptions(units="metal")
    )
    assert np.array_equal(whole(plain).positions, whole(odd).positions)
    assert odd.notes == plain.notes


def test_blank_lines_between_frames_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path / "a", map(two_atoms, range(3)))
    expected = whole(open_trajectory(path, ReadOptions(units="metal"))).positions
    text = path.read_text().replace("ITEM: TIMESTEP", "\n \nITEM: TIMESTEP") + "\n\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.lstrip().encode())
    assert np.array_equal(
        whole(open_trajectory(path, ReadOptions(units="metal"))).positions, expected
    )


def test_columns_may_change_between_frames(tmp_path):
    path = write(tmp_path / "a", [(0, ["1 1 2 3 4"])])
    other = write(tmp_path / "b", [(1, ["6 9 1 1 5"])], columns="z vx id type x")
    text = other.read_text().replace("id type x", "id type x y").replace("1 1 5", "1 1 5 7")
    path.write_text(path.read_text() + text)
    trajectory = open_trajectory(path, ReadOptions(units="metal"))
    assert whole(trajectory).positions[:, 0].tolist() == [[2, 3, 4], [5, 7, 6]]
    assert not trajectory.has_velocities


def test_unknown_items_are_skipped(tmp_path):
    path = write(tmp_path / "a", map(two_atoms, range(2)))
    text = path.read_text()
    path.write_text(text.replace("ITEM: NUMBER", "ITEM: LABEL\nany thing\n1 2\nITEM: NUMBER"))
    assert open_trajectory(path, ReadOptions(units="metal")).n_frames == 2


def test_the_order_of_rows_is_trusted_only_on_request(tmp_path):
    path = write(tmp_path / "a", [(0, ["1 0 0", "2 0 0"])], columns="x y z")
    with pytest.raises(DataError, match="no column id"):
        open_trajectory(path, ReadOptions(units="metal"))
    trajectory = open_trajectory(path, ReadOptions(units="metal", trust_order=True))
    assert trajectory.ids is None
    assert whole(trajectory).positions[0, :, 0].tolist() == [1, 2]


def test_restarted_runs_keep_the_last_of_repeated_steps(tmp_path):
    first = write(tmp_path / "a", map(two_atoms, [0, 10, 20]))
    second = write(
        tmp_path / "b", [(20, ["3 1 9 9 9", "7 2 8 8 8"]), two_atoms(30), two_atoms(50)]
    )
    for paths in ([second, first], [first, second]):
        trajectory = open_trajectory(paths, ReadOptions(units="metal", timestep_fs=1.0))
        assert trajectory.steps.tolist() == [0, 10, 20, 30, 50]
        assert whole(trajectory).positions[2, 0].tolist() == [9, 9, 9]
        assert trajectory.segments == ((0, 2), (2, 4), (4, 5))
        assert any(
            f"{first} and {second} both have step 20 (a restart): the later frames, in {second}"
            in n.text
            and "and 1 frame before is left out" in n.text
            for n in trajectory.notes
        )
    assert trajectory.interval_ps == pytest.approx(0.01)


def test_other_backward_steps_are_refused(tmp_path):
    path = write(tmp_path / "a", map(two_atoms, [0, 10, 20, 5, 15]))
    with pytest.raises(DataError, match="steps go back from 20 to 5"):
        open_trajectory(path, ReadOptions(units="metal"))


def test_units_must_be_known_and_must_agree(tmp_path):
    path = write(tmp_path / "a", [two_atoms(0)])
    with pytest.raises(UsageError, match="does not name its units"):
        open_trajectory(path)
    with pytest.raises(UsageError, match="units real are requested, but the file is in metal"):
        open_trajectory(DATA / "o_all.lammpstrj", ReadOptions(units="real"))
    with pytest.raises(UsageError, match="4 fs is given, but the times in the file imply 2 fs"):
        open_trajectory(DATA / "o_all.lammpstrj", ReadOptions(timestep_fs=4.0))


def test_fields_are_converted(tmp_path):
    path = write(
        tmp_path / "a",
        [(0, ["1 2.0 0.5 0 0 1 0 0 0 3 0"])],
        columns="id mass xs ys zs vx vy vz fx fy fz",
    )
    lj = (0.01, 3.0, 40.0)
    trajectory = open_trajectory(path, ReadOptions(units="lj", lj=lj))
    block = whole(trajectory)
    assert block.cells[0].tolist() == (12.0 * np.eye(3)).tolist()
    assert block.positions[0, 0].tolist() == [6, 0, 0]
    assert block.velocities[0, 0, 0] == pytest.approx(np.sqrt(0.01 / (40 * DALTON)))
    assert block.forces[0, 0, 1] == pytest.approx(3 * 0.01 / 3.0)
    assert trajectory.masses[0] == pytest.approx(80 * DALTON)
    real = whole(open_trajectory(path, ReadOptions(units="real")))
    assert real.velocities[0, 0, 0] == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("rows", "species"),
    [
        (["1 1 Si 28.1 0 0 0", "2 2 O 16 1 1 1"], ("Si", "O")),
        (["1 1 C 28.1 0 0 0", "2 2 C 16 1 1 1"], None),
        (["1 1 C 28.1 0 0 0", "2 1 C 28.1 1 1 1"], None),
        (["1 1 C 12.01 0 0 0", "2 1 C 12.01 1 1 1"], ("C", "C")),
        (["1 1 si 28.1 0 0 0", "2 1 si 28.1 1 1 1"], None),
    ],
)
def test_default_elements_are_ignored(tmp_path, rows, species):
    path = write(tmp_path / "a", [(0, rows)], columns="id type element mass x y z")
    trajectory = open_trajectory(path, ReadOptions(units="metal"))
    assert trajectory.species == species
    noted = any("dump_modify ID element" in str(note) for note in trajectory.notes)
    assert noted is (species is None)


def test_skipping_rows_of_large_frames_changes_nothing(tmp_path, monkeypatch):
    random = np.random.default_rng(5)
    n = 60
    rows = [[f"{k} 1 {' '.join(map(repr, random.normal(size=3).tolist()))}" for k in range(n)]]
    for _ in range(30):
        # Rows of one frame are shorter, as after a restart with another format.
        rows.append([row[: -random.integers(0, 9)] for row in rows[0]])
    rows[20] = [row[:12] + " 1 2 3" for row in rows[0]]
    path = write(tmp_path / "a", [(10 * t, frame) for t, frame in enumerate(rows)])
    walked = index_dump(open_source(path))
    leaps = []
    leap = lammps_index._Scan._skip_rows
    monkeypatch.setattr(lammps_index, "_SKIPPED_SIZE", 1)
    monkeypatch.setattr(lammps_index, "_PEEK", 4096)
    monkeypatch.setattr(lammps_index, "_LONGEST_ITEMS", 100)
    monkeypatch.setattr(lammps_index, "_CHUNK", 4096)
    monkeypatch.setattr(
        lammps_index._Scan,
        "_skip_rows",
        lambda self, *args: leaps.append(leap(self, *args)) or leaps[-1],
    )
    leapt = index_dump(open_source(path))
    assert np.array_equal(leapt.entries, walked.entries)
    assert np.array_equal(leapt.reals, walked.reals, equal_nan=True)
    assert sum(leaps) > 5


def test_two_short_frames_are_not_read_as_one(tmp_path, monkeypatch):
    # Rows are padded so that two frames together are as long as one, and start alike.
    def frame(step, widths):
        return step, [
            f"{k} 1 1 2 {step}".ljust(width) for k, width in enumerate(widths, start=1)
        ]

    n, header = 200, len(HEADER.format(step=300, n=200)) + len("ITEM: ATOMS id type x y z\n")
    long, left = [80] * n, (81 * n - header) // 2 - 60 * 81
    short = [80] * 60 + [left // 140 - 1] * 139
    short += [left - (left // 140) * 139 - 1]
    steps = range(100, 1000, 100)
    frames = [frame(step, short if step in {400, 500} else long) for step in steps]
    path = write(tmp_path / "a", frames)
    monkeypatch.setattr(lammps_index, "_SKIPPED_SIZE", 1)
    monkeypatch.setattr(lammps_index, "_PEEK", 4096)
    monkeypatch.setattr(lammps_index, "_CHUNK", 4096)
    trajectory = open_trajectory(path, ReadOptions(units="metal"))
    assert trajectory.steps.tolist() == list(steps)
    assert whole(trajectory).positions[:, -1, 2].tolist() == list(steps)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    tilt=st.lists(st.floats(-6.0, 6.0), min_size=3, max_size=3),
    images=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
    reduced=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
def test_tilted_boxes_and_image_flags(tmp_path_factory, tilt, images, reduced):
    xy, xz, yz = tilt
    cell = np.array([[7.0, 0, 0], [xy, 8.0, 0], [xz, yz, 9.0]])
    origin = np.array([-1.0, 2.0, 0.5])
    # LAMMPS writes the bounding box of the cell, computed here from its eight corners.
    corners = origin + np.indices((2, 2, 2)).reshape(3, 8).T @ cell
    low, high = corners.min(axis=0), corners.max(axis=0)
    rows = [f"{low[k]!r} {high[k]!r} {tilt[k]!r}".replace("np.float64", "") for k in range(3)]
    text = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS xy xz yz pp pp pp\n"
    text += "\n".join(rows).replace("(", "").replace(")", "") + "\n"
    inside = origin + np.array(reduced) @ cell
    expected = inside + np.array(images) @ cell
    path = tmp_path_factory.mktemp("tilted") / "a"
    for names, values in (("xs ys zs", reduced), ("x y z", inside.tolist())):
        numbers = " ".join(map(repr, [*values, *images]))
        path.write_text(f"{text}ITEM: ATOMS id {names} ix iy iz\n1 {numbers}\n")
        block = whole(open_trajectory(path, ReadOptions(units="metal")))
        assert np.abs(block.cells[0] - cell).max() < 1e-14
        assert np.abs(block.positions[0, 0] - expected).max() < 2e-13
