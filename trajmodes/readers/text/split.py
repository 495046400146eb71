"""One text whose parts are in several files, read by offset as if it were one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.readers.text.source import TextSource


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSource(TextSource):
    """Text that is put together from parts of several files when it is read."""

    files: tuple[TextSource, ...]
    starts: Ints
    """(n + 1,) offset of each part in the whole text, and the size of the text."""
    file: Ints
    """(n,) index of the file with each part."""
    places: Ints
    """(n,) offset of each part in its file."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the files: another process opens them again."""
        parts = (self.files, self.starts, self.file, self.places)
        return _put_together, (self.stamp, self.size, self.place, *parts)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(path for file in self.files for path in file.paths)

    @contextmanager
    def reading(self) -> Iterator[int]:
        """Open no file: `fill` opens those that are needed."""
        yield -1

    def fill(self, opened: Any, buffer: npt.NDArray[np.uint8], offset: int) -> None:  # noqa: ARG002 - of the base class
        """Fill a buffer with the text from an offset on; each file is opened once."""
        stop = offset + len(buffer)
        first = int(np.searchsorted(self.starts, offset, side="right")) - 1
        last = int(np.searchsorted(self.starts, stop, side="left"))
        low = np.maximum(self.starts[first:last], offset)
        high = np.minimum(self.starts[first + 1 : last + 1], stop)
        place = self.places[first:last] + low - self.starts[first:last]
        file = self.file[first:last]
        for k in np.unique(file).tolist():
            source = self.files[k]
            with source.reading() as one:
                for part in np.flatnonzero((file == k) & (low < high)).tolist():
                    view = buffer[low[part] - offset : high[part] - offset]
                    source.fill(one, view, int(place[part]))

    def line_name(self, offset: int, below: int = 0) -> str:
        """Line ``below`` lines after that at an offset, and its file."""
        part = int(np.searchsorted(self.starts, offset, side="right")) - 1
        while True:
            size = int(self.starts[part + 1]) - offset
            lines = self.data(offset, size).count(b"\n")
            if below < lines or part + 2 == len(self.starts):
                break
            below -= lines
            part += 1
            offset = int(self.starts[part])
        source = self.files[int(self.file[part])]
        line = source.line_name(int(self.places[part] + offset - self.starts[part]), below)
        return f"{line} of {source.stamp.path.name}"


def _put_together(*parts: object) -> SplitSource:
    names = ("stamp", "size", "place", "files", "starts", "file", "places")
    return SplitSource(**dict(zip(names, parts, strict=True)))  # type: ignore[arg-type]
