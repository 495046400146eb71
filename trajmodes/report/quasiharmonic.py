"""Lines and tables of the summary on quasiharmonic properties."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import compact, counted, mesh_of

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


def volume_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts of quasiharmonic properties, where there are any."""
    if "qha_volume" not in dataset:
        return
    volumes = dataset["qha_run_volume"].values
    yield (
        "Volumes",
        f"{counted(len(volumes), 'volume')} from {volumes[0]:.4f} to {volumes[-1]:.4f} Å³ of a "
        "primitive cell",
    )
    statistics = str(dataset["qha_statistics"].values.item())
    mesh = mesh_of(dataset["qha_mesh"].values)
    yield "Vibrations", f"{statistics}, mesh of {mesh} points, finer around Γ"
    yield "Equation", _equations(dataset)
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
        parts += [Text(), _table(dataset, p)]
    if len(pressures) > _MOST_PRESSURES:
        parts.append(Text("further pressures: tables/quasiharmonic.csv"))
    return parts


def _equations(dataset: NamedArrays) -> str:
    """Errors of each form, with which the volumes left out are predicted."""
    parts = []
    for k, name in enumerate(dataset["equation"].values.tolist()):
        residual = 1e3 * float(dataset["equation_residual"].values[k])
        predicted = 1e3 * float(dataset["equation_left_out"].values[k])
        more = f", left out {predicted:.2g}" if np.isfinite(predicted) else ""
        parts.append(f"{name} (residual {residual:.2g}{more} meV)")
    first, *others = parts
    return first + (f"; beside it {', '.join(others)}" if others else "")


def _spread(dataset: NamedArrays) -> str:
    """Largest spread over the equations of state, relative, and against the errors."""
    volume, spread = dataset["qha_volume"].values, dataset["qha_volume_spread"].values
    modulus, soft = dataset["qha_modulus_gpa"].values, dataset["qha_modulus_spread_gpa"].values
    text = (
        f"equations of state differ by ±{100.0 * (spread / volume).max():.2g} % of the volume "
        f"and ±{100.0 * (soft / modulus).max():.2g} % of K_T at most"
    )
    sem = dataset.get("qha_volume_sem")
    if sem is not None and (spread > sem.values).any():
        text += "; for the volume this is more than its error: add volumes"
    return text


def _expansions(dataset: NamedArrays) -> str:
    """Thermal expansion of both origins at the temperature nearest to 300 K."""
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


def _table(dataset: NamedArrays, p: int) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("T\nK", *(title for title, _, _ in _COLUMNS)):
        table.add_column(title, justify="right", no_wrap=True)
    kelvin = dataset["qha_temperature"].values
    shown = np.linspace(0, len(kelvin) - 1, min(_ROWS, len(kelvin))).round().astype(int)
    for t in np.unique(shown).tolist():
        cells = [f"{kelvin[t]:g}"]
        for _, name, scale in _COLUMNS:
            value, sem = dataset[name].values[p, t], dataset.get(f"{name}_sem")
            error = None if sem is None else scale * float(np.ravel(sem.values[p, t])[0])
            cells.append(compact(scale * float(np.ravel(value)[0]), error))
        table.add_row(*map(Text, cells))
    heading = Text(f"Equilibrium at {dataset['pressure_gpa'].values[p]:g} GPa", style="bold")
    note = "one primitive cell; a: first vector of the conventional cell; α: along a direction"
    return Group(heading, table, Text(note))
