"""Second derivatives of a molecule from its motion and from files."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.molecules.geometry import isolated, rigid_motions, vibrational_space
from trajmodes.molecules.hessian import (
    hessian_of,
    hessian_reduction,
    pairs_of_hessian,
    read_hessian,
)
from trajmodes.streaming.reduction import BlockSums
from trajmodes.units import BOLTZMANN, DALTON

RNG = np.random.default_rng(0)
POSITIONS = 1.5 * RNG.normal(size=(5, 3))
MASSES = np.array([1.0, 12.0, 16.0, 14.0, 35.0]) * DALTON
MOLECULE = isolated(("H", "C", "O", "N", "Cl"), POSITIONS, MASSES)
ROOT = np.repeat(np.sqrt(MASSES), 3)
SPACE = vibrational_space(MOLECULE)


def true_hessian():
    """Force constants that vanish for rigid motions, with stiffness from 1 to 100."""
    d = len(SPACE)
    turn = np.linalg.qr(RNG.normal(size=(d, d)))[0]
    square = turn @ np.diag(np.geomspace(30.0, 3e5, d)) @ turn.T
    return ROOT[:, None] * (SPACE.T @ square @ SPACE) * ROOT


HESSIAN = true_hessian()


def motion_of(n_frames, *, noise=0.0, rng, first=0, along=None):
    """Frames with thermal displacements, mean force, velocities at 300 K."""
    d = len(SPACE)
    q = rng.normal(size=(n_frames, d)) * 0.05 * np.sqrt(DALTON)
    if along is not None:
        q[:, along:] = 0.0
    u = (q @ SPACE / ROOT + 0.01 * SPACE[0] / ROOT * np.sqrt(DALTON)).reshape(n_frames, -1, 3)
    f = -(u.reshape(n_frames, -1) @ HESSIAN).reshape(u.shape) + noise * rng.normal(size=u.shape)
    v = (rng.normal(size=(n_frames, d)) * np.sqrt(300.0 * BOLTZMANN)) @ SPACE / ROOT
    return MotionBlock(first, u, v.reshape(u.shape), f)


def fitted(block):
    reduction = hessian_reduction(MOLECULE, block.n_frames)
    return reduction.finalize(reduction.chunk(block))


def test_exact_forces_give_the_exact_constants():
    constants = fitted(motion_of(200, rng=np.random.default_rng(1)))
    found = hessian_of(constants)
    np.testing.assert_allclose(found[0], HESSIAN, atol=1e-9 * np.abs(HESSIAN).max())
    assert constants.quality.r_squared == pytest.approx(1.0, abs=1e-12)
    assert constants.temperature == pytest.approx(300.0, rel=0.05)
    assert constants.quality.n_parameters == 45


def test_rigid_motions_have_no_forces():
    constants = fitted(motion_of(200, noise=5.0, rng=np.random.default_rng(2)))
    for matrix in hessian_of(constants):
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
        rigid = rigid_motions(MOLECULE) / ROOT
        assert np.abs(matrix @ rigid.T).max() < 1e-9 * np.abs(matrix).max() / ROOT.min()


def test_result_is_the_least_squares_solution():
    block = motion_of(80, noise=2.0, rng=np.random.default_rng(3))
    found = hessian_of(fitted(block))[0]
    q = (block.displacements.reshape(80, -1) * ROOT) @ SPACE.T
    f = (block.forces.reshape(80, -1) / ROOT) @ SPACE.T
    d = len(SPACE)
    columns = []
    for i in range(d):
        for j in range(i, d):
            one = np.zeros((d, d))
            one[i, j] = one[j, i] = 1.0
            columns.append(-(q @ one).ravel())
    columns += [np.tile(row, 80) for row in np.eye(d)]
    solved = np.linalg.lstsq(np.array(columns).T, f.ravel(), rcond=None)[0]
    matrix = np.zeros((d, d))
    matrix[np.triu_indices(d)] = solved[: d * (d + 1) // 2]
    matrix = matrix + np.triu(matrix, 1).T
    expected = ROOT[:, None] * (SPACE.T @ matrix @ SPACE) * ROOT
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


def test_results_do_not_depend_on_blocks():
    block = motion_of(100, noise=1.0, rng=np.random.default_rng(4))
    whole = fitted(block)
    reduction = hessian_reduction(MOLECULE, 100)
    state = BlockSums()
    for start, stop in ((0, 1), (1, 37), (37, 38), (38, 100)):
        part = block.part(slice(start, stop))
        state = reduction.combine(state, reduction.chunk(part))
    again = reduction.finalize(state)
    scale = np.abs(whole.values).max()
    np.testing.assert_allclose(again.values, whole.values, atol=1e-11 * scale)
    np.testing.assert_allclose(again.replicates, whole.replicates, atol=1e-11 * scale)
    assert again.temperature == pytest.approx(whole.temperature, rel=1e-12)


def test_error_bars_cover_the_truth():
    rng = np.random.default_rng(5)
    z = []
    for _ in range(40):
        matrices = hessian_of(fitted(motion_of(128, noise=1.0, rng=rng)))
        b = len(matrices) - 1
        spread = matrices[1:] - matrices[1:].mean(axis=0)
        sem = np.sqrt((b - 1) / b * (spread**2).sum(axis=0))
        z.append((matrices[0] - HESSIAN) / sem)
    assert np.sqrt(np.mean(np.square(z))) == pytest.approx(1.0, abs=0.15)


def test_first_order_is_the_force_at_the_reference():
    rng = np.random.default_rng(6)
    block = motion_of(200, rng=rng)
    push = (rng.normal(size=len(SPACE)) @ SPACE * ROOT).reshape(-1, 3)
    pushed = MotionBlock(0, block.displacements, block.velocities, block.forces + push)
    np.testing.assert_allclose(fitted(pushed).quality.first_order, push, atol=1e-9)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (
            motion_of(6, rng=RNG),
            r"determines 5 of the 9 vibrations.*\n.*at least 10 frames are needed",
        ),
        (
            motion_of(60, rng=RNG, along=4),
            r"determines 4 of the 9 vibrations.*\n.*not excited, or are constrained",
        ),
    ],
)
def test_too_little_data_is_refused(block, text):
    with pytest.raises(DataError, match=text):
        fitted(block)


def test_few_blocks_have_no_error_bars():
    assert fitted(motion_of(10, rng=RNG)).replicates is None


def test_a_run_without_forces_is_refused():
    block = motion_of(20, rng=RNG)
    with pytest.raises(DataError, match="the trajectory has no forces"):
        fitted(MotionBlock(0, block.displacements, block.velocities, None))


def test_forces_that_are_all_zero_are_refused():
    block = motion_of(20, rng=RNG)
    with pytest.raises(DataError, match="all forces are zero"):
        fitted(MotionBlock(0, block.displacements, None, 0.0 * block.forces))


def test_without_velocities_there_is_no_temperature():
    block = motion_of(20, rng=RNG)
    bare = MotionBlock(0, block.displacements, None, block.forces)
    assert fitted(bare).temperature is None


def test_one_atom_has_no_vibrations():
    with pytest.raises(DataError, match="a single atom has no vibrations"):
        hessian_reduction(isolated(("O",), np.zeros((1, 3)), MASSES[:1]), 10)


def test_pairs_and_matrix_are_equivalent():
    constants = pairs_of_hessian(MOLECULE, HESSIAN, np.stack([HESSIAN, 2.0 * HESSIAN]))
    np.testing.assert_array_equal(hessian_of(constants)[[0, 2]], [HESSIAN, 2.0 * HESSIAN])
    pair = (constants.first == 1) & (constants.second == 3)
    np.testing.assert_array_equal(constants.values[pair][0], HESSIAN[3:6, 9:12])


WRITTEN = np.random.default_rng(1).normal(size=(6, 6))
WRITTEN = WRITTEN + WRITTEN.T


@pytest.mark.parametrize("name", ["h.npy", "h.txt"])
def test_numpy_and_text_files_are_read(tmp_path, name):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savetxt)(path, WRITTEN)
    values, notes = read_hessian(path, 2)
    np.testing.assert_allclose(values, WRITTEN, atol=1e-14)
    assert notes == ()


def test_arrays_of_four_axes_are_read(tmp_path):
    np.save(tmp_path / "h.npy", WRITTEN.reshape(2, 3, 2, 3))
    np.testing.assert_array_equal(read_hessian(tmp_path / "h.npy", 2)[0], WRITTEN)


def test_small_asymmetry_is_noted(tmp_path):
    odd = WRITTEN.copy()
    odd[0, 1] += 1e-4
    np.save(tmp_path / "h.npy", odd)
    values, notes = read_hessian(tmp_path / "h.npy", 2)
    np.testing.assert_array_equal(values, values.T)
    assert "the Hessian was symmetrised" in str(notes[0])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (WRITTEN[:3], r"shape \(3, 6\) instead of \(6, 6\) for 2 atoms"),
        (np.triu(WRITTEN), "is not symmetric: entries differ"),
        (np.full((6, 6), np.nan), "a number of the Hessian is not finite"),
        (np.zeros((6, 6)), "the Hessian is zero"),
    ],
)
def test_invalid_hessians_are_refused(tmp_path, values, text):
    np.save(tmp_path / "h.npy", values)
    with pytest.raises(DataError, match=text):
        read_hessian(tmp_path / "h.npy", 2)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_hessian(tmp_path / "h.npy", 2)
    for name in ("h.npy", "h.txt"):
        (tmp_path / name).write_text("no numbers\n")
        with pytest.raises(UsageError, match="the Hessian cannot be read"):
            read_hessian(tmp_path / name, 2)
    (tmp_path / "e.npy").write_bytes(b"")
    with pytest.raises(UsageError, match="the Hessian cannot be read"):
        read_hessian(tmp_path / "e.npy", 2)
