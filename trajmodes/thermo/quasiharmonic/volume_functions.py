"""Free energy, entropy and heat capacity of a crystal at one volume.

With force constants of one temperature, F(T) = U0 + F_h(T): the energy of the crystal without
vibrations, and the free energy of its harmonic oscillators. With force constants Φ_j of several
temperatures T_j at the same volume,

F(T) = Σ_j ℓ_j(T) [U0_j + F_h(Φ_j, T)],

where ℓ_j(T) are the weights of a polynomial through the T_j, so that F at T_j is that of the
run at T_j. Entropy and heat capacity are the derivatives of the whole sum,

S = Σ_j [ℓ_j S_j − ℓ_j' F_j],   C_V = Σ_j [ℓ_j C_j + T(2ℓ_j' S_j − ℓ_j'' F_j)].

A classical crystal has C_V = 3Nk_B at every temperature, 0 K included. Its S diverges as T → 0:
at 0 K it is nan, and so are α and γ, which follow from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.quasiharmonic import VolumeFunctions
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import FEW_IMAGINARY
from trajmodes.thermo.free_energy.terms import FEWEST_BLOCKS, merged
from trajmodes.thermo.functions import classical_functions, quantum_functions, summed
from trajmodes.thermo.zone_modes import ZonePoints, mode_chunks

_HIGHEST_DEGREE = 3
"""Highest degree of the polynomials in temperature."""
_OUTSIDE = 0.1
"""How far temperatures may be outside those of the runs, relative to the range of these."""


@dataclass(frozen=True, slots=True)
class State:
    """Force constants of a crystal at a volume, and its energy without vibrations."""

    constants: ForceConstants
    energy: float
    """U0 in eV for one primitive cell."""
    energy_sem: float = 0.0
    """Its standard error in eV; zero where there is none."""
    energy_changes: Floats | None = None
    """(b,), unit: eV. Change of U0 by each replicate of the force constants, or by those of
    neighbouring blocks together: the source of its error, in place of `energy_sem`. None where
    the error is independent of the force constants."""

    def __post_init__(self) -> None:
        """Raise a `DataError` unless both are numbers, and the error is not negative."""
        if not np.isfinite(self.energy) or not 0.0 <= self.energy_sem < np.inf:
            raise DataError(
                f"the energy {self.energy:g} ± {self.energy_sem:g} eV of a primitive cell is "
                "not a number with its standard error",
                where=f"volume {self.constants.crystal.volume:.4f} Å³",
                fix="give an energy for every volume; its error is zero or positive",
            )


def volume_functions(
    states: Sequence[State],
    points: ZonePoints,
    kelvin: Floats,
    *,
    classical: bool = False,
) -> VolumeFunctions:
    """Functions at temperatures (t,) from one or several states of the same volume.

    `points` are those of sums over the zone, in reduced coordinates.

    Raises
    ------
    DataError
        If modes are imaginary, or several states have no temperature.
    UsageError
        If a temperature is far outside those of several states.
    """
    volume = states[0].constants.crystal.volume
    weights_jkt = _temperature_weights(states, kelvin)
    total, sources = np.zeros((3, len(kelvin))), []
    for state, (l_t, first_t, second_t) in zip(states, weights_jkt, strict=True):
        own, changes = _harmonic(state.constants, points, kelvin, classical=classical)
        energy = np.zeros_like(own)
        energy[0] = 1.0
        independent = np.zeros((0, *own.shape))
        if state.energy_changes is not None:
            changes = _with_energy(changes, state)
        elif state.energy_sem > 0.0:
            independent = state.energy_sem * energy[None]
        # The values of the state, and their deviations by each source of error.
        fsc = np.concatenate(
            [own[None] + state.energy * energy, deviations(changes), independent]
        )
        # The entropy of a classical oscillator has no value at 0 K; there TS vanishes.
        ts = np.where(kelvin > 0.0, kelvin * fsc[:, 1], 0.0)
        mixed = np.stack(
            [
                l_t * fsc[:, 0],
                l_t * fsc[:, 1] - first_t * fsc[:, 0],
                l_t * fsc[:, 2] + 2.0 * first_t * ts - kelvin * second_t * fsc[:, 0],
            ],
            axis=1,
        )
        total += mixed[0]
        sources.append(mixed[1:])
    return VolumeFunctions(volume, total, np.concatenate(sources))


def _harmonic(
    constants: ForceConstants,
    points: ZonePoints,
    kelvin: Floats,
    *,
    classical: bool,
) -> tuple[Floats, Floats]:
    """F, S and C (3, t) of the oscillators, and their changes (b, 3, t) by replicate."""
    functions = classical_functions if classical else quantum_functions
    at_gamma = np.all(np.abs(points.qpoints) < 1e-9, axis=1)
    sums: list[tuple[Floats, Floats]] = []
    left_out = 0.0
    for chunk in mode_chunks(constants, points):
        counted, weights = chunk.counted, points.weights[chunk.part]
        missing = ~counted
        # The uniform shifts at Γ are no vibrations.
        missing[at_gamma[chunk.part], :3] = False
        left_out += float(weights[missing].sum())
        omega = chunk.omega[counted]
        own = np.einsum("bqmm->bqm", chunk.changes).real[:, counted]
        sums.append(summed(functions(omega, kelvin), omega, weights[counted], own))
    part = left_out / (3 * constants.crystal.n_sites)
    if part > FEW_IMAGINARY:
        raise DataError(
            f"{100.0 * part:.2g} % of the modes are imaginary at the volume "
            f"{constants.crystal.volume:.4f} Å³",
            why="the crystal is unstable there, and has no free energy of oscillators",
            fix="leave this volume out, or fit force constants at a temperature at which the "
            "crystal is stable",
        )
    # F, S, C of F, U, S, C
    values, changes = (np.sum(part, axis=0)[[0, 2, 3]] for part in zip(*sums, strict=True))
    return values, np.moveaxis(changes, 2, 0)


def _with_energy(changes: Floats, state: State) -> Floats:
    """Add the changes of U0 to the changes (b, 3, t) of F, which they partly cancel.

    Blocks of time are merged as long as the error of F grows, because energies may be
    correlated over longer times than forces.
    """
    energies = state.energy_changes
    assert energies is not None
    while len(changes) > len(energies):
        changes = merged(changes)
    if len(changes) != len(energies):
        raise DataError(
            f"the energy has {len(energies)} replicates, and the force constants have "
            f"{len(changes)}",
            where=f"volume {state.constants.crystal.volume:.4f} Å³",
            why="the energy is that of another fit",
            fix="run `trajmodes free-energy` on the folder again",
        )
    changes = changes.copy()
    changes[:, 0] += energies[:, None]
    tried = [changes]
    while len(tried[-1]) >= 2 * FEWEST_BLOCKS:
        tried.append(merged(tried[-1] - tried[-1].mean(axis=0)))
    return max(tried, key=lambda one: float((deviations(one)[:, 0] ** 2).sum()))


def deviations(replicates: Floats) -> Floats:
    """Deviations (b, …) of jackknife replicates (b, …), whose squares add to the variance."""
    count = max(len(replicates), 1)
    centred = replicates - replicates.sum(axis=0) / count
    found: Floats = centred * np.sqrt((count - 1) / count)
    return found


def _temperature_weights(states: Sequence[State], kelvin: Floats) -> Floats:
    """(j, 3, t) weight of each state at each temperature, and its derivatives by T."""
    if len(states) == 1:
        return np.stack([np.ones_like(kelvin), *np.zeros((2, len(kelvin)))])[None]
    known = [state.constants.temperature for state in states]
    where = f"volume {states[0].constants.crystal.volume:.4f} Å³"
    temperatures = np.array([np.nan if one is None else one for one in known])
    if len(np.unique(temperatures)) < len(states) or not np.isfinite(temperatures).all():
        raise DataError(
            "several force constants of the same volume need different temperatures",
            where=where,
            why="they are " + ", ".join("unknown" if t is None else f"{t:g} K" for t in known),
            fix="give one of them alone, or fit each with its temperature",
        )
    low, high = temperatures.min(), temperatures.max()
    margin = _OUTSIDE * (high - low)
    if kelvin.min() < low - margin or kelvin.max() > high + margin:
        raise UsageError(
            f"temperatures from {kelvin.min():g} to {kelvin.max():g} K are asked for, and the "
            f"runs are from {low:g} to {high:g} K",
            where=where,
            fix=f"give temperatures in the range of the runs: --temperatures {low:.0f}:"
            f"{high:.0f}:10",
        )
    degree = min(len(states) - 1, _HIGHEST_DEGREE)
    middle, scale = 0.5 * (low + high), 0.5 * (high - low)
    powers = np.polynomial.polynomial
    inverse = np.linalg.pinv(powers.polyvander((temperatures - middle) / scale, degree))
    x = (kelvin - middle) / scale
    found = [
        powers.polyval(x, powers.polyder(inverse, order)) / scale**order for order in range(3)
    ]
    return np.stack(found, axis=1)
