"""CSV tables: comment lines that give the units, then columns; the tables of the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import xarray as xr

from trajmodes.results.schema import variable_of

_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, each explained in the comment above them."""

    title: str
    columns: Mapping[str, npt.NDArray[Any]]
    """Heading → (n,) numbers or texts."""
    meanings: Mapping[str, str]
    """Heading → unit and meaning."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""
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


def table_of(dataset: xr.Dataset, title: str, names: Sequence[str]) -> Table:
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
            declared = variable_of(name)
            if name == base or declared.convention:
                meanings[name] = declared.text
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


def orders_table(dataset: xr.Dataset) -> Table:
    """One row for each order of force constants."""
    parts = ("cutoff", "parameters", "r_squared", "rms_residual", "rms_predicted")
    names = ["order", *(f"order_{part}" for part in parts), "order_scheme_distance"]
    scheme = str(dataset["fit_scheme"].item())
    return table_of(dataset, f"What each order adds; {scheme} fit", names)


def gruneisen_table(dataset: xr.Dataset) -> Table:
    """One row for each set of symmetry-equal modes."""
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
