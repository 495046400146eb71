"""Shell models in the library format of GULP.

J. D. Gale, J. Chem. Soc., Faraday Trans. 93, 629 (1997). A keyword begins a section:

    species
    Si core  4.00000
    O  core  0.86902
    O  shel -2.86902
    buckingham                          # A exp(−r/ρ) − C/r⁶ from the first to the last length
    Si core O shel 1283.907 0.32052 10.66158 0.0 10.0
    O shel O shel 22764.0 0.149 27.879 0.0 12.0
    three                               # ½k(θ − θ₀)² at the first particle, three cutoffs
    Si core O shel O shel 2.09724 109.47 1.9 1.9 3.5
    spring                              # ½k₂r² + k₄r⁴/24
    O 74.92

Energies are in eV, or in the unit kcal or kjmol that the line of the keyword names; lengths are
in Å, angles in degrees. Lines that are not understood are refused.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.gulp_lines import (
    LABEL,
    LARGEST,
    Line,
    Section,
    read_sections,
)
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import SHELL, AngleTerm, PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.triples import bending
from trajmodes.units import KILOJOULE_PER_MOLE

_PARAMETERS = {"buckingham": 3, "lennard_jones": 2, "morse": 3, "harmonic": 2}
"""Keyword of a pair energy → number of its parameters."""
_FLAGS = {"buckingham": 3, "lennard_jones": 2}
"""Number of flags of a fit that may end a line."""
_KINDS = {"core": "", "shel": SHELL, "shell": SHELL}
_ADVICE = "remove it if the crystal does not need it, or write the model as TOML"


def read_gulp(path: Path) -> ShellModel:
    """Read the species and the potentials of a library.

    An element that has one label, such as ``O_O2-`` or ``O2``, is named by its symbol.

    Raises
    ------
    DataError
        If a line is not understood, or a particle has no charge or no spring.
    """
    sections = read_sections(path)
    species = [row for one in sections if one.keyword == "species" for row in one.rows]
    if not species:
        raise DataError(
            "no section species", where=str(path), fix="it lists the charges of all particles"
        )
    reader = _Reader(_names(species))
    # The cutoff of all pairs may follow them.
    for one in sorted(sections, key=lambda one: one.keyword != "cutp"):
        reader.read(one)
    terms = reader.terms()

    sections_of = {"charges": "species", "springs": "spring"}

    def refuse(what: str, section: str, fix: str) -> NoReturn:
        raise DataError(what, where=f"{path}, section {sections_of[section]}", fix=fix)

    terms.check(refuse)
    return ShellModel(terms)


def _names(species: list[Line]) -> dict[str, str]:
    """Label → symbol of its element, or the label if the element has several."""
    labels = {}
    for line in species:
        label = line.words[0]
        found = LABEL.fullmatch(label)
        labels[label] = found.group(1) if found else label
        for other, element in labels.items():
            if element == labels[label] and other != label and element in (label, other):
                line.fail(
                    f"{other} and {label} are labels of the same element",
                    why=f"the species {element} of a crystal could be either",
                    fix="keep the lines of one of them",
                )
    elements = list(labels.values())
    return {a: b if elements.count(b) == 1 else a for a, b in labels.items()}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Collects the terms of sections."""

    names: dict[str, str]
    charges: dict[str, float] = field(default_factory=dict)
    springs: dict[str, Function] = field(default_factory=dict)
    pairs: list[PairTerm] = field(default_factory=list)
    angles: list[AngleTerm] = field(default_factory=list)
    cutoffs: list[float] = field(default_factory=list)
    """The cutoff of all pairs, if there is one."""

    def terms(self) -> Terms:
        """Make the terms."""
        return Terms(self.charges, self.springs, tuple(self.pairs), tuple(self.angles))

    def read(self, section: Section) -> None:
        """Read a section."""
        keyword = section.keyword
        options = [word.lower() for word in section.head.words[1:]]
        if keyword == "cutp":
            self.largest(section.head, options)
        elif keyword == "species":
            self.all_species(section, options)
        else:
            exponents = (12, 6)
            if keyword == "lennard_jones" and options[:1] and options[0].isdecimal():
                exponents, options = self.exponents(section.head, options), options[2:]
            unit = self.unit(section.head, keyword, options)
            for line in section.rows:
                if keyword == "spring":
                    self.spring(line, unit)
                elif keyword == "three":
                    self.three(line, unit)
                else:
                    self.pair(line, keyword, unit, exponents)

    def largest(self, head: Line, options: list[str]) -> None:
        """Read the cutoff of all pairs."""
        if len(options) != 1 or self.cutoffs:
            head.fail("cutp has one cutoff and no taper, and occurs once")
        self.cutoffs.append(head.length(options[0], LARGEST))

    def all_species(self, section: Section, options: list[str]) -> None:
        """Read the charges of all particles."""
        if options and options != [str(len(section.rows))]:
            section.head.fail(
                f"{len(section.rows)} lines follow species {' '.join(options)}",
                why="only the number of these lines may stand here, or the file is incomplete",
            )
        for line in section.rows:
            (kind,), numbers = self.particles(line, 1)
            if len(numbers) != 1:
                line.fail("a line of species has a label, core or shel, and one charge")
            if kind in self.charges:
                line.fail(f"{kind} has two charges")
            self.charges[kind] = line.number_of(numbers[0])

    def exponents(self, head: Line, options: list[str]) -> tuple[int, int]:
        """Read the exponents of Lennard-Jones energies."""
        powers = [int(word) for word in options[:2] if word.isdecimal() and len(word) < 3]
        if len(powers) != 2 or not powers[0] > powers[1] > 0:
            head.fail("the exponents are not two numbers m > n > 0, such as 12 6")
        return powers[0], powers[1]

    def unit(self, head: Line, keyword: str, options: list[str]) -> float:
        """Read the options of a potential: the unit of energy in eV."""
        units = {"kjmol": KILOJOULE_PER_MOLE, "kcal": 4.184 * KILOJOULE_PER_MOLE}
        found = 1.0
        for word in options:
            if word in units and found == 1.0:
                found = units[word]
            elif word in ("intra", "bond", "x12", "x13", "x14", "mol", "molmec"):
                head.fail(
                    f"{keyword} acts on molecules: {word}",
                    why="a model has no list of bonds, and pairs are chosen by their distance",
                    fix="give a cutoff instead, if it finds the same pairs",
                )
            elif word != "inter" or keyword == "spring":
                head.fail(f"unknown option of {keyword}: {word}", fix=_ADVICE)
        return found

    def spring(self, line: Line, unit: float) -> None:
        """Read the spring of a shell."""
        (kind,), numbers = self.particles(line, 1)
        name = kind.removesuffix(SHELL)
        if name in self.springs:
            line.fail(f"{name} has two springs")
        if len(numbers) not in (1, 2) or numbers[1:] == ["1"]:
            line.fail(
                "a spring has k2, or k2 and k4",
                why="other numbers could be flags of a fit",
                fix="remove the flags, and write k4 with a decimal point",
            )
        values = [unit * line.number_of(word) for word in numbers]
        k, quartic = (*values, 0.0)[:2]
        if min(k, quartic) < 0 or k == quartic == 0:
            line.fail("the spring holds no shell", fix="k2 and k4 are not negative")
        self.springs[name] = of.polynomial((0.0, 0.0, k, 0.0, quartic))

    def pair(self, line: Line, keyword: str, unit: float, exponents: tuple[int, int]) -> None:
        """Read a pair energy."""
        (one, two), numbers = self.particles(line, 2)
        count = _PARAMETERS[keyword]
        words, rest = numbers[:count], numbers[count:]
        flags = _FLAGS.get(keyword, 0)
        if flags and len(rest) > flags:
            rest = self.without_flags(line, rest, flags)
        if keyword in ("morse", "harmonic") and len(rest) > 1:
            if line.number_of(rest[0]) != 0:
                line.fail(
                    f"{rest[0]} after the parameters of {keyword} is not 0",
                    why="it is a smallest distance or a part of the Coulomb energy",
                    fix=_ADVICE,
                )
            rest = rest[1:]
        if len(words) < count or len(rest) not in (1, 2):
            line.fail(
                f"{len(numbers)} numbers instead of {count} parameters, a smallest distance if "
                "there is one, and a cutoff",
            )
        least = 0.0 if len(rest) == 1 else line.number_of(rest[0])
        cutoff = line.length(rest[-1])
        if not 0 <= least < cutoff:
            line.fail(f"{rest[0]} is not a smallest distance below the cutoff {cutoff:g} Å")
        function = self.function(line, keyword, words, unit, exponents)
        cutoff = min([cutoff, *self.cutoffs])
        self.pairs.append(PairTerm((one, two), function, cutoff, least))

    def function(
        self,
        line: Line,
        keyword: str,
        words: list[str],
        unit: float,
        exponents: tuple[int, int],
    ) -> Function:
        """Make the function of a pair energy."""
        first, *others = (line.number_of(word) for word in words)
        first *= unit
        if keyword == "buckingham":
            return of.buckingham(first, line.length(words[1], LARGEST), unit * others[1])
        if keyword == "morse":
            return of.morse(first, line.length(words[1], LARGEST), others[1])
        if keyword == "harmonic":
            return of.harmonic(first, others[0])
        near, far = exponents
        return of.sum_of(of.power(first, -near), of.power(-unit * others[0], -far))

    def three(self, line: Line, unit: float) -> None:
        """Read a harmonic angle."""
        (centre, *ends), numbers = self.particles(line, 3)
        words, rest = numbers[:2], numbers[2:]
        if len(rest) in (5, 8):
            rest = self.without_flags(line, rest, 2)
        if len(rest) == 6:
            if any(line.number_of(word) for word in rest[::2]):
                line.fail("an angle with smallest distances is not read", fix=_ADVICE)
            rest = rest[1::2]
        if len(rest) != 3:
            line.fail(
                f"{len(numbers)} numbers instead of k, θ₀ and three cutoffs",
                why="they are those of both bonds and of the distance between the ends",
            )
        first, second, apart = (line.length(word) for word in rest)
        if ends[0] == ends[1] and first != second:
            line.fail("the ends are alike, and the cutoffs of the bonds differ")
        k, degrees = (line.number_of(word) for word in words)
        if not 0 <= degrees <= 180:
            line.fail(f"{degrees:g}° is not an angle between 0 and 180°")
        angular = bending(of.HarmonicAngle(unit * k, degrees))
        self.angles.append(
            AngleTerm(centre, (ends[0], ends[1]), angular, (first, second), apart)
        )

    def without_flags(self, line: Line, words: list[str], count: int) -> list[str]:
        """Remove the flags for the parameters that a fit varies."""
        if not all(word in ("0", "1") for word in words[-count:]):
            line.fail(
                f"{' '.join(words[-count:])} are not {count} flags of a fit, 0 or 1",
                why="the line has more numbers than parameters and cutoffs",
            )
        return words[:-count]

    def particles(self, line: Line, count: int) -> tuple[list[str], list[str]]:
        """Read the kinds of some particles, and return the other words."""
        words, kinds = list(line.words), []
        for _ in range(count):
            label = words.pop(0) if words else "nothing"
            if label not in self.names:
                known = ", ".join(self.names)
                line.fail(f"{label} is no species", why=f"section species has {known}")
            is_kind = bool(words) and words[0].lower() in _KINDS
            kinds.append(self.names[label] + (_KINDS[words.pop(0).lower()] if is_kind else ""))
        return kinds, words
