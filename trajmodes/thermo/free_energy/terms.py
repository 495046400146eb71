"""Cumulant expansion of the free energy of a run about that of its force constants.

With the potential energy U_h of the force constants, ΔU = U − U_h, and means over the run,
which samples U,

    F = F_h + k_BT ln⟨exp(ΔU/k_BT)⟩ = F_h + κ₁ + κ₂/2k_BT + κ₃/6(k_BT)² + …

(Zwanzig, J. Chem. Phys. 22, 1420 (1954), with the run as the reference). κ_n are the cumulants
of ΔU. The first order, with U0 = ⟨U − U_h⟩, is the free energy of TDEP (Hellman, Steneteg,
Abrikosov, Simak, Phys. Rev. B 87, 104111 (2013)); by the inequality of Gibbs and Bogoliubov it
is a lower bound of the classical F. F_h is quantum or classical; the run is classical in both
cases. The means are those of a canonical run; at constant energy fluctuations are smaller.

F depends little on the choice of the force constants: if ⟨uu⟩ of the harmonic crystal is that
of the run, the first order is stationary. The changes of F_h and of ⟨U − U_h⟩ with a replicate
then cancel. The error of F is therefore the jackknife of the sum: one block of time is left out
together with its replicate of the force constants.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.energies import FreeEnergy, FreeEnergyTerms
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.errors import DataError
from trajmodes.units import BOLTZMANN

FEWEST_BLOCKS = 8
"""Blocks of time that errors need."""
_BLOCKS = 32
"""Blocks of time, unless there are replicates."""
_SURE = 2.0
"""Standard errors beyond which a term is resolved."""
SMALL = 1e-3
"""Energy per atom in eV that is small."""


def free_energy_terms(
    difference_t: Floats, temperature: float, n_atoms: int
) -> FreeEnergyTerms:
    """Terms of the expansion per atom, with standard errors from blocks of time.

    The error is the largest of the jackknife at three lengths of the blocks.

    Parameters
    ----------
    difference_t
        (t,) ΔU of all atoms in eV, in order of time.
    temperature
        In K.

    Raises
    ------
    DataError
        If there are fewer than eight frames, or the temperature is not positive.
    """
    if len(difference_t) < FEWEST_BLOCKS:
        raise DataError(
            f"errors of the free energy need {FEWEST_BLOCKS} frames with energies, there "
            f"are {len(difference_t)}",
            fix="give energies of more frames",
        )
    if not temperature > 0.0:
        raise DataError(f"the temperature of the run is {temperature:g} K")
    heat = BOLTZMANN * temperature
    n_blocks = min(_BLOCKS, len(difference_t))
    baseline = float(difference_t.mean())
    terms = _terms(_powers(difference_t - baseline, 1).sum(axis=0), heat)
    terms[0] += baseline
    unchanged = np.zeros((n_blocks, 1))
    args = (difference_t - baseline, unchanged, heat)
    sem = _largest_sem(*args) / n_atoms
    terms /= n_atoms
    return FreeEnergyTerms(
        temperature=temperature,
        n_atoms=n_atoms,
        n_frames=len(difference_t),
        terms=terms,
        terms_sem=sem,
        sums_sem=_largest_sem(*args, of_harmonic=np.zeros(n_blocks)) / n_atoms,
        converges=_converges(terms, sem),
    )


def total_sem(
    difference_t: Floats,
    temperature: float,
    changes_bt: Floats,
    harmonic_sb: Floats,
) -> Floats:
    """(s, 3) standard error in eV of F_h and the terms up to first, second and third order.

    Parameters
    ----------
    difference_t
        (t,) ΔU of all atoms in eV.
    changes_bt
        (b, t) change of U_h in eV by each replicate of the force constants.
    harmonic_sb
        (s, b) change of F_h of all atoms in eV by each replicate, for each statistics.
    """
    while len(changes_bt) > len(difference_t):
        changes_bt, harmonic_sb = merged(changes_bt), merged(harmonic_sb.T).T
    args = (difference_t - difference_t.mean(), changes_bt, BOLTZMANN * temperature)
    return np.array([_largest_sem(*args, of_harmonic=own_b) for own_b in harmonic_sb])


def sums_changes(difference_t: Floats, temperature: float, changes_bt: Floats) -> Floats:
    """(b, 3) changes in eV of the terms up to each order, as a block of time is left out.

    The replicate of that block takes the place of the force constants; see `total_sem`.
    """
    while len(changes_bt) > len(difference_t):
        changes_bt = merged(changes_bt)
    centred_t = difference_t - difference_t.mean()
    terms = _without_each(centred_t, changes_bt, BOLTZMANN * temperature)
    sums = np.cumsum(terms[:, :3], axis=1)
    found: Floats = sums - sums.mean(axis=0)
    return found


def block_powers(difference_t: Floats, n_blocks: int = _BLOCKS) -> Floats:
    """(b, 4) means of (ΔU − ⟨ΔU⟩)ᵏ for k = 1 to 4 in blocks of time, in eVᵏ."""
    n_blocks = min(n_blocks, len(difference_t))
    powers = _powers(difference_t - difference_t.mean(), n_blocks)
    means: Floats = powers[:, 1:] / powers[:, :1]
    return means


def merged(changes: Floats) -> Floats:
    """Add changes (b, …) in pairs, for replicates without two neighbouring blocks."""
    return np.add.reduceat(changes, np.arange(0, len(changes), 2))


def _largest_sem(
    difference_t: Floats, changes_bt: Floats, heat: float, of_harmonic: Floats | None = None
) -> Floats:
    """Error of the terms (4,), or of F up to each order (3,), for blocks of several lengths.

    A change of U_h may be given as one number for all frames (b, 1).
    """
    errors = []
    while True:
        found = _without_each(difference_t, changes_bt, heat)
        if of_harmonic is not None:
            found = np.cumsum(found[:, :3], axis=1) + of_harmonic[:, None]
        errors.append(jackknife_sem(found))
        if len(changes_bt) < 2 * FEWEST_BLOCKS:
            break
        changes_bt = merged(changes_bt)
        of_harmonic = None if of_harmonic is None else merged(of_harmonic)
    sem: Floats = np.max(errors, axis=0)
    return sem


def _without_each(difference_t: Floats, changes_bt: Floats, heat: float) -> Floats:
    """(b, 4) terms without each block of time, with the replicate of that block."""
    n_blocks = len(changes_bt)
    found = np.empty((n_blocks, 4))
    powers = _powers(difference_t, n_blocks)
    for b, change_t in enumerate(changes_bt):
        if change_t.any():
            powers = _powers(difference_t - change_t, n_blocks)
        found[b] = _terms(powers.sum(axis=0) - powers[b], heat)
    return found


def _powers(difference_t: Floats, n_blocks: int) -> Floats:
    """(b, 5) sums of the powers 0 to 4 in blocks of time."""
    starts = -(-np.arange(n_blocks) * len(difference_t) // n_blocks)
    powers_tk = difference_t[:, None] ** np.arange(5)
    sums: Floats = np.add.reduceat(powers_tk, starts, axis=0)
    return sums


def _terms(powers: Floats, heat: float) -> Floats:
    """(4,) κ₁, κ₂/2k_BT, κ₃/6(k_BT)², κ₄/24(k_BT)³ from sums of the powers 0 to 4."""
    m1, m2, m3, m4 = powers[1:] / powers[0]
    second = m2 - m1**2
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1**3
    fourth = m4 - 4.0 * m1 * m3 - 3.0 * m2**2 + 12.0 * m1**2 * m2 - 6.0 * m1**4
    return np.array(
        [m1, second / (2.0 * heat), third / (6.0 * heat**2), fourth / (24.0 * heat**3)]
    )


def _converges(terms: Floats, sem: Floats) -> bool:
    """Whether no term beyond the second is larger than the one before, beyond its error."""
    size = np.maximum(np.abs(terms[2:]) - _SURE * sem[2:], 0.0)
    before = np.maximum(np.abs(terms[1:-1]) + _SURE * sem[1:-1], SMALL)
    return bool((size <= before).all())


def resolved_order(found: FreeEnergyTerms) -> int:
    """Highest order, up to 3, whose error is below 1 meV per atom or half of its term."""
    order = 0
    for term, sem in zip(found.terms[:3], found.terms_sem[:3], strict=True):
        if not sem < max(SMALL, 0.5 * abs(term)):
            break
        order += 1
    return order


def verdict(found: FreeEnergy) -> str:
    """State the order that the run resolves and the next term, or why no order can be used."""
    terms = found.terms
    if not terms.converges:
        text = (
            "the expansion does not converge, because a term is larger than the one before; "
            "the harmonic crystal is too far from the run. Use thermodynamic integration"
        )
        rest = None if found.anharmonic is None else found.anharmonic.rest
        if rest is not None and rest.converges:
            text += ", or the integral, since force constants of all orders leave little energy"
        return text
    if not found.order:
        return "U0 is not known to 1 meV per atom: give energies of more frames"
    name = ("first", "second", "third")[found.order - 1]
    value, error = 1e3 * terms.terms[found.order], 1e3 * terms.terms_sem[found.order]
    text = (
        f"the run resolves F to {name} order (to 1 meV per atom or half a term); the next term "
        f"is {value:.2g} ± {error:.2g} meV per atom"
    )
    if found.integrated is not None:
        text += ". The integral, which needs no higher terms, is best"
    return text
