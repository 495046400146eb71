"""Recordings of simulations, made of bytes by the published layout of the protocol."""

import numpy as np
import pytest

from simulations.imd import frame, part, start
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UnitsError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.imd.client import address_of
from trajmodes.readers.imd.protocol import Session, session_of
from trajmodes.readers.imd.recording import open_recording

BOX = [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.5, -0.5, 7.0]]
METAL = ReadOptions(units="metal")


def vectors(n_frames=5, n_atoms=4):
    return np.random.default_rng(3).normal(size=(n_frames, 3, n_atoms, 3)).astype("f4")


def recording(tmp_path, *parts, name="run.imd"):
    path = tmp_path / name
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("units", ["metal", "real"])
def test_numbers_are_those_that_were_sent(tmp_path, order, units):
    sent = vectors().astype(float)
    parts = [frame(10 * t, one, BOX, order) for t, one in enumerate(sent)]
    path = recording(tmp_path, start(order), *parts)
    run = open_trajectory(path, ReadOptions(units=units))
    block = run.read(0, 5)
    np.testing.assert_array_equal(block.positions, sent[:, 0])
    fs, kcal_mol = (1.0, 1.0) if units == "metal" else (1e-3, 0.0433641)
    np.testing.assert_allclose(block.velocities, sent[:, 1] / fs, rtol=1e-12)
    np.testing.assert_allclose(block.forces, sent[:, 2] * kcal_mol, rtol=1e-6)
    np.testing.assert_array_equal(block.cells, np.broadcast_to(BOX, (5, 3, 3)))
    assert run.steps.tolist() == [0, 10, 20, 30, 40]
    assert run.interval_ps == pytest.approx(0.01 * fs)


def test_frames_one_by_one_are_those_of_blocks(tmp_path):
    parts = [frame(t, one, BOX) for t, one in enumerate(vectors())]
    path = recording(tmp_path, start(), *parts)
    block = open_trajectory(path, ReadOptions(units="real")).read(1, 4)
    singly = list(open_recording(path, ReadOptions(units="real")).frames(1, 4))
    np.testing.assert_array_equal([one.cell for one in singly], block.cells)
    for name in ("positions", "velocities", "forces"):
        found = [getattr(one, name) for one in singly]
        np.testing.assert_array_equal(found, getattr(block, name))


def test_what_is_not_sent_is_missing(tmp_path):
    parts = []
    for t, (positions, _, forces) in enumerate(vectors()):
        whole = frame(t, (positions, positions, forces), BOX)
        body = 8 + positions.nbytes
        parts.append(whole[: -2 * body] + whole[-body:])
    run = open_trajectory(
        recording(tmp_path, start(flags=(1, 0, 1, 1, 0, 0, 1)), *parts), METAL
    )
    assert (run.has_velocities, run.has_forces) == (False, True)


@pytest.mark.parametrize("has_box", [1, 0])
@pytest.mark.parametrize("others", [(1, 0), (1, 1)])
def test_velocities_without_positions_are_those_of_the_whole_frames(tmp_path, has_box, others):
    sent = [frame(t, one, BOX) for t, one in enumerate(vectors())]
    flags = (1, 0, has_box, 0, 0, *others)
    parts = [part(one, flags) for one in sent]
    path = recording(tmp_path, start(flags=flags), *parts)
    run = open_trajectory(path, METAL, needs="motion")
    whole = open_trajectory(recording(tmp_path, start(), *sent, name="whole.imd"), METAL)
    assert (run.has_positions, run.has_velocities) == (False, True)
    assert run.n_atoms == 4
    np.testing.assert_array_equal(run.read(1, 5).velocities, whole.read(1, 5).velocities)
    assert np.isfinite(run.read(0, 5).cells).all() == bool(has_box)
    singly = list(open_recording(path, METAL).frames(0, 5))
    assert all(one.positions is None for one in singly)
    with pytest.raises(DataError, match=r"no positions(.|\n)*velocities are enough"):
        open_trajectory(path, METAL)


def test_forces_alone_are_refused(tmp_path):
    flags = (1, 0, 1, 0, 0, 0, 1)
    parts = [part(frame(t, one, BOX), flags) for t, one in enumerate(vectors())]
    path = recording(tmp_path, start(flags=flags), *parts)
    for needs in ("positions", "motion"):
        with pytest.raises(DataError, match=r"no positions(.|\n)*its frames are: forces"):
            open_trajectory(path, METAL, needs=needs)


def test_a_box_that_is_not_sent_is_asked_for(tmp_path):
    flags = (1, 0, 0, 1, 0, 1, 1)
    parts = [part(frame(t, one, BOX), flags) for t, one in enumerate(vectors())]
    path = recording(tmp_path, start(flags=flags), *parts)
    with pytest.raises(UsageError, match=r"no periodic cell(.|\n)*--box"):
        open_trajectory(path, METAL)
    box = (5.0, 6.0, 7.0)
    run = open_trajectory(path, ReadOptions(units="metal", box=box))
    np.testing.assert_array_equal(run.read(4, 5).cells, [np.diag(box)])


def test_units_are_not_guessed(tmp_path):
    path = recording(tmp_path, start(), frame(0, vectors()[0], BOX))
    with pytest.raises(UnitsError, match="units of the simulation are unknown"):
        open_trajectory(path)


def test_a_gap_in_the_steps_ends_a_segment(tmp_path):
    steps = (0, 1, 2, 50, 51)
    parts = [frame(step, one, BOX) for step, one in zip(steps, vectors(), strict=True)]
    run = open_trajectory(recording(tmp_path, start(), *parts), METAL)
    assert run.segments == ((0, 3), (3, 5))


def test_any_truncation_gives_the_whole_frames_or_an_error(tmp_path):
    parts = [frame(t, one, BOX) for t, one in enumerate(vectors(3, 2))]
    data = start() + b"".join(parts)
    size = len(parts[0])
    for end in range(1, len(data)):
        path = recording(tmp_path, data[:end])
        whole, rest = divmod(end - len(start()), size)
        if whole < 1:
            with pytest.raises((DataError, UsageError)):
                open_trajectory(path, METAL)
        elif rest:
            with pytest.warns(TrajmodesWarning, match="not complete"):
                assert open_trajectory(path, METAL).n_frames == whole
        else:
            assert open_trajectory(path, METAL).n_frames == whole


def test_a_damaged_header_is_an_error_that_names_the_frame(tmp_path):
    parts = [frame(t, one, BOX) for t, one in enumerate(vectors())]
    data = bytearray(start() + b"".join(parts))
    byte_of_frame = len(start()) + 2 * len(parts[0])
    headers = np.cumsum([0, 8 + 24, 8 + 36, 8 + 48, 8 + 48])
    for at in headers:
        for byte in range(8):
            wrong = bytearray(data)
            wrong[byte_of_frame + at + byte] ^= 0x40
            with pytest.raises(DataError, match=rf"run.imd, frame 2, byte {byte_of_frame}\)"):
                open_trajectory(recording(tmp_path, wrong), METAL)


@pytest.mark.parametrize(
    ("bytes_sent", "message"),
    [
        (start(version=2), "version 2 of IMD"),
        (start(">", version=2), "version 2 of IMD"),
        (b"HTTP/1.1 400 Bad Request", "not a handshake"),
        (start()[:8] + b"\0" * 15, "no description of the session"),
        (start(flags=(1, 0, 1, 1, 0, 1, 9)), "not by seven flags"),
        (start(flags=(1, 0, 1, 0, 0, 0, 0)), "no positions, no velocities, no forces"),
    ],
)
def test_other_beginnings_are_refused(bytes_sent, message):
    with pytest.raises(DataError, match=message):
        session_of(bytes_sent[:23])


@pytest.mark.parametrize("order", "<>")
def test_the_beginning_of_a_session_is_written_as_it_was_read(order):
    assert session_of(start(order)).start() == start(order)
    assert session_of(start(order)) == Session(wrapped=False, byte_order=order)


@pytest.mark.parametrize("n_atoms", [0, -1, 2**31 - 1])
def test_impossible_numbers_of_atoms_allocate_nothing(tmp_path, n_atoms):
    data = bytearray(frame(0, vectors()[0], BOX))
    data[80:84] = n_atoms.to_bytes(4, "big", signed=True)
    with pytest.raises(DataError, match="positions of atoms are expected"):
        open_trajectory(recording(tmp_path, start(), data), METAL)


@pytest.mark.parametrize(
    "text", ["localhost:8888", "imd://localhost", "http://a:1", "imd://a:x", "imd://a:1/b", ""]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError, match="not the address"):
        address_of(text)
