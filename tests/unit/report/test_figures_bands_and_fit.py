import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from trajmodes.phonons.shells import shells_of
from trajmodes.report.figures.catalogue import FIGURES
from trajmodes.report.figures.fit import draw_orders
from trajmodes.report.figures.scan import draw_scan
from trajmodes.report.figures.spectral_map import (
    draw_bands,
)
from trajmodes.report.figures.style import save_png, sheet
from trajmodes.report.figures.thermo.gruneisen import _branch_of_line, draw_gruneisen
from trajmodes.report.numbers import point_label
from trajmodes.results.dataset import to_dataset
from trajmodes.units import THZ

NAMES = ["bands", "vdos", "spectra", "correlations", "lifetimes", "energies", "fit"]
FULL_NAMES = [
    *("bands", "renormalised", "sed_branches", "vdos", "spectra", "correlations", "lifetimes"),
    *("conductivity", "gruneisen", "energies", "energy_correlation", "fit", "orders"),
]
DRAWN = [
    *(("figures", name) for name in ("bands", "lifetimes", "fit")),
    *(("full_figures", name) for name in FULL_NAMES),
    ("scan_figures", "scan"),
]


def figures_of(dataset, only=""):
    """Name of the file → figure; all figures, or one of them."""
    return {
        Path(output.name).stem: output.make(dataset).draw()
        for output in FIGURES
        if output.is_possible(dataset) and only in output.name
    }


@pytest.fixture(scope="module")
def figures(dataset):
    return figures_of(dataset)


@pytest.fixture(scope="module")
def full_figures(full):
    return figures_of(full)


@pytest.fixture(scope="module")
def scan_figures(scan_rows):
    return {"scan": draw_scan(scan_rows)}


def test_all_figures_are_drawn(figures, full_figures, scan_figures, tmp_path):
    assert list(figures) == NAMES
    assert list(full_figures) == FULL_NAMES
    for name, figure in (full_figures | scan_figures).items():
        save_png(figure, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("which", "name"), DRAWN)
def test_all_elements_are_inside_the_figure(request, which, name):
    figure = request.getfixturevalue(which)[name]
    with sheet():
        box = figure.get_tightbbox()
    assert box.x0 >= 0.0
    assert box.y0 >= 0.0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()


@pytest.mark.parametrize(("which", "name"), DRAWN)
def test_panels_do_not_overlap(request, which, name):
    figure = request.getfixturevalue(which)[name]
    with sheet():
        # Axes at the same position, such as the second scale of the fit, are one panel.
        panels = {}
        for axes in figure.axes:
            box = axes.get_tightbbox()
            place = tuple(np.round(axes.get_position().bounds, 6))
            panels[place] = box.union([box, panels.get(place, box)])
    boxes = list(panels.values())
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])


def test_bands_show_the_branches_and_their_error(dataset, figures):
    axes = figures["bands"].axes[0]
    drawn = np.concatenate(
        [line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 2]
    )
    assert np.sort(drawn) == pytest.approx(np.sort(dataset["band_freq_thz"].values.T.ravel()))
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["Γ", "X", "U|K", "Γ", "L"]
    assert figures["bands"].axes[1].get_ylabel().endswith("(meV/THz)")


def boxes_of_names(axes):
    names = [name for name in axes.get_xticklabels() if name.get_text().strip()]
    boxes = [name.get_window_extent() for name in names]
    # An empty first line moves a name to the second row: its box includes the first row.
    lines = [name.get_text().count("\n") for name in names]
    for box, n in zip(boxes, lines, strict=True):
        box.y1 = box.y0 + box.height / (1 + n)
    return boxes


@pytest.mark.parametrize("name", ["bands", "sed_branches", "renormalised", "gruneisen"])
def test_names_of_points_do_not_overlap(full, name):
    last = float(full["path_distance"].values[-1])
    near = last * np.array([0.0, 0.3, 0.32, 0.34, 0.8, 0.9, 0.93, 0.96, 1.0])
    crowded = full.drop_dims("tick").assign_coords(
        tick_distance=("tick", near),
        tick_label=("tick", ["Γ", "X", "U|K", "L", "A|LM", "H", "M|H", "A|LM", "K"]),
    )
    figure = figures_of(crowded, name)[name]
    with sheet():
        figure.canvas.draw()
        outside = figure.get_tightbbox()
    shown = [axes for axes in figure.axes if len(axes.get_xticks()) == len(near)]
    assert shown
    for axes in shown:
        boxes = boxes_of_names(axes)
        assert len(boxes) >= 5
        for k, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    assert outside.y0 >= 0.0


def test_a_point_named_twice_at_one_place_is_shown_once(dataset):
    twice = dataset.isel(tick=[0, 0, 1, 2, 3, 4])
    labels = [tick.get_text() for tick in draw_bands(twice).axes[0].get_xticklabels()]
    assert labels == ["Γ", "X", "U|K", "Γ", "L"]


@pytest.mark.slow
def test_no_error_bars_no_map_and_imaginary_modes(results, tmp_path):
    bands, modes = results.bands, results.modes
    less = replace(
        results,
        constants=replace(results.constants, replicates=None, quality=None),
        bands=replace(bands, omega=bands.omega - 3.0 * THZ, omega_sem=None),
        modes=replace(modes, omega=modes.omega - 20.0, omega_sem=None),
        convergence=None,
        projection=replace(results.projection, spectral_map=None),
    )
    figures = figures_of(to_dataset(less))
    for figure in figures.values():
        save_png(figure, tmp_path / "figure.png")
    axes = figures["bands"].axes[0]
    assert axes.get_ylabel() == "Frequency (THz), imaginary below 0"
    assert axes.get_ylim()[0] < -3.0


def test_figures_without_data_are_left_out(results):
    assert list(figures_of(to_dataset(replace(results, projection=None)))) == ["bands", "fit"]


@pytest.mark.parametrize(("scale", "shown"), [(1.0, True), (0.01, False)])
def test_visible_error_bands_have_a_legend_entry(full, scale, shown):
    changed = full.assign(
        {name: scale * full[name] for name in ("band_freq_thz_sem", "band_gruneisen_sem")}
    )
    with sheet():
        bands, gruneisen = draw_bands(changed).axes[0], draw_gruneisen(changed).axes[0]
    labels = [text.get_text() for text in bands.get_legend().get_texts()]
    assert ("±2 standard errors" in labels) is shown
    assert gruneisen.get_legend().get_title().get_text().startswith("±2") is shown


def test_the_title_of_the_fit_is_not_wider_than_its_panel(figures):
    axes = figures["fit"].axes[0]
    with sheet():
        assert axes._left_title.get_window_extent().x1 < axes.bbox.x1


def test_markers_of_shells_do_not_overlap(full, full_figures):
    fourth = full_figures["orders"].axes[1]
    drawn = np.concatenate([bars.lines[0].get_xydata() for bars in fourth.containers])
    shown = fourth.transData.transform(drawn)
    apart = np.hypot(*(shown[:, None] - shown[None]).transpose(2, 0, 1))
    assert len(shown) == 4
    # In pixels: the width of a marker.
    assert apart[~np.eye(4, dtype=bool)].min() > 4.2 / 72.0 * fourth.figure.dpi
    longest = np.sort(full["quartet_shell_longest"].values)
    assert np.sort(drawn[:, 0]) == pytest.approx(longest, abs=0.05)


def test_shells_that_vanish_by_symmetry_are_not_in_the_legend(full):
    norm = full["triplet_shell_norm"].values.copy()
    norm[full["triplet_shell_longest"].values > 3.0] = 1e-12
    with sheet():
        figure = draw_orders(full.assign(triplet_shell_norm=("triplet_shell", norm)))
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["Si–Si–Si", "2 atoms"]


def test_settings_of_the_user_have_no_effect_and_are_kept(dataset, tmp_path):
    pictures = []
    for k, settings in enumerate(({}, {"font.size": 30.0, "axes.grid": True})):
        with mpl.rc_context(settings):
            before = dict(mpl.rcParams)
            FIGURES[0].make(dataset).write(tmp_path / f"{k}.png")
            assert dict(mpl.rcParams) == before
        pictures.append((tmp_path / f"{k}.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_no_window_is_opened():
    assert (
        "matplotlib.pyplot" not in sys.modules
        or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *(("GAMMA", "Γ"), ("X", "X"), ("SIGMA_0", "Σ₀"), ("X_1", "X₁"), ("U|K", "U|K")),
        *(("G", "Γ"), ("C0|SIGMA0", "C₀|Σ₀")),
    ],
)
def test_names_of_points(name, shown):
    assert point_label(name) == shown


def test_gruneisen_parameters_are_drawn_at_every_point(full, full_figures):
    axes = full_figures["gruneisen"].axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
    drawn = np.concatenate([line.get_ydata() for line in lines])
    wanted = full["band_gruneisen"].values.ravel()
    assert set(drawn[np.isfinite(drawn)]) == set(wanted[np.isfinite(wanted)])
    # Six branches on Γ–X, X–U, K–Γ and Γ–L, each with its error band.
    assert len(lines) == len(axes.collections) == 24
    low, high = axes.get_xlim()
    # A name beyond the limits, even by rounding, is not shown.
    assert ((axes.get_xticks() >= low) & (axes.get_xticks() <= high)).all()


def test_lines_are_continuous_at_crossings():
    x = np.linspace(0.0, 1.0, 21)
    first, second = 2.0 + x, 3.013 - x
    freq = np.stack([first, second], axis=1)
    order = np.argsort(freq, axis=1)
    gamma = np.take_along_axis(np.stack([0.0 * x, 1.0 + 0.0 * x], axis=1), order, axis=1)
    assert np.ptp(gamma[:, 0]) == 1.0
    followed = _branch_of_line(np.take_along_axis(freq, order, axis=1), gamma)
    assert (np.ptp(np.take_along_axis(gamma, followed, axis=1), axis=0) == 0.0).all()
    # In the middle of the section a line has the number of its branch.
    assert followed[10].tolist() == [0, 1]


def test_figures_of_a_fit_without_projection(full_results, tmp_path):
    bare = replace(full_results, projection=None, renormalised=(), conductivity=None)
    figures = figures_of(to_dataset(bare))
    assert list(figures) == [
        "bands",
        "lifetimes",
        "gruneisen",
        "fit",
        "orders",
    ]
    for figure in figures.values():
        save_png(figure, tmp_path / "figure.png")


def test_the_figure_of_the_orders(full, full_figures):
    third, fourth, residual, convergence = full_figures["orders"].axes
    assert third.get_ylabel().endswith("(eV/Å³)")
    assert fourth.get_ylabel().endswith("(eV/Å⁴)")
    shells = [bars.lines[0] for bars in third.containers]
    drawn = np.concatenate([line.get_ydata() for line in shells])
    assert np.sort(drawn) == pytest.approx(np.sort(full["triplet_shell_norm"].values))
    expected = 100 * full["order_rms_residual"].values / float(full["rms_force"])
    assert residual.lines[0].get_ydata() == pytest.approx(expected)
    assert [text.get_text() for text in residual.get_xticklabels()] == [
        *("2nd order", "+ 3rd order", "+ 4th order"),
    ]
    assert len(convergence.lines) == 3


def test_panels_without_data_are_left_out(full_results, tmp_path):
    quality = replace(full_results.constants.quality, orders=())
    constants = replace(
        full_results.constants,
        quality=quality,
        triplets=replace(full_results.constants.triplets, replicates=None),
        quartets=None,
    )
    shells = shells_of(constants)
    less = replace(full_results, constants=constants, shells=shells, convergence=None)
    with sheet():
        figure = draw_orders(to_dataset(less))
        save_png(figure, tmp_path / "figure.png")
    assert len(figure.axes) == 1


def test_gruneisen_parameters_of_imaginary_modes_without_errors(full_results, tmp_path):
    given = full_results.gruneisen
    bare = replace(
        given,
        path=np.full_like(given.path, np.nan),
        path_sem=None,
        sets=np.full_like(given.sets, np.nan),
        sets_sem=None,
        mean=replace(
            given.mean, temperatures=[], quantum=[], quantum_sem=None, classical_sem=None
        ),
    )
    with sheet():
        figure = draw_gruneisen(to_dataset(replace(full_results, gruneisen=bare)))
        save_png(figure, tmp_path / "figure.png")
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == [
        "classical: 0.53"
    ]


def test_the_legend_of_many_species_fits(full):
    kinds = [f"{a}–{b}–O" for a in ("Ba", "Ti", "O") for b in ("Sr", "Zr", "O")]
    many = full.isel(triplet_shell=np.arange(9) % 2).assign_coords(
        triplet_shell_species=("triplet_shell", kinds)
    )
    with sheet():
        figure = draw_orders(many)
        box = figure.get_tightbbox()
    assert 0.0 <= box.y0 < box.y1 <= figure.get_figheight()
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    # The five with the largest force constants: those of the bonds.
    assert texts == [*kinds[::2], "others", "2 atoms", "3 atoms"]
