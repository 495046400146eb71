"""Born charges of a job: from the file or the numbers given, or beside the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trajmodes.config.polar import PolarOptions
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.formats.charges import charges_of_numbers, read_charges
from trajmodes.formats.open import sibling_charges
from trajmodes.notes import Note


class FoundCharges(NamedTuple):
    """Charges of a crystal, if there are any, and notes on them."""

    charges: Charges | None
    notes: tuple[Note, ...] = ()


def charges_given(options: PolarOptions, crystal: Crystal) -> FoundCharges:
    """Charges that the options give, on the sites of the crystal.

    Raises
    ------
    UsageError
        If the file is missing, or a number.
    DataError
        If the charges are damaged or of another crystal.
    """
    if options.born is not None:
        return FoundCharges(*read_charges(Path(options.born), crystal))
    if options.dielectric is not None:
        return FoundCharges(
            *charges_of_numbers(options.born_charges, options.dielectric, crystal)
        )
    return FoundCharges(None)


def charges_of_data(
    options: PolarOptions, crystal: Crystal, paths: Sequence[Path]
) -> FoundCharges:
    """Charges that the options give, or those in a file that belongs to the data."""
    if options.are_given or options.no_charges or not paths:
        return charges_given(options, crystal)
    beside = sibling_charges(paths[0])
    return (
        FoundCharges(None) if beside is None else FoundCharges(*read_charges(beside, crystal))
    )
