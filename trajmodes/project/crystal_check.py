"""Whether constants that come from elsewhere belong to the crystal of the run.

Phases are those of integer cells, so the strain between the two cells never enters them; but
constants are those of the volume they were found at, where frequencies differ by −γ ΔV/V with
Grüneisen parameters γ of 1 to 2. Sites have to be the same ones in the same order and the same
cells, for each row of a polarisation vector belongs to one site with its phase.

Once the crystals are found to agree, constants are best put on the crystal of the run: its
sites are those that displacements are counted from, and its masses those that move.
"""

from dataclasses import replace
from itertools import permutations

import numpy as np

from trajmodes.data.crystal import Crystal
from trajmodes.data.crystal_difference import (
    NOTABLE,
    SAME_CRYSTAL,
    CrystalDifference,
    crystal_difference,
)
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.units import DALTON

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
    _check_sites(of_constants, of_run)
    apart = crystal_difference(of_constants, of_run)
    _check_cells(apart)
    _check_species(of_constants, of_run)
    return (
        *_strain_notes(of_constants, of_run, apart),
        *_site_notes(of_constants, of_run, apart),
        *_mass_notes(of_constants, of_run, apart),
    )


def _check_sites(of_constants: Crystal, of_run: Crystal) -> None:
    if of_constants.n_sites != of_run.n_sites:
        raise _different(
            f"the cell of the constants holds {of_constants.formula}, that of the run "
            f"{of_run.formula}",
            "one is a primitive cell, the other a conventional one, or of another crystal",
        )


def _check_cells(apart: CrystalDifference) -> None:
    if abs(apart.largest_strain) > SAME_CRYSTAL.strain:
        raise _different(
            f"the cell of the constants is strained by {abs(apart.largest_strain):.1%} to that "
            "of the run",
            "it is another crystal, or its lattice vectors are chosen in another way",
        )
    if apart.angle > SAME_CRYSTAL.angle:
        raise _different(
            f"the cell of the run is turned by {np.degrees(apart.angle):.2f}° against the "
            "constants",
            "constants and polarisation vectors are in the frame of their own cell file",
        )


def _different(what: str, why: str) -> DataError:
    return DataError(
        what,
        why=why,
        fix="match the run to the cell file that the constants belong to (--cell)",
    )


def _check_species(of_constants: Crystal, of_run: Crystal) -> None:
    if of_constants.species == of_run.species:
        return
    text = f"{' '.join(of_constants.species)} in the constants, {' '.join(of_run.species)} in"
    if sorted(of_constants.species) == sorted(of_run.species):
        raise _different(f"sites are in another order: {text} the run", "two cell files differ")
    raise _different(f"species differ: {text} the run", "the constants are of another crystal")


def _strain_notes(
    of_constants: Crystal, of_run: Crystal, apart: CrystalDifference
) -> list[Note]:
    largest = apart.largest_strain
    if abs(largest) < NOTABLE.strain:
        return []
    volume = of_run.volume / of_constants.volume - 1.0
    text = (
        f"the constants belong to another lattice parameter: that of the run differs by "
        f"{largest:+.2%} in length and {volume:+.2%} in volume. Expect frequencies of the run "
        f"to differ by about {-1.5 * volume:+.1%} (Grüneisen parameters of 1 to 2), besides "
        "what temperature does; constants fitted at this volume would not"
    )
    return [Note("warning", text)]


def _site_notes(of_constants: Crystal, of_run: Crystal, apart: CrystalDifference) -> list[Note]:
    farthest = apart.shift.max()
    if farthest > SAME_CRYSTAL.site:
        order = _order(of_constants, of_run)
        if order is not None:
            raise _different(
                "sites are in another order: those of the run are numbers "
                f"{' '.join(str(k + 1) for k in order)} of the constants",
                "two cell files differ",
            )
        raise _different(
            f"site {int(apart.shift.argmax()) + 1} of the constants is {farthest:.2f} Å from "
            "that of the run",
            "the constants are of another structure",
        )
    if apart.cells.any():
        site = int(np.abs(apart.cells).max(axis=1).argmax())
        cell = " ".join(f"{x:+d}" for x in apart.cells[site])
        raise _different(
            f"site {site + 1} of the constants is in another cell than that of the run, {cell} "
            "lattice vectors away",
            "phases of polarisation vectors are those of the sites as they are listed",
        )
    if farthest > NOTABLE.site:
        text = (
            f"sites of the constants are up to {farthest:.3f} Å from those of the run: the "
            "structure relaxed otherwise, and constants with it"
        )
        return [Note("warning", text)]
    return []


def _order(of_constants: Crystal, of_run: Crystal) -> tuple[int, ...] | None:
    """Sites of the constants in the order of the run; None where no order fits."""
    n_sites = of_run.n_sites
    for tried, order in enumerate(permutations(range(n_sites))):
        if tried >= _MOST_ORDERS:
            return None
        if any(of_constants.species[k] != of_run.species[s] for s, k in enumerate(order)):
            continue
        sorted_ = replace(of_constants, sites=of_constants.sites[list(order)])
        if crystal_difference(sorted_, of_run).shift.max() < NOTABLE.site:
            return order
    return None


def _mass_notes(of_constants: Crystal, of_run: Crystal, apart: CrystalDifference) -> list[Note]:
    site = int(np.abs(apart.mass).argmax())
    if abs(apart.mass[site]) < NOTABLE.mass:
        return []
    text = (
        f"site {site + 1} has {of_run.masses[site] / DALTON:.4f} Da in the run and "
        f"{of_constants.masses[site] / DALTON:.4f} Da in the constants"
    )
    if abs(apart.mass[site]) > SAME_CRYSTAL.mass:
        raise _different(f"masses differ: {text}", "an element is another one")
    return [Note("warning", f"{text}: modes are those of the masses of the run")]
