"""CSV tables of the results: comment lines with the units, then columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes import units
from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.results.schema import variable_of

MAP_DECADES = 2.0
"""A map of spectra shows this many powers of ten below the strongest line; weaker signals are
wings and leakage."""
_SHOWN = 0.99
"""Maps show at least this fraction of the kinetic energy of every q point."""
_MARGIN = 1.1
"""Highest frequency in the data of a map, over the highest one drawn."""
_ROWS = 4096
CONDUCTIVITY_TITLE = (
    "Thermal conductivity at {kappa_temperature:.6g} K, relaxation-time approximation"
)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, with their meanings in the comment above them."""

    title: str
    columns: Mapping[str, npt.NDArray[Any]]
    """Heading → (n,) numbers or texts."""
    meanings: Mapping[str, str]
    """Heading → unit and meaning."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(len(column) for column in self.columns.values())

    @property
    def text(self) -> str:
        """The table as CSV with ten digits; nan becomes an empty cell."""
        return "".join(self._parts())

    def write(self, path: Path) -> None:
        """Write the table as CSV.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with path.open("w", encoding="utf-8") as file:
            file.writelines(self._parts())

    def _parts(self) -> Iterator[str]:
        """Yield the head of the file, then blocks of rows, which keeps the memory small."""
        lines = [f"# {self.title}"]
        lines += [f"#   {name}: {text}" for name, text in self.meanings.items()]
        lines.append(",".join(self.columns))
        n_rows = max((len(column) for column in self.columns.values()), default=0)
        yield "\n".join(lines) + "\n"
        for start in range(0, n_rows, _ROWS):
            part = slice(start, start + _ROWS)
            cells = [_cells(column[part]) for column in self.columns.values()]
            rows = [",".join(row) for row in zip(*cells, strict=True)]
            yield "\n".join(rows) + "\n"


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


def _filled_in(title: str, dataset: NamedArrays) -> str:
    """Insert into a title the values of the variables that it names."""
    names = [name for _, name, _, _ in Formatter().parse(title) if name]
    return title.format(**{name: dataset[name].values.item() for name in names})


def table_of(dataset: NamedArrays, title: str, names: Sequence[str]) -> Table:
    """Table of the variables of a Dataset that share their first dimension.

    Absent variables are left out. Each standard error ``x_sem`` is put beside ``x``, and a
    second dimension becomes several columns. The title may name variables without dimensions:
    ``{temperature:.6g} K``.
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
            if len(variable.dims) == 1:
                columns[name] = variable.values
                continue
            labels = dataset[variable.dims[1]].values if variable.dims[1] in dataset else None
            # Branches are numbered from 1, also if the results have no coordinate for them.
            first = 1 if variable.dims[1] == "branch" else 0
            for k in range(variable.values.shape[1]):
                label = first + k if labels is None else str(labels[k]).rstrip("*")
                columns[f"{name}_{label}"] = variable.values[:, k]
    return Table(_filled_in(title, dataset), columns, meanings)


def energies_table(dataset: NamedArrays) -> Table:
    """One row for each commensurate q and branch: energies of mode and travelling waves."""
    n_qpoints, n_branches = dataset["mode_set"].values.shape
    wanted = [
        *("mode_set", "mode_freq_thz", "mode_kinetic_mev", "mode_potential_mev"),
        *("mode_virial_mev", "travelling_forward_mev", "travelling_backward_mev"),
    ]
    columns = {
        "reciprocal": PlainArray(("reciprocal",), dataset["reciprocal"].values),
        "q": PlainArray(
            ("mode", "reciprocal"), np.repeat(dataset["q"].values, n_branches, axis=0)
        ),
        "branch": PlainArray(("mode",), np.tile(dataset["branch"].values, n_qpoints)),
    }
    for name in (name for base in wanted for name in (base, f"{base}_sem") if name in dataset):
        columns[name] = PlainArray(("mode",), dataset[name].values.ravel())
    rows = PlainArrays(columns, {})
    title = (
        "Energies of each single mode, and of its travelling waves along ±q; means over sets "
        "are in modes.csv; x_sem is the standard error of x"
    )
    return table_of(rows, title, ["q", "branch", *wanted])


def widths_table(dataset: NamedArrays) -> Table:
    """One row for each commensurate q and branch: frequencies and linewidths."""
    sets = dataset["mode_set"].values.astype(np.int64)
    n_qpoints, n_branches = sets.shape
    columns = {
        "reciprocal": PlainArray(("reciprocal",), dataset["reciprocal"].values),
        "q": PlainArray(
            ("mode", "reciprocal"), np.repeat(dataset["q"].values, n_branches, axis=0)
        ),
        "branch": PlainArray(("mode",), np.tile(dataset["branch"].values, n_qpoints)),
    }
    own = ("mode_set", "mode_freq_thz")
    measured = ("freq_spectrum_thz", "linewidth_thz")
    phi3 = ("linewidth_phi3_classical_thz", "linewidth_phi3_quantum_thz")
    for name in (one for base in own for one in (base, f"{base}_sem") if one in dataset):
        columns[name] = PlainArray(("mode",), dataset[name].values.ravel())
    names = [one for base in (*measured, *phi3) for one in (base, f"{base}_sem")]
    for name in (one for one in names if one in dataset):
        # Acoustic modes at Γ belong to no set.
        values = np.append(dataset[name].values, np.nan)
        columns[name] = PlainArray(("mode",), values[sets.ravel()])
    title = (
        "Frequencies and linewidths (full widths at half maximum) of each single mode; those "
        "of a set are equal; empty: not resolved; x_sem is the standard error of x"
    )
    return table_of(PlainArrays(columns, {}), title, ["q", "branch", *own, *measured, *phi3])


def by_set(dataset: NamedArrays, title: str, axis: str, name: str) -> Table:
    """One row for each point of the axis, one column for each set of modes."""
    columns: dict[str, npt.NDArray[Any]] = {axis: dataset[axis].values}
    for g in dataset["set"].values.tolist():
        columns[f"{name}_{g}"] = dataset[name].values[g]
    meanings = {axis: "in THz", f"{name}_n": variable_of(name).text}
    return Table(_filled_in(title, dataset), columns, meanings)


def long_by_set(dataset: NamedArrays, title: str, names: Sequence[str]) -> Table:
    """Rows of all sets one below the other, without those where the first variable is nan."""
    first = dataset[names[0]].values
    known = np.isfinite(first)
    columns = {"set": np.repeat(dataset["set"].values, first.shape[1])[known.ravel()]}
    columns |= {name: dataset[name].values[known] for name in names}
    meanings = {"set": "number as in modes.csv"}
    meanings |= {name: variable_of(name).text for name in names}
    return Table(title, columns, meanings)


def energy_correlation_table(dataset: NamedArrays) -> Table:
    """One row for each pair of sets of modes."""
    matrix = dataset["energy_correlation"].values
    one, other = np.triu_indices(len(matrix))
    text = variable_of("energy_correlation").text
    return Table(
        "Correlation of the energies of modes; each pair of sets once",
        {"set": one, "set_2": other, "energy_correlation": matrix[one, other]},
        {"set, set_2": "numbers as in modes.csv", "energy_correlation": text},
    )


def _of_site(name: str) -> str:
    return variable_of(name).text + "; site s from 0, direction x"


def _atoms_per_cell(dataset: NamedArrays) -> float:
    """Mean number of atoms in a primitive cell, without the empty sites."""
    n_sites = len(dataset["species"].values)
    if "occupant_count" not in dataset:
        return n_sites
    count_so = dataset["occupant_count"].values
    has_atom = dataset["occupant"].values != "empty"
    return n_sites * float(count_so[:, has_atom].sum() / count_so.sum())


def density_table(dataset: NamedArrays) -> Table:
    """One row for each frequency: density of states, total and by species, site, direction."""
    power, kelvin = dataset["vdos"].values, float(dataset["temperature"])
    density = power / (0.5 * units.BOLTZMANN * kelvin * _atoms_per_cell(dataset))
    species = dataset["species"].values
    columns = {"freq_thz": dataset["freq_thz"].values, "density": density.sum(axis=(0, 1))}
    for name in dict.fromkeys(species.tolist()):
        columns[f"density_{name}"] = density[species == name].sum(axis=(0, 1))
    for k, direction in enumerate("xyz"):
        columns[f"density_{direction}"] = density[:, k].sum(axis=0)
    for s, k in np.ndindex(len(power), 3):
        columns[f"vdos_{s}_{'xyz'[k]}"] = power[s, k]
    return Table(
        "Vibrational density of states of the run, classical",
        columns,
        {
            "freq_thz": "in THz",
            "density": "density of states per atom, in 1/THz (velocity power spectrum of all "
            f"atoms over ½k_BT, T = {kelvin:.6g} K; its integral is the number of degrees of "
            "freedom per atom: 3, less the share of the centre of mass)",
            "density_A, density_x": "contributions of species A and of direction x (each kind "
            "sums to the total)",
            "vdos_s_x": _of_site("vdos"),
        },
    )


SIX = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}
"""Components of a symmetric tensor."""


def run_displacements_table(dataset: NamedArrays) -> Table:
    """One row for each site: components of the mean square displacements in the run."""
    species = dataset["species"].values
    columns = {"site": np.arange(len(species)), "species": species}
    names = ("u2_measured", "u2_measured_sem", "u2_commensurate")
    for name in (one for one in names if one in dataset):
        values = dataset[name].values
        columns |= {f"{name}_{text}": values[:, x, y] for text, (x, y) in SIX.items()}
    meanings = {
        f"{name}_xy": variable_of(name).text for name in ("u2_measured", "u2_commensurate")
    }
    if "b_iso_measured" in dataset:
        for name in ("b_iso_measured", "b_iso_measured_sem"):
            columns[name] = dataset[name].values
        meanings["b_iso_measured"] = variable_of("b_iso_measured").text
    title = "Mean square displacements of the sites in the run, Cartesian"
    return Table(f"{title}; x_sem: standard error of x", columns, meanings)


def energy_density_table(dataset: NamedArrays, *, by_site: bool = True) -> Table:
    """One row for each frequency at each commensurate point of the path."""
    n_points, n_bins = dataset["map_power"].values.shape

    def for_each_frequency(name: str) -> npt.NDArray[Any]:
        return np.repeat(dataset[name].values, n_bins, axis=0)

    columns: dict[str, npt.NDArray[Any]] = {"map_distance": for_each_frequency("map_distance")}
    for letter, column in zip("abc", for_each_frequency("map_q").T, strict=True):
        columns[f"map_q_{letter}"] = column
    columns["map_freq_thz"] = np.tile(dataset["map_freq_thz"].values, n_points)
    columns["map_power"] = dataset["map_power"].values.ravel()
    meanings = {
        name: variable_of(name).text
        for name in ("map_distance", "map_q", "map_freq_thz", "map_power")
    }
    if "map_branch_power" in dataset:
        branches = dataset["map_branch_power"].values.transpose(1, 0, 2)
        columns |= {f"map_branch_power_{m + 1}": p.ravel() for m, p in enumerate(branches)}
        meanings["map_branch_power_m"] = variable_of("map_branch_power").text
    if by_site and "map_site_power" in dataset:
        sites: Floats = dataset["map_site_power"].values.transpose(1, 2, 0, 3)
        for s, k in np.ndindex(sites.shape[:2]):
            columns[f"map_site_power_{s}_{'xyz'[k]}"] = sites[s, k].ravel()
        meanings["map_site_power_s_x"] = _of_site("map_site_power")
    return Table("Spectral energy density along the path", columns, meanings)


def conductivity_table(dataset: NamedArrays) -> Table:
    """One row for each component of the thermal conductivity tensor."""
    directions = np.array(["x", "y", "z"])
    columns: dict[str, npt.NDArray[Any]] = {
        "xyz": np.repeat(directions, 3),
        "xyz_2": np.tile(directions, 3),
    }
    names = [f"kappa_{kind}_w_mk" for kind in ("classical", "quantum")]
    for name in names:
        for part in (name, f"{name}_sem"):
            columns[part] = dataset[part].values.ravel()
    meanings = {name: variable_of(name).text for name in names}
    percent = 100.0 * float(dataset["kappa_filled_share"])
    title = _filled_in(CONDUCTIVITY_TITLE, dataset) + (
        f"; {percent:.3g} % of the classical value from lifetimes estimated by a power law"
    )
    return Table(title, columns, meanings)


def shown_map_table(dataset: NamedArrays) -> Table:
    """One row for each q and frequency of the map, up to just above the highest drawn."""
    highest = (
        float(dataset["band_freq_thz"].values.max()) if "band_freq_thz" in dataset else 0.0
    )
    top = _MARGIN * max(highest, highest_map_freq_thz(dataset))
    shown = dataset.isel(map_freq_thz=dataset["map_freq_thz"].values <= top)
    return energy_density_table(shown, by_site=False)


def highest_map_freq_thz(dataset: NamedArrays) -> float:
    """Frequency in THz below which nearly all the energy of the map lies."""
    cumulative = np.cumsum(dataset["map_power"].values, axis=1)
    # Without optical modes there is no energy at Γ.
    cumulative = cumulative[cumulative[:, -1] > (1.0 - _SHOWN) * cumulative[:, -1].max()]
    below = (cumulative < _SHOWN * cumulative[:, -1:]).sum(axis=1).max(initial=0)
    return float(dataset["map_freq_thz"].values[min(below, cumulative.shape[1] - 1)])
