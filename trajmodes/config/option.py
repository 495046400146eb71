"""An option: its name, type, default, meaning and spellings, declared once.

A group of options is a frozen dataclass whose fields are made by `option`. The command line,
the job file, the keywords of the Python functions and the page ``docs/options.md`` are made
from these fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from os import PathLike, fspath
from typing import Any, ClassVar, cast, get_type_hints

from trajmodes.config.kinds import Kind, kind_of
from trajmodes.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Declaration of an option beside its name, type and default."""

    help: str
    """What the option means, in one or two sentences."""
    kind: Kind | None = None
    """Which values it takes; None: those of its type."""
    commands: str = ""
    """Commands that take it; empty: those of its group."""
    also: tuple[str, ...] = ()
    """Other spellings."""
    metavar: str = ""
    """Placeholder of the value in the help."""
    unset: str = ""
    """Default, in words."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Command → default on its command line."""
    bare: str = ""
    """Value of the option if the command line gives the option without a value."""
    keyword_type: str = ""
    """Type of the keyword in Python, where it does not follow from that of the option."""
    is_path: bool = False
    """Whether the value names a file or folder."""
    is_required: bool = False
    """Whether the command line must have it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a group."""

    name: str
    """Name in Python and in a job file; with hyphens, on the command line."""
    annotation: Any
    """Its type."""
    default: Any
    kind: Kind
    group: str
    """Title of its group."""
    commands: frozenset[str]
    """Commands that take it."""
    declared: Declared

    @property
    def flags(self) -> tuple[str, ...]:
        """Spellings on the command line."""
        names = (self.name, *self.declared.also)
        return tuple("--" + name.replace("_", "-") for name in names)

    def default_text(self, command: str = "") -> str:
        """Text of the default; empty for a switch and for no default."""
        if command in self.declared.defaults:
            return self.declared.defaults[command]
        if self.declared.unset:
            return self.declared.unset
        return "" if self.default in (None, (), False) else str(self.default)

    def checked(self, value: Any) -> Any:
        """Value in standard form: tuples for lists, text for paths, the default for None.

        Raises
        ------
        UsageError
            If the option does not take the value.
        """
        if isinstance(value, str) and self.kind.from_text:
            return self.read(value)
        found = self.kind.tidy(_plain(value))
        if isinstance(found, str) and self.kind.is_list:
            found = (found,)
        if found is None or (found == () and self.default in (None, ())):
            return self.default
        if self.kind.accepts(found):
            return found
        raise UsageError(f"{self.name} is {value!r} but must be {self.kind.words}")

    def read(self, text: str) -> Any:
        """Convert a text of the command line to a value.

        Raises
        ------
        UsageError
            If the option does not take it.
        """
        try:
            value = self.kind.read(text)
            if self.kind.is_list or self.kind.accepts(value):
                return value
        except ValueError:
            pass
        raise UsageError(f"{self.name} is {text!r} but must be {self.kind.words}")


def option(help: str, *, default: Any = None, **declared: Any) -> Any:  # noqa: A002 - the usual name
    """Field of a group of options; see `Declared` for the keywords."""
    return field(default=default, metadata={"option": Declared(help=help, **declared)})


class Group:
    """A frozen dataclass of options; its values are checked when it is made."""

    __slots__ = ()
    title: ClassVar[str]
    """Heading of the options in help and documentation."""
    commands: ClassVar[str]
    """Commands that take the options, unless an option says otherwise."""

    def __post_init__(self) -> None:
        for one in options_in(type(self)):
            object.__setattr__(self, one.name, one.checked(getattr(self, one.name)))


def options_in(group: type[Group]) -> tuple[Option, ...]:
    """Options of a group, in the order of their declaration."""
    found: tuple[Option, ...] = _options_in(cast("Any", group))
    return found


@cache
def _options_in(group: Any) -> tuple[Option, ...]:
    types = get_type_hints(group)
    return tuple(
        Option(
            name=one.name,
            annotation=types[one.name],
            default=one.default,
            kind=declared.kind or kind_of(types[one.name]),
            group=group.title,
            commands=frozenset((declared.commands or group.commands).split()),
            declared=declared,
        )
        for one in fields(group)
        if (declared := one.metadata["option"])
    )


def _plain(value: Any) -> Any:
    """Plain Python value: tuples for lists and arrays, text for paths."""
    if isinstance(value, PathLike):
        return fspath(value)
    if not isinstance(value, list | tuple) and hasattr(value, "tolist"):
        value = value.tolist()  # an array or a number of NumPy, which is not imported here
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
