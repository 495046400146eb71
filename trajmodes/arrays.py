"""Array types, |z|², and shape checks and read-only views for the data classes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def square_modulus(z: Complexes) -> Floats:
    """Compute |z|² without a square root."""
    square: Floats = z.real**2
    square += z.imag**2
    return square


def freeze(instance: object, sizes: dict[str, int], dtype: npt.DTypeLike, **axes: str) -> None:
    """Check array fields of a frozen dataclass and make them read-only.

    Call it in ``__post_init__`` with the same ``sizes`` for all fields: the first field with an
    axis letter fixes its size, and later ones must agree.

    Parameters
    ----------
    sizes
        Sizes of the axis letters known so far; extended in place.
    dtype
        Type to which the fields are converted.
    axes
        Field name → its axes, for example ``displacements="t a 3"``. A number is an exact
        size. Fields that are ``None`` stay ``None``.

    Raises
    ------
    DataError
        If a field has another shape.
    """
    for field, letters in axes.items():
        value = getattr(instance, field)
        if value is None:
            continue
        array = np.asarray(value, dtype=dtype).view()
        _check_shape(f"{type(instance).__name__}.{field}", array, letters.split(), sizes)
        array.flags.writeable = False
        object.__setattr__(instance, field, array)


def _check_shape(
    name: str, array: npt.NDArray[Any], letters: list[str], sizes: dict[str, int]
) -> None:
    fits = array.ndim == len(letters) and all(
        size == (int(letter) if letter.isdigit() else sizes.setdefault(letter, size))
        for letter, size in zip(letters, array.shape, strict=False)
    )
    if not fits:
        wanted = ", ".join(
            letter if letter not in sizes else f"{letter}={sizes[letter]}" for letter in letters
        )
        raise DataError(f"{name} has shape {array.shape} where ({wanted}) is expected")
