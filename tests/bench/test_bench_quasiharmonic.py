"""Quasiharmonic properties with error bars beside phonopy's without, on the same mesh."""

import time
from collections.abc import Callable
from dataclasses import replace

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
