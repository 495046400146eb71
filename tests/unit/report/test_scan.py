import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from trajmodes.report.figures.scan import draw_scan
from trajmodes.report.figures.style import save_png, sheet
from trajmodes.report.scan import best_row, enough_row, groups_of, render_scan, scan_table


def printed(rows, width=100):
    stream = io.StringIO()
    Console(file=stream, width=width).print(render_scan(rows))
    return stream.getvalue()


def unpredicted(row):
    """The same fit without predicted residuals."""
    orders = [replace(one, rms_predicted=np.nan) for one in row.quality.orders]
    return replace(row, quality=replace(row.quality, orders=tuple(orders)))


def test_rows_are_grouped_by_the_varied_quantity(scan_rows):
    titles = [title for title, _ in groups_of(scan_rows)]
    assert titles == [
        *("Cutoff, 2nd order", "Cutoff, 3rd order", "Orders", "Constraints"),
        "Length of the run",
    ]


def test_best_and_enough(scan_rows):
    pairs, triplets = (group for _, group in groups_of(scan_rows)[:2])
    # The longest cutoff has the smallest predicted residual; that of 5 Å is within one percent.
    assert best_row(pairs).value == 6.0
    assert enough_row(pairs).value == 5.0
    assert enough_row(triplets).value == 4.0
    unknown = [unpredicted(row) for row in pairs]
    assert best_row(unknown) is enough_row(unknown) is None


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_the_width(scan_rows, width):
    text = printed(scan_rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_the_table_marks_the_best_and_the_smallest_sufficient_fit(scan_rows):
    lines = printed(scan_rows).splitlines()
    by_label = {line[:17].strip(): line.split() for line in lines}
    assert by_label["order 2 to 5.00 Å"][-1] == "enough"
    assert by_label["order 2 to 6.00 Å"][-1] == "best"
    assert by_label["order 2 to 3.00 Å"][-1] == "-0.3"
    # These fits have no prediction, and constraints are chosen by physics.
    for label in ("up to order 3", "+ Huang", "first 500 frames"):
        assert not {"best", "enough"} & set(by_label[label])


def test_columns_without_values_are_left_out(scan_rows):
    # In percent, as in the summary of a fit.
    assert printed(scan_rows).splitlines()[1].split()[-3:] == ["seq.", "%", "THz²"]
    alone = printed([row for row in scan_rows if row.kind == "order"])
    assert "joint" in alone
    assert "left out" not in alone.splitlines()[0]
    assert "THz²" not in alone


def test_the_file_has_every_field(scan_rows, tmp_path):
    scan_table(scan_rows).write(tmp_path / "scan.csv")
    lines = (tmp_path / "scan.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert list(rows[0]) == [
        *("kind", "label", "value", "order", "cutoffs", "n_parameters", "r_squared"),
        *("rms_residual", "rms_predicted", "condition", "scheme_distance"),
        "lowest_squared_thz",
    ]
    assert [row["label"] for row in rows] == [row.label for row in scan_rows]
    assert float(rows[3]["rms_predicted"]) == pytest.approx(scan_rows[3].rms_predicted)
    assert rows[-4]["lowest_squared_thz"] == ""


def test_the_figure_marks_the_best_and_the_smallest_sufficient_fit(scan_rows):
    pairs, squares = draw_scan(scan_rows).axes[:2]
    marks = [line.get_xdata()[0] for line in pairs.lines if line.get_linestyle() == "--"]
    assert marks == [5.0]
    rings = [line for line in pairs.lines if line.get_markersize() == 11.0]
    assert rings[0].get_xdata().tolist() == [6.0]
    assert [text.get_text() for text in pairs.texts[:5]] == ["20", "27", "34", "41", "48"]
    assert squares.get_ylim()[0] < -0.3


def test_numbers_do_not_overlap_the_marking_line(scan_rows):
    figure = draw_scan(scan_rows).figure
    with sheet():
        figure.draw_without_rendering()
        for axes in figure.axes[:3:2]:
            (line,) = (line for line in axes.lines if line.get_linestyle() == "--")
            x = line.get_window_extent().x0
            numbers = [
                text.get_window_extent() for text in axes.texts if text.get_text().isdigit()
            ]
            assert len(numbers) > 2
            assert not any(box.x0 < x < box.x1 for box in numbers)


def test_a_group_of_one_fit_has_no_panel(scan_rows, tmp_path):
    n_all = len(draw_scan(scan_rows).figure.axes)
    longer = [row for row in scan_rows if row.kind == "cutoff" and row.order == 3][1:]
    only = [row for row in scan_rows if row not in longer]
    assert len(draw_scan(only).figure.axes) == n_all - 2
    alone = draw_scan([row for row in scan_rows if row.kind == "time"])
    assert len(alone.figure.axes) == 2
    save_png(alone.figure, tmp_path / "scan.png")
