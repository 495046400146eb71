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

Units are eV, Å, e and degrees. Nothing has a default except k4.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from trajmodes.config.plain_toml import read_toml
from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import SHELL, AngleTerm, PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.triples import AngularFunction

_PAIRS: Mapping[str, tuple[tuple[str, ...], Callable[..., Function]]] = {
    "buckingham": (("A", "rho", "C"), of.buckingham),
    "lennard_jones": (("epsilon", "sigma"), of.lennard_jones),
    "morse": (("depth", "alpha", "r0"), of.morse),
    "harmonic": (("k", "r0"), of.harmonic),
}
"""Form → its parameters in the order of the function."""

_ANGLES: Mapping[str, tuple[tuple[str, ...], Callable[..., Function]]] = {
    "harmonic": (("k", "theta0"), of.HarmonicAngle),
    "cosine_harmonic": (("k", "theta0"), of.cosine_harmonic),
}

_POSITIVE = {"rho", "sigma", "cutoff", "alpha"}
_TABLES = ("charges", "springs", "pair", "angle")


def read_shell_model(path: Path) -> ShellModel:
    """Read the parameters of a model.

    Raises
    ------
    UsageError
        If the file is not TOML.
    DataError
        If a parameter is missing, unknown or no number, or a term names a particle that the
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
        kinds = set(charges) | set(springs) | {name + SHELL for name in springs}
        for name in springs:
            for kind in (name, name + SHELL):
                if charges and kind not in charges:
                    self.fail(
                        f"no charge of {kind}",
                        "[charges]",
                        "a core and its shell have one each",
                    )
        for kind in charges:
            if kind.endswith(SHELL) and kind.removesuffix(SHELL) not in springs:
                self.fail(
                    f"{kind} has no spring", "[springs]", "a spring binds a shell to its core"
                )
        listed = {"pair": self.rows(found, "pair"), "angle": self.rows(found, "angle")}
        terms = Terms(
            charges,
            {name: self.spring(springs, name) for name in springs},
            tuple(self.pair(row, f"[[pair]] {k}") for k, row in listed["pair"]),
            tuple(self.angle(row, f"[[angle]] {k}") for k, row in listed["angle"]),
        )
        if charges:
            named = [kind for one in terms.pairs for kind in one.kinds]
            named += [kind for one in terms.angles for kind in (one.centre, *one.ends)]
            for kind in named:
                if kind not in kinds:
                    known = ", ".join(sorted(kinds))
                    self.fail(f"no charge of {kind}", "[charges]", f"the particles are {known}")
        return terms

    def spring(self, springs: Mapping[str, Any], name: str) -> Function:
        """Read the spring of a species."""
        where = f"[springs] {name}"
        row = self.table(springs, name)
        self.names(row, ("k", "k4"), where, required=("k",))
        quartic = self.number(row, "k4", where) if "k4" in row else 0.0
        return of.polynomial((0.0, 0.0, self.number(row, "k", where), 0.0, quartic))

    def pair(self, row: Mapping[str, Any], where: str) -> PairTerm:
        """Read a pair energy."""
        one, two = self.kinds(row, "between", where)
        function = self.function(row, _PAIRS, ("between", "form", "cutoff"), where)
        return PairTerm((one, two), function, self.number(row, "cutoff", where))

    def angle(self, row: Mapping[str, Any], where: str) -> AngleTerm:
        """Read an energy of angles."""
        ends = self.kinds(row, "ends", where)
        h = self.function(row, _ANGLES, ("centre", "ends", "form", "cutoff"), where)
        centre, cutoff = row["centre"], self.number(row, "cutoff", where)
        if not isinstance(centre, str):
            self.fail("the centre is no name of a particle", where, 'such as centre = "Si"')
        same = of.constant(1.0)
        return AngleTerm(centre, ends, AngularFunction(same, same, h), (cutoff, cutoff))

    def function(
        self,
        row: Mapping[str, Any],
        forms: Mapping[str, tuple[tuple[str, ...], Callable[..., Function]]],
        others: tuple[str, ...],
        where: str,
    ) -> Function:
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
            self.fail(f"{name} is no list of two particles", where, f'{name} = ["Si", "O"]')
        return names[0], names[1]

    def number(self, row: Mapping[str, Any], name: str, where: str) -> float:
        """Read a finite number."""
        value = row[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self.fail(f"{name} is no finite number: {value!r}", where)
        if name in _POSITIVE and value <= 0:
            self.fail(f"{name} is not positive: {value!r}", where)
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
            self.fail(f"{name} is no list of tables", "the file", f"write [[{name}]]")
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
