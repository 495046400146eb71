"""Errors that the user accepts, as warnings that state the acceptance."""

from collections.abc import Collection
from dataclasses import replace

from trajmodes.errors import DataError
from trajmodes.notes import Note, Subject


def accepted(note: Note) -> Note:
    """Turn an error into a warning, with the option that accepts it."""
    if note.severity != "error":
        return note
    text = f"{note.text}; accepted (--accept {note.subject})"
    return replace(note, severity="warning", text=text, fix="")


def refuse(note: Note, accept: Collection[Subject], where: str = "") -> tuple[Note, ...]:
    """Return the warning of an accepted error.

    Raises
    ------
    DataError
        If its subject is not in ``accept``.
    """
    if note.subject in accept:
        return (accepted(note),)
    raise DataError(note.text, where=where, why=note.why, fix=note.fix)
