"""Trajectories as GPUMD writes them, by its sources: dump_netcdf.cu, dump_xyz.cu, dump_exyz.cu.

https://github.com/brucefan1983/GPUMD/tree/master/src/measure. Since version 5.7, NetCDF has
forces, and vectors are turned with the box into the orientation that lengths and angles imply.
"""

from typing import NamedTuple

import netCDF4
import numpy as np
from scipy import constants

KCAL_PER_MOL = constants.electron_volt * constants.Avogadro / (1e3 * constants.calorie)
"""Of one eV."""


KJ_PER_MOL = 1e3 / (constants.electron_volt * constants.Avogadro)
"""In eV."""


class Run(NamedTuple):
    """Frames in Å, ps and eV of one element; positions are unwrapped."""

    times: np.ndarray
    cell: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray

    def wrapped(self):
        reduced = self.positions @ np.linalg.inv(self.cell)
        return (reduced - np.floor(reduced)) @ self.cell


def lengths_and_angles(cell):
    lengths = np.linalg.norm(cell, axis=1)
    cosines = [
        cell[i] @ cell[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    return lengths, np.degrees(np.arccos(cosines))


def standard_axes(cell):
    """Rows: axes of the orientation with a along x and b in the xy plane."""
    x = cell[0] / np.linalg.norm(cell[0])
    y = cell[1] - (cell[1] @ x) * x
    y /= np.linalg.norm(y)
    return np.array([x, y, np.cross(x, y)])


def vectors(run, quantities):
    """Variables of NetCDF with their units."""
    asked = {
        "velocity": ("velocities", run.velocities, "angstrom/picosecond"),
        "force": ("forces", run.forces * KCAL_PER_MOL, "kilocalorie/mole/angstrom"),
        "unwrapped_position": ("unwrapped_coordinates", run.positions, "angstrom"),
    }
    found = {"coordinates": (run.wrapped(), "angstrom")}
    for name in asked.keys() & set(quantities):
        variable, *values = asked[name]
        found[variable] = tuple(values)
    return found


def movie_nc(
    path, run, quantities=(), *, real="f4", deflate=None, periodic=(1, 1, 1), since_5_7=True
):
    """Write dump_netcdf INTERVAL FILE QUANTITIES…; before 5.7, dump_netcdf INTERVAL 1."""
    axes = standard_axes(run.cell) if since_5_7 else np.eye(3)
    n_atoms = run.positions.shape[1]
    kind = "NETCDF3_64BIT_OFFSET" if deflate is None else "NETCDF4"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.program, file.programVersion = "GPUMD", "5.7" if since_5_7 else "3.7"
        file.Conventions, file.ConventionVersion = "AMBER", "1.0"
        if since_5_7:
            file.gpumd_grouping_method = file.gpumd_group_id = np.int32(-1)
            file.gpumd_quantities = " ".join(quantities)
            file.gpumd_compression_level = np.int32(-1 if deflate is None else deflate)
        for name, size in (
            ("frame", None), ("spatial", 3), ("atom", n_atoms), ("cell_spatial", 3),
            ("cell_angular", 3), ("label", 10),
        ):  # fmt: skip
            file.createDimension(name, size)
        file.createVariable("spatial", "S1", ("spatial",))[:] = np.array(list("xyz"), "S1")
        one = file.createVariable("cell_spatial", "S1", ("cell_spatial",))
        one[:] = np.array(list("abc"), "S1")
        file.createVariable("cell_angular", "S1", ("cell_angular", "label"))
        lengths, angles = lengths_and_angles(run.cell)
        for name, inner, value, unit in (
            ("time", (), run.times, "picosecond"),
            ("cell_lengths", ("cell_spatial",), lengths * periodic, "angstrom"),
            ("cell_angles", ("cell_angular",), angles, "degree"),
        ):
            one = file.createVariable(name, "f8", ("frame", *inner))
            one.units = unit
            one[:] = np.tile(value, (len(run.times), 1)) if inner else value
        more = {} if deflate is None else {"zlib": True, "complevel": deflate}
        if more:
            more["chunksizes"] = (1, n_atoms)
        file.createVariable("type", "i4", ("frame", "atom"), **more)[:] = np.zeros(
            (len(run.times), n_atoms)
        )
        if more:
            more["chunksizes"] = (1, n_atoms, 3)
        for name, (values, unit) in vectors(run, quantities).items():
            one = file.createVariable(name, real, ("frame", "atom", "spatial"), **more)
            one.units = unit
            one[:] = values @ axes.T
        if "mass" in quantities:
            one = file.createVariable("mass", real, ("frame", "atom"))
            one.units = "amu"
            one[:] = np.full((len(run.times), n_atoms), 39.948)
    return path


def dump_xyz(path, run, quantities=(), *, element="Ar"):
    """Write dump_xyz -1 0 INTERVAL FILE QUANTITIES…; dump_exyz has the same lines."""
    nine = " ".join(["0.10000000"] * 9)
    columns = {
        "mass": ("mass:R:1", np.full((*run.positions.shape[:2], 1), 39.948)),
        "velocity": ("vel:R:3", run.velocities * 1e-3),
        "force": ("forces:R:3", run.forces),
        "potential": ("energy_atom:R:1", np.full((*run.positions.shape[:2], 1), -0.07)),
        "unwrapped_position": ("unwrapped_position:R:3", run.positions),
        "virial": ("virial:R:9", np.full((*run.positions.shape[:2], 9), 0.1)),
    }
    wanted = [columns[name] for name in columns if name in quantities]
    names = ":".join(["species:S:1:pos:R:3", *(name for name, _ in wanted)])
    table = np.concatenate([run.wrapped(), *(values for _, values in wanted)], axis=2)
    cell = " ".join(f"{x:.8f}" for x in run.cell.ravel())
    with path.open("w") as file:
        for time, rows in zip(run.times, table, strict=True):
            file.write(
                f'{len(rows)}\nTime={1e3 * time:.8f} pbc="T T T" Lattice="{cell}" '
                f'energy=-1.00000000 virial="{nine}" stress="{nine}" Properties={names}\n'
            )
            for row in rows:
                file.write(" ".join([element, *(f"{x:.8f}" for x in row)]) + "\n")
    return path
