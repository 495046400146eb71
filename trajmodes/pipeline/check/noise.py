"""Random forces, of a thermostat for example, in the frames of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import Fit, fit_equations
from trajmodes.fit.force_noise import (
    ForceNoise,
    Friction,
    damping_time,
    force_noise,
    friction,
    noise_note,
    with_noise,
)
from trajmodes.fit.harmonic import ForceCovariance, ForceCovariances, harmonic_equations
from trajmodes.fit.many_parameters.fit import (
    has_many_parameters,
)
from trajmodes.fit.solution import FitOptions
from trajmodes.matching.conclusions import stored_forces_advice
from trajmodes.notes import Note
from trajmodes.pipeline.load import LoadedRun
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import half_space

_NOISE_BLOCKS = 16
"""Blocks of time of the sample in which random forces are looked for."""


def with_noise_found(
    runs: Sequence[LoadedRun],
    fit: Fit,
    covariances: Sequence[ForceCovariances],
    *,
    is_whole: bool = True,
) -> Fit:
    """Search for random forces in each run; put a note on them first, and leave them out of σ.

    `is_whole` states that the fit is to these runs alone. Without covariances, as with empty
    sites, the fit is unchanged.
    """
    if not covariances:
        return fit
    constants = fit.constants
    total = sum(int(one.components.sum()) for one in covariances)
    found = []
    for run, sums in zip(runs, covariances, strict=True):
        noise, seen = _noise_of(run, sums, constants)
        if noise is not None:
            found.append((noise, int(sums.components.sum()) / total, run, seen))
    if not found or constants.quality is None:
        return fit
    quality = with_noise(constants.quality, [(noise, share) for noise, share, *_ in found])
    if is_whole:
        constants = replace(constants, quality=quality)
    sigma = (quality.anharmonicity, quality.anharmonicity_sem)
    noise, _, run, seen = max(found, key=lambda one: one[0].variance)
    note = _noise_note(run, noise, sigma if is_whole else None, seen)
    return replace(fit, constants=constants, notes=(note, *fit.notes))


def fitted_noise(constants: ForceConstants, supercell: Supercell) -> float:
    """Variance of the random forces that a fit has found, over the mass, in eV/ps²."""
    rms = None if constants.quality is None else constants.quality.noise
    # The net force was removed.
    share = 1.0 - 1.0 / supercell.n_atoms
    return 0.0 if rms is None else rms**2 / share / float(constants.crystal.masses.mean())


class SampledNoise(NamedTuple):
    """Random forces in a sample of frames, and the warning about them."""

    noise: ForceNoise
    note: Note


def noise_in_sample(run: LoadedRun) -> SampledNoise | None:
    """Search for noise in the forces of a sample of frames, by a fit to the sample.

    None if there is no noise, or if the sample is too small to show it.
    """
    if not run.trajectory.has_forces:
        return None
    supercell = run.supercell
    try:
        expansion = expansion_of(space_group(supercell.crystal), supercell, {2: None})
        if has_many_parameters(expansion, FitOptions()):
            return None
        pairs = list(_pairs(run))
        reduction = ForceCovariance(half_space(supercell), run.n_frames, _NOISE_BLOCKS)
        state = reduction.chunk(pairs[0])
        for pair in pairs[1:]:
            state = reduction.combine(state, reduction.chunk(pair))
        covariances = reduction.finalize(state)
        constants = fit_equations(harmonic_equations(covariances, expansion)).constants
    except (DataError, UsageError):
        # The job itself says why force constants cannot be fitted.
        return None
    noise, seen = _noise_of(run, covariances, constants)
    if noise is None:
        return None
    return SampledNoise(noise, _noise_note(run, noise, None, seen))


def _noise_of(
    run: LoadedRun, covariances: ForceCovariances, constants: ForceConstants
) -> tuple[ForceNoise | None, Friction | None]:
    """Random forces that change from frame to frame, and the friction."""
    noise, interval_ps = force_noise(covariances, constants), run.trajectory.interval_ps
    if noise is None or interval_ps is None:
        return noise, None
    seen = friction(_pairs(run), constants, half_space(run.supercell), interval_ps, noise)
    return (None if seen is not None and not seen.allows(noise) else noise), seen


def _pairs(run: LoadedRun) -> Iterator[MotionBlock]:
    """Pairs of neighbouring frames, as sampled by the diagnosis."""
    for start in run.diagnosis.sample.frames:
        yield run.motion(int(start), min(int(start) + 2, run.n_frames))


def _noise_note(
    run: LoadedRun,
    noise: ForceNoise,
    sigma: tuple[float, float | None] | None,
    found: Friction | None,
) -> Note:
    interval_ps, stride = run.trajectory.interval_ps, run.trajectory.time.step_stride
    kelvin, damping_ps = run.diagnosis.sample.kinetic, None
    if interval_ps is not None and stride and kelvin is not None:
        damping_ps = damping_time(noise, float(np.mean(kelvin)), interval_ps / stride)
    fix = stored_forces_advice(run.trajectory, run.match)
    return noise_note(noise, sigma, found=found, damping_ps=damping_ps, fix=fix)
