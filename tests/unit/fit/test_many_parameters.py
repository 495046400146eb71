"""The fit without a normal matrix is the fit with it."""

from dataclasses import replace

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.many_parameters import fit as many_parameters
from trajmodes.fit.many_parameters.fit import fit_covariances, has_many_parameters, joined
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell

TRICLINIC = Crystal(
    cell=np.array([[4.9, 0.0, 0.0], [0.4, 5.1, 0.0], [0.3, 0.2, 5.3]]),
    sites=np.array(
        [[0.02, 0.0, 0.0], [0.5, 0.51, 0.03], [0.49, 0.04, 0.5], [0.03, 0.52, 0.51]]
    ),
    species=("Si", "Si", "C", "C"),
    masses=np.ones(4),
)


@pytest.fixture
def covariances(random_frames, reduce_frames):
    """Random forces and displacements, whose means differ from site to site."""

    def make(supercell, n_frames, n_blocks=16):
        u_tax, f_tax = random_frames(supercell, n_frames)
        means = np.random.default_rng(1).normal(size=(2, supercell.crystal.n_sites, 3))
        u_tax = 0.05 * u_tax + np.tile(0.01 * means[0], (supercell.n_cells, 1))
        f_tax = 0.1 * f_tax + np.tile(0.1 * means[1], (supercell.n_cells, 1)) - 2.0 * u_tax
        f_tax -= f_tax.mean(axis=1, keepdims=True)
        return reduce_frames(supercell, u_tax, f_tax, n_blocks)

    return make


def both_fits(covariances, cutoff, options=None):
    supercell = covariances.space.supercell
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    dense = fit_equations(harmonic_equations(covariances, expansion), options=options)
    return dense, fit_covariances(covariances, expansion, options=options)


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [np.diag([2, 2, 3]), np.diag([2, 2, 2])])
@pytest.mark.parametrize(
    ("cutoff", "constraints"),
    [(4.8, Constraints()), ("supercell", Constraints()), (4.8, Constraints(born_huang=True))],
)
def test_both_ways_give_one_fit(covariances, matrix, cutoff, constraints):
    # Γ and zone boundaries alone make real matrices, other q complex ones.
    sums = covariances(build_supercell(TRICLINIC, matrix), 200)
    dense, found = both_fits(sums, cutoff, FitOptions(constraints=constraints))
    one, two = dense.constants, found.constants
    np.testing.assert_allclose(two.values, one.values, atol=1e-9)
    np.testing.assert_allclose(two.replicates, one.replicates, atol=1e-9)
    assert two.quality.n_parameters == one.quality.n_parameters
    assert two.quality.rms_residual == pytest.approx(one.quality.rms_residual)
    predicted = [fit.constants.quality.r_squared_predicted for fit in (dense, found)]
    assert predicted[1] == pytest.approx(predicted[0])
    assert two.quality.r_squared_without_constant == pytest.approx(
        one.quality.r_squared_without_constant
    )
    assert found.errors.n_blocks == dense.errors.n_blocks
    assert found.errors.inefficiency == pytest.approx(dense.errors.inefficiency, rel=0.05)
    assert [str(note) for note in found.notes] == [str(note) for note in dense.notes]
    change = dict(zip(dense.convergence.fraction, dense.convergence.change, strict=True))
    for fraction, one_change in zip(
        found.convergence.fraction, found.convergence.change, strict=True
    ):
        # The parameters before constraints differ in their number alone.
        assert one_change == pytest.approx(change[fraction], abs=1e-8)


def test_the_constant_force_can_be_left_out(covariances):
    sums = covariances(build_supercell(TRICLINIC, np.diag([2, 2, 2])), 200)
    dense, found = both_fits(sums, 4.8, FitOptions(constant_force=False))
    np.testing.assert_allclose(found.constants.values, dense.constants.values, atol=1e-9)
    assert found.constants.quality.r_squared_without_constant is None


def test_symmetry_and_reference_are_those_of_the_crystal(wurtzite, covariances):
    dense, found = both_fits(covariances(wurtzite, 64), 4.4)
    np.testing.assert_allclose(found.constants.values, dense.constants.values, atol=1e-9)
    np.testing.assert_allclose(found.reference.shift, dense.reference.shift, atol=1e-12)


def test_undetermined_parameters_are_refused(covariances):
    supercell = build_supercell(TRICLINIC, np.diag([2, 2, 2]))
    sums = covariances(supercell, 200)
    # The displacements of all frames lie in one direction of every q.
    flat = sums.displacement.copy()
    flat[..., 5, :] = flat[..., 5] = 0.0
    expansion = expansion_of(space_group(TRICLINIC), supercell, {2: "supercell"})
    with pytest.raises(DataError, match="undetermined"):
        fit_covariances(replace(sums, displacement=flat), expansion)
    with pytest.raises(DataError, match="cannot be fitted to"):
        fit_covariances(covariances(supercell, 1, 1), expansion)


def penalised(covariances, expansion, strength):
    """Φ2 of the ridge by the normal matrix, scaled to a unit diagonal before the sum rules."""
    equations = harmonic_equations(covariances, expansion)
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    one, two = expansion.columns(1), expansion.columns(2)
    constant = null_space(constraint_rows(expansion.bases[0], Constraints()))
    cross = constant.T @ gram[one, two]
    moved = np.linalg.solve(
        constant.T @ gram[one, one] @ constant,
        np.column_stack([cross, constant.T @ moment[one]]),
    )
    matrix = gram[two, two] - cross.T @ moved[:, :-1]
    right = moment[two] - cross.T @ moved[:, -1]
    squares = gram[two, two] - gram[two, one] @ np.linalg.solve(gram[one, one], gram[one, two])
    matrix += strength * np.diag(np.diag(squares))
    free = null_space(constraint_rows(expansion.bases[1], Constraints()))
    z = free @ np.linalg.solve(free.T @ matrix @ free, free.T @ right)
    return expansion.bases[1].expand(z[None])[0]


@pytest.mark.parametrize("matrix", [np.diag([2, 2, 3]), np.diag([2, 2, 2])])
@pytest.mark.parametrize("n_frames", [200, 8])
def test_a_ridge_needs_no_normal_matrix(covariances, matrix, n_frames):
    """Also where the frames do not determine all parameters."""
    sums = covariances(build_supercell(TRICLINIC, matrix), n_frames)
    expansion = expansion_of(space_group(TRICLINIC), sums.space.supercell, {2: 4.8})
    fit = fit_covariances(sums, expansion, options=FitOptions(method="ridge", strength=0.03))
    np.testing.assert_allclose(
        fit.constants.values, penalised(sums, expansion, 0.03), atol=1e-6
    )
    assert any("ridge, strength 3.0e-02" in str(note) for note in fit.notes)
    assert len(fit.constants.replicates) >= 8


def test_the_strength_is_that_which_predicts_blocks_left_out(covariances):
    sums = covariances(build_supercell(TRICLINIC, np.diag([2, 2, 2])), 32, 8)
    expansion = expansion_of(space_group(TRICLINIC), sums.space.supercell, {2: "supercell"})
    chosen = fit_covariances(sums, expansion, options=FitOptions(method="ridge"))
    predicted = [
        fit_covariances(sums, expansion, options=FitOptions(method="ridge", strength=one))
        for one in (1e-5, 1e-3, 1e-1)
    ]
    found, *others = (
        fit.constants.quality.orders[-1].rms_predicted for fit in (chosen, *predicted)
    )
    assert found <= min(others) * (1.0 + 1e-6)
    with pytest.raises(DataError, match="cannot be chosen"):
        fit_covariances(
            covariances(build_supercell(TRICLINIC, np.diag([2, 2, 2])), 8, 1),
            expansion,
            options=FitOptions(method="ridge"),
        )


def test_it_is_taken_for_many_parameters_of_second_order(monkeypatch, wurtzite):
    expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, {2: 4.4})
    assert not has_many_parameters(expansion, FitOptions())
    monkeypatch.setattr(many_parameters, "MANY", 40)
    assert has_many_parameters(expansion, FitOptions())
    for other in (
        FitOptions(method="lasso"),
        FitOptions(minimum_norm=True),
        FitOptions(errors="sandwich"),
        FitOptions(constraints=Constraints(hermitian=False)),
    ):
        assert not has_many_parameters(expansion, other)


def test_runs_of_one_supercell_are_joined(reduce_frames):
    """Parts of a run, joined, are the run; the same frames twice are refused."""
    supercell = build_supercell(TRICLINIC, np.diag([2, 2, 2]))
    u_tax, f_tax = np.random.default_rng(3).normal(size=(2, 128, supercell.n_atoms, 3))
    whole = reduce_frames(supercell, u_tax, f_tax, 16)
    parts = [
        reduce_frames(supercell, u_tax[half], f_tax[half], 8)
        for half in (slice(0, 64), slice(64, 128))
    ]
    both = joined(parts)
    for name, sums in whole.arrays().items():
        np.testing.assert_allclose(both.arrays()[name], sums, atol=1e-9)
    with pytest.raises(DataError, match="64 frames are given twice"):
        joined([parts[0], parts[0]])
    wide = replace(TRICLINIC, cell=1.01 * TRICLINIC.cell)
    other = reduce_frames(build_supercell(wide, supercell.matrix), u_tax, f_tax, 8)
    with pytest.raises(DataError, match="differ in lattice vectors"):
        joined([parts[0], other])


@pytest.mark.slow
def test_pooled_runs_with_many_parameters_need_no_normal_equations(monkeypatch):
    monkeypatch.setattr(many_parameters, "MANY", 10)
    supercell, rng = build_supercell(TRICLINIC, np.diag([2, 2, 2])), np.random.default_rng(5)
    runs = []
    for _ in range(2):
        u_tax = 0.05 * rng.normal(size=(80, supercell.n_atoms, 3))
        runs.append(
            tm.from_arrays(
                supercell.positions + u_tax,
                supercell.cell,
                list(supercell.species),
                forces=-3.0 * (u_tax - u_tax.mean(axis=1, keepdims=True))
                + 0.01 * rng.normal(size=u_tax.shape),
                cell=TRICLINIC.to_ase(),
            )
        )
    pooled = tm.fit_runs(runs, cutoff2=3.5)
    assert np.isnan(pooled.quality.condition)
    assert pooled.quality.n_frames == 160
    assert len(pooled.replicates) >= 8
    monkeypatch.undo()
    dense = tm.fit_runs(runs, cutoff2=3.5)
    np.testing.assert_allclose(pooled.values, dense.values, atol=1e-6)
