import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from trajmodes.report.equipartition import equipartition_of


def temperatures(values, sems, mean=300.0):
    return xr.Dataset(
        {
            "mode_temperature": ("set", np.array(values, float)),
            "mode_temperature_sem": ("set", np.array(sems, float)),
            "temperature": mean,
        }
    )


def test_chi_squared_by_hand():
    test = equipartition_of(temperatures([310, 290, 300, 306], [10, 5, 1, 2]))
    assert test.chi_squared == pytest.approx(1 + 4 + 0 + 9)
    assert test.freedom == 3
    assert test.probability == pytest.approx(chi2.sf(14, 3))
    assert (test.farthest, test.farthest_sigma) == (3, pytest.approx(3.0))
    assert test.verdict == "is doubtful"  # p = 0.003


def test_one_hot_mode_is_found():
    test = equipartition_of(temperatures([300, 300, 200, 300], [10, 10, 10, 10]))
    assert test.verdict == "is violated"
    assert test.farthest == 2
    assert test.farthest_sigma == pytest.approx(-10.0)


def test_sets_without_an_error_bar_are_left_out():
    test = equipartition_of(temperatures([310, 290, 999, 999], [10, 10, np.nan, 0]))
    assert test.freedom == 1
    assert test.chi_squared == pytest.approx(2.0)


def test_too_little_for_a_test():
    assert equipartition_of(temperatures([310], [10])) is None
    assert equipartition_of(xr.Dataset()) is None
