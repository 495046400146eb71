"""Commands on runs, force constants and results: they call the pipeline and return text."""

import sys
from functools import partial
from importlib import import_module
from typing import Any

import click

from trajmodes.cli.demo import demo_epilogue, demo_job, demo_prologue
from trajmodes.cli.options import argument, command, command_line, given_job
from trajmodes.cli.root import main
from trajmodes.cli.terminal import print_result, progress_bars
from trajmodes.config.job import Job, values_of
from trajmodes.config.live import LiveOptions
from trajmodes.config.option import options_in
from trajmodes.config.running import FOLDERS
from trajmodes.errors import DataError

TRAJECTORY_FILES = argument("trajectory", nargs=-1, required=True, metavar="FILE...")
TRAJECTORY = argument("trajectory", nargs=-1, required=True, metavar="FILE... | - | JOB.toml")


@command(main, TRAJECTORY)
def check(**given: Any) -> str:
    """Match a trajectory to its crystal, and report what it is suited for and what is wrong."""
    from trajmodes.pipeline.check.show import show_check
    from trajmodes.pipeline.job_folder import Log
    from trajmodes.pipeline.load import load

    verbose = given.pop("verbose")
    with progress_bars(verbose=verbose) as bars:
        run = load(given_job("check", given), log=Log(bars))
    text = show_check(run, verbose=verbose)
    if not run.diagnosis.usable:
        print_result(text)
        sys.exit(DataError.exit_code)
    return text


@command(main, argument("trajectory", nargs=-1, required=True, metavar="FILE..."))
def init(trajectory: tuple[str, ...], **given: Any) -> str:
    """Look at a run and the files beside it, and write a commented job file.

    Cell files are tried, and the time step is taken from an input or a log of LAMMPS, if the
    trajectory has none.
    """
    from trajmodes.pipeline.init.init_job import init_job
    from trajmodes.pipeline.job_folder import Log

    values = values_of("init", given)
    known = {name: value for name, value in values.items() if value not in (None, ())}
    with progress_bars() as bars:
        return init_job(trajectory, known, Log(bars))


_JOBS = {
    "run": ("run", "run_job"),
    "fit": ("run", "fit_job"),
    "project": ("project_job", "project_job"),
    "sed": ("scattering.sed", "sed_job"),
    "sqw": ("scattering.structure_factor", "structure_factor_job"),
    "molecule": ("molecule_job", "molecule_job"),
}
"""Command that streams a run → module of the pipeline and its function. Each module is imported
by its command alone, because imports take much of the time of a short command."""


def _streamed(name: str, given: dict[str, Any]) -> str:
    """Do a command that streams a run, with its options; return its text."""
    verbose = given.pop("verbose")
    return _done(name, given_job(name, given), command_line(), verbose=verbose)


def _done(name: str, job: Job, line: str, *, verbose: bool) -> str:
    """Do the job of a command that streams a run, with progress bars; return its text."""
    module, function = _JOBS[name]
    do_job = getattr(import_module(f"trajmodes.pipeline.{module}"), function)
    with progress_bars(verbose=verbose) as bars:
        written = do_job(job, command=line, bars=bars)
    if name == "molecule":
        from trajmodes.pipeline.molecule_job import show_molecule

        return show_molecule(*written)
    from trajmodes.report.summary import show_results

    return show_results(*written, verbose=verbose)


@command(main, TRAJECTORY)
def run(**given: Any) -> str:
    """Fit force constants, project the run on its modes, and write the results.

    Options given beside a job file replace those in it.
    """
    return _streamed("run", given)


@command(main, TRAJECTORY)
def fit(**given: Any) -> str:
    """Fit force constants to one or several runs, or to any displacements and forces.

    Files are LAMMPS dumps, extended XYZ, what ASE and MDAnalysis read, phonopy or phono3py
    yaml, infiles of TDEP, or a DFSET of ALAMODE. Folders and time steps decide which files
    are parts of one run.
    """
    return _streamed("fit", given)


@command(main, TRAJECTORY)
def project(**given: Any) -> str:
    """Project a run on the modes of given force constants.

    One pass over the run gives energies, spectra, lifetimes and densities of all modes.
    """
    return _streamed("project", given)


@command(main, argument("trajectory", nargs=1, metavar="imd://HOST:PORT"))
def live(**given: Any) -> str:
    """Analyse a simulation while it runs, from the frames that it sends (LAMMPS: fix imd).

    Without force constants these are fitted, as by `trajmodes run`; with them the motion is
    projected on their modes. All frames are kept in a recording, which other commands read.
    """
    from trajmodes.pipeline.live.job import live_job
    from trajmodes.report.summary import show_results

    verbose = given.pop("verbose")
    chosen = {one.name: given.pop(one.name) for one in options_in(LiveOptions)}
    given["trajectory"] = [given["trajectory"]]
    job = given_job("live", given)
    with progress_bars(verbose=verbose) as bars:
        done = live_job(
            job,
            LiveOptions(**chosen),
            command=command_line(),
            bars=bars,
            say=partial(click.echo, err=True),
        )
    text = show_results(*done.written, verbose=verbose)
    return f"{text}\nstopped after {done.n_frames} frames: {done.ending}\n"


@command(main, TRAJECTORY)
def sed(**given: Any) -> str:
    """Map the spectral energy density along a path through the zone.

    With --force-constants the map is resolved by branch, and the bands are drawn over it.
    """
    return _streamed("sed", given)


@command(main, TRAJECTORY)
def sqw(**given: Any) -> str:
    """Calculate the coherent dynamic structure factor S(Q, ω) along a line or in a plane.

    All Q that the supercell admits there are taken. With --force-constants the one-phonon
    scattering of these is drawn beside it.
    """
    return _streamed("sqw", given)


@command(main, TRAJECTORY)
def molecule(**given: Any) -> str:
    """Find the modes of a molecule or a cluster, without periodicity.

    Rotation and drift are removed in the Eckart frame.
    """
    return _streamed("molecule", given)


@command(main, TRAJECTORY_FILES, argument("output", metavar="RUN.nc"))
def convert(trajectory: tuple[str, ...], output: str, **given: Any) -> str:
    """Write a run of any format as NetCDF, from which it is read several times faster.

    The file is compressed, and complete in itself: units, steps, elements, masses and every
    bit of the numbers are kept, so that results are the same. Other programs read it as a
    trajectory of AMBER in NetCDF-4.
    """
    from trajmodes.pipeline.convert.job import convert_job, show_converted

    with progress_bars() as bars:
        done = convert_job(trajectory, output, values_of("convert", given), bars=bars)
    return show_converted(done)


@command(main, argument("folder", metavar="FOLDER"))
def resume(folder: str, **given: Any) -> str:
    """Continue a command that was killed or reached its time limit, from its checkpoint.

    The results are those of an undisturbed run, byte for byte. Options given here replace those
    of the command.
    """
    from trajmodes.pipeline.checkpoint import unfinished

    verbose = given.pop("verbose")
    found = unfinished(folder)
    changes = {name: value for name, value in given.items() if value is not None}
    return _done(found.name, found.job.with_options(**changes), found.command, verbose=verbose)


@command(main, argument("results", metavar="RESULTS.nc | FOLDER"))
def modes(results: str, **given: Any) -> str:
    """Print a table of all modes: q, branch, frequencies, temperature, linewidth, lifetimes."""
    from trajmodes.report.show import MODE_TABLE
    from trajmodes.report.show import show as text_of_results

    return text_of_results(results, MODE_TABLE, values_of("modes", given))


@command(
    main,
    argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"),
    click.argument("mode", metavar='"Q:BRANCH"'),
)
def movie(force_constants: str, mode: str, **given: Any) -> str:
    """Write one period of a mode as extended XYZ, such as "1/2 1/2 0:4" or "X:4".

    Branches count from 1. An earlier movie is replaced; any other file is not.
    """
    from trajmodes.pipeline.after_fit import movie_job

    return movie_job(force_constants, mode, **values_of("movie", given))


@command(main, argument("normal_equations", metavar="NORMAL_EQUATIONS | FOLDER"))
def scan(normal_equations: str, **given: Any) -> str:
    """Repeat a fit with other cutoffs, orders and constraints, and with parts of the run.

    The normal equations that a fit has written are used; the trajectory is not read again.
    """
    from trajmodes.pipeline.after_fit import scan_rows, show_scan, write_scan
    from trajmodes.results.normal_equations import read_normal_equations

    values = values_of("scan", given)
    rows = scan_rows(
        read_normal_equations(normal_equations),
        values["scheme"],
        no_constant_force=values["no_constant_force"],
    )
    print_result(show_scan(rows))
    return "" if values["output"] is None else write_scan(rows, values["output"])


@command(main, argument("folder", metavar="FOLDER"))
def export(folder: str, **given: Any) -> str:
    """Write the force constants of a fit for other programs."""
    from trajmodes.pipeline.after_fit import export_job, show_export

    values = values_of("export", given)
    return show_export(export_job(folder, values["to"], values["output"]))


@command(
    main,
    argument("results", metavar="RESULTS.nc | FOLDER"),
    click.argument("table", required=False, metavar="[TABLE]"),
)
def show(results: str, table: str | None, **given: Any) -> str:
    """Print the main results of a command, or one of its tables.

    TABLE is modes, or the name of a file in tables/, such as bands.
    """
    from trajmodes.report.show import show as text_of_results

    return text_of_results(results, table, values_of("show", given))


@command(main, argument("results", metavar="RESULTS.nc | FOLDER …", nargs=-1, required=True))
def report(results: tuple[str, ...], **given: Any) -> str:
    """Write results as one page in HTML; two or more folders are compared.

    The page needs no network and no other file: bands and modes to click on, lifetimes, tables
    to sort and filter, and where the results come from.
    """
    from trajmodes.report.html.write import write_report

    return write_report(results, values_of("report", given)["output"])


@command(
    main,
    argument("results", metavar="RESULTS.nc | FOLDER"),
    click.argument("figure", nargs=-1, metavar="[FIGURE …]"),
)
def plot(results: str, figure: tuple[str, ...], **given: Any) -> str:
    """Draw a figure of results in a size and format of one's own; list them without FIGURE.

    Several panels are put together. A file .csv has the data of the figure.
    """
    from trajmodes.report.plot.files import Look, plot_job

    values = values_of("plot", given)
    modes, output = values.pop("modes"), values.pop("output")
    return plot_job(results, figure, modes, output, Look(**values))


@command(main)
def demo(output: str | None, *, verbose: bool) -> str:
    """Run the main job on a bundled LAMMPS run of bcc zirconium, and explain it."""
    from trajmodes.pipeline.run import run_job
    from trajmodes.report.summary import show_results

    job = demo_job(output or FOLDERS["demo"])
    print_result(demo_prologue(job))
    with progress_bars(verbose=verbose) as bars:
        written = run_job(job, command=command_line(), bars=bars)
    return show_results(*written, verbose=verbose) + demo_epilogue(job)
