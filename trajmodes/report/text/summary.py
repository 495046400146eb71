"""What a run gave, in the terminal: readable without colour and in 80 columns."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Ints
from trajmodes.data.modes import signed_squares
from trajmodes.data.results import Finding, Results, SpectralEnergy
from trajmodes.data.spectra import Verdict
from trajmodes.notes import Note
from trajmodes.report.text.fit import fit_in_one_line, fit_section
from trajmodes.report.text.mode_table import SetList, list_sets
from trajmodes.report.text.modes import (
    conductivity_line,
    equipartition_line,
    legs_line,
    lifetimes_line,
    thermostat_line,
)
from trajmodes.report.text.numbers import counted, place_of, plus_minus, size_of
from trajmodes.results.stored import NamedArrays

_NAMED_FILES = 3
"""So many names of input files are told."""


def render(
    results: Results | SpectralEnergy | NamedArrays,
    *,
    rows: int | None = 30,
    files: Mapping[str, str] | None = None,
) -> Group:
    """Tell what was run and what came out.

    Parameters
    ----------
    results
        What a run gave, a map of its spectral energy, or the Dataset read back from
        results.nc.
    rows
        So many sets of modes are listed, evenly spread over the frequencies; None for all.
    files
        Name of each file that was written → what it is.
    """
    dataset = _arrays_of(results)
    parts: list[RenderableType] = [_overview(dataset), *fit_section(dataset)]
    if "set" in dataset.dims:
        parts += [Text(), _modes(dataset, rows)]
    notes = [*_imaginary(dataset), *_unresolved(dataset)]
    for title, lines in (
        ("Not resolved, and what would help", notes),
        ("Warnings", [Text(str(text)) for text in _texts(dataset, "warnings")]),
        ("Notes", [Text(str(text)) for text in _texts(dataset, "notes")]),
        ("Files", _files(files or {})),
    ):
        parts += _section(title, lines)
    if isinstance(results, Results) and results.timings:
        parts += _section("Seconds", [_timings(results.timings)])
    return Group(*parts)


def _arrays_of(results: Results | SpectralEnergy | NamedArrays) -> NamedArrays:
    if not isinstance(results, Results | SpectralEnergy):
        return results
    from trajmodes.results.dataset import to_dataset  # noqa: PLC0415 - xarray loads slowly

    return to_dataset(results)


def render_spectral_energy(sed: SpectralEnergy, files: Mapping[str, str]) -> Group:
    """Tell what was mapped, and where it was written.

    Parameters
    ----------
    sed
        A map of the spectral energy.
    files
        Name of each file that was written → what it is.
    """
    return render(sed, files=files)


def _section(title: str, lines: list[Text]) -> list[RenderableType]:
    if not lines:
        return []
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", line)
    return [Text(), Text(title, style="bold"), grid]


def _texts(dataset: NamedArrays, name: str) -> list[str]:
    return dataset[name].values.tolist() if name in dataset else []


def _files(files: Mapping[str, str]) -> list[Text]:
    return [Text(f"{name}: {text}") for name, text in files.items()]


def _timings(timings: Mapping[str, float]) -> Text:
    total = sum(timings.values())
    parts = [f"{stage} {seconds:.1f}" for stage, seconds in timings.items()]
    return Text(", ".join([*parts, f"together {total:.1f}"]))


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
        ("Path", legs_line(dataset)),
        ("Equipartition", equipartition_line(dataset)),
        ("Thermostat", thermostat_line(dataset)),
        ("Lifetimes", lifetimes_line(dataset)),
        ("Conductivity", conductivity_line(dataset)),
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
    """Tell files of one name, which runs in folders of their own have, together."""
    if len(sizes) == 1:
        return f"{name} ({size_of(sizes[0])})"
    if len(set(sizes)) == 1:
        return f"{len(sizes)} × {name} ({size_of(sizes[0])} each)"
    return f"{len(sizes)} × {name} ({size_of(sum(sizes))} together)"


def _crystal(dataset: NamedArrays) -> str:
    counts = Counter(dataset["species"].values.tolist())
    formula = "".join(f"{name}{n if n > 1 else ''}" for name, n in counts.items())
    volume = abs(float(np.linalg.det(dataset["cell"].values)))
    sites = counted(sum(counts.values()), "site")
    return f"{formula}, {sites} in {volume:.2f} Å³"


def _cell(dataset: NamedArrays) -> str:
    # Rounding leaves 1e-12 Å where there is nothing.
    cell = dataset["cell"].values.round(6) + 0.0
    rows = [", ".join(f"{x:.5g}" for x in row) for row in cell]
    return f"({') ('.join(rows)}) Å; q are reduced in its reciprocal"


def _supercell(dataset: NamedArrays) -> str:
    matrix = dataset["supercell_matrix"].values
    cells = round(abs(float(np.linalg.det(matrix))))
    rows = ", ".join(" ".join(str(x) for x in row) for row in matrix.tolist())
    return f"[{rows}], {cells} cells, {cells * dataset.sizes['site']} atoms"


def _temperature(dataset: NamedArrays) -> str:
    if "temperature" not in dataset:
        known = "fit_temperature" in dataset
        return f"{float(dataset['fit_temperature']):.4g} K" if known else ""
    value, sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    return f"{plus_minus(value, sem)} K, kinetic, centre of mass left out"


def _frequencies(dataset: NamedArrays) -> str:
    if "mode_freq_thz" not in dataset:
        return ""
    freq = dataset["mode_freq_thz"].values
    sets = f" in {dataset.sizes['set']} sets of equal modes" if "set" in dataset.dims else ""
    return (
        f"up to {freq.max():.3f} THz; {freq.shape[0]} q points (one of each ±q), "
        f"{freq.size} modes{sets}"
    )


def _map(dataset: NamedArrays) -> str:
    """Tell of the spectral energy along the path, where there is little else."""
    if "map_power" not in dataset or "set" in dataset.dims:
        return ""
    freq = dataset["map_freq_thz"].values
    places = len(np.unique(dataset["map_distance"].values.round(6)))
    # A path that comes back to a q, or to one a reciprocal lattice vector away, counts it once.
    inside = np.round(dataset["map_q"].values, 6) % 1.0
    parts = [
        f"spectral energy at {counted(places, 'point')} of the path ("
        f"{len(np.unique(inside, axis=0))} different q), up to {freq[-1]:.4g} THz in steps of "
        f"{freq[1] - freq[0]:.3g} THz"
    ]
    for name, told in (("branch", "by branch"), ("site", "by site and direction")):
        if f"map_{name}_power" in dataset:
            parts.append(told)
    return ", ".join(parts)


def _modes(dataset: NamedArrays, rows: int | None) -> SetList:
    n_sets = dataset.sizes["set"]
    freq = dataset["freq_harmonic_thz"].values
    count = n_sets if rows is None else min(rows, n_sets)
    projected = "verdict" in dataset
    shown = _chosen(dataset, count)
    shown = shown[np.argsort(freq[shown], kind="stable")]
    told = "1.23(5) is 1.23 ± 0.05"
    if count < n_sets:
        rule = "those with a lifetime first" if projected else "spread over the frequencies"
        place = "trajmodes modes FOLDER" if projected else "tables/modes.csv"
        told += f"; {count} of {counted(n_sets, 'set')}, {rule}; all: {place}"
    names = _OF_LINES if projected else _OF_FIT
    return list_sets(dataset, shown.tolist(), names, spare=_SPARE, caption=told)


_OF_LINES = (
    *("set", "q", "branch", "harmonic", "line", "width", "life", "energy life", "verdict"),
)
_OF_FIT = ("set", "q", "branch", "harmonic", "Φ3 width", "γ")
"""Columns with and without a projection; the rest is in modes.csv."""
_SPARE = ("width", "line", "branch")
"""Columns to leave out where it is too narrow for all, in this order."""


def _chosen(dataset: NamedArrays, count: int) -> Ints:
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


def _imaginary(dataset: NamedArrays) -> list[Text]:
    """ω² < 0 of the fitted constants, with the verdict that its error bar allows."""
    if "freq_harmonic_thz" not in dataset:
        return []
    freq, sem_thz = dataset["freq_harmonic_thz"].values, dataset.get("freq_harmonic_thz_sem")
    squares, sems = signed_squares(freq, None if sem_thz is None else sem_thz.values)
    lines = []
    for g in np.flatnonzero(freq < 0.0):
        place = f"set {g} at q = {place_of(dataset.isel(set=g).variables)} is imaginary"
        square = float(squares[g])
        if sems is None:
            lines.append(Text(f"{place}: f² = {square:.3g} THz², error unknown"))
            continue
        sem = float(sems[g])
        means = "zero within its error" if -square < 2.0 * sem else "the crystal is unstable"
        lines.append(Text(f"{place}: f² = {plus_minus(square, sem)} THz², {means}"))
    return lines


def _unresolved(dataset: NamedArrays) -> list[Text]:
    """Each reason once, with how many sets it holds for and what would help."""
    return [
        line
        for names, what in (
            (("verdict", "advice"), ""),
            (("energy_verdict", "energy_advice"), "energy correlation of "),
        )
        if names[0] in dataset
        for line in _reasons(_texts(dataset, names[0]), _texts(dataset, names[1]), what)
    ]


def _reasons(verdicts: list[str], advice: list[str], what: str) -> Iterable[Text]:
    for verdict in dict.fromkeys(v for v in verdicts if v != Verdict.RESOLVED):
        sets = [g for g, v in enumerate(verdicts) if v == verdict]
        reason = verdict.removeprefix("not resolved: ")
        if len({advice[g] for g in sets}) == 1:
            text = advice[sets[0]]
        else:
            text = f"set {sets[0]}, for one: {advice[sets[0]]}; for the others see modes.csv"
        yield Text(f"{what}{counted(len(sets), 'set')}, {reason}{f': {text}' if text else ''}")


def check_rows(diagnosis: Mapping[str, Finding]) -> list[tuple[str, str, str, str]]:
    """Rows for `render_check` from the figures of a check.

    Parameters
    ----------
    diagnosis
        Name → figure.
    """
    return [
        (name, "" if finding.value != finding.value else f"{finding.value:.6g}", *finding[1:])
        for name, finding in diagnosis.items()
    ]


def render_check(rows: Iterable[tuple[str, str, str, str]], notes: Iterable[Note]) -> Group:
    """Tell what a check of the input found.

    Parameters
    ----------
    rows
        (name, value, unit, note) of every figure.
    notes
        What follows from them; the worst come first.
    """
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("what it tells")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    order = {"error": 0, "warning": 1, "note": 2, "ok": 3}
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    styles = {"error": "bold red", "warning": "yellow", "note": "", "ok": "green"}
    words = {"error": "STOP", "warning": "look", "note": "note", "ok": "fine"}
    for note in sorted(notes, key=lambda note: order[note.severity]):
        grid.add_row(Text(words[note.severity], style=styles[note.severity]), Text(note.text))
        for name, text in (("why", note.why), ("fix", note.fix)):
            if text:
                grid.add_row(Text(name, style="bold"), Text(text))
    return Group(table, Text(), grid)
