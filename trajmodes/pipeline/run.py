"""The main jobs: one pass to fit, one to project, and everything told and written down."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from trajmodes.config import Job, toml_text
from trajmodes.errors import DataError, UsageError
from trajmodes.export import write_constants, write_phonopy
from trajmodes.fit import Ledger, ledger_dataset, read_ledger
from trajmodes.phonons import Bands, band_path, dispersion
from trajmodes.pipeline.anharmonic import (
    gruneisen_parameters,
    perturbative_widths,
    requirement_of,
    stability_of,
)
from trajmodes.pipeline.check import findings_of
from trajmodes.pipeline.collect import (
    bands_of,
    convergence_of,
    fit_errors_of,
    scheme_distance_thz,
    spectral_map,
)
from trajmodes.pipeline.fit import Fitted, fit_runs, modes_of
from trajmodes.pipeline.load import LoadedRun, load, load_runs
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.pipeline.project import interval_of, project_run
from trajmodes.pipeline.provenance import input_files, versions
from trajmodes.readers import Trajectory
from trajmodes.report import (
    Projection,
    Provenance,
    Reference,
    Results,
    Writer,
    encode,
    open_folder,
    write_results,
)

__all__ = ["Written", "analyse", "fit_job", "fit_only", "run_job"]

PATH_SPACING = 0.02
"""Distance of neighbouring points of the band path in 1/Å, 2π included: far finer than any
feature of a dispersion whose constants reach 10 Å."""

CONSTANTS_FILE = "force_constants.h5"
LEDGER_FILE = "ledger.nc"


class Written(NamedTuple):
    """Results and the files that hold them."""

    results: Results
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


class Analysis(NamedTuple):
    """Results and the sums that their constants were fitted to."""

    results: Results
    ledger: Ledger


def run_job(job: Job, *, command: str, bars: StartBar = no_bars) -> Written:
    """Fit, project, and write the results folder.

    Parameters
    ----------
    job
        What to read and what to make of it.
    command
        The command line or call, for the provenance.
    bars
        Starts a progress bar: (title, number of frames) → function to advance it.

    Raises
    ------
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    log = Log()

    def find() -> Analysis:
        return analyse(load(job, log=log), command=command, log=log, bars=bars)

    return _write(job, log, find, for_phonopy=True)


def fit_job(
    job: Job, *, command: str, bars: StartBar = no_bars, frames: Trajectory | None = None
) -> Written:
    """Fit the constants of one or several runs, and write the results folder.

    Parameters
    ----------
    job
        What to read and how to fit it.
    command
        The command line or call, for the provenance.
    bars
        Starts a progress bar: (title, number of frames) → function to advance it.
    frames
        Frames that are open already, in place of the job's files.

    Raises
    ------
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    log = Log()

    def find() -> Analysis:
        return fit_only(job, command=command, log=log, bars=bars, frames=frames)

    return _write(job, log, find, for_phonopy=False)


def _write(job: Job, log: Log, find: Callable[[], Analysis], *, for_phonopy: bool) -> Written:
    """Find results while the folder is kept from others, and write them to it."""
    with open_folder(job.output) as folder:
        found = find()
        with TemporaryDirectory() as name, log.stage("write"):
            scratch = Path(name)
            extra = _for_phonopy(found.results, scratch) if for_phonopy else {}
            extra |= _extra(found, job, log, scratch)
            files = write_results(found.results, folder, extra)
    paths = {str(Path(job.output) / name): text for name, text in files.items()}
    return Written(replace(found.results, timings=log.seconds), paths)


def _extra(found: Analysis, job: Job, log: Log, scratch: Path) -> dict[str, Writer]:
    """Files that other rooms than the report know how to write."""
    constants, supercell = found.results.constants, found.results.supercell
    whole = write_constants(constants, supercell, scratch, "hdf5").paths
    text = "all constants, exactly; `trajmodes export` writes them for other programs"
    extra = {path.name: Writer(text, _copy(path)) for path in whole}
    dataset = ledger_dataset(found.ledger)
    text = "sums of the fit, for `trajmodes scan` and `trajmodes fit --append`"
    extra[LEDGER_FILE] = Writer(text, partial(encode, dataset))
    extra["run.toml"] = Writer("the job as resolved", _text_writer(toml_text(job)))
    extra["run.log"] = Writer("what was done, and how long it took", log.write)
    return extra


def _for_phonopy(results: Results, scratch: Path) -> dict[str, Writer]:
    paths = write_phonopy(results.constants, results.supercell, scratch)
    return {path.name: Writer("loaded by phonopy", _copy(path)) for path in paths}


def _copy(source: Path) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        shutil.copyfile(source, path)

    return write


def _text_writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write


def analyse(run: LoadedRun, *, command: str, log: Log, bars: StartBar = no_bars) -> Analysis:
    """Fit constants to a run, project it on their modes, and fit the lines.

    Parameters
    ----------
    run
        The run, matched to its crystal.
    command
        The command line or call, for the provenance.
    log
        Takes down the stages.
    bars
        Starts a progress bar.

    Raises
    ------
    UsageError
        If frames are to be left out of a run that is to be projected.
    DataError
        If the run has no forces, too few frames for the constants or for spectra, or no known
        time between frames.
    """
    _require_usable(run, ["all", "spectra"])
    if run.trajectory.has_velocities:
        interval_of(run)  # before the long first pass, not after it
        _require_all_frames(run)
    with input_files(run.files) as hashes:
        fitted = fit_runs([run], log=log, bars=bars)
        (run,) = fitted.runs
        results, bands = _of_constants(fitted, command, log)
        projection = project_run(run, results.modes, log=log, bars=bars)
        inputs = hashes.result()
    if projection is not None:
        power_map = spectral_map(bands, results.modes, projection.spectra)
        projection = replace(projection, spectral_map=power_map)
    results = replace(
        results,
        projection=projection,
        notes=(*results.notes, *_lifetime_notes(run, fitted, projection)),
        provenance=replace(results.provenance, inputs=inputs),
        timings=log.seconds,
    )
    return Analysis(results, fitted.ledger)


def fit_only(
    job: Job,
    *,
    command: str,
    log: Log,
    bars: StartBar = no_bars,
    frames: Trajectory | None = None,
) -> Analysis:
    """Fit constants to one or several runs of a crystal.

    Parameters
    ----------
    job
        What to read and how to fit it.
    command
        The command line or call, for the provenance.
    log
        Takes down the stages.
    bars
        Starts a progress bar.
    frames
        Frames that are open already, in place of the job's files.

    Raises
    ------
    UsageError
        If a file is missing, or a cutoff is not admissible.
    DataError
        If a run has no forces, or all together have too few frames for the constants.
    """
    earlier = None if job.append is None else read_ledger(job.append)
    runs = _runs_for(earlier, job, log, frames)
    for run in runs:
        _require_usable(run, ["all"])
    with input_files([path for run in runs for path in run.files]) as hashes:
        fitted = fit_runs(runs, log=log, bars=bars, earlier=earlier)
        results, _ = _of_constants(fitted, command, log)
        inputs = hashes.result()
    provenance = replace(results.provenance, inputs=inputs)
    results = replace(results, provenance=provenance, timings=log.seconds)
    return Analysis(results, fitted.ledger)


def _runs_for(
    earlier: Ledger | None, job: Job, log: Log, frames: Trajectory | None
) -> list[LoadedRun]:
    """Load runs, matched to the crystal of a ledger if they are added to one."""
    if earlier is None:
        return load_runs(job, log=log, frames=frames)
    crystal = earlier.supercell.crystal
    try:
        return load_runs(job, log=log, crystal=crystal, frames=frames)
    except DataError as error:
        raise DataError(
            f"the run does not fit the crystal of the ledger, {crystal.formula}: {error.what}",
            where=job.append or "",
            why="runs are added to a ledger of the same crystal at the same volume",
            fix="give the ledger of this crystal, or fit without --append",
        ) from error


def _of_constants(fitted: Fitted, command: str, log: Log) -> tuple[Results, Bands]:
    """Make results of what the constants alone give."""
    fit, supercell, runs = fitted.fit, fitted.ledger.supercell, fitted.runs
    job = runs[0].job
    with log.stage("phonons"):
        modes = modes_of(fit, fitted.ledger, require_stable=job.require_stable)
        bands = dispersion(fit.constants, band_path(supercell.crystal, PATH_SPACING))
        temperature = fit.constants.temperature
        gruneisen = gruneisen_parameters(fit.constants, modes, bands, temperature)
    perturbation = None
    if job.perturbation is not None:
        with log.stage("perturbation theory"):
            perturbation = perturbative_widths(
                fit.constants, supercell, modes, temperature, job.perturbation
            )
    results = Results(
        supercell=supercell,
        constants=fit.constants,
        modes=modes,
        bands=bands_of(bands),
        provenance=Provenance(versions(), (), command, toml_text(job)),
        convergence=convergence_of(fit, modes),
        fit_errors=fit_errors_of(fit),
        reference=Reference(fit.reference_shift, fit.reference_shift_sem),
        scheme_freq_distance_thz=scheme_distance_thz(fit, modes),
        gruneisen=gruneisen,
        perturbation=perturbation,
        stability=stability_of(modes),
        requirement=requirement_of(modes, fitted.duration_ps),
        diagnosis=findings_of(runs[0].diagnosis),
        warnings=tuple(dict.fromkeys(text for run in runs for text in _warnings(run))),
        notes=tuple(
            dict.fromkeys(
                [*(note for run in runs for note in run.notes), *fitted.notes, *fit.notes]
            )
        ),
    )
    return results, bands


def _require_usable(run: LoadedRun, wanted: Sequence[str]) -> None:
    """Refuse at once what the check calls an error of what is wanted."""
    for remark in run.diagnosis.verdict:
        if remark.severity == "error" and remark.concerns in wanted:
            where = ", ".join(str(path) for path in run.trajectory.paths[:3])
            raise DataError(remark.text, where=where, fix=remark.fix)


def _require_all_frames(run: LoadedRun) -> None:
    if run.job.hops != "refuse":
        raise UsageError(
            "frames cannot be left out of a run that is projected on its modes",
            why="spectra need frames at equal distances in time",
            fix="use `trajmodes fit` with --hops exclude, or choose --frames without hops",
        )


def _warnings(run: LoadedRun) -> tuple[str, ...]:
    """Tell what the check warns of, and what it calls errors that do not matter here."""
    found = (remark for remark in run.diagnosis.verdict if remark.severity != "ok")
    texts = (f"{one.text}; fix: {one.fix}" if one.fix else one.text for one in found)
    return tuple(text for text in texts if text not in run.notes)


def _lifetime_notes(
    run: LoadedRun, fitted: Fitted, projection: Projection | None
) -> tuple[str, ...]:
    """Say so where the blocks of the error bars are shorter than the modes live."""
    errors, interval_ps = fitted.fit.replicates, run.trajectory.interval_ps
    if projection is None or errors is None or interval_ps is None:
        return ()
    lifetimes = projection.lines.lifetime_ps
    longest = float(np.max(lifetimes, initial=0.0, where=np.isfinite(lifetimes)))
    block_ps = errors.block_frames * interval_ps
    if block_ps >= longest:
        return ()
    return (
        f"the error bars of the constants come from blocks of {block_ps:.3g} ps, but modes "
        f"live up to {longest:.3g} ps: take them as lower bounds",
    )
