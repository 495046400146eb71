"""Memory that is predicted is what the commands and fits of many parameters take."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trajmodes.pipeline.check.cost import _LIBRARIES_BYTES

LIBRARIES = _LIBRARIES_BYTES / 1e9
DEMO = Path(__file__).parents[2] / "trajmodes" / "pipeline" / "demo_run"
STATUS = Path("/proc/self/status")
# `ru_maxrss` of a child begins at the peak of the process that started it; VmHWM does not.
RUN = """
import sys
from trajmodes.cli import main
try:
    main(sys.argv[1:])
finally:
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            print("peak", line.split()[1], file=sys.stderr)
"""

FIT = """
import numpy as np
import trajmodes as tm
from ase import Atoms
from trajmodes.pipeline import fit

rng, plans = np.random.default_rng(0), []


def kept(function):
    return lambda *given: plans.append(function(*given)) or plans[-1]


fit.plan_of, fit.species_plan_of = kept(fit.plan_of), kept(fit.species_plan_of)
corners = np.indices((2, 2, 2)).reshape(3, -1).T / 2 + 0.03 * rng.normal(size=(8, 3))
crystal = Atoms("SPECIES", scaled_positions=corners, cell=5.2 * np.eye(3), pbc=True)
atoms = crystal.repeat(2)
options = OPTIONS
alloy = options.get("by_species", False)
if alloy:
    atoms.symbols[rng.permutation(len(atoms))[::2]] = "Ge"
u = 0.05 * rng.normal(size=(120, len(atoms), 3))
u -= u.mean(axis=1, keepdims=True)
forces = -3.0 * u + 0.01 * rng.normal(size=u.shape)
where = atoms.positions + u, atoms.cell.array, atoms.symbols
run = tm.from_arrays(*where, forces=forces, cell=crystal, imperfect=alloy)
run.fit(**options)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
promised = sum(plan.equation_bytes for plan in plans if plan is not None)
print(promised / 1e9, int(peak.split()[1]) * 1024 / 1e9)
"""


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("species", "options", "least"),
    [
        ("SiCSiCSiCSiC", "{'cutoff2': 3.4, 'cutoff3': 2.8}", 0.5),
        ("SiCSiCSiCSiC", "{'cutoff2': 5.0, 'minimum_norm': True}", 0.2),
        ("Si8", "{'cutoff2': 3.9, 'by_species': True}", 0.5),
    ],
)
def test_memory_of_normal_equations_is_predicted_within_a_quarter(species, options, least):
    script = FIT.replace("SPECIES", species).replace("OPTIONS", options)
    program = [sys.executable, "-c", script]
    outputs = [
        subprocess.run(program, capture_output=True, text=True, check=True).stdout
        for _ in ("with kernels that are compiled", "from the cache")
    ]
    promised, taken = map(float, outputs[-1].split()[-2:])
    assert promised > least
    assert 0.75 < (promised + LIBRARIES) / taken < 1.25


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
def test_memory_is_predicted_within_a_quarter(tmp_path):
    words = [str(DEMO / "zirconium.lammpstrj.xz"), "--cell", str(DEMO / "POSCAR")]
    program = [sys.executable, "-c", RUN]
    check = subprocess.run(
        [*program, "check", "--verbose", *words], capture_output=True, text=True, check=True
    )
    ratios = {}
    constants = ["--force-constants", str(tmp_path / "fit")]
    steps = {"run": ("run", []), "fit": ("fit", []), "project": ("projection", constants)}
    # The first run of an installation compiles its kernels, which takes memory of its own.
    for command in ("run", *steps):
        step, more = steps[command]
        out = ["-o", str(tmp_path / command)]
        done = subprocess.run(
            [*program, command, *words, *more, *out], capture_output=True, text=True, check=True
        )
        promised = float(re.search(rf"memory of a {step} +([\d.]+)", check.stdout)[1])
        ratios[command] = (
            promised * 1e9 / (int(re.search(r"peak (\d+)", done.stderr)[1]) * 1024)
        )
    assert all(0.75 < ratio < 1.25 for ratio in ratios.values()), ratios
    assert re.search(r"time of a run +\d", check.stdout)
