"""The list of tables of dynamic structure factors, as in `outputs`."""

from functools import partial

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table, table_of

_SPECTRA = ("sqw", "one_phonon_sqw", "sqw_longitudinal", "sqw_transverse")
_LINES = ("one_phonon_freq_thz", "one_phonon_created", "one_phonon_annihilated")


def spectra_table(dataset: NamedArrays) -> Table:
    """One row for each Q and frequency."""
    hkl, freq = dataset["sqw_hkl"].values, dataset["scattering_freq_thz"].values
    columns = {name: np.repeat(hkl[:, x], len(freq)) for x, name in enumerate(("h", "k", "l"))}
    columns["scattering_freq_thz"] = np.tile(freq, len(hkl))
    meanings = {
        "h, k, l": variable_of("sqw_hkl").text,
        "scattering_freq_thz": variable_of("scattering_freq_thz").text,
    }
    for name in (one for base in _SPECTRA for one in (base, f"{base}_sem")):
        if name in dataset:
            columns[name] = dataset[name].values.ravel()
            if not name.endswith("_sem"):
                meanings[name] = variable_of(name).text
    title = "Coherent dynamic structure factors; x_sem is the standard error of x"
    return Table(title, columns, meanings)


def lines_table(dataset: NamedArrays) -> Table:
    """One row for each Q and branch: frequency, intensities and width."""
    hkl = dataset["sqw_hkl"].values
    n_branches = dataset["one_phonon_freq_thz"].values.shape[1]
    columns = {name: np.repeat(hkl[:, x], n_branches) for x, name in enumerate(("h", "k", "l"))}
    columns["branch"] = np.tile(np.arange(1, n_branches + 1), len(hkl))
    meanings = {"h, k, l": variable_of("sqw_hkl").text, "branch": "ascending, from 1"}
    for base in (*_LINES, "one_phonon_width_thz"):
        for name in (base, f"{base}_sem"):
            if name in dataset:
                columns[name] = dataset[name].values.ravel()
        if base in dataset:
            meanings[base] = variable_of(base).text
    title = "One-phonon lines of the force constants; x_sem is the standard error of x"
    return Table(title, columns, meanings)


def spans_plane(dataset: NamedArrays) -> bool:
    """Whether the Q lie in a plane and not all on one line."""
    places = dataset["sqw_place"].values
    return bool(np.linalg.matrix_rank(places - places[0], tol=1e-6) == 2)


SCATTERING_TABLES = (
    Output(
        "tables/sqw.csv",
        "dynamic structure factors by Q and frequency",
        ("sqw", "one_phonon_sqw"),
        spectra_table,
    ),
    Output(
        "tables/static.csv",
        "structure factor S(Q) and elastic part of the run",
        ("sqw_static",),
        partial(
            table_of,
            title="Structure factor of the run; x_sem is the standard error of x",
            names=("sqw_hkl", "sqw_length", "sqw_static", "sqw_bragg"),
        ),
    ),
    Output(
        "tables/one_phonon.csv",
        "one-phonon lines by Q and branch: frequencies, intensities, widths",
        ("one_phonon_freq_thz",),
        lines_table,
    ),
)
"""Tables of `trajmodes sqw` and `trajmodes one-phonon`."""
