"""Second derivatives of a molecule from a file: NumPy's binary or plain text."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note

_WRONG = 0.01
_WORTH_TELLING = 1e-6


@dataclass(frozen=True, slots=True)
class HessianFile:
    """Second derivatives, and what was done to them."""

    values: Floats
    """(3a, 3a), unit: eV/Å². Symmetric."""
    notes: tuple[Note, ...]
    """What the user should know."""


def read_hessian(path: str | os.PathLike[str], n_atoms: int) -> HessianFile:
    """Second derivatives ∂²U/∂x∂y in eV/Å², rows and columns x, y, z of atom after atom.

    Parameters
    ----------
    path
        A file of NumPy (``.npy``) or of text, of 3a × 3a numbers; NumPy's may also be
        (a, 3, a, 3), as ASE's ``VibrationsData.get_hessian()`` gives it.
    n_atoms
        Number of atoms.

    Raises
    ------
    UsageError
        If the file is missing or cannot be read.
    DataError
        If the numbers are too many, too few, not finite, or not symmetric.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError("the file of the Hessian is missing or no file", where=str(file))
    try:
        given = (
            np.load(file, allow_pickle=False)
            if file.suffix == ".npy"
            else np.loadtxt(file, ndmin=2)
        )
        values = np.asarray(given, dtype=float)
    except (ValueError, OSError, TypeError, EOFError) as error:
        raise UsageError(
            "the Hessian cannot be read",
            where=str(file),
            why=f"{type(error).__name__}: {error}",
            fix="write it with numpy.save or numpy.savetxt",
        ) from error
    n = 3 * n_atoms
    if values.shape not in {(n, n), (n_atoms, 3, n_atoms, 3)}:
        raise DataError(
            f"the Hessian has shape {values.shape} where ({n}, {n}) is due for {n_atoms} atoms",
            where=str(file),
        )
    square = values.reshape(n, n)
    if not np.isfinite(square).all():
        raise DataError("a number of the Hessian is not finite", where=str(file))
    largest = float(np.abs(square).max())
    if largest == 0.0:
        raise DataError("the Hessian is zero", where=str(file))
    odd = float(np.abs(square - square.T).max()) / largest
    if odd > _WRONG:
        raise DataError(
            f"the Hessian is not symmetric: entries differ from their mirror images by up to "
            f"{odd:.1%} of the largest",
            where=str(file),
            why="it is no matrix of second derivatives, or its differences are too coarse",
            fix="give ∂²U/∂x∂y in eV/Å², x y z of atom after atom",
        )
    text = f"the Hessian was made symmetric; it missed that by up to {odd:.1e} of the largest"
    notes = (Note("note", text),) if odd > _WORTH_TELLING else ()
    return HessianFile(0.5 * (square + square.T), notes)
