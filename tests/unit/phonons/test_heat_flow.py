"""Sums of the heat flow over the zone, mode by mode."""

import numpy as np
import pytest

from trajmodes.phonons.bands import group_velocities
from trajmodes.phonons.conductivity import conductivity, flow_sums, zone_of
from trajmodes.phonons.lifetime_mesh import ModeLifetimes, all_strengths, lifetime_grid
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.stars import set_mean, set_members
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN

STRENGTH = 2000.0
KELVIN = 300.0


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
