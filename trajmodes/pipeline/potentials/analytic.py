"""`trajmodes potential`: force constants and phonons of a potential, compared with fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.data.potentials.shell_constants import ShellModels
from trajmodes.data.results import Provenance, Results
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.derived import phonon_results
from trajmodes.pipeline.job_folder import CONSTANTS_FILE, input_files, versions
from trajmodes.pipeline.potentials.comparison import Static, with_potential
from trajmodes.pipeline.potentials.neighbour_models import (
    ShellModel,
    distinct_labels,
    model_of_constants,
    remarks,
    require_alike,
    shell_model,
)
from trajmodes.pipeline.potentials.sources import (
    Source,
    existing_files,
    force_constants_of,
    open_potential,
    relaxed_crystal,
    response_of,
)
from trajmodes.pipeline.potentials.structures import crystal_of
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.potential import Order, Potential, State
from trajmodes.report.write import POTENTIAL_FILES, write_folder
from trajmodes.results.by_command.potential import potential_dataset
from trajmodes.results.folder import Writer, require_replaceable
from trajmodes.symmetry.translations import half_space

_FORCE = 1e-3
"""Force in eV/Å beyond which the atoms are not at equilibrium."""


@dataclass(frozen=True, slots=True)
class OfPotential:
    """Results of a potential for one crystal."""

    state: State
    results: Results
    shells: ShellModels
    """Constants of the potential, of its parts, and of other models."""
    response: StaticResponse | None
    """Of a shell model at a minimum of its energy; None otherwise."""

    @property
    def dataset(self) -> xr.Dataset:
        """All results."""
        return potential_dataset(self.results, self.state, self.shells, self.response)


def potential_job(
    files: Sequence[str], values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Calculate force constants and phonons of a potential; write them if a folder is named.

    Parameters
    ----------
    files
        An embedded-atom potential, or several of one element each; a shell model (.toml, or
        .lib of GULP), a Stillinger–Weber potential (.sw), or a text file with the commands of a
        potential of LAMMPS.
    values
        Values of the options of `trajmodes potential`.
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
        If the file is not a potential, or a compared model is of another crystal.
    """
    found = of_potential(files, values, command)
    return found.dataset, write_potential(found, values["output"])


def write_potential(found: OfPotential, output: str | None) -> dict[str, str]:
    """Write the results of a potential, if a folder is named; return path → description."""
    results = found.results
    text = "force constants of the potential, for every other command"
    write = partial(write_hdf5, results.constants, results.supercell)
    return write_folder(output, found.dataset, {CONSTANTS_FILE: Writer(text, write)})


def of_potential(files: Sequence[str], values: Mapping[str, Any], command: str) -> OfPotential:
    """Calculate the results of `potential_job`, without writing them."""
    paths = existing_files(files)
    if values["output"] is not None:
        inputs = [*files, *values["compare"], *(one for one in (values["cell"],) if one)]
        require_replaceable(values["output"], (*POTENTIAL_FILES, CONSTANTS_FILE), inputs)
    with input_files(paths) as hashes:
        potential = open_potential(paths, values)
        others = [shell_model(one, values) for one in values["compare"]]
        start = _crystal(values, others)
        crystal = relaxed_crystal(potential, start, values["relax"])
        order: Order = 3 if values["third_order"] else 2
        constants, supercell, of_constants = force_constants_of(potential, crystal, order)
        space = half_space(supercell)
        modes = modes_at(constants, space.qpoints, space.weights)
        provenance = Provenance(versions(), hashes.result(), command, "")
        results = phonon_results(supercell, constants, modes, values["path"], provenance)
    state = potential.state(crystal)
    response, of_response = response_of(potential, crystal)
    label = "-".join(path.stem for path in paths)
    own, *parts = _parts(label, potential, constants, values["shells"])
    compared = with_potential(
        own, parts, [require_alike(own, one) for one in others], _static(potential, crystal)
    )
    models = compared.models
    notes = [
        *_of_relaxation(start, crystal),
        *_of_state(state, crystal),
        *of_constants,
        *of_response,
        *remarks([own, *others], whole_bands=True),
        *compared.notes,
    ]
    results = replace(
        results,
        warnings=tuple(note for note in notes if note.severity == "warning"),
        notes=(
            *(note for note in notes if note.severity != "warning"),
            *results.notes,
        ),
    )
    shells = ShellModels(
        labels=distinct_labels([one.label for one in models]),
        models=tuple(one.constants for one in models),
        bands=results.bands,
        band_omega=None,
        provenance=results.provenance,
        temperatures=tuple(one.temperature for one in models),
        reference_label=compared.label,
        reference=compared.reference,
        modes=compared.modes,
    )
    return OfPotential(state, results, shells, response)


def _crystal(values: Mapping[str, Any], others: Sequence[ShellModel]) -> Crystal:
    """Crystal of the options, or else that of the first compared model."""
    if values["structure"] is None and values["cell"] is None and others:
        return others[0].constants.crystal
    return crystal_of(values["structure"], values["cell"])


def _static(potential: Source, crystal: Crystal) -> Static:
    """Describe the potential with which fits are compared."""

    def constants(other: Crystal) -> ForceConstants:
        return replace(force_constants_of(potential, other, 2).constants, triplets=None)

    noise = potential.noise(crystal) if isinstance(potential, EmbeddedAtom) else 0.0
    return Static(constants, noise)


def _of_relaxation(start: Crystal, crystal: Crystal) -> list[Note]:
    """State the displacements of the relaxation, and the change of volume."""
    if crystal is start:
        return []
    moved = np.linalg.norm((crystal.sites - start.sites) @ start.cell, axis=1).max()
    change = crystal.volume / start.volume - 1.0
    text = f"the crystal was relaxed: atoms moved by up to {moved:.3g} Å"
    text += f", the volume changed by {100.0 * change:+.3g} %" if change else ""
    return [Note("note", text)]


def _parts(
    label: str, potential: Potential, constants: ForceConstants, number: int
) -> list[ShellModel]:
    """Constants of all forces; for embedded atoms, also of bonds and of the many-body part."""
    total = replace(constants, triplets=None)
    whole = model_of_constants(label, total, number)
    if not isinstance(potential, EmbeddedAtom):
        return [whole]
    parts = potential.parts(constants.crystal)
    return [
        whole,
        model_of_constants("bonds", replace(total, values=parts.bonds), number),
        model_of_constants("many-body", replace(total, values=parts.e3), number),
    ]


def _of_state(state: State, crystal: Crystal) -> list[Note]:
    """Warn of atoms that are not at equilibrium."""
    forces = np.linalg.norm(state.forces, axis=1)
    worst = int(forces.argmax())
    if forces[worst] <= _FORCE:
        return []
    return [
        Note(
            "warning",
            f"the atoms are not at equilibrium: the force on {crystal.species[worst]} of site "
            f"{worst} is {forces[worst]:.3g} eV/Å",
            why="the structure was not relaxed with this potential",
            fix="use --relax positions, or --relax cell",
        )
    ]
