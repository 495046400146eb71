"""The nouns: frozen data that the stages meet in.

Every array field is checked for shape, set read-only, and documented with axes and unit.
Axis letters: t frame, a atom, s site, x y z Cartesian, q m mode, p pair, b block, g set of
symmetry-equal modes, w bin. Open `motion` first: it is what both fitting and projecting read.
"""

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import (
    ClusterConstants,
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.data.frames import FrameBlock
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.data.spectra import (
    BandSpectra,
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    ModeEnergies,
    PowerSpectra,
    Verdict,
    VibrationalDensity,
)
from trajmodes.data.supercell import Supercell

__all__ = [
    "BandSpectra",
    "ClusterConstants",
    "Crystal",
    "EnergyLifetimes",
    "FitQuality",
    "ForceConstants",
    "FrameBlock",
    "LineData",
    "LineFits",
    "MaximumEntropySpectra",
    "ModeEnergies",
    "Modes",
    "MotionBlock",
    "OrderQuality",
    "PowerSpectra",
    "Supercell",
    "Verdict",
    "VibrationalDensity",
]
