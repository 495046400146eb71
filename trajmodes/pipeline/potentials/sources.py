"""Potentials of files: the kind of potential, the relaxed crystal, and its force constants."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.errors import DataError, UsageError, instead_of_path
from trajmodes.notes import Note
from trajmodes.pipeline.potentials.lammps import LammpsPotential, read_commands
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.files import read_eam
from trajmodes.potentials.potential import Order
from trajmodes.potentials.relaxation import relaxed
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.potentials.shell_model.gulp import read_gulp
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.stillinger_weber import read_stillinger_weber
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import THZ

Source = EmbeddedAtom | LammpsPotential | ShellModel


class OfCrystal(NamedTuple):
    """Force constants of a potential for a crystal, and notes on them."""

    constants: ForceConstants
    supercell: Supercell
    """One in which pairs have one nearest image, or whose q points are those of the mesh."""
    notes: tuple[Note, ...]


def open_potential(files: Sequence[Path], values: Mapping[str, Any]) -> Source:
    """Open the potential of a file, or that of an alloy of several files of one element each.

    Raises
    ------
    UsageError
        If the file has commands of LAMMPS, and the range of the forces is unknown.
    DataError
        If the file is not a potential.
    """
    if len(files) > 1:
        return read_eam(*files, interpolation=values["interpolation"])
    file = files[0]
    if file.suffix == ".toml":
        return read_shell_model(file)
    if file.suffix == ".lib":
        return read_gulp(file)
    if file.suffix == ".sw":
        return read_stillinger_weber(file)
    commands = read_commands(file)
    if not commands:
        return read_eam(file, interpolation=values["interpolation"])
    if values["reach"] is None:
        raise UsageError(
            "the reach of the potential of LAMMPS is not known",
            where=str(file),
            fix="give --reach: the cutoff of a pair potential, twice the cutoff of an "
            "embedded-atom or three-body potential",
        )
    return LammpsPotential(commands, values["reach"], values["program"])


def existing_files(names: Sequence[str]) -> list[Path]:
    """Paths of the files of a potential.

    Raises
    ------
    UsageError
        If a file does not exist.
    """
    paths = [Path(name) for name in names]
    for path in paths:
        if not path.is_file():
            raise UsageError(f"there is no file {path}", fix=instead_of_path(path))
    return paths


def relaxed_crystal(potential: Source, crystal: Crystal, what: str) -> Crystal:
    """Relax nothing, the positions, or the positions and the cell.

    The interacting pairs of a shell model are listed at the start and again at the minimum, so
    that the energy has no step at a cutoff.
    """
    if what == "nothing":
        return crystal
    cell = what == "cell"
    if not isinstance(potential, ShellModel):
        return relaxed(potential, crystal, cell=cell)
    found = relaxed(potential.near(crystal), crystal, cell=cell)
    return relaxed(potential.near(found), found, cell=cell)


def force_constants_of(potential: Source, crystal: Crystal, order: Order) -> OfCrystal:
    """Calculate force constants, and a supercell that holds them."""
    if isinstance(potential, ShellModel) and order == 2 and potential.has_shells(crystal):
        found = potential.mesh_constants(crystal)
        size = " × ".join(str(n) for n in found.supercell.matrix.diagonal())
        text = (
            f"the force constants are obtained from a mesh of {size} q points: halfway between "
            f"them frequencies differ from those of the model by {found.error / THZ:.2g} THz "
            "(rms)"
        )
        return OfCrystal(found.constants, found.supercell, (Note("note", text),))
    constants = potential.force_constants(crystal, order)
    notes = potential.notes(crystal) if isinstance(potential, EmbeddedAtom) else ()
    return OfCrystal(constants, enclosing_supercell(crystal, constants.cutoff or 0.0), notes)


def response_of(
    potential: Source, crystal: Crystal
) -> tuple[StaticResponse | None, tuple[Note, ...]]:
    """Elastic, piezoelectric and dielectric tensors of a shell model, or why there are none.

    Bands and forces exist for an unstable crystal too, so that this is not an error.
    """
    if not isinstance(potential, ShellModel):
        return None, ()
    try:
        return potential.response(crystal), ()
    except DataError as error:
        return None, (Note("warning", error.what, why=error.why, fix=error.fix),)


def enclosing_supercell(crystal: Crystal, reach: float) -> Supercell:
    """Build a supercell in which pairs closer than a distance in Å have one nearest image."""
    lengths = np.linalg.norm(crystal.cell, axis=1)
    counts = np.maximum(np.ceil(2.0 * reach / lengths).astype(int), 1)
    while inscribed_radius(found := build_supercell(crystal, np.diag(counts))) < reach:
        counts = counts + 1
    return found
