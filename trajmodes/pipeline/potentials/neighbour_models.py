"""Constants of neighbour shells from one source: force constants, tables or frequencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.shell_constants import MeasuredFit, ShellConstants
from trajmodes.errors import DataError, UsageError, instead_of_path
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
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.potentials.shell_table import (
    read_measured,
    read_shell_table,
)
from trajmodes.pipeline.potentials.structures import crystal_of
from trajmodes.report.numbers import counted
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell

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
    temperature: float | None = None
    """In K; None where there is none."""
    notes: tuple[Note, ...] = ()
    """What the constants do not contain."""

    @property
    def enclosing(self) -> Supercell:
        """Supercell of the force constants, or one that holds the bonds of the shells."""
        if self.supercell is not None:
            return self.supercell
        crystal, n = self.constants.crystal, 2
        while (
            inscribed_radius(found := build_supercell(crystal, n * np.eye(3, dtype=int)))
            < self.shells.distances[-1]
        ):
            n += 1
        return found

    @property
    def force_constants(self) -> ForceConstants:
        """Force constants of these shells alone."""
        found = force_constants_of(self.constants, self.shells)
        if self.whole is None:
            return found
        kelvin, charges = self.whole.temperature, self.whole.charges
        return replace(found, temperature=kelvin, charges=charges)


def shell_model(source: str | ForceConstants, values: Mapping[str, Any]) -> ShellModel:
    """Find constants of shells in force constants or a table, or fit them to frequencies."""
    if isinstance(source, ForceConstants):
        return model_of_constants("force constants", source, values["shells"])
    place = Path(source)
    if not place.exists():
        raise UsageError(f"there is no {source}", fix=instead_of_path(place))
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

    Only shells nearer than the first incompletely listed one are taken.

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
    kelvin = constants.temperature
    remarks = (*notes, *_of_values(found))
    return ShellModel(label, shells, found, constants, temperature=kelvin, notes=remarks)


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
    """State by how much constants differ from those allowed by the sum rules."""
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


def remarks(models: Sequence[ShellModel], *, whole_bands: bool = False) -> list[Note]:
    """State what constants found in force constants do not contain.

    With `whole_bands`, bands and force constants are of all pairs, not of these shells alone.
    """
    names = distinct_labels([one.label for one in models])
    notes = [
        replace(note, text=f"{name}: {note.text}" if k else note.text)
        for k, (name, one) in enumerate(zip(names, models, strict=True))
        for note in (*one.notes, *(() if whole_bands else _of_sum_rule(one)))
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
    """Limit another model to the shells of the first; raise an error if they differ."""
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


def distinct_labels(labels: list[str]) -> tuple[str, ...]:
    """Give equal labels consecutive numbers."""
    found: list[str] = []
    for label in labels:
        count = sum(one.split(" (")[0] == label for one in found)
        found.append(f"{label} ({count + 1})" if count else label)
    return tuple(found)
