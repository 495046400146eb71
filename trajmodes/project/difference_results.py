"""What differenced velocities leave to correct once amplitudes are on the scale of ωQ.

Amplitudes of the modes were divided by their attenuation at the harmonic frequency; see
`differences` for the equations. Spectra get the rest bin by bin, which is exact; what atoms
share of them is corrected bin by bin as the sum over all modes is. Kinetic energies get it at
the frequency that the mode has in truth, told by ⟨|Q̇|²⟩/⟨|Q|²⟩: exact for a narrow line
wherever it lies.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import (
    BandSpectra,
    MaximumEntropySpectra,
    ModeEnergies,
    PowerSpectra,
    VibrationalDensity,
)
from trajmodes.project.differences import (
    attenuation,
    energy_factor,
    frequency_from_ratio,
    spectrum_factor,
)

__all__ = ["correct_density", "correct_energies", "correct_spectra"]

Spectra = TypeVar("Spectra", PowerSpectra, BandSpectra, MaximumEntropySpectra)


def correct_spectra(spectra: Spectra, kept: Floats, interval_ps: float) -> Spectra:
    """Spectra of the velocities, from those of differences.

    Parameters
    ----------
    spectra
        Of amplitudes that were divided by their attenuation.
    kept
        (g,) this attenuation, the mean of each set.
    interval_ps
        Time between the frames that were differenced.
    """
    factor = spectrum_factor(spectra.freq_thz, interval_ps)
    power: Floats = spectra.power * factor * kept[:, None] ** 2
    return replace(spectra, power=power)


def correct_density(
    density: VibrationalDensity, found: PowerSpectra, corrected: PowerSpectra, members: Ints
) -> VibrationalDensity:
    """Densities of states that sum to those of the modes.

    Every mode was divided by an attenuation of its own, and sites and directions see many modes
    in one bin: what they need is known for their sum alone, and differs little from one to the
    other.

    Parameters
    ----------
    density
        Of the sites and directions, from differences.
    found
        Spectra of the sets, from differences.
    corrected
        The same, corrected.
    members
        (g,) number of modes in each set.
    """
    total, wanted = members @ found.power, members @ corrected.power
    factor = np.divide(wanted, total, out=np.ones_like(total), where=total > 0.0)
    return replace(density, power=density.power * factor)


def correct_energies(
    energies: ModeEnergies, kept: Floats, interval_ps: float, sets: Ints
) -> ModeEnergies:
    """Kinetic energies, those of waves, temperature and frequencies, from differences.

    Parameters
    ----------
    energies
        Of amplitudes that were divided by their attenuation.
    kept
        (g,) this attenuation, the mean of each set.
    interval_ps
        Time between the frames that were differenced.
    sets
        (q, m) set of each mode; −1 where it has none.
    """
    omega = frequency_from_ratio(energies.omega_ratio, kept, interval_ps)
    known = np.isfinite(omega)
    omega = np.where(known, omega, energies.omega_ratio)
    phase = np.where(known, omega * interval_ps, 0.0)
    # dω/dr for r = sin(ωΔ)/(sΔ), and what an error of ω makes of the factor of K.
    steepness = np.where(known, kept, 1.0) / np.cos(phase)
    omega_sem = energies.omega_ratio_sem * steepness
    share = 2.0 * (1.0 - np.cos(phase) / attenuation(omega, interval_ps)) * omega_sem / omega
    # Where nothing was corrected, the correction has no error.
    share = np.where(known, share, 0.0)
    factor = energy_factor(np.where(known, omega, np.nan), kept, interval_ps)
    kinetic = energies.kinetic * factor
    # All modes share one temperature: it grows as the sum of their kinetic energies does.
    warmer = float(energies.members @ kinetic / (energies.members @ energies.kinetic))
    single, single_sem = energies.single.copy(), energies.single_sem.copy()
    each_qm = np.where(sets >= 0, factor[sets], np.nan)
    single[0] *= each_qm
    single_sem[0] = np.hypot(single_sem[0] * each_qm, single[0] * share[sets])
    travelling = _waves(energies, single, np.sqrt(each_qm))
    return replace(
        energies,
        kinetic=kinetic,
        kinetic_sem=np.hypot(energies.kinetic_sem * factor, kinetic * share),
        single=single,
        single_sem=single_sem,
        travelling=travelling,
        travelling_sem=energies.travelling_sem
        * (travelling.sum(axis=0) / energies.travelling.sum(axis=0)),
        omega_ratio=omega,
        omega_ratio_sem=omega_sem,
        omega_displacement=energies.omega_displacement * np.sqrt(warmer),
        omega_displacement_sem=energies.omega_displacement_sem * np.sqrt(warmer),
        temperature=energies.temperature * warmer,
        temperature_sem=energies.temperature_sem * warmer,
    )


def _waves(energies: ModeEnergies, single: Floats, faster_qm: Floats) -> Floats:
    """⟨E±⟩ = K + U ∓ ω Im Q*Q̇ (2, q, m), where Q̇ is so many times what it was."""
    standing_qm = single[0] + single[1]
    flow_qm = 0.5 * (energies.travelling[0] - energies.travelling[1]) * faster_qm
    # In an imaginary mode there are none.
    travelling: Floats = np.stack([standing_qm + flow_qm, standing_qm - flow_qm])
    return travelling
