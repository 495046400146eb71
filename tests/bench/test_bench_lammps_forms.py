"""Binary dumps and NetCDF to arrays, beside the text of the same frames."""

import time
from functools import partial

import netCDF4
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


def write_text(path, rows, n_frames):
    with path.open("wb") as file:
        file.writelines(text_frame(5 * t, rows) for t in range(n_frames))


def write_binary(path, rows, n_frames):
    with path.open("wb") as file:
        file.writelines(
            binary_frame(5 * t, rows, columns=COLUMNS, time=0.005 * t) for t in range(n_frames)
        )


def write_netcdf(path, rows, n_frames, *, kind, chunk=None, real="f8"):
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.Conventions, file.program = "AMBER", "LAMMPS"
        for name, size in (("frame", None), ("atom", N_ATOMS), ("spatial", 3)):
            file.createDimension(name, size)

        def create(name, dimensions, unit, **more):
            one = file.createVariable(name, real, ("frame", *dimensions), **more)
            one.units = unit
            return one

        chunks = {} if chunk is None else {"chunksizes": (chunk, N_ATOMS, 3)}
        create("time", (), "picosecond")[:] = 0.005 * np.arange(n_frames)
        create("cell_lengths", ("spatial",), "Angstrom")[:] = np.full((n_frames, 3), 4.0)
        create("cell_angles", ("spatial",), "degree")[:] = np.full((n_frames, 3), 90.0)
        for k, name in enumerate(("coordinates", "velocities", "forces")):
            numbers = rows[rows[:, 0].argsort(), 2 + 3 * k : 5 + 3 * k]
            one = create(name, ("atom", "spatial"), "Angstrom" if k == 0 else "", **chunks)
            for first in range(0, n_frames, BLOCK):
                one[first : first + BLOCK] = np.broadcast_to(numbers, (BLOCK, N_ATOMS, 3))


FORMS = {
    "lammpstrj": write_text,
    "bin": write_binary,
    "CDF-2": partial(write_netcdf, kind="NETCDF3_64BIT_OFFSET"),
    "CDF-5": partial(write_netcdf, kind="NETCDF3_64BIT_DATA"),
    "CDF-5, single": partial(write_netcdf, kind="NETCDF3_64BIT_DATA", real="f4"),
    "NetCDF-4": partial(write_netcdf, kind="NETCDF4", chunk=50),
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


@pytest.mark.parametrize("form", list(FORMS)[1:])
def test_forms_beside_the_text(tmp_path, rows, form):
    found = {}
    for name in ("lammpstrj", form):
        path = tmp_path / f"run.{name.split('-')[0]}"
        FORMS[name](path, rows, N_FRAMES if name == form else N_FRAMES // 10)
        if "-" in name:
            path = path.rename(tmp_path / "run.nc")
        found[name] = rates(path)
    frames, speed = found[form]
    ratio = frames / found["lammpstrj"][0]
    print(f"\n{form}: {speed:.2f} GB/s, {frames:.0f} frames/s, {ratio:.1f} × the text")  # noqa: T201 - a bench prints
    assert speed > 1.5
    assert ratio > 3.0
