"""A minimum followed from one temperature to the next, up to its end.

The search for the next minimum starts from the extrapolation of the last two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.thermo.minimisation.local import ImaginaryModesError
from trajmodes.thermo.minimisation.minimum import Conditions, LostMinimumError, Minimum

_SHORTEST = 1.0
"""Step of the temperature in K within which the end is found."""

Search = Callable[[Floats, Conditions, Floats | None], Minimum]
"""Minimise from a point, at conditions, with a Jacobian to start with or none."""


@dataclass(frozen=True, slots=True)
class Path:
    """The last two minima."""

    last: Minimum
    before: Minimum | None = None

    @property
    def kelvin(self) -> float:
        """Temperature of the last minimum in K."""
        return self.last.conditions.kelvin

    def to(self, found: Minimum) -> "Path":
        """Path with one more minimum."""
        return Path(found, self.last)

    def ahead(self, kelvin: float) -> tuple[Floats, Floats]:
        """Point and Jacobian expected at a temperature."""
        last, before, step = self.last, self.before, kelvin - self.kelvin
        along = step * last.by_kelvin
        if before is None:
            return last.local.x + along, last.jacobian
        length = self.kelvin - before.conditions.kelvin
        # The cubic through both minima with their slopes
        chord = (last.local.x - before.local.x) / length
        bend = (2.0 * last.by_kelvin + before.by_kelvin - 3.0 * chord) / length
        twist = (last.by_kelvin + before.by_kelvin - 2.0 * chord) / length**2
        more = step**2 * (bend + step * twist)
        if np.abs(more).max() > np.abs(along).max():
            more = np.zeros_like(more)
        change = (last.jacobian - before.jacobian) / length
        return last.local.x + along + more, last.jacobian + step * change


def started(search: Search, x: Floats, conditions: Conditions) -> tuple[Path | None, str]:
    """Find the first minimum from a point; if there is none, return None and the reason."""
    try:
        return Path(search(x, conditions, None)), ""
    except (ImaginaryModesError, LostMinimumError) as error:
        return None, f"at {conditions.kelvin:.6g} K: {error.what}"


def followed(search: Search, path: Path, wanted: Conditions) -> tuple[Path, str]:
    """Follow a minimum to a temperature, in smaller steps if a step fails.

    Returns
    -------
    path
        The last minima that were found.
    reason
        Why the temperature was not reached; empty if it was.
    """
    kelvin, failed = wanted.kelvin, np.inf
    while True:
        x, jacobian = path.ahead(kelvin)
        try:
            found = search(x, wanted._replace(kelvin=kelvin), jacobian)
        except (ImaginaryModesError, LostMinimumError) as error:
            if kelvin - path.kelvin < _SHORTEST:
                return path, f"beyond {path.kelvin:.4g} K: {error.what}"
            failed = kelvin
        else:
            path = path.to(found)
            if kelvin == wanted.kelvin:
                return path, ""
            if failed - kelvin < _SHORTEST:
                # It failed in a longer step: once more, from here.
                kelvin, failed = failed, np.inf
                continue
        kelvin = 0.5 * (path.kelvin + failed) if np.isfinite(failed) else wanted.kelvin
