"""Rates of matching a run to its crystal, and of turning frames into motion."""

from time import perf_counter

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import FrameBlock
from trajmodes.matching.average import AverageStructure
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match
from trajmodes.symmetry.translations import build_supercell

pytestmark = pytest.mark.bench

# Of the conventional cell, in the primitive vectors of the fcc lattice.
CUBE = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


class Elements:
    """The part of a trajectory that a match with a known average uses."""

    ids = types = masses = None

    def __init__(self, species: tuple[str, ...]) -> None:
        self.species, self.n_atoms = species, len(species)


def case(crystal: Crystal, cubes: int):
    supercell = build_supercell(crystal, cubes * CUBE)
    rng = np.random.default_rng(0)
    shape = (16, supercell.n_atoms, 3)
    moved = rng.normal(0.0, 0.06, shape)
    mean = supercell.positions + moved.mean(axis=0)
    average = AverageStructure(np.arange(16), supercell.cell, mean, moved - moved.mean(axis=0))
    return supercell, average, Elements(supercell.species), rng


def best_of(call, n: int = 5) -> float:
    times = []
    for _ in range(n):
        begun = perf_counter()
        call()
        times.append(perf_counter() - begun)
    return min(times)


def test_match_of_4096_atoms(crystals):
    _, average, elements, _ = case(crystals["diamond"], 8)
    seconds = best_of(lambda: match(crystals["diamond"], elements, average=average))
    print(f"\nmatch of 4096 atoms: {seconds:.3f} s")  # noqa: T201 - a bench prints


def test_displacement_of_512_atoms(crystals):
    supercell, average, elements, rng = case(crystals["diamond"], 4)
    displacer = Displacer(match(crystals["diamond"], elements, average=average))
    n_frames = 64
    shape = (n_frames, supercell.n_atoms, 3)
    fields = [rng.normal(0.0, 0.06, shape) for _ in range(3)]
    block = FrameBlock(
        0,
        np.arange(n_frames),
        np.broadcast_to(supercell.cell, (n_frames, 3, 3)),
        supercell.positions + fields[0],
        *fields[1:],
        unwrapped=True,
    )
    displacer(block)
    seconds = best_of(lambda: displacer(block), 20) / n_frames
    print(f"\n512 atoms, 3 fields: {1e6 * seconds:.1f} µs a frame")  # noqa: T201 - a bench prints
