"""Free energy of a run from its energies and the free energy of its force constants.

With the potential energy U_h of the force constants, ΔU = U − U_h, and means over the run,
which samples U,

    F = F_h + k_BT ln⟨exp(ΔU/k_BT)⟩ = F_h + κ₁ + κ₂/2k_BT + κ₃/6(k_BT)² + …

(Zwanzig, J. Chem. Phys. 22, 1420 (1954), with the run as the reference). κ_n are the cumulants
of ΔU. The first order, with U0 = ⟨U − U_h⟩, is the free energy of TDEP (Hellman, Steneteg,
Abrikosov, Simak, Phys. Rev. B 87, 104111 (2013)); by the inequality of Gibbs and Bogoliubov it
is a lower bound of the classical F. F_h is quantum or classical; the run is classical in both
cases. The means are those of a canonical run; at constant energy fluctuations are smaller.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.thermo import EnergyDifferences, FreeEnergyTerms
from trajmodes.errors import DataError
from trajmodes.units import BOLTZMANN

_FEWEST = 8
"""Blocks of time that errors need."""
_SURE = 2.0
"""Standard errors beyond which a term is resolved."""
_SMALL = 1e-3
"""Energy per atom in eV that is small."""


def free_energy_terms(
    differences: EnergyDifferences, temperature: float, n_atoms: int
) -> FreeEnergyTerms:
    """Terms of the expansion per atom, with standard errors from blocks of time.

    The error is the largest of the jackknife at three lengths of the blocks.

    Raises
    ------
    DataError
        If there are fewer than eight blocks of time with energies, or the temperature is not
        positive.
    """
    frames, powers = differences.frames, differences.powers
    if len(frames) < _FEWEST:
        raise DataError(
            f"errors of the free energy need {_FEWEST} blocks of frames with energies, there "
            f"are {len(frames)}",
            fix="give energies of more frames",
        )
    if not temperature > 0.0:
        raise DataError(f"the temperature of the run is {temperature:g} K")
    heat = BOLTZMANN * temperature
    terms = _terms(frames.sum(), powers.sum(axis=0), heat)
    terms[0] += differences.baseline
    errors = []
    while len(frames) >= _FEWEST:
        rests = zip(frames.sum() - frames, powers.sum(axis=0) - powers, strict=True)
        errors.append(jackknife_sem(_terms(n, rest, heat) for n, rest in rests))
        cuts = np.arange(0, len(frames), 2)
        frames, powers = np.add.reduceat(frames, cuts), np.add.reduceat(powers, cuts)
    sem = np.max(errors, axis=0) / n_atoms
    terms /= n_atoms
    return FreeEnergyTerms(
        temperature=temperature,
        n_atoms=n_atoms,
        n_frames=int(differences.frames.sum()),
        terms=terms,
        terms_sem=sem,
        converges=_converges(terms, sem),
    )


def _terms(n_frames: int, powers: Floats, heat: float) -> Floats:
    """(4,) κ₁, κ₂/2k_BT, κ₃/6(k_BT)², κ₄/24(k_BT)³ from sums of powers."""
    m1, m2, m3, m4 = powers / n_frames
    second = m2 - m1**2
    third = m3 - 3.0 * m1 * m2 + 2.0 * m1**3
    fourth = m4 - 4.0 * m1 * m3 - 3.0 * m2**2 + 12.0 * m1**2 * m2 - 6.0 * m1**4
    return np.array(
        [m1, second / (2.0 * heat), third / (6.0 * heat**2), fourth / (24.0 * heat**3)]
    )


def _converges(terms: Floats, sem: Floats) -> bool:
    """Whether no term beyond the second is larger than the one before, beyond its error."""
    size = np.maximum(np.abs(terms[2:]) - _SURE * sem[2:], 0.0)
    before = np.maximum(np.abs(terms[1:-1]) + _SURE * sem[1:-1], _SMALL)
    return bool((size <= before).all())


def resolved_order(found: FreeEnergyTerms) -> int:
    """Highest order, up to 3, whose error is below 1 meV per atom or half of its term."""
    order = 0
    for term, sem in zip(found.terms[:3], found.terms_sem[:3], strict=True):
        if not sem < max(_SMALL, 0.5 * abs(term)):
            break
        order += 1
    return order
