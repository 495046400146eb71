"""Recordings of simulations that sent their frames: the bytes of the protocol, in a file.

The protocol names no units. LAMMPS sends numbers in its unit style.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, with_location
from trajmodes.notes import Note
from trajmodes.readers.imd.protocol import (
    HEADER_SIZE,
    START_SIZE,
    VECTORS,
    Layout,
    Packet,
    Session,
    head_size,
    header,
    layout,
    n_atoms_of,
    session_of,
)
from trajmodes.readers.text.index_cache import incomplete_end
from trajmodes.readers.text.places import LocalFile
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.time_axis import TimeAxis, time_axis
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame
from trajmodes.readers.units import UnitFactors, unit_factors

SUFFIX = ".imd"
_BATCH = 1 << 22
"""Bytes that are read at once, or one frame."""
_DIGITS = 7
_FIELDS = {
    "cells": ("box", "length"),
    "positions": ("positions", "length"),
    "velocities": ("velocities", "velocity"),
    "forces": ("forces", "force"),
}
"""Field of a `FrameFields` → packet, and quantity of its unit."""
_IS_BEING_WRITTEN: ContextVar[bool] = ContextVar("is_being_written", default=False)


@contextmanager
def being_written() -> Iterator[None]:
    """Leave out an incomplete last frame within the block, with `ReadOptions.strict` too.

    Its other bytes are about to be written.
    """
    token = _IS_BEING_WRITTEN.set(True)
    try:
        yield
    finally:
        _IS_BEING_WRITTEN.reset(token)


def is_recording(head: bytes) -> bool:
    """Whether a file with these first bytes is a recording."""
    middle = head[HEADER_SIZE : 2 * HEADER_SIZE]
    return head[:4] == header(Packet.HANDSHAKE)[:4] and middle == header(Packet.SESSION, 7)


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Reads frames [start, stop) of a recording when it is called."""

    source: TextSource
    session: Session
    layout: Layout
    units: UnitFactors

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        for frames in self._batches(start, stop):
            fields = {
                name: self._field(name, frames) if self._has(name) else [None] * len(frames)
                for name in _FIELDS
            }
            times = frames["time"] if self.session.time else None
            for t in range(len(frames)):
                yield ForeignFrame(
                    fields["positions"][t],
                    fields["cells"][t],
                    None if times is None else int(times["step"][t]),
                    None if times is None else float(times["time"][t]) * self.units.time,
                    velocities=fields["velocities"][t],
                    forces=fields["forces"][t],
                )

    def fill(self, start: int, stop: int, arrays: Mapping[str, Floats]) -> None:
        """Fill arrays with frames [start, stop), as `ForeignFile.fill`."""
        at = 0
        for frames in self._batches(start, stop):
            end = at + len(frames)
            for name, array in arrays.items():
                if self._has(name):
                    self._field(name, frames, array[at:end])
            at = end

    def time_axis(
        self, n_frames: int, earlier: TimeAxis | None
    ) -> tuple[TimeAxis | None, tuple[Note, ...]]:
        """Time axis of the frames; None if their steps or times do not increase.

        It has neither steps nor times if these were not sent. Everything but the vectors of
        each frame is read, so that damaged headers are found. Frames whose time axis is known
        are not read again.
        """
        n_known = 0 if earlier is None else earlier.n_frames
        small = self._without_vectors(n_known, n_frames)
        sound = self.layout.n_sound(small)
        if sound < len(small):
            damaged = n_known + sound
            try:
                list(self._batches(damaged, damaged + 1))
            except DataError as error:
                where = f"{self.source.stamp.path}, frame {damaged}"
                raise with_location(error, where) from None
        if not self.session.time:
            return TimeAxis.uniform(n_frames), ()
        steps = small["time"]["step"].astype(float)
        times = small["time"]["time"] * self.units.time
        if earlier is not None and earlier.times_ps is not None:
            steps = np.concatenate([earlier.steps, steps])
            times = np.concatenate([earlier.times_ps, times])
        if not (np.diff(steps) > 0.0).all() or not (np.diff(times) > 0.0).all():
            return None, ()
        return time_axis(
            steps,
            times,
            timestep_fs=None,
            breaks=(),
            place=lambda t: f"frame {t}",
            exact_times=True,
        )

    def _without_vectors(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Headers, times and boxes (t,) of frames [start, stop)."""
        fields: Mapping[str, Any] = self.layout.kind.fields or {}
        kept = [name for name in fields if name not in VECTORS]
        kind = np.dtype([(name, fields[name][0]) for name in kept])
        found = np.empty((stop - start, kind.itemsize), dtype=np.uint8)
        with self.source.reading() as opened:
            for t in range(stop - start):
                at = 0
                for offset, size in self._spans:
                    place = START_SIZE + (start + t) * self.layout.size + offset
                    self.source.fill(opened, found[t, at : at + size], place)
                    at += size
        return found.view(kind)[:, 0]

    @property
    def _spans(self) -> list[tuple[int, int]]:
        """Offset and size of the parts of a frame without vectors."""
        fields: Mapping[str, Any] = self.layout.kind.fields or {}
        ends = [0]
        for name in VECTORS:
            if name in fields:
                kind, offset = fields[name]
                ends += [offset, offset + kind.itemsize]
        return [(a, b - a) for a, b in zip(ends[::2], ends[1::2], strict=False)]

    def _has(self, name: str) -> bool:
        """Whether the frames have a field of a `FrameFields`."""
        return bool(getattr(self.session, _FIELDS[name][0]))

    def _field(self, name: str, frames: npt.NDArray[Any], out: Floats | None = None) -> Floats:
        """One field of some frames (t,) in internal units."""
        kind, quantity = _FIELDS[name]
        # Infinities of damaged numbers are found where all numbers are.
        with np.errstate(over="ignore", invalid="ignore"):
            found: Floats = np.multiply(
                frames[kind], getattr(self.units, quantity), out=out, dtype=float
            )
        return found

    def _batches(self, start: int, stop: int) -> Iterator[npt.NDArray[Any]]:
        """Frames [start, stop) as they were received, several at once."""
        size = self.layout.size
        step = max(1, _BATCH // size)
        for low in range(start, stop, step):
            count = min(step, stop - low)
            data = self.source.data(START_SIZE + low * size, count * size)
            frames = self.layout.view(data)
            sound = self.layout.n_sound(frames)
            yield frames[:sound]
            if sound < len(frames):
                at = START_SIZE + (low + sound) * size
                raise self.layout.damage(frames[sound], f"byte {at}")


def open_recording(
    path: Path, options: ReadOptions, *, earlier: TimeAxis | None = None
) -> ForeignFile:
    """Open a recording.

    `earlier` is the time axis of its first frames, if it was open before.

    Raises
    ------
    DataError
        If it is damaged, or has no frame.
    UnitsError
        If no units are given.
    """
    source = open_source(path, allow_partial=options.allow_partial)
    try:
        session = session_of(source.data(0, min(START_SIZE, source.size)))
        head = source.data(START_SIZE, min(head_size(session), source.size - START_SIZE))
        of_frame = layout(session, n_atoms_of(head, session))
    except DataError as error:
        raise with_location(error, str(path)) from None
    n_frames, rest = divmod(source.size - START_SIZE, of_frame.size)
    is_cut = rest > 0 and not (n_frames and _IS_BEING_WRITTEN.get())
    cut = source.size - rest if is_cut else -1
    notes = incomplete_end(source, cut, f"number {n_frames}", n_frames, strict=options.strict)
    if options.units is None:
        raise UnitsError(
            "the units of the simulation are unknown",
            where=str(path),
            why="the protocol does not name them",
            fix="give the unit style of LAMMPS: --units metal",
        )
    units = unit_factors(options.units, options.lj, where=str(path))
    frames = _Frames(source, session, of_frame, units)
    time: TimeAxis | None = None
    time_notes: tuple[Note, ...] = ()
    if isinstance(source.place, LocalFile):
        time, time_notes = frames.time_axis(n_frames, earlier)
    return ForeignFile(
        n_frames=n_frames,
        n_atoms=of_frame.n_atoms,
        frames=frames,
        fill=frames.fill,
        unit_style=options.units,
        precision_digits=_DIGITS,
        notes=(*notes, *time_notes),
        time=time,
    )
