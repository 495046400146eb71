"""Results of `trajmodes qha` → one flat Dataset, and its tables."""

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.data.potentials.minimised import (
    ComparedLattice,
    MinimisedCrystal,
    ZoneGruneisen,
)
from trajmodes.data.results import Provenance
from trajmodes.notes import Note
from trajmodes.results.dataset import attributes_of, filled
from trajmodes.results.outputs import Output
from trajmodes.results.tables import Table, table_of
from trajmodes.symmetry.operations import conventional_vectors

_STACKED = (
    *("volume", "cells", "sites", "expansion", "volume_expansion", "bulk_modulus"),
    *("adiabatic_bulk_modulus", "heat_capacity_v", "heat_capacity_p", "entropy", "static"),
    *("free_energy", "gibbs_energy", "gruneisen"),
)
_PROPERTIES = (
    *("minimum_volume", "minimum_length", "minimum_angle_deg", "minimum_volume_expansion"),
    *("minimum_modulus_gpa", "minimum_adiabatic_modulus_gpa", "minimum_capacity_v_kb"),
    *("minimum_capacity_p_kb", "minimum_entropy_kb", "minimum_gruneisen"),
    *("minimum_static_energy", "minimum_free_energy", "minimum_gibbs"),
)
_LABELS = {"vector": ["a", "b", "c"], "xyz": ["x", "y", "z"]}
REACHED = "all temperatures reached"
"""Verdict on a series of temperatures that all have a minimum."""


def minimised_dataset(
    found: Sequence[MinimisedCrystal],
    zone: ZoneGruneisen,
    compared: ComparedLattice | None,
    provenance: Provenance,
    notes: Sequence[Note],
) -> xr.Dataset:
    """Collect the crystals of several schemes in one Dataset, with units."""
    first = found[0]
    vectors = np.einsum(
        "ij,nptjx->nptix",
        conventional_vectors(first.crystal),
        np.array([c.cells for c in found]),
    )
    minimum: dict[str, Any] = {
        name: np.array([getattr(one, name) for one in found]) for name in _STACKED
    }
    lengths = np.linalg.norm(vectors, axis=-1)
    minimum |= {"mesh": first.mesh, "lengths": lengths, "angles": _angles(vectors, lengths)}
    minimum["verdicts"] = [
        [f"ended {reason}" if reason else REACHED for reason in one.ended] for one in found
    ]
    roots: dict[str, Any] = {
        "supercell": SimpleNamespace(crystal=first.crystal, matrix=None),
        "schemes": [one.scheme for one in found],
        "qha_temperatures": first.temperatures,
        "qha_pressures": first.pressures,
        "statistics": first.statistics,
        "minimum": SimpleNamespace(**minimum),
        "zone": zone,
        "compared": None if compared is None else SimpleNamespace(**compared._asdict()),
        "provenance": provenance,
        "warnings": [str(note) for note in notes if note.severity == "warning"],
        "notes": [str(note) for note in notes if note.severity != "warning"],
    }
    return filled(roots, attributes_of(provenance))


def _angles(vectors: Floats, lengths: Floats) -> Floats:
    """Angles α, β and γ (…, 3) of the cells in degrees."""
    unit = vectors / lengths[..., None]
    cosines = np.sum(np.roll(unit, -1, axis=-2) * np.roll(unit, -2, axis=-2), axis=-1)
    angles: Floats = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angles


def _rows(dataset: NamedArrays) -> dict[str, PlainArray]:
    """Columns of scheme, pressure and temperature, one row for each state."""
    names = ("scheme", "pressure_gpa", "qha_temperature")
    grids = np.meshgrid(*(dataset[name].values for name in names), indexing="ij")
    return {
        name: PlainArray(("row",), grid.ravel())
        for name, grid in zip(names, grids, strict=True)
    }


def properties_table(dataset: NamedArrays) -> Table:
    """One row for each scheme, pressure and temperature: cell and properties."""
    columns = _rows(dataset)
    n = len(columns["scheme"].values)
    columns["vector"] = PlainArray(("vector",), np.array(_LABELS["vector"]))
    for name in _PROPERTIES:
        values = dataset[name].values
        if "vector" in dataset[name].dims:
            columns[name] = PlainArray(("row", "vector"), values.reshape(n, 3))
        else:
            columns[name] = PlainArray(("row",), values.ravel())
    title = "Quasiharmonic crystal by scheme, pressure and temperature; one primitive cell"
    names = ("scheme", "pressure_gpa", "qha_temperature", *_PROPERTIES)
    return table_of(PlainArrays(columns, {}), title, names)


def structure_table(dataset: NamedArrays) -> Table:
    """One row for each state: primitive cell, thermal expansion, reduced coordinates."""
    start = _rows(dataset)
    base = table_of(PlainArrays(start, {}), "Primitive cell and positions", tuple(start))
    columns = dict(base.columns)
    n = len(start["scheme"].values)
    for name in ("minimum_cell", "minimum_expansion", "minimum_site"):
        variable = dataset[name]
        values = variable.values.reshape(n, *variable.values.shape[3:])
        first = _labels(variable.dims[3], values.shape[1])
        second = _labels(variable.dims[4], values.shape[2])
        for i, j in np.ndindex(*values.shape[1:]):
            columns[f"{name}_{first[i]}_{second[j]}"] = values[:, i, j]
    return Table(base.title, columns, base.meanings)


def _labels(dimension: str, count: int) -> list[str]:
    known = _LABELS.get(dimension.removesuffix("_2"))
    return known or [str(k + 1) for k in range(count)]


def gruneisen_table(dataset: NamedArrays) -> Table:
    """One row for each q of the mesh and branch: Grüneisen parameters of the strains."""
    freq, gamma = dataset["zone_freq_thz"].values, dataset["zone_gruneisen"].values
    n_points, n_branches = freq.shape
    columns = {
        "reciprocal": PlainArray(("reciprocal",), dataset["reciprocal"].values),
        "zone_point": PlainArray(
            ("row", "reciprocal"), np.repeat(dataset["zone_point"].values, n_branches, axis=0)
        ),
        "zone_weight": PlainArray(
            ("row",), np.repeat(dataset["zone_weight"].values, n_branches)
        ),
        "branch": PlainArray(("row",), np.tile(np.arange(1, n_branches + 1), n_points)),
        "zone_freq_thz": PlainArray(("row",), freq.ravel()),
        "zone_gruneisen": PlainArray(("row", "number"), gamma.reshape(len(gamma), -1).T),
        "number": PlainArray(("number",), np.arange(1, len(gamma) + 1)),
    }
    title = "Mode Grüneisen parameters of symmetric strains in the structure of lowest energy"
    names = ("zone_point", "zone_weight", "branch", "zone_freq_thz", "zone_gruneisen")
    return table_of(PlainArrays(columns, {}), title, names)


MINIMUM_TABLES = (
    Output(
        "tables/properties.csv",
        "lattice parameters, expansion, moduli, heat capacities by temperature",
        ("minimum_volume",),
        properties_table,
    ),
    Output(
        "tables/structure.csv",
        "primitive cell, expansion tensor and positions by temperature",
        ("minimum_cell",),
        structure_table,
    ),
    Output(
        "tables/gruneisen.csv",
        "mode Grüneisen parameters of symmetric strains on the mesh",
        ("zone_gruneisen",),
        gruneisen_table,
    ),
    Output(
        "tables/compared.csv",
        "lattice parameters of the compared results",
        ("compared_name",),
        partial(
            table_of,
            title="Lattice parameters of the compared results",
            names=(
                *("compared_name", "compared_temperature", "compared_volume"),
                "compared_length",
            ),
        ),
    ),
)
"""Tables of `trajmodes qha`."""
