"""Projection of a run on its phonons: energies, spectra, linewidths, lifetimes.

In: `MotionBlock`s and `Modes` at all commensurate q. Out: `ModeEnergies`, `PowerSpectra` and
`LineFits` for every set of symmetry-equal modes, with honest standard errors or a verdict.

Open `coordinates` first: from motion to mode amplitudes, by a lattice FFT. Two reductions eat
them in one pass (`onepass`): `energies`, with the errors of `statistics`, and `welch`. After
the run `lineshape` fits lines: `oscillator` is the model, `window` the Hann window, `whittle`
the likelihood, `verdicts` what deserves to be reported. `pooling` takes means over stars, ±q
and degenerate branches.
"""

from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.energies import EnergyReduction
from trajmodes.project.line_models import line_models
from trajmodes.project.lineshape import fit_lines
from trajmodes.project.onepass import ModeReduction
from trajmodes.project.pooling import set_mean, set_members
from trajmodes.project.welch import WelchReduction, default_segment, default_stride
from trajmodes.project.window import resolution_thz

__all__ = [
    "Amplitudes",
    "EnergyReduction",
    "ModeReduction",
    "Projector",
    "WelchReduction",
    "default_segment",
    "default_stride",
    "fit_lines",
    "line_models",
    "resolution_thz",
    "set_mean",
    "set_members",
]
