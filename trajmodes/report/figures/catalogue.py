"""The list of figures. matplotlib is imported when the first one is drawn.

Run as a program, the module draws all figures of the results that it reads from stdin; see
`trajmodes.report.write.Painter`.
"""

import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.by_command.elastic import ELASTIC_TABLES
from trajmodes.results.by_command.free_energy import FREE_ENERGY_TABLE
from trajmodes.results.by_command.phases import PHASE_TABLES
from trajmodes.results.by_command.spectral_function import SPECTRAL_TABLES
from trajmodes.results.by_command.thermo import STATES, THERMO_TABLES
from trajmodes.results.outputs import BANDS, DENSITY_MAP, TABLES, Output
from trajmodes.results.scattering import SCATTERING_TABLES, spans_plane
from trajmodes.results.series_outputs import SERIES_TABLES
from trajmodes.results.volume_tables import VOLUME_TABLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MOST_BRANCHES = 12
"""With more branches the panels of a figure would be too small."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that is drawn when it is written."""

    maker: str
    """Module of `trajmodes.report.figures` and its function, such as ``fit.draw_fit``."""
    dataset: NamedArrays

    def draw(self) -> "Figure":
        """Draw the figure in the style of the package."""
        module, _, function = self.maker.rpartition(".")
        home = import_module(f"trajmodes.report.figures.{module}")
        with import_module("trajmodes.report.figures.style").sheet():
            figure: Figure = getattr(home, function)(self.dataset)
        return figure

    def write(self, path: Path) -> None:
        """Draw the figure and write a PNG file."""
        import_module("trajmodes.report.figures.style").save_png(self.draw(), path)


def _drawn(maker: str) -> Callable[[NamedArrays], Drawing]:
    return partial(Drawing, maker)


SED_BRANCHES = Output(
    "figures/sed_branches.png",
    "spectral energy density along the path, branch by branch",
    ("map_branch_power",),
    _drawn("spectral_map.draw_energy_density"),
    lambda dataset: dataset.sizes["branch"] <= _MOST_BRANCHES,
)

FIGURES = (
    Output(
        "figures/bands.png",
        (
            ("", "bands"),
            ("band_freq_thz_sem", " with error band"),
            ("map_power", " over the spectral energy density"),
        ),
        ("band_freq_thz",),
        _drawn("spectral_map.draw_bands"),
    ),
    Output(
        "figures/renormalised.png",
        (
            ("", "bands of force constants, spectral lines and displacement covariances"),
            ("freq_harmonic_thz", ", with their differences"),
        ),
        ("band_quasi_particle_thz", "band_displacement_thz"),
        _drawn("bands.draw_renormalised"),
    ),
    SED_BRANCHES,
    Output(
        "figures/vdos.png",
        "vibrational density of states: total, and by species or direction if these differ",
        ("vdos",),
        _drawn("spectra.draw_density"),
    ),
    Output(
        "figures/spectra.png",
        "spectral lines of selected modes with fits",
        ("line_power",),
        _drawn("spectra.draw_spectra"),
    ),
    Output(
        "figures/correlations.png",
        "energy autocorrelations of selected modes with fits",
        ("energy_acf",),
        _drawn("spectra.draw_correlations"),
    ),
    Output(
        "figures/lifetimes.png",
        (
            ("", "lifetimes against frequency"),
            ("lifetime_energy_ps", ", and a comparison of line and energy autocorrelation"),
        ),
        ("lifetime_ps", "lifetime_energy_ps", "lifetime_phi3_classical_ps"),
        _drawn("lifetimes.draw_lifetimes"),
    ),
    Output(
        "figures/conductivity.png",
        "thermal conductivity by frequency and by mean free path",
        ("kappa_classical_w_mk",),
        _drawn("lifetimes.draw_conductivity"),
    ),
    Output(
        "figures/gruneisen.png",
        "Grüneisen parameters along the bands and of the sets of modes",
        ("gruneisen",),
        _drawn("thermo.gruneisen.draw_gruneisen"),
    ),
    Output(
        "figures/energies.png",
        (
            ("", "mode temperatures (test of equipartition)"),
            ("heat_capacity_kb", ", heat capacities"),
            ("anharmonicity", ", anharmonicity"),
        ),
        ("mode_temperature",),
        _drawn("energies.draw_energies"),
    ),
    Output(
        "figures/energy_correlation.png",
        "correlation of the energies of different sets of modes",
        ("energy_correlation",),
        _drawn("energies.draw_covariance"),
    ),
    Output(
        "figures/fit.png",
        (
            ("", "force constants by distance"),
            ("run_fraction", ", and convergence of the fit with the length of the run"),
        ),
        ("shell_norm",),
        _drawn("fit.draw_fit"),
    ),
    Output(
        "figures/orders.png",
        (
            ("", "third-order"),
            ("quartet_shell_norm", " and fourth-order"),
            ("", " force constants by distance"),
            ("order", ", and the residual of the fit by order"),
        ),
        ("triplet_shell_norm",),
        _drawn("fit.draw_orders"),
    ),
)

OUTPUTS = (*TABLES, STATES, *FIGURES)
"""Files of a run, apart from results.nc, that are made from the results alone."""

MAP_OUTPUTS = (
    DENSITY_MAP,
    BANDS,
    Output(
        "figures/sed.png",
        (("", "spectral energy density along the path"), ("band_freq_thz", " with bands")),
        ("map_power",),
        _drawn("spectral_map.draw_bands"),
    ),
    SED_BRANCHES,
)
"""Files of `trajmodes sed`, apart from results.nc."""

PROPERTY_OUTPUTS = (
    *THERMO_TABLES,
    *ELASTIC_TABLES,
    Output(
        "figures/thermo.png",
        "density of states, heat capacity, free energy, mean square displacements",
        ("thermo_temperature",),
        _drawn("thermo.harmonic.draw_thermo"),
    ),
    Output(
        "figures/slab.png",
        "density of states by atomic layer, and bands with the modes of the surfaces",
        ("layer",),
        _drawn("potentials.slab.draw_slab"),
    ),
    Output(
        "figures/sound.png",
        "velocities of sound by direction",
        ("sound_plane",),
        _drawn("thermo.harmonic.draw_sound"),
    ),
    *SPECTRAL_TABLES,
    FREE_ENERGY_TABLE,
    Output(
        "figures/spectral_lines.png",
        (
            ("", "spectral functions of selected modes"),
            ("measured_line_power", " over the measured spectra"),
        ),
        ("spectral_point",),
        _drawn("spectral_function.draw_lines"),
    ),
    Output(
        "figures/spectral_map.png",
        (
            ("", "spectral functions along the path"),
            ("measured_power", ", beside those of the run"),
        ),
        ("spectral_distance",),
        _drawn("spectral_function.draw_function_map"),
    ),
    Output(
        "figures/spectral_widths.png",
        "widths and shifts of the modes against frequency",
        ("spectral_point",),
        _drawn("spectral_function.draw_widths"),
    ),
    Output(
        "figures/free_energy.png",
        "free energy of the run by order, its mean beyond the force constants with the length "
        "of the run, and the distribution of the energies",
        ("expansion_order",),
        _drawn("thermo.free_energy.draw_free_energy"),
    ),
)
"""Files of `thermo`, `elastic`, `free-energy`, `spectral-function`, without results.nc."""
SERIES_OUTPUTS = (
    *SERIES_TABLES,
    Output(
        "figures/frequencies.png",
        "frequencies at named points as functions of temperature",
        ("curve_freq_thz",),
        _drawn("series.draw_frequencies"),
        lambda dataset: bool(np.isfinite(dataset["curve_freq_thz"].values).any()),
    ),
    Output(
        "figures/bands.png",
        "bands of all runs",
        ("series_band_freq_thz",),
        _drawn("series.draw_bands"),
    ),
    Output(
        "figures/soft_modes.png",
        "squared frequencies of the softest modes, and where they are zero",
        ("series_freq_thz",),
        _drawn("series.draw_soft_modes"),
    ),
    Output(
        "figures/linewidths.png",
        "linewidths as functions of temperature, and their exponents",
        ("linewidth_exponent",),
        _drawn("series.draw_linewidths"),
        lambda dataset: bool(np.isfinite(dataset["linewidth_exponent"].values).any()),
    ),
    Output(
        "figures/gruneisen.png",
        "Grüneisen parameters of all sets of modes",
        ("curve_freq_thz",),
        _drawn("series.draw_gruneisen"),
        lambda dataset: any(
            name in dataset for name in ("series_gruneisen", "series_axial_gruneisen")
        ),
    ),
    Output(
        "figures/elastic.png",
        "elastic constants as functions of temperature",
        ("curve_stiffness_gpa",),
        _drawn("lattice.draw_elastic"),
        lambda dataset: dataset.sizes["curve_temperature"] > 1,
    ),
    Output(
        "figures/lattice.png",
        "lattice parameters as functions of temperature",
        ("lattice_parameter",),
        _drawn("lattice.draw_lattice"),
    ),
)
"""Files of `trajmodes series`, apart from results.nc and interpolated force constants."""
VOLUME_OUTPUTS = (
    *VOLUME_TABLES,
    Output(
        "figures/quasiharmonic.png",
        "free energy by volume, equilibrium volume, thermal expansion, moduli, heat capacities",
        ("qha_volume",),
        _drawn("thermo.quasiharmonic.draw_quasiharmonic"),
    ),
    Output(
        "figures/axes.png",
        "a, c, c/a and the linear thermal expansions of a uniaxial crystal",
        ("qha_ratio",),
        _drawn("thermo.quasiharmonic.draw_axes"),
    ),
    Output(
        "figures/gruneisen.png",
        "Grüneisen parameters along the bands, from volumes",
        ("band_gruneisen",),
        _drawn("thermo.quasiharmonic.draw_mode_gruneisen"),
    ),
)
"""Files of `trajmodes quasiharmonic`, apart from results.nc."""
PHASE_OUTPUTS = (
    *PHASE_TABLES,
    Output(
        "figures/phases.png",
        "difference of the Gibbs free energies of two phases by temperature",
        ("phase_difference",),
        _drawn("thermo.quasiharmonic.draw_phases"),
    ),
)
"""Files of `trajmodes phases`, apart from results.nc."""
SCATTERING_OUTPUTS = (
    *SCATTERING_TABLES,
    Output(
        "figures/sqw.png",
        "dynamic structure factor along the line",
        ("sqw", "one_phonon_sqw"),
        _drawn("scattering.draw_line"),
        lambda dataset: dataset.sizes["section_edge"] == 1,
    ),
    Output(
        "figures/sqw_plane.png",
        "dynamic structure factor in the plane, at constant frequencies",
        ("sqw", "one_phonon_sqw"),
        _drawn("scattering.draw_plane"),
        spans_plane,
    ),
    Output(
        "figures/sqw_spectra.png",
        (
            ("", "spectra at single Q with error bars"),
            ("one_phonon_sqw", ", beside one-phonon scattering of the force constants"),
        ),
        ("sqw",),
        _drawn("scattering.draw_spectra"),
    ),
)
"""Files of `trajmodes sqw` and `trajmodes one-phonon`, apart from results.nc."""


def place_of_drawing(folder: Path, output: Output) -> Path:
    """Path of a figure in the folder for complete figures of the second process."""
    return folder / Path(output.name).name


_SLOWEST = ("figures/spectra.png", "figures/correlations.png")
"""Figures of many panels, which take as long as three others."""


def _draw_all() -> None:
    """Import matplotlib, read the results from stdin, and draw the figures.

    Those of `_SLOWEST` are first, then the others from the last to the first. The other process
    begins with the first figure, and where both meet they draw one figure twice.
    """
    style = import_module("trajmodes.report.figures.style")
    # The first figure of a process takes longer, because it loads the fonts.
    with style.sheet():
        empty = style.new_figure(2.0)
        empty.add_subplot(xlabel="0")
    style.save_png(empty, Path(os.devnull))
    dataset, folder = pickle.load(sys.stdin.buffer)
    slowest = [output for output in FIGURES if output.name in _SLOWEST]
    others = [output for output in reversed(FIGURES) if output not in slowest]
    for output in (*slowest, *others):
        if output.is_possible(dataset):
            place = place_of_drawing(folder, output)
            partial_file = place.with_suffix(".part")
            output.make(dataset).write(partial_file)
            # Appears in one step, when it is complete.
            partial_file.replace(place)


if __name__ == "__main__":
    _draw_all()
