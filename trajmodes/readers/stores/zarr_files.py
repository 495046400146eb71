"""Files of a local folder of zarr, which must not change while the run is read."""

from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

from trajmodes.errors import DataError, system_errors


def newest_change(path: Path) -> int:
    """Time in ns at which the last file of a folder was written; 0 if there are none."""
    with system_errors(path):
        times = [one.stat().st_mtime_ns for one in path.rglob("*") if one.is_file()]
    return max(times, default=0)


class UnchangedFiles(LocalStore):  # type: ignore[misc, unused-ignore] # Any without zarr
    """Store of a folder; DataError if a file was written later than a time in ns.

    A program that writes a chunk again leaves the descriptions of the arrays as they were, so
    that their stamps do not show it. One time for all files is enough, and a pass looks only at
    the files that it reads.
    """

    def __init__(self, root: Path | str, newest: int, *, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self._newest = newest

    def with_read_only(self, read_only: bool = False) -> "UnchangedFiles":  # noqa: FBT001, FBT002 - of the base class
        """Return the same store, read-only or not."""
        return type(self)(self.root, self._newest, read_only=read_only)

    async def get(self, key: str, *options: Any, **more: Any) -> Any:
        """Bytes of a file."""
        found = await super().get(key, *options, **more)
        path = self.root / key
        if found is not None and path.stat().st_mtime_ns > self._newest:
            raise DataError(
                f"{path} has changed since it was opened",
                why="it was replaced or written again",
                fix="repeat the command",
            )
        return found
