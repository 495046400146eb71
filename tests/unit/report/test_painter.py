"""Figures drawn by a second process are equal to those drawn by the first one."""

import sys
import time

import pytest

from trajmodes.report.figures.catalogue import FIGURES
from trajmodes.report.write import second_painter, write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import open_folder


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


def alone(results, path):
    with open_folder(path) as folder:
        write_results(to_dataset(results), folder, dict)
    return pictures(path)


def test_the_second_process_draws_the_same(results, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    dataset = to_dataset(results)
    names = [o.name.split("/")[1] for o in FIGURES if o.is_possible(dataset)]
    with open_folder(tmp_path / "both") as folder, second_painter(scratch) as painter:
        assert painter is not None
        outputs = painter.begin(dataset)
        end = time.monotonic() + 60.0
        while not (scratch / names[0]).exists() and time.monotonic() < end:
            time.sleep(0.05)
        drawn = pictures(scratch)
        for output in outputs:
            if output.name.endswith("bands.png"):
                output.make(dataset).write(folder.path / "bands.png")
    assert drawn == alone(results, tmp_path / "one")
    assert (tmp_path / "both" / "bands.png").read_bytes() == drawn["bands.png"]
    assert not (scratch / "bands.png").exists()


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_the_first_process_can_draw_all_figures(results, tmp_path, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    with open_folder(tmp_path / "both") as folder, second_painter(tmp_path) as painter:
        write_results(to_dataset(results), folder, dict, painter)
    assert pictures(tmp_path / "both") == alone(results, tmp_path / "one")
