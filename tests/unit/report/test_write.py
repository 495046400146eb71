import resource
import subprocess
import sys
from dataclasses import replace

import pytest

from trajmodes.errors import StorageError
from trajmodes.report.write import RESULT_FILES, write_results
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
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_folder(tmp_path) as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
        try:
            with pytest.raises(StorageError, match=r"could not be written"):
                write_results(to_dataset(results), folder, dict)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_the_names_of_all_files_are_known_before_the_run(full_results, tmp_path):
    with open_folder(tmp_path) as folder:
        written = write_results(to_dataset(full_results), folder, dict)
    assert sorted(written) == sorted(RESULT_FILES)


def test_no_two_files_are_the_same(full_results, tmp_path):
    with open_folder(tmp_path) as folder:
        written = write_results(to_dataset(full_results), folder, dict)
    contents = [(tmp_path / name).read_bytes() for name in written]
    assert len(set(contents)) == len(contents)


def test_matplotlib_is_loaded_for_figures_alone():
    program = (
        "import sys; from trajmodes.report.write import RESULT_FILES; "
        "assert 'figures/bands.png' in RESULT_FILES; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
