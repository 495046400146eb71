"""Cache of pieces of files that are costly to compute, while there is room.

A piece is computed once for all threads that need it at the same time. Memory is bounded by
`KEPT_BYTES`, and by one piece for each thread that is reading.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock

KEPT_BYTES = 1 << 26
"""Bytes that a process keeps of all files."""

_lock = Lock()
_pieces: OrderedDict[Hashable, Future[bytes]] = OrderedDict()
_sizes: dict[Hashable, int] = {}


def kept_bytes(key: Hashable, size: int, make: Callable[[], bytes]) -> bytes:
    """Piece of ``size`` bytes under a key; it is computed if it is not in the cache."""
    with _lock:
        piece = _pieces.get(key)
        is_new = piece is None
        if piece is None:
            piece = _pieces[key] = Future()
            _sizes[key] = size
            _make_room(key)
        _pieces.move_to_end(key)
    if is_new:
        try:
            piece.set_result(make())
        except BaseException as error:
            with _lock:
                _forget(key)
            piece.set_exception(error)
            raise
    return piece.result()


def state_of(key: Hashable) -> bool | None:
    """Whether the piece under a key is complete; False while it is computed, None if absent."""
    with _lock:
        piece = _pieces.get(key)
        return None if piece is None else piece.done()


def forget_all() -> None:
    """Empty the cache."""
    with _lock:
        _pieces.clear()
        _sizes.clear()


def _make_room(newest: Hashable) -> None:
    while sum(_sizes.values()) > KEPT_BYTES:
        oldest = next(iter(_pieces))
        if oldest == newest:
            break
        _forget(oldest)


def _forget(key: Hashable) -> None:
    _pieces.pop(key, None)
    _sizes.pop(key, None)
