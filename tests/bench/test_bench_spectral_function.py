"""Self-energies and spectral functions of silicon: 8 q points, 400 frequencies, 12³ mesh."""

import time
from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.phonons.anharmonic.self_energy import self_energies
from trajmodes.phonons.anharmonic.spectral_function import spectral_functions

pytestmark = [pytest.mark.bench, pytest.mark.slow]

pytest.importorskip("phono3py")

DATA = Path(__file__).parents[2] / "examples" / "data"
POINTS = np.array(
    [[6, 0, 6], [6, 6, 6], [3, 0, 3], [3, 3, 3], [0, 0, 0], [1, 2, 5], [2, 0, 2], [4, 4, 8]]
)


@pytest.fixture(scope="module")
def silicon() -> tm.ForceConstants:
    run = tm.open(
        DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR", frames=(0, 800, 1)
    )
    return run.fit(cutoff2=5.0, cutoff3=3.9)


@pytest.mark.parametrize("errors", [False, True], ids=["without errors", "with errors"])
def test_eight_points_of_silicon_take_tens_of_seconds(silicon, errors):
    constants = tm.ForceConstants.of(silicon, supercell=silicon.supercell)
    if not errors:
        object.__setattr__(constants, "replicates", None)
    start = time.perf_counter()
    found = self_energies(constants, silicon.supercell, (12, 12, 12), 1140.0, POINTS / 12.0)
    middle = time.perf_counter()
    lines = spectral_functions(found, found.classical, None, remove_static=True)
    end = time.perf_counter()
    kind = "with" if errors else "without"
    print(  # noqa: T201 - a bench prints
        f"\nself-energies {kind} errors {middle - start:.1f} s, lines {end - middle:.1f} s"
    )
    assert np.isfinite(lines.width).sum() == 8 * 6 - 3
    assert end - start < 90.0
