"""Arrays of HDF5 files, read without the library: by threads at once, at the speed of the disk.

The library allows one thread at a time. It is asked where the numbers of an array lie, chunk by
chunk, and the bytes are then read by offset. Arrays with filters or types other than those here
are left to the library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import kernel
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.netcdf.digits import DIGITS, unpack
from trajmodes.readers.netcdf.numbers import Bytes, fill_rows, without_filters
from trajmodes.readers.text.source import TextSource

_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 5: "nbit"}
"""Numbers of filters in the HDF5 library."""
_PIECE = 1 << 20
"""Bytes that are read at once."""
_DENSE = 2
"""Bytes are read at once if at least one in this many is used."""
_DOUBLE = 8
_FIELDS = (63, 52, 11)
"""Place of the sign and of the exponent of a double, and the bits of the exponent."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredArray:
    """Where the numbers of an array (t, …) lie in a file."""

    kind: np.dtype[Any]
    """Type of the numbers, with its order of bytes."""
    n_bytes: int
    """Bytes of a number that are stored; fewer than those of its type if they are packed."""
    width: int
    """Numbers in a frame."""
    rows: int
    """Frames in a chunk."""
    filters: tuple[str, ...]
    """In the order of writing."""
    offsets: Ints
    """(c,) first byte of each chunk."""
    sizes: Ints
    """(c,) bytes of each chunk."""
    masks: Ints
    """(c,) bit k is set in chunks that are stored without filter k."""

    @property
    def stride(self) -> int:
        """Bytes of a frame without filters."""
        return self.width * self.kind.itemsize

    def offsets_of(self, start: int, stop: int) -> Ints:
        """(t,) first byte of each frame in [start, stop), in a file without filters."""
        chunk, row = np.divmod(np.arange(start, stop), self.rows)
        return np.asarray(self.offsets[chunk] + row * self.stride)

    def read_chunks(
        self, source: TextSource, descriptor: int, frames: tuple[int, int], out: Floats,
        unit: float,
    ) -> None:  # fmt: skip
        """Fill rows (t, w) with frames [start, stop), chunk by chunk.

        ``unit`` is that of packed numbers, see `digits`.

        Raises
        ------
        DataError
            If a chunk is damaged, or the file ends before it does.
        """
        start, stop = frames
        for chunk in range(start // self.rows, -(-stop // self.rows)):
            first = chunk * self.rows
            low, high = max(start, first), min(stop, first + self.rows)
            part, inside = out[low - start : high - start], (low - first, high - first)
            self._read_chunk(source, descriptor, chunk, inside, part, unit)

    def _read_chunk(
        self, source: TextSource, descriptor: int, chunk: int, inside: tuple[int, int],
        out: Floats, unit: float,
    ) -> None:  # fmt: skip
        data = np.empty(int(self.sizes[chunk]), dtype=np.uint8)
        source.fill(descriptor, data, int(self.offsets[chunk]))
        mask, n = int(self.masks[chunk]), self.rows * self.width
        used = tuple(name for k, name in enumerate(self.filters) if not mask >> k & 1)
        packed = "nbit" in used
        item = self.n_bytes if packed else self.kind.itemsize
        content = without_filters(data, used, item, n * item)
        stride = self.width * item
        rows = content[inside[0] * stride : inside[1] * stride]
        if len(content) < n * item:
            raise damaged(f"a chunk has {len(content)} bytes, not {n * item}")
        if packed:
            unpack(rows, item, unit, out.reshape(-1))
        else:
            fill_rows(out, rows, self.kind, (0, stride), 1.0)


class Wanted(NamedTuple):
    """Where the numbers of an array are wanted."""

    array: StoredArray
    factor: float
    out: Floats
    """(t, w) numbers of each frame."""
    unit: float = 1.0
    """That of packed numbers, see `digits`."""


def read_arrays(
    source: TextSource, descriptor: int, wanted: Sequence[Wanted], start: int, stop: int
) -> None:
    """Fill rows of several arrays with frames [start, stop), times their factors.

    Raises
    ------
    DataError
        If a chunk is damaged, or the file ends before it does.
    """
    for array, factor, out, unit in wanted:
        if array.filters:
            array.read_chunks(source, descriptor, (start, stop), out, unit)
            with np.errstate(over="ignore", invalid="ignore"):
                np.multiply(out, factor, out=out)
    plain = [one for one in wanted if not one.array.filters]
    if not plain:
        return
    step = max(1, _PIECE // max(sum(one.array.stride for one in plain), 1))
    for low in range(start, stop, step):
        high = min(low + step, stop)
        rows = [one._replace(out=one.out[low - start : high - start]) for one in plain]
        places = [one.array.offsets_of(low, high) for one in plain]
        together = _span(rows, places)
        # Arrays that grow together lie among each other.
        groups = (
            [(rows, places)]
            if together
            else [([a], [b]) for a, b in zip(rows, places, strict=True)]
        )
        for some, offsets in groups:
            _read_plain(source, descriptor, some, offsets)


def _span(rows: Sequence[Wanted], places: Sequence[Ints]) -> tuple[int, int] | None:
    """First and last byte of some frames; None if most bytes between are others."""
    ends = [int(at.max()) + one.array.stride for one, at in zip(rows, places, strict=True)]
    first, last = min(int(at.min()) for at in places), max(ends)
    used = sum(one.array.stride * len(at) for one, at in zip(rows, places, strict=True))
    return (first, last) if last - first <= max(_DENSE * used, _PIECE) else None


def _read_plain(
    source: TextSource, descriptor: int, rows: Sequence[Wanted], places: Sequence[Ints]
) -> None:
    """Fill rows of arrays without filters whose frames begin at some places (t,)."""
    span = _span(rows, places)
    buffer = np.empty(0 if span is None else span[1] - span[0], dtype=np.uint8)
    if span is not None:
        source.fill(descriptor, buffer, span[0])
    for (array, factor, out, _), at in zip(rows, places, strict=True):
        stride = array.stride
        apart = np.diff(at)
        if span is not None and (apart == apart[:1]).all() and (apart > 0).all():
            step = int(apart[0]) if len(apart) else stride
            fill_rows(out, buffer, array.kind, (int(at[0]) - span[0], step), factor)
            continue
        data = np.empty(len(at) * stride, dtype=np.uint8)
        if span is not None:
            _gather(buffer, at - span[0], stride, data)
        else:
            for k, offset in enumerate(at.tolist()):
                source.fill(descriptor, data[k * stride : (k + 1) * stride], offset)
        fill_rows(out, data, array.kind, (0, stride), factor)


@kernel()
def _gather(data: Bytes, places: Ints, size: int, out: Bytes) -> None:
    for k in range(len(places)):
        out[k * size : (k + 1) * size] = data[places[k] : places[k] + size]


def stored_array(dataset: Any) -> StoredArray | None:
    """Find where the numbers of a dataset of h5py lie; None if the library has to read them."""
    import h5py  # noqa: PLC0415 - loads slowly

    shape, plan = dataset.shape, dataset.id.get_create_plist()
    codes = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]
    kind = np.dtype(dataset.dtype)
    if kind.kind not in "fi" or not set(codes) <= set(_FILTERS) or 0 in shape:
        return None
    filters = tuple(_FILTERS[code] for code in codes)
    n_bytes = _bytes_of(dataset.id.get_type(), kind, filters)
    elsewhere = plan.get_external_count() or dataset.file.userblock_size
    if n_bytes is None or elsewhere or not shape:
        return None
    table: list[tuple[int, int, int, int]] = []
    rows = int(shape[0])
    if plan.get_layout() == h5py.h5d.CHUNKED:
        rows, *inner = dataset.chunks
        if tuple(inner) != shape[1:]:
            return None
        dataset.id.chunk_iter(
            lambda one: table.append(
                (one.chunk_offset[0] // rows, one.byte_offset, one.size, one.filter_mask)
            )
        )
    elif (
        plan.get_layout() == h5py.h5d.CONTIGUOUS and (at := dataset.id.get_offset()) is not None
    ):
        table.append((0, at, dataset.nbytes, 0))
    table.sort()
    if [one[0] for one in table] != list(range(-(-shape[0] // rows))):
        return None
    _, offsets, sizes, masks = np.array(table, dtype=np.int64).T
    width = int(np.prod(shape[1:], dtype=np.int64))
    return StoredArray(kind, n_bytes, width, rows, filters, offsets, sizes, masks)


def _bytes_of(found: Any, kind: np.dtype[Any], filters: tuple[str, ...]) -> int | None:
    """Bytes of a number that are stored; None if they are not plain numbers."""
    size, precision = kind.itemsize, found.get_precision()
    if found.get_size() != size:
        return None
    if precision == 8 * size and found.get_offset() == 0:
        return None if "nbit" in filters else size
    n_bytes, low = int(precision) // 8, 8 * size - precision
    fields = (*_FIELDS, low, 52 - low)
    if (
        size == _DOUBLE
        and n_bytes in DIGITS
        and (precision % 8, found.get_offset()) == (0, low)
        and kind.kind == "f"
        and found.get_fields() == fields
        and found.get_order() == 0
        and filters in {("nbit",), ("nbit", "fletcher32")}
    ):
        return n_bytes
    return None
