"""The commands. They parse, call the pipeline and show what it returns; no more."""

import shlex
import sys
from typing import Any

import click

from trajmodes import __version__
from trajmodes.cli.exits import ending
from trajmodes.cli.options import input_options, output_option, run_options
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
    trajmodes show  results/results.nc               what came out
    """  # noqa: D301 - click wants the very character \b


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
@output_option("results")
def run(**given: Any) -> None:
    """Fit force constants, project the run on its modes, and write the results.

    Options given beside a job file take the place of its settings.
    """
    with ending():
        from trajmodes.pipeline import job_of, run_job, show_results

        with progress_bars() as bars:
            written = run_job(job_of(given), command=_command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


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
            written = run_job(job, command=_command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)
        click.echo(demo_epilogue(job), nl=False)


def _command_line() -> str:
    return shlex.join(["trajmodes", *sys.argv[1:]])
