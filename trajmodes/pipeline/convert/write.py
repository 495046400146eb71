"""Write a run as chunked NetCDF-4 by AMBER's convention, from which it is read fast.

Blocks of frames are read and packed by threads, and written in order, so that memory does not
grow with the run. A chunk holds whole frames of one quantity, with a checksum. Numbers that
were read from text are stored in as many bytes as their digits need
(`trajmodes.readers.netcdf.digits`). A chunk in which a number would change is stored in full
precision.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import netCDF4
import numpy as np

from trajmodes import __version__
from trajmodes.arrays import Floats
from trajmodes.machine import available_processors
from trajmodes.readers.netcdf.converted import (
    CELLS,
    ELEMENTS,
    FIELDS,
    IDS,
    MASSES,
    RUN,
    SEGMENTS,
    STEPS,
    TIMES,
    TYPES,
    described,
    letters_of,
)
from trajmodes.readers.netcdf.digits import DIGITS, packed
from trajmodes.readers.netcdf.numbers import checksum
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import LennardJonesUnits, units_of_text
from trajmodes.results.storage import atomic_file

_CHUNK = 1 << 17
"""Bytes of the doubles of one chunk, or one frame."""
_BLOCK_CHUNKS = 32
_BOX = ("cell_lengths", "cell_angles")
_CHUNK_OF_CELLS = 512
"""Frames."""
_DOUBLE = 8
_DIGITS_OF_SINGLE = 7
_WITHOUT_NBIT = 1
"""Mask of a chunk whose first filter is not applied."""
_QUANTITIES = {"positions": "length", "velocities": "velocity", "forces": "force"}


class Form(NamedTuple):
    """How the numbers of a field are stored."""

    n_bytes: int
    """Bytes of a number."""
    unit: float = 0.0
    """Unit of the text that the numbers were read from; 0 if there is none."""
    single: bool = False
    """Whether they are rounded to single precision."""


class Chunk(NamedTuple):
    """Frames of one field as they are written."""

    field: str
    first: int
    """First frame."""
    data: bytes
    mask: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A run that has been written."""

    path: Path
    n_frames: int
    n_atoms: int
    n_bytes: int
    """Of the new file."""
    original_bytes: int
    """Of the files that were read."""
    seconds: float
    """That it took."""
    forms: dict[str, Form]
    """How the numbers of each field are stored."""


def write_run(
    run: Trajectory,
    path: Path,
    *,
    lj: LennardJonesUnits | None = None,
    float32: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Converted:
    """Write the frames of a run; the file gets its name when it is complete.

    Parameters
    ----------
    lj
        ε, σ and m of a run in units lj.
    float32
        Whether numbers are rounded to single precision.
    progress
        Called with the number of frames written since the last call.

    Raises
    ------
    DataError
        If a frame of the run is not valid.
    StorageError
        If the file cannot be written.
    """
    began = time.perf_counter()
    rows = max(1, min(_CHUNK // (24 * run.n_atoms), run.n_frames))
    forms = _forms(run, lj, rows, float32=float32)
    if float32:
        run = _rounded(run, rows)
    with atomic_file(path) as partial:
        _write_frame_of_file(run, partial, forms)
        blocks = _packed_blocks(run, forms, rows, workers or available_processors())
        with h5py.File(partial, "r+") as file:
            for field, form in forms.items():
                _create_packed(file, field, form, (run.n_frames, run.n_atoms, 3), rows)
            _write_frames(file, run.n_frames, blocks, progress)
    seconds = time.perf_counter() - began
    sizes = (path.stat().st_size, run.n_bytes)
    return Converted(path, run.n_frames, run.n_atoms, *sizes, seconds, forms)


def _forms(
    run: Trajectory, lj: LennardJonesUnits | None, rows: int, *, float32: bool
) -> dict[str, Form]:
    """Choose the fewest bytes that reproduce every bit of some chunks of each field."""
    units = units_of_text(run.unit_style, lj)
    n = run.n_frames
    blocks = [run.read(t, min(t + rows, n)) for t in {0, n // 2, max(n - rows, 0)}]
    forms = {}
    for field, quantity in _QUANTITIES.items():
        if getattr(blocks[0], field) is None:
            continue
        samples = [getattr(block, field).ravel() for block in blocks]
        unit = 1.0 if units is None else float(getattr(units, quantity))
        possible = [
            Form(n_bytes, u) for n_bytes in DIGITS for u in dict.fromkeys((unit, 1.0, 0.0))
        ]
        exact = (
            form
            for form in possible
            if all(packed(one, form.n_bytes, form.unit) is not None for one in samples)
        )
        forms[field] = Form(4, single=True) if float32 else next(exact, Form(_DOUBLE))
    return forms


def _rounded(run: Trajectory, rows: int) -> Trajectory:
    """Describe the same run in single precision."""
    if not run.has_positions:
        return run
    largest = np.abs(run.read(0, min(rows, run.n_frames)).positions_or_raise()).max()
    half_unit = 0.5 * float(np.spacing(np.float32(largest)))
    return replace(
        run,
        precision_digits=min(run.precision_digits, _DIGITS_OF_SINGLE),
        rounding=max(run.rounding, half_unit),
    )


def _write_frame_of_file(run: Trajectory, path: Path, forms: dict[str, Form]) -> None:
    """Write all but the frames."""
    boxed = bool(np.isfinite(run.read(0, 1).cells).all())
    with netCDF4.Dataset(path, "w", format="NETCDF4", clobber=True) as file:
        file.set_auto_maskandscale(False)
        file.Conventions, file.ConventionVersion = "AMBER", "1.0"
        file.program, file.programVersion = "trajmodes", __version__
        file.title = f"converted from {', '.join(one.name for one in run.paths[:3])}"[:80]
        file.setncattr(RUN, described(run, {f: one.unit for f, one in forms.items()}))
        sizes = {"frame": None, "atom": run.n_atoms, "spatial": 3, "cell_spatial": 3}
        sizes |= {"cell_angular": 3, "label": 5, "letter": 2, "segment": len(run.segments)}
        for name, size in sizes.items():
            file.createDimension(name, size)
        _write(file, "spatial", ("spatial",), np.array(list("xyz"), "S1"))
        _write(file, "cell_spatial", ("cell_spatial",), np.array(list("abc"), "S1"))
        angles = np.array([list(name.ljust(5)) for name in ("alpha", "beta", "gamma")], "S1")
        _write(file, "cell_angular", ("cell_angular", "label"), angles)
        _write(file, STEPS, ("frame",), run.steps)
        if run.times_ps is not None:
            _write(file, TIMES, ("frame",), run.times_ps, "picosecond")
        starts = np.array([start for start, _ in run.segments])
        _write(file, SEGMENTS, ("segment",), starts)
        for name, values, unit in (
            (IDS, run.ids, ""),
            (TYPES, run.types, ""),
            (MASSES, run.masses, "electronvolt picosecond^2/angstrom^2"),
        ):
            if values is not None:
                _write(file, name, ("atom",), values, unit)
        if run.species is not None:
            _write(file, ELEMENTS, ("atom", "letter"), letters_of(run.species))
        if boxed:
            for name, inner, unit in (
                (CELLS, ("cell_spatial", "spatial"), "angstrom"),
                (_BOX[0], ("cell_spatial",), "angstrom"),
                (_BOX[1], ("cell_angular",), "degree"),
            ):
                _create(file, name, "f8", ("frame", *inner), unit)


def _create(file: Any, name: str, kind: Any, dimensions: tuple[str, ...], unit: str) -> Any:
    inner = [len(file.dimensions[name]) for name in dimensions[1:]]
    more: dict[str, Any] = {}
    if dimensions[0] == "frame":
        chunks = (_CHUNK_OF_CELLS, *inner)
        more = {"zlib": True, "complevel": 1, "fletcher32": True, "chunksizes": chunks}
    one = file.createVariable(name, kind, dimensions, **more)
    if unit:
        one.units = unit
    return one


def _write(
    file: Any, name: str, dimensions: tuple[str, ...], values: Any, unit: str = ""
) -> None:
    kind = "S1" if values.dtype.kind == "S" else values.dtype
    _create(file, name, kind, dimensions, unit)[:] = values


def _write_frames(
    file: Any,
    n_frames: int,
    blocks: Iterable["_Block"],
    progress: Callable[[int], None] | None,
) -> None:
    boxed = CELLS in file
    if boxed:
        for name in (CELLS, *_BOX):
            file[name].resize(n_frames, axis=0)
    for start, stop, cells, chunks in blocks:
        for field, first, data, mask in chunks:
            place = (first, 0, 0)
            file[FIELDS[field][0]].id.write_direct_chunk(place, data, filter_mask=mask)
        if boxed:
            file[CELLS][start:stop] = cells
            for name, values in zip(_BOX, _lengths_and_angles(cells), strict=True):
                file[name][start:stop] = values
        if progress is not None:
            progress(stop - start)


def _lengths_and_angles(cells: Floats) -> tuple[Floats, Floats]:
    """Lengths of box vectors (t, 3) in Å, and their angles α, β, γ in degrees."""
    lengths = np.linalg.norm(cells, axis=2)
    one, two = [1, 0, 0], [2, 2, 1]
    products = (cells[:, one] * cells[:, two]).sum(axis=2)
    cosines = products / (lengths[:, one] * lengths[:, two])
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def _create_packed(
    file: Any, field: str, form: Form, shape: tuple[int, int, int], rows: int
) -> None:
    """Create the array of a field, whose chunks are written already packed."""
    name, unit = FIELDS[field]
    kind = (h5py.h5t.IEEE_F32LE if form.single else h5py.h5t.IEEE_F64LE).copy()
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((rows, *shape[1:]))
    if form.n_bytes < _DOUBLE and not form.single:
        low = 64 - 8 * form.n_bytes
        kind.set_fields(63, 52, 11, low, 52 - low)
        kind.set_offset(low)
        kind.set_precision(8 * form.n_bytes)
        kind.set_size(_DOUBLE)
        plan.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)
    plan.set_fletcher32()
    space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED, *shape[1:]))
    array = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plan))
    array.attrs["units"] = unit
    for axis, dimension in enumerate(("frame", "atom", "spatial")):
        array.dims[axis].attach_scale(file[dimension])


_Block = tuple[int, int, Floats, list[Chunk]]


def _packed_blocks(
    run: Trajectory, forms: dict[str, Form], rows: int, workers: int
) -> Iterator[_Block]:
    """Read and pack blocks of frames on threads; yield them in order of time."""
    pending: deque[Future[_Block]] = deque()
    step = _BLOCK_CHUNKS * rows

    def read(start: int) -> _Block:
        stop = min(start + step, run.n_frames)
        block = run.read(start, stop)
        chunks = [
            _chunk(field, form, start + low, getattr(block, field)[low : low + rows], rows)
            for field, form in forms.items()
            for low in range(0, stop - start, rows)
        ]
        return start, stop, block.cells, chunks

    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, run.n_frames, step):
                pending.append(pool.submit(read, start))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for one in pending:
                one.cancel()


def _chunk(field: str, form: Form, first: int, values: Floats, rows: int) -> Chunk:
    """Make the bytes of a chunk, whose frames beyond the last one are zero."""
    numbers = np.zeros((rows, *values.shape[1:]))
    numbers[: len(values)] = values
    numbers = numbers.ravel()
    mask = 0
    if form.single:
        content = numbers.astype("<f4").view(np.uint8)
    elif form.n_bytes == _DOUBLE:
        content = numbers.astype("<f8").view(np.uint8)
    else:
        # The n-bit filter of HDF5 reads one byte beyond the numbers. Checksums are those of
        # words of two bytes, which are loaded from even addresses.
        found = packed(numbers, form.n_bytes, form.unit)
        mask = _WITHOUT_NBIT if found is None else 0
        content = (
            numbers.astype("<f8").view(np.uint8)
            if found is None
            else np.pad(found, (0, 2 - len(found) % 2))
        )
    return Chunk(
        field, first, content.tobytes() + checksum(content).to_bytes(4, "little"), mask
    )
