"""The map of the spectral energy density: its patches, ticks and hatched sections."""

from itertools import pairwise

import numpy as np
import pytest

from trajmodes.report.figures.spectral_map import (
    draw_bands,
    draw_energy_density,
    empty_sections,
    patches,
)
from trajmodes.report.figures.style import sheet
from trajmodes.results.tables import shown_map_table


@pytest.fixture(scope="module")
def bands(dataset):
    with sheet():
        return draw_bands(dataset)


def test_the_map_has_each_spectrum_in_its_patch(dataset, bands):
    mesh = bands.axes[0].collections[0]
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


def test_each_point_of_the_map_has_a_tick(dataset, bands):
    axes = bands.axes[0]
    places = np.unique(dataset["map_distance"].values.round(9))
    drawn = axes.xaxis.get_minorticklocs()
    assert drawn == pytest.approx(places)


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


def test_points_without_motion_do_not_stretch_the_map(dataset, bands):
    power = dataset["map_power"].values.copy()
    power[0] = 1e-12
    still = draw_bands(dataset.assign(map_power=(dataset["map_power"].dims, power)))
    assert still.axes[0].get_ylim() == bands.axes[0].get_ylim()


def test_data_of_the_map_keep_both_sides_of_a_jump(dataset):
    columns = shown_map_table(dataset).columns
    shown = dataset["map_freq_thz"].values <= columns["map_freq_thz"].max()
    # Frequencies above those drawn are in results.nc only.
    assert float(dataset["band_freq_thz"].max()) < columns["map_freq_thz"].max()
    power = dataset["map_power"].values[:, shown]
    assert columns["map_power"] == pytest.approx(power.ravel())


def test_points_of_the_map_may_come_in_any_order(dataset, bands):
    with sheet():
        turned = draw_bands(dataset.isel(map_point=np.roll(np.arange(14), 6)))
    images = [f.axes[0].collections[0].get_array() for f in (turned, bands)]
    assert np.ma.allequal(*images)
