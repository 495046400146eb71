"""`trajmodes spectral-function`: lines of the modes from three-phonon scattering."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats, Ints
from trajmodes.config.kinds import FINE_MESH
from trajmodes.data.anharmonic import MeasuredSpectra, ModeSpectra
from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal, Supercell, known_supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import equal_modulo_lattice, same_substance
from trajmodes.data.results import CrystalProperties, Provenance
from trajmodes.errors import DataError
from trajmodes.formats.registry import read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.self_energy import self_energies
from trajmodes.phonons.anharmonic.spectral_function import seen_in_segments, spectral_functions
from trajmodes.phonons.anharmonic.three_phonon import LOWEST
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.qpoints import (
    band_path,
    mesh,
    on_path,
    point_names,
    shared_mesh,
    spaced_mesh,
    zone_point,
)
from trajmodes.pipeline.derived import PATH_SPACING
from trajmodes.pipeline.job_folder import versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.properties import (
    FIT_STABLE,
    imaginary_warnings,
    written_properties,
)
from trajmodes.results.contents import modes_in
from trajmodes.results.netcdf import RESULTS, read_results
from trajmodes.symmetry.stars import star_images
from trajmodes.units import BOLTZMANN, THZ

_SPACING = 0.18
"""Distance of neighbouring points of the mesh in 1/Å, 2π included: a first look."""
_SAME_Q = 1e-4
_SAME_TEMPERATURE = 0.05
"""Relative difference of temperatures without a warning."""


def spectral_function_job(
    constants: str | ForceConstants,
    values: Mapping[str, Any],
    *,
    command: str,
    supercell: Supercell | None = None,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Spectral functions of modes; write the results if ``values`` name a folder.

    Parameters
    ----------
    constants
        Force constants of second and third order, or the path of their file or folder.
    values
        Values of the options of `trajmodes spectral-function`.
    command
        The command line, or the call.
    supercell
        Supercell of the force constants, if they are not read from a path.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If phono3py is not installed, a q is not a point of the mesh, or the results would
        replace their own input, or a file that trajmodes did not write.
    DataError
        If there is no third order, no temperature is known, or the measured run is of another
        crystal or has no spectra.
    """
    known, supercell = _loaded(constants, supercell)
    run = _measured_run(constants, values["measured"], known.crystal)
    kelvin = _temperature(known, run, values["temperature"])
    divisions = _mesh(supercell, values["mesh"])
    qpoints, bands, distance = _qpoints(known, divisions, values)
    energies = self_energies(
        known, supercell, divisions, kelvin, qpoints, values["frequencies"]
    )
    static_part = _static_part(known, values["static_part"])
    removed = static_part == "removed"
    spectra = ModeSpectra(
        energies=energies,
        classical=spectral_functions(
            energies, energies.classical, energies.classical_error, remove_static=removed
        ),
        quantum=spectral_functions(
            energies, energies.quantum, energies.quantum_error, remove_static=removed
        ),
        static_part=static_part,
        names=point_names(known.crystal, qpoints),
        bands=bands,
        distance=distance,
    )
    if run is not None:
        spectra = replace(spectra, measured=_measured(run, spectra))
    properties = CrystalProperties(
        known,
        Provenance(versions(), (), command, ""),
        spectra=spectra,
        warnings=_warnings(known, spectra),
        notes=_notes(known, spectra),
    )
    return written_properties(properties, values["output"], constants, {})


def _loaded(
    constants: str | ForceConstants, supercell: Supercell | None
) -> tuple[ForceConstants, Supercell]:
    if isinstance(constants, str):
        return read_force_constants(constants), read_supercell(Path(constants))
    return constants, known_supercell(supercell)


def _measured_run(
    constants: str | ForceConstants, folder: str | None, crystal: Crystal
) -> xr.Dataset | None:
    """Results of the projected run: of a folder, or of that of the force constants."""
    if folder is not None:
        run = read_results(folder)
        if "line_power" not in run:
            raise DataError(
                f"{folder} has no spectra of modes",
                fix="name the results of trajmodes run or trajmodes project",
            )
    else:
        place = Path(constants) if isinstance(constants, str) else Path()
        if not isinstance(constants, str) or not (place / RESULTS.file).is_file():
            return None
        run = read_results(place)
        if "line_power" not in run:
            return None
    other = modes_in(run).crystal
    if other.species != crystal.species or not same_substance(other, crystal):
        raise DataError(
            f"the measured run is of {other.formula}, the force constants of {crystal.formula}",
            why="the sites differ in number, order or species, or the volumes are far apart",
            fix="project the run on these force constants",
        )
    return run


def _temperature(
    constants: ForceConstants, run: xr.Dataset | None, wanted: float | None
) -> float:
    of_run = None if run is None else float(run["temperature"])
    for kelvin in (wanted, of_run, constants.temperature):
        if kelvin is not None:
            return kelvin
    raise DataError(
        "the temperature is not known", why="the force constants have none", fix="give it"
    )


def _mesh(supercell: Supercell, wanted: int | str) -> tuple[int, int, int]:
    if wanted == FINE_MESH:
        return shared_mesh(supercell, spaced_mesh(supercell.crystal, _SPACING))
    return shared_mesh(supercell, (int(wanted),) * 3)


def _qpoints(
    constants: ForceConstants, divisions: tuple[int, int, int], values: Mapping[str, Any]
) -> tuple[Floats, Bands | None, Floats | None]:
    """Return q points (q, 3); the bands and the distances (q,) if they are those of a path."""
    crystal = constants.crystal
    if values["qpoints"]:
        points = np.array([zone_point(crystal, text) for text in values["qpoints"]])
        return points, None, None
    path = band_path(crystal, PATH_SPACING, values["path"])
    irreducible, _ = mesh(crystal, divisions)
    hits = on_path(path, irreducible)
    if not len(hits.index):
        raise DataError(
            f"no point of the mesh {divisions} is on the path",
            fix="take a finer mesh, or name points of it with --qpoints",
        )
    return irreducible[hits.index], dispersion(constants, path), hits.distance


def _static_part(constants: ForceConstants, wanted: str) -> Literal["removed", "kept"]:
    if wanted == "auto":
        known = constants.has_static_part
        contained = constants.temperature is not None if known is None else known
        return "removed" if contained else "kept"
    return "removed" if wanted == "remove" else "kept"


def _sets_at(run: xr.Dataset, crystal: Crystal, qpoints: Floats) -> Ints:
    """(q, m) set of the run that each mode belongs to; −1 where the run has none."""
    modes = modes_in(run)
    images_gqx = star_images(crystal, modes.qpoints)
    found = np.full((len(qpoints), modes.sets.shape[1]), -1, dtype=np.int64)
    for k, q in enumerate(qpoints):
        near = equal_modulo_lattice(images_gqx, q, _SAME_Q)
        place = np.flatnonzero(near.any(axis=0))
        if place.size:
            found[k] = modes.sets[place[0]]
    return found


def _measured(run: xr.Dataset, spectra: ModeSpectra) -> MeasuredSpectra:
    """Spectra of the run at the q points, and A with their resolution."""
    energies, classical = spectra.energies, spectra.classical
    kelvin = float(run["temperature"])
    sets = _sets_at(run, modes_in(run).crystal, energies.qpoints)

    def at_modes(name: str, unit: float) -> Floats:
        values = run[name].values * unit
        own = (sets >= 0).reshape(*sets.shape, *[1] * (values.ndim - 1))
        return np.where(own, values[sets], np.nan)

    share = at_modes("equipartition_share", 1.0) if "equipartition_share" in run else None
    line_omega = at_modes("line_freq_thz", THZ)
    segment = at_modes("line_segment_ps", 1.0)
    predicted = np.full(line_omega.shape, np.nan)
    for at in map(tuple, np.argwhere((sets >= 0) & np.isfinite(classical.width))):
        if np.isfinite(line_omega[at]).any():
            energy = (classical.shift[at], energies.classical[at])
            omega = float(energies.omega[at])
            seen = seen_in_segments(
                omega, energies.grid, energy, line_omega[at], float(segment[at])
            )
            equal = 0.5 * BOLTZMANN * kelvin * (1.0 if share is None else share[at])
            predicted[at] = equal * seen
    power = at_modes("power", 1.0 / THZ)
    has_run = (sets >= 0).any(axis=1, keepdims=True)
    whole = np.where(has_run, np.nansum(power, axis=1), np.nan)
    return MeasuredSpectra(
        temperature=kelvin,
        omega=at_modes("freq_spectrum_thz", THZ),
        omega_sem=at_modes("freq_spectrum_thz_sem", THZ),
        width=at_modes("linewidth_thz", THZ),
        width_sem=at_modes("linewidth_thz_sem", THZ),
        line_omega=line_omega,
        line=at_modes("line_power", 1.0 / THZ),
        predicted=predicted,
        map_omega=run["freq_thz"].values * THZ,
        map=whole,
    )


def _warnings(constants: ForceConstants, spectra: ModeSpectra) -> tuple[Note, ...]:
    """Warn if self-energies or lines belong to different states of the crystal."""
    energies, kelvin = spectra.energies, constants.temperature
    effect = "left out of the scattering: widths are too small"
    found = [*imaginary_warnings(energies.left_out, effect, fix=FIT_STABLE)]
    if kelvin is not None and abs(energies.temperature / kelvin - 1.0) > _SAME_TEMPERATURE:
        found.append(
            Note(
                "warning",
                f"the self-energies are at {energies.temperature:.4g} K, and the force "
                f"constants are effective ones at {kelvin:.4g} K",
                why="effective force constants change with the temperature",
                fix="fit or interpolate force constants at this temperature (trajmodes series)",
            )
        )
    if unstable := int(np.isnan(spectra.classical.width[energies.omega > LOWEST]).sum()):
        found.append(
            Note(
                "warning",
                f"{unstable} modes have no line: their static self-energy makes ω² negative",
                why="ω_q² + 2ω_qΔ(0) < 0: the crystal is unstable to lowest order, or the "
                "force constants contain the static part already",
                fix="compare with --static-part remove",
            )
        )
    return tuple(found)


def _notes(constants: ForceConstants, spectra: ModeSpectra) -> tuple[Note, ...]:
    """State the order of the self-energy, and the meaning of its static part."""
    kelvin = constants.temperature
    if kelvin is not None:
        origin = (
            f"the force constants are effective ones at {kelvin:.4g} K: widths, shifts and "
            "lifetimes are of lowest order in the effective third order, about the effective "
            "frequencies"
        )
    else:
        origin = (
            "the force constants have no temperature: shifts are those of three-phonon "
            "scattering alone, without the loop of fourth order and thermal expansion"
        )
    if spectra.static_part == "removed":
        static = (
            "the static part of the self-energy is removed: force constants fitted to a run "
            "have the static response of the run and contain it"
        )
        if constants.has_static_part is None:
            static += (
                "; the origin of these is not known: keep it (--static-part keep) if they are "
                "those of sctdep, of a joint fit, or of configurations that were drawn"
            )
    else:
        static = (
            "the static part of the self-energy is kept, as is right for force constants of a "
            "potential minimum, of sctdep, and of a joint fit"
        )
    return Note("note", origin), Note("note", static)
