"""A short run of silicon, force constants fitted to it, and its projection on their modes."""

from pathlib import Path

import pytest

import trajmodes as tm

DATA = Path(__file__).parents[3] / "examples" / "data"
FRAMES = (0, 800)


@pytest.fixture(scope="session")
def silicon() -> dict:
    """Keywords that open the run."""
    return {
        "trajectory": DATA / "silicon.lammpstrj.xz",
        "cell": DATA / "silicon.POSCAR",
        "frames": FRAMES,
    }


@pytest.fixture(scope="session")
def run(silicon):
    return tm.open(**silicon)


@pytest.fixture(scope="session")
def fc(run):
    return run.fit(cutoff2=4.0)


@pytest.fixture(scope="session")
def results(run, fc):
    return run.project(fc)
