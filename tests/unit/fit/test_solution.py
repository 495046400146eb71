import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.fit import solution as module
from trajmodes.fit.accumulate import ForceRows, RowsByAtoms
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import (
    STRENGTHS,
    FitOptions,
    solve_equations,
    solver_of,
    with_strength,
)
from trajmodes.symmetry.operations import space_group


@pytest.fixture
def equations(wurtzite, springs, hessian_of):
    def make(n_frames, noise):
        """Short springs, fitted with a much longer cutoff."""
        hessian = hessian_of(springs(wurtzite.crystal, 2.2), wurtzite)
        expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, {2: 4.7})
        rng = np.random.default_rng(0)
        u_tx = 0.05 * rng.normal(size=(n_frames, 3 * wurtzite.n_atoms))
        f_tx = -u_tx @ hessian + noise * rng.normal(size=u_tx.shape)
        u_tax, f_tax = (x.reshape(n_frames, -1, 3) for x in (u_tx, f_tx))
        reduction = ForceRows(expansion, wurtzite, n_frames)
        return reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))

    return make


def far(constants):
    """Force constants of pairs beyond the springs."""
    crystal = constants.crystal
    ends = constants.lattice + crystal.sites[constants.second]
    bonds = (ends - crystal.sites[constants.first]) @ crystal.cell
    return constants.values[np.linalg.norm(bonds, axis=1) > 2.3]


def test_weak_ridge_is_least_squares(equations):
    sums = equations(20, 0.1)
    plain = fit_equations(sums).constants.values
    ridge = fit_equations(sums, options=FitOptions(method="ridge", strength=1e-10))
    np.testing.assert_allclose(ridge.constants.values, plain, atol=1e-7)
    assert any("ridge, strength 1.0e-10" in str(note) for note in ridge.notes)


def test_ridge_fits_undetermined_systems(equations):
    sums = equations(1, 0.0)
    fit = fit_equations(sums, options=FitOptions(method="ridge", strength=1e-6))
    assert np.isfinite(fit.constants.values).all()


@pytest.mark.parametrize("method", ["lasso", "adaptive-lasso"])
def test_lasso_finds_which_constants_are_zero(equations, method):
    pytest.importorskip("sklearn")
    sums = equations(8, 0.3)
    plain, sparse = (
        fit_equations(sums, options=FitOptions(method=m)) for m in ("least-squares", method)
    )
    assert np.abs(far(sparse.constants)).sum() < 0.5 * np.abs(far(plain.constants)).sum()
    if method == "adaptive-lasso":
        assert np.count_nonzero(np.abs(far(sparse.constants)).max(axis=(1, 2)) > 1e-9) < 70


def test_strength_is_chosen_by_cross_validation(equations):
    sums = equations(10, 2.0)
    chosen = fit_equations(sums, options=FitOptions(method="ridge"))
    predicted = [
        fit_equations(sums, options=FitOptions(method="ridge", strength=one)).constants.quality
        for one in STRENGTHS
    ]
    best = min(quality.orders[-1].rms_predicted for quality in predicted)
    assert chosen.constants.quality.orders[-1].rms_predicted == pytest.approx(best)
    plain = fit_equations(sums).constants.quality.orders[-1].rms_predicted
    assert best < plain


def by_atoms(supercell, expansion, u_tax, f_tax):
    """The equations of one frame or more, whole and in groups of atoms."""
    block = MotionBlock(0, u_tax, None, f_tax)
    found = []
    for reduction in (ForceRows, RowsByAtoms):
        rows = reduction(expansion, supercell, len(u_tax), 8)
        found.append(rows.finalize(rows.chunk(block)))
    return found


def test_groups_of_atoms_add_up_to_all_forces(wurtzite, random_frames):
    expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, {2: 3.3, 3: 2.1})
    whole, groups = by_atoms(wurtzite, expansion, *random_frames(wurtzite, 3))
    assert (whole.n_blocks, groups.n_blocks) == (3, 8)
    assert groups.n_components == whole.n_components
    for name in ("gram", "moment", "square"):
        one, other = (getattr(each, name).sum(axis=0) for each in (whole, groups))
        np.testing.assert_allclose(one, other, atol=1e-10 * np.abs(one).max())


@pytest.mark.parametrize("noise", [0.03, 3.0])
def test_left_out_atoms_of_one_frame_choose_a_strength_that_predicts_others(
    wurtzite, springs, hessian_of, noise
):
    hessian = hessian_of(springs(wurtzite.crystal, 2.2), wurtzite)
    expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, {2: 4.7})
    rng = np.random.default_rng(4)
    u_tx = 0.05 * rng.normal(size=(41, 3 * wurtzite.n_atoms))
    f_tx = -u_tx @ hessian
    f_tx[0] += noise * rng.normal(size=f_tx.shape[1])
    u_tax, f_tax = (x.reshape(41, -1, 3) for x in (u_tx, f_tx))
    whole, groups = by_atoms(wurtzite, expansion, u_tax[:1], f_tax[:1])
    ridge = FitOptions(method="ridge")
    with pytest.raises(DataError, match="cannot be chosen"):
        with_strength(whole, ridge)
    chosen = with_strength(groups, ridge).strength
    others = by_atoms(wurtzite, expansion, u_tax[1:], f_tax[1:])[0]
    gram, moment = others.gram.sum(axis=0), others.moment.sum(axis=0)

    def unexplained(strength):
        fit = solve_equations(whole, FitOptions(method="ridge", strength=strength))
        z = fit.expanded
        return 1.0 + (z @ gram @ z - 2.0 * moment @ z) / others.square.sum()

    errors = {one: unexplained(one) for one in STRENGTHS}
    assert errors[chosen] < 1.3 * min(errors.values())
    assert errors[chosen] < 0.8 * max(errors.values())


def test_missing_scikit_learn_raises(monkeypatch):
    def refuse(name, *_args):
        raise ImportError(name)

    monkeypatch.setattr("builtins.__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'trajmodes\[sparse\]'"):
        solver_of("lasso", 0.1)
    assert module.solver_of("least-squares", 0.0) is not None
