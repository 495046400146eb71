"""A recording that is opened again after frames were added to it."""

from dataclasses import replace

from trajmodes.config.groups import ReadOptions
from trajmodes.readers.foreign import LibraryFrames
from trajmodes.readers.imd.recording import open_recording
from trajmodes.readers.text.stamp import check_unchanged, stamp_file
from trajmodes.readers.trajectory import Trajectory


def reopened(earlier: Trajectory, options: ReadOptions) -> Trajectory | None:
    """Open a recording again; the time axis of its earlier frames is not read again.

    None if that is not known without reading all frames.

    Raises
    ------
    DataError
        If the earlier frames have changed, or an added one is damaged.
    """
    frames = earlier.frames
    if not isinstance(frames, LibraryFrames) or frames.sources[0].time is None:
        return None
    (path,), ((before,),) = frames.paths, frames.stamps
    check_unchanged(before)
    stamp = stamp_file(path)
    source = open_recording(path, options, earlier=earlier.time)
    if source.time is None:
        return None
    time, notes = source.time, source.notes
    if options.timestep_fs is not None:
        time, more = time.with_time_step(options.timestep_fs, frames.place)
        notes = tuple(dict.fromkeys([*notes, *more]))
    return replace(
        earlier,
        time=time,
        n_bytes=stamp.size,
        notes=notes,
        frames=replace(frames, sources=(source,), stamps=((stamp,),)),
    )
