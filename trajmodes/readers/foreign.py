"""Trajectories of one or several files that are read frame by frame, in internal units."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesError, UsageError, with_location
from trajmodes.notes import Note
from trajmodes.readers.ase import open_ase, open_ase_traj
from trajmodes.readers.binary.dcd import open_dcd
from trajmodes.readers.binary.gromacs import open_trr, open_xtc
from trajmodes.readers.imd.recording import is_recording, open_recording
from trajmodes.readers.mdanalysis import (
    known_to_mdanalysis,
    open_mdanalysis,
    require_trajectory_format,
)
from trajmodes.readers.netcdf.amber import open_amber
from trajmodes.readers.other_kinds import unreadable
from trajmodes.readers.programs.recognise import Opener, opener_of
from trajmodes.readers.restarts import joined, kept_frames
from trajmodes.readers.stores.zarr import descriptions, is_zarr
from trajmodes.readers.text.remote import RemotePath, require_local
from trajmodes.readers.text.source import read_head
from trajmodes.readers.text.stamp import FileStamp, stamp_file, unchanged
from trajmodes.readers.time_axis import time_axis
from trajmodes.readers.trajectory import (
    AtomTable,
    ForeignFile,
    ForeignFrame,
    FrameFields,
    Trajectory,
    chosen_frames,
    same_frame,
)

_FIELDS = ("positions", "velocities", "forces")
_BY_SUFFIX: dict[str, Callable[[Path], ForeignFile]] = {
    ".traj": open_ase_traj,
    ".xyz": open_ase,
    ".extxyz": open_ase,
}
_NETCDF = (".nc", ".ncdf", ".netcdf")
_BINARY: dict[str, Callable[..., ForeignFile]] = {
    ".xtc": open_xtc,
    ".trr": open_trr,
    ".dcd": open_dcd,
    ".lammps": open_dcd,
}


@dataclass(frozen=True, slots=True, eq=False)
class LibraryFrames:
    """Frames of files that are read frame by frame."""

    paths: tuple[Path, ...]
    sources: tuple[ForeignFile, ...]
    """One for each file."""
    stamps: tuple[tuple[FileStamp, ...], ...]
    """Those of each file or folder, which libraries open again for every block."""
    fields: tuple[str, ...]
    """Those of positions, velocities and forces that the frames have."""
    cell: Floats | None
    """(3, 3), unit: Å. Cell of frames that have none in the file."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Frames [start, stop)."""
        # One piece of memory, which the system lets the process keep for the next block.
        shape = (len(self.fields), stop - start, self.sources[0].n_atoms, 3)
        arrays: dict[str, Floats] = dict(zip(self.fields, np.empty(shape), strict=True))
        cells = np.full((stop - start, 3, 3), np.nan if self.cell is None else self.cell)
        arrays["cells"] = cells
        ends = np.cumsum([source.n_frames for source in self.sources]).tolist()
        for path, source, stamps, end in zip(
            self.paths, self.sources, self.stamps, ends, strict=True
        ):
            first = end - source.n_frames
            low, high = max(start, first), min(stop, end)
            if low < high:
                part = {
                    name: array[low - start : high - start] for name, array in arrays.items()
                }
                with unchanged(stamps):
                    _fill(path, source, (low - first, high - first), part)
        return FrameFields(
            cells, arrays.get("positions"), arrays.get("velocities"), arrays.get("forces")
        )

    def place(self, frame: int, atom: int = 0) -> str:  # noqa: ARG002 - part of the interface
        """File of a frame and its number there; the files have no lines."""
        ends = np.cumsum([source.n_frames for source in self.sources])
        file = int(np.searchsorted(ends, frame, side="right"))
        number = frame - int(ends[file]) + self.sources[file].n_frames
        return f"{self.paths[file]}, frame {number}"


def open_foreign(
    paths: Sequence[Path], options: ReadOptions, *, cell: Floats | None = None
) -> Trajectory:
    """Open files of one format that are read frame by frame, given in the order of time.

    Every frame is read once, so that a damaged one is found before the work begins, unless the
    file was written by `trajmodes convert`, which has read them. The time step is used if the
    files do not give the time; it is the time between frames if they do not give the step
    either.

    Parameters
    ----------
    cell
        (3, 3), unit: Å. Box vectors for files without any.

    Raises
    ------
    UsageError
        If a file is missing, or has no cell and none is given.
    DataError
        If a file cannot be read, or its frames do not all contain the same atoms and fields.
    """
    stamps = tuple(map(_stamps_of, paths))
    sources = tuple(_open_one(path, options) for path in paths)
    return _joined_sources(tuple(paths), sources, stamps, options, cell)


def open_in_memory(
    source: ForeignFile, options: ReadOptions, *, cell: Floats | None = None
) -> Trajectory:
    """Open frames of objects in memory; otherwise as `open_foreign`."""
    found = _joined_sources((Path("frames in memory"),), (source,), ((),), options, cell)
    return replace(found, paths=())


def _joined_sources(
    files: tuple[Path, ...],
    sources: tuple[ForeignFile, ...],
    stamps: tuple[tuple[FileStamp, ...], ...],
    options: ReadOptions,
    cell: Floats | None,
) -> Trajectory:
    """Read all frames once, order them, and describe them."""
    survey = _survey(files, sources, given_cell=cell is not None)
    info, first = sources[0], survey.first
    fields = tuple(name for name in _FIELDS if getattr(first, name) is not None)
    frames = LibraryFrames(
        paths=files,
        sources=sources,
        stamps=stamps,
        fields=fields,
        cell=None if cell is None else np.asarray(cell, dtype=float),
    )
    kept = kept_frames([str(path) for path in files], survey.steps)
    rounding = _rounding(info, first)
    steps, n_frames = np.concatenate(survey.steps), len(kept.frames)
    numbered = bool(np.isfinite(steps).all())
    read = chosen_frames(frames, kept.read, n_frames)
    same = partial(same_frame, read, rounding=rounding)
    run = joined(kept, same, survey.times_ps[kept.read], numbered=numbered)
    chosen = kept.frames[run.chosen]
    time_notes: tuple[Note, ...] = ()
    time = info.time
    if time is None or len(sources) > 1 or options.timestep_fs is not None:
        time, time_notes = time_axis(
            steps[chosen],
            survey.times_ps[chosen],
            timestep_fs=options.timestep_fs,
            breaks=run.breaks,
            place=lambda t: frames.place(int(chosen[t])),
            exact_times=all(source.time is not None for source in sources),
        )
    return Trajectory(
        paths=(*files, *(one for source in sources for one in source.companions)),
        n_atoms=info.n_atoms,
        time=time,
        atoms=AtomTable(
            ids=info.ids, types=info.types, species=info.species, masses=info.masses
        ),
        unit_style=info.unit_style,
        columns=fields,
        has_positions="positions" in fields,
        has_velocities="velocities" in fields,
        has_forces="forces" in fields,
        unwrapped=all(source.unwrapped for source in sources),
        n_bytes=sum(map(_size, files)),
        precision_digits=info.precision_digits,
        rounding=rounding,
        # A reader that knows the time axis has noted its gaps.
        notes=tuple(dict.fromkeys([*info.notes, *survey.notes, *run.notes, *time_notes])),
        frames=chosen_frames(frames, chosen, sum(source.n_frames for source in sources)),
    )


def _stamps_of(path: Path) -> tuple[FileStamp, ...]:
    """Stamps of a file, or of the descriptions of the arrays in a folder of zarr.

    Objects have no stamp here; their reader compares them.
    """
    files = descriptions(path) if is_zarr(path) else [path]
    stamps = tuple(map(stamp_file, files))  # raises if one is missing, empty or not a file
    return () if isinstance(path, RemotePath) else stamps


def _size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; 0 for objects in memory."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.is_file() else 0


def _rounding(info: ForeignFile, first: ForeignFrame) -> float:
    """Half a unit in the last place of the largest positions, unit: Å; 0 without any."""
    largest = 0.0 if first.positions is None else float(np.abs(first.positions).max())
    if info.rounding is not None or largest == 0.0:
        return info.rounding or 0.0
    return float(0.5 * 10.0 ** (np.floor(np.log10(largest)) + 1 - info.precision_digits))


def _open_one(path: Path, options: ReadOptions) -> ForeignFile:
    """Open one file with the reader of its content or its suffix."""
    suffix = path.suffix.lower()
    try:
        if suffix in _BINARY:
            return _BINARY[suffix](path, strict=options.strict)
        if suffix in _BY_SUFFIX:
            require_local(path)
            return _BY_SUFFIX[suffix](path)
        opener = _opener_of(path)
        if opener is not None:
            return opener(path, options)
        require_local(path)
        require_trajectory_format(path)
        if known_to_mdanalysis(path):
            return open_mdanalysis(path)
        return open_ase(path)
    except TrajmodesError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def _fill(
    path: Path, source: ForeignFile, frames: tuple[int, int], arrays: Mapping[str, Floats]
) -> None:
    """Fill arrays with frames [start, stop) of one file."""
    if source.fill is not None:
        try:
            source.fill(*frames, arrays)
        except TrajmodesError as error:
            where = f"{path}, frames {frames[0]} to {frames[1] - 1}"
            raise with_location(error, where) from error
        except Exception as error:
            raise _unreadable(path, error, frames[0]) from error
        return
    for t, frame in enumerate(_frames_or_error(path, source, *frames)):
        for name, array in arrays.items():
            found = frame.cell if name == "cells" else getattr(frame, name)
            if found is not None:
                array[t] = found


def _opener_of(path: Path) -> Opener | None:
    """Find the function that opens a file with the options; None if there is none."""
    if path.suffix.lower() in _NETCDF:
        return open_amber
    if not is_zarr(path) and is_recording(read_head(path)):
        return open_recording
    return opener_of(path)


def _unreadable(path: Path, error: Exception, frame: int) -> DataError:
    return DataError(
        f"the frame cannot be read: {type(error).__name__}: {error}",
        where=f"{path}, frame {frame}",
        why="the file is damaged or truncated",
        fix="convert the undamaged part to an extended XYZ file or a LAMMPS dump",
    )


def _frames_or_error(
    path: Path, source: ForeignFile, start: int, stop: int
) -> Iterator[ForeignFrame]:
    """Frames of one file; every error names the file and the frame."""
    frames = source.frames(start, stop)
    for t in range(start, stop):
        try:
            frame = next(frames)
        except TrajmodesError as error:
            raise with_location(error, f"{path}, frame {t}") from error
        except Exception as error:
            raise _unreadable(path, error, t) from error
        yield frame


class _Survey(NamedTuple):
    """First frame, steps and times from one pass over all frames."""

    first: ForeignFrame
    steps: list[Floats]
    """(w,) steps of each file; nan unless they increase from frame to frame, where a file may
    start with the last step of the file before."""
    times_ps: Floats
    """(t,) times; nan under the same condition."""
    notes: tuple[Note, ...]
    """Steps and times of the files that are not used."""


def _survey(
    paths: tuple[Path, ...], sources: tuple[ForeignFile, ...], *, given_cell: bool
) -> _Survey:
    first: ForeignFrame | None = None
    steps: list[float | None] = []
    times: list[float | None] = []
    for path, source in zip(paths, sources, strict=True):
        known = source.time
        n_read = source.n_frames if known is None else min(source.n_frames, 1)
        for t, frame in enumerate(_frames_or_error(path, source, 0, n_read)):
            first = first or frame
            _check_frame(frame, first, f"{path}, frame {t}", given_cell=given_cell)
            steps += [frame.step] if known is None else []
            times += [frame.time_ps] if known is None else []
        if known is not None:
            none = [None] * source.n_frames
            steps += known.steps.tolist() if known.numbered else none
            times += none if known.times_ps is None else known.times_ps.tolist()
    if first is None:
        raise DataError("there are no frames", where=str(paths[0]))
    # One of several files may count its steps or its time from zero.
    ends = np.cumsum([source.n_frames for source in sources])[:-1]
    used = {
        "steps": _increasing_or_nan(steps, ends),
        "times": _increasing_or_nan(times, ends),
    }
    notes = tuple(
        _unused(name, given)
        for name, given in (("steps", steps), ("times", times))
        if np.isnan(used[name]).all() and any(mark is not None for mark in given)
    )
    return _Survey(first, np.split(used["steps"], ends), used["times"], notes)


def _unused(name: str, given: Sequence[float | None]) -> Note:
    missing = given.count(None)
    why = f"{missing} of {len(given)} frames have none" if missing else "they do not increase"
    return Note("warning", f"the {name} in the files are not used: {why}")


def _increasing_or_nan(marks: Sequence[float | None], starts: Ints) -> Floats:
    """Convert marks (t,) to numbers; all are nan unless every frame has one and they increase.

    The first frame of a file, one of ``starts``, may have the mark of the frame before.
    """
    values = np.array([np.nan if mark is None else mark for mark in marks], dtype=float)
    back = np.flatnonzero(~(np.diff(values) > 0.0)) + 1
    rises = np.isfinite(values).all() and all(
        t in starts and values[t] == values[t - 1] for t in back.tolist()
    )
    return values if rises else np.full_like(values, np.nan)


def _check_frame(
    frame: ForeignFrame, first: ForeignFrame, where: str, *, given_cell: bool
) -> None:
    """Raise if a frame differs in kind from the first one, or contains non-finite numbers."""
    # Without positions the structure that gives the sites may also give the box.
    if frame.cell is None and frame.positions is not None and not given_cell:
        raise UsageError(
            "the frame has no periodic cell",
            where=where,
            fix="give the box of the simulation: --box A,B,C in Å",
        )
    for name in _FIELDS:
        now, then = getattr(frame, name), getattr(first, name)
        if (now is None) != (then is None):
            raise DataError(
                f"not every frame has {name}",
                where=where,
                why="they were written at other steps than the other quantities",
                fix="write all quantities at the same steps",
            )
        if now is not None and now.shape != then.shape:
            what = f"the frame has {len(now)} atoms, but the first one has {len(then)}"
            raise DataError(what, where=where)
        if now is not None and not np.isfinite(now).all():
            atom = int(np.argmin(np.isfinite(now).all(axis=1)))
            raise DataError(f"{name} of atom {atom} are not finite", where=where)
    if frame.species != first.species:
        raise DataError(
            "the order or kind of the atoms changes",
            where=where,
            why="the program sorted or exchanged atoms between frames",
            fix="write all frames in one order",
        )
