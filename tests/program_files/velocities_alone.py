"""Files of a run as `every_format` writes them, without positions and forces."""

import h5py
import netCDF4
import numpy as np
import pytest

from program_files import cp2k, every_format
from program_files.gromacs import trr_frame
from program_files.lammps_dumps import binary_frame, yaml_frame

COLUMNS = "id type vx vy vz"


def _without_fields(path, images):
    """Copy a file of NetCDF, as LAMMPS writes `dump netcdf … id type vx vy vz`."""
    whole = path.with_suffix(".whole")
    every_format.MAKERS["run.nc"][1](whole, images)
    with (
        netCDF4.Dataset(whole) as old,
        netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as new,
    ):
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
        for name, size in old.dimensions.items():
            new.createDimension(name, None if size.isunlimited() else len(size))
        for name, one in old.variables.items():
            if name not in {"coordinates", "forces"}:
                made = new.createVariable(name, one.dtype, one.dimensions)
                made.setncatts({key: one.getncattr(key) for key in one.ncattrs()})
                made[:] = one[:]


def _rows(images):
    numbers = np.arange(1, len(images[0]) + 1), np.ones(len(images[0]))
    for t, image in enumerate(images):
        yield t, np.column_stack([*numbers, cp2k.velocities_of(image)])


def _binary(path, images):
    box = np.array([(0.0, side) for side in images[0].cell.lengths()])
    path.write_bytes(
        b"".join(
            binary_frame(10 * t, rows, columns=COLUMNS, box=box.ravel(), time=0.01 * t)
            for t, rows in _rows(images)
        )
    )


def _yaml(path, images):
    box = [(0.0, side) for side in images[0].cell.lengths()]
    path.write_bytes(
        b"".join(
            yaml_frame(10 * t, rows, columns=COLUMNS, box=box) for t, rows in _rows(images)
        )
    )


def _trr(path, images):
    """GROMACS with nstxout = 0; velocities in nm/ps."""
    frames = []
    for t, image in enumerate(images):
        box, v = 0.1 * image.cell.array, 0.1 * cp2k.velocities_of(image)
        frames.append(trr_frame("f", 10 * t, step_ps=1e-3, box=box, v=v))
    path.write_bytes(b"".join(frames))


def _less(name, *parts):
    """Write a file, and delete arrays or other files."""

    def write(path, images):
        every_format.MAKERS[name][1](path.with_name(name.replace("NAME", "si")), images)
        for part in parts:
            if path.suffix in {".h5md", ".h5"}:
                with h5py.File(path, "a") as file:
                    del file[part]
            elif path.suffix == ".zarr":
                del pytest.importorskip("zarr").open_group(str(path))[part]
            else:
                path.with_name(part).unlink()

    return write


MAKERS = {
    "run.bin": ("run.bin", _binary),
    "run.yaml": ("run.yaml", _yaml),
    "run.nc": ("run.nc", _without_fields),
    "run.trr": ("run.trr", _trr),
    "sim.vel_0.xyz": (
        "sim.pos_0.xyz",
        _less("sim.pos_0.xyz", "sim.pos_0.xyz", "sim.for_0.xyz"),
    ),
    "NAME-vel-1.xyz": (
        "NAME-pos-1.xyz",
        _less("NAME-pos-1.xyz", "si-pos-1.xyz", "si-frc-1.xyz"),
    ),
    "NAME.vel": ("NAME.pos", _less("NAME.pos", "si.pos", "si.for")),
    "run.h5md": (
        "run.h5md",
        _less("run.h5md", "particles/all/position", "particles/all/force"),
    ),
    "run.h5": ("run.h5", _less("run.h5", "positions", "forces")),
    "run.zarr": ("run.zarr", _less("run.zarr", "positions", "forces")),
}
"""File → the whole run in that format, and what writes the file."""
