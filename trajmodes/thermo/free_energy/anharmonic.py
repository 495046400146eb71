"""Free energy of force constants of third and fourth order, by sampling the harmonic crystal.

With V = U_3 + U_4 and means over configurations of the harmonic crystal,

    F_34 = F_h − k_BT ln⟨exp(−V/k_BT)⟩ = F_h + κ₁ − κ₂/2k_BT + κ₃/6(k_BT)² − …

(Zwanzig 1954); ⟨U_4⟩ − ⟨U_3²⟩/2k_BT is the anharmonic free energy of perturbation theory in
lowest order. The run adds the cumulants of W = U − U_h − U_3 − U_4, see `terms`. With third
order alone the energy has no lower bound, so that the expansion is formal.

The run approximately samples the crystal of all orders. The derivatives of F along U_h + λV are
therefore known at both ends, F' = ⟨V⟩ and F'' = −κ₂(V)/k_BT, and the cubic polynomial through
them gives

    F_34 − F_h = ½(⟨V⟩₀ + ⟨V⟩₁) + (κ₂(V)₁ − κ₂(V)₀)/12k_BT,  ⟨V⟩₁ = ⟨V⟩ + cov(V, W)/k_BT,

thermodynamic integration without an intermediate run. Its error is of the fifth order in V, and
the expansions from either end deviate in opposite directions.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.energies import AnharmonicReference, EnergyDifferences
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.thermo.free_energy.higher_orders import HigherOrders
from trajmodes.thermo.free_energy.terms import FEWEST_BLOCKS, free_energy_terms
from trajmodes.thermo.sampling import HarmonicEnsemble
from trajmodes.units import BOLTZMANN

_ATOMS, _FEWEST, _MOST = 400_000, 512, 4096
"""Atoms of all configurations together, and least and largest number of configurations."""
_BATCH = 64
"""Configurations that are drawn at once."""


def anharmonic_reference(
    energies: EnergyDifferences, higher: HigherOrders, ensemble: HarmonicEnsemble
) -> AnharmonicReference | None:
    """Free energy of a run about force constants of all orders; None without their energies.

    The configurations of the harmonic crystal are the same in every call.
    """
    higher_t = energies.higher
    if higher_t is None:
        return None
    rest_t = energies.harmonic - higher_t
    n_atoms, kelvin = ensemble.space.supercell.n_atoms, ensemble.temperature
    heat = BOLTZMANN * kelvin
    sampled_t = _sampled(higher, ensemble)
    # −V takes the place of ΔU: the expansion about the harmonic ensemble has the other sign.
    model = free_energy_terms(-sampled_t, kelvin, n_atoms)

    def at_start(keep_t: Ints) -> float:
        """½⟨V⟩₀ − κ₂(V)₀/12k_BT."""
        v_t = sampled_t[keep_t]
        return float(0.5 * v_t.mean() - v_t.var() / (12.0 * heat))

    def at_end(keep_t: Ints) -> float:
        """½⟨V⟩₁ + κ₂(V)₁/12k_BT + κ₁(W) + κ₂(W)/2k_BT."""
        v_t, w_t = higher_t[keep_t], rest_t[keep_t]
        (vv, vw), (_, ww) = np.cov(v_t, w_t)
        end = 0.5 * (v_t.mean() + vw / heat) + vv / (12.0 * heat)
        return float(end + w_t.mean() + ww / (2.0 * heat))

    values, errors = zip(
        _with_error(at_start, len(sampled_t)), _with_error(at_end, len(rest_t)), strict=True
    )
    return AnharmonicReference(
        orders=higher.orders,
        model=replace(model, terms=-model.terms),
        rest=free_energy_terms(rest_t, kelvin, n_atoms),
        integrated=sum(values) / n_atoms,
        integrated_sem=float(np.hypot(*errors)) / n_atoms,
    )


def _sampled(higher: HigherOrders, ensemble: HarmonicEnsemble) -> Floats:
    """(t,) energies of third and fourth order in eV, of configurations of the ensemble."""
    n_atoms = ensemble.space.supercell.n_atoms
    number = int(np.clip(_ATOMS // n_atoms, _FEWEST, _MOST)) // _BATCH
    rng = np.random.default_rng(1)
    drawn = (ensemble.draw(_BATCH, rng).displacements for _ in range(number))
    return np.concatenate([higher.energies(u_tax) for u_tax in drawn])


def _with_error(value: Callable[[Ints], float], n_frames: int) -> tuple[float, float]:
    """Value of all frames, and the largest jackknife error at three lengths of blocks."""
    frame_t = np.arange(n_frames)
    errors = []
    for n_blocks in (4 * FEWEST_BLOCKS, 2 * FEWEST_BLOCKS, FEWEST_BLOCKS):
        block_t = frame_t * n_blocks // n_frames
        rests = (value(np.flatnonzero(block_t != b)) for b in np.unique(block_t))
        errors.append(float(jackknife_sem(np.array(one) for one in rests)))
    return value(frame_t), max(errors)
