"""The fit of a polar crystal beside the plain one: NaCl of 512 atoms, 2 000 frames."""

import time

import numpy as np
import pytest

from trajmodes.coulomb.supercells import dipole_forces
from trajmodes.data.charges import Charges
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows, default_blocks
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.harmonic import ForceCovariance, harmonic_equations
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space

pytestmark = pytest.mark.bench

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
N_FRAMES, MOST = 2000, 1.3
CHARGES = Charges(np.array([1.1, -1.1])[:, None, None] * np.eye(3), 2.4 * np.eye(3))


@pytest.fixture(scope="module")
def salt(crystals):
    supercell = build_supercell(crystals["rock salt"], 4 * CONVENTIONAL)
    frames = np.random.default_rng(0).normal(size=(2, N_FRAMES, supercell.n_atoms, 3))
    return supercell, *frames


def _seconds(salt, radii, charges):
    """Seconds from frames in memory to force constants with error bars, on one thread."""
    supercell, u_tax, f_tax = salt
    expansion = expansion_of(space_group(supercell.crystal), supercell, radii)
    n_blocks = default_blocks(expansion.n_parameters)
    harmonic = len(radii) == 1

    def motion(start, stop):
        return MotionBlock(start, u_tax[start:stop], None, f_tax[start:stop])

    start = time.perf_counter()
    if harmonic:
        reduction = ForceCovariance(half_space(supercell), N_FRAMES, n_blocks)
    else:
        dipoles = None if charges is None else dipole_forces(supercell, charges)
        reduction = ForceRows(expansion, supercell, N_FRAMES, n_blocks, dipoles)
    blocks = cut_blocks([(0, N_FRAMES)], supercell.n_atoms)
    sums = stream(motion, blocks, reduction, workers=1)
    if harmonic:
        sums = sums if charges is None else sums.without_dipoles(charges)
        sums = harmonic_equations(sums, expansion)
    fit = fit_equations(sums)
    assert (fit.constants.charges is None) == (charges is None)
    return time.perf_counter() - start


@pytest.mark.parametrize("radii", [{2: 7.0}, {2: 7.0, 3: 4.2}], ids=["pairs", "triplets"])
def test_dipoles_cost_less_than_a_third_of_the_fit(radii, salt):
    _seconds(salt, radii, None)  # compiles
    plain, polar = (min(_seconds(salt, radii, c) for _ in range(3)) for c in (None, CHARGES))
    ratio = polar / plain
    print(f"\n{radii}: plain {plain:.2f} s, polar {polar:.2f} s, ratio {ratio:.2f}")  # noqa: T201
    assert ratio < MOST
