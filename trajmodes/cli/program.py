"""The program ``trajmodes``: its commands call the pipeline and return the text to print."""

import gc
import os
import sys
from typing import Any

import click

from trajmodes import __version__
from trajmodes.cli.demo import demo_epilogue, demo_job, demo_prologue
from trajmodes.cli.options import command, command_line, done, given_job
from trajmodes.cli.terminal import print_result, progress_bars
from trajmodes.config.groups import FOLDERS
from trajmodes.config.job import values_of
from trajmodes.errors import DataError

TRAJECTORY = click.argument("trajectory", nargs=-1, required=True, metavar="FILE... | JOB.toml")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="trajmodes")
def main() -> None:
    """Phonons at temperature, from a molecular-dynamics trajectory.

    \b
    Analyse a run
      trajmodes demo                                   see it work on a bundled run
      trajmodes check run.lammpstrj --cell POSCAR      does the file fit the crystal?
      trajmodes run   run.lammpstrj --cell POSCAR      force constants, energies, lifetimes
      trajmodes show  results/results.nc               the main results

    \b
    Force constants
      trajmodes fit   a/*.lammpstrj b/*.lammpstrj …    force constants alone, of several runs
      trajmodes scan  fit/                             which cutoff, which order, how long a run
      trajmodes export fit/ --to phono3py              for phonopy, ShengBTE, TDEP, ALAMODE, …

    \b
    Modes and spectra
      trajmodes project run.xyz --force-constants fit/ energies, lifetimes of given modes
      trajmodes modes modes/results.nc                 the table of all modes
      trajmodes movie fit/ "1/2 1/2 0:4"               a mode as extended XYZ
      trajmodes molecule run.xyz                       modes of a molecule or cluster
      trajmodes sed   run.lammpstrj --path auto        spectral energy density along a path
      trajmodes sqw   run.lammpstrj --to 4,0,0         dynamic structure factor S(Q, ω)
      trajmodes one-phonon fit/ --to 4,0,0             one-phonon S(Q, ω), such as of neutrons
      trajmodes spectral-function fit/                 lines of the modes from third order

    \b
    Properties of the crystal
      trajmodes thermo fit/                            free energy, entropy, heat capacity, ⟨u²⟩
      trajmodes elastic fit/                           elastic constants, velocities of sound
      trajmodes series T100/ T300/ T600/               frequencies, widths as functions of T
      trajmodes quasiharmonic V1/ V2/ V3/ V4/          thermal expansion, C_p, bulk modulus
      trajmodes phases a_qha/ b_qha/                   where two phases have the same G
      trajmodes free-energy fit/ --energies log.lammps free energy of the run, by order

    \b
    Configurations
      trajmodes sample fit/ --temperature 300          configurations in thermal equilibrium
      trajmodes sctdep fit/ --lammps "pair_style …"    self-consistent phonons, without a run
    """  # noqa: D301 - click wants the very character \b
    # Imports make very many objects that stay. By default the collector of reference cycles
    # looks through all of them again and again: a tenth of the time of a short command.
    gc.set_threshold(10_000, 10, 10)
    # A primitive cell is sought with many tolerances; spglib would warn of each failure.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")


@command(main, TRAJECTORY)
def check(**given: Any) -> str:
    """Match a trajectory to its crystal, and report what it is suited for and what is wrong."""
    from trajmodes.pipeline.check import show_check
    from trajmodes.pipeline.job_folder import Log
    from trajmodes.pipeline.load import load

    with progress_bars() as bars:
        run = load(given_job("check", given), log=Log(bars))
    if not run.diagnosis.usable:
        print_result(show_check(run))
        sys.exit(DataError.exit_code)
    return show_check(run)


@command(main, TRAJECTORY)
def run(**given: Any) -> str:
    """Fit force constants, project the run on its modes, and write the results.

    Options given beside a job file replace those in it.
    """
    from trajmodes.pipeline.run import run_job
    from trajmodes.report.summary import show_results

    return show_results(*done("run", run_job, given))


@command(main, TRAJECTORY)
def fit(**given: Any) -> str:
    """Fit force constants to one or several runs, or to any displacements and forces.

    Files are LAMMPS dumps, extended XYZ, what ASE and MDAnalysis read, phonopy or phono3py
    yaml, infiles of TDEP, or a DFSET of ALAMODE. Folders and time steps decide which files
    are parts of one run.
    """
    from trajmodes.pipeline.run import fit_job
    from trajmodes.report.summary import show_results

    return show_results(*done("fit", fit_job, given))


@command(main, TRAJECTORY)
def project(**given: Any) -> str:
    """Project a run on the modes of given force constants.

    One pass over the run gives energies, spectra, lifetimes and densities of all modes.
    """
    from trajmodes.pipeline.project_job import project_job
    from trajmodes.report.summary import show_results

    return show_results(*done("project", project_job, given))


@command(main, TRAJECTORY)
def sed(**given: Any) -> str:
    """Map the spectral energy density along a path through the zone.

    With --force-constants the map is resolved by branch, and the bands are drawn over it.
    """
    from trajmodes.pipeline.scattering.sed import sed_job, show_sed

    return show_sed(*done("sed", sed_job, given))


@command(main, TRAJECTORY)
def sqw(**given: Any) -> str:
    """Calculate the coherent dynamic structure factor S(Q, ω) along a line or in a plane.

    All Q that the supercell admits there are taken. With --force-constants the one-phonon
    scattering of these is drawn beside it.
    """
    from trajmodes.pipeline.scattering.structure_factor import structure_factor_job
    from trajmodes.pipeline.thermo.properties import show_properties

    return show_properties(*done("sqw", structure_factor_job, given))


@command(main, TRAJECTORY)
def molecule(**given: Any) -> str:
    """Find the modes of a molecule or a cluster, without periodicity.

    Rotation and drift are removed in the Eckart frame.
    """
    from trajmodes.pipeline.molecule_job import molecule_job, show_molecule

    return show_molecule(*done("molecule", molecule_job, given))


@command(main, click.argument("results", metavar="RESULTS.nc | FOLDER"))
def modes(results: str, **given: Any) -> str:
    """Print a table of all modes: q, branch, frequencies, temperature, linewidth, lifetimes."""
    from trajmodes.report.summary import show_modes

    values = values_of("modes", given)
    return show_modes(results, sort=values["sort"], only_resolved=values["resolved"])


@command(
    main,
    click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"),
    click.argument("mode", metavar='"Q:BRANCH"'),
)
def movie(force_constants: str, mode: str, **given: Any) -> str:
    """Write one period of a mode as extended XYZ, such as "1/2 1/2 0:4" or "X:4".

    Branches count from 1. An earlier movie is replaced; any other file is not.
    """
    from trajmodes.pipeline.after_fit import movie_job

    return movie_job(force_constants, mode, **values_of("movie", given))


@command(main, click.argument("normal_equations", metavar="NORMAL_EQUATIONS | FOLDER"))
def scan(normal_equations: str, **given: Any) -> str:
    """Repeat a fit with other cutoffs, orders and constraints, and with parts of the run.

    The normal equations that a fit has written are used; the trajectory is not read again.
    """
    from trajmodes.pipeline.after_fit import scan_rows, show_scan, write_scan
    from trajmodes.pipeline.load import read_normal_equations

    values = values_of("scan", given)
    rows = scan_rows(
        read_normal_equations(normal_equations),
        values["scheme"],
        no_constant_force=values["no_constant_force"],
    )
    print_result(show_scan(rows))
    return "" if values["output"] is None else write_scan(rows, values["output"])


@command(main, click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def thermo(force_constants: str, **given: Any) -> str:
    """Calculate thermodynamics from force constants, quantum and classical.

    Free energy, energy, entropy, heat capacity, density of states, mean square displacements
    and Debye temperatures. Of the folder of a projected run, the displacements of the run too.
    """
    from trajmodes.pipeline.thermo.properties import show_properties, thermo_job

    values = values_of("thermo", given)
    values["output"] = values["output"] or FOLDERS["thermo"]
    return show_properties(*thermo_job(force_constants, values, command=command_line()))


@command(main, click.argument("folder", metavar="FOLDER"))
def free_energy(folder: str, **given: Any) -> str:
    """Calculate the free energy of a run from its potential energies.

    FOLDER is that of its fit; the trajectories are read again. The mean of the energy beyond
    that of the force constants and its fluctuations are added to their free energy.
    """
    from trajmodes.pipeline.thermo.free_energy import free_energy_job
    from trajmodes.pipeline.thermo.properties import show_properties

    values = values_of("free-energy", given)
    values["output"] = values["output"] or FOLDERS["free-energy"]
    with progress_bars() as bars:
        found = free_energy_job(folder, values, command=command_line(), bars=bars)
    return show_properties(*found)


@command(main, click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def one_phonon(force_constants: str, **given: Any) -> str:
    """Calculate the one-phonon structure factor S(Q, ω) of force constants.

    Quantum or classical, with the Debye–Waller factor, for neutrons or X-rays.
    """
    from trajmodes.pipeline.scattering.one_phonon import one_phonon_job
    from trajmodes.pipeline.thermo.properties import show_properties

    values = values_of("one-phonon", given)
    values["output"] = values["output"] or FOLDERS["one-phonon"]
    return show_properties(*one_phonon_job(force_constants, values, command=command_line()))


@command(main, click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def elastic(force_constants: str, **given: Any) -> str:
    """Calculate elastic constants and velocities of sound from force constants."""
    from trajmodes.pipeline.thermo.properties import elastic_job, show_properties

    values = values_of("elastic", given)
    values["output"] = values["output"] or FOLDERS["elastic"]
    return show_properties(*elastic_job(force_constants, values, command=command_line()))


@command(
    main,
    click.argument("runs", nargs=-1, required=True, metavar="FOLDER | FORCE_CONSTANTS | FILE…"),
)
def series(runs: tuple[str, ...], **given: Any) -> str:
    """Combine runs of one crystal at several temperatures.

    Force constants, frequencies, linewidths and lattice parameters as functions of T, with
    error bars; soft modes; force constants at temperatures in between. A run is a folder of
    results, or a file of force constants; a trajectory or a job file is fitted first.
    """
    from trajmodes.pipeline.thermo.series import series_job, show_series

    values = values_of("series", given)
    values["output"] = values["output"] or FOLDERS["series"]
    with progress_bars() as bars:
        written = series_job(runs, values, command=command_line(), bars=bars)
    return show_series(*written)


@command(
    main,
    click.argument("folders", nargs=-1, required=True, metavar="FOLDER | FORCE_CONSTANTS..."),
)
def quasiharmonic(folders: tuple[str, ...], **given: Any) -> str:
    """Calculate thermal expansion, moduli and heat capacities from several volumes.

    Each argument has the force constants of one crystal at a volume; several of one volume are
    of runs at different temperatures. Three volumes are needed, four or more recommended.
    """
    from trajmodes.pipeline.thermo.properties import show_properties
    from trajmodes.pipeline.thermo.quasiharmonic import quasiharmonic_job

    values = values_of("quasiharmonic", given)
    values["output"] = values["output"] or FOLDERS["quasiharmonic"]
    return show_properties(*quasiharmonic_job(folders, values, command=command_line()))


@command(
    main,
    click.argument("first", metavar="FOLDER"),
    click.argument("second", metavar="FOLDER"),
)
def phases(first: str, second: str, **given: Any) -> str:
    """Find the temperatures at which two phases have the same Gibbs free energy.

    The folders are those of `trajmodes quasiharmonic`, with the same temperatures and
    pressures, and energies on one scale.
    """
    from trajmodes.pipeline.thermo.phases import phases_job

    output = values_of("phases", given)["output"] or FOLDERS["phases"]
    return phases_job(first, second, output)[1]


@command(main, click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def spectral_function(force_constants: str, **given: Any) -> str:
    """Calculate spectral functions of modes from third-order force constants.

    Self-energies of three-phonon scattering, classical and quantum, the form of the lines, and
    their widths (needs phono3py). With the results of a projected run, its spectra beside.
    """
    from trajmodes.pipeline.scattering.spectral_function import spectral_function_job
    from trajmodes.pipeline.thermo.properties import show_properties

    values = values_of("spectral-function", given)
    values["output"] = values["output"] or FOLDERS["spectral-function"]
    line = command_line()
    return show_properties(*spectral_function_job(force_constants, values, command=line))


@command(main, click.argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def sample(force_constants: str, **given: Any) -> str:
    """Draw configurations from the canonical distribution of force constants.

    They are independent, classical or quantum, and written for LAMMPS, VASP, or as extended
    XYZ. Force constants that are fitted to their forces are self-consistent phonons.
    """
    from trajmodes.pipeline.thermo.sampling import sample_job

    return sample_job(force_constants, **values_of("sample", given))


@command(main, click.argument("start", metavar="FOLDER | FORCE_CONSTANTS | CELL"))
def sctdep(start: str, **given: Any) -> str:
    """Find self-consistent force constants by LAMMPS, without molecular dynamics.

    Configurations are drawn from the force constants, LAMMPS gives their forces, and force
    constants are fitted to these, until they settle within their errors.
    """
    from trajmodes.pipeline.thermo.self_consistent import self_consistent_job, show_iterations
    from trajmodes.report.summary import show_results

    values = values_of("sctdep", given)
    values["output"] = values["output"] or FOLDERS["sctdep"]
    with progress_bars() as bars:
        written, iterations = self_consistent_job(
            start, values, command=command_line(), bars=bars
        )
    print_result(show_iterations(iterations))
    return show_results(*written)


@command(main, click.argument("folder", metavar="FOLDER"))
def export(folder: str, **given: Any) -> str:
    """Write the force constants of a fit for other programs."""
    from trajmodes.pipeline.after_fit import export_job, show_export

    values = values_of("export", given)
    return show_export(export_job(folder, values["to"], values["output"]))


@command(main, click.argument("results", metavar="RESULTS.nc"))
def show(results: str) -> str:
    """Print the main results of a run."""
    from trajmodes.report.summary import show_file

    return show_file(results)


@command(main)
def demo(output: str | None) -> str:
    """Run the main job on a bundled LAMMPS run of bcc zirconium, and explain it."""
    from trajmodes.pipeline.run import run_job
    from trajmodes.report.summary import show_results

    job = demo_job(output or FOLDERS["demo"])
    print_result(demo_prologue(job))
    with progress_bars() as bars:
        written = run_job(job, command=command_line(), bars=bars)
    return show_results(*written) + demo_epilogue(job)
