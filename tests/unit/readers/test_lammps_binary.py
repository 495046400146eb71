"""Binary dumps of LAMMPS: all numbers that were written, in any order, box and parts."""

import pickle
import re
import warnings

import numpy as np
import pytest

from program_files.lammps_dumps import COLUMNS, binary_dump, binary_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.formats.open import open_trajectory


def opened(folder, data, **options):
    path = folder / "run.bin"
    path.write_bytes(data)
    return open_trajectory(path, ReadOptions(**options))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("parts", [1, 3])
def test_numbers_are_those_written(tmp_path, order, parts):
    frames, numbers = binary_dump(order=order, parts=parts, n_atoms=7)
    run = opened(tmp_path, b"".join(frames))
    block = run.read(0, 4)
    for k, got in enumerate((block.positions, block.velocities, block.forces)):
        np.testing.assert_array_equal(got, numbers[:, k])
    np.testing.assert_array_equal(run.times_ps, 0.01 * np.arange(4))
    np.testing.assert_array_equal(run.types, 1 + np.arange(7) % 2)
    assert (run.unit_style, run.unwrapped, run.rounding) == ("metal", True, 0.0)
    part = pickle.loads(pickle.dumps(run)).read(2, 3)
    np.testing.assert_array_equal(part.positions, block.positions[2:3])


@pytest.mark.parametrize("tilt", [(), (1.0, -0.5, 0.25), "general"])
def test_coordinates_in_any_box(tmp_path, tilt):
    """x = origin + s · cell + image · cell; LAMMPS writes the bounds of a tilted box."""
    rng = np.random.default_rng(0)
    box = (1.0, 5.0, 2.0, 7.0, -1.0, 8.0)
    cell, origin = np.diag([4.0, 5.0, 9.0]), np.array([1.0, 2.0, -1.0])
    if tilt == "general":
        cell = np.array([[3.0, 2.0, 0.5], [-1.0, 4.0, 0.0], [0.5, -1.0, 5.0]])
        box, tilt = tuple(cell.ravel()[:6]), (*cell.ravel()[6:], *origin)
    elif tilt:
        cell[1, 0], cell[2, 0], cell[2, 1] = tilt
        # Bounds of the tilted box along x and y.
        box = (0.5, 6.0, 2.0, 7.25, -1.0, 8.0)
    scaled, images = rng.random((6, 3)), rng.integers(-2, 3, (6, 3))
    rows = np.column_stack([1 + np.arange(6), images, scaled])
    data = binary_frame(0, rows, columns="id ix iy iz xs ys zs", box=box, tilt=tilt)
    block = opened(tmp_path, data).read(0, 1)
    np.testing.assert_allclose(block.cells[0], cell, atol=1e-14)
    np.testing.assert_allclose(
        block.positions[0], origin + (scaled + images) @ cell, atol=1e-13
    )


def test_open_boundaries_are_noted_and_units_asked_for(tmp_path):
    rows = np.array([[1, 1, 0.1, 0.2, 0.3]])
    options = {"columns": "id type xs ys zs", "name": "DUMPATOM", "units": ""}
    data = binary_frame(0, rows, sides=(0, 0, 0, 0, 1, 2), **options)
    with pytest.raises(UsageError, match="does not name its units"):
        opened(tmp_path, data)
    run = opened(tmp_path, data, units="real")
    assert "shrink-wrapped along z (fs)" in str(run.notes)
    with pytest.raises(UsageError, match="units metal are requested"):
        opened(tmp_path, binary_frame(0, rows, columns="id type xs ys zs", units="real"),
               units="metal")  # fmt: skip


def test_files_before_the_magic_string_and_mixed_forms_are_refused(tmp_path):
    rows = np.array([[1, 1, 0.1, 0.2, 0.3]])
    data = binary_frame(0, rows, columns="id type xs ys zs")
    with pytest.raises(DataError, match="before 2020"):
        opened(tmp_path, data[26:])
    with pytest.raises(DataError, match="revision 3"):
        opened(tmp_path, binary_frame(0, rows, columns="id type xs ys zs", revision=3))
    (tmp_path / "a.bin").write_bytes(data)
    (tmp_path / "a.dump").write_text("ITEM: TIMESTEP\n0\n")
    with pytest.raises(UsageError, match="the dump is text, and"):
        open_trajectory([tmp_path / "a.bin", tmp_path / "a.dump"])


def test_a_file_cut_anywhere_keeps_its_whole_frames(tmp_path):
    frames, numbers = binary_dump()
    whole = b"".join(frames)
    last = len(whole) - len(frames[-1])
    for cut in [*range(last + 1, last + 260, 37), len(whole) - 9, len(whole) - 1]:
        with pytest.warns(TrajmodesWarning, match=rf"from byte {last}\) is not complete"):
            run = opened(tmp_path, whole[:cut])
        np.testing.assert_array_equal(run.read(0, 3).positions, numbers[:3, 0])
    with pytest.raises(DataError, match="step 30, from byte"):
        opened(tmp_path, whole[:-1], strict=True)


def test_a_changed_byte_outside_the_doubles_of_a_row_is_seen_or_harmless(tmp_path):
    """Positions, velocities and forces may take any finite value; nothing else may."""
    frames, numbers = binary_dump(n_frames=3)
    start = len(frames[0])
    head = len(frames[1]) - 8 * 11 * 5
    for at in range(start, start + head + 16, 9):
        data = bytearray(b"".join(frames))
        data[at] ^= 0x41
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run = opened(tmp_path, bytes(data))
                block = run.read(0, run.n_frames)
            except (DataError, UsageError):
                continue
        if run.n_frames == 3:
            np.testing.assert_array_equal(block.positions, numbers[:, 0])


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        (0, 2.0, "appears twice"), (0, 99.0, "does not occur"), (0, 1.5, "does not occur"),
        (1, 9.0, "another type"), (4, np.nan, "not finite.*column zu"),
        (9, np.inf, "not finite.*column fy"),
    ],
)  # fmt: skip
def test_faulty_rows_are_named(tmp_path, column, value, what):
    rows = np.column_stack([1 + np.arange(4), np.ones((4, 10))])
    first = binary_frame(0, rows, columns=COLUMNS)
    rows[2, column] = value
    run = opened(tmp_path, first + binary_frame(5, rows, columns=COLUMNS), timestep_fs=1.0)
    with pytest.raises(DataError, match=f"{what}.*" if "column" in what else what) as caught:
        run.read(0, 2)
    assert re.search(r"frame 1, step 5, row", str(caught.value))


def test_a_count_that_is_not_there_allocates_nothing(tmp_path):
    rows = np.column_stack([1 + np.arange(4), np.ones((4, 10))])
    data = bytearray(binary_frame(0, rows, columns=COLUMNS))
    data[34:42] = (900_000_000).to_bytes(8, "little")
    with pytest.raises(DataError, match="missing"):
        opened(tmp_path, bytes(data))
