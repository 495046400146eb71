"""The commands. They parse, call the pipeline and show what it returns; no more."""

import os
import sys
from typing import Any

import click

from trajmodes import __version__
from trajmodes.cli.command_line import command_line
from trajmodes.cli.exits import ending
from trajmodes.cli.modes import modes, molecule, movie, project, sed
from trajmodes.cli.options import (
    fit_options,
    input_options,
    output_option,
    path_option,
    run_options,
    workers_option,
)
from trajmodes.cli.progress import progress_bars
from trajmodes.errors import DataError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="trajmodes")
def main() -> None:
    """Phonons at temperature, from a molecular-dynamics trajectory.

    \b
    trajmodes demo                                   see it work on a bundled run
    trajmodes check run.lammpstrj --cell POSCAR      does the file fit the crystal?
    trajmodes run   run.lammpstrj --cell POSCAR      force constants, energies, lifetimes
    trajmodes fit   a/*.lammpstrj b/*.lammpstrj …    force constants alone, of several runs
    trajmodes project run.lammpstrj --constants fit/ energies, lifetimes on given constants
    trajmodes sed   run.lammpstrj --path auto        spectral energy density along a path
    trajmodes modes modes/results.nc                 the table of all modes
    trajmodes movie fit/ "1/2 1/2 0:4"               a mode as extended XYZ
    trajmodes molecule run.xyz                       modes of a molecule or cluster
    trajmodes scan  fit/                             which cutoff, which order, how long a run
    trajmodes export fit/ --to phono3py              for phonopy, ShengBTE, TDEP, ALAMODE, …
    trajmodes show  results/results.nc               what came out
    """  # noqa: D301 - click wants the very character \b
    # A primitive cell is sought with many tolerances, and spglib prints each that does not do.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")


for command in (project, sed, modes, movie, molecule):
    main.add_command(command)


@main.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE...")
@input_options
def check(**given: Any) -> None:
    """Match a trajectory to its crystal and tell what is right and wrong with it."""
    with ending():
        from trajmodes.pipeline import check_job, job_of, show_check

        run = check_job(job_of(given))
        click.echo(show_check(run), nl=False)
        sys.exit(0 if run.diagnosis.usable else DataError.exit_code)


@main.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@input_options
@run_options
@path_option
@output_option("results")
def run(**given: Any) -> None:
    """Fit force constants, project the run on its modes, and write the results.

    Options given beside a job file take the place of its settings.
    """
    with ending():
        from trajmodes.pipeline import job_of, run_job, show_results

        with progress_bars() as bars:
            written = run_job(job_of(given), command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@main.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@input_options
@click.option(
    "--hops",
    type=click.Choice(["refuse", "exclude"]),
    help="Frames in which an atom has left its site: an error, or left out [refuse].",
)
@fit_options
@workers_option
@click.option("--append", metavar="LEDGER.nc", help="Add the runs to those of an earlier fit.")
@output_option("fit")
def fit(**given: Any) -> None:
    """Fit force constants to one or several runs, or to any displacements and forces.

    Files are LAMMPS dumps, extended XYZ, what ASE and MDAnalysis read, phonopy or phono3py
    yaml, infiles of TDEP, or a DFSET of ALAMODE. Runs are told apart by folder and time steps.
    """
    with ending():
        from trajmodes.pipeline import fit_job, job_of, show_results

        with progress_bars() as bars:
            job = job_of(given, output="fit")
            written = fit_job(job, command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@main.command()
@click.argument("ledger", metavar="LEDGER.nc | FOLDER")
@click.option(
    "--scheme",
    type=click.Choice(["sequential", "joint"]),
    default="sequential",
    help="Fit each order to what the lower ones leave, or all at once [sequential].",
)
@click.option("-o", "--output", metavar="FOLDER", help="Folder for the table and the picture.")
def scan(ledger: str, scheme: Any, output: str | None) -> None:
    """Fit a ledger with all cutoffs, orders and constraints, and parts of the run.

    The trajectory is not read again.
    """
    with ending():
        from trajmodes.pipeline import scan_job, show_scan, write_scan

        rows = scan_job(ledger, scheme)
        click.echo(show_scan(rows), nl=False)
        if output is not None:
            click.echo(write_scan(rows, output), nl=False)


@main.command()
@click.argument("folder", metavar="FOLDER")
@click.option(
    "--to",
    "targets",
    multiple=True,
    required=True,
    type=click.Choice(["phonopy", "phono3py", "shengbte", "tdep", "alamode", "hdf5"]),
    help="Program to write for. May be given again.",
)
@click.option("-o", "--output", metavar="FOLDER", help="Where to write [FOLDER/export].")
def export(folder: str, targets: tuple[str, ...], output: str | None) -> None:
    """Write the constants of a fit for other programs."""
    with ending():
        from trajmodes.pipeline import export_job, show_export

        click.echo(show_export(export_job(folder, targets, output)), nl=False)


@main.command()
@click.argument("results", metavar="RESULTS.nc")
def show(results: str) -> None:
    """Show what a run gave."""
    with ending():
        from trajmodes.pipeline import show_file

        click.echo(show_file(results), nl=False)


@main.command()
@output_option("trajmodes-demo")
def demo(output: str | None) -> None:
    """Run the main job on a bundled LAMMPS run of bcc zirconium, and explain it."""
    with ending():
        from trajmodes.pipeline import (
            demo_epilogue,
            demo_job,
            demo_prologue,
            run_job,
            show_results,
        )

        job = demo_job(output or "trajmodes-demo")
        click.echo(demo_prologue(job), nl=False)
        with progress_bars() as bars:
            written = run_job(job, command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)
        click.echo(demo_epilogue(job), nl=False)
