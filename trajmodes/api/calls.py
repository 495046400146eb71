"""The text of a call, for the provenance of its results."""

import os
from typing import Any

_MOST_ITEMS = 8


def call_text(function: str, *arguments: Any, **keywords: Any) -> str:
    """Write a call: function, arguments, keywords.

    Numbers, words and paths are written out; of data in memory there is the kind and the size.

    Examples
    --------
    >>> call_text("trajmodes.fit_runs", ["a.xyz", "b.xyz"], cutoff2=5.0)
    "trajmodes.fit_runs(['a.xyz', 'b.xyz'], cutoff2=5.0)"
    """
    shown = [_shown(value) for value in arguments]
    shown += [f"{name}={_shown(value)}" for name, value in keywords.items()]
    return f"{function}({', '.join(shown)})"


class Expression(str):
    """Text of Python that a call is written with as it stands."""

    __slots__ = ()


def _shown(value: Any) -> str:
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, str | int | float | os.PathLike) or value is None:
        return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if hasattr(value, "shape"):
        return f"<array {value.shape}>"
    if isinstance(value, list | tuple):
        plain = all(isinstance(one, str | int | float | os.PathLike | None) for one in value)
        if plain and len(value) <= _MOST_ITEMS:
            return f"[{', '.join(map(_shown, value))}]"
        return f"<{len(value)} × {type(value[0]).__name__}>"
    return f"<{type(value).__name__}>"
