"""A run in memory whose motion is known: every atom a harmonic oscillator about its site."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import FrameBlock
from trajmodes.readers.time_axis import TimeAxis
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, THZ


@dataclass(frozen=True)
class MemoryRun:
    """A trajectory in memory."""

    cells: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None
    forces: np.ndarray | None
    species: tuple[str, ...] | None
    types: np.ndarray | None = None
    masses: np.ndarray | None = None
    ids: np.ndarray | None = None
    interval_ps: float | None = 0.005
    segments: tuple[tuple[int, int], ...] = ()
    unit_style: str = "metal"
    columns: tuple[str, ...] = ("id", "xu", "yu", "zu")
    unwrapped: bool = True
    precision_digits: int = 10
    rounding: float = 5e-9
    notes: tuple[str, ...] = ()
    ideal: np.ndarray | None = None
    has_positions: bool = True
    paths: tuple[Path, ...] = (Path("memory"),)
    n_bytes: int = 1000

    def __post_init__(self) -> None:
        if not self.segments:
            object.__setattr__(self, "segments", ((0, self.n_frames),))

    @property
    def n_frames(self) -> int:
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        return self.positions.shape[1]

    @property
    def steps(self) -> np.ndarray:
        return 5 * np.arange(self.n_frames)

    @property
    def time(self) -> TimeAxis:
        return TimeAxis(self.steps, self.times_ps, self.interval_ps, self.segments)

    @property
    def times_ps(self) -> np.ndarray | None:
        return None if self.interval_ps is None else self.interval_ps * np.arange(self.n_frames)

    @property
    def has_velocities(self) -> bool:
        return self.velocities is not None

    @property
    def has_forces(self) -> bool:
        return self.forces is not None

    def place(self, frame: int, atom: int) -> str:
        return f"memory, frame {frame}, row {atom}"

    def read(self, start: int, stop: int) -> FrameBlock:
        v, f = (
            None if field is None else field[start:stop]
            for field in (self.velocities, self.forces)
        )
        cells, positions = self.cells[start:stop], self.positions[start:stop]
        return FrameBlock(start, self.steps[start:stop], cells, positions, v, f, self.unwrapped)


def einstein_run(
    crystal: Crystal,
    matrix: object,
    *,
    n_frames: int = 24,
    temperature: float = 300.0,
    freq_thz: float = 8.0,
    seed: int = 0,
) -> MemoryRun:
    """All atoms at one frequency, with random phases, 5 fs between frames."""
    rng = np.random.default_rng(seed)
    supercell = build_supercell(crystal, matrix)
    n_atoms, omega = supercell.n_atoms, freq_thz * THZ
    masses = supercell.masses[:, None]
    phase = rng.uniform(0.0, 2.0 * np.pi, (n_atoms, 3))
    size = np.sqrt(2.0 * BOLTZMANN * temperature / masses) / omega
    angle = omega * 0.005 * np.arange(n_frames)[:, None, None] + phase
    share = masses / masses.sum()
    u, v = size * np.cos(angle), -size * omega * np.sin(angle)
    # At rest as a whole, so that forces add up to zero.
    u, v = (field - (share * field).sum(axis=1, keepdims=True) for field in (u, v))
    return MemoryRun(
        np.broadcast_to(supercell.cell, (n_frames, 3, 3)),
        supercell.positions + u,
        v,
        -masses * omega**2 * u,
        supercell.species,
        ids=np.arange(101, 101 + n_atoms),
    )


@pytest.fixture(scope="session")
def einstein() -> Callable[..., MemoryRun]:
    """``einstein(crystal, matrix, n_frames=…, temperature=…, freq_thz=…)``."""
    return einstein_run
