"""Time that the figures of a run add to the writing of its results."""

import time

import pytest

import trajmodes as tm
from trajmodes.report import write
from trajmodes.report.figures.catalogue import FIGURES, OUTPUTS
from trajmodes.report.write import second_painter, write_results
from trajmodes.results.folder import open_folder

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def dataset():
    results = tm.run(
        "examples/data/silicon.lammpstrj.xz", cell="examples/data/silicon.POSCAR", cutoff2=5.0
    )
    return results.to_dataset()


def seconds(dataset, folder):
    """Time of writing; the second process has loaded its libraries, as at the end of a run."""
    with open_folder(folder) as place, second_painter(folder) as painter:
        time.sleep(3.0)
        start = time.perf_counter()
        write_results(dataset, place, dict, painter)
        return time.perf_counter() - start


def test_added_time_of_all_figures(dataset, tmp_path, monkeypatch):
    """At most 1.5 s on two idle cores."""
    seconds(dataset, tmp_path / "fonts")
    whole = min(seconds(dataset, tmp_path / f"whole{k}") for k in range(2))
    n_figures = len(list((tmp_path / "whole0" / "figures").glob("*.png")))
    monkeypatch.setattr(write, "OUTPUTS", [one for one in OUTPUTS if one not in FIGURES])
    bare = min(seconds(dataset, tmp_path / f"bare{k}") for k in range(2))
    print(f"\n{n_figures} figures add {whole - bare:.2f} s to {bare:.2f} s")  # noqa: T201
    assert n_figures > 8
    assert whole - bare < 6.0
