"""What the projection gave, in a few lines: temperature, equipartition, lifetimes, κ."""

from itertools import pairwise

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import DISAGREE
from trajmodes.report.text.numbers import mesh_of, plus_minus, point_label

_NAMED_SETS = 5
_ASTRAY_BY_CHANCE = 0.2
"""Share of sets whose misfit is above 1; one in twenty is chance."""
_AT = 1e-5
"""Distance in 1/Å along the path within which two points are one."""
_ALIKE = 1e-6
_DIRECTIONS = 2.0
"""Errors that the conductivities along x, y, z must be apart to be told one by one."""


def equipartition_line(dataset: NamedArrays) -> str:
    """Tell whether energy is shared equally; bad news in capitals.

    Parameters
    ----------
    dataset
        Results.
    """
    if "equipartition_text" not in dataset:
        return ""
    told = str(dataset["equipartition_text"].item()).removeprefix("equipartition ")
    word, _, rest = told.partition(" ")
    if word == "holds":
        return told
    off = dataset["equipartition_z"].values
    farthest = int(np.nanargmax(np.abs(off)))
    return (
        f"{word.upper()} {rest}; farthest is set {farthest}, {off[farthest]:+.1f} error bars; "
        "see figures/energies.png"
    )


def thermostat_line(dataset: NamedArrays) -> str:
    """Tell whether the run was made at constant energy; bad news in capitals.

    Parameters
    ----------
    dataset
        Results.
    """
    if "thermostat" not in dataset:
        return ""
    verdict = str(dataset["thermostat"].item())
    told = verdict if verdict == "NVE" else verdict.upper()
    return f"{told}: {dataset['thermostat_text'].item()}"


def lifetimes_line(dataset: NamedArrays) -> str:
    """Tell how many sets each way resolved, and whether both ways agree.

    Parameters
    ----------
    dataset
        Results.
    """
    if "resolved" not in dataset:
        return ""
    lines, n_sets = int(dataset["resolved"].values.sum()), dataset.sizes["set"]
    told = f"of {n_sets} sets, {lines} resolved by their lines"
    if "energy_resolved" not in dataset:
        return told
    by_energy = int(dataset["energy_resolved"].values.sum())
    told += f", {by_energy} by the correlation of their energies"
    astray = int((dataset["energy_misfit"].values > 1.0).sum())
    if astray > _ASTRAY_BY_CHANCE * by_energy:
        told += f" ({astray} of them decay at more than one rate: larger errors)"
    apart = np.abs(dataset["lifetime_disagreement"].values)
    both, sets = int(np.isfinite(apart).sum()), np.flatnonzero(apart > DISAGREE)
    if not both:
        return f"{told}; none by both"
    told += f"; both agree within {DISAGREE:g} errors in {both - len(sets)} of {both}"
    if not len(sets):
        return told
    named = ", ".join(str(g) for g in sets[:_NAMED_SETS])
    more = f" and {len(sets) - _NAMED_SETS} more" if len(sets) > _NAMED_SETS else ""
    word = "set" if len(sets) == 1 else "sets"
    return f"{told}, but DISAGREE in {word} {named}{more}"


def conductivity_line(dataset: NamedArrays) -> str:
    """Tell the thermal conductivity with its error.

    Parameters
    ----------
    dataset
        Results.
    """
    if "kappa_classical_w_mk" not in dataset:
        return ""
    parts = []
    for kind in ("classical", "quantum"):
        value, sem = (
            np.diag(dataset[f"kappa_{kind}_w_mk{end}"].values) for end in ("", "_sem")
        )
        if np.ptp(value) > _DIRECTIONS * sem.max():
            along = zip("xyz", value, sem, strict=True)
            told = ", ".join(f"{x} {plus_minus(float(k), float(s))}" for x, k, s in along)
        else:
            told = plus_minus(float(value.mean()), float(sem.mean()))
            told += "" if np.ptp(value) < _ALIKE * value.max() else " (mean of x, y, z)"
        parts.append(f"{told} {kind}")
    share, beyond = (
        100.0 * float(dataset[f"kappa_{what}_share"]) for what in ("filled", "long_wave")
    )
    return (
        f"κ = {'; '.join(parts)}, in W/(m K), at {float(dataset['kappa_temperature']):.4g} K, "
        f"mesh {mesh_of(dataset['kappa_mesh'].values)}; {share:.2g} % of the classical one "
        f"from lifetimes filled in, {beyond:.2g} % continued to waves that the box does not "
        "hold"
    )


def legs_line(dataset: NamedArrays) -> str:
    """Tell the legs of the path where the run has no q, and the map is empty.

    Parameters
    ----------
    dataset
        Results.
    """
    if "map_distance" not in dataset or "tick_distance" not in dataset:
        return ""
    ticks: dict[float, list[str]] = {}
    for distance, label in zip(
        dataset["tick_distance"].values, dataset["tick_label"].values, strict=True
    ):
        # Where the path jumps, one name ends a leg and the other begins the next.
        ticks.setdefault(round(float(distance), 6), []).extend(str(label).split("|"))
    hits = dataset["map_distance"].values
    named = list(ticks.items())
    empty = [
        f"{point_label(names[-1])}–{point_label(others[0])}"
        for (start, names), (end, others) in pairwise(named)
        if not ((hits > start - _AT) & (hits < end + _AT)).any()
    ]
    return f"no q of the supercell on {', '.join(empty)}: the map is empty there" * bool(empty)
