"""Crystals given by a word, such as ``fcc:4.08:Au``, or by a file."""

import re
from pathlib import Path

from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError
from trajmodes.formats.cell_file import load_crystal

_NAMES = (
    *("sc", "fcc", "bcc", "hcp", "diamond"),
    *("zincblende", "rocksalt", "cesiumchloride", "wurtzite", "fluorite"),
)
"""Structures of `ase.build.bulk`."""
_UNIAXIAL = ("hcp", "wurtzite")
_FORM = "give NAME:a:SYMBOLS in Å, such as fcc:4.08:Au, rocksalt:5.64:NaCl or hcp:3.21,5.21:Mg"


def crystal_of(structure: str | None, cell: str | None) -> Crystal:
    """Primitive crystal of a structure in words, or of a cell file.

    Raises
    ------
    UsageError
        If both are given, or none, or the text has another form.
    DataError
        If the file contains no crystal.
    """
    if (structure is None) == (cell is None):
        raise UsageError(
            "the crystal is given twice" if cell else "the crystal is not known",
            fix="give either --structure, such as fcc:4.08:Au, or --cell POSCAR",
        )
    return load_crystal(Path(cell)).crystal if cell else named_structure(str(structure))


def named_structure(text: str) -> Crystal:
    """Primitive crystal of a text such as ``fcc:4.08:Au``; a and c are separated by a comma.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    from ase.build import bulk  # noqa: PLC0415 - ASE takes long to load

    parts = text.split(":")
    if len(parts) != 3 or parts[0] not in _NAMES:
        raise UsageError(
            f"no structure {text}", why=f"names are {', '.join(_NAMES)}", fix=_FORM
        )
    name, lengths, symbols = parts
    numbers = re.fullmatch(r"([\d.]+)(?:,([\d.]+))?", lengths)
    if numbers is None or (numbers[2] and name not in _UNIAXIAL):
        raise UsageError(f"no structure {text}", why=f"a is {lengths}", fix=_FORM)
    a, c = (None if word is None else float(word) for word in numbers.groups())
    try:
        return Crystal.from_ase(bulk(symbols, name, a=a, c=c))
    except (ValueError, KeyError, RuntimeError) as error:
        raise UsageError(f"no structure {text}: {error}", fix=_FORM) from None
