"""`trajmodes one-phonon`: one-phonon structure factor of force constants alone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal, Supercell, known_supercell
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.results import Provenance, Scattering
from trajmodes.data.spectra import OnePhonon, Wavevectors, Weights
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.registry import read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import spaced_mesh
from trajmodes.pipeline.job_folder import versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.properties import imaginary_warnings
from trajmodes.report.write import SCATTERING_FILES, write_folder
from trajmodes.results.contents import modes_in
from trajmodes.results.folder import require_replaceable
from trajmodes.results.netcdf import RESULTS, read_results
from trajmodes.results.properties import scattering_dataset
from trajmodes.scattering.one_phonon import (
    Thermal,
    broadened,
    one_phonon,
    replicate_lines,
    with_errors,
)
from trajmodes.scattering.wavevectors import Section, commensurate_on, on_grid, section
from trajmodes.scattering.weights import weights
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import THZ

_ON_LINE, _IN_PLANE = 201, 61
_FREQUENCIES = 400
"""Frequencies of the spectra of force constants."""
_ABOVE = 1.1
"""Highest frequency of the spectra, over that of the crystal."""
_FINE = 100.0
"""Default resolution, as a part of the highest frequency."""
_SPACING = 0.15
"""Distance of neighbouring points of the mesh of mean square displacements, in 1/Å."""
MOST_SOLVED = 20_000
"""Most solutions of dynamical matrices for error bars."""


class Target(NamedTuple):
    """Scattering vectors and amplitudes, and widths of the lines."""

    waves: Wavevectors
    amplitudes: Weights
    width: Floats | None = None
    """(k, m), unit: rad/ps; None: the resolution alone."""


class Grid(NamedTuple):
    """Frequencies of the spectra, and their resolution, in rad/ps."""

    omega: Floats
    resolution: float


class Lines(NamedTuple):
    """One-phonon lines and their spectra."""

    lines: OnePhonon
    power: Floats
    power_sem: Floats | None
    notes: tuple[Note, ...]


def one_phonon_job(
    constants: str | ForceConstants, values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Calculate the one-phonon structure factor; write it if ``values`` name a folder.

    Parameters
    ----------
    constants
        Force constants, or the path of their file or folder.
    values
        Values of the options of `trajmodes one-phonon`.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If no end of the line or no temperature is given, or the results would replace their own
        input.
    DataError
        If the force constants are not symmetric, or widths are requested that are unknown.
    """
    known = constants if not isinstance(constants, str) else read_force_constants(constants)
    kelvin = values["temperature"]
    kelvin = known.temperature if kelvin is None else kelvin
    if kelvin is None:
        raise UsageError(
            "the temperature of these force constants is not known",
            fix="give --temperature, in K",
        )
    one = section_of(known.crystal, values)
    if values["widths"] is None:
        default = _ON_LINE if values["q_across"] is None else _IN_PLANE
        waves = on_grid(one, values["points"] or default)
    else:
        waves = commensurate_on(one, _supercell_of(constants))
    quantum = not values["classical"]
    mesh = spaced_mesh(known.crystal, _SPACING)
    oscillators = thermodynamics(known, mesh, np.array([kelvin]))
    moved = oscillators.displacements
    value, changes = moved.classical, moved.classical_changes
    if quantum:
        value, changes = moved.quantum, moved.quantum_changes
    thermal = Thermal(kelvin, quantum, value[0], None if changes is None else changes[:, 0])
    top = _ABOVE * _highest(known, waves)
    resolution = values["resolution_thz"]
    width = top / _FINE if resolution is None else resolution * THZ
    grid = Grid(np.linspace(0.0, top, _FREQUENCIES + 1), width)
    amplitudes = weights(values["weights"], waves)
    widths = widths_at(constants, values["widths"], waves, quantum=quantum)
    found = phonon_lines(known, Target(waves, amplitudes, widths), thermal, grid)
    result = Scattering(
        waves=waves,
        weights=amplitudes,
        axes=values["axes"],
        omega=grid.omega,
        resolution=width,
        provenance=Provenance(versions(), (), command, ""),
        temperature=kelvin,
        quantum=quantum,
        lines=found.lines,
        power=found.power,
        power_sem=found.power_sem,
        warnings=(
            *imaginary_note(found.lines),
            *displacement_warnings(oscillators.left_out),
        ),
        notes=(*found.notes, *_notes(known, kelvin, widths)),
    )
    dataset = scattering_dataset(result)
    output = values["output"]
    if output is not None:
        inputs = [constants] if isinstance(constants, str) else []
        require_replaceable(output, SCATTERING_FILES, inputs)
    return dataset, write_folder(output, dataset)


def section_of(crystal: Crystal, values: Mapping[str, Any]) -> Section:
    """Line or plane of the options."""
    if values["q_to"] is None:
        raise UsageError(
            "no line of scattering vectors is given",
            fix="give --to H,K,L, and --from H,K,L where it does not begin at 0,0,0",
        )
    start = values["q_from"] or (0.0, 0.0, 0.0)
    return section(crystal, start, values["q_to"], values["q_across"], values["axes"])


def phonon_lines(
    constants: ForceConstants,
    target: Target,
    thermal: Thermal,
    grid: Grid,
    *,
    in_supercell: bool = False,
) -> Lines:
    """One-phonon lines and their spectra, with errors where the constants have replicates."""
    waves, amplitudes, width = target
    where = {"in_supercell": in_supercell}
    lines = one_phonon(constants, waves, amplitudes, thermal, **where)
    lines = replace(lines, width=width)
    power = broadened(lines, grid.omega, grid.resolution, thermal)
    n_replicates = 0 if constants.replicates is None else len(constants.replicates)
    notes: tuple[Note, ...] = ()
    if n_replicates * len(waves.hkl) > MOST_SOLVED:
        text = "one-phonon intensities have no error bars: there are too many Q"
        notes = (Note("note", text, fix="choose fewer points, or a line"),)
        n_replicates = 0
    notes = (*_width_notes(lines, grid.resolution), *notes)
    if n_replicates < 2:
        return Lines(lines, power, None, notes)
    others = list(replicate_lines(constants, waves, amplitudes, thermal, **where))
    spectra = (
        broadened(replace(one, width=width), grid.omega, grid.resolution, thermal)
        for one in others
    )
    sem = jackknife_sem(np.array(list(spectra)))
    return Lines(with_errors(lines, others), power, sem, notes)


def widths_at(
    constants: str | ForceConstants | None,
    source: str | None,
    waves: Wavevectors,
    *,
    quantum: bool,
) -> Floats | None:
    """Widths (k, m) in rad/ps of modes, from a results folder; nan where not resolved.

    Widths of perturbation theory are for quantum or classical occupation; those of a run are
    classical.

    Raises
    ------
    UsageError
        If the force constants are not from a results folder.
    DataError
        If the folder has no such widths, or a Q is not one of its supercell.
    """
    if source is None:
        return None
    if not isinstance(constants, str) or not (Path(constants) / RESULTS.file).is_file():
        raise UsageError(
            "widths of lines are wanted, but the force constants are no results folder",
            fix="give the folder that `trajmodes run` or `trajmodes project` has written",
        )
    dataset, name = read_results(Path(constants)), "linewidth_thz"
    if source == "phi3":
        name = f"linewidth_phi3_{'quantum' if quantum else 'classical'}_thz"
    if name not in dataset:
        how = "--perturbation N" if source == "phi3" else "velocities"
        raise DataError(
            f"the results have no {source} widths",
            where=constants,
            fix=f"run `trajmodes run` or `trajmodes project` with {how}",
        )
    modes = modes_in(dataset)
    width = np.append(dataset[name].values * THZ, np.nan)
    return width[modes.sets[_places(waves, modes)]]


def _places(waves: Wavevectors, modes: Modes) -> Ints:
    """Index (k,) of the q of each Q = ±q + G."""
    place = np.full(len(waves.hkl), -1)
    for sign in (1.0, -1.0):
        # Twice, for the remainder of −1e-17 is rounded to 1.
        inside, wanted = (q % 1.0 % 1.0 for q in (sign * modes.qpoints, waves.qpoints))
        apart, near = KDTree(inside, boxsize=1.0).query(wanted)
        place = np.where(apart < 1e-6, near, place)
    if (place < 0).any():
        raise DataError(
            "the supercell of the widths does not admit all scattering vectors",
            why="the widths are those of a run in another supercell",
            fix="use the results of the same run, or leave out the widths",
        )
    return place


def _width_notes(lines: OnePhonon, resolution: float) -> tuple[Note, ...]:
    """State how many lines have no width if widths are requested."""
    if lines.width is None:
        return ()
    counted = lines.created > 0.0
    missing = counted & ~np.isfinite(lines.width)
    if not missing.any():
        return ()
    text = (
        f"{int(missing.sum())} of {int(counted.sum())} one-phonon lines have no width in the "
        f"results: they are drawn with the resolution, {resolution / THZ:.3g} THz, alone"
    )
    why = "their widths were not resolved in the run, or could not be calculated"
    return (Note("note", text, why=why),)


def imaginary_note(lines: OnePhonon) -> tuple[Note, ...]:
    """Warn of imaginary modes, whose scattering is left out."""
    wrong = lines.omega < -1e-3 * np.abs(lines.omega).max()
    if not wrong.any():
        return ()
    text = f"{int(wrong.sum())} of {wrong.size} one-phonon lines are imaginary and left out"
    why = "the force constants describe an unstable crystal"
    return (Note("warning", text, why=why),)


def displacement_warnings(left_out: float) -> tuple[Note, ...]:
    """Warn if imaginary modes, this fraction of all modes, are left out of displacements."""
    why = "the Debye–Waller factors are therefore too large"
    return imaginary_warnings(left_out, "not part of ⟨uu⟩", why=why)


def _highest(constants: ForceConstants, waves: Wavevectors) -> float:
    """Highest frequency at the scattering vectors in rad/ps."""
    some = waves.qpoints[:: max(1, len(waves.qpoints) // 200)]
    omega, _ = frequencies_at(replace(constants, replicates=None), some)
    highest = float(omega.max())
    if highest <= 0.0:
        raise DataError("all modes at these scattering vectors are imaginary or translations")
    return highest


def _supercell_of(constants: str | ForceConstants) -> Supercell:
    known: Supercell | None = getattr(constants, "supercell", None)
    if isinstance(constants, str):
        known = read_supercell(Path(constants))
    fix = "give the results folder of the run that the widths were measured in"
    return known_supercell(known, fix=fix)


def _notes(constants: ForceConstants, kelvin: float, widths: Floats | None) -> tuple[Note, ...]:
    fitted = constants.temperature
    if fitted is None or abs(fitted - kelvin) < 1e-6 * max(fitted, 1.0):
        return ()
    what = "the force constants" if widths is None else "the force constants and linewidths"
    text = f"{what} are those at {fitted:.4g} K, the occupations at {kelvin:.4g} K"
    return (Note("note", text),)
