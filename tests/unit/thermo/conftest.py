"""Force constants with replicates that differ as those of a fit do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants


@pytest.fixture
def fitted(crystals, springs) -> Callable[..., ForceConstants]:
    """``fitted(name, spread)``: springs, and replicates with other strengths and reaches."""

    def build(name: str, spread: float = 1e-3, cutoff: float = 4.5) -> ForceConstants:
        crystal: Crystal = crystals[name]
        whole = springs(crystal, cutoff)
        near = springs(crystal, 3.0)
        at_home = {
            (i, j, *r): k
            for k, (i, j, r) in enumerate(
                zip(whole.first, whole.second, map(tuple, whole.lattice), strict=True)
            )
        }
        place = [
            at_home[i, j, *r]
            for i, j, r in zip(near.first, near.second, map(tuple, near.lattice), strict=True)
        ]
        part = np.zeros_like(whole.values)
        np.add.at(part, place, near.values)
        factors = spread * np.random.default_rng(5).standard_normal((8, 2))
        replicates = [whole.values * (1.0 + a) + b * part for a, b in factors]
        return replace(whole, replicates=np.array(replicates))

    return build
