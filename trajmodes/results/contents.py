"""A Dataset of results → the crystal and the modes that it holds."""

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.modes import Modes
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import DataError
from trajmodes.units import DALTON, THZ


def modes_in(dataset: NamedArrays) -> Modes:
    """Modes at the commensurate q points, as results hold them.

    Raises
    ------
    DataError
        If the results hold none.
    """
    if "mode_vectors" not in dataset:
        raise DataError(
            "the results hold no modes",
            why="they are the spectral energy along a path",
            fix="project the run on its modes: run.project(force_constants)",
        )
    parts = dataset["mode_vectors"].values
    sem = dataset.get("mode_freq_thz_sem")
    sets: Ints = dataset["mode_set"].values.astype(np.int64)
    return Modes(
        crystal=crystal_in(dataset),
        qpoints=dataset["q"].values,
        weights=dataset["q_weight"].values,
        omega=dataset["mode_freq_thz"].values * THZ,
        vectors=parts[..., 0] + 1j * parts[..., 1],
        omega_sem=None if sem is None else sem.values * THZ,
        sets=sets,
    )


def crystal_in(dataset: NamedArrays) -> Crystal:
    """Primitive crystal, as results hold it."""
    return Crystal(
        cell=dataset["cell"].values,
        sites=dataset["sites"].values,
        species=tuple(map(str, dataset["species"].values)),
        masses=dataset["mass_da"].values * DALTON,
    )
