"""Force constants of an alloy by pair of species: a line and a table of the summary."""

from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import compact, counted
from trajmodes.report.text.fitted_table import FittedTable

_ROWS = 40
"""Pairs in the table of the summary."""
_CONSTANTS = {
    "alloy_longitudinal": "longitudinal\neV/Å²",
    "alloy_transverse": "transverse\neV/Å²",
}
"""Variables of the constants in the table, and their headings."""


def species_line(dataset: NamedArrays) -> str:
    """State R² by pair of species and with mean constants; empty if they were not fitted."""
    if "alloy_r_squared" not in dataset:
        return ""
    free, rank = (int(dataset[f"alloy_{name}"]) for name in ("parameters", "rank"))
    seen = "alloy_r_squared_predicted"
    left_out = ""
    if seen in dataset:
        left_out = f" ({float(dataset[seen]):.5f} of frames left out of the fit)"
    return (
        f"R² = {float(dataset['alloy_r_squared']):.5f}{left_out}, "
        f"{counted(free, 'parameter')}{f' (RANK {rank} ONLY)' if rank < free else ''}; "
        f"{float(dataset['r_squared']):.5f} with mean constants"
    )


def species_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Table of the constants of all pairs of species, if they were fitted."""
    if "alloy_pair" not in dataset.dims:
        return []
    names = dataset["alloy_pair"].values
    table = FittedTable()
    table.add_column("pair", no_wrap=True)
    for name in (*("pairs", "distance\nÅ", "mean\nÅ"), *_CONSTANTS.values(), "on sites"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = range(min(len(names), _ROWS))
    for k in shown:
        one = dataset.isel(alloy_pair=k)
        cells = [
            str(names[k]),
            str(int(one["alloy_count"])),
            f"{float(one['alloy_distance']):.3f}",
            f"{float(one['alloy_mean_distance']):.3f}",
            *(_constant(one, name) for name in _CONSTANTS),
            ", ".join(map(str, one["alloy_sites"].values)),
        ]
        table.add_row(*map(Text, cells))
    caption = (
        "force constants by pair of species, distance of the sites and mean distance of the "
    )
    caption += "atoms; 1.23(5) means 1.23 ± 0.05"
    if len(shown) < len(names):
        caption += f"; {len(shown)} of {len(names)}, all: tables/alloy_pairs.csv"
    return [Text(), Group(table, Text(caption))]


def _constant(one: NamedArrays, name: str) -> str:
    error = one.get(f"{name}_sem")
    return compact(float(one[name]), None if error is None else float(error.values))
