"""Results of the force constants and of the projection, and results derived from both.

Bands, stability, and the run length required for a given error; renormalised bands and thermal
conductivity; linewidths of perturbation theory and their comparison with the run.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.config.job import Job, toml_text
from trajmodes.data.anharmonic import Conductivity
from trajmodes.data.bands import BandPath, Bands, RenormalisedBands
from trajmodes.data.charges import PolarModes
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes, RunLength
from trajmodes.data.results import InputFile, Projection, Provenance, Results
from trajmodes.data.thermo import PhononDensity
from trajmodes.errors import DataError
from trajmodes.formats.dipoles import with_charges
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.conductivity import conductivity
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_parameters
from trajmodes.phonons.anharmonic.lifetime_mesh import ModeLifetimes
from trajmodes.phonons.anharmonic.linewidths import perturbative_linewidths
from trajmodes.phonons.bands import connected, dispersion, spectral_map
from trajmodes.phonons.irreps import irreps_at
from trajmodes.phonons.modes import modes_at, run_length, stability
from trajmodes.phonons.qpoints import band_path, point_names, shared_mesh, spaced_mesh
from trajmodes.phonons.renormalised import quasi_particle_constants
from trajmodes.phonons.shells import shells_of
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars, versions
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import timestep_fs
from trajmodes.pipeline.partial.displaced import displacement_bands
from trajmodes.pipeline.projection import Projected, project_run
from trajmodes.project.agreement import disagreement_note, of_energies
from trajmodes.project.energies.lifetimes import (
    best_lifetimes,
    compare_widths,
    longest_lower_bound,
)
from trajmodes.report.numbers import mesh_of
from trajmodes.results.dataset import amplitude_batches
from trajmodes.results.folder import Writer
from trajmodes.results.netcdf import AMPLITUDES, write_series
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.dielectric import polar_modes
from trajmodes.thermo.displacements import run_displacements
from trajmodes.thermo.thermodynamics import MESH_SPACING, density_of_states
from trajmodes.units import THZ

PATH_SPACING = 0.02
"""Distance of neighbouring points of the band path in 1/Å, 2π included: far finer than any
feature of a dispersion from force constants with a cutoff of 10 Å."""

_MOST_IN_DENSITY = 150
"""With more branches the density of states takes longer than the rest: `trajmodes thermo`."""
_MOST_CONNECTED = 60
"""With more branches bands are not connected: it takes longer, and nobody can follow them."""


def results_of_constants(
    job: Job, supercell: Supercell, constants: ForceConstants, modes: Modes, command: str
) -> Results:
    """Results of force constants alone, as `phonon_results`, with the options of a job."""
    provenance = Provenance(versions(), (), command, toml_text(job))
    return phonon_results(supercell, constants, modes, job.phonons.path, provenance)


def modes_of_supercell(
    constants: ForceConstants, supercell: Supercell, *, require_stable: bool = False
) -> Modes:
    """Modes of force constants at the commensurate q points.

    Raises
    ------
    DataError
        With `require_stable`, if a mode is imaginary or may be so within its error.
    """
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    if require_stable and (found := stability(modes)).verdict != "stable":
        raise DataError(
            "the force constants are not stable, and --require-stable was given",
            where=str(found),
            why="the crystal is unstable at this temperature and volume, the run is too short, "
            "or the cutoff is too small",
            fix="look at the bands without --require-stable; run longer or increase the cutoff",
        )
    return modes


def phonon_results(
    supercell: Supercell,
    constants: ForceConstants,
    modes: Modes,
    path_text: str,
    provenance: Provenance,
) -> Results:
    """Results of force constants: bands, shells, Grüneisen parameters, stability.

    Raises
    ------
    UsageError
        If the path names an unknown point.
    """
    path = band_path(constants.crystal, PATH_SPACING, path_text)
    polar = polar_modes(constants)
    return Results(
        supercell=supercell,
        constants=constants,
        modes=modes,
        bands=connected_bands(constants, path),
        point_names=point_names(modes.crystal, modes.qpoints),
        shells=shells_of(constants),
        provenance=provenance,
        gruneisen=gruneisen_parameters(constants, modes, path),
        density=_density_of_states(constants),
        polar=polar,
        notes=() if polar is None else (_polar_note(polar),),
        # There may be no modes but the acoustic ones at Γ.
        stability=stability(modes) if (modes.sets >= 0).any() else None,
    )


def _density_of_states(constants: ForceConstants) -> PhononDensity | None:
    if 3 * constants.crystal.n_sites > _MOST_IN_DENSITY:
        return None
    return density_of_states(constants, spaced_mesh(constants.crystal, MESH_SPACING))


def connected_bands(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands along a path; continued through crossings and labelled unless very many."""
    bands = dispersion(constants, path)
    if bands.omega.shape[1] > _MOST_CONNECTED:
        return bands
    irreps = []
    for q in path.corners:
        parts = irreps_at(constants, q)
        irreps.append(tuple(one.label for one in parts for _ in one.branches))
    return replace(bands, connection=connected(constants, path), irreps=tuple(irreps))


def _polar_note(polar: PolarModes) -> Note:
    """State the frequencies at Γ with and without macroscopic field."""
    highest = polar.longitudinal.max(axis=0) / THZ
    along = ", ".join(f"{x} {value:.4g}" for x, value in zip("xyz", highest, strict=True))
    static = polar.static
    text = (
        "the modes at Γ of the supercell have no macroscopic field, as in the run: optic ones "
        f"up to {polar.transverse.max() / THZ:.4g} THz; bands reach Γ with the field of their "
        f"direction, up to {along} THz along these axes"
    )
    if static is not None:
        text += f"; static dielectric constant {np.trace(static) / 3.0:.4g}"
    return Note("note", text)


def finished(results: Results, inputs: tuple[InputFile, ...], log: Log) -> Results:
    """Add the input files and the durations of the stages."""
    provenance = replace(results.provenance, inputs=inputs)
    notes = results.notes
    if grown := [one.name for one in inputs if one.has_grown]:
        text = (
            f"a simulation was writing to {', '.join(grown[:3])}: the frames that were "
            "complete at the beginning were used"
        )
        notes = (*notes, Note("note", text))
    return replace(results, provenance=provenance, timings=log.seconds, notes=notes)


def with_projection(
    run: LoadedRun,
    results: Results,
    *,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
    force_noise: float = 0.0,
) -> tuple[Results, Mapping[str, Writer]]:
    """Project a run; add the projection and derived results to those of the force constants.

    `scratch` is a folder for amplitudes, if the job saves them. `force_noise` is the variance
    of random forces over the mass in eV/ps².

    Returns
    -------
    results
        With projection, renormalised bands and, if asked for, thermal conductivity.
    files
        Further files of the results folder.

    Raises
    ------
    DataError
        If the run has no velocities, and frames are too far apart for velocities from
        differences.
    """
    modes, bands = results.modes, results.bands
    projected = project_run(
        run, modes, log=log, bars=bars, scratch=scratch, force_noise=force_noise
    )
    projection = projected.projection
    if projection.spectra is not None:
        mapped = spectral_map(bands.path, modes, projection.spectra)
        projection = replace(projection, spectral_map=mapped)
    step_fs = None if projected.differenced else timestep_fs(run)
    static, disagreement = of_energies(modes, projection.energies, step_fs), None
    if static is not None:
        disagreement = disagreement_note(
            results.constants,
            modes,
            static,
            run.supercell,
            is_fitted=results.reference is not None,
        )
    first = () if disagreement is None else (disagreement,)
    with log.stage("bands and transport"):
        renormalised = renormalised_bands(projected, results, run.job.phonons.temperature)
        moved = None
        if projected.displacements is not None:
            group = space_group(modes.crystal)
            moved = run_displacements(
                *(projected.displacements, modes, projection.energies, group, run.occupied)
            )
        found, refusal = _conductivity(run, results, projection)
        finer = () if found is None else _mesh_note(run.job, found.mesh)
    loud = tuple(note for note in projected.notes if note.severity == "warning")
    quiet = tuple(note for note in projected.notes if note.severity != "warning")
    results = replace(
        results,
        projection=projection,
        run_displacements=moved,
        renormalised=renormalised,
        conductivity=found,
        warnings=(*first, *results.warnings, *loud, *refusal),
        notes=(*results.notes, *quiet, *finer),
    )
    amplitudes = projected.amplitudes
    if amplitudes is None:
        return results, {}
    text = "amplitudes Q(t) and their velocities of the chosen modes"
    write = partial(write_series, amplitude_batches(amplitudes), kind=AMPLITUDES)
    return results, {AMPLITUDES.file: Writer(text, write)}


def with_perturbation(results: Results, job: Job, log: Log) -> Results:
    """Add three-phonon linewidths of all sets of modes, if the job asks for them.

    The temperature is that of the projected motion; without a projection, that of the force
    constants.

    Raises
    ------
    UsageError
        If phono3py is not installed.
    DataError
        If there are no cubic force constants, or the temperature is not known.
    """
    if job.phonons.perturbation is None:
        return results
    constants, modes = results.constants, results.modes
    if constants.triplets is None:
        raise DataError(
            "linewidths of perturbation theory need cubic force constants", fix="give --cutoff3"
        )
    moved = results.projection
    temperature = constants.temperature if moved is None else moved.energies.temperature
    if temperature is None:
        raise DataError(
            "linewidths of perturbation theory need a temperature, and it is unknown",
            fix="give --temperature",
        )
    with log.stage("perturbation theory"):
        mesh = (job.phonons.perturbation,) * 3
        widths = perturbative_linewidths(
            constants, results.supercell, mesh, temperature, modes.qpoints
        )
    return replace(
        results, perturbation=widths, notes=(*results.notes, *_effective_note(constants))
    )


def _effective_note(constants: ForceConstants) -> tuple[Note, ...]:
    """State that the third order of a fit is effective."""
    if constants.temperature is None:
        return ()
    text = (
        "linewidths and lifetimes of perturbation theory (Φ3) are of lowest order in effective "
        f"force constants at {constants.temperature:.4g} K, about their frequencies"
    )
    return (Note("note", text),)


def with_comparison(results: Results) -> Results:
    """Compare linewidths of the run with those of perturbation theory, if there are both."""
    widths, projection = results.perturbation, results.projection
    if widths is None or projection is None or projection.lines is None:
        return results
    lifetime, sem = best_lifetimes(projection.lines, projection.lifetimes)
    predicted = set_mean(widths.classical, results.modes)
    return replace(results, comparison=compare_widths(lifetime, sem, predicted))


def run_length_of(modes: Modes, duration_ps: float) -> RunLength | None:
    """Run length required for a given error of the frequencies; None without error bars."""
    if modes.omega_sem is None or not duration_ps > 0.0 or not (modes.sets >= 0).any():
        return None
    return run_length(modes, duration_ps)


def renormalised_bands(
    projected: Projected, results: Results, given: float | None = None
) -> tuple[RenormalisedBands, ...]:
    """Bands from the frequencies of the lines, and from covariances of the displacements.

    With charges the dipole–dipole part is subtracted before interpolation and added afterwards.
    `given` is the temperature in K that the user gave. Where velocities are differences, which
    attenuate ⟨Q̇Q̇†⟩, bands from displacements need it.
    """
    modes, supercell, charges = results.modes, results.supercell, results.constants.charges
    lines, energies = projected.projection.lines, projected.projection.energies
    kelvin = energies.temperature
    found: tuple[RenormalisedBands, ...] = ()
    if lines is not None and np.isfinite(lines.omega).any():
        particles, own = quasi_particle_constants(
            modes, supercell, lines.omega, lines.omega_sem, kelvin
        )
        if charges is not None:
            particles = with_charges(particles, supercell, charges)
        along = dispersion(particles, results.bands.path)
        found = (RenormalisedBands("quasi-particles", along, own),)
    covariance = projected.displacements
    if covariance is None or results.covariance_frames is not None:
        # The bands of the force constants are those of the displacements.
        return found
    if projected.differenced:
        if given is None:
            return found
        return (*found, *displacement_bands(results, covariance, given, energies))
    moved = displacement_bands(results, covariance, kelvin, energies, has_velocities=True)
    return (*found, *moved)


def _conductivity(
    run: LoadedRun, results: Results, projection: Projection
) -> tuple[Conductivity | None, tuple[Note, ...]]:
    """Thermal conductivity, if the job asks for it, or a warning with the reason for none.

    A run that is too short for it still has other results, so that this is not an error. All q
    points of the supercell lie on the mesh.
    """
    wanted = run.job.projection.conductivity
    if wanted is None:
        return None, ()
    lines, energies = projection.lines, projection.lifetimes
    if lines is None:
        return None, (Note("warning", "no thermal conductivity: there are no spectra"),)
    lifetime, sem = best_lifetimes(lines, energies)
    bound = longest_lower_bound(lines, energies)
    lifetimes = ModeLifetimes(results.modes, lifetime, sem, bound)
    kelvin = projection.energies.temperature
    try:
        mesh = shared_mesh(run.supercell, (wanted,) * 3) if isinstance(wanted, int) else None
        thickness = run.job.projection.thickness
        constants = results.constants
        return conductivity(constants, run.supercell, lifetimes, kelvin, mesh, thickness), ()
    except DataError as error:
        return None, (Note("warning", error.what, why=error.why, fix=error.fix),)


def _mesh_note(job: Job, mesh: tuple[int, int, int]) -> tuple[Note, ...]:
    """Note that the mesh of the conductivity is finer than the one asked for."""
    wanted = job.projection.conductivity
    # One point along the normal of a layer is no coarser.
    if not isinstance(wanted, int) or set(mesh) <= {wanted, 1}:
        return ()
    text = (
        f"the thermal conductivity is summed on a mesh of {mesh_of(mesh)}, while "
        f"{mesh_of([wanted] * 3)} was asked for: it is the smallest mesh that is no coarser "
        "and contains all q points of the supercell, where lifetimes are known"
    )
    return (Note("note", text),)
