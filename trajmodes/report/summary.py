"""The summary of results in the terminal, readable in 80 columns without colour."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from io import StringIO

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Ints
from trajmodes.data.modes import signed_squares
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.results import Results, SpectralEnergy
from trajmodes.data.spectra import Verdict
from trajmodes.report.minimised import minimum_lines, minimum_parts
from trajmodes.report.numbers import counted, place_of, plus_minus
from trajmodes.report.properties import property_lines, property_parts, scattering_lines
from trajmodes.report.quasiharmonic import phase_parts, volume_lines, volume_parts
from trajmodes.report.sections import (
    conductivity_line,
    empty_sections_line,
    equipartition_line,
    fit_section,
    lifetimes_line,
    thermostat_line,
)
from trajmodes.report.series import series_lines, series_parts
from trajmodes.report.shells import shell_lines, shell_parts
from trajmodes.report.text.brief import Row, file_lines
from trajmodes.report.text.fit_line import fit_in_one_line
from trajmodes.report.text.mode_table import (
    OPTIONAL,
    list_sets,
    lower_bounds,
)
from trajmodes.report.text.of_run import brief_of_run
from trajmodes.report.text.overview import (
    box_line,
    cell_line,
    crystal_line,
    frequencies_line,
    grid_of,
    map_line,
    run_line,
    supercell_line,
    temperature_line,
    texts_in,
    unresolved_lines,
)
from trajmodes.report.text.species_pairs import species_line, species_parts

WIDTH = 100
"""Largest width of the text: longer lines are hard to read on any terminal."""


def text_of(part: RenderableType) -> str:
    """Render for the terminal, at most 100 columns wide, without trailing blanks."""
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    # Nothing is printed here, not even an empty text: the disk of the output may be full.
    text = StringIO()
    console = Console(
        file=text, width=width, force_terminal=sys.stdout.isatty() or None, force_jupyter=False
    )
    console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def show_results(
    results: Results | SpectralEnergy | NamedArrays,
    files: Mapping[str, str],
    *,
    verbose: bool = False,
) -> str:
    """Brief summary of a run, or the summary of other results, with the names of the files.

    `files` is path → description. If verbose, the whole summary with each file is returned.
    """
    if verbose:
        return text_of(render(results, files=files))
    if not isinstance(results, Results):
        return text_of(Group(render(results), Text(), *file_lines(files)))
    return text_of(brief_of_run(results, _arrays_of(results), files))


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
    parts = _section("Warnings", texts_in(dataset, "warnings"))
    # Warnings come first: numbers below may not mean what they seem to.
    parts = [*parts[1:], Text()] if parts else []
    parts += [grid_of(overview_rows(dataset)), *fit_section(dataset)]
    parts += species_parts(dataset)
    if "set" in dataset.dims:
        parts += [Text(), _modes(dataset, rows)]
    parts += [*property_parts(dataset), *series_parts(dataset), *volume_parts(dataset)]
    parts += minimum_parts(dataset)
    parts += [*shell_parts(dataset), *phase_parts(dataset)]
    for title, lines in (
        ("Not done, why, and what would allow it", texts_in(dataset, "not_done")),
        ("Not resolved, and what would resolve it", unresolved_rows(dataset)),
        ("Notes", [*_other_shapes(dataset), *texts_in(dataset, "notes")]),
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


def _timings(timings: Mapping[str, float]) -> str:
    whole = {**timings, "total": sum(timings.values())}
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in whole.items())


def overview_rows(dataset: NamedArrays) -> list[Row]:
    """Name and text of each line on results of any kind."""
    rows = (
        ("Run", run_line(dataset)),
        ("Crystal", crystal_line(dataset)),
        ("Cell", cell_line(dataset)),
        ("Supercell", supercell_line(dataset)),
        ("Mean box", box_line(dataset)),
        ("Temperature", temperature_line(dataset)),
        ("Fit", fit_in_one_line(dataset)),
        ("By species", species_line(dataset)),
        ("Frequencies", frequencies_line(dataset)),
        ("Map", map_line(dataset)),
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
    )
    return [(name, text) for name, text in rows if text]


def unresolved_rows(dataset: NamedArrays) -> list[str]:
    """List imaginary and unresolved modes, and what would resolve them."""
    return [*_imaginary(dataset), *unresolved_lines(dataset)]


def _modes(dataset: NamedArrays, rows: int | None) -> Group:
    n_sets = dataset.sizes["set"]
    freq = dataset["freq_harmonic_thz"].values
    count = n_sets if rows is None else min(rows, n_sets)
    projected = "verdict" in dataset
    shown = _choose_sets(dataset, count)
    shown = shown[np.argsort(freq[shown], kind="stable")]
    caption = "; ".join(["1.234(56) means 1.234 ± 0.056", *lower_bounds(dataset)])
    if count < n_sets:
        rule = "those with a lifetime first" if projected else "spread over the frequencies"
        listed = projected or "potential_mev" in dataset
        place = "trajmodes show FOLDER modes" if listed else "tables/modes.csv"
        caption += f"; {count} of {counted(n_sets, 'set')}, {rule}; all sets: {place}"
    table, _ = list_sets(dataset, shown.tolist(), _columns(dataset), optional=OPTIONAL)
    return Group(table, Text(caption))


def _columns(dataset: NamedArrays) -> tuple[str, ...]:
    """Choose the columns of the list of sets by what the results contain."""
    if "verdict" in dataset:
        return _PROJECTION_COLUMNS
    if "mode_temperature" in dataset:
        return _ENERGY_COLUMNS
    return _STATIC_COLUMNS if "potential_mev" in dataset else _FIT_COLUMNS


_PROJECTION_COLUMNS = (
    *(
        "set",
        "q",
        "branch",
        "harmonic",
        "line",
        "linewidth",
        "lifetime",
        "energy-lifetime",
        "verdict",
    ),
)
_ENERGY_COLUMNS = (
    *(
        "set",
        "q",
        "branch",
        "harmonic",
        "ratio",
        "temperature",
        "heat-capacity",
        "anharmonicity",
    ),
)
_STATIC_COLUMNS = (
    "set",
    "q",
    "branch",
    "harmonic",
    "displacement",
    "potential",
    "anharmonicity",
)
_FIT_COLUMNS = ("set", "q", "branch", "harmonic", "phi3-linewidth", "gruneisen")
"""Columns with spectra, with energies alone, with those of displacements, and without a
projection; modes.csv has more."""


def _choose_sets(dataset: NamedArrays, count: int) -> Ints:
    """Choose sets to list: those with a lifetime first, evenly spaced in frequency."""
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


def _other_shapes(dataset: NamedArrays) -> list[str]:
    """Report how many resolved lines do not have the shape that was fitted, if any."""
    verdicts, advice = (texts_in(dataset, name) for name in ("verdict", "advice"))
    sets = [g for g, v in enumerate(verdicts) if v == Verdict.RESOLVED and advice[g]]
    if not sets:
        return []
    return [
        f"spectral line of {counted(len(sets), 'set')}, resolved, but not of the fitted shape: "
        f"for example set {sets[0]}: {advice[sets[0]]}; see modes.csv for the others"
    ]
