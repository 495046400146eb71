"""The conductivity of crystals whose lifetimes are known, and its sums mode by mode."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import constants as codata

from trajmodes.data.anharmonic import Conductivity, isotropic
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic.conductivity import (
    conductivity,
    dense_mesh,
    flow_sums,
    heat_capacities,
    heat_flow,
)
from trajmodes.phonons.anharmonic.lifetime_mesh import (
    ModeLifetimes,
    all_strengths,
    lifetime_grid,
)
from trajmodes.phonons.bands import group_velocities
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import commensurate, shared_mesh
from trajmodes.phonons.zone import zone_of
from trajmodes.symmetry.stars import set_mean, set_members
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, DALTON, HBAR, W_MK

KELVIN = 300.0
# ⟨1/(3 − cos x − cos y − cos z)⟩ over a period of each: G. N. Watson, Q. J. Math. 10, 266
# (1939).
WATSON = 0.505462019717326
MESH = (8, 8, 8)


def power_law(modes, strength=2000.0) -> ModeLifetimes:
    """τ = A/ω², with errors of 10 %."""
    lifetime = strength / set_mean(modes.omega**2, modes)
    return ModeLifetimes(modes, lifetime, 0.1 * lifetime)


@pytest.fixture(scope="module")
def scalar() -> ForceConstants:
    """Simple cubic lattice of springs that resist all three directions alike."""
    crystal = Crystal(3.0 * np.eye(3), np.zeros((1, 3)), ("Ar",), np.array([40.0 * DALTON]))
    ends = np.array([n for n in itertools.product((-1, 0, 1), repeat=3) if np.abs(n).sum() < 2])
    strength = np.where(np.abs(ends).any(axis=1), -2.0, 12.0)
    site = np.zeros(len(ends), dtype=int)
    values = strength[:, None, None] * np.eye(3)
    return ForceConstants(crystal, site, site, ends, values, cutoff=3.1)


@pytest.fixture(scope="module")
def silicon(crystals, springs):
    """Constants, supercell and modes of a diamond crystal."""
    constants = springs(crystals["diamond"], 4.0)
    supercell = build_supercell(constants.crystal, np.diag([3, 3, 3]))
    return constants, supercell, modes_at(constants, *commensurate(supercell))


def test_scalar_springs_have_the_conductivity_of_watsons_integral(scalar):
    """ω² = (4k/M) Σ sin²(θ/2), τ = A/ω²: κ = (3k_B A/16a)⟨sin²θ_x/(Σ sin²(θ/2))²⟩.

    By parts the mean is 2⟨1/Σ⟩ − 4/3 with ⟨1/Σ⟩ = 2 Watson's integral.
    """
    supercell = build_supercell(scalar.crystal, np.diag([3, 3, 3]))
    modes = modes_at(scalar, *commensurate(supercell))
    factor = codata.electron_volt / (codata.pico * codata.angstrom)
    wanted = 3.0 * BOLTZMANN * 2000.0 / (16.0 * 3.0) * (4.0 * WATSON - 4.0 / 3.0) * factor
    errors = []
    for n in (8, 16, 24):
        found = conductivity(scalar, supercell, power_law(modes), KELVIN, (n, n, n))
        np.testing.assert_allclose(
            found.classical.kappa, found.classical.isotropic * np.eye(3), atol=1e-12
        )
        errors.append(found.classical.isotropic / W_MK / wanted - 1.0)
    # Without its finer shell about Γ the last mesh would be off by 10 %.
    assert abs(errors[0]) > abs(errors[1]) > abs(errors[2])
    assert abs(errors[2]) < 0.012


def flat(period: float) -> ForceConstants:
    """Square lattice in a plane, of springs that resist all three directions alike."""
    crystal = Crystal(
        np.diag([3.0, 3.0, period]), np.full((1, 3), 0.5), ("Ar",), np.array([40.0 * DALTON])
    )
    ends = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    strength = np.array([8.0, -2.0, -2.0, -2.0, -2.0])
    site = np.zeros(len(ends), dtype=int)
    values = strength[:, None, None] * np.eye(3)
    return ForceConstants(crystal, site, site, ends, values, cutoff=3.1)


def test_a_layer_conducts_by_its_thickness_and_not_by_its_vacuum():
    """ω² = (4k/M) Σ sin²(θ/2), τ = A/ω²: κ is a sum over the mesh, without q = 0."""
    n, thickness, found = 12, 3.0, []
    for period in (11.0, 40.0):
        constants = flat(period)
        supercell = build_supercell(constants.crystal, np.diag([3, 3, 1]))
        modes = modes_at(constants, *commensurate(supercell))
        assert dense_mesh(supercell)[2] == 1
        found.append(
            conductivity(constants, supercell, power_law(modes), KELVIN, (n, n, 1), thickness)
        )
        with pytest.raises(UsageError, match="needs its thickness"):
            conductivity(constants, supercell, power_law(modes), KELVIN, (n, n, 1))
    half = np.pi * np.arange(n) / n
    square = np.sin(half)[:, None] ** 2 + np.sin(half) ** 2
    square[0, 0] = np.inf
    mean = (np.sin(2.0 * half)[:, None] ** 2 / square**2).mean()
    factor = codata.electron_volt / (codata.pico * codata.angstrom)
    wanted = 3.0 * BOLTZMANN * 2000.0 / (16.0 * thickness) * mean * factor
    for one in found:
        assert one.classical.isotropic / W_MK == pytest.approx(wanted, rel=1e-9)
        kappa = np.diag([one.classical.isotropic] * 2 + [0.0])
        np.testing.assert_allclose(one.classical.kappa, kappa, atol=1e-9 * kappa.max())
        assert one.classical.spectral @ np.diff(one.classical.edges) == pytest.approx(
            one.classical.isotropic
        )


def test_a_bulk_crystal_has_no_thickness(silicon):
    constants, supercell, modes = silicon
    with pytest.raises(UsageError, match="is not a layer"):
        conductivity(constants, supercell, power_law(modes), KELVIN, MESH, 3.0)


def test_heat_capacities_have_their_limits():
    omega = np.array([1e-6, 10.0, 60.0])
    classical, quantum = heat_capacities(omega, KELVIN)
    np.testing.assert_array_equal(classical, BOLTZMANN)
    x = HBAR * omega / (BOLTZMANN * KELVIN)
    wanted = np.append(1.0, (x**2 * np.exp(x) / np.expm1(x) ** 2)[1:])
    np.testing.assert_allclose(quantum / BOLTZMANN, wanted, rtol=1e-9)
    assert heat_capacities(np.array([1e4]), 1.0)[1, 0] < 1e-100


def test_hot_crystals_are_classical_and_cold_ones_do_not_conduct(silicon):
    constants, supercell, modes = silicon
    hot = conductivity(constants, supercell, power_law(modes), 1e5, MESH)
    assert hot.quantum.isotropic == pytest.approx(hot.classical.isotropic, rel=1e-4)
    cold = conductivity(constants, supercell, power_law(modes), 10.0, MESH)
    assert cold.classical.isotropic == pytest.approx(hot.classical.isotropic)
    assert cold.quantum.isotropic < 0.2 * cold.classical.isotropic


def test_spectra_add_up_to_the_conductivity(silicon):
    constants, supercell, modes = silicon
    found = conductivity(constants, supercell, power_law(modes), KELVIN, MESH)
    for flow in (found.classical, found.quantum):
        kappa = flow.kappa
        np.testing.assert_allclose(flow.below_frequency[-1], kappa, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(flow.below_length[-1], kappa, rtol=1e-4, atol=1e-12)
        total = flow.spectral @ np.diff(flow.edges)
        assert total == pytest.approx(flow.isotropic, rel=1e-9)
        assert flow.cumulative[-1] == pytest.approx(flow.isotropic, rel=1e-4)
        for below in (flow.below_frequency, flow.below_length):
            assert (np.diff(np.trace(below, axis1=1, axis2=2)) > -1e-12).all()
        assert len(flow.omega) == len(flow.edges) - 1
        assert flow.below_length[0, 0, 0] < 1e-3 * kappa[0, 0]
        assert flow.isotropic == pytest.approx(np.trace(kappa) / 3.0)
        assert 0.0 < flow.long_wave_share < 1.0
        assert flow.filled_share == 0.0


def test_conductivity_is_linear_in_the_lifetimes(silicon):
    constants, supercell, modes = silicon
    one = conductivity(constants, supercell, power_law(modes), KELVIN, MESH).classical
    two = conductivity(constants, supercell, power_law(modes, 4000.0), KELVIN, MESH).classical
    np.testing.assert_allclose(two.kappa, 2.0 * one.kappa, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.kappa_sem, 2.0 * one.kappa_sem, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_missing", [0, 3])
def test_error_bars_are_those_of_the_lifetimes(silicon, n_missing):
    """The squared changes of κ due to the error of each lifetime add up."""
    constants, supercell, modes = silicon
    given = power_law(modes)
    rng = np.random.default_rng(4)
    lifetime = given.lifetime_ps * np.exp(0.3 * rng.normal(size=modes.n_sets))
    lifetime[5 : 5 + n_missing] = np.nan
    sem = lifetime * rng.uniform(0.05, 0.2, modes.n_sets)

    def kappa(tau) -> Conductivity:
        lives = ModeLifetimes(modes, tau, sem)
        return conductivity(constants, supercell, lives, KELVIN, (4, 4, 4))

    found = kappa(lifetime).classical
    variance, step = np.zeros((3, 3)), 1e-4
    for g in np.flatnonzero(np.isfinite(lifetime)):
        moved = lifetime.copy()
        moved[g] *= 1.0 + step
        change = (kappa(moved).classical.kappa - found.kappa) / step
        variance += (change * sem[g] / lifetime[g]) ** 2
    # The other interpolation adds to it.
    variance += (found.by_frequency - found.kappa) ** 2
    if n_missing == 0:
        np.testing.assert_allclose(found.kappa_sem, np.sqrt(variance), rtol=1e-3, atol=1e-12)
        assert found.filled_share == 0.0
    else:
        # The scatter about the model adds to it.
        assert (found.kappa_sem.diagonal() > np.sqrt(variance.diagonal())).all()
        assert 0.0 < found.filled_share < 0.5
        assert kappa(lifetime).filled.sum() == n_missing


@pytest.mark.parametrize("power", [-1.0, -2.0, -3.0])
def test_the_error_of_the_interpolation_is_included(silicon, power):
    """τ is known exactly at the q points of the supercell, and is a power of ω everywhere."""
    constants, supercell, modes = silicon
    of_set = 1.0 / set_mean(np.where(modes.sets >= 0, modes.omega, 1.0) ** -power, modes)
    known = ModeLifetimes(modes, of_set, 1e-9 * of_set)
    found = conductivity(constants, supercell, known, KELVIN, (12, 12, 12)).classical
    zone = zone_of(constants.crystal, (12, 12, 12))
    branches = group_velocities(constants, zone.qpoints)
    lifetime = np.where(branches.omega > 0.0, branches.omega, 1.0) ** power
    flow = heat_flow(branches, lifetime, KELVIN, constants.crystal.volume)
    true = isotropic(np.einsum("kqmxy,qm->kxy", flow, zone.weights))[0]
    assert abs(found.isotropic - true) < 1.5 * found.isotropic_sem
    assert found.isotropic_sem < 0.8 * true
    # Between the sets γ/ω² is constant, and both interpolations agree.
    assert power != -2.0 or found.isotropic_sem < 1e-6 * true


def test_errors_of_the_force_constants_are_included(silicon):
    """κ is proportional to the force constants at fixed linewidths."""
    constants, supercell, modes = silicon
    factors = 1.0 + 0.2 * np.array([-1.0, 1.0, -1.0, 1.0])
    noisy = replace(constants, replicates=constants.values * factors[:, None, None, None])
    sure = power_law(modes)
    sure = ModeLifetimes(modes, sure.lifetime_ps, 1e-9 * sure.lifetime_ps)
    found = conductivity(noisy, supercell, sure, KELVIN, (12, 12, 12)).classical
    assert found.isotropic_sem / found.isotropic == pytest.approx(0.2 * np.sqrt(3.0), rel=0.02)
    quiet = conductivity(constants, supercell, sure, KELVIN, (12, 12, 12)).classical
    assert quiet.isotropic == pytest.approx(found.isotropic, rel=1e-12)
    assert quiet.isotropic_sem < 1e-8 * quiet.isotropic


def test_mean_free_paths_of_sets(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    lifetime = lives.lifetime_ps.copy()
    lifetime[1] = np.nan
    lives = ModeLifetimes(modes, lifetime, 0.1 * lifetime)
    found = conductivity(constants, supercell, lives, KELVIN, MESH)
    assert np.isnan(found.free_path[1])
    known = np.arange(modes.n_sets) != 1
    np.testing.assert_allclose(
        found.free_path[known], (found.speed * lifetime)[known], rtol=1e-12
    )
    np.testing.assert_allclose(
        found.free_path_sem[known], 0.1 * found.free_path[known], rtol=1e-12
    )
    assert (found.speed < 120.0).all()


def test_too_few_lifetimes_give_no_number(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    lifetime = np.full(modes.n_sets, np.nan)
    lifetime[-2:] = lives.lifetime_ps[-2:]
    poor = ModeLifetimes(modes, lifetime, 0.1 * lifetime)
    with pytest.raises(DataError, match=r"not resolved: \d+ % of it would come"):
        conductivity(constants, supercell, poor, KELVIN, MESH)


def test_unstable_crystals_give_no_number(silicon):
    constants, supercell, modes = silicon
    lives = power_law(modes)
    soft = replace(constants, values=-constants.values)
    with pytest.raises(DataError, match="is imaginary, -"):
        conductivity(soft, supercell, lives, KELVIN, MESH)


def test_invalid_arguments_are_refused(silicon):
    constants, supercell, modes = silicon
    with pytest.raises(UsageError, match="temperature must be positive"):
        conductivity(constants, supercell, power_law(modes), 0.0, MESH)
    with pytest.raises(UsageError, match="three positive numbers of points"):
        conductivity(constants, supercell, power_law(modes), KELVIN, (0, 4, 4))


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_weights_of_the_zone_add_up_to_one(name, crystals):
    crystal = crystals[name]
    for divisions in ((6, 6, 4), (6, 7, 8)):
        for sections in (1, 4):
            zone = zone_of(crystal, divisions, sections)
            np.testing.assert_allclose(zone.weights.sum(axis=0), 1.0, rtol=1e-12)
            assert zone.weights.min() > -1e-15


def test_default_mesh_is_fine_and_contains_the_q_points_of_the_supercell(silicon, crystals):
    _, supercell, _ = silicon
    divisions = dense_mesh(supercell)
    assert divisions == shared_mesh(supercell, divisions)
    assert all(n % 3 == 0 and 20 <= n <= 40 for n in divisions)
    a, b, c = dense_mesh(build_supercell(crystals["wurtzite"], np.diag([2, 2, 1])))
    assert a == b > c


STRENGTH = 2000.0


@pytest.fixture(scope="module")
def solid(crystals, springs):
    """Constants, supercell and lifetimes A/ω² of a crystal of low symmetry."""
    constants = springs(crystals["triclinic"], 4.5)
    supercell = build_supercell(constants.crystal, np.diag([2, 2, 3]))
    modes = modes_at(constants, *commensurate(supercell))
    lifetime = STRENGTH / set_mean(modes.omega**2, modes)
    return constants, supercell, ModeLifetimes(modes, lifetime, 0.1 * lifetime)


def mode_by_mode(constants, divisions):
    """Frequencies (q m), speeds and isotropic flow where no mesh is refined about Γ."""
    zone = zone_of(constants.crystal, divisions)
    branches = group_velocities(constants, zone.qpoints)
    moves = branches.omega > 0.0
    square = np.nan_to_num((branches.velocity**2).sum(axis=2))
    life = np.where(moves, STRENGTH / np.where(moves, branches.omega, 1.0) ** 2, 0.0)
    flow = BOLTZMANN / constants.crystal.volume * zone.weights * square / 3.0 * life
    return branches.omega, np.sqrt(square), life, flow


def test_cumulative_conductivity_counts_modes_with_shorter_mean_free_paths(solid) -> None:
    constants, supercell, lives = solid
    divisions = (2, 2, 5)
    found = conductivity(constants, supercell, lives, KELVIN, divisions).classical
    _, speed, life, flow = mode_by_mode(constants, divisions)
    length = speed * life
    assert found.isotropic == pytest.approx(flow.sum(), rel=1e-9)
    below = np.trace(found.below_length, axis1=1, axis2=2) / 3.0
    expected = [flow[length <= longest].sum() for longest in found.length]
    np.testing.assert_allclose(below, expected, rtol=1e-6, atol=1e-9 * flow.sum())


def test_heat_flow_is_spread_over_the_frequency_range_of_a_mesh_cell(solid) -> None:
    """Its width is |v| times the spacing, and at least one bin."""
    constants, supercell, lives = solid
    divisions = (2, 2, 5)
    found = conductivity(constants, supercell, lives, KELVIN, divisions).classical
    omega, speed, _, flow = mode_by_mode(constants, divisions)
    edges = found.edges
    spacing = 2.0 * np.pi / (constants.crystal.volume * np.prod(divisions)) ** (1.0 / 3.0)
    half = 0.5 * np.maximum(speed * spacing, edges[1])
    low, high = np.maximum(omega - half, 0.0), np.minimum(omega + half, edges[-1])
    expected = [(flow * np.clip((edge - low) / (high - low), 0, 1)).sum() for edge in edges]
    below = np.trace(found.below_frequency, axis1=1, axis2=2) / 3.0
    np.testing.assert_allclose(below, expected, atol=1e-9 * flow.sum())


def test_filled_and_long_wave_shares_are_derivatives_by_log_linewidths(solid) -> None:
    """κ = Σ C v² e^{−x}/ω²: the part of κ from some x is minus its derivative by these x."""
    constants, supercell, lives = solid
    lifetime = lives.lifetime_ps.copy()
    lifetime[::4] = np.nan
    strengths = all_strengths(ModeLifetimes(lives.modes, lifetime, 0.1 * lifetime))
    grid = lifetime_grid(lives.modes, supercell)
    edges = np.linspace(0.0, 1.05 * lives.modes.omega.max(), 51)
    zone = zone_of(constants.crystal, (4, 4, 6))
    sums = flow_sums(constants, zone, grid, strengths, KELVIN, edges)
    np.testing.assert_allclose(-sums.slopes.sum(axis=0), sums.kappa, rtol=1e-9)
    np.testing.assert_allclose(-sums.slopes[-3:].sum(axis=0), sums.long_waves, rtol=1e-9)
    share = np.clip(grid.extended(strengths.filled.astype(float)), 0.0, 1.0)
    np.testing.assert_allclose(
        -np.tensordot(share, sums.slopes, axes=1), sums.filled, rtol=1e-9
    )
    trace = [np.trace(part[0]) for part in (sums.long_waves, sums.filled, sums.kappa)]
    assert 0.0 < trace[0] < trace[2]
    assert 0.0 < trace[1] < trace[2]


def test_filled_values_are_weighted_means_over_similar_frequencies(crystals, springs) -> None:
    """Every mode has equal weight; the Gaussian width is 1/20 of the highest frequency."""
    crystal = crystals["wurtzite"]
    supercell = build_supercell(crystal, np.diag([3, 3, 2]))
    modes = modes_at(springs(crystal, 4.0), *commensurate(supercell))
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    members = set_members(modes).astype(float)
    assert members.max() > 3 * members.min()
    rng = np.random.default_rng(4)
    lifetime = STRENGTH / omega**2 * np.exp(rng.normal(size=len(omega)))
    known = rng.random(len(omega)) < 0.6
    given = np.where(known, lifetime, np.nan)
    found = all_strengths(ModeLifetimes(modes, given, 0.1 * given))

    def mean_near(wanted: np.ndarray, *, others: bool = False) -> np.ndarray:
        near = np.exp(-0.5 * ((wanted[:, None] - omega[known]) / (0.05 * omega.max())) ** 2)
        near[others & np.equal(wanted[:, None], omega[known])] = 0.0
        weight = near * members[known]
        return weight @ -np.log(lifetime * omega**2)[known] / weight.sum(axis=1)

    np.testing.assert_allclose(found.log_strength[~known], mean_near(omega[~known]), rtol=1e-9)
    scatter = -np.log(lifetime * omega**2)[known] - mean_near(omega[known], others=True)
    expected = np.sqrt((members[known] * scatter**2).sum() / members[known].sum())
    np.testing.assert_allclose(found.sem[~known], expected, rtol=1e-9)
    # A function of all filled values: the errors of resolved ones, and the scatter.
    slopes = np.where(known, 0.0, 1.0)
    own = 0.1 * found.model.sum(axis=0)
    wanted = (own**2).sum() + (found.sem[~known].sum()) ** 2
    assert (found.deviations(slopes) ** 2).sum() == pytest.approx(wanted, rel=1e-9)
