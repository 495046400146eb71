"""Time of the projection beside dynasor: silicon, 512 atoms, all 1536 modes."""

import time

import numpy as np
import pytest
from ase import Atoms

from trajmodes.data import MotionBlock, PowerSpectra
from trajmodes.phonons import modes_at
from trajmodes.project import (
    EnergyReduction,
    ModeReduction,
    Projector,
    WelchReduction,
    fit_lines,
)
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
    reduction = ModeReduction(
        EnergyReduction(projector, N_FRAMES),
        WelchReduction(projector, LENGTH, INTERVAL, ((0, N_FRAMES),)),
    )

    def whole():
        state = None
        for first in range(0, N_FRAMES, 500):
            later = reduction.chunk(MotionBlock(first, *fields))
            state = later if state is None else reduction.combine(state, later)
        return reduction.finalize(state)

    seconds = _best(whole, 3)
    print(f"\nenergies and spectra: {N_FRAMES / seconds:.0f} frames/s")  # noqa: T201 - a bench prints


def test_lineshapes():
    """Fits per second; at least 500 are asked for."""
    rng = np.random.default_rng(2)
    n_sets, length = 500, 4096
    freq = np.arange(length // 2 + 1) / (length * INTERVAL)
    center = rng.uniform(3.0, 16.0, n_sets)[:, None]
    width = rng.uniform(0.3, 0.8, n_sets)[:, None]
    line = 2 * width * freq**2 / ((freq**2 - center**2) ** 2 + (width * freq) ** 2) / np.pi
    power = line * rng.gamma(20.0, 1 / 20.0, line.shape)
    spectra = PowerSpectra(freq, power, np.full(n_sets, 20.0), length, INTERVAL)
    seconds = _best(lambda: fit_lines(spectra, center[:, 0]), 2)
    print(f"\nlineshapes: {n_sets / seconds:.0f} fits/s")  # noqa: T201 - a bench prints
