"""Lines and tables of the summary on quasiharmonic properties, and on two phases."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import compact, counted, mesh_of, plus_minus
from trajmodes.report.text.fitted_table import FittedTable

_ROWS = 8
"""Temperatures in a table."""
_MOST_PRESSURES = 3
"""Most pressures with a table."""
_COLUMNS = (
    ("V\nÅ³", "qha_volume", 1.0),
    ("a\nÅ", "qha_length", 1.0),
    ("α\n10⁻⁶/K", "qha_expansion", 1e6),
    ("K_T\nGPa", "qha_modulus_gpa", 1.0),
    ("C_V\nk_B", "qha_capacity_v_kb", 1.0),
    ("C_p\nk_B", "qha_capacity_p_kb", 1.0),
    ("γ\n", "qha_gruneisen", 1.0),
)

_AXES = (
    ("a\nÅ", "qha_length", 1.0),
    ("c\nÅ", "qha_length", 1.0),
    ("c/a\n", "qha_ratio", 1.0),
    ("α_a\n10⁻⁶/K", "qha_expansion_a", 1e6),
    ("α_c\n10⁻⁶/K", "qha_expansion_c", 1e6),
)
"""Columns of a uniaxial crystal whose a and c are free."""


def volume_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on quasiharmonic properties, if there are any."""
    if "qha_volume" not in dataset:
        return
    volumes = dataset["qha_run_volume"].values
    if "qha_ratio" in dataset:
        yield "Cells", _cells(dataset)
    else:
        yield (
            "Volumes",
            f"{counted(len(volumes), 'volume')} from {volumes[0]:.4f} to {volumes[-1]:.4f} Å³ "
            "of a primitive cell",
        )
    statistics = str(dataset["qha_statistics"].values.item())
    mesh = mesh_of(dataset["qha_mesh"].values)
    yield "Vibrations", f"{statistics}, mesh of {mesh} points, finer around Γ"
    yield "Free energy" if "qha_ratio" in dataset else "Equation", _equations(dataset)
    if "qha_volume_spread" in dataset:
        yield "Spread", _spread(dataset)
    if "qha_expansion_phi3" in dataset:
        yield "Expansion", _expansions(dataset)


def volume_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Tables of the equilibrium by temperature, for the first pressures."""
    if "qha_volume" not in dataset:
        return []
    pressures = dataset["pressure_gpa"].values
    parts: list[RenderableType] = []
    for p in range(min(_MOST_PRESSURES, len(pressures))):
        note = "one primitive cell; a: first vector of the conventional cell; α: "
        note += "mean of the directions" if "qha_ratio" in dataset else "along a direction"
        parts += [Text(), _table(dataset, p, "Equilibrium", _COLUMNS, note)]
        if "qha_ratio" in dataset:
            note = "vectors of the conventional cell; α: normal to the axis and along it"
            parts += [Text(), _table(dataset, p, "a and c", _AXES, note)]
    if len(pressures) > _MOST_PRESSURES:
        parts.append(Text("further pressures: tables/quasiharmonic.csv"))
    return parts


def _cells(dataset: NamedArrays) -> str:
    """Ranges of a and c of the cells."""
    a, _, c = dataset["qha_run_length"].values.T
    return (
        f"{counted(len(a), 'cell')} with a from {a.min():.4f} to {a.max():.4f} Å and c from "
        f"{c.min():.4f} to {c.max():.4f} Å; both are free"
    )


_ROUND_OFF = 1e-9
"""Residuals in meV below this are rounding errors."""


def _equations(dataset: NamedArrays) -> str:
    """Errors with which each form of F predicts volumes left out of its fit."""
    parts = []
    for k, name in enumerate(dataset["equation"].values.tolist()):
        residual = 1e3 * float(dataset["equation_residual"].values[k])
        # An equation with as many parameters as volumes leaves rounding errors.
        residual = residual if residual > _ROUND_OFF else 0.0
        predicted = 1e3 * float(dataset["equation_left_out"].values[k])
        more = f", left out {predicted:.2g}" if np.isfinite(predicted) else ""
        parts.append(f"{name} (residual {residual:.2g}{more} meV)")
    first, *others = parts
    return first + (f"; beside it {', '.join(others)}" if others else "")


def _spread(dataset: NamedArrays) -> str:
    """Largest relative spread over the equations of state, compared with the errors."""
    volume, spread = dataset["qha_volume"].values, dataset["qha_volume_spread"].values
    modulus, soft = dataset["qha_modulus_gpa"].values, dataset["qha_modulus_spread_gpa"].values
    forms = "forms of F" if "qha_ratio" in dataset else "equations of state"
    text = (
        f"{forms} differ by ±{100.0 * (spread / volume).max():.2g} % of the volume "
        f"and ±{100.0 * (soft / modulus).max():.2g} % of K_T at most"
    )
    sem = dataset.get("qha_volume_sem")
    if sem is not None and (spread > sem.values).any():
        text += "; for the volume this is more than its error: add "
        text += "cells" if "qha_ratio" in dataset else "volumes"
    return text


def _expansions(dataset: NamedArrays) -> str:
    """Thermal expansion from volumes and from third order, at a temperature near 300 K."""
    place = int(np.abs(dataset["qha_temperature"].values - 300.0).argmin())
    texts = []
    for name, index in (("qha_expansion", (0, place)), ("qha_expansion_phi3", (place,))):
        sem = dataset.get(f"{name}_sem")
        error = None if sem is None else 1e6 * float(sem.values[index])
        texts.append(compact(1e6 * float(dataset[name].values[index]), error))
    return (
        f"{texts[0]} · 10⁻⁶/K from volumes and {texts[1]} · 10⁻⁶/K from third order at "
        f"{dataset['qha_temperature'].values[place]:g} K"
    )


def _table(
    dataset: NamedArrays,
    p: int,
    heading: str,
    columns: tuple[tuple[str, str, float], ...],
    note: str,
) -> Group:
    """Table with one row for each of some temperatures; lengths are those of the title."""
    table = FittedTable()
    for label in ("T\nK", *(column[0] for column in columns)):
        table.add_column(label, justify="right", no_wrap=True)
    kelvin = dataset["qha_temperature"].values
    shown = np.linspace(0, len(kelvin) - 1, min(_ROWS, len(kelvin))).round().astype(int)
    for t in np.unique(shown).tolist():
        cells = [f"{kelvin[t]:g}"]
        for label, name, scale in columns:
            vector = 2 if label.startswith("c\n") else 0
            value, sem = dataset[name].values[p, t], dataset.get(f"{name}_sem")
            error = None if sem is None else scale * float(np.ravel(sem.values[p, t])[vector])
            cells.append(compact(scale * float(np.ravel(value)[vector]), error))
        table.add_row(*map(Text, cells))
    title = Text(f"{heading} at {dataset['pressure_gpa'].values[p]:g} GPa", style="bold")
    return Group(title, table, Text(note))


def phase_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Table of the crossings of two phases."""
    if "phase" not in dataset.dims:
        return []
    # The last column, in words, has no title.
    table = FittedTable(wrapped=("",))
    for label in ("p\nGPa", "T\nK", "TΔS\nmeV/atom", "dp/dT\nMPa/K"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("\n")
    for k in range(dataset.sizes["crossing"]):
        p, kelvin, sem, heat, slope = (
            float(dataset[f"crossing_{name}"].values[k])
            for name in (
                *("pressure_gpa", "temperature", "temperature_sem", "latent_heat"),
                "slope_gpa",
            )
        )
        known = np.isfinite(kelvin)
        table.add_row(
            f"{p:g}",
            plus_minus(kelvin, sem),
            f"{1e3 * heat:.3g}" if known else "–",
            f"{1e3 * slope:.3g}" if known else "–",
            Text(_verdict(dataset, k)),
        )
    return [Text(), Text("Equal Gibbs free energies", style="bold"), table]


def _verdict(dataset: NamedArrays, k: int) -> str:
    first, second = dataset["phase"].values.tolist()
    verdict = str(dataset["crossing_verdict"].values[k])
    if verdict in ("first", "second"):
        stable, kelvin = first if verdict == "first" else second, dataset["qha_temperature"]
        return (
            f"{stable} is stable at all of {kelvin.values.min():g} to {kelvin.values.max():g} K"
        )
    low, high = (float(dataset[f"crossing_{name}"].values[k]) for name in ("low", "high"))
    if verdict == "not resolved":
        return (
            "not resolved: of the temperatures given, errors allow all from "
            f"{low:.4g} to {high:.4g} K"
        )
    if float(dataset["crossing_latent_heat"].values[k]) > 0.0:
        return f"{first} is stable below, {second} above"
    return f"{second} is stable below, {first} above"
