"""The fit as a user asks for it: normal equations in, force constants with error bars out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.force_constants import Convergence, FitErrors, ForceConstants, Reference
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.covariance import ForceCovariances
from trajmodes.fit.expansion import CutoffChoice, expansion_of
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
    """Force constants fitted to one or several runs, with convergence, errors and notes."""

    constants: ForceConstants
    model: Model
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

    @property
    def group(self) -> SpaceGroup:
        """Symmetry operations of the force constants."""
        return self.model.expansion.group


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
        Temperature in K, stored with the force constants.

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
    if not equations.square.sum() > 0.0:
        raise DataError("all forces are zero", fix="check the forces of the file")
    if cutoffs is not None:
        equations = equations.restricted(*equations.expansion.restricted(cutoffs))
    options = with_strength(equations, options)
    solved = solve_equations(equations, options)
    reduced, parameters = solved.equations, solved.parameters
    left_out = left_out_solutions(reduced, options.solver)
    errors = fit_errors(
        reduced,
        parameters,
        solver=options.solver,
        method=options.errors,
        left_out=left_out,
    )
    other = solve_other_scheme(equations, options, solved)
    constants = constants_of(reduced.model, parameters, errors)
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
        errors=errors,
        notes=(
            *_hermitian_notes(constants, options),
            *notes_of(equations, solved.found, errors, quality, force_sem),
            *_method_notes(options),
        ),
    )


def fit_harmonic(
    covariances: ForceCovariances,
    *,
    cutoff: CutoffChoice = None,
    temperature: float | None = None,
    group: SpaceGroup | None = None,
    options: FitOptions | None = None,
) -> Fit:
    """Fit second-order force constants: the best harmonic model of the ensemble.

    Parameters
    ----------
    cutoff
        Radius in Å of the pairs to fit; ``None`` for the largest that the supercell admits;
        ``"supercell"`` for all pairs of the supercell with Wigner–Seitz sharing.
    temperature
        Temperature in K, stored with the force constants.
    group
        Space group of the crystal; determined with spglib if ``None``.

    Raises
    ------
    UsageError
        If the cutoff reaches beyond the supercell's inscribed sphere.
    DataError
        If all forces are zero, or the data do not determine all parameters.
    """
    supercell = covariances.space.supercell
    group = space_group(supercell.crystal) if group is None else group
    equations = harmonic_equations(covariances, expansion_of(group, supercell, {2: cutoff}))
    return fit_equations(equations, temperature=temperature, options=options)


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
    """Convergence with run length, and (c, p, 3, 3) Φ2 of each growing part of the run."""
    determined = np.isfinite(growing.parameters).all(axis=1)
    found_cz, expansion = growing.parameters[determined], model.expansion
    columns = [expansion.columns(order) for order in expansion.orders[1:]]
    change_co = np.column_stack([_relative_change(found_cz[:, own]) for own in columns])
    fraction = growing.frames[determined] / growing.frames[-1]
    values = expansion.bases[1].expand(found_cz[:, expansion.columns(2)])
    return Convergence(fraction, change_co), values


def _relative_change(found_cz: Floats) -> Floats:
    """(c,) distance of parameters from those of the whole run, relative to their norm."""
    change: Floats = np.linalg.norm(found_cz - found_cz[-1], axis=1)
    return change / np.linalg.norm(found_cz[-1])


def _hermitian_notes(constants: ForceConstants, options: FitOptions) -> tuple[Note, ...]:
    """State by how much the force constants break the sum rule when D(q) is not Hermitian."""
    if options.constraints.hermitian:
        return ()
    sums = np.zeros((constants.crystal.n_sites, 3, 3))
    np.add.at(sums, constants.first, constants.values)
    text = (
        "the fit does not constrain D(q) to be Hermitian, but stored force constants do: they "
        f"break the sum rule by up to {np.abs(sums).max():.2g} eV/Å²; use for comparison only"
    )
    return (Note("note", text),)


def _method_notes(options: FitOptions) -> tuple[Note, ...]:
    if not options.regularised:
        return ()
    text = (
        f"the fit is regularised ({options.method}, strength {options.strength:.1e}): "
        "this biases the force constants towards zero, which the error bars omit"
    )
    return (Note("note", text),)
