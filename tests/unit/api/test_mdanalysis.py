"""Runs as trajectories of MDAnalysis, beside its own readers."""

import lzma

import MDAnalysis
import numpy as np
import pytest

import trajmodes.api.mdanalysis
from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory

N_ATOMS, N_FRAMES = 6, 7
OPTIONS = {"units": "metal", "timestep_fs": 1.0}
KILOJOULE_PER_MOLE = 96.48533212331
"""One eV, by Faraday's constant."""


@pytest.fixture
def dump(tmp_path, monkeypatch):
    """A dump in metal units with sorted atoms, and the same as .xz."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng, text = np.random.default_rng(0), ""
    for t in range(N_FRAMES):
        text += f"ITEM: TIMESTEP\n{5 * t}\n"
        text += f"ITEM: NUMBER OF ATOMS\n{N_ATOMS}\nITEM: BOX BOUNDS xy xz yz pp pp pp\n"
        text += "0 8.75 0.5\n0 8 0.25\n0 9 0\nITEM: ATOMS id type xu yu zu vx vy vz fx fy fz\n"
        for k in range(N_ATOMS):
            text += f"{k + 1} 1 " + " ".join(f"{x:.8g}" for x in rng.normal(size=9)) + "\n"
    path = tmp_path / "run.lammpstrj"
    path.write_text(text)
    (tmp_path / "run.lammpstrj.xz").write_bytes(lzma.compress(text.encode()))
    return path


def test_frames_are_those_of_mdanalysis(dump):
    theirs, topology = (MDAnalysis.Universe.empty(N_ATOMS) for _ in range(2))
    theirs.load_new(
        str(dump), format="LAMMPSDUMP", lammps_coordinate_convention="unwrapped", dt=0.001
    )
    topology.load_new(f"{dump}.xz", format="TRAJMODES", **OPTIONS)
    assert len(topology.trajectory) == len(theirs.trajectory) == N_FRAMES
    for ours, other in zip(topology.trajectory, theirs.trajectory, strict=True):
        np.testing.assert_allclose(ours.positions, other.positions, rtol=1e-6)
        np.testing.assert_allclose(ours.dimensions, other.dimensions, rtol=1e-6)
        assert ours.data["step"] == other.data["step"]


def test_velocities_forces_times_and_any_order_of_frames(dump):
    universe = MDAnalysis.Universe.empty(N_ATOMS)
    universe.load_new(str(dump), format=trajmodes.api.mdanalysis.TrajmodesReader, **OPTIONS)
    block = open_trajectory(dump, ReadOptions(**OPTIONS)).read(0, N_FRAMES)
    other = universe.trajectory.copy()
    for t in (3, 0, 6, -1, 2):
        ts = universe.trajectory[t]
        np.testing.assert_allclose(ts.velocities, block.velocities[t], rtol=1e-6)
        np.testing.assert_allclose(ts.forces, block.forces[t] * KILOJOULE_PER_MOLE, rtol=1e-6)
        assert ts.time == pytest.approx(0.005 * (t % N_FRAMES))
        assert other[t].frame == ts.frame
    assert sum(1 for _ in universe.trajectory) == N_FRAMES
