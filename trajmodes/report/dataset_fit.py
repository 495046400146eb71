"""The fit as variables of the Dataset: constants of each order, quality, errors, verdicts."""

from typing import Any

import numpy as np

from trajmodes.data import ClusterConstants, Crystal, FitQuality, ForceConstants
from trajmodes.report.results import Convergence, Reference, Results
from trajmodes.report.shells import cluster_shells, jackknife_sem, pair_shells

__all__ = ["Values", "fit_values"]

Values = dict[str, Any]
"""Variable → its values; None where there is nothing."""


def fit_values(results: Results) -> Values:
    """Variables of the fit.

    Parameters
    ----------
    results
        What a run gave.
    """
    constants = results.constants
    values = {
        **_pairs(constants),
        **_quality(constants.quality),
        **_convergence(results.convergence),
        **_errors(results),
        **_reference(results.reference),
        **_verdicts(results),
        "scheme_freq_distance_thz": results.scheme_freq_distance_thz,
    }
    for name, clusters in (("triplet", constants.triplets), ("quartet", constants.quartets)):
        if clusters is not None:
            values |= _clusters(name, constants.crystal, clusters)
    return values


def _pairs(constants: ForceConstants) -> Values:
    replicates, shells = constants.replicates, pair_shells(constants)
    return {
        "fc_first": constants.first,
        "fc_second": constants.second,
        "fc_lattice": constants.lattice,
        "force_constants": constants.values,
        "force_constants_sem": None if replicates is None else jackknife_sem(replicates),
        "fc_replicates": replicates,
        "fit_temperature": constants.temperature,
        "cutoff": constants.cutoff,
        "shell_distance": shells.longest,
        "shell_species": np.array(shells.species, dtype=str),
        "shell_neighbours": shells.listed,
        "shell_norm": shells.norm,
        "shell_norm_sem": shells.norm_sem,
        "shell_trace": shells.trace,
        "shell_trace_sem": shells.trace_sem,
    }


def _clusters(name: str, crystal: Crystal, constants: ClusterConstants) -> Values:
    order, replicates = constants.order, constants.replicates
    sem = None if replicates is None else jackknife_sem(replicates)
    shells = cluster_shells(crystal, constants)
    return {
        f"fc{order}_sites": constants.sites,
        f"fc{order}_lattice": constants.lattice,
        f"force_constants{order}": constants.values,
        f"force_constants{order}_sem": sem,
        f"cutoff{order}": constants.cutoff,
        f"{name}_shell_species": np.array(shells.species, dtype=str),
        f"{name}_shell_distances": shells.distances,
        f"{name}_shell_longest": shells.longest,
        f"{name}_shell_perimeter": shells.perimeter,
        f"{name}_shell_multiplicity": shells.multiplicity,
        f"{name}_shell_norm": shells.norm,
        f"{name}_shell_norm_sem": shells.norm_sem,
    }


def _quality(quality: FitQuality | None) -> Values:
    if quality is None:
        return {}
    names = (
        *("n_parameters", "rank", "condition", "n_frames", "r_squared"),
        *("rms_force", "rms_residual", "first_order"),
    )
    values = {name: getattr(quality, name) for name in names}
    orders = quality.orders
    if not orders:
        return values
    return values | {
        "fit_anharmonicity": quality.anharmonicity,
        "fit_scheme": quality.scheme,
        "fit_constraint": np.array(quality.constraints, dtype=str),
        "order": np.array([one.order for one in orders]),
        "order_cutoff": np.array([one.cutoff for one in orders], dtype=str),
        "order_parameters": np.array([one.n_parameters for one in orders]),
        "order_r_squared": np.array([one.r_squared for one in orders]),
        "order_rms_residual": np.array([one.rms_residual for one in orders]),
        "order_rms_predicted": np.array([one.rms_predicted for one in orders]),
        "order_scheme_distance": np.array([one.scheme_distance for one in orders]),
    }


def _convergence(convergence: Convergence | None) -> Values:
    if convergence is None:
        return {}
    return {
        "run_fraction": convergence.fraction,
        "fit_change": convergence.change,
        "fit_freq_change_thz": convergence.freq_change_thz,
        "fit_order_change": convergence.order_change,
    }


def _errors(results: Results) -> Values:
    errors = results.fit_errors
    if errors is None:
        return {}
    return {
        "error_method": errors.method,
        "error_blocks": errors.n_blocks,
        "error_block_frames": errors.block_frames,
        "error_inefficiency": errors.inefficiency,
        "error_levelled": errors.levelled,
    }


def _reference(reference: Reference | None) -> Values:
    if reference is None:
        return {}
    return {"reference_shift": reference.shift, "reference_shift_sem": reference.shift_sem}


def _verdicts(results: Results) -> Values:
    stability, needed = results.stability, results.requirement
    values: Values = {}
    if stability is not None:
        values |= {
            "stability": stability.verdict,
            "stability_text": stability.text,
            "lowest_squared_thz": stability.square_thz,
            "lowest_squared_thz_sem": stability.square_thz_sem,
            "lowest_q": stability.qpoint,
            "lowest_branch": stability.branch + 1,
        }
    if needed is not None:
        values |= {
            "run_needed_text": needed.text,
            "run_wanted_thz": needed.wanted_thz,
            "run_duration": needed.duration,
            "run_worst_thz": needed.worst_thz,
            "run_typical_thz": needed.typical_thz,
            "run_worst_factor": needed.worst_factor,
            "run_typical_factor": needed.typical_factor,
        }
    return values
