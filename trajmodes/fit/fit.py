"""Fits of normal equations: force constants with error bars, or a scan of many choices.

A scan repeats the fit with other orders, cutoffs and constraints, with a ridge, and with parts
of the run, without reading the trajectory again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.force_constants import (
    Convergence,
    FitErrors,
    FitQuality,
    ForceConstants,
    Reference,
    ScanKind,
    ScanPoint,
)
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.fit.members.scatter import MemberScatter, member_scatter
from trajmodes.fit.members.widening import widened
from trajmodes.fit.model import Model, ReducedEquations
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.quality import (
    COHERENT,
    block_length,
    block_notes,
    lower_bounds,
    mean_of_blocks,
    notes_of,
    quality_of,
)
from trajmodes.fit.solution import (
    STRENGTHS,
    FitOptions,
    solve_equations,
    solve_other_scheme,
    with_strength,
)
from trajmodes.fit.uncertainty import (
    fit_errors,
    growing_fits,
    left_out_solutions,
)
from trajmodes.notes import Note
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import invariant_part

_EIGHTHS = (1, 2, 3, 4, 6, 8)
"""Initial parts of the run that are fitted, in eighths."""

_NOTABLE_GROWTH = 1.1
"""Growth of the error bars by the scatter of symmetry-equivalent modes that is noted."""

_CONSTRAINTS = {
    "translations alone": Constraints(hermitian=False),
    "+ Hermitian": Constraints(),
    "+ Born–Huang": Constraints(born_huang=True),
    "+ Huang": Constraints(huang=True),
    "+ Born–Huang + Huang": Constraints(born_huang=True, huang=True),
}
"""Choices of constraints that a scan compares."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Force constants fitted to one or several runs, with convergence, errors and notes."""

    constants: ForceConstants
    model: Model | None
    """Free parameters; None where they are too many for a normal matrix."""
    convergence: Convergence
    """Change of the force constants as the run grows."""
    partial_values: Floats
    """(c, p, 3, 3), unit: eV/Å². Φ2 of each growing part of the run, as in `convergence`."""
    other_scheme: ForceConstants | None
    """Force constants of the other scheme (joint for a sequential fit, and vice versa) without
    error bars; None for second order alone, or where that fit is singular."""
    reference: Reference
    errors: FitErrors | None
    """Replicates behind the error bars; None if the run is too short."""
    notes: tuple[Note, ...]
    """Remarks for the user."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, partial_values="c p 3 3")


def fit_equations(
    equations: NormalEquationBlocks,
    *,
    cutoffs: Mapping[int, Cutoff | None] | None = None,
    temperature: float | None = None,
    options: FitOptions | None = None,
) -> Fit:
    """Fit force constants to normal equations summed over one or several trajectories.

    Parameters
    ----------
    cutoffs
        Order → cutoff, for fewer orders or shorter cutoffs than those of the equations; None
        keeps all.
    temperature
        In K, stored with the force constants.

    Raises
    ------
    UsageError
        If a cutoff or an order is beyond those of the equations.
    DataError
        If all forces are zero, or the data do not determine all parameters.
    """
    options = options or FitOptions()
    if options.errors == "sandwich" and options.regularised:
        raise UsageError(
            "the sandwich estimator gives no error bars for a regularised fit",
            why="it assumes least squares",
            fix="use the jackknife",
        )
    if not equations.force_square > 0.0:
        raise DataError("all forces are zero", fix="check the forces of the file")
    if cutoffs is not None:
        equations = equations.restricted(cutoffs)
    options = with_strength(equations, options)
    solved = solve_equations(equations, options)
    reduced, parameters = solved.equations, solved.parameters
    left_out = left_out_solutions(reduced, options.solver)
    errors = fit_errors(
        reduced, parameters, left_out, solver=options.solver, method=options.errors
    )
    other = solve_other_scheme(equations, options, solved)
    constants = constants_of(reduced.model, parameters, errors)
    quality = quality_of(equations, solved, other, options, constants, left_out)
    charges = equations.charges
    constants = replace(
        constants,
        temperature=temperature,
        has_static_part=None if temperature is None else options.scheme == "sequential",
        quality=quality,
        charges=charges,
    )
    allowed = invariant_part(equations.expansion.group, equations.displacement_sum)
    convergence, partial = _convergence(reduced, options)
    return Fit(
        constants=constants,
        model=reduced.model,
        convergence=convergence,
        partial_values=partial,
        other_scheme=other
        and replace(constants_of(other.model, other.parameters), charges=charges),
        reference=Reference(*mean_of_blocks(equations, allowed)),
        errors=errors,
        notes=tuple(notes_of(equations, solved, options, constants, errors)),
    )


def with_member_scatter(fit: Fit, runs: Sequence[SameSpace]) -> Fit:
    """Increase the error bars by the scatter of symmetry-equivalent modes over whole runs.

    The fit is returned unchanged if there are too few equivalent modes, see `member_scatter`.

    Parameters
    ----------
    runs
        All runs whose covariances are known, those of the largest supercell first.
    """
    if fit.errors is None or fit.model is None:
        return fit
    scatter = member_scatter(runs, fit.model, fit.errors.block_frames)
    errors = scatter and widened(fit.errors, fit.model, runs[0].modes, scatter)
    if scatter is None or errors is None:
        return fit
    again = constants_of(fit.model, errors.parameters.mean(axis=0), errors)
    return with_wider_errors(fit, errors, again.replicates, scatter, runs[0].modes)


def with_wider_errors(
    fit: Fit, errors: FitErrors, replicates: Floats | None, scatter: MemberScatter, modes: Modes
) -> Fit:
    """Replace the errors of a fit, with a note if the scatter of members increases them.

    ``replicates`` (b, p, 3, 3) in eV/Å² are those of the second order.
    """
    # What the members have in common is still seen in blocks of time alone.
    levelled = errors.levelled or scatter.coherence < COHERENT
    errors = replace(errors, levelled=levelled, may_exceed=scatter.may_exceed)
    outdated = set(block_notes(fit.errors))
    notes = [note for note in fit.notes if note not in outdated]
    growth = float(np.sqrt(scatter.growth[modes.sets >= 0].mean()))
    if growth > _NOTABLE_GROWTH:
        text = (
            f"the error bars of frequencies are on average {growth:.2g} times those of blocks "
            f"of {block_length(errors)}: symmetry-equivalent modes differ by more"
        )
        why = "frequencies follow the energies of other modes, which vary more slowly"
        notes.append(Note("note", text, why=why, concerns="fit"))
    return replace(
        fit,
        constants=replace(fit.constants, replicates=replicates),
        errors=errors,
        notes=(*lower_bounds(scatter, modes), *notes, *block_notes(errors)),
    )


def constants_of(
    model: Model, parameters: Floats, errors: FitErrors | None = None
) -> ForceConstants:
    """Expand (n,) free parameters of a model into force constants of all orders."""
    z = model.null_space @ parameters
    z_b = None if errors is None else errors.parameters @ model.null_space.T
    higher = {}
    for basis, cutoff in zip(model.expansion, model.expansion.cutoffs, strict=True):
        if basis.order == 1:
            continue
        own = model.expansion.columns(basis.order)
        own_b = None if z_b is None else z_b[:, own]
        reach = None if cutoff is None else cutoff.largest
        if basis.order == 2:
            again = None if own_b is None else basis.expand(own_b)
            pairs = replace(basis.constants(z[own]), replicates=again, cutoff=reach)
        else:
            higher[basis.order] = replace(basis.clusters(z[own], own_b), cutoff=reach)
    return replace(pairs, triplets=higher.get(3), quartets=higher.get(4))


def _convergence(
    equations: ReducedEquations, options: FitOptions
) -> tuple[Convergence, Floats]:
    """Convergence with run length, and (c, p, 3, 3) Φ2 of each growing part of the run."""
    frames, found_cz = growing_fits(equations, options.solver)
    expansion = equations.model.expansion
    parts = [found_cz[:, expansion.columns(order)] for order in expansion.orders[1:]]
    changes = [np.linalg.norm(x - x[-1], axis=1) / np.linalg.norm(x[-1]) for x in parts]
    convergence = Convergence(frames / equations.n_frames, np.column_stack(changes))
    return convergence, expansion.bases[1].expand(parts[0])


def scan_equations(
    equations: NormalEquationBlocks, options: FitOptions | None = None
) -> Iterator[tuple[ScanPoint, ForceConstants]]:
    """Vary orders, cutoffs, constraints, ridge and run length, one at a time.

    The options apply where the scan does not vary them. Fits that the data do not determine are
    left out.

    Yields
    ------
    Each fit, and its force constants without error bars.
    """
    options = options or FitOptions()
    for kind, label, order, value, part, chosen in _choices(equations, options):
        try:
            quality, constants = _assessed(part, chosen)
        except DataError:
            continue
        yield ScanPoint(kind, label, order, value, quality), constants


_Choice = tuple[ScanKind, str, int, float, NormalEquationBlocks, FitOptions]


def _choices(equations: NormalEquationBlocks, options: FitOptions) -> Iterator[_Choice]:
    highest = equations.expansion.orders[-1]
    unchanged: dict[int, Cutoff | None] = dict.fromkeys(range(2, highest + 1))
    for order in unchanged:
        part = equations.restricted(dict.fromkeys(range(2, order + 1)))
        yield "order", f"up to order {order}", order, float(order), part, options
    for order, own in zip(unchanged, equations.expansion.cutoffs[1:], strict=True):
        for radius in equations.expansion.radii_between_shells(order):
            shorter = Cutoff(radius) if own is None else own.limited(radius)
            part = equations.restricted(unchanged | {order: shorter})
            label = f"order {order} to {radius:.2f} Å"
            yield "cutoff", label, order, radius, part, options
    for label, constraints in _CONSTRAINTS.items():
        varied = replace(options, constraints=constraints)
        yield "constraints", label, highest, np.nan, equations, varied
    for strength in STRENGTHS[::2]:
        varied = replace(options, method="ridge", strength=strength)
        yield "ridge", f"ridge {strength:.0e}", highest, strength, equations, varied
    done = np.cumsum(equations.frames)
    for eighths in _EIGHTHS:
        first = done <= done[-1] * eighths / 8.0
        if first.any():
            arrays = {name: sums[first] for name, sums in equations.arrays().items()}
            part = replace(equations, **arrays)
            label = f"first {part.n_frames} frames"
            yield "time", label, highest, float(part.n_frames), part, options


def _assessed(
    equations: NormalEquationBlocks, options: FitOptions
) -> tuple[FitQuality, ForceConstants]:
    solved = solve_equations(equations, options)
    constants = constants_of(solved.equations.model, solved.parameters)
    other = solve_other_scheme(equations, options, solved)
    left_out = left_out_solutions(solved.equations, options.solver)
    quality = quality_of(equations, solved, other, options, constants, left_out)
    return quality, replace(constants, quality=quality, charges=equations.charges)
