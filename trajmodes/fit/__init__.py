"""From displacements and forces to effective force constants with error bars.

In: `MotionBlock`s of a trajectory, through the reduction `ForceCovariance`, which needs neither
symmetry nor cutoff. Out: `fit_harmonic` turns its result into `ForceConstants`, as often as
wanted, for any cutoff. Open `covariance` for the idea, `effective` for the whole.
"""

from trajmodes.fit.covariance import ForceCovariance, ForceCovariances
from trajmodes.fit.effective import HarmonicFit, Shells, fit_harmonic
from trajmodes.fit.uncertainty import Convergence, Jackknife

__all__ = [
    "Convergence",
    "ForceCovariance",
    "ForceCovariances",
    "HarmonicFit",
    "Jackknife",
    "Shells",
    "fit_harmonic",
]
