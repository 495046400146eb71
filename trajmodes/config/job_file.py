"""The TOML file of a job: names and plain values, nothing nested."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trajmodes.errors import UsageError

LARGEST = 2**20
"""Largest size of a job file in bytes."""

_DEEPEST = 2
"""Most brackets that may be open at once, and most parts of a dotted name: no option has a
value that needs more, and tomllib takes memory that grows as the square of the depth."""

_QUOTED = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)'
    r'|"(?:[^"\\\n]|\\.)*"?|\'[^\'\n]*\'?|#[^\n]*',
    re.DOTALL,
)
"""Quoted texts and comments, whose brackets and dots do not count."""


def read_settings(path: Path) -> dict[str, Any]:
    """Names and values in a job file.

    Raises
    ------
    UsageError
        If the file is missing, too large, nested too deeply, or not TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read the job file: {error.strerror}", where=str(path)
        ) from None
    if len(content) > LARGEST:
        raise UsageError(
            f"the job file is larger than {LARGEST // 2**20} MiB",
            where=str(path),
            why="a job file holds a few lines: name = value",
            fix="give trajectory files by a pattern, such as run*.lammpstrj",
        )
    try:
        text = content.decode("utf-8")
        if _is_nested(text):
            raise UsageError(
                "the job file has nested tables or lists",
                where=str(path),
                fix="write one option per line: name = value",
            )
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a TOML file: {error}", where=str(path)) from None


def settings_text(values: Mapping[str, Any]) -> str:
    """Text of a job file; values that are None, and empty lists, are left out."""
    lines = []
    for name, value in values.items():
        if value is None or value == ():
            continue
        items = [one for one in value if one is not None] if isinstance(value, tuple) else value
        # The numbers, strings, booleans and flat lists of JSON are those of TOML.
        lines.append(f"{name} = {json.dumps(items, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _is_nested(text: str) -> bool:
    """Whether brackets or dotted names go deeper than the values of options."""
    plain = _QUOTED.sub('""', text)
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", plain):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            return True
    words = re.split(r"[=\n,\[\]{}]", plain)
    return any(word.count(".") >= _DEEPEST for word in words)
