import numpy as np
import pytest

from trajmodes.data import Crystal


@pytest.fixture
def quartz():
    """α-quartz, P3_221: Levien, Prewitt, Weidner, Am. Mineral. 65, 920 (1980)."""
    a, c, x, (p, q, r) = 4.916, 5.4054, 0.4697, (0.4135, 0.2669, 0.7858)
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, c]]
    silicon = [[x, 0, 2 / 3], [0, x, 1 / 3], [-x, -x, 0]]
    oxygen = [
        [p, q, r], [-q, p - q, r + 2 / 3], [q - p, -p, r + 1 / 3],
        [q, p, -r], [p - q, -q, 1 / 3 - r], [-p, q - p, 2 / 3 - r],
    ]  # fmt: skip
    species = ("Si",) * 3 + ("O",) * 6
    return Crystal(np.array(cell), np.array(silicon + oxygen), species, np.ones(9))
