"""Arrays of HDF5 files, read without the library: by threads at once, at the speed of the disk.

The library allows one thread at a time. It gives the offset of each chunk of an array, and the
bytes are then read by offset. Arrays with other filters or types are read by the library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import kernel
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.netcdf.digits import DIGITS, unpack
from trajmodes.readers.netcdf.filters import checked, without_filters
from trajmodes.readers.netcdf.numbers import SPARE, Bytes, Pieces, fill
from trajmodes.readers.text.source import TextSource

_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 5: "nbit"}
"""Numbers of filters in the HDF5 library."""
_PIECE = 1 << 20
"""Bytes that are read at once."""
_GROUP = 1 << 21
"""Bytes of the chunks that are read at once, or one chunk."""
_MOST_FRAMES = 4096
"""Frames that are read at once."""
_NEAR, _SPARSE = 1024, 4
"""Pieces are read together if not more bytes lie between them, or this many times the next."""
_DOUBLE = 8
_FIELDS = (63, 52, 11)
"""Place of the sign and of the exponent of a double, and the bits of the exponent."""


class _Chunks(NamedTuple):
    """Chunks in a buffer, in which spare bytes follow the last one."""

    data: Bytes
    begins: Ints
    """(c,) first byte of each."""
    ends: Ints


class _Inside(NamedTuple):
    """Numbers of each chunk that are requested."""

    first: Ints
    last: Ints
    """(c,) number after the last one."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredArray:
    """Location of the numbers of an array (t, …) in a file."""

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
        self, source: TextSource, opened: Any, frames: tuple[int, int], wanted: "Wanted"
    ) -> None:
        """Fill the rows of an array with frames [start, stop), several chunks at once.

        Raises
        ------
        DataError
            If a chunk is damaged, or the file ends before it does.
        """
        start, stop = frames
        end = -(-stop // self.rows)
        step = max(1, _GROUP // (self.rows * self.stride))
        for k in range(start // self.rows, end, step):
            some = slice(k, min(k + step, end))
            low, high = max(start, k * self.rows), min(stop, some.stop * self.rows)
            heads = np.arange(some.start, some.stop) * self.rows
            inside = _Inside(
                np.maximum(low - heads, 0) * self.width,
                np.minimum(high - heads, self.rows) * self.width,
            )
            sizes = self.sizes[some]
            data, begins = _stored(source, opened, self.offsets[some], sizes)
            part = wanted._replace(out=wanted.out[low - start : high - start].reshape(-1))
            self._fill(part, _Chunks(data, begins, begins + sizes), inside, self.masks[some])

    def _fill(self, wanted: "Wanted", chunks: _Chunks, inside: _Inside, masks: Ints) -> None:
        """Fill numbers of chunks, each of which may be stored without some of the filters."""
        if not masks.any():
            self._fill_alike(wanted, chunks, inside, self.filters)
            return
        at = 0
        for k, mask in enumerate(masks.tolist()):
            used = tuple(name for j, name in enumerate(self.filters) if not mask >> j & 1)
            one = slice(k, k + 1)
            here = _Inside(inside.first[one], inside.last[one])
            part = wanted.out[at : at + int((here.last - here.first)[0])]
            chunk = _Chunks(chunks.data, chunks.begins[one], chunks.ends[one])
            self._fill_alike(wanted._replace(out=part), chunk, here, used)
            at += len(part)

    def _fill_alike(
        self, wanted: "Wanted", chunks: _Chunks, inside: _Inside, filters: tuple[str, ...]
    ) -> None:
        """Fill numbers of chunks with the same filters."""
        packed = "nbit" in filters
        item = self.n_bytes if packed else self.kind.itemsize
        size = self.rows * self.width * item
        if filters in {("fletcher32",), ("nbit", "fletcher32")}:
            chunks = chunks._replace(ends=checked(*chunks))
        elif set(filters) - {"nbit"}:
            chunks = _unfiltered(chunks, filters, item, size)
        shortest = int((chunks.ends - chunks.begins).min())
        if shortest < size:
            raise damaged(f"a chunk has {shortest} bytes, not {size}")
        counts = inside.last - inside.first
        pieces = Pieces(chunks.data, chunks.begins + inside.first * item, counts)
        if not packed:
            fill(wanted.out, pieces, self.kind, wanted.factor)
            return
        unpack(wanted.out, pieces, self.n_bytes, wanted.unit)
        if wanted.factor != 1.0:
            with np.errstate(over="ignore", invalid="ignore"):
                wanted.out[:] *= wanted.factor


def _unfiltered(chunks: _Chunks, filters: tuple[str, ...], item: int, size: int) -> _Chunks:
    """Undo filters of chunks; their contents lie one after the other."""
    contents = [
        without_filters(chunks.data[begin:end], filters, item, size)
        for begin, end in zip(chunks.begins.tolist(), chunks.ends.tolist(), strict=True)
    ]
    ends = np.cumsum([len(one) for one in contents])
    begins = np.concatenate([[0], ends[:-1]])
    return _Chunks(np.concatenate([*contents, np.zeros(SPARE, np.uint8)]), begins, ends)


class Wanted(NamedTuple):
    """Destination of the numbers of an array."""

    array: StoredArray
    factor: float
    out: Floats
    """(t, w) numbers of each frame."""
    unit: float = 0.0
    """That of packed numbers, see `digits`."""


def read_arrays(
    source: TextSource, opened: Any, wanted: Sequence[Wanted], start: int, stop: int
) -> None:
    """Fill rows of several arrays with frames [start, stop), times their factors.

    Raises
    ------
    DataError
        If a chunk is damaged, or the file ends before it does.
    """
    for one in wanted:
        if one.array.filters:
            one.array.read_chunks(source, opened, (start, stop), one)
    plain = [one for one in wanted if not one.array.filters]
    if not plain:
        return
    stride = sum(one.array.stride for one in plain)
    step = min(max(1, _PIECE // max(stride, 1)), _MOST_FRAMES)
    for low in range(start, stop, step):
        high = min(low + step, stop)
        rows = [one._replace(out=one.out[low - start : high - start]) for one in plain]
        _read_plain(source, opened, rows, low, high)


def _read_plain(
    source: TextSource, opened: Any, rows: Sequence[Wanted], start: int, stop: int
) -> None:
    """Fill rows of arrays without filters with frames [start, stop)."""
    n = stop - start
    offsets = np.concatenate([one.array.offsets_of(start, stop) for one in rows])
    strides = np.repeat([one.array.stride for one in rows], n)
    # Arrays that grow together lie among each other.
    data, begins = _stored(source, opened, offsets, strides)
    for one, here in zip(rows, np.split(begins, len(rows)), strict=True):
        pieces = Pieces(data, here, np.full(n, one.array.width))
        fill(one.out.reshape(-1), pieces, one.array.kind, one.factor)


def _stored(source: TextSource, opened: Any, offsets: Ints, sizes: Ints) -> tuple[Bytes, Ints]:
    """Read pieces of a file into a buffer; return it and where each piece begins in it.

    Pieces that are close to each other are read together, with the bytes between them.
    """
    begins, heads, spans = _runs(offsets, sizes, np.argsort(offsets))
    data = np.empty(int(spans.sum()) + SPARE, dtype=np.uint8)
    at = 0
    for offset, n in zip(heads.tolist(), spans.tolist(), strict=True):
        source.fill(opened, data[at : at + n], offset)
        at += n
    return data, begins


@kernel()
def _runs(offsets: Ints, sizes: Ints, order: Ints) -> tuple[Ints, Ints, Ints]:
    """Join pieces of a file that are given in order of their offsets.

    Returns the position of each piece in the buffer, and the first byte and the size of each
    joint read.
    """
    begins, heads, spans = (
        np.empty_like(offsets),
        np.empty_like(offsets),
        np.empty_like(offsets),
    )
    n = at = 0
    for k in order:
        head, span = heads[max(n - 1, 0)], spans[max(n - 1, 0)]
        if n == 0 or offsets[k] - (head + span) > max(_NEAR, _SPARSE * sizes[k]):
            at += span if n else 0
            n += 1
            head, span = offsets[k], 0
        heads[n - 1] = head
        spans[n - 1] = max(span, offsets[k] + sizes[k] - head)
        begins[k] = at + offsets[k] - head
    return begins, heads[:n], spans[:n]


def stored_array(dataset: Any) -> StoredArray | None:
    """Locate the numbers of a dataset of h5py; None if the library has to read them."""
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
    """Size in bytes of a stored number; None if the numbers are not plain."""
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
