"""Time series Q(t), Q̇(t) of selected modes, written to disk during the pass.

Every block of frames writes its rows to their own position in a file of fixed layout, (t,
field, k) complex numbers. Blocks may come in any order, from any thread, and more than once.
Memory holds only the ranges of frames written.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.arrays import Complexes, Floats, freeze
from trajmodes.errors import DataError, StorageError
from trajmodes.project.mode_selection import ChosenMode
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.units import THZ

_BATCH_BYTES = 1 << 23
_CONVENTIONS = (
    "Q_qm(t) = N_c^(-1/2) sum_lb sqrt(M_b) conj(e_b(qm)).u_lb(t) exp(-2 pi i q.r_lb), r_lb the "
    "ideal position of site b in cell l in reduced coordinates, e of norm 1 with the phase of "
    "the atom positions; Q' the same of velocities; <|Q'|^2> = k_B T; Q_-q = conj(Q_q). The "
    "phase of e is arbitrary, and so is the choice of e within a degenerate set"
)
_FIELDS = (
    ("Q", "sqrt(eV) ps", "mode coordinate"),
    ("Qdot", "sqrt(eV)", "velocity of the mode coordinate"),
)


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
    freq_thz: Floats
    """(k,) harmonic frequency of each mode, negative where imaginary."""

    def __post_init__(self) -> None:
        freeze(self, {"k": len(self.chosen)}, float, times_ps="t", freq_thz="k")

    @property
    def values(self) -> Complexes:
        """(t, field, k), memory-mapped."""
        shape = (len(self.times_ps), self.fields, len(self.chosen))
        return np.memmap(self.path, dtype=np.complex128, mode="r", shape=shape)

    def dataset(self) -> xr.Dataset:
        """Return the complex series with coordinates, valid as long as the file exists."""
        return series_dataset(self.values, self.chosen, self.times_ps, self.freq_thz)

    def blocks(self) -> Iterator[xr.Dataset]:
        """Yield the dataset in batches of frames."""
        whole = self.dataset()
        batch = max(1, _BATCH_BYTES // (16 * self.fields * len(self.chosen)))
        for start in range(0, len(self.times_ps), batch):
            yield whole.isel(frame=slice(start, start + batch))


def series_dataset(
    values: Any, chosen: tuple[ChosenMode, ...], times_ps: Floats, freq_thz: npt.ArrayLike
) -> xr.Dataset:
    """Complex time series with their units and coordinates.

    Parameters
    ----------
    values
        (t, field, k) amplitudes of NumPy or Dask: Q in √(eV) ps and, if there are two fields,
        Q̇ in √(eV).
    chosen
        (k,) the modes.
    times_ps
        (t,) time of each frame.
    freq_thz
        (k,) harmonic frequency of each mode, negative where imaginary.
    """
    series = {
        name: (("frame", "mode"), values[:, field], {"units": unit, "long_name": text})
        for field, (name, unit, text) in enumerate(_FIELDS[: values.shape[1]])
    }
    qpoints = [mode.qpoint for mode in chosen]
    branches = [mode.branch + 1 for mode in chosen]
    coordinates = {
        "time": ("frame", times_ps, {"units": "ps"}),
        "q": (("mode", "reduced"), np.array(qpoints), {"long_name": "reduced coordinates"}),
        "branch": ("mode", np.array(branches), {"long_name": "branch, counted from 1"}),
        "freq_thz": (
            "mode",
            freq_thz,
            {"units": "THz", "long_name": "harmonic frequency, negative where imaginary"},
        ),
    }
    return xr.Dataset(series, coordinates, {"conventions": _CONVENTIONS})


def select_series(amplitudes: Amplitudes, chosen: tuple[ChosenMode, ...]) -> Complexes:
    """(t, field, k) amplitudes of chosen modes, conjugate where −q is what is listed."""
    present = [amplitudes.coordinate]
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
    chosen
        The modes, from `parse_modes`.
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
        freq_thz = np.array([omega[mode.row, mode.branch] for mode in self.chosen]) / THZ
        return AmplitudeSeries(self.path, fields, self.chosen, self.times_ps, freq_thz)

    def _write(self, rows: bytes, offset: int) -> None:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                rest = memoryview(rows)
                while rest:
                    written = os.pwrite(descriptor, rest, offset)
                    rest, offset = rest[written:], offset + written
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"the time series could not be written: {error.strerror or error}",
                where=str(self.path),
                fix="choose fewer modes, or a folder with more space",
            ) from error
