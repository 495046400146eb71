"""Binary dumps and NetCDF to arrays, beside the text of the same frames."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import netCDF4
import numpy as np
import pytest

import trajmodes as tm
from program_files.lammps_dumps import COLUMNS, binary_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory
from trajmodes.streaming.schedule import BLOCK_BYTES

pytestmark = pytest.mark.bench

N_ATOMS, N_FRAMES, BLOCK = 512, 2000, 100


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    ids = rng.permutation(N_ATOMS)
    return np.column_stack([ids + 1, np.ones(N_ATOMS), rng.normal(size=(N_ATOMS, 9)) * 3])


def text_frame(step, rows, digits=10):
    head = f"ITEM: UNITS\nmetal\nITEM: TIME\n{0.001 * step}\nITEM: TIMESTEP\n{step}\n"
    head += f"ITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS pp pp pp\n" + "0 4\n" * 3
    lines = [" ".join(f"{x:.{digits}g}" for x in row) for row in rows]
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
    "NetCDF-4, single, one frame": partial(write_netcdf, kind="NETCDF4", chunk=1, real="f4"),
}


def rates(path):
    """Frames and GB per second of processor time, the best of three passes on one thread."""
    run = open_trajectory(path, ReadOptions())
    run.read(0, BLOCK)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        for first in range(0, run.n_frames, BLOCK):
            run.read(first, first + BLOCK)
        seconds.append(time.process_time() - start)
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


def seconds_of(run, threads):
    """Wall time and processor time of a pass in blocks as long as those of `trajmodes run`."""
    block = BLOCK_BYTES // (8 * 9 * N_ATOMS)
    starts = range(0, run.n_frames, block)

    def read(start):
        run.read(start, min(start + block, run.n_frames))

    wall, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, starts))
    return time.perf_counter() - wall, time.process_time() - processor


@pytest.mark.parametrize("digits", [6, 8, 10])
def test_converted_runs_beside_the_text(tmp_path, digits):
    """Numbers as of a crystal; both are read in turn, and the best passes are compared."""
    rng = np.random.default_rng(1)
    path, n_frames = tmp_path / "run.lammpstrj", 4000
    scale = np.repeat([10.0, 5.0, 1.0], 3)
    rows = [
        np.column_stack([np.arange(N_ATOMS) + 1, np.ones(N_ATOMS), block])
        for block in scale * rng.normal(size=(20, N_ATOMS, 9))
    ]
    with path.open("wb") as file:
        frames = [text_frame(0, one, digits).partition(b"STEP\n0\n")[2] for one in rows]
        for t in range(n_frames):
            head = f"ITEM: UNITS\nmetal\nITEM: TIME\n{0.005 * t}\nITEM: TIMESTEP\n{5 * t}\n"
            file.write(head.encode() + frames[t % 20])
    new = tm.convert(path, tmp_path / "run.nc")
    runs = [open_trajectory(one, ReadOptions()) for one in (path, new)]
    found = np.array(
        [[[seconds_of(run, n) for n in (1, 2)] for run in runs] for _ in range(7)]
    ).min(axis=0)
    ratios = found[0] / found[1]
    size = new.stat().st_size / path.stat().st_size
    print(  # noqa: T201 - a bench prints
        f"\n{digits} digits, converted: {size:.2f} × the size of the text, "
        f"{ratios[1, 0]:.1f} × its frames/s on 2 threads, {ratios[0, 1]:.1f} × by processor"
    )
    assert size < 0.5
    # By processor: seconds on two threads depend on what else the computer does.
    assert ratios[0, 1] > 5.0
