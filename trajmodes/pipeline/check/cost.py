"""Prediction of the memory and time that a job needs."""

from collections.abc import Callable
from time import thread_time

import numpy as np
from threadpoolctl import threadpool_limits

from trajmodes.data.results import Finding
from trajmodes.fit.many_parameters.fit import (
    covariance_bytes,
    solution_operations,
)
from trajmodes.machine import available_processors
from trajmodes.pipeline.fit_choices import (
    Plan,
    SpeciesPlan,
)
from trajmodes.pipeline.job_folder import MOST_FOR_PHONOPY
from trajmodes.pipeline.load import LoadedRun
from trajmodes.readers.frames_in_memory import bytes_in_memory
from trajmodes.readers.text.source import bytes_kept
from trajmodes.symmetry.translations import half_space

_LIBRARIES_BYTES, _NOT_IN_FIT_BYTES = 0.47e9, 0.07e9
"""Memory of the libraries, and of those that `trajmodes fit` does not load."""
_COPIES = 2.3
"""Memory of the solution, relative to covariances."""
_SERIES_BYTES = 26e3
"""Memory of the projection for each amplitude: sums in blocks of time."""
_PHONOPY_BYTES = 24.5
"""Memory of phonopy for each atom and cell: permutations of the atoms by all translations."""
_PASSES, _PASSES_OF_KEPT = 3.4, 2.7
"""Time of both passes, relative to reading and displacing all frames: where each pass reads
them, and where they are kept in memory."""
_START_S = 3.7
_SIZE = 384
_REFERENCE_S = 1.7e-3
"""Time of the product of two matrices of this size on the computer of the measurements."""
_SOLUTION = 0.7
"""Time of the solution for many parameters, relative to products with as many operations."""


def cost_of(run: LoadedRun, plan: Plan, species: SpeciesPlan | None) -> dict[str, Finding]:
    """Predict memory and time of `trajmodes run`; time for force constants of second order.

    Memory is the sum of that of the libraries, of cached pieces of compressed files and
    objects, and of the largest of three steps: the solution (with covariances and normal
    equations in blocks of time), the projection, and phonopy's object. The first two steps also
    hold frames. `trajmodes fit` has the first step alone, and `trajmodes project` the second,
    both without frames. Time is the sum of that of reading, measured on one block of frames,
    and of the steps. The cost of the steps was measured on one computer (silicon, gallium
    nitride and gold, 8 to 46 656 atoms), and is scaled by the speed of a matrix product on this
    one. The time holds for a computer without other load.
    """
    supercell, space = run.supercell, half_space(run.supercell)
    expansion, many, n_blocks = plan.expansion, plan.many, plan.n_blocks
    n_parameters, n_pairs = expansion.n_parameters, len(expansion.bases[1].orbits.sites)
    workers = available_processors()
    equations = 0.0 if many else 8.0 * n_blocks * n_parameters**2
    fit = _COPIES * n_blocks * covariance_bytes(space) + plan.equation_bytes
    fit += 0.0 if species is None else species.equation_bytes
    series = space.n_qpoints * 3 * supercell.crystal.n_sites
    with_phonopy = supercell.n_atoms <= MOST_FOR_PHONOPY
    translations = float(supercell.n_atoms * supercell.n_cells) if with_phonopy else 0.0
    frames_bytes = bytes_in_memory(run.trajectory)
    projection = _SERIES_BYTES * series
    passes = frames_bytes + max(fit, equations + projection)
    whole = max(passes, _PHONOPY_BYTES * translations)
    always = _LIBRARIES_BYTES + bytes_kept(run.trajectory.paths)
    steps_bytes = {"run": whole, "fit": fit - _NOT_IN_FIT_BYTES, "projection": projection}
    found = {
        f"memory of a {name}": Finding(round((always + one) / 1e9, 2), "GB", "about")
        for name, one in steps_bytes.items()
    }
    if expansion.orders[-1] > 2 or plan.options.regularised:
        return found
    slower = _product_seconds() / _REFERENCE_S
    if many:
        products = solution_operations(expansion, space, n_blocks) / (2.0 * _SIZE**3)
        solution = _SOLUTION * _REFERENCE_S * products
    else:
        solution = n_blocks * (3.3e-9 * n_pairs**2 + 1.6e-10 * n_parameters**3)
    steps = (
        _START_S,
        2e-4 * supercell.n_atoms,
        solution,
        n_pairs * (8e-4 + 2.5e-7 * space.n_qpoints),
        1e-4 * series,
        4.6e-7 * translations + (1.5e-7 * supercell.n_atoms**2 if with_phonopy else 0.0),
    )
    n_passes = _PASSES_OF_KEPT if frames_bytes else _PASSES
    seconds = n_passes * _reading_seconds(run) / workers + slower * sum(steps)
    rounded = float(f"{seconds:.2g}")
    time = Finding(rounded, "s", f"about, with {workers} workers")
    return found | {"time of a run": time}


def _reading_seconds(run: LoadedRun) -> float:
    """Time to read and displace all frames with one thread, from one block."""
    start, stop = run.blocks[len(run.blocks) // 2]
    return run.n_frames / (stop - start) * _seconds(lambda: run.motion(start, stop), 3)


def _product_seconds() -> float:
    """Time of a matrix product with one thread."""
    one = np.ones((_SIZE, _SIZE))
    with threadpool_limits(1):
        return _seconds(lambda: one @ one, 9)


def _seconds(function: Callable[[], object], n_times: int) -> float:
    """Shortest of a few processor times, as on a computer without other load."""
    times = []
    for _ in range(n_times):
        begun = thread_time()
        function()
        times.append(thread_time() - begun)
    return min(times)
