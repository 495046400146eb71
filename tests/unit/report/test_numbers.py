import numpy as np
import pytest

from trajmodes.report.numbers import (
    branches,
    compact,
    counted,
    mesh_of,
    order_name,
    plus_minus,
    size_of,
)


@pytest.mark.parametrize(
    ("value", "sem", "text", "short"),
    [
        (15.03412, 0.0213, "15.034 ± 0.021", "15.034(21)"),
        (15.03412, 0.0998, "15.03 ± 0.10", "15.03(10)"),
        (15.03412, 0.996, "15.0 ± 1.0", "15.0(1.0)"),
        (301.2, 14.6, "301 ± 15", "301(15)"),
        (301234.0, 1460.0, "301234 ± 1460", "301234(1460)"),
        (-0.12, 0.2, "-0.12 ± 0.20", "-0.12(20)"),
        (2.0, 0.00071, "2.00000 ± 0.00071", "2.00000(71)"),
        (2.0, None, "2", "2"),
        (2.0, 0.0, "2", "2"),
        (2.0, float("nan"), "2", "2"),
        (float("nan"), 0.1, "–", "–"),
    ],
)
def test_numbers_with_errors(value, sem, text, short):
    assert plus_minus(value, sem) == text
    assert compact(value, sem) == short


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 frame"), (0, "0 frames"), (2, "2 frames"), (0.9, "1 frame")]
)
def test_counts_have_units_in_singular_or_plural(count, text):
    assert counted(count, "frame") == text


def test_branches_and_sizes():
    assert branches(4, 6) == "4–6"
    assert branches(4, 4) == "4"
    assert [size_of(n) for n in (12, 1200, 3_456_000, 7_000_000_000)] == [
        "12 B",
        "1.2 kB",
        "3.46 MB",
        "7 GB",
    ]


def test_orders_and_meshes():
    names = [order_name(order) for order in (2, 3, 4, 5)]
    assert names == ["2nd order", "3rd order", "4th order", "5th order"]
    assert mesh_of(np.array([12, 12, 8])) == "12 × 12 × 8"
