"""The kinds of values of options: how text is read, and which values are allowed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from trajmodes.errors import UsageError

FINE_MESH = "auto"

LARGEST_MESH = 1000
"""Most points of a mesh along an axis: 10⁹ in all, more than memory holds."""

LEAST, MOST = 1e-6, 1e9
"""Range of a positive number in the units of its option. It exceeds all physical values, and
products of such numbers do not overflow."""


_MOST_NUMBERS = 10_000
_FARTHEST = 100.0
"""Largest component of a scattering vector in reciprocal lattice units."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Values that an option takes."""

    words: str
    """What a value must be, in the words of an error message."""
    accepts: Callable[[Any], bool]
    """Whether a value is allowed."""
    read: Callable[[str], Any]
    """Converts a text to a value; raises ValueError if it is not one."""
    choices: tuple[str, ...] = ()
    """The words allowed, if the value is one of them or a list of them."""
    is_list: bool = False
    """Whether the value is a list whose items are given one by one."""
    from_text: bool = False
    """Whether job files and Python may give the value as the text of the command line."""
    is_switch: bool = False
    """Whether the option is on or off."""
    tidy: Callable[[Any], Any] = lambda value: value
    """Converts a value of a job file or of Python to the standard form."""
    write: Callable[[Any], Any] = lambda value: value
    """Value as a job file has it."""


def kind_of(annotation: Any) -> Kind:
    """Kind of the values of a type.

    Raises
    ------
    TypeError
        If the type has no kind.
    """
    (kind,) = (one for one in members_of(annotation) if one is not NoneType)
    if get_origin(kind) is Literal:
        return choice(*get_args(kind))
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        return choices(*get_args(item)) if get_origin(item) is Literal else TEXTS
    if kind not in _PLAIN:
        raise TypeError(f"no kind of option for {annotation}")
    return _PLAIN[kind]


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Types of a union; of any other type, the type itself."""
    is_union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def number(least: float = LEAST, most: float = MOST) -> Kind:
    """Positive numbers between bounds."""
    low, high = (
        f"{bound:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
        for bound in (least, most)
    )
    words = f"a positive number between {low} and {high}"
    return Kind(words, partial(_is_number, least=least, most=most), float)


def whole(least: int, most: int) -> Kind:
    """Integers between bounds."""
    accepts = partial(_is_whole, least=least, most=most)
    return Kind(f"a whole number from {least} to {most}", accepts, int)


def numbers(words: str, counts: tuple[int, ...], least: float) -> Kind:
    """Several numbers in a row."""

    def accepts(value: Any) -> bool:
        is_row = isinstance(value, tuple) and len(value) in counts
        return is_row and all(_is_number(item, least) for item in value)

    def read(text: str) -> tuple[float, ...]:
        return tuple(map(float, text.replace(",", " ").split()))

    return Kind(words, accepts, read, from_text=True)


def choice(*words: str) -> Kind:
    """One of some words."""
    return Kind("one of " + ", ".join(words), words.__contains__, str, choices=words)


def choices(*words: str) -> Kind:
    """Any of some words."""

    def accepts(value: Any) -> bool:
        return _are_texts(value) and set(value) <= set(words)

    text = "a list of " + ", ".join(words)
    return Kind(text, accepts, str, choices=words, is_list=True)


def or_word(kind: Kind, word: str) -> Kind:
    """Values of a kind, or one fixed word."""
    return replace(
        kind,
        words=f"{kind.words}, or {word}",
        accepts=lambda value: value == word or kind.accepts(value),
        read=lambda text: text if text == word else kind.read(text),
    )


def split_cutoff(text: str) -> tuple[float, dict[tuple[str, str], float]]:
    """Radius in Å, and those of pairs of species, of a text such as ``4.5 Si-O:3.2 O-O:4``.

    Raises
    ------
    UsageError
        If the text is not of this form.
    """
    first, *rest = text.replace(",", " ").split() or [""]
    found = [re.fullmatch(r"([A-Za-z]+)-([A-Za-z]+)[:=](.+)", word) for word in rest]
    pairs, radius = {}, 0.0
    try:
        pairs = {(one[1], one[2]): float(one[3]) for one in found if one is not None}
        radius = float(first)
    except ValueError:
        found = [None]
    if None in found:
        raise UsageError(
            f'"{text}" is not a cutoff',
            fix='give a length in Å, and others for pairs of species after it: "4.5 Si-O:3.2"',
        )
    return radius, pairs


def _is_number(value: Any, least: float = -MOST, most: float = MOST) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= value <= most


def _is_whole(value: Any, least: int = 1, most: float = MOST) -> bool:
    return isinstance(value, int) and _is_number(value, least, most)


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _are_frames(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != 3:
        return False
    start, stop, stride = value
    is_range = stop is None or (_is_whole(stop) and start < stop)
    return _is_whole(start, least=0) and is_range and _is_whole(stride)


def _range(value: Any) -> Any:
    """Start, stop and stride of frames; stop and stride may be left out."""
    if not isinstance(value, tuple) or len(value) not in (1, 2, 3):
        return value
    start, stop, stride = (*value, None, None)[:3]
    return (0 if start is None else start, stop, 1 if stride is None else stride)


def _nine(value: Any) -> Any:
    """Nine numbers in sequence, from three vectors or nine numbers."""
    rows = value if isinstance(value, tuple) else ()
    is_matrix = len(rows) == 3 and all(isinstance(row, tuple) for row in rows)
    return tuple(x for row in rows for x in row) if is_matrix else value


def _are_multiples(value: Any) -> bool:
    is_row = isinstance(value, tuple) and len(value) in (3, 9)
    return is_row and all(_is_whole(item, least=-LARGEST_MESH) for item in value)


def _read_multiples(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.replace(",", " ").split()))


def _row(value: Any) -> Any:
    """Numbers in sequence, from one number or three vectors."""
    return (value,) if _is_number(value) else _nine(value)


def _is_cutoff(value: Any) -> bool:
    if not isinstance(value, str):
        return _is_number(value, LEAST)
    radius, pairs = split_cutoff(value)
    return all(_is_number(one, LEAST) for one in (radius, *pairs.values()))


def _read_frames(text: str) -> tuple[int, int | None, int]:
    fields = re.fullmatch(r"\s*(\d*):(\d*)(?::(\d*))?\s*", text)
    if fields is None:
        raise ValueError(text)
    start, stop, stride = fields.groups()
    return int(start or 0), int(stop) if stop else None, int(stride or 1)


def _frames_text(value: tuple[int, int | None, int]) -> str:
    start, stop, stride = value
    return f"{start}:{'' if stop is None else stop}:{stride}"


def _read_range(text: str, least: float) -> tuple[float, ...]:
    if ":" not in text:
        return tuple(map(float, text.replace(",", " ").split()))
    first, last, step = map(float, text.split(":"))
    if not (step > 0.0 and least <= first <= last and (last - first) / step < _MOST_NUMBERS):
        raise ValueError(text)
    return tuple(first + step * k for k in range(int((last - first) / step + 1e-9) + 1))


def _are_numbers(value: Any, least: float) -> bool:
    is_row = isinstance(value, tuple) and 0 < len(value) <= _MOST_NUMBERS
    return is_row and all(_is_number(one, least) for one in value)


def _read_vector(text: str) -> tuple[float, ...]:
    from fractions import Fraction  # noqa: PLC0415 - for this kind alone

    try:
        return tuple(float(Fraction(word)) for word in text.replace(",", " ").split())
    except ZeroDivisionError:
        raise ValueError(text) from None


def _are_components(value: Any) -> bool:
    is_row = isinstance(value, tuple) and len(value) == 3
    return is_row and all(_is_number(one, -_FARTHEST, _FARTHEST) for one in value)


def _read_cutoff(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _read_symbols(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


WHOLE = Kind("a positive whole number", _is_whole, int)
TEXT = Kind("text", lambda value: isinstance(value, str), str)
TEXTS = Kind("a list of texts", _are_texts, str, is_list=True)
SWITCH = Kind("true or false", lambda value: isinstance(value, bool), str, is_switch=True)
SYMBOLS = Kind("a list of chemical symbols", _are_texts, _read_symbols, from_text=True)
COLUMNS = replace(SYMBOLS, words="a list of columns")
SCHEMES = replace(
    choices("full", "zsisa", "fixed"),
    choices=(),
    is_list=False,
    read=_read_symbols,
    from_text=True,
)
CUTOFF = Kind("a positive number", _is_cutoff, _read_cutoff)
CUTOFF_OR_ALL = or_word(CUTOFF, "supercell")
MESH = replace(
    or_word(whole(1, LARGEST_MESH), FINE_MESH),
    tidy=lambda value: FINE_MESH if value is True else value,
)
NOT_NEGATIVE = Kind(
    f"a number from 0 to {MOST:.0e}", partial(_is_number, least=0.0, most=MOST), float
)
LJ_UNITS = numbers("three positive numbers", (3,), 1e-30)
BOX = replace(or_word(numbers("three or nine numbers", (3, 9), -MOST), "average"), tidy=_nine)
SUPERCELL = Kind(
    "three or nine whole numbers", _are_multiples, _read_multiples, from_text=True, tidy=_nine
)
DIELECTRIC = replace(numbers("one, three or nine numbers", (1, 3, 9), -MOST), tidy=_row)
FRAMES = Kind(
    "START:STOP:STRIDE, such as 2000: or :5000 or ::10, or a list of one to three whole "
    "numbers, START < STOP",
    _are_frames,
    _read_frames,
    from_text=True,
    tidy=_range,
    write=_frames_text,
)

VECTOR = Kind(
    "three numbers, such as 4,0,0 or 1/2,1/2,3",
    _are_components,
    _read_vector,
    from_text=True,
)
TEMPERATURES = Kind(
    "FIRST:LAST:STEP in K, such as 0:1500:10, or up to 10000 numbers of 0 or more",
    partial(_are_numbers, least=0.0),
    partial(_read_range, least=0.0),
    from_text=True,
    tidy=lambda value: (value,) if isinstance(value, int | float) else value,
)

PRESSURES = Kind(
    "FIRST:LAST:STEP in GPa, such as 0:10:1, or up to 10000 numbers",
    partial(_are_numbers, least=-MOST),
    partial(_read_range, least=-MOST),
    from_text=True,
    tidy=lambda value: (value,) if isinstance(value, int | float) else value,
)


def _read_length(text: str) -> float:
    """Length in mm of a text such as 85mm, 8.5cm or 3.35in; without a unit it is in mm."""
    found = re.fullmatch(r"([\d.]+)\s*(mm|cm|in|)", text.strip())
    if found is None:
        raise ValueError(text)
    return float(found[1]) * {"mm": 1.0, "": 1.0, "cm": 10.0, "in": 25.4}[found[2]]


LENGTH = Kind(
    "a length such as 85mm, 8.5cm or 3.35in, from 20 to 1000 mm",
    partial(_is_number, least=20.0, most=1000.0),
    _read_length,
    from_text=True,
)
LIMITS = Kind(
    "two numbers, the lower one first, such as 0:15",
    lambda value: _are_numbers(value, -MOST) and len(value) == 2 and value[0] < value[1],
    lambda text: tuple(map(float, text.replace(":", " ").replace(",", " ").split())),
    from_text=True,
)
_PLAIN = {bool: SWITCH, int: WHOLE, float: number(), str: TEXT}
