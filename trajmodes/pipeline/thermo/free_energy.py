"""`trajmodes free-energy`: the free energy of a run from its energies and force constants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.job import Job, job_of
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.thermo import FreeEnergy, ThermalFunctions
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.check import require_usable
from trajmodes.pipeline.job_folder import JOB_FILES, Log, StartBar, no_bars, require_no_results
from trajmodes.pipeline.load import LoadedRun, load, read_force_constants
from trajmodes.pipeline.thermo.properties import mesh_of
from trajmodes.project.energies.harmonic_energy import HarmonicEnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.readers.energies import LAMMPS_STYLES, energies_of_frames, read_energies
from trajmodes.results.folder import Writer, open_folder, write_files
from trajmodes.results.tables import Table
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.free_energy import free_energy_terms, resolved_order
from trajmodes.thermo.functions import classical_functions, quantum_functions
from trajmodes.thermo.sampling import RIGID
from trajmodes.thermo.thermodynamics import thermodynamics

_TABLE = "free_energy.csv"
_STATISTICS = ("classical", "quantum")


def free_energy_job(
    folder: str, values: Mapping[str, Any], *, bars: StartBar = no_bars
) -> tuple[FreeEnergy, str]:
    """Free energy of the run that the force constants of a folder were fitted to.

    Parameters
    ----------
    folder
        Folder of `trajmodes fit` or `trajmodes run`, whose trajectory is read again.
    values
        Values of the options of `trajmodes free-energy`.

    Returns
    -------
    found
        The free energy.
    text
        A summary for the terminal, with the file that was written.

    Raises
    ------
    UsageError
        If the folder has no job, several runs were fitted, or it holds results to be replaced.
    DataError
        If the energies are not those of the frames, or too few.
    """
    root = Path(values["output"])
    require_no_results(root)
    constants = read_force_constants(folder)
    run = load(_job(Path(folder)), log=Log(bars), crystal=constants.crystal)
    require_usable(run, ["all"])
    found = free_energy_of(run, constants, values["energies"], values["mesh"], bars=bars)
    writers = {_TABLE: Writer("free energy by order", _table(found).write)}
    with open_folder(root) as opened:
        write_files(opened, writers)
    return found, f"{_summary(found)}\n{root / _TABLE}: free energy by order\n"


def free_energy_of(
    run: LoadedRun,
    constants: ForceConstants,
    energies: str | Floats,
    mesh: int | str,
    *,
    bars: StartBar = no_bars,
) -> FreeEnergy:
    """Free energy of a run about force constants; see the job.

    `energies` is a file, or (t,) the potential energy of each frame in eV, nan where unknown.
    """
    kelvin = run.job.phonons.temperature or constants.temperature
    if kelvin is None:
        raise DataError(
            "the temperature of the run is not known", fix="give it: --temperature of the fit"
        )
    energies_t = _energies(run, energies)
    space, n_atoms = half_space(run.supercell), run.supercell.n_atoms
    modes = modes_at(constants, space.qpoints, space.weights)
    projector = Projector(space, modes)
    reduction = HarmonicEnergyReduction(projector, energies_t, run.n_frames)
    differences = stream(
        run.motion,
        run.blocks,
        reduction,
        workers=run.job.running.workers,
        progress=bars("energies", run.n_frames),
    )
    terms = free_energy_terms(differences, kelvin, n_atoms)
    divisions = mesh_of(constants, mesh)
    found = thermodynamics(constants, divisions, [kelvin])
    vibrates = modes.sets >= 0
    omega = modes.omega[vibrates]
    weights = np.broadcast_to(modes.weights[:, None], vibrates.shape)[vibrates]
    if not (omega > RIGID * omega.max()).all():
        raise DataError(
            "the force constants have imaginary modes, and no free energy",
            fix="fit them at a temperature at which the crystal is stable",
        )
    n_sites = constants.crystal.n_sites
    own = [
        float(functions(omega, np.array([kelvin])).values[0, 0] @ weights) / n_atoms
        for functions in (classical_functions, quantum_functions)
    ]
    return FreeEnergy(
        terms=terms,
        mesh=divisions,
        harmonic=np.array([_value(one) for one in (found.classical, found.quantum)]) / n_sites,
        harmonic_sem=np.array([_error(one) for one in (found.classical, found.quantum)])
        / n_sites,
        commensurate=np.array(own),
        order=resolved_order(terms),
    )


def _energies(run: LoadedRun, energies: str | Floats) -> Floats:
    """(t,) potential energy of each frame in eV; nan where unknown."""
    if isinstance(energies, str):
        series = read_energies(Path(energies), _lammps_style(run))
        return energies_of_frames(series, run.trajectory.steps, where=energies)
    if energies.shape != (run.n_frames,):
        raise DataError(
            f"energies have the shape {energies.shape}, and the run has {run.n_frames} frames",
            fix="give one energy in eV for each frame, nan where it is unknown",
        )
    return energies


def _value(functions: ThermalFunctions) -> float:
    return float(functions.free_energy[0])


def _error(functions: ThermalFunctions) -> float:
    return np.nan if functions.free_energy_sem is None else float(functions.free_energy_sem[0])


def _lammps_style(run: LoadedRun) -> str | None:
    """Return the unit style of the trajectory if LAMMPS wrote it."""
    style = run.trajectory.unit_style
    return style if style in LAMMPS_STYLES else None


def _job(folder: Path) -> Job:
    """Job of the run in a folder."""
    file = folder / JOB_FILES[0]
    if not file.is_file():
        raise UsageError(
            "there is no job whose trajectory could be read again",
            where=str(folder),
            why=f"there is no {file.name}",
            fix="give the folder that `trajmodes fit` or `trajmodes run` wrote",
        )
    return job_of("fit", [str(file)], {})


def _table(found: FreeEnergy) -> Table:
    columns: dict[str, Any] = {"order": np.array([1, 2, 3])}
    meanings = {"order": "cumulants of U − U_h that are included"}
    for k, name in enumerate(_STATISTICS):
        columns[f"{name}_ev"] = found.total[k]
        columns[f"{name}_ev_sem"] = found.total_sem[k]
        meanings[f"{name}_ev"] = f"free energy per atom in eV, {name} harmonic part"
        meanings[f"{name}_ev_sem"] = "its standard error"
    columns["term_ev"], columns["term_ev_sem"] = (
        found.terms.terms[:3],
        found.terms.terms_sem[:3],
    )
    meanings["term_ev"] = "term of this order, of first order U0 = ⟨U − U_h⟩, in eV per atom"
    meanings["term_ev_sem"] = "its standard error"
    kelvin = found.terms.temperature
    return Table(f"Free energy of the run at {kelvin:.6g} K by order", columns, meanings)


def _summary(found: FreeEnergy) -> str:
    terms = found.terms
    lines = [
        f"Free energy at {terms.temperature:.4g} K in eV per atom, from the energies of "
        f"{terms.n_frames} frames of {terms.n_atoms} atoms",
        "",
        f"U0 = ⟨U − U_h⟩      {_with_error(terms.terms[0], terms.terms_sem[0])}",
    ]
    for k, name in enumerate(_STATISTICS):
        harmonic = _with_error(found.harmonic[k], found.harmonic_sem[k])
        lines.append(f"F_h, {name:14} {harmonic}")
    lines.append("")
    for order, word in enumerate(("first", "second", "third")):
        both = (
            f"{_with_error(found.total[k, order], found.total_sem[k, order])} {name}"
            for k, name in enumerate(_STATISTICS)
        )
        term = f"{1e3 * terms.terms[order]:+.3f} meV" if order else "U0"
        lines.append(f"F to {word + ' order':13} {', '.join(both)} ({term})")
    shift = 1e3 * (found.harmonic - found.commensurate)
    mesh = " × ".join(map(str, found.mesh))
    lines += [
        "",
        _verdict(found),
        f"Finite size: F_h is that of a mesh of {mesh} points; the q points of the supercell "
        f"alone would change it by {-shift[0]:+.2g} meV (classical) and {-shift[1]:+.2g} meV "
        "(quantum). U0 and its fluctuations are those of the supercell. The centre of mass is "
        "at rest: its free energy, of order k_BT ln N / N, is left out.",
        "The run is classical: the quantum free energy has quantum statistics in F_h alone.",
    ]
    return "\n".join(lines)


def _verdict(found: FreeEnergy) -> str:
    if not found.terms.converges:
        return (
            "Verdict: the expansion does not converge: higher orders are larger than lower "
            "ones. The harmonic crystal is too far from the run: use thermodynamic integration"
        )
    if not found.order:
        return "Verdict: U0 is not known to 1 meV per atom: give energies of more frames"
    name = ("first", "second", "third")[found.order - 1]
    return f"Verdict: the run resolves F to {name} order (to 1 meV per atom or half a term)"


def _with_error(value: float, error: float) -> str:
    return f"{value:.5f} ± {error:.5f}" if np.isfinite(error) else f"{value:.5f}"
