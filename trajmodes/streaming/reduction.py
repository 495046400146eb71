"""A reduction turns a stream of blocks of frames into one result, in bounded memory.

`chunk` is called on blocks in any order and on any worker; `combine` merges neighbours in
time; `finalize` is called once. `combine` is associative and pure: it changes neither argument.
Where the run is cut into blocks must not matter: frames that need frames of the next block are
kept in the state until that block arrives.

The block is `MotionBlock` for all that reads the motion of atoms, and mode amplitudes for all
that reads the motion of modes; `Transformed` leads from one to the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Block = TypeVar("Block")
Block_contra = TypeVar("Block_contra", contravariant=True)
Made = TypeVar("Made")
State = TypeVar("State")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Reduction(Protocol[Block_contra, State, Result_co]):
    """Four steps in three methods; an object that implements it is frozen and picklable."""

    def chunk(self, block: Block_contra, /) -> State:
        """Make the state of one block of frames."""
        ...

    def combine(self, earlier: State, later: State) -> State:
        """Merge two neighbouring stretches of time, the first one directly before."""
        ...

    def finalize(self, state: State) -> Result_co:
        """Turn the state of the whole run into the result."""
        ...


@dataclass(frozen=True, slots=True)
class Together(Generic[Block]):
    """Several reductions of the same blocks; states and results go by their names."""

    parts: Mapping[str, Reduction[Block, Any, Any]]

    def chunk(self, block: Block, /) -> dict[str, Any]:
        """Make the states of all parts for one block."""
        return {name: part.chunk(block) for name, part in self.parts.items()}

    def combine(self, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Merge the states of two neighbouring stretches of time."""
        return {
            name: part.combine(earlier[name], later[name]) for name, part in self.parts.items()
        }

    def finalize(self, state: dict[str, Any]) -> dict[str, Any]:
        """Turn the states of the whole run into the results."""
        return {name: part.finalize(state[name]) for name, part in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Transformed(Generic[Block, Made, State, Result]):
    """A reduction of what a function makes of each block."""

    transform: Callable[[Block], Made]
    reduction: Reduction[Made, State, Result]

    def chunk(self, block: Block, /) -> State:
        """Make the state of one block."""
        return self.reduction.chunk(self.transform(block))

    def combine(self, earlier: State, later: State) -> State:
        """Merge the states of two neighbouring stretches of time."""
        return self.reduction.combine(earlier, later)

    def finalize(self, state: State) -> Result:
        """Turn the state of the whole run into the result."""
        return self.reduction.finalize(state)
