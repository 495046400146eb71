"""Lines and table of the summary of Born–von Kármán constants, and lines of a potential."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import compact, counted
from trajmodes.report.text.fitted_table import FittedTable

_ROWS, _MODELS = 40, 4
"""Constants and models in the table of the summary."""


def shell_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on the constants of shells, if there are any."""
    if "potential_energy_ev" in dataset:
        yield "Potential", _state(dataset)
    if "bvk_shell" not in dataset.dims:
        return
    n_shells, n_constants = (dataset.sizes[f"bvk_{name}"] for name in ("shell", "constant"))
    yield "Shells", f"{counted(n_shells, 'shell')}, {counted(n_constants, 'constant')}"
    if "bvk_residual" in dataset:
        yield "Symmetry", _symmetry(dataset)
    if "bvk_measured" in dataset.dims:
        yield "Frequencies", _measured(dataset)


def shell_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Table of the constants of all models."""
    if "bvk_shell" not in dataset.dims:
        return []
    is_cubic = str(dataset["bvk_unit"].values) != "Å"
    table = FittedTable()
    table.add_column("bond", no_wrap=True)
    for name in ("Å", "neighbours", "constant"):
        table.add_column(name, justify="right", no_wrap=True)
    n_models = dataset.sizes["bvk_model"]
    shown = [k for k in range(n_models) if k == 0 or k > n_models - _MODELS]
    for k in shown:
        table.add_column(f"{dataset['bvk_model'].values[k]}\nN/m", justify="right")
    values, sem = dataset["bvk_value_n_per_m"].values, dataset.get("bvk_value_n_per_m_sem")
    shell = dataset["bvk_constant_shell"].values
    for n in range(min(len(shell), _ROWS)):
        h = int(shell[n]) - 1
        cells = ["", "", ""]
        if n == 0 or shell[n - 1] != shell[n]:
            cells = [
                _bond(dataset, h, is_cubic=is_cubic),
                f"{float(dataset['bvk_distance'].values[h]):.3f}",
                f"{float(dataset['bvk_neighbours'].values[h]):g}",
            ]
        cells.append(str(dataset["bvk_name"].values[n]))
        for k in shown:
            error = None if sem is None else float(sem.values[n, k])
            known = np.isfinite(values[n, k])
            cells.append(compact(float(values[n, k]) + 0.0, error) if known else "–")
        table.add_row(*map(Text, cells))
    caption = "K = −Φ; 1.23(5) means 1.23 ± 0.05"
    if is_cubic:
        caption += "; bonds in units of half the lattice parameter"
    if len(shell) > _ROWS or n_models > _MODELS:
        rows = f"{min(_ROWS, len(shell))} of {counted(len(shell), 'constant')}"
        columns = f"{len(shown)} of {counted(n_models, 'model')}"
        caption += f"; {rows} and {columns}, all: tables/constants.csv"
    return [Text(), Group(table, Text(caption))]


def _state(dataset: NamedArrays) -> str:
    energy = float(dataset["potential_energy_ev"].values) / dataset.sizes["site"]
    force = float(np.linalg.norm(dataset["potential_force"].values, axis=1).max())
    pressure = -np.trace(dataset["potential_stress_gpa"].values) / 3.0
    return (
        f"{energy:.6g} eV per atom, pressure {pressure:.3g} GPa, largest force {force:.2g} eV/Å"
    )


def _bond(dataset: NamedArrays, h: int, *, is_cubic: bool) -> str:
    digits = "g" if is_cubic else ".2f"
    bond = " ".join(f"{x:{digits}}" for x in dataset["bvk_bond"].values[h])
    return f"{dataset['bvk_species'].values[h]} ({bond})"


def _symmetry(dataset: NamedArrays) -> str:
    worst = 100.0 * float(dataset["bvk_residual"].values[:, 0].max())
    if worst < 1e-4:
        return "the force constants obey that of the crystal"
    return f"deviations of the force constants up to {worst:.2g} % of those of a shell"


def _measured(dataset: NamedArrays) -> str:
    measured, fitted = (dataset[f"bvk_{x}_freq_thz"].values for x in ("measured", "fitted"))
    rms = float(np.sqrt(np.mean((fitted - measured) ** 2)))
    text = f"{len(measured)} measured, root mean square deviation {rms:.3g} THz"
    if "bvk_reduced_chi2" in dataset:
        text += f", reduced χ² {float(dataset['bvk_reduced_chi2']):.2g}"
    return text
