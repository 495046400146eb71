"""The page of `trajmodes report`: what it shows is what the results hold."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from trajmodes.errors import DataError, UsageError
from trajmodes.report.html.charts import charts_of, plain
from trajmodes.report.html.comparison import compare
from trajmodes.report.html.page import MOST_BYTES, Source, page_of
from trajmodes.report.html.write import FILE, write_report
from trajmodes.report.text.of_run import verdict_of
from trajmodes.report.write import write_folder, write_results
from trajmodes.results.folder import open_folder, write_files

PLOTLY = "79542150855a52c5"
"""First digits of the hash of the bundle of plotly.js 4.1.1 for Cartesian charts."""

_ABSENT = ("map_", "line_power", "line_model", "line_freq", "energy_acf")


class Elements(HTMLParser):
    """Start tags with their attributes, and all text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(full):
    return page_of([Source("silicon", full, None)])


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_charts_hold_the_numbers_of_the_results(page, full):
    (run,) = data_of(page)
    for name, variable, factor in (("lines", "line_power", 1e3), ("decays", "energy_acf", 1.0)):
        key = {"lines": "power", "decays": "acf"}[name]
        found = np.array(run[name][key], dtype=float)
        np.testing.assert_allclose(found, factor * full[variable].values, rtol=1e-3)
    freq = np.array(run["modes"]["freq"], dtype=float)
    np.testing.assert_allclose(freq, full["freq_harmonic_thz"].values, rtol=1e-4)
    bands = np.array(run["bands"]["freq"], dtype=float)
    known = bands[:, np.isfinite(bands[0])]
    np.testing.assert_allclose(known, full["band_freq_thz"].values.T, rtol=1e-4, atol=1e-4)


def test_each_mode_lies_on_the_path_where_its_spectrum_has_its_power(full):
    """Independent of symmetry: the map has power at the frequency of the mode at these q."""
    charts = charts_of(full)
    place = plain(full["map_distance"].values, 7)
    power = full["map_power"].values
    freq = full["map_freq_thz"].values
    places = charts["modes"]["on_path"]
    assert any(places)
    for line, where in zip(charts["modes"]["measured"], places, strict=True):
        for x in where if line is not None else ():
            near = np.abs(freq - line) < 0.3
            row = power[np.argmin(np.abs(np.array(place) - x))]
            assert row[near].max() > 3.0 * np.median(row)


def test_a_fit_has_bands_and_no_modes_to_choose(full):
    measured = ("mode_", "line", "energy", "lifetime", "map_")
    fit = full.drop_vars([name for name in full if str(name).startswith(measured)])
    assert {"bands", "convergence"} <= set(charts_of(fit))
    assert "modes" not in charts_of(fit)


@pytest.mark.slow
def test_figures_of_the_folder_are_taken_at_the_size_of_a_screen(full, tmp_path):
    with open_folder(tmp_path) as folder:
        write_results(full, folder, dict)
    page = page_of([Source("silicon", full, tmp_path)])
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) > 3
    for one in pictures:
        with Image.open(BytesIO(base64.b64decode(one))) as image:
            assert abs(image.width - 1050) <= 1  # 7 inches at 150 dots per inch
    (drawn,) = (path for path in tmp_path.rglob("fit.png"))
    with Image.open(drawn) as image:
        assert image.width == 2100
    # Four folders and plotly.js are less than 5 MB.
    charts = files("trajmodes.report.html").joinpath("plotly-cartesian.min.js").read_bytes()
    assert 4 * (len(page.encode()) - len(charts)) + len(charts) < MOST_BYTES


@pytest.mark.parametrize(
    ("n_bytes", "left_out"), [(10**9, None), (1, "leaves out their figures and tables")]
)
def test_pages_that_would_be_large_say_what_they_leave_out(
    full, monkeypatch, n_bytes, left_out
):
    monkeypatch.setattr("trajmodes.report.html.page.MOST_BYTES", n_bytes)
    # Bands are a chart, force constants by distance a figure.
    parts = ("path_", "band_freq", "tick_", "shell_")
    names = [name for name in full.variables if str(name).startswith(parts)]
    few = full[["cell", "sites", "species", "mass_da", *names]]
    page = page_of([Source(name, few, None) for name in ("cold", "hot")])
    assert ("data:image/png" in page) == ('class="table"' in page) == (left_out is None)
    assert page.count("leaves out") == (0 if left_out is None else 2)
    assert left_out is None or left_out in page


def test_columns_have_their_units(page):
    heads = re.findall(r"<th[^>]*>([^<]+)<span class=\"unit\">([^<]*)</span></th>", page)
    units = {head.strip(): unit for head, unit in heads}
    assert units["harmonic"] == "THz"
    assert units["run_fraction"] == ""
    assert units["shell_distance"] == "Å"
    assert units["u2_measured_sem_xx"] == units["u2_measured_xx"] == "Å²"


def test_nothing_is_loaded_from_elsewhere(page):
    elements = Elements(page)
    links = [attrs.get(name) for _, attrs in elements.tags for name in ("src", "href")]
    assert [link for link in links if link and not link.startswith("data:")] == []
    policy = next(a["content"] for t, a in elements.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "@import" not in page[: page.index("</style>")]
    assert "url(" not in page[: page.index("</style>")]


def test_verdict_warnings_and_provenance_are_on_the_page(page, full):
    text = Elements(page).text
    assert verdict_of(full) in text
    for name in ("notes", "warnings"):
        for line in full[name].values.tolist() if name in full else ():
            assert " ".join(line.split()) in text
    for digest in full["input_sha256"].values if "input_sha256" in full else ():
        assert str(digest) in text


def test_results_without_a_verdict_have_the_crystal_and_the_temperature_as_title(few):
    assert re.fullmatch(r"\w+ at [\d.]+ ± [\d.]+ K", verdict_of(few))
    assert re.fullmatch(r"\w+", verdict_of(few.drop_vars(["temperature", "temperature_sem"])))


def test_results_without_a_verdict_say_in_the_title_what_they_are(full):
    kept = ("cell", "sites", "species", "mass_da", "map_", "path_", "tick_", "band_freq")
    map_alone = full[[name for name in full.variables if str(name).startswith(kept)]]
    title = re.search(r"<h1>(.*?)</h1>", page_of([Source("map", map_alone, None)]))[1]
    assert re.fullmatch(r"\w+: spectral energy density along the path.*", title)


def test_text_of_files_is_no_markup(full):
    """A file may have any name, and a note may quote it."""
    evil = '</script><img src=x onerror="alert(1)">'
    few = full[["cell", "sites", "species", "mass_da", "temperature", "temperature_sem"]]
    dataset = few.assign(notes=("note", [evil]))
    dataset.attrs = {**full.attrs, "command": evil}
    page = page_of([Source(evil, dataset, None)])
    assert "<img src=x" not in page
    assert ("img", {"src": "x", "onerror": "alert(1)"}) not in Elements(page).tags
    assert data_of(page)[0]["name"] == evil


def test_missing_parts_are_left_out(dataset):
    names = [n for n in dataset.variables if str(n).startswith(_ABSENT)]
    (run,) = data_of(page_of([Source("fit", dataset.drop_vars(names), None)]))
    assert {"map", "lines", "decays"}.isdisjoint(run)


def test_shifts_are_those_of_the_results_in_their_errors(full):
    hot = full.assign(freq_harmonic_thz=full["freq_harmonic_thz"] + 0.25)
    (shift,) = compare(["cold", "hot"], [full, hot]).shifts
    column = shift.heads.index(("Δ harmonic", "THz"))
    sem = full["freq_harmonic_thz_sem"].values * np.sqrt(2.0)
    for row, error in zip(shift.rows, sem, strict=True):
        assert float(row[column].split("(")[0]) == pytest.approx(0.25, abs=2.0 * error)
        assert float(row[column + 1]) == pytest.approx(0.25 / error, rel=0.02, abs=0.06)


def test_different_crystals_are_not_compared(full):
    other = full.assign(cell=full["cell"] * 1.2)
    with pytest.raises(DataError, match="a comparison is of one crystal"):
        page_of([Source("a", full, None), Source("b", other, None)])


@pytest.fixture(scope="module")
def few(full):
    """Results of which few figures are drawn."""
    return full[["cell", "sites", "species", "mass_da", "temperature", "temperature_sem"]]


def test_the_next_results_remove_the_report(few, tmp_path):
    folder = tmp_path / "results"
    write_folder(folder, few)
    assert "report.html" in write_report([folder])
    assert (folder / FILE).stat().st_size < 5_000_000
    assert not list(folder.glob(".*partial"))
    with open_folder(folder) as opened:
        write_files(opened, {})
    assert not (folder / FILE).exists()


def test_a_report_is_replaced_and_no_other_file(few, tmp_path):
    folder, target = tmp_path / "results", tmp_path / "page.html"
    write_folder(folder, few)
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not a report"):
        write_report([folder], str(target))
    assert target.read_text(encoding="utf-8") == "mine"
    target.unlink()
    for _ in range(2):
        write_report([folder], str(target))
    assert "trajmodes" in target.read_text(encoding="utf-8")


def test_the_library_is_the_released_one():
    content = files("trajmodes.report.html").joinpath("plotly-cartesian.min.js").read_bytes()
    assert b"plotly.js (cartesian - minified) v4.1.1" in content[:200]
    assert hashlib.sha256(content).hexdigest().startswith(PLOTLY)
    assert b"</script" not in content
