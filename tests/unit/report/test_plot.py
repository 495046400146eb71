"""Single figures: what is drawn is what the results hold, in the size and format asked for."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import trajmodes.plot
from program_files.columns import check_figure, check_figures_in_a_column
from trajmodes.errors import DataError, UsageError
from trajmodes.report.figures import catalogue, spectral_map
from trajmodes.report.figures.potentials import outputs
from trajmodes.report.plot import files
from trajmodes.report.plot.draw import set_of
from trajmodes.report.plot.files import Look, plot_job
from trajmodes.report.plot.frequency_unit import set_unit
from trajmodes.report.plot.panels import PANELS, parts_of
from trajmodes.report.write import write_folder

MODE_PANELS = [name for name, one in PANELS.items() if one.of_a_mode]


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory):
    place = tmp_path_factory.mktemp("plots") / "results"
    few = [n for n in full.variables if not str(n).startswith(("kappa", "fc_replicates"))]
    write_folder(place, full[few])
    return place


@pytest.fixture
def axes():
    return Figure().add_subplot()


def curves(axes):
    return [line.get_ydata() for line in axes.lines]


def test_every_panel_has_a_function_in_the_public_module():
    functions = {
        name.replace("bands-dos", "bands_and_density").replace("-", "_") for name in PANELS
    }
    assert functions <= set(dir(trajmodes.plot))


def test_every_figure_of_a_folder_has_panels():
    """So that each can be drawn in any size."""
    names = {
        Path(one.name).stem.replace("_", "-")
        for module in (catalogue, outputs)
        for files in vars(module).values()
        if isinstance(files, tuple)
        for one in files
        if getattr(one, "name", "").endswith(".png")
    }
    assert len(names) > 30
    assert names <= set(PANELS) | {one.figure for one in PANELS.values()}


def test_bands_are_those_of_the_results(full, axes):
    drawn = trajmodes.plot.bands(full, axes)
    assert drawn is axes
    (expected,) = np.unique(full["path_segment"].values)[:1]
    inside = full["path_segment"].values == expected
    first = full["band_freq_thz"].values[inside, 0]
    assert any(np.array_equal(line, first) for line in curves(axes))


def test_a_mode_has_its_own_spectrum(full, axes):
    mode = int(np.flatnonzero(full["resolved"].values)[3])
    q = " ".join(f"{x:g}" for x in full["set_q"].values[mode])
    branch = int(full["branch_first"].values[mode])
    assert set_of(full, f"{q}:{branch}") == mode
    trajmodes.plot.spectrum(full, f"{q}:{branch}", axes)
    model = 1e3 * full["line_model"].values[mode]
    long = [np.asarray(one, dtype=float) for one in curves(axes) if len(one) > 5]
    fits = [one for one in long if np.isclose(one[:, None], model).any(axis=1).all()]
    assert len(fits) == 1


def test_densities_at_the_side_share_the_axis_of_frequency(full, axes):
    trajmodes.plot.bands_and_density(full, axes)
    (side,) = axes.child_axes
    assert side.get_ylim() == axes.get_ylim()
    freq, density = side.lines[0].get_ydata(), side.lines[0].get_xdata()
    assert np.trapezoid(density, freq) == pytest.approx(3.0, rel=0.05)


# CODATA 2018: h/e and 1/c.
@pytest.mark.parametrize(("unit", "of_one"), [("meV", 4.135667697), ("cm-1", 33.35640952)])
def test_axes_of_frequency_have_the_unit_asked_for(folder, tmp_path, unit, of_one):
    look = Look(unit=unit, format="svg", ylim=(0.0, 8.0 * of_one))
    target = tmp_path / "bands.svg"
    plot_job(folder, ["bands"], (), str(target), look)
    text = target.read_text(encoding="utf-8")
    name = {"meV": "meV", "cm-1": "cm⁻¹"}[unit]
    assert f"Frequency ({name})" in text
    assert f"(meV/{name})" in text
    axes = Figure().add_subplot(ylim=(0.0, 8.0), ylabel="Frequency (THz)")
    set_unit(axes.figure, unit)
    written = [float(one.get_text()) for one in axes.get_yticklabels()]
    np.testing.assert_allclose(written, axes.get_yticks() * of_one, rtol=1e-6)
    assert 4 < len(written) < 12
    assert written[-1] <= 8.0 * of_one


@pytest.mark.parametrize("form", ["pdf", "svg", "png"])
def test_size_and_format_are_those_asked_for(folder, tmp_path, form):
    target = tmp_path / f"bands.{form}"
    plot_job(folder, ["bands"], output=str(target), look=Look(width=85.0, height=60.0, dpi=200))
    if form == "png":
        assert imread(target).shape[:2] == (int(60 / 25.4 * 200), int(85 / 25.4 * 200))
    elif form == "svg":
        text = target.read_text(encoding="utf-8")
        size = [
            float(re.search(rf'{name}="([\d.]+)pt"', text)[1]) for name in ("width", "height")
        ]
        assert size == pytest.approx([85 / 25.4 * 72, 60 / 25.4 * 72], abs=0.5)
        assert ">Frequency (THz)</text>" in text
    else:
        content = target.read_bytes()
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
        assert [float(one) for one in box.groups()] == pytest.approx(
            [85 / 25.4 * 72, 60 / 25.4 * 72], abs=0.5
        )
        # Fonts are TrueType, so that the text can be edited.
        assert b"/Type3" not in content


def test_the_same_results_give_the_same_bytes(folder, tmp_path):
    for form in ("pdf", "svg"):
        for name in ("one", "two"):
            plot_job(folder, ["lifetimes"], output=str(tmp_path / f"{name}.{form}"))
        one, two = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("one", "two"))
        assert one == two


@pytest.mark.slow
def test_every_figure_fits_into_a_column(full):
    drawn = check_figures_in_a_column(full)
    assert {"bands", "branch-map", "lifetimes", "free-paths", "triplets"} <= drawn
    for name in MODE_PANELS:
        with files._style(Look()):
            check_figure(files._figure(full, [name], [3, 5], Look()), name)


def test_ranges_and_style(folder, tmp_path):
    style = tmp_path / "mine.mplstyle"
    style.write_text("axes.facecolor: 0000ff\n", encoding="utf-8")
    target = tmp_path / "vdos.png"
    look = Look(xlim=(2.0, 9.0), ylim=(0.0, 3.0), style=str(style), dpi=50)
    plot_job(folder, ["vdos"], output=str(target), look=look)
    middle = imread(target)
    assert (middle[..., 2] > 0.9).mean() > 0.3
    assert (middle[..., 0] < 0.1).mean() > 0.3
    assert mpl.rcParams["axes.facecolor"] != "0000ff"


WHOLE = sorted(
    {one.figure for one in PANELS.values() if not one.of_a_mode and not one.each} - {"", "sed"}
)


@pytest.mark.parametrize("name", WHOLE)
def test_panels_of_a_figure_are_put_below_each_other_in_a_column(full, name):
    parts = parts_of(name, full)
    if not parts:
        pytest.skip("the results have no data for it")
    with files._style(Look()):
        figure = files._figure(full, [name], (), Look(width=85.0))
        figure.draw_without_rendering()
        panels = [axes for axes in figure.axes if axes.get_subplotspec().colspan == range(1)]
        assert len({axes.get_subplotspec() for axes in panels}) == len(parts)
        letters = (
            [""]
            if len(parts) == 1
            else [text.get_text() for axes in panels for text in axes.texts[-1:]]
        )
        assert "".join(one for one in letters if len(one) == 1) == (
            "abcdefgh"[: len(parts)] if len(parts) > 1 else ""
        )
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert box.x0 > -2.0
            assert box.x1 < figure.bbox.width + 2.0
            # A legend or label must not take the place of the data.
            assert axes.get_window_extent().width > 0.55 * figure.bbox.width


def test_a_legend_leaves_the_width_to_a_panel_beside_a_colour_scale(full, monkeypatch):
    """Where a section of the path has no q of the supercell the legend has one entry more."""
    whole = (float(full["tick_distance"][0]), float(full["tick_distance"][1]))
    monkeypatch.setattr(spectral_map, "empty_sections", lambda _: [whole])
    with files._style(Look()):
        known = full.drop_vars("band_freq_thz_sem")
        figure = files._figure(known, ["bands"], (), Look(width=85.0))
        figure.draw_without_rendering()
        assert figure.axes[0].get_window_extent().width > 0.65 * figure.bbox.width


def test_equal_legends_of_panels_of_one_kind_are_drawn_once(full):
    resolved = np.flatnonzero(full["resolved"].values)
    points = full["set_q"].values[resolved]
    modes = [
        f"{' '.join(str(x) for x in q)}:{full['branch_first'].values[g] + 1}"
        for q, g in zip(points, resolved, strict=True)
    ][:3]
    with files._style(Look()):
        figure = files._figure(full, ["spectrum"], modes, Look(width=85.0))
    legends = [axes.get_legend() for axes in figure.axes]
    assert [one is not None for one in legends] == [True, False, False]
    texts = {text.get_text() for text in legends[0].get_texts()}
    assert texts == {"harmonic", "spectrum", "maximum entropy", "fitted line"}


def test_panels_stand_side_by_side_where_there_is_room(full):
    with files._style(Look()):
        figure = files._figure(full, ["shells", "vdos", "lifetimes"], (), Look(width=178.0))
        grid = {axes.get_subplotspec().get_gridspec().get_geometry() for axes in figure.axes}
    assert grid == {(1, 3)}


def read_table(path):
    table = pd.read_csv(path, comment="#")
    head = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    return table, head


def test_the_data_of_bands_are_those_of_the_results_with_the_names_of_points(folder, full):
    target = folder / "bands.csv"
    plot_job(folder, ["bands"], output=str(target), look=Look(unit="meV"))
    table, head = read_table(target)
    assert head == [
        "# panel 1: x: path (1/Å); y: Frequency (meV); value: Spectral kinetic energy (meV/meV)"
    ]
    curves_ = table[table.curve.str.startswith("curve")]
    of_one = 4.135667697
    np.testing.assert_allclose(
        np.sort(curves_.y), of_one * np.sort(full["band_freq_thz"].values.ravel()), atol=1e-7
    )
    named = curves_[curves_.point.notna()].drop_duplicates(["x", "point"])
    places = dict(zip(named.x, named.point, strict=True))
    assert places[0.0] == "Γ"
    ticks = full["tick_distance"].values
    np.testing.assert_allclose(sorted(places), np.unique(ticks), atol=1e-7)
    cells = table[table.curve == "map"]
    strongest = 1e3 * full["map_power"].values.max() / of_one
    assert cells["value"].max() == pytest.approx(strongest, rel=1e-9)
    shade = table[table.curve.str.startswith("band")]
    if "band_freq_thz_sem" in full:
        wide = (shade.y_high - shade.y_low).max() / of_one
        assert wide == pytest.approx(4.0 * full["band_freq_thz_sem"].values.max(), rel=1e-6)


def test_the_data_of_several_panels_have_numbers_and_error_bars(folder, full):
    target = folder / "panels.csv"
    plot_job(folder, ["temperatures", "shells"], output=str(target))
    table, head = read_table(target)
    assert [line.split(":")[0] for line in head] == ["# panel 1", "# panel 2"]
    first = table[(table.panel == 1) & (table.curve == "set of equivalent modes")]
    order = np.argsort(full["freq_harmonic_thz"].values, kind="stable")
    first = first.sort_values("x", kind="stable")
    value, sem = (full[f"mode_temperature{x}"].values[order] for x in ("", "_sem"))
    np.testing.assert_allclose(first.y, value, rtol=1e-9)
    np.testing.assert_allclose(first.y_high - first.y, sem, rtol=1e-6)
    np.testing.assert_allclose(first.y - first.y_low, sem, rtol=1e-6)
    np.testing.assert_allclose(
        np.sort(table[table.panel == 2].y), np.sort(full["shell_norm"].values), rtol=1e-9
    )


def test_what_can_be_drawn_is_listed(folder):
    text = plot_job(folder, [])
    assert "bands-dos" in text
    assert "renormalised" in text


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("nothing", {}, "there is no figure"),
        ("spectrum", {}, "drawn for a mode"),
        ("bands", {"modes": ["X:4"]}, "not drawn for single modes"),
        ("spectra", {"look": Look(width=85.0)}, "drawn for a mode"),
        ("spectra bands", {}, "drawn for a mode"),
        ("fit", {"look": Look(xlim=(0.0, 1.0))}, "for one panel"),
        ("vdos", {"look": Look(style="no such style")}, "cannot be read"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(folder, tmp_path, name, given, message):
    with pytest.raises(UsageError, match=message):
        plot_job(folder, name.split(), output=str(tmp_path / "x.pdf"), **given)
    assert not (tmp_path / "x.pdf").exists()


def test_results_without_the_data_are_an_error(full, axes):
    with pytest.raises(DataError, match="nothing to draw"):
        trajmodes.plot.gruneisen(full.drop_vars("band_gruneisen", errors="ignore"), axes)


def test_an_unknown_format_names_those_that_there_are(folder, tmp_path):
    with pytest.raises(UsageError, match='no format "xyz"') as caught:
        plot_job(folder, ["bands"], output=str(tmp_path / "bands.xyz"))
    assert ".pdf, .svg, .png or .csv" in caught.value.fix
    assert not any(tmp_path.iterdir())
