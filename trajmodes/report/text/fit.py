"""The fit in the terminal: what each order adds, error bars, stability, how long to run."""

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.text.numbers import counted, mesh_of, order_name, plus_minus

_SMALL, _LARGE = 0.2, 0.4
"""Force that pair constants leave, over all: a reading aid, with no sharp meaning."""
_FIXED = 1e-9
"""In Å: mean positions that symmetry fixes shift by rounding alone."""
_FAR = 3.0
"""Widths of the run over perturbative ones that perturbation theory does not explain."""
_DECISIVE = 3.0
"""Standard errors that tell a shift from none."""
_CONSTRAINTS = {"hermitian": "Hermitian", "born_huang": "Born–Huang", "huang": "Huang"}


def fit_in_one_line(dataset: NamedArrays) -> str:
    """Tell the size and quality of the fit.

    Parameters
    ----------
    dataset
        Results.
    """
    if "r_squared" not in dataset:
        return "constants were given" if "force_constants" in dataset else ""
    free, rank = int(dataset["n_parameters"]), int(dataset["rank"])
    full = "full rank" if rank == free else f"RANK {rank} ONLY"
    # A fit of this run tells where the run's mean positions are.
    other = "" if "reference_shift" in dataset else "given constants, of their own run: "
    return (
        f"{other}{free} parameters ({full}), {_reach(dataset)}, "
        f"{int(dataset['n_frames'])} frames; "
        f"R² = {float(dataset['r_squared']):.5f}, "
        f"residual {float(dataset['rms_residual']):.3g} "
        f"of {float(dataset['rms_force']):.3g} eV/Å"
    )


def _reach(dataset: NamedArrays) -> str:
    if "order_cutoff" in dataset:
        texts = zip(dataset["order"].values, dataset["order_cutoff"].values, strict=True)
        reaches = {int(order): _in_angstrom(str(text)) for order, text in texts}
        if len(reaches) > 1:
            return ", ".join(f"{order_name(order)} {text}" for order, text in reaches.items())
        return "".join(reaches.values())
    cutoff = f"{float(dataset['cutoff']):.4g} Å" if "cutoff" in dataset else "whole supercell"
    higher = [
        f"{order_name(order)} {float(dataset[f'cutoff{order}']):.4g} Å"
        for order in (3, 4)
        if f"cutoff{order}" in dataset
    ]
    return ", ".join([f"pairs {cutoff}", *higher]) if higher else cutoff


def _in_angstrom(cutoff: str) -> str:
    return "whole supercell" if cutoff == "supercell" else f"{cutoff} Å"


def fit_section(dataset: NamedArrays) -> list[RenderableType]:
    """Tell what is known about the fit; nothing where that is no more than its quality.

    Parameters
    ----------
    dataset
        Results.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, text in (
        ("Anharmonicity", _anharmonicity(dataset)),
        ("Error bars", _error_bars(dataset)),
        ("Schemes", _schemes(dataset)),
        ("Stability", _stability(dataset)),
        ("Run length", _run_length(dataset)),
        ("Reference", _reference(dataset)),
        ("Grüneisen", _gruneisen(dataset)),
        ("Φ3 linewidths", _perturbation(dataset)),
    ):
        if text:
            grid.add_row(name, Text(text))
    parts: list[RenderableType] = []
    if dataset.sizes.get("order", 0) > 1:
        parts += [Text(), _orders(dataset)]
    return [*parts, Text(), grid] if grid.row_count else parts


def _orders(dataset: NamedArrays) -> Group:
    """One line for each order."""
    constraints = (
        dataset["fit_constraint"].values.tolist() if "fit_constraint" in dataset else []
    )
    names = ", ".join(_CONSTRAINTS.get(name, name) for name in constraints)
    imposed = f"; imposed: {names}" if names else ""
    predicted = _is_predicted(dataset)
    told = "; in brackets that of frames left out" if predicted else ""
    scheme = dataset["fit_scheme"].item()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("order", "cutoff\nÅ"):
        table.add_column(name, no_wrap=name == "order")
    for name in ("param.\n", "R²\n", "residual\neV/Å", "of force\n%", "joint–\nseq. %"):
        table.add_column(name, justify="right", no_wrap=True)
    for k in range(dataset.sizes["order"]):
        table.add_row(
            *(Text(cell) for cell in _row(dataset.isel(order=k), predicted=predicted))
        )
    caption = f"{scheme} fit{imposed}; residual by this and all lower orders{told}"
    return Group(table, Text(caption))


def _is_predicted(dataset: NamedArrays) -> bool:
    return bool(np.isfinite(dataset["order_rms_predicted"].values).any())


def _row(one: NamedArrays, *, predicted: bool) -> tuple[str, ...]:
    left, left_out = float(one["order_rms_residual"]), float(one["order_rms_predicted"])
    # Lower orders of a joint fit predict nothing by themselves.
    bracket = f" ({f'{left_out:.4g}' if np.isfinite(left_out) else '–'})" if predicted else ""
    force, apart = float(one["rms_force"]), float(one["order_scheme_distance"])
    return (
        order_name(int(one["order"])),
        str(one["order_cutoff"].item()),
        str(int(one["order_parameters"])),
        f"{float(one['order_r_squared']):.6f}",
        f"{left:.4g}{bracket}",
        f"{100.0 * left / force:.3g}",
        f"{100.0 * apart:.2g}" if np.isfinite(apart) else "–",
    )


def _anharmonicity(dataset: NamedArrays) -> str:
    if "fit_anharmonicity" not in dataset:
        return ""
    sigma = float(dataset["fit_anharmonicity"])
    word = "small" if sigma < _SMALL else "moderate" if sigma < _LARGE else "large"
    where = "" if "reference_shift" in dataset else " in the run they were fitted to"
    return f"{word}: pair constants leave σ = {sigma:.3f} of the rms force{where}"


def _error_bars(dataset: NamedArrays) -> str:
    if "error_method" not in dataset:
        return ""
    levelled = bool(dataset["error_levelled"])
    tail = "levelled off" if levelled else "NOT levelled off: take them as lower bounds"
    return (
        f"{dataset['error_method'].item()} over "
        f"{counted(int(dataset['error_blocks']), 'block')} of "
        f"{counted(float(dataset['error_block_frames']), 'frame')}, "
        f"{float(dataset['error_inefficiency']):.3g} frames per independent one (mean over the "
        f"constants of all orders); {tail}"
    )


def _schemes(dataset: NamedArrays) -> str:
    if "scheme_freq_distance_thz" not in dataset:
        return ""
    apart = float(dataset["scheme_freq_distance_thz"])
    return f"frequencies of a joint and a sequential fit differ by {apart:.2g} THz (rms)"


def _stability(dataset: NamedArrays) -> str:
    if "stability_text" not in dataset:
        return ""
    verdict, text = (str(dataset[name].item()) for name in ("stability", "stability_text"))
    return text if verdict == "stable" else text.replace(verdict, verdict.upper(), 1)


def _run_length(dataset: NamedArrays) -> str:
    return str(dataset["run_needed_text"].item()) if "run_needed_text" in dataset else ""


def _reference(dataset: NamedArrays) -> str:
    parts = []
    if "reference_shift" in dataset:
        parts.append(_shift(dataset))
    if parts and "first_order" in dataset:
        force = np.linalg.norm(dataset["first_order"].values, axis=1)
        site = int(force.argmax())
        parts.append(f"mean force left up to {force[site]:.2g} eV/Å ({_site(dataset, site)})")
    return "; ".join(parts)


def _shift(dataset: NamedArrays) -> str:
    """Tell how far the mean positions are from the reference, as far as symmetry allows it."""
    shift, sem = (dataset[f"reference_shift{end}"].values for end in ("", "_sem"))
    length = np.linalg.norm(shift, axis=1)
    site = int(length.argmax())
    if not length[site] > _FIXED:
        return "mean positions agree with the reference structure, as symmetry demands"
    along = float(np.sqrt(((shift[site] * sem[site]) ** 2).sum())) / float(length[site])
    told = f"{plus_minus(float(length[site]), along)} Å ({_site(dataset, site)})"
    if length[site] < _DECISIVE * along:
        return f"mean positions agree with the reference structure: shift up to {told}"
    return f"mean positions lie up to {told} from the reference structure"


def _site(dataset: NamedArrays, site: int) -> str:
    return f"site {site}, {dataset['species'].values[site]}"


def _gruneisen(dataset: NamedArrays) -> str:
    if "gruneisen_classical" not in dataset:
        return ""
    parts = []
    kelvin = float(dataset["gruneisen_temperature"])
    for kind, told in (("classical", "classical"), ("quantum", f"quantum at {kelvin:.4g} K")):
        value = float(dataset[f"gruneisen_{kind}"])
        sem = dataset.get(f"gruneisen_{kind}_sem")
        if np.isfinite(value):
            parts.append(f"{plus_minus(value, None if sem is None else float(sem))} {told}")
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
        f"three phonons at {float(dataset['phi3_temperature']):.4g} K, mesh "
        f"{mesh_of(dataset['phi3_mesh'].values)}: median {np.median(classical[known]):.3g} THz "
        f"classical, {np.median(quantum[known]):.3g} THz quantum"
    )
    return text + _beside_the_run(dataset)


def _beside_the_run(dataset: NamedArrays) -> str:
    """Compare the mean linewidth of the run with the perturbative one of the same sets."""
    if "phi3_ratio" not in dataset:
        return ""
    ratio, ratio_sem = (float(dataset[name]) for name in ("phi3_ratio", "phi3_ratio_sem"))
    if not np.isfinite(ratio):
        return "; the run resolves too few of the widest lines to be compared"
    text = (
        f"; the run has {plus_minus(ratio, ratio_sem)} times the classical ones (mean of the "
        f"{int(dataset['phi3_compared'])} widest that it resolves)"
    )
    if not 1.0 / _FAR <= ratio <= _FAR:
        text += (
            ": three-phonon perturbation theory does not describe this run: higher orders, a "
            "mesh that is too coarse, or cubic constants whose cutoff is too short"
        )
    return text
