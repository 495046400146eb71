"""`trajmodes phases`: where two phases have the same Gibbs free energy."""

from collections import Counter
from dataclasses import replace
from math import gcd
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Group
from rich.table import Table as TextTable
from rich.text import Text

from trajmodes.data.named_arrays import PlainArray, PlainArrays
from trajmodes.data.quasiharmonic import Crossing, GibbsEnergy, PhaseBoundary
from trajmodes.errors import DataError
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.report.numbers import plus_minus
from trajmodes.report.summary import text_of
from trajmodes.results.folder import Writer, open_folder, require_replaceable, write_files
from trajmodes.results.netcdf import read_results
from trajmodes.results.tables import Table
from trajmodes.thermo.quasiharmonic.phases import phase_boundary
from trajmodes.units import BOLTZMANN, GIGAPASCAL

CROSSINGS, DIFFERENCES, FIGURE = "crossings.csv", "differences.csv", "phases.png"
PRESSURES = "pressures.csv"


def phases_job(
    first: str | xr.Dataset, second: str | xr.Dataset, output: str | None
) -> tuple[PhaseBoundary, str]:
    """Compare two phases; write tables and a figure if a folder is named.

    Parameters
    ----------
    first
        Results of `trajmodes quasiharmonic` of one phase, or their folder.
    second
        Those of the other phase.
    output
        Folder of the files.

    Returns
    -------
    found
        The difference of the Gibbs free energies, and where it vanishes.
    text
        A summary for the terminal, with the files that were written.

    Raises
    ------
    UsageError
        If a file that trajmodes did not write would be replaced.
    DataError
        If the phases have different compositions, statistics, temperatures or pressures.
    """
    one, other = (read_results(x) if isinstance(x, str) else x for x in (first, second))
    _require_comparable(one, other)
    names = (
        first if isinstance(first, str) else "first",
        second if isinstance(second, str) else "second",
    )
    boundary = phase_boundary(_gibbs_energy(one), _gibbs_energy(other))
    boundary = replace(boundary, names=names)
    text = _summary(boundary)
    if output is None:
        return boundary, text
    root = Path(output)
    drawing = Drawing("quasiharmonic.draw_phases", _drawn_arrays(boundary))
    writers = {
        CROSSINGS: Writer("temperatures of equal G", _crossings(boundary).write),
        PRESSURES: Writer("pressures of equal G by temperature", _pressures(boundary).write),
        DIFFERENCES: Writer("difference of the free energies", _differences(boundary).write),
        FIGURE: Writer("difference of the Gibbs free energies by temperature", drawing.write),
    }
    inputs = [source for source in (first, second) if isinstance(source, str)]
    require_replaceable(output, writers, inputs)
    with open_folder(root) as folder:
        write_files(folder, writers)
    lines = (f"{root / name}: {writer.text}\n" for name, writer in writers.items())
    return boundary, text + "".join(lines)


def _require_comparable(one: xr.Dataset, other: xr.Dataset) -> None:
    for dataset in (one, other):
        if "qha_gibbs" not in dataset:
            raise DataError(
                "the results have no Gibbs free energy",
                fix="give two folders of `trajmodes quasiharmonic`",
            )
    first, second = (_proportions(dataset) for dataset in (one, other))
    if first != second:
        raise DataError(
            f"the phases have different compositions: {first} and {second}",
            fix="give two phases of one substance",
        )
    kinds = {str(dataset["qha_statistics"].values.item()) for dataset in (one, other)}
    if len(kinds) > 1:
        raise DataError(
            "one phase has quantum, the other classical vibrations",
            fix="repeat `trajmodes quasiharmonic` of both with or without --classical",
        )


def _proportions(dataset: xr.Dataset) -> dict[str, int]:
    counts = Counter(map(str, dataset["species"].values))
    common = gcd(*counts.values())
    return {name: counts[name] // common for name in sorted(counts)}


def _gibbs_energy(dataset: xr.Dataset) -> GibbsEnergy:
    """Gibbs free energy per atom."""
    n_sites = dataset.sizes["site"]
    gibbs, sem = dataset["qha_gibbs"].values, dataset.get("qha_gibbs_sem")
    return GibbsEnergy(
        pressures=dataset["pressure_gpa"].values * GIGAPASCAL,
        temperatures=dataset["qha_temperature"].values,
        gibbs=gibbs / n_sites,
        entropy=dataset["qha_entropy_kb"].values * BOLTZMANN / n_sites,
        volume=dataset["qha_volume"].values / n_sites,
        gibbs_sem=np.full_like(gibbs, np.nan) if sem is None else sem.values / n_sites,
    )


def _drawn_arrays(found: PhaseBoundary) -> PlainArrays:
    arrays = {
        "pressure_gpa": PlainArray(("p",), found.pressures / GIGAPASCAL),
        "temperature": PlainArray(("t",), found.temperatures),
        "difference": PlainArray(("p", "t"), found.difference),
        "difference_sem": PlainArray(("p", "t"), found.difference_sem),
        "phase": PlainArray(("phase",), np.array(found.names)),
    }
    return PlainArrays(arrays, {})


def _crossings(found: PhaseBoundary) -> Table:
    meanings = {
        "pressure_gpa": "in GPa",
        "temperature": "in K",
        "temperature_sem": "standard error",
        "low": "lowest temperature that errors allow, in K",
        "high": "highest such temperature, in K",
        "latent_heat": "TΔS in eV per atom, from the first to the second phase",
        "slope_gpa": "dp/dT of the phase boundary in GPa/K",
        "verdict": "resolved, not resolved, or the phase that is stable at all temperatures",
    }
    rows = [
        (
            *(one.pressure / GIGAPASCAL, one.temperature, one.temperature_sem, one.low),
            *(one.high, one.latent_heat, one.slope / GIGAPASCAL, one.verdict),
        )
        for one in found.crossings
    ]
    columns = map(np.array, zip(*rows, strict=True))
    first, second = found.names
    return Table(
        f"Temperatures at which {first} (first) and {second} (second) have the same G",
        dict(zip(meanings, columns, strict=True)),
        meanings,
    )


def _pressures(found: PhaseBoundary) -> Table:
    return Table(
        f"Pressure at which {found.names[0]} and {found.names[1]} have the same G",
        {
            "temperature": found.temperatures,
            "pressure_gpa": found.transition_pressure / GIGAPASCAL,
            "pressure_gpa_sem": found.transition_pressure_sem / GIGAPASCAL,
        },
        {
            "temperature": "in K",
            "pressure_gpa": "in GPa; empty where it is outside the pressures",
            "pressure_gpa_sem": "standard error",
        },
    )


def _differences(found: PhaseBoundary) -> Table:
    n_p, n_t = found.difference.shape
    return Table(
        f"Gibbs free energy of {found.names[0]} less that of {found.names[1]}",
        {
            "pressure_gpa": np.repeat(found.pressures / GIGAPASCAL, n_t),
            "temperature": np.tile(found.temperatures, n_p),
            "difference": found.difference.ravel(),
            "difference_sem": found.difference_sem.ravel(),
        },
        {
            "pressure_gpa": "in GPa",
            "temperature": "in K",
            "difference": "in eV per atom",
            "difference_sem": "standard error",
        },
    )


def _summary(found: PhaseBoundary) -> str:
    table = TextTable(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("p\nGPa", "T\nK", "TΔS\nmeV/atom", "dp/dT\nMPa/K"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("\n")
    for one in found.crossings:
        known = np.isfinite(one.temperature)
        table.add_row(
            f"{one.pressure / GIGAPASCAL:g}",
            plus_minus(one.temperature, one.temperature_sem),
            f"{1e3 * one.latent_heat:.3g}" if known else "–",
            f"{1e3 * one.slope / GIGAPASCAL:.3g}" if known else "–",
            Text(_verdict(one, found)),
        )
    note = Text("Both phases must have their energies on one scale.")
    if not np.isfinite(found.difference_sem).all():
        note.append("\nThere are no error bars: those of one phase or of both are not known.")
    return text_of(Group(Text("Equal Gibbs free energies", style="bold"), table, Text(), note))


def _verdict(one: Crossing, found: PhaseBoundary) -> str:
    first, second = found.names
    if one.verdict in ("first", "second"):
        stable, kelvin = first if one.verdict == "first" else second, found.temperatures
        return f"{stable} is stable at all of {kelvin.min():g} to {kelvin.max():g} K"
    if one.verdict == "not resolved":
        return (
            "not resolved: of the temperatures given, errors allow all from "
            f"{one.low:.4g} to {one.high:.4g} K"
        )
    low, high = (first, second) if one.latent_heat > 0.0 else (second, first)
    return f"{low} is stable below, {high} above"
