"""Numbers, counts and names as text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from trajmodes.data.labels import point

_EXACT = 1e-9
"""Relative errors that are those of rounding."""


def plus_minus(value: float, sem: float | None = None) -> str:
    """Format a number and its standard error, both to two digits of the error; nan as –.

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
    if sem is None or not _EXACT * abs(value) < sem < math.inf:
        return f"{value:.4g}"
    digits = _digits(sem)
    return f"{value:.{digits}f} ± {sem:.{digits}f}"


def _digits(sem: float) -> int:
    """Decimal places up to the second digit of an error."""
    # Rounded first: 0.0998 is 0.10, one digit less than its logarithm says.
    return max(0, min(9, 1 - math.floor(math.log10(float(f"{sem:.1e}")))))


def compact(value: float, sem: float | None = None) -> str:
    """Format a number with two digits of its standard error in brackets; nan as –.

    Examples
    --------
    >>> compact(15.03412, 0.0213)
    '15.034(21)'
    >>> compact(1.5, 2.0)
    '1.5(2.0)'
    >>> compact(301.2, 14.6)
    '301(15)'
    """
    if not math.isfinite(value) or sem is None or not _EXACT * abs(value) < sem < math.inf:
        return plus_minus(value)
    digits = _digits(sem)
    error = f"{sem:.{digits}f}"
    return f"{value:.{digits}f}({error if sem >= 0.995 else error[2:].lstrip('0')})"


_SMALL, _LARGE = 0.2, 0.4
"""Anharmonicity σ that is called small and large; a reading aid without a sharp meaning."""


def strength_of(sigma: float) -> str:
    """Describe the anharmonicity σ by a word.

    Examples
    --------
    >>> strength_of(0.15), strength_of(0.3), strength_of(0.6)
    ('small', 'moderate', 'large')
    """
    return "small" if sigma < _SMALL else "moderate" if sigma < _LARGE else "large"


def branches(first: int, last: int) -> str:
    """Format a range of branches.

    Examples
    --------
    >>> branches(2, 2), branches(1, 3)
    ('2', '1–3')
    """
    return str(first) if first == last else f"{first}–{last}"


def place_of(one: Mapping[Any, Any]) -> str:
    """Format the q of a set, given by its variables, and the name of the point, if any."""
    name = str(np.asarray(one["set_point"])) if "set_point" in one else ""
    return f"{point(np.asarray(one['set_q']))} {name}".rstrip()


def counted(count: float, singular: str) -> str:
    """Format a count, rounded, with its unit in the singular or plural.

    Examples
    --------
    >>> counted(1, "frame"), counted(8, "block")
    ('1 frame', '8 blocks')
    """
    number = f"{count:.0f}"
    return f"{number} {singular}{'' if number == '1' else 's'}"


def order_name(order: int) -> str:
    """Name an order of force constants.

    Examples
    --------
    >>> order_name(3)
    '3rd order'
    """
    return {2: "2nd order", 3: "3rd order"}.get(order, f"{order}th order")


def mesh_of(divisions: Iterable[int]) -> str:
    """Format the divisions of a mesh.

    Examples
    --------
    >>> mesh_of((12, 12, 8))
    '12 × 12 × 8'
    """
    return " × ".join(str(int(n)) for n in divisions)


def size_of(n_bytes: int) -> str:
    """Format a number of bytes.

    Examples
    --------
    >>> size_of(1_050_852_062)
    '1.05 GB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes} B"


def short_names(paths: Sequence[str]) -> list[str]:
    """Name each path by as few of its last parts as make the names different.

    Examples
    --------
    >>> short_names(["runs/bcc/qha", "runs/hcp/qha/"])
    ['bcc/qha', 'hcp/qha']
    """
    parts = [PurePath(path).parts for path in paths]
    for count in range(1, max(map(len, parts), default=0) + 1):
        names = [str(PurePath(*one[-count:])) for one in parts]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def point_label(name: str) -> str:
    """Format the name of a special point: GAMMA as Γ, SIGMA_0|X and SIGMA0|X as Σ₀|X."""
    if "|" in name:
        return "|".join(point_label(part) for part in name.split("|"))
    plain = name.strip("$\\").replace("_", "")
    letter = plain.rstrip("0123456789")
    index = plain[len(letter) :]
    greek = {"GAMMA": "Γ", "G": "Γ", "DELTA": "Δ", "LAMBDA": "Λ", "SIGMA": "Σ"}
    return greek.get(letter.upper(), letter) + index.translate(
        str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    )


def from_displacements(n_frames: int) -> str:
    """Say where force constants of a run without forces come from."""
    frames = counted(n_frames, "frame")
    return f"no forces: from the covariance of the displacements of {frames}"
