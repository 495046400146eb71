"""Stability, and the length of run that a wanted error needs."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at, run_length, stability
from trajmodes.units import THZ

Q_LIST = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.1, -0.25, 0.375]])


def judged(modes: Modes, square: object, sem: object) -> Modes:
    """The same modes with given (ω/2π)² and errors in THz²; those at Γ stay acoustic."""
    square, sem, _ = np.broadcast_arrays(square, sem, modes.omega)
    root = np.sqrt(np.abs(square))
    freq_sem = np.minimum(sem / np.maximum(2 * root, 1e-300), np.sqrt(sem))
    return replace(modes, omega=np.copysign(root, square) * THZ, omega_sem=freq_sem * THZ)


@pytest.fixture
def modes(crystals, springs) -> Modes:
    return modes_at(springs(crystals["bcc"], 4.0), Q_LIST)


SQUARE = np.array([[0.0, 0, 0], [5.0, 6, 7], [3.1, 8, 9]])


def test_a_stable_crystal_names_its_lowest_mode(modes):
    found = stability(judged(modes, SQUARE, 0.019))
    assert (found.verdict, found.branch) == ("stable", 0)
    np.testing.assert_array_equal(found.qpoint, Q_LIST[2])
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
