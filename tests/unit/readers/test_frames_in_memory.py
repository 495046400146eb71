"""Frames that fit into memory are read once, and are the same as those of the files."""

import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest

from trajmodes.readers import frames_in_memory as module
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.frames_in_memory import bytes_in_memory, frames_in_memory
from trajmodes.streaming.kept import keeping

N_FRAMES, N_ATOMS = 20, 4
BLOCKS = ((0, 8), (8, 16), (16, 20))


@dataclass(frozen=True)
class Counted:
    """Reader that lists what was asked of it."""

    whole: object
    asked: list = field(default_factory=list)

    def read(self, start, stop):
        self.asked.append((start, stop))
        return self.whole.read(start, stop)

    def place(self, frame, atom):
        return f"frame {frame}, atom {atom}"


@pytest.fixture
def trajectory():
    rng = np.random.default_rng(3)
    positions, forces = rng.normal(size=(2, N_FRAMES, N_ATOMS, 3))
    made = trajectory_of_arrays(
        positions=positions,
        cells=np.eye(3) * 9.0,
        species=("Ar",) * N_ATOMS,
        interval_ps=0.1,
        forces=forces,
    )
    return replace(made, paths=(Path("run.lammpstrj"),), frames=Counted(made.frames))


def test_a_second_pass_reads_nothing(trajectory):
    expected = trajectory.read(0, N_FRAMES)
    trajectory.frames.asked.clear()
    with frames_in_memory(trajectory, BLOCKS) as kept:
        for _ in range(2):
            blocks = [kept.read(*block) for block in BLOCKS]
        assert trajectory.frames.asked == list(BLOCKS)
        # A stride leaves out the last frames of a block.
        part = kept.read(9, 15)
        assert len(trajectory.frames.asked) == len(BLOCKS)
    for name in ("positions", "forces", "cells"):
        joined = np.concatenate([getattr(block, name) for block in blocks])
        np.testing.assert_array_equal(joined, getattr(expected, name))
        np.testing.assert_array_equal(getattr(part, name), getattr(expected, name)[9:15])
    assert part.velocities is None
    assert kept.place(3, 1) == "frame 3, atom 1"


def test_other_ranges_are_read_from_the_files(trajectory):
    with frames_in_memory(trajectory, BLOCKS) as kept:
        for one in ((0, 8), (2, 10), (9, 11), (16, 16)):
            np.testing.assert_array_equal(
                kept.read(*one).positions, trajectory.read(*one).positions
            )
        assert set(kept.frames.kept.blocks) == {(0, 8)}


def test_memory_is_released_at_the_end(trajectory):
    with frames_in_memory(trajectory, BLOCKS) as kept:
        kept.read(0, 8)
    assert not kept.frames.kept.blocks


def test_another_process_keeps_its_share_while_it_has_the_reader(trajectory, monkeypatch):
    first = 8 * (2 * 3 * 8 * N_ATOMS + 9 * 8)
    monkeypatch.setattr(module, "_MOST_BYTES", 4 * first)
    with frames_in_memory(trajectory, BLOCKS) as kept:
        pickled = pickle.dumps(kept.frames)
        monkeypatch.setattr(module, "_KEPT", WeakValueDictionary())
        for share, n_read, has_kept in ((0.0, 6, False), (0.3, 5, True), (1.0, 3, True)):
            with keeping(share) as found:
                there = pickle.loads(pickled)
                for _ in range(2):
                    for block in BLOCKS:
                        np.testing.assert_array_equal(
                            there.read(*block).positions, trajectory.read(*block).positions
                        )
            assert len(there.whole.asked) == n_read
            assert found.has_kept == has_kept
            # A second task of the process finds what the first one kept.
            again = pickle.loads(pickled)
            assert again.kept is there.kept
            del there, again
        assert not module._KEPT


def test_frames_that_do_not_fit_are_not_kept(trajectory, monkeypatch):
    needed = 2 * 3 * 8 * N_FRAMES * N_ATOMS
    assert bytes_in_memory(trajectory) == needed
    monkeypatch.setattr(module, "memory_bytes", lambda: 8 * needed - 8)
    with frames_in_memory(trajectory, BLOCKS) as kept:
        kept.read(0, 8)
        assert not kept.frames.kept.blocks


def test_frames_in_memory_are_not_kept_twice(trajectory):
    with frames_in_memory(replace(trajectory, paths=()), BLOCKS) as kept:
        kept.read(0, 8)
        assert isinstance(kept.frames, Counted)
