"""Conditions for the end of a simulation: errors of its results, or its length."""

from collections.abc import Callable, Sequence

import numpy as np

from trajmodes.config.live import UNIT_OF_CONDITION, Condition
from trajmodes.data.results import Results
from trajmodes.units import THZ


def _frequency(results: Results) -> float:
    """Largest standard error in THz of a frequency, fitted or measured on given modes."""
    if results.run_length is not None:
        return results.run_length.worst / THZ
    energies = None if results.projection is None else results.projection.energies
    if energies is None or energies.omega_ratio_sem is None:
        return np.inf
    return _largest(energies.omega_ratio_sem) / THZ


def _linewidth(results: Results) -> float:
    """Median relative error of the linewidths in %; that of unresolved lines is infinite."""
    lines = None if results.projection is None else results.projection.lines
    if lines is None or not len(lines.linewidth):
        return np.inf
    relative = 100.0 * lines.linewidth_sem / lines.linewidth
    return float(np.median(np.where(np.isfinite(relative), relative, np.inf)))


def _temperature(results: Results) -> float:
    """Return the standard error of the temperature in K."""
    if results.projection is None:
        return np.inf
    return _largest(np.array([results.projection.energies.temperature_sem]))


def _largest(errors: np.ndarray) -> float:
    return float(np.where(np.isfinite(errors), errors, np.inf).max(initial=0.0))


_ERRORS: dict[str, Callable[[Results], float]] = {
    "frequency": _frequency,
    "linewidth": _linewidth,
    "temperature": _temperature,
}


def most_of(conditions: Sequence[Condition], quantity: str) -> float:
    """Smallest value of the conditions on a number of frames or minutes; inf without one."""
    return min((value for name, value in conditions if name == quantity), default=np.inf)


def reached(conditions: Sequence[Condition], results: Results) -> str:
    """Text of the first condition that the errors of the results fulfil; empty if none."""
    for name, value in conditions:
        if name in _ERRORS and _ERRORS[name](results) <= value:
            return f"{name} {value:g} {UNIT_OF_CONDITION[name]}"
    return ""


def errors_text(results: Results) -> str:
    """List the errors for which there are conditions, in one line."""
    words = {"frequency": "frequencies", "linewidth": "half of the widths"}
    found = {name: error(results) for name, error in _ERRORS.items()}
    texts = [
        f"{words.get(name, name)} ± {value:.2g} {UNIT_OF_CONDITION[name]}"
        for name, value in found.items()
        if np.isfinite(value)
    ]
    return ", ".join(texts) or "no errors yet"
