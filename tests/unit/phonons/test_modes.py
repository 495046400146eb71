"""Frequencies, polarisation vectors, sets and error bars; stability and length of run."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import frequencies_at, modes_at, run_length, stability
from trajmodes.units import THZ

Q_LIST = np.array(
    [
        [0, 0, 0],
        [0.5, 0.5, 0],
        [0.5, 0, 0],
        [0, 0.5, 0],
        [0.5, 0.5, 0.5],
        [0.125, -0.25, 0.375],
        [0.25, 0, 0],
    ]
)


def with_replicates(constants: ForceConstants, noise: float, n_blocks: int) -> ForceConstants:
    """Delete-one replicates in which every neighbour shell has its own error."""
    crystal, rng = constants.crystal, np.random.default_rng(8)
    apart = crystal.sites[constants.second] - crystal.sites[constants.first]
    length = np.linalg.norm((constants.lattice + apart) @ crystal.cell, axis=1)
    tag = np.array([crystal.species.index(name) for name in crystal.species])
    kind = tag[constants.first] + tag[constants.second]
    _, shell = np.unique(np.stack([length.round(4), kind]), axis=1, return_inverse=True)
    shell = shell.ravel()
    factors = 1.0 + noise * rng.standard_normal((n_blocks, shell.max() + 1))
    replicates = constants.values * factors[:, shell, None, None]
    neighbour = length > 1e-6
    for values in replicates:
        onsite = np.zeros((crystal.n_sites, 3, 3))
        np.add.at(onsite, constants.first[neighbour], -values[neighbour])
        values[~neighbour] = onsite
    return replace(constants, replicates=replicates)


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_vectors_solve_the_eigenvalue_problem(name, crystals, springs):
    constants = springs(crystals[name], 4.5)
    modes = modes_at(constants, Q_LIST)
    d_qkl = dynamical_matrices(lattice_sum(constants), Q_LIST)
    e_qmk = modes.vectors.reshape(len(Q_LIST), -1, d_qkl.shape[1])
    square = modes.omega * np.abs(modes.omega)
    residual = np.einsum("qkl,qml->qmk", d_qkl, e_qmk) - square[:, :, None] * e_qmk
    assert np.abs(residual).max() < 1e-11 * square.max()
    assert (np.diff(modes.omega, axis=1) >= 0).all()
    np.testing.assert_array_equal(modes.weights, 1.0)


def test_weights_are_kept(crystals, springs):
    modes = modes_at(springs(crystals["bcc"], 3.0), Q_LIST[:2], weights=[1, 2])
    np.testing.assert_array_equal(modes.weights, [1.0, 2.0])


def test_imaginary_modes_are_negative(crystals, springs):
    stable = springs(crystals["diamond"], 3.0)
    unstable = springs(crystals["diamond"], 3.0, strength=-1.0)
    omega, _ = frequencies_at(unstable, Q_LIST[1:])
    np.testing.assert_allclose(omega, -frequencies_at(stable, Q_LIST[1:])[0][:, ::-1])


def test_silicon_sets_have_textbook_degeneracies(crystals, springs):
    labels = modes_at(springs(crystals["diamond"], 4.5), Q_LIST).sets
    # Γ: acoustic, triple optical. X: 2 + 2 + 2. L: TA twice, LA, LO, TO twice.
    np.testing.assert_array_equal(labels[0], [-1, -1, -1, 0, 0, 0])
    np.testing.assert_array_equal(labels[1], [1, 1, 2, 2, 3, 3])
    sizes = np.unique(labels[2], return_counts=True)[1]
    assert sorted(sizes) == [1, 1, 2, 2]
    np.testing.assert_array_equal(labels[2], labels[3])
    np.testing.assert_array_equal(labels[2], labels[4])
    # a general point: nothing is degenerate, and labels continue in order
    np.testing.assert_array_equal(np.diff(labels[5]), 1)
    assert labels[5, 0] == labels[2].max() + 1


def test_labels_count_in_order_of_first_appearance(crystals, springs):
    labels = modes_at(springs(crystals["wurtzite"], 4.5), Q_LIST[::-1]).sets
    _, first = np.unique(labels[labels >= 0], return_index=True)
    assert (np.diff(first) > 0).all()


def test_optical_modes_below_the_acoustic_ones_are_distinguished(crystals, springs):
    constants = springs(crystals["rock salt"], 3.0)
    soft = constants.first != constants.second
    values = np.where(soft[:, None, None], -0.3, 1.0) * constants.values
    own = (constants.first == constants.second) & (constants.lattice == 0).all(axis=1)
    values[own] = 0.0
    onsite = np.zeros((2, 3, 3))
    np.add.at(onsite, constants.first, -values)
    values[own] = onsite
    modes = modes_at(replace(constants, values=values), [[0, 0, 0]])
    assert (modes.omega[0, :3] < -1).all()
    np.testing.assert_array_equal(modes.sets, [[0, 0, 0, -1, -1, -1]])


def test_gamma_is_recognised_in_every_zone(crystals, springs):
    modes = modes_at(springs(crystals["rock salt"], 4.5), [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(modes.sets[0], modes.sets[1])
    assert (modes.sets[0, :3] == -1).all()
    assert (modes.sets[0, 3:] >= 0).all()


def test_constants_without_the_symmetry_split_the_star(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    pull = 1.0 + 0.1 * (np.abs(constants.lattice[:, 0]) == 1)
    bent = replace(constants, values=constants.values * pull[:, None, None])
    q = [[0.25, 0, 0], [0, 0.25, 0], [0, 0, 0.25]]
    assert modes_at(constants, q).n_sets == modes_at(constants, q[:1]).n_sets
    labels = modes_at(bent, q).sets
    assert not set(labels[0]) & set(labels[1])
    # The two equivalent q points stay in one set, wherever the third is in the list.
    even = 1.0 + 0.1 * (constants.lattice**2 @ [1, 1, 0] == 1)
    bent = replace(constants, values=constants.values * even[:, None, None])
    for order in ([0, 1, 2], [2, 0, 1], [0, 2, 1]):
        labels = modes_at(bent, np.array(q)[order]).sets[np.argsort(order)]
        np.testing.assert_array_equal(labels[0], labels[1])
        assert not set(labels[0]) & set(labels[2])


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_error_bars_are_those_of_diagonalising_every_replicate(name, crystals, springs):
    constants = with_replicates(springs(crystals[name], 4.5), 1e-6, 12)
    modes = modes_at(constants, Q_LIST)
    squares = []
    for values in constants.replicates:
        omega, _ = frequencies_at(replace(constants, values=values, replicates=None), Q_LIST)
        squares.append(omega * np.abs(omega))
    again = np.sqrt(11 * np.var(squares, axis=0))
    for label in range(modes.n_sets):
        member = modes.sets == label
        again[member] = again[member].mean()
    _, found = signed_squares(modes.omega, modes.omega_sem)
    moving = modes.sets >= 0
    np.testing.assert_allclose(found[moving], again[moving], rtol=2e-3, atol=1e-11)
    assert found[moving].min() > 0


def test_error_bars_are_equal_within_a_set(crystals, springs):
    modes = modes_at(with_replicates(springs(crystals["diamond"], 4.5), 1e-2, 8), Q_LIST)
    for label in range(modes.n_sets):
        sem = modes.omega_sem[modes.sets == label]
        np.testing.assert_allclose(sem, sem[0], rtol=1e-9)


def test_replicates_without_the_symmetry_are_averaged_over_degenerate_branches(
    crystals, springs
):
    constants = springs(crystals["diamond"], 3.0)
    pull = 1.0 + 1e-6 * np.random.default_rng(9).normal(size=(4, 3))
    # P Φ P with P diagonal keeps the exchange symmetry and makes x, y, z differ.
    replicates = np.einsum("bx,pxy,by->bpxy", pull, constants.values, pull)
    noisy = replace(constants, replicates=replicates)
    q = [[0.5, 0.5, 0], [0, 0, 0]]
    modes = modes_at(noisy, q)
    for label in range(modes.n_sets):
        sem = modes.omega_sem[modes.sets == label]
        np.testing.assert_allclose(sem, sem[0], rtol=1e-9)
    exact = []
    for values in replicates:
        omega, _ = frequencies_at(replace(constants, values=values), q)
        exact.append((omega**2).reshape(2, 3, 2).mean(axis=2)[0])
    wanted = np.sqrt(3 * np.var(exact, axis=0))
    _, found = signed_squares(modes.omega, modes.omega_sem)
    np.testing.assert_allclose(found[0, ::2], wanted, rtol=1e-3)


def test_frequencies_alone_equal_those_of_the_modes(crystals, springs):
    constants = with_replicates(springs(crystals["wurtzite"], 4.5), 1e-2, 8)
    modes = modes_at(constants, Q_LIST[1:])
    omega, sem = frequencies_at(constants, Q_LIST[1:])
    np.testing.assert_array_equal(omega, modes.omega)
    np.testing.assert_allclose(sem, modes.omega_sem, rtol=1e-12)


def test_squares_of_soft_modes_are_recovered_with_their_errors(crystals):
    crystal = crystals["bcc"]
    thz = 2 * np.pi
    square, square_sem = np.array([-0.12, 0.0, 25.0]), np.array([0.20, 0.04, 0.01])
    freq = np.copysign(np.sqrt(np.abs(square)), square)
    bound = np.sqrt(square_sem)
    sem = np.minimum(bound, square_sem / np.maximum(2 * np.abs(freq), 1e-300))
    modes = Modes(
        crystal=crystal,
        qpoints=np.zeros((1, 3)),
        weights=np.ones(1),
        omega=freq[None] * thz,
        vectors=np.eye(3).reshape(1, 3, 1, 3),
        omega_sem=sem[None] * thz,
        sets=np.zeros((1, 3), dtype=int),
    )
    value, error = signed_squares(modes.omega, modes.omega_sem)
    np.testing.assert_allclose(value[0] / thz**2, square)
    np.testing.assert_allclose(error[0] / thz**2, square_sem)


def test_error_of_the_root_is_bounded_at_zero(crystals, springs):
    constants = springs(crystals["diamond"], 3.0)
    # Uniform noise of the constants: δ(ω²) = ω²·f for every mode, so δω = ω·f/2.
    factors = 1.0 + 0.1 * np.array([-1.0, 1.0, -1.0, 1.0])
    noisy = replace(constants, replicates=constants.values * factors[:, None, None, None])
    modes = modes_at(noisy, Q_LIST)
    relative = 0.1 * np.sqrt(3.0)  # (B − 1)/B Σ f² with B = 4
    moving = modes.sets >= 0
    np.testing.assert_allclose(modes.omega_sem[moving], modes.omega[moving] * relative / 2)
    assert np.isfinite(modes.omega_sem).all()
    assert modes.omega_sem[~moving].max() < 1e-4


def test_no_replicates_give_no_error_bars(crystals, springs):
    modes = modes_at(springs(crystals["bcc"], 3.0), Q_LIST)
    assert modes.omega_sem is None
    assert signed_squares(modes.omega, modes.omega_sem)[1] is None


def test_one_replicate_is_too_few(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    with pytest.raises(DataError, match="at least two delete-one-block replicates"):
        modes_at(replace(constants, replicates=constants.values[None]), Q_LIST)


@pytest.mark.parametrize("bad", [[[0.0, np.nan, 0.0]], [0.0, 0.0, 0.0], [[0.0, 0.5]]])
def test_bad_q_points_are_refused(bad, crystals, springs):
    with pytest.raises(DataError, match="q points are finite numbers of shape"):
        modes_at(springs(crystals["bcc"], 3.0), bad)


def test_an_empty_list_gives_no_modes(crystals, springs):
    modes = modes_at(springs(crystals["bcc"], 3.0), np.zeros((0, 3)))
    assert modes.omega.shape == (0, 3)
    assert modes.n_sets == 0


JUDGED = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.1, -0.25, 0.375]])


def judged(modes: Modes, square: object, sem: object) -> Modes:
    """The same modes with given (ω/2π)² and errors in THz²; those at Γ stay acoustic."""
    square, sem, _ = np.broadcast_arrays(square, sem, modes.omega)
    root = np.sqrt(np.abs(square))
    freq_sem = np.minimum(sem / np.maximum(2 * root, 1e-300), np.sqrt(sem))
    return replace(modes, omega=np.copysign(root, square) * THZ, omega_sem=freq_sem * THZ)


@pytest.fixture
def modes(crystals, springs) -> Modes:
    return modes_at(springs(crystals["bcc"], 4.0), JUDGED)


SQUARE = np.array([[0.0, 0, 0], [5.0, 6, 7], [3.1, 8, 9]])


def test_a_stable_crystal_names_its_lowest_mode(modes):
    found = stability(judged(modes, SQUARE, 0.019))
    assert (found.verdict, found.branch) == ("stable", 0)
    np.testing.assert_array_equal(found.qpoint, JUDGED[2])
    assert found.squared / THZ**2 == pytest.approx(3.1)
    assert found.squared_sem / THZ**2 == pytest.approx(0.019)
    assert found.significance == pytest.approx(3.1 / 0.019)
    assert found.text == (
        "stable: the lowest ω² is 3.100 ± 0.019 THz² at q = 1/10 -1/4 3/8, branch 1, "
        "160 standard errors above zero"
    )


def test_an_unstable_mode_is_reported_with_its_significance(modes):
    square = SQUARE.copy()
    square[1] = [-0.52, -0.3, 7]
    found = stability(judged(modes, square, 0.03))
    assert found.verdict == "unstable"
    assert found.text == (
        "unstable: ω² = −0.520 ± 0.030 THz² at q = 1/2 1/2 0, branch 1, "
        "17 standard errors below zero"
    )


def test_a_mode_that_is_zero_within_its_error_leaves_stability_undecided(modes):
    square, sem = SQUARE.copy(), np.full((3, 3), 0.02)
    square[1, 0], sem[1, 0] = -0.12, 0.20
    found = stability(judged(modes, square, sem))
    assert found.verdict == "not decided"
    assert found.text == (
        "not decided: ω² = −0.12 ± 0.20 THz² at q = 1/2 1/2 0, branch 1 is zero within "
        "3 standard errors"
    )
    square[1, 0] = 0.12
    assert stability(judged(modes, square, sem)).verdict == "not decided"


def test_a_significant_imaginary_mode_is_named_before_a_lower_uncertain_one(modes):
    square, sem = SQUARE.copy(), np.full((3, 3), 0.02)
    square[1, 0], sem[1, 0] = -0.9, 0.6
    square[2, 0] = -0.2
    found = stability(judged(modes, square, sem))
    assert (found.verdict, found.squared / THZ**2) == ("unstable", pytest.approx(-0.2))


def test_without_errors_the_sign_decides(modes):
    plain = replace(modes, omega=np.sqrt(SQUARE) * THZ, omega_sem=None)
    found = stability(plain)
    assert found.verdict == "stable"
    assert found.squared_sem is None
    assert found.significance == np.inf
    assert "its error is unknown" in found.text
    assert stability(replace(plain, omega=-plain.omega)).verdict == "unstable"


def test_an_error_of_zero_makes_the_sign_certain(modes):
    square = SQUARE.copy()
    square[1, 0] = -1e-3
    assert stability(judged(modes, square, 0.0)).verdict == "unstable"


def test_acoustic_modes_at_gamma_are_not_judged(modes):
    square = SQUARE.copy()
    square[0] = -1.0
    assert stability(judged(modes, square, 0.01)).verdict == "stable"
    at_gamma = Modes(
        modes.crystal, modes.qpoints[:1], modes.weights[:1], modes.omega[:1],
        modes.vectors[:1], None, modes.sets[:1],
    )  # fmt: skip
    with pytest.raises(DataError, match="no mode to judge"):
        stability(at_gamma)


def test_run_length_grows_with_the_square_of_the_error(modes):
    # ω/2π = 2 THz everywhere, so that δω is a quarter of δ(ω²)
    sem = np.full((3, 3), 0.4)
    sem[2, 1] = 0.8
    found = run_length(judged(modes, 4.0, sem), 100.0, 0.05 * THZ)
    assert found.worst / THZ == pytest.approx(0.2)
    assert found.typical / THZ == pytest.approx(0.1)
    assert (found.worst_factor, found.typical_factor) == (pytest.approx(16), pytest.approx(4))
    assert found.worst_duration == pytest.approx(1600)
    assert found.typical_duration == pytest.approx(400)
    assert found.branch == 1
    assert found.text == (
        "all frequencies are known to ±0.05 THz after a run of 1600 ps, 16 times as long as "
        "this one, half of them at 400 ps; slowest is branch 2 at q = 1/10 -1/4 3/8"
    )
    # and the prediction is consistent
    longer = judged(modes, 4.0, sem / 4.0)
    assert run_length(longer, 1600.0, 0.05 * THZ).worst_factor == pytest.approx(1.0)


def test_run_length_of_a_mode_at_zero_grows_with_the_fourth_power(modes):
    square = np.full((3, 3), 4.0)
    square[1, 0] = 0.0
    found = run_length(judged(modes, square, 0.16), 10.0, 0.1 * THZ)
    # √0.16 = 0.4 THz; δ must fall by 16, to 0.01 THz²
    assert found.worst / THZ == pytest.approx(0.4)
    assert found.worst_factor == pytest.approx(256.0)
    assert "half of them have it already" in found.text


def test_a_run_that_is_long_enough_is_reported(modes):
    found = run_length(judged(modes, 4.0, 0.04), 10.0)
    assert found.worst_factor == pytest.approx(0.04)
    assert found.text == (
        "every frequency is known to better than ±0.05 THz, the worst to ±0.01 THz"
    )


def test_run_length_needs_errors(modes):
    with pytest.raises(DataError, match="the modes have no errors"):
        run_length(modes, 10.0)
    with pytest.raises(UsageError, match="must be positive, got 0 ps"):
        run_length(judged(modes, 4.0, 0.1), 0.0)
