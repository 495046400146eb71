"""Simple cubic crystal of springs of second and third order between nearest neighbours."""

import numpy as np

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.units import DALTON

STIFF, BEND, CUBIC = 5.0, 0.4, -20.0
SIDE = 3.0


def triplets_of_bonds(stiff: float, bend: float, cubic: float, side: float) -> ClusterConstants:
    """Third-order constants of bonds of length `side`, whose third derivative is `cubic`."""
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    along = np.einsum("pi,pj->pij", steps, steps)
    mixed = np.einsum("pij,pk->pijk", np.eye(3) - along, steps)
    mixed = mixed + mixed.transpose(0, 2, 3, 1) + mixed.transpose(0, 3, 1, 2)
    third = cubic * np.einsum("pij,pk->pijk", along, steps) + (stiff - bend) / side * mixed
    zero = np.zeros((6, 3), dtype=int)
    cells = [(zero, zero, steps), (zero, steps, zero), (zero, steps, steps)]
    return ClusterConstants(
        np.zeros((18, 3), dtype=int),
        np.concatenate([np.stack(x, axis=1) for x in cells]),
        np.concatenate([third, third, -third]),
    )


def simple_cubic(
    stiff: float = STIFF, bend: float = BEND, cubic: float = CUBIC
) -> ForceConstants:
    """Bonds of the six neighbours with φ'' = stiff, φ'/r = bend and φ''' = cubic."""
    crystal = Crystal(np.eye(3) * SIDE, np.zeros((1, 3)), ("Si",), np.array([28.0 * DALTON]))
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    along = np.einsum("pi,pj->pij", steps, steps)
    hessian = stiff * along + bend * (np.eye(3) - along)
    zero = np.zeros((6, 3), dtype=int)
    triplets = triplets_of_bonds(stiff, bend, cubic, SIDE)
    return ForceConstants(
        crystal, np.zeros(7, int), np.zeros(7, int), np.concatenate([zero[:1], steps]),
        np.concatenate([hessian.sum(axis=0)[None], -hessian]), triplets=triplets,
    )  # fmt: skip
