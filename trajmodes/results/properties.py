"""Properties of force constants, and structure factors → one flat Dataset of `schema`."""

from math import floor, log10
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.anharmonic import ModeSpectra
from trajmodes.data.modes import DECISIVE
from trajmodes.data.results import CrystalProperties, Scattering
from trajmodes.data.thermo import DebyeTemperatures, Elasticity, strain_names
from trajmodes.results.by_command.free_energy import free_energy_roots
from trajmodes.results.dataset import attributes_of, filled, path_roots
from trajmodes.units import GIGAPASCAL, NEWTON_PER_METRE, THZ

_AVERAGES = ["Voigt", "Reuss", "Hill"]


def properties_dataset(properties: CrystalProperties) -> xr.Dataset:
    """Collect thermodynamics and elastic constants in one Dataset, with units."""
    roots: dict[str, Any] = {
        "supercell": SimpleNamespace(crystal=properties.constants.crystal, matrix=None),
        "constants": SimpleNamespace(
            temperature=properties.constants.temperature,
            **dict.fromkeys(("first", "second", "lattice", "replicates", "cutoff")),
            **dict.fromkeys(("quality", "triplets", "quartets")),
        ),
        "properties": properties,
        "run_displacements": properties.run_displacements,
        "provenance": properties.provenance,
        "warnings": [str(note) for note in properties.warnings],
        "notes": [str(note) for note in properties.notes],
    }
    thermo, elastic = properties.thermodynamics, properties.elasticity
    if thermo is not None:
        values, sem = _moments(thermo.debye)
        roots |= {"thermo": thermo, "frequency_moments": values, "frequency_moments_sem": sem}
        roots |= {
            "density": thermo.density,
            "elements": list(dict.fromkeys(thermo.crystal.species)),
        }
    if properties.slab is not None:
        slab = properties.slab
        numbers = {"slab_layers": slab.layers + 1, "surface_names": ["lower", "upper"]}
        roots |= {**path_roots(slab.bands), "bands": slab.bands, "slab": slab, **numbers}
    if elastic is not None:
        roots |= {
            "elastic": elastic,
            "layer" if len(elastic.stiffness) == 3 else "bulk": elastic,
            "strain_names": list(strain_names(len(elastic.stiffness))),
            "average_names": _AVERAGES,
            "sound_angles": np.degrees(elastic.angles),
            "elastic_verdict": _verdict(elastic),
        }
    if properties.spectra is not None:
        roots |= _spectral_roots(properties.spectra)
    if properties.free_energy is not None:
        roots |= {
            "run_free_energy": properties.free_energy,
            "free": free_energy_roots(properties.free_energy),
        }
    return filled(roots, attributes_of(properties.provenance))


def scattering_dataset(found: Scattering) -> xr.Dataset:
    """Collect structure factors in one Dataset, with units and provenance."""
    crystal = found.waves.crystal
    roots: dict[str, Any] = {
        "supercell": found.supercell or SimpleNamespace(crystal=crystal, matrix=None),
        "scattering": found,
        "provenance": found.provenance,
        "not_done": [str(note) for note in found.not_done],
        "warnings": [str(note) for note in found.warnings],
        "notes": [str(note) for note in found.notes],
    }
    return filled(roots, attributes_of(found.provenance))


def _spectral_roots(spectra: ModeSpectra) -> dict[str, Any]:
    bands = spectra.bands
    along = {} if bands is None else {**path_roots(bands), "bands": bands}
    return {**along, "spectra": spectra, "spectral_names": spectra.names}


def _moments(debye: DebyeTemperatures) -> tuple[Floats, Floats | None]:
    """Moments of ω/2π in THzⁿ, and of its logarithm."""
    unit = np.where(debye.orders == 0, 1.0, THZ ** debye.orders.astype(float))
    shift = np.where(debye.orders == 0, np.log(THZ), 0.0)
    sem = debye.moments_sem
    return debye.moments / unit - shift, None if sem is None else sem / unit


class _Verdict(NamedTuple):
    verdict: str
    text: str


def _verdict(elastic: Elasticity) -> _Verdict:
    """Judge the sign of the lowest eigenvalue by its error."""
    layer = len(elastic.stiffness) == 3
    unit, name = (NEWTON_PER_METRE, "N/m") if layer else (GIGAPASCAL, "GPa")
    lowest = float(elastic.eigenvalues[0])
    sems = elastic.eigenvalues_sem
    sem = 0.0 if sems is None else float(sems[0])
    verdict = "stable" if lowest > DECISIVE * sem else "unstable"
    if abs(lowest) <= DECISIVE * sem:
        verdict = "not decided"
    value = f"{lowest / unit:.4g}; its error is unknown"
    if sem > 0.0:
        # Both to two digits of the error.
        digits = max(0, 1 - floor(log10(float(f"{sem / unit:.1e}"))))
        value = f"{lowest / unit:.{digits}f} ± {sem / unit:.{digits}f}"
    return _Verdict(verdict, f"{verdict}: the lowest eigenvalue is {value} {name}")
