"""The same short run as each file that docs/formats.md names, in the current folder."""

import warnings
from pathlib import Path

import ase.io
import MDAnalysis
import netCDF4
import numpy as np
import pytest

from program_files import arrays, castep, cp2k, espresso, gpumd, ipi, vasp
from program_files.lammps_dumps import COLUMNS, binary_frame, yaml_frame
from program_files.silicon_run import silicon_run

HERE = Path()


def _tables(images):
    """Rows of LAMMPS dumps: ids, types, positions, velocities, forces."""
    numbers = np.arange(1, len(images[0]) + 1), np.ones(len(images[0]))
    for image in images:
        rows = image.positions, cp2k.velocities_of(image), image.get_forces()
        yield np.column_stack([*numbers, *rows])


def _sides(images):
    return [(0.0, side) for side in images[0].cell.lengths()]


def _lammps_binary(path, images):
    box = np.ravel(_sides(images))
    frames = [
        binary_frame(10 * t, rows, columns=COLUMNS, box=box, time=0.01 * t)
        for t, rows in enumerate(_tables(images))
    ]
    path.write_bytes(b"".join(frames))


def _lammps_yaml(path, images):
    frames = [
        yaml_frame(10 * t, rows, columns=COLUMNS, box=_sides(images))
        for t, rows in enumerate(_tables(images))
    ]
    path.write_bytes(b"".join(frames))


def _lammps_text(path, images):
    box = "".join(f"{low} {high}\n" for low, high in _sides(images))
    with path.open("w") as file:
        for t, rows in enumerate(_tables(images)):
            file.write(f"ITEM: UNITS\nmetal\nITEM: TIME\n{0.01 * t:.16g}\nITEM: TIMESTEP\n")
            file.write(f"{10 * t}\nITEM: NUMBER OF ATOMS\n{len(rows)}\n")
            file.write(f"ITEM: BOX BOUNDS pp pp pp\n{box}")
            file.write("ITEM: ATOMS id element xu yu zu vx vy vz fx fy fz\n")
            for row in rows:
                file.write(f"{row[0]:.0f} Si {' '.join(f'{x:.10g}' for x in row[2:])}\n")


def _lammps_netcdf(path, images):
    tables = np.array(list(_tables(images)))
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.Conventions, file.program = "AMBER", "LAMMPS"
        sizes = {"frame": None, "spatial": 3, "atom": tables.shape[1], "cell_spatial": 3}
        for name, size in sizes.items():
            file.createDimension(name, size)
        cells = np.array([image.cell.cellpar() for image in images])
        for name, inner, values, unit in (
            ("time", (), 0.01 * np.arange(len(images)), "picosecond"),
            ("cell_lengths", ("spatial",), cells[:, :3], "Angstrom"),
            ("cell_angles", ("spatial",), cells[:, 3:], "degree"),
            ("id", ("atom",), tables[:, :, 0], None),
            ("type", ("atom",), tables[:, :, 1], None),
            ("coordinates", ("atom", "spatial"), tables[:, :, 2:5], "Angstrom"),
            ("velocities", ("atom", "spatial"), tables[:, :, 5:8], None),
            ("forces", ("atom", "spatial"), tables[:, :, 8:], None),
        ):
            kind = "i4" if name in {"id", "type"} else "f8"
            one = file.createVariable(name, kind, ("frame", *inner))
            one[:] = values
            if unit:
                one.units = unit


def _gpumd_run(images):
    values = arrays.arrays_of(images)
    times = 0.01 * np.arange(len(images))
    return gpumd.Run(
        times, values["cells"][0], values["positions"], values["velocities"], values["forces"]
    )


def _gpumd_xyz(path, images):
    gpumd.dump_xyz(path, _gpumd_run(images), ("velocity", "force"), element="Si")


def _gpumd_netcdf(path, images):
    gpumd.movie_nc(path, _gpumd_run(images), ("velocity", "force"), real="f8")


def _ipi(path, images):
    values = arrays.arrays_of(images)
    fields = {
        "pos": values["positions"],
        "vel": values["velocities"] / cp2k.VELOCITY,
        "for": values["forces"] / cp2k.FORCE,
    }
    more = {"every": 20, "box": images[0].cell, "names": list(images[0].symbols)}
    ipi.ipi_run(path.parent, fields, **more)


def _of_mdanalysis(path, images):
    """XTC, TRR, DCD; velocities and forces where the format has them."""
    atoms = MDAnalysis.Universe.empty(
        len(images[0]), trajectory=True, velocities=True, forces=True
    )
    now = atoms.trajectory.ts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MDAnalysis.Writer(str(path), len(images[0])) as file:
            for t, image in enumerate(images):
                now.dimensions, now.positions = image.cell.cellpar(), image.positions
                now.velocities = cp2k.velocities_of(image)
                now.forces = image.get_forces() / gpumd.KJ_PER_MOL
                now.time, now.frame, now.data["step"] = 0.01 * t, t, 10 * t
                file.write(atoms.atoms)


def _plain_xyz(path, images):
    ase.io.write(path, images, format="xyz")


def _extended_xyz(path, images):
    ase.io.write(path, images, format="extxyz")


def _xdatcar(path, images):
    ase.io.write(path, images, format="vasp-xdatcar")


def _traj(path, images):
    ase.io.write(path, images, format="traj")


def _cp2k(path, images):
    cp2k.cp2k(path, images, every=20)


def _castep(path, images):
    castep.castep(path, images, interval_ps=0.01)


def _espresso(path, images):
    espresso.espresso(path, images, interval_ps=0.01)
    path.with_suffix(".in").write_text(
        "&SYSTEM\n nat = 64\n/\nATOMIC_SPECIES\nSi 28.085 Si.UPF\nATOMIC_POSITIONS angstrom\n"
        + "".join(f"Si {x} {y} {z}\n" for x, y, z in images[0].positions)
    )


def _zarr(path, images):
    zarr = pytest.importorskip("zarr")
    arrays.zarr_folder(path, images)
    made = zarr.open_group(str(path)).create_array("time", shape=len(images), dtype="f8")
    made[:] = 10.0 * np.arange(len(images))
    made.attrs["units"] = "fs"


MAKERS = {
    "run.lammpstrj": (10.0, _lammps_text),
    "run.bin": (10.0, _lammps_binary),
    "run.yaml": (10.0, _lammps_yaml),
    "run.nc": (10.0, _lammps_netcdf),
    "dump.xyz": (10.0, _gpumd_xyz),
    "movie.nc": (10.0, _gpumd_netcdf),
    "run.traj": (10.0, _traj),
    "run.xyz": (10.0, _extended_xyz),
    "plain.xyz": (10.0, _plain_xyz),
    "sim.pos_0.xyz": (10.0, _ipi),
    "run.trr": (10.0, _of_mdanalysis),
    "run.xtc": (10.0, _of_mdanalysis),
    "run.dcd": (10.0, _of_mdanalysis),
    "vasprun.xml": (1.5, vasp.vasprun),
    "vaspout.h5": (1.5, arrays.vaspout),
    "XDATCAR": (10.0, _xdatcar),
    "NAME-pos-1.xyz": (10.0, _cp2k),
    "NAME.pos": (10.0, _espresso),
    "NAME.md": (10.0, _castep),
    "run.h5md": (20.0, arrays.h5md),
    "run.h5": (2.0, arrays.plain_hdf5),
    "run.zarr": (10.0, _zarr),
}
"""File of each line: time between frames in fs, and what writes it."""


def write(name: str) -> None:
    """Write the file of a line of the page, and those beside it."""
    interval_fs, maker = MAKERS[name]
    maker(HERE / name.replace("NAME", "si"), silicon_run(interval_fs))
