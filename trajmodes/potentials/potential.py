"""A potential: the energy of a crystal and its derivatives."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants

Order = Literal[2, 3]


@dataclass(frozen=True, slots=True)
class State:
    """Energy of a crystal with its first derivatives, all atoms on their sites."""

    energy: float
    """Energy of the cell in eV."""
    forces: Floats
    """(s, 3), unit: eV/Å."""
    stress: Floats
    """(3, 3), unit: eV/Å³. (1/V) ∂E/∂ε for r → (1 + ε) r: positive under tension."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, forces="s 3", stress="3 3")


class Potential(Protocol):
    """Energy of any periodic crystal, and its derivatives."""

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress of the given cell."""
        ...

    def force_constants(self, crystal: Crystal, order: Order = 2) -> ForceConstants:
        """Compute static force constants of second, or second and third, order.

        Pairs extend as far as the potential; they are not folded into a supercell. Self terms
        are listed, also for sites on which a force acts.
        """
        ...

    def hessian(self, crystal: Crystal) -> Floats:
        """Compute second derivatives (3s, 3s) in eV/Å² for equal displacements in all cells."""
        ...


def summed_over_cells(constants: ForceConstants) -> Floats:
    """Sum force constants without charges over the cells: `Potential.hessian`."""
    s = constants.crystal.n_sites
    folded = np.zeros((s, s, 3, 3))
    np.add.at(folded, (constants.first, constants.second), constants.values)
    found: Floats = folded.swapaxes(1, 2).reshape(3 * s, 3 * s)
    return found
