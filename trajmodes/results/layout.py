"""The layout of a results file: every variable's dimensions, unit and meaning.

This page has the crystal and the fit; `layout_modes` has the modes.

A variable ``x_sem`` is the standard error of ``x``, with the same dimensions and unit. Units
follow the rule of the whole package: a bare name is in eV, Å, ps, K; another unit stands in
the name.
"""

from trajmodes.results.layout_modes import MODE_DIMENSIONS, MODE_VARIABLES
from trajmodes.results.spec import Spec

__all__ = ["DIMENSIONS", "FORMAT", "FORMAT_VERSION", "VARIABLES", "spec_of"]

FORMAT = "trajmodes results"
FORMAT_VERSION = 2
"""Rises when a variable changes its meaning or goes; new ones may come at any time."""


DIMENSIONS = {
    "vector": "lattice vectors a, b, c",
    "vector_2": "lattice vectors a, b, c of the primitive cell",
    "reciprocal": "reciprocal lattice vectors",
    "xyz": "Cartesian directions",
    "xyz_2": "Cartesian directions, second of two",
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
    **MODE_DIMENSIONS,
    "check": "figures of the input check",
    "input": "files that were read",
    "warning": "warnings",
    "note": "notes",
}
"""Dimension → what it counts."""

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
    # the run
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
VARIABLES |= MODE_VARIABLES
VARIABLES |= _cluster_specs(3, "triplet", "xyz xyz_2 xyz_3", "eV/Å³")
VARIABLES |= _cluster_specs(4, "quartet", "xyz xyz_2 xyz_3 xyz_4", "eV/Å⁴")
"""Variable → what it is."""


def spec_of(name: str) -> Spec:
    """Tell what a variable is; ``x_sem`` inherits from ``x``."""
    if name in VARIABLES:
        return VARIABLES[name]
    of = VARIABLES[name.removesuffix("_sem")]
    return of._replace(long_name=f"standard error: {of.long_name}", convention="")
