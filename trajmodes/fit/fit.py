"""The fit as a user asks for it: normal equations in, force constants with error bars out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.fit_quality import Convergence, FitErrors, Reference
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.covariance import ForceCovariances
from trajmodes.fit.expansion import Reach, expansion_of
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.model import Model
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.quality import first_order_forces, mean_of_blocks, notes_of, quality_of
from trajmodes.fit.solution import (
    FitOptions,
    solve_equations,
    solve_other_scheme,
    with_strength,
)
from trajmodes.fit.uncertainty import GrowingFits, fit_errors, growing_fits, left_out_solutions
from trajmodes.notes import Note
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import SpaceGroup, invariant_part, space_group


@dataclass(frozen=True, slots=True)
class Fit:
    """Force constants fitted to one or several runs, and what is to be known about them."""

    constants: ForceConstants
    model: Model
    convergence: Convergence
    """How the constants settle while the run grows."""
    partial_values: Floats
    """(c, p, 3, 3), unit: eV/Å². Pair constants of each part of the run in `convergence`."""
    other_scheme: ForceConstants | None
    """The constants of the other scheme, without error bars: joint for a sequential fit and
    the other way about. None for pairs alone, or where that is singular."""
    reference: Reference
    errors: FitErrors | None
    """Blocks behind the error bars; None where the run is too short for any."""
    notes: tuple[Note, ...]
    """What a user should know, in plain sentences."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, partial_values="c p 3 3")

    @property
    def group(self) -> SpaceGroup:
        """Operations that the constants are symmetric under."""
        return self.model.expansion.group


def fit_equations(
    equations: NormalEquationBlocks,
    *,
    cutoffs: Mapping[int, Cutoff | None] | None = None,
    temperature: float | None = None,
    options: FitOptions | None = None,
) -> Fit:
    """Fit force constants to normal equations summed over a trajectory.

    Parameters
    ----------
    equations
        Sums over one or several trajectories.
    cutoffs
        Order → cutoff, for fewer orders or a shorter reach than those of the equations; None
        for the same.
    temperature
        Temperature in K to note in the constants.
    options
        How to fit.

    Raises
    ------
    UsageError
        If a cutoff or an order is beyond those of the equations.
    DataError
        If the forces are all zero, or the data leave constants undetermined.
    """
    options = options or FitOptions()
    if options.errors == "sandwich" and options.regularised:
        raise UsageError(
            "errors of a regularised fit cannot be had by the sandwich",
            why="it assumes least squares",
            fix="take the jackknife",
        )
    if not equations.square.sum() > 0.0:
        raise DataError("all forces are zero", fix="check the forces of the file")
    if cutoffs is not None:
        equations = equations.restricted(*equations.expansion.restricted(cutoffs))
    options = with_strength(equations, options)
    solved = solve_equations(equations, options)
    reduced, parameters = solved.equations, solved.parameters
    left_out = left_out_solutions(reduced, options.solver)
    blocks = fit_errors(
        reduced,
        parameters,
        solver=options.solver,
        method=options.errors,
        left_out=left_out,
    )
    other = solve_other_scheme(equations, options, solved)
    constants = constants_of(reduced.model, parameters, blocks)
    force, force_sem = first_order_forces(equations, constants)
    allowed = invariant_part(equations.expansion.group, equations.displacement_sum)
    convergence, partial = _convergence(growing_fits(reduced, options.solver), reduced.model)
    quality = quality_of(equations, solved, other, options, force, left_out)
    return Fit(
        constants=replace(constants, temperature=temperature, quality=quality),
        model=reduced.model,
        convergence=convergence,
        partial_values=partial,
        other_scheme=other and constants_of(other.equations.model, other.parameters),
        reference=Reference(*mean_of_blocks(allowed, equations.frames)),
        errors=blocks,
        notes=(
            *_hermitian_notes(constants, options),
            *notes_of(equations, solved.found, blocks, quality, force_sem),
            *_method_notes(options),
        ),
    )


def fit_harmonic(
    covariances: ForceCovariances,
    *,
    cutoff: Reach = None,
    temperature: float | None = None,
    group: SpaceGroup | None = None,
    options: FitOptions | None = None,
) -> Fit:
    """Fit harmonic force constants to forces: the best harmonic model of the ensemble.

    Parameters
    ----------
    covariances
        Sums over the trajectory, from the reduction `ForceCovariance`.
    cutoff
        Radius in Å of the pairs to fit; ``None`` for the largest that the supercell admits;
        ``"supercell"`` for all pairs of the supercell with Wigner–Seitz sharing.
    temperature
        Temperature in K to note in the constants.
    group
        Space group of the crystal; found by spglib if ``None``.
    options
        How to fit.

    Raises
    ------
    UsageError
        If the cutoff reaches beyond the supercell's inscribed sphere.
    DataError
        If the forces are all zero, or the data leave constants undetermined.
    """
    supercell = covariances.space.supercell
    group = space_group(supercell.crystal) if group is None else group
    equations = harmonic_equations(covariances, expansion_of(group, supercell, {2: cutoff}))
    return fit_equations(equations, temperature=temperature, options=options)


def constants_of(
    model: Model, parameters: Floats, blocks: FitErrors | None = None
) -> ForceConstants:
    """Force constants of all orders of a model.

    Parameters
    ----------
    model
        The model.
    parameters
        (n,) its free parameters.
    blocks
        Estimates with one block left out, for error bars.
    """
    z = model.null_space @ parameters
    z_b = None if blocks is None else blocks.parameters @ model.null_space.T
    higher = {}
    for basis, cutoff in zip(model.expansion, model.expansion.cutoffs, strict=True):
        if basis.order == 1:
            continue
        own = model.expansion.columns(basis.order)
        again = None if z_b is None else basis.expand(z_b[:, own])
        reach = None if cutoff is None else cutoff.largest
        if basis.order == 2:
            pairs = replace(basis.constants(z[own]), replicates=again, cutoff=reach)
        else:
            higher[basis.order] = replace(
                basis.clusters(z[own]), replicates=again, cutoff=reach
            )
    return replace(pairs, triplets=higher.get(3), quartets=higher.get(4))


def _convergence(growing: GrowingFits, model: Model) -> tuple[Convergence, Floats]:
    """How the constants settle, and (c, p, 3, 3) the pair constants of each part of the run."""
    determined = np.isfinite(growing.parameters).all(axis=1)
    found_cz, expansion = growing.parameters[determined], model.expansion
    columns = [expansion.columns(order) for order in expansion.orders[1:]]
    change_co = np.column_stack([_relative_change(found_cz[:, own]) for own in columns])
    fraction = growing.frames[determined] / growing.frames[-1]
    values = expansion.bases[1].expand(found_cz[:, expansion.columns(2)])
    return Convergence(fraction, change_co), values


def _relative_change(found_cz: Floats) -> Floats:
    """(c,) distance of parameters from the last ones, relative to these."""
    change: Floats = np.linalg.norm(found_cz - found_cz[-1], axis=1)
    return change / np.linalg.norm(found_cz[-1])


def _hermitian_notes(constants: ForceConstants, options: FitOptions) -> tuple[Note, ...]:
    """Own up to what the constants lack without that relation."""
    if options.constraints.hermitian:
        return ()
    sums = np.zeros((constants.crystal.n_sites, 3, 3))
    np.add.at(sums, constants.first, constants.values)
    text = (
        "D(q) was not asked to be Hermitian, yet constants are stored so that it is: they "
        f"break the sum rule by up to {np.abs(sums).max():.2g} eV/Å², for comparison only"
    )
    return (Note("note", text),)


def _method_notes(options: FitOptions) -> tuple[Note, ...]:
    if not options.regularised:
        return ()
    text = (
        f"the fit is regularised ({options.method}, strength {options.strength:.1e}): "
        "constants are pulled towards zero, which the error bars do not tell"
    )
    return (Note("note", text),)
