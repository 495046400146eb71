"""Quasiharmonic properties with error bars beside phonopy's without, on the same mesh."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import phonopy
import pytest

from trajmodes.formats.phonopy import to_phonopy
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MESH = (17, 17, 17)
KELVIN = np.arange(0.0, 1000.0, 10.0)
SCALES = np.linspace(0.985, 1.025, 7)


def seconds(work: Callable[[], object]) -> float:
    """Shorter of two times, after one that compiles and fills caches."""
    work()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def test_seven_volumes_with_32_replicates(crystals, springs):
    rng, states, peers = np.random.default_rng(2), [], []
    for scale in SCALES:
        crystal = crystals["rock salt"]
        crystal = replace(crystal, cell=crystal.cell * scale)
        plain = springs(crystal, 4.3 * scale)
        values = plain.values * scale**-11.0
        moved = 1.0 + 1e-3 * rng.standard_normal((32, 1, 1, 1))
        constants = replace(plain, values=values, replicates=values * moved)
        x = scale**-2.0
        energy = 16.0 * ((x - 1.0) ** 3 * 5.0 + (x - 1.0) ** 2 * (6.0 - 4.0 * x))
        states.append(State(constants, energy, 1e-4))
        peers.append(to_phonopy(constants, build_supercell(crystal, 4 * np.eye(3, dtype=int))))
    bare = [State(replace(one.constants, replicates=None), one.energy) for one in states]
    energies = [one.energy for one in states]
    ours = seconds(lambda: quasiharmonic(states, MESH, KELVIN))
    plain_time = seconds(lambda: quasiharmonic(bare, MESH, KELVIN))
    theirs = seconds(lambda: phonopy.run_qha(peers, KELVIN, energies, mesh=MESH))
    print(  # noqa: T201 - a bench prints
        f"\nquasiharmonic, 7 volumes, 17³ points, 100 temperatures: {ours:.2f} s with errors "
        f"of 32 replicates, {plain_time:.2f} s without; phonopy {theirs:.2f} s"
    )
    assert ours < 10.0 * plain_time


def test_a_and_c_of_16_cells_with_32_replicates(crystals, springs):
    """phonopy has no minimum over a and c: its time is that of the free energies alone."""
    rng, states, peers = np.random.default_rng(2), [], []
    start, known = crystals["wurtzite"], springs(crystals["wurtzite"], 3.2)
    size = np.diag([3, 3, 2])
    for x, y in product(np.linspace(0.0, 0.015, 4), repeat=2):
        cell = start.cell * np.exp([[x], [x], [y]])
        crystal = replace(start, cell=cell)
        values = known.values * np.exp(-9.0 * x - 6.0 * y)
        moved = 1.0 + 1e-3 * rng.standard_normal((32, 1, 1, 1))
        constants = replace(known, crystal=crystal, values=values, replicates=values * moved)
        energy = 120.0 * x**2 + 40.0 * x * y + 55.0 * y**2 - 300.0 * x**3 - 150.0 * y**3
        states.append(State(constants, energy, 1e-5))
        peers.append(to_phonopy(constants, build_supercell(crystal, size)))
    bare = [State(replace(one.constants, replicates=None), one.energy) for one in states]
    mesh, kelvin = (11, 11, 7), KELVIN[:50]

    def free_energies() -> None:
        for peer in peers:
            peer.run_mesh(mesh)
            peer.run_thermal_properties(temperatures=kelvin)

    ours = seconds(lambda: quasiharmonic(states, mesh, kelvin))
    plain_time = seconds(lambda: quasiharmonic(bare, mesh, kelvin))
    print(  # noqa: T201 - a bench prints
        f"\na and c, 16 cells, 11 × 11 × 7 points, 50 temperatures: {ours:.2f} s with "
        f"errors of 32 replicates, {plain_time:.2f} s without; free energies alone by phonopy "
        f"{seconds(free_energies):.2f} s"
    )
    assert ours < 10.0 * plain_time
