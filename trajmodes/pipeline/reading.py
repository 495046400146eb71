"""Reading what earlier commands wrote: all files of one run, or a refusal."""

import os

from trajmodes.data import ForceConstants, Supercell
from trajmodes.fit import Ledger, ledger_of
from trajmodes.formats import read_constants as read_any
from trajmodes.results import LEDGER, read_dataset, whole_results

__all__ = ["read_constants", "read_ledger"]


def read_constants(
    path: str | os.PathLike[str], *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants of phonopy, phono3py, TDEP, or our own.

    Parameters
    ----------
    path
        A file that holds force constants, or a folder with those of one program. Files that
        belong together are looked for beside it, under the names their program gives them.
    supercell
        Crystal and supercell that the force constants belong to, for files that do not describe
        them.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder holds force constants of several
        programs.
    DataError
        If a file is damaged, does not belong to the supercell, or lies in a results folder of
        an unfinished run.
    """
    with whole_results(path):
        return read_any(path, supercell=supercell)


def read_ledger(path: str | os.PathLike[str]) -> Ledger:
    """Read the normal equations of a fit, from ledger.nc or its results folder.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind or version, or lies in a results folder
        of an unfinished run.
    """
    return ledger_of(read_dataset(path, LEDGER), where=os.fspath(path))
