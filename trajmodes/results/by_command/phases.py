"""Results of `trajmodes phases` → one flat Dataset, and its tables."""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from types import SimpleNamespace

import numpy as np
import xarray as xr

from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.data.quasiharmonic import Crossing, PhaseBoundary
from trajmodes.data.results import Provenance
from trajmodes.notes import Note
from trajmodes.results.dataset import attributes_of, filled
from trajmodes.results.outputs import Output
from trajmodes.results.tables import Table, table_of


def phases_dataset(
    found: PhaseBoundary, provenance: Provenance, notes: Sequence[Note]
) -> xr.Dataset:
    """Collect the comparison of two phases in one Dataset, with units."""
    names = [field.name for field in fields(Crossing)]
    crossings = {name: [getattr(one, name) for one in found.crossings] for name in names}
    roots = {
        "phases": found,
        "crossings": SimpleNamespace(**crossings),
        "qha_temperatures": found.temperatures,
        "qha_pressures": found.pressures,
        "provenance": provenance,
        "notes": [str(note) for note in notes],
    }
    return filled(roots, attributes_of(provenance))


def differences_table(dataset: NamedArrays) -> Table:
    """One row for each pressure and temperature."""
    pressures, kelvin = dataset["pressure_gpa"].values, dataset["qha_temperature"].values
    names = ("pressure_gpa", "qha_temperature", "phase_difference")
    columns = {
        names[0]: PlainArray(("row",), np.repeat(pressures, len(kelvin))),
        names[1]: PlainArray(("row",), np.tile(kelvin, len(pressures))),
    }
    for name in (names[2], f"{names[2]}_sem"):
        columns[name] = PlainArray(("row",), dataset[name].values.ravel())
    first, second = dataset["phase"].values.tolist()
    title = f"Gibbs free energy of {first} minus that of {second}"
    return table_of(PlainArrays(columns, {}), title, names)


def _titled(text: str, names: Sequence[str], dataset: NamedArrays) -> Table:
    first, second = dataset["phase"].values.tolist()
    return table_of(dataset, text.format(first=first, second=second), names)


PHASE_TABLES = (
    Output(
        "tables/crossings.csv",
        "temperatures at which both phases have the same Gibbs free energy",
        ("crossing_temperature",),
        partial(
            _titled,
            "Temperatures at which {first} (first) and {second} (second) have the same G",
            (
                *("crossing_pressure_gpa", "crossing_temperature", "crossing_low"),
                *("crossing_high", "crossing_latent_heat", "crossing_slope_gpa"),
                "crossing_verdict",
            ),
        ),
    ),
    Output(
        "tables/pressures.csv",
        "pressures at which both phases have the same Gibbs free energy, by temperature",
        ("phase_pressure_gpa",),
        partial(
            _titled,
            "Pressure at which {first} and {second} have the same G",
            ("qha_temperature", "phase_pressure_gpa"),
        ),
    ),
    Output(
        "tables/differences.csv",
        "difference of the Gibbs free energies",
        ("phase_difference",),
        differences_table,
    ),
)
"""Tables of `trajmodes phases`."""
