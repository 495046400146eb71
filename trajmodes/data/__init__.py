"""The nouns: frozen data that the stages meet in.

Every array field is checked for shape, set read-only, and documented with axes and unit.
Axis letters: t frame, a atom, s site, x y z Cartesian, q m mode, p pair, b block, g set of
symmetry-equal modes, w bin. Open `motion` first: it is what both fitting and projecting read.
"""

from trajmodes.data.anharmonic import (
    GruneisenParameters,
    MeanGruneisen,
    PerturbativeWidths,
    WidthComparison,
)
from trajmodes.data.bands import (
    BandPath,
    Bands,
    RenormalisedBands,
    SpectralMap,
)
from trajmodes.data.conductivity import (
    Conductivity,
    HeatFlow,
)
from trajmodes.data.crystal import (
    Crystal,
)
from trajmodes.data.energies import (
    EnergyCovariance,
    ModeEnergies,
)
from trajmodes.data.fit_quality import (
    Convergence,
    ErrorMethod,
    FitErrors,
    Reference,
    ScanKind,
    ScanPoint,
    Shells,
)
from trajmodes.data.force_constants import (
    ClusterConstants,
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.data.frames import (
    FrameBlock,
)
from trajmodes.data.modes import (
    Modes,
)
from trajmodes.data.motion import (
    MotionBlock,
)
from trajmodes.data.results import (
    Finding,
    InputFile,
    Projection,
    Provenance,
    Results,
    SpectralEnergy,
)
from trajmodes.data.spectra import (
    BandSpectra,
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    PowerSpectra,
    Verdict,
    VibrationalDensity,
)
from trajmodes.data.supercell import (
    Supercell,
)
from trajmodes.data.verdicts import (
    Ensemble,
    EnsembleVerdict,
    Equipartition,
    RunLength,
    Stability,
)

__all__ = [
    "BandPath",
    "BandSpectra",
    "Bands",
    "ClusterConstants",
    "Conductivity",
    "Convergence",
    "Crystal",
    "EnergyCovariance",
    "EnergyLifetimes",
    "Ensemble",
    "EnsembleVerdict",
    "Equipartition",
    "ErrorMethod",
    "Finding",
    "FitErrors",
    "FitQuality",
    "ForceConstants",
    "FrameBlock",
    "GruneisenParameters",
    "HeatFlow",
    "InputFile",
    "LineData",
    "LineFits",
    "MaximumEntropySpectra",
    "MeanGruneisen",
    "ModeEnergies",
    "Modes",
    "MotionBlock",
    "OrderQuality",
    "PerturbativeWidths",
    "PowerSpectra",
    "Projection",
    "Provenance",
    "Reference",
    "RenormalisedBands",
    "Results",
    "RunLength",
    "ScanKind",
    "ScanPoint",
    "Shells",
    "SpectralEnergy",
    "SpectralMap",
    "Stability",
    "Supercell",
    "Verdict",
    "VibrationalDensity",
    "WidthComparison",
]
