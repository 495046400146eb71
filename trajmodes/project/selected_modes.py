"""Modes selected by text, and their time series Q(t), Q̇(t).

``1/2 1/2 0:4`` is the fourth branch at q = (½, ½, 0). A special point may be given by its
label, ``X:4``. It stands for the q of that label or for −q, up to a reciprocal lattice vector,
but not for another arm of its star.

The series are written to disk during the pass. Every block of frames writes its rows to their
own position in a file of fixed layout, (t, field, k) complex numbers. Blocks may come in any
order, from any thread, and more than once. Memory holds only the ranges of frames written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Complexes, Floats, freeze
from trajmodes.data.labels import coordinates, point
from trajmodes.data.lattice import wrap
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.project.projector import Amplitudes, Projector

_TOLERANCE = 1e-6

PointOf = Callable[[str], Floats]
"""Returns the reduced coordinates (3,) of a labelled point; raises `UsageError` if unknown."""


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """A mode in a list that contains one q of each pair ±q."""

    row: int
    """Index of q, or of −q."""
    branch: int
    """Index of the branch, counted from 0."""
    opposite: bool
    """Whether −q is listed: the amplitude is then the complex conjugate."""
    qpoint: tuple[float, float, float]
    """The requested q in reduced coordinates."""


def parse_modes(
    texts: Sequence[str], modes: Modes, point_of: PointOf
) -> tuple[ChosenMode, ...]:
    """Find the modes given by texts such as ``1/2 1/2 0:4``.

    Parameters
    ----------
    texts
        For each q three numbers or fractions, or a label; then a colon, and the number of a
        branch counted from 1, several separated by commas, a range (``4-6``), or ``all``. The
        text ``all`` stands for all modes at all q except the translations.
    modes
        The modes at the commensurate q points.
    point_of
        Position of a labelled point such as ``X``.

    Raises
    ------
    UsageError
        If a text cannot be read, a q is not commensurate with the supercell, or a branch does
        not exist.
    """
    chosen = [mode for text in texts for mode in _parse(text, modes, point_of)]
    if not chosen:
        raise UsageError("no mode was chosen", fix='give one such as "1/2 1/2 0:4"')
    return tuple(dict.fromkeys(chosen))


def _parse(text: str, modes: Modes, point_of: PointOf) -> list[ChosenMode]:
    if str(text).strip() == "all":
        places = np.argwhere(modes.sets >= 0).tolist()
        listed = modes.qpoints.tolist()
        return [
            ChosenMode(row, branch, opposite=False, qpoint=tuple(listed[row]))
            for row, branch in places
        ]
    words, colon, branches = str(text).partition(":")
    numbers = coordinates(words)
    if len(numbers) != 3 and colon and words.strip():
        numbers = (np.round(point_of(words), 12) + 0.0).tolist()
    if len(numbers) != 3 or not colon:
        raise UsageError(
            f"“{text}” does not name a mode",
            fix='give q and branch, such as "1/2 1/2 0:4" or "0 0 0:all"',
        )
    q_x = np.array(numbers)
    row, opposite = _row_of(q_x, modes)
    qpoint = (numbers[0], numbers[1], numbers[2])
    return [
        ChosenMode(row, branch, opposite, qpoint)
        for branch in _branch_numbers(branches, modes.omega.shape[1], text)
    ]


def _row_of(q_x: Floats, modes: Modes) -> tuple[int, bool]:
    """Row of q or −q, up to reciprocal lattice vectors, and whether it is the row of −q."""
    for opposite, sign in ((False, 1.0), (True, -1.0)):
        away = np.abs(wrap(modes.qpoints - sign * q_x)).max(axis=1)
        if away.min() < _TOLERANCE:
            return int(away.argmin()), opposite
    steps = wrap(modes.qpoints[:, None] - np.stack([q_x, -q_x]))
    near = np.linalg.norm(steps, axis=-1).min(axis=1)
    names = "; ".join(point(modes.qpoints[row]) for row in np.argsort(near)[:3])
    raise UsageError(
        f"q = {point(q_x)} is not commensurate with the supercell",
        why="a run contains only waves that are periodic in its box",
        fix=f"choose a commensurate q nearby: {names}",
    )


def _branch_numbers(words: str, n_branches: int, text: str) -> list[int]:
    if words.strip() == "all":
        return list(range(n_branches))
    ends = [word.strip().replace("–", "-").split("-") for word in words.split(",")]
    numbers = [number.strip() for pair in ends for number in pair]
    known = all(word.isdecimal() and 1 <= int(word) <= n_branches for word in numbers)
    if not known or max(map(len, ends)) > 2:
        raise UsageError(
            f"“{text}” names a branch that does not exist",
            fix=f"branches are numbered from 1 to {n_branches}; “all” selects all of them",
        )
    ranges = [range(int(pair[0]) - 1, int(pair[-1])) for pair in ends]
    return [branch for one in ranges for branch in one]


@dataclass(frozen=True, slots=True)
class AmplitudeSeries:
    """Time series of selected modes, on disk."""

    path: Path
    """File of (t, field, k) complex numbers."""
    fields: int
    """1 for Q alone, 2 for Q and Q̇."""
    chosen: tuple[ChosenMode, ...]
    times_ps: Floats
    """(t,) time of each frame."""
    omega: Floats
    """(k,), unit: rad/ps. Harmonic frequency of each mode, negative where imaginary."""

    def __post_init__(self) -> None:
        freeze(self, {"k": len(self.chosen)}, float, times_ps="t", omega="k")

    @property
    def values(self) -> Complexes:
        """(t, field, k), memory-mapped."""
        shape = (len(self.times_ps), self.fields, len(self.chosen))
        return np.memmap(self.path, dtype=np.complex128, mode="r", shape=shape)


def select_series(amplitudes: Amplitudes, chosen: tuple[ChosenMode, ...]) -> Complexes:
    """(t, field, k) amplitudes of chosen modes, complex conjugate where −q is listed."""
    present = [amplitudes.coordinate_or_raise("amplitudes of modes need positions")]
    present += [] if amplitudes.velocity is None else [amplitudes.velocity]
    rows = np.array([mode.row for mode in chosen])
    branches = np.array([mode.branch for mode in chosen])
    opposite = np.array([mode.opposite for mode in chosen])
    series_fkt = np.stack([field[rows, branches] for field in present])
    np.conjugate(series_fkt, out=series_fkt, where=opposite[:, None])
    series_tfk: Complexes = series_fkt.transpose(2, 0, 1)
    return series_tfk


Spans = tuple[tuple[int, int], ...]
"""Frame ranges [start, stop) written so far, in time order, adjacent ones merged."""


@dataclass(frozen=True, slots=True)
class AmplitudeSeriesReduction:
    """Reduction from amplitudes to `AmplitudeSeries`.

    Parameters
    ----------
    times_ps
        (t,) time of each frame of the run.
    path
        Scratch file on a disk that all workers share, 32 bytes per frame and mode. The caller
        removes it.
    """

    projector: Projector
    chosen: tuple[ChosenMode, ...]
    times_ps: Floats
    path: Path

    def __post_init__(self) -> None:
        freeze(self, {}, float, times_ps="t")

    def chunk(self, amplitudes: Amplitudes, /) -> tuple[int, Spans]:
        """Write one block of frames.

        Returns
        -------
        Number of fields, and the range of frames written.

        Raises
        ------
        DataError
            If frames lie outside the run.
        StorageError
            If the file cannot be written.
        """
        frames = select_series(amplitudes, self.chosen)
        start, n_frames = amplitudes.first_frame, len(frames)
        if not 0 <= start <= start + n_frames <= len(self.times_ps):
            raise DataError(
                f"frames {start} to {start + n_frames} exceed a run of {len(self.times_ps)}"
            )
        # Written explicitly, because a full disk kills a process that writes to mapped memory.
        self._write(frames.tobytes(), start * frames[0].nbytes if n_frames else 0)
        return frames.shape[1], ((start, start + n_frames),)

    def combine(
        self, earlier: tuple[int, Spans], later: tuple[int, Spans]
    ) -> tuple[int, Spans]:
        """Merge the ranges written from two parts of the run.

        Raises
        ------
        DataError
            If only one of them has velocities.
        """
        if earlier[0] != later[0]:
            raise DataError("velocities are missing in a part of the run")
        spans: list[tuple[int, int]] = []
        for start, stop in sorted((*earlier[1], *later[1])):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
            else:
                spans.append((start, stop))
        return earlier[0], tuple(spans)

    def finalize(self, state: tuple[int, Spans]) -> AmplitudeSeries:
        """Return the series.

        Raises
        ------
        DataError
            If frames are missing.
        """
        fields, spans = state
        if spans != ((0, len(self.times_ps)),):
            raise DataError(f"time series: only frames {spans} were read")
        omega = self.projector.modes.omega
        omega = np.array([omega[mode.row, mode.branch] for mode in self.chosen])
        return AmplitudeSeries(self.path, fields, self.chosen, self.times_ps, omega)

    def _write(self, rows: bytes, offset: int) -> None:
        try:
            self.path.touch(mode=0o600)
            with self.path.open("r+b") as file:
                file.seek(offset)
                file.write(rows)
        except OSError as error:
            raise StorageError(
                f"the time series could not be written: {error.strerror or error}",
                where=str(self.path),
                fix="choose fewer modes, or a folder with more space",
            ) from error
