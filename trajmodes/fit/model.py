"""What is fitted: which part of an expansion, under which relations, in which order.

Free parameters x give the parameters of the expansion by z = N x, the orthonormal columns of N
spanning all z that obey the constraints. They are determined in stages. In the sequential
scheme pairs come first, together with a constant force where the site symmetry allows one:
the best harmonic model of the ensemble (Hellman, Steneteg, Abrikosov, Simak, Phys. Rev. B 87,
104111 (2013)). Each higher order is then fitted to the force that the lower ones leave, again
with a constant force. The joint scheme is one stage.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.tensors import SymmetryBasis

Scheme = Literal["sequential", "joint"]


@dataclass(frozen=True, slots=True)
class Model:
    """Free parameters (n) of an expansion, sorted by stage."""

    expansion: Expansion
    constraints: Constraints
    scheme: Scheme
    null_space: Floats
    """(z, n): z = N x, columns orthonormal in the parameters of their order, but for a
    `localised` model."""
    order: Ints
    """(n,) order that each free parameter belongs to; 0 for those that mix several."""
    stage: Ints
    """(n,) stage in which it is determined, ascending."""

    def __post_init__(self) -> None:
        sizes = {"z": self.expansion.n_parameters}
        freeze(self, sizes, float, null_space="z n")
        freeze(self, sizes, np.int64, order="n", stage="n")

    @property
    def n_parameters(self) -> int:
        """Number of free parameters, those of order 1 included."""
        return len(self.order)

    @property
    def stages(self) -> list[Ints]:
        """Free parameters of each stage."""
        return [np.flatnonzero(self.stage == k) for k in np.unique(self.stage)]

    def count(self, order: int) -> int:
        """Count the free parameters of one order."""
        return int((self.order == order).sum())

    def in_scheme(self, scheme: Scheme) -> "Model":
        """Take the same free parameters in the stages of a scheme."""
        return replace(self, scheme=scheme, stage=_stages(self.order, scheme))

    def within(self, spans: dict[int, Floats]) -> "Model":
        """Keep, of the stages named, the orthonormal directions (n of the stage, r) given.

        Where they mix the orders of their stage, their own order is 0.
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
        """Take as free parameters some of the z themselves, for the others follow from them.

        Parameters that are constants of single orbits can be zero one by one, which a
        combination of orbits cannot. Taken are orbits of distinct atoms before self terms.
        """
        free = np.zeros_like(self.null_space)
        for basis in self.expansion:
            own = np.flatnonzero(self.order == basis.order)
            if not len(own):
                continue
            part = self.null_space[self.expansion.columns(basis.order)][:, own]
            weight = np.where(_of_distinct_atoms(basis), 1.0, _LAST)
            _, chosen = scipy.linalg.qr(weight * part.T, pivoting=True, mode="r")
            chosen = chosen[: len(own)]
            local = np.linalg.solve(part[chosen].T, part.T).T
            free[self.expansion.columns(basis.order), own] = local
        return replace(self, null_space=free)


_LAST = 1e-3
"""Weight that makes self terms the last to be taken."""


def _of_distinct_atoms(basis: SymmetryBasis) -> Bools:
    """(z,) whether the members of the orbit of each parameter are all different."""
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
    """Free parameters of an expansion under constraints.

    Parameters
    ----------
    expansion
        The expansion.
    constraints
        Relations beside those of translations.
    scheme
        Whether each order is fitted to what the lower ones leave, or all at once.
    constant_force
        Fit a constant force on each site too, as far as symmetry allows it: the same as
        counting displacements from the average structure.

    Raises
    ------
    DataError
        If symmetry and the sum rules leave no free parameter to an order.
    """
    total = expansion.n_parameters
    parts, order = [], []
    for basis in expansion:
        if basis.order == 1 and not constant_force:
            continue
        free = null_space(constraint_rows(basis, constraints))
        if basis.order > 1 and not free.shape[1]:
            raise DataError(
                f"symmetry and the sum rule leave no free parameter of order {basis.order}",
                where=f"{basis.orbits.n_orbits} orbits up to "
                f"{basis.orbits.radii.max(initial=0.0):.4f} Å",
                why="the cutoff takes in no neighbour",
                fix="raise the cutoff",
            )
        part = np.zeros((total, free.shape[1]))
        part[expansion.columns(basis.order)] = free
        parts.append(part)
        order.append(np.full(free.shape[1], basis.order))
    orders = np.concatenate(order)
    free = np.concatenate(parts, axis=1)
    return Model(expansion, constraints, scheme, free, orders, _stages(orders, scheme))


def _stages(order: Ints, scheme: Scheme) -> Ints:
    """(n,) stage of parameters of each order; a constant force goes with the pairs."""
    return np.zeros_like(order) if scheme == "joint" else np.maximum(order - 2, 0)


@dataclass(frozen=True, slots=True)
class ReducedEquations:
    """Squared residual Σ|f|² − 2 h·x + x·G x for each block of time (b)."""

    model: Model
    run: Ints
    """(b,) run that each block belongs to."""
    gram: Floats
    """(b, n, n). G."""
    moment: Floats
    """(b, n). h."""
    square: Floats
    """(b,), unit: eV²/Å². Σ|f|²."""
    frames: Ints
    """(b,) number of frames."""
    n_components: int
    """Number of force components in one frame."""

    def __post_init__(self) -> None:
        sizes = {"n": self.model.n_parameters}
        freeze(self, sizes, float, gram="b n n", moment="b n", square="b")
        freeze(self, sizes, np.int64, frames="b", run="b")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    def merged(self, n_together: int) -> "ReducedEquations":
        """Join neighbouring blocks of one run, so many at a time, into longer ones."""
        place = np.arange(self.n_blocks) - np.searchsorted(self.run, self.run)
        cuts = np.flatnonzero(place % n_together == 0)
        return replace(
            self,
            run=self.run[cuts],
            gram=np.add.reduceat(self.gram, cuts),
            moment=np.add.reduceat(self.moment, cuts),
            square=np.add.reduceat(self.square, cuts),
            frames=np.add.reduceat(self.frames, cuts),
        )


def reduced_equations(equations: NormalEquationBlocks, model: Model) -> ReducedEquations:
    """Reduce normal equations to the free parameters of a model.

    Parameters
    ----------
    equations
        NormalEquationBlocks of the model's expansion.
    model
        The model.
    """
    model = _with_own_constant_force(equations, model)
    free = model.null_space
    gram = np.empty((equations.n_blocks, free.shape[1], free.shape[1]))
    for own, target in zip(equations.gram, gram, strict=True):
        part = free.T @ (own @ free)
        np.add(0.5 * part, 0.5 * part.T, out=target)
    return ReducedEquations(
        model,
        equations.run,
        gram,
        equations.moment @ free,
        equations.square,
        equations.frames,
        equations.n_components,
    )


def _with_own_constant_force(equations: NormalEquationBlocks, model: Model) -> Model:
    """Let every later stage fit a constant force of its own, through columns of zero mean.

    The first stage takes the mean force with it, that of uu in ½ Φ3 uu as well; without a
    constant to make up for that the next one would find too small a Φ3.
    """
    still, later = model.order == 1, model.stage > 0
    free = model.null_space.copy()
    push = free[:, still]
    overlap = push.T @ equations.gram.sum(axis=0) @ free
    mean = np.linalg.solve(overlap[:, still], overlap[:, later])
    free[:, later] -= push @ mean
    return replace(model, null_space=free)
