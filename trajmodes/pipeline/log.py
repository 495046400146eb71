"""What was done and how long it took, for the log file and the end of the output."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Log", "StartBar", "no_bars"]

StartBar = Callable[[str, int], Callable[[int], None]]
"""Starts a progress bar: (title, number of frames) → function to advance it by frames."""


def no_bars(_title: str, _total: int) -> Callable[[int], None]:
    """Progress that nobody watches."""
    return lambda _frames: None


class Log:
    """Stages of a run in order, each with its seconds, and what was found on the way."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @property
    def seconds(self) -> Mapping[str, float]:
        """Stage → seconds."""
        return dict(self._seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage.

        Parameters
        ----------
        name
            What the stage does, in a few words.
        """
        self.tell(f"{name} …")
        start = time.perf_counter()
        yield
        self._seconds[name] = time.perf_counter() - start
        self.tell(f"{name}: {self._seconds[name]:.2f} s")

    def tell(self, text: str) -> None:
        """Note something, with the seconds since the start.

        Parameters
        ----------
        text
            One line.
        """
        self._lines.append(f"{time.perf_counter() - self._start:9.2f}  {text}")

    def write(self, path: Path) -> None:
        """Write the log as text.

        Parameters
        ----------
        path
            The file.
        """
        path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
