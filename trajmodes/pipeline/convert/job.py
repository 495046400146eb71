"""The command ``trajmodes convert``: open a run of any format, and write it as NetCDF."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trajmodes.config.groups import ReadOptions
from trajmodes.config.option import options_in
from trajmodes.errors import UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.pipeline.convert.write import Converted, Form, write_run
from trajmodes.readers.trajectory import Trajectory, select_frames

SUFFIX = ".nc"
Bars = Callable[[str, int], Callable[[int], None]]


def convert_job(
    files: Sequence[str] | Trajectory,
    output: str,
    values: Mapping[str, Any],
    *,
    bars: Bars | None = None,
) -> Converted:
    """Write files of one run, or frames in memory, with the values of the options by name.

    Raises
    ------
    UsageError
        If the output exists, is one of the input files, or has another suffix.
    DataError
        If a frame of the run is not valid.
    StorageError
        If the file cannot be written.
    """
    names = {one.name for one in options_in(ReadOptions)}
    options = ReadOptions(**{name: values[name] for name in values.keys() & names})
    if isinstance(files, Trajectory):
        run = select_frames(files, *options.frames)
    else:
        run = open_trajectory(files, options, needs="motion")
    path = Path(output)
    _require_writable(run, path, force=values["force"])
    return write_run(
        run,
        path,
        lj=options.lj,
        float32=values["float32"],
        workers=values["workers"],
        progress=None if bars is None else bars("writing frames", run.n_frames),
    )


def show_converted(done: Converted) -> str:
    """State what was written, its size, and the speed."""
    megabytes = 1e-6 * done.original_bytes
    digits = "; ".join(f"{name} {_words(form)}" for name, form in done.forms.items())
    lines = [
        f"{done.path}: {done.n_frames} frames of {done.n_atoms} atoms",
        f"{1e-6 * done.n_bytes:.4g} MB, {1e-6 * done.n_bytes / megabytes:.2f} times the "
        f"{megabytes:.4g} MB that were read, in {done.seconds:.1f} s "
        f"({megabytes / done.seconds:.0f} MB/s)",
        digits,
    ]
    return "\n".join(lines) + "\n"


def _words(form: Form) -> str:
    if form.single:
        return "in single precision, rounded to 7 digits"
    return f"in {form.n_bytes} bytes each, every bit kept"


def _require_writable(run: Trajectory, path: Path, *, force: bool) -> None:
    where = str(path)
    if path.suffix != SUFFIX:
        raise UsageError(
            f"the name of the new file must end with {SUFFIX}",
            where=where,
            why="it is a file of NetCDF",
            fix=f"{path.stem}{SUFFIX}",
        )
    if run.ideal is not None:
        raise UsageError(
            "displacements from a known structure are not frames of a run",
            where=where,
            fix="fit them as they are",
        )
    if path.exists():
        if any(one.exists() and one.samefile(path) for one in run.paths):
            raise UsageError("the new file is one of those that are read", where=where)
        if not force or not path.is_file():
            raise UsageError("the file exists", where=where, fix="--force replaces it")
