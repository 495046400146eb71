"""`trajmodes sctdep`: self-consistent force constants, without molecular dynamics.

Configurations are drawn from the canonical distribution of the present force constants, a
calculator gives their forces, and force constants are fitted to these. This is repeated until
the force constants change by no more than their errors. For a Gaussian distribution the least
squares give Φ = ⟨∂²V/∂u∂u⟩, so the fixed point is that of self-consistent phonon theory, which
minimises the Gibbs–Bogoliubov free energy (Hooton, Phil. Mag. 46, 422 (1955); with a fit to
forces: van Roekeghem, Carrete and Mingo, Comput. Phys. Commun. 263, 107945 (2021)).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.job import Job, job_from_mapping, of_groups
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.formats.cell_file import read_atoms, reduce_cell
from trajmodes.formats.registry import has_force_constants, read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.job_folder import (
    Analysis,
    Log,
    StartBar,
    Written,
    no_bars,
    output_folder,
)
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.potentials.lammps import forces_by_lammps
from trajmodes.pipeline.run import FitData, fit_only
from trajmodes.pipeline.thermo.sampling import sampled_supercell
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.trajectory import Trajectory
from trajmodes.results.folder import whole_results
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.sampling import Configurations, Imaginary, harmonic_ensemble
from trajmodes.units import DALTON, THZ

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Forces = Callable[[Configurations], Floats]
"""Forces (t, a, 3) in eV/Å of configurations."""

_SMALL = 0.01
"""Å. Standard deviation of the displacements that the first force constants of a cell are
fitted to; anharmonic forces are of the relative order of this over the distance of atoms."""
_SETTLED = 1.25
"""Largest rms difference of the frequencies that are fitted from those that are sampled, in
units of its standard error, of force constants that have settled; 1 on average."""
_FIRST_PART = 0.5
"""Part of the residual that is added before two residuals are known."""
_PARTS = (0.1, 1.0)
"""Smallest and largest part of the residual that is added."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the configurations and of the iterations."""

    temperature: float
    number: int
    """Configurations in one iteration."""
    iterations: int
    """Most iterations."""
    quantum: bool
    imaginary: Imaginary
    seed: int


@dataclass(frozen=True, slots=True)
class Iteration:
    """One cycle of configurations, forces and fit."""

    number: int
    """From 1."""
    change: float
    """rms difference of the frequencies at the q points of the supercell, fitted minus sampled,
    in rad/ps."""
    error: float
    """Its standard error in rad/ps."""
    lowest: float
    """Lowest frequency in rad/ps, negative where imaginary."""

    @property
    def is_settled(self) -> bool:
        """Whether the change is within its error."""
        return self.change <= _SETTLED * self.error

    def __str__(self) -> str:
        """One line of the table of iterations."""
        return (
            f"{self.number:9d}  {self.change / THZ:10.4f} ± {self.error / THZ:.4f}  "
            f"{self.lowest / THZ:10.4f}"
        )


class SelfConsistent(NamedTuple):
    """Force constants that are the fit to their own canonical ensemble."""

    analysis: Analysis
    iterations: tuple[Iteration, ...]


class Start(NamedTuple):
    """The start of the iterations."""

    crystal: Crystal
    constants: ForceConstants | None
    """None: they are fitted to small displacements first."""
    supercell: Supercell


def start_of(source: str, multiples: Sequence[int] | None) -> Start:
    """Read force constants and their supercell, or the crystal of a cell file.

    Raises
    ------
    UsageError
        If neither is recognised.
    DataError
        If the supercell is not known.
    """
    path = Path(source)
    with whole_results(path):
        if has_force_constants(path):
            constants = read_force_constants(path)
            known = read_supercell(path) if multiples is None else None
            supercell = sampled_supercell(constants.crystal, known, multiples)
            return Start(constants.crystal, constants, supercell)
    crystal = reduce_cell(Crystal.from_ase(read_atoms(path)), path).crystal
    return Start(crystal, None, sampled_supercell(crystal, None, multiples))


def forces_by_ase(calculator: "Calculator") -> Forces:
    """Make a function for the forces of a calculator of ASE."""

    def forces(configurations: Configurations) -> Floats:
        found = []
        for atoms in configurations.to_ase():
            atoms.calc = calculator
            try:
                found.append(atoms.get_forces())
            except Exception as error:  # calculators raise errors of any class
                raise DataError(
                    f"the calculator gives no forces: {error}",
                    where=f"configuration {len(found)}",
                    why="the potential is not complete, or atoms are too close to each other",
                    fix="try the potential on the ideal crystal first",
                ) from error
        return np.array(found)

    return forces


def self_consistent(
    start: Start,
    forces: Forces,
    settings: Settings,
    job: Job,
    *,
    command: str,
    log: Log,
) -> SelfConsistent:
    """Repeat sampling, forces and fit until the force constants converge within their errors.

    The result is fitted to the configurations of the last two iterations together.

    Raises
    ------
    UsageError
        If the temperature is negative or, with classical statistics, zero; or if a cutoff is
        too large.
    DataError
        If modes are imaginary and `imaginary` does not admit them, or the configurations do not
        determine the force constants.
    """
    rng = np.random.default_rng(settings.seed)
    space, constants = half_space(start.supercell), start.constants
    # Charges that the options give take the place of those of the start.
    charges = None if constants is None or job.polar.are_given else constants.charges

    def fitted(trajectories: Sequence[Trajectory], fit_job: Job) -> Analysis:
        data = FitData(trajectories, crystal=start.crystal, charges=charges)
        return fit_only(fit_job, command=command, log=log, data=data)

    def sampled_modes(constants: ForceConstants) -> Modes:
        return modes_at(constants, space.qpoints, space.weights)

    if constants is None:
        with log.stage("forces of small displacements"):
            trajectory = _trajectory(_small(start.supercell, settings, rng), forces)
        constants = fitted([trajectory], job).results.constants
    sampled, mixing = constants, _Mixing()
    done: list[Iteration] = []
    trajectories: list[Trajectory] = []
    while len(done) < settings.iterations and not (len(done) > 1 and done[-1].is_settled):
        ensemble = harmonic_ensemble(
            sampled,
            start.supercell,
            settings.temperature,
            quantum=settings.quantum,
            imaginary=settings.imaginary,
        )
        with log.stage(f"forces of iteration {len(done) + 1}"):
            trajectory = _trajectory(ensemble.draw(settings.number, rng), forces)
        trajectories = [*trajectories[-1:], trajectory]
        constants = fitted([trajectory], job).results.constants
        # The range that the first iteration chose is kept: the same pairs can be mixed.
        if job.fit.cutoff2 is None:
            job = job.with_options(cutoff2=constants.cutoff or "supercell")
        done.append(_compared(len(done) + 1, sampled_modes(constants), sampled_modes(sampled)))
        log.record(f"iteration {done[-1]}")
        mixing = mixing.after(sampled, constants)
        sampled = mixing.mixed(sampled, constants)
    found = fitted(trajectories, job)
    return SelfConsistent(_with_notes(found, settings, done), tuple(done))


@dataclass(frozen=True, slots=True)
class _Mixing:
    """Aitken's relaxation of a fixed-point iteration (Irons and Tuck, 1969).

    The next force constants are those sampled plus a fraction of the residual, fitted minus
    sampled. The fraction follows from the last two residuals under the assumption of linearity.
    """

    part: float = 1.0
    residual: Floats | None = None
    """(p, 3, 3) of the last iteration; None where force constants have other pairs."""

    def after(self, sampled: ForceConstants, fitted: ForceConstants) -> "_Mixing":
        """Mixing after one more iteration."""
        if not _same_pairs(sampled, fitted):
            return _Mixing()
        residual = fitted.values - sampled.values
        if self.residual is None:
            return _Mixing(_FIRST_PART, residual)
        change = residual - self.residual
        square = float((change**2).sum())
        if square == 0.0:
            return _Mixing(self.part, residual)
        part = -self.part * float((self.residual * change).sum()) / square
        return _Mixing(float(np.clip(part, *_PARTS)), residual)

    def mixed(self, sampled: ForceConstants, fitted: ForceConstants) -> ForceConstants:
        """Force constants to sample next."""
        if self.residual is None:
            return fitted
        values = sampled.values + self.part * self.residual
        return replace(fitted, values=values, replicates=None)


def _same_pairs(one: ForceConstants, other: ForceConstants) -> bool:
    # With Born charges the values are those without dipole–dipole forces.
    return (one.charges is None) == (other.charges is None) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("first", "second", "lattice")
    )


def _trajectory(configurations: Configurations, forces: Forces) -> Trajectory:
    supercell = configurations.supercell
    return trajectory_of_arrays(
        supercell.positions + configurations.displacements,
        supercell.cell,
        supercell.species,
        forces=forces(configurations),
        masses_da=supercell.masses / DALTON,
        ideal=supercell.positions,
    )


def _small(
    supercell: Supercell, settings: Settings, rng: np.random.Generator
) -> Configurations:
    """Independent displacements of all atoms, of the same small size."""
    shape = (settings.number, supercell.n_atoms, 3)
    return Configurations(
        supercell,
        displacements=_SMALL * rng.standard_normal(shape),
        velocities=np.zeros(shape),
        temperature=0.0,
        is_quantum=False,
        n_absolute=0,
    )


def _compared(number: int, modes: Modes, sampled: Modes) -> Iteration:
    """Compare the fitted frequencies with those of the sampled force constants.

    The sampled force constants define the ensemble, so the error is that of the fit alone.
    """
    counted = (modes.sets >= 0) & (sampled.sets >= 0)
    weights = np.broadcast_to(modes.weights[:, None], modes.omega.shape)[counted]
    change = modes.omega[counted] - sampled.omega[counted]
    error = np.zeros(len(weights)) if modes.omega_sem is None else modes.omega_sem[counted]
    return Iteration(
        number,
        float(np.sqrt(np.average(change**2, weights=weights))),
        float(np.sqrt(np.average(error**2, weights=weights))),
        float(modes.omega[counted].min()),
    )


def _with_notes(found: Analysis, settings: Settings, done: Sequence[Iteration]) -> Analysis:
    """Results with the temperature of the ensemble, and notes on convergence."""
    results = found.results
    last = done[-1]
    kind = "quantum" if settings.quantum else "classical"
    text = (
        f"{len(done)} iterations of {settings.number} {kind} configurations at "
        f"{settings.temperature:g} K; the fitted frequencies differ "
        f"from those sampled by {last.change / THZ:.4f} THz (rms), with an error of "
        f"{last.error / THZ:.4f} THz"
    )
    note = Note("ok", f"self-consistent force constants: {text}")
    if not last.is_settled:
        note = Note(
            "warning",
            f"the force constants have not settled: {text}",
            fix="allow more iterations (--iterations), or continue from these results",
        )
    # They are means of the second derivatives: the loop of fourth order, but no bubble.
    constants = replace(
        results.constants, temperature=settings.temperature, has_static_part=False
    )
    results = replace(results, constants=constants)
    if note.severity == "warning":
        results = replace(results, warnings=(note, *results.warnings))
    else:
        results = replace(results, notes=(note, *results.notes))
    return found._replace(results=results)


def self_consistent_job(
    source: str, given: Mapping[str, Any], *, command: str, bars: StartBar = no_bars
) -> tuple[Written, tuple[Iteration, ...]]:
    """Iterate from force constants or a cell file with LAMMPS, and write the results folder.

    ``given`` are the values of the options of `trajmodes sctdep`.
    """
    settings, job, log = settings_of(given), job_for(given), Log(bars)
    with output_folder(job, log, for_phonopy=True) as output:
        start = start_of(source, given["supercell"])
        forces = forces_by_lammps(given["lammps"], given["program"])
        found = self_consistent(start, forces, settings, job, command=command, log=log)
        return output.write(found.analysis), found.iterations


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Take the settings from the values of the options of `trajmodes sctdep`."""
    return Settings(**{one.name: given[one.name] for one in fields(Settings)})


def job_for(given: Mapping[str, Any]) -> Job:
    """Make the job of the fits from the values of the options of `trajmodes sctdep`."""
    names = of_groups(("fit", "polar", "running")) & given.keys()
    # Soft modes of the first iterations may bring atoms closer than any thermal motion does.
    fixed = {"trajectory": ["configurations"], "outliers": "drop", "hops": "exclude"}
    return job_from_mapping({**fixed, **{name: given[name] for name in names}})


def show_iterations(iterations: Sequence[Iteration]) -> str:
    """Table of the iterations for the terminal."""
    head = "iteration  fitted − sampled, rms (THz)  lowest frequency (THz)"
    return "\n".join([head, *map(str, iterations)]) + "\n"
