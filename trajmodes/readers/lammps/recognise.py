"""Recognise the form of a LAMMPS dump by its first bytes."""

from pathlib import Path
from typing import Literal

BINARY_NAMES = (b"DUMPATOM", b"DUMPCUSTOM")
"""Names that follow their length at the beginning of a binary dump."""
_AT = 8

FormName = Literal["text", "binary", "yaml"]


def dump_form(path: Path, head: bytes) -> FormName | None:
    """Form of a dump with these decompressed first bytes; None if it is not a dump of LAMMPS.

    A file ``.bin`` without a name at its beginning is an old binary dump, which is refused when
    it is read.
    """
    if any(head[_AT : _AT + len(name)] == name for name in BINARY_NAMES):
        return "binary"
    if path.suffix == ".bin" and b"\0" in head:
        return "binary"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"---\n") and b"\ncreator: LAMMPS" in text:
        return "yaml"
    return "text" if text.split(maxsplit=1)[:1] == [b"ITEM:"] else None
