"""From displacements and forces to effective force constants with error bars.

In: `MotionBlock`s of a trajectory, through one of two reductions. `ForceRows` makes a `Ledger`,
the sums of an `Expansion` of any order; `ForceCovariance` serves pairs alone, faster and for
every cutoff, and is turned into a ledger by `harmonic_ledger`. Out: `fit_ledger` makes a `Fit`
of a ledger as often as wanted: orders, cutoffs, constraints, schemes. Open `ledger` for the
idea, `expansion` for the columns, `effective` for the whole.
"""

from trajmodes.fit.accumulate import ForceRows, default_blocks
from trajmodes.fit.covariance import ForceCovariance, ForceCovariances
from trajmodes.fit.effective import Fit, constants_of, fit_harmonic, fit_ledger
from trajmodes.fit.expansion import HIGHEST_ORDER, Expansion, Reach, expansion_of
from trajmodes.fit.harmonic import harmonic_ledger
from trajmodes.fit.kinetic import KineticTemperature
from trajmodes.fit.ledger import Ledger, Source, pooled
from trajmodes.fit.ledger_file import ledger_dataset, ledger_of
from trajmodes.fit.model import Scheme
from trajmodes.fit.regularise import Method
from trajmodes.fit.scan import scan_ledger
from trajmodes.fit.solution import FitOptions

__all__ = [
    "HIGHEST_ORDER",
    "Expansion",
    "Fit",
    "FitOptions",
    "ForceCovariance",
    "ForceCovariances",
    "ForceRows",
    "KineticTemperature",
    "Ledger",
    "Method",
    "Reach",
    "Scheme",
    "Source",
    "constants_of",
    "default_blocks",
    "expansion_of",
    "fit_harmonic",
    "fit_ledger",
    "harmonic_ledger",
    "ledger_dataset",
    "ledger_of",
    "pooled",
    "scan_ledger",
]
