"""Work on pieces of a file by threads, while the next pieces are read or decompressed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def results(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int, most: int
) -> Iterator[Result]:
    """Results of a function of items, in their order, computed by threads.

    At most ``most`` items are kept, which bounds the memory.

    Raises
    ------
    Exception
        That of the function, also if making the items raises another one.
    """
    pending = deque[Future[Result]]()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except Exception:
            for one in pending:
                one.result()
            raise
