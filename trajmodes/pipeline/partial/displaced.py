"""The pass over a run without velocities whose frames are too far apart for differences."""

from dataclasses import replace
from typing import Any

import numpy as np

from trajmodes.data.bands import RenormalisedBands
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.results import Results
from trajmodes.data.static.energies import PotentialEnergies, StaticProjection
from trajmodes.errors import DataError
from trajmodes.formats.dipoles import with_charges
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.renormalised import green_function_constants, with_slow_energies
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.motion_source import Runs
from trajmodes.project.energies.anharmonicity import AnharmonicityReduction
from trajmodes.project.energies.covariances import (
    DisplacementCovariance,
    DisplacementCovarianceReduction,
)
from trajmodes.project.energies.displaced import PotentialReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import Reduction, Together, Transformed
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.symmetry.translations import half_space
from trajmodes.thermo.displacements import run_displacements


def with_displacements(
    run: Runs,
    results: Results,
    *,
    log: Log,
    bars: StartBar = no_bars,
    force_noise: float = 0.0,
) -> Results:
    """Add what displacements and forces give: potential energies, σ, ⟨uu⟩, bands.

    Frequencies and bands from displacements need the temperature of the job. `force_noise` is
    the variance of random forces over the mass in eV/ps², which σ leaves out.
    """
    modes, kelvin, n = results.modes, run.job.phonons.temperature, run.n_frames
    projector = Projector(half_space(run.supercell), modes, None, run.occupied)
    parts: dict[str, Reduction[Amplitudes, Any, Any]] = {
        "energies": PotentialReduction(projector, n, kelvin),
        "displacements": DisplacementCovarianceReduction(projector, n),
    }
    if run.trajectory.has_forces:
        times_ps = run.trajectory.times_ps
        parts["sigma"] = AnharmonicityReduction(projector, n, times_ps, noise=force_noise)
    with log.stage("projection", has_bars=True):
        found = stream(
            run.scaled_motion,
            cut_blocks(run.trajectory.segments, run.trajectory.n_atoms),
            Transformed(projector.project, Together(parts)),
            workers=run.job.running.workers,
            progress=bars("projection on modes", n),
        )
    results = replace(
        results,
        run_displacements=run_displacements(
            found["displacements"],
            modes,
            found["energies"],
            space_group(modes.crystal),
            run.occupied,
        ),
    )
    if results.covariance_frames is not None:
        # By construction every mode has k_BT/2, and bands from displacements are the bands.
        return results
    return replace(
        results,
        displaced=StaticProjection(found["energies"], found.get("sigma")),
        renormalised=()
        if kelvin is None
        else displacement_bands(results, found["displacements"], kelvin, found["energies"]),
    )


def displacement_bands(
    results: Results,
    covariance: DisplacementCovariance,
    kelvin: float,
    energies: ModeEnergies | PotentialEnergies,
    *,
    has_velocities: bool = False,
) -> tuple[RenormalisedBands, ...]:
    """Bands from covariances of the displacements; none if the frames are too few.

    Without velocities that are not differences of positions, modes have k_BT, and the errors of
    frequencies from `energies` widen those of blocks of time. The dipole–dipole part is taken
    off before and added after interpolation.
    """
    modes, supercell, charges = results.modes, results.supercell, results.constants.charges
    kinetic = covariance.kinetic if has_velocities else None
    try:
        constants = green_function_constants(
            *(modes, supercell, covariance.covariance, covariance.frames), kelvin, kinetic
        )
    except DataError:
        # Fewer independent frames than branches.
        return ()
    if not has_velocities:
        constants = _with_slow_energies(constants, results, energies)
    if charges is not None:
        constants = with_charges(constants, supercell, charges)
    along = dispersion(constants, results.bands.path)
    return (RenormalisedBands("displacements", along),)


def _with_slow_energies(
    constants: ForceConstants, results: Results, energies: ModeEnergies | PotentialEnergies
) -> ForceConstants:
    """Widen errors of the frequencies to the relative ones that mode by mode energies have."""
    modes, sems = results.modes, energies.omega_displacement_sem
    if energies.omega_displacement is None or sems is None:
        return constants
    relative_g = sems / energies.omega_displacement
    relative_qm = np.where(modes.sets >= 0, relative_g[modes.sets], 0.0)
    own = modes_at(constants, modes.qpoints, modes.weights)
    omega_sem = set_omega(own) * set_mean(relative_qm, own)
    return with_slow_energies(constants, own, results.supercell, omega_sem)
