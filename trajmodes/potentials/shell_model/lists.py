"""Interactions in a crystal: all terms of a shell model, with relaxed shells."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, with_location
from trajmodes.potentials.ewald import Ewald, ewald_sum
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

_RELAXED = 1e-10
"""Displacement of the shells in Å below which they are relaxed."""
_MOST_STEPS = 50
_SLOW = 0.1
"""Ratio of two steps above which second derivatives are computed again."""
_LONGEST = 0.1
"""Largest displacement of a shell in Å in one step."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The interactions in a crystal."""

    layout: Layout
    pairs: list[PairList]
    triples: list[TripleList]
    ewald: Ewald | None
    start: Floats
    """(m, 3), unit: Å. Initial displacements of the shells from their cores."""
    compliance: Floats | None = None
    """(3m, 3m), unit: Å²/eV. Displacement of the shells per force, near their equilibrium
    positions."""

    @property
    def bonded(self) -> list[PairList | TripleList]:
        """All terms except the Coulomb energy."""
        return [*self.pairs, *self.triples]

    def particles(self, crystal: Crystal, shift: Floats) -> Particles:
        """Cores on the sites, and shells displaced from them."""
        positions = crystal.positions
        own = positions[self.layout.site[crystal.n_sites :]] + shift
        return Particles(crystal.cell, np.concatenate([positions, own]))

    def derivatives(self, particles: Particles) -> Derivatives:
        """Sum all energies."""
        total = no_energy(particles)
        for one in self.bonded:
            total = total + one.derivatives(particles)
        return total if self.ewald is None else total + self.ewald.derivatives(particles)

    def bonded_blocks(self, particles: Particles) -> Blocks:
        """Second derivatives of all energies except that of the charges."""
        return Blocks.joined([one.blocks(particles) for one in self.bonded])

    def second(
        self, particles: Particles, crystal: Crystal, qpoints: Floats, *, field: bool = True
    ) -> Complexes:
        """(q, 3n, 3n) second derivatives of cores and shells, in eV/Å².

        Without ``field`` there is no macroscopic field, also at q ≠ 0.
        """
        listed = self.bonded_blocks(particles)
        if self.ewald is not None:
            listed = Blocks.joined([listed, self.ewald.blocks(particles)])
        sites = crystal.sites[self.layout.site]
        wanted = np.concatenate([np.zeros((1, 3)), qpoints])
        found = listed.summed(particles.count, wanted, sites)
        if self.ewald is not None:
            found += self.ewald.waves_at(particles, wanted, sites, field=field)
        # Self terms: an equal displacement of all particles causes no force.
        n = particles.count
        sums = found[0].real.reshape(n, 3, n, 3).sum(axis=2)
        for k in range(n):
            own = slice(3 * k, 3 * k + 3)
            found[1:, own, own] -= 0.5 * (sums[k] + sums[k].T)
        return found[1:]

    def relaxed(self, crystal: Crystal) -> tuple[Particles, Floats]:
        """Relax the shells by Newton's method, with new second derivatives only if necessary.

        Raises
        ------
        DataError
            If they leave their cores, or their energy has no minimum.
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
                particles = self.particles(crystal, shift)
                if _holds(compliance) or _holds(self.shell_compliance(particles, crystal)):
                    return particles, shift
                raise _unstable("the shells have no stable position")
            if longest > _SLOW * before:
                compliance = None
            before = longest
        raise _unstable("the shells do not come to rest")

    def shell_compliance(self, particles: Particles, crystal: Crystal) -> Floats:
        """(3m, 3m), unit: Å²/eV. Inverse of the second derivatives of the shells at q = 0."""
        k = 3 * crystal.n_sites
        matrix = self.second(particles, crystal, np.zeros((1, 3)))[0].real[k:, k:]
        try:
            return np.asarray(np.linalg.inv(matrix), dtype=float)
        except np.linalg.LinAlgError:
            raise _unstable("nothing holds a shell") from None


def _holds(compliance: Floats) -> bool:
    """Whether the shells move in the direction of every force on them."""
    return bool(np.linalg.eigvalsh(0.5 * (compliance + compliance.T))[0] > 0)


def _unstable(what: str) -> DataError:
    return DataError(
        what,
        why="they are attracted more than their springs hold (a polarisation catastrophe)",
        fix="check charges, springs and the distances of the crystal",
    )


def lists_of(terms: Terms, crystal: Crystal) -> Lists:
    """List the interactions in a crystal.

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
        counts = Counter(layout.kinds)
        ions = (f"{n} {kind} of {terms.charges[kind]:g} e" for kind, n in counts.items())
        try:
            ewald = ewald_sum(particles, charges, layout.own)
        except DataError as error:
            raise with_location(error, ", ".join(ions)) from None
    n_shells = len(layout.kinds) - crystal.n_sites
    return Lists(
        layout,
        pair_lists(terms, layout, particles),
        triple_lists(terms, layout, particles),
        ewald,
        np.zeros((n_shells, 3)),
    )


def eliminated(b_qkl: Complexes, n_cores: int) -> tuple[Complexes, Complexes]:
    """Matrices (q, 3s, 3s) of cores with relaxed shells, and displacements of shells."""
    k = 3 * n_cores
    cores = b_qkl[:, :k, :k]
    if b_qkl.shape[1] == k:
        return cores, np.zeros((len(b_qkl), 0, k), dtype=complex)
    follow = np.asarray(-np.linalg.solve(b_qkl[:, k:, k:], b_qkl[:, k:, :k]), dtype=complex)
    return cores + b_qkl[:, :k, k:] @ follow, follow
