"""The files of a run: by name, by pattern, or from standard input.

A run is read several times: once to find its frames, in part to match it to its crystal, and
then in one or two passes. Data from a pipe are therefore kept in a temporary file in TMPDIR
until the command ends.
"""

import atexit
import glob
import os
import re
import select
import shutil
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from trajmodes.config.job import STANDARD_INPUT, URL
from trajmodes.errors import StorageError, TrajmodesWarning, UsageError, instead_of_path
from trajmodes.notes import Note
from trajmodes.readers.text.remote import matching_objects, named_path

_PIECE = 1 << 20
_LOOK = 1 << 26
"""Bytes between two looks at the free space."""
_LEAST_FREE = 1 << 28
"""Bytes that are left free for the results and for other programs."""
_PATIENCE_S = 30.0


def input_paths(names: Sequence[str]) -> list[Path]:
    """Paths of the files of a run, some of which may be named by patterns or “-”.

    Raises
    ------
    UsageError
        If no file matches a pattern, a file is given twice, or standard input is empty.
    StorageError
        If the disk has no space for it.
    """
    paths: list[Path] = []
    for name in names:
        if name == STANDARD_INPUT:
            paths.append(_standard_input())
            continue
        if URL.match(name):
            paths.extend(_objects(name))
            continue
        if "%" in Path(name).name and not Path(name).exists():
            paths.extend(_of_processors(name))
            continue
        is_pattern = glob.has_magic(name) and not Path(name).exists()
        found = sorted(glob.glob(name)) if is_pattern else [name]  # noqa: PTH207 - may be absolute
        if not found:
            fix = instead_of_path(Path(name))
            raise UsageError(f'no file matches the pattern "{name}"', fix=fix)
        paths.extend(Path(path) for path in found)
    whole = [path.resolve() for path in paths]
    first = {path: k for k, path in reversed(list(enumerate(whole)))}
    if twice := [path for k, path in enumerate(paths) if first[whole[k]] < k]:
        raise UsageError(
            f"{twice[0]} is given twice",
            why="repeated frames add no information, and would make errors too small",
        )
    return paths


def _objects(name: str) -> list[Path]:
    """Objects of a URL in which * stands for any characters."""
    found = matching_objects(name) if "*" in name else [named_path(name)]
    if not found:
        raise UsageError(f'no object matches the pattern "{name}"')
    return found


def _of_processors(name: str) -> list[Path]:
    """Files that LAMMPS writes under a name with %, in the order of their numbers."""
    path = Path(name)
    before, after = path.name.split("%", 1)
    form = re.compile(f"{re.escape(before)}(\\d+){re.escape(after)}")
    matches = (form.fullmatch(one.name) for one in path.parent.glob("*"))
    found = sorted((int(one[1]), one[0]) for one in matches if one)
    if not found:
        raise UsageError(f'no file matches the pattern "{name}", with a number for %')
    return [path.with_name(one) for _, one in found]


def input_notes(names: Sequence[str]) -> tuple[Note, ...]:
    """Note the amount of data from standard input, if it is among the files."""
    if STANDARD_INPUT not in names:
        return ()
    size = _standard_input().stat().st_size
    text = f"{size / 1e6:.3g} MB from standard input were kept in TMPDIR during the command"
    return (Note("note", text),)


@cache
def _standard_input() -> Path:
    """File with all data from standard input; it is removed at the end."""
    if sys.stdin.isatty():
        raise UsageError(
            "“-” stands for frames from a pipe, but standard input is a terminal",
            fix="zcat run.lammpstrj.gz | trajmodes run - --cell POSCAR",
        )
    folder = Path(mkdtemp(prefix="trajmodes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "standard-input"
    keep(sys.stdin.fileno(), path)
    return path


def keep(descriptor: int, path: Path, *, patience_s: float = _PATIENCE_S) -> None:
    """Write all data from a pipe to a file.

    A warning is raised if no data arrive for some time.

    Raises
    ------
    UsageError
        If the writer ends without data.
    StorageError
        If the disk has no space for it.
    """
    size = 0
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                _wait(descriptor, size, patience_s)
                piece = memoryview(os.read(descriptor, _PIECE))
                if not piece:
                    break
                if size % _LOOK + len(piece) >= _LOOK or not size:
                    _require_space(path, size)
                size += len(piece)
                while piece:
                    piece = piece[file.write(piece) :]
    except OSError as error:
        raise _no_space(path, size, error.strerror or str(error)) from error
    if not size:
        raise UsageError(
            "nothing came through standard input",
            why="the program before the pipe wrote nothing, or it failed",
        )


def _wait(descriptor: int, size: int, patience_s: float) -> None:
    """Wait until data arrive."""
    while not select.select([descriptor], [], [], patience_s)[0]:
        text = f"nothing came through standard input for {patience_s:g} s, after {size} bytes"
        warnings.warn(f"{text}: still waiting", TrajmodesWarning, stacklevel=2)


def _require_space(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < _LEAST_FREE:
        raise _no_space(path, size, f"{free / 1e6:.0f} MB are free")


def _no_space(path: Path, size: int, why: str) -> StorageError:
    return StorageError(
        f"after {size / 1e6:.3g} MB there is no space for more data from standard input",
        where=str(path.parent),
        why=why,
        fix="set TMPDIR to a folder with more space, or write a file and give its name",
    )
