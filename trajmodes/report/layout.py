"""The layout of a results file: every variable's dimensions, unit and meaning, on one page.

A variable ``x_sem`` is the standard error of ``x``, with the same dimensions and unit. Units
follow the rule of the whole package: a bare name is in eV, Å, ps, K; another unit stands in
the name.
"""

from typing import NamedTuple

__all__ = ["DIMENSIONS", "FORMAT", "FORMAT_VERSION", "VARIABLES", "Spec", "spec_of"]

FORMAT = "trajmodes results"
FORMAT_VERSION = 1
"""Rises when a variable changes its meaning or goes; new ones may come at any time."""


class Spec(NamedTuple):
    """What a variable is."""

    dims: str
    """Names of the dimensions, separated by blanks."""
    units: str
    """Unit; 1 for pure numbers, empty for text."""
    long_name: str
    convention: str = ""
    """Definition, sign or normalisation where it could be mistaken."""


DIMENSIONS = {
    "vector": "lattice vectors a, b, c",
    "vector_2": "lattice vectors a, b, c of the primitive cell",
    "reciprocal": "reciprocal lattice vectors",
    "xyz": "Cartesian directions",
    "xyz_2": "Cartesian directions of the second atom",
    "xyz_3": "Cartesian directions of the third atom",
    "xyz_4": "Cartesian directions of the fourth atom",
    "reim": "real and imaginary part",
    "site": "sites of the primitive cell",
    "pair": "pairs of atoms, first one in the home cell",
    "block": "delete-one-block estimates (jackknife)",
    "shell": "shells of neighbours",
    "triplet": "triplets of atoms in every order of members, first one in the home cell",
    "triplet_member": "atoms of a triplet",
    "triplet_side": "distances within a triplet",
    "triplet_shell": "triplets of the same species and distances",
    "quartet": "quartets of atoms in every order of members, first one in the home cell",
    "quartet_member": "atoms of a quartet",
    "quartet_side": "distances within a quartet",
    "quartet_shell": "quartets of the same species and distances",
    "order": "orders of force constants: 2 for pairs, 3 for triplets, 4 for quartets",
    "constraint": "relations imposed beside those of translations",
    "run_part": "growing parts of the run",
    "qpoint": "commensurate q points, one of each ±q",
    "branch": "branches in ascending frequency, from 1",
    "set": "sets of symmetry-equal modes",
    "freq_thz": "frequency grid of the spectra",
    "path": "points along the band path",
    "tick": "named points of the band path",
    "map_point": "commensurate q points on the band path",
    "map_freq_thz": "frequency grid of the map",
    "check": "figures of the input check",
    "input": "files that were read",
    "warning": "warnings",
    "note": "notes",
}
"""Dimension → what it counts."""

_IMAGINARY = "ω/2π; negative means imaginary, −√|ω²|"
_GAMMA = "−(V/ω) ∂ω/∂V; nan where ω² is not positive, and for acoustic modes at Γ"
_WIDTH = "full width at half maximum; three phonons, lowest order in the cubic constants"
_STATE = "what was found in the input"


def _cluster_specs(order: int, name: str, directions: str, units: str) -> dict[str, Spec]:
    """Constants of three or four atoms, and their shells."""
    shell = f"{name}_shell"
    sign = "Φ = ∂" + "²³⁴"[order - 2] + "U/" + "∂u" * order
    return {
        f"fc{order}_sites": Spec(f"{name} {name}_member", "1", "sites of the atoms", "from 0"),
        f"fc{order}_lattice": Spec(
            f"{name} {name}_member vector",
            "1",
            "lattice vectors of the atoms' cells",
            "zero for the first",
        ),
        f"force_constants{order}": Spec(
            f"{name} {directions}",
            units,
            f"force constants of {name}s",
            f"{sign}, every order of the members listed; replicates are in force_constants.h5",
        ),
        f"cutoff{order}": Spec("", "Å", f"largest distance between two members of {name}s"),
        f"{shell}_species": Spec(shell, "", f"species of the {name}s"),
        f"{shell}_distances": Spec(
            f"{shell} {name}_side",
            "Å",
            "distances between the members",
            "ascending; zero where a member repeats",
        ),
        f"{shell}_longest": Spec(shell, "Å", "largest distance between two members"),
        f"{shell}_perimeter": Spec(shell, "Å", "sum of the distances"),
        f"{shell}_multiplicity": Spec(
            shell, "1", f"{name}s of the shell in one primitive cell"
        ),
        f"{shell}_norm": Spec(shell, units, "rms Frobenius norm of the constants of the shell"),
    }


VARIABLES = {
    # the crystal
    "cell": Spec("vector xyz", "Å", "primitive cell", "rows are the lattice vectors"),
    "sites": Spec("site vector", "1", "reduced coordinates of the sites"),
    "species": Spec("site", "", "chemical symbols of the sites"),
    "mass_da": Spec("site", "Da", "masses of the sites"),
    "supercell_matrix": Spec(
        "vector vector_2",
        "1",
        "supercell",
        "rows are its vectors in primitive ones",
    ),
    # the fit
    "fc_first": Spec("pair", "1", "site of the first atom, in the home cell", "from 0"),
    "fc_second": Spec("pair", "1", "site of the second atom", "from 0"),
    "fc_lattice": Spec("pair vector", "1", "lattice vector of the second atom's cell"),
    "force_constants": Spec(
        "pair xyz xyz_2",
        "eV/Å²",
        "pair force constants",
        "Φ = ∂²U/∂u∂u, self terms listed, (i, j, R) and (j, i, −R) both listed",
    ),
    "fc_replicates": Spec(
        "block pair xyz xyz_2",
        "eV/Å²",
        "delete-one-block estimates of the pair force constants",
        "variance of any function g: (B − 1)/B Σ_b (g_b − ḡ)²",
    ),
    "fit_temperature": Spec("", "K", "temperature of the ensemble that was fitted to"),
    "cutoff": Spec("", "Å", "cutoff of the pairs", "absent: the whole supercell is used"),
    "n_parameters": Spec("", "1", "free parameters after symmetry and sum rules"),
    "rank": Spec("", "1", "numerical rank of the normal equations"),
    "condition": Spec("", "1", "condition number of the equilibrated normal matrix"),
    "n_frames": Spec("", "1", "frames fitted"),
    "r_squared": Spec(
        "", "1", "coefficient of determination of the forces", "1 − Σ|f − f_fit|²/Σ|f|²"
    ),
    "rms_force": Spec("", "eV/Å", "root mean square force component"),
    "rms_residual": Spec("", "eV/Å", "root mean square residual force component"),
    "first_order": Spec("site xyz", "eV/Å", "mean force left on each site"),
    "fit_anharmonicity": Spec(
        "", "1", "force that pair constants leave", "rms, in units of the rms force"
    ),
    "fit_scheme": Spec(
        "", "", "sequential (each order to what the lower ones leave) or joint (all at once)"
    ),
    "fit_constraint": Spec("constraint", "", "relations imposed beside those of translations"),
    "scheme_freq_distance_thz": Spec(
        "", "THz", "rms difference of commensurate frequencies, joint and sequential fit"
    ),
    "order": Spec("order", "1", "order", "2 for pairs, 3 for triplets, 4 for quartets"),
    "order_cutoff": Spec("order", "", "cutoff in Å", "radii for pairs of species may follow"),
    "order_parameters": Spec("order", "1", "free parameters of this order"),
    "order_r_squared": Spec(
        "order", "1", "coefficient of determination by this and all lower orders"
    ),
    "order_rms_residual": Spec(
        "order", "eV/Å", "rms residual force component that this and all lower orders leave"
    ),
    "order_rms_predicted": Spec(
        "order",
        "eV/Å",
        "the same for blocks of time left out of the fit",
        "nan: too few blocks",
    ),
    "order_scheme_distance": Spec(
        "order", "1", "distance of the joint and the sequential fit", "|Φ' − Φ|/|Φ|"
    ),
    "error_method": Spec(
        "", "", "how error bars were made", "jackknife, or sandwich: the same to first order"
    ),
    "error_blocks": Spec("", "1", "blocks of time behind the error bars"),
    "error_block_frames": Spec("", "1", "frames in one block, on average"),
    "error_inefficiency": Spec("", "1", "frames per independent frame"),
    "error_levelled": Spec(
        "", "1", "whether the errors were seen to level off with the length of the blocks"
    ),
    "reference_shift": Spec(
        "site xyz", "Å", "mean displacement of each site, as far as symmetry allows it"
    ),
    "stability": Spec("", "", "stable, unstable or not decided"),
    "stability_text": Spec("", "", "the verdict and its reason"),
    "lowest_squared_thz": Spec(
        "", "THz²", "square of the frequency that decides on stability", "negative: unstable"
    ),
    "lowest_q": Spec("reciprocal", "1", "q of the mode that decides", "reduced, no 2π"),
    "lowest_branch": Spec("", "1", "branch of the mode that decides", "from 1"),
    "run_needed_text": Spec("", "", "how long a run must be for errors of the wanted size"),
    "run_wanted_thz": Spec("", "THz", "wanted standard error of the frequencies"),
    "run_duration": Spec("", "ps", "length of the run"),
    "run_worst_thz": Spec("", "THz", "largest standard error of a commensurate frequency"),
    "run_typical_thz": Spec("", "THz", "median standard error of the frequencies"),
    "run_worst_factor": Spec("", "1", "runs of this length until the last mode is known so"),
    "run_typical_factor": Spec("", "1", "runs of this length until half of the modes are"),
    "shell_distance": Spec("shell", "Å", "distance of the neighbours"),
    "shell_species": Spec("shell", "", "species of the pair"),
    "shell_neighbours": Spec("shell", "1", "pairs in the shell, from all sites of the cell"),
    "shell_norm": Spec("shell", "eV/Å²", "rms Frobenius norm of the constants of the shell"),
    "shell_trace": Spec("shell", "eV/Å²", "mean trace of the constants of the shell"),
    "run_fraction": Spec("run_part", "1", "part of the run used for the fit"),
    "fit_change": Spec(
        "run_part", "1", "change of the parameters from the full run", "|x − x_full|/|x_full|"
    ),
    "fit_order_change": Spec(
        "run_part order",
        "1",
        "change of the constants from the full run",
        "|Φ − Φ_full|/|Φ_full|",
    ),
    "fit_freq_change_thz": Spec(
        "run_part", "THz", "rms change of the commensurate frequencies from the full run"
    ),
    # the modes
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
    # the bands
    "path_distance": Spec("path", "1/Å", "length of the band path", "2π included"),
    "path_segment": Spec("path", "1", "stretch of the path without a jump", "from 0"),
    "path_q": Spec("path reciprocal", "1", "q points of the band path", "reduced, no 2π"),
    "band_freq_thz": Spec("path branch", "THz", "harmonic frequencies on the path", _IMAGINARY),
    "band_gruneisen": Spec("path branch", "1", "Grüneisen parameters on the path", _GAMMA),
    "tick_distance": Spec("tick", "1/Å", "place of the named points on the path"),
    "tick_label": Spec("tick", "", "names of the points"),
    "map_distance": Spec("map_point", "1/Å", "place of the commensurate points on the path"),
    "map_power": Spec(
        "map_point map_freq_thz",
        "eV/THz",
        "spectral kinetic energy along the path",
        "sum over branches of one-sided spectra; the integral over f is ⟨K⟩",
    ),
    "map_freq_thz": Spec("map_freq_thz", "THz", "frequency of the map"),
    # the sets of symmetry-equal modes
    "set": Spec("set", "1", "label of the set", "star of q and degenerate branches, from 0"),
    "set_q": Spec("set reciprocal", "1", "one q of the star", "reduced, no 2π"),
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
        "set", "THz", "frequency of the spectral line", "ω0/2π of a damped oscillator"
    ),
    "linewidth_thz": Spec(
        "set", "THz", "linewidth", "full width at half maximum of the velocity spectrum, γ/2π"
    ),
    "lifetime_ps": Spec("set", "ps", "energy lifetime", "τ = 1/γ = 1/(2π·FWHM)"),
    "line_kinetic_mev": Spec("set", "meV", "area under the fitted line"),
    "line_goodness": Spec("set", "1", "reduced Pearson χ² of the fit", "1 for a perfect model"),
    "resolved": Spec("set", "1", "whether the line was resolved"),
    "verdict": Spec("set", "", "resolved, or why not"),
    "advice": Spec("set", "", "what would resolve the line"),
    "mode_temperature": Spec("set", "K", "mode temperature", "2⟨K⟩/k_B"),
    "kinetic_mev": Spec("set", "meV", "kinetic energy of one mode", "½⟨|Q̇|²⟩"),
    "potential_mev": Spec(
        "set", "meV", "harmonic potential energy of one mode", "½ω²⟨|Q|²⟩; nan where ω² < 0"
    ),
    "virial_mev": Spec("set", "meV", "true potential energy of one mode", "−½⟨Re Q*𝓕⟩"),
    "anharmonicity": Spec("set", "1", "anharmonicity", "W/U − 1"),
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
    "phi3_mesh": Spec("reciprocal", "1", "points of the mesh of the perturbative linewidths"),
    # the spectra
    "freq_thz": Spec("freq_thz", "THz", "frequency of the spectra"),
    "power": Spec(
        "set freq_thz",
        "eV/THz",
        "velocity power spectrum of one mode",
        "one-sided, ±f of the complex series pooled; the integral over f is ⟨K⟩",
    ),
    "power_model": Spec(
        "set freq_thz",
        "eV/THz",
        "fitted line",
        "window convolved in; nan outside the fit",
    ),
    "averages": Spec("set", "1", "independent periodograms in the mean"),
    "segment_frames": Spec("", "1", "frames in one segment"),
    "interval_ps": Spec("", "ps", "time between frames"),
    # the run
    "temperature": Spec("", "K", "kinetic temperature of the run", "centre of mass left out"),
    "check_value": Spec("check", "", "value of each figure", "nan where only the text tells"),
    "check_name": Spec("check", "", "name of each figure", _STATE),
    "check_unit": Spec("check", "", "unit of each figure"),
    "check_text": Spec("check", "", "meaning of each figure"),
    "input_name": Spec("input", "", "names of the files"),
    "input_bytes": Spec("input", "byte", "sizes of the files"),
    "input_sha256": Spec("input", "", "hashes of the files"),
    "warnings": Spec("warning", "", "warnings of the run"),
    "notes": Spec("note", "", "notes of the run"),
}
VARIABLES |= _cluster_specs(3, "triplet", "xyz xyz_2 xyz_3", "eV/Å³")
VARIABLES |= _cluster_specs(4, "quartet", "xyz xyz_2 xyz_3 xyz_4", "eV/Å⁴")
"""Variable → what it is."""


def spec_of(name: str) -> Spec:
    """Tell what a variable is; ``x_sem`` inherits from ``x``."""
    if name in VARIABLES:
        return VARIABLES[name]
    of = VARIABLES[name.removesuffix("_sem")]
    told = _SEM_CONVENTIONS.get(name, "")
    return of._replace(long_name=f"standard error: {of.long_name}", convention=told)


_SEM_CONVENTIONS = {
    "anharmonicity_sem": "upper bound: U and W are taken as independent, yet move together",
}
