"""Numbers and q points as text, in one notation; small tables for notebooks."""

from collections.abc import Mapping
from fractions import Fraction
from html import escape

import numpy as np

from trajmodes.arrays import Floats


def two_digits(value: float) -> str:
    """Round to two significant digits, without a power of ten.

    Examples
    --------
    >>> two_digits(1147.0), two_digits(0.0527)
    ('1100', '0.053')
    """
    return f"{float(f'{value:.2g}'):.15g}"


_LARGEST_DENOMINATOR = 99


def point(q: Floats) -> str:
    """Write the reduced coordinates (3,) of one of ±q as fractions.

    Examples
    --------
    >>> point(np.array([-0.5, -0.25, 1 / 3]))
    '1/2 1/4 -1/3'
    """
    # −½ and ½ are equivalent, and so are the modes at q and −q.
    folded = np.where(np.isclose(np.abs(q), 0.5), 0.0, q)
    leading = folded[np.flatnonzero(np.abs(folded) > 1e-9)[:1]]
    sign = -1.0 if leading.size and leading[0] < 0.0 else 1.0
    shown = np.where(np.isclose(np.abs(q), 0.5), 0.5, sign * folded)
    return " ".join(_fraction(float(x)) for x in shown)


def _fraction(x: float) -> str:
    near = Fraction(x).limit_denominator(_LARGEST_DENOMINATOR)
    return str(near) if abs(float(near) - x) < 1e-6 else f"{x:.3f}"


def coordinates(text: str) -> list[float]:
    """Read numbers and fractions between blanks or commas; an empty list if a word is neither.

    Examples
    --------
    >>> coordinates("1/2, 0 0.25"), coordinates("X")
    ([0.5, 0.0, 0.25], [])
    """
    try:
        return [float(Fraction(word)) for word in text.replace(",", " ").split()]
    except (ValueError, ZeroDivisionError, OverflowError):
        return []


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """HTML of a small table with a title; all text is escaped.

    Examples
    --------
    >>> html_table("Run", {"atoms": 64})
    '<table><caption>Run</caption><tr><th>atoms</th><td>64</td></tr></table>'
    """
    cells = (
        f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{''.join(cells)}</table>"
