"""Laws of the normal equations: least squares, stages, blocks, pooling, invariances, rank."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of, fit_equations
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.fit.model import model_of
from trajmodes.fit.normal_equations import pooled
from trajmodes.fit.solution import FitOptions
from trajmodes.results.normal_equations import equations_dataset
from trajmodes.results.normal_equations import equations_of as equations_from_dataset
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
JOINT = FitOptions(scheme="joint")
# supercell matrix and cutoffs in Å by order; small enough for explicit design matrices
CASES = {
    "diamond": (np.diag([2, 2, 2]), {2: 3.5, 3: 3.5, 4: 2.5}),
    "wurtzite": (np.diag([2, 2, 2]), {2: 3.1, 3: 2.5}),
    "triclinic": (np.diag([2, 2, 2]), {2: 3.2, 3: 2.2}),
}


def case(crystals, name, n_frames, seed=0, cutoffs=None, matrix=None):
    """Supercell, expansion, random displacements and unrelated random forces."""
    crystal = crystals[name]
    own, reach = CASES[name]
    supercell = build_supercell(crystal, own if matrix is None else matrix)
    expansion = expansion_of(space_group(crystal), supercell, cutoffs or reach)
    frames = np.random.default_rng(seed).normal(size=(2, n_frames, supercell.n_atoms, 3))
    return supercell, expansion, 0.1 * frames[0], frames[1]


def all_values(constants):
    higher = (constants.triplets, constants.quartets)
    return [constants.values, *(part.values for part in higher if part is not None)]


def assert_same(one, other, tolerance=1e-10):
    for found, expected in zip(all_values(one), all_values(other), strict=True):
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", CASES)
def test_joint_fit_is_least_squares(crystals, equations_of, design_of, name):
    supercell, expansion, u_tax, f_tax = case(crystals, name, 20)
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rows = design_of(model, supercell, u_tax)
    direct, _, rank, _ = np.linalg.lstsq(rows, f_tax.ravel(), rcond=None)
    assert rank == model.n_parameters
    fit = fit_equations(equations_of(expansion, supercell, u_tax, f_tax), options=JOINT)
    assert_same(fit.constants, constants_of(model, direct))
    left = f_tax.ravel() - rows @ direct
    quality = fit.constants.quality
    assert quality.rms_residual == pytest.approx(np.sqrt((left**2).mean()), rel=1e-10)
    assert quality.r_squared == pytest.approx(1 - (left @ left) / (f_tax**2).sum(), abs=1e-10)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("constant_force", [True, False])
def test_sequential_fit_is_least_squares_of_residuals(
    crystals, equations_of, design_of, name, constant_force
):
    supercell, expansion, u_tax, f_tax = case(crystals, name, 20)
    model = model_of(
        expansion,
        constraints=Constraints(),
        scheme="sequential",
        constant_force=constant_force,
    )
    rows, left = design_of(model, supercell, u_tax), f_tax.ravel()
    x = np.zeros(model.n_parameters)
    residuals = []
    for order in expansion.orders[1:]:
        # each stage fits its own constant force, which is not part of the result
        own = np.flatnonzero((model.order == order) | (model.order == 1))
        found, *_ = np.linalg.lstsq(rows[:, own], left, rcond=None)
        left = left - rows[:, own] @ found
        x[own] = found
        residuals.append(np.sqrt((left**2).mean()))
    options = FitOptions(constant_force=constant_force)
    fit = fit_equations(equations_of(expansion, supercell, u_tax, f_tax), options=options)
    assert_same(fit.constants, constants_of(model, x))
    quality = fit.constants.quality
    assert quality.scheme == "sequential"
    assert quality.rms_residual == pytest.approx(residuals[-1], rel=1e-10)
    assert quality.orders[0].n_parameters == model.count(2)


def test_a_sequential_fit_to_a_run_has_the_static_response(crystals, equations_of):
    """Its second order is kT/⟨uu⟩; that of a joint fit is not, and without motion none is."""
    supercell, expansion, u_tax, f_tax = case(crystals, "diamond", 20)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    for kelvin, options, wanted in (
        (300.0, FitOptions(), True),
        (300.0, JOINT, False),
        (None, FitOptions(), None),
    ):
        found = fit_equations(equations, temperature=kelvin, options=options).constants
        assert found.has_static_part is wanted


def test_distance_of_schemes_is_that_of_their_force_constants(crystals, equations_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "diamond", 20)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    one, other = fit_equations(equations), fit_equations(equations, options=JOINT)
    assert_same(one.other_scheme, other.constants, tolerance=1e-12)
    assert_same(other.other_scheme, one.constants, tolerance=1e-12)
    pairs = zip(all_values(one.constants), all_values(other.constants), strict=True)
    for reported, (mine, theirs) in zip(one.constants.quality.orders, pairs, strict=True):
        expected = np.linalg.norm(theirs - mine) / np.linalg.norm(mine)
        assert reported.scheme_distance == pytest.approx(expected, rel=1e-6)
        assert expected > 1e-4
    assert other.constants.quality.rms_residual < one.constants.quality.rms_residual


@settings(derandomize=True, deadline=None, max_examples=15)
@given(cuts=st.sets(st.integers(1, 36), max_size=8), n_blocks=st.integers(1, 50))
def test_normal_equations_do_not_depend_on_cuts(crystals, equations_of, cuts, n_blocks):
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 37)
    whole = equations_of(expansion, supercell, u_tax, f_tax, n_blocks)
    cut = equations_of(expansion, supercell, u_tax, f_tax, n_blocks, cuts)
    np.testing.assert_array_equal(whole.frames, cut.frames)
    for name in ("gram", "moment", "square", "displacement_sum", "force_sum"):
        np.testing.assert_allclose(getattr(whole, name), getattr(cut, name), atol=1e-10)


def test_normal_equations_do_not_depend_on_the_batch_size(crystals, equations_of):
    # more frames than the kernel treats at once, in blocks of different lengths
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 151)
    whole = equations_of(expansion, supercell, u_tax, f_tax, n_blocks=3)
    single = equations_of(expansion, supercell, u_tax, f_tax, n_blocks=3, cuts=range(1, 151))
    np.testing.assert_allclose(whole.gram, single.gram, atol=1e-9)
    assert_same(fit_equations(whole).constants, fit_equations(single).constants)


@pytest.mark.parametrize(
    ("name", "cutoffs", "fresh"),
    [
        ("wurtzite", {2: None}, {2: 4.7}),
        ("wurtzite", {2: Cutoff(4.0)}, {2: 4.0}),
        ("wurtzite", {2: None, 3: Cutoff(2.5)}, {2: 4.7, 3: 2.5}),
        ("wurtzite", {2: Cutoff(3.3), 3: None, 4: None}, {2: 3.3, 3: 3.3, 4: 2.1}),
        ("triclinic", {2: Cutoff(3.0), 3: Cutoff(2.2)}, {2: 3.0, 3: 2.2}),
        (
            "triclinic",
            {2: Cutoff(4.0, {("O", "Si"): 3.0}), 3: Cutoff(2.5, {("O", "O"): 2.0})},
            {2: Cutoff(4.0, {("O", "Si"): 3.0}), 3: Cutoff(2.5, {("O", "O"): 2.0})},
        ),
    ],
)
@pytest.mark.parametrize("scheme", ["sequential", "joint"])
def test_restricted_equations_equal_a_new_fit(
    crystals, equations_of, name, cutoffs, fresh, scheme
):
    matrix, reach = {
        "wurtzite": (np.diag([3, 3, 2]), {2: 4.7, 3: 3.3, 4: 2.1}),
        "triclinic": (np.diag([2, 2, 2]), {2: 4.0, 3: 2.6}),
    }[name]
    supercell, expansion, u_tax, f_tax = case(crystals, name, 30, cutoffs=reach, matrix=matrix)
    options = FitOptions(scheme=scheme)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    part = fit_equations(equations, cutoffs=cutoffs, options=options)
    smaller = expansion_of(expansion.group, supercell, fresh)
    anew = fit_equations(equations_of(smaller, supercell, u_tax, f_tax), options=options)
    np.testing.assert_array_equal(part.constants.lattice, anew.constants.lattice)
    assert_same(part.constants, anew.constants)
    assert part.constants.quality.n_parameters == anew.constants.quality.n_parameters
    assert part.constants.cutoff == anew.constants.cutoff
    errors = [fit.errors.variance.sum() for fit in (part, anew)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-8)


def test_two_runs_pooled_equal_one_run_cut_in_two(crystals, equations_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 64)
    one = equations_of(expansion, supercell, u_tax, f_tax, n_blocks=16)
    two = pooled(
        [
            equations_of(expansion, supercell, u_tax[part], f_tax[part], n_blocks=8)
            for part in (slice(0, 32), slice(32, 64))
        ]
    )
    np.testing.assert_array_equal(two.run, np.repeat([0, 1], 8))
    np.testing.assert_array_equal(two.frames, one.frames)
    assert_same(fit_equations(two).constants, fit_equations(one).constants)
    np.testing.assert_allclose(
        fit_equations(two).constants.triplets.replicates,
        fit_equations(one).constants.triplets.replicates,
        atol=1e-10,
    )
    # pooling is associative
    three = [replace(two, **_blocks(two, k)) for k in (slice(0, 5), slice(5, 9), slice(9, 16))]
    three = [replace(part, run=part.run - part.run[0]) for part in three]
    left, right = pooled([pooled(three[:2]), three[2]]), pooled([three[0], pooled(three[1:])])
    np.testing.assert_array_equal(left.run, right.run)
    np.testing.assert_array_equal(left.gram, right.gram)


def test_runs_of_different_supercells_are_pooled(crystals, equations_of, polynomial_forces):
    """Frames of two boxes of one crystal determine the same force constants."""
    crystal = crystals["wurtzite"]
    small, large = (build_supercell(crystal, np.diag(n)) for n in ([2, 2, 2], [3, 3, 2]))
    # beyond the small box, whose forces are sums over its images
    expansion = expansion_of(space_group(crystal), large, {2: 4.7, 3: 3.3})
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rng = np.random.default_rng(7)
    truth = constants_of(model, rng.normal(size=model.n_parameters))
    parts = []
    for supercell, n_frames in ((small, 24), (large, 16)):
        u_tax = 0.1 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
        f_tax = polynomial_forces(truth, supercell, u_tax)
        parts.append(equations_of(expansion, supercell, u_tax, f_tax, n_blocks=8))
    both = pooled(parts)
    assert both.supercell.n_atoms == large.n_atoms
    assert both.n_components == 3 * (24 * small.n_atoms + 16 * large.n_atoms)
    fit = fit_equations(both, options=JOINT)
    for one, other in zip(all_values(fit.constants), all_values(truth), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8 * np.abs(other).max())
    assert fit.constants.quality.rms_residual < 1e-6 * fit.constants.quality.rms_force
    # the files of normal equations hold them
    again = equations_from_dataset(equations_dataset(both))
    np.testing.assert_array_equal(again.components, both.components)
    assert_same(fit_equations(again, options=JOINT).constants, fit.constants)


def test_frames_count_by_their_atoms_in_errors_and_means(crystals, equations_of):
    """Doubling the box doubles the data: with equal noise, the error falls by its root."""
    crystal, rng = crystals["diamond"], np.random.default_rng(11)
    small, large = (build_supercell(crystal, np.diag([2, 2, n])) for n in (2, 4))
    expansion = expansion_of(space_group(crystal), small, {2: 2.5})

    def fitted(*boxes):
        parts = []
        for supercell in boxes:
            u_tax, noise = rng.normal(size=(2, 64, supercell.n_atoms, 3))
            parts.append(equations_of(expansion, supercell, u_tax, noise, n_blocks=32))
        return fit_equations(pooled(parts))

    fit = fitted(small, large)
    assert fit.constants.quality.rms_force == pytest.approx(1.0, abs=0.02)
    assert fit.constants.quality.rms_residual == pytest.approx(1.0, abs=0.02)
    variances = [
        np.mean([fitted(*boxes).errors.variance.sum() for _ in range(3)])
        for boxes in ((small, small), (small, large))
    ]
    assert variances[0] / variances[1] == pytest.approx(1.5, rel=0.25)


def test_clusters_of_one_supercell_are_not_pooled_with_another(crystals, equations_of):
    crystal, rng = crystals["diamond"], np.random.default_rng(0)
    parts = []
    for n in (1, 2):
        supercell = build_supercell(crystal, n * CONVENTIONAL)
        cutoffs = {2: "supercell", 3: "supercell"} if n == 1 else {2: 4.0, 3: 2.5}
        expansion = expansion_of(space_group(crystal), supercell, cutoffs)
        frames = rng.normal(size=(2, 8, supercell.n_atoms, 3))
        parts.append(equations_of(expansion, supercell, *frames, n_blocks=4))
    with pytest.raises(DataError, match="different supercells"):
        pooled(parts)


def _blocks(equations, part):
    return {name: sums[part] for name, sums in equations.arrays().items()}


def test_different_crystals_or_cutoffs_are_not_pooled(crystals, equations_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 4)
    one = equations_of(expansion, supercell, u_tax, f_tax)
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 4, cutoffs={2: 3.1})
    with pytest.raises(DataError, match="cannot be pooled: they differ in cutoffs"):
        pooled([one, equations_of(expansion, supercell, u_tax, f_tax)])
    supercell, expansion, u_tax, f_tax = case(crystals, "diamond", 4)
    with pytest.raises(DataError, match="they differ in species"):
        pooled([one, equations_of(expansion, supercell, u_tax, f_tax)])


def test_fit_is_invariant_to_drift_net_force_and_order_of_frames(crystals, equations_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 40)
    plain = fit_equations(equations_of(expansion, supercell, u_tax, f_tax)).constants
    rng = np.random.default_rng(4)
    drift = rng.normal(size=(2, 40, 1, 3))
    # the net force may be correlated with the drift: neither changes the fit
    drifted = equations_of(expansion, supercell, u_tax + drift[0], f_tax + drift[1] - drift[0])
    assert_same(fit_equations(drifted).constants, plain)
    shuffled = rng.permutation(40)
    mixed = equations_of(expansion, supercell, u_tax[shuffled], f_tax[shuffled])
    assert_same(fit_equations(mixed).constants, plain)
    double = fit_equations(equations_of(expansion, supercell, u_tax, 2.0 * f_tax)).constants
    for one, two in zip(all_values(plain), all_values(double), strict=True):
        np.testing.assert_allclose(two, 2.0 * one, atol=1e-10 * np.abs(one).max())
    longer = fit_equations(equations_of(expansion, supercell, 2.0 * u_tax, f_tax)).constants
    for n, (one, two) in enumerate(zip(all_values(plain), all_values(longer), strict=True), 1):
        np.testing.assert_allclose(two, one / 2.0**n, atol=1e-10 * np.abs(one).max())


def test_force_constants_rotate_with_the_crystal(crystals, equations_of):
    matrix, cutoffs = CASES["wurtzite"]
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 40)
    plain = fit_equations(equations_of(expansion, supercell, u_tax, f_tax)).constants
    crystal, rng = crystals["wurtzite"], np.random.default_rng(4)
    rotation = Rotation.random(rng=rng).as_matrix()
    rotated_crystal = Crystal(
        crystal.cell @ rotation.T, crystal.sites, crystal.species, crystal.masses
    )
    other = build_supercell(rotated_crystal, matrix)
    equations = equations_of(
        expansion_of(space_group(rotated_crystal), other, cutoffs),
        other,
        u_tax @ rotation.T,
        f_tax @ rotation.T,
    )
    found = fit_equations(equations).constants
    np.testing.assert_allclose(found.values, rotation @ plain.values @ rotation.T, atol=1e-10)
    moved = np.einsum(
        "cxyz,ux,vy,wz->cuvw", plain.triplets.values, rotation, rotation, rotation
    )
    size = np.abs(moved).max()
    np.testing.assert_allclose(found.triplets.values, moved, atol=1e-10 * size)


def test_second_order_by_rows_and_by_covariances_is_the_same(
    crystals, equations_of, fit_harmonic
):
    supercell, expansion, u_tax, f_tax = case(crystals, "triclinic", 40, cutoffs={2: 4.0})
    rows = fit_equations(equations_of(expansion, supercell, u_tax, f_tax, n_blocks=32))
    reduction = ForceCovariance(half_space(supercell), 40)
    state = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
    waves = fit_harmonic(reduction.finalize(state), cutoff=4.0)
    assert_same(rows.constants, waves.constants)
    np.testing.assert_allclose(rows.constants.replicates, waves.constants.replicates, atol=1e-9)
    assert rows.notes == waves.notes


def exact_cubic_run(crystals, n_frames, seed=1):
    """Wurtzite with exact forces of third order; its symmetry allows a constant force."""
    supercell, expansion, _, _ = case(crystals, "wurtzite", 1)
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=model.n_parameters) * np.where(model.order == 3, 5.0, 1.0)
    truth = constants_of(model, x)
    u_tax = 0.1 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
    return supercell, expansion, truth, u_tax


def test_shifted_reference_adds_third_order_to_second(
    crystals, equations_of, polynomial_forces, dense_of
):
    """f = −Φ2 (u − s) − ½ Φ3 (u − s)(u − s): in u the second order is Φ2 − Φ3 s."""
    supercell, expansion, truth, u_tax = exact_cubic_run(crystals, 60)
    # the internal parameter of wurtzite: Ga and N shift in opposite directions along c
    shift_sx = np.array([[0, 0, 0.02], [0, 0, 0.02], [0, 0, -0.02], [0, 0, -0.02]])
    shift = np.tile(shift_sx, (supercell.n_cells, 1))
    f_tax = polynomial_forces(truth, supercell, u_tax - shift)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    fit = fit_equations(equations, options=JOINT)
    found, true = dense_of(fit.constants, supercell), dense_of(truth, supercell)
    assert np.abs(found[3] - true[3]).max() < 1e-9 * np.abs(true[3]).max()
    expected = true[2] - true[3] @ shift.ravel()
    assert np.abs(found[2] - expected).max() < 1e-9 * np.abs(expected).max()
    assert np.abs(found[2] - true[2]).max() > 1e-3 * np.abs(expected).max()
    # without a constant force the shift changes the third order
    fixed = fit_equations(equations, options=replace(JOINT, constant_force=False)).constants
    assert np.abs(fixed.triplets.values - truth.triplets.values).max() > 0.01


@pytest.mark.parametrize("constant_force", [True, False])
def test_stages_of_a_symmetric_ensemble_give_the_truth(
    crystals, equations_of, polynomial_forces, constant_force
):
    """⟨uuu⟩ = 0 exactly, from frames u and −u: the stages are independent.

    The mean of ½ Φ3 uu is a constant force that wurtzite allows; the first stage fits it.
    """
    supercell, expansion, truth, u_tax = exact_cubic_run(crystals, 40)
    u_tax = np.concatenate([u_tax, -u_tax])
    f_tax = polynomial_forces(truth, supercell, u_tax)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    fit = fit_equations(equations, options=FitOptions(constant_force=constant_force))
    assert_same(fit.constants, truth, tolerance=1e-9)
    quality = fit.constants.quality
    assert quality.rms_residual < 1e-6 * quality.rms_force
    assert quality.orders[0].rms_residual > 1e-2 * quality.rms_force
    assert quality.orders[0].scheme_distance < 1e-9


def test_singular_designs_name_their_shells(crystals, equations_of):
    reach = {2: 3.2, 3: 3.6}
    supercell, expansion, u_tax, f_tax = case(crystals, "triclinic", 1, cutoffs=reach)
    model = model_of(expansion, constraints=Constraints(), scheme="sequential")
    # one frame has 69 independent force components
    assert model.count(1) + model.count(2) < 69 < model.count(3)
    equations = equations_of(expansion, supercell, u_tax, f_tax, n_blocks=1)
    with pytest.raises(
        DataError,
        match=r"\d+ of \d+ parameters are undetermined[\s\S]*Si–O–O \d\.\d{3} Å[\s\S]*"
        "too few independent frames",
    ) as raised:
        fit_equations(equations)
    # the second order is determined and is not named
    named = re.findall(r"(\S+) \d\.\d{3} Å", str(raised.value))
    assert {name.count("–") for name in named} == {2}
    wide = expansion_of(expansion.group, supercell, {2: 4.1})
    with pytest.raises(DataError, match=r"shells [A-Z][a-z]?–[A-Z][a-z]? [\s\S]*too few"):
        fit_equations(equations_of(wide, supercell, u_tax, f_tax, n_blocks=1))
    least = fit_equations(equations, options=replace(JOINT, minimum_norm=True)).constants
    quality = least.quality
    # the minimum-norm solution reproduces all forces except the net force
    net = np.repeat(f_tax.mean(axis=1, keepdims=True), supercell.n_atoms, axis=1)
    rest = np.sqrt((net**2).mean())
    assert quality.rank < quality.n_parameters
    assert quality.rms_residual == pytest.approx(rest, rel=1e-6)
    ridge = FitOptions(scheme="joint", method="ridge", strength=1e-6)
    damped = fit_equations(equations, options=ridge).constants
    assert damped.quality.rms_residual < 1.1 * rest
    assert any(
        "regularised" in str(note) for note in fit_equations(equations, options=ridge).notes
    )
    assert np.isfinite(damped.triplets.values).all()


def test_minimum_norm_solution_is_that_of_the_pseudo_inverse(crystals, equations_of, design_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "wurtzite", 12)
    u_tax = u_tax * [0.0, 0.0, 1.0]
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rows = design_of(model, supercell, u_tax)
    gram = rows.T @ rows
    assert np.linalg.matrix_rank(gram, tol=1e-10 * np.abs(gram).max()) < len(gram)
    expected = np.linalg.pinv(rows, rcond=1e-8) @ f_tax.ravel()
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    fit = fit_equations(equations, options=replace(JOINT, minimum_norm=True))
    assert_same(fit.constants, constants_of(model, expected), tolerance=1e-8)
    assert "minimum-norm solution" in str(fit.notes[0])


def test_ridge_from_normal_equations_equals_ridge_from_rows(crystals, equations_of, design_of):
    supercell, expansion, u_tax, f_tax = case(crystals, "diamond", 20)
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rows = design_of(model, supercell, u_tax)
    size = np.sqrt((rows**2).sum(axis=0))
    # the ridge as additional rows, for columns of unit norm
    wide = np.concatenate([rows, np.diag(np.sqrt(0.3) * size)])
    target = np.concatenate([f_tax.ravel(), np.zeros(len(size))])
    expected, *_ = np.linalg.lstsq(wide, target, rcond=None)
    options = FitOptions(scheme="joint", method="ridge", strength=0.3)
    fit = fit_equations(equations_of(expansion, supercell, u_tax, f_tax), options=options)
    assert_same(fit.constants, constants_of(model, expected))


@pytest.mark.parametrize("scheme", ["joint", "sequential"])
@pytest.mark.parametrize("minimum_norm", [False, True])
def test_reported_residuals_follow_from_the_force_constants(
    crystals, equations_of, image_forces, scheme, minimum_norm
):
    """R² and residuals follow from the force constants, also if these are undetermined."""
    supercell = build_supercell(crystals["triclinic"], [[3, 1, 0], [0, 2, 0], [0, -1, 2]])
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: 3.4, 3: 2.4})
    rng = np.random.default_rng(3)
    u_tax, f_tax = 0.1 * rng.normal(size=(2, 4 if minimum_norm else 40, supercell.n_atoms, 3))
    f_tax -= f_tax.mean(axis=1, keepdims=True)
    equations = equations_of(expansion, supercell, u_tax, f_tax)
    options = FitOptions(scheme=scheme, minimum_norm=minimum_norm, constant_force=False)
    constants = fit_equations(equations, options=options).constants
    orders = constants.quality.orders
    for one, part in zip(orders, (replace(constants, triplets=None), constants), strict=True):
        left = f_tax - image_forces(part, supercell, u_tax)
        assert one.rms_residual == pytest.approx(np.sqrt((left**2).mean()), rel=1e-6, abs=1e-9)
