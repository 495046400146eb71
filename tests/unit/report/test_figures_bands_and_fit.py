import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from trajmodes.phonons.shells import shells_of
from trajmodes.report.figures.bands import _branch_of_line, draw_gruneisen
from trajmodes.report.figures.catalogue import FIGURES
from trajmodes.report.figures.fit import draw_orders
from trajmodes.report.figures.scan import draw_scan
from trajmodes.report.figures.spectral_map import (
    draw_bands,
    draw_energy_density,
    empty_sections,
    patches,
)
from trajmodes.report.figures.style import save_png, sheet
from trajmodes.report.numbers import point_label
from trajmodes.results.dataset import to_dataset
from trajmodes.results.tables import shown_map_table
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


def test_the_map_has_each_spectrum_in_its_patch(dataset, figures):
    mesh = figures["bands"].axes[0].collections[0]
    corners, image = mesh.get_coordinates(), mesh.get_array()
    freq = dataset["map_freq_thz"].values
    for patch in patches(dataset):
        column = np.searchsorted(corners[0, :, 0], 0.5 * (patch.low + patch.high)) - 1
        below = dataset["map_power"].values[patch.row, freq <= corners[-1, 0, 1]]
        # A row of the image shows the maximum of several frequencies.
        together = -(-len(below) // image.shape[0])
        wanted = np.maximum.reduceat(below, np.arange(0, len(below), together))
        shown = ~np.ma.getmaskarray(image)[:, column]
        assert image.data[shown, column] == pytest.approx(1e3 * wanted[shown])
        assert wanted[~shown].max() <= 1e-2 * dataset["map_power"].values.max()


def on_two_segments(dataset, places, q, jump=(0.0, 0.5)):
    """Map on a path of length two with a jump in the middle."""
    path = np.array([0.0, 1.0, 1.0, 2.0])
    along = np.array([[0, 0, 0], [0, 0, jump[0]], [0, 0, jump[1]], [0.5, 0.5, 0.5]])
    bare = dataset[["cell", "map_power"]].drop_vars("map_distance")
    return bare.isel(map_point=np.arange(len(places))).assign(
        path_q=(("path", "reciprocal"), along),
        path_distance=("path", path),
        path_segment=("path", [0, 0, 1, 1]),
        map_distance=("map_point", np.array(places, float)),
        map_q=(("map_point", "reciprocal"), np.array(q, float)),
        tick_distance=("tick", [0.0, 1.0, 2.0]),
    )


@pytest.mark.parametrize("n", [3, 100])
def test_extent_of_patches(dataset, n):
    places = np.linspace(0.0, 2.0, n + 1 + n % 2)
    dataset = dataset.isel(map_point=np.arange(len(places)) % 14)
    found = patches(on_two_segments(dataset, places, np.zeros((len(places), 3)), (0, 0)))
    farthest = min(0.5 * (places[1] - places[0]), 0.015 * 2.0)
    assert len(found) == len(places) + 1  # the one of the jump on both sides
    for patch in found:
        low, high = (0.0, 1.0) if patch.high <= 1.0 else (1.0, 2.0)
        assert patch.low == pytest.approx(max(patch.place - farthest, low))
        assert patch.high == pytest.approx(min(patch.place + farthest, high))


def test_points_at_a_jump_are_drawn_on_their_side(dataset):
    star = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5], [0.5, 0.5, 0.5]]
    # Γ ends and L begins at the jump; two others of the star of L are listed.
    q = [*star[:2], [0.0, 0.0, 0.0], star[1]]
    found = patches(on_two_segments(dataset, [1.0, 1.0, 1.0, 2.0], q))
    assert [(patch.place, patch.row) for patch in found] == [(1.0, 2), (1.0, 0), (2.0, 3)]
    assert found[0].high == found[1].low == 1.0
    # If only one side has a point, nothing is drawn on the other.
    (only,) = patches(on_two_segments(dataset, [1.0], [star[0]]))
    assert (only.low, only.high) == (1.0, pytest.approx(1.03))
    (only,) = patches(on_two_segments(dataset, [1.0], [[0, 0, 0]]))
    assert (only.low, only.high) == (pytest.approx(0.97), 1.0)


def test_the_end_of_a_segment_precedes_others_of_its_star(dataset):
    # Two equivalent corners of the Brillouin zone, such as U and K.
    q = [[0.0, 0.5, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, -0.5]]
    equal = on_two_segments(dataset, [1.0] * 3, q, (0.5, 0.5))
    equal["path_q"].values[2] = 0.5
    assert [patch.row for patch in patches(equal)] == [2, 1]


def test_sections_without_q_are_hatched(full):
    inside = full["map_distance"].values < full["tick_distance"].values[2] - 0.1
    few = full.isel(map_point=np.flatnonzero(inside))
    ticks = np.unique(full["tick_distance"].values)
    assert empty_sections(full) == []
    assert empty_sections(few) == [pytest.approx(ends) for ends in pairwise(ticks[2:])]
    for draw in (draw_bands, draw_energy_density):
        with sheet():
            figure = draw(few)
        legends = [x.get_legend() for x in figure.axes if x.get_legend()] + figure.legends
        texts = [text.get_text() for legend in legends for text in legend.get_texts()]
        assert texts.count("no q of the supercell here") == 1
        hatched = [[p for p in axes.patches if p.get_hatch()] for axes in figure.axes[:-1]]
        assert {len(found) for found in hatched} <= {0, len(ticks) - 3}
        ends = [(p.get_x(), p.get_x() + p.get_width()) for p in hatched[0]]
        assert ends == [pytest.approx(ends) for ends in pairwise(ticks[2:])]


def test_each_point_of_the_map_has_a_tick(dataset, figures):
    axes = figures["bands"].axes[0]
    places = np.unique(dataset["map_distance"].values.round(9))
    drawn = axes.xaxis.get_minorticklocs()
    assert drawn == pytest.approx(places)


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


def test_a_line_thinner_than_a_pixel_is_drawn(dataset):
    freq = np.linspace(0.0, 20.0, 20001)
    power = np.full((dataset.sizes["map_point"], len(freq)), 1e-9)
    power[np.arange(len(power)), 777 + 1111 * np.arange(len(power))] = 1.0
    fine = dataset.drop_dims("map_freq_thz").assign(
        map_power=(("map_point", "map_freq_thz"), power)
    )
    mesh = draw_bands(fine.assign_coords(map_freq_thz=freq)).axes[0].collections[0]
    image = mesh.get_array()
    assert image.shape[0] < 1000
    assert np.ma.count(image) == len(patches(dataset))
    levels = mesh.get_coordinates()[:, 0, 1]
    for row in np.flatnonzero(np.ma.count(image, axis=1)):
        inside = (freq > levels[row]) & (freq < levels[row + 1])
        assert power[:, inside].max() == 1.0


def test_points_without_motion_do_not_stretch_the_map(dataset, figures):
    power = dataset["map_power"].values.copy()
    power[0] = 1e-12
    still = draw_bands(dataset.assign(map_power=(dataset["map_power"].dims, power)))
    assert still.axes[0].get_ylim() == figures["bands"].axes[0].get_ylim()


def test_data_of_the_map_keep_both_sides_of_a_jump(dataset):
    columns = shown_map_table(dataset).columns
    shown = dataset["map_freq_thz"].values <= columns["map_freq_thz"].max()
    # Frequencies above those drawn are in results.nc only.
    assert float(dataset["band_freq_thz"].max()) < columns["map_freq_thz"].max()
    power = dataset["map_power"].values[:, shown]
    assert columns["map_power"] == pytest.approx(power.ravel())


def test_points_of_the_map_may_come_in_any_order(dataset, figures):
    turned = draw_bands(dataset.isel(map_point=np.roll(np.arange(14), 6)))
    images = [f.axes[0].collections[0].get_array() for f in (turned, figures["bands"])]
    assert np.ma.allequal(*images)


def test_a_point_named_twice_at_one_place_is_shown_once(dataset):
    twice = dataset.isel(tick=[0, 0, 1, 2, 3, 4])
    labels = [tick.get_text() for tick in draw_bands(twice).axes[0].get_xticklabels()]
    assert labels == ["Γ", "X", "U|K", "Γ", "L"]


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
    [("GAMMA", "Γ"), ("X", "X"), ("SIGMA_0", "Σ₀"), ("X_1", "X₁"), ("U|K", "U|K"), ("G", "Γ")],
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
