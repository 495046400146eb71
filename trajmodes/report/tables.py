"""CSV tables: a few lines of comment that tell the units, then columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.report.layout import spec_of

__all__ = [
    "PERTURBATIVE",
    "Table",
    "bands_table",
    "cluster_table",
    "described",
    "energies_table",
    "force_constants_table",
    "gruneisen_table",
    "modes_table",
    "orders_table",
    "spectra_table",
    "table_of",
    "tables_of",
]


_MOST_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, each told about in the comment above them."""

    title: str
    columns: Mapping[str, npt.NDArray[Any]]
    """Heading → (n,) numbers or texts."""
    meanings: Mapping[str, str]
    """Heading → unit and meaning."""

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
        cells = [_cells(column) for column in self.columns.values()]
        lines += [",".join(row) for row in zip(*cells, strict=True)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


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
                meanings[name] = _meaning(spec.units, spec.long_name, spec.convention)
            if variable.ndim == 1:
                columns[name] = variable.values
                continue
            labels = dataset[variable.dims[1]].values if variable.dims[1] in dataset else None
            for k in range(variable.shape[1]):
                label = k if labels is None else str(labels[k]).rstrip("*")
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


def _meaning(units: str, long_name: str, convention: str) -> str:
    text = long_name if units in ("", "1") else f"{long_name}, in {units}"
    return f"{text} ({convention})" if convention else text


def modes_table(dataset: xr.Dataset) -> Table:
    """One row for each set of symmetry-equal modes.

    Parameters
    ----------
    dataset
        Results.
    """
    names = [
        *("set", "set_q", "star_size", "degeneracy", "branch_first", "branch_last", "members"),
        *("freq_harmonic_thz", "freq_displacement_thz", "freq_ratio_thz", "freq_spectrum_thz"),
        *("linewidth_thz", "lifetime_ps", *PERTURBATIVE, "gruneisen"),
        *("mode_temperature", "kinetic_mev", "potential_mev"),
        *("virial_mev", "anharmonicity", "line_goodness", "verdict", "advice"),
    ]
    return table_of(dataset, "Sets of symmetry-equal modes; x_sem is the error of x", names)


PERTURBATIVE = (
    *("linewidth_phi3_classical_thz", "lifetime_phi3_classical_ps"),
    *("linewidth_phi3_quantum_thz", "lifetime_phi3_quantum_ps"),
)


def energies_table(dataset: xr.Dataset) -> Table:
    """One row for each commensurate q and branch, with the energies of its set.

    Parameters
    ----------
    dataset
        Results with energies.
    """
    n_qpoints, n_branches = dataset["mode_set"].shape
    sets = dataset["mode_set"].values.ravel()
    means = [
        *("kinetic_mev", "potential_mev", "virial_mev", "anharmonicity", "mode_temperature"),
        *("freq_displacement_thz", "freq_ratio_thz"),
    ]
    columns = {
        "q": (("mode", "reciprocal"), np.repeat(dataset["q"].values, n_branches, axis=0)),
        "branch": ("mode", np.tile(dataset["branch"].values, n_qpoints)),
        "mode_set": ("mode", sets),
        "mode_freq_thz": ("mode", dataset["mode_freq_thz"].values.ravel()),
    }
    for name in (name for base in means for name in (base, f"{base}_sem") if name in dataset):
        # The acoustic modes at Γ belong to no set and have no energies.
        columns[name] = ("mode", np.where(sets < 0, np.nan, dataset[name].values[sets]))
    rows = xr.Dataset(columns, coords={"reciprocal": dataset["reciprocal"]})
    title = "Energies of every mode, means over its set; x_sem is the error of x"
    return table_of(rows, title, ["q", "branch", "mode_set", "mode_freq_thz", *means])


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
        *("set", "set_q", "star_size", "degeneracy", "branch_first", "branch_last"),
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


def spectra_table(dataset: xr.Dataset, sets: npt.NDArray[np.int64] | None = None) -> Table:
    """One row for each frequency, two columns for each set of modes.

    Parameters
    ----------
    dataset
        Results with spectra.
    sets
        Labels of the sets wanted; all if not given.
    """
    chosen = dataset["set"].values if sets is None else sets
    columns: dict[str, npt.NDArray[Any]] = {"freq_thz": dataset["freq_thz"].values}
    for g in chosen.tolist():
        columns[f"power_{g}"] = dataset["power"].values[g]
        columns[f"model_{g}"] = dataset["power_model"].values[g]
    power, model = spec_of("power"), spec_of("power_model")
    return Table(
        "Velocity power spectra of the sets of modes; their numbers are those of modes.csv",
        columns,
        {
            "freq_thz": "in THz",
            "power_n": _meaning(power.units, power.long_name, power.convention),
            "model_n": _meaning(model.units, model.long_name, model.convention),
        },
    )


def tables_of(dataset: xr.Dataset) -> dict[str, Table]:
    """All tables that the results have data for, by the name of their file.

    Spectra of very many sets of modes are left to results.nc.

    Parameters
    ----------
    dataset
        Results.
    """
    tables = {"bands.csv": bands_table(dataset)}
    if "order" in dataset.dims:
        tables["orders.csv"] = orders_table(dataset)
    for order, name in ((3, "triplet"), (4, "quartet")):
        if f"{name}_shell" in dataset.dims:
            tables[f"force_constants{order}.csv"] = cluster_table(dataset, name)
    if "gruneisen" in dataset:
        tables["gruneisen.csv"] = gruneisen_table(dataset)
    if "shell" in dataset.dims:
        tables["force_constants.csv"] = force_constants_table(dataset)
    if "set" in dataset.dims:
        tables["modes.csv"] = modes_table(dataset)
    if "kinetic_mev" in dataset:
        tables["energies.csv"] = energies_table(dataset)
    if "power" in dataset and dataset["power"].size <= _MOST_CELLS:
        tables["spectra.csv"] = spectra_table(dataset)
    return tables
