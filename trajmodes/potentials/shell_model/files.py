"""Parameters of a shell model in a TOML file.

    [charges]                  # e
    Si = 4.0
    O = 0.86902
    "O shell" = -2.86902
    [springs]                  # ½ k r² + k4 r⁴/24 of a core and its shell
    O = { k = 74.92 }
    [[pair]]
    between = ["Si", "O shell"]
    form = "buckingham"
    A = 1316.374
    rho = 0.3205
    C = 10.66
    cutoff = 12.0
    [[angle]]
    centre = "Si"
    ends = ["O shell", "O shell"]
    form = "harmonic"
    k = 2.09724
    theta0 = 109.47
    cutoff = 2.2               # of both bonds

Units are eV, Å, e and degrees. Nothing has a default except k4. The forms are in the table on
the page of potentials in the documentation.
"""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from trajmodes.config.plain_toml import read_toml
from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import (
    LARGEST_CUTOFF,
    AngleTerm,
    PairTerm,
    Terms,
)
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.triples import (
    AngularFunction,
    bending,
    harmonic_exponential,
)

T = TypeVar("T")

_PAIRS: Mapping[str, tuple[tuple[str, ...], Callable[..., Function]]] = {
    "buckingham": (("A", "rho", "C"), of.buckingham),
    "lennard_jones": (("epsilon", "sigma"), of.lennard_jones),
    "morse": (("depth", "alpha", "r0"), of.morse),
    "harmonic": (("k", "r0"), of.harmonic),
}
"""Form → its parameters in the order of the function."""

_ANGLES: Mapping[str, tuple[tuple[str, ...], Callable[..., AngularFunction]]] = {
    "harmonic": (("k", "theta0"), lambda k, theta: bending(of.HarmonicAngle(k, theta))),
    "harmonic_exponential": (("k", "theta0", "R1", "R2"), harmonic_exponential),
    "cosine_harmonic": (
        ("k", "theta0"),
        lambda k, theta: bending(of.cosine_harmonic(k, theta)),
    ),
}

_POSITIVE = {"rho", "sigma", "cutoff", "alpha", "R1", "R2"}
_SMALLEST = 1e-6
"""Value that lengths and rates exceed, so that their inverse powers are finite numbers."""
_LARGEST = 1e12
"""Absolute value that no parameter exceeds, so that its powers are finite numbers."""
_TABLES = ("charges", "springs", "pair", "angle")


def read_shell_model(path: Path) -> ShellModel:
    """Read the parameters of a model.

    Raises
    ------
    UsageError
        If the file is not TOML.
    DataError
        If a parameter is missing, unknown or not a number, or a term names a particle that the
        model does not have.
    """
    found = read_toml(path, "shell model", "tables " + ", ".join(_TABLES))
    return ShellModel(_Reader(str(path)).terms(found))


class _Reader:
    """Reads tables, and names the file and the table in errors."""

    def __init__(self, path: str) -> None:
        self.path = path

    def terms(self, found: Mapping[str, Any]) -> Terms:
        """Read all tables."""
        self.names(found, _TABLES, "the file", required=())
        charges = self.table(found, "charges")
        charges = {kind: self.number(charges, kind, "[charges]") for kind in charges}
        springs = self.table(found, "springs")
        listed = {"pair": self.rows(found, "pair"), "angle": self.rows(found, "angle")}
        terms = Terms(
            charges,
            {name: self.spring(springs, name) for name in springs},
            tuple(self.pair(row, f"[[pair]] {k}") for k, row in listed["pair"]),
            tuple(self.angle(row, f"[[angle]] {k}") for k, row in listed["angle"]),
        )
        if not terms.named:
            self.fail("the file is empty", "the file", "tables are " + ", ".join(_TABLES))
        terms.check(lambda what, part, fix: self.fail(what, f"[{part}]", fix))
        return terms

    def spring(self, springs: Mapping[str, Any], name: str) -> Function:
        """Read the spring of a species."""
        where = f"[springs] {name}"
        row = self.table(springs, name)
        self.names(row, ("k", "k4"), where, required=("k",))
        quartic = self.number(row, "k4", where) if "k4" in row else 0.0
        k = self.number(row, "k", where)
        if min(k, quartic) < 0 or k == quartic == 0:
            self.fail(
                "the spring holds no shell", where, "k and k4 are not negative, nor both zero"
            )
        return of.polynomial((0.0, 0.0, k, 0.0, quartic))

    def pair(self, row: Mapping[str, Any], where: str) -> PairTerm:
        """Read a pair energy."""
        one, two = self.kinds(row, "between", where)
        function = self.function(row, _PAIRS, ("between", "form", "cutoff"), where)
        return PairTerm((one, two), function, self.number(row, "cutoff", where))

    def angle(self, row: Mapping[str, Any], where: str) -> AngleTerm:
        """Read an energy of angles."""
        ends = self.kinds(row, "ends", where)
        function = self.function(row, _ANGLES, ("centre", "ends", "form", "cutoff"), where)
        if ends[0] == ends[1] and row.get("R1") != row.get("R2"):
            self.fail("R1 and R2 differ for ends that are alike", where, "give both one length")
        centre, cutoff = row["centre"], self.number(row, "cutoff", where)
        if not isinstance(centre, str):
            self.fail(
                "the centre is not the name of a particle", where, 'such as centre = "Si"'
            )
        return AngleTerm(centre, ends, function, (cutoff, cutoff))

    def function(
        self,
        row: Mapping[str, Any],
        forms: Mapping[str, tuple[tuple[str, ...], Callable[..., T]]],
        others: tuple[str, ...],
        where: str,
    ) -> T:
        """Read the form of a term and its parameters."""
        form = row.get("form")
        if not isinstance(form, str) or form not in forms:
            self.fail(f"no form {form!r}", where, "forms are " + ", ".join(forms))
        names, make = forms[form]
        self.names(row, others + names, where, required=others + names)
        return make(*(self.number(row, name, where) for name in names))

    def kinds(self, row: Mapping[str, Any], name: str, where: str) -> tuple[str, str]:
        """Read the names of two particles."""
        value = row.get(name)
        names = (
            [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
        )
        if not isinstance(value, list) or len(names) != 2 or len(value) != 2:
            self.fail(f"{name} is not a list of two particles", where, f'{name} = ["Si", "O"]')
        return names[0], names[1]

    def number(self, row: Mapping[str, Any], name: str, where: str) -> float:
        """Read a finite number."""
        value = row[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < inf:
            self.fail(f"{name} is no finite number: {value!r}", where)
        if name in _POSITIVE and not value > _SMALLEST:
            self.fail(f"{name} is not larger than {_SMALLEST:g}: {value!r}", where)
        if not abs(value) <= (most := LARGEST_CUTOFF if name == "cutoff" else _LARGEST):
            self.fail(f"{name} is larger than {most:g}", where, "units are eV, Å and degrees")
        return float(value)

    def table(self, found: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Read a table, empty if there is none."""
        value = found.get(name, {})
        if not isinstance(value, dict):
            self.fail(f"{name} is no table", "the file")
        return value

    def rows(self, found: Mapping[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
        """Read a list of tables, numbered from 1."""
        value = found.get(name, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.fail(f"{name} is not a list of tables", "the file", f"write [[{name}]]")
        return list(enumerate(value, start=1))

    def names(
        self,
        row: Mapping[str, Any],
        known: tuple[str, ...],
        where: str,
        *,
        required: tuple[str, ...],
    ) -> None:
        """Refuse unknown and missing names."""
        for name in row:
            if name not in known:
                self.fail(f"unknown name {name}", where, "names are " + ", ".join(known))
        for name in required:
            if name not in row:
                self.fail(f"{name} is missing", where, "names are " + ", ".join(known))

    def fail(self, what: str, where: str, fix: str = "") -> NoReturn:
        """Refuse the file."""
        raise DataError(what, where=f"{self.path}, {where}", fix=fix)
