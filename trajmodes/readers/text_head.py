"""What the first bytes of a file show to be no text that any reader here can take."""

from pathlib import Path

from trajmodes.errors import DataError

__all__ = ["require_text"]

_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""
_BLANK = b" \t\r\n\f\v"


def require_text(path: Path, head: bytes) -> None:
    """Refuse files without text, of wide characters, or whose lines end in another way.

    Parameters
    ----------
    path
        The file.
    head
        Its first bytes, decompressed.

    Raises
    ------
    DataError
        If it is one of these.
    """
    if not head.strip(_BLANK):
        raise DataError(
            "the file holds no text" if not head else "the file holds nothing but blanks",
            where=str(path),
            why="the run has written nothing yet, or the file was cut at its very beginning",
        )
    if head.startswith(_WIDE):
        raise DataError(
            "the file is text of two-byte characters (UTF-16)",
            where=str(path),
            why="a program such as PowerShell or Excel wrote it anew",
            fix="iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8",
        )
    if b"\r" in head and b"\n" not in head and b"\0" not in head:
        raise DataError(
            "lines end with a carriage return alone",
            where=str(path),
            why="the file was converted for an old Macintosh",
            fix="tr '\\r' '\\n' < FILE > FILE.unix",
        )
