"""Free parameters of a fit: part of an expansion, under constraints, in stages.

The free parameters x determine the parameters of the expansion by z = N x, where the
orthonormal columns of N span all z that obey the constraints. They are determined in stages.
The sequential scheme first fits the second order, together with a constant force where the
site symmetry allows one: the best harmonic model of the ensemble (Hellman, Steneteg,
Abrikosov, Simak, Phys. Rev. B 87, 104111 (2013)). Each higher order is then fitted to
the residual force, again with a constant force. The joint scheme has one stage.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.normal_equations import Blocks, NormalEquationBlocks
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.tensors import SymmetryBasis

Scheme = Literal["sequential", "joint"]


@dataclass(frozen=True, slots=True)
class Model:
    """Free parameters (n) of an expansion, sorted by stage."""

    expansion: Expansion
    null_space: Floats
    """(z, n) N in z = N x. Columns are orthonormal, unless the model is `localised`."""
    order: Ints
    """(n,) order of each free parameter; 0 if it mixes several."""
    stage: Ints
    """(n,) stage in which each is determined, ascending."""

    def __post_init__(self) -> None:
        sizes = {"z": self.expansion.n_parameters}
        freeze(self, sizes, float, null_space="z n")
        freeze(self, sizes, np.int64, order="n", stage="n")

    @property
    def n_parameters(self) -> int:
        """Number of free parameters, including those of order 1."""
        return len(self.order)

    @property
    def stages(self) -> list[Ints]:
        """Free parameters of each stage."""
        return [np.flatnonzero(self.stage == k) for k in np.unique(self.stage)]

    def count(self, order: int) -> int:
        """Count the free parameters of one order."""
        return int((self.order == order).sum())

    def in_scheme(self, scheme: Scheme) -> "Model":
        """Sort the same free parameters into the stages of a scheme."""
        return replace(self, stage=_stages(self.order, scheme))

    def within(self, spans: dict[int, Floats]) -> "Model":
        """Keep only the given orthonormal directions (n of the stage, r) of some stages.

        Directions that mix several orders have order 0.
        """
        parts, order, stage = [], [], []
        for k, own in enumerate(self.stages):
            span = spans.get(k, np.eye(len(own)))
            parts.append(self.null_space[:, own] @ span)
            orders = self.order[own]
            if k in spans:
                alike = len(np.unique(orders)) == 1
                orders = np.full(span.shape[1], orders[0] if alike else 0)
            order.append(orders)
            stage.append(np.full(span.shape[1], k))
        return replace(
            self,
            null_space=np.concatenate(parts, axis=1),
            order=np.concatenate(order),
            stage=np.concatenate(stage),
        )

    def localised(self) -> "Model":
        """Choose a subset of z as free parameters, from which the others follow.

        Each belongs to one orbit, so that a sparse fit can set the force constants of single
        orbits to zero. Self terms are chosen last.
        """
        free = np.zeros_like(self.null_space)
        for basis in self.expansion:
            own = np.flatnonzero(self.order == basis.order)
            if not len(own):
                continue
            part = self.null_space[self.expansion.columns(basis.order)][:, own]
            weight = np.where(_of_distinct_atoms(basis), 1.0, _SELF_TERM_WEIGHT)
            _, chosen = scipy.linalg.qr(weight * part.T, pivoting=True, mode="r")
            chosen = chosen[: len(own)]
            local = np.linalg.solve(part[chosen].T, part.T).T
            free[self.expansion.columns(basis.order), own] = local
        return replace(self, null_space=free)


_SELF_TERM_WEIGHT = 1e-3
"""Weight of self terms in the pivoted QR decomposition, which chooses them last."""


def _of_distinct_atoms(basis: SymmetryBasis) -> Bools:
    """(z,) whether the clusters of each parameter have no atom twice."""
    chosen = basis.orbits.representatives
    atoms = np.concatenate(
        [basis.orbits.sites[chosen][:, :, None], basis.orbits.lattice[chosen]], axis=2
    )
    same = (atoms[:, :, None] == atoms[:, None, :]).all(axis=3)
    distinct = same.sum(axis=(1, 2)) == basis.order
    return np.repeat(distinct, basis.counts)


def model_of(
    expansion: Expansion,
    *,
    constraints: Constraints,
    scheme: Scheme,
    constant_force: bool = True,
) -> Model:
    """Find the free parameters of an expansion under constraints.

    Parameters
    ----------
    constant_force
        Also fit a constant force on each site where symmetry allows it. This is equivalent to
        measuring displacements from the average structure.

    Raises
    ------
    DataError
        If symmetry and the constraints leave an order without free parameters.
    """
    spaces = []
    for basis in expansion:
        free = null_space(constraint_rows(basis, constraints))
        spaces.append(free if basis.order > 1 or constant_force else free[:, :0])
        if basis.order > 1 and not free.shape[1]:
            reach = float(basis.orbits.radii.max(initial=0.0))
            alone = reach == 0.0
            raise DataError(
                f"symmetry and the sum rule leave no free parameter of order {basis.order}",
                where=f"{basis.orbits.n_orbits} orbits up to {reach:.4f} Å",
                why="no neighbour lies within the cutoff"
                if alone
                else "the symmetry of the sites and of the pairs forbids all of them",
                fix="raise the cutoff"
                if alone
                else "leave this order out, or raise its cutoff to farther neighbours",
            )
    order = np.repeat(expansion.orders, [space.shape[1] for space in spaces])
    return Model(expansion, scipy.linalg.block_diag(*spaces), order, _stages(order, scheme))


def _stages(order: Ints, scheme: Scheme) -> Ints:
    """(n,) stage of each parameter; the constant force is fitted with the second order."""
    return np.zeros_like(order) if scheme == "joint" else np.maximum(order - 2, 0)


@dataclass(frozen=True, slots=True)
class ReducedEquations(Blocks):
    """Squared residual Σ|f|² − 2 h·x + x·G x of the free parameters, in blocks of time (b)."""

    model: Model
    run: Ints
    """(b,) run that each block belongs to."""
    gram: Floats
    """(b, n, n). G."""
    moment: Floats
    """(b, n). h."""

    def __post_init__(self) -> None:
        sizes = {"n": self.model.n_parameters}
        freeze(self, sizes, float, gram="b n n", moment="b n", square="b")
        freeze(self, sizes, np.int64, frames="b", components="b", run="b")

    def merged(self, n_together: int) -> "ReducedEquations":
        """Merge every `n_together` consecutive blocks of a run."""
        if n_together == 1:
            return self
        place = np.arange(self.n_blocks) - np.searchsorted(self.run, self.run)
        cuts = np.flatnonzero(place % n_together == 0)
        sums: dict[str, Any] = {n: np.add.reduceat(x, cuts) for n, x in self.arrays().items()}
        return replace(self, **(sums | {"run": self.run[cuts]}))


def reduced_equations(equations: NormalEquationBlocks, model: Model) -> ReducedEquations:
    """Reduce the normal equations of an expansion to the free parameters of a model."""
    model = _with_centred_columns(equations, model)
    free = model.null_space
    gram = np.empty((equations.n_blocks, free.shape[1], free.shape[1]))
    for own, target in zip(equations.gram, gram, strict=True):
        part = free.T @ (own @ free)
        np.add(0.5 * part, 0.5 * part.T, out=target)
    return ReducedEquations(
        frames=equations.frames,
        components=equations.components,
        square=equations.square,
        model=model,
        run=equations.run,
        gram=gram,
        moment=equations.moment @ free,
    )


def _with_centred_columns(equations: NormalEquationBlocks, model: Model) -> Model:
    """Let every later stage fit its own constant force, by columns with zero mean force.

    The constant force of the first stage contains the mean of ½ Φ3 uu. Without a constant force
    of its own the next stage would underestimate Φ3.
    """
    first, later = model.order == 1, model.stage > 0
    free = model.null_space.copy()
    constant = free[:, first]
    overlap = constant.T @ equations.gram.sum(axis=0) @ free
    mean = np.linalg.solve(overlap[:, first], overlap[:, later])
    free[:, later] -= constant @ mean
    return replace(model, null_space=free)
