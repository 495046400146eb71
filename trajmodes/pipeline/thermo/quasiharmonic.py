"""`trajmodes quasiharmonic`: equilibrium from force constants at several volumes."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.quasiharmonic import Quasiharmonic
from trajmodes.data.results import Provenance
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.gruneisen import mean_mesh
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import PATH_SPACING
from trajmodes.pipeline.job_folder import versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.properties import mesh_of
from trajmodes.readers.energies import read_energy_list
from trajmodes.report.write import VOLUME_FILES, write_folder
from trajmodes.results.folder import require_replaceable
from trajmodes.results.netcdf import RESULTS, read_results
from trajmodes.results.quasiharmonic import quasiharmonic_dataset
from trajmodes.thermo.expansion import thermal_expansion
from trajmodes.thermo.quasiharmonic.axis_forms import LEAST_CELLS, axis_forms
from trajmodes.thermo.quasiharmonic.cells import uniaxial_axes
from trajmodes.thermo.quasiharmonic.equations_of_state import EQUATIONS
from trajmodes.thermo.quasiharmonic.mode_gruneisen import mode_gruneisen
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State
from trajmodes.units import GIGAPASCAL

_TABLE, _ENERGY = "tables/free_energy.csv", "run_static_energy"
_CHANGE = "run_static_energy_change"
_SAME_TEMPERATURE = 0.05
"""Relative difference of the temperatures of runs that are meant to be of one temperature."""
_SAME_SHAPE = 1e-4
"""Relative change of the ratios of lengths of a cell that is rounding."""


class Energies(NamedTuple):
    """Energies without vibrations in eV per atom, one of each volume (v)."""

    values: Floats
    """(v,)."""
    sem: Floats
    """(v,) standard error; zero where there is none."""
    changes: tuple[Floats | None, ...] = ()
    """(v,) change by each replicate of the force constants (b,); None where it is not known."""


def quasiharmonic_job(
    constants: Sequence[str | ForceConstants],
    values: Mapping[str, Any],
    *,
    command: str,
    energies: Energies | None = None,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Quasiharmonic properties; write the results if ``values`` name a folder.

    Parameters
    ----------
    constants
        Force constants at several volumes, or the paths of their files or folders.
    values
        Values of the options of `trajmodes quasiharmonic`.
    command
        The command line, or the call.
    energies
        Energies of the volumes, if no file is named for them.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If the results would replace their own input, or there are no energies.
    DataError
        If the volumes are too few, of different crystals, or do not enclose the equilibrium.
    """
    known = [read_force_constants(one) if isinstance(one, str) else one for one in constants]
    given = energies or _energies(constants, values)
    if len(given.values) != len(known):
        raise DataError(
            f"there are {len(given.values)} energies, and {len(known)} force constants",
            fix="give one energy for each, in the same order",
        )
    changes = given.changes or (None,) * len(known)
    states = [
        _state(one, float(energy), float(sem), change)
        for one, energy, sem, change in zip(
            known, given.values, given.sem, changes, strict=True
        )
    ]
    kelvin = np.array(sorted(set(values["temperatures"])))
    found = quasiharmonic(
        states,
        mesh_of(known[0], values["mesh"]),
        kelvin,
        GIGAPASCAL * np.array(sorted(set(values["pressures_gpa"]))),
        equation=values["equation"],
        classical=values["classical"],
    )
    own = _one_of_each_cell(known, found)
    reference = _reference(own, found)
    path = band_path(own[reference].crystal, PATH_SPACING)
    dataset = quasiharmonic_dataset(
        found,
        path,
        mode_gruneisen(
            own, reference, path.qpoints, path.directions(), _slopes(found, reference)
        ),
        _third_order(own[reference], kelvin, classical=found.is_classical),
        Provenance(versions(), (), command, ""),
        tuple(_notes(known, found)),
    )
    output = values["output"]
    if output is not None:
        inputs = [one for one in constants if isinstance(one, str)]
        require_replaceable(output, VOLUME_FILES, inputs)
    return dataset, write_folder(output, dataset)


def _state(
    constants: ForceConstants, energy: float, sem: float, changes: Floats | None
) -> State:
    """State of a primitive cell from energies per atom."""
    n_sites = constants.crystal.n_sites
    if changes is None or constants.replicates is None:
        return State(constants, n_sites * energy, n_sites * sem)
    return State(constants, n_sites * energy, n_sites * sem, n_sites * changes)


def _energies(constants: Sequence[str | ForceConstants], values: Mapping[str, Any]) -> Energies:
    """Energies of a file, or those that `trajmodes free-energy` wrote."""
    if values["energies"] is not None:
        return Energies(*read_energy_list(Path(values["energies"])))
    rows = [static_energy(one, values["order"]) for one in constants]
    found, errors, changes = zip(*rows, strict=True)
    return Energies(np.array(found), np.array(errors), changes)


def static_energy(
    source: str | ForceConstants, order: int
) -> tuple[float, float, Floats | None]:
    """U0 with its cumulants to an order, its error and changes, in eV per atom."""
    fix = (
        "give the energies of all volumes, in eV per atom (--energies FILE), or run "
        "`trajmodes free-energy FOLDER --energies LOG -o FOLDER/free-energy` for each folder"
    )
    if not isinstance(source, str):
        raise UsageError("the energies of the volumes are not given", fix=fix)
    places = [Path(source) / name for name in (_TABLE, f"free-energy/{_TABLE}")]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise UsageError("the energy at this volume is not known", where=source, fix=fix)
    lines = place.read_text(encoding="utf-8").splitlines()
    try:
        rows = {
            int(row["expansion_order"]): (float(row[_ENERGY]), float(row[f"{_ENERGY}_sem"]))
            for row in csv.DictReader(line for line in lines if not line.startswith("#"))
        }
        return *rows[order], _changes(place.parents[1], order)
    except (KeyError, ValueError) as error:
        raise DataError(
            f"the table of the free energy has no terms to order {order}",
            where=str(place),
            fix=fix,
        ) from error


def _changes(folder: Path, order: int) -> Floats | None:
    """(b,) change of the energy by each replicate; None if the results have none."""
    if not (folder / RESULTS.file).is_file():
        return None
    found = read_results(folder)
    if _CHANGE not in found:
        return None
    changes: Floats = found[_CHANGE].sel(expansion_order=order).values
    return changes


def _one_of_each_cell(
    known: Sequence[ForceConstants], found: Quasiharmonic
) -> list[ForceConstants]:
    """Force constants nearest to each volume, or to each a and c; of several, the first."""
    crystals = [one.crystal for one in known]
    at, own = found.volumes[:, None], np.array([[one.volume] for one in crystals])
    if found.axes is not None:
        axes = uniaxial_axes(crystals)
        assert axes is not None
        at, own = found.run_lengths[:, [0, 2]], axes
    apart = np.abs(np.log(own) - np.log(at)[:, None]).max(axis=2)
    return [known[place] for place in apart.argmin(axis=1)]


def _reference(own: Sequence[ForceConstants], found: Quasiharmonic) -> int:
    apart = [np.linalg.norm(one.crystal.cell - found.crystal.cell) for one in own]
    return int(np.argmin(apart))


def _slopes(found: Quasiharmonic, reference: int) -> Floats | None:
    """Weights of D(q) in ∂D/∂ln V at fixed c/a, if a and c are free."""
    if found.axes is None:
        return None
    forms = axis_forms(found.run_lengths[:, [0, 2]], found.volumes, np.ones(len(found.volumes)))
    return forms[0].uniform_slopes(reference)


def _third_order(constants: ForceConstants, kelvin: Floats, *, classical: bool) -> Any:
    """Thermal expansion of third-order force constants; None without them."""
    if constants.triplets is None or classical:
        return None
    return thermal_expansion(constants, mean_mesh(constants.crystal), kelvin)


def _notes(known: Sequence[ForceConstants], found: Quasiharmonic) -> Iterable[Note]:
    yield from _mixed_temperatures(known, found.volumes)
    temperatures = {one.temperature for one in known}
    several = len(known) > len(found.volumes)
    if several:
        yield Note(
            "note", "free energies are interpolated between the temperatures of the runs"
        )
    elif temperatures != {None}:
        listed = ", ".join(f"{t:.4g} K" for t in sorted(t for t in temperatures if t))
        yield Note(
            "note",
            f"the force constants are those of runs at {listed}; their change with temperature "
            "at constant volume is not included",
        )
    names = found.comparison.names
    if found.axes is not None:
        yield Note(
            "note", f"a and c are free: F is {names[0]}, in place of an equation of state"
        )
    elif missing := [name for name in EQUATIONS if name not in names]:
        yield Note("note", f"no comparison with {', '.join(missing)}: the fit is not possible")
    if found.sem is None:
        yield Note("note", "there are no error bars: neither force constants nor energies have")
    lengths = np.array([_shape(one) for one in known])
    crystal = known[0].crystal
    if found.axes is None and np.ptp(lengths, axis=0).max() > _SAME_SHAPE:
        yield Note(
            "note",
            "the cells differ in shape too: the free energy is that along these shapes, which "
            f"are not relaxed at each temperature ({crystal.formula}); for a uniaxial crystal "
            f"give {LEAST_CELLS} cells or more with different c/a at the same volume",
        )


def _mixed_temperatures(known: Sequence[ForceConstants], volumes: Floats) -> Iterable[Note]:
    """Warn if the runs of some volumes are at other temperatures than those of others."""
    ranges: dict[int, list[float]] = {}
    for one in known:
        place = int(np.abs(volumes - one.crystal.volume).argmin())
        ranges.setdefault(place, []).append(one.temperature or 0.0)
    ends = np.array([[min(kelvin), max(kelvin)] for kelvin in ranges.values()])
    if np.ptp(ends, axis=0).max() > _SAME_TEMPERATURE * ends.max():
        yield Note(
            "warning",
            "the force constants of different volumes are of different temperatures, from "
            f"{ends.min():.4g} to {ends.max():.4g} K",
            why="their change with temperature is taken for a change with volume",
            fix="give runs at the same temperatures for all volumes",
        )


def _shape(constants: ForceConstants) -> Floats:
    """Metric of the cell, of unit volume."""
    cell = constants.crystal.cell / constants.crystal.volume ** (1.0 / 3.0)
    shape: Floats = cell @ cell.T
    return shape
