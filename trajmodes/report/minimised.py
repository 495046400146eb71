"""Lines and table of the summary of the quasiharmonic crystal of a potential."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import mesh_of
from trajmodes.report.text.fitted_table import FittedTable

_ROWS = 8
"""Temperatures in a table."""
_MOST_TABLES = 4
_COLUMNS = (
    ("V\nÅ³", "minimum_volume", 1.0),
    ("β\n10⁻⁶/K", "minimum_volume_expansion", 1e6),
    ("K_T\nGPa", "minimum_modulus_gpa", 1.0),
    ("K_S\nGPa", "minimum_adiabatic_modulus_gpa", 1.0),
    ("C_V\nk_B", "minimum_capacity_v_kb", 1.0),
    ("C_P\nk_B", "minimum_capacity_p_kb", 1.0),
    ("γ\n", "minimum_gruneisen", 1.0),
)


def minimum_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on the quasiharmonic crystal, if there is one."""
    if "minimum_volume" not in dataset:
        return
    statistics = str(dataset["qha_statistics"].values.item())
    yield (
        "Vibrations",
        f"{statistics}, mesh of {mesh_of(dataset['minimum_mesh'].values)} points",
    )
    verdicts, pressures = dataset["minimum_verdict"].values, dataset["pressure_gpa"].values
    for (n, p), verdict in np.ndenumerate(verdicts):
        yield f"{dataset['scheme'].values[n]}", f"{verdict} ({pressures[p]:g} GPa)"
    if "compared_volume" in dataset:
        yield "Compared", _compared(dataset)


def minimum_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Tables of properties by temperature, for the first schemes and pressures."""
    if "minimum_volume" not in dataset:
        return []
    shape = dataset["minimum_volume"].values.shape[:2]
    parts: list[RenderableType] = []
    for n, p in list(np.ndindex(*shape))[:_MOST_TABLES]:
        parts += [Text(), _table(dataset, n, p)]
    if np.prod(shape) > _MOST_TABLES:
        parts.append(Text("further schemes and pressures: tables/properties.csv"))
    return parts


def _table(dataset: NamedArrays, n: int, p: int) -> Group:
    table = FittedTable()
    lengths = dataset["minimum_length"].values[n, p]
    vectors = [
        k
        for k in range(3)
        if k == 0 or not np.allclose(lengths[:, k], lengths[:, 0], equal_nan=True)
    ]
    for head in ("T\nK", *(f"{'abc'[k]}\nÅ" for k in vectors), *(one[0] for one in _COLUMNS)):
        table.add_column(head, justify="right", no_wrap=True)
    kelvin = dataset["qha_temperature"].values
    known = np.flatnonzero(np.isfinite(lengths[:, 0]))
    picked = np.unique(np.linspace(0, max(len(known) - 1, 0), _ROWS).round().astype(int))
    for t in known[picked[: len(known)]]:
        cells = [f"{kelvin[t]:g}", *(f"{lengths[t, k]:.5f}" for k in vectors)]
        for _, name, factor in _COLUMNS:
            value = factor * float(dataset[name].values[n, p, t])
            cells.append(f"{value:.5g}" if np.isfinite(value) else "–")
        table.add_row(*map(Text, cells))
    scheme, pressure = dataset["scheme"].values[n], dataset["pressure_gpa"].values[p]
    caption = "V, C_V, C_P of a primitive cell; lengths of the conventional cell"
    return Group(Text(f"{scheme}, {pressure:g} GPa", style="bold"), table, Text(caption))


def _compared(dataset: NamedArrays) -> str:
    """Largest difference in volume from the first scheme, at the pressure closest to 0."""
    p = int(np.abs(dataset["pressure_gpa"].values).argmin())
    kelvin, volume = dataset["qha_temperature"].values, dataset["minimum_volume"].values[0, p]
    known = np.isfinite(volume)
    at, other = (dataset[f"compared_{x}"].values for x in ("temperature", "volume"))
    if not known.any():
        return "no minimum to compare with"
    own = np.interp(at, kelvin[known], volume[known], left=np.nan, right=np.nan)
    change = 100.0 * (other / own - 1.0)
    if not np.isfinite(change).any():
        return "at other temperatures"
    worst = int(np.nanargmax(np.abs(change)))
    return (
        f"volumes of {dataset['compared_name'].values[worst]} differ from those of "
        f"{dataset['scheme'].values[0]} by up to {change[worst]:+.3g} %, at {at[worst]:.4g} K"
    )
