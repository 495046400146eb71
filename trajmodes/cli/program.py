"""The commands: each parses its options, calls the pipeline and prints the result."""

import os
import sys
from typing import Any

import click

from trajmodes import __version__
from trajmodes.cli.exits import ending
from trajmodes.cli.modes import modes, molecule, movie, project, sed
from trajmodes.cli.options import Command, command_line, given_job, takes_options
from trajmodes.cli.progress import progress_bars
from trajmodes.config.groups import FOLDERS
from trajmodes.config.job import values_of
from trajmodes.errors import DataError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="trajmodes")
def main() -> None:
    """Phonons at temperature, from a molecular-dynamics trajectory.

    \b
    trajmodes demo                                   see it work on a bundled run
    trajmodes check run.lammpstrj --cell POSCAR      does the file fit the crystal?
    trajmodes run   run.lammpstrj --cell POSCAR      force constants, energies, lifetimes
    trajmodes fit   a/*.lammpstrj b/*.lammpstrj …    force constants alone, of several runs
    trajmodes project run.xyz --force-constants fit/ energies, lifetimes of given modes
    trajmodes sed   run.lammpstrj --path auto        spectral energy density along a path
    trajmodes modes modes/results.nc                 the table of all modes
    trajmodes movie fit/ "1/2 1/2 0:4"               a mode as extended XYZ
    trajmodes molecule run.xyz                       modes of a molecule or cluster
    trajmodes scan  fit/                             which cutoff, which order, how long a run
    trajmodes export fit/ --to phono3py              for phonopy, ShengBTE, TDEP, ALAMODE, …
    trajmodes show  results/results.nc               the main results
    """  # noqa: D301 - click wants the very character \b
    # A primitive cell is sought with many tolerances; spglib would warn of each failure.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")


for command in (project, sed, modes, movie, molecule):
    main.add_command(command)


@main.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("check")
def check(**given: Any) -> None:
    """Match a trajectory to its crystal, and report what it is suited for and what is wrong."""
    with ending():
        from trajmodes.pipeline.check import check_job, show_check

        run = check_job(given_job("check", given))
        click.echo(show_check(run), nl=False)
        sys.exit(0 if run.diagnosis.usable else DataError.exit_code)


@main.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("run")
def run(**given: Any) -> None:
    """Fit force constants, project the run on its modes, and write the results.

    Options given beside a job file replace those in it.
    """
    with ending():
        from trajmodes.pipeline.run import run_job
        from trajmodes.pipeline.show import show_results

        with progress_bars() as bars:
            written = run_job(given_job("run", given), command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@main.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("fit")
def fit(**given: Any) -> None:
    """Fit force constants to one or several runs, or to any displacements and forces.

    Files are LAMMPS dumps, extended XYZ, what ASE and MDAnalysis read, phonopy or phono3py
    yaml, infiles of TDEP, or a DFSET of ALAMODE. Folders and time steps decide which files
    are parts of one run.
    """
    with ending():
        from trajmodes.pipeline.run import fit_job
        from trajmodes.pipeline.show import show_results

        with progress_bars() as bars:
            written = fit_job(given_job("fit", given), command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@main.command(cls=Command)
@click.argument("normal_equations", metavar="NORMAL_EQUATIONS | FOLDER")
@takes_options("scan")
def scan(normal_equations: str, **given: Any) -> None:
    """Repeat a fit with other cutoffs, orders and constraints, and with parts of the run.

    The normal equations that a fit has written are used; the trajectory is not read again.
    """
    with ending():
        from trajmodes.pipeline.scan import scan_job, show_scan, write_scan

        values = values_of("scan", given)
        rows = scan_job(normal_equations, values["scheme"])
        click.echo(show_scan(rows), nl=False)
        if values["output"] is not None:
            click.echo(write_scan(rows, values["output"]), nl=False)


@main.command(cls=Command)
@click.argument("folder", metavar="FOLDER")
@takes_options("export")
def export(folder: str, **given: Any) -> None:
    """Write the force constants of a fit for other programs."""
    with ending():
        from trajmodes.pipeline.export import export_job, show_export

        values = values_of("export", given)
        click.echo(show_export(export_job(folder, values["to"], values["output"])), nl=False)


@main.command(cls=Command)
@click.argument("results", metavar="RESULTS.nc")
def show(results: str) -> None:
    """Print the main results of a run."""
    with ending():
        from trajmodes.pipeline.show import show_file

        click.echo(show_file(results), nl=False)


@main.command(cls=Command)
@takes_options("demo")
def demo(output: str | None) -> None:
    """Run the main job on a bundled LAMMPS run of bcc zirconium, and explain it."""
    with ending():
        from trajmodes.cli.demo import demo_epilogue, demo_job, demo_prologue
        from trajmodes.pipeline.run import run_job
        from trajmodes.pipeline.show import show_results

        job = demo_job(output or FOLDERS["demo"])
        click.echo(demo_prologue(job), nl=False)
        with progress_bars() as bars:
            written = run_job(job, command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)
        click.echo(demo_epilogue(job), nl=False)
