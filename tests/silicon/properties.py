"""Results of every command on properties, of invented numbers."""

from dataclasses import replace

import numpy as np
import xarray as xr

from silicon.crystal import born_constants
from trajmodes.data.anharmonic import MeasuredSpectra, ModeSpectra, SelfEnergies
from trajmodes.data.energies import AnharmonicReference, EnergyDifferences, FreeEnergy
from trajmodes.data.potentials.minimised import (
    ComparedLattice,
    MinimisedCrystal,
    ZoneGruneisen,
)
from trajmodes.data.potentials.response import StaticResponse
from trajmodes.data.potentials.shell_constants import (
    MeasuredFrequencies,
    SharedModes,
    ShellModels,
)
from trajmodes.data.quasiharmonic import GibbsEnergy
from trajmodes.data.results import CrystalProperties, Provenance, Scattering
from trajmodes.data.series.runs import MeasuredLines, SeriesRun
from trajmodes.data.spectra import StructureFactor
from trajmodes.data.thermo import Bending, RunDisplacements, Slab, ThermalExpansion
from trajmodes.phonons.anharmonic.spectral_function import spectral_functions
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.born_von_karman.measured import fit_to_frequencies
from trajmodes.phonons.born_von_karman.projection import force_constants_of
from trajmodes.phonons.born_von_karman.shells import nearest_shells
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.potentials.structures import named_structure
from trajmodes.pipeline.thermo.series import series_of
from trajmodes.potentials.potential import State as PotentialState
from trajmodes.results.by_command.born_von_karman import shells_dataset
from trajmodes.results.by_command.minimised import minimised_dataset
from trajmodes.results.by_command.phases import phases_dataset
from trajmodes.results.by_command.potential import static_dataset
from trajmodes.results.properties import properties_dataset, scattering_dataset
from trajmodes.results.quasiharmonic import quasiharmonic_dataset
from trajmodes.results.series import series_dataset
from trajmodes.scattering.one_phonon import Thermal, one_phonon
from trajmodes.scattering.wavevectors import on_grid, section
from trajmodes.scattering.weights import weights
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.elasticity import elasticity
from trajmodes.thermo.free_energy.terms import free_energy_terms
from trajmodes.thermo.quasiharmonic.mode_gruneisen import mode_gruneisen
from trajmodes.thermo.quasiharmonic.phases import phase_boundary
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State
from trajmodes.thermo.thermodynamics import thermodynamics


def make_properties() -> list[xr.Dataset]:
    """Properties of force constants alone, of a bulk crystal and of a layer."""
    bulk = replace(born_constants(np.random.default_rng(1)), replicates=None)
    cell = np.diag([3.0, 4.0, 20.0])
    layer = replace(
        bulk.crystal, cell=cell, sites=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.05]])
    )
    provenance = Provenance({}, (), "", "")
    moved = RunDisplacements(*3 * [np.ones((2, 3, 3))], *2 * [np.ones(2)])
    own = {"stiffness": np.eye(3), "symmetric": np.eye(3), "eigenvalues": np.ones(3)}
    flat = replace(elasticity(bulk), crystal=layer, **own)
    thermo = thermodynamics(bulk, (3, 3, 3), [300.0])
    tensors = np.ones((1, 3, 3))
    expansion = ThermalExpansion(tensors, tensors[0], np.ones(1), (1, 1, 1))
    scattered = CrystalProperties(bulk, provenance, spectra=mode_spectra(bulk))
    bending = Bending(np.eye(3)[:2], *np.ones((4, 2)))
    more = {"expansion": expansion, "run_displacements": moved}
    bands = dispersion(bulk, band_path(bulk.crystal, 0.5))
    density = np.ones((2, len(thermo.density.omega)))
    weight = np.ones((*bands.omega.shape, 2))
    slab = Slab(np.arange(2), np.arange(2.0), density, np.ones(2), 1, bands, weight)
    properties = [
        CrystalProperties(bulk, provenance, thermo, elasticity(bulk), **more),
        CrystalProperties(bulk, provenance, thermo, flat, bending, slab, **more),
    ]
    free = CrystalProperties(bulk, provenance, free_energy=free_energy())
    datasets = [properties_dataset(one) for one in (*properties, scattered, free)]
    datasets += [scattering_dataset(structure_factors(bulk)), series(bulk), volumes(bulk)]
    force = PotentialState(-5.0, np.ones((2, 3)), np.eye(3))
    response = StaticResponse(*2 * [np.eye(6)], *2 * [np.ones((3, 6))])
    return [*datasets, minimum(), shells(), two_phases(), static_dataset(force, response)]


def volumes(constants) -> xr.Dataset:
    """Quasiharmonic properties of four volumes of invented energies."""
    noise = np.linspace(0.999, 1.001, 5)[:, None, None, None]
    known = [
        replace(
            constants,
            crystal=replace(constants.crystal, cell=scale * constants.crystal.cell),
            values=scale**-12.0 * constants.values,
            replicates=scale**-12.0 * constants.values * noise,
        )
        for scale in (0.98, 0.99, 1.01, 1.02)
    ]
    states = [State(one, 400.0 * (k - 1.5) ** 2 * 1e-4) for k, one in enumerate(known)]
    found = quasiharmonic(states, (2, 2, 2), [100.0, 300.0], [0.0, 0.001])
    path = band_path(constants.crystal, 0.5)
    third = ThermalExpansion(np.ones((2, 3, 3)), np.eye(3), np.ones(2), (1, 1, 1))
    modes = mode_gruneisen(known, 1, path.qpoints)
    return quasiharmonic_dataset(found, path, modes, third, Provenance({}, (), "", ""), ())


def two_phases() -> xr.Dataset:
    """Gibbs free energies that cross once."""
    kelvin, pressures = np.array([100.0, 300.0]), np.array([0.0, 0.001])
    slopes = [GibbsEnergy(pressures, kelvin, *np.full((4, 2, 2), 0.01 * k)) for k in (1, 2)]
    return phases_dataset(phase_boundary(*slopes), Provenance({}, (), "", ""), ())


def series(constants) -> xr.Dataset:
    """Runs at two temperatures and two volumes, with spectral lines."""
    supercell = build_supercell(constants.crystal, 2 * np.eye(3, dtype=int))
    space = half_space(supercell)
    sets = modes_at(constants, space.qpoints).sets
    widths = np.ones((4, sets.max() + 1))
    lines = MeasuredLines(space.qpoints, sets, *widths)
    runs = []
    for kelvin, strain in ((300.0, 0.0), (300.0, 0.01), (600.0, 0.0), (900.0, 0.0)):
        crystal = replace(constants.crystal, cell=(1.0 + strain) * constants.crystal.cell)
        replicates = constants.values * np.linspace(0.99, 1.01, 5)[:, None, None, None]
        one = replace(constants, crystal=crystal, replicates=replicates, temperature=kelvin)
        runs.append(SeriesRun(f"{kelvin:g} K", one, supercell, lines))
    return series_dataset(series_of(runs, path="G X", command="").results)


def shells() -> xr.Dataset:
    """Constants of shells of copper, of force constants and fitted to frequencies."""
    known = nearest_shells(named_structure("fcc:3.6:Cu"), 1)
    qpoints = np.random.default_rng(1).uniform(-0.5, 0.5, (6, 3))
    data = MeasuredFrequencies(qpoints, np.full(6, 20.0), ("3",) * 6, np.full(6, 1.0))
    constants, fit = fit_to_frequencies(data, known)
    constants = replace(constants, residual=np.zeros(1))
    path = band_path(known.crystal, 0.5, "G X")
    bands = dispersion(force_constants_of(constants, known), path)
    omega = bands.omega
    found = ShellModels(
        ("copper",), (constants,), bands, omega[None], Provenance({}, (), "", ""), (300.0,),
        omega, fit, "potential", constants.values[:, None],
        SharedModes(qpoints[:2], np.ones(2), *np.ones((3, 2, 1))),
    )  # fmt: skip
    return shells_dataset(found)


def minimum() -> xr.Dataset:
    """A quasiharmonic crystal of invented values."""
    crystal = named_structure("hcp:3.2,5.2:Mg")
    one, tensor = np.ones((1, 1)), np.ones((1, 1, 3, 3))
    found = MinimisedCrystal(
        crystal, "full", "quantum", (1, 1, 1), np.array([300.0]), np.zeros(1),
        crystal.cell[None, None], crystal.sites[None, None], *3 * [one], tensor, one, 4.0 * one,
        ("",),
    )  # fmt: skip
    zone = ZoneGruneisen(
        np.zeros((1, 3)), np.ones(1), tensor[0], np.ones((1, 6)), np.ones((1, 1, 6))
    )
    compared = ComparedLattice(["run"], np.ones(1), np.ones(1), np.ones((1, 3)))
    return minimised_dataset([found], zone, compared, Provenance({}, (), "", ""), ())


def structure_factors(constants) -> Scattering:
    """Invented spectra of a run, and one-phonon scattering with invented widths."""
    waves = on_grid(section(constants.crystal, (0, 0, 0), (1, 1, 0)), 4)
    amplitudes = weights("equal", waves)
    moved = 0.01 * np.tile(np.eye(3), (constants.crystal.n_sites, 1, 1))
    thermal = Thermal(300.0, quantum=True, displacements=moved)
    lines = one_phonon(constants, waves, amplitudes, thermal)
    lines = replace(lines, width=0.1 * np.abs(lines.omega))
    spectra = np.ones((len(waves.hkl), 5))
    static = spectra[:, 0]
    currents = dict.fromkeys(("longitudinal", "transverse"), spectra)
    return Scattering(
        waves=waves,
        weights=amplitudes,
        axes="primitive",
        omega=np.arange(5.0),
        resolution=1.0,
        provenance=Provenance({}, (), "", ""),
        measured=StructureFactor(
            *(np.arange(5.0), spectra, spectra, static, static, static, 8, 0.01), **currents
        ),
        temperature=300.0,
        quantum=True,
        lines=lines,
        power=spectra,
        path=waves,
        path_lines=lines,
    )


def free_energy() -> FreeEnergy:
    """Free energy of invented energies, with third order."""
    energies = np.random.default_rng(2).standard_normal((2, 100))
    terms = free_energy_terms(energies[0], 300.0, 8)
    beyond = AnharmonicReference((3,), terms, terms, 0.1, 0.01)
    values = np.ones((4, 2))
    return FreeEnergy(
        *(terms, (2, 2, 2), *values[:3], np.ones((2, 3)), 1, 0.0),
        *(EnergyDifferences(*energies), beyond),
        sums_changes=np.ones((2, 3)),
    )


def mode_spectra(constants) -> ModeSpectra:
    """Spectral functions of an invented self-energy, and an invented run."""
    path = band_path(constants.crystal, 0.5)
    qpoints = path.qpoints[:2]
    omega, _ = frequencies_at(constants, qpoints)
    grid = np.linspace(0.0, 2.5 * omega.max(), 80)
    # The acoustic modes at Γ have none.
    strength = np.where(omega > 1.0, 1e-2, np.nan)[..., None]
    gamma = strength * grid * (1.0 - grid / grid[-1])
    error = np.full(omega.shape, 0.1)
    energies = SelfEnergies(
        *(300.0, (4, 4, 4), qpoints, omega, error, grid, gamma, gamma, error, error, 0.0)
    )
    lines = spectral_functions(energies, gamma, error, remove_static=True)
    run = MeasuredSpectra(
        *(300.0, omega, error, error, error),
        *(lines.line_omega, lines.line, lines.line, grid, np.ones((2, len(grid)))),
    )
    bands = dispersion(constants, path)
    return ModeSpectra(
        energies, lines, lines, "removed", ("Γ", ""), bands, path.distance[:2], run
    )
