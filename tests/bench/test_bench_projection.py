"""Time of the projection beside dynasor: silicon, 512 atoms, all 1536 modes."""

import time

import numpy as np
import pytest
from ase import Atoms

from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import BandSpectra
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.lineshape.models import LineShape, Observed, model_of
from trajmodes.project.projector import Projector
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.streaming.reduction import Together, Transformed
from trajmodes.symmetry.translations import build_supercell, half_space

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MATRIX = 4 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
N_FRAMES, LENGTH, INTERVAL = 2000, 1000, 0.005


@pytest.fixture(scope="module")
def projector(crystals, springs):
    crystal = crystals["diamond"]
    space = half_space(build_supercell(crystal, MATRIX))
    modes = modes_at(springs(crystal, 5.0), space.qpoints, space.weights)
    return Projector(space, modes)


def _best(work, times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_projection_beside_dynasor(projector, crystals, springs, hessian_of):
    """At most 0.15 ms per frame and field; dynasor projects one frame by a dense product."""
    module = pytest.importorskip("dynasor.modes.mode_projector")
    crystal, supercell = crystals["diamond"], projector.space.supercell
    v_tax = np.random.default_rng(0).normal(size=(500, supercell.n_atoms, 3))
    ours = _best(lambda: projector.velocities(v_tax)) / len(v_tax)
    hessian = hessian_of(springs(crystal, 5.0), supercell)
    shape = (supercell.n_atoms, 3, supercell.n_atoms, 3)
    peer = module.ModeProjector(
        Atoms(crystal.species, positions=crystal.positions, cell=crystal.cell, pbc=True),
        Atoms(supercell.species, positions=supercell.positions, cell=supercell.cell, pbc=True),
        hessian.reshape(shape).swapaxes(1, 2),
    )
    theirs = _best(lambda: peer.set_v(v_tax[0]), 3)
    print(  # noqa: T201 - a bench prints
        f"\nprojection: ours {1e3 * ours:.4f} ms per frame and field,"
        f" dynasor {1e3 * theirs:.3g} ms, ratio {theirs / ours:.0f}"
    )


def test_energies_and_spectra(projector):
    """The whole pass beyond parsing, in frames per second on one core."""
    fields = np.random.default_rng(1).normal(
        size=(3, 500, projector.space.supercell.n_atoms, 3)
    )
    parts = {
        "energies": EnergyReduction(projector, N_FRAMES),
        "spectra": WelchReduction(projector, LENGTH, INTERVAL, ((0, N_FRAMES),)),
    }
    reduction = Transformed(projector.project, Together(parts))

    def whole():
        state = None
        for first in range(0, N_FRAMES, 500):
            later = reduction.chunk(MotionBlock(first, *fields))
            state = later if state is None else reduction.combine(state, later)
        return reduction.finalize(state)

    seconds = _best(whole, 3)
    print(f"\nenergies and spectra: {N_FRAMES / seconds:.0f} frames/s")  # noqa: T201 - a bench prints


def test_lineshapes():
    """Fits per second with several segment lengths; the target is 500."""
    rng = np.random.default_rng(2)
    n_sets = 500
    center = rng.uniform(2.0, 16.0, n_sets)[:, None]
    width = 10 ** rng.uniform(-2.0, 0.0, n_sets)[:, None]
    spectra = []
    for length, half in ((512, None), (2048, 2.0), (8192, 2.0)):
        df = 1.0 / (length * INTERVAL)
        first = np.zeros(n_sets, dtype=int)
        n_bins = length // 2 + 1
        if half is not None:
            first = np.maximum((center[:, 0] / df).astype(int) - int(half / df), 0)
            n_bins = 2 * int(half / df)
        bins = first[:, None] + np.arange(n_bins)
        omega, gamma = 2 * np.pi * center[:, 0], 2 * np.pi * width[:, 0]
        inside, ones = np.ones(bins.shape, bool), np.ones(bins.shape)
        observed = Observed(bins, inside, ones, ones[:, 0], length, INTERVAL)
        theta = np.stack([0.0 * omega, omega, np.log(gamma)], axis=1)
        line, _ = model_of(LineShape())(observed, theta)
        averages = 20.0 * 16384 / length
        power = line * rng.gamma(averages, 1 / averages, line.shape)
        spectra.append(BandSpectra(first, power, np.full(n_sets, averages), length, INTERVAL))
    seconds = _best(lambda: fit_lines(spectra, omega), 2)
    print(f"\nlineshapes: {n_sets / seconds:.0f} fits/s")  # noqa: T201 - a bench prints
