"""Stillinger–Weber potentials of the files that LAMMPS reads.

F. H. Stillinger, T. A. Weber, Phys. Rev. B 31, 5262 (1985):

    E = Σ_pairs Aε[B(σ/r)^p − (σ/r)^q] e^{σ/(r−aσ)}
      + Σ_angles λε(cos θ − cos θ₀)² e^{γσ/(r₁−aσ)} e^{γσ/(r₂−aσ)}.

An entry names a centre and two neighbours. The energy of a pair and the decay along a bond are
those of the entry whose neighbours are both the other end.
"""

from itertools import combinations_with_replacement
from math import isfinite
from pathlib import Path

from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import LARGEST_CUTOFF, AngleTerm, PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.triples import AngularFunction

_NAMES = ("epsilon", "sigma", "a", "lambda", "gamma", "cos", "A", "B", "p", "q", "tol")
_LARGEST_EXPONENT = 50
_WIDTH = 3 + len(_NAMES)

Entries = dict[tuple[str, str, str], dict[str, float]]


def read_stillinger_weber(path: Path) -> ShellModel:
    """Read a potential in metal units; it has no shells and no charges.

    Raises
    ------
    DataError
        If an entry is incomplete or missing.
    """
    entries = _entries(path)
    species = sorted({key[0] for key in entries})
    for key in ((a, b, c) for a in species for b in species for c in species):
        if key not in entries:
            raise DataError(f"no entry of {' '.join(key)}", where=str(path))
    pairs, angles = [], []
    for one, two in combinations_with_replacement(species, 2):
        own = entries[one, two, two]
        pairs.append(PairTerm((one, two), _pair(own), own["a"] * own["sigma"]))
    for centre in species:
        for ends in combinations_with_replacement(species, 2):
            own = entries[(centre, *ends)]
            bonds = [entries[centre, end, end] for end in ends]
            strength = 2.0 * own["lambda"] * own["epsilon"]
            cosine = of.polynomial((0.0, 0.0, strength), own["cos"])
            first, second = (_decay(1.0, bond["gamma"], bond) for bond in bonds)
            near, far = (bond["a"] * bond["sigma"] for bond in bonds)
            angular = AngularFunction(first, second, cosine)
            angles.append(AngleTerm(centre, ends, angular, (near, far)))
    return ShellModel(Terms({}, {}, tuple(pairs), tuple(angles)))


def _entries(path: Path) -> Entries:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the potential: {error}", where=str(path)) from None
    words = [word for line in lines for word in line.split("#")[0].split()]
    if not words or len(words) % _WIDTH:
        raise DataError(
            f"{len(words)} words are not a whole number of entries",
            where=str(path),
            fix=f"an entry has three elements and {len(_NAMES)} numbers",
        )
    found: Entries = {}
    for k in range(0, len(words), _WIDTH):
        one, two, three = words[k : k + 3]
        try:
            values = [float(word) for word in words[k + 3 : k + _WIDTH]]
        except ValueError as error:
            raise DataError(f"entry {one} {two} {three}: {error}", where=str(path)) from None
        entry = dict(zip(_NAMES, values, strict=True))
        if not all(isfinite(value) for value in values):
            raise DataError(f"entry {one} {two} {three} is not finite", where=str(path))
        cutoff = entry["a"] * entry["sigma"]
        if entry["sigma"] < 0 or not 0 <= cutoff <= LARGEST_CUTOFF:
            raise DataError(
                f"entry {one} {two} {three} has the length σ = {entry['sigma']:g} Å and the "
                f"cutoff aσ = {cutoff:g} Å",
                where=str(path),
                fix=f"neither is negative, and no cutoff is larger than {LARGEST_CUTOFF:g} Å",
            )
        if max(abs(entry["p"]), abs(entry["q"])) > _LARGEST_EXPONENT:
            raise DataError(
                f"entry {one} {two} {three} has exponents p, q beyond {_LARGEST_EXPONENT}",
                where=str(path),
            )
        found[one, two, three] = entry
    return found


def _decay(factor: float, rate: float, own: dict[str, float]) -> Function:
    return of.screened(factor, rate * own["sigma"], own["a"] * own["sigma"])


def _pair(own: dict[str, float]) -> Function:
    strength = own["A"] * own["epsilon"]
    repulsion = _inverse(strength * own["B"], own["sigma"], own["p"])
    attraction = _inverse(-strength, own["sigma"], own["q"])
    decay = _decay(1.0, 1.0, own)
    return of.product(lambda r, n: repulsion(r, n) + attraction(r, n), decay)


def _inverse(factor: float, sigma: float, exponent: float) -> Function:
    return of.power(factor * sigma**exponent, -exponent)
