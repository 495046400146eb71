"""The forms in which LAMMPS writes dumps, and the reader of each form."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from trajmodes.errors import UsageError
from trajmodes.readers.lammps.binary import BinaryRows, binary_boundaries, index_binary
from trajmodes.readers.lammps.index import DumpIndex, boundary_words, index_dump, index_piece
from trajmodes.readers.lammps.recognise import dump_form
from trajmodes.readers.lammps.yaml_dump import YamlRows, index_yaml, yaml_boundaries
from trajmodes.readers.text.parse import FrameRows
from trajmodes.readers.text.source import TextSource, read_head


class Form(NamedTuple):
    """One of the forms in which LAMMPS writes dumps."""

    name: str
    find: Callable[[TextSource], DumpIndex]
    """Finds the frames of a file."""
    find_pieces: Callable[[TextSource], DumpIndex]
    """Finds the frames of a file that one processor wrote, with the atoms it had."""
    boundaries: Callable[[bytes], list[str]]
    """Words for the boundaries of the box in a header."""
    rows: type[FrameRows]
    """Reads the rows of frames."""


_FORMS = {
    "text": Form("text", index_dump, index_piece, boundary_words, FrameRows),
    "yaml": Form("yaml", index_yaml, index_yaml, yaml_boundaries, YamlRows),
    "binary": Form("binary", index_binary, index_binary, binary_boundaries, BinaryRows),
}


def form_of(paths: Sequence[Path]) -> Form:
    """Form of all files; UsageError if they differ."""
    forms = [_FORMS[dump_form(path, read_head(path)) or "text"] for path in paths]
    for path, form in zip(paths, forms, strict=True):
        if form is not forms[0]:
            raise UsageError(
                f"the dump is {form.name}, and {paths[0]} is {forms[0].name}",
                where=str(path),
                fix="give the files of one form; they may contain the same frames",
            )
    return forms[0]
