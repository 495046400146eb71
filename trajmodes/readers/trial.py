"""Read a file whole, as a program: ``python -P trial.py KIND FILE``.

It ends with 0 if the library survives the file, and with `REFUSED` and a line of text if the
library raises an error, such as one of memory. A crash, or the end of the allowed processor
time, ends it by a signal. Errors of single objects in HDF5 files are left to the reader of the
file, which needs some of them only.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

REFUSED = 3
_BLOCK = 1 << 26
_MAX_COMPRESSION = 1100
"""Largest factor by which gzip compresses. Data that announce more are absent, and take their
fill value without being read.
"""


def _hdf5() -> Callable[[str], None]:
    import h5py  # noqa: PLC0415 - the program reads one kind

    def read_item(_name: str, item: Any) -> None:
        tuple(item.attrs.values())
        if not isinstance(item, h5py.Dataset):
            return
        if not item.shape:
            item[()]
        elif item.nbytes <= _MAX_COMPRESSION * item.id.get_storage_size():
            n_rows = max(1, item.shape[0] * _BLOCK // max(item.nbytes, 1))
            for row in range(0, item.shape[0], n_rows):
                item[row : row + n_rows]

    errors = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError)

    def visit(name: str, item: Any) -> None:
        # One object that cannot be read does not keep others from being tried.
        with suppress(*errors):
            read_item(name, item)

    def read(path: str) -> None:
        with suppress(*errors), h5py.File(path) as file:
            visit("/", file)
            file.visititems(visit)

    return read


def _xdr() -> Callable[[str], None]:
    from MDAnalysis.lib.formats import libmdaxdr  # noqa: PLC0415

    def read(path: str) -> None:
        kind = libmdaxdr.TRRFile if path.lower().endswith(".trr") else libmdaxdr.XTCFile
        with kind(path) as file:
            for _ in range(len(file.offsets)):
                file.read()

    return read


def _dcd() -> Callable[[str], None]:
    from MDAnalysis.lib.formats.libdcd import DCDFile  # noqa: PLC0415

    def read(path: str) -> None:
        with DCDFile(path) as file:
            for _ in range(len(file)):
                file.read()

    return read


KINDS = {"hdf5": _hdf5, "xdr": _xdr, "dcd": _dcd}


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


def main(kind: str, path: str) -> int:
    """Read a file within limits that follow from its size."""
    size = os.stat(path).st_size  # noqa: PTH116 - no pathlib
    try:
        read = KINDS[kind]()
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
