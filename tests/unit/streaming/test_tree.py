"""The tree of combinations: its shape depends on the numbers of blocks alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajmodes.streaming.tree import added, level_of, node_at, root


def pair(earlier, later):
    return earlier, later


def defined(first, stop, n_blocks):
    """State of a node by its definition: that of its two halves."""
    middle = (first + stop) // 2
    if stop - first == 1:
        return first
    earlier = defined(first, middle, n_blocks)
    return earlier if middle >= n_blocks else (earlier, defined(middle, stop, n_blocks))


def computed(levels, n_blocks, first=0, states=()):
    """Shape of the tree from nodes whose levels are at most those that are drawn."""
    while first < n_blocks:
        node = node_at(first, next(levels))
        part = ()
        for one in node.parts(next(levels), n_blocks):
            state = defined(one.first, one.stop, n_blocks)
            part = added(pair, part, one._replace(first=one.first - first), state)
        states = added(pair, states, node, root(pair, part))
        first = node.stop
    return root(pair, states)


@given(n_blocks=st.integers(1, 70), data=st.data())
def test_the_shape_is_that_of_halves_for_nodes_of_any_size(n_blocks, data):
    levels = iter(lambda: data.draw(st.integers(0, 5)), None)
    whole = 1 << (n_blocks - 1).bit_length()
    assert computed(levels, n_blocks) == defined(0, whole, n_blocks)


def test_no_blocks_have_no_state():
    assert root(pair, ()) is None


@pytest.mark.parametrize(("blocks", "level"), [(0, 0), (1, 0), (2, 1), (7, 2), (8, 3)])
def test_a_node_is_no_longer_than_asked_for(blocks, level):
    assert level_of(blocks) == level
