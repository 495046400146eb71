"""The second line of an extended XYZ frame: ``key=value`` pairs, the cell and the columns.

Programs write more than any specification allows: keys in either case, flags without a value,
values bare, in double or single quotes, in braces, in (nested) brackets, blanks around the
equals sign, quotes and backslashes escaped by a backslash. A line that is not such a list is an
ordinary comment, unless it sets ``Lattice`` or ``Properties``. `choose_fields` chooses the
columns that are read; the format fixes their names, but programs use others as well.

Grammar after https://github.com/libAtoms/extxyz (specification in its README) and ASE 3.29.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.units import BOHR

_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_NESTED = r"\{[^{}]*\}|\[(?:[^\[\]]|\[[^\[\]]*\])*\]"
# A bare word may contain quotes, as in 5'-end, but not begin with one. A word behind "= " is a
# value unless it is the key of the next pair: the value is then empty. The possessive repeats
# keep the time linear for hostile lines.
_BARE_KEY = r"""[^\s="'{}\[\]][^\s=]*+"""
_BARE_VALUE = r"""[^\s"'{}\[\]]\S*+"""
_NEAR = rf"({_QUOTED}|{_NESTED}|{_BARE_VALUE})"
_FAR = rf"({_QUOTED}|{_NESTED}|{_BARE_KEY})(?!\s*+=)"
_PAIR = re.compile(rf"({_QUOTED}|{_BARE_KEY})(\s*+=(?:{_NEAR}|\s++{_FAR}|))?(?=\s|$)\s*+")
_EXTENDED = re.compile(r"""(?:^|[\s"'])(?:lattice|properties)["']?\s*=""", re.IGNORECASE)
_LAMMPS_PLAIN = re.compile(r"\s*Atoms\. Timestep: (\d+)(?: Time: (\S+))?\s*")
_IPI = re.compile(r"#?\s*CELL[({\[](abcABC|H|GENH)[)}\]]:((?:\s+[-+.\deE]+)+)(?:\s+(.*))?")
_IPI_NUMBERS = re.compile(r"\b(Step|Bead):\s*(\d+)")
_IPI_QUANTITY = re.compile(r"(\w+)\s*\{([^{}]*)\}")
_CP2K = re.compile(r"\s*i\s*=\s*(\d+)\s*,(?:\s*time\s*=\s*([-+.\deE]+)\s*,)?\s*E\s*=.*")
IPI_LENGTHS = {"atomic_unit": BOHR, "bohr": BOHR, "angstrom": 1.0, "meter": 1e10}
"""Names of units of length in i-PI → their values in Å."""
_ESCAPED = re.compile(r"\\(.)")
_SEPARATORS = re.compile(r"[\s,{}\[\]]+")
_COMMA = re.compile(r"\d,\d")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")

_MOST_DIGITS = 18
"""Characters of an integer; more may not fit into 64 bits."""
_LONGEST = 1 << 17
"""Characters of a comment; the patterns above need 200 bytes of memory for each."""
PLAIN_PROPERTIES = "species:S:1:pos:R:3"
"""Columns of a frame without ``Properties``."""


def parse_comment(line: str) -> dict[str, str]:
    """Pairs of a comment line, keys in lower case, values as text without their quotes.

    A flag without a value has the value ``T``. The comments of LAMMPS's plain XYZ give
    ``timestep`` and possibly ``time``, those of CP2K ``cp2k``, ``step`` and ``time``; any other
    free text gives nothing.

    Raises
    ------
    DataError
        If a line that sets the cell or the columns leaves a quote or bracket open, sets one of
        them twice, or is absurdly long. Its position is only the column.
    """
    if len(line) > _LONGEST:
        raise DataError(
            f"the comment has {len(line)} characters",
            why="this is not an XYZ file, or it is damaged",
        )
    plain = _LAMMPS_PLAIN.fullmatch(line)
    if plain:
        named = zip(("timestep", "time"), plain.groups(), strict=True)
        return {key: text for key, text in named if text}
    cp2k = _CP2K.fullmatch(line)
    if cp2k:
        found = zip(("cp2k", "step", "time"), ("T", *cp2k.groups()), strict=True)
        return {key: text for key, text in found if text}
    ipi = _IPI.fullmatch(line.strip())
    if ipi:
        return _ipi_values(*ipi.groups())
    values: dict[str, str] = {}
    text = line.rstrip()
    at = len(text) - len(text.lstrip())
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return _no_pairs(text, at, "no key=value pair can be read here")
        key = _unquoted(pair[1]).lower()
        if key in values and key in {"lattice", "properties"}:
            return _no_pairs(text, at, f"{key} is set twice")
        values[key] = _unquoted(pair[3] or pair[4] or "") if pair[2] else "T"
        at = pair.end()
    return values


def _ipi_values(form: str, numbers: str, rest: str | None) -> dict[str, str]:
    """Pairs of a comment of i-PI, with the cell in Å.

    The comment is ``# CELL(abcABC): … Step: 0 Bead: 0 positions{angstrom} cell{angstrom}``,
    and the keys are ``ipi`` (the quantity in the columns), ``unit``, ``lattice``, ``step`` and
    ``bead``.
    """
    named = dict(_IPI_QUANTITY.findall(rest or ""))
    marks = dict(_IPI_NUMBERS.findall(rest or ""))
    unit = named.pop("cell", "atomic_unit").strip()
    if unit not in IPI_LENGTHS:
        raise DataError(f"the unit of the cell, {unit}, is not one of {', '.join(IPI_LENGTHS)}")
    words = numbers.split()
    if len(words) != (6 if form == "abcABC" else 9):
        raise DataError(f"the cell has {len(words)} numbers: {numbers.strip()[:60]!r}")
    values = np.array([parse_real(word, "a number of the cell") for word in words])
    # The columns of i-PI's matrix are the vectors.
    rows = _cell_of(values) if form == "abcABC" else values.reshape(3, 3).T
    quantity, its_unit = next(iter(named.items()), ("", ""))
    found = {
        "ipi": quantity,
        "unit": its_unit.strip(),
        "lattice": " ".join(f"{x:.17g}" for x in (rows * IPI_LENGTHS[unit]).ravel()),
        "step": marks.get("Step", ""),
        "bead": marks.get("Bead", ""),
    }
    return {key: text for key, text in found.items() if text or key in {"ipi", "unit"}}


def _cell_of(numbers: Floats) -> Floats:
    """Rows of a cell from three lengths and three angles in degrees; a is along x."""
    a, b, c = numbers[:3]
    # Exact right angles: cos 90° is not zero in floating point.
    cos = np.where(numbers[3:] == 90.0, 0.0, np.cos(np.radians(numbers[3:])))
    sin = np.sqrt(1.0 - cos[2] ** 2)
    x, y = cos[1], (cos[0] - cos[1] * cos[2]) / sin
    z = np.sqrt(max(1.0 - x**2 - y**2, 0.0))
    return np.array([[a, 0.0, 0.0], [b * cos[2], b * sin, 0.0], [c * x, c * y, c * z]])


def _no_pairs(line: str, at: int, what: str) -> dict[str, str]:
    """Return no pairs for free text, and raise for a broken list of pairs."""
    if _EXTENDED.search(line) is None:
        return {}
    raise DataError(
        f"{what}: {line[at : at + 40].strip()!r}",
        where=f"column {at + 1}",
        why="a quote or bracket is left open, or the line is damaged",
    )


def _unquoted(text: str) -> str:
    if text[:1] not in {'"', "'", "{"}:
        return text
    inner = text[1:-1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def parse_real(text: str, name: str) -> float:
    """One finite number, else DataError about ``name``; Fortran's ``1.0d0`` is accepted."""
    plain = text.replace("d", "e").replace("D", "e")
    if _REAL.fullmatch(text) is None or not isfinite(float(plain)):
        raise DataError(f"{name} is not a finite number: {text[:40]!r}")
    return float(plain)


def parse_integer(text: str, name: str) -> int:
    """One integer of up to 18 digits, else DataError about ``name``."""
    if _INTEGER.fullmatch(text) is None:
        raise DataError(f"{name} is not an integer: {text[:40]!r}")
    if len(text) > _MOST_DIGITS:
        raise DataError(f"{name} is absurdly large: {text[:40]!r}")
    return int(text)


def parse_lattice(text: str) -> Floats:
    """(3, 3) cell vectors as rows, from nine numbers separated by blanks, commas or brackets.

    Raises DataError if they are not nine finite numbers, or the vectors span no volume.
    """
    words = [word for word in _SEPARATORS.split(text) if word]
    if len(words) != 9:
        raise DataError(
            f"Lattice has {len(words)} numbers where 9 are expected: {text[:60]!r}",
            why="decimals must be written with a point" if _COMMA.search(text) else "",
        )
    cell = np.array([parse_real(word, "a number of Lattice") for word in words]).reshape(3, 3)
    # Absurd numbers may overflow; the volume is then not finite.
    with np.errstate(all="ignore"):
        volume = np.linalg.det(cell)
    if volume == 0.0 or not isfinite(volume):
        raise DataError(f"the vectors of Lattice span no volume: {text[:60]!r}")
    return cell


@dataclass(frozen=True, slots=True)
class Property:
    """One entry of ``Properties``: consecutive columns of one kind."""

    name: str
    kind: str
    """S text, I integer, R real, L logical."""
    first: int
    """Index of its first column, counted from 0."""
    count: int


def parse_properties(text: str) -> Mapping[str, Property]:
    """Columns of the rows, by name in lower case, in the order of the file.

    ``text`` is the value of ``Properties``: triplets name:kind:count separated by colons.
    DataError is raised if it is anything else, or a name occurs twice.
    """
    words = text.strip().split(":")
    properties: dict[str, Property] = {}
    first = 0
    for name, kind, count in zip(words[::3], words[1::3], words[2::3], strict=False):
        known = kind.upper() in {"S", "I", "R", "L"} and re.fullmatch(r"[1-9]\d{0,3}", count)
        if not (name and known) or name.lower() in properties:
            raise DataError(
                f"Properties contains {name}:{kind}:{count}",
                why="each name occurs once, with a kind S, I, R or L and the number of columns",
            )
        properties[name.lower()] = Property(name, kind.upper(), first, int(count))
        first += int(count)
    if len(words) % 3:
        raise DataError(f"Properties is not a list of name:kind:count triplets: {text[:60]!r}")
    return properties


@dataclass(frozen=True, slots=True)
class Fields:
    """Index of the first column of each field, counted from 0; None where there is none."""

    n_columns: int
    species: int | None
    numbers: int | None
    """Atomic numbers, used where there are no species."""
    ids: int | None
    types: int | None
    mass: int | None
    position: int | None
    velocity: int | None
    force: int | None
    velocity_name: str
    """Name of the velocities; ``momenta`` are divided by the masses."""
    force_name: str
    unwrapped: bool
    """Whether the positions are continuous in time."""
    ignored: tuple[str, ...]
    """Names of other forces, which are not read."""


# Names in lower case, the preferred one first.
_POSITIONS = ("unwrapped_position", "pos", "positions", "position")
_FORCES = ("forces", "force", "mace_forces", "ref_forces")
_VELOCITIES = ("momenta", "velo", "vel", "velocities", "velocity")
_SPECIES = ("species", "element", "elements", "symbols", "symbol")
_NUMBERS = ("z", "numbers", "atomic_numbers")


def no_positions(properties: str, where: str = "") -> DataError:
    """Error that frames with these properties have no positions."""
    return DataError(
        f"Properties names no positions among {properties}",
        where=where,
        fix="write the positions as pos:R:3",
    )


def choose_fields(properties: Mapping[str, Property]) -> Fields:
    """Choose the columns to read from those of a frame, given by name in lower case.

    Raises
    ------
    DataError
        If there are neither positions nor velocities, or a field has the wrong kind or number
        of columns.
    """

    def first(names: tuple[str, ...], kinds: str, count: int) -> tuple[int | None, str]:
        for name in names:
            if name in properties:
                found = properties[name]
                if found.kind not in kinds or found.count != count:
                    raise DataError(
                        f"Properties contains {found.name}:{found.kind}:{found.count}",
                        why=f"{found.name} should have {count} columns of kind {kinds}",
                    )
                return found.first, name
        return None, ""

    position, position_name = first(_POSITIONS, "R", 3)
    velocity, velocity_name = first(_VELOCITIES, "R", 3)
    if position is None and velocity is None:
        raise no_positions(", ".join(properties))
    force, force_name = first(_FORCES, "R", 3)
    last = max(properties.values(), key=lambda item: item.first)
    return Fields(
        n_columns=last.first + last.count,
        species=first(_SPECIES, "S", 1)[0],
        numbers=first(_NUMBERS, "I", 1)[0],
        ids=first(("id", "ids"), "I", 1)[0],
        types=first(("type", "types"), "I", 1)[0],
        mass=first(("mass", "masses"), "R", 1)[0],
        position=position,
        velocity=velocity,
        force=force,
        velocity_name=velocity_name,
        force_name=force_name,
        unwrapped=position_name == "unwrapped_position",
        ignored=tuple(n for n in _FORCES if n in properties and n != force_name),
    )
