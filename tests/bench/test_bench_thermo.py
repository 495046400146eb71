"""Thermodynamics and group velocities of silicon beside phonopy, on the same meshes."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajmodes.api.force_constants import ForceConstants
from trajmodes.api.runs import open_run
from trajmodes.phonons.bands import group_velocities
from trajmodes.phonons.qpoints import mesh
from trajmodes.thermo.thermodynamics import thermodynamics

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
KELVIN = np.linspace(0.0, 1500.0, 100)


def say(text: str) -> None:
    print(f"\n{text}")  # noqa: T201 - a bench prints


def seconds(work: Callable[[], object]) -> float:
    """Shortest of three times, after one that compiles and fills caches."""
    work()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture(scope="module")
def silicon() -> ForceConstants:
    """Constants of a fit, with 32 replicates as those of a long run have."""
    cell = EXAMPLES / "silicon.POSCAR"
    found = open_run(EXAMPLES / "silicon.lammpstrj.xz", cell=cell).fit(cutoff2=5.0)
    some = np.random.default_rng(1).integers(0, len(found.replicates), 32)
    return replace(found, replicates=found.replicates[some])


def test_density_and_functions_on_32_cubed(silicon):
    """The target is 3 s, and ten times that of one set of constants with error bars."""
    divisions = (32, 32, 32)
    plain = replace(silicon, replicates=None)
    phonon = silicon.to_phonopy()

    def theirs() -> None:
        phonon.run_mesh(divisions, is_gamma_center=True)
        phonon.run_total_dos(use_tetrahedron_method=True)
        phonon.run_thermal_properties(temperatures=KELVIN, cutoff_frequency=1e-3)

    ours = seconds(lambda: thermodynamics(plain, divisions, KELVIN))
    errors = seconds(lambda: thermodynamics(silicon, divisions, KELVIN))
    peer = seconds(theirs)
    say(
        f"density of states, functions and ⟨uu⟩, 32³, 100 temperatures: {ours:.2f} s; with"
        f" {len(silicon.replicates)} replicates {errors:.2f} s, ratio {errors / ours:.1f};"
        f" phonopy without ⟨uu⟩ {peer:.2f} s"
    )
    assert ours < 3.0
    assert errors < 10.0 * ours


def test_group_velocities_on_24_cubed(silicon):
    """The target is phonopy's speed."""
    qpoints, _ = mesh(silicon.crystal, (24, 24, 24))
    phonon = silicon.to_phonopy()
    ours = seconds(lambda: group_velocities(silicon, qpoints))

    def theirs() -> None:
        phonon.run_mesh((24, 24, 24), is_gamma_center=True, with_group_velocities=True)

    peer = seconds(theirs)
    say(
        f"group velocities at {len(qpoints)} points: {1e3 * ours:.0f} ms;"
        f" phonopy {1e3 * peer:.0f} ms, ratio {peer / ours:.1f}"
    )
    assert ours < 1.5 * peer


def test_free_energy_of_a_run():
    """The pass over the energies takes no longer than the fit of the same orders."""
    run = open_run(EXAMPLES / "silicon.lammpstrj.xz", cell=EXAMPLES / "silicon.POSCAR")
    energies = np.random.default_rng(1).standard_normal(run.n_frames)
    for options in ({"cutoff2": 5.0}, {"cutoff2": 5.0, "cutoff3": 4.0, "cutoff4": 3.0}):
        constants = run.fit(**options)
        fit = seconds(lambda options=options: run.fit(**options))
        ours = seconds(lambda own=constants: own.free_energy(run, energies, mesh=12))
        say(
            f"free energy of {run.n_frames} frames of {run.supercell.n_atoms} atoms, orders to "
            f"{len(options) + 1}: {ours:.2f} s; fit {fit:.2f} s, ratio {ours / fit:.2f}"
        )
        assert ours < 1.5 * fit
