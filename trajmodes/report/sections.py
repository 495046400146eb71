"""Lines of the summary: the fit (orders, errors, stability) and the projection."""

from itertools import pairwise

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import DISAGREE
from trajmodes.report.numbers import (
    counted,
    mesh_of,
    order_name,
    plus_minus,
    point_label,
)
from trajmodes.report.numbers import strength_of as strength
from trajmodes.report.text.fitted_table import FittedTable
from trajmodes.report.text.overview import grid_of

_FIXED = 1e-9
"""In Å and eV/Å: what symmetry makes zero is a rounding error below this."""
_FAR = 3.0
"""Largest ratio of linewidths of the run and of perturbation theory that is not flagged."""
_SIGNIFICANT = 3.0
"""Shifts of this many standard errors are significant."""
_CONSTRAINTS = {"hermitian": "Hermitian", "born_huang": "Born–Huang", "huang": "Huang"}
_NAMED_SETS = 5
_MANY_RATES = 0.2
"""Share of sets with several decay rates that is reported; 0.05 is expected by chance."""
_SAME_PLACE = 1e-5
"""Points on the path that are closer than this, in 1/Å, are the same."""

_ISOTROPIC = 1e-6
_ANISOTROPIC = 2.0
"""κ along x, y, z is printed separately if it differs by more than this many errors."""


def fit_rows(dataset: NamedArrays) -> list[tuple[str, str]]:
    """Name and text of each line on a fit, other than its quality."""
    rows = (
        ("Anharmonicity", _anharmonicity(dataset)),
        ("Error bars", _error_bars(dataset)),
        ("Fit schemes", _schemes(dataset)),
        ("Stability", _stability(dataset)),
        ("Run length", _run_length(dataset)),
        ("Reference", _reference(dataset)),
        ("Grüneisen", _gruneisen(dataset)),
        ("Φ3 linewidths", _perturbation(dataset)),
    )
    return [(name, text) for name, text in rows if text]


def fit_section(dataset: NamedArrays) -> list[RenderableType]:
    """Results of the fit besides its quality: orders, errors, stability, properties from Φ3."""
    rows = fit_rows(dataset)
    has_orders = dataset.sizes.get("order", 0) > 1
    orders: list[RenderableType] = [Text(), _orders(dataset)] if has_orders else []
    return [*orders, Text(), grid_of(rows)] if rows else orders


def _orders(dataset: NamedArrays) -> Group:
    """Table with one row for each order."""
    constraints = dataset["fit_constraint"].values if "fit_constraint" in dataset else ()
    names = ", ".join(_CONSTRAINTS.get(str(name), str(name)) for name in constraints)
    imposed = f"; imposed: {names}" if names else ""
    predicted = bool(np.isfinite(dataset["order_rms_predicted"].values).any())
    brackets = "; in brackets: of frames left out of the fit" if predicted else ""
    scheme = dataset["fit_scheme"].item()
    table = FittedTable()
    for name in ("order", "cutoff\nÅ"):
        table.add_column(name, no_wrap=name == "order")
    for name in ("param.\n", "R²\n", "residual\neV/Å", "of force\n%", "joint–\nseq. %"):
        table.add_column(name, justify="right", no_wrap=True)
    for k in range(dataset.sizes["order"]):
        table.add_row(*map(Text, _row(dataset.isel(order=k), predicted=predicted)))
    caption = f"{scheme} fit{imposed}; rms residual with this and all lower orders{brackets}"
    return Group(table, Text(caption))


def _row(one: NamedArrays, *, predicted: bool) -> tuple[str, ...]:
    residual, left_out = float(one["order_rms_residual"]), float(one["order_rms_predicted"])
    # Lower orders of a joint fit alone make no prediction.
    bracket = f" ({f'{left_out:.4g}' if np.isfinite(left_out) else '–'})" if predicted else ""
    force, apart = float(one["rms_force"]), float(one["order_scheme_distance"])
    return (
        order_name(int(one["order"])),
        str(one["order_cutoff"].item()),
        str(int(one["order_parameters"])),
        f"{float(one['order_r_squared']):.6f}",
        f"{residual:.4g}{bracket}",
        f"{100.0 * residual / force:.3g}",
        f"{100.0 * apart:.2g}" if np.isfinite(apart) else "–",
    )


def _anharmonicity(dataset: NamedArrays) -> str:
    if "sigma" in dataset and not ("force_noise" in dataset and "reference_shift" in dataset):
        return _sigma(dataset)
    if "fit_anharmonicity" not in dataset:
        return ""
    sigma = float(dataset["fit_anharmonicity"])
    if "force_noise" in dataset:
        error = float(dataset["fit_anharmonicity_sem"])
        value = f"{sigma:.2f} ± {error:.2f}"
        value = value if sigma > 2.0 * error else f"below {2.0 * error:.2g}"
        return f"without the random forces σ is {value}"
    where = "" if "reference_shift" in dataset else " in the run they were fitted to"
    return (
        f"{strength(sigma)}: the rms residual of the second-order force constants is σ = "
        f"{sigma:.3f} of the rms force{where}"
    )


def _sigma(dataset: NamedArrays) -> str:
    """State σ about the force constants of the modes: for all atoms, by species and by set."""
    whole, whole_sem = float(dataset["sigma"]), float(dataset["sigma_sem"])
    names, each = dataset["element"].values, dataset["sigma_species"].values
    sets = dataset["sigma_set"].values
    listed = zip(names, each, strict=True)
    species = ", ".join(f"{name} {sigma:.3f}" for name, sigma in listed)
    by_species = f" ({species})" if len(names) > 1 else ""
    return (
        f"{strength(whole)}: σ = {plus_minus(whole, whole_sem)}{by_species}, the rms force "
        "that the second-order force constants do not give over the whole rms force; "
        f"{np.nanmin(sets):.2g} to {np.nanmax(sets):.2g} in the sets of modes"
    )


def _error_bars(dataset: NamedArrays) -> str:
    if "error_method" not in dataset:
        return ""
    levelled = bool(dataset["error_levelled"])
    tail = "converged" if levelled else "not converged with the block length: lower bounds"
    if levelled and "lifetime_ps" not in dataset:
        # Short blocks hide the slowest part of the error.
        tail = (
            "longer blocks give no larger errors; they are too small if a block is shorter "
            "than four lifetimes of the modes, which only a projection shows"
        )
    return (
        f"{dataset['error_method'].item()} over "
        f"{counted(int(dataset['error_blocks']), 'block')} of "
        f"{counted(float(dataset['error_block_frames']), 'frame')}, "
        f"{float(dataset['error_inefficiency']):.3g} frames per independent frame (mean over "
        f"the force constants of all orders); {tail}"
    )


def _schemes(dataset: NamedArrays) -> str:
    if "scheme_freq_distance_thz" not in dataset:
        return ""
    apart = float(dataset["scheme_freq_distance_thz"])
    return f"frequencies of a joint and a sequential fit differ by {apart:.2g} THz (rms)"


def _stability(dataset: NamedArrays) -> str:
    if "stability_text" not in dataset:
        return ""
    return str(dataset["stability_text"].item())


def _run_length(dataset: NamedArrays) -> str:
    return str(dataset["run_needed_text"].item()) if "run_needed_text" in dataset else ""


def _reference(dataset: NamedArrays) -> str:
    if "reference_shift" not in dataset:
        return ""
    text = _shift(dataset)
    if "first_order" not in dataset:
        return text
    force = np.linalg.norm(dataset["first_order"].values, axis=1)
    site = int(force.argmax())
    if force[site] < _FIXED:
        return f"{text}; mean residual forces are zero"
    return (
        f"{text}; largest mean residual force {force[site]:.2g} eV/Å ({_site(dataset, site)})"
    )


def _shift(dataset: NamedArrays) -> str:
    """Largest symmetrised shift of the mean positions from the reference structure."""
    shift, sem = (dataset[f"reference_shift{end}"].values for end in ("", "_sem"))
    length = np.linalg.norm(shift, axis=1)
    site = int(length.argmax())
    if not length[site] > _FIXED:
        return "mean positions agree with the reference structure, as symmetry requires"
    along = float(np.sqrt(((shift[site] * sem[site]) ** 2).sum())) / float(length[site])
    largest = f"{plus_minus(float(length[site]), along)} Å ({_site(dataset, site)})"
    verb = "agree with" if length[site] < _SIGNIFICANT * along else "differ from"
    return f"mean positions {verb} the reference structure: largest shift {largest}"


def _site(dataset: NamedArrays, site: int) -> str:
    return f"site {site}, {dataset['species'].values[site]}"


def _gruneisen(dataset: NamedArrays) -> str:
    if "gruneisen_classical" not in dataset:
        return ""
    parts = []
    kelvin = float(dataset["gruneisen_temperature"])
    for kind, label in (("classical", "classical"), ("quantum", f"quantum at {kelvin:.4g} K")):
        value = float(dataset[f"gruneisen_{kind}"])
        sem = dataset.get(f"gruneisen_{kind}_sem")
        if np.isfinite(value):
            parts.append(f"{plus_minus(value, None if sem is None else float(sem))} {label}")
    mesh = mesh_of(dataset["gruneisen_mesh"].values)
    return f"mean γ = {', '.join(parts)}, mesh {mesh}" if parts else ""


def _perturbation(dataset: NamedArrays) -> str:
    if "linewidth_phi3_classical_thz" not in dataset:
        return ""
    classical = dataset["linewidth_phi3_classical_thz"].values
    quantum = dataset["linewidth_phi3_quantum_thz"].values
    known = np.isfinite(classical) & (classical > 0.0)
    if not known.any():
        return "none"
    text = (
        f"three-phonon scattering at {float(dataset['phi3_temperature']):.4g} K, mesh "
        f"{mesh_of(dataset['phi3_mesh'].values)}: median {np.median(classical[known]):.3g} THz "
        f"classical, {np.median(quantum[known]):.3g} THz quantum"
    )
    return text + _width_comparison(dataset)


def _width_comparison(dataset: NamedArrays) -> str:
    """Compare the mean linewidth in the run with the perturbative one of the same sets."""
    if "phi3_ratio" not in dataset:
        return ""
    ratio, ratio_sem = float(dataset["phi3_ratio"]), float(dataset["phi3_ratio_sem"])
    if not np.isfinite(ratio):
        return "; the run resolves too few of the broadest lines for a comparison"
    text = (
        f"; linewidths of the run are {plus_minus(ratio, ratio_sem)} times the classical ones "
        f"(mean of the {int(dataset['phi3_compared'])} broadest resolved lines)"
    )
    if not 1.0 / _FAR <= ratio <= _FAR:
        text += (
            ": three-phonon perturbation theory does not describe this run. Likely reasons: "
            "higher-order scattering, a coarse mesh, or a short cutoff of the third order"
        )
    return text


def equipartition_line(dataset: NamedArrays) -> str:
    """State whether equipartition holds, and the largest deviation if it does not."""
    if "equipartition_text" not in dataset:
        return ""
    text = str(dataset["equipartition_text"].item()).removeprefix("equipartition ")
    if text.startswith("holds"):
        return text
    off = dataset["equipartition_z"].values
    farthest = int(np.nanargmax(np.abs(off)))
    return (
        f"{text}; largest deviation: set {farthest}, {off[farthest]:+.1f} "
        "standard errors; see figures/energies.png"
    )


def thermostat_line(dataset: NamedArrays) -> str:
    """State the verdict on the thermostat."""
    if "thermostat" not in dataset:
        return ""
    return f"{dataset['thermostat'].item()}: {dataset['thermostat_text'].item()}"


def lifetimes_line(dataset: NamedArrays) -> str:
    """Count the sets that each method resolved, and the sets in which both agree."""
    if "resolved" not in dataset:
        return ""
    lines, n_sets = int(dataset["resolved"].values.sum()), dataset.sizes["set"]
    text = f"{lines} of {n_sets} sets resolved from the spectral line"
    if "energy_resolved" not in dataset:
        return text
    by_energy = int(dataset["energy_resolved"].values.sum())
    text += f", {by_energy} from the energy autocorrelation"
    several_rates = int((dataset["energy_chi2_ratio"].values > 1.0).sum())
    if several_rates > _MANY_RATES * by_energy:
        text += f" ({several_rates} of these decay with more than one rate: larger errors)"
    apart = np.abs(dataset["lifetime_disagreement"].values)
    both, sets = int(np.isfinite(apart).sum()), np.flatnonzero(apart > DISAGREE)
    if not both:
        return f"{text}; none by both methods"
    text += (
        f"; both methods agree within {DISAGREE:g} standard errors in {both - len(sets)} of "
        f"{counted(both, 'set')}"
    )
    if not len(sets):
        return text
    named = ", ".join(str(g) for g in sets[:_NAMED_SETS])
    more = f" and {len(sets) - _NAMED_SETS} more" if len(sets) > _NAMED_SETS else ""
    word = "set" if len(sets) == 1 else "sets"
    return f"{text}, but disagree in {word} {named}{more}"


def conductivity_line(dataset: NamedArrays) -> str:
    """State the thermal conductivity with its standard error."""
    if "kappa_classical_w_mk" not in dataset:
        return ""
    parts = []
    for kind in ("classical", "quantum"):
        axes, value, sem = conducting_axes(dataset, kind)
        if np.ptp(value) > _ANISOTROPIC * sem.max():
            along = zip(axes, value, sem, strict=True)
            text = ", ".join(f"{x} {plus_minus(float(k), float(s))}" for x, k, s in along)
        else:
            text = plus_minus(float(value.mean()), float(sem.mean()))
            mean = f" (mean of {', '.join(axes)})"
            text += "" if np.ptp(value) < _ISOTROPIC * value.max() else mean
        parts.append(f"{text} {kind}")
    estimated, extrapolated = (
        100.0 * float(dataset[f"kappa_{what}_share"]) for what in ("filled", "long_wave")
    )
    layer = "kappa_thickness" in dataset
    of = f" of a layer of {float(dataset['kappa_thickness']):.4g} Å" if layer else ""
    return (
        f"κ{of} = {'; '.join(parts)}, in W/(m K), at "
        f"{float(dataset['kappa_temperature']):.4g} K, "
        f"mesh {mesh_of(dataset['kappa_mesh'].values)}; {estimated:.2g} % of the classical "
        f"value from lifetimes estimated by a power law, {extrapolated:.2g} % extrapolated to "
        "wavelengths longer than the supercell; the error bar does not contain the "
        "relaxation-time approximation"
    )


def conducting_axes(dataset: NamedArrays, kind: str) -> tuple[str, Floats, Floats]:
    """Axes, κ along them and its errors; the normal of a layer is left out if it is an axis."""
    value, sem = (np.diag(dataset[f"kappa_{kind}_w_mk{end}"].values) for end in ("", "_sem"))
    shown = value > _ISOTROPIC * value.max()
    if "kappa_thickness" not in dataset:
        shown[:] = True
    axes = "".join(x for x, kept in zip("xyz", shown, strict=True) if kept)
    return axes, value[shown], sem[shown]


def empty_sections_line(dataset: NamedArrays) -> str:
    """Name the sections of the path, between two named points, without a q of the run."""
    if "map_distance" not in dataset or "tick_distance" not in dataset:
        return ""
    ticks: dict[float, list[str]] = {}
    places = zip(dataset["tick_distance"].values, dataset["tick_label"].values, strict=True)
    for distance, label in places:
        # At a jump, one name ends a section and the other begins the next one.
        ticks.setdefault(round(float(distance), 6), []).extend(str(label).split("|"))
    hits = dataset["map_distance"].values
    named = list(ticks.items())
    empty = [
        f"{point_label(names[-1])}–{point_label(others[0])}"
        for (start, names), (end, others) in pairwise(named)
        if not ((hits > start - _SAME_PLACE) & (hits < end + _SAME_PLACE)).any()
    ]
    return f"no q of the supercell on {', '.join(empty)}" * bool(empty)
