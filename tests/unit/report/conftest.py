"""Results as a run on silicon would give them, from a small Born model of diamond."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trajmodes.data import (
    ClusterConstants,
    Crystal,
    FitQuality,
    ForceConstants,
    LineFits,
    ModeEnergies,
    Modes,
    OrderQuality,
    PowerSpectra,
    Verdict,
)
from trajmodes.report import (
    Bands,
    Convergence,
    Finding,
    FitErrors,
    GruneisenParameters,
    InputFile,
    PerturbativeWidths,
    Projection,
    Provenance,
    Reference,
    Results,
    RunRequirement,
    ScanRow,
    SpectralMap,
    StabilityVerdict,
    to_dataset,
)
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

A = 5.431
TEMPERATURE = 300.0
SEGMENT_FRAMES, INTERVAL_PS = 4000, 0.005
RESOLUTION = 1.0 / (SEGMENT_FRAMES * INTERVAL_PS)

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


def project(rng, modes):
    freq0, members = set_means(modes)
    n_sets = len(freq0)
    freq = np.arange(0, SEGMENT_FRAMES // 2 + 1) * RESOLUTION
    freq = freq[freq < 20.0]
    width = 0.02 + 0.25 * (freq0 / 15.5) ** 2 * rng.uniform(0.7, 1.3, n_sets)
    true = freq0 - 0.3 * width
    f, f0, w = freq[None], true[:, None], width[:, None]
    line = f**2 * w / ((f**2 - f0**2) ** 2 + (w * f) ** 2) * 2 / np.pi
    line *= BOLTZMANN * TEMPERATURE / 2
    averages = 8.0 * members
    shape = averages[:, None]
    power = (line + 1e-8) * rng.gamma(shape, 1 / shape, line.shape)
    verdicts = [Verdict.TOO_NARROW if x < 2 * RESOLUTION else Verdict.RESOLVED for x in width]
    verdicts[n_sets // 2] = Verdict.NO_LINE
    ok = np.array([v is Verdict.RESOLVED for v in verdicts])
    sem = width / np.sqrt(100.0 * np.pi * width * members)
    fitted = width + np.minimum(sem, width / 4) * rng.standard_normal(n_sets)
    window = np.abs(f - f0) < np.maximum(10 * w, 20 * RESOLUTION)

    def keep(values):
        return np.where(ok, values, np.nan)

    energy_sem = BOLTZMANN * TEMPERATURE / 2 / np.sqrt(25 * members)
    kinetic, potential, virial = (
        BOLTZMANN * TEMPERATURE / 2 + energy_sem * rng.standard_normal(n_sets) for _ in range(3)
    )
    relative = 0.5 / np.sqrt(25 * members)
    other = np.random.default_rng(9)
    waves = other.gamma(25.0, 1.0 / 25.0, (2, *modes.omega.shape))
    travelling = BOLTZMANN * TEMPERATURE * np.where(modes.sets < 0, np.nan, waves)
    return Projection(
        energies=ModeEnergies(
            members=members,
            kinetic=kinetic,
            kinetic_sem=energy_sem,
            potential=potential,
            potential_sem=energy_sem,
            virial=0.98 * virial,
            virial_sem=energy_sem,
            omega_displacement=THZ * freq0 * (1 + relative * rng.standard_normal(n_sets)),
            omega_displacement_sem=THZ * freq0 * relative,
            omega_ratio=THZ * freq0 * (1 + relative * rng.standard_normal(n_sets)),
            omega_ratio_sem=THZ * freq0 * relative,
            temperature=TEMPERATURE + 0.4,
            temperature_sem=0.9,
            anharmonicity=0.98 * virial / potential - 1.0,
            anharmonicity_sem=0.4 * relative,
            heat_capacity_kb=1.0 + 4.0 * relative * other.standard_normal(n_sets),
            heat_capacity_kb_sem=4.0 * relative,
            travelling=travelling,
            travelling_sem=0.2 * np.abs(travelling),
        ),
        spectra=PowerSpectra(freq, power, averages, SEGMENT_FRAMES, INTERVAL_PS),
        lines=LineFits(
            freq_thz=keep(true),
            freq_thz_sem=keep(sem / 3),
            linewidth_thz=keep(fitted),
            linewidth_thz_sem=keep(sem),
            lifetime_ps=keep(1 / (2 * np.pi * fitted)),
            lifetime_ps_sem=keep(sem / fitted / (2 * np.pi * fitted)),
            kinetic=keep(kinetic),
            goodness=keep(rng.uniform(0.9, 1.1, n_sets)),
            verdicts=tuple(verdicts),
            advice=tuple(
                "" if v is Verdict.RESOLVED else "segments of 80 ps, a run of 800 ps, would do"
                for v in verdicts
            ),
        ),
        line_models=np.where(window & ok[:, None], line, np.nan),
        spectral_map=None,
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
    distance, qpoints, breaks, ticks, labels = [], [], [], [], []
    start, last = 0.0, None
    for (name, head), (other, tail) in CORNERS:
        q = np.linspace(head, tail, n)
        length = np.linalg.norm((np.array(tail) - head) @ reciprocal)
        if last is not None and last != name:
            breaks.append(len(distance))
        if last != name:
            ticks.append(start)
            labels.append(name)
        distance += list(start + length * np.linspace(0, 1, n))
        qpoints += list(q)
        start += length
        ticks.append(start)
        labels.append(other)
        last = other
    omega, _ = solve(constants, np.array(qpoints))
    return Bands(
        distance=np.array(distance),
        qpoints=np.array(qpoints),
        freq_thz=omega / THZ,
        freq_thz_sem=0.003 * np.abs(omega) / THZ + 0.02,
        breaks=np.array(breaks),
        tick_positions=np.array(ticks),
        tick_labels=tuple(labels),
    )


def spectral_map(rng, constants, bands, n=8):
    """Spectra at the points of the path whose coordinates are multiples of 1/n."""
    at = np.abs(bands.qpoints * n - np.round(bands.qpoints * n)).max(axis=1) < 1e-9
    omega, _ = solve(constants, bands.qpoints[at])
    f0 = np.maximum(np.abs(omega) / THZ, 0.05)[:, :, None]
    freq = np.arange(0, 400) * 0.05
    width = 0.02 + 0.25 * (f0 / 15.5) ** 2 + 0.05
    line = freq**2 * width / ((freq**2 - f0**2) ** 2 + (width * freq) ** 2)
    power = line.sum(axis=1) * 2 / np.pi * BOLTZMANN * TEMPERATURE / 2
    power *= rng.gamma(50.0, 1 / 50.0, power.shape)
    return SpectralMap(bands.distance[at], freq, power)


def make_results(n=((4, 0, 0), (0, 4, 0), (0, 0, 4)), seed=7):
    rng = np.random.default_rng(seed)
    supercell, constants, modes = mode_results(rng, np.array(n))
    bands = band_path(constants, n=41)
    projection = project(rng, modes)
    object.__setattr__(projection, "spectral_map", spectral_map(rng, constants, bands))
    part = np.linspace(0.1, 1.0, 10)
    return Results(
        supercell=supercell,
        constants=constants,
        modes=modes,
        bands=bands,
        provenance=Provenance(
            versions={"trajmodes": "0.1.0", "numpy": "2.4"},
            inputs=(InputFile("si.lammpstrj", 1_050_852_062, "ab" * 32),),
            command="trajmodes run si.lammpstrj --cell POSCAR --timestep-fs 1",
            run_file='[input]\ntrajectory = "si.lammpstrj"\n',
        ),
        projection=projection,
        convergence=Convergence(
            fraction=part,
            change=0.004 * np.sqrt(1 / part - 1),
            freq_change_thz=0.02 * (1 / part - 1),
        ),
        diagnosis={
            "drift": Finding(1.2e-6, "Å/ps", "of the centre of mass"),
            "time step": Finding(float("nan"), "", "as given"),
        },
        warnings=("velocities have six digits only, see [thermo] in the input",),
        notes=("two frames were dropped",),
        timings={"scan": 1.2, "fit": 3.4, "project": 5.6},
    )


HOME, BONDS = (0, 0, 0), [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1)]
CHAINS = [((0, HOME), (1, b)) for b in BONDS]
"""Bonds, …"""
ANGLES = [((0, HOME), (1, a), (1, b)) for a, b in product(BONDS, BONDS) if a < b]
ANGLES += [
    ((1, HOME), *((0, tuple(-np.array(r))) for r in (a, b)))
    for a, b in product(BONDS, BONDS)
    if a < b
]
"""… and pairs of bonds of one atom, as atoms (site, cell)."""


def clusters(rng, order, n_blocks=10):
    """Constants of bonds and angles in every order of their members, weak ones for angles."""
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


def make_full(results, seed=8):
    """The same with constants of higher orders and all that follows from them."""
    rng = np.random.default_rng(seed)
    modes, bands, convergence = results.modes, results.bands, results.convergence
    freq, _ = set_means(modes)
    path = 0.9 - 0.04 * bands.freq_thz
    path[np.abs(bands.freq_thz) < 0.05] = np.nan
    width = 0.02 + 0.2 * (freq / 15.5) ** 2
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
    return replace(
        results,
        constants=replace(
            results.constants,
            quality=quality,
            triplets=clusters(rng, 3),
            quartets=clusters(rng, 4),
        ),
        convergence=replace(convergence, order_change=decay[:, None] * [0.004, 0.02, 0.3]),
        fit_errors=FitErrors("jackknife", 16, 1250.0, 3.4, levelled=True),
        reference=Reference([[0.003, 0.0, 0.004], [0, 0, 0]], np.full((2, 3), 0.001)),
        scheme_freq_distance_thz=0.012,
        gruneisen=GruneisenParameters(
            path=path,
            path_sem=0.01 + 0.05 / (1.0 + bands.freq_thz**2),
            sets=0.9 - 0.04 * freq,
            sets_sem=np.full(len(freq), 0.02),
            temperature=TEMPERATURE,
            classical=0.53,
            classical_sem=0.012,
            quantum=0.47,
            quantum_sem=0.013,
            mesh=(14, 14, 12),
        ),
        perturbation=PerturbativeWidths(0.9 * width, width, TEMPERATURE, (16, 16, 16)),
        stability=StabilityVerdict(
            *("stable", "stable: the lowest ω² is 4.93 THz², far above zero"),
            square_thz=4.93,
            square_thz_sem=0.02,
            qpoint=[0.0, 0.125, 0.125],
            branch=0,
        ),
        requirement=RunRequirement(
            *("all frequencies are known to ±0.05 THz after a run of 320 ps", 0.05, 100.0),
            *(0.09, 0.01, 3.2, 0.04),
        ),
    )


def make_scan():
    """Rows of a scan: pairs and triplets have enough at 5 and 4 Å."""
    rows = []
    for order, radii in ((2, (3.0, 4.0, 5.0, 6.0, 7.0)), (3, (3.0, 4.0, 5.0))):
        for k, radius in enumerate(radii):
            left = 0.01 + 0.1 * np.exp(-6.0 * (k if order == 2 else k + 1))
            rows.append(
                ScanRow(
                    kind="cutoff",
                    label=f"order {order} to {radius:.2f} Å",
                    cutoffs=f"{radius} | 4.5" if order == 2 else f"8 | {radius}",
                    n_parameters=10 * order + 7 * k,
                    r_squared=1.0 - left**2,
                    rms_residual=left,
                    rms_predicted=left * (1.0 + 2e-4 * (k - 3) ** 2),
                    condition=54.0,
                    scheme_distance=0.01,
                    lowest_squared_thz=-0.3 if k == 0 else 4.93,
                    lowest_squared_thz_sem=0.02,
                    order=order,
                    value=radius,
                )
            )
    for order, left in ((2, 0.1), (3, 0.01)):
        rows.append(
            ScanRow("order", f"up to order {order}", "8", 31, 0.99, left, value=float(order))
        )
    rows.append(ScanRow("constraints", "+ Huang", "8 | 4.5", 30, 0.99, 0.01, 0.011))
    for frames in (500, 1000, 2000):
        left = 0.01 * (1.0 - 20.0 / frames)
        rows.append(
            ScanRow(
                *("time", f"first {frames} frames", "8 | 4.5", 58, 0.99, left, 0.0201 - left),
                lowest_squared_thz=4.9 + 1.0 / frames,
                value=float(frames),
            )
        )
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
