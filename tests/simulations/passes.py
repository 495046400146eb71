"""Readers and a reduction for passes on other processes, which find them by their module."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.data.motion import MotionBlock
from trajmodes.readers.trajectory import Trajectory


@dataclass(frozen=True)
class Sums:
    """Order of the frames, and a sum that depends on the order of addition."""

    def chunk(self, block):
        frames = range(block.first_frame, block.first_frame + block.n_frames)
        return tuple(frames), float(block.displacements.sum())

    def combine(self, earlier, later):
        return earlier[0] + later[0], earlier[1] + later[1]

    def finalize(self, state):
        return state


def read(start, stop):
    u_tax = np.sqrt(np.arange(start, stop, dtype=float))[:, None, None] * np.ones((2, 3))
    return MotionBlock(start, u_tax, None, None)


@dataclass(frozen=True)
class Killing:
    """Reader that kills its process: the first time only, or always."""

    marker: Path
    always: bool = False

    def __call__(self, start, stop):
        if start == 100 and (self.always or not self.marker.exists()):
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return read(start, stop)


RUNNING: list = []
AT_ONCE: list = []
"""Numbers of blocks that were read at once."""


def slow(start, stop):
    RUNNING.append(start)
    AT_ONCE.append(len(RUNNING))
    time.sleep(0.05)
    RUNNING.remove(start)
    return read(start, stop)


def has_loaded():
    """Whether this process has loaded the conductor of passes, which this module does not."""
    return "trajmodes.streaming.schedule" in sys.modules


@dataclass(frozen=True)
class States:
    """States of a given size, of blocks that take no time."""

    n_bytes: float

    def chunk(self, block):  # noqa: ARG002 - only the size matters
        return np.zeros(int(self.n_bytes) // 8)

    def combine(self, earlier, later):  # noqa: ARG002
        return later

    def finalize(self, state):
        return state.nbytes


def span(start, stop):
    return start, stop


@dataclass(frozen=True)
class Noted:
    """Reader that leaves a file for every block that it reads."""

    whole: object
    folder: Path

    def read(self, start, stop):
        (self.folder / f"{start}-{time.monotonic_ns()}").touch()
        time.sleep(0.01)
        return self.whole.read(start, stop)

    def place(self, frame, atom):
        return f"frame {frame}, atom {atom}"


@dataclass(frozen=True)
class Positions:
    """Positions of a trajectory as motion."""

    trajectory: Trajectory

    def __call__(self, start, stop):
        return MotionBlock(start, self.trajectory.read(start, stop).positions, None, None)
