"""`trajmodes free-energy`: the free energy of runs from their energies and force constants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.config.job import Job, job_of
from trajmodes.config.polar import PolarOptions
from trajmodes.data.energies import EnergyDifferences, FreeEnergy
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.results import CrystalProperties, Provenance
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.check.requirements import require_usable
from trajmodes.pipeline.job_folder import JOB_FILES, Log, StartBar, no_bars, versions
from trajmodes.pipeline.load import LoadedRun, load_runs, read_force_constants
from trajmodes.pipeline.project_job import Given, run_on_constants
from trajmodes.pipeline.thermo.energies import Energies, energies_of_runs
from trajmodes.pipeline.thermo.properties import mesh_of, unstable_warnings, written_properties
from trajmodes.project.projector import Projector
from trajmodes.streaming.schedule import stream
from trajmodes.streaming.workers import scheduled_on
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.free_energy.anharmonic import anharmonic_reference
from trajmodes.thermo.free_energy.differences import EnergyReduction, matrix_changes
from trajmodes.thermo.free_energy.harmonic import (
    HarmonicPart,
    commensurate_free_energy,
    harmonic_free_energy,
)
from trajmodes.thermo.free_energy.higher_orders import higher_orders
from trajmodes.thermo.free_energy.terms import (
    free_energy_terms,
    merged,
    resolved_order,
    sums_changes,
    total_sem,
)
from trajmodes.thermo.sampling import harmonic_ensemble


class Measured(NamedTuple):
    """Free energy of runs, and notes on them."""

    found: FreeEnergy
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]


def free_energy_job(
    folder: str, values: Mapping[str, Any], *, command: str, bars: StartBar = no_bars
) -> tuple[xr.Dataset, dict[str, str]]:
    """Free energy of the runs to which the force constants of a folder were fitted.

    Parameters
    ----------
    folder
        Folder of `trajmodes fit` or `trajmodes run`, whose trajectories are read again. The
        trajectories of an earlier fit that was continued by --append are read too.
    values
        Values of the options of `trajmodes free-energy`.
    command
        The command line.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If the folder has no job, or the results would replace a file that trajmodes did not
        write.
    DataError
        If a run is of another crystal, or the energies are not those of the frames, or too few.
    """
    constants = read_force_constants(folder)
    log = Log(bars)
    runs = [
        run
        for job in _jobs(Path(folder))
        for run in load_runs(job, log=log, crystal=constants.crystal)
    ]
    with scheduled_on(values["scheduler"]):
        measured = free_energy_of(
            runs, constants, values["energies"], values["mesh"], log=log, bars=bars
        )
    properties = CrystalProperties(
        constants,
        Provenance(versions(), (), command, ""),
        free_energy=measured.found,
        warnings=measured.warnings,
        notes=measured.notes,
    )
    return written_properties(properties, values["output"], folder, {})


def free_energy_of(
    runs: Sequence[LoadedRun],
    constants: ForceConstants,
    energies: Energies,
    mesh: int | str,
    *,
    log: Log | None = None,
    bars: StartBar = no_bars,
) -> Measured:
    """Free energy of runs about force constants; see the job.

    Energies are nan where they are unknown.

    Raises
    ------
    DataError
        If a run is not of a perfect crystal.
    """
    for run in runs:
        _require_perfect(run)
    kelvin = runs[0].job.phonons.temperature or constants.temperature
    if kelvin is None:
        raise DataError(
            "the temperature of the run is not known", fix="give it: --temperature of the fit"
        )
    matched = [_on_constants(run, constants, log or Log()) for run in runs]
    notes = tuple(dict.fromkeys(note for one in matched for note in one.notes))
    first = matched[0]
    supercell, constants = first.run.supercell, first.constants
    for one in matched[1:]:
        if not np.array_equal(one.run.supercell.matrix, supercell.matrix):
            raise DataError(
                f"the runs have supercells of {supercell.n_atoms} and "
                f"{one.run.supercell.n_atoms} atoms, or of different shape",
                why="the fluctuations of the energy are those of one supercell",
                fix="take the runs of one supercell: fit them in a folder of their own",
            )
    parts = energies_of_runs([one.run for one in matched], energies)
    space, n_atoms = half_space(supercell), supercell.n_atoms
    modes = modes_at(constants, space.qpoints, space.weights)
    own = commensurate_free_energy(modes, kelvin) / n_atoms
    higher = higher_orders(constants, supercell)
    projector, changes = Projector(space, modes), matrix_changes(constants, modes)
    streamed = []
    for one, energies_t in zip(matched, parts, strict=True):
        run = one.run
        streamed.append(
            stream(
                run.motion,
                run.blocks,
                EnergyReduction(projector, energies_t, higher, changes),
                workers=run.job.running.workers,
                progress=bars("energies", run.n_frames),
            )
        )
    differences = EnergyDifferences.joined(streamed)
    divisions = mesh_of(constants, mesh)
    harmonic = harmonic_free_energy(constants, divisions, kelvin)
    terms = free_energy_terms(differences.harmonic, kelvin, n_atoms)
    n_sites = constants.crystal.n_sites
    found = FreeEnergy(
        terms=terms,
        mesh=divisions,
        harmonic=harmonic.values / n_sites,
        harmonic_sem=_harmonic_sem(harmonic) / n_sites,
        commensurate=own,
        total_sem=_total_sem(differences, kelvin, harmonic, supercell.n_cells) / n_atoms,
        order=resolved_order(terms),
        left_out=harmonic.left_out,
        energies=differences,
        anharmonic=None
        if higher is None
        else anharmonic_reference(
            differences, higher, harmonic_ensemble(constants, supercell, kelvin)
        ),
        sums_changes=None
        if differences.changes is None
        else sums_changes(differences.harmonic, kelvin, differences.changes) / n_atoms,
    )
    return Measured(found, unstable_warnings(harmonic.left_out, constants), notes)


class _Matched(NamedTuple):
    run: LoadedRun
    constants: ForceConstants
    notes: tuple[Note, ...]


def _require_perfect(run: LoadedRun) -> None:
    """Raise a DataError if sites are empty, or have other elements or masses."""
    occupation, supercell = run.match.occupation, run.supercell
    if occupation is None or (
        occupation.only_isotopes and np.array_equal(occupation.masses, supercell.masses)
    ):
        return
    raise DataError(
        "the run is not of a perfect crystal",
        why="the free energy of the force constants is that of the crystal with all its atoms",
        fix="take a run of the perfect crystal",
    )


def _on_constants(run: LoadedRun, constants: ForceConstants, log: Log) -> _Matched:
    """Match a run to the crystal of the force constants, as `trajmodes project` does."""
    # The force constants have the charges already.
    job = replace(run.job, polar=PolarOptions())
    found = _Matched(*run_on_constants(job, log=log, given=Given(constants, run.trajectory)))
    require_usable(found.run, ["all"])
    return found


def _total_sem(
    differences: EnergyDifferences, kelvin: float, harmonic: HarmonicPart, n_cells: int
) -> Floats:
    """(2, 3) error in eV of the supercell."""
    if differences.changes is None:
        unchanged = np.zeros((min(32, len(differences.harmonic)), 1))
        of_harmonic = np.zeros((2, len(unchanged)))
        return total_sem(differences.harmonic, kelvin, unchanged, of_harmonic)
    of_harmonic = n_cells * harmonic.changes
    while of_harmonic.shape[1] > len(differences.changes):
        of_harmonic = merged(of_harmonic.T).T
    return total_sem(differences.harmonic, kelvin, differences.changes, of_harmonic)


def _harmonic_sem(harmonic: HarmonicPart) -> Floats:
    if not harmonic.changes.shape[1]:
        return np.full(2, np.nan)
    return jackknife_sem(harmonic.changes.T)


def _jobs(folder: Path) -> list[Job]:
    """Jobs of the runs that were fitted in a folder, those of earlier fits first."""
    jobs: list[Job] = []
    seen: set[Path] = set()
    while True:
        file = folder / JOB_FILES[0]
        if not file.is_file():
            raise UsageError(
                "there is no job whose trajectory could be read again",
                where=str(folder),
                why=f"there is no {file.name}",
                fix="give the folder that `trajmodes fit` or `trajmodes run` wrote",
            )
        if file.resolve() in seen:
            raise UsageError(
                "the runs of the earlier fit are not known any more",
                where=str(folder),
                why="the fit that was continued by --append replaced its own folder",
                fix="fit all runs at once, or give --append the folder of another fit",
            )
        seen.add(file.resolve())
        jobs.insert(0, job_of("fit", [str(file)], {}))
        earlier = jobs[0].fit.append
        if earlier is None:
            return jobs
        folder = Path(earlier) if Path(earlier).is_dir() else Path(earlier).parent
