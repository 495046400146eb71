"""Check that force constants from elsewhere belong to the crystal of the run.

Phases are those of integer cells, so the strain between the two cells does not enter them. But
force constants depend on the volume at which they were determined; frequencies differ by −γ
ΔV/V with Grüneisen parameters γ of 1 to 2. Sites must be the same, in the same order and in the
same cells, because each row of a polarisation vector belongs to one site and its phase.

If the crystals agree, the force constants are transferred to the crystal of the run:
displacements are measured from its sites, and its masses are those that move.
"""

from dataclasses import replace
from itertools import permutations

import numpy as np

from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import NOTABLE, SAME_CRYSTAL, CrystalDifference, crystal_difference
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.units import DALTON

_MOST_PERMUTATIONS = 5040


def check_lattice(of_constants: Crystal, of_run: Crystal) -> tuple[Note, ...]:
    """Compare the crystal of force constants with that of a run to be projected on them.

    Returns
    -------
    Notes on a strained cell, shifted sites, or different masses.

    Raises
    ------
    DataError
        If the crystals differ in cells, orientation, species, sites or their order.
    """
    if of_constants.n_sites != of_run.n_sites:
        raise _mismatch(
            f"the cell of the force constants contains {of_constants.formula}, that of the run "
            f"{of_run.formula}",
            "one is a primitive cell and the other a conventional one, or the crystals differ",
        )
    difference = crystal_difference(of_constants, of_run)
    if abs(difference.largest_strain) > SAME_CRYSTAL.strain:
        raise _mismatch(
            "the cell of the force constants is strained by "
            f"{abs(difference.largest_strain):.1%} relative to that of the run",
            "it is another crystal, or its lattice vectors are chosen differently",
        )
    if difference.angle > SAME_CRYSTAL.angle:
        raise _mismatch(
            f"the cell of the run is rotated by {np.degrees(difference.angle):.2f}° against "
            "that of the force constants",
            "force constants and polarisation vectors refer to the axes of their own cell file",
        )
    _check_species(of_constants, of_run)
    return (
        *_strain_notes(of_constants, of_run, difference),
        *_site_notes(of_constants, of_run, difference),
        *_mass_notes(of_constants, of_run, difference),
    )


def _mismatch(what: str, why: str) -> DataError:
    fix = "match the run to the cell file of the force constants (--cell)"
    return DataError(what, why=why, fix=fix)


def _check_species(of_constants: Crystal, of_run: Crystal) -> None:
    if of_constants.species == of_run.species:
        return
    text = (
        f"{' '.join(of_constants.species)} in the force constants, "
        f"{' '.join(of_run.species)} in the run"
    )
    if sorted(of_constants.species) == sorted(of_run.species):
        raise _mismatch(f"sites are in another order: {text}", "the two cell files differ")
    raise _mismatch(f"species differ: {text}", "the force constants are of another crystal")


def _strain_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    largest = difference.largest_strain
    if abs(largest) < NOTABLE.strain:
        return []
    volume = of_run.volume / of_constants.volume - 1.0
    text = (
        f"the force constants are of another lattice parameter: that of the run differs by "
        f"{largest:+.2%} in length and {volume:+.2%} in volume. Expect frequencies of the run "
        f"to differ by about {-1.5 * volume:+.1%} (Grüneisen parameters of 1 to 2), besides "
        "the effect of temperature; force constants fitted at this volume avoid this shift"
    )
    return [Note("warning", text)]


def _site_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    farthest = difference.shift.max()
    if farthest > SAME_CRYSTAL.site:
        order = _site_permutation(of_constants, of_run)
        if order is not None:
            raise _mismatch(
                "sites are in another order: those of the run are numbers "
                f"{' '.join(str(k + 1) for k in order)} of the force constants",
                "the two cell files differ",
            )
        raise _mismatch(
            f"site {int(difference.shift.argmax()) + 1} of the force constants is "
            f"{farthest:.2f} Å from that of the run",
            "the force constants are of another structure",
        )
    if difference.cells.any():
        site = int(np.abs(difference.cells).max(axis=1).argmax())
        cell = " ".join(f"{x:+d}" for x in difference.cells[site])
        raise _mismatch(
            f"site {site + 1} of the force constants is in another cell than that of the run, "
            f"{cell} lattice vectors away",
            "phases of polarisation vectors depend on the cells of the sites",
        )
    if farthest > NOTABLE.site:
        text = (
            f"sites of the force constants are up to {farthest:.3f} Å from those of the run: "
            "the structure relaxed differently, which changes the force constants"
        )
        return [Note("warning", text)]
    return []


def _site_permutation(of_constants: Crystal, of_run: Crystal) -> tuple[int, ...] | None:
    """Sites of the force constants in the order of the run; None if no permutation fits."""
    n_sites = of_run.n_sites
    for tried, order in enumerate(permutations(range(n_sites))):
        if tried >= _MOST_PERMUTATIONS:
            return None
        if any(of_constants.species[k] != of_run.species[s] for s, k in enumerate(order)):
            continue
        sorted_ = replace(of_constants, sites=of_constants.sites[list(order)])
        if crystal_difference(sorted_, of_run).shift.max() < NOTABLE.site:
            return order
    return None


def _mass_notes(
    of_constants: Crystal, of_run: Crystal, difference: CrystalDifference
) -> list[Note]:
    site = int(np.abs(difference.mass).argmax())
    if abs(difference.mass[site]) < NOTABLE.mass:
        return []
    text = (
        f"site {site + 1} has {of_run.masses[site] / DALTON:.4f} Da in the run and "
        f"{of_constants.masses[site] / DALTON:.4f} Da in the force constants"
    )
    if abs(difference.mass[site]) > SAME_CRYSTAL.mass:
        raise _mismatch(f"masses differ: {text}", "an element differs")
    return [Note("warning", f"{text}: the modes use the masses of the run")]
