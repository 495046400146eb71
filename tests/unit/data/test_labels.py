import numpy as np
import pytest

from trajmodes.data.labels import point


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ([0, 0, 0], "0 0 0"),
        ([0.5, -0.5, 0], "1/2 1/2 0"),
        ([-0.25, 0.125, -0.5], "1/4 -1/8 1/2"),
        ([1 / 3, 2 / 7, 0], "1/3 2/7 0"),
        ([0.12345, 0, 0], "0.123 0 0"),
    ],
)
def test_q_points_are_written_as_fractions(q, text):
    assert point(np.array(q, float)) == text
