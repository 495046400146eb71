import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from trajmodes.data.bands import Bands
from trajmodes.data.results import SpectralEnergy
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.report import write
from trajmodes.report.figures.spectral_map import draw_bands
from trajmodes.report.figures.style import sheet
from trajmodes.report.summary import render
from trajmodes.report.text.mode_table import render_modes
from trajmodes.report.write import write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import open_folder
from trajmodes.results.netcdf import read_results
from trajmodes.results.outputs import BANDS


@pytest.fixture
def with_constants(full_results):
    return SpectralEnergy(
        supercell=full_results.supercell,
        bands=full_results.bands,
        map=full_results.projection.spectral_map,
        provenance=full_results.provenance,
        warnings=(Note("warning", "the path misses L"),),
    )


@pytest.fixture
def bare(with_constants):
    bands = with_constants.bands
    path = Bands(bands.path, np.empty((len(bands.path.distance), 0)), None)
    return replace(with_constants, bands=path, map=replace(with_constants.map, branches=None))


def test_files_of_a_map_are_read_back(with_constants, tmp_path):
    with open_folder(tmp_path / "sed") as folder:
        files = write_results(to_dataset(with_constants), folder, dict)
    assert set(files) == {
        *("results.nc", "tables/sed.csv", "tables/bands.csv"),
        *("figures/sed.png", "figures/sed_branches.png"),
    }
    assert all((tmp_path / "sed" / name).stat().st_size for name in files)
    assert files["figures/sed.png"].endswith(" with bands")
    assert read_results(tmp_path / "sed").identical(to_dataset(with_constants))


def test_branches_are_numbered_from_one_in_every_table(with_constants, full, tmp_path):
    with open_folder(tmp_path) as folder:
        write_results(to_dataset(with_constants), folder, dict)
    heads = [
        next(x for x in (tmp_path / "tables" / name).read_text().splitlines() if x[0] != "#")
        for name in ("bands.csv", "sed.csv")
    ]
    for head, name in zip(heads, ("band_freq_thz", "map_branch_power"), strict=True):
        numbers = [x.removeprefix(f"{name}_") for x in head.split(",") if x.startswith(name)]
        assert [x for x in numbers if x.isdigit()] == list("123456")
    # The same table as a whole run writes.
    names = [name for name in BANDS.make(full).columns if "gruneisen" not in name]
    assert heads[0].split(",") == names


def test_a_map_without_constants(bare, tmp_path):
    with open_folder(tmp_path) as folder:
        files = write_results(to_dataset(bare), folder, dict)
    assert set(files) == {"results.nc", "tables/sed.csv", "figures/sed.png"}
    dataset = read_results(tmp_path)
    assert "band_freq_thz" not in dataset
    assert "map_site_power" in dataset
    with sheet():
        axes = draw_bands(dataset).axes[0]
    (label,) = axes.get_legend().get_texts()
    assert label.get_text() == "q of the supercell"
    assert axes.get_ylim()[0] == 0.0


def test_a_table_that_is_too_large_is_named(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MOST_CELLS", 100)
    with open_folder(tmp_path) as folder:
        files = write_results(to_dataset(bare), folder, dict)
    assert "tables/sed.csv" not in files
    assert files["results.nc"].endswith("; tables/sed.csv not written: more than 100 cells")


def test_the_summary_of_a_map(with_constants, bare):
    texts = []
    for sed in (with_constants, bare):
        stream = io.StringIO()
        Console(file=stream, width=100).print(render(sed, files={"results.nc": "the map"}))
        texts.append(" ".join(stream.getvalue().split()))
    for text in texts:
        assert "points of the path (11 distinct q), up to 19.95 THz" in text
        assert "the path misses L" in text
        assert "results.nc: the map" in text
        assert " Fit " not in text
    assert ", by branch, by site" in texts[0]
    assert "by branch" not in texts[1]


def test_a_map_has_no_list_of_modes(with_constants):
    with pytest.raises(DataError, match="contain no projection"):
        render_modes(to_dataset(with_constants))
