"""Summary and figures of a series of runs."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Group

import trajmodes as tm
from trajmodes.api.series import Series
from trajmodes.report.figures import series as figures
from trajmodes.report.figures.catalogue import SERIES_OUTPUTS
from trajmodes.report.figures.style import new_figure
from trajmodes.report.html.write import write_report
from trajmodes.report.series import series_parts
from trajmodes.report.summary import text_of
from trajmodes.symmetry.translations import build_supercell

KELVIN = (300.0, 600.0, 900.0, 1200.0)


@pytest.fixture(scope="module")
def made(crystals, springs):
    """``made(zero, spread)``: constants of bcc whose mode at H is soft at a temperature."""
    crystal = crystals["bcc"]
    whole = springs(crystal, 4.5)
    supercell = build_supercell(crystal, 2 * np.eye(3, dtype=int))

    def build(zero: float, spread: float = 1e-3, jump: float = 0.0) -> Series:
        rng = np.random.default_rng(4)
        runs = []
        for k, kelvin in enumerate(KELVIN):
            exact = whole.values * ((kelvin - zero) / 1000.0 + jump * (-1) ** k)
            scale = 1.0 + spread * rng.standard_normal(12)
            one = replace(
                whole,
                values=exact * scale.mean(),
                replicates=exact * scale[:, None, None, None],
                temperature=kelvin,
            )
            runs.append(tm.ForceConstants.of(one, supercell=supercell, origin=f"{kelvin} K"))
        return tm.series(runs, path="G N")

    return build


def words(series: Series) -> str:
    return " ".join(str(series).split())


def test_the_summary_names_soft_modes_or_says_that_there_are_none(made):
    assert "(by extrapolation)" in words(made(100.0))
    inside = words(made(700.0))
    assert "ω² is zero for" in inside
    assert "extrapolation" not in inside
    assert "none: no ω² is zero" in words(made(-5000.0))
    assert "not resolved" in words(made(100.0, spread=3.0))


def test_scatter_beyond_the_errors_is_a_warning(made):
    series = made(-1000.0, jump=0.2)
    text = words(series)
    assert "times their errors" in text
    assert text.index("Warnings") < text.index("Runs")
    assert (series["series_probability"].values < 1e-3).all()


def test_the_soft_modes_drawn_are_those_of_the_results(made):
    series = made(700.0)
    axes = new_figure(3.0).add_axes((0.1, 0.1, 0.8, 0.8))
    figures.soft_panel(axes, series.dataset)
    zero = series["soft_temperature"].values
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]
    assert len(drawn) == 4
    assert set(np.round(drawn, 6)) <= set(np.round(zero, 6))
    assert np.abs(np.array(drawn) - 700.0).max() < 20.0


def test_linewidths_that_no_two_runs_resolve_are_not_shown(made):
    dataset = made(-1000.0).dataset
    n_sets = dataset.sizes["series_set"]
    (output,) = (one for one in SERIES_OUTPUTS if one.name == "figures/linewidths.png")
    for value, is_shown in ((np.nan, False), (1.0, True)):
        own = dataset.assign(linewidth_exponent=("series_set", np.full(n_sets, value)))
        assert output.is_possible(own) is is_shown
        assert ("n of FWHM" in text_of(Group(*series_parts(own)))) is is_shown


def test_the_legend_of_exponents_hides_none_of_them(made):
    dataset = made(-1000.0).dataset
    n_sets = dataset.sizes["series_set"]
    rng = np.random.default_rng(0)
    axes = new_figure(3.0).add_axes((0.1, 0.1, 0.4, 0.8))
    own = dataset.assign(
        linewidth_exponent=("series_set", 1.0 + 0.3 * rng.standard_normal(n_sets)),
        linewidth_exponent_sem=("series_set", rng.uniform(0.1, 1.5, n_sets)),
        linewidth_exponent_mean=1.0,
        linewidth_exponent_mean_sem=0.1,
    )
    figures.exponents_panel(axes, own)
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1


def test_frequencies_and_bands_drawn_are_those_of_the_results(made):
    series = made(-1000.0)
    dataset = series.dataset
    axes = new_figure(3.0).add_axes((0.1, 0.1, 0.8, 0.8))
    figures.frequencies_panel(axes, dataset, np.array([1]))
    curve, measured = axes.lines[0], axes.lines[1]
    np.testing.assert_array_equal(curve.get_ydata(), dataset["curve_freq_thz"].values[:, 1])
    np.testing.assert_array_equal(measured.get_ydata(), dataset["series_freq_thz"].values[1])
    bands = new_figure(3.0).add_axes((0.1, 0.1, 0.8, 0.8))
    figures.bands_panel(bands, dataset)
    top = max(float(np.max(line.get_ydata())) for line in bands.lines)
    assert top == pytest.approx(dataset["series_band_freq_thz"].values.max())


def test_the_report_of_a_folder_has_the_figures_of_the_series(made, tmp_path):
    """Read without xarray, as `trajmodes report` does."""
    made(700.0).save(tmp_path)
    write_report([tmp_path])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    drawn = [one for one in SERIES_OUTPUTS if (tmp_path / one.name).suffix == ".png"]
    drawn = [one for one in drawn if (tmp_path / one.name).is_file()]
    assert len(drawn) > 2
    assert page.count("<figure>") == len(drawn)
