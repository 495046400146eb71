"""Tables of `trajmodes spectral-function`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table, table_of

_PLACE = {
    "point": "number of the q point in spectral_modes.csv, from 0",
    "branch": "branch, from 1",
}


def modes_table(dataset: NamedArrays) -> Table:
    """One row for each q point and branch: frequencies, widths, shifts."""
    n_points, n_branches = dataset["spectral_harmonic_thz"].values.shape
    wanted = ["spectral_harmonic_thz"]
    for kind in ("classical", "quantum"):
        wanted += [f"spectral_{name}_{kind}_thz" for name in ("peak", "width", "golden_rule")]
        wanted += [f"static_shift_{kind}_thz"]
    wanted += ["measured_peak_thz", "measured_width_thz"]
    columns = {
        "reciprocal": PlainArray(("reciprocal",), dataset["reciprocal"].values),
        "spectral_q": PlainArray(
            ("mode", "reciprocal"), np.repeat(dataset["spectral_q"].values, n_branches, axis=0)
        ),
        "branch": PlainArray(("mode",), np.tile(np.arange(1, n_branches + 1), n_points)),
    }
    for name in ("spectral_name", "spectral_distance"):
        if name in dataset:
            columns[name] = PlainArray(("mode",), np.repeat(dataset[name].values, n_branches))
    for name in (name for base in wanted for name in (base, f"{base}_sem") if name in dataset):
        columns[name] = PlainArray(("mode",), dataset[name].values.ravel())
    kelvin = float(dataset["spectral_temperature"])
    title = (
        f"Lines of the modes from three-phonon scattering at {kelvin:.6g} K; static part of "
        f"the self-energy {dataset['spectral_static_part'].item()}; x_sem is the standard "
        "error of x"
    )
    places = ["spectral_q", "spectral_name", "spectral_distance", "branch"]
    named = table_of(PlainArrays(columns, {}), title, [*places, *wanted])
    point = np.repeat(np.arange(n_points), n_branches)
    return Table(title, {"point": point, **named.columns}, named.meanings)


def functions_table(dataset: NamedArrays) -> Table:
    """One row for each q point, branch and frequency: self-energy and spectral function."""
    freq = dataset["spectral_freq_thz"].values
    names = [
        name
        for kind in ("classical", "quantum")
        for name in (
            f"self_energy_gamma_{kind}_thz",
            f"self_energy_delta_{kind}_thz",
            f"spectral_function_{kind}",
        )
    ]
    shape = dataset[names[0]].values.shape
    freqs = {"spectral_freq_thz": np.broadcast_to(freq, shape)}
    return _long_table(dataset, "Self-energies and spectral functions", freqs, names)


def lines_table(dataset: NamedArrays) -> Table:
    """One row for each q point, branch and frequency of a measured line."""
    freqs = {"measured_line_freq_thz": dataset["measured_line_freq_thz"].values}
    names = ["measured_line_power", "measured_line_predicted"]
    return _long_table(dataset, "Measured lines and spectral functions", freqs, names)


def _long_table(
    dataset: NamedArrays, title: str, axis: dict[str, npt.NDArray[Any]], names: list[str]
) -> Table:
    """Rows (q point, branch, frequency) where the last variable is known."""
    known = np.isfinite(dataset[names[-1]].values)
    point, branch, _ = np.nonzero(known)
    columns: dict[str, npt.NDArray[Any]] = {"point": point, "branch": branch + 1}
    columns |= {name: values[known] for name, values in axis.items()}
    columns |= {name: dataset[name].values[known] for name in names}
    meanings = {name: variable_of(name).text for name in [*axis, *names]}
    return Table(title, columns, {**_PLACE, **meanings})


SPECTRAL_TABLES = (
    Output(
        "tables/spectral_modes.csv",
        (
            ("", "frequencies, widths and shifts of modes from three-phonon scattering"),
            ("measured_width_thz", ", and those of the run"),
        ),
        ("spectral_point",),
        modes_table,
    ),
    Output(
        "tables/spectral_functions.csv",
        "self-energies and spectral functions of modes",
        ("spectral_freq_thz",),
        functions_table,
    ),
    Output(
        "tables/spectral_lines.csv",
        "measured lines, and spectral functions with their resolution",
        ("measured_line_power",),
        lines_table,
    ),
)
"""Tables of `trajmodes spectral-function`."""
