"""TOML files of users: small, and nested no deeper than their content needs."""

import re
import tomllib
from pathlib import Path
from typing import Any

from trajmodes.errors import UsageError

_LARGEST = 2**20
"""Largest size of a file in bytes."""

_DEEPEST = 2
"""Most brackets that may be open at once, and most parts of a dotted name. No file needs more,
and the memory that tomllib takes grows as the square of the depth."""

_QUOTED = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)'
    r'|"(?:[^"\\\n]|\\.)*"?|\'[^\'\n]*\'?|#[^\n]*',
    re.DOTALL,
)
"""Quoted texts and comments, whose brackets and dots do not count."""


def read_toml(path: Path, name: str, holds: str) -> dict[str, Any]:
    """Read the content of a TOML file.

    Parameters
    ----------
    path
        The file.
    name
        What it is called in errors, such as ``job file``.
    holds
        What it holds, for the advice.

    Raises
    ------
    UsageError
        If it cannot be read, is not TOML, is too large, or has tables or lists within lists.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read the {name}: {error.strerror}", where=str(path)) from None
    if len(content) > _LARGEST:
        raise UsageError(
            f"the {name} is larger than {_LARGEST // 2**20} MiB",
            where=str(path),
            why=f"a {name} holds {holds}",
        )
    try:
        text = content.decode("utf-8")
        if _is_nested(text):
            raise UsageError(
                f"the {name} has nested tables or lists",
                where=str(path),
                fix=f"a {name} holds {holds}",
            )
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a TOML file: {error}", where=str(path)) from None


def _is_nested(text: str) -> bool:
    """Whether brackets or dotted names go deeper than allowed."""
    plain = _QUOTED.sub('""', text)
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", plain):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            return True
    words = re.split(r"[=\n,\[\]{}]", plain)
    return any(word.count(".") >= _DEEPEST for word in words)
