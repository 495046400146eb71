"""VASP's ``vaspout.h5``: cells, positions, forces and velocities (``VELOCITY = .TRUE.``).

Layout after py4vasp: arrays of the steps are in ``intermediate/ion_dynamics``; positions are
reduced, velocities in Å/fs as in POSCAR. VASP writes zeros for forces that it did not
calculate, between the steps of a machine-learned run; such forces are not used.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.stores.hdf5 import dataset, opened, sound
from trajmodes.readers.stores.lazy import LazyArray, LazyFrames, as_text, require_frames
from trajmodes.readers.trajectory import ForeignFile, is_symbol
from trajmodes.units import FEMTOSECOND

DYNAMICS = "intermediate/ion_dynamics"
_NAMES = {
    "positions": f"{DYNAMICS}/position_ions",
    "cells": f"{DYNAMICS}/lattice_vectors",
    "forces": f"{DYNAMICS}/forces",
    "velocities": f"{DYNAMICS}/ion_velocities",
}
_FACTORS = {"velocities": 1.0 / FEMTOSECOND}


def open_vaspout(path: Path, options: ReadOptions) -> ForeignFile:  # noqa: ARG001 - as others
    """Open a ``vaspout.h5``.

    Raises
    ------
    DataError
        If it is damaged or contains no steps.
    """
    with sound(path) as file:
        arrays = {name: dataset(file, place) for name, place in _NAMES.items()}
        if arrays["positions"] is None or arrays["cells"] is None:
            raise DataError("the file contains no steps", where=str(path))
        _, n_atoms = require_frames(arrays["positions"], "position_ions")
        for name, array in arrays.items():
            if array is not None:
                require_frames(array, name, 3 if name == "cells" else n_atoms)
        lengths = {name: len(array) for name, array in arrays.items() if array is not None}
        n_frames = min(lengths.values())
        notes: list[Note] = []
        if max(lengths.values()) > n_frames:
            text = f"only the {n_frames} steps that have all arrays are used"
            notes.append(Note("warning", text))
        if arrays["forces"] is not None and _without_forces(arrays["forces"], n_frames):
            text = "forces are not used: VASP wrote zeros for those of some steps"
            fix = "write forces with every step: ML_OUTBLOCK, NBLOCK"
            notes.append(Note("warning", text, fix=fix))
            del lengths["forces"]
        scale = _number(file, "results/positions/scale", 1.0)
        species = _species(file, n_atoms)
        interval_ps, more = _interval(file)
    times: Floats | None = None
    if interval_ps is not None:
        times = np.asarray(interval_ps * np.arange(n_frames), dtype=float)
    made = {name: LazyArray(_NAMES[name], _FACTORS.get(name, 1.0)) for name in lengths}
    made["cells"] = LazyArray(_NAMES["cells"], scale)
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=n_atoms,
        frames=LazyFrames(
            partial(opened, path),
            made,
            steps=None,
            times_ps=times,
            reduced=True,
        ),
        unit_style="VASP",
        precision_digits=16,
        species=species,
        notes=(*notes, *more),
        rounding=0.0,
    )


def _without_forces(forces: Any, n_frames: int) -> bool:
    """Whether steps after the first one, where symmetry may forbid forces, have none."""
    return any(not np.asarray(forces[t]).any() for t in range(1, n_frames))


def _species(file: Any, n_atoms: int) -> tuple[str, ...] | None:
    kinds, counts = (
        dataset(file, f"results/positions/{name}") for name in ("ion_types", "number_ion_types")
    )
    if kinds is None or counts is None or kinds.shape != counts.shape or kinds.ndim != 1:
        return None
    numbers = [int(number) for number in counts]
    if min(numbers) < 0 or sum(numbers) != n_atoms:
        raise DataError(f"the types have {sum(numbers)} atoms, the positions {n_atoms}")
    names = [as_text(kind).strip().partition("_")[0] for kind in kinds]
    species = tuple(
        name for name, count in zip(names, numbers, strict=True) for _ in range(count)
    )
    return species if all(map(is_symbol, species)) else None


def _number(file: Any, name: str, default: float) -> float:
    found = dataset(file, name)
    if found is None or found.shape or found.dtype.kind not in "fiu":
        return default
    return float(found[()])


def _interval(file: Any) -> tuple[float | None, tuple[Note, ...]]:
    """Time between steps in ps, with a note where it is unknown."""
    blocks = [_number(file, f"input/incar/{name}", 1.0) for name in ("NBLOCK", "ML_OUTBLOCK")]
    dynamics = _number(file, "input/incar/IBRION", -1.0) == 0.0
    potim = _number(file, "input/incar/POTIM", 0.0)
    if dynamics and potim > 0.0 and blocks == [1.0, 1.0]:
        return potim * FEMTOSECOND, ()
    text = "the file is not one of molecular dynamics (IBRION = 0): it has no time step"
    if dynamics:
        text = (
            "NBLOCK or ML_OUTBLOCK is not 1: the file does not show the time between its steps"
        )
    return None, (Note("warning", text, fix="--timestep-fs with the time between steps"),)
