"""`trajmodes potential`: force constants and phonons of a potential, and fits beside them."""

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
from trajmodes.pipeline.potentials.born_von_karman import (
    ShellModel,
    distinct_labels,
    model_of_constants,
    remarks,
    require_alike,
    shell_model,
)
from trajmodes.pipeline.potentials.sources import (
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
from trajmodes.units import NEWTON_PER_METRE

_FORCE = 1e-3
"""Force in eV/Å beyond which the atoms are not at equilibrium."""
_FAR = 3.0
"""Difference in standard errors that is more than the error."""
_FEW = 0.05
"""Part of the constants that may differ by more."""
_SAME_VOLUME = 1e-4


@dataclass(frozen=True, slots=True)
class OfPotential:
    """What a potential gives for one crystal."""

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
        An embedded-atom potential, or several of one element each; a shell model (.toml), a
        Stillinger–Weber potential (.sw), or a text file with the commands of a potential of
        LAMMPS.
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
        If there is no crystal, the potential does not describe its species, or a file is in
        the way.
    DataError
        If the file is not a potential, or a compared model is of another crystal.
    """
    found = of_potential(files, values, command)
    return found.dataset, write_potential(found, values["output"])


def write_potential(found: OfPotential, output: str | None) -> dict[str, str]:
    """Write what a potential gives, if a folder is named; return path → description."""
    results = found.results
    text = "force constants of the potential, for every other command"
    write = partial(write_hdf5, results.constants, results.supercell)
    return write_folder(output, found.dataset, {CONSTANTS_FILE: Writer(text, write)})


def of_potential(files: Sequence[str], values: Mapping[str, Any], command: str) -> OfPotential:
    """Calculate what `potential_job` gives."""
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
    models = _parts(label, potential, constants, values["shells"])
    models += [require_alike(models[0], one) for one in others]
    notes = [
        *_of_relaxation(start, crystal),
        *_of_state(state, crystal),
        *of_constants,
        *of_response,
        *_at_zero(models[0], others),
        *remarks([models[0], *others]),
    ]
    results = replace(
        results,
        warnings=tuple(note for note in notes if note.severity == "warning"),
        notes=(
            *(note for note in notes if note.severity != "warning"),
            *results.notes,
            *_differences(models[0], others),
        ),
    )
    shells = ShellModels(
        labels=distinct_labels([one.label for one in models]),
        models=tuple(one.constants for one in models),
        bands=results.bands,
        band_omega=None,
        provenance=results.provenance,
        temperatures=tuple(one.whole.temperature if one.whole else None for one in models),
    )
    return OfPotential(state, results, shells, response)


def _crystal(values: Mapping[str, Any], others: Sequence[ShellModel]) -> Crystal:
    """Crystal that is named, or else that of the first compared model."""
    if values["structure"] is None and values["cell"] is None and others:
        return others[0].constants.crystal
    return crystal_of(values["structure"], values["cell"])


def _of_relaxation(start: Crystal, crystal: Crystal) -> list[Note]:
    """Say how far atoms moved, and how the volume changed."""
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
    """Constants of all forces; of embedded atoms, those along bonds and the many-body part."""
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
            f"{worst + 1} is {forces[worst]:.3g} eV/Å",
            why="the structure was not relaxed with this potential",
            fix="use --relax positions, or --relax cell",
        )
    ]


def _differences(own: ShellModel, others: Sequence[ShellModel]) -> list[Note]:
    """Say by how much the constants of fits differ from those of the potential."""
    notes = []
    for other in others:
        one, two = own.constants, other.constants
        count = min(len(one.values), len(two.values))
        change = two.values[:count] - one.values[:count]
        worst = int(np.abs(change).argmax())
        newton = change[worst] / NEWTON_PER_METRE
        text = (
            f"{other.label} minus {own.label}: {one.names[worst]} of shell "
            f"{one.shell[worst] + 1} differs most, by {newton:.3g} N/m"
        )
        sem = two.values_sem
        if sem is not None:
            ratio = np.abs(change) / sem[:count]
            far = int((ratio > _FAR).sum())
            text += (
                f", {ratio[worst]:.2g} standard errors; {far} of {count} constants differ by "
                f"more than {_FAR:g}"
            )
        notes.append(Note("note", text))
    return notes


def _at_zero(own: ShellModel, others: Sequence[ShellModel]) -> list[Note]:
    """Compare the potential with constants of fits extrapolated linearly to 0 K.

    The fits are those at the volume of the potential, at two temperatures or more.
    """
    volume = own.constants.crystal.volume
    fits = [
        (one.whole.temperature, one.constants.values, one.constants.values_sem)
        for one in others
        if one.whole is not None
        and one.whole.temperature is not None
        and one.constants.values_sem is not None
        and abs(one.constants.crystal.volume / volume - 1.0) < _SAME_VOLUME
    ]
    kelvin = np.array([kelvin for kelvin, _, _ in fits])
    if len(set(kelvin.tolist())) < 2:
        return []
    count = min(len(own.constants.values), *(len(values) for _, values, _ in fits))
    sems = np.array([sem[:count] for _, _, sem in fits])
    # Constants without an error are zero in all models.
    known = np.flatnonzero((sems > 0.0).all(axis=0))
    values = np.array([values[known] for _, values, _ in fits])
    weight = sems[:, known] ** -2.0
    t_kn = kelvin[:, None]
    sums = [(weight * t_kn**n).sum(axis=0) for n in range(3)]
    first, second = ((weight * t_kn**n * values).sum(axis=0) for n in range(2))
    determinant = sums[0] * sums[2] - sums[1] ** 2
    at_zero = (sums[2] * first - sums[1] * second) / determinant
    z = (at_zero - own.constants.values[known]) / np.sqrt(sums[2] / determinant)
    far = int((np.abs(z) > _FAR).sum())
    listed = ", ".join(f"{one:.4g}" for one in kelvin)
    text = (
        f"constants of fits at {listed} K extrapolated to 0 K differ from those of the "
        f"potential by {np.sqrt(np.mean(z**2)):.2g} standard errors (rms); {far} of {len(z)} "
        f"by more than {_FAR:g}"
    )
    if far <= _FEW * len(z):
        return [Note("note", text)]
    return [
        Note(
            "warning",
            text,
            why="the range of the fits is too short, their forces contain those of a "
            "thermostat, the potential is another one, or constants are not linear in T",
            fix="fit with a longer cutoff, or at lower temperatures",
        )
    ]
