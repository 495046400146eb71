"""Structure factors beside Euphonic, phonopy and dynasor."""

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from phonopy.spectrum.dynamic_structure_factor import atomic_form_factor_WK1995
from scipy import constants as codata

from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import Weights
from trajmodes.formats import phonopy as phonopy_files
from trajmodes.formats.dipoles import with_charges
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.scattering.density import density_transform
from trajmodes.scattering.one_phonon import Thermal, one_phonon
from trajmodes.scattering.structure_factor import StructureFactorReduction
from trajmodes.scattering.wavevectors import commensurate_on, on_grid, section
from trajmodes.scattering.weights import weights
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.functions import quantum_functions
from trajmodes.units import HBAR, THZ

pytestmark = pytest.mark.peer

KELVIN = 320.0
LENGTHS = {"Na": 3.63, "Cl": 9.577}


@pytest.fixture(scope="module")
def salt(crystals, springs):
    """Rock salt with springs in a supercell of 64 atoms."""
    supercell = build_supercell(
        crystals["rock salt"], 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    )
    return springs(supercell.crystal, 0.99 * inscribed_radius(supercell)), supercell


@pytest.fixture
def euphonic():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("euphonic")


def _interpolated(euphonic, constants, supercell, folder):
    phonopy_files.write(constants, supercell, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return euphonic.ForceConstants.from_phonopy(
            path=folder, summary_name="phonopy_params.yaml"
        )


@pytest.mark.filterwarnings("ignore")
def test_one_phonon_intensities_are_those_of_euphonic(euphonic, salt, tmp_path):
    constants, supercell = salt
    peer = _interpolated(euphonic, constants, supercell, tmp_path)
    waves = on_grid(section(constants.crystal, (0.1, 0, 0), (3.05, 1.2, -0.7)), 31)
    mesh = np.array([[i, j, k] for i in range(5) for j in range(5) for k in range(5)]) / 5.0
    mesh += 0.1
    ureg = euphonic.ureg
    of_mesh = peer.calculate_qpoint_phonon_modes(mesh)
    dw = of_mesh.calculate_debye_waller(KELVIN * ureg("K"), symmetrise=False)
    found = peer.calculate_qpoint_phonon_modes(waves.qpoints).calculate_structure_factor(
        scattering_lengths={name: b * ureg("fm") for name, b in LENGTHS.items()}, dw=dw
    )
    # Euphonic's exponent is half of ours, and in the axes of the crystal too.
    moved = 2.0 * dw.debye_waller.to("angstrom**2").magnitude
    thermal = Thermal(KELVIN, quantum=True, displacements=moved)
    amplitudes = weights("Na:3.63 Cl:9.577", waves)
    lines = one_phonon(constants, waves, amplitudes, thermal)
    # Without occupation, ħ/2ω; in mbarn, 1 fm² = 10 mbarn.
    ours = (lines.created - lines.annihilated) * amplitudes.mean_square[:, None] * 10.0
    theirs = found.structure_factors.to("mbarn").magnitude
    omega = found.frequencies.to("meV").magnitude * 1e-3 / HBAR
    np.testing.assert_allclose(lines.omega, omega, rtol=1e-6)
    whole = _of_degenerate(theirs, omega)
    np.testing.assert_allclose(ours, whole, rtol=1e-6, atol=1e-6 * whole.max())


def _of_degenerate(values, omega):
    """Means over degenerate branches."""
    near = np.abs(omega[:, :, None] - omega[:, None, :]) < 1e-5 * omega.max()
    return (near * values[:, None, :]).sum(axis=2) / near.sum(axis=2)


WAASMAIER_KIRFEL = {
    "Na": [3.148690, 2.594987, 4.073989, 6.046925, 0.767888, 0.070139, 0.995612, 14.1226457,
           0.968249, 0.217037, 0.045300],
    "Cl": [1.061802, 0.144727, 7.139886, 1.171795, 6.524271, 19.467656, 2.355626, 60.320301,
           35.829404, 0.000436, -34.916604],
    "Si": [5.275329, 2.631338, 3.191038, 33.730728, 1.511514, 0.081119, 1.356849, 86.288640,
           2.519114, 1.170087, 0.145073],
}  # fmt: skip
"""Form factors of Na+, Cl− and Si, as in the documentation of phonopy."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["rock salt", "diamond"])
def test_xray_intensities_are_those_of_phonopy(name, crystals, springs):
    """Created phonons; phonopy gives (n + 1)|F|²/2ω in m²/J, without ħ."""
    supercell = build_supercell(
        crystals[name], 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    )
    constants = springs(supercell.crystal, 0.99 * inscribed_radius(supercell))
    waves = on_grid(section(constants.crystal, (0.1, 0, 0), (3.05, 1.2, -0.7)), 21)

    def form_factor(symbol: str, s: float) -> float:
        return atomic_form_factor_WK1995(s, WAASMAIER_KIRFEL[symbol])

    if name == "diamond":
        pytest.importorskip("periodictable")
        amplitudes = weights("xray", waves)
    else:
        species = ("Na", "Cl")
        sine = waves.lengths / (4.0 * np.pi)
        values = np.array([[form_factor(one, s) for one in species] for s in sine])
        amplitudes = Weights(species, values, (values**2).mean(axis=1), "electrons")
    phonon = phonopy_files.to_phonopy(constants, supercell)
    phonon.run_mesh([5, 5, 5], is_mesh_symmetry=False, with_eigenvectors=True)
    phonon.run_thermal_displacement_matrices(temperatures=[KELVIN], freq_min=1e-3)
    moved = phonon.thermal_displacement_matrices.thermal_displacement_matrices[0]
    phonon.run_dynamic_structure_factor(
        waves.qpoints, KELVIN, atomic_form_factor_func=form_factor, freq_min=1e-3
    )
    peer = phonon.dynamic_structure_factor
    lines = one_phonon(
        constants, waves, amplitudes, Thermal(KELVIN, quantum=True, displacements=moved)
    )
    n_sites = constants.crystal.n_sites
    ours = lines.created * amplitudes.mean_square[:, None] * n_sites
    # ħ/ω is h/f for their frequencies in THz; |Q|² is in 1/Å².
    theirs = peer.dynamic_structure_factors * codata.h * codata.tera / codata.angstrom**2
    omega = peer.frequencies * THZ
    np.testing.assert_allclose(lines.omega, omega, atol=1e-5 * omega.max())
    whole = _of_degenerate(theirs, omega)
    np.testing.assert_allclose(ours, whole, rtol=1e-5, atol=1e-6 * whole.max())


@pytest.mark.filterwarnings("ignore")
def test_the_debye_waller_factor_is_that_of_euphonic(euphonic, salt, tmp_path):
    """⟨uu⟩ by the same sum over a mesh: ħ(2n + 1)/2ω e e*/M."""
    constants, supercell = salt
    peer = _interpolated(euphonic, constants, supercell, tmp_path)
    rng = np.random.default_rng(3)
    mesh = rng.uniform(-0.5, 0.5, (40, 3))
    dw = peer.calculate_qpoint_phonon_modes(mesh).calculate_debye_waller(
        KELVIN * euphonic.ureg("K"), symmetrise=False
    )
    modes = modes_at(constants, mesh)
    variance = quantum_functions(modes.omega, np.array([KELVIN])).values[1, 0]
    share = variance / modes.omega**2 / len(mesh)
    uu = np.einsum("qm,qmsx,qmsy->sxy", share, modes.vectors, modes.vectors.conj()).real
    uu /= constants.crystal.masses[:, None, None]
    theirs = 2.0 * dw.debye_waller.to("angstrom**2").magnitude
    np.testing.assert_allclose(uu, theirs, rtol=1e-5, atol=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("polar", [False, True])
def test_euphonic_reads_what_is_exported(euphonic, salt, charges_of, tmp_path, polar):
    constants, supercell = salt
    if polar:
        constants = with_charges(constants, supercell, charges_of(constants.crystal))
    peer = _interpolated(euphonic, constants, supercell, tmp_path)
    assert (peer.born is not None) == polar
    qpoints = np.random.default_rng(5).uniform(-1.0, 1.0, (12, 3))
    found = peer.calculate_qpoint_phonon_modes(qpoints, asr=None)
    theirs = found.frequencies.to("meV").magnitude * 1e-3 / HBAR
    ours, _ = frequencies_at(constants, qpoints)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * THZ)


@pytest.mark.filterwarnings("ignore")
def test_density_and_correlations_are_those_of_dynasor(salt):
    reciprocal = pytest.importorskip("dynasor.core.reciprocal")
    constants, small = salt
    supercell = build_supercell(constants.crystal, 3 * small.matrix)
    waves = commensurate_on(
        section(constants.crystal, (0, 0, 0), (4, 4, 0), (4, 0, 4)), supercell
    )
    amplitudes = weights("equal", waves)
    made = density_transform(supercell, waves, amplitudes, currents=True)
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 3, supercell.n_atoms, 3)) * 0.1
    block = MotionBlock(0, u, v, None)
    q_kx = np.ascontiguousarray(waves.cartesian)
    ours = made(block).values
    peers = [
        reciprocal.calc_rho_j_q(supercell.positions + a, b, q_kx)
        for a, b in zip(u, v, strict=True)
    ]
    density = np.array([rho for rho, _ in peers]).T.conj()
    np.testing.assert_allclose(ours[0], density, rtol=0, atol=1e-8)
    along = np.divide(q_kx, waves.lengths[:, None], where=waves.lengths[:, None] > 0)[1:]
    current = np.einsum("tkx,kx->kt", np.array([j for _, j in peers])[:, 1:].conj(), along)
    np.testing.assert_allclose(ours[1, 1:], current, rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore")
def test_the_structure_factor_is_normalised_as_in_dynasor(salt, tmp_path):
    """S(Q, f) per atom and THz: its integral is F(Q, 0), and it has the same values."""
    dynasor = pytest.importorskip("dynasor")
    constants, supercell = salt
    length, interval, n_frames = 64, 0.02, 2000
    line = section(constants.crystal, (0.5, 0.5, 0), (1.5, 1.5, 0))
    waves = commensurate_on(line, supercell)
    rng = np.random.default_rng(1)
    # Noise with a correlation time of a few frames
    u = 0.04 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
    u = u + np.roll(u, 1, axis=0) + np.roll(u, 2, axis=0)
    frames = [
        Atoms(supercell.species, one, cell=supercell.cell, pbc=True)
        for one in supercell.positions + u
    ]
    write(tmp_path / "run.xyz", frames, format="extxyz")
    trajectory = dynasor.Trajectory(str(tmp_path / "run.xyz"), trajectory_format="extxyz")
    theirs = dynasor.compute_dynamic_structure_factors(
        trajectory, waves.cartesian, dt=1e3 * interval, window_size=length // 2
    )
    amplitudes = weights("equal", waves)
    made = density_transform(supercell, waves, amplitudes)
    reduction = StructureFactorReduction(made, amplitudes, length, interval, ((0, n_frames),))
    found = reduction.finalize(reduction.chunk(MotionBlock(0, u, None, None)))
    np.testing.assert_allclose(found.static + found.bragg, theirs.Fqt_coh[:, 0], rtol=1e-6)
    inelastic = waves.qpoints[:, 0] % 1.0 > 0.1
    assert inelastic.any()
    # Per THz: their time is in fs.
    peer = theirs.Sqw_coh[inelastic].mean(axis=0) * 1e-3
    ours = found.power[inelastic].mean(axis=0) * THZ
    at = np.interp(theirs.omega * 1e3, found.omega, ours)
    low = theirs.omega * 1e3 < 0.2 * found.omega[-1]
    np.testing.assert_allclose(at[low], peer[low], rtol=0.15)
