import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.model import model_of, reduced_equations
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff, admissible_radius
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell


def model_for(supercell, cutoffs, scheme="sequential", **options):
    expansion = expansion_of(space_group(supercell.crystal), supercell, cutoffs)
    return model_of(expansion, constraints=Constraints(), scheme=scheme, **options)


def test_free_parameters_are_sorted_by_stage(wurtzite):
    cutoffs = {2: 4.4, 3: 3.3, 4: 2.1}
    model = model_for(wurtzite, cutoffs)
    # one constant force, opposite for Ga and N, along c
    assert model.count(1) == 1
    assert model.n_parameters == sum(model.count(n) for n in (1, 2, 3, 4))
    np.testing.assert_array_equal(model.stage, np.maximum(model.order - 2, 0))
    assert [len(own) for own in model.stages] == [
        1 + model.count(2),
        model.count(3),
        model.count(4),
    ]
    joint = model_for(wurtzite, cutoffs, "joint")
    assert len(joint.stages) == 1
    np.testing.assert_array_equal(joint.null_space, model.null_space)
    assert model_for(wurtzite, cutoffs, constant_force=False).count(1) == 0


def test_null_space_does_not_mix_orders(wurtzite):
    model = model_for(wurtzite, {2: 4.4, 3: 3.3})
    for order in (1, 2, 3):
        outside = np.ones(model.expansion.n_parameters, dtype=bool)
        outside[model.expansion.columns(order)] = False
        assert not model.null_space[outside][:, model.order == order].any()


def test_models_are_restricted_to_directions_of_a_stage(wurtzite):
    model = model_for(wurtzite, {2: 4.4, 3: 3.3})
    n_second = model.count(3)
    span = np.eye(n_second)[:, :3]
    part = model.within({1: span})
    assert part.count(3) == 3
    assert part.count(2) == model.count(2)
    np.testing.assert_array_equal(
        part.null_space, model.null_space[:, : model.n_parameters - n_second + 3]
    )


def test_merging_blocks_adds_them(wurtzite, reduce_frames, random_frames):
    model = model_for(wurtzite, {2: 3.5})
    frames = random_frames(wurtzite, 20)
    four, two = (
        reduced_equations(
            harmonic_equations(reduce_frames(wurtzite, *frames, n_blocks=n), model.expansion),
            model,
        )
        for n in (4, 2)
    )
    merged = four.merged(2)
    np.testing.assert_allclose(merged.gram, two.gram, atol=1e-9)
    np.testing.assert_allclose(merged.moment, two.moment, atol=1e-10)
    np.testing.assert_allclose(merged.square, two.square, rtol=1e-12)
    np.testing.assert_array_equal(merged.frames, two.frames)


def test_cutoffs_without_neighbours_are_refused(crystals):
    supercell = build_supercell(crystals["diamond"], 3 * np.eye(3, dtype=int))
    for cutoff in (1.0, 1e-6):
        with pytest.raises(UsageError, match=r"no other atom(.|\n)*neighbours, .* at 2\.35 Å"):
            expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    with pytest.raises(DataError, match=r"no free parameter of order 3[\s\S]*no neighbour"):
        model_for(supercell, {2: 3.0, 3: 1.0})


def test_an_order_that_symmetry_forbids_is_not_blamed_on_the_cutoff(crystals):
    # Every atom of this box is a centre of inversion between the images of its neighbours.
    supercell = build_supercell(crystals["bcc"], 2 * np.eye(3, dtype=int))
    with pytest.raises(DataError, match=r"no free parameter of order 3[\s\S]*symmetry of the"):
        model_for(supercell, {2: "supercell", 3: "supercell"})


@pytest.mark.parametrize("cutoffs", [{2: 3.0, 4: 2.0}, {3: 3.0, 4: 2.0, 5: 2.0}, {1: 3.0}])
def test_orders_must_be_consecutive(wurtzite, cutoffs):
    with pytest.raises(UsageError, match="one for each order from 2 to the highest"):
        expansion_of(space_group(wurtzite.crystal), wurtzite, cutoffs)


def test_supercell_is_a_cutoff_of_every_order(wurtzite):
    group = space_group(wurtzite.crystal)
    assert expansion_of(group, wurtzite, {2: "supercell", 3: 2.2}).cutoffs[1] is None
    small = build_supercell(wurtzite.crystal, np.diag([2, 2, 1]))
    whole = expansion_of(group, small, {2: 2.5, 3: "supercell"})
    assert whole.cutoffs[2] is None
    assert whole.bases[2].orbits.n_clusters == 4 * small.n_atoms**2
    # an order whose clusters fill the supercell lowers the symmetry of all orders
    flat = build_supercell(wurtzite.crystal, np.diag([2, 1, 1]))
    lower = expansion_of(group, flat, {2: "supercell", 3: "supercell"}).group
    assert lower.n_operations < group.n_operations


def test_only_second_order_is_limited_by_the_inscribed_sphere(wurtzite):
    group = space_group(wurtzite.crystal)
    small = build_supercell(wurtzite.crystal, np.diag([2, 2, 1]))
    expansion = expansion_of(group, small, {2: 2.5, 3: 3.3})
    assert expansion.bases[2].orbits.radii.max() == pytest.approx(3.19, abs=0.02)
    assert "shared among the nearest images" in expansion.bases[2].orbits.notes[0].text
    with pytest.raises(UsageError, match="inscribed sphere"):
        expansion_of(group, small, {2: 3.3})


def test_second_order_has_the_largest_cutoff_by_default(wurtzite):
    expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, {3: 2.2})
    assert expansion.cutoffs[1].radius == pytest.approx(1.5 * 3.19)
    assert expansion.orders == (1, 2, 3)


def test_restricted_expansions_equal_new_ones(wurtzite):
    group = space_group(wurtzite.crystal)
    whole = expansion_of(group, wurtzite, {2: 4.4, 3: 3.3, 4: 2.1})
    part, mask = whole.restricted({2: Cutoff(3.3), 3: None})
    fresh = expansion_of(group, wurtzite, {2: 3.3, 3: 3.3})
    assert part.orders == (1, 2, 3)
    assert mask.sum() == part.n_parameters
    assert [str(cutoff) for cutoff in part.cutoffs] == ["None", "3.3", "3.3"]
    for one, other in zip(part, fresh, strict=True):
        np.testing.assert_array_equal(one.orbits.lattice, other.orbits.lattice)
        width = other.tensors.shape[1]
        np.testing.assert_array_equal(one.tensors[:, :width], other.tensors)
        assert not one.tensors[:, width:].any()
    with pytest.raises(UsageError, match=r"orders \[2, 4\] cannot be fitted"):
        whole.restricted({2: None, 4: None})
    with pytest.raises(
        UsageError,
        match=r"the cutoff of 4.5 Å is longer than that of the normal equations, 4.4",
    ):
        whole.restricted({2: Cutoff(4.5)})


def test_shared_force_constants_of_a_supercell_of_lower_symmetry_are_a_warning(crystals):
    group = space_group(crystals["wurtzite"])
    rectangular = build_supercell(group.crystal, np.array([[3, 0, 0], [1, 2, 0], [0, 0, 2]]))
    whole = expansion_of(group, rectangular, {2: "supercell"})
    (warning,) = (note for basis in whole for note in basis.orbits.notes)
    assert warning.severity == "warning"
    assert "only 4 of the 12 symmetry operations" in warning.text
    assert f"--cutoff2 of at most {admissible_radius(rectangular):.2f} Å" in warning.fix
    # Within the sphere inscribed in the supercell all operations hold.
    inside = expansion_of(group, rectangular, {2: None})
    assert not any(basis.orbits.notes for basis in inside)
    assert inside.group.n_operations == 12
    hexagonal = build_supercell(group.crystal, np.diag([3, 3, 2]))
    whole = expansion_of(group, hexagonal, {2: "supercell"})
    assert not any(basis.orbits.notes for basis in whole)
