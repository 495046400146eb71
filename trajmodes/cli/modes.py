"""The commands about single modes: project a run on given constants, and look at what came."""

from typing import Any

import click

from trajmodes.cli.command_line import command_line
from trajmodes.cli.exits import ending
from trajmodes.cli.options import (
    constants_option,
    input_options,
    molecule_options,
    output_option,
    path_option,
    perturbation_option,
    project_options,
    temperature_option,
    workers_option,
)
from trajmodes.cli.progress import progress_bars

__all__ = ["modes", "molecule", "movie", "project", "sed"]


@click.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@input_options
@constants_option
@project_options
@perturbation_option
@temperature_option
@path_option
@output_option("modes")
def project(**given: Any) -> None:
    """Project a run on the modes of given force constants.

    One pass: energies, spectra, lifetimes, densities of every mode, without fitting anew.
    """
    with ending():
        from trajmodes.pipeline import job_of, project_job, show_results

        with progress_bars() as bars:
            job = job_of(given, output="modes")
            written = project_job(job, command=command_line(), bars=bars)
        click.echo(show_results(*written), nl=False)


@click.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")
@input_options
@constants_option
@path_option
@click.option("--resolution-thz", type=float, metavar="THZ", help="Resolution of the spectra.")
@workers_option
@output_option("sed")
def sed(**given: Any) -> None:
    """Map the spectral energy density along a path through the zone.

    With --constants the bands are drawn over it, and each branch has a map of its own.
    """
    with ending():
        from trajmodes.pipeline import job_of, sed_job, show_sed

        with progress_bars() as bars:
            job = job_of(given, output="sed")
            found, files = sed_job(job, command=command_line(), bars=bars)
        click.echo(show_sed(found, files), nl=False)


@click.command()
@click.argument("results", metavar="RESULTS.nc | FOLDER")
@click.option(
    "--sort",
    type=click.Choice(["q", "frequency", "lifetime"]),
    default="q",
    help="Order of the rows [q].",
)
@click.option("--resolved", is_flag=True, help="Only sets with a lifetime.")
def modes(results: str, sort: Any, resolved: bool) -> None:  # noqa: FBT001 - click calls it
    """Tell all modes: q, branch, frequencies, temperature, linewidth, lifetimes, verdict."""
    with ending():
        from trajmodes.pipeline import show_modes

        click.echo(show_modes(results, sort=sort, only_resolved=resolved), nl=False)


@click.command()
@click.argument("constants", metavar="FOLDER | CONSTANTS")
@click.argument("mode", metavar='"Q:BRANCH"')
@click.option("--frames", type=click.IntRange(2), default=40, help="Frames in a period [40].")
@click.option(
    "--amplitude", type=float, metavar="Å", help="Largest displacement [0.3, unless at T]."
)
@click.option(
    "--temperature", type=float, metavar="K", help="Amplitude of the mode at this temperature."
)
@click.option("-o", "--output", metavar="FILE", default="mode.xyz", help="File [mode.xyz].")
def movie(constants: str, mode: str, **options: Any) -> None:
    """Write one period of a mode as extended XYZ, such as "1/2 1/2 0:4" or "X:4".

    Branches count from 1. An earlier movie gives way; any other file does not.
    """
    with ending():
        from trajmodes.pipeline import movie_job

        click.echo(movie_job(constants, mode, **options), nl=False)


@click.command()
@click.argument("trajectory", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--reference",
    metavar="FILE",
    help="Geometry that displacements are counted from, atoms in the order of the run; by "
    "default the average structure.",
)
@click.option(
    "--hessian",
    metavar="FILE",
    help="Second derivatives in eV/Å² at the reference (.npy or text); by default fitted.",
)
@click.option(
    "--series", is_flag=True, help="Write positions and velocities of the modes, every frame."
)
@molecule_options
@output_option("modes")
def molecule(
    reference: str | None,
    hessian: str | None,
    series: bool,  # noqa: FBT001 - click calls it
    **given: Any,
) -> None:
    """Find the modes of a molecule or a cluster, without periodicity.

    Rotation and drift are taken off in the Eckart frame.
    """
    with ending():
        from trajmodes.pipeline import MoleculeFiles, job_of, molecule_job, show_molecule

        files = MoleculeFiles(reference, hessian, series)
        with progress_bars() as bars:
            job = job_of(given, output="modes")
            written = molecule_job(job, files, command=command_line(), bars=bars)
        click.echo(show_molecule(*written), nl=False)
