"""A bar with rate and time left on stderr; nothing where stderr is not a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bars"]

Advance = Callable[[int], None]


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Advance]]:
    """Give a function that starts a bar: (title, number of frames) → advance(frames)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def start(title: str, total: int) -> Advance:
            task = progress.add_task(title, total=total, rate="")

            def advance(frames: int) -> None:
                progress.advance(task, frames)
                speed = progress.tasks[task].speed
                progress.update(task, rate=f"{speed:,.0f} frames/s" if speed else "")

            return advance

        yield start
