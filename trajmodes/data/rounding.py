"""Numbers in sentences."""

__all__ = ["two_digits"]


def two_digits(value: float) -> str:
    """Round to two digits, and write no power of ten.

    Parameters
    ----------
    value
        The number.

    Examples
    --------
    >>> two_digits(1147.0), two_digits(0.0527)
    ('1100', '0.053')
    """
    return f"{float(f'{value:.2g}'):.15g}"
