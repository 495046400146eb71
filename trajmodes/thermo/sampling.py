"""Displacements and velocities drawn from the canonical distribution of a harmonic crystal.

In the harmonic approximation the displacements of the atoms in thermal equilibrium have a
Gaussian distribution, and so have their velocities, independently. With the polarisation
vectors e of the modes at the q points of the supercell and independent standard normal numbers
η for each atom and direction,

    u = M^{-½} Σ_qm e s (e†η),   s² = ħ(n + ½)/ω (quantum) or k_BT/ω² (classical),
    v = M^{-½} Σ_qm e s_v (e†η'),  s_v = ω s,

where η is transformed to q like a field of displacements. ⟨uuᵀ⟩ is then the covariance matrix
of the crystal (Maradudin, Montroll, Weiss, Ipatova, Theory of Lattice Dynamics (1971), ch. VII;
its use for sampling: West and Estreicher, Phys. Rev. Lett. 96, 115504 (2006)). Translations of
the whole crystal have no amplitude.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from trajmodes.arrays import Complexes, Floats, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.translations import (
    HalfSpace,
    half_space,
    lattice_field,
    lattice_transform,
)
from trajmodes.thermo.functions import quantum_functions
from trajmodes.units import ASE_TIME, BOLTZMANN, DALTON, THZ

if TYPE_CHECKING:
    from ase import Atoms

RIGID = 1e-5
"""Frequency, relative to the highest, below which a restoring force is rounding."""

Imaginary = Literal["refuse", "absolute"]
"""What is done with imaginary modes: an error, or they are given the frequency |ω|."""


@dataclass(frozen=True, slots=True)
class Configurations:
    """Independent configurations of a supercell in thermal equilibrium."""

    supercell: Supercell
    displacements: Floats
    """(t, a, 3), unit: Å, atoms in canonical order."""
    velocities: Floats
    """(t, a, 3), unit: Å/ps."""
    temperature: float
    """Temperature in K."""
    is_quantum: bool
    n_absolute: int
    """Number of imaginary modes that were given the frequency |ω|."""

    def __post_init__(self) -> None:
        sizes = {"a": self.supercell.n_atoms}
        freeze(self, sizes, float, displacements="t a 3", velocities="t a 3")

    def to_ase(self) -> "list[Atoms]":
        """Make ASE Atoms of all configurations, with velocities."""
        from ase import Atoms  # noqa: PLC0415 - loads slowly

        supercell = self.supercell
        ideal = Atoms(
            supercell.species,
            positions=supercell.positions,
            cell=supercell.cell,
            pbc=True,
            masses=supercell.masses / DALTON,
        )
        found = []
        for u_ax, v_ax in zip(self.displacements, self.velocities, strict=True):
            atoms = ideal.copy()
            atoms.positions += u_ax
            atoms.set_velocities(v_ax * ASE_TIME)
            found.append(atoms)
        return found


@dataclass(frozen=True, slots=True)
class HarmonicEnsemble:
    """The canonical distribution of the atoms of a supercell; `harmonic_ensemble` makes it."""

    space: HalfSpace
    temperature: float
    is_quantum: bool
    n_absolute: int
    spread: Complexes
    """(q, 3s, 3s) Hermitian factor M^{-½} e s e† of displacements, unit: Å."""
    velocity_spread: Complexes
    """(q, 3s, 3s) the same of velocities, unit: Å/ps."""

    def draw(self, number: int, rng: np.random.Generator) -> Configurations:
        """Draw independent configurations."""
        return Configurations(
            self.space.supercell,
            self._field(self.spread, number, rng),
            self._field(self.velocity_spread, number, rng),
            self.temperature,
            self.is_quantum,
            self.n_absolute,
        )

    def _field(self, spread: Complexes, number: int, rng: np.random.Generator) -> Floats:
        noise_tax = rng.standard_normal((number, self.space.supercell.n_atoms, 3))
        waves_qtx = lattice_transform(self.space, noise_tax)
        # (q, t, s'x') and (q, sx, s'x') → (q, t, sx)
        return lattice_field(self.space, waves_qtx @ spread.swapaxes(1, 2))


def harmonic_ensemble(
    constants: ForceConstants,
    supercell: Supercell,
    temperature: float,
    *,
    quantum: bool = False,
    imaginary: Imaginary = "refuse",
) -> HarmonicEnsemble:
    """Canonical distribution of the displacements and velocities of a supercell.

    Parameters
    ----------
    temperature
        In K; 0 is allowed for quantum statistics.
    quantum
        Whether occupations are those of Bose and Einstein, with zero-point motion.
    imaginary
        Treatment of imaginary modes, which have no equilibrium.

    Raises
    ------
    UsageError
        If the temperature is negative, or zero with classical statistics.
    DataError
        If a mode is imaginary and `imaginary` does not admit it, or a mode has no restoring
        force.
    """
    if not (temperature > 0.0 or (quantum and temperature == 0.0)):
        raise UsageError(
            f"no configurations can be drawn at {temperature:g} K",
            why="classical atoms do not move at 0 K" if temperature == 0.0 else "",
            fix="give a positive temperature"
            + (", or quantum statistics" if temperature == 0.0 else ""),
        )
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    moving = modes.sets >= 0
    unstable = moving & (modes.omega < -RIGID * np.abs(modes.omega).max())
    n_absolute = int((unstable * space.weights[:, None]).sum())
    if n_absolute and imaginary == "refuse":
        q, m = np.unravel_index(int(modes.omega.argmin()), modes.omega.shape)
        raise DataError(
            f"{n_absolute} modes of the supercell are imaginary, the lowest "
            f"{modes.omega[q, m] / THZ:.3g} THz at q = {point(space.qpoints[q])}",
            why="a harmonic crystal with imaginary modes has no equilibrium",
            fix="use effective force constants of this temperature, or give imaginary modes "
            "the frequency |ω| (--imaginary absolute)",
        )
    if (np.abs(modes.omega[moving]) < RIGID * np.abs(modes.omega).max()).any():
        raise DataError(
            "a mode that is no translation has the frequency 0",
            why="the force constants do not hold all atoms",
            fix="fit force constants with a larger cutoff",
        )
    omega = np.where(moving, np.abs(modes.omega), 1.0)
    if quantum:
        energy = quantum_functions(omega, np.array([temperature])).values[1, 0]
    else:
        energy = np.full(omega.shape, BOLTZMANN * temperature)
    vectors_qmk = modes.vectors.reshape(*omega.shape, -1)
    root_k = np.repeat(constants.crystal.masses, 3) ** -0.5
    speed_qm = np.where(moving, np.sqrt(energy), 0.0)

    def factor(spread_qm: Floats) -> Complexes:
        kets = vectors_qmk.swapaxes(1, 2) * spread_qm[:, None, :]
        found: Complexes = (kets @ vectors_qmk.conj()) * root_k[:, None]
        return found

    return HarmonicEnsemble(
        space, temperature, quantum, n_absolute, factor(speed_qm / omega), factor(speed_qm)
    )
