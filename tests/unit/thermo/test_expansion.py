"""Thermal expansion of crystals with a closed form."""

from dataclasses import replace

import numpy as np
import pytest

import trajmodes as tm
from springs.simple_cubic import SIDE, simple_cubic
from trajmodes.data.force_constants import ClusterConstants, ForceConstants, jackknife_sem
from trajmodes.errors import DataError
from trajmodes.phonons.anharmonic.gruneisen import mean_gruneisen
from trajmodes.thermo.elasticity import elasticity
from trajmodes.thermo.expansion import thermal_expansion
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import BOLTZMANN

MESH = (5, 5, 5)
RNG = np.random.default_rng(3)
KELVIN = np.array([50.0, 300.0, 5000.0])


def test_a_cubic_crystal_expands_by_gruneisens_law():
    """α = Cγ/3VK, with the mean Grüneisen parameter, heat capacity and bulk modulus."""
    constants = simple_cubic()
    found = thermal_expansion(constants, MESH, KELVIN)
    gamma = mean_gruneisen(constants, MESH, KELVIN)
    heat = thermodynamics(constants, MESH, KELVIN, fine_at_gamma=False).quantum.heat_capacity
    bulk = elasticity(constants).moduli.bulk[0]
    wanted = heat * gamma.quantum / (3.0 * SIDE**3 * bulk)
    identity = np.eye(3)
    np.testing.assert_allclose(
        found.quantum, wanted[:, None, None] * identity, atol=1e-9 * np.abs(wanted).max()
    )
    of_mesh = 3.0 * BOLTZMANN * (1.0 - 1.0 / 125.0)
    classical = of_mesh * gamma.classical / (3.0 * SIDE**3 * bulk)
    np.testing.assert_allclose(found.classical, classical * identity, atol=1e-9 * classical)
    np.testing.assert_allclose(found.quantum[-1], found.classical, rtol=2e-3, atol=1e-12)


def test_errors_are_those_of_every_replicate_solved_anew():
    spread = 1.0 + 2e-3 * np.random.default_rng(4).standard_normal((6, 3))
    others = [simple_cubic(5.0 * a, 0.4 * b, -20.0 * c) for a, b, c in spread]
    whole = simple_cubic()
    triplets = replace(
        whole.triplets, replicates=np.array([one.triplets.values for one in others])
    )
    fitted = replace(
        whole, triplets=triplets, replicates=np.array([one.values for one in others])
    )
    found = thermal_expansion(fitted, MESH, KELVIN)
    singles = [thermal_expansion(one, MESH, KELVIN) for one in others]
    for name in ("quantum", "classical"):
        anew = jackknife_sem(getattr(one, name) for one in singles)
        error = getattr(found, f"{name}_sem")
        np.testing.assert_allclose(error, anew, rtol=0.03, atol=1e-3 * anew.max())


def test_a_layer_expands_in_its_plane_by_the_same_whatever_its_vacuum():
    constants = simple_cubic()
    flat = constants.lattice[:, 2] == 0
    triplets = constants.triplets
    inside = (triplets.lattice[:, :, 2] == 0).all(axis=1)

    def layer(height: float) -> ForceConstants:
        cell = np.diag([SIDE, SIDE, height])
        crystal = replace(constants.crystal, cell=cell)
        values = constants.values[flat].copy()
        values[0] -= values.sum(axis=0)
        kept = ClusterConstants(
            triplets.sites[inside], triplets.lattice[inside], triplets.values[inside]
        )
        return replace(
            constants, crystal=crystal, first=constants.first[flat],
            second=constants.second[flat], lattice=constants.lattice[flat], values=values,
            triplets=kept,
        )  # fmt: skip

    found, other = (thermal_expansion(layer(h), (6, 6, 1), KELVIN) for h in (15.0, 24.0))
    np.testing.assert_allclose(found.quantum, other.quantum, rtol=1e-9, atol=1e-20)
    np.testing.assert_array_equal(found.quantum[:, 2], 0.0)
    assert found.classical[0, 0] == pytest.approx(found.classical[1, 1], rel=1e-9)
    assert found.classical[0, 0] != 0.0


def test_without_a_third_order_there_is_no_expansion():
    with pytest.raises(DataError, match="third order"):
        thermal_expansion(replace(simple_cubic(), triplets=None), MESH, KELVIN)


def test_thermo_sums_the_expansion_over_the_mesh_that_is_given():
    constants = tm.ForceConstants.of(simple_cubic())
    found = constants.thermodynamics(temperatures=[300.0], mesh=5)
    assert found["expansion_mesh"].values.tolist() == list(MESH)
    wanted = thermal_expansion(constants, MESH, [300.0])
    np.testing.assert_array_equal(found["expansion"].values, wanted.quantum)


def test_thermo_goes_on_without_an_expansion():
    """Bonds without bending forces resist no shear: the compliance is infinite."""
    constants = tm.ForceConstants.of(simple_cubic(bend=0.0))
    found = constants.thermodynamics(temperatures=[300.0], mesh=4)
    assert "expansion" not in found
    assert np.isfinite(found["free_energy"]).all()
    (note,) = (text for text in found["notes"].values if "expansion" in text)
    assert "singular" in note


@pytest.mark.slow
def test_z_scores_of_synthetic_runs_have_unit_spread():
    """Each block of a run gives both orders with independent normal errors."""
    truth, rng, n_blocks = thermal_expansion(simple_cubic(), (3, 3, 3), KELVIN), RNG, 20
    scores = []
    for _ in range(50):
        strengths = [5.0, 0.4, -20.0] * (1.0 + 0.02 * rng.standard_normal((n_blocks, 3)))
        mean = strengths.mean(axis=0)
        left_out = [simple_cubic(*x) for x in (n_blocks * mean - strengths) / (n_blocks - 1)]
        whole = simple_cubic(*mean)
        third = np.array([one.triplets.values for one in left_out])
        fitted = replace(
            whole,
            triplets=replace(whole.triplets, replicates=third),
            replicates=np.array([one.values for one in left_out]),
        )
        found = thermal_expansion(fitted, (3, 3, 3), KELVIN)
        scores.append((found.mean - truth.mean) / found.mean_sem)
    spread = np.sqrt((np.array(scores) ** 2).mean(axis=0))
    # Twenty blocks and fifty runs give 1.06 ± 0.11.
    assert ((spread > 0.85) & (spread < 1.2)).all(), spread
