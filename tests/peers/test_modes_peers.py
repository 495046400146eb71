"""DynaPhoPy, FHI-vibes and trajmodes on one run of damped oscillators of known rates.

FHI-vibes 1.1.0 cannot be installed beside ours: it wants numpy below 2, spglib up to 2.3 and a
Fortran compiler. Its projection is Python alone, and runs from its source: put the folder
``vibes`` of the sdist on PYTHONPATH beside a ``fhi_vibes-1.1.0.dist-info/METADATA`` with name
and version; write ``supercell = None`` to ``vibes/helpers/supercell/supercell.py`` in place of
the Fortran; make ``fortran: bool = False`` the default in ``vibes/helpers/lattice_points.py``
and ``vibes/force_constants.py`` (it has both ways); install son, jconfigparser, ruamel.yaml and
attrs.
What later numpy, scipy, spglib and phonopy took away is given back by the fixture `vibes`.
"""

import dataclasses
from types import SimpleNamespace

import numpy as np
import phonopy
import pytest
import scipy.integrate
import spglib
import xarray as xr
from ase import Atoms
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data.energies import ModeEnergies
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import BandSpectra, EnergyLifetimes, LineFits
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.energies.lifetimes import energy_lifetimes
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.streaming.reduction import Together, Transformed
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

# An odd number: DynaPhoPy's maximum entropy counts samples from one and so reads the word
# behind its copy of them. After an odd number of doubles that is a size that malloc keeps, as a
# double zero; after an even one it is what stood there before, and the spectrum goes with it.
N_FRAMES, INTERVAL, KELVIN = 16001, 0.02, 300.0
DYNAPHOPYS_CONSTANT = 1.0585723e-4
"""Its eV per u Å² THz²; 1.02137 times what it is."""
Q_LIST = np.array([[1, 0, 0], [1, 1, 0]]) / 3.0
"""Representatives of two stars of a 3 × 3 × 3 cell of rock salt."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Damped oscillators, their parameters, and the results of their projection."""

    modes: Modes
    hessian: np.ndarray
    motion: MotionBlock
    amplitudes: Amplitudes
    gamma: np.ndarray
    """(g,) rate of each set in 1/ps."""
    energies: ModeEnergies
    lines: LineFits
    lifetimes: EnergyLifetimes
    supercell: object

    def waves(self, q: int) -> tuple[np.ndarray, np.ndarray]:
        """Energies (m, t) of the waves that run along +q and along −q."""
        q_mt, v_mt = self.amplitudes.coordinate[q], self.amplitudes.velocity[q]
        static = self.modes.omega[q, :, None] * q_mt
        return 0.5 * np.abs(static + 1j * v_mt) ** 2, 0.5 * np.abs(static - 1j * v_mt) ** 2


def rate(omega: np.ndarray) -> np.ndarray:
    """Damping in 1/ps: 0.4 for slow modes, 1.6 for the fastest of 96 rad/ps."""
    return 0.4 + 1.2 * (omega / 96.0) ** 2


def oscillators(omega: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Q and its velocity (2, k, t) of damped oscillators in a heat bath, exact at all times."""
    gamma = rate(omega)
    shifted = np.sqrt(omega**2 - 0.25 * gamma**2)
    c, s = np.cos(shifted * INTERVAL), np.sin(shifted * INTERVAL) / shifted
    half = 0.5 * gamma * s
    step = np.exp(-0.5 * gamma * INTERVAL) * np.array(
        [[c + half, s], [-(omega**2) * s, c - half]]
    )
    step = np.moveaxis(step, -1, 0)
    still = np.zeros_like(step)
    still[:, 0, 0], still[:, 1, 1] = omega**-2.0, 1.0
    kick = np.linalg.cholesky(still - step @ still @ step.swapaxes(1, 2))
    series = np.empty((2, len(omega), N_FRAMES))
    state = np.sqrt(still) @ rng.normal(size=(len(omega), 2, 1))
    for t in range(N_FRAMES):
        series[:, :, t] = state[..., 0].T
        state = step @ state + kick @ rng.normal(size=state.shape)
    return np.sqrt(BOLTZMANN * KELVIN) * series


@pytest.fixture(scope="module")
def run(crystals, springs, hessian_of) -> Run:
    crystal = crystals["rock salt"]
    constants = springs(crystal, 4.5)
    space = half_space(build_supercell(crystal, np.diag([3, 3, 3])))
    supercell = space.supercell
    modes = modes_at(constants, space.qpoints, space.weights)
    hessian = hessian_of(constants, supercell)
    root = np.sqrt(supercell.masses).repeat(3)
    squares, vectors = np.linalg.eigh(hessian / root[:, None] / root)
    own = oscillators(np.sqrt(squares[3:]), np.random.default_rng(31))
    u_tax, v_tax = (
        ((vectors[:, 3:] @ one) / root[:, None]).T.reshape(N_FRAMES, -1, 3) for one in own
    )
    motion = MotionBlock(0, u_tax, v_tax, None)
    projector = Projector(space, modes)
    ranges = ((0, N_FRAMES),)
    length = 4000
    parts = {
        "energies": EnergyReduction(projector, N_FRAMES),
        "spectra": WelchReduction(projector, length, INTERVAL, ranges),
        "correlations": AutocorrelationReduction(projector, INTERVAL, ranges),
    }
    reduction = Transformed(projector.project, Together(parts))
    found = reduction.finalize(reduction.chunk(motion))
    spectra = found["spectra"].modes
    whole = BandSpectra(
        np.zeros(modes.n_sets, dtype=int), spectra.power, spectra.averages, length, INTERVAL
    )
    _, first = np.unique(modes.sets[modes.sets >= 0], return_index=True)
    omega = modes.omega[modes.sets >= 0][first]
    return Run(
        modes=modes,
        hessian=hessian,
        motion=motion,
        amplitudes=projector.project(motion),
        gamma=rate(omega),
        energies=found["energies"],
        lines=fit_lines([whole], omega),
        lifetimes=energy_lifetimes(found["correlations"]),
        supercell=supercell,
    )


def place_of(modes: Modes, qpoint: np.ndarray) -> tuple[int, bool]:
    """Number of a q point in the half space, and whether it stands there as −q."""
    for q, one in enumerate(modes.qpoints):
        for sign in (1, -1):
            apart = sign * one - qpoint
            if np.abs(apart - np.rint(apart)).max() < 1e-6:
                return q, sign < 0
    raise AssertionError(qpoint)


@pytest.fixture(scope="module")
def dynaphopys(run):
    """Its analysis of the run."""
    dynaphopy = pytest.importorskip("dynaphopy")
    atoms = pytest.importorskip("dynaphopy.atoms")
    dynamics = pytest.importorskip("dynaphopy.dynamics")
    link = pytest.importorskip("dynaphopy.interface.phonopy_link")
    crystal, supercell = run.modes.crystal, run.supercell
    structure = atoms.Structure(
        positions=crystal.positions,
        cell=crystal.cell,
        masses=crystal.masses / DALTON,
        atomic_elements=list(crystal.species),
        primitive_matrix=np.eye(3),
    )
    order = atom_order(structure.get_positions((3, 3, 3)), supercell)
    n = supercell.n_atoms
    constants = run.hessian.reshape(n, 3, n, 3).swapaxes(1, 2)[order][:, order]
    structure.set_force_constants(link.ForceConstants(constants, supercell=3 * np.eye(3)))
    series = dynamics.Dynamics(
        structure=structure,
        velocity=run.motion.velocities[:, order].astype(complex),
        time=INTERVAL * np.arange(N_FRAMES),
        supercell=supercell.cell,
    )
    peer = dynaphopy.Quasiparticle(series)
    peer.parameters.silent = True
    peer.select_power_spectra_algorithm(1)  # maximum entropy, its default
    peer.set_number_of_mem_coefficients(100)
    peer.set_spectra_resolution(0.01)
    peer.set_frequency_limits([0, 20])
    return peer


def atom_order(positions: np.ndarray, supercell) -> np.ndarray:
    """Which of our atoms stands at each position."""
    apart = (positions[:, None] - supercell.positions) @ np.linalg.inv(supercell.cell)
    away = np.abs(apart - np.rint(apart)).max(axis=2)
    assert away.min(axis=1).max() < 1e-6
    return away.argmin(axis=1)


@pytest.mark.parametrize("qpoint", Q_LIST, ids=str)
def test_mode_velocities_equal_dynaphopys_up_to_a_constant(run, dynaphopys, qpoint):
    """|Q̇|² of every set: its unit constant is the only difference."""
    dynaphopys.set_reduced_q_vector(qpoint)
    q, _ = place_of(run.modes, qpoint)
    sets, theirs = run.modes.sets[q], np.abs(dynaphopys.get_vq().T) ** 2
    ours = np.abs(run.amplitudes.velocity[q]) ** 2
    np.testing.assert_allclose(
        dynaphopys.get_frequencies(), run.modes.omega[q] / THZ, atol=1e-3
    )
    for one in np.unique(sets):
        summed, wanted = theirs[sets == one].sum(axis=0), ours[sets == one].sum(axis=0)
        ratio = DYNAPHOPYS_CONSTANT * summed / wanted
        # Frame by frame not better: for the vectors it takes masses from a table of its own.
        assert ratio.mean() == pytest.approx(1.02137, rel=1e-4)
        assert np.median(ratio) == pytest.approx(DYNAPHOPYS_CONSTANT / DALTON, rel=1e-5)
        assert pytest.approx(1.02137, rel=1e-5) == DYNAPHOPYS_CONSTANT / DALTON


@pytest.mark.parametrize("qpoint", Q_LIST, ids=str)
def test_quasi_particles_agree_with_dynaphopy(run, dynaphopys, qpoint):
    """Both see the same run; its least squares weigh peaks, and so find another width.

    A width is uncertain by 3 to 5 % in this run, a frequency by a twentieth of it.
    """
    fitting = pytest.importorskip("dynaphopy.analysis.fitting")
    dynaphopys.set_reduced_q_vector(qpoint)
    axis, power = dynaphopys.get_frequency_range(), dynaphopys.get_power_spectrum_phonon()
    found = fitting.phonon_fitting_analysis(
        power, axis, harmonic_frequencies=dynaphopys.get_frequencies(), show_plots=False
    )
    q, _ = place_of(run.modes, qpoint)
    sets, lines = run.modes.sets[q], run.lines
    width, sem = lines.linewidth[sets] / THZ, lines.linewidth_sem[sets] / THZ
    assert np.abs((np.array(found["positions"]) - lines.omega[sets] / THZ) / width).max() < 0.06
    assert (np.abs(np.array(found["widths"]) - width) < 4.0 * sem).all()
    assert np.array(found["widths"]) / width == pytest.approx(1.0, abs=0.12)
    for theirs in (np.trapezoid(power, axis, axis=0), 0.5 * np.array(found["dt_Q2"])):
        kinetic = theirs / (DYNAPHOPYS_CONSTANT / DALTON)
        assert kinetic == pytest.approx(run.energies.kinetic[sets], rel=0.06)
        # Theirs is that of one q of the star, known to some 2 % when summed over branches.
        assert kinetic.mean() == pytest.approx(run.energies.kinetic[sets].mean(), rel=0.025)


def test_rates_equal_the_simulated_ones(run):
    """The reference of the comparisons is correct."""
    for found, sem, true in (
        (run.lines.linewidth, run.lines.linewidth_sem, run.gamma),
        (1 / run.lifetimes.lifetime_ps,
         run.lifetimes.lifetime_ps_sem / run.lifetimes.lifetime_ps**2, run.gamma),
    ):  # fmt: skip
        z = (found - true) / sem
        assert np.abs(z).max() < 3.5
        assert 0.4 < np.sqrt((z**2).mean()) < 1.6


@pytest.fixture
def vibes(monkeypatch):
    """Its module of mode energies, able to work with what is installed."""
    harmonic = pytest.importorskip("vibes.green_kubo.harmonic", exc_type=ImportError)
    wrapper = pytest.importorskip("vibes.spglib.wrapper")

    def dataset(*args, **options):
        found = spglib.get_symmetry_dataset(*args, **options)
        return dataclasses.asdict(found) if dataclasses.is_dataclass(found) else found

    patched = vars(spglib) | {"get_symmetry_dataset": dataset}
    monkeypatch.setattr(wrapper, "spg", SimpleNamespace(**patched))
    factor = get_physical_units().DefaultToTHz
    monkeypatch.setattr(phonopy.Phonopy, "_factor", factor, raising=False)
    cumulated = scipy.integrate.cumulative_trapezoid
    monkeypatch.setattr(scipy.integrate, "cumtrapz", cumulated, raising=False)
    return harmonic


def vibes_results(vibes, run):
    """Its q points (k, 3), energies (t, m, k), heat capacities and lifetimes (m, k)."""
    crystal, supercell = run.modes.crystal, run.supercell
    n = supercell.n_atoms
    unit = PhonopyAtoms(
        symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites
    )
    # It expects atoms as phonopy sorts them.
    sorted_ = phonopy.Phonopy(unit, 3 * np.eye(3), primitive_matrix=np.eye(3)).supercell
    order = atom_order(sorted_.positions, supercell)
    masses = supercell.masses[order] / DALTON
    primitive = Atoms(
        crystal.species, positions=crystal.positions, cell=crystal.cell,
        masses=crystal.masses / DALTON, pbc=True,
    )  # fmt: skip
    whole = Atoms(
        sorted_.symbols, positions=sorted_.positions, cell=sorted_.cell, masses=masses, pbc=True
    )
    constants = run.hessian.reshape(n, 3, n, 3).swapaxes(1, 2)[order][:, order]
    matrix = vibes.DynamicalMatrix(constants, primitive, whole)
    axes, volume = ("time", "I", "a"), whole.get_volume()
    # ASE counts time in Å √(u/eV).
    dataset = xr.Dataset(
        {
            "displacements": (axes, run.motion.displacements[:, order]),
            "velocities": (axes, run.motion.velocities[:, order] * np.sqrt(DALTON)),
            "volume": ("time", np.full(N_FRAMES, volume)),
            "temperature": ("time", np.full(N_FRAMES, KELVIN)),
        },
        coords={"time": 1e3 * INTERVAL * np.arange(N_FRAMES)},
        attrs={"volume": volume, "masses": masses},
    )
    found = vibes.get_gk_ha_q_data(dataset, dmx=matrix)
    return (
        matrix.q_points,
        np.asarray(found.mode_energy),
        np.asarray(found.mode_heat_capacity) * volume / BOLTZMANN,
        1e-3 * np.asarray(found.mode_lifetime),
    )


def test_waves_agree_with_fhi_vibes(run, vibes):
    """Energies frame by frame, heat capacities of single waves, lifetimes of their energies.

    It projects on e instead of e*: its result for q is the wave that travels along −q.
    """
    qpoints, energy_tmk, heat_mk, lifetime_mk = vibes_results(vibes, run)
    heats: dict[int, list[float]] = {one: [] for one in range(run.modes.n_sets)}
    rates: dict[int, list[float]] = {one: [] for one in range(run.modes.n_sets)}
    kt = BOLTZMANN * KELVIN
    for k, qpoint in enumerate(qpoints):
        q, turned = place_of(run.modes, qpoint)
        forth, back = run.waves(q)
        ours = forth if turned else back
        sets, mean = run.modes.sets[q], run.energies.travelling[int(not turned), q]
        for one in np.unique(sets[sets >= 0]):
            same = sets == one
            # Degenerate vectors are mixed at will: only their sum is the same.
            theirs = energy_tmk[:, same, k].sum(axis=1)
            np.testing.assert_allclose(theirs, ours[same].sum(axis=0), rtol=1e-8)
            assert theirs.mean() == pytest.approx(mean[same].sum(), rel=1e-10)
            if same.sum() == 1:
                assert heat_mk[same, k] == pytest.approx(ours[same].var() / kt**2, rel=1e-5)
            heats[one] += list(heat_mk[same, k])
            rates[one] += list(1.0 / lifetime_mk[same, k])
    compare_sets(run, heats, rates)


def test_waves_agree_with_the_published_definition(run):
    """Where FHI-vibes is not at hand: what it is meant to do, written once more.

    E = 2ω²|a|², a = ½(u + ip/ω) with ⟨qs|u⟩ of real-space plane waves, and c = var E/k_BT²:
    Knoop, Scheffler, Carbogno, Phys. Rev. B 107, 224304 (2023).
    """
    modes, supercell = run.modes, run.supercell
    n_cells, sites = supercell.n_cells, modes.crystal.n_sites
    root = np.sqrt(supercell.masses)[:, None]
    heats: dict[int, list[float]] = {one: [] for one in range(modes.n_sets)}
    for q, m in np.argwhere(modes.sets >= 0):
        turns = supercell.positions @ np.linalg.inv(modes.crystal.cell) @ modes.qpoints[q]
        vector = np.tile(modes.vectors[q, m].reshape(sites, 3), (n_cells, 1))
        for sign in (1, -1):
            bra = (np.exp(-2j * np.pi * turns)[:, None] * vector.conj()) / np.sqrt(n_cells)
            bra = root * (bra if sign > 0 else bra.conj())
            u_t = np.tensordot(run.motion.displacements, bra, 2)
            p_t = np.tensordot(run.motion.velocities, bra, 2)
            omega = modes.omega[q, m]
            energy_t = 2.0 * omega**2 * np.abs(0.5 * (u_t + 1j * p_t / omega)) ** 2
            ours_mean = run.energies.travelling[(1 - sign) // 2, q, m]
            assert ours_mean == pytest.approx(energy_t.mean(), rel=1e-9)
            if modes.weights[q] == 1:
                break
            heats[modes.sets[q, m]].append(energy_t.var() / (BOLTZMANN * KELVIN) ** 2)
    compare_sets(run, {one: values for one, values in heats.items() if values}, {})


def compare_sets(run, heats, rates):
    """Means over the waves of each set beside ours: other estimators, the same quantities."""
    wanted, sem = run.energies.heat_capacity_kb, run.energies.heat_capacity_kb_sem
    for one, values in heats.items():
        scatter = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - wanted[one]) < 4.0 * np.hypot(scatter, sem[one])
    for one, values in rates.items():
        lifetime, error = run.lifetimes.lifetime_ps[one], run.lifetimes.lifetime_ps_sem[one]
        assert np.mean(values) * lifetime == pytest.approx(1.0, abs=4.0 * error / lifetime)
