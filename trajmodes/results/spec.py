"""What is known of a variable of the results file beside its values."""

from typing import NamedTuple

__all__ = ["Spec"]


class Spec(NamedTuple):
    """What a variable is."""

    dims: str
    """Names of the dimensions, separated by blanks."""
    units: str
    """Unit; 1 for pure numbers, empty for text."""
    long_name: str
    convention: str = ""
    """Definition, sign or normalisation where it could be mistaken."""
