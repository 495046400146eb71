"""Quasiharmonic properties → one flat Dataset, as `schema` declares it."""

from collections.abc import Sequence
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import xarray as xr

from trajmodes.data.bands import BandPath, Bands
from trajmodes.data.quasiharmonic import (
    AxisEquilibrium,
    Equilibrium,
    ModeGruneisen,
    Quasiharmonic,
)
from trajmodes.data.results import Provenance
from trajmodes.data.thermo import ThermalExpansion
from trajmodes.notes import Note
from trajmodes.results.dataset import attributes_of, filled, path_roots


def quasiharmonic_dataset(
    found: Quasiharmonic,
    path: BandPath,
    gruneisen: ModeGruneisen,
    third: ThermalExpansion | None,
    provenance: Provenance,
    notes: Sequence[Note],
) -> xr.Dataset:
    """Collect quasiharmonic properties in one Dataset, with units.

    The Grüneisen parameters are those at the points of the path. The expansion from third-order
    force constants is that of the reference crystal.
    """
    bands = Bands(path, gruneisen.omega, None)
    roots: dict[str, Any] = {
        **path_roots(bands),
        "bands": bands,
        "gruneisen": SimpleNamespace(
            path=gruneisen.gamma, path_sem=gruneisen.gamma_sem, sets=None, mean=None
        ),
        "supercell": SimpleNamespace(crystal=found.crystal, matrix=None),
        "qha": found,
        "qha_temperatures": found.temperatures,
        "qha_pressures": found.pressures,
        "equilibrium": _with_errors(found.equilibrium, found.sem),
        "spread": found.spread,
        "axes": None if found.axes is None else _with_errors(found.axes, found.axes_sem),
        "axes_spread": found.axes_spread,
        "equations": found.comparison,
        "third": third,
        "statistics": "classical" if found.is_classical else "quantum",
        "provenance": provenance,
        "warnings": [str(note) for note in notes if note.severity == "warning"],
        "notes": [str(note) for note in notes if note.severity != "warning"],
    }
    return filled(roots, attributes_of(provenance))


def _with_errors(
    values: Equilibrium | AxisEquilibrium, sem: Equilibrium | AxisEquilibrium | None
) -> SimpleNamespace:
    """Fields of the equilibrium, and their errors under names that end in _sem."""
    names = [field.name for field in fields(values)]
    both = {name: getattr(values, name) for name in names}
    if sem is not None:
        both |= {f"{name}_sem": getattr(sem, name) for name in names}
    return SimpleNamespace(**both)
