"""Many reductions in one pass: every field is projected once, and all of them eat it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trajmodes.data import MotionBlock
from trajmodes.project.coordinates import Amplitudes, Projector

__all__ = ["AmplitudeReduction", "ModeReduction"]


class AmplitudeReduction(Protocol):
    """A reduction, as in `trajmodes.streaming`, whose food is amplitudes of the modes."""

    def sums(self, amplitudes: Amplitudes) -> Any:
        """Make the state of one block of frames."""
        ...

    def combine(self, earlier: Any, later: Any) -> Any:
        """Merge the states of two neighbouring stretches of time."""
        ...

    def finalize(self, state: Any) -> Any:
        """Turn the state of the whole run into the result."""
        ...


@dataclass(frozen=True, slots=True)
class ModeReduction:
    """Reduction from motion to the results of its parts, by their names."""

    projector: Projector
    """From motion to amplitudes."""
    parts: Mapping[str, AmplitudeReduction]
    """What is made of the amplitudes."""

    def chunk(self, block: MotionBlock) -> dict[str, Any]:
        """Return the states of one block of frames."""
        amplitudes = self.projector.project(block)
        return {name: part.sums(amplitudes) for name, part in self.parts.items()}

    def combine(self, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Return the states of two neighbouring stretches of time."""
        return {
            name: part.combine(earlier[name], later[name]) for name, part in self.parts.items()
        }

    def finalize(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the results."""
        return {name: part.finalize(state[name]) for name, part in self.parts.items()}
