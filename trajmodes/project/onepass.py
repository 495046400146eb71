"""Energies and spectra in one pass, every field projected once."""

from dataclasses import dataclass

from trajmodes.data import ModeEnergies, MotionBlock, PowerSpectra
from trajmodes.project.energies import EnergyReduction, EnergySums
from trajmodes.project.welch import WelchReduction, WelchSums

__all__ = ["ModeReduction"]


@dataclass(frozen=True, slots=True)
class ModeReduction:
    """Reduction from motion to `ModeEnergies` and `PowerSpectra`."""

    energies: EnergyReduction
    """What sums the energies; its projector serves both."""
    spectra: WelchReduction
    """What sums the spectra."""

    def chunk(self, block: MotionBlock) -> tuple[EnergySums, WelchSums]:
        """Return the states of one block of frames."""
        amplitudes = self.energies.projector.project(block)
        return self.energies.sums(amplitudes), self.spectra.sums(amplitudes)

    def combine(
        self, earlier: tuple[EnergySums, WelchSums], later: tuple[EnergySums, WelchSums]
    ) -> tuple[EnergySums, WelchSums]:
        """Return the states of two neighbouring stretches of time."""
        return (
            self.energies.combine(earlier[0], later[0]),
            self.spectra.combine(earlier[1], later[1]),
        )

    def finalize(
        self, state: tuple[EnergySums, WelchSums]
    ) -> tuple[ModeEnergies, PowerSpectra]:
        """Return energies and spectra."""
        return self.energies.finalize(state[0]), self.spectra.finalize(state[1])
