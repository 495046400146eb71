import subprocess
import sys
import time
from dataclasses import replace

import pytest

from trajmodes.errors import StorageError
from trajmodes.report.figures.catalogue import FIGURES
from trajmodes.report.write import RESULT_FILES, second_painter, write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import Writer, open_folder


def text(content):
    return Writer("a text", lambda path: path.write_text(content))


def paths_of(folder):
    """All files but the hidden file list."""
    return [p for p in folder.rglob("*") if p.is_file() and p.name != ".trajmodes.files"]


def test_all_results_are_written(results, tmp_path):
    extra = {"log.txt": text("a log")}
    with open_folder(tmp_path / "deep" / "results") as folder:
        written = write_results(to_dataset(results), folder, lambda: extra)
    found = {str(p.relative_to(folder.path)) for p in paths_of(folder.path)}
    assert found == set(written)
    assert {"results.nc", "log.txt", "tables/modes.csv", "figures/bands.png"} <= found
    assert all(written.values())
    assert "lifetimes" in written["tables/modes.csv"]


def test_descriptions_of_files_mention_only_their_content(results, tmp_path):
    with open_folder(tmp_path) as folder:
        written = write_results(to_dataset(replace(results, projection=None)), folder, dict)
    assert written["tables/modes.csv"] == "sets of modes: frequencies"
    assert written["figures/bands.png"] == "bands with error band"


def test_a_full_disk_leaves_no_files(results, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_folder(tmp_path) as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
        try:
            with pytest.raises(StorageError, match=r"could not be written"):
                write_results(to_dataset(results), folder, dict)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_names_of_all_files_are_known_and_no_two_files_are_the_same(full_results, tmp_path):
    with open_folder(tmp_path) as folder:
        written = write_results(to_dataset(full_results), folder, dict)
    assert sorted(written) == sorted(RESULT_FILES)
    contents = [(tmp_path / name).read_bytes() for name in written]
    assert len(set(contents)) == len(contents)


def test_matplotlib_is_loaded_for_figures_alone():
    program = (
        "import sys; from trajmodes.report.write import RESULT_FILES; "
        "assert 'figures/bands.png' in RESULT_FILES; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


def alone(results, path):
    with open_folder(path) as folder:
        write_results(to_dataset(results), folder, dict)
    return pictures(path)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_the_first_process_can_draw_all_figures(results, tmp_path, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    with open_folder(tmp_path / "both") as folder, second_painter(tmp_path) as painter:
        write_results(to_dataset(results), folder, dict, painter)
    assert pictures(tmp_path / "both") == alone(results, tmp_path / "one")
