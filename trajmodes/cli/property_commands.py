"""Commands on properties of the crystal, and configurations, from force constants."""

from pathlib import Path
from typing import Any

from trajmodes.cli.options import argument, command, command_line
from trajmodes.cli.root import main
from trajmodes.cli.terminal import print_result, progress_bars
from trajmodes.config.job import values_of
from trajmodes.config.running import FOLDERS
from trajmodes.errors import UsageError


@command(main, argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def thermo(force_constants: str, **given: Any) -> str:
    """Calculate thermodynamics from force constants, quantum and classical.

    Free energy, energy, entropy, heat capacity, density of states, mean square displacements
    and Debye temperatures. Of the folder of a projected run, the displacements of the run too.
    """
    from trajmodes.pipeline.thermo.properties import thermo_job
    from trajmodes.report.summary import show_results

    values = values_of("thermo", given)
    values["output"] = values["output"] or FOLDERS["thermo"]
    return show_results(*thermo_job(force_constants, values, command=command_line()))


@command(main, argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def elastic(force_constants: str, **given: Any) -> str:
    """Calculate elastic constants and velocities of sound from force constants."""
    from trajmodes.pipeline.thermo.properties import elastic_job
    from trajmodes.report.summary import show_results

    values = values_of("elastic", given)
    values["output"] = values["output"] or FOLDERS["elastic"]
    return show_results(*elastic_job(force_constants, values, command=command_line()))


@command(
    main,
    argument("sources", nargs=-1, required=True, metavar="FOLDER | FORCE_CONSTANTS | TABLE …"),
)
def bvk(sources: tuple[str, ...], **given: Any) -> str:
    """Find Born–von Kármán constants of neighbour shells, and compare models.

    A source has force constants, or is a table of constants (TOML), or a table of measured
    frequencies (CSV), to which constants are fitted. The force constants of the shells of the
    first source are written for all other commands. Fits at several temperatures are
    extrapolated to 0 K.
    """
    from trajmodes.pipeline.potentials.born_von_karman import bvk_job
    from trajmodes.report.summary import show_results

    values = values_of("bvk", given)
    values["output"] = values["output"] or FOLDERS["bvk"]
    first, *others = sources
    values["compare"] = (*others, *values["compare"])
    return show_results(*bvk_job(first, values, command=command_line()))


@command(main, argument("files", nargs=-1, required=True, metavar="FILE..."))
def potential(files: tuple[str, ...], **given: Any) -> str:
    """Calculate force constants and phonons of a potential, and compare fits with it.

    FILE is an embedded-atom potential as LAMMPS reads it, a shell model (.toml, or .lib of
    GULP), a Stillinger–Weber potential (.sw), or a text file with the commands pair_style,
    pair_coeff of any potential of LAMMPS, whose forces are differentiated. Several files of
    one element each (funcfl) are the potential of an alloy. The crystal is that of --structure
    or --cell, or that of the first model of --compare: a fit is compared at its own volume.
    """
    from trajmodes.pipeline.potentials.analytic import potential_job
    from trajmodes.report.summary import show_results

    values = values_of("potential", given)
    values["output"] = values["output"] or FOLDERS["potential"]
    return show_results(*potential_job(files, values, command=command_line()))


@command(
    main,
    argument("runs", nargs=-1, required=True, metavar="FOLDER | FORCE_CONSTANTS | FILE…"),
)
def series(runs: tuple[str, ...], **given: Any) -> str:
    """Combine runs of one crystal at several temperatures.

    Force constants, frequencies, linewidths and lattice parameters as functions of T, with
    error bars; soft modes; force constants at temperatures in between. A run is a folder of
    results, or a file of force constants; a trajectory or a job file is fitted first.
    """
    from trajmodes.pipeline.thermo.series import series_job
    from trajmodes.report.summary import show_results

    values = values_of("series", given)
    values["output"] = values["output"] or FOLDERS["series"]
    with progress_bars() as bars:
        written = series_job(runs, values, command=command_line(), bars=bars)
    return show_results(*written)


@command(
    main,
    argument("folders", nargs=-1, required=True, metavar="FOLDER | FORCE_CONSTANTS..."),
)
def quasiharmonic(folders: tuple[str, ...], **given: Any) -> str:
    """Calculate thermal expansion, moduli and heat capacities from several volumes.

    Each argument has the force constants of one crystal at a volume; several of one volume are
    of runs at different temperatures. Three volumes are needed, four or more recommended.
    """
    from trajmodes.pipeline.thermo.quasiharmonic import quasiharmonic_job
    from trajmodes.report.summary import show_results

    values = values_of("quasiharmonic", given)
    values["output"] = values["output"] or FOLDERS["quasiharmonic"]
    return show_results(*quasiharmonic_job(folders, values, command=command_line()))


@command(
    main,
    argument("sources", nargs=-1, required=True, metavar="POTENTIAL | FOLDER..."),
)
def qha(sources: tuple[str, ...], **given: Any) -> str:
    """Minimise the Gibbs energy of a potential over cell and positions, by temperature.

    POTENTIAL is a file, or several, as for `trajmodes potential`: lattice parameters, thermal
    expansion, moduli and heat capacities, by several schemes. Several folders of force
    constants are treated as by `trajmodes quasiharmonic`, which has more options for them:
    --energies, --order, --equation.
    """
    from trajmodes.report.summary import show_results

    line = command_line()
    if len(sources) == 1 or all(Path(one).is_file() for one in sources):
        from trajmodes.pipeline.potentials.quasiharmonic import qha_job

        values = values_of("qha", given)
        values["output"] = values["output"] or FOLDERS["qha"]
        return show_results(*qha_job(sources, values, command=line))
    from trajmodes.pipeline.thermo.quasiharmonic import quasiharmonic_job

    values = values_of("quasiharmonic", given)
    is_given = {name for name, one in given.items() if one not in (None, ())}
    others = sorted(is_given - values.keys())
    if others:
        raise UsageError(
            f"--{others[0].replace('_', '-')} is an option for a potential",
            where=", ".join(sources),
            fix="leave it out, or give the file of a potential; several folders take the "
            "options of trajmodes quasiharmonic",
        )
    values["output"] = values["output"] or FOLDERS["qha"]
    return show_results(*quasiharmonic_job(sources, values, command=line))


@command(
    main,
    argument("first", metavar="FOLDER"),
    argument("second", metavar="FOLDER"),
)
def phases(first: str, second: str, **given: Any) -> str:
    """Find the temperatures at which two phases have the same Gibbs free energy.

    The folders are those of `trajmodes quasiharmonic`, with the same temperatures and
    pressures, and energies on one scale.
    """
    from trajmodes.pipeline.thermo.phases import phases_job
    from trajmodes.report.summary import show_results

    output = values_of("phases", given)["output"] or FOLDERS["phases"]
    found = phases_job(first, second, output, command=command_line())
    return show_results(found.dataset, found.files)


@command(main, argument("folder", metavar="FOLDER"))
def free_energy(folder: str, **given: Any) -> str:
    """Calculate the free energy of a run from its potential energies.

    FOLDER is that of its fit; the trajectories are read again. The mean of the energy beyond
    that of the force constants and its fluctuations are added to their free energy.
    """
    from trajmodes.pipeline.thermo.free_energy import free_energy_job
    from trajmodes.report.summary import show_results

    values = values_of("free-energy", given)
    values["output"] = values["output"] or FOLDERS["free-energy"]
    with progress_bars() as bars:
        found = free_energy_job(folder, values, command=command_line(), bars=bars)
    return show_results(*found)


@command(main, argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def spectral_function(force_constants: str, **given: Any) -> str:
    """Calculate spectral functions of modes from third-order force constants.

    Self-energies of three-phonon scattering, classical and quantum, the form of the lines, and
    their widths (needs phono3py). With the results of a projected run, its spectra beside.
    """
    from trajmodes.pipeline.scattering.spectral_function import spectral_function_job
    from trajmodes.report.summary import show_results

    values = values_of("spectral-function", given)
    values["output"] = values["output"] or FOLDERS["spectral-function"]
    line = command_line()
    return show_results(*spectral_function_job(force_constants, values, command=line))


@command(main, argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def one_phonon(force_constants: str, **given: Any) -> str:
    """Calculate the one-phonon structure factor S(Q, ω) of force constants.

    Quantum or classical, with the Debye–Waller factor, for neutrons or X-rays.
    """
    from trajmodes.pipeline.scattering.one_phonon import one_phonon_job
    from trajmodes.report.summary import show_results

    values = values_of("one-phonon", given)
    values["output"] = values["output"] or FOLDERS["one-phonon"]
    return show_results(*one_phonon_job(force_constants, values, command=command_line()))


@command(main, argument("force_constants", metavar="FOLDER | FORCE_CONSTANTS"))
def sample(force_constants: str, **given: Any) -> str:
    """Draw configurations from the canonical distribution of force constants.

    They are independent, classical or quantum, and written for LAMMPS, VASP, or as extended
    XYZ. Force constants that are fitted to their forces are self-consistent phonons.
    """
    from trajmodes.pipeline.thermo.sampling import sample_job

    return sample_job(force_constants, **values_of("sample", given))


@command(main, argument("start", metavar="FOLDER | FORCE_CONSTANTS | CELL"))
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
