"""Results → one flat xarray Dataset, as `layout` describes it."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.arrays import Complexes, Floats
from trajmodes.data import (
    Bands,
    Finding,
    GruneisenParameters,
    Modes,
    PerturbativeWidths,
    Provenance,
    Results,
    SpectralEnergy,
    Supercell,
    WidthComparison,
)
from trajmodes.report.dataset_fit import Values, fit_values
from trajmodes.report.dataset_modes import (
    conductivity_values,
    map_values,
    projection_values,
    renormalised_values,
)
from trajmodes.results.layout import DIMENSIONS, FORMAT, FORMAT_VERSION, spec_of
from trajmodes.symmetry.mode_sets import places_of_sets, set_mean
from trajmodes.units import DALTON, THZ

__all__ = ["to_dataset"]

_CONVENTIONS = (
    "F = −Φ u − ½ Φ³ uu − ⅙ Φ⁴ uuu; "
    "D(q) = (M_b M_b')^(−½) Σ_R Φ exp[iq·(R + r_b' − r_b)]; D e = ω² e; "
    "Q = N_c^(−½) Σ √M e*·u exp(−iq·r), so that ⟨|Q̇|²⟩ = k_BT; frequencies are ω/2π in THz, "
    "negative means imaginary; linewidth = full width at half maximum = γ/2π; "
    "lifetime = 1/γ = 1/(2π·FWHM), of the energy; spectra are one-sided with ±f pooled, so "
    "that their integral is ⟨K⟩ of one mode; every x_sem is the standard error of x."
)


def to_dataset(results: Results | SpectralEnergy) -> xr.Dataset:
    """Collect all results in one Dataset with named dimensions, units and provenance.

    Parameters
    ----------
    results
        What a run gave, or a map of the spectral energy.

    Returns
    -------
    A flat Dataset. `trajmodes.results.layout` lists its variables; those of a stage that was
    left out are absent.
    """
    values = {**_crystal(results.supercell), **_bands(results.bands), **_told(results)}
    values |= _all(results) if isinstance(results, Results) else map_values(results.map)
    # What has no elements is left out too: NetCDF has no dimensions of size 0.
    present = {
        name: value for name, value in values.items() if value is not None and np.size(value)
    }
    dataset = xr.Dataset(
        {name: _variable(name, value) for name, value in present.items()},
        coords=_coordinates(),
        attrs=_attributes(results.provenance),
    )
    return dataset.set_coords(_COORDINATES & set(present))


def _all(results: Results) -> Values:
    values = {
        **fit_values(results),
        **_modes(results.modes),
        **_sets(results.modes, results.point_names),
        **_gruneisen(results.gruneisen),
        **_perturbation(results.perturbation, results.modes),
        **_comparison(results.comparison),
        **renormalised_values(results.renormalised),
        **conductivity_values(results.conductivity),
        **_findings(results.diagnosis),
    }
    if results.projection is not None:
        values |= projection_values(results.projection)
    return values


_COORDINATES = {
    *("order", "triplet_shell_species", "triplet_shell_longest"),
    *("quartet_shell_species", "quartet_shell_longest"),
    *("q", "path_distance", "path_segment", "tick_distance", "tick_label", "map_distance"),
    *("map_q", "line_freq_thz", "acf_lag_ps"),
    *("set_q", "set_point", "shell_distance", "shell_species"),
    *("run_fraction", "check_name", "species"),
}
"""Variables that tell where on a dimension one is."""


def _variable(name: str, values: npt.ArrayLike) -> xr.Variable:
    spec = spec_of(name)
    attributes = {"units": spec.units, "long_name": spec.long_name}
    if spec.convention:
        attributes["conventions"] = spec.convention
    return xr.Variable(spec.dims.split(), np.asarray(values), attributes)


def _coordinates() -> dict[str, xr.Variable]:
    """Names of the directions."""
    labels = {
        "xyz": ["x", "y", "z"],
        "xyz_2": ["x", "y", "z"],
        "xyz_3": ["x", "y", "z"],
        "xyz_4": ["x", "y", "z"],
        "vector": ["a", "b", "c"],
        "vector_2": ["a", "b", "c"],
        "reciprocal": ["a*", "b*", "c*"],
        "reim": ["re", "im"],
    }
    return {
        name: xr.Variable((name,), value, {"units": "", "long_name": DIMENSIONS[name]})
        for name, value in labels.items()
    }


def _attributes(provenance: Provenance) -> dict[str, str | int]:
    return {
        "title": "Phonons at temperature from a molecular-dynamics trajectory",
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "conventions": _CONVENTIONS,
        "command": provenance.command,
        "versions": "\n".join(f"{name} {v}" for name, v in provenance.versions.items()),
        "run_file": provenance.run_file,
    }


def _texts(items: Iterable[str]) -> npt.NDArray[np.str_]:
    """(n,) strings."""
    return np.array(tuple(items), dtype=str)


def _re_im(values: Complexes) -> Floats:
    """Complex (…) as real (…, 2)."""
    return np.stack([values.real, values.imag], axis=-1)


def _crystal(supercell: Supercell) -> Values:
    crystal = supercell.crystal
    return {
        "cell": crystal.cell,
        "sites": crystal.sites,
        "species": _texts(crystal.species),
        "mass_da": crystal.masses / DALTON,
        "supercell_matrix": supercell.matrix,
    }


def _modes(modes: Modes) -> Values:
    sem = modes.omega_sem
    return {
        "q": modes.qpoints,
        "q_weight": modes.weights,
        "branch": np.arange(1, modes.omega.shape[1] + 1),
        "mode_freq_thz": modes.omega / THZ,
        "mode_freq_thz_sem": None if sem is None else sem / THZ,
        "mode_vectors": _re_im(modes.vectors),
        "mode_set": modes.sets,
    }


def _bands(bands: Bands) -> Values:
    path = bands.path
    segment = np.zeros(len(path.distance), dtype=np.int64)
    segment[path.jumps] = 1
    positions, labels = path.ticks()
    return {
        "path_distance": path.distance,
        "path_segment": np.cumsum(segment),
        "path_q": path.qpoints,
        "band_freq_thz": bands.omega / THZ,
        "band_freq_thz_sem": None if bands.omega_sem is None else bands.omega_sem / THZ,
        "tick_distance": positions,
        "tick_label": _texts(labels),
    }


def _sets(modes: Modes, names: tuple[str, ...]) -> Values:
    """Where each set lies in the zone, and its harmonic frequency."""
    places = places_of_sets(modes)
    return {
        "set": np.arange(modes.n_sets),
        "set_q": modes.qpoints[places.first],
        "set_point": _texts(names[k] for k in places.first) if names else None,
        "star_size": places.star_size,
        "degeneracy": places.degeneracy,
        "branch_first": places.lowest + 1,
        "branch_last": places.highest + 1,
        "freq_harmonic_thz": places.omega / THZ,
        "freq_harmonic_thz_sem": (None if places.omega_sem is None else places.omega_sem / THZ),
    }


def _gruneisen(gruneisen: GruneisenParameters | None) -> Values:
    if gruneisen is None:
        return {}
    mean = gruneisen.mean
    known = len(mean.temperatures) > 0
    return {
        "band_gruneisen": gruneisen.path,
        "band_gruneisen_sem": gruneisen.path_sem,
        "gruneisen": gruneisen.sets,
        "gruneisen_sem": gruneisen.sets_sem,
        "gruneisen_classical": mean.classical,
        "gruneisen_classical_sem": mean.classical_sem,
        "gruneisen_quantum": mean.quantum[0] if known else np.nan,
        "gruneisen_quantum_sem": (
            mean.quantum_sem[0] if known and mean.quantum_sem is not None else None
        ),
        "gruneisen_temperature": mean.temperatures[0] if known else np.nan,
        "gruneisen_mesh": np.array(mean.mesh),
    }


def _perturbation(widths: PerturbativeWidths | None, modes: Modes) -> Values:
    if widths is None:
        return {}
    classical, quantum = set_mean(np.stack([widths.classical, widths.quantum]), modes)
    return {
        "linewidth_phi3_classical_thz": classical / THZ,
        "linewidth_phi3_quantum_thz": quantum / THZ,
        "lifetime_phi3_classical_ps": _lifetime(classical),
        "lifetime_phi3_quantum_ps": _lifetime(quantum),
        "phi3_temperature": widths.temperature,
        "phi3_mesh": np.array(widths.mesh),
    }


def _comparison(comparison: WidthComparison | None) -> Values:
    if comparison is None:
        return {}
    return {
        "phi3_ratio": comparison.ratio,
        "phi3_ratio_sem": comparison.ratio_sem,
        "phi3_compared": comparison.n_sets,
    }


def _lifetime(width: Floats) -> Floats:
    """1/γ in ps of widths γ in rad/ps; nan where there is no width."""
    return 1.0 / np.where(width > 0.0, width, np.nan)


def _findings(findings: Mapping[str, Finding]) -> Values:
    return {
        "check_name": _texts(findings),
        "check_value": np.array([finding.value for finding in findings.values()], dtype=float),
        "check_unit": _texts(finding.unit for finding in findings.values()),
        "check_text": _texts(finding.text for finding in findings.values()),
    }


def _told(results: Results | SpectralEnergy) -> Values:
    inputs = results.provenance.inputs
    return {
        "input_name": _texts(item.name for item in inputs),
        "input_bytes": np.array([item.n_bytes for item in inputs], dtype=np.int64),
        "input_sha256": _texts(item.sha256 for item in inputs),
        "warnings": _texts(map(str, results.warnings)),
        "notes": _texts(map(str, results.notes)),
    }
