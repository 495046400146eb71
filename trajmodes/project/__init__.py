"""Projection of a run on its phonons: energies, spectra, linewidths, lifetimes.

In: `MotionBlock`s and `Modes` at all commensurate q. Out: what each set of symmetry-equal modes
does, with honest standard errors or a verdict.

Open `coordinates` first: from motion to mode amplitudes, by a lattice FFT. Any number of
reductions (see `trajmodes.streaming`) then share the amplitudes of one pass.

| what | reduction | after the run |
|---|---|---|
| energies, heat capacity, equipartition | `energies` | `energy_means`, `equipartition` |
| spectra on the whole axis, of modes and atoms | `welch`, `periodogram` | |
| spectra of long segments around each line | `narrow_band`, `band_filter` | |
| frequency, width and lifetime of a line | | `lineshape`, `ladder`, `whittle`, `verdicts` |
| decay of energy correlations | `autocorrelation`, `multiple_tau` | `energy_lifetimes` |
| lifetimes by both ways | | `agreement` |
| what the ensemble was | `thermostat` | |
| covariances of displacements, of energies | `displacement_covariance`, `energy_covariance` | |
| amplitudes frame by frame | `spill` | |

`oscillator` is the model of a line, `window` the Hann window, `segments` where segments of the
run lie, `statistics` what is made of the sums in blocks of time. Means over stars, ±q and
degenerate branches are those of `trajmodes.symmetry.mode_sets`.
"""

from trajmodes.project.agreement import best_lifetimes, compare_widths
from trajmodes.project.autocorrelation import AutocorrelationReduction, EnergyCorrelations
from trajmodes.project.band_filter import BandPlan, default_bands
from trajmodes.project.bare_modes import bare_modes
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.difference_results import (
    correct_density,
    correct_energies,
    correct_spectra,
)
from trajmodes.project.differences import attenuation, require_correctable, spectrum_factor
from trajmodes.project.displacement_covariance import (
    DisplacementCovariance,
    DisplacementCovarianceReduction,
)
from trajmodes.project.energies import EnergyReduction
from trajmodes.project.energy_covariance import EnergyCovarianceReduction
from trajmodes.project.energy_lifetimes import energy_lifetimes
from trajmodes.project.equipartition import equipartition
from trajmodes.project.lattice_match import check_lattice
from trajmodes.project.line_models import line_models
from trajmodes.project.lineshape import fit_lines
from trajmodes.project.mode_choice import parse_modes
from trajmodes.project.narrow_band import NarrowBandReduction
from trajmodes.project.shapes import LineShape
from trajmodes.project.spill import Spill, SpillReduction
from trajmodes.project.thermostat import KineticReduction
from trajmodes.project.time_step import require_sampled, verlet_note
from trajmodes.project.welch import Spectra, WelchReduction, default_segment, default_stride
from trajmodes.project.window import resolution_thz

__all__ = [
    "Amplitudes",
    "AutocorrelationReduction",
    "BandPlan",
    "DisplacementCovariance",
    "DisplacementCovarianceReduction",
    "EnergyCorrelations",
    "EnergyCovarianceReduction",
    "EnergyReduction",
    "KineticReduction",
    "LineShape",
    "NarrowBandReduction",
    "Projector",
    "Spectra",
    "Spill",
    "SpillReduction",
    "WelchReduction",
    "attenuation",
    "bare_modes",
    "best_lifetimes",
    "check_lattice",
    "compare_widths",
    "correct_density",
    "correct_energies",
    "correct_spectra",
    "default_bands",
    "default_segment",
    "default_stride",
    "energy_lifetimes",
    "equipartition",
    "fit_lines",
    "line_models",
    "parse_modes",
    "require_correctable",
    "require_sampled",
    "resolution_thz",
    "spectrum_factor",
    "verlet_note",
]
