"""Some consecutive frames of a trajectory, as a trajectory of their own."""

from dataclasses import dataclass, fields, replace

from trajmodes.data import FrameBlock
from trajmodes.errors import UsageError
from trajmodes.readers.trajectory import Trajectory

__all__ = ["select_frames"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Selection(Trajectory):
    """Frames counted from the first one selected; all else as in the whole trajectory."""

    whole: Trajectory
    first: int

    def read(self, start: int, stop: int) -> FrameBlock:
        if not 0 <= start < stop <= self.n_frames:
            raise UsageError(f"frames {start}:{stop} of {self.n_frames} selected ones")
        return replace(
            self.whole.read(self.first + start, self.first + stop), first_frame=start
        )


def select_frames(trajectory: Trajectory, start: int, stop: int | None) -> Trajectory:
    """Trajectory of the frames [start, stop) alone.

    Parameters
    ----------
    trajectory
        The whole trajectory.
    start
        First frame wanted.
    stop
        The one after the last, which may lie beyond the end; None for the end.

    Raises
    ------
    UsageError
        If there is no such frame.
    """
    n_frames = trajectory.n_frames
    end = n_frames if stop is None else min(stop, n_frames)
    if not 0 <= start < end:
        raise UsageError(
            f"frames {start}:{'' if stop is None else stop} are asked for, but there are "
            f"{n_frames}",
            fix="choose frames that are there",
        )
    if (start, end) == (0, n_frames):
        return trajectory
    times = trajectory.times_ps
    clipped = ((max(a, start) - start, min(b, end) - start) for a, b in trajectory.segments)
    known = {item.name: getattr(trajectory, item.name) for item in fields(Trajectory)}
    selected = {
        "n_frames": end - start,
        "steps": trajectory.steps[start:end],
        "times_ps": None if times is None else times[start:end],
        "segments": tuple((a, b) for a, b in clipped if a < b),
        "n_bytes": trajectory.n_bytes * (end - start) // n_frames,
    }
    return _Selection(whole=trajectory, first=start, **{**known, **selected})
