"""The layout of a results file, second page: modes, bands, and what a run says about them."""

from trajmodes.results.spec import Spec

__all__ = ["MODE_DIMENSIONS", "MODE_VARIABLES"]

MODE_DIMENSIONS = {
    "qpoint": "commensurate q points, one of each ±q",
    "qpoint_2": "the same, for the second mode of a pair",
    "branch": "branches in ascending frequency, from 1",
    "branch_2": "the same, for the second mode of a pair",
    "set": "sets of symmetry-equal modes",
    "set_2": "the same, for the second set of a pair",
    "freq_thz": "frequency grid of the spectra",
    "line_bin": "frequencies around each line",
    "entropy_freq_thz": "frequency grid of the maximum-entropy spectra",
    "lag": "lags that the correlation of energies is told at",
    "path": "points along the band path",
    "tick": "named points of the band path",
    "map_point": "commensurate q points on the band path",
    "map_freq_thz": "frequency grid of the map",
    "kappa_freq_thz": "frequency grid of the conductivity",
    "kappa_path": "grid of mean free paths of the conductivity",
}
"""Dimension → what it counts."""

_IMAGINARY = "ω/2π; negative means imaginary, −√|ω²|"
_GAMMA = "−(V/ω) ∂ω/∂V; nan where ω² is not positive, and for acoustic modes at Γ"
_WIDTH = "full width at half maximum; three phonons, lowest order in the cubic constants"
_ONE_SIDED = "one-sided; the integral over f is "
_ITSELF = "as of its set; degenerate modes share theirs as the eigenvectors lie"
_TRAVELLING = "⟨½|ωQ ± iQ̇|²⟩; K + U where q = −q; nan where ω² < 0"
_OF_ONE_MODE = "mean over the star of q and degenerate branches"
_KAPPA = "Σ C v⊗v τ/V; "
_CLASSICAL, _QUANTUM = "C = k_B", "C by Bose–Einstein, τ of the classical run"

_PLACES = {
    "q": Spec("qpoint reciprocal", "1", "commensurate q points", "reduced, no 2π"),
    "q_weight": Spec("qpoint", "1", "points each q stands for", "2 where it stands for ±q"),
    "mode_freq_thz": Spec("qpoint branch", "THz", "harmonic frequencies", _IMAGINARY),
    "mode_vectors": Spec(
        "qpoint branch site xyz reim",
        "1",
        "polarisation vectors",
        "norm 1; phase of the atom positions, D ~ exp[iq·(R + r_b' − r_b)]",
    ),
    "branch": Spec("branch", "1", "branch", "ascending, from 1"),
    "mode_set": Spec(
        "qpoint branch", "1", "set that each mode belongs to", "−1: acoustic at Γ, only drift"
    ),
    "path_distance": Spec("path", "1/Å", "length of the band path", "2π included"),
    "path_segment": Spec("path", "1", "stretch of the path without a jump", "from 0"),
    "path_q": Spec("path reciprocal", "1", "q points of the band path", "reduced, no 2π"),
    "band_freq_thz": Spec("path branch", "THz", "harmonic frequencies on the path", _IMAGINARY),
    "band_quasi_particle_thz": Spec(
        "path branch",
        "THz",
        "frequencies on the path, of constants made from the spectral lines",
        "ω0 of the lines in place of the harmonic frequencies, on the same eigenvectors; "
        "negative means imaginary",
    ),
    "quasi_particle_own": Spec(
        "set", "1", "whether the frequency of its line was used; else the fitted one"
    ),
    "band_displacement_thz": Spec(
        "path branch",
        "THz",
        "frequencies on the path, of constants made from covariances of the motion",
        "Green's function, √D ⟨Q Q†⟩ √D = ⟨Q̇ Q̇†⟩ at each q; negative means imaginary",
    ),
    "band_gruneisen": Spec("path branch", "1", "Grüneisen parameters on the path", _GAMMA),
    "tick_distance": Spec("tick", "1/Å", "place of the named points on the path"),
    "tick_label": Spec("tick", "", "names of the points"),
    "map_distance": Spec("map_point", "1/Å", "place of the commensurate points on the path"),
    "map_q": Spec(
        "map_point reciprocal",
        "1",
        "q of the commensurate points on the path",
        "reduced, no 2π; that of the run, or one that symmetry makes equal to it",
    ),
    "map_power": Spec(
        "map_point map_freq_thz",
        "eV/THz",
        "spectral kinetic energy along the path",
        f"sum over branches; {_ONE_SIDED}⟨K⟩",
    ),
    "map_branch_power": Spec(
        "map_point branch map_freq_thz",
        "eV/THz",
        "spectral kinetic energy of each branch along the path",
        f"with eigenvectors; {_OF_ONE_MODE}; {_ONE_SIDED}⟨K⟩",
    ),
    "map_site_power": Spec(
        "map_point site xyz map_freq_thz",
        "eV/THz",
        "spectral kinetic energy of each site and direction along the path",
        f"without eigenvectors, at the very q of map_q; {_ONE_SIDED}½M⟨|v|²⟩",
    ),
    "map_freq_thz": Spec("map_freq_thz", "THz", "frequency of the map"),
}

_SETS = {
    "set": Spec("set", "1", "label of the set", "star of q and degenerate branches, from 0"),
    "set_q": Spec("set reciprocal", "1", "one q of the star", "reduced, no 2π"),
    "set_point": Spec("set", "", "name of the special point in the star; empty elsewhere"),
    "star_size": Spec("set", "1", "q points of the full grid in the star"),
    "degeneracy": Spec("set", "1", "branches of the set at one q"),
    "branch_first": Spec("set", "1", "lowest branch of the set", "from 1"),
    "branch_last": Spec("set", "1", "highest branch of the set", "from 1"),
    "members": Spec("set", "1", "real degrees of freedom pooled"),
    "freq_harmonic_thz": Spec("set", "THz", "frequency of the fitted constants", _IMAGINARY),
    "freq_displacement_thz": Spec(
        "set", "THz", "frequency from displacements", "ω² = k_BT/⟨|Q|²⟩, T of the whole run"
    ),
    "freq_ratio_thz": Spec(
        "set", "THz", "frequency free of the temperature", "ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩"
    ),
    "freq_spectrum_thz": Spec(
        "set",
        "THz",
        "frequency of the spectral line",
        "ω0/2π of a damped oscillator; told of lines too narrow for a width, too",
    ),
}

_ENERGIES = {
    "mode_temperature": Spec("set", "K", "mode temperature", "2⟨K⟩/k_B"),
    "kinetic_mev": Spec("set", "meV", "kinetic energy of one mode", "½⟨|Q̇|²⟩"),
    "potential_mev": Spec(
        "set", "meV", "harmonic potential energy of one mode", "½ω²⟨|Q|²⟩; nan where ω² < 0"
    ),
    "virial_mev": Spec("set", "meV", "true potential energy of one mode", "−½⟨Re Q*𝓕⟩"),
    "anharmonicity": Spec("set", "1", "anharmonicity", "W/U − 1; nan where ω² < 0"),
    "heat_capacity_kb": Spec(
        "set",
        "k_B",
        "heat capacity of one mode",
        "from the fluctuations of K + U; 1 for a harmonic mode; nan where ω² < 0",
    ),
    "mode_kinetic_mev": Spec(
        "qpoint branch", "meV", "kinetic energy of the mode itself", _ITSELF
    ),
    "mode_potential_mev": Spec(
        "qpoint branch", "meV", "harmonic potential energy of the mode itself", _ITSELF
    ),
    "mode_virial_mev": Spec(
        "qpoint branch", "meV", "true potential energy of the mode itself", _ITSELF
    ),
    "travelling_forward_mev": Spec(
        "qpoint branch", "meV", "energy of the wave along +q", _TRAVELLING
    ),
    "travelling_backward_mev": Spec(
        "qpoint branch", "meV", "energy of the wave along −q", _TRAVELLING
    ),
    "temperature": Spec("", "K", "kinetic temperature of the run", "centre of mass left out"),
    "equipartition_temperature": Spec(
        "", "K", "temperature that the modes have in common", "mean with inverse variances"
    ),
    "equipartition_probability": Spec(
        "set", "1", "chance of such a deviation where energy is shared equally", "two-sided"
    ),
    "equipartition_z": Spec(
        "set", "1", "deviation of the mode temperature from the common one", "in its errors"
    ),
    "equipartition_chi2": Spec("", "1", "χ² of the mode temperatures", "Σ z²"),
    "equipartition_freedom": Spec("", "1", "degrees of freedom of this χ²"),
    "equipartition_p": Spec("", "1", "chance of a χ² as large where energy is shared equally"),
    "equipartition_text": Spec("", "", "whether energy is shared equally, in one sentence"),
    "thermostat": Spec("", "", "NVE, thermostatted, isokinetic, or cannot be told"),
    "thermostat_text": Spec("", "", "the verdict on the thermostat and what it means"),
    "energy_fluctuation": Spec(
        "",
        "1",
        "covariance of the kinetic and the whole energy of the run over the canonical one",
        "cov(K, K + U)/½d(k_BT)²: 0 at constant energy, 1 with a thermostat; the verdict is "
        "made from it",
    ),
    "energy_drift_k_per_ps": Spec(
        "", "K/ps", "drift of the energy of the modes", "slope of (K + U)/(d k_B), U harmonic"
    ),
    "kinetic_fluctuation": Spec(
        "",
        "1",
        "variance of the kinetic energy of the run over the canonical one",
        "½ at constant energy, 1 with a thermostat, 0 where velocities are rescaled",
    ),
    "energy_correlation": Spec(
        "set set_2",
        "1",
        "correlation of the energies of modes at one time",
        "mean over pairs of modes, one of each set",
    ),
    "energy_covariance_mev2": Spec(
        "qpoint branch qpoint_2 branch_2", "meV²", "covariance of the energies of single modes"
    ),
}

_LINES = {
    "linewidth_thz": Spec(
        "set", "THz", "linewidth", "full width at half maximum of the velocity spectrum, γ/2π"
    ),
    "lifetime_ps": Spec(
        "set", "ps", "energy lifetime, from the linewidth", "τ = 1/γ = 1/(2π·FWHM)"
    ),
    "line_kinetic_mev": Spec("set", "meV", "area under the fitted line"),
    "line_goodness": Spec("set", "1", "reduced Pearson χ² of the fit", "1 for a perfect model"),
    "line_asymmetry": Spec("set", "1", "asymmetry of the line", "1/q of Fano; 0: symmetric"),
    "line_baseline": Spec("set", "eV/THz", "constant below the line"),
    "partner_freq_thz": Spec("set", "THz", "frequency of a second, weaker line"),
    "partner_linewidth_thz": Spec(
        "set", "THz", "linewidth of a second, weaker line", "full width at half maximum"
    ),
    "partner_kinetic_mev": Spec("set", "meV", "area under a second, weaker line"),
    "line_resolution_thz": Spec(
        "set", "THz", "full width at half maximum that a line of no width would show"
    ),
    "line_segment_ps": Spec("set", "ps", "length of the segments whose spectrum was fitted"),
    "line_freq_thz": Spec("set line_bin", "THz", "frequencies around each line"),
    "line_power": Spec(
        "set line_bin",
        "eV/THz",
        "spectrum that the line was fitted to",
        f"{_ONE_SIDED}⟨K⟩ where it goes over all frequencies",
    ),
    "line_model": Spec(
        "set line_bin",
        "eV/THz",
        "fitted line",
        "window convolved in; nan outside the fit, and where not resolved",
    ),
    "resolved": Spec("set", "1", "whether the line was resolved"),
    "verdict": Spec("set", "", "on the line: resolved, or why not"),
    "advice": Spec("set", "", "what would resolve the line"),
}

_LIFETIMES = {
    "lifetime_energy_ps": Spec(
        "set", "ps", "energy lifetime, from the correlation of energies", "1/γ of e^(−γt)"
    ),
    "energy_misfit": Spec(
        "set",
        "1",
        "how far the correlation of energies strays from its decay",
        "mean square in error bars; above 1 by chance in one set of twenty; the error of the "
        "lifetime grows with its root",
    ),
    "energy_resolved": Spec("set", "1", "whether the decay of the correlation was resolved"),
    "energy_verdict": Spec("set", "", "on the correlation of energies: resolved, or why not"),
    "energy_advice": Spec("set", "", "what would resolve the correlation of energies"),
    "lifetime_disagreement": Spec(
        "set",
        "1",
        "difference of both lifetimes of the run over their combined error",
        "correlation of energies less line; errors added in squares, an upper bound, for both "
        "are from one run: beyond ±2 they disagree, and |z| is rather too small than too large",
    ),
    "acf_lag_ps": Spec("set lag", "ps", "lags of the correlation of energies"),
    "energy_acf": Spec(
        "set lag",
        "1",
        "correlation of the energy of a mode with itself",
        "⟨δE(0)δE(t)⟩/⟨δE²⟩ of the waves along ±q; bias of the finite run removed",
    ),
    "energy_acf_model": Spec("set lag", "1", "fitted decay", "nan outside the fit"),
    "gruneisen": Spec("set", "1", "Grüneisen parameter", _GAMMA),
    "gruneisen_classical": Spec("", "1", "mean Grüneisen parameter", "every mode counts alike"),
    "gruneisen_quantum": Spec(
        "", "1", "mean Grüneisen parameter", "weights are Bose–Einstein heat capacities"
    ),
    "gruneisen_temperature": Spec("", "K", "temperature of the quantum mean"),
    "gruneisen_mesh": Spec("reciprocal", "1", "points of the mesh of the means"),
    "linewidth_phi3_classical_thz": Spec(
        "set", "THz", "perturbative linewidth, occupation k_BT/ħω", _WIDTH
    ),
    "linewidth_phi3_quantum_thz": Spec(
        "set", "THz", "perturbative linewidth, Bose–Einstein occupation", _WIDTH
    ),
    "lifetime_phi3_classical_ps": Spec(
        "set", "ps", "perturbative lifetime, occupation k_BT/ħω", "1/(2π·FWHM)"
    ),
    "lifetime_phi3_quantum_ps": Spec(
        "set", "ps", "perturbative lifetime, Bose–Einstein occupation", "1/(2π·FWHM)"
    ),
    "phi3_temperature": Spec("", "K", "temperature of the perturbative linewidths"),
    "phi3_ratio": Spec(
        "",
        "1",
        "mean linewidth of the run over the perturbative one",
        "classical; of the sets of widest prediction, as far as nine in ten are resolved; nan "
        "for fewer than five sets",
    ),
    "phi3_compared": Spec("", "1", "sets in this ratio"),
    "phi3_mesh": Spec("reciprocal", "1", "points of the mesh of the perturbative linewidths"),
}

_SPECTRA = {
    "freq_thz": Spec("freq_thz", "THz", "frequency of the spectra"),
    "power": Spec(
        "set freq_thz",
        "eV/THz",
        "velocity power spectrum of one mode",
        f"±f of the complex series pooled; {_ONE_SIDED}⟨K⟩",
    ),
    "averages": Spec("set", "1", "independent periodograms in the mean"),
    "segment_frames": Spec("", "1", "frames in one segment"),
    "interval_ps": Spec("", "ps", "time between the frames used for the spectra"),
    "vdos": Spec(
        "site xyz freq_thz",
        "eV/THz",
        "velocity power spectrum of one atom on each site",
        f"{_ONE_SIDED}½M⟨v²⟩; over ½k_BT it is the density of states",
    ),
    "entropy_freq_thz": Spec(
        "entropy_freq_thz", "THz", "frequency of the maximum-entropy spectra"
    ),
    "power_entropy": Spec(
        "set entropy_freq_thz",
        "eV/THz",
        "velocity power spectrum of one mode by maximum entropy (Burg)",
        f"{_ONE_SIDED}⟨K⟩; no error bars come with it",
    ),
    "entropy_order": Spec("", "1", "number of poles of the maximum-entropy spectra"),
}

_CONDUCTIVITY = {
    "kappa_classical_w_mk": Spec(
        "xyz xyz_2", "W/(m K)", "thermal conductivity", _KAPPA + _CLASSICAL
    ),
    "kappa_quantum_w_mk": Spec(
        "xyz xyz_2", "W/(m K)", "thermal conductivity", _KAPPA + _QUANTUM
    ),
    "kappa_temperature": Spec("", "K", "temperature of the conductivity"),
    "kappa_mesh": Spec("reciprocal", "1", "points of the mesh of the conductivity"),
    "kappa_long_wave_share": Spec(
        "",
        "1",
        "share of the classical conductivity from waves too long for the box",
        "their linewidths are continued from the longest waves of the supercell",
    ),
    "kappa_filled_share": Spec(
        "",
        "1",
        "share of modes without a resolved lifetime in the classical conductivity",
        "theirs were filled in by a power law of the frequency",
    ),
    "kappa_freq_thz": Spec("kappa_freq_thz", "THz", "frequency of the conductivity"),
    "kappa_spectral_classical": Spec(
        "kappa_freq_thz",
        "W/(m K THz)",
        "thermal conductivity by frequency",
        f"the integral is the mean of the diagonal; {_CLASSICAL}",
    ),
    "kappa_spectral_quantum": Spec(
        "kappa_freq_thz",
        "W/(m K THz)",
        "thermal conductivity by frequency",
        f"the integral is the mean of the diagonal; {_QUANTUM}",
    ),
    "kappa_path": Spec("kappa_path", "Å", "mean free path"),
    "kappa_cumulative_classical_w_mk": Spec(
        "kappa_path",
        "W/(m K)",
        "thermal conductivity from all modes with shorter mean free paths",
        f"mean of the diagonal; {_CLASSICAL}",
    ),
    "kappa_cumulative_quantum_w_mk": Spec(
        "kappa_path",
        "W/(m K)",
        "thermal conductivity from all modes with shorter mean free paths",
        f"mean of the diagonal; {_QUANTUM}",
    ),
    "free_path": Spec("set", "Å", "mean free path of the set", "|v|τ; nan: not resolved"),
}

MODE_VARIABLES = _PLACES | _SETS | _ENERGIES | _LINES | _LIFETIMES | _SPECTRA | _CONDUCTIVITY
"""Variable → what it is."""
