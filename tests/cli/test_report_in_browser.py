"""The report in a browser: nothing fails, and a click on a mode shows that mode."""

import itertools

import pytest

from browser.chromium import PROGRAM, browser
from silicon.results import make_full, make_results
from trajmodes.report.html.page import Source, page_of
from trajmodes.results.dataset import to_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="needs Chromium"),
]

MODES = """(() => {
  const chart = document.querySelector('[data-chart="bands"]');
  const sets = chart.data.find((one) => one.customdata).customdata;
  return [...chart.querySelectorAll(".scatterlayer .trace .point")].map((point, k) => {
    const box = point.getBoundingClientRect();
    return { set: sets[k], x: box.x + box.width / 2, y: box.y + box.height / 2 };
  });
})()"""
CHOSEN = "Number(document.querySelector('.mode-choice').value)"


@pytest.fixture(scope="module")
def full():
    return to_dataset(make_full(make_results()))


@pytest.fixture(scope="module")
def page(full, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "report.html").write_text(
        page_of([Source("silicon", full, None)]), encoding="utf-8"
    )
    with browser(folder / "profile") as page:
        page.open(folder / "report.html")
        page.opened_s = page.processor_s()
        yield page


def alone(modes):
    """Modes inside the path whose circle no other one is near."""
    ends = [pick(one["x"] for one in modes) for pick in (min, max)]
    return [
        one
        for one in modes
        if one["x"] not in ends
        and sum((one["x"] - o["x"]) ** 2 + (one["y"] - o["y"]) ** 2 < 400 for o in modes) == 1
    ]


def test_it_opens_in_two_seconds_without_network(page):
    """Of processor time, to the last chart: other programs do not matter."""
    assert page.run("performance.getEntriesByName('drawn').length") == 1
    assert 0.0 < page.opened_s < 2.0


def test_a_click_shows_the_spectrum_and_the_decay_of_that_mode(page, full):
    shown = []
    for one in alone(page.run(MODES))[:3]:
        page.click(one["x"], one["y"])
        assert page.run(CHOSEN) == one["set"]
        for chart, variable, factor in (
            ("line", "line_model", 1e3),
            ("decay", "energy_acf_model", 1.0),
        ):
            drawn = page.run(f"document.querySelector('[data-chart=\"{chart}\"]').data[1].y")
            expected = factor * full[variable].values[one["set"]]
            for found, value in zip(drawn, expected.tolist(), strict=True):
                assert found is None or found == pytest.approx(value, rel=1e-3)
        shown.append(page.run("document.querySelector('.facts').textContent"))
    assert len(set(shown)) == 3


def test_the_axis_of_lifetimes_has_whole_numbers(page):
    """A digit alone, as 5 for 0.5, would be read as another lifetime."""
    axis = "document.querySelector('[data-chart=\"lifetimes\"]')._fullLayout.yaxis"
    drawn = page.run(f"{axis}._vals.map((tick) => [tick.x, tick.text])")
    assert len(drawn) > 2
    for place, text in drawn:
        assert 10.0**place == pytest.approx(float(text), rel=1e-3)


def test_the_pointer_shows_frequency_and_verdict(page):
    one = alone(page.run(MODES))[0]
    page.move(one["x"], one["y"])
    label = page.run("document.querySelector('[data-chart=\"bands\"] .hoverlayer').textContent")
    assert "harmonic, THz" in label
    assert "verdict" in label


def test_a_table_is_sorted_by_the_numbers_of_a_column(page):
    column = """[...document.querySelector('.sortable').tHead.rows[0].cells]
        .findIndex((one) => one.textContent.startsWith('harmonic'))"""
    page.run(f"document.querySelector('.sortable').tHead.rows[0].cells[{column}].click()")
    numbers = page.run(
        f"[...document.querySelector('.sortable').tBodies[0].rows]"
        f".map((row) => parseFloat(row.cells[{column}].textContent))"
    )
    assert len(numbers) > 10
    assert numbers == sorted(numbers)


def test_the_keyboard_goes_through_the_rows_and_shows_a_mode(page):
    press = """(() => {
      const key = (key) => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
      const rows = document.querySelectorAll('[data-name="sets of modes"] tbody tr');
      rows[0].focus(); key("ArrowDown"); key("ArrowDown"); key("ArrowUp"); key("Enter");
      return [document.activeElement === rows[1], Number(rows[1].dataset.set),
        [...rows].map((one) => one.getAttribute("aria-selected")).indexOf("true")];
    })()"""
    page.run("document.querySelector('[data-name=\"sets of modes\"]').open = true")
    is_focused, number, selected = page.run(press)
    assert is_focused
    assert selected == 1
    assert page.run(CHOSEN) == number


@pytest.mark.parametrize("chart", ["bands", "lifetimes", "temperatures"])
def test_arrow_keys_go_through_the_modes_of_a_chart(page, full, chart):
    """To the right and up; the ring and the panel show the mode that is chosen."""
    place = f"""(() => {{
      const chart = document.querySelector('[data-chart="{chart}"]'), ring = chart.data.at(-1);
      return [ring.name, ring.x[0], ring.y[0], document.activeElement === chart];
    }})()"""
    page.run(f"document.querySelector('[data-chart=\"{chart}\"]').focus()")
    for _ in range(4):
        page.press("ArrowLeft")
    places = [page.run(place)]
    for _ in range(3):
        page.press("ArrowRight")
        places.append(page.run(place))
    chosen = page.run(CHOSEN)
    assert all(name == "chosen" and focused for name, _, _, focused in places)
    along = [x for _, x, _, _ in places]
    assert all(before < after for before, after in itertools.pairwise(along))
    if chart == "temperatures":
        assert along[-1] == pytest.approx(full["freq_harmonic_thz"].values[chosen], rel=1e-3)


def test_up_and_down_stay_at_one_q(page):
    q = "document.querySelector('.facts dd').textContent"
    page.run("document.querySelector('[data-chart=\"bands\"]').focus()")
    for _ in range(6):
        page.press("ArrowDown")
    lowest = page.run(CHOSEN), page.run(q)
    page.press("ArrowUp")
    assert page.run(CHOSEN) != lowest[0]
    assert page.run(q) == lowest[1]
    page.press("ArrowDown")
    assert (page.run(CHOSEN), page.run(q)) == lowest


def test_all_of_it_fits_a_narrow_window(page):
    page.width(400)
    shown = page.run("[document.documentElement.scrollWidth, innerWidth]")
    page.width(1300)
    assert shown[0] <= shown[1]


def test_charts_are_printed_as_wide_as_the_paper_and_light(page):
    widths = """[...document.querySelectorAll('[data-chart]:not([hidden])')].map((one) =>
      [one.clientWidth, Math.round(one.querySelector('svg').getBoundingClientRect().width)])"""
    theme = "document.getElementById('theme').click()"
    event = "window.dispatchEvent(new Event('{}'))"
    screen = page.run(widths)
    page.run(f"{theme}; {event.format('beforeprint')}")
    printed, shown = page.run(widths), page.run("document.documentElement.dataset.theme")
    page.run(f"{event.format('afterprint')}; {theme}")
    page.run("new Promise((done) => setTimeout(done, 500))")
    assert shown == "light"
    assert max(chart for chart, _ in printed) == pytest.approx(182 / 25.4 * 96, abs=1)
    assert all(drawn == chart for chart, drawn in printed)
    assert page.run(widths) == screen


def test_a_filter_leaves_the_rows_with_its_words(page):
    left = page.run("""(() => {
      const box = document.querySelector('input[type="search"]');
      box.value = 'resolved'; box.dispatchEvent(new Event('input'));
      return [...document.querySelector('.sortable').tBodies[0].rows]
        .filter((row) => !row.hidden).map((row) => row.textContent);
    })()""")
    assert left
    assert all("resolved" in row for row in left)


def test_both_themes_draw_all_charts(page):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.run(background)
    colour = """document.querySelector('[data-chart="temperatures"]').data[0].marker.color"""
    blue = page.run(colour)
    page.run("document.getElementById('theme').click()")
    assert page.run(background) != light
    assert page.run(colour) != blue
    assert (
        page.run(
            "document.querySelectorAll('[data-chart]:not([hidden]) .plot-container').length"
        )
        > 6
    )
    page.run("document.getElementById('theme').click()")


def test_the_console_is_silent(page):
    page.run("1")
    assert page.said == []


def test_bands_without_modes_take_the_whole_width(page, full, tmp_path):
    """Last: the page is another one afterwards."""
    few = ["cell", "sites", "species", "mass_da"]
    bands = [n for n in full.variables if str(n).startswith(("path_", "band_freq", "tick_"))]
    path = tmp_path / "bands.html"
    path.write_text(page_of([Source("bands", full[few + bands], None)]), encoding="utf-8")
    page.open(path)
    width = "document.querySelector('{}').getBoundingClientRect().width"
    chart, whole = (page.run(width.format(one)) for one in ('[data-chart="bands"]', ".pair"))
    assert chart == whole
    assert page.run("document.querySelector('section h2').innerText") == "Bands"
