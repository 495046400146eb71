"""Other dumps of LAMMPS to arrays, beside the text of the same frames."""

import time

import numpy as np
import pytest

from program_files.lammps_dumps import COLUMNS, binary_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory

pytestmark = pytest.mark.bench

N_ATOMS, N_FRAMES, BLOCK = 512, 2000, 100


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    ids = rng.permutation(N_ATOMS)
    return np.column_stack([ids + 1, np.ones(N_ATOMS), rng.normal(size=(N_ATOMS, 9)) * 3])


def text_frame(step, rows):
    head = f"ITEM: UNITS\nmetal\nITEM: TIME\n{0.001 * step}\nITEM: TIMESTEP\n{step}\n"
    head += f"ITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS pp pp pp\n" + "0 4\n" * 3
    lines = [" ".join(f"{x:.10g}" for x in row) for row in rows]
    return (head + f"ITEM: ATOMS {COLUMNS}\n" + "\n".join(lines) + "\n").encode()


FORMS = {
    "lammpstrj": text_frame,
    "bin": lambda step, rows: binary_frame(step, rows, columns=COLUMNS, time=0.001 * step),
}


def rates(path):
    """Frames and GB per second, the best of three passes."""
    run = open_trajectory(path, ReadOptions())
    run.read(0, BLOCK)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for first in range(0, run.n_frames, BLOCK):
            run.read(first, first + BLOCK)
        seconds.append(time.perf_counter() - start)
    best = min(seconds)
    return run.n_frames / best, 1e-9 * path.stat().st_size / best


@pytest.mark.parametrize(("form", "least"), [("bin", 1.5)])
def test_forms_beside_the_text(tmp_path, rows, form, least):
    found = {}
    for name in ("lammpstrj", form):
        path = tmp_path / f"run.{name}"
        n_frames = N_FRAMES if name == form else N_FRAMES // 10
        with path.open("wb") as file:
            file.writelines(FORMS[name](5 * t, rows) for t in range(n_frames))
        found[name] = rates(path)
    frames, speed = found[form]
    ratio = frames / found["lammpstrj"][0]
    print(f"\n{form}: {speed:.2f} GB/s, {frames:.0f} frames/s, {ratio:.1f} × the text")  # noqa: T201 - a bench prints
    assert speed > least
    assert ratio > 3.0
