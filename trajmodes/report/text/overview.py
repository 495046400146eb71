"""Lines of the summary on the run, its crystal, and unresolved modes."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from rich.table import Table
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import Verdict
from trajmodes.report.numbers import counted, plus_minus, size_of

_NAMED_FILES = 3
"""At most this many names of input files are printed."""


def grid_of(rows: Iterable[tuple[str, str]]) -> Table:
    """Lay out names and texts in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, text in rows:
        grid.add_row(name, Text(text))
    return grid


def texts_in(dataset: NamedArrays, name: str) -> list[str]:
    """List the texts of a variable; none without it."""
    return dataset[name].values.tolist() if name in dataset else []


def run_line(dataset: NamedArrays) -> str:
    """Name the files of the run, with their sizes."""
    sizes: dict[str, list[int]] = {}
    for k, name in enumerate(texts_in(dataset, "input_name")):
        sizes.setdefault(name, []).append(int(dataset["input_bytes"].values[k]))
    inputs = [_files_of_a_name(name, sizes[name]) for name in sizes]
    unnamed = sum(map(len, list(sizes.values())[_NAMED_FILES:]))
    more = [f"and {counted(unnamed, 'more file')}"] if unnamed else []
    return ", ".join(inputs[:_NAMED_FILES] + more) or str(dataset.attrs.get("command", ""))


def _files_of_a_name(name: str, sizes: list[int]) -> str:
    """Files of the same name in several folders, as one item."""
    if len(sizes) == 1:
        return f"{name} ({size_of(sizes[0])})"
    if len(set(sizes)) == 1:
        return f"{len(sizes)} × {name} ({size_of(sizes[0])} each)"
    return f"{len(sizes)} × {name} ({size_of(sum(sizes))} in total)"


def crystal_line(dataset: NamedArrays) -> str:
    """State formula, sites and volume of the primitive cell."""
    if "cell" not in dataset:
        return ""
    counts = Counter(dataset["species"].values.tolist())
    formula = "".join(f"{name}{n if n > 1 else ''}" for name, n in counts.items())
    volume = abs(float(np.linalg.det(dataset["cell"].values)))
    sites = counted(sum(counts.values()), "site")
    return f"{formula}, {sites} in {volume:.2f} Å³"


def cell_line(dataset: NamedArrays) -> str:
    """List the vectors of the primitive cell."""
    if "cell" not in dataset:
        return ""
    # Rounding errors of 1e-12 Å are printed as zero.
    cell = dataset["cell"].values.round(6) + 0.0
    rows = [", ".join(f"{x:.5g}" for x in row) for row in cell]
    return f"({') ('.join(rows)}) Å; q in units of its reciprocal vectors"


def supercell_line(dataset: NamedArrays) -> str:
    """State the supercell matrix, the cells and atoms."""
    if "supercell_matrix" not in dataset:
        return ""
    matrix = dataset["supercell_matrix"].values
    cells = round(abs(float(np.linalg.det(matrix))))
    rows = ", ".join(" ".join(str(x) for x in row) for row in matrix.tolist())
    return f"[{rows}], {cells} cells, {cells * dataset.sizes['site']} atoms"


def box_line(dataset: NamedArrays) -> str:
    """State the lengths of a mean box with their errors, and its fluctuation."""
    if "box_mean" not in dataset:
        return ""
    box = dataset["box_mean"].values
    lengths = np.linalg.norm(box, axis=1)
    errors = np.full(3, np.nan)
    if "box_mean_sem" in dataset:
        # An upper bound, exact for vectors along an axis: errors of the components are added.
        errors = (np.abs(box) * dataset["box_mean_sem"].values).sum(axis=1) / lengths
    sides = " × ".join(plus_minus(*one) for one in zip(lengths, errors, strict=True))
    rms = np.linalg.norm(dataset["box_strain_rms"].values)
    return f"{sides} Å on average; rms strain {rms:.2g}"


def temperature_line(dataset: NamedArrays) -> str:
    """State the temperature of the run, or that of the fit."""
    if "temperature" not in dataset:
        known = "fit_temperature" in dataset
        return f"{float(dataset['fit_temperature']):.4g} K" if known else ""
    value, sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    return f"{plus_minus(value, sem)} K, kinetic, without the centre of mass"


def frequencies_line(dataset: NamedArrays) -> str:
    """State the highest frequency, and the numbers of q points and modes."""
    if "mode_freq_thz" not in dataset:
        return ""
    freq = dataset["mode_freq_thz"].values
    n_sets = dataset.sizes.get("set", 0)
    sets = f" in {n_sets} sets of symmetry-equivalent ones" if n_sets else ""
    return (
        f"up to {freq.max():.3f} THz; {freq.shape[0]} q points (one of each ±q), "
        f"{freq.size} modes{sets}"
    )


def map_line(dataset: NamedArrays) -> str:
    """Size of the spectral energy map, if the results are a map alone."""
    if "map_power" not in dataset or "set" in dataset.dims:
        return ""
    freq = dataset["map_freq_thz"].values
    places = len(np.unique(dataset["map_distance"].values.round(6)))
    # Points of the path that are equal up to a reciprocal lattice vector count once.
    inside = np.round(dataset["map_q"].values, 6) % 1.0
    by_branch = ", by branch" if "map_branch_power" in dataset else ""
    by_site = ", by site and direction" if "map_site_power" in dataset else ""
    return (
        f"spectral energy density at {counted(places, 'point')} of the path ("
        f"{len(np.unique(inside, axis=0))} distinct q), up to {freq[-1]:.4g} THz in steps of "
        f"{freq[1] - freq[0]:.3g} THz{by_branch}{by_site}"
    )


def unresolved_lines(dataset: NamedArrays) -> Iterable[str]:
    """One line for each reason: the number of unresolved sets, and what would resolve them."""
    for kind, method in (("", "spectral line"), ("energy_", "energy autocorrelation")):
        verdicts, advice = (texts_in(dataset, kind + name) for name in ("verdict", "advice"))
        for verdict in dict.fromkeys(v for v in verdicts if v != Verdict.RESOLVED):
            sets = [g for g, v in enumerate(verdicts) if v == verdict]
            text = advice[sets[0]]
            if len({advice[g] for g in sets}) > 1:
                text = f"for example set {sets[0]}: {text}; see modes.csv for the others"
            reason = verdict.removeprefix("not resolved: ") + (f": {text}" if text else "")
            yield f"{method} of {counted(len(sets), 'set')}, {reason}"
