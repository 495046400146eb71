"""Quality of a fit: residuals by order, cross-validation, mean forces, and notes on these."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import (
    LOWER_BOUND,
    FitErrors,
    FitQuality,
    ForceConstants,
    OrderQuality,
    Reference,
)
from trajmodes.data.modes import Modes
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.members.scatter import MemberScatter
from trajmodes.fit.normal_equations import Blocks, NormalEquationBlocks, SiteBlocks
from trajmodes.fit.solution import FitOptions, Solution, Solved
from trajmodes.fit.uncertainty import predicted_squares
from trajmodes.notes import Note
from trajmodes.units import THZ

_SIGNIFICANT = 5.0
"""Standard errors beyond which a mean force is significant."""

_NOTABLE = 0.01
"""Fraction of the rms force beyond which a significant mean force is reported."""

SURE, OFF_AVERAGE = 5.0, 0.01
"""Mean displacement, in standard errors and over the rms displacement, beyond which
displacements are counted from the average structure instead."""

WORSE, LOST = 1.25, 0.01
"""Ratio of the residuals of frames left out and fitted, and loss of R², beyond which a fit is
overfitted. Least squares with N forces and p parameters have a ratio of N/(N − p)."""

_LIFETIMES = 4.0
"""Mean lifetimes that a block must last. The error of the mean of a variable that decays
exponentially is too small by 14 % with 8 blocks of 4 decay times, and by 42 % with blocks of
one."""

COHERENT = 1.2
"""Variance of the mean of symmetry-equivalent modes, relative to that of independent ones, from
which their scatter does not show how slowly frequencies vary. In gold and argon, and in silicon
at 300 K, it is 1.0 to 1.1; in 216 atoms of silicon at 1000 K, where all modes vary together,
1.2 to 1.9."""

_LONG_BLOCKS = 8
"""Blocks for the errors of means: beats between modes correlate means over many periods."""


def quality_of(
    equations: NormalEquationBlocks,
    solved: Solved,
    other: Solution | None,
    options: FitOptions,
    constants: ForceConstants,
    left_out: Floats | None,
) -> FitQuality:
    """Assess how well a solution describes the forces, order by order.

    Parameters
    ----------
    other
        The solution of the other scheme, if there is one.
    left_out
        (b, n) solutions without each block, for cross-validation.
    """
    model = solved.equations.model
    n_components = equations.n_components
    square = equations.force_square
    residuals = _residuals(equations, solved, options)
    predicted = _predicted(solved, options, left_out)
    orders = []
    for k, basis in enumerate(model.expansion):
        if basis.order == 1:
            continue
        distance = np.nan
        if other is not None:
            own = model.expansion.columns(basis.order)
            mine, theirs = solved.expanded[own], other.expanded[own]
            distance = float(np.linalg.norm(theirs - mine) / np.linalg.norm(mine))
        orders.append(
            OrderQuality(
                order=basis.order,
                cutoff=str(model.expansion.cutoffs[k] or "supercell"),
                n_parameters=solved.model.count(basis.order),
                r_squared=1.0 - residuals[k] / square,
                rms_residual=float(np.sqrt(residuals[k] / n_components)),
                rms_predicted=float(np.sqrt(predicted[k] / n_components)),
                scheme_distance=distance,
            )
        )
    n_free = sum(one.n_parameters for one in orders)
    return FitQuality(
        n_parameters=n_free,
        rank=n_free - solved.found.n_undetermined,
        condition=max(solved.found.conditions),
        n_frames=equations.n_frames,
        r_squared=orders[-1].r_squared,
        rms_force=float(np.sqrt(square / n_components)),
        rms_residual=orders[-1].rms_residual,
        first_order=first_order_forces(equations, constants)[0],
        orders=tuple(orders),
        scheme=options.scheme,
        constraints=options.constraints.names,
        r_squared_without_constant=_r_squared_without_constant(equations, solved),
    )


def _r_squared_without_constant(
    equations: NormalEquationBlocks, solved: Solved
) -> float | None:
    """R² of the force constants without Φ1; None where no Φ1 is fitted."""
    if not solved.model.count(1):
        return None
    z = solved.expanded
    z[solved.model.expansion.columns(1)] = 0.0
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    residual = equations.square.sum() - 2.0 * moment @ z + z @ gram @ z
    return 1.0 - float(residual / equations.force_square)


def _residuals(
    equations: NormalEquationBlocks, solved: Solved, options: FitOptions
) -> list[float]:
    """Squared residual of the force of all orders up to each one."""
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    square, model = float(equations.square.sum()), solved.equations.model
    found = []
    for basis, stop in zip(model.expansion, model.expansion.starts[1:], strict=True):
        if options.scheme == "joint":
            z = np.where(np.arange(len(moment)) < stop, solved.expanded, 0.0)
        else:
            stage = max(basis.order - 2, 0)
            z = model.null_space @ np.where(model.stage <= stage, solved.parameters, 0.0)
        # The residual of an exact fit may be negative by rounding.
        found.append(max(float(square - 2.0 * moment @ z + z @ gram @ z), 0.0))
    return found


def _predicted(solved: Solved, options: FitOptions, left_out: Floats | None) -> list[float]:
    """Squared residual of blocks left out of the fit, of all orders up to each one."""
    n_orders = len(solved.equations.model.expansion.bases)
    if left_out is None:
        return [np.nan] * n_orders
    squares = predicted_squares(solved.equations, left_out)
    if options.scheme == "joint":
        # The lower orders of a joint fit are no model by themselves.
        return [*[np.nan] * (n_orders - 1), max(float(squares[:, -1].sum()), 0.0)]
    return [np.nan, *np.maximum(squares.sum(axis=0), 0.0).tolist()]


def first_order_forces(
    equations: SiteBlocks, constants: ForceConstants
) -> tuple[Floats, Floats]:
    """(s, 3) mean of f + Φ2 u about the given reference in eV/Å, and its standard error."""
    n_sites = constants.crystal.n_sites
    uniform_stxy = np.zeros((n_sites, n_sites, 3, 3))
    np.add.at(uniform_stxy, (constants.first, constants.second), constants.values)
    residual_bsx = equations.force_sum + np.einsum(
        "stxy,bty->bsx", uniform_stxy, equations.displacement_sum
    )
    return mean_of_blocks(equations, residual_bsx)


def mean_of_blocks(blocks: Blocks, sums: Floats) -> tuple[Floats, Floats]:
    """Mean per frame and its standard error from (b, s, 3) sums over blocks.

    Frames of larger supercells count more, in proportion to the number of their atoms.
    """
    size = blocks.components / blocks.frames
    size = size / size[0]
    frames, sums = size * blocks.frames, size[:, None, None] * sums
    mean = sums.sum(axis=0) / frames.sum()
    if len(frames) < _LONG_BLOCKS:
        return mean, np.full_like(mean, np.nan)
    together = len(frames) // _LONG_BLOCKS
    cuts = np.arange(0, len(frames), together)
    counts = np.add.reduceat(frames, cuts)
    weights = counts[:, None, None] / frames.sum()
    spread = np.add.reduceat(sums, cuts) / counts[:, None, None] - mean
    sem = np.sqrt((weights**2 * spread**2).sum(axis=0) * len(cuts) / (len(cuts) - 1))
    return mean, sem


def notes_of(
    equations: NormalEquationBlocks,
    solved: Solved,
    options: FitOptions,
    constants: ForceConstants,
    errors: FitErrors | None,
) -> Iterator[Note]:
    """Remarks on a fit for the user."""
    if not options.constraints.hermitian:
        sums = np.zeros((constants.crystal.n_sites, 3, 3))
        np.add.at(sums, constants.first, constants.values)
        yield Note(
            "note",
            "the fit does not constrain D(q) to be Hermitian, but stored force constants do: "
            f"they break the sum rule by up to {np.abs(sums).max():.2g} eV/Å²; use for "
            "comparison only",
        )
    if constants.quality is not None:
        n_free, n_forces = solved.equations.model.n_parameters, equations.n_forces
        yield from overfitting_notes(
            constants.quality, n_free, n_forces, regularised=options.regularised
        )
    for basis in equations.expansion:
        yield from basis.orbits.notes
    if solved.found.n_undetermined:
        yield Note(
            "note",
            f"{solved.found.n_undetermined} parameters are not determined by the "
            f"{equations.n_frames} frames; the minimum-norm solution is used (shells "
            f"{', '.join(solved.found.undetermined)})",
        )
    yield from block_notes(errors)
    yield from relaxation_notes(equations, constants)
    yield from regularisation_notes(options)


def regularisation_notes(options: FitOptions) -> Iterator[Note]:
    """Note what a regularised fit does to the force constants."""
    if options.regularised:
        yield Note(
            "note",
            f"the fit is regularised ({options.method}, strength {options.strength:.1e}): "
            "this biases the force constants towards zero, which the error bars omit",
        )


def overfitting_notes(
    quality: FitQuality, n_free: int, n_forces: int, *, regularised: bool
) -> Iterator[Note]:
    """Warn of a fit that describes the fitted frames far better than other frames.

    If no block of time can be left out, the residual of other frames is estimated by
    generalised cross-validation (Golub, Heath, Wahba, Technometrics 21, 215 (1979)).
    """
    counts = f"{n_free} parameters are fitted to {n_forces} force components"
    fix = "give more frames, shorten the cutoffs, leave out the highest order, or regularise "
    fix += "(--method ridge)"
    if n_free >= n_forces and not regularised:
        text = f"the fit has more parameters than data: {counts}"
        why = "orders are fitted one after the other, and each is determined by itself"
        yield Note("warning", text, why=why, fix=fix, concerns="fit")
        return
    seen = quality.r_squared_predicted
    if seen is not None:
        predicted, verb = seen, "is"
    elif regularised:
        return
    else:
        share = n_forces / (n_forces - n_free)
        predicted, verb = 1.0 - (1.0 - quality.r_squared) * share**2, "is expected to be"
    lost = quality.r_squared - predicted
    if lost > LOST and 1.0 - predicted > WORSE**2 * (1.0 - quality.r_squared):
        yield Note(
            "warning",
            f"overfitted: R² is {quality.r_squared:.3f} of the frames fitted, and {verb} "
            f"{predicted:.3f} of frames left out of the fit",
            why=counts,
            fix=fix,
            concerns="fit",
        )


def block_notes(errors: FitErrors | None) -> Iterator[Note]:
    """Note error bars that are unknown or too small."""
    if errors is None:
        yield Note("note", "there are too few frames for error bars")
    elif not errors.levelled:
        yield Note(
            "note",
            f"the errors still grow at {errors.n_blocks} blocks of {block_length(errors)}: "
            "take them as lower bounds, or run longer",
        )


def lower_bounds(scatter: MemberScatter, modes: Modes) -> Iterator[Note]:
    """Warn of standard errors that are lower bounds because the run is too short."""
    own = (scatter.may_exceed > LOWER_BOUND) & (modes.sets >= 0)
    if not own.any():
        return
    freq = np.abs(modes.omega[own]) / THZ
    low, high = f"{freq.min():.3g}", f"{freq.max():.3g}"
    at = f"at {low} THz" if low == high else f"from {low} to {high} THz"
    yield Note(
        "warning",
        f"the errors of the frequencies of {len(np.unique(modes.sets[own]))} of {modes.n_sets} "
        f"sets of modes, {at}, are lower bounds: they "
        f"may be up to {scatter.may_exceed[own].max():.2g} times larger",
        why="frequencies follow the energies of other modes, whose variance over the run is "
        f"{scatter.slow:.0f} times that from blocks of time, so that blocks hardly show a "
        "change that symmetry-equivalent modes share",
        fix="run longer",
        concerns="fit",
    )


def block_length(errors: FitErrors) -> str:
    """Length of a block in words."""
    frames = f"{errors.block_frames:.0f}"
    return f"{frames} frame" if frames == "1" else f"{frames} frames"


def relaxation_notes(
    equations: NormalEquationBlocks | ForceCovariances, constants: ForceConstants
) -> Iterator[Note]:
    """Note a mean force that would relax the reference structure."""
    force, sem = first_order_forces(equations, constants)
    rms = float(np.sqrt(equations.force_square / equations.n_components))
    if (np.abs(force) > np.maximum(_SIGNIFICANT * sem, _NOTABLE * rms)).any():
        site = int(np.abs(force).max(axis=1).argmax())
        yield Note(
            "note",
            f"the reference structure is not in equilibrium: the mean force on site {site} is "
            f"{np.linalg.norm(force[site]):.2g} eV/Å, and the site would relax",
        )


def compared_with_lifetimes(
    errors: FitErrors, interval_ps: float, lifetimes_ps: Floats
) -> tuple[FitErrors, Note | None]:
    """Note that error bars are lower bounds if blocks are shorter than four mean lifetimes.

    Frequencies follow the energies of all other modes, which vary over their lifetimes. Short
    blocks, or a run not much longer than the lifetimes, do not show this variation, although
    the errors do not grow with the length of the blocks. It is a sum over all modes, so that
    the mean of the lifetimes determines it. If symmetry-equivalent modes vary independently,
    their scatter shows it, and the error bars have been increased by it.

    Parameters
    ----------
    interval_ps
        Time between frames.
    lifetimes_ps
        (g,) lifetime of each set, or a lower bound of it; nan if unknown.
    """
    known = lifetimes_ps[np.isfinite(lifetimes_ps)]
    block_ps = errors.block_frames * interval_ps
    if not len(known) or block_ps >= _LIFETIMES * known.mean():
        return errors, None
    if errors.coherence is not None and errors.coherence < COHERENT:
        return errors, None
    text = (
        f"the error bars of the force constants are lower bounds: they come from blocks of "
        f"{block_ps:.3g} ps, shorter than {_LIFETIMES:g} mean lifetimes of the modes "
        f"({known.mean():.3g} ps, where those that are not resolved have their lower bounds)"
    )
    note = Note(
        "note",
        text,
        why="frequencies follow the energies of other modes, which vary over their lifetimes",
        fix="a longer run has longer blocks",
        concerns="fit",
    )
    return replace(errors, levelled=False), note


def is_off_average(reference: Reference, displacement_rms: float) -> bool:
    """Whether the mean displacement is significant, and large enough to matter.

    The relative error of cubic force constants is about a quarter of the ratio of the mean to
    the root mean square displacement (Å).
    """
    moved = np.abs(reference.shift)
    limit = np.maximum(SURE * reference.shift_sem, OFF_AVERAGE * displacement_rms)
    return bool((moved > limit).any())
