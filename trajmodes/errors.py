"""Errors of trajmodes: what happened, where, the likely reason, and how to fix it.

The class of an error determines the exit code of the program.
"""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path

_MOST_NAMES = 2000
"""Largest number of names that one that is not there is compared with."""


class TrajmodesWarning(UserWarning):
    """The input is unusual, but the result is valid."""


class TrajmodesError(Exception):
    """Base class of the errors that trajmodes raises.

    Parameters
    ----------
    what
        What happened, in one sentence.
    where
        File, frame, line or field.
    why
        The likely reason.
    fix
        What to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        self.what, self.where, self.why, self.fix = what, where, why, fix
        lines = [f"{what} ({where})" if where else what]
        for head, text in (("  why: ", why), ("  fix: ", fix)):
            if text:
                lines.append(head + text.replace("\n", "\n" + " " * len(head)))
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by parts, so that workers can return errors."""
        make = partial(type(self), where=self.where, why=self.why, fix=self.fix)
        return make, (self.what,)


def instead_of(word: str, known: Iterable[str]) -> str:
    """Advise on an unknown word: the known ones like it, the most similar first, or all."""
    words = list(known)
    like = get_close_matches(word, words)
    like += [one for one in words if one.startswith(f"{word}_") and one not in like]
    return f"did you mean {' or '.join(like)}?" if like else f"take one of {', '.join(words)}"


def instead_of_path(path: Path) -> str:
    """Advise on a path at which nothing is: names in its folder that are like its own."""
    if not path.parent.is_dir():
        return f"check the path: there is no folder {path.parent}"
    names: list[str] = []
    # The folder may be closed to the user, or have a file for each of a million frames.
    with suppress(PermissionError):
        names = [one.name for one in islice(path.parent.iterdir(), _MOST_NAMES)]
    like = [str(path.with_name(name)) for name in get_close_matches(path.name, names)]
    return f"did you mean {' or '.join(like)}?" if like else "check the path"


class UsageError(TrajmodesError):
    """The call or the job file asks for something impossible."""

    exit_code = 2


class UnitsError(UsageError):
    """The units of a file are unknown."""


class DataError(TrajmodesError):
    """A file or an array has invalid content, or lacks required data."""

    exit_code = 3


def with_location(error: TrajmodesError, where: str) -> DataError:
    """Copy of an error with a file or frame before the position that it names."""
    place = f"{where}, {error.where}" if error.where else where
    return DataError(error.what, where=place, why=error.why, fix=error.fix)


@contextmanager
def reading(what: str, path: Path, *, why: str, fix: str = "") -> Iterator[None]:
    """Turn any exception of a library that reads a file into a `DataError` that names it."""
    try:
        yield
    except TrajmodesError:
        raise
    except Exception as error:
        text = f"{what} cannot be read: {type(error).__name__}: {error}"
        raise DataError(text, where=str(path), why=why, fix=fix) from error


@contextmanager
def system_errors(path: Path) -> Iterator[None]:
    """Turn a system error on reading a file or folder into a `UsageError` that names it."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}",
            fix=instead_of_path(path)
            if error.errno == errno.ENOENT
            else _READ_FIXES.get(error.errno or 0, ""),
        ) from error


_READ_FIXES = {
    errno.EIO: "the disk reports an error: look at the system log, copy the file elsewhere",
    errno.EACCES: "you may not read it: change its permissions",
    errno.ESTALE: "the file server has replaced it: repeat the command",
}


class StorageError(TrajmodesError):
    """Results could not be written."""

    exit_code = 4


class LockedError(TrajmodesError):
    """Another process is writing to the same output folder."""

    exit_code = 5


class TimeLimitError(TrajmodesError):
    """The time limit of a job was reached; a checkpoint was written."""

    exit_code = 6
