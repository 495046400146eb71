"""`Results` → one flat xarray Dataset as `schema` declares it.

Time series of mode amplitudes have a Dataset of their own.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.arrays import Bools, Floats
from trajmodes.data.anharmonic import PerturbativeWidths
from trajmodes.data.bands import Bands
from trajmodes.data.force_constants import ClusterConstants, ForceConstants, jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.results import Projection, Provenance, Results, SpectralEnergy
from trajmodes.data.spectra import Verdict
from trajmodes.data.static.energies import StaticProjection
from trajmodes.project.selected_modes import AmplitudeSeries, ChosenMode
from trajmodes.results.netcdf import RESULTS
from trajmodes.results.schema import DIMENSIONS, VARIABLES, Variable, variable_of
from trajmodes.symmetry.stars import places_of_sets, set_mean
from trajmodes.units import (
    ATOMIC_AMPLITUDE,
    BOLTZMANN,
    COULOMB_PER_SQUARE_METRE,
    DALTON,
    GIGAPASCAL,
    KILOMETRE_PER_SECOND,
    MEV,
    NEWTON_PER_METRE,
    THZ,
    W_MK,
)

_CONVENTIONS = (
    "F = −Φ u − ½ Φ³ uu − ⅙ Φ⁴ uuu; "
    "D(q) = (M_b M_b')^(−½) Σ_R Φ exp[iq·(R + r_b' − r_b)]; D e = ω² e; "
    "Q = N_c^(−½) Σ √M e*·u exp(−iq·r), so that ⟨|Q̇|²⟩ = k_BT; frequencies are ω/2π in THz, "
    "negative means imaginary; linewidth = full width at half maximum = γ/2π; "
    "lifetime = 1/γ = 1/(2π·FWHM), of the energy; spectra are one-sided with ±f pooled, so "
    "that their integral is ⟨K⟩ of one mode; every x_sem is the standard error of x."
)
_FACTORS = {
    "THz": THZ,
    "THz²": THZ**2,
    "eV/THz": 1.0 / THZ,
    "meV": MEV,
    "meV²": MEV**2,
    "Da": DALTON,
    "k_B": BOLTZMANN,
    "1/THz": 1.0 / THZ,
    "GPa": GIGAPASCAL,
    "N/m": NEWTON_PER_METRE,
    "C/m²": COULOMB_PER_SQUARE_METRE,
    "km/s": KILOMETRE_PER_SECOND,
    "W/(m K)": W_MK,
    "W/(m K THz)": W_MK / THZ,
}
_LABELS = {
    "xyz": ["x", "y", "z"],
    "xyz_2": ["x", "y", "z"],
    "xyz_3": ["x", "y", "z"],
    "xyz_4": ["x", "y", "z"],
    "vector": ["a", "b", "c"],
    "vector_2": ["a", "b", "c"],
    "reciprocal": ["a*", "b*", "c*"],
    "reim": ["re", "im"],
}
"""Labels of the directions."""

_Roots = dict[str, Any]
"""First name of a source path → its object; None if a stage was left out."""


def to_dataset(results: Results | SpectralEnergy) -> xr.Dataset:
    """Collect all results in one Dataset with named dimensions, units and provenance.

    `trajmodes.results.schema` lists the variables. Those of a stage that was left out are
    absent.
    """
    roots = _roots_of_run(results) if isinstance(results, Results) else {"map": results.map}
    return filled(roots | _common_roots(results), attributes_of(results.provenance))


def bands_dataset(bands: Bands) -> xr.Dataset:
    """Put bands alone into a Dataset, with the same variables as in results."""
    return filled({**path_roots(bands), "bands": bands}, {"conventions": _CONVENTIONS})


def molecule_dataset(modes: Modes, projection: Projection) -> xr.Dataset:
    """Put spectra, lines and energies of the vibrations of a molecule into a Dataset.

    Branches are numbered from 0, in the order of the modes in the table of the molecule.
    """
    places = _set_roots(modes, ())
    places |= {"branch_first": places["branch_first"] - 1, "set_qpoints": None}
    places |= {"branch_last": places["branch_last"] - 1}
    roots = {**places, "modes": modes, "projection": projection}
    return filled({**roots, **_projection_roots(projection)}, {"conventions": _CONVENTIONS})


def filled(roots: _Roots, attributes: dict[str, str | int]) -> xr.Dataset:
    """Make a Dataset of all variables that have a source."""
    values: dict[str, npt.NDArray[Any]] = {}
    for name, variable in VARIABLES.items():
        value = _follow(roots, variable.source)
        sem = _follow(roots, _sem_path(variable.source))
        if value is not None:
            values[name] = _in_unit(value, variable)
        if sem is not None:
            values[f"{name}_sem"] = _in_unit(sem, variable)
    # Empty arrays are left out: NetCDF has no dimensions of size 0.
    present = {name: value for name, value in values.items() if value.size}
    dataset = xr.Dataset(
        {name: _variable(name, value) for name, value in present.items()},
        coords={
            name: xr.Variable((name,), value, {"units": "", "long_name": DIMENSIONS[name]})
            for name, value in _LABELS.items()
        },
        attrs=attributes,
    )
    return dataset.set_coords([name for name in present if variable_of(name).is_coordinate])


def _sem_path(path: str) -> str:
    """Path of the standard error: ``energies.single.0`` → ``energies.single_sem.0``."""
    body, _, index = path.rpartition(".")
    return f"{body}_sem.{index}" if index.isdigit() else f"{path}_sem"


def _follow(roots: _Roots, path: str) -> Any:
    """Value at a path of attributes; None if one of them is None."""
    root, *steps = path.split(".")
    value = roots.get(root)
    for step in steps:
        if value is None:
            return None
        if step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        elif step.endswith("_sem"):
            # Not everything has a standard error.
            value = getattr(value, step, None)
        elif type(value) is tuple:
            value = [getattr(one, step) for one in value]
        else:
            value = getattr(value, step)
    return value


def _in_unit(value: Any, variable: Variable) -> npt.NDArray[Any]:
    """Numbers in the unit of the variable, or texts."""
    array = np.asarray(value)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array / _FACTORS[variable.divide_by] if variable.divide_by else array


def _variable(name: str, values: npt.NDArray[Any]) -> xr.Variable:
    variable = variable_of(name)
    attributes = {"units": variable.unit, "long_name": variable.meaning}
    if variable.convention:
        attributes["conventions"] = variable.convention
    return xr.Variable(variable.dimensions, values, attributes)


def attributes_of(provenance: Provenance) -> dict[str, str | int]:
    """Attributes of the Dataset."""
    return {
        "title": "Phonons at temperature from a molecular-dynamics trajectory",
        **RESULTS.attributes,
        "conventions": _CONVENTIONS,
        "command": provenance.command,
        "versions": "\n".join(f"{name} {v}" for name, v in provenance.versions.items()),
        "run_file": provenance.run_file,
    }


def _common_roots(results: Results | SpectralEnergy) -> _Roots:
    """Provide the sources that runs and maps have in common."""
    return {
        **path_roots(results.bands),
        "supercell": results.supercell,
        "bands": results.bands,
        "provenance": results.provenance,
        "not_done": [str(note) for note in results.not_done],
        "warnings": [str(note) for note in results.warnings],
        "notes": [str(note) for note in results.notes],
    }


def path_roots(bands: Bands) -> _Roots:
    """Provide the sources of variables along the path of bands."""
    segment = np.zeros(len(bands.path.distance), dtype=np.int64)
    segment[bands.path.jumps] = 1
    places, names = bands.path.ticks()
    connection = None if bands.connection is None else bands.connection + 1
    roots: _Roots = {"path_segments": np.cumsum(segment), "band_connection": connection}
    irreps = None if bands.irreps is None else np.array(bands.irreps)
    return {**roots, "tick_places": places, "tick_names": names, "band_irreps": irreps}


def _roots_of_run(results: Results) -> _Roots:
    shells = {2: "pair_shells", 3: "triplet_shells", 4: "quartet_shells"}
    convergence, stability = results.convergence, results.stability
    quality, diagnosis = results.constants.quality, results.diagnosis
    projected = _projection_roots(results.projection or results.displaced)
    return {
        **{name: getattr(results, name) for name in results.__slots__},
        **_force_constant_roots("pair", results.constants),
        **_force_constant_roots("triplet", results.constants.triplets),
        **_force_constant_roots("quartet", results.constants.quartets),
        **{shells[one.order]: one for one in results.shells},
        **{one.kind.replace("-", "_"): one for one in results.renormalised},
        **_set_roots(results.modes, results.point_names),
        **_gruneisen_roots(results),
        "may_exceed": _may_exceed(results),
        **_perturbation_roots(results.perturbation, results.modes),
        **projected,
        **_density_roots(results, projected.get("elements")),
        "charges": results.constants.charges,
        "by_order": quality if quality is not None and quality.orders else None,
        "pair_change": None if convergence is None else convergence.change[:, 0],
        "lowest_branch": None if stability is None else stability.branch + 1,
        "finding_names": tuple(diagnosis),
        "findings": tuple(diagnosis.values()),
    }


def _density_roots(results: Results, elements: Sequence[str] | None) -> _Roots:
    """Provide the density of states, by the elements of the crystal.

    It is left out for an alloy, whose run has more elements than its force constants.
    """
    own = list(dict.fromkeys(results.constants.crystal.species))
    if results.density is None or list(elements or own) != own:
        return {"density": None}
    return {"elements": own}


def _force_constant_roots(
    name: str, constants: ForceConstants | ClusterConstants | None
) -> _Roots:
    if constants is None:
        return {}
    replicates = constants.replicates
    sem = None if replicates is None else jackknife_sem(replicates)
    return {f"{name}_values": constants.values, f"{name}_values_sem": sem}


def _set_roots(modes: Modes, names: tuple[str, ...]) -> _Roots:
    """Position of each set in the Brillouin zone."""
    places = places_of_sets(modes)
    return {
        "places": places,
        "branch_numbers": np.arange(1, modes.omega.shape[1] + 1),
        "set_numbers": np.arange(modes.n_sets),
        "set_qpoints": modes.qpoints[places.first],
        "set_names": [names[k] for k in places.first] if names else None,
        "branch_first": places.lowest + 1,
        "branch_last": places.highest + 1,
    }


def _may_exceed(results: Results) -> Floats | None:
    """(g,) factor by which the error of each set may be larger; None if it is not known."""
    errors, modes = results.fit_errors, results.modes
    if errors is None or errors.may_exceed is None:
        return None
    # Those of a fit to several supercells are for the largest one.
    is_same = errors.may_exceed.shape == modes.omega.shape
    return set_mean(errors.may_exceed, modes) if is_same else None


def _gruneisen_roots(results: Results) -> _Roots:
    """Means at the temperature of the force constants; nan if it is not known."""
    if results.gruneisen is None:
        return {}
    mean = results.gruneisen.mean
    known, sem = len(mean.temperatures) > 0, mean.quantum_sem
    return {
        "gruneisen_temperature": mean.temperatures[0] if known else np.nan,
        "gruneisen_quantum": mean.quantum[0] if known else np.nan,
        "gruneisen_quantum_sem": sem[0] if known and sem is not None else None,
    }


class _ByStatistics(NamedTuple):
    classical: Floats
    quantum: Floats


def _perturbation_roots(widths: PerturbativeWidths | None, modes: Modes) -> _Roots:
    """Means over the sets of modes; lifetimes are nan where the width is zero or unknown."""
    if widths is None:
        return {}
    both = set_mean(np.stack([widths.classical, widths.quantum]), modes)
    lifetimes = 1.0 / np.where(both > 0.0, both, np.nan)
    return {"phi3_widths": _ByStatistics(*both), "phi3_lifetimes": _ByStatistics(*lifetimes)}


def _projection_roots(projection: Projection | StaticProjection | None) -> _Roots:
    if projection is None:
        return {}
    sigma = projection.anharmonicity
    common: _Roots = {
        "mode_energies": projection.energies,
        "sigma": sigma,
        "elements": None if sigma is None else sigma.species,
    }
    if isinstance(projection, StaticProjection):
        return common
    covariance = projection.covariance
    lines, lifetimes = projection.lines, projection.lifetimes
    shape = projection.energies.single.shape[1:]
    return {
        **common,
        "map": projection.spectral_map,
        "mode_covariance": None
        if covariance is None
        else covariance.modes.reshape(*shape, *shape),
        "line_resolved": None if lines is None else _resolved(lines.verdicts),
        "decay_resolved": None if lifetimes is None else _resolved(lifetimes.verdicts),
    }


def _resolved(verdicts: tuple[Verdict, ...]) -> Bools:
    return np.array([verdict is Verdict.RESOLVED for verdict in verdicts])


_AMPLITUDE_CONVENTIONS = (
    "Q_qm(t) = N_c^(-1/2) sum_lb sqrt(M_b) conj(e_b(qm)).u_lb(t) exp(-2 pi i q.r_lb), r_lb the "
    "ideal position of site b in cell l in reduced coordinates, e of norm 1 with the phase of "
    "the atom positions; Q' the same of velocities; <|Q'|^2> = k_B T; Q_-q = conj(Q_q). The "
    "phase of e is arbitrary, and so is the choice of e within a degenerate set. Q and "
    "Q'/omega are the normal-mode position and velocity of i-PI; in its unit, a0 sqrt(m_e), "
    f"they are larger by {1.0 / ATOMIC_AMPLITUDE:.9g}; Q'/omega is not a number where "
    "omega <= 0"
)
_AMPLITUDE_FIELDS = (
    ("Q", "sqrt(eV) ps", "mode coordinate"),
    ("Qdot", "sqrt(eV)", "velocity of the mode coordinate"),
)
_BATCH_BYTES = 1 << 23
_AT_REST = 1e-3
"""Frequency in rad/ps below which a mode is a translation, up to rounding."""


def amplitudes_dataset(
    values: Any, chosen: tuple[ChosenMode, ...], times_ps: Floats, omega: Floats
) -> xr.Dataset:
    """Complex time series of mode amplitudes with their units and coordinates.

    Parameters
    ----------
    values
        (t, field, k) amplitudes of NumPy or Dask: Q in √(eV) ps and, if there are two fields,
        Q̇ in √(eV).
    chosen
        (k,) the modes.
    times_ps
        (t,) time of each frame.
    omega
        (k,) harmonic frequency of each mode in rad/ps, negative where imaginary.
    """
    series = {
        name: (("frame", "mode"), values[:, field], {"units": unit, "long_name": text})
        for field, (name, unit, text) in enumerate(_AMPLITUDE_FIELDS[: values.shape[1]])
    }
    qpoints = np.array([mode.qpoint for mode in chosen])
    branches = np.array([mode.branch + 1 for mode in chosen])
    if values.shape[1] > 1:
        # Velocities over ω have the amplitude of Q, as in i-PI.
        over_omega = values[:, 1] * (1.0 / np.where(omega > _AT_REST, omega, np.nan))
        series["Qdot_over_omega"] = (
            ("frame", "mode"),
            over_omega,
            {"units": "sqrt(eV) ps", "long_name": "velocity over the harmonic frequency"},
        )
    coordinates = {
        "time": ("frame", times_ps, {"units": "ps"}),
        "q": (("mode", "reduced"), qpoints, {"long_name": "reduced coordinates"}),
        "branch": ("mode", branches, {"long_name": "branch, counted from 1"}),
        "freq_thz": (
            "mode",
            omega / THZ,
            {"units": "THz", "long_name": "harmonic frequency, negative where imaginary"},
        ),
    }
    return xr.Dataset(series, coordinates, {"conventions": _AMPLITUDE_CONVENTIONS})


def amplitude_batches(series: AmplitudeSeries) -> Iterator[xr.Dataset]:
    """Yield the Dataset of stored amplitudes in batches of frames, read from their file."""
    whole = amplitudes_dataset(series.values, series.chosen, series.times_ps, series.omega)
    batch = max(1, _BATCH_BYTES // (16 * series.fields * len(series.chosen)))
    for start in range(0, len(series.times_ps), batch):
        yield whole.isel(frame=slice(start, start + batch))
