"""DynaPhoPy and FHI-vibes beside ours, on one run of damped oscillators of known rates.

FHI-vibes wants an old numpy and a Fortran compiler. What is compared here are parts of it that
are Python alone; they run where its source lies on the path, with a stand-in for the module
``vibes.helpers.supercell.supercell`` that holds ``supercell = None``.
"""

import dataclasses
import warnings
from types import SimpleNamespace

import numpy as np
import phonopy
import pytest
import spglib
import xarray as xr
from ase import Atoms
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data import (
    BandSpectra,
    EnergyLifetimes,
    LineFits,
    Modes,
    ModeEnergies,
    MotionBlock,
)
from trajmodes.phonons import modes_at
from trajmodes.project import (
    Amplitudes,
    AutocorrelationReduction,
    EnergyReduction,
    ModeReduction,
    Projector,
    WelchReduction,
    energy_lifetimes,
    fit_lines,
)
from trajmodes.symmetry import build_supercell
from trajmodes.symmetry.translations import half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

N_FRAMES, INTERVAL, KELVIN = 16000, 0.02, 300.0
DYNAPHOPYS_CONSTANT = 1.0585723e-4
"""Its eV per u Å² THz²; 1.02137 times what it is."""
Q_LIST = np.array([[1, 0, 0], [1, 1, 0], [2, 1, 0]]) / 3.0
"""Representatives of three stars of a 3 × 3 × 3 cell of rock salt."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Damped oscillators, what they are made of, and what is told of them."""

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

    def set_sum(self, values: np.ndarray, q: int, set_: int) -> np.ndarray:
        """Sum values (m, …) over the modes of one q that belong to a set."""
        return values[self.modes.sets[q] == set_].sum(axis=0)


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
    stretch = ((0, N_FRAMES),)
    length = 4000
    reduction = ModeReduction(
        projector,
        {
            "energies": EnergyReduction(projector, N_FRAMES),
            "spectra": WelchReduction(projector, length, INTERVAL, stretch),
            "correlations": AutocorrelationReduction(projector, INTERVAL, stretch),
        },
    )
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
        lines=fit_lines([whole], omega / THZ),
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
    """Its analysis of the run, and q → the atoms of ours in its order."""
    dynaphopy = pytest.importorskip("dynaphopy")
    from dynaphopy.atoms import Structure
    from dynaphopy.dynamics import Dynamics
    from dynaphopy.interface.phonopy_link import ForceConstants

    crystal, supercell = run.modes.crystal, run.supercell
    structure = Structure(
        positions=crystal.positions,
        cell=crystal.cell,
        masses=crystal.masses / DALTON,
        atomic_elements=list(crystal.species),
        primitive_matrix=np.eye(3),
    )
    order = atom_order(structure.get_positions((3, 3, 3)), supercell)
    n = supercell.n_atoms
    constants = run.hessian.reshape(n, 3, n, 3).swapaxes(1, 2)[order][:, order]
    structure.set_force_constants(ForceConstants(constants, supercell=3 * np.eye(3)))
    dynamics = Dynamics(
        structure=structure,
        velocity=run.motion.velocities[:, order].astype(complex),
        time=INTERVAL * np.arange(N_FRAMES),
        supercell=supercell.cell,
    )
    peer = dynaphopy.Quasiparticle(dynamics)
    peer.parameters.silent = True
    return peer


def atom_order(positions: np.ndarray, supercell) -> np.ndarray:
    """Which of our atoms stands at each position."""
    apart = (positions[:, None] - supercell.positions) @ np.linalg.inv(supercell.cell)
    away = np.abs(apart - np.rint(apart)).max(axis=2)
    assert away.min(axis=1).max() < 1e-6
    return away.argmin(axis=1)


@pytest.fixture
def vibes(monkeypatch):
    """Its parts that are used, able to work with phonopy 4 and spglib 2.5 and later."""
    pytest.importorskip("vibes")
    harmonic = pytest.importorskip("vibes.green_kubo.harmonic")
    from vibes.spglib import wrapper

    def dataset(*args, **options):
        found = spglib.get_symmetry_dataset(*args, **options)
        return dataclasses.asdict(found) if dataclasses.is_dataclass(found) else found

    monkeypatch.setattr(wrapper, "spg", SimpleNamespace(**vars(spglib) | {"get_symmetry_dataset": dataset}))
    factor = phonopy.physical_units.get_physical_units().DefaultToTHz
    monkeypatch.setattr(phonopy.Phonopy, "_factor", factor, raising=False)
    return harmonic


def vibes_data(vibes, run):
    crystal, supercell = run.modes.crystal, run.supercell
    primitive = Atoms(
        crystal.species, positions=crystal.positions, cell=crystal.cell,
        masses=crystal.masses / DALTON, pbc=True,
    )  # fmt: skip
    cell = PhonopyAtoms(symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites)
    theirs = phonopy.Phonopy(cell, 3 * np.eye(3), primitive_matrix=np.eye(3)).supercell
    order = atom_order(theirs.positions, supercell)
    whole = Atoms(
        theirs.symbols, positions=theirs.positions, cell=theirs.cell,
        masses=supercell.masses[order] / DALTON, pbc=True,
    )  # fmt: skip
    n = supercell.n_atoms
    constants = run.hessian.reshape(n, 3, n, 3).swapaxes(1, 2)[order][:, order]
    matrix = vibes.DynamicalMatrix(constants, primitive, whole)
    axes = ("time", "I", "a")
    time = 1e3 * INTERVAL * np.arange(N_FRAMES)
    volume = abs(np.linalg.det(supercell.cell))
    dataset = xr.Dataset(
        {
            "displacements": (axes, run.motion.displacements[:, order]),
            # ASE counts time in Å √(u/eV)
            "velocities": (axes, run.motion.velocities[:, order] * np.sqrt(DALTON)),
            "volume": ("time", np.full(N_FRAMES, volume)),
            "temperature": ("time", np.full(N_FRAMES, KELVIN)),
        },
        coords={"time": time},
        attrs={"volume": volume, "masses": supercell.masses[order] / DALTON},
    )
    return matrix, dataset


def test_probe(run, vibes, capsys):
    import time
    with capsys.disabled():
        t0=time.time()
        matrix, dataset = vibes_data(vibes, run)
        print(time.time()-t0)
        data = vibes.get_gk_ha_q_data(dataset, dmx=matrix)
        print(time.time()-t0)
        e = np.asarray(data.mode_energy)
        print(e.shape, data._fields)
        cv = np.asarray(data.mode_heat_capacity)*dataset.attrs["volume"]/BOLTZMANN
        tau = np.asarray(data.mode_lifetime)*1e-3
        for k, qp in enumerate(matrix.q_points):
            q, flip = place_of(run.modes, qp)
            sets = run.modes.sets[q]
            q_mt, v_mt = run.amplitudes.coordinate[q], run.amplitudes.velocity[q]
            om = run.modes.omega[q][:,None]
            ep = 0.5*np.abs(om*q_mt+1j*v_mt)**2
            em = 0.5*np.abs(om*q_mt-1j*v_mt)**2
            if flip: ep,em=em,ep
            for s_ in np.unique(sets[sets>=0]):
                w = sets==s_
                a = e[:,w,k].sum(axis=1)
                print(k, qp.round(2), flip, s_, "E+", np.abs(a/ep[w].sum(0)-1).max(), "E-", np.abs(a/em[w].sum(0)-1).max(), "cv", cv[w,k], run.energies.heat_capacity_kb[s_], "tau", tau[w,k]*run.gamma[s_], "ours", run.lifetimes.lifetime_ps[s_]*run.gamma[s_])
