"""Keywords of the public functions, made from the declarations of the options."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from textwrap import indent, wrap
from typing import Any, TypeVar, cast, get_args

from trajmodes.config.job import options_of, require_taken
from trajmodes.config.option import Option

Function = TypeVar("Function", bound=Callable[..., Any])

_ENTRY = re.compile(r"^\*\*options\n(?: {4}.*\n)*", re.MULTILINE)


def takes(command: str) -> Callable[[Function], Function]:
    """Give a function or method options of a command as keywords.

    The function is written with ``**options: Unpack[...]`` of a class in `typed_keywords`,
    which names the options, and with an entry ``**options`` under Parameters in its docstring.
    Signature and docstring then list the options themselves, with types, defaults and meaning.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        *own, unpacked = signature.parameters.values()
        (keywords_class,) = get_args(unpacked.annotation)
        names = keywords_class.__annotations__.keys()
        options = [one for name, one in options_of(command).items() if name in names]
        taken = {*names, *(p.name for p in own)}
        more = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=one.default,
                annotation=one.annotation,
            )
            for one in options
        ]
        entries = "".join(map(_entry, options))

        @wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            require_taken(command, keywords, taken)
            return function(*arguments, **keywords)

        checked.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        checked.__doc__ = _ENTRY.sub(lambda _: entries, inspect.getdoc(function) or "")
        return cast("Function", checked)

    return decorate


def _entry(one: Option) -> str:
    """Entry of an option under Parameters."""
    default = one.default_text()
    text = one.declared.help + (f" Default: {default}." if default else "")
    lines = "\n".join(wrap(text, 92, break_on_hyphens=False))
    return f"{one.name}\n{indent(lines, '    ')}\n"
