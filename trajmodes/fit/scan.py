"""Scans of a fit without reading the data again: orders, cutoffs, constraints, run length."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.force_constants import FitQuality, ForceConstants, ScanKind, ScanPoint
from trajmodes.errors import DataError
from trajmodes.fit.fit import constants_of
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.quality import first_order_forces, quality_of
from trajmodes.fit.regularise import STRENGTHS
from trajmodes.fit.solution import FitOptions, solve_equations, solve_other_scheme
from trajmodes.fit.uncertainty import left_out_solutions
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff

_MOST_CUTOFFS = 12
"""Most cutoffs tried for one order, spread evenly over its shells."""

_EIGHTHS = (1, 2, 3, 4, 6, 8)
"""Initial parts of the run that are fitted, in eighths."""


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
    for order in range(2, highest + 1):
        part = _restricted(equations, dict.fromkeys(range(2, order + 1)))
        yield "order", f"up to order {order}", order, float(order), part, options
    for order in range(2, highest + 1):
        for cutoff in shells_of(equations, order):
            cutoffs: dict[int, Cutoff | None] = dict.fromkeys(range(2, highest + 1))
            part = _restricted(equations, cutoffs | {order: Cutoff(cutoff)})
            label = f"order {order} to {cutoff:.2f} Å"
            yield "cutoff", label, order, cutoff, part, options
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
            part = _selected_blocks(equations, first)
            label = f"first {part.n_frames} frames"
            yield "time", label, highest, float(part.n_frames), part, options


_CONSTRAINTS = {
    "translations alone": Constraints(hermitian=False),
    "+ Hermitian": Constraints(),
    "+ Born–Huang": Constraints(born_huang=True),
    "+ Huang": Constraints(huang=True),
    "+ Born–Huang + Huang": Constraints(born_huang=True, huang=True),
}


def shells_of(equations: NormalEquationBlocks, order: int) -> list[float]:
    """List cutoffs in Å half-way between the shells of an order, and beyond the last shell."""
    place = equations.expansion.orders.index(order)
    basis, own = equations.expansion.bases[place], equations.expansion.cutoffs[place]
    longest = np.inf if own is None else own.largest
    radii: Floats = np.unique(np.round(basis.orbits.radii, 3))
    radii = radii[radii > 0.0]
    beyond = np.append(radii[1:], radii[-1] + 0.1)
    between = np.round((radii + np.minimum(beyond, radii + 0.1)) / 2.0, 3)
    found = np.unique(np.minimum(between, longest))
    if len(found) > _MOST_CUTOFFS:
        found = found[np.linspace(0, len(found) - 1, _MOST_CUTOFFS).astype(int)]
    return [float(r) for r in found]


def _restricted(
    equations: NormalEquationBlocks, cutoffs: Mapping[int, Cutoff | None]
) -> NormalEquationBlocks:
    """Shorten the cutoffs to at most those of the equations."""
    own = dict(zip(equations.expansion.orders, equations.expansion.cutoffs, strict=True))
    kept = {order: _shorter(own[order], wanted) for order, wanted in cutoffs.items()}
    return equations.restricted(*equations.expansion.restricted(kept))


def _shorter(own: Cutoff | None, wanted: Cutoff | None) -> Cutoff | None:
    if own is None or wanted is None:
        return wanted
    pairs = {pair: min(r, wanted.radius) for pair, r in own.by_species.items()}
    return Cutoff(min(own.radius, wanted.radius), pairs)


def _selected_blocks(equations: NormalEquationBlocks, chosen: Bools) -> NormalEquationBlocks:
    return replace(
        equations,
        run=equations.run[chosen],
        frames=equations.frames[chosen],
        gram=equations.gram[chosen],
        moment=equations.moment[chosen],
        square=equations.square[chosen],
        displacement_sum=equations.displacement_sum[chosen],
        force_sum=equations.force_sum[chosen],
    )


def _assessed(
    equations: NormalEquationBlocks, options: FitOptions
) -> tuple[FitQuality, ForceConstants]:
    solved = solve_equations(equations, options)
    constants = constants_of(solved.equations.model, solved.parameters)
    force, _ = first_order_forces(equations, constants)
    other = solve_other_scheme(equations, options, solved)
    left_out = left_out_solutions(solved.equations, options.solver)
    quality = quality_of(equations, solved, other, options, force, left_out)
    return quality, replace(constants, quality=quality)
