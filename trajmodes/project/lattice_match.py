"""Whether constants that come from elsewhere belong to the crystal of the run.

Phases are those of integer cells, so the strain between the two cells never enters them; but
constants are those of the volume they were found at, where frequencies differ by −γ ΔV/V with
Grüneisen parameters γ of 1 to 2. Sites have to be the same ones in the same order and the same
cells, for each row of a polarisation vector belongs to one site with its phase.

Once the crystals are found to agree, constants are best put on the crystal of the run: its
sites are those that displacements are counted from, and its masses those that move.
"""

from itertools import permutations

import numpy as np
from scipy.linalg import polar

from trajmodes.arrays import Floats
from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.units import DALTON

__all__ = ["check_lattice"]

_NOTED_STRAIN, _FOREIGN_STRAIN = 2e-4, 0.06
"""Linear strain between the cells that is told, and that makes them different crystals: the
first shifts frequencies by about 0.1 %, the second is farther than any expansion."""
_TURNED = 1e-3
"""Angle in rad between the cells beyond which vectors are in different frames."""
_NOTED_SHIFT, _FOREIGN_SHIFT = 0.02, 0.3
"""Å. Distance of sites that is told, and that makes them different sites."""
_NOTED_MASS, _FOREIGN_MASS = 1e-3, 0.3
"""Relative difference of masses that is told, and that makes them different elements."""
_MOST_ORDERS = 5040


def check_lattice(of_constants: Crystal, of_run: Crystal) -> tuple[Note, ...]:
    """Compare the crystal of force constants with that of a run to be projected on them.

    Parameters
    ----------
    of_constants
        The crystal that the constants belong to.
    of_run
        The crystal that the run was matched to.

    Returns
    -------
    What the user should know: a strained cell, sites that moved, other masses.

    Raises
    ------
    DataError
        If the crystals are different: cells, frames, species, sites or their order.
    """
    strain = _strain(of_constants, of_run)
    _check_species(of_constants, of_run)
    return (
        *_strain_notes(of_constants, of_run, strain),
        *_site_notes(of_constants, of_run),
        *_mass_notes(of_constants, of_run),
    )


def _strain(of_constants: Crystal, of_run: Crystal) -> Floats:
    """Symmetric strain (3, 3) from the cell of the constants to that of the run."""
    if of_constants.n_sites != of_run.n_sites:
        raise _different(
            f"constants have {of_constants.formula} in their cell, the run {of_run.formula}",
            "one is a primitive cell, the other a conventional one, or of another crystal",
        )
    # Rows are vectors: cell_run = cell_constants F, F = (1 + ε) R.
    deformation = np.linalg.solve(of_constants.cell, of_run.cell)
    rotation, stretch = polar(deformation, side="left")
    strain: Floats = stretch - np.eye(3)
    largest = np.abs(np.linalg.eigvalsh(strain)).max()
    if np.linalg.det(rotation) < 0.0 or largest > _FOREIGN_STRAIN:
        raise _different(
            f"the cell of the constants is strained by {largest:.1%} to that of the run",
            "it is another crystal, or its lattice vectors are chosen in another way",
        )
    angle = float(np.linalg.norm(rotation - np.eye(3)) / np.sqrt(2.0))
    if angle > _TURNED:
        raise _different(
            f"the cell of the run is turned by {np.degrees(angle):.2f}° against the constants",
            "constants and polarisation vectors are in the frame of their own cell file",
        )
    return strain


def _different(what: str, why: str) -> DataError:
    return DataError(
        what,
        why=why,
        fix="match the run to the cell file that the constants belong to (--cell)",
    )


def _check_species(of_constants: Crystal, of_run: Crystal) -> None:
    if of_constants.species == of_run.species:
        return
    told = f"{' '.join(of_constants.species)} in the constants, {' '.join(of_run.species)} in"
    if sorted(of_constants.species) == sorted(of_run.species):
        raise _different(f"sites are in another order: {told} the run", "two cell files differ")
    raise _different(f"species differ: {told} the run", "the constants are of another crystal")


def _strain_notes(of_constants: Crystal, of_run: Crystal, strain: Floats) -> list[Note]:
    values = np.linalg.eigvalsh(strain)
    largest = float(values[np.abs(values).argmax()])
    if abs(largest) < _NOTED_STRAIN:
        return []
    volume = of_run.volume / of_constants.volume - 1.0
    text = (
        f"the constants belong to another lattice parameter: that of the run differs by "
        f"{largest:+.2%} in length and {volume:+.2%} in volume. Expect frequencies of the run "
        f"to differ by about {-1.5 * volume:+.1%} (Grüneisen parameters of 1 to 2), besides "
        "what temperature does; constants fitted at this volume would not"
    )
    return [Note("warning", text)]


def _site_notes(of_constants: Crystal, of_run: Crystal) -> list[Note]:
    shift_sx = _shifts(of_constants.sites, of_run.sites)
    cells_sx = np.rint(shift_sx)
    apart = np.linalg.norm((shift_sx - cells_sx) @ of_run.cell, axis=1)
    if apart.max() > _FOREIGN_SHIFT:
        order = _order(of_constants, of_run)
        if order is not None:
            raise _different(
                "sites are in another order: those of the run are numbers "
                f"{' '.join(str(k + 1) for k in order)} of the constants",
                "two cell files differ",
            )
        raise _different(
            f"site {int(apart.argmax()) + 1} of the constants is {apart.max():.2f} Å from that "
            "of the run",
            "the constants are of another structure",
        )
    if cells_sx.any():
        site = int(np.abs(cells_sx).max(axis=1).argmax())
        cell = " ".join(f"{x:+.0f}" for x in cells_sx[site])
        raise _different(
            f"site {site + 1} of the constants is in another cell than that of the run, {cell} "
            "lattice vectors away",
            "phases of polarisation vectors are those of the sites as they are listed",
        )
    if apart.max() > _NOTED_SHIFT:
        text = (
            f"sites of the constants are up to {apart.max():.3f} Å from those of the run: the "
            "structure relaxed otherwise, and constants with it"
        )
        return [Note("warning", text)]
    return []


def _shifts(from_sx: Floats, to_sx: Floats) -> Floats:
    """Reduced vectors (s, 3) between sites, the common shift of the crystal taken out."""
    apart = to_sx - from_sx
    # The circular mean, so that sites in other cells do not pull at it; then that of cells.
    common = np.angle(np.exp(2j * np.pi * apart).mean(axis=0)) / (2.0 * np.pi)
    rest: Floats = apart - common
    return rest - np.rint(np.median(rest, axis=0))


def _order(of_constants: Crystal, of_run: Crystal) -> tuple[int, ...] | None:
    """Sites of the constants in the order of the run; None where no order fits."""
    n_sites = of_run.n_sites
    for tried, order in enumerate(permutations(range(n_sites))):
        if tried >= _MOST_ORDERS:
            return None
        if any(of_constants.species[k] != of_run.species[s] for s, k in enumerate(order)):
            continue
        shift_sx = _shifts(of_constants.sites[list(order)], of_run.sites)
        apart = np.linalg.norm((shift_sx - np.rint(shift_sx)) @ of_run.cell, axis=1)
        if apart.max() < _NOTED_SHIFT:
            return order
    return None


def _mass_notes(of_constants: Crystal, of_run: Crystal) -> list[Note]:
    relative = of_run.masses / of_constants.masses - 1.0
    site = int(np.abs(relative).argmax())
    if abs(relative[site]) < _NOTED_MASS:
        return []
    told = (
        f"site {site + 1} has {of_run.masses[site] / DALTON:.4f} Da in the run and "
        f"{of_constants.masses[site] / DALTON:.4f} Da in the constants"
    )
    if abs(relative[site]) > _FOREIGN_MASS:
        raise _different(f"masses differ: {told}", "an element is another one")
    return [Note("warning", f"{told}: modes are those of the masses of the run")]
