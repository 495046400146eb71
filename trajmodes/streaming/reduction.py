"""A reduction: what turns a stream of blocks into one result, in memory that stays bounded.

chunk is called on blocks in any order and on any worker; combine merges neighbours in time;
finalize is called once. combine is associative and pure (it changes neither argument), in
time order, and not commutative. Where blocks are cut must not matter: whatever straddles a
seam is kept in the state until its other half arrives.
"""

from typing import Any, Protocol, TypeVar

from trajmodes.data import MotionBlock

__all__ = ["Reduction", "Together"]

State = TypeVar("State")
Result_co = TypeVar("Result_co", covariant=True)


class Reduction(Protocol[State, Result_co]):
    """Four steps in three methods; an object that implements it is frozen and picklable."""

    def chunk(self, block: MotionBlock) -> State:
        """Make the state of one block of frames."""
        ...

    def combine(self, earlier: State, later: State) -> State:
        """Merge two neighbouring stretches of time, the first one directly before."""
        ...

    def finalize(self, state: State) -> Result_co:
        """Turn the state of the whole run into the result."""
        ...


class Together:
    """Several reductions fed by one read of the trajectory; the result is their tuple.

    Parameters
    ----------
    parts
        The reductions.
    """

    def __init__(self, *parts: Reduction[Any, Any]) -> None:
        self._parts = parts

    def chunk(self, block: MotionBlock) -> tuple[Any, ...]:
        """States of all parts for one block."""
        return tuple(part.chunk(block) for part in self._parts)

    def combine(self, earlier: tuple[Any, ...], later: tuple[Any, ...]) -> tuple[Any, ...]:
        """States of all parts for two neighbouring stretches of time."""
        triples = zip(self._parts, earlier, later, strict=True)
        return tuple(part.combine(first, second) for part, first, second in triples)

    def finalize(self, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """Results of all parts."""
        return tuple(part.finalize(one) for part, one in zip(self._parts, state, strict=True))
