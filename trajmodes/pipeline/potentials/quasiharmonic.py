"""`trajmodes qha`: the quasiharmonic crystal of a potential, by temperature and pressure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.minimised import ComparedLattice, MinimisedCrystal
from trajmodes.data.results import Provenance
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import input_files, versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.potentials.lammps import LammpsPotential
from trajmodes.pipeline.potentials.sources import existing_files, open_potential
from trajmodes.pipeline.potentials.structures import crystal_of
from trajmodes.report.write import MINIMUM_FILES, write_folder
from trajmodes.results.by_command.minimised import minimised_dataset
from trajmodes.results.folder import require_replaceable
from trajmodes.results.netcdf import RESULTS, read_arrays
from trajmodes.symmetry.operations import conventional_vectors
from trajmodes.thermo.minimisation.gruneisen import zone_gruneisen
from trajmodes.thermo.minimisation.local import ByForceConstants, Vibrating
from trajmodes.thermo.minimisation.ramp import Treatment, minimised
from trajmodes.units import GIGAPASCAL


def qha_job(
    files: Sequence[str], values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Minimise the Gibbs free energy of a potential; write the results if a folder is named.

    Parameters
    ----------
    files
        A potential, or several of one element each, as `trajmodes potential` reads it.
    values
        Values of the options of `trajmodes qha`.
    command
        The command line, or the call.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If no crystal is given, the potential does not describe its species, or a file would be
        overwritten that trajmodes did not write.
    DataError
        If the file is not a potential, its energy has no minimum near the crystal, or no
        scheme has a minimum at the lowest temperature.
    """
    paths = existing_files(files)
    output = values["output"]
    if output is not None:
        inputs = [*files, *values["compare"], *(one for one in (values["cell"],) if one)]
        require_replaceable(output, MINIMUM_FILES, inputs)
    crystal = crystal_of(values["structure"], values["cell"])
    with input_files(paths) as hashes:
        potential = _vibrating(paths, values)
        divisions = (values["mesh"],) * 3
        found = [
            minimised(
                potential,
                crystal,
                Treatment(divisions, scheme, "classical" if values["classical"] else "quantum"),
                values["temperatures"],
                GIGAPASCAL * np.array(sorted(set(values["pressures_gpa"]))),
            )
            for scheme in dict.fromkeys(values["scheme"])
        ]
        _require_a_minimum(found, ", ".join(files))
        reference = found[0].crystal
        zone = zone_gruneisen(potential, reference, divisions)
        provenance = Provenance(versions(), hashes.result(), command, "")
    compared = _compared(values["compare"], reference)
    dataset = minimised_dataset(found, zone, compared, provenance, _notes(found))
    return dataset, write_folder(output, dataset)


def _vibrating(files: Sequence[Path], values: Mapping[str, Any]) -> Vibrating:
    """Open the potential of a file: one that gives dynamical matrices, or force constants."""
    potential = open_potential(files, values)
    return ByForceConstants(potential) if isinstance(potential, LammpsPotential) else potential


def _require_a_minimum(found: Sequence[MinimisedCrystal], file: str) -> None:
    if not any(np.isfinite(one.volume).any() for one in found):
        raise DataError(
            f"the quasiharmonic crystal has no minimum: {found[0].ended[0]}",
            where=file,
            why="the structure is not stable with this potential, or the lowest temperature is "
            "too high",
            fix="start from another structure, or a lower temperature",
        )


def _notes(found: Sequence[MinimisedCrystal]) -> list[Note]:
    """Warn of series of temperatures that end at the loss of the minimum."""
    return [
        Note(
            "warning",
            f"{one.scheme} at {pressure / GIGAPASCAL:g} GPa ended {reason}",
            why="beyond it the quasiharmonic crystal does not exist",
            fix="use a run there (trajmodes fit), or other schemes",
        )
        for one in found
        for pressure, reason in zip(one.pressures, one.ended, strict=True)
        if reason
    ]


def _compared(folders: Sequence[str], reference: Crystal) -> ComparedLattice | None:
    """Lattice parameters of other results at their temperatures."""
    if not folders:
        return None
    parts = [_lattice_in(folder) for folder in folders]
    names = [Path(folder).name or folder for folder in folders]
    found = ComparedLattice(
        [name for name, one in zip(names, parts, strict=True) for _ in one[0]],
        *(np.concatenate([one[k] for one in parts]) for k in range(3)),
    )
    own = np.linalg.norm(conventional_vectors(reference) @ reference.cell, axis=1)
    if np.abs(found.lengths / own - 1.0).max() > 0.2:
        raise DataError(
            "the compared lattice parameters are those of another crystal",
            where=", ".join(folders),
            fix="compare results of the crystal of the potential",
        )
    return found


def _lattice_in(folder: str) -> tuple[Any, Any, Any]:
    """Temperatures (n), volumes (n) and conventional lengths (n, 3) of a results folder."""
    if (Path(folder) / RESULTS.file).is_file():
        arrays = read_arrays(folder)
        if "lattice_parameter" in arrays:
            names = ("run_temperature", "run_volume", "lattice_parameter")
            temperature, volume, lengths = (arrays[name].values for name in names)
            return temperature, volume, lengths
        if "qha_length" in arrays:
            p = int(np.abs(arrays["pressure_gpa"].values).argmin())
            volume, lengths = (arrays[f"qha_{x}"].values[p] for x in ("volume", "length"))
            return arrays["qha_temperature"].values, volume, lengths
    constants = read_force_constants(folder)
    if constants.temperature is None:
        raise DataError(
            "the temperature of the lattice parameters is not known",
            where=folder,
            fix="give folders of runs, of trajmodes series, or of trajmodes quasiharmonic",
        )
    crystal = constants.crystal
    lengths = np.linalg.norm(conventional_vectors(crystal) @ crystal.cell, axis=1)
    return np.array([constants.temperature]), np.array([crystal.volume]), lengths[None]
