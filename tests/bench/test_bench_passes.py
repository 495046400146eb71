"""Both passes of `run`, on threads and on a cluster of as many processes.

Clusters need time to start, which is not counted: the times are those of the stages in run.log.
The frames are read once, and stay in memory between the passes.
"""

import re
import subprocess
import sys

import pytest

from trajmodes.machine import available_processors

pytestmark = [pytest.mark.bench]

STAGES = ("force constants", "projection")


@pytest.fixture
def passes(words, tmp_path):
    """Function: seconds of each pass on a scheduler, the best of two."""

    def seconds(scheduler):
        found = []
        for _ in range(2):
            folder = tmp_path / "out"
            command = [sys.executable, "-m", "trajmodes", "run", *words, "-o", str(folder)]
            command += ["--scheduler", scheduler]
            subprocess.run(command, check=True, capture_output=True)
            log = (folder / "run.log").read_text(encoding="utf-8")
            found.append([float(re.search(rf"{s}: ([\d.]+) s", log)[1]) for s in STAGES])
        return min(found, key=sum)

    return seconds


def test_passes_on_threads_and_on_a_cluster(passes):
    pytest.importorskip("distributed")
    n = available_processors()
    ours, cluster = passes("threads"), passes(f"local:{n}")
    for stage, here, there in zip(STAGES, ours, cluster, strict=True):
        print(  # noqa: T201 - a bench prints
            f"\n{stage}: {here:.2f} s on {n} threads, {there:.2f} s on a cluster of {n}"
            f" processes, ratio {here / there:.2f}"
        )
    print(f"both passes on threads: {sum(ours):.2f} s")  # noqa: T201
