"""Table of `trajmodes free-energy`, and the arrays that are derived from the energies."""

from types import SimpleNamespace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.energies import FreeEnergy
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table
from trajmodes.thermo.free_energy.harmonic import STATISTICS
from trajmodes.thermo.free_energy.terms import block_powers, verdict

_WIDEST, _BINS = 5.0, 50
"""Range of the distribution of energies in standard deviations, and its bins."""


def free_energy_roots(found: FreeEnergy) -> SimpleNamespace:
    """Arrays that are derived from the energies of the frames."""
    difference_t = found.energies.harmonic
    edges = np.linspace(-_WIDEST, _WIDEST, _BINS + 1)
    roots = SimpleNamespace(
        statistics=list(STATISTICS),
        orders=np.arange(1, 4),
        cumulants=np.arange(1, 5),
        bins=0.5 * (edges[1:] + edges[:-1]),
        moments=block_powers(difference_t),
        density=_density(difference_t, edges),
        rms=difference_t.std(),
        rest_moments=None,
        rest_density=None,
        rest_rms=None,
        verdict=verdict(found),
    )
    if found.energies.higher is not None:
        rest_t = difference_t - found.energies.higher
        roots.rest_moments = block_powers(rest_t)
        roots.rest_density = _density(rest_t, edges)
        roots.rest_rms = rest_t.std()
    return roots


def _density(difference_t: Floats, edges: Floats) -> Floats:
    """Distribution in units of the standard deviation; zero if all values are the same."""
    spread = max(float(difference_t.std()), np.finfo(float).tiny)
    counts, _ = np.histogram((difference_t - difference_t.mean()) / spread, edges)
    density: Floats = counts / (len(difference_t) * (edges[1] - edges[0]))
    return density


def free_energy_table(dataset: NamedArrays) -> Table:
    """One row for each order: F with each statistics, and the terms of this order."""
    order = dataset["expansion_order"].values
    columns, meanings = {"expansion_order": order}, {}
    parts: list[tuple[str, str, tuple[int, ...]]] = [
        (f"{name}_{word}", name, (s,))
        for name in ("run_free_energy", "run_free_energy_anharmonic")
        for s, word in enumerate(dataset["statistics"].values.tolist())
    ]
    parts += [
        (name, name, ())
        for name in (
            *("run_free_energy_term", "run_static_energy", "run_model_term", "run_rest_term"),
        )
    ]
    for column, name, place in parts:
        for suffix in ("", "_sem"):
            if name + suffix in dataset:
                values = dataset[name + suffix].values[place]
                columns[column + suffix] = values[: len(order)]
                meanings[column + suffix] = variable_of(name + suffix).text
    kelvin = float(dataset["free_energy_temperature"])
    return Table(f"Free energy of the run at {kelvin:.6g} K", columns, meanings)


FREE_ENERGY_TABLE = Output(
    "tables/free_energy.csv",
    "free energy of the run by order, and its terms",
    ("expansion_order",),
    free_energy_table,
)
