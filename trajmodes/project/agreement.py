"""Comparison of the frequencies of force constants with static frequencies of the run.

In classical equilibrium ⟨Q* 𝓕⟩ = −⟨|Q̇|²⟩ for every mode, however anharmonic (the virial
theorem). Least squares with all pairs of the supercell gives ω² = −⟨Q* 𝓕⟩/⟨|Q|²⟩, so that the
frequencies of a fit equal those from ⟨|Q̇|²⟩/⟨|Q|²⟩. They differ if force constants omit
forces, such as those of distant pairs, or belong to another temperature, volume or potential.

The velocities of velocity Verlet lower ⟨|Q̇|²⟩ by the factor 1 − ω²h²/4 (see `project.checks`),
which is taken off.
"""

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.notes import Note
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.units import FEMTOSECOND, THZ

_SURE, _NOTABLE = 4.0, 0.01
"""Standard errors and relative difference beyond which the two frequencies of a set differ. In
many sets, 4 errors are exceeded by chance in one of 16 000."""

_MANY = 0.1
"""Share of the sets of modes, but at least two, that must differ. Errors that are too small, as
those of short runs, or one mode alone, give no warning."""


def disagreement_note(
    constants: ForceConstants,
    modes: Modes,
    energies: ModeEnergies,
    *,
    timestep_fs: float | None,
    is_fitted: bool,
) -> Note | None:
    """Warn if the static frequencies of many modes are not those of the force constants.

    Parameters
    ----------
    timestep_fs
        Time step of the simulation that made the velocities; None if unknown, or if velocities
        are differences of positions.
    is_fitted
        Whether the force constants were fitted to this run.
    """
    omega, measured = set_omega(modes), _without_step(modes, energies, timestep_fs)
    differs = _differ(modes, omega, measured, energies)
    n_sets = len(omega)
    if differs.sum() < max(2.0, _MANY * n_sets):
        return None
    apart = np.where(differs, np.abs(measured - omega), 0.0)
    g = int(apart.argmax())
    q, branch = np.argwhere(modes.sets == g)[0]
    text = (
        f"the force constants do not describe the motion: in {differs.sum()} of {n_sets} sets "
        "of modes their frequency differs from the static one, ⟨|Q̇|²⟩/⟨|Q|²⟩ of the run, by "
        f"more than {_SURE:g} errors and {_NOTABLE:.0%}; most in set {g} (q = "
        f"{point(modes.qpoints[q])}, branch {branch + 1}), {omega[g] / THZ:.2f} THz where the "
        f"run shows {measured[g] / THZ:.2f}"
    )
    why, fix = _reason(constants, is_fitted=is_fitted)
    return Note("warning", text, why=why, fix=fix)


def _without_step(modes: Modes, energies: ModeEnergies, timestep_fs: float | None) -> Floats:
    """(g,) static frequency in rad/ps, without the effect of the time step."""
    phase = set_omega(modes) * (timestep_fs or 0.0) * FEMTOSECOND
    # An unstable step is not the one that was used.
    kept = np.where(phase**2 < 2.0, 1.0 - 0.25 * phase**2, 1.0)
    return energies.omega_ratio / np.sqrt(kept)


def _differ(modes: Modes, omega: Floats, measured: Floats, energies: ModeEnergies) -> Bools:
    """(g,) whether the frequencies of each set differ; not where an error is unknown."""
    given = np.zeros_like(modes.omega) if modes.omega_sem is None else modes.omega_sem
    square, square_sem = signed_squares(omega, set_mean(given, modes))
    static, static_sem = signed_squares(measured, energies.omega_ratio_sem)
    error = np.hypot(square_sem, static_sem)
    sure = np.abs(static - square) > _SURE * error
    differ: Bools = sure & (np.abs(measured - omega) > _NOTABLE * measured)
    return differ


def _reason(constants: ForceConstants, *, is_fitted: bool) -> tuple[str, str]:
    """Give the likely reason of a disagreement, and what to do."""
    if not is_fitted:
        return (
            "the force constants belong to another temperature, volume or potential, or omit "
            "long-range forces",
            "fit force constants to this run (trajmodes run)",
        )
    if constants.cutoff is None:
        return (
            "the run is not in equilibrium, or its positions, velocities and forces do not "
            "belong together",
            "check the equilibration of the run, the masses and the units",
        )
    species = " and ".join(dict.fromkeys(constants.crystal.species))
    ions = f", as Coulomb forces between ions do ({species} may be charged)" * (" " in species)
    return (
        f"forces reach farther than the cutoff of {constants.cutoff:.2f} Å{ions}",
        "give --cutoff2 supercell, which takes all pairs of the supercell, or a larger cutoff",
    )
