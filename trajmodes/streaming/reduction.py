"""The protocol of reductions: from a stream of blocks to one result, in bounded memory.

`chunk` is called on blocks in any order and on any worker, `combine` merges states that are
adjacent in time, and `finalize` is called once. `combine` is associative and pure: it changes
neither argument. The result must not depend on where the run is cut into blocks: frames that
need the next block are kept in the state.

A block is a `MotionBlock`, or the mode amplitudes made from it by a `Transformed` reduction.
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
    """A reduction; implementations are frozen and picklable."""

    def chunk(self, block: Block_contra, /) -> State:
        """Compute the state of one block of frames."""
        ...

    def combine(self, earlier: State, later: State) -> State:
        """Merge the states of two adjacent parts of the run, in order of time."""
        ...

    def finalize(self, state: State) -> Result_co:
        """Compute the result from the state of the whole run."""
        ...


@dataclass(frozen=True, slots=True)
class Together(Generic[Block]):
    """Several named reductions of the same blocks."""

    parts: Mapping[str, Reduction[Block, Any, Any]]

    def chunk(self, block: Block, /) -> dict[str, Any]:
        """Compute the states of one block."""
        return {name: part.chunk(block) for name, part in self.parts.items()}

    def combine(self, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Merge the states of two adjacent parts of the run."""
        return {
            name: part.combine(earlier[name], later[name]) for name, part in self.parts.items()
        }

    def finalize(self, state: dict[str, Any]) -> dict[str, Any]:
        """Compute the results from the states of the whole run."""
        return {name: part.finalize(state[name]) for name, part in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Transformed(Generic[Block, Made, State, Result]):
    """A reduction of blocks after a transformation."""

    transform: Callable[[Block], Made]
    reduction: Reduction[Made, State, Result]

    def chunk(self, block: Block, /) -> State:
        """Compute the state of one block."""
        return self.reduction.chunk(self.transform(block))

    def combine(self, earlier: State, later: State) -> State:
        """Merge the states of two adjacent parts of the run."""
        return self.reduction.combine(earlier, later)

    def finalize(self, state: State) -> Result:
        """Compute the result from the state of the whole run."""
        return self.reduction.finalize(state)
