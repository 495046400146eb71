"""Speed of extended XYZ → arrays beside ASE, on a file made on the spot."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.readers.xyz.open import open_xyz

pytestmark = pytest.mark.bench


def test_xyz_reading_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ase import Atoms  # noqa: PLC0415 - only here
    from ase.io import iread, write  # noqa: PLC0415 - only here

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    path, n_frames = tmp_path / "bench.xyz", 400
    images = []
    for step in range(n_frames):
        atoms = Atoms("Si512", positions=rng.random((512, 3)) * 21.7, cell=[21.7] * 3, pbc=True)
        atoms.set_array("vel", rng.normal(size=(512, 3)))
        atoms.set_array("forces", rng.normal(size=(512, 3)))
        atoms.info = {"Timestep": 5 * step, "Time": 0.005 * step}
        images.append(atoms)
    write(path, images, format="extxyz")
    megabytes = path.stat().st_size / 1e6
    bounds = [*range(0, n_frames, 16), n_frames]

    def ours(cache: str) -> float:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        began = time.perf_counter()
        found = open_xyz([path], ReadOptions())
        with ThreadPoolExecutor(2) as pool:
            sizes = pool.map(lambda span: found.read(*span).n_frames, pairwise(bounds))
            assert sum(sizes) == n_frames
        return time.perf_counter() - began

    ours("compile")  # loads the compiled kernels
    cold = megabytes / min(ours(f"cold{i}") for i in range(3))
    warm = megabytes / min(ours("cold0") for _ in range(3))
    began = time.perf_counter()
    assert sum(len(image) for image in iread(path, index=":")) == 512 * n_frames
    peer = megabytes / (time.perf_counter() - began)
    with capsys.disabled():
        load = os.getloadavg()[0]
        print(f"\nextended XYZ, {megabytes:.0f} MB, 2 threads, load {load:.1f}:")  # noqa: T201
        print(f"  ours, first time {cold:.0f} MB/s, ratio {cold / peer:.1f}")  # noqa: T201
        print(f"  ours, index kept {warm:.0f} MB/s, ratio {warm / peer:.1f}")  # noqa: T201
        print(f"  ASE {peer:.1f} MB/s")  # noqa: T201
