"""Whether the HDF5 library can read a file without a crash, tested by a separate process.

The library is written in C and does not check all numbers of a file: a damaged file may crash
it or keep it busy for ever, and Python with it. Such files are first read by another process
(`trial`) with limited time and memory. The result is kept in the cache of frame indices until
the file changes.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from trajmodes.errors import DataError
from trajmodes.readers.text.index_cache import Index, cached_index
from trajmodes.readers.text.source import open_source
from trajmodes.readers.trial import REFUSED

_TRIAL = Path(__file__).with_name("trial.py")
_LARGEST_CODE = 255
_PATIENCE = 60.0
"""Seconds, and seconds per 10 MB, after which a process that does not end is stopped. Its
processor time has a smaller limit, except on Windows.
"""


def require_survivable(path: Path) -> None:
    """Raise DataError for an HDF5 file that the library cannot read, or on which it crashes.

    Files with damaged parts pass if the library does not crash.
    """
    source = open_source(path)

    def tried() -> Index:
        _try(source.stamp.path, source.stamp.size)
        return {"survived": np.array([1])}

    cached_index(source, "trial", tried, smallest=0)


def _try(path: Path, size: int) -> None:
    """Read a file in another process; raise DataError if this fails."""
    # Without -P, the modules in the folder of the program would hide libraries of their names.
    command = [sys.executable, "-P", str(_TRIAL), str(path)]
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            env=os.environ | one_thread,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE * (1 + size / 1e7),
            check=False,
        )
        code, words = done.returncode, done.stdout.split()
    except subprocess.TimeoutExpired:
        code, words = -1, []
    except OSError:
        # An embedded Python may have no program of its own; the file is then read untried.
        return
    # Small numbers are those of a Python that could not try, large ones crashes on Windows.
    if code == REFUSED:
        what = f"the file cannot be read: {' '.join(words)}"
    elif code < 0 or code > _LARGEST_CODE:
        what = "the file crashes the library that reads it, or keeps it busy for ever"
    else:
        what = ""
    if what:
        raise DataError(
            what,
            where=str(path),
            why="the file was truncated or changed, or is of another kind",
            fix="copy it again, or write it again with the program that made it",
        )
