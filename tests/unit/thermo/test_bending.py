"""Bending rigidity of a plate whose rigidity is known."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.units import DALTON

SIDE, STIFF, SPRING = 2.5, 0.7, 4.0


def plate(stiff: float = STIFF, tension: float = 0.0) -> ForceConstants:
    """Square lattice with ½ C (Laplacian)² along the normal: κ = C a², and springs in it."""
    crystal = Crystal(
        np.diag([SIDE, SIDE, 20.0]), np.zeros((1, 3)), ("C",), np.array([12.0 * DALTON])
    )
    steps = {(1, 0): 1.0, (-1, 0): 1.0, (0, 1): 1.0, (0, -1): 1.0, (0, 0): -4.0}
    values: dict[tuple[int, int], np.ndarray] = {}
    normal, flat = np.diag([0.0, 0.0, 1.0]), np.diag([1.0, 1.0, 0.0])
    for (a, f), (b, g) in product(steps.items(), repeat=2):
        place = (a[0] + b[0], a[1] + b[1])
        values[place] = values.get(place, 0.0) + stiff * f * g * normal
    for place, f in steps.items():
        # Bonds are twice as stiff along their direction as across it.
        strength = flat + (np.diag([*np.abs(place), 0.0]) if any(place) else 0.5 * flat)
        values[place] = values[place] - f * (SPRING * strength + tension * normal)
    lattice = np.array([(*place, 0) for place in values])
    zero = np.zeros(len(lattice), int)
    return ForceConstants(crystal, zero, zero, lattice, np.array(list(values.values())))


@pytest.mark.parametrize("direction", [[1.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
def test_rigidity_and_tension_are_those_of_the_plate(direction):
    # A tension of T per bond is σ = T in a square lattice, and changes q⁴ by −σa²/12 (c⁴ + s⁴).
    found = tm.ForceConstants.of(plate()).bending_rigidity(direction)
    assert found.rigidity == pytest.approx(STIFF * SIDE**2, rel=1e-4)
    assert abs(found.tension) < 1e-6
    assert found.rigidity_sem is None
    assert found.rigidity.shape == (1,)
    tense = tm.ForceConstants.of(plate(tension=0.1)).bending_rigidity(direction)
    assert tense.tension == pytest.approx(0.1, rel=1e-4)


def test_the_error_is_that_of_the_strength():
    factors = 1.0 + 0.01 * np.random.default_rng(2).standard_normal(8)
    replicates = np.array([plate(STIFF * x).values for x in factors])
    found = tm.ForceConstants.of(replace(plate(), replicates=replicates)).bending_rigidity(
        [0.0, 1.0, 0.0]
    )
    wanted = STIFF * SIDE**2 * np.sqrt(7.0 / 8.0 * ((factors - factors.mean()) ** 2).sum())
    assert found.rigidity_sem == pytest.approx(wanted, rel=1e-3)


def test_only_layers_bend_and_waves_run_in_their_plane(crystals, springs):
    with pytest.raises(DataError, match="no layer"):
        tm.ForceConstants.of(springs(crystals["bcc"], 3.0)).bending_rigidity([1, 0, 0])
    with pytest.raises(UsageError, match="in the plane of the layer"):
        tm.ForceConstants.of(plate()).bending_rigidity([0, 0, 1])


def test_elastic_prints_the_bending_of_layers_alone(crystals, springs, tmp_path):
    layer = tm.ForceConstants.of(plate(tension=0.1))
    dataset = layer.elasticity(output=tmp_path / "layer")
    np.testing.assert_allclose(dataset["bending_rigidity"], STIFF * SIDE**2, rtol=2e-2)
    np.testing.assert_allclose(dataset["bending_tension"], 0.1 * 16.021766, rtol=1e-4)
    # The plate is square: waves along its axes are equal.
    assert np.ptp(dataset["bending_rigidity"].values) < 1e-6
    table = tm.load(tmp_path / "layer").table("elastic").set_index("quantity")
    row = table.loc["bending rigidity κ of a layer along 1 0 0"]
    assert row["value"] == pytest.approx(float(dataset["bending_rigidity"][0]))
    assert row["unit"] == "eV"
    bulk = tm.ForceConstants.of(springs(crystals["bcc"], 3.0)).elasticity()
    assert "bending_rigidity" not in bulk
