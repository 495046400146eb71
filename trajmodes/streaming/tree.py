"""The binary tree in which the states of blocks are combined.

```
 block 0   block 1   block 2   block 3   block 4   block 5   block 6
    └────┬────┘         └────┬────┘         └────┬────┘         │
         └─────────┬─────────┘                   └──────┬───────┘
                   └──────────────────┬─────────────────┘
```

A node of level l, number k, holds the blocks from k·2^l to (k + 1)·2^l, or to the last one. Its
state is that of its two halves. The shape depends on the numbers of the blocks alone, so that
the additions are the same wherever a node is computed.

The largest nodes that the first n blocks fill are the binary digits of n. Their states are in
order of time.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

State = TypeVar("State")


class Node(NamedTuple):
    """Consecutive blocks."""

    first: int
    """Number of the first block."""
    level: int
    """Binary logarithm of the number of blocks; the last node may have fewer."""

    @property
    def stop(self) -> int:
        """Number of the block after the last one."""
        return self.first + (1 << self.level)

    def parts(self, level: int, n_blocks: int) -> Iterator["Node"]:
        """Cut into nodes up to a level, in a run of `n_blocks` blocks."""
        level = min(level, self.level)
        for first in range(self.first, min(self.stop, n_blocks), 1 << level):
            yield Node(first, level)


def node_at(first: int, level: int) -> Node:
    """Return the largest node, up to a level, that begins with a block."""
    digit = first & -first
    return Node(first, min(level, digit.bit_length() - 1) if digit else level)


def level_of(n_blocks: int) -> int:
    """Return the highest level of a node with at most a number of blocks, or 0."""
    return max(n_blocks, 1).bit_length() - 1


def added(
    combine: Callable[[State, State], State],
    states: tuple[State, ...],
    node: Node,
    state: State,
) -> tuple[State, ...]:
    """States of the nodes before the end of a node, from those before its beginning."""
    level = node.level
    while node.first >> level & 1:
        *rest, earlier = states
        states, state = tuple(rest), combine(earlier, state)
        level += 1
    return *states, state


def root(combine: Callable[[State, State], State], states: tuple[State, ...]) -> Any:
    """State of all blocks, from those of the nodes that they fill; None if there are none."""
    if not states:
        return None
    *rest, state = states
    while rest:
        state = combine(rest.pop(), state)
    return state
