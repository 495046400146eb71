"""The whole job on the command line: time, and memory against the length of the run."""

import pytest

from bench.measuring import measured
from trajmodes.api.runs import open_run

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore")]


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
