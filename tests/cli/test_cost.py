"""Memory that `trajmodes check` predicts is what `trajmodes run` takes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
def test_memory_is_predicted_within_a_quarter(tmp_path):
    words = [str(DEMO / "zirconium.lammpstrj.xz"), "--cell", str(DEMO / "POSCAR")]
    program = [sys.executable, "-c", RUN]
    check = subprocess.run(
        [*program, "check", *words], capture_output=True, text=True, check=True
    )
    promised = float(re.search(r"memory of a run +([\d.]+)", check.stdout)[1])
    # The first run of an installation compiles its kernels, which takes memory of its own.
    for name in ("first", "second"):
        out = ["-o", str(tmp_path / name)]
        done = subprocess.run(
            [*program, "run", *words, *out], capture_output=True, text=True, check=True
        )
    taken = int(re.search(r"peak (\d+)", done.stderr)[1]) * 1024 / 1e9
    assert 0.75 < promised / taken < 1.25
    assert re.search(r"time of a run +\d", check.stdout)
