"""Read a whole HDF5 file, as a program: ``python -P trial.py FILE``.

The exit code is 0 if the library reads the file without a crash, and `REFUSED`, with a line of
text, if the library raises an error, such as one of memory. A crash, or the end of the allowed
processor time, ends the program by a signal. Errors of single objects are left to the reader of
the file, which needs only some of the objects.
"""

import os
import sys
from contextlib import suppress
from typing import Any

REFUSED = 3
_BLOCK = 1 << 26
MAX_COMPRESSION = 1100
"""Largest factor by which gzip compresses. Data that announce more are absent, and take their
fill value without being read.
"""


_ERRORS = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError)


def read(path: str) -> None:
    """Read every object of a file."""
    import h5py  # noqa: PLC0415 - where it is missing, nothing is tried

    def read_item(_name: str, item: Any) -> None:
        # One object that cannot be read does not keep others from being tried.
        with suppress(*_ERRORS):
            tuple(item.attrs.values())
            if not isinstance(item, h5py.Dataset):
                return
            if not item.shape:
                item[()]
            elif item.nbytes <= MAX_COMPRESSION * item.id.get_storage_size():
                n_rows = max(1, item.shape[0] * _BLOCK // max(item.nbytes, 1))
                for row in range(0, item.shape[0], n_rows):
                    item[row : row + n_rows]

    with suppress(*_ERRORS), h5py.File(path) as file:
        read_item("/", file)
        file.visititems(read_item)


def limit(seconds: int, n_bytes: int) -> None:
    """Limit the processor time and the memory that the process takes from now on.

    Other systems than Linux and macOS have no such limits.
    """
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    last = int(used.ru_utime + used.ru_stime) + seconds + 1
    # A second more ends a process that ignores the first signal.
    bounds = [(resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_CPU, last, last + 1)]
    with suppress(OSError):
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no pathlib
            memory = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + n_bytes
        bounds.append((resource.RLIMIT_AS, memory, memory))
    for kind, soft, hard in bounds:
        # The system may allow less already.
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))


def main(path: str) -> int:
    """Read a file within limits that follow from its size."""
    size = os.stat(path).st_size  # noqa: PTH116 - no pathlib
    try:
        import h5py  # noqa: F401, PLC0415 - loaded before time and memory are limited
    except ImportError:
        # The reader of the file reports it.
        return 0
    limit(3 + size // 5_000_000, (1 << 30) + 4 * size)
    try:
        read(path)
    except Exception as error:  # noqa: BLE001 - of whatever type, it is reported
        print(f"{type(error).__name__}: {error}")  # noqa: T201 - the result of the program
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
