"""Numbers the way people read them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from trajmodes.data.labels import point


def plus_minus(value: float, sem: float | None = None) -> str:
    """Write a number with its standard error, both to the error's second digit.

    Parameters
    ----------
    value
        The number; a dash stands for nan.
    sem
        Its standard error, if known.

    Examples
    --------
    >>> plus_minus(15.03412, 0.0213)
    '15.034 ± 0.021'
    >>> plus_minus(301.2, 14.6)
    '301 ± 15'
    >>> plus_minus(float("nan"), 1.0)
    '–'
    """
    if not math.isfinite(value):
        return "–"
    if sem is None or not math.isfinite(sem) or sem <= 0.0:
        return f"{value:.4g}"
    digits = _digits(sem)
    return f"{value:.{digits}f} ± {sem:.{digits}f}"


def _digits(sem: float) -> int:
    """Decimal places of the second digit of an error."""
    # Rounded first: 0.0998 is 0.10, one digit less than its logarithm says.
    return max(0, min(9, 1 - math.floor(math.log10(float(f"{sem:.1e}")))))


def compact(value: float, sem: float | None = None) -> str:
    """Write a number with its standard error in brackets, in units of its last digits.

    Parameters
    ----------
    value
        The number; a dash stands for nan.
    sem
        Its standard error, if known.

    Examples
    --------
    >>> compact(15.03412, 0.0213)
    '15.034(21)'
    >>> compact(1.5, 2.0)
    '1.5(2.0)'
    >>> compact(301.2, 14.6)
    '301(15)'
    """
    if not math.isfinite(value) or sem is None or not math.isfinite(sem) or sem <= 0.0:
        return plus_minus(value)
    digits = _digits(sem)
    error = f"{sem:.{digits}f}"
    return f"{value:.{digits}f}({error if sem >= 0.995 else error[2:].lstrip('0')})"


def terse(value: float, sem: float | None = None) -> str:
    """Write a number with its standard error in brackets, to the error's first digit.

    Parameters
    ----------
    value
        The number; a dash stands for nan.
    sem
        Its standard error, if known.

    Examples
    --------
    >>> terse(15.03412, 0.0213)
    '15.03(2)'
    >>> terse(301.2, 14.6)
    '300(10)'
    >>> terse(0.0998, 0.00096)
    '0.100(1)'
    """
    if not math.isfinite(value) or sem is None or not math.isfinite(sem) or sem <= 0.0:
        return plus_minus(value)
    # Rounded first: 0.00096 is 0.001.
    power = math.floor(math.log10(float(f"{sem:.0e}")))
    if power < 0:
        return f"{value:.{min(-power, 9)}f}({round(sem * 10.0 ** min(-power, 9))})"
    scale = 10**power
    return f"{round(value / scale) * scale}({round(sem / scale) * scale})"


def branches(first: int, last: int) -> str:
    """Write a range of branches.

    Parameters
    ----------
    first, last
        Numbers from 1.

    Examples
    --------
    >>> branches(2, 2), branches(1, 3)
    ('2', '1–3')
    """
    return str(first) if first == last else f"{first}–{last}"


def place_of(one: Mapping[Any, Any]) -> str:
    """Write the q of a set, and its name where it has one.

    Parameters
    ----------
    one
        Variables of one set, ``set_q`` and, where points have names, ``set_point``.
    """
    name = str(np.asarray(one["set_point"])) if "set_point" in one else ""
    return f"{point(np.asarray(one['set_q']))} {name}".rstrip()


def counted(count: float, noun: str) -> str:
    """Write a whole number of things.

    Parameters
    ----------
    count
        How many; rounded.
    noun
        What they are, in the singular.

    Examples
    --------
    >>> counted(1, "frame"), counted(8, "block")
    ('1 frame', '8 blocks')
    """
    number = f"{count:.0f}"
    return f"{number} {noun}{'' if number == '1' else 's'}"


def order_name(order: int) -> str:
    """Name what force constants of an order connect.

    Parameters
    ----------
    order
        2, 3 or 4.

    Examples
    --------
    >>> order_name(3)
    'triplets'
    """
    return {2: "pairs", 3: "triplets", 4: "quartets"}.get(order, f"order {order}")


def mesh_of(divisions: Iterable[int]) -> str:
    """Write the divisions of a mesh.

    Parameters
    ----------
    divisions
        Points along each reciprocal lattice vector.

    Examples
    --------
    >>> mesh_of((12, 12, 8))
    '12 × 12 × 8'
    """
    return " × ".join(str(int(n)) for n in divisions)


def size_of(n_bytes: int) -> str:
    """Write a size in bytes.

    Parameters
    ----------
    n_bytes
        The size.

    Examples
    --------
    >>> size_of(1_050_852_062)
    '1.05 GB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes} B"


def point_label(name: str) -> str:
    """Write the name of a point of the zone the way people do: GAMMA is Γ, SIGMA_0 is Σ₀.

    Parameters
    ----------
    name
        Name as seekpath gives it; two names may be joined by a bar.
    """
    if "|" in name:
        return "|".join(point_label(part) for part in name.split("|"))
    letter, _, index = name.strip("$\\").partition("_")
    greek = {"GAMMA": "Γ", "G": "Γ", "DELTA": "Δ", "LAMBDA": "Λ", "SIGMA": "Σ"}
    return greek.get(letter.upper(), letter) + index.translate(
        str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    )
