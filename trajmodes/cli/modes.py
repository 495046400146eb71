"""The commands about modes: project a run on given force constants, and look at the results."""

from typing import Any

import click

from trajmodes.cli.exits import ending
from trajmodes.cli.options import Command, command_line, given_job, takes_options
from trajmodes.cli.progress import progress_bars
from trajmodes.config.job import values_of


@click.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("project")
def project(**given: Any) -> None:
    """Project a run on the modes of given force constants.

    One pass over the run gives energies, spectra, lifetimes and densities of all modes.
    """
    with ending():
        from trajmodes.pipeline.project_job import project_job
        from trajmodes.pipeline.show import show_results

        with progress_bars() as bars:
            job = given_job("project", given)
            written = project_job(job, command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@click.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("sed")
def sed(**given: Any) -> None:
    """Map the spectral energy density along a path through the zone.

    With --force-constants the map is resolved by branch, and the bands are drawn over it.
    """
    with ending():
        from trajmodes.pipeline.sed import sed_job, show_sed

        with progress_bars() as bars:
            job = given_job("sed", given)
            found, files = sed_job(job, command=command_line(), bars=bars)
        click.echo(show_sed(found, files), nl=False)


@click.command(cls=Command)
@click.argument("results", metavar="RESULTS.nc | FOLDER")
@takes_options("modes")
def modes(results: str, **given: Any) -> None:
    """Print a table of all modes: q, branch, frequencies, temperature, linewidth, lifetimes."""
    with ending():
        from trajmodes.pipeline.show import show_modes

        values = values_of("modes", given)
        text = show_modes(results, sort=values["sort"], only_resolved=values["resolved"])
        click.echo(text, nl=False)


@click.command(cls=Command)
@click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS")
@click.argument("mode", metavar='"Q:BRANCH"')
@takes_options("movie")
def movie(force_constants: str, mode: str, **given: Any) -> None:
    """Write one period of a mode as extended XYZ, such as "1/2 1/2 0:4" or "X:4".

    Branches count from 1. An earlier movie is replaced; any other file is not.
    """
    with ending():
        from trajmodes.pipeline.movie import movie_job

        text = movie_job(force_constants, mode, **values_of("movie", given))
        click.echo(text, nl=False)


@click.command(cls=Command)
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@takes_options("molecule")
def molecule(**given: Any) -> None:
    """Find the modes of a molecule or a cluster, without periodicity.

    Rotation and drift are removed in the Eckart frame.
    """
    with ending():
        from trajmodes.pipeline.molecule.job import molecule_job
        from trajmodes.pipeline.molecule.tables import show_molecule

        with progress_bars() as bars:
            job = given_job("molecule", given)
            written = molecule_job(job, command=command_line(), bars=bars)
        click.echo(show_molecule(*written), nl=False)
