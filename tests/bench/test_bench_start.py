"""Elapsed time of whole commands: start, passes, fits and files.

``TRAJMODES_BENCH_DUMP`` may name a dump of silicon and ``TRAJMODES_BENCH_GAN`` one of GaN, the
latter with its cell in ``TRAJMODES_BENCH_GAN_CELL`` and its constants in
``TRAJMODES_BENCH_GAN_CONSTANTS``; what is not named is left out.
"""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore")]

DATA = Path(__file__).parents[2] / "examples" / "data"
PASSES = ("first pass: force constants", "projection")
FITS = ("solve", "phonons", "lines and lifetimes", "bands and transport")


def timed(title: str, words: list[str], folder: Path, **environment: str) -> float:
    """Run a command, print its row, give its seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "trajmodes", *words],
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
    whole = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(after[:2]) - sum(before[:2])
    row = f"{title:<24} {whole:6.1f} s, {cpu:6.1f} s of processors"
    if (folder / "run.log").exists():
        stages = dict(re.findall(r"(\S[^\n]*?): ([\d.]+) s$", log(folder), flags=re.M))
        seconds = {name: float(value) for name, value in stages.items()}
        passes, fits = (sum(seconds.get(n, 0.0) for n in names) for names in (PASSES, FITS))
        # The log itself is one of the files: what it does not hold is their writing.
        opened = seconds.get("open and match", 0.0)
        stages_end = max(map(float, re.findall(r"^ *([\d.]+) ", log(folder), flags=re.M)))
        files = max(whole - loaded() - stages_end, 0.0)
        row += (
            f": start {loaded() + opened:.1f}, passes {passes:.1f}, fits {fits:.1f}, "
            f"files {files:.1f}"
        )
    print(row)  # noqa: T201 - a benchmark prints
    return whole


def log(folder: Path) -> str:
    return (folder / "run.log").read_text()


def loaded() -> float:
    """Seconds to load the modules of a run."""
    if "seconds" not in _LOADED:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import trajmodes.pipeline.run"], check=True)
        _LOADED["seconds"] = time.perf_counter() - start
    return _LOADED["seconds"]


_LOADED: dict[str, float] = {}


def test_demo_and_show(tmp_path):
    folder = tmp_path / "demo"
    words = ["demo", "-o", str(folder)]
    cold = timed("first demo", words, folder, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    warm = timed("demo", words, folder, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    timed("show", ["show", str(folder / "results.nc")], tmp_path)
    assert warm < cold


@pytest.mark.skipif("TRAJMODES_BENCH_DUMP" not in os.environ, reason="names no dump")
def test_run_of_silicon(tmp_path):
    dump, folder = os.environ["TRAJMODES_BENCH_DUMP"], tmp_path / "run"
    words = ["--cell", str(DATA / "silicon.POSCAR"), "--timestep-fs", "1", "-o", str(folder)]
    assert timed("run on silicon", ["run", dump, *words], folder) > 0.0


@pytest.mark.skipif("TRAJMODES_BENCH_GAN" not in os.environ, reason="names no dump")
def test_projection_of_gan(tmp_path):
    dump, folder = os.environ["TRAJMODES_BENCH_GAN"], tmp_path / "modes"
    cell, constants = (os.environ[f"TRAJMODES_BENCH_GAN_{k}"] for k in ("CELL", "CONSTANTS"))
    words = [
        "--cell",
        cell,
        "--force-constants",
        constants,
        "--timestep-fs",
        "0.5",
        "-o",
        str(folder),
    ]
    assert timed("project on GaN", ["project", dump, *words], folder) > 0.0
