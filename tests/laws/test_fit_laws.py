"""Laws of the harmonic fit: truth from exact forces, invariances, valid error bars."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonopy.structure.atoms import PhonopyAtoms
from scipy.spatial.transform import Rotation

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.fit.model import model_of
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.clusters import cluster_orbits
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.supercell_clusters import supercell_pair_orbits
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import build_supercell, half_space

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
CASES = {
    "diamond": (2 * CONVENTIONAL, 5.3),
    "rock salt": ([[3, 0, 1], [0, 4, 0], [1, -1, 3]], 4.2),
    "bcc": ([[4, 0, 0], [0, 5, 1], [1, 0, 4]], 4.2),
    "wurtzite": (np.diag([3, 3, 2]), 4.7),
    "triclinic": ([[3, 1, 0], [0, 2, 0], [0, -1, 2]], 4.0),
}


def covariances_of(supercell, u_tax, f_tax, n_blocks=32, cuts=()):
    reduction = ForceCovariance(half_space(supercell), len(u_tax), n_blocks)
    edges = [0, *sorted(cuts), len(u_tax)]
    states = [
        reduction.chunk(MotionBlock(a, u_tax[a:b], None, f_tax[a:b]))
        for a, b in itertools.pairwise(edges)
    ]
    state = states[0]
    for later in states[1:]:
        state = reduction.combine(state, later)
    return reduction.finalize(state)


def frames_of(supercell, hessian, n_frames, seed=0):
    u_tx = 0.05 * np.random.default_rng(seed).normal(size=(n_frames, 3 * supercell.n_atoms))
    return (x.reshape(n_frames, -1, 3) for x in (u_tx, -u_tx @ hessian))


@pytest.fixture(params=CASES)
def case(request, crystals):
    matrix, cutoff = CASES[request.param]
    return build_supercell(crystals[request.param], matrix), cutoff


def test_exact_forces_of_springs_give_the_truth(case, springs, hessian_of, fit_harmonic):
    supercell, cutoff = case
    truth = springs(supercell.crystal, cutoff)
    hessian = hessian_of(truth, supercell)
    fit = fit_harmonic(
        covariances_of(supercell, *frames_of(supercell, hessian, 40)), cutoff=cutoff
    )
    # cancellation leaves the square root of rounding in the residual
    assert fit.constants.quality.rms_residual < 1e-6 * fit.constants.quality.rms_force
    assert np.abs(hessian_of(fit.constants, supercell) - hessian).max() < 1e-10


def test_exact_forces_of_random_symmetric_constants_give_the_truth(
    case, hessian_of, fit_harmonic
):
    supercell, cutoff = case
    basis = symmetry_basis(cluster_orbits(space_group(supercell.crystal), 2, cutoff))
    free = null_space(constraint_rows(basis, Constraints()))
    truth = basis.constants(free @ np.random.default_rng(1).normal(size=free.shape[1]))
    hessian = hessian_of(truth, supercell)
    fit = fit_harmonic(
        covariances_of(supercell, *frames_of(supercell, hessian, 40)), cutoff=cutoff
    )
    assert np.abs(fit.constants.values - truth.values).max() < 1e-10


def test_supercell_fit_recovers_force_constants_of_any_range(
    case, springs, hessian_of, fit_harmonic
):
    supercell, _ = case
    hessian = hessian_of(springs(supercell.crystal, 9.0), supercell)
    covariances = covariances_of(supercell, *frames_of(supercell, hessian, 80))
    fit = fit_harmonic(covariances, cutoff="supercell")
    assert np.abs(hessian_of(fit.constants, supercell) - hessian).max() < 1e-10
    orbits = supercell_pair_orbits(space_group(supercell.crystal), supercell)
    assert orbits.share.sum() == pytest.approx(supercell.n_cells * supercell.crystal.n_sites**2)


def honeycomb(period, place):
    """Buckled layer of two elements in a cell of a given period along its normal, in Å."""
    cell = np.array([[2.5, 0, 0], [-1.25, 1.25 * 3**0.5, 0], [0.0, 0, period]])
    sites = np.array([[1 / 3, 2 / 3, place], [2 / 3, 1 / 3, place + 0.4 / period]])
    return Crystal(cell, sites, ("B", "N"), np.array([0.0011, 0.0014]))


@pytest.mark.parametrize("place", [0.5, -0.2 / 7.0], ids=["inside", "across the edge"])
def test_the_default_range_of_a_layer_does_not_depend_on_its_vacuum(
    place, springs, hessian_of, fit_harmonic
):
    """A vacuum of 6.6 Å limits neither pairs in the plane, nor is it crossed by them."""
    wide = springs(honeycomb(40.0, 0.5), 5.9)
    supercell = build_supercell(honeycomb(7.0, place), [[5, 0, 0], [5, 5, 0], [0, 0, 1]])
    # The same pairs, whatever side of the cell their atoms are on.
    truth = replace(wide, crystal=supercell.crystal)
    hessian = hessian_of(truth, supercell)
    fit = fit_harmonic(covariances_of(supercell, *frames_of(supercell, hessian, 60)))
    assert np.abs(hessian_of(fit.constants, supercell) - hessian).max() < 1e-10
    assert not fit.constants.lattice[:, 2].any()


def test_constants_obey_sum_rule_permutation_and_space_group(case, fit_harmonic):
    supercell, cutoff = case
    rng = np.random.default_rng(2)
    u_tax, f_tax = rng.normal(size=(2, 60, supercell.n_atoms, 3))
    constants = fit_harmonic(covariances_of(supercell, u_tax, f_tax), cutoff=cutoff).constants
    place = {
        (i, j, *lattice): value
        for i, j, lattice, value in zip(
            constants.first.tolist(),
            constants.second.tolist(),
            constants.lattice.tolist(),
            constants.values,
            strict=True,
        )
    }
    for site in range(supercell.crystal.n_sites):
        assert np.abs(constants.values[constants.first == site].sum(axis=0)).max() < 1e-12
    group = space_group(supercell.crystal)
    for (i, j, *lattice), value in place.items():
        opposite = place[(j, i, *(-x for x in lattice))]
        assert np.abs(value - opposite.T).max() < 1e-12
        for g in range(group.n_operations):
            cell = group.rotations[g] @ lattice + group.shifts[g, j] - group.shifts[g, i]
            image = place[(int(group.permutations[g, i]), int(group.permutations[g, j]), *cell)]
            rotation = group.cartesian[g]
            assert np.abs(rotation @ value @ rotation.T - image).max() < 1e-12


@settings(derandomize=True, deadline=None, max_examples=15)
@given(cuts=st.sets(st.integers(1, 36), max_size=8), n_blocks=st.integers(1, 50))
def test_covariances_do_not_depend_on_cuts(crystals, cuts, n_blocks):
    supercell = build_supercell(crystals["wurtzite"], [[2, 0, 0], [0, 2, 1], [0, 0, 2]])
    u_tax, f_tax = np.random.default_rng(3).normal(size=(2, 37, supercell.n_atoms, 3))
    whole = covariances_of(supercell, u_tax, f_tax, n_blocks)
    cut = covariances_of(supercell, u_tax, f_tax, n_blocks, cuts)
    np.testing.assert_array_equal(whole.frames, cut.frames)
    for name in ("displacement", "force", "square", "displacement_sum", "force_sum"):
        np.testing.assert_allclose(getattr(whole, name), getattr(cut, name), atol=1e-10)


def test_drift_scaling_and_rotation(crystals, fit_harmonic):
    crystal = crystals["wurtzite"]
    matrix, cutoff = CASES["wurtzite"]
    supercell = build_supercell(crystal, matrix)
    rng = np.random.default_rng(4)
    u_tax, f_tax = rng.normal(size=(2, 40, supercell.n_atoms, 3))
    plain = fit_harmonic(covariances_of(supercell, u_tax, f_tax), cutoff=cutoff).constants
    drift = rng.normal(size=(40, 1, 3))
    drifted = covariances_of(supercell, u_tax + drift, 2.5 * (f_tax + drift))
    values = fit_harmonic(drifted, cutoff=cutoff).constants.values
    np.testing.assert_allclose(values, 2.5 * plain.values, atol=1e-10)

    rotation = Rotation.random(rng=rng).as_matrix()
    rotated = Crystal(crystal.cell @ rotation.T, crystal.sites, crystal.species, crystal.masses)
    covariances = covariances_of(
        build_supercell(rotated, matrix), u_tax @ rotation.T, f_tax @ rotation.T
    )
    values = fit_harmonic(covariances, cutoff=cutoff).constants.values
    np.testing.assert_allclose(values, rotation @ plain.values @ rotation.T, atol=1e-10)


def test_displacements_are_measured_from_the_average_structure(
    crystals, springs, hessian_of, fit_harmonic
):
    matrix, cutoff = CASES["wurtzite"]
    supercell = build_supercell(crystals["wurtzite"], matrix)
    truth = springs(supercell.crystal, cutoff)
    hessian = hessian_of(truth, supercell)
    u_tax, _ = frames_of(supercell, hessian, 60)
    # the internal parameter u of wurtzite: Ga and N shift in opposite directions along c
    offset = np.array([[0, 0, 0.01], [0, 0, 0.01], [0, 0, -0.01], [0, 0, -0.01]])
    shift = np.tile(offset, (supercell.n_cells, 1))
    f_tax = -(u_tax.reshape(60, -1) @ hessian).reshape(u_tax.shape)
    covariances = covariances_of(supercell, u_tax + shift, f_tax)
    fit = fit_harmonic(covariances, cutoff=cutoff)
    assert np.abs(fit.constants.values.sum()) < 1e-9
    assert np.abs(hessian_of(fit.constants, supercell) - hessian).max() < 1e-10
    apart = (fit.reference.shift - fit.reference.shift[0])[:, 2]
    noise = 5 * 0.05 / np.sqrt(60 * supercell.n_cells)
    assert np.abs(apart - (offset - offset[0])[:, 2]).max() < noise
    force = (hessian @ shift.ravel()).reshape(-1, 3)[:4]
    assert np.abs(fit.constants.quality.first_order - force).max() < 1e-10
    fixed = fit_harmonic(
        covariances, cutoff=cutoff, options=FitOptions(constant_force=False)
    ).constants
    assert np.abs(hessian_of(fixed, supercell) - hessian).max() > 1e-4


def correlated(rng, shape, memory):
    """Noise of unit variance with correlation memoryᵗ between frames."""
    fresh = rng.normal(size=shape)
    for t in range(1, shape[0]):
        fresh[t] = memory * fresh[t - 1] + np.sqrt(1.0 - memory**2) * fresh[t]
    return fresh


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_error_bars_match_the_scatter_of_runs(
    crystals, springs, hessian_of, memory, fit_harmonic
):
    supercell = build_supercell(crystals["rock salt"], np.diag([2, 2, 3]))
    truth = springs(supercell.crystal, 3.5)
    hessian = hessian_of(truth, supercell)
    space = half_space(supercell)
    scores, inefficiencies = [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        u_tx = correlated(rng, (800, 3 * supercell.n_atoms), memory)
        noise_tx = correlated(rng, u_tx.shape, memory)
        f_tx = -0.05 * u_tx @ hessian + 0.1 * noise_tx
        reduction = ForceCovariance(space, len(u_tx))
        block = MotionBlock(0, 0.05 * u_tx.reshape(800, -1, 3), None, f_tx.reshape(800, -1, 3))
        fit = fit_harmonic(reduction.finalize(reduction.chunk(block)), cutoff=3.5)
        values, replicates = fit.constants.values, fit.constants.replicates
        n_blocks = len(replicates)
        variance = (n_blocks - 1) / n_blocks * ((replicates - replicates.mean(0)) ** 2).sum(0)
        kept = variance > 1e-6 * variance.max()
        reference = fold_like(fit.constants, truth)
        scores.append(((values - reference)[kept] / np.sqrt(variance[kept])).ravel())
        inefficiencies.append(fit.errors.inefficiency)
    scores = np.concatenate(scores)
    assert 0.85 < np.sqrt(np.mean(scores**2)) < 1.2
    # products of two such series have the correlation memory² between frames
    expected = (1.0 + memory**2) / (1.0 - memory**2)
    assert np.mean(inefficiencies) == pytest.approx(expected, rel=0.2)


def fold_like(constants, truth):
    """Values of the true force constants in the order of the fitted pairs."""
    place = {
        (i, j, *lattice): value
        for i, j, lattice, value in zip(
            truth.first.tolist(),
            truth.second.tolist(),
            truth.lattice.tolist(),
            truth.values,
            strict=True,
        )
    }
    keys = zip(
        constants.first.tolist(),
        constants.second.tolist(),
        constants.lattice.tolist(),
        strict=True,
    )
    return np.array([place[(i, j, *lattice)] for i, j, lattice in keys])


@pytest.mark.filterwarnings("ignore")
def test_both_data_sets_of_phono3py_give_the_truth(crystals, image_forces, tmp_path):
    """Second order beyond the small supercell, third order within it, fitted together."""
    phono3py = pytest.importorskip("phono3py")
    crystal = crystals["diamond"]
    small, large = (build_supercell(crystal, np.diag([n] * 3)) for n in (2, 3))
    expansion = expansion_of(space_group(crystal), large, {2: 5.5, 3: 2.5})
    model = model_of(expansion, constraints=Constraints(), scheme="joint")
    rng = np.random.default_rng(2)
    x = rng.normal(size=model.n_parameters) * np.where(model.order == 3, 8.0, 1.0)
    truth = constants_of(model, x)
    unit = PhonopyAtoms(
        list(crystal.species), cell=crystal.cell, scaled_positions=crystal.sites
    )
    peer = phono3py.Phono3py(
        unit, small.matrix.T, phonon_supercell_matrix=large.matrix.T, primitive_matrix=np.eye(3)
    )
    sets = []
    for cell, supercell, n_frames in (
        (peer.supercell, small, 12),
        (peer.phonon_supercell, large, 4),
    ):
        u_tax = 0.03 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
        f_tax = image_forces(truth, supercell, u_tax)
        apart = cell.positions[:, None] - supercell.positions
        apart = apart @ np.linalg.inv(supercell.cell)
        ours = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
        sets.append({"displacements": u_tax[:, ours], "forces": f_tax[:, ours]})
    peer.dataset, peer.phonon_dataset = sets
    path = tmp_path / "phono3py_params.yaml"
    peer.save(path)
    fitted = tm.fit_runs(path, cutoff2=5.5, cutoff3=2.5)
    assert fitted.quality.scheme == "joint"
    assert fitted.quality.n_frames == 16
    assert fitted.cutoff == 5.5
    for ours, true in ((fitted, truth), (fitted.triplets, truth.triplets)):
        size = np.abs(true.values).max()
        np.testing.assert_allclose(ours.values, true.values, atol=1e-6 * size)
    in_turn = tm.fit_runs(path, cutoff2=5.5, cutoff3=2.5, scheme="sequential")
    assert in_turn.quality.scheme == "sequential"
    assert np.abs(in_turn.values - truth.values).max() > 1e-4 * np.abs(truth.values).max()
