"""Trajectories in NetCDF by AMBER's convention, written with the library."""

import netCDF4
import numpy as np

ANY_ORDER = np.array([3, 1, 0, 4, 2])


def amber(
    path,
    *,
    kind="NETCDF3_64BIT_DATA",
    program="LAMMPS",
    units=(),
    real="f8",
    storage=(),
    **scales,
):
    """Write four frames of five atoms; return positions, velocities, forces and cells by id.

    ``units`` are attributes of variables, ``scales`` their scale factors, ``storage`` keywords
    of the library for arrays of frames; ``chunksizes`` are numbers of frames and of atoms.
    """
    rng = np.random.default_rng(0)
    numbers = dict(zip(
        ("coordinates", "velocities", "forces"), rng.normal(size=(3, 4, 5, 3)), strict=True
    ))  # fmt: skip
    numbers = {name: array.astype(real).astype(float) for name, array in numbers.items()}
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.set_auto_maskandscale(False)
        file.Conventions, file.program = "AMBER", program
        file.createDimension("frame", 4 if "contiguous" in dict(storage) else None)
        for name, size in (("spatial", 3), ("atom", 5), ("label", 5)):
            file.createDimension(name, size)
        file.createVariable("spatial", "S1", ("spatial",))[:] = np.array([b"x", b"y", b"z"])
        made = {
            "time": ((), 10 * np.arange(4)),
            "cell_lengths": (("spatial",), np.tile([4.0, 5.0, 6.0], (4, 1))),
            "cell_angles": (("spatial",), np.tile([90.0, 90.0, 60.0], (4, 1))),
        }
        made |= {name: (("atom", "spatial"), a[:, ANY_ORDER]) for name, a in numbers.items()}
        for name, (dimensions, array) in made.items():
            more = dict(storage)
            if "chunksizes" in more:
                n_frames, n_atoms = more["chunksizes"]
                inner = [{"atom": n_atoms, "spatial": 3}[d] for d in dimensions]
                more["chunksizes"] = [n_frames, *inner]
            one = file.createVariable(name, real, ("frame", *dimensions), **more)
            one[:] = array
            if name in dict(units):
                one.units = dict(units)[name]
            if name in scales:
                one.scale_factor = np.array(scales[name], "f8")
        for name in ("id", "type"):
            one = file.createVariable(name, "i4", ("frame", "atom"))
            one[:] = np.tile(ANY_ORDER + 1 if name == "id" else 1 + ANY_ORDER % 2, (4, 1))
    cell = np.array([[4.0, 0, 0], [2.5, 2.5 * np.sqrt(3.0), 0], [0, 0, 6.0]])
    return *numbers.values(), cell


METAL = {"time": "picosecond", "cell_lengths": "Angstrom", "coordinates": "Angstrom"}
