"""The projection of a run on silicon: energies, lines, decays of the energy, spectra."""

import numpy as np
from scipy.stats import chi2, norm

from silicon.crystal import TEMPERATURE, set_means, solve
from trajmodes.data.bands import SpectralMap
from trajmodes.data.energies import (
    Anharmonicity,
    Ensemble,
    EnsembleVerdict,
    Equipartition,
    ModeEnergies,
)
from trajmodes.data.results import Projection
from trajmodes.data.spectra import (
    EnergyLifetimes,
    LineData,
    LineFits,
    PowerSpectra,
    Verdict,
)
from trajmodes.units import BOLTZMANN, THZ

SEGMENT_FRAMES, INTERVAL_PS = 4000, 0.005
RESOLUTION = 1.0 / (SEGMENT_FRAMES * INTERVAL_PS)
HANN = 1.4405825800
"""Width of the Hann window's response in bins."""


def oscillator(freq, freq0, width):
    """One-sided velocity spectrum in 1/THz with area 1; the axes are broadcast."""
    return freq**2 * width / ((freq**2 - freq0**2) ** 2 + (width * freq) ** 2) * 2 / np.pi


def true_widths(freq0):
    """Linewidths in THz that grow with the frequency, by at most a half up or down."""
    return 0.02 + 0.25 * (freq0 / 15.5) ** 2 * (1.0 + 0.3 * np.sin(40.0 * freq0))


def fit_lines(rng, freq0, members):
    """Lines and the spectra they were fitted to; narrow ones have segments of 40 ps."""
    n_sets, width = len(freq0), true_widths(freq0)
    true = freq0 - 0.3 * width
    segment = np.where(width < 4.0 * HANN * RESOLUTION, 2 * SEGMENT_FRAMES, SEGMENT_FRAMES)
    bin_thz = 1.0 / (segment * INTERVAL_PS)
    resolution = HANN * bin_thz
    narrow = width < 2.0 * resolution
    verdicts = [Verdict.TOO_NARROW if x else Verdict.RESOLVED for x in narrow]
    verdicts[n_sets // 2] = Verdict.NO_LINE
    ok = np.array([v is Verdict.RESOLVED for v in verdicts])
    sem = width / np.sqrt(100.0 * np.pi * width * members)
    fitted = width + np.minimum(sem, width / 4) * rng.standard_normal(n_sets)
    reach = np.ceil(np.maximum(10.0 * width, 12.0 * resolution) / bin_thz).astype(int)
    offset = np.arange(-reach.max(), reach.max() + 1)
    freq = (np.round(true / bin_thz)[:, None] + offset) * bin_thz[:, None]
    outside = (np.abs(offset) > reach[:, None]) | (freq <= 0.0)
    kinetic = 0.5 * BOLTZMANN * TEMPERATURE
    seen = np.hypot(width, resolution)[:, None]
    power = kinetic * oscillator(freq, true[:, None], seen) + 1e-8
    shape = np.maximum(members * 2e3 / (segment * INTERVAL_PS), 1.0)[:, None]
    noisy = power * rng.gamma(shape, 1 / shape, power.shape)

    def keep(values):
        return np.where(ok, values, np.nan)

    advice = "segments of 80 ps, a run of 800 ps, would resolve it"
    lines = LineFits(
        omega=THZ * keep(true),
        omega_sem=THZ * keep(sem / 3),
        linewidth=THZ * keep(fitted),
        linewidth_sem=THZ * keep(sem),
        lifetime_ps=keep(1 / (2 * np.pi * fitted)),
        lifetime_ps_sem=keep(sem / fitted / (2 * np.pi * fitted)),
        kinetic=keep(np.full(n_sets, kinetic)),
        reduced_chi2=keep(rng.uniform(0.9, 1.1, n_sets)),
        error_factor=np.ones(n_sets),
        verdicts=tuple(verdicts),
        advice=tuple("" if good else advice for good in ok),
        segment_ps=segment * INTERVAL_PS,
        resolution=THZ * resolution,
    )
    data = [np.where(outside, np.nan, x) for x in (THZ * freq, noisy / THZ)]
    return lines, LineData(*data, np.where(outside | ~ok[:, None], np.nan, power / THZ))


def energy_decays(rng, freq0, members):
    """Decays of the energy at the true rates; the slowest ones are not resolved."""
    true = 1.0 / (2.0 * np.pi * true_widths(freq0))
    sem = true * np.sqrt(0.5 * true / members)
    ok = sem < 0.25 * true
    lags = true[:, None] * np.geomspace(0.05, 12.0, 40)
    model = np.exp(-lags / true[:, None])
    error = np.sqrt(true / members)[:, None] * np.sqrt(1.0 - model**2 + 1e-4) / 4.0
    keep = np.where(ok, true, np.nan)
    return EnergyLifetimes(
        lifetime_ps=keep + np.where(ok, sem, 0.0) * rng.standard_normal(len(true)),
        lifetime_ps_sem=np.where(ok, sem, np.nan),
        chi2_ratio=np.where(ok, np.where(np.arange(len(true)) % 4, 0.3, 6.0), np.nan),
        floor_ps=np.full(len(true), np.nan),
        verdicts=tuple(Verdict.RESOLVED if x else Verdict.TOO_FEW for x in ok),
        advice=tuple("" if x else "a run of 500 ps would resolve it" for x in ok),
        lag_ps=np.where(np.arange(40) < 36, lags, np.nan),
        correlation=model + error * rng.standard_normal(model.shape),
        correlation_sem=error,
        model=np.where(ok[:, None] & (lags < 5.0 * true[:, None]), model, np.nan),
    )


def whole_axis(rng, freq0, members):
    freq = np.arange(0, SEGMENT_FRAMES // 2 + 1) * RESOLUTION
    freq = freq[freq < 20.0]
    width = true_widths(freq0)
    seen = np.hypot(width, HANN * RESOLUTION)[:, None]
    line = oscillator(freq, (freq0 - 0.3 * width)[:, None], seen)
    line = 0.5 * BOLTZMANN * TEMPERATURE * line + 1e-8
    averages = 8.0 * members
    shape = averages[:, None]
    power = line * rng.gamma(shape, 1 / shape, line.shape)
    return PowerSpectra(THZ * freq, power / THZ, averages, SEGMENT_FRAMES, INTERVAL_PS)


def density_of(modes, spectra):
    """Σ over modes of |e|² times the spectrum of its set, for one primitive cell."""
    inside = modes.sets >= 0
    power = np.where(inside[..., None], spectra.power[modes.sets], 0.0)
    weight = modes.weights / modes.weights.sum()
    share = np.abs(modes.vectors) ** 2
    return np.einsum("q,qmsx,qmw->sxw", weight, share, power)


def mode_energies(rng, modes, freq0, members):
    n_sets, kinetic = len(members), 0.5 * BOLTZMANN * TEMPERATURE
    sem = kinetic / np.sqrt(25 * members)
    means = [kinetic + sem * rng.standard_normal(n_sets) for _ in range(3)]
    relative = 0.5 / np.sqrt(25 * members)
    # Waves along ±q share twice K + U unequally, but for q = −q.
    drift = np.where(modes.sets < 0, np.nan, 1.0)
    uneven = 0.2 * rng.standard_normal(drift.shape) * (modes.weights == 2.0)[:, None]
    travelling = 2.0 * kinetic * np.stack([drift + uneven, drift - uneven])
    single = kinetic * np.stack([drift, drift + 0.1 * uneven, 0.98 * drift])
    frequencies = [
        THZ * freq0 * (1 - part + relative * rng.standard_normal(n_sets))
        for part in (0.004, 0.003)
    ]
    return ModeEnergies(
        members=members,
        kinetic=means[0],
        kinetic_sem=sem,
        potential=means[1],
        potential_sem=sem,
        virial=0.98 * means[2],
        virial_sem=sem,
        omega_displacement=frequencies[0],
        omega_displacement_sem=THZ * freq0 * relative,
        omega_ratio=frequencies[1],
        omega_ratio_sem=THZ * freq0 * relative,
        temperature=TEMPERATURE + 0.4,
        temperature_sem=0.9,
        anharmonicity=-0.02 + 0.4 * relative * rng.standard_normal(n_sets),
        anharmonicity_sem=0.4 * relative,
        heat_capacity_kb=1.0 + 4.0 * relative * rng.standard_normal(n_sets),
        heat_capacity_kb_sem=4.0 * relative,
        single=single,
        single_sem=0.2 * np.abs(single),
        travelling=travelling,
        travelling_sem=0.2 * np.abs(travelling),
    )


def project(rng, modes):
    freq0, members = set_means(modes)
    energies, spectra = (
        mode_energies(rng, modes, freq0, members),
        whole_axis(rng, freq0, members),
    )
    lines, data = fit_lines(rng, freq0, members)
    off = 2.0 * energies.kinetic / BOLTZMANN - energies.temperature
    z = off / (2.0 * energies.kinetic_sem / BOLTZMANN)
    chi_squared, freedom = float((z**2).sum()), len(z) - 1
    p = float(chi2.sf(chi_squared, freedom))
    return Projection(
        energies=energies,
        spectra=spectra,
        lines=lines,
        line_data=data,
        lifetimes=energy_decays(rng, freq0, members),
        density=density_of(modes, spectra),
        timestep_ps=1e-3,
        equipartition=Equipartition(
            temperature=energies.temperature,
            temperature_sem=energies.temperature_sem,
            z=z,
            probability=2.0 * norm.sf(np.abs(z)),
            chi_squared=chi_squared,
            freedom=freedom,
            p_value=p,
            failing=[],
        ),
        anharmonicity=Anharmonicity(
            *(0.17, 0.001, ("Si",), [0.17], [0.001]),
            *(np.full(len(z), 0.16), np.full(len(z), 0.01), [0.16, 0.18], [1.0, 2.0]),
        ),
        ensemble=Ensemble(
            EnsembleVerdict.NVE,
            "the kinetic energy fluctuates by 0.51 ± 0.03 of the canonical variance: the run "
            "was made at constant energy, or nearly so",
            *(0.02, 0.04, 0.51, 0.03, 0.001, 0.002),
            *(TEMPERATURE, 0.001, 0.002, "", ""),
        ),
    )


def spectral_map(rng, constants, bands, n=8):
    """Spectra at the points of the path whose coordinates are multiples of 1/n."""
    path = bands.path
    at = np.abs(path.qpoints * n - np.round(path.qpoints * n)).max(axis=1) < 1e-9
    omega, vectors = solve(constants, path.qpoints[at])
    f0 = np.maximum(np.abs(omega) / THZ, 0.05)[:, :, None]
    freq = np.arange(0, 400) * 0.05
    lines = oscillator(freq, f0, true_widths(f0) + 0.05) * BOLTZMANN * TEMPERATURE / 2
    lines *= rng.gamma(50.0, 1 / 50.0, lines.shape)
    # Drift carries no energy.
    lines[(np.abs(omega) / THZ < 0.05)] = 0.0
    return SpectralMap(
        distance=path.distance[at],
        qpoints=path.qpoints[at],
        omega=THZ * freq,
        power=lines.sum(axis=1) / THZ,
        branches=lines / THZ,
        sites=np.einsum("kmsx,kmw->ksxw", np.abs(vectors) ** 2, lines / THZ),
    )
