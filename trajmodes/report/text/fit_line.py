"""The line of a summary that says where the force constants come from."""

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import from_displacements, order_name

_CLUSTERS = {2: "pairs", 3: "triplets", 4: "quartets"}


def fit_in_one_line(dataset: NamedArrays) -> str:
    """State the size and quality of the fit."""
    if "covariance_frames" in dataset:
        return from_displacements(int(dataset["covariance_frames"]))
    if "r_squared" not in dataset:
        return "given force constants" if "force_constants" in dataset else ""
    free, rank = int(dataset["n_parameters"]), int(dataset["rank"])
    full = "full rank" if rank == free else f"RANK {rank} ONLY"
    # Only a fit to this run has the run's mean positions.
    other = "" if "reference_shift" in dataset else "given force constants, fitted earlier: "
    return (
        f"{other}{free} parameters ({full}), {_cutoffs(dataset)}, "
        f"{int(dataset['n_frames'])} frames; "
        f"R² = {float(dataset['r_squared']):.5f}{_other_measures(dataset)}, "
        f"rms residual {float(dataset['rms_residual']):.3g} eV/Å, "
        f"rms force {float(dataset['rms_force']):.3g} eV/Å without the net force"
    )


def _other_measures(dataset: NamedArrays) -> str:
    """R² of frames left out of the fit, and without the constant force, where there is one."""
    names = {
        "r_squared_predicted": "of frames left out of the fit",
        "r_squared_without_constant": "without the constant force Φ1",
    }
    known = {name: text for name, text in names.items() if name in dataset}
    parts = [f"{float(dataset[name]):.5f} {text}" for name, text in known.items()]
    return f" ({', '.join(parts)})" if parts else ""


def _cutoffs(dataset: NamedArrays) -> str:
    if "order_cutoff" in dataset:
        pairs = zip(dataset["order"].values, dataset["order_cutoff"].values, strict=True)
        cutoffs = {int(order): str(text) for order, text in pairs}
    else:
        names = {2: "cutoff", 3: "cutoff3", 4: "cutoff4"}
        given = {order: name for order, name in names.items() if name in dataset}
        cutoffs = {order: f"{float(dataset[name]):.4g}" for order, name in given.items()}
        cutoffs = {2: "supercell"} | cutoffs
    whole = {n: f"all {name} of the supercell" for n, name in _CLUSTERS.items()}
    texts = {n: whole[n] if text == "supercell" else f"{text} Å" for n, text in cutoffs.items()}
    if len(texts) > 1:
        named = (f"{text} ({order_name(order)})" for order, text in texts.items())
        return f"cutoffs {', '.join(named)}"
    (text,) = texts.values()
    return text if text.startswith("all ") else f"cutoff {text}"
