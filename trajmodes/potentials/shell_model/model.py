"""A shell model of a crystal: energy with relaxed shells, dynamical matrices, polarisation.

Shells have no mass, and are at the minimum of the energy. With the second derivatives B of
cores (c) and shells (s) the dynamical matrix is

    D = M^{-½}[B_cc − B_cs B_ss⁻¹ B_sc]M^{-½},

and a mode moves the shells by −B_ss⁻¹ B_sc u_c. At q = 0 without macroscopic field the same
blocks give the Born charges and the dielectric tensor of clamped cores

    Z*_i = z_i 1 − Σ_s z_s (B_ss⁻¹ B_sc)_si,   ε∞ = 1 + (4πk/V) Σ_ss' z_s (B_ss⁻¹)_ss' z_s'

(Cochran and Cowley, J. Phys. Chem. Solids 23, 447 (1962)).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.errors import DataError
from trajmodes.potentials.potential import Order, State
from trajmodes.potentials.shell_model.constants import (
    MeshConstants,
    constants_of_bonds,
    constants_of_mesh,
)
from trajmodes.potentials.shell_model.lists import Lists, eliminated, lists_of
from trajmodes.potentials.shell_model.multipoles import charges_of
from trajmodes.potentials.shell_model.response import static_response
from trajmodes.potentials.shell_model.terms import Terms
from trajmodes.potentials.shell_model.third_order import third_order


@dataclass(frozen=True, slots=True)
class ShellModel:
    """A model of given parameters, for any crystal of its species."""

    terms: Terms
    lists: Lists | None = None
    """Fixed lists of interactions; None: each crystal has its own."""

    def near(self, crystal: Crystal) -> "ShellModel":
        """Fix the lists of bonds and triples for crystals that differ by small strains.

        The energy then has no step at a cutoff. Shells start at their positions in this
        crystal.
        """
        lists = lists_of(self.terms, crystal)
        particles, shift = lists.relaxed(crystal)
        soft = lists.shell_compliance(particles, crystal)
        return replace(self, lists=replace(lists, start=shift, compliance=soft))

    def state(self, crystal: Crystal) -> State:
        """Compute energy, forces on the atoms and stress, with relaxed shells."""
        lists = self._lists(crystal)
        particles, _ = lists.relaxed(crystal)
        found = lists.derivatives(particles)
        return State(
            energy=found.energy,
            forces=-found.gradient[: crystal.n_sites],
            stress=found.virial / crystal.volume,
        )

    def matrices(
        self, crystal: Crystal, qpoints: Floats, direction: Floats | None = None
    ) -> Complexes:
        """Compute D (q, 3s, 3s) in (rad/ps)² at reduced q (q, 3).

        ``direction`` is a Cartesian direction from which q = 0 is approached: its macroscopic
        field is included there.
        """
        lists = self._lists(crystal)
        particles, _ = lists.relaxed(crystal)
        b_qkl = lists.second(particles, crystal, qpoints)
        if direction is not None:
            at_gamma = np.abs(qpoints - np.rint(qpoints)).max(axis=1) < 1e-9
            if lists.ewald is not None:
                b_qkl[at_gamma] += lists.ewald.field_at(particles, direction)
        cores, _ = eliminated(b_qkl, crystal.n_sites)
        root = np.repeat(1.0 / np.sqrt(crystal.masses), 3)
        found: Complexes = root[:, None] * cores * root
        return found

    def force_constants(self, crystal: Crystal, order: Order = 2) -> ForceConstants:
        """Compute static force constants, those of `mesh_constants` if there are shells.

        Raises
        ------
        DataError
            If third order of a model with charges or shells is requested.
        """
        if order == 3 and (self.terms.charges or self.has_shells(crystal)):
            raise DataError(
                "force constants of third order of charges and shells are not calculated",
                why="they extend as far as the dipole–dipole forces",
                fix="leave third order out, or fit it to a run with this potential",
            )
        if self.has_shells(crystal):
            return self.mesh_constants(crystal).constants
        lists = self._lists(crystal)
        particles, _ = lists.relaxed(crystal)
        charges = self.charges(crystal) if self.terms.charges else None
        constants = constants_of_bonds(crystal, lists.bonded_blocks(particles), charges)
        if order == 2:
            return constants
        return replace(constants, triplets=third_order(crystal, particles, lists.bonded))

    def has_shells(self, crystal: Crystal) -> bool:
        """Whether species of the crystal have shells."""
        return any(name in self.terms.springs for name in crystal.species)

    def mesh_constants(self, crystal: Crystal) -> MeshConstants:
        """Compute force constants from dynamical matrices on a mesh; see `constants`."""
        near = self if self.lists else self.near(crystal)
        charges = near.charges(crystal) if self.terms.charges else None
        return constants_of_mesh(crystal, partial(near.matrices, crystal), charges)

    def hessian(self, crystal: Crystal) -> Floats:
        """Compute second derivatives (3s, 3s) for equal displacements in all cells."""
        root = np.repeat(np.sqrt(crystal.masses), 3)
        matrix = self.matrices(crystal, np.zeros((1, 3)))[0].real
        found: Floats = matrix * root[:, None] * root
        return found

    def response(self, crystal: Crystal) -> StaticResponse:
        """Compute elastic, piezoelectric and dielectric tensors; see `response`."""
        lists = self._lists(crystal)
        return static_response(lists, lists.relaxed(crystal)[0], crystal)

    def shell_displacements(self, crystal: Crystal, qpoints: Floats) -> Complexes:
        """Compute (q, 3m, 3s) displacements of the shells per displacement of the cores."""
        lists = self._lists(crystal)
        particles, _ = lists.relaxed(crystal)
        return eliminated(lists.second(particles, crystal, qpoints), crystal.n_sites)[1]

    def charges(self, crystal: Crystal) -> Charges:
        """Compute Born charges, ε∞ and dynamical quadrupoles.

        Raises
        ------
        DataError
            If the model has no charges.
        """
        lists = self._lists(crystal)
        if lists.ewald is None:
            raise DataError("the model has no charges")
        return charges_of(lists, lists.ewald, lists.relaxed(crystal)[0], crystal)

    def _lists(self, crystal: Crystal) -> Lists:
        return self.lists or lists_of(self.terms, crystal)
