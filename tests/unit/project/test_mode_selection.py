"""Selection of modes by text: every spelling of q, either sign, and invalid texts."""

import numpy as np
import pytest

from trajmodes.data.labels import point
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError
from trajmodes.project.mode_selection import parse_modes


def _text(q: np.ndarray) -> str:
    return " ".join(f"{x:.9f}" for x in q)


def test_q_is_found_in_any_zone_and_with_either_sign(modes: Modes) -> None:
    for row, q in enumerate(modes.qpoints):
        (own,) = parse_modes([f"{_text(q)}:2"], modes)
        assert (own.row, own.branch, own.opposite) == (row, 1, False)
        (away,) = parse_modes([f"{_text(q + np.array([1, -2, 0]))}:2"], modes)
        assert (away.row, away.opposite) == (row, False)
        (other,) = parse_modes([f"{_text(-q)}:2"], modes)
        assert other.row == row
        assert other.opposite == (modes.weights[row] == 2.0)


def test_fractions_commas_and_all(modes: Modes) -> None:
    name = point(modes.qpoints[3])
    assert "/" in name
    rows = {mode.row for mode in parse_modes([f"{name}:all"], modes)}
    assert rows == {3}
    assert [mode.branch for mode in parse_modes([f"{name}:all"], modes)] == list(range(6))
    assert [mode.branch for mode in parse_modes([f"{name}: 1, 4"], modes)] == [0, 3]
    twice = parse_modes(["0 0 0:4,5", "0 0 0:5"], modes)
    assert [mode.branch for mode in twice] == [3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (4, "does not name a mode"),
        ("0 0 0", "does not name a mode"),
        ("0 0:1", "does not name a mode"),
        ("x 0 0:1", "does not name a mode"),
        ("1/0 0 0:1", "does not name a mode"),
        ("0 0 0:7", r"a branch that does not exist(.|\n)*from 1 to 6"),
        ("0 0 0:0", "a branch that does not exist"),
        ("0 0 0:-1", "a branch that does not exist"),
        ("0 0 0:", "a branch that does not exist"),
        ("1/7 0 0:1", r"not commensurate(.|\n)*nearby: .*; "),
        ("nan 0 0:1", "does not name a mode"),
        ("inf 0 0:1", "does not name a mode"),
    ],
)
def test_invalid_texts_are_refused(modes: Modes, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_modes([text], modes)


def test_an_empty_selection_is_refused(modes: Modes) -> None:
    with pytest.raises(UsageError, match="no mode was chosen"):
        parse_modes([], modes)


def test_a_point_may_be_given_by_its_label(modes: Modes) -> None:
    places = {"X": modes.qpoints[2], "-X": -modes.qpoints[2], "off": np.array([0.1, 0.2, 0.3])}
    asked: list[str] = []

    def point_of(words: str) -> np.ndarray:
        asked.append(words)
        return places[words]

    (own, other) = parse_modes(["X:2", "-X:3"], modes, point_of)
    assert (own.row, own.branch, own.opposite) == (2, 1, False)
    assert (other.row, other.opposite) == (2, modes.weights[2] == 2.0)
    np.testing.assert_allclose(own.qpoint, modes.qpoints[2], atol=1e-12)
    with pytest.raises(UsageError, match="not commensurate"):
        parse_modes(["off:1"], modes, point_of)
    with pytest.raises(UsageError, match="“X:9” names a branch that does not exist"):
        parse_modes(["X:9"], modes, point_of)
    asked.clear()
    parse_modes(["0 0 0:4"], modes, point_of)
    assert asked == []
