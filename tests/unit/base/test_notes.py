"""Notes are values with a text."""

import pytest

from trajmodes.notes import Note


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (Note("note", "sites were moved"), "sites were moved"),
        (Note("error", "no forces", fix="add fx fy fz"), "no forces; fix: add fx fy fz"),
        (
            Note("warning", "not rigid", why="coarse differences", fix="smaller steps"),
            "not rigid; why: coarse differences; fix: smaller steps",
        ),
        (Note("warning", "too far apart", fix="dump\nend"), "too far apart; fix:\ndump\nend"),
    ],
)
def test_the_text_of_a_note(note: Note, text: str) -> None:
    assert str(note) == text


def test_equal_notes_are_one() -> None:
    twice = [Note("warning", "a", fix="b"), Note("warning", "a", fix="b"), Note("note", "a")]
    assert list(dict.fromkeys(twice)) == [twice[0], twice[2]]
