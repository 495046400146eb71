"""Temperatures and strains of the runs of a series, and the polynomials that they determine.

The variables of the polynomials are the temperature, ln V if runs of one temperature differ in
volume, and ln c/a if runs of one temperature and volume differ in c/a. All are relative to a
reference, which is the middle of the temperatures and the mean of the logarithms.
"""

from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.errors import DataError

Basis = tuple[tuple[int, ...], ...]
"""Exponents of the variables in each term of a polynomial."""

SAME_TEMPERATURE = 0.02
"""Relative difference below which two runs have the same temperature."""
_SAME_STRAIN = 1e-3
"""Difference of ln V or ln c/a below which two runs have the same one."""
_HIGHEST = 3
"""Highest power of T in a series without strain."""
_SPARE = 2
"""Least number of runs beyond the coefficients with quadratic terms in strain."""
_DETERMINED = 1e-3
"""Smallest singular value of a design matrix with columns of unit length."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Temperatures, volumes and axial ratios of the runs (r) of a series.

    Raises
    ------
    DataError
        If all runs are at one temperature, volume and axial ratio.
    """

    temperatures: Floats
    """(r,), unit: K."""
    volumes: Floats
    """(r,), unit: Å³. Volume of the primitive cell."""
    ratios: Floats | None = None
    """(r,) c/a of the conventional cell; None for cubic crystals."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, temperatures="r", volumes="r", ratios="r")
        if self.n_temperatures < 2 and not self.strain_names:
            kelvin = ", ".join(f"{one:.4g}" for one in self.temperatures)
            raise DataError(
                f"a series needs runs at two temperatures or more, and these are at {kelvin} K",
                fix="add runs at other temperatures, or of other volumes",
            )

    @property
    def n_temperatures(self) -> int:
        """Number of different temperatures."""
        ordered = np.sort(self.temperatures)
        return 1 + int((np.diff(ordered) > SAME_TEMPERATURE * ordered[1:]).sum())

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest temperature in K."""
        return float(self.temperatures.min()), float(self.temperatures.max())

    @property
    def middle(self) -> float:
        """Temperature of the reference in K."""
        return float(np.mean(self.span))

    @property
    def volume(self) -> float:
        """Geometric mean of the volumes in Å³, the reference of a separate variable."""
        return float(np.exp(np.log(self.volumes).mean()))

    @property
    def ratio(self) -> float:
        """Geometric mean of c/a, the reference of a separate variable; nan if unknown."""
        return np.nan if self.ratios is None else float(np.exp(np.log(self.ratios).mean()))

    @property
    def is_isochoric(self) -> bool:
        """Whether all runs have one volume."""
        return float(np.ptp(np.log(self.volumes))) < _SAME_STRAIN

    @property
    def is_separable(self) -> bool:
        """Whether runs of one temperature have different volumes."""
        return bool((self._same_temperature & ~_same(self.volumes)).any())

    @property
    def has_ratio(self) -> bool:
        """Whether runs of one temperature and volume have different axial ratios."""
        if self.ratios is None:
            return False
        same = self._same_temperature & _same(self.volumes)
        return bool((same & ~_same(self.ratios)).any())

    @property
    def strain_names(self) -> tuple[str, ...]:
        """Variables beside the temperature."""
        return ("ln V",) * self.is_separable + ("ln c/a",) * self.has_ratio

    @property
    def bases(self) -> tuple[Basis, ...]:
        """Polynomials that the runs determine, from the lowest.

        Powers of T up to half the number of runs, at most three; with strains all terms of
        first order, and all choices of terms of second order that leave two degrees of freedom.
        """
        lowest = self.basis(min(1, self.n_temperatures - 1))
        if not self.strain_names:
            highest = min(_HIGHEST, self.n_temperatures - 1, len(self.temperatures) // 2)
            return tuple(map(self.basis, range(1, max(1, highest) + 1)))
        single = [one for one in lowest if sum(one) == 1]
        second = [
            tuple(a + b for a, b in zip(one, other, strict=True))
            for k, one in enumerate(single)
            for other in single[k:]
        ]
        most = len(self.temperatures) - _SPARE - len(lowest)
        chosen = (
            lowest + terms
            for count in range(1, min(most, len(second)) + 1)
            for terms in combinations(second, count)
        )
        return (lowest, *(one for one in chosen if self._is_determined(one)))

    def basis(self, order: int) -> Basis:
        """Powers of T up to an order, and the strains to first order."""
        n = len(self.strain_names)
        powers = tuple((power, *(0,) * n) for power in range(order + 1))
        return powers + tuple((0, *(int(k == j) for k in range(n))) for j in range(n))

    def text(self, basis: Basis) -> str:
        """Terms of a polynomial, such as 1, T, ln V, T·ln V."""
        return ", ".join(_term(("T", *self.strain_names), powers) for powers in basis)

    def rows(self, basis: Basis, kelvin: Floats, strains: Floats | None = None) -> Floats:
        """(t, k) terms at temperatures (t,), and at strains (s,) from the reference."""
        return _terms(basis, self._variables(kelvin, strains))

    def slope_rows(self, basis: Basis, kelvin: Floats) -> Floats:
        """(t, k) derivatives with respect to T, in 1/K; nan for one temperature."""
        if self.n_temperatures < 2:
            return np.full((len(kelvin), len(basis)), np.nan)
        return self._derivatives(basis, kelvin, 0)

    def strain_rows(self, basis: Basis, kelvin: Floats, name: str) -> Floats:
        """(t, k) derivatives with respect to ln V or ln c/a, at the reference strains.

        Raises
        ------
        DataError
            If temperature and strain vary together.
        """
        if name not in self.strain_names:
            text = {"ln V": "volume", "ln c/a": "c/a"}[name]
            raise DataError(
                f"temperature and {text} are not separable",
                why=f"no two runs of one temperature have a different {text}",
                fix=f"add a run of another {text} at one of the temperatures",
            )
        return self._derivatives(basis, kelvin, 1 + self.strain_names.index(name))

    def design(self, basis: Basis) -> Floats:
        """(r, k) terms of all runs."""
        return _terms(basis, self._scaled(self.temperatures, self._strains))

    def strains_at(self, volume: float | None, ratio: float | None) -> Floats:
        """(s,) strains of a volume in Å³ and an axial ratio; None is the reference."""
        wanted = {
            "ln V": 0.0 if volume is None else float(np.log(volume / self.volume)),
            "ln c/a": 0.0 if ratio is None else float(np.log(ratio / self.ratio)),
        }
        return np.array([wanted[name] for name in self.strain_names])

    @property
    def strain_spans(self) -> Floats:
        """(s, 2) lowest and highest strain of the runs, from the reference."""
        return np.stack([self._strains.min(axis=0), self._strains.max(axis=0)], axis=1)

    @property
    def _same_temperature(self) -> Bools:
        kelvin = self.temperatures
        near: Bools = np.abs(kelvin[:, None] - kelvin) <= SAME_TEMPERATURE * kelvin
        return near

    @property
    def _strains(self) -> Floats:
        """(r, s) logarithms minus their means."""
        known = {"ln V": self.volumes, "ln c/a": self.ratios}
        logs = [np.log(one) for name in self.strain_names if (one := known[name]) is not None]
        return np.array([one - one.mean() for one in logs]).reshape(-1, len(self.volumes)).T

    @property
    def _scales(self) -> Floats:
        """(1 + s,) half ranges of the variables."""
        low, high = self.span
        kelvin = 0.5 * (high - low) if self.n_temperatures > 1 else max(high, 1.0)
        return np.array([kelvin, *(0.5 * np.ptp(self._strains, axis=0))])

    def _scaled(self, kelvin: Floats, strains: Floats) -> Floats:
        """(t, 1 + s) variables in units of half their ranges."""
        raw = np.hstack([(kelvin - self.middle)[:, None], strains])
        scaled: Floats = raw / self._scales
        return scaled

    def _variables(self, kelvin: Floats, strains: Floats | None) -> Floats:
        known = np.zeros(len(self.strain_names)) if strains is None else strains
        return self._scaled(kelvin, np.broadcast_to(known, (len(kelvin), len(known))))

    def _derivatives(self, basis: Basis, kelvin: Floats, which: int) -> Floats:
        variables = self._variables(kelvin, None)
        factors = np.array([powers[which] for powers in basis])
        lower = tuple(
            tuple(max(0, n - (k == which)) for k, n in enumerate(powers)) for powers in basis
        )
        rows: Floats = factors * _terms(lower, variables) / self._scales[which]
        return rows

    def _is_determined(self, basis: Basis) -> bool:
        if max(powers[0] for powers in basis) >= self.n_temperatures:
            return False
        design = self.design(basis)
        length = np.linalg.norm(design, axis=0)
        if not (length > 0.0).all():
            return False
        return bool(np.linalg.svd(design / length, compute_uv=False)[-1] > _DETERMINED)


def _same(values: Floats) -> Bools:
    logs = np.log(values)
    near: Bools = np.abs(logs[:, None] - logs) <= _SAME_STRAIN
    return near


def _terms(basis: Basis, variables: Floats) -> Floats:
    columns = [
        reduce(np.multiply, (variables[:, k] ** n for k, n in enumerate(powers)))
        for powers in basis
    ]
    return np.stack(columns, axis=1)


def _term(names: tuple[str, ...], powers: tuple[int, ...]) -> str:
    superscript = {1: "", 2: "²", 3: "³"}
    parts = [
        f"({name}){superscript[n]}" if n > 1 and " " in name else f"{name}{superscript[n]}"
        for name, n in zip(names, powers, strict=True)
        if n
    ]
    return "·".join(parts) or "1"
