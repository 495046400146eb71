"""The summary of results in the terminal, readable in 80 columns without colour."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Literal

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Ints
from trajmodes.data.modes import signed_squares
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.results import Finding, Results, SpectralEnergy
from trajmodes.data.spectra import Verdict
from trajmodes.notes import Note
from trajmodes.report.minimised import minimum_lines, minimum_parts
from trajmodes.report.mode_table import SetList, list_sets, lower_bounds, render_modes
from trajmodes.report.numbers import counted, place_of, plus_minus, size_of
from trajmodes.report.properties import property_lines, property_parts, scattering_lines
from trajmodes.report.quasiharmonic import phase_parts, volume_lines, volume_parts
from trajmodes.report.sections import (
    conductivity_line,
    empty_sections_line,
    equipartition_line,
    fit_in_one_line,
    fit_section,
    lifetimes_line,
    thermostat_line,
)
from trajmodes.report.series import series_lines, series_parts
from trajmodes.report.shells import shell_lines, shell_parts
from trajmodes.results.netcdf import read_arrays

WIDTH = 100
"""Largest width of the text: longer lines are hard to read on any terminal."""

_NAMED_FILES = 3
"""At most this many names of input files are printed."""


def text_of(part: RenderableType) -> str:
    """Render for the terminal, at most 100 columns wide."""
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    # Nothing is printed here, not even an empty text: the disk of the output may be full.
    text = StringIO()
    console = Console(file=text, width=width, force_terminal=sys.stdout.isatty() or None)
    console.print(part)
    return text.getvalue()


def show_results(
    results: Results | SpectralEnergy | NamedArrays, files: Mapping[str, str]
) -> str:
    """Summary of the results, and the files that hold them (path → description)."""
    return text_of(render(results, files=files))


def show_file(path: str) -> str:
    """Summary of the results in a file ``results.nc``.

    Raises
    ------
    DataError
        If it is not a results file.
    """
    return text_of(render(read_arrays(path), rows=None))


def show_modes(
    path: str,
    *,
    sort: Literal["q", "frequency", "lifetime"] = "q",
    only_resolved: bool = False,
) -> str:
    """Table of all modes of ``results.nc`` or its folder, one row for each set of modes.

    Raises
    ------
    DataError
        If it is not a results file.
    """
    return text_of(render_modes(read_arrays(path), sort=sort, only_resolved=only_resolved))


def render(
    results: Results | SpectralEnergy | NamedArrays,
    *,
    rows: int | None = 30,
    files: Mapping[str, str] | None = None,
) -> Group:
    """Make the summary of a run.

    Parameters
    ----------
    results
        Results of a run, a map of its spectral energy density, or the Dataset of results.nc.
    rows
        Number of sets of modes to list, evenly spread over the frequencies; None for all.
    files
        Name of each file that was written → its description.
    """
    dataset = _arrays_of(results)
    parts = _section("Warnings", _texts(dataset, "warnings"))
    # Warnings come first: numbers below may not mean what they seem to.
    parts = [*parts[1:], Text()] if parts else []
    parts += [_overview(dataset), *fit_section(dataset)]
    if "set" in dataset.dims:
        parts += [Text(), _modes(dataset, rows)]
    parts += [*property_parts(dataset), *series_parts(dataset), *volume_parts(dataset)]
    parts += minimum_parts(dataset)
    parts += [*shell_parts(dataset), *phase_parts(dataset)]
    unresolved = [*_imaginary(dataset), *_unresolved(dataset)]
    for title, lines in (
        ("Not resolved, and what would resolve it", unresolved),
        ("Notes", [*_other_shapes(dataset), *_texts(dataset, "notes")]),
        ("Files", [f"{name}: {text}" for name, text in (files or {}).items()]),
    ):
        parts += _section(title, lines)
    if isinstance(results, Results) and results.timings:
        parts += _section("Timings in seconds", [_timings(results.timings)])
    return Group(*parts)


def _arrays_of(results: Results | SpectralEnergy | NamedArrays) -> NamedArrays:
    if not isinstance(results, Results | SpectralEnergy):
        return results
    from trajmodes.results.dataset import to_dataset  # noqa: PLC0415 - xarray loads slowly

    return to_dataset(results)


def _section(title: str, texts: Iterable[str]) -> list[RenderableType]:
    lines = [Text(text) for text in texts]
    if not lines:
        return []
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", line)
    return [Text(), Text(title, style="bold"), grid]


def _texts(dataset: NamedArrays, name: str) -> list[str]:
    return dataset[name].values.tolist() if name in dataset else []


def _timings(timings: Mapping[str, float]) -> str:
    whole = {**timings, "total": sum(timings.values())}
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in whole.items())


def _overview(dataset: NamedArrays) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, text in (
        ("Run", _run(dataset)),
        ("Crystal", _crystal(dataset)),
        ("Cell", _cell(dataset)),
        ("Supercell", _supercell(dataset)),
        ("Temperature", _temperature(dataset)),
        ("Fit", fit_in_one_line(dataset)),
        ("Frequencies", _frequencies(dataset)),
        ("Map", _map(dataset)),
        ("Path", empty_sections_line(dataset)),
        ("Equipartition", equipartition_line(dataset)),
        ("Thermostat", thermostat_line(dataset)),
        ("Lifetimes", lifetimes_line(dataset)),
        ("Conductivity", conductivity_line(dataset)),
        *property_lines(dataset),
        *series_lines(dataset),
        *volume_lines(dataset),
        *minimum_lines(dataset),
        *scattering_lines(dataset),
        *shell_lines(dataset),
    ):
        if text:
            grid.add_row(name, Text(text))
    return grid


def _run(dataset: NamedArrays) -> str:
    sizes: dict[str, list[int]] = {}
    for k, name in enumerate(_texts(dataset, "input_name")):
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


def _crystal(dataset: NamedArrays) -> str:
    if "cell" not in dataset:
        return ""
    counts = Counter(dataset["species"].values.tolist())
    formula = "".join(f"{name}{n if n > 1 else ''}" for name, n in counts.items())
    volume = abs(float(np.linalg.det(dataset["cell"].values)))
    sites = counted(sum(counts.values()), "site")
    return f"{formula}, {sites} in {volume:.2f} Å³"


def _cell(dataset: NamedArrays) -> str:
    if "cell" not in dataset:
        return ""
    # Rounding errors of 1e-12 Å are printed as zero.
    cell = dataset["cell"].values.round(6) + 0.0
    rows = [", ".join(f"{x:.5g}" for x in row) for row in cell]
    return f"({') ('.join(rows)}) Å; q in units of its reciprocal vectors"


def _supercell(dataset: NamedArrays) -> str:
    if "supercell_matrix" not in dataset:
        return ""
    matrix = dataset["supercell_matrix"].values
    cells = round(abs(float(np.linalg.det(matrix))))
    rows = ", ".join(" ".join(str(x) for x in row) for row in matrix.tolist())
    return f"[{rows}], {cells} cells, {cells * dataset.sizes['site']} atoms"


def _temperature(dataset: NamedArrays) -> str:
    if "temperature" not in dataset:
        known = "fit_temperature" in dataset
        return f"{float(dataset['fit_temperature']):.4g} K" if known else ""
    value, sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    return f"{plus_minus(value, sem)} K, kinetic, without the centre of mass"


def _frequencies(dataset: NamedArrays) -> str:
    if "mode_freq_thz" not in dataset:
        return ""
    freq = dataset["mode_freq_thz"].values
    n_sets = dataset.sizes.get("set", 0)
    sets = f" in {n_sets} sets of symmetry-equivalent ones" if n_sets else ""
    return (
        f"up to {freq.max():.3f} THz; {freq.shape[0]} q points (one of each ±q), "
        f"{freq.size} modes{sets}"
    )


def _map(dataset: NamedArrays) -> str:
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


def _modes(dataset: NamedArrays, rows: int | None) -> SetList:
    n_sets = dataset.sizes["set"]
    freq = dataset["freq_harmonic_thz"].values
    count = n_sets if rows is None else min(rows, n_sets)
    projected = "verdict" in dataset
    by_energy = _ENERGY_COLUMNS if "mode_temperature" in dataset else _FIT_COLUMNS
    shown = _choose_sets(dataset, count)
    shown = shown[np.argsort(freq[shown], kind="stable")]
    caption = "; ".join(["1.23(5) means 1.23 ± 0.05", *lower_bounds(dataset)])
    if count < n_sets:
        rule = "those with a lifetime first" if projected else "spread over the frequencies"
        listed = projected or "mode_temperature" in dataset
        place = "trajmodes modes FOLDER" if listed else "tables/modes.csv"
        caption += f"; {count} of {counted(n_sets, 'set')}, {rule}; all sets: {place}"
    names = _PROJECTION_COLUMNS if projected else by_energy
    return list_sets(dataset, shown.tolist(), names, optional=_OPTIONAL, caption=caption)


_PROJECTION_COLUMNS = (
    *("set", "q", "branch", "harmonic", "line", "width", "life", "energy life", "verdict"),
)
_ENERGY_COLUMNS = (
    *("set", "q", "branch", "harmonic", "ratio", "temperature", "heat", "anharmonicity"),
)
_FIT_COLUMNS = ("set", "q", "branch", "harmonic", "Φ3 width", "γ")
"""Columns with spectra, with energies alone and without a projection; modes.csv has more."""
_OPTIONAL = ("width", "line", "branch")
"""Columns to leave out on a narrow terminal, in this order."""


def _choose_sets(dataset: NamedArrays, count: int) -> Ints:
    """Choose sets to list: those with a lifetime first, spread evenly over the frequencies."""
    order = np.argsort(dataset["freq_harmonic_thz"].values, kind="stable")
    resolved = np.zeros(len(order), dtype=bool)
    for name in ("resolved", "energy_resolved"):
        if name in dataset:
            resolved |= dataset[name].values[order].astype(bool)
    chosen: list[Ints] = []
    for group in (order[resolved], order[~resolved]):
        room = min(count - sum(map(len, chosen)), len(group))
        chosen.append(group[np.linspace(0, len(group) - 1, room).round().astype(int)])
    return np.concatenate(chosen)


def _imaginary(dataset: NamedArrays) -> list[str]:
    """List sets with ω² < 0, and whether this is significant."""
    if "freq_harmonic_thz" not in dataset:
        return []
    freq, sem_thz = dataset["freq_harmonic_thz"].values, dataset.get("freq_harmonic_thz_sem")
    squares, sems = signed_squares(freq, None if sem_thz is None else sem_thz.values)
    lines = []
    for g in np.flatnonzero(freq < 0.0):
        place = f"set {g} at q = {place_of(dataset.isel(set=g).variables)} is imaginary"
        square = float(squares[g])
        if sems is None:
            lines.append(f"{place}: f² = {square:.3g} THz², error unknown")
            continue
        sem = float(sems[g])
        verdict = "zero within its error" if -square < 2.0 * sem else "the crystal is unstable"
        lines.append(f"{place}: f² = {plus_minus(square, sem)} THz², {verdict}")
    return lines


def _unresolved(dataset: NamedArrays) -> Iterable[str]:
    """One line for each reason: number of sets, and what would resolve them."""
    for kind, method in (("", "spectral line"), ("energy_", "energy autocorrelation")):
        verdicts, advice = (_texts(dataset, kind + name) for name in ("verdict", "advice"))
        for verdict in dict.fromkeys(v for v in verdicts if v != Verdict.RESOLVED):
            sets = [g for g, v in enumerate(verdicts) if v == verdict]
            text = advice[sets[0]]
            if len({advice[g] for g in sets}) > 1:
                text = f"for example set {sets[0]}: {text}; see modes.csv for the others"
            reason = verdict.removeprefix("not resolved: ") + (f": {text}" if text else "")
            yield f"{method} of {counted(len(sets), 'set')}, {reason}"


def _other_shapes(dataset: NamedArrays) -> list[str]:
    """Report how many resolved lines do not have the shape that was fitted, if any."""
    verdicts, advice = (_texts(dataset, name) for name in ("verdict", "advice"))
    sets = [g for g, v in enumerate(verdicts) if v == Verdict.RESOLVED and advice[g]]
    if not sets:
        return []
    return [
        f"spectral line of {counted(len(sets), 'set')}, resolved, but not of the fitted shape: "
        f"for example set {sets[0]}: {advice[sets[0]]}; see modes.csv for the others"
    ]


def check_rows(diagnosis: Mapping[str, Finding]) -> list[tuple[str, str, str, str]]:
    """Name, value, unit and meaning of each quantity of a check, for `render_check`."""
    return [
        (name, "" if finding.value != finding.value else f"{finding.value:.6g}", *finding[1:])
        for name, finding in diagnosis.items()
    ]


def render_check(rows: Iterable[tuple[str, str, str, str]], notes: Iterable[Note]) -> Group:
    """Make the report of a check: a row for each quantity, then notes, the worst first."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("quantity", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("meaning")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    order = {"error": 0, "warning": 1, "note": 2, "ok": 3}
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    styles = {"error": "bold red", "warning": "yellow", "note": "", "ok": "green"}
    for note in sorted(notes, key=lambda note: order[note.severity]):
        grid.add_row(Text(note.severity, style=styles[note.severity]), Text(note.text))
        for name, text in (("why", note.why), ("fix", note.fix)):
            if text:
                grid.add_row(Text(name, style="bold"), Text(text))
    return Group(table, Text(), grid)
