"""Results of a run on silicon: those of every run, and all that can be asked for."""

from dataclasses import replace
from itertools import product

import numpy as np
from scipy.special import ndtr

from silicon.crystal import CRYSTAL, TEMPERATURE, band_path, mode_results, set_means
from silicon.projection import oscillator, project, spectral_map, true_widths
from trajmodes.data.anharmonic import (
    Conductivity,
    GruneisenParameters,
    HeatFlow,
    MeanGruneisen,
    PerturbativeWidths,
    WidthComparison,
)
from trajmodes.data.bands import RenormalisedBands
from trajmodes.data.charges import Charges, PolarModes
from trajmodes.data.crystal import Occupation
from trajmodes.data.energies import (
    EnergyCovariance,
)
from trajmodes.data.force_constants import (
    ClusterConstants,
    Convergence,
    FitErrors,
    OrderQuality,
    Reference,
)
from trajmodes.data.imperfect.species_constants import SpeciesConstants
from trajmodes.data.modes import RunLength, Stability
from trajmodes.data.results import Finding, InputFile, Provenance, Results
from trajmodes.data.spectra import (
    MaximumEntropySpectra,
)
from trajmodes.data.thermo import RunDisplacements
from trajmodes.notes import Note
from trajmodes.phonons.shells import shells_of
from trajmodes.thermo.thermodynamics import density_of_states
from trajmodes.units import BOLTZMANN, HBAR, THZ, W_MK


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
    # One site is empty, see `occupied`.
    share = np.full(len(members), 1.0 - 1.0 / results.supercell.n_atoms)
    return replace(
        given,
        energies=replace(given.energies, share=share),
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
        by_frequency=1.02 * kappa,
        isotropic=part.sum(),
        isotropic_sem=0.04 * part.sum(),
        long_wave_share=0.125,
        filled_share=float(part[~ok].sum() / part.sum()),
        edges=edges * THZ,
        below_frequency=below[:, None, None] * np.eye(3),
        length=length,
        below_length=shorter[:, None, None] * np.eye(3),
    )


def occupied(supercell):
    """Some germanium, and a vacancy."""
    species = np.array(supercell.species, dtype=object)
    species[::50], species[-1] = "Ge", ""
    masses = np.where(species == "Ge", 2.59, 1.0) * supercell.masses
    masses[-1] = 0.0
    return Occupation(supercell, tuple(species), masses)


def of_species(rng, quality, n_blocks=10):
    """Constants of Si–Si, Ge–Si and Ge–Ge at nearest neighbours, with error bars."""
    bond = np.full(3, 0.25 * CRYSTAL.cell.max() * 2.0)
    along = np.outer(bond, bond) / (bond @ bond)
    values = -np.array([8.3, 7.9, 7.7])[:, None, None] * (0.95 * along + 0.05 * np.eye(3))
    return SpeciesConstants(
        species=("Si–Si", "Ge–Si", "Ge–Ge"),
        sites=np.tile([0, 1], (3, 1)),
        bonds=np.tile(bond, (3, 1)),
        mean_distances=np.array([2.37, 2.40, 2.43]),
        counts=np.array([900, 80, 2]),
        values=values,
        quality=replace(quality, n_parameters=6, rank=6, orders=ORDERS[:1]),
        replicates=values + 0.01 * rng.normal(size=(n_blocks, 3, 3, 3)),
        absent=("Ge–Ge at 3.86 Å",),
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
        r_squared_without_constant=0.99987,
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
        charges=Charges(
            np.array([1.2, -1.2])[:, None, None] * np.eye(3),
            5.0 * np.eye(3),
            np.full((2, 3, 3, 3), 0.1),
        ),
    )
    member = modes.sets >= 0
    classical = np.where(member, width[modes.sets], np.nan) * THZ
    return replace(
        results,
        point_names=("Γ", "Z9", *[""] * (len(modes.qpoints) - 2)),
        constants=constants,
        shells=shells_of(constants),
        convergence=replace(convergence, change=decay[:, None] * [0.004, 0.02, 0.3]),
        occupation=occupied(results.supercell),
        by_species=of_species(np.random.default_rng(9), quality),
        projection=full_projection(rng, results),
        run_displacements=RunDisplacements(*3 * [5e-3 * np.tile(np.eye(3), (2, 1, 1))]),
        renormalised=renormalise(results),
        conductivity=conductivity(results),
        fit_errors=FitErrors(
            *(rng.random((16, 62)), 1250.0, 3.4),
            levelled=True,
            coherence=1.1,
            may_exceed=1.0 + 0.02 * modes.omega / THZ,
        ),
        reference=Reference([[0.003, 0.0, 0.004], [0, 0, 0]], np.full((2, 3), 0.001)),
        scheme_omega_distance=0.012 * THZ,
        gruneisen=GruneisenParameters(
            path=path,
            path_sem=0.01 + 0.05 / (1.0 + band_thz**2),
            sets=0.9 - 0.04 * freq,
            sets_sem=np.full(len(freq), 0.02),
            mean=MeanGruneisen([TEMPERATURE], [0.47], [0.013], 0.53, 0.012, (14, 14, 12), 0.0),
        ),
        density=density_of_states(results.constants, (4, 4, 4)),
        polar=PolarModes(
            transverse=np.array([15.0, 15.0, 15.1]) * THZ,
            longitudinal=np.array([15.0, 15.1, 16.0])[:, None] * np.ones(3) * THZ,
            static=5.7 * np.eye(3),
            transverse_sem=np.full(3, 0.01) * THZ,
            longitudinal_sem=np.full((3, 3), 0.01) * THZ,
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
