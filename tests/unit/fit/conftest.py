import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space


@pytest.fixture
def wurtzite(crystals):
    return build_supercell(crystals["wurtzite"], [[3, 0, 0], [0, 3, 0], [0, 1, 2]])


@pytest.fixture
def reduce_frames():
    def reduce(supercell, u_tax, f_tax, n_blocks=32):
        reduction = ForceCovariance(half_space(supercell), len(u_tax), n_blocks)
        return reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))

    return reduce


@pytest.fixture
def equations_of():
    """``equations_of(supercell, cutoffs, u_tax, f_tax, n_blocks=32)`` by rows of any order."""

    def reduce(supercell, cutoffs, u_tax, f_tax, n_blocks=32):
        expansion = expansion_of(space_group(supercell.crystal), supercell, cutoffs)
        reduction = ForceRows(expansion, supercell, len(u_tax), n_blocks)
        return reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))

    return reduce


@pytest.fixture
def random_frames():
    def make(supercell, n_frames, seed=0):
        shape = (2, n_frames, supercell.n_atoms, 3)
        return np.random.default_rng(seed).normal(size=shape)

    return make
