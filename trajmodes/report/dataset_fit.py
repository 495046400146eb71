"""The fit as variables of the Dataset: constants of each order, quality, errors, verdicts."""

from typing import Any

import numpy as np

from trajmodes.data import (
    ClusterConstants,
    Convergence,
    FitErrors,
    FitQuality,
    ForceConstants,
    Reference,
    Results,
    RunLength,
    Shells,
    Stability,
)
from trajmodes.data.jackknife import jackknife_sem
from trajmodes.units import THZ

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
        **_errors(results.fit_errors),
        **_reference(results.reference),
        **_stability(results.stability),
        **_run_length(results.run_length),
    }
    if results.scheme_omega_distance is not None:
        values["scheme_freq_distance_thz"] = results.scheme_omega_distance / THZ
    for clusters in (constants.triplets, constants.quartets):
        if clusters is not None:
            values |= _clusters(clusters)
    for shells in results.shells:
        values |= _pair_shells(shells) if shells.order == 2 else _cluster_shells(shells)
    return values


def _pairs(constants: ForceConstants) -> Values:
    replicates = constants.replicates
    return {
        "fc_first": constants.first,
        "fc_second": constants.second,
        "fc_lattice": constants.lattice,
        "force_constants": constants.values,
        "force_constants_sem": None if replicates is None else jackknife_sem(replicates),
        "fc_replicates": replicates,
        "fit_temperature": constants.temperature,
        "cutoff": constants.cutoff,
    }


def _pair_shells(shells: Shells) -> Values:
    return {
        "shell_distance": shells.longest,
        "shell_species": np.array(shells.species, dtype=str),
        "shell_neighbours": shells.listed,
        "shell_norm": shells.norm,
        "shell_norm_sem": shells.norm_sem,
        "shell_trace": shells.trace,
        "shell_trace_sem": shells.trace_sem,
    }


def _clusters(constants: ClusterConstants) -> Values:
    order, replicates = constants.order, constants.replicates
    sem = None if replicates is None else jackknife_sem(replicates)
    return {
        f"fc{order}_sites": constants.sites,
        f"fc{order}_lattice": constants.lattice,
        f"force_constants{order}": constants.values,
        f"force_constants{order}_sem": sem,
        f"cutoff{order}": constants.cutoff,
    }


def _cluster_shells(shells: Shells) -> Values:
    name = {3: "triplet", 4: "quartet"}[shells.order]
    return {
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
        "fit_change": convergence.change[:, 0],
        "fit_freq_change_thz": (
            None if convergence.omega_change is None else convergence.omega_change / THZ
        ),
        "fit_order_change": convergence.change,
    }


def _errors(errors: FitErrors | None) -> Values:
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


def _stability(stability: Stability | None) -> Values:
    if stability is None:
        return {}
    sem = stability.squared_sem
    return {
        "stability": stability.verdict,
        "stability_text": stability.text,
        "lowest_squared_thz": stability.squared / THZ**2,
        "lowest_squared_thz_sem": None if sem is None else sem / THZ**2,
        "lowest_q": stability.qpoint,
        "lowest_branch": stability.branch + 1,
    }


def _run_length(needed: RunLength | None) -> Values:
    if needed is None:
        return {}
    return {
        "run_needed_text": needed.text,
        "run_wanted_thz": needed.wanted / THZ,
        "run_duration": needed.duration,
        "run_worst_thz": needed.worst / THZ,
        "run_typical_thz": needed.typical / THZ,
        "run_worst_factor": needed.worst_factor,
        "run_typical_factor": needed.typical_factor,
    }
