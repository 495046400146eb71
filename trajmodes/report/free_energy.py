"""Lines and table of the summary on the free energy of a run."""

from collections.abc import Iterator, Mapping

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import compact, mesh_of
from trajmodes.report.text.fitted_table import FittedTable

_NAMES = ("first", "second", "third", "fourth")


def free_energy_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on the free energy of a run: verdict, parts, modes left out."""
    yield "Free energy", str(dataset["run_verdict"].item())
    kelvin, frames = (
        float(dataset["free_energy_temperature"]),
        int(dataset["free_energy_frames"]),
    )
    atoms = int(dataset["free_energy_atoms"])
    yield "Energies", f"{frames} frames of {atoms} atoms, at {kelvin:.4g} K"
    yield "U0", f"⟨U − U_h⟩ = {_of(dataset, 'run_free_energy_term', 0)} eV per atom"
    parts = (
        f"{_of(dataset, 'run_harmonic_free_energy', k)} ({name})"
        for k, name in enumerate(dataset["statistics"].values)
    )
    yield "F_h", f"{', '.join(parts)} eV per atom"
    own, whole = (
        dataset[f"run_{name}_free_energy"].values for name in ("commensurate", "harmonic")
    )
    classical, quantum = (f"{1e3 * shift:+.2g}" for shift in own - whole)
    yield (
        "Finite size",
        f"F_h is from a mesh of {mesh_of(dataset['run_mesh'].values)} points; the q points "
        f"of the supercell alone would change it by {classical} meV (classical) and {quantum} "
        "meV (quantum) per atom. U0 and its fluctuations are those of the supercell",
    )
    yield (
        "Left out",
        "the free energy of the centre of mass, of order k_BT ln N / N per atom; and quantum "
        "statistics beyond F_h, since the run is classical",
    )


def free_energy_by_order(dataset: NamedArrays) -> Group:
    """Tables of the free energy to each order, about second order and about all orders."""
    first = _table(
        dataset, {"term meV": "run_free_energy_term"}, "run_free_energy", "terms of U − U_h"
    )
    if "run_free_energy_anharmonic" not in dataset:
        return Group(*first)
    terms = {"Φ3, Φ4 meV": "run_model_term", "rest meV": "run_rest_term"}
    text = (
        "Φ3, Φ4: terms of U_3 + U_4 in the harmonic crystal, by sampling; rest: those of "
        "U − U_h − U_3 − U_4 in the run; integral: from the harmonic crystal to the run"
    )
    second = _table(dataset, terms, "run_free_energy_anharmonic", text)
    return Group(*first, Text(), *second)


def _table(
    dataset: NamedArrays, terms: Mapping[str, str], total: str, text: str
) -> tuple[Table, Text]:
    """Terms in meV and the free energy to each order, per atom."""
    table = FittedTable()
    table.add_column("order", no_wrap=True)
    for title in (*terms, "F classical eV", "F quantum eV"):
        table.add_column(title, justify="right", no_wrap=True)
    known = dataset["expansion_order"].values.size
    for k, name in enumerate(_NAMES):
        cells = [
            "" if k == 0 and one != "run_model_term" else _of(dataset, one, k, 1e3)
            for one in terms.values()
        ]
        cells += [_of(dataset, total, (s, k)) if k < known else "" for s in range(2)]
        table.add_row(*map(Text, (name, *cells)))
    if total == "run_free_energy_anharmonic":
        both = [_of(dataset, "run_free_energy_integrated", s) for s in range(2)]
        table.add_row(*map(Text, ("integral", *[""] * len(terms), *both)))
    return table, Text(f"per atom; {text}")


def _of(
    dataset: NamedArrays, name: str, place: int | tuple[int, int], scale: float = 1.0
) -> str:
    value = scale * float(dataset[name].values[place])
    known = dataset.get(f"{name}_sem")
    sem = np.nan if known is None else scale * float(known.values[place])
    if np.isfinite(sem) and sem > 1e-9 * scale:
        return compact(value, sem)
    return f"{value:.3f}" if scale > 1.0 else f"{value:.6f}"
