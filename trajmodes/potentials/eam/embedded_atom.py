"""The embedded-atom potential, and its energy, forces and stress.

    E = ½ Σ_b φ(r_b) + Σ_i F_i(ρ_i),  ρ_i = Σ_b f(r_b)

(Daw and Baskes, Phys. Rev. B 29, 6443 (1984)). The sums are over the bonds b of each atom, and
the density f depends on both species in the form of Finnis and Sinclair (Phil. Mag. A 50, 45
(1984)): it is the density at the first atom of the bond that comes from the second.

E does not change if A_i f is added to φ at both ends of each bond and A_i ρ is subtracted from
F_i, with any A_i for each site: this is the gauge.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.notes import Note
from trajmodes.potentials.eam.functions import (
    BondFunctions,
    Functions,
    bond_functions,
    curvature_noise,
)
from trajmodes.potentials.eam.matrices import DynamicalParts, dynamical_parts
from trajmodes.potentials.eam.second_order import Gauge, SecondOrder, second_order
from trajmodes.potentials.eam.third_order import third_order
from trajmodes.potentials.neighbours import BondList, bond_list, bonds_within
from trajmodes.potentials.potential import Order, State, summed_over_cells

# Noise of force constants, relative to the largest, above which there is a warning.
_NOISE = 1e-4


@dataclass(frozen=True, slots=True)
class EmbeddedAtom:
    """An embedded-atom potential, of tables or of any functions with derivatives."""

    functions: Functions
    listed: BondList | None = None
    """Bonds near one crystal; None: they are searched for in each crystal."""

    def near(self, crystal: Crystal) -> "EmbeddedAtom":
        """List the bonds once for crystals that differ by small strains.

        Results do not change: if a strain brings in other bonds, all bonds are searched for.
        """
        return replace(self, listed=bond_list(crystal, self.functions.cutoff))

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces and stress."""
        found = self._at(crystal, 1)
        bonds = found.bonds
        slope = found.embedding[1]
        pull = (
            found.pair[1]
            + slope[bonds.first] * found.at_first[1]
            + slope[bonds.second] * found.at_second[1]
        )
        pull_bx = (pull / found.lengths)[:, None] * bonds.vectors
        forces = np.zeros((crystal.n_sites, 3))
        np.add.at(forces, bonds.first, pull_bx)
        return State(
            energy=float(0.5 * found.pair[0].sum() + found.embedding[0].sum()),
            forces=forces,
            stress=0.5 * pull_bx.T @ bonds.vectors / crystal.volume,
        )

    def force_constants(self, crystal: Crystal, order: Order = 2) -> ForceConstants:
        """Compute static force constants, analytically."""
        constants = self.parts(crystal).total
        if order == 2:
            return constants
        return replace(constants, triplets=third_order(crystal, self._at(crystal, 3)))

    def hessian(self, crystal: Crystal) -> Floats:
        """Compute second derivatives (3s, 3s) for equal displacements in all cells."""
        return summed_over_cells(self.force_constants(crystal))

    def parts(self, crystal: Crystal, gauge: Gauge = None) -> SecondOrder:
        """Compute the force constants of second order and their parts.

        Parameters
        ----------
        gauge
            A (s,) of each site in eV per density, or ``normalised``: A = F'. By default A = 0,
            with the unchanged functions of the potential.
        """
        return second_order(crystal, self._at(crystal, 2), gauge)

    def matrices(self, crystal: Crystal, qpoints: npt.ArrayLike) -> Complexes:
        """Compute D (q, 3s, 3s) in (rad/ps)² at reduced q (q, 3), without force constants."""
        parts = self.dynamical_parts(crystal, qpoints)
        return parts.bonds + parts.many_body

    def dynamical_parts(self, crystal: Crystal, qpoints: npt.ArrayLike) -> DynamicalParts:
        """Compute the parts of D at reduced q (q, 3)."""
        return dynamical_parts(crystal, self._at(crystal, 2), qpoints)

    def noise(self, crystal: Crystal) -> float:
        """Error in eV/Å² of force constants due to rounding of the tables."""
        found = curvature_noise(self.functions, crystal, self._at(crystal, 2))
        return float(found.max(initial=0.0))

    def notes(self, crystal: Crystal) -> tuple[Note, ...]:
        """Warn if rounding of the tables causes errors of the force constants."""
        noise = self.noise(crystal)
        largest = np.abs(self.parts(crystal).total.values).max()
        if noise <= _NOISE * largest:
            return ()
        return (
            Note(
                "warning",
                f"the tables of the potential have so few digits that force constants have "
                f"errors of about {noise:.2g} eV/Å², and the largest is {largest:.3g} eV/Å²",
                why="second derivatives of a table amplify the rounding of its values",
                fix="smooth the functions of distance: interpolation smooth",
            ),
        )

    def _at(self, crystal: Crystal, order: int) -> BondFunctions:
        if self.listed is None:
            bonds = bonds_within(crystal, self.functions.cutoff)
        else:
            bonds = self.listed.of(crystal)
        return bond_functions(self.functions, crystal, bonds, order)
