"""Results of a run on silicon, made from a Born model of diamond."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import chi2, norm

from trajmodes.data.anharmonic import (
    Conductivity,
    GruneisenParameters,
    HeatFlow,
    MeanGruneisen,
    PerturbativeWidths,
    WidthComparison,
)
from trajmodes.data.bands import BandPath, Bands, RenormalisedBands, SpectralMap
from trajmodes.data.crystal import Crystal
from trajmodes.data.energies import (
    EnergyCovariance,
    Ensemble,
    EnsembleVerdict,
    Equipartition,
    ModeEnergies,
)
from trajmodes.data.force_constants import (
    ClusterConstants,
    Convergence,
    FitErrors,
    FitQuality,
    ForceConstants,
    OrderQuality,
    Reference,
    ScanPoint,
)
from trajmodes.data.modes import Modes, RunLength, Stability
from trajmodes.data.results import Finding, InputFile, Projection, Provenance, Results
from trajmodes.data.spectra import (
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    PowerSpectra,
    Verdict,
    VibrationalDensity,
)
from trajmodes.notes import Note
from trajmodes.phonons.shells import shells_of
from trajmodes.results.dataset import to_dataset
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, HBAR, THZ, W_MK

A = 5.431
TEMPERATURE = 300.0
SEGMENT_FRAMES, INTERVAL_PS = 4000, 0.005
RESOLUTION = 1.0 / (SEGMENT_FRAMES * INTERVAL_PS)
HANN = 1.4405825800
"""Width of the Hann window's response in bins."""

CRYSTAL = Crystal(
    cell=A / 2 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
    sites=np.array([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]),
    species=("Si", "Si"),
    masses=np.full(2, 28.0855 * DALTON),
)


def born_constants(rng, n_blocks=10, noise=0.004):
    """Nearest neighbours by the Born model, second ones weak, self terms by the sum rule."""
    bond = np.array([[0, 0, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    pairs = [(0, 1, r) for r in bond] + [(1, 0, -r) for r in bond]
    hops = [h for h in np.ndindex(3, 3, 3) if np.abs(np.array(h) - 1).sum() > 0]
    lattice = [np.array(h) - 1 for h in hops]
    near = [r for r in lattice if np.isclose(np.linalg.norm(r @ CRYSTAL.cell), A / 2**0.5)]
    pairs += [(s, s, r) for s in (0, 1) for r in near]
    values = []
    for i, j, r in pairs:
        d = (r + CRYSTAL.sites[j] - CRYSTAL.sites[i]) @ CRYSTAL.cell
        if i != j:
            u = np.sign(d)
            values.append(-(3.45 * np.eye(3) + 2.4 * (np.outer(u, u) - np.eye(3))))
        else:
            values.append(-0.10 * np.eye(3) + 0.04 * np.outer(d, d) / (d @ d))
    values = np.array(values)
    first = np.array([p[0] for p in pairs])
    self_terms = [-values[first == s].sum(axis=0) for s in (0, 1)]
    pairs += [(0, 0, np.zeros(3, int)), (1, 1, np.zeros(3, int))]
    values = np.concatenate([values, self_terms])
    scales = 1.0 + noise * rng.standard_normal((n_blocks, 1, 1, 1)) / np.sqrt(n_blocks)
    shell_noise = noise * rng.standard_normal((n_blocks, len(pairs), 1, 1)) / 10
    return ForceConstants(
        crystal=CRYSTAL,
        first=np.array([p[0] for p in pairs]),
        second=np.array([p[1] for p in pairs]),
        lattice=np.array([p[2] for p in pairs]),
        values=values,
        replicates=values * scales + shell_noise * np.eye(3),
        temperature=TEMPERATURE,
        cutoff=4.5,
        quality=FitQuality(
            n_parameters=7,
            rank=7,
            condition=83.0,
            n_frames=20001,
            r_squared=0.98765,
            rms_force=0.83,
            rms_residual=0.092,
            first_order=np.zeros((2, 3)),
            orders=(OrderQuality(2, "4.5", 7, 0.98765, 0.092, np.nan, np.nan),),
        ),
    )


def solve(constants, qpoints):
    """Angular frequencies (q, m) and vectors (q, m, s, 3) by the definition of D(q)."""
    between = (
        constants.lattice + CRYSTAL.sites[constants.second] - CRYSTAL.sites[constants.first]
    )
    d = np.zeros((len(qpoints), 2, 3, 2, 3), complex)
    for p in range(constants.n_pairs):
        wave = np.exp(2j * np.pi * qpoints @ between[p])
        i, j = constants.first[p], constants.second[p]
        d[:, i, :, j, :] += wave[:, None, None] * constants.values[p] / CRYSTAL.masses[0]
    square, vectors = np.linalg.eigh(d.reshape(-1, 6, 6))
    omega = np.sign(square) * np.sqrt(np.abs(square))
    return omega, vectors.transpose(0, 2, 1).reshape(-1, 6, 2, 3)


def label_sets(qpoints, omega):
    """Sets by equal frequencies: q with the same six belong to one star."""
    labels = np.full(omega.shape, -1)
    known = {}
    for q, row in enumerate(omega):
        for m, w in enumerate(row):
            if np.abs(qpoints[q]).max() < 1e-9 and m < 3:
                continue
            key = (*np.round(row, 5), round(float(w), 5))
            labels[q, m] = known.setdefault(key, len(known))
    return labels


def mode_results(rng, n):
    supercell = build_supercell(CRYSTAL, n)
    space = half_space(supercell)
    constants = born_constants(rng)
    omega, vectors = solve(constants, space.qpoints)
    modes = Modes(
        crystal=CRYSTAL,
        qpoints=space.qpoints,
        weights=space.weights,
        omega=omega,
        vectors=vectors,
        omega_sem=0.002 * np.abs(omega) + 0.02,
        sets=label_sets(space.qpoints, omega),
    )
    return supercell, constants, modes


def set_means(modes):
    """Frequency (g,) in THz and number of real degrees of freedom (g,) of every set."""
    freq, members = np.zeros(modes.n_sets), np.zeros(modes.n_sets, int)
    for g in range(modes.n_sets):
        inside = modes.sets == g
        freq[g] = modes.omega[inside].mean() / THZ
        members[g] = int((inside * modes.weights[:, None]).sum())
    return freq, members


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
    return VibrationalDensity(spectra.omega, np.einsum("q,qmsx,qmw->sxw", weight, share, power))


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
        ensemble=Ensemble(
            EnsembleVerdict.NVE,
            "the kinetic energy fluctuates by 0.51 ± 0.03 of the canonical variance: the run "
            "was made at constant energy, or nearly so",
            *(0.02, 0.04, 0.51, 0.03),
            *(TEMPERATURE, 0.001, 0.002, "", ""),
        ),
    )


# Γ–X–U|K–Γ–L, reduced coordinates of the fcc primitive cell.
CORNERS = [
    (("GAMMA", (0, 0, 0)), ("X", (0.5, 0, 0.5))),
    (("X", (0.5, 0, 0.5)), ("U", (0.625, 0.25, 0.625))),
    (("K", (0.375, 0.375, 0.75)), ("GAMMA", (0, 0, 0))),
    (("GAMMA", (0, 0, 0)), ("L", (0.5, 0.5, 0.5))),
]


def band_path(constants, n=40):
    reciprocal = 2 * np.pi * np.linalg.inv(CRYSTAL.cell).T
    distance, qpoints = [], []
    start = 0.0
    for (_, head), (_, tail) in CORNERS:
        length = np.linalg.norm((np.array(tail) - head) @ reciprocal)
        distance += list(start + length * np.linspace(0, 1, n))
        qpoints += list(np.linspace(head, tail, n))
        start += length
    path = BandPath(
        crystal=CRYSTAL,
        qpoints=np.array(qpoints),
        distance=np.array(distance),
        offsets=n * np.arange(len(CORNERS) + 1),
        labels=tuple((name, other) for (name, _), (other, _) in CORNERS),
    )
    omega, _ = solve(constants, path.qpoints)
    return Bands(path, omega, 0.003 * np.abs(omega) + 0.02 * THZ)


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


def make_results(n=((4, 0, 0), (0, 4, 0), (0, 0, 4)), seed=7):
    rng = np.random.default_rng(seed)
    supercell, constants, modes = mode_results(rng, np.array(n))
    bands = band_path(constants, n=41)
    mapped = spectral_map(rng, constants, bands)
    projection = replace(
        project(rng, modes), spectral_map=replace(mapped, branches=None, sites=None)
    )
    part = np.linspace(0.1, 1.0, 10)
    return Results(
        supercell=supercell,
        constants=constants,
        modes=modes,
        bands=bands,
        shells=shells_of(constants),
        provenance=Provenance(
            versions={"trajmodes": "0.1.0", "numpy": "2.4"},
            inputs=(InputFile("si.lammpstrj", 1_050_852_062, "ab" * 32),),
            command="trajmodes run si.lammpstrj --cell POSCAR --timestep-fs 1",
            run_file='[input]\ntrajectory = "si.lammpstrj"\n',
        ),
        projection=projection,
        convergence=Convergence(
            fraction=part,
            change=0.004 * np.sqrt(1 / part - 1)[:, None],
            omega_change=0.02 * THZ * (1 / part - 1),
        ),
        diagnosis={
            "drift": Finding(1.2e-6, "Å/ps", "of the centre of mass"),
            "time step": Finding(float("nan"), "", "as given"),
        },
        warnings=(
            Note("warning", "velocities have six digits only, see [thermo] in the input"),
        ),
        notes=(Note("note", "two frames were dropped"),),
        timings={"scan": 1.2, "fit": 3.4, "project": 5.6},
    )


HOME, BONDS = (0, 0, 0), [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1)]
CHAINS = [((0, HOME), (1, b)) for b in BONDS]
"""Bonds, as atoms (site, cell)."""
ANGLES = [((0, HOME), (1, a), (1, b)) for a, b in product(BONDS, BONDS) if a < b]
ANGLES += [
    ((1, HOME), *((0, tuple(-np.array(r))) for r in (a, b)))
    for a, b in product(BONDS, BONDS)
    if a < b
]
"""Pairs of bonds of one atom, as atoms (site, cell)."""


def clusters(rng, order, n_blocks=10):
    """Force constants of bonds and angles in every order of their members; angles are weak."""
    listed, strength = [], []
    for size, atoms in [(1.0, a) for a in CHAINS] + [(0.05, a) for a in ANGLES]:
        # Every member takes part at least once.
        for choice in product(range(len(atoms)), repeat=order):
            if len(set(choice)) == len(atoms):
                listed.append([atoms[k] for k in choice])
                strength.append(size)
    sites = np.array([[site for site, _ in one] for one in listed])
    cells = np.array([[cell for _, cell in one] for one in listed])
    directions = (3,) * order
    values = np.reshape(strength, (-1, *(1,) * order)) * rng.choice([-1, 1], (1, *directions))
    scales = 1.0 + 0.01 * rng.standard_normal((n_blocks, len(listed), *(1,) * order))
    return ClusterConstants(
        sites=sites,
        lattice=cells - cells[:, :1],
        values=values,
        replicates=values * scales,
        cutoff=4.5,
    )


ORDERS = (
    OrderQuality(2, "8", 31, 0.985, 0.1, 0.101, 0.004),
    OrderQuality(3, "4.5", 27, 0.9996, 0.016, 0.0162, 0.021),
    OrderQuality(4, "3 Si-Si:2.5", 4, 0.99991, 0.008, 0.0081, np.nan),
)


def second_lines(lines):
    """Lines with asymmetry, baseline and a second line."""
    ok = np.isfinite(lines.omega)
    return replace(
        lines,
        asymmetry=np.where(ok, 0.02, np.nan),
        asymmetry_sem=np.where(ok, 0.01, np.nan),
        baseline=np.where(ok, 1e-8 / THZ, np.nan),
        partner_omega=lines.omega + 0.5 * THZ,
        partner_linewidth=2.0 * lines.linewidth,
        partner_kinetic=0.1 * lines.kinetic,
    )


def full_projection(rng, results):
    """A projection with all results on request."""
    given, modes = results.projection, results.modes
    freq0, members = set_means(modes)
    freq = np.arange(1, 1001) * 0.02
    width = true_widths(freq0)[:, None]
    entropy = oscillator(freq, freq0[:, None] - 0.3 * width, width)
    n_modes = modes.sets.size
    correlation = np.full((len(members),) * 2, -1.0 / members.sum())
    correlation += 0.02 * rng.standard_normal(correlation.shape)
    correlation[1, 2] = 0.3
    correlation = np.maximum(correlation, correlation.T)
    np.fill_diagonal(correlation, 0.2)
    return replace(
        given,
        lines=second_lines(given.lines),
        covariance=EnergyCovariance(
            modes=(BOLTZMANN * TEMPERATURE) ** 2 * np.eye(n_modes), correlation=correlation
        ),
        maximum_entropy=MaximumEntropySpectra(
            THZ * freq, 0.5 * BOLTZMANN * TEMPERATURE * entropy / THZ, 300
        ),
        spectral_map=spectral_map(rng, results.constants, results.bands),
    )


def renormalise(results):
    """Renormalised bands slightly softer than the fitted ones."""
    bands = results.bands
    own = np.isfinite(results.projection.lines.omega)
    freq = bands.omega / THZ
    soft = freq * (1.0 - 0.002 * freq)
    sems = 0.01 + 0.002 * freq, 0.02 + 0.01 * np.abs(freq)
    quasi = replace(bands, omega=soft * THZ, omega_sem=sems[0] * THZ)
    displaced = replace(bands, omega=0.99 * soft * THZ, omega_sem=sems[1] * THZ)
    return (
        RenormalisedBands("quasi-particles", quasi, own),
        RenormalisedBands("displacements", displaced),
    )


def conductivity(results):
    """Σ C v²τ/3V with speeds that fall with the frequency."""
    freq, members = set_means(results.modes)
    tau = 1.0 / (2.0 * np.pi * true_widths(freq))
    speed = 60.0 * (1.0 - freq / 17.0) + 2.0
    cells = abs(np.linalg.det(results.supercell.matrix))
    volume = cells * abs(np.linalg.det(CRYSTAL.cell))
    part = members * BOLTZMANN * speed**2 * tau / 3.0 / volume
    x = HBAR * THZ * freq / (BOLTZMANN * TEMPERATURE)
    weight = (x / (2.0 * np.sinh(x / 2.0))) ** 2
    ok = np.isfinite(results.projection.lifetimes.lifetime_ps)
    free = speed * tau
    return Conductivity(
        temperature=TEMPERATURE,
        mesh=(11, 11, 11),
        classical=flow(part, freq, free, ok),
        quantum=flow(part * weight, freq, free, ok),
        filled=~ok,
        speed=speed,
        free_path=np.where(ok, free, np.nan),
        free_path_sem=np.where(ok, 0.1 * free, np.nan),
    )


def flow(part, freq, free, ok):
    """Heat flow with a part from each set, broadened to 0.4 THz."""
    edges, length = np.linspace(0.0, 17.0, 172), np.geomspace(1.0, 1e4, 81)
    below = ndtr((edges[:, None] - freq) / 0.4) @ part
    shorter = (free < length[:, None]) @ part
    kappa = np.eye(3) * part.sum() + 0.1 * W_MK * (np.ones((3, 3)) - np.eye(3))
    return HeatFlow(
        kappa=kappa,
        kappa_sem=0.04 * np.abs(kappa) + 0.2 * W_MK,
        isotropic=part.sum(),
        isotropic_sem=0.04 * part.sum(),
        long_wave_share=0.125,
        filled_share=float(part[~ok].sum() / part.sum()),
        edges=edges * THZ,
        below_frequency=below[:, None, None] * np.eye(3),
        length=length,
        below_length=shorter[:, None, None] * np.eye(3),
    )


def make_full(results, seed=8):
    """Results with third- and fourth-order force constants and all derived properties."""
    rng = np.random.default_rng(seed)
    modes, bands, convergence = results.modes, results.bands, results.convergence
    freq, _ = set_means(modes)
    band_thz = bands.omega / THZ
    path = 0.9 - 0.04 * band_thz
    path[np.abs(band_thz) < 0.05] = np.nan
    width = 0.9 * true_widths(freq)
    quality = replace(
        results.constants.quality,
        n_parameters=62,
        rank=62,
        r_squared=0.99991,
        rms_residual=0.008,
        orders=ORDERS,
        constraints=("hermitian", "huang"),
    )
    decay = np.sqrt(1.0 / convergence.fraction - 1.0)
    constants = replace(
        results.constants,
        quality=quality,
        triplets=clusters(rng, 3),
        quartets=clusters(rng, 4),
    )
    member = modes.sets >= 0
    classical = np.where(member, width[modes.sets], np.nan) * THZ
    return replace(
        results,
        point_names=("Γ", "Z9", *[""] * (len(modes.qpoints) - 2)),
        constants=constants,
        shells=shells_of(constants),
        convergence=replace(convergence, change=decay[:, None] * [0.004, 0.02, 0.3]),
        projection=full_projection(rng, results),
        renormalised=renormalise(results),
        conductivity=conductivity(results),
        fit_errors=FitErrors(rng.random((16, 62)), 1250.0, 3.4, levelled=True),
        reference=Reference([[0.003, 0.0, 0.004], [0, 0, 0]], np.full((2, 3), 0.001)),
        scheme_omega_distance=0.012 * THZ,
        gruneisen=GruneisenParameters(
            path=path,
            path_sem=0.01 + 0.05 / (1.0 + band_thz**2),
            sets=0.9 - 0.04 * freq,
            sets_sem=np.full(len(freq), 0.02),
            mean=MeanGruneisen([TEMPERATURE], [0.47], [0.013], 0.53, 0.012, (14, 14, 12), 0.0),
        ),
        perturbation=PerturbativeWidths(
            *(TEMPERATURE, (16, 16, 16), modes.qpoints, modes.omega),
            *(0.9 * classical, classical, 0.0),
        ),
        comparison=WidthComparison(1.2, 0.05, 20),
        stability=Stability(
            "stable",
            squared=4.93 * THZ**2,
            squared_sem=0.02 * THZ**2,
            qpoint=[0.0, 0.125, 0.125],
            branch=0,
            significance=246.5,
        ),
        run_length=RunLength(
            *(0.05 * THZ, 100.0, 0.09 * THZ, 0.01 * THZ, 3.2, 0.04),
            *([0.0, 0.125, 0.125], 0),
        ),
    )


def scan_point(kind, label, cutoffs, forces, **rest):
    """One fit of a scan; forces: rms residual in the fit and in frames left out, in eV/Å."""
    orders = [
        OrderQuality(2 + k, cutoff, 3, 0.9, *forces, 0.01)
        for k, cutoff in enumerate(cutoffs.split(" | "))
    ]
    quality = FitQuality(
        *(31, 31, 54.0, 2000, 1.0 - forces[0] ** 2, 1.0, forces[0], np.zeros((2, 3))),
        orders=tuple(orders),
    )
    return ScanPoint(kind, label, **{"order": 3, "value": np.nan, "quality": quality} | rest)


def make_scan():
    """Rows of a scan; 5 Å is enough for the second order, 4 Å for the third."""
    rows = []
    for order, radii in ((2, (3.0, 4.0, 5.0, 6.0, 7.0)), (3, (3.0, 4.0, 5.0))):
        for k, radius in enumerate(radii):
            left = 0.01 + 0.1 * np.exp(-6.0 * (k if order == 2 else k + 1))
            row = scan_point(
                *("cutoff", f"order {order} to {radius:.2f} Å"),
                f"{radius} | 4.5" if order == 2 else f"8 | {radius}",
                (left, left * (1.0 + 2e-4 * (k - 3) ** 2)),
                order=order,
                value=radius,
                lowest_squared=(-0.3 if k == 0 else 4.93) * THZ**2,
            )
            quality = replace(row.quality, n_parameters=10 * order + 7 * k)
            rows.append(replace(row, quality=quality))
    for order, left in ((2, 0.1), (3, 0.01)):
        label = f"up to order {order}"
        rows.append(scan_point("order", label, "8", (left, np.nan), value=float(order)))
    rows.append(scan_point("constraints", "+ Huang", "8 | 4.5", (0.01, 0.011)))
    for frames in (500, 1000, 2000):
        left = 0.01 * (1.0 - 20.0 / frames)
        row = scan_point(
            *("time", f"first {frames} frames", "8 | 4.5", (left, 0.0201 - left)),
            value=float(frames),
            lowest_squared=(4.9 + 1.0 / frames) * THZ**2,
        )
        rows.append(row)
    return rows


@pytest.fixture(scope="session")
def results():
    return make_results()


@pytest.fixture(scope="session")
def dataset(results):
    return to_dataset(results)


@pytest.fixture(scope="session")
def full_results(results):
    return make_full(results)


@pytest.fixture(scope="session")
def full(full_results):
    return to_dataset(full_results)


@pytest.fixture(scope="session")
def scan_rows():
    return make_scan()
