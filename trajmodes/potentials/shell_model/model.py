"""A shell model of a crystal: energy with relaxed shells, dynamical matrices, polarisation.

Shells have no mass: they are where the energy is lowest. With the second derivatives B of cores
(c) and shells (s) the dynamical matrix is

    D = M^{-½}[B_cc − B_cs B_ss⁻¹ B_sc]M^{-½},

and a mode moves the shells by −B_ss⁻¹ B_sc u_c. At q = 0 without macroscopic field the same
blocks give the Born charges and the dielectric tensor of clamped cores

    Z*_i = z_i 1 − Σ_s z_s (B_ss⁻¹ B_sc)_si,   ε∞ = 1 + (4πk/V) Σ_ss' z_s (B_ss⁻¹)_ss' z_s'

(Cochran and Cowley, J. Phys. Chem. Solids 23, 447 (1962)).
"""

from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.ewald import Ewald, ewald_sum
from trajmodes.potentials.potential import State
from trajmodes.potentials.shell_model.terms import (
    Layout,
    Terms,
    layout_of,
    pair_lists,
    triple_lists,
)
from trajmodes.potentials.terms.pairs import PairList
from trajmodes.potentials.terms.particles import Blocks, Derivatives, Particles, no_energy
from trajmodes.potentials.terms.triples import TripleList
from trajmodes.units import COULOMB

_RELAXED = 1e-10
"""Displacement of the shells in Å at which they are relaxed."""
_MOST_STEPS = 50
_SLOW = 0.1
"""Ratio of two steps above which second derivatives are taken anew."""
_LONGEST = 0.1
"""Largest displacement of a shell in Å in one step."""


@dataclass(frozen=True, slots=True)
class ShellModel:
    """A model of given parameters, for any crystal of its species."""

    terms: Terms
    lists: "Lists | None" = None
    """Fixed lists of what interacts; None: those of each crystal."""

    def near(self, crystal: Crystal) -> "ShellModel":
        """Fix the lists of bonds and triples for crystals that differ by small strains.

        A cutoff is then no step of the energy, and shells start where they are in this crystal.
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
        cores, _ = _eliminated(b_qkl, crystal.n_sites)
        root = np.repeat(1.0 / np.sqrt(crystal.masses), 3)
        found: Complexes = root[:, None] * cores * root
        return found

    def shell_displacements(self, crystal: Crystal, qpoints: Floats) -> Complexes:
        """Compute (q, 3m, 3s) displacements of the shells per displacement of the cores."""
        lists = self._lists(crystal)
        particles, _ = lists.relaxed(crystal)
        return _eliminated(lists.second(particles, crystal, qpoints), crystal.n_sites)[1]

    def charges(self, crystal: Crystal) -> Charges:
        """Compute Born charges and ε∞.

        Raises
        ------
        DataError
            If the model has no charges.
        """
        lists = self._lists(crystal)
        if lists.ewald is None:
            raise DataError("the model has no charges")
        particles, _ = lists.relaxed(crystal)
        gamma = lists.second(particles, crystal, np.zeros((1, 3)))
        k, z = 3 * crystal.n_sites, lists.ewald.charges
        follow = _eliminated(gamma, crystal.n_sites)[1][0].real
        born = np.zeros((crystal.n_sites, 3, 3))
        born += z[: crystal.n_sites, None, None] * np.eye(3)
        moved = follow.reshape(-1, 3, crystal.n_sites, 3)
        born += np.einsum("m,mxsy->sxy", z[crystal.n_sites :], moved)
        epsilon = np.eye(3)
        if particles.count > crystal.n_sites:
            soft = np.linalg.inv(gamma[0, k:, k:].real).reshape(
                *2 * (len(z) - crystal.n_sites, 3)
            )
            own = z[crystal.n_sites :]
            polarised = np.einsum("m,mxny,n->xy", own, soft, own)
            epsilon += 4.0 * np.pi * COULOMB / crystal.volume * 0.5 * (polarised + polarised.T)
        return Charges(born, epsilon)

    def _lists(self, crystal: Crystal) -> "Lists":
        return self.lists or lists_of(self.terms, crystal)


@dataclass(frozen=True, slots=True)
class Lists:
    """What interacts in a crystal."""

    layout: Layout
    pairs: list[PairList]
    triples: list[TripleList]
    ewald: Ewald | None
    start: Floats
    """(m, 3), unit: Å. Displacements of the shells from their cores to start from."""
    compliance: Floats | None = None
    """(3m, 3m), unit: Å²/eV. Displacement of the shells per force, near where they rest."""

    @property
    def _bonded(self) -> list[PairList | TripleList]:
        return [*self.pairs, *self.triples]

    def particles(self, crystal: Crystal, shift: Floats) -> Particles:
        """Cores on the sites, and shells displaced from them."""
        positions = crystal.positions
        own = positions[self.layout.site[crystal.n_sites :]] + shift
        return Particles(crystal.cell, np.concatenate([positions, own]))

    def derivatives(self, particles: Particles) -> Derivatives:
        """Sum all energies."""
        total = no_energy(particles)
        for one in self._bonded:
            total = total + one.derivatives(particles)
        return total if self.ewald is None else total + self.ewald.derivatives(particles)

    def second(self, particles: Particles, crystal: Crystal, qpoints: Floats) -> Complexes:
        """(q, 3n, 3n) second derivatives of cores and shells, in eV/Å²."""
        blocks = [one.blocks(particles) for one in self._bonded]
        if self.ewald is not None:
            blocks.append(self.ewald.blocks(particles))
        listed = Blocks.joined(blocks)
        sites = crystal.sites[self.layout.site]
        wanted = np.concatenate([np.zeros((1, 3)), qpoints])
        found = listed.summed(particles.count, wanted, sites)
        if self.ewald is not None:
            found += self.ewald.waves_at(particles, wanted, sites)
        # Self terms: no force on a particle if all are displaced alike.
        n = particles.count
        sums = found[0].real.reshape(n, 3, n, 3).sum(axis=2)
        for k in range(n):
            own = slice(3 * k, 3 * k + 3)
            found[1:, own, own] -= 0.5 * (sums[k] + sums[k].T)
        return found[1:]

    def relaxed(self, crystal: Crystal) -> tuple[Particles, Floats]:
        """Relax the shells by Newton's method, with second derivatives only where they help.

        Raises
        ------
        DataError
            If they leave their cores.
        """
        shift = np.array(self.start)
        if not shift.size:
            return self.particles(crystal, shift), shift
        compliance, before = self.compliance, np.inf
        for _ in range(_MOST_STEPS):
            particles = self.particles(crystal, shift)
            gradient = self.derivatives(particles).gradient[crystal.n_sites :].ravel()
            if compliance is None:
                compliance = self.shell_compliance(particles, crystal)
            step = -compliance @ gradient
            longest = float(np.abs(step).max())
            step *= min(1.0, _LONGEST / max(longest, 1e-300))
            shift = shift + step.reshape(-1, 3)
            if longest < _RELAXED:
                return self.particles(crystal, shift), shift
            if longest > _SLOW * before:
                compliance = None
            before = longest
        raise DataError(
            "the shells do not come to rest",
            why="they are attracted more than their springs hold (a polarisation catastrophe)",
            fix="check charges, springs and the distances of the crystal",
        )

    def shell_compliance(self, particles: Particles, crystal: Crystal) -> Floats:
        """(3m, 3m), unit: Å²/eV. Inverse of the second derivatives of the shells at q = 0."""
        k = 3 * crystal.n_sites
        matrix = self.second(particles, crystal, np.zeros((1, 3)))[0].real[k:, k:]
        return np.asarray(np.linalg.inv(matrix), dtype=float)


def lists_of(terms: Terms, crystal: Crystal) -> Lists:
    """List what interacts in a crystal.

    Raises
    ------
    DataError
        If a species is not one of the model, or the cell is not neutral.
    """
    layout = layout_of(terms, crystal)
    positions = crystal.positions[layout.site]
    particles = Particles(crystal.cell, positions)
    ewald = None
    if terms.charges:
        charges = np.array([terms.charges[kind] for kind in layout.kinds])
        ewald = ewald_sum(particles, charges, layout.own)
    n_shells = len(layout.kinds) - crystal.n_sites
    return Lists(
        layout,
        pair_lists(terms, layout, particles),
        triple_lists(terms, layout, particles),
        ewald,
        np.zeros((n_shells, 3)),
    )


def _eliminated(b_qkl: Complexes, n_cores: int) -> tuple[Complexes, Complexes]:
    """Matrices (q, 3s, 3s) of the cores with shells that follow, and how these follow."""
    k = 3 * n_cores
    cores = b_qkl[:, :k, :k]
    if b_qkl.shape[1] == k:
        return cores, np.zeros((len(b_qkl), 0, k), dtype=complex)
    follow = np.asarray(-np.linalg.solve(b_qkl[:, k:, k:], b_qkl[:, k:, :k]), dtype=complex)
    return cores + b_qkl[:, :k, k:] @ follow, follow
