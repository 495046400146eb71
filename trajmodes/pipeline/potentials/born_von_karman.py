"""`trajmodes bvk`: Born–von Kármán constants of force constants, tables or frequencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.shell_constants import MeasuredFit, ShellConstants, ShellModels
from trajmodes.data.results import Provenance
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.formats.registry import read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.born_von_karman.measured import fit_to_frequencies
from trajmodes.phonons.born_von_karman.projection import (
    constants_in,
    force_constants_of,
    inadmissible_part,
    listed_parts,
)
from trajmodes.phonons.born_von_karman.shells import NeighbourShells, nearest_shells, selected
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import PATH_SPACING, connected_bands
from trajmodes.pipeline.job_folder import text_writer, versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.potentials.shell_table import (
    read_measured,
    read_shell_table,
    shell_table,
)
from trajmodes.pipeline.potentials.structures import crystal_of
from trajmodes.report.numbers import counted
from trajmodes.report.write import SHELL_FILES, write_folder
from trajmodes.results.by_command.born_von_karman import shells_dataset
from trajmodes.results.folder import Writer, require_replaceable
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell

CONSTANTS_FILE, TABLE_FILE = "force_constants.h5", "bvk.toml"
_ASYMMETRIC = 0.05
"""Part of a shell that may break the symmetry without a warning."""
_ADJUSTED, _MUCH = 1e-6, 1e-2
"""Part of the constants that the sum rule may change without a note, and without a warning."""


@dataclass(frozen=True, slots=True)
class ShellModel:
    """Constants of shells from one source."""

    label: str
    shells: NeighbourShells
    constants: ShellConstants
    whole: ForceConstants | None = None
    """Force constants in which they were found."""
    supercell: Supercell | None = None
    fit: MeasuredFit | None = None
    notes: tuple[Note, ...] = ()
    """What the constants do not contain."""

    @property
    def force_constants(self) -> ForceConstants:
        """Force constants of these shells alone."""
        found = force_constants_of(self.constants, self.shells)
        if self.whole is None:
            return found
        kelvin, charges = self.whole.temperature, self.whole.charges
        return replace(found, temperature=kelvin, charges=charges)


def bvk_job(
    source: str | ForceConstants, values: Mapping[str, Any], *, command: str
) -> tuple[xr.Dataset, dict[str, str]]:
    """Find or fit the constants of neighbour shells; write them if ``values`` name a folder.

    Parameters
    ----------
    source
        Force constants, or the path of their file or folder, of a table of constants (TOML), or
        of a table of measured frequencies (CSV).
    values
        Values of the options of `trajmodes bvk`.
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
        If a source does not exist, or a file is in the way.
    DataError
        If the sources are of different crystals, or the frequencies do not determine the
        constants.
    """
    output, others = values["output"], values["compare"]
    if output is not None:
        inputs = [one for one in (source, *others) if isinstance(one, str)]
        require_replaceable(output, (*SHELL_FILES, CONSTANTS_FILE, TABLE_FILE), inputs)
    first = shell_model(source, values)
    models = [first, *(require_alike(first, shell_model(one, values)) for one in others)]
    found = beside_each_other(models, values["path"], command, remarks(models))
    dataset = shells_dataset(found)
    return dataset, write_folder(output, dataset, _writers(first))


def shell_model(source: str | ForceConstants, values: Mapping[str, Any]) -> ShellModel:
    """Find constants of shells in force constants or a table, or fit them to frequencies."""
    if isinstance(source, ForceConstants):
        return model_of_constants("force constants", source, values["shells"])
    place = Path(source)
    if not place.exists():
        raise UsageError(f"there is no {source}", fix="check the path")
    label = place.stem if place.is_file() else place.resolve().name
    if place.suffix == ".toml":
        constants, shells = read_shell_table(place)
        return ShellModel(label, shells, constants)
    if place.suffix == ".csv":
        crystal = crystal_of(values["structure"], values["cell"])
        shells = nearest_shells(crystal, values["shells"])
        fitted, quality = fit_to_frequencies(read_measured(place, crystal), shells)
        return ShellModel(label, shells, fitted, fit=quality)
    known = read_force_constants(place)
    model = model_of_constants(label, known, values["shells"])
    return replace(model, supercell=read_supercell(place))


def model_of_constants(label: str, constants: ForceConstants, number: int) -> ShellModel:
    """Find the constants of the nearest shells in force constants.

    Shells end before the first of which only some bonds are listed.

    Raises
    ------
    DataError
        If there is no whole shell.
    """
    shells = nearest_shells(constants.crystal, number)
    parts = listed_parts(constants, shells)
    if not parts.any():
        raise DataError("the force constants have no pairs of different atoms", where=label)
    within = int(np.flatnonzero(parts).max()) + 1
    broken = np.flatnonzero((parts > 0.0) & (parts < 1.0 - 1e-9))
    notes = []
    if len(broken):
        within = int(broken[0])
        text = (
            f"only {100.0 * parts[within]:.2g} % of the bonds of shell {within + 1} are listed"
        )
        why = "the supercell has a lower symmetry than the crystal, and cuts through the shell"
        fix = "use a supercell with the symmetry of the crystal, or a cutoff inside it"
        if not within:
            raise DataError(text, where=label, why=why, fix=fix)
        notes.append(
            Note("warning", f"{text}: the shells before it are given", why=why, fix=fix)
        )
    elif within < number:
        text = f"{counted(within, 'shell')} {'lies' if within == 1 else 'lie'} within the reach"
        notes.append(Note("note", f"{text} of the force constants"))
    if len(empty := np.flatnonzero(parts[:within] == 0.0)):
        listed = ", ".join(str(h + 1) for h in empty)
        name = "shell" if len(empty) == 1 else "shells"
        text = f"constants of {name} {listed} are zero: the force constants have no such bonds"
        notes.append(Note("note", text))
    shells = selected(shells, within)
    found = constants_in(constants, shells)
    return ShellModel(label, shells, found, constants, notes=(*notes, *_of_values(found)))


def _of_values(found: ShellConstants) -> list[Note]:
    """Warn of shells that break the symmetry of the crystal."""
    assert found.residual is not None
    worst = int(found.residual.argmax())
    if found.residual[worst] <= _ASYMMETRIC:
        return []
    text = (
        f"{100.0 * found.residual[worst]:.2g} % of the constants of shell {worst + 1} break "
        "the symmetry of the crystal; the averages over the shell are given"
    )
    return [
        Note(
            "warning",
            text,
            why="noise, or equally near images in a supercell that share its bonds",
            fix="take fewer shells, or a longer run",
        )
    ]


def _of_sum_rule(model: ShellModel) -> list[Note]:
    """Say by how much constants differ from those that force constants can have."""
    part = inadmissible_part(model.constants, model.shells)
    if part <= _ADJUSTED:
        return []
    return [
        Note(
            "warning" if part > _MUCH else "note",
            f"the self terms of these {counted(model.shells.n_shells, 'shell')} alone would "
            "not be symmetric: bands and force constants are of the nearest constants whose "
            f"self terms are, which differ from the listed ones by {100.0 * part:.2g} %",
            why="in a crystal of low symmetry the sum rule relates the constants of all "
            "shells, and some are left out",
            fix="take more --shells",
        )
    ]


def remarks(models: Sequence[ShellModel]) -> list[Note]:
    """Say what the constants that are found in force constants do not contain."""
    names = distinct_labels([one.label for one in models])
    notes = [
        replace(note, text=f"{name}: {note.text}" if k else note.text)
        for k, (name, one) in enumerate(zip(names, models, strict=True))
        for note in (*one.notes, *_of_sum_rule(one))
    ]
    charged = [one.whole is not None and one.whole.charges is not None for one in models]
    if charged[0]:
        text = "the constants are without the dipole–dipole part, which the bands include"
        notes.append(Note("note", text))
    if any(charged) and not all(charged):
        listed = ", ".join(name for name, polar in zip(names, charged, strict=True) if polar)
        notes.append(
            Note(
                "warning",
                f"only the constants of {listed} are without the dipole–dipole part",
                why="the other models have no charges",
                fix="compare force constants with charges, or all without",
            )
        )
    return notes


def require_alike(first: ShellModel, other: ShellModel) -> ShellModel:
    """Limit another model to the shells of the first; require the same ones."""
    number = min(first.shells.n_shells, other.shells.n_shells)
    one, two = first.constants, other.constants
    own = one.shell < number
    same = (
        one.crystal.species == two.crystal.species
        and one.species[:number] == two.species[:number]
        and np.array(one.names)[own].tolist()
        == np.array(two.names)[two.shell < number].tolist()
        and np.allclose(one.bonds[:number], two.bonds[:number], rtol=0.1, atol=1e-3)
    )
    if not same:
        raise DataError(
            f"{other.label} is of another crystal than {first.label}",
            why="shells of both must have the same bonds and the same sites",
            fix="compare models of one crystal, in the same axes",
        )
    return other


def beside_each_other(
    models: list[ShellModel], path: str, command: str, notes: list[Note]
) -> ShellModels:
    """Put the constants and bands of several models beside each other."""
    first = models[0].force_constants
    line = band_path(first.crystal, PATH_SPACING, path)
    bands = connected_bands(first, line)
    omega = [bands.omega, *(_bands(one.force_constants, line) for one in models[1:])]
    whole = models[0].whole
    return ShellModels(
        labels=distinct_labels([one.label for one in models]),
        models=tuple(one.constants for one in models),
        bands=bands,
        band_omega=np.array(omega),
        provenance=Provenance(versions(), (), command, ""),
        whole_omega=None if whole is None else _bands(whole, line),
        measured=models[0].fit,
        temperatures=tuple(
            None if one.whole is None else one.whole.temperature for one in models
        ),
        warnings=tuple(note for note in notes if note.severity == "warning"),
        notes=tuple(note for note in notes if note.severity != "warning"),
    )


def _bands(constants: ForceConstants, path: BandPath) -> Floats:
    """(p, b) frequencies alone, without their errors."""
    return frequencies_at(replace(constants, replicates=None), path.qpoints, path.directions())[
        0
    ]


def distinct_labels(labels: list[str]) -> tuple[str, ...]:
    """Give equal labels different numbers."""
    found: list[str] = []
    for label in labels:
        count = sum(one.split(" (")[0] == label for one in found)
        found.append(f"{label} ({count + 1})" if count else label)
    return tuple(found)


def _writers(model: ShellModel) -> dict[str, Writer]:
    """Force constants of the shells, and their table."""
    constants = model.force_constants
    crystal = constants.crystal
    supercell = model.supercell or _supercell(crystal, float(model.shells.distances[-1]))
    text = shell_table(model.constants, model.label)
    return {
        CONSTANTS_FILE: Writer(
            "force constants of these shells", partial(write_hdf5, constants, supercell)
        ),
        TABLE_FILE: Writer("the constants as a table that can be compared", text_writer(text)),
    }


def _supercell(crystal: Crystal, longest: float) -> Supercell:
    """Build a supercell whose inscribed sphere contains all bonds."""
    n = 2
    while (
        inscribed_radius(found := build_supercell(crystal, n * np.eye(3, dtype=int))) < longest
    ):
        n += 1
    return found
