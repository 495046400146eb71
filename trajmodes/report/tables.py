"""CSV tables: a few lines of comment that tell the units, then columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import xarray as xr

from trajmodes.report.layout import spec_of
from trajmodes.report.spec import Spec

__all__ = [
    "Table",
    "bands_table",
    "cluster_table",
    "described",
    "force_constants_table",
    "gruneisen_table",
    "meaning_of",
    "orders_table",
    "table_of",
]


_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, each told about in the comment above them."""

    title: str
    columns: Mapping[str, npt.NDArray[Any]]
    """Heading → (n,) numbers or texts."""
    meanings: Mapping[str, str]
    """Heading → unit and meaning."""

    @property
    def n_cells(self) -> int:
        """How many numbers and texts it has."""
        return sum(len(column) for column in self.columns.values())

    def write(self, path: Path) -> None:
        """Write the table as CSV; ten digits, nothing where there is no number.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        lines = [f"# {self.title}"]
        lines += [f"#   {name}: {text}" for name, text in self.meanings.items()]
        lines.append(",".join(self.columns))
        n_rows = max((len(column) for column in self.columns.values()), default=0)
        with path.open("w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            # Some rows at a time: as text they take many times the memory of their numbers.
            for start in range(0, n_rows, _ROWS):
                part = slice(start, start + _ROWS)
                cells = [_cells(column[part]) for column in self.columns.values()]
                rows = [",".join(row) for row in zip(*cells, strict=True)]
                file.write("\n".join(rows) + "\n")


def _cells(column: npt.NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        return ["" if x != x else f"{x:.10g}" for x in column.tolist()]  # noqa: PLR0124 - nan
    if column.dtype.kind in "iu":
        return [str(x) for x in column.tolist()]
    if column.dtype.kind == "b":
        return ["yes" if x else "no" for x in column.tolist()]
    return [_quoted(str(x)) for x in column.tolist()]


def _quoted(text: str) -> str:
    if any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def table_of(dataset: xr.Dataset, title: str, names: list[str]) -> Table:
    """Table of the variables of a Dataset that share their first dimension.

    Parameters
    ----------
    dataset
        Results.
    title
        What the table is.
    names
        Variables, one- or two-dimensional; absent ones are left out, and each error bar
        (``x_sem``) is put beside its variable. A second dimension becomes several columns.
    """
    columns: dict[str, npt.NDArray[Any]] = {}
    meanings: dict[str, str] = {}
    for base in names:
        for name in (base, f"{base}_sem"):
            if name not in dataset:
                continue
            variable = dataset[name]
            spec = spec_of(name)
            if name == base or spec.convention:
                meanings[name] = meaning_of(spec)
            if variable.ndim == 1:
                columns[name] = variable.values
                continue
            labels = dataset[variable.dims[1]].values if variable.dims[1] in dataset else None
            # Branches count from 1, also where the results have no list of them.
            first = 1 if variable.dims[1] == "branch" else 0
            for k in range(variable.shape[1]):
                label = first + k if labels is None else str(labels[k]).rstrip("*")
                columns[f"{name}_{label}"] = variable.values[:, k]
    return Table(title, columns, meanings)


def described(parts: tuple[tuple[str, str], ...], dataset: xr.Dataset) -> str:
    """Tell what a file holds, with no word of what the results have no data for.

    Parameters
    ----------
    parts
        (variable, text): the text counts where the variable is there, or has no name.
    dataset
        Results.
    """
    return "".join(text for needed, text in parts if not needed or needed in dataset)


def meaning_of(spec: Spec) -> str:
    """Tell what a variable is, in one line.

    Parameters
    ----------
    spec
        Its page of the layout.
    """
    text = spec.long_name if spec.units in ("", "1") else f"{spec.long_name}, in {spec.units}"
    return f"{text} ({spec.convention})" if spec.convention else text


def force_constants_table(dataset: xr.Dataset) -> Table:
    """One row for each shell of neighbours.

    Parameters
    ----------
    dataset
        Results.
    """
    names = ["shell_species", "shell_distance", "shell_neighbours", "shell_norm", "shell_trace"]
    return table_of(dataset, "Pair force constants by shell of neighbours", names)


def cluster_table(dataset: xr.Dataset, name: str) -> Table:
    """One row for each shell of triplets or quartets.

    Parameters
    ----------
    dataset
        Results with constants of that order.
    name
        ``triplet`` or ``quartet``.
    """
    parts = ("species", "longest", "perimeter", "distances", "multiplicity", "norm")
    title = f"Force constants of {name}s by species and distances"
    return table_of(dataset, title, [f"{name}_shell_{part}" for part in parts])


def orders_table(dataset: xr.Dataset) -> Table:
    """One row for each order of force constants.

    Parameters
    ----------
    dataset
        Results with the quality of each order.
    """
    parts = ("cutoff", "parameters", "r_squared", "rms_residual", "rms_predicted")
    names = ["order", *(f"order_{part}" for part in parts), "order_scheme_distance"]
    scheme = str(dataset["fit_scheme"].item())
    return table_of(dataset, f"What each order adds; {scheme} fit", names)


def gruneisen_table(dataset: xr.Dataset) -> Table:
    """One row for each set of symmetry-equal modes.

    Parameters
    ----------
    dataset
        Results with Grüneisen parameters.
    """
    means = [
        f"{kind} mean {float(dataset[f'gruneisen_{kind}']):.6g}"
        for kind in ("classical", "quantum")
    ]
    kelvin = float(dataset["gruneisen_temperature"])
    title = f"Grüneisen parameters of the sets of modes; {means[0]}, {means[1]} at {kelvin:g} K"
    names = [
        *("set", "set_q", "set_point", "star_size", "degeneracy"),
        *("branch_first", "branch_last"),
        *("freq_harmonic_thz", "gruneisen"),
    ]
    return table_of(dataset, title, names)


def bands_table(dataset: xr.Dataset) -> Table:
    """One row for each point of the band path.

    Parameters
    ----------
    dataset
        Results.
    """
    names = ["path_segment", "path_distance", "path_q", "band_freq_thz", "band_gruneisen"]
    return table_of(dataset, "Harmonic frequencies along the band path", names)
