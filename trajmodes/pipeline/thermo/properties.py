"""Commands on force constants alone: `trajmodes thermo` and `trajmodes elastic`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.config.kinds import FINE_MESH
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import layer_of
from trajmodes.data.results import CrystalProperties, Provenance
from trajmodes.data.thermo import (
    ZERO_VELOCITY,
    Elasticity,
    RunDisplacements,
    ThermalExpansion,
    Thermodynamics,
)
from trajmodes.errors import DataError
from trajmodes.formats.cif import cif_text
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.gruneisen import mean_mesh
from trajmodes.phonons.modes import FEW_IMAGINARY
from trajmodes.phonons.qpoints import spaced_mesh
from trajmodes.pipeline.derived import PATH_SPACING
from trajmodes.pipeline.job_folder import text_writer, versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.asymmetry import (
    INVARIANT,
    asymmetry_warnings,
    is_invariant,
    rotation_warnings,
    unequal_warnings,
)
from trajmodes.report.write import PROPERTY_FILES, write_folder
from trajmodes.results.folder import Writer, require_replaceable
from trajmodes.results.netcdf import RESULTS, read_results
from trajmodes.results.properties import properties_dataset
from trajmodes.thermo.bending import bending
from trajmodes.thermo.elasticity import elasticity
from trajmodes.thermo.equal_modes import unequal_modes
from trajmodes.thermo.expansion import thermal_expansion
from trajmodes.thermo.rotations import rotation
from trajmodes.thermo.slab import slab_of
from trajmodes.thermo.thermodynamics import MESH_SPACING, thermodynamics
from trajmodes.units import THZ

CIF_FILE = "displacements.cif"
FIT_STABLE = "fit force constants at a temperature at which the crystal is stable"
"""What to do about imaginary modes."""
_ROOM_TEMPERATURE = 300.0
_LAYER_MOVES = (
    "mean square displacements along the normal of a layer diverge: they are those of the mesh"
)
_LAYER_YIELDS = "the elastic constants are per layer, in its plane"


def thermo_job(
    constants: str | ForceConstants,
    values: Mapping[str, Any],
    *,
    command: str,
    run: xr.Dataset | None = None,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Thermodynamics of force constants; write the results if ``values`` name a folder.

    Parameters
    ----------
    constants
        Force constants, or the path of their file or folder. If it is the folder of a projected
        run, the mean square displacements of the run are compared.
    values
        Values of the options of `trajmodes thermo`.
    command
        The command line, or the call.
    run
        Results of the projected run, if they are not in the folder.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If the results would replace their own input, or a file that trajmodes did not write.
    DataError
        If all modes are imaginary, or the force constants are not symmetric.
    """
    known, run, of_source = _loaded(constants, run)
    given = (values["cif_temperature"], known.temperature, _ROOM_TEMPERATURE)
    kelvin = next(kelvin for kelvin in given if kelvin is not None)
    temperatures = np.union1d(values["temperatures"], [kelvin])
    width = 0.0 if values["width_thz"] is None else values["width_thz"] * THZ
    found = thermodynamics(known, mesh_of(known, values["mesh"]), temperatures, width=width)
    expansion, missing = _expansion(known, values["mesh"], temperatures)
    properties = CrystalProperties(
        known,
        Provenance(versions(), (), command, ""),
        thermodynamics=found,
        slab=slab_of(known, found.density, PATH_SPACING),
        expansion=expansion,
        run_displacements=None if run is None else _measured(run),
        warnings=(
            *unstable_warnings(found.left_out, known),
            *unequal_warnings(unequal_modes(known)),
            *_rotated(known, temperatures),
            *of_source,
        ),
        notes=(*_notes(known, _LAYER_MOVES), *found.notes, *missing),
    )
    text = _cif_of(found, kelvin)
    about = f"crystal with mean square displacements U_ij at {kelvin:g} K"
    extra = {CIF_FILE: Writer(about, text_writer(text))}
    return written_properties(properties, values["output"], constants, extra)


def elastic_job(
    constants: str | ForceConstants, values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Elastic constants and velocities of sound; see `thermo_job`.

    Raises
    ------
    UsageError
        If the results would replace their own input, or a file that trajmodes did not write.
    DataError
        If the crystal has no restoring force against a strain.
    """
    known, _, of_source = _loaded(constants, None)
    found = elasticity(known)
    layer = len(found.axes) == 2
    properties = CrystalProperties(
        known,
        Provenance(versions(), (), command, ""),
        elasticity=found,
        bending=bending(known, found.axes) if layer else None,
        warnings=(*asymmetry_warnings(found), *_rotated(known), *of_source),
        notes=(
            *_notes(known, _LAYER_YIELDS),
            *_imaginary_notes(found, is_free=is_invariant(known)),
        ),
    )
    return written_properties(properties, values["output"], constants, {})


def _rotated(constants: ForceConstants, temperatures: Floats | None = None) -> tuple[Note, ...]:
    """Warn if a bulk crystal lacks invariance under rotation."""
    crystal = constants.crystal
    if is_invariant(constants) or layer_of(crystal.cell, crystal.sites) is not None:
        return ()
    lowest = None
    if temperatures is not None:
        lowest = float(temperatures[temperatures > 0.0].min(initial=np.inf))
    try:
        found = rotation(constants)
    except DataError:
        return ()  # a strain without restoring force is an error of `elastic`
    return rotation_warnings(found, constants, lowest)


def _expansion(
    constants: ForceConstants, wanted: int | str, temperatures: Floats
) -> tuple[ThermalExpansion | None, tuple[Note, ...]]:
    """Thermal expansion from the third order, or a note with the reason for none."""
    if constants.triplets is None:
        return None, ()
    is_default = wanted == FINE_MESH
    divisions = mean_mesh(constants.crystal) if is_default else mesh_of(constants, wanted)
    try:
        return thermal_expansion(constants, divisions, temperatures), ()
    except DataError as error:
        text = f"the thermal expansion is not known: {error.what}"
        return None, (Note("note", text, why=error.why, fix=error.fix),)


def _loaded(
    constants: str | ForceConstants, run: xr.Dataset | None
) -> tuple[ForceConstants, xr.Dataset | None, tuple[Note, ...]]:
    """Force constants, results of the projected run, and the warnings of their folder."""
    if not isinstance(constants, str):
        return constants, run, ()
    known, place = read_force_constants(constants), Path(constants)
    if not (place.is_dir() and (place / RESULTS.file).is_file()):
        return known, run, ()
    found = read_results(place)
    texts = found["warnings"].values if "warnings" in found else ()
    of_source = tuple(Note("warning", f"of the force constants: {text}") for text in texts)
    return known, found if "u2_measured" in found else None, of_source


def written_properties(
    properties: CrystalProperties,
    output: str | None,
    source: str | ForceConstants,
    extra: Mapping[str, Writer],
) -> tuple[xr.Dataset, dict[str, str]]:
    """Make the Dataset of properties, and write it to the folder of the output, if any."""
    dataset = properties_dataset(properties)
    if output is not None:
        inputs = [source] if isinstance(source, str) else []
        require_replaceable(output, (*PROPERTY_FILES, *extra), inputs)
    return dataset, write_folder(output, dataset, extra)


def mesh_of(constants: ForceConstants, wanted: int | str) -> tuple[int, int, int]:
    """Mesh of the zone as in the option; one point along the normal of a layer."""
    if wanted == FINE_MESH:
        return spaced_mesh(constants.crystal, MESH_SPACING)
    layer = layer_of(constants.crystal.cell, constants.crystal.sites)
    n1, n2, n3 = (
        1 if layer is not None and axis == layer.axis else int(wanted) for axis in range(3)
    )
    return n1, n2, n3


def _cif_of(found: Thermodynamics, kelvin: float) -> str:
    place = int(np.searchsorted(found.temperatures, kelvin))
    moved = found.displacements
    sem = None if moved.cif_sem is None else moved.cif_sem[place]
    return cif_text(found.crystal, moved.cif[place], sem, kelvin)


def _measured(run: xr.Dataset) -> RunDisplacements:
    """Read ⟨uu⟩ of a run, and that of the force constants on which it was projected."""
    names = ("u2_commensurate", "b_iso_measured", "b_iso_measured_sem")
    harmonic, b_iso, b_iso_sem = (run[one].values if one in run else None for one in names)
    measured, measured_sem = run["u2_measured"].values, run["u2_measured_sem"].values
    return RunDisplacements(measured, measured_sem, harmonic, b_iso, b_iso_sem)


def unstable_warnings(left_out: float, constants: ForceConstants) -> tuple[Note, ...]:
    """Warn if imaginary modes, this fraction of all modes, are left out of thermodynamics."""
    kelvin, crystal = constants.temperature, constants.crystal
    at = "" if kelvin is None else f" at {kelvin:.4g} K"
    why, fix = f"the force constants describe an unstable crystal{at}", FIT_STABLE
    if layer_of(crystal.cell, crystal.sites) is not None:
        why += (
            "; in a layer the noise of a fit, or compression of the layer, makes long flexural "
            "waves unstable"
        )
        fix = f"a longer run or a shorter --cutoff2 has less noise; otherwise {fix}"
        if not is_invariant(constants):
            fix = (
                f"fit with {INVARIANT}, which impose rotational invariance and zero stress; if "
                f"modes remain imaginary, {fix}"
            )
    effect = "left out: the thermodynamic functions are not those of a stable crystal"
    return imaginary_warnings(left_out, effect, why=why, fix=fix)


def imaginary_warnings(
    left_out: float, consequence: str, *, why: str = "", fix: str = ""
) -> tuple[Note, ...]:
    """Warn of imaginary modes, this fraction of all modes, unless they are few."""
    if left_out < FEW_IMAGINARY:
        return ()
    text = f"{100.0 * left_out:.2g} % of the modes are imaginary and {consequence}"
    return (Note("warning", text, why=why, fix=fix),)


def _imaginary_notes(elastic: Elasticity, *, is_free: bool) -> tuple[Note, ...]:
    """Note the fraction of the drawn directions in which a wave has an imaginary velocity."""
    unstable = elastic.velocities < -ZERO_VELOCITY * np.abs(elastic.velocities).max()
    part = float(unstable.any(axis=2).mean())
    if not part:
        return ()
    text = (
        f"the velocity of sound is imaginary in {100.0 * part:.3g} % of the directions; it is "
        "negative in the tables, and dotted in the figure"
    )
    if len(elastic.axes) == 3:
        return (Note("note", text, why="the crystal is elastically unstable"),)
    why = (
        "long flexural waves of a layer have the velocity of its tension, which is zero "
        "without stress: noise of the fit may make its square negative"
    )
    return (Note("note", text, why=why, fix="a longer run" if is_free else INVARIANT),)


def _notes(constants: ForceConstants, of_layer: str) -> tuple[Note, ...]:
    """Note the temperature of the force constants, and the properties of a layer."""
    kelvin, crystal = constants.temperature, constants.crystal
    texts = []
    if kelvin is not None:
        texts.append(
            f"the force constants are those at {kelvin:.4g} K; their change with temperature "
            "is not included"
        )
    if layer_of(crystal.cell, crystal.sites) is not None:
        texts.append(of_layer)
    return tuple(Note("note", text) for text in texts)
