"""F(ln a, ln c; T) of uniaxial crystals against a solid whose minimum is known in closed form.

In classical mechanics F = U0 + k_B T Σ ln(ħω/k_B T). If all ω vary as exp(−γ·x), with
x = (ln a/a₀, ln c/c₀), and U0 = ½ xᵀHx, then F has its minimum at x = n k_B T H⁻¹γ for n modes.
"""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.api.force_constants import ForceConstants as Api
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.errors import DataError
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State, volume_functions
from trajmodes.thermo.zone_modes import zone_points
from trajmodes.units import DALTON

A, C, MESH = 3.0, 3.6, (2, 2, 2)
GAMMA = np.array([3.1, 0.8])
STIFFNESS = np.array([[55.0, 14.0], [14.0, 21.0]])
THIRD = np.array([-210.0, -40.0, -30.0, -90.0])
KELVIN = np.array([100.0, 300.0, 500.0])
SQUARE = np.array([(i, j) for i in (-1.0, 0.0, 1.0) for j in (-1.0, 0.0, 1.0)])
SIX = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1), (0, 1.2), (1.2, 0)], float)
WIDE = np.array([(i, j) for i in (-1.0, -0.3, 0.4, 1.0) for j in (-1.0, -0.4, 0.3, 1.0)])
CENTRE, REACH = np.array([0.004, 0.006]), np.array([0.014, 0.02])


def springs(x, spread: float = 0.0, seed: int = 0, n: int = 12):
    """One atom in a tetragonal cell: all ω vary as exp(−γ·x); replicates with an error."""
    cell = np.diag([A, A, C] * np.exp([x[0], x[0], x[1]]))
    crystal = Crystal(cell, np.zeros((1, 3)), ("Si",), np.array([28.0 * DALTON]))
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    along = np.einsum("pi,pj->pij", steps, steps)
    stiff = np.where(np.abs(steps[:, 2]) == 1, 3.0, 5.0)[:, None, None]
    hessian = stiff * (along + 0.1 * (np.eye(3) - along))
    values = np.concatenate([hessian.sum(axis=0)[None], -hessian]) * np.exp(-2.0 * GAMMA @ x)
    lattice = np.concatenate([np.zeros((1, 3), int), steps])
    plain = ForceConstants(crystal, np.zeros(7, int), np.zeros(7, int), lattice, values)
    if not spread:
        return plain
    rng = np.random.default_rng(seed)
    values = values * (1.0 + spread * rng.standard_normal())
    moved = spread * np.sqrt(n) / (n - 1) * rng.standard_normal(n)
    return replace(plain, values=values, replicates=values * (1 + moved)[:, None, None, None])


def static(x, *, third: bool = False) -> float:
    powers = np.array([x[0] ** 3, x[0] ** 2 * x[1], x[0] * x[1] ** 2, x[1] ** 3])
    return 0.5 * x @ STIFFNESS @ x + third * THIRD @ powers


def states(design=SQUARE, *, third=False, spread=0.0, seed=0, noise=0.0) -> list[State]:
    rng = np.random.default_rng(seed)
    return [
        State(
            springs(x, spread, 1000 * seed + k),
            static(x, third=third) + noise * rng.standard_normal(),
            noise,
        )
        for k, x in enumerate(CENTRE + REACH * design)
    ]


def expansions(heat: float) -> np.ndarray:
    """H⁻¹γ n k_B, with n k_B the classical heat capacity."""
    return heat * np.linalg.solve(STIFFNESS, GAMMA)


def heat_capacity() -> float:
    """n k_B of the oscillators, whose uniform shifts are left out."""
    crystal = springs(np.zeros(2))
    points = zone_points(crystal.crystal, MESH)
    values = volume_functions([State(crystal, 0.0)], points, KELVIN, classical=True).values
    return float(values[2, 0])


def fields(found) -> np.ndarray:
    """Everything at (p, t), in one array."""
    parts = (found.axes, found.equilibrium)
    return np.array([getattr(one, name) for one in parts for name in one.__slots__])


@pytest.mark.parametrize("design", [SIX, SQUARE, WIDE])
def test_the_minimum_of_a_classical_einstein_solid_is_that_in_closed_form(design):
    found = quasiharmonic(states(design), MESH, KELVIN, classical=True)
    heat = heat_capacity()
    alpha = expansions(heat)
    axes, own = found.axes, found.equilibrium
    np.testing.assert_allclose(axes.a[0], A * np.exp(alpha[0] * KELVIN), rtol=1e-10)
    np.testing.assert_allclose(axes.c[0], C * np.exp(alpha[1] * KELVIN), rtol=1e-10)
    np.testing.assert_allclose(axes.expansion_a[0], alpha[0], rtol=1e-7)
    np.testing.assert_allclose(axes.expansion_c[0], alpha[1], rtol=1e-7)
    np.testing.assert_allclose(axes.ratio, axes.c / axes.a, rtol=1e-14)
    np.testing.assert_allclose(own.expansion[0], (2 * alpha[0] + alpha[1]) / 3.0, rtol=1e-7)
    np.testing.assert_allclose(own.volume, axes.a**2 * axes.c, rtol=1e-12)
    along = np.array([2.0, 1.0])
    modulus = 1.0 / (own.volume[0] * (along @ np.linalg.solve(STIFFNESS, along)))
    np.testing.assert_allclose(own.bulk_modulus[0], modulus, rtol=1e-7)
    # C_p − C of the cell held = T γ·H⁻¹γ (n k_B)²
    gap = KELVIN * heat * (GAMMA @ alpha)
    np.testing.assert_allclose(own.capacity_p[0], heat + gap, rtol=1e-7)
    np.testing.assert_allclose(found.lengths[..., 2], axes.c)
    assert found.sem is None
    names = ("cubic in ln a and ln c", "quadratic in ln a and ln c")
    assert found.comparison.names == (names if design is WIDE else names[1:])


@pytest.mark.parametrize("classical", [False, True])
@pytest.mark.parametrize("design", [SQUARE, WIDE])
def test_gibbs_energy_is_the_potential_of_all_the_rest(design, classical):
    """S = −∂G/∂T, V = ∂G/∂p, α = ∂ln a/∂T, C_p = −T ∂²G/∂T², K_T = −V ∂p/∂V."""
    step = 1e-4
    pressures = np.array([0.005 - step, 0.005, 0.005 + step])
    found = quasiharmonic(
        states(design, third=True), MESH, [299.0, 300.0, 301.0], pressures, classical=classical
    )
    own, axes = found.equilibrium, found.axes
    gibbs, volume = own.gibbs, own.volume
    assert own.entropy[1, 1] == pytest.approx(-(gibbs[1, 2] - gibbs[1, 0]) / 2.0, rel=1e-5)
    assert volume[1, 1] == pytest.approx((gibbs[2, 1] - gibbs[0, 1]) / (2.0 * step), rel=1e-6)
    for length, alpha in ((axes.a, axes.expansion_a), (axes.c, axes.expansion_c)):
        by_t = (length[1, 2] - length[1, 0]) / (2.0 * length[1, 1])
        assert alpha[1, 1] == pytest.approx(by_t, rel=1e-4)
    curvature = gibbs[1, 2] - 2.0 * gibbs[1, 1] + gibbs[1, 0]
    assert own.capacity_p[1, 1] == pytest.approx(-300.0 * curvature, rel=1e-4)
    softer = (volume[2, 1] - volume[0, 1]) / (2.0 * step)
    assert own.bulk_modulus[1, 1] == pytest.approx(-volume[1, 1] / softer, rel=1e-4)
    ratio = own.capacity_p[1, 1] / own.capacity_v[1, 1]
    assert own.adiabatic_modulus[1, 1] == pytest.approx(ratio * own.bulk_modulus[1, 1])
    grown = 1.0 + 3.0 * own.expansion[1, 1] * own.gruneisen[1, 1] * 300.0
    assert ratio == pytest.approx(grown, rel=1e-9)


def test_a_cubic_form_is_exact_for_energies_of_third_degree():
    found = quasiharmonic(states(WIDE, third=True), MESH, KELVIN, classical=True)
    x = np.log([found.axes.a[0] / A, found.axes.c[0] / C])
    slope = STIFFNESS @ x + np.array(
        [
            3 * THIRD[0] * x[0] ** 2 + 2 * THIRD[1] * x[0] * x[1] + THIRD[2] * x[1] ** 2,
            THIRD[1] * x[0] ** 2 + 2 * THIRD[2] * x[0] * x[1] + 3 * THIRD[3] * x[1] ** 2,
        ]
    )
    wanted = np.outer(GAMMA, heat_capacity() * KELVIN)
    np.testing.assert_allclose(slope, wanted, rtol=1e-8)
    residual, worse = found.comparison.rms_residual
    assert residual < 1e-12
    assert worse > 1e-5
    assert found.spread.volume[0, 1] > 0.0
    assert found.axes_spread.expansion_c[0, 1] > 0.0


def test_errors_are_those_of_every_replicate_solved_anew():
    given = states(spread=2e-3)
    given = [
        replace(one, constants=replace(one.constants, replicates=one.constants.replicates[:4]))
        for one in given
    ]
    whole = quasiharmonic(given, MESH, KELVIN)
    variance = 0.0
    for place, state in enumerate(given):
        anew = []
        for values in state.constants.replicates:
            other = list(given)
            other[place] = replace(state, constants=replace(state.constants, values=values))
            anew.append(fields(quasiharmonic(other, MESH, KELVIN)))
        variance += jackknife_sem(anew) ** 2
    sem = np.array(
        [getattr(part, name) for part in (whole.axes_sem, whole.sem) for name in part.__slots__]
    )
    np.testing.assert_allclose(sem, np.sqrt(variance), rtol=0.03)
    np.testing.assert_allclose(whole.lengths_sem[..., 2], whole.axes_sem.c)


def test_errors_grow_with_those_of_the_energies_where_these_are_large():
    small, large = (
        quasiharmonic([replace(one, energy_sem=sem) for one in states()], MESH, [300.0])
        for sem in (1e-4, 1e-1)
    )
    for name in ("a", "c", "ratio", "expansion_a", "expansion_c"):
        ratio = getattr(large.axes_sem, name) / getattr(small.axes_sem, name)
        np.testing.assert_allclose(ratio, 1e3, rtol=0.02)


@pytest.mark.slow
def test_z_scores_of_lengths_and_expansions_have_unit_width():
    """Fifty synthetic series of runs: estimates less truth, over their errors."""
    exact = fields(quasiharmonic(states(), MESH, KELVIN, [0.0, 0.003]))
    scores = []
    for case in range(50):
        given = states(spread=4e-3, seed=case + 1, noise=4e-5)
        found = quasiharmonic(given, MESH, KELVIN, [0.0, 0.003])
        sem = np.array(
            [getattr(part, n) for part in (found.axes_sem, found.sem) for n in part.__slots__]
        )
        # a, c, c/a, α_a, α_c, V, α, K_T at the second temperature, G
        places = [0, 1, 2, 3, 4, 5, 6, 7, 13]
        scores.append(((fields(found) - exact) / sem)[places, 1, 1])
    width = np.sqrt((np.array(scores) ** 2).mean(axis=0))
    assert ((width > 0.85) & (width < 1.2)).all(), width
    assert 0.85 < np.sqrt((width**2).mean()) < 1.2, width


def test_cells_of_one_ratio_or_on_a_curve_are_a_function_of_the_volume():
    line = np.linspace(-1.0, 1.0, 7)
    one_ratio = np.stack([line * REACH[0], line * REACH[0]], axis=1)
    relaxed = np.stack([line, -0.4 * line + 0.1 * line**2], axis=1) * 0.014
    for design in (one_ratio, relaxed):
        given = [State(springs(x), static(x)) for x in design]
        found = quasiharmonic(given, MESH, [100.0])
        assert found.axes is None
        assert found.comparison.names[0] == "birch-murnaghan"
    both = [
        State(
            replace(springs([x, 0.002 * t]), temperature=300.0 + 300.0 * t),
            static(np.array([x, 0])),
        )
        for x in np.linspace(-0.014, 0.014, 4)
        for t in (0.0, 1.0)
    ]
    # c/a differs by the temperature of the runs, at the same a.
    assert quasiharmonic(both, MESH, [300.0]).axes is None


def test_runs_of_two_temperatures_at_each_cell_are_interpolated():
    cold, warm = states(), states()
    given = [State(replace(one.constants, temperature=300.0), one.energy) for one in cold] + [
        State(replace(one.constants, temperature=400.0), one.energy) for one in warm
    ]
    found = quasiharmonic(given, MESH, [300.0, 350.0])
    assert len(found.volumes) == len(SQUARE)
    alone = quasiharmonic(cold, MESH, [300.0, 350.0])
    np.testing.assert_allclose(found.axes.c, alone.axes.c, rtol=1e-9)


def test_what_the_cells_do_not_determine_is_refused():
    with pytest.raises(DataError, match=r"there are 5 .* needs 6"):
        quasiharmonic(states(SQUARE[[0, 2, 4, 6, 8]]), MESH, [300.0])
    # One volume, and several c/a of it
    squeezed = [springs([-0.5 * y, y]) for y in np.linspace(-0.01, 0.01, 4)]
    with pytest.raises(DataError, match=r"there are 4 .* needs 6"):
        quasiharmonic([State(one, 0.0) for one in squeezed], MESH, [300.0])
    crossed = np.array([(k, 0.0) for k in (-1, -0.3, 0.4, 1)] + [(0.0, k) for k in (-1, 1)])
    with pytest.raises(DataError, match="do not determine a quadratic form"):
        quasiharmonic(states(crossed), MESH, [300.0])
    # Any six cells on one ellipse leave one quadratic form free.
    turn = np.arange(8) * np.pi / 4.0
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    with pytest.raises(DataError, match="do not determine a quadratic form"):
        quasiharmonic(states(ring), MESH, [300.0])


def test_a_minimum_outside_the_cells_is_refused_with_the_cell_to_add():
    with pytest.raises(DataError, match=r"minimum at a = 3\.\d+ Å, c = 3\.\d+ Å") as found:
        quasiharmonic(states(), MESH, [100.0, 2500.0], classical=True)
    assert "temperatures from 100 to 100 K" in str(found.value)
    with pytest.raises(DataError, match="not between the cells"):
        quasiharmonic(states(), MESH, [100.0], [0.2])
    upside_down = [replace(one, energy=-one.energy) for one in states()]
    with pytest.raises(DataError, match="has no minimum"):
        quasiharmonic(upside_down, MESH, [100.0])


def test_force_constants_give_gruneisen_parameters_with_those_of_another_volume():
    """ω varies as V^−γ with γ = γ·(1, 1)/3 where c/a is held."""
    middle, *others = (
        Api.of(springs(np.full(2, x), 1e-3, k)) for k, x in enumerate((0.0, 0.003, -0.003))
    )
    gamma = GAMMA.sum() / 3.0
    two = middle.mode_gruneisen(others[0], "Z")
    assert two.gamma.shape == (1, 3)
    # ω² falls as exp(−2γ ln V), of which the difference is that at the middle.
    step = 0.009
    slope = -(np.exp(-2.0 * gamma * step) - 1.0) / (2.0 * step)
    assert abs(two.gamma[0] - slope).max() < 4.0 * two.gamma_sem.max()
    exact = [Api.of(springs(np.full(2, x))) for x in (0.0, 0.003, -0.003)]
    found = exact[0].mode_gruneisen(exact[1], [0.5, 0.0, 0.0])
    np.testing.assert_allclose(found.gamma, slope, rtol=1e-9)
    assert found.gamma_sem is None
    both = exact[0].mode_gruneisen(exact[1:], [[0.5, 0.0, 0.0], [0.0, 0.1, 0.3]])
    np.testing.assert_allclose(both.gamma, gamma, rtol=3e-4)


def test_gruneisen_parameters_of_no_other_volume_or_crystal_are_refused():
    own = Api.of(springs(np.zeros(2)))
    with pytest.raises(DataError, match="at least two volumes"):
        own.mode_gruneisen(springs(np.zeros(2)), "Z")
    other = springs(np.full(2, 0.003))
    carbon = replace(other, crystal=replace(other.crystal, species=("C",)))
    with pytest.raises(DataError, match="different crystals"):
        own.mode_gruneisen(carbon, "Z")
