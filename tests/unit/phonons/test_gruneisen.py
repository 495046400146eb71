"""Grüneisen parameters of a crystal with a closed form, and refused input."""

from dataclasses import replace

import numpy as np
import pytest

from springs.simple_cubic import BEND, CUBIC, SIDE, STIFF, simple_cubic
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of
from trajmodes.fit.model import model_of
from trajmodes.phonons.anharmonic.gruneisen import (
    gruneisen_at,
    gruneisen_of,
    gruneisen_parameters,
    mean_gruneisen,
    mean_mesh,
)
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

Q_LIST = np.array([[0.5, 0, 0], [0.2, 0.1, 0.4], [0, 0, 0]])


def test_simple_cubic_crystal_agrees_with_the_closed_form():
    found = gruneisen_at(simple_cubic(), Q_LIST[:1])
    # At X the transverse modes depend on φ'/r of the bonds along q, the longitudinal one on
    # φ''. ∂(φ'/r)/∂ε_xx = φ'' − φ'/r, ∂φ''/∂ε_xx = r φ'''.
    across = -0.5 * (STIFF - BEND) / BEND
    along = -0.5 * SIDE * CUBIC / STIFF
    np.testing.assert_allclose(
        found.gamma[0], np.array([across, across, along]) / 3, rtol=1e-12
    )
    np.testing.assert_allclose(found.tensor[0, 2], np.diag([along, 0, 0]), atol=1e-12)
    root = np.array([BEND, BEND, STIFF]) * 4 / (28.0 * DALTON)
    np.testing.assert_allclose(found.omega[0] ** 2, root)
    np.testing.assert_allclose(found.slope[0], -2 * found.gamma[0] * root)
    assert found.gamma_sem is None
    assert found.tensor_sem is None
    assert found.slope_sem is None


@pytest.mark.parametrize("period", [12.0, 30.0])
def test_a_layer_changes_with_its_area_and_not_with_its_vacuum(period):
    bulk = simple_cubic()
    flat = Crystal(
        np.diag([SIDE, SIDE, period]), np.full((1, 3), 0.5), ("Si",), bulk.crystal.masses
    )
    pairs, triplets = bulk.lattice[:, 2] == 0, bulk.triplets.lattice[:, :, 2]
    kept = (triplets == 0).all(axis=1)
    values = bulk.values.copy()
    values[0] = -values[1:][pairs[1:]].sum(axis=0)
    layer = ForceConstants(
        flat, bulk.first[pairs], bulk.second[pairs], bulk.lattice[pairs], values[pairs],
        triplets=ClusterConstants(
            bulk.triplets.sites[kept], bulk.triplets.lattice[kept], bulk.triplets.values[kept]
        ),
    )  # fmt: skip
    found = gruneisen_at(layer, Q_LIST[:1])
    across, along = -0.5 * (STIFF - BEND) / BEND, -0.5 * SIDE * CUBIC / STIFF
    np.testing.assert_allclose(
        found.gamma[0], np.array([across, across, along]) / 2, rtol=1e-12
    )
    np.testing.assert_allclose(found.slope[0], -2 * found.gamma[0] * found.omega[0] ** 2)
    assert mean_mesh(flat)[2] == 1


def test_acoustic_modes_at_gamma_have_no_grueneisen_parameter():
    found = gruneisen_at(simple_cubic(), Q_LIST)
    assert np.isnan(found.gamma[2]).all()
    assert np.isnan(found.tensor[2]).all()
    np.testing.assert_allclose(found.slope[2], 0.0, atol=1e-9)
    assert np.isfinite(found.gamma[:2]).all()


def test_constants_shared_among_images_keep_the_translations(crystals):
    """Their sum rule holds after the sum over images: no strain may act on a translation."""
    supercell = build_supercell(crystals["rutile"], np.diag([1, 1, 2]))
    whole = expansion_of(
        space_group(supercell.crystal), supercell, {2: "supercell", 3: "supercell"}
    )
    model = model_of(whole, constraints=Constraints(), scheme="joint")
    rng = np.random.default_rng(3)
    constants = constants_of(model, rng.normal(size=model.n_parameters))
    along = np.array([1.0, 0.5, 0.7])[None, :] * 1e-3
    found = gruneisen_at(constants, np.concatenate([0.0 * along, 0.5 * along, along]))
    slow = np.argsort(np.abs(found.omega), axis=1)[:, :3]
    slopes = np.take_along_axis(found.slope, slow, axis=1)
    np.testing.assert_allclose(slopes[0], 0.0, atol=1e-9 * np.abs(found.slope).max())
    # as slow as ω² itself
    np.testing.assert_allclose(slopes[2] / slopes[1], 4.0, rtol=1e-3)


def test_an_imaginary_mode_has_only_a_slope():
    found = gruneisen_at(simple_cubic(bend=-0.4), Q_LIST[:1])
    np.testing.assert_array_equal(np.isnan(found.gamma[0]), [True, True, False])
    np.testing.assert_allclose(
        found.slope[0, :2], 4 / (28.0 * DALTON) * (STIFF + 0.4) / 3, rtol=1e-12
    )


def test_an_empty_list_of_q_gives_empty_arrays():
    found = gruneisen_at(simple_cubic(), np.zeros((0, 3)))
    assert found.gamma.shape == (0, 3)
    assert found.tensor.shape == (0, 3, 3, 3)


def test_results_do_not_depend_on_chunks(monkeypatch):
    whole = gruneisen_at(simple_cubic(), Q_LIST)
    monkeypatch.setattr("trajmodes.phonons.strain._CHUNK_BYTES", 1)
    again = gruneisen_at(simple_cubic(), Q_LIST)
    np.testing.assert_allclose(again.tensor, whole.tensor, rtol=1e-12, atol=1e-12)


def doubled(constants: ForceConstants, n_pairs: int, n_triplets: int) -> ForceConstants:
    """Force constants with equal replicates."""
    triplets = constants.triplets
    return replace(
        constants,
        replicates=np.repeat(constants.values[None], n_pairs, axis=0),
        triplets=replace(
            triplets, replicates=np.repeat(triplets.values[None], n_triplets, axis=0)
        ),
    )


def test_equal_replicates_give_no_error():
    found = gruneisen_at(doubled(simple_cubic(), 3, 3), Q_LIST[:2])
    scale = np.abs(found.tensor).max()
    assert found.gamma_sem.max() < 1e-13 * scale
    assert found.tensor_sem.max() < 1e-13 * scale


def test_error_of_a_soft_mode_is_that_of_its_frequency():
    """δγ = γ δω²/ω² if only the second order is uncertain."""
    plain = simple_cubic()
    factors = 1.0 + 1e-3 * np.array([1.0, -1.0, 0.0])
    constants = replace(
        doubled(plain, 3, 3), replicates=factors[:, None, None, None] * plain.values
    )
    found = gruneisen_at(constants, Q_LIST[:2])
    wanted = np.sqrt(2.0 / 3.0 * 2.0) * 1e-3 * np.abs(found.gamma)
    np.testing.assert_allclose(found.gamma_sem, wanted, rtol=1e-6)


def test_replicates_must_be_of_the_same_blocks():
    with pytest.raises(DataError, match=r"3 replicates .* of second order, 4 of third"):
        gruneisen_at(doubled(simple_cubic(), 3, 4), Q_LIST)
    with pytest.raises(DataError, match="at least two blocks"):
        gruneisen_of(doubled(simple_cubic(), 1, 1), modes_at(simple_cubic(), Q_LIST))


def test_third_order_is_needed(crystals, springs):
    with pytest.raises(DataError, match="no force constants of third order"):
        gruneisen_at(springs(crystals["bcc"], 3.0), Q_LIST)


def test_modes_of_another_crystal_are_refused(crystals, springs):
    modes = modes_at(springs(crystals["diamond"], 3.0), Q_LIST)
    with pytest.raises(DataError, match="belong to another crystal"):
        gruneisen_of(simple_cubic(), modes)


def test_a_triplet_in_one_order_only_is_refused():
    constants = simple_cubic()
    triplets = constants.triplets
    cut = ClusterConstants(triplets.sites[:7], triplets.lattice[:7], triplets.values[:7])
    with pytest.raises(DataError, match=r"listed without \(j, i, k\)"):
        gruneisen_at(replace(constants, triplets=cut), Q_LIST)


def test_a_broken_sum_rule_is_refused():
    constants = simple_cubic()
    values = constants.triplets.values.copy()
    values[12] *= 1.01
    broken = replace(constants, triplets=replace(constants.triplets, values=values))
    with pytest.raises(DataError, match="depends on the order of the pair"):
        gruneisen_at(broken, Q_LIST)
    values[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        gruneisen_at(
            replace(constants, triplets=replace(broken.triplets, values=values)), Q_LIST
        )


def test_an_internal_displacement_without_restoring_force_is_refused():
    """Two bonds of opposite stiffness: the restoring forces cancel."""
    crystal = Crystal(
        np.eye(3) * SIDE, np.array([[0, 0, 0], [0, 0, 0.5]]), ("Si", "Si"), np.full(2, DALTON)
    )
    bond = np.diag([0.0, 0.0, STIFF])
    nothing = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.zeros((1, 3, 3, 3))
    )
    constants = ForceConstants(
        crystal, np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]),
        np.array([[0, 0, 0], [0, 0, -1], [0, 0, 0], [0, 0, 1]]),
        np.array([-bond, bond, -bond, bond]), triplets=nothing,
    )  # fmt: skip
    with pytest.raises(DataError, match="has no restoring force"):
        gruneisen_at(constants, Q_LIST)
    assert not gruneisen_at(constants, Q_LIST, relaxed=False).slope.any()


def test_a_mean_needs_temperatures_and_modes():
    with pytest.raises(UsageError, match="temperatures must be positive"):
        mean_gruneisen(simple_cubic(), (2, 2, 2), [300.0, 0.0])
    with pytest.raises(DataError, match="no ω² is positive"):
        mean_gruneisen(simple_cubic(-5.0, -0.4), (2, 2, 2), 300.0)


def test_modes_left_out_of_the_mean_are_counted():
    found = mean_gruneisen(simple_cubic(bend=-0.4), (2, 2, 2), 300.0)
    modes = gruneisen_at(simple_cubic(bend=-0.4), np.indices((2, 2, 2)).reshape(3, -1).T / 2)
    imaginary = (modes.omega < -1e-3).sum()
    assert 0 < imaginary < modes.omega.size
    assert found.left_out == pytest.approx(imaginary / modes.omega.size)
    assert found.quantum_sem is None
    assert found.classical_sem is None


def test_a_low_temperature_does_not_underflow():
    cold = mean_gruneisen(simple_cubic(), (4, 4, 4), [0.01, 0.1])
    assert np.isfinite(cold.quantum).all()


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_the_mesh_of_the_mean_is_fine_and_has_the_symmetry_of_the_crystal(name, crystals):
    crystal = crystals[name]
    counts = mean_mesh(crystal)
    lengths = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    assert (lengths / counts <= 0.15).all()
    assert (counts[0] == counts[1]) is (name != "triclinic")
    assert (counts[0] == counts[2]) is (name == "diamond")


def test_path_sets_and_mean_agree():
    """The same values on the path, for the sets and in the mean; none without third order."""
    constants = replace(simple_cubic(), temperature=300.0)
    modes = modes_at(constants, [[0.25, 0.0, 0.0], [0.5, 0.5, 0.0]])
    path = band_path(constants.crystal, 0.3)
    found = gruneisen_parameters(constants, modes, path)
    single = gruneisen_at(constants, modes.qpoints).gamma
    np.testing.assert_allclose(found.sets[modes.sets], single, rtol=1e-9)
    along = gruneisen_at(constants, path.qpoints).gamma
    np.testing.assert_array_equal(found.path, along)
    mean = mean_gruneisen(constants, mean_mesh(constants.crystal), 300.0)
    assert found.mean.quantum == pytest.approx(mean.quantum)
    unknown = gruneisen_parameters(replace(constants, temperature=None), modes, path)
    assert unknown.mean.quantum.shape == (0,)
    assert unknown.mean.classical == pytest.approx(mean.classical)
    assert gruneisen_parameters(replace(constants, triplets=None), modes, path) is None
