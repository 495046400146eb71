"""Force constants of symfc 1.7 from 20 random-displacement snapshots of rock salt.

Source: the tests of symfc (BSD-3-Clause); read from the data folder next to the repository.
"""

import lzma
from pathlib import Path

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.symmetry.translations import build_supercell, half_space

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "dispforce"
FCC = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/dispforce")


@pytest.fixture(scope="module")
def rock_salt():
    lines = (DATA / "NaCl_222.vasp").read_text().splitlines()
    box = np.array([line.split() for line in lines[2:5]], dtype=float)
    reduced = np.array([line.split() for line in lines[8:72]], dtype=float)
    sites = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    crystal = Crystal(box[0, 0] / 4.0 * FCC, sites, ("Na", "Cl"), np.ones(2))
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    ideal = supercell.positions @ np.linalg.inv(box)
    apart = ideal[:, None] - reduced
    distance = np.linalg.norm(apart - np.rint(apart), axis=-1)
    assert distance.min(axis=1).max() < 1e-6
    # order[a] is the atom of the file with canonical index a
    return supercell, distance.argmin(axis=1)


@pytest.fixture(scope="module")
def covariances(rock_salt):
    supercell, order = rock_salt
    with lzma.open(DATA / "dfset_NaCl_222_rd.xz", "rt") as file:
        frames = np.loadtxt(file).reshape(-1, 64, 6)[:, order]
    reduction = ForceCovariance(half_space(supercell), len(frames), 10)
    block = MotionBlock(0, frames[:, :, :3], None, frames[:, :, 3:])
    return reduction.finalize(reduction.chunk(block))


def test_supercell_fit_equals_published_force_constants(rock_salt, covariances, fit_harmonic):
    supercell, order = rock_salt
    with lzma.open(DATA / "compact_fc_NaCl_222.xz", "rt") as file:
        published = np.loadtxt(file).reshape(2, 64, 3, 3)
    fit = fit_harmonic(covariances, cutoff="supercell")
    assert fit.constants.quality.n_parameters == 31
    place = np.empty(64, dtype=int)
    place[order] = np.arange(64)
    # canonical indices of the first atoms of each species in the file
    homes = place[[0, 32]]
    ours = np.zeros((2, 64, 3, 3))
    box_inverse = np.linalg.inv(supercell.cell)
    positions = supercell.positions
    constants = fit.constants
    for p in range(constants.n_pairs):
        s = constants.first[p]
        vector = constants.lattice[p] + supercell.crystal.sites[constants.second[p]]
        vector = (vector - supercell.crystal.sites[s]) @ supercell.crystal.cell
        apart = (positions[homes[s]] + vector - positions) @ box_inverse
        distance = np.abs(apart - np.rint(apart)).max(axis=1)
        ours[s, order[distance.argmin()]] += constants.values[p]
    assert np.abs(ours - published).max() < 1e-6


def test_number_of_free_parameters_within_five_angstrom(covariances, fit_harmonic):
    quality = fit_harmonic(covariances, cutoff=5.0).constants.quality
    assert quality.n_parameters == 10
    assert quality.r_squared > 0.98
