"""The whole job on the command line: time, and memory against the length of the run.

``TRAJMODES_BENCH_DUMP`` may name a larger dump of silicon (units metal, conventional lattice
constant 5.431 Å, time step 1 fs); else the run of the examples is taken.
"""

import os
from pathlib import Path

import pytest

from bench.measuring import measured
from trajmodes.api.runs import open_run

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore")]

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
DIAMOND = (
    "0 0 0\n0 .5 .5\n.5 0 .5\n.5 .5 0\n.25 .25 .25\n.25 .75 .75\n.75 .25 .75\n.75 .75 .25\n"
)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    given = os.environ.get("TRAJMODES_BENCH_DUMP")
    if not given:
        return [
            str(EXAMPLES / "silicon.lammpstrj.xz"),
            "--cell",
            str(EXAMPLES / "silicon.POSCAR"),
        ]
    cell = tmp_path_factory.mktemp("cell") / "POSCAR"
    box = "5.431 0 0\n0 5.431 0\n0 0 5.431\n"
    cell.write_text(f"silicon\n1.0\n{box}Si\n8\nDirect\n{DIAMOND}")
    return [given, "--cell", str(cell), "--units", "metal", "--timestep-fs", "1"]


@pytest.fixture(scope="module")
def whole(words, tmp_path_factory) -> tuple[float, float]:
    """Seconds and peak memory of the whole run with warm caches."""
    command = ["run", *words, "-o", str(tmp_path_factory.mktemp("whole"))]
    measured(command)
    return measured(command)


def test_whole_run(words, whole, tmp_path):
    n_frames = open_run(words[0], cell=words[2], units="metal", timestep_fs=1.0).n_frames
    seconds, peak = whole
    tenth = ["--frames", f":{n_frames // 10}"]
    _, less = measured(["run", *words, *tenth, "-o", str(tmp_path)])
    print(  # noqa: T201 - a bench prints
        f"\nwhole run, {n_frames} frames: {seconds:.1f} s, peak {peak:.0f} MB;"
        f" a tenth of the frames: peak {less:.0f} MB, ratio {peak / less:.3f}"
    )


def test_whole_run_beside_the_bare_projection_of_dynasor(words, whole, dynasors_seconds):
    """The time of dynasor for Q and P of all frames in memory, without spectra."""
    run = open_run(words[0], cell=words[2], units="metal", timestep_fs=1.0)
    ours, theirs = whole[0], dynasors_seconds(run) * run.n_frames
    print(  # noqa: T201 - a bench prints
        f"\nwhole run, {run.n_frames} frames: ours {ours:.1f} s with reading, fit, spectra,"
        f" lines, plots; dynasor, projection alone {theirs:.1f} s, ratio {theirs / ours:.1f}"
    )
