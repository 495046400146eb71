"""Quasiharmonic properties against exact equations of state, identities, and known errors."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from springs.simple_cubic import triplets_of_bonds
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.quasiharmonic import GibbsEnergy
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_at
from trajmodes.thermo.quasiharmonic.equations_of_state import interpolation
from trajmodes.thermo.quasiharmonic.mode_gruneisen import mode_gruneisen
from trajmodes.thermo.quasiharmonic.phases import phase_boundary
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State, volume_functions
from trajmodes.thermo.zone_modes import zone_points
from trajmodes.units import BOLTZMANN, DALTON, GIGAPASCAL

SIDE, GAMMA, MESH = 3.0, 1.7, (4, 4, 4)
KELVIN = 300.0
SIDES = np.linspace(2.97, 3.06, 6)
V0, BULK, SLOPE = SIDE**3, 0.5, 4.5
EQUATIONS = ("birch-murnaghan", "vinet", "polynomial")


def cubic(side: float, stiff: float = 5.0, bend: float = 0.4, **more: object) -> ForceConstants:
    """One atom in a cube, with springs to six neighbours along and across them."""
    crystal = Crystal(np.eye(3) * side, np.zeros((1, 3)), ("Si",), np.array([28.0 * DALTON]))
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    along = np.einsum("pi,pj->pij", steps, steps)
    hessian = stiff * along + bend * (np.eye(3) - along)
    values = np.concatenate([hessian.sum(axis=0)[None], -hessian])
    lattice = np.concatenate([np.zeros((1, 3), int), steps])
    sites = np.zeros(7, int)
    return ForceConstants(crystal, sites, sites, lattice, values, **more)


def scaled(side: float, *, spread: float = 0.0, seed: int = 0, n: int = 12) -> ForceConstants:
    """All frequencies vary as V^−γ; replicates with a relative standard error of ω²."""
    factor = (SIDE / side) ** (6.0 * GAMMA)
    constants = cubic(side, 5.0 * factor, 0.4 * factor)
    if not spread:
        return constants
    rng = np.random.default_rng(seed)
    error = 1.0 + spread * rng.standard_normal()
    moved = spread * np.sqrt(n) / (n - 1) * rng.standard_normal(n)
    values = constants.values * error
    return replace(
        constants, values=values, replicates=values * (1 + moved)[:, None, None, None]
    )


POINTS = zone_points(cubic(SIDE).crystal, MESH)


def birch_murnaghan(volume, v0=V0, bulk=BULK, slope=SLOPE):
    x = (v0 / volume) ** (2.0 / 3.0)
    return 9.0 * v0 * bulk / 16.0 * ((x - 1) ** 3 * slope + (x - 1) ** 2 * (6.0 - 4.0 * x))


def vinet(volume, v0=V0, bulk=BULK, slope=SLOPE):
    x, eta = (volume / v0) ** (1.0 / 3.0), 1.5 * (slope - 1.0)
    bracket = 1.0 - (1.0 + eta * (x - 1.0)) * np.exp(-eta * (x - 1.0))
    return 9.0 * bulk * v0 / eta**2 * bracket


def states(**more: float) -> list[State]:
    return [
        State(scaled(side, seed=k, **more), birch_murnaghan(side**3))
        for k, side in enumerate(SIDES)
    ]


@pytest.mark.parametrize(
    ("name", "energy"), [("birch-murnaghan", birch_murnaghan), ("vinet", vinet)]
)
@pytest.mark.parametrize("n_volumes", [4, 7])
def test_an_equation_of_state_finds_its_own_parameters(name, energy, n_volumes):
    volumes = np.linspace(0.94, 1.07, n_volumes) * V0
    bulk = np.array([0.4, 0.6])
    values = np.array([energy(volumes, bulk=b) for b in bulk]) - 3.0
    fit = interpolation(name, volumes, values, np.ones(n_volumes))
    at, slope, curvature = (
        np.einsum("tk,tk->t", part, fit.coefficients(values))
        for part in fit.basis(np.array([V0, V0]))
    )
    np.testing.assert_allclose(at, -3.0, atol=1e-10)
    np.testing.assert_allclose(slope, 0.0, atol=1e-9)
    np.testing.assert_allclose(V0 * curvature, bulk, rtol=1e-6)
    np.testing.assert_allclose(fit.residuals(values), 0.0, atol=1e-10)
    if n_volumes > 4:
        np.testing.assert_allclose(fit.left_out(values), 0.0, atol=1e-8)


def test_a_solid_with_one_gruneisen_parameter_obeys_the_law_of_mie_and_gruneisen():
    """p = −U0' + γ U_vib/V, with the energy of the oscillators at each volume."""
    kelvin = np.array([0.0, 200.0, 600.0])
    found = quasiharmonic(states(), MESH, kelvin, [0.0, 0.01])

    def pressure(volume: float, t: int) -> float:
        own = scaled(volume ** (1.0 / 3.0))
        free, entropy, _ = volume_functions([State(own, 0.0)], POINTS, kelvin).values
        thermal = free[t] + kelvin[t] * entropy[t]
        step = 1e-4
        static = birch_murnaghan(volume + step) - birch_murnaghan(volume - step)
        return -static / (2.0 * step) + GAMMA * thermal / volume

    for t in range(3):
        for p, wanted in enumerate((0.0, 0.01)):
            exact = brentq(lambda v: pressure(v, t) - wanted, 26.4, 28.3, xtol=1e-9)  # noqa: B023
            assert found.equilibrium.volume[p, t] == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(found.equilibrium.gruneisen[:, 1:], GAMMA, rtol=2e-4)
    np.testing.assert_allclose(found.lengths[..., 0] ** 3, found.equilibrium.volume, rtol=1e-9)
    assert found.sem is None


@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize("classical", [False, True])
def test_gibbs_energy_is_the_potential_of_all_the_rest(equation, classical):
    """S = −∂G/∂T, V = ∂G/∂p, α = ∂ln V/3∂T, C_p = −T∂²G/∂T², K_T = −V ∂p/∂V."""
    kelvin, step = np.array([299.0, 300.0, 301.0]), 1e-4
    pressures = np.array([0.01 - step, 0.01, 0.01 + step])
    found = quasiharmonic(
        states(), MESH, kelvin, pressures, equation=equation, classical=classical
    ).equilibrium
    gibbs, volume = found.gibbs, found.volume[1, 1]
    by_t = (gibbs[1, 2] - gibbs[1, 0]) / 2.0
    assert found.entropy[1, 1] == pytest.approx(-by_t, rel=1e-5)
    assert volume == pytest.approx((gibbs[2, 1] - gibbs[0, 1]) / (2.0 * step), rel=1e-6)
    expansion = (found.volume[1, 2] - found.volume[1, 0]) / (6.0 * volume)
    assert found.expansion[1, 1] == pytest.approx(expansion, rel=1e-4)
    curvature = gibbs[1, 2] - 2.0 * gibbs[1, 1] + gibbs[1, 0]
    assert found.capacity_p[1, 1] == pytest.approx(-300.0 * curvature, rel=1e-4)
    softer = (found.volume[2, 1] - found.volume[0, 1]) / (2.0 * step)
    assert found.bulk_modulus[1, 1] == pytest.approx(-volume / softer, rel=1e-4)
    ratio = found.capacity_p[1, 1] / found.capacity_v[1, 1]
    grown = 1.0 + 3.0 * found.expansion[1, 1] * found.gruneisen[1, 1] * 300.0
    assert ratio == pytest.approx(grown, rel=1e-9)
    assert found.adiabatic_modulus[1, 1] == pytest.approx(ratio * found.bulk_modulus[1, 1])


def test_the_equations_of_state_differ_by_little_and_the_spread_says_so():
    found = quasiharmonic(states(), MESH, [300.0])
    assert found.comparison.names == EQUATIONS
    volumes = found.comparison.volume[:, 0, 0]
    assert found.spread.volume[0, 0] == pytest.approx(0.5 * np.ptp(volumes))
    assert 0.0 < found.spread.volume[0, 0] < 1e-4 * V0
    few = quasiharmonic(states()[1:4], MESH, [300.0])
    assert few.comparison.names == ("birch-murnaghan", "polynomial")


@pytest.mark.slow
def test_errors_are_those_of_every_replicate_solved_anew():
    given = states(spread=2e-3, n=4)
    kelvin = np.array([100.0, 400.0])
    whole = quasiharmonic(given, MESH, kelvin)
    variance = 0.0
    for place, state in enumerate(given):
        singles = []
        for values in state.constants.replicates:
            other = list(given)
            one = replace(state.constants, values=values)
            other[place] = replace(state, constants=one)
            singles.append(quasiharmonic(other, MESH, kelvin).equilibrium)
        fields = [np.array([o.volume, o.expansion, o.capacity_p, o.gibbs]) for o in singles]
        variance += jackknife_sem(fields) ** 2
    sem = whole.sem
    own = np.array([sem.volume, sem.expansion, sem.capacity_p, sem.gibbs])
    np.testing.assert_allclose(own, np.sqrt(variance), rtol=0.02)
    # An edge of a cube varies as a third of the volume.
    length = whole.lengths_sem[..., 0] / whole.lengths[..., 0]
    np.testing.assert_allclose(3.0 * length, sem.volume / whole.equilibrium.volume, rtol=1e-3)


def test_errors_of_the_energies_are_part_of_those_of_the_volume():
    given = [replace(state, energy_sem=1e-4) for state in states()]
    found = quasiharmonic(given, MESH, [300.0])
    kick = quasiharmonic(
        [replace(one, energy=one.energy + 1e-4 * (k == 5)) for k, one in enumerate(given)],
        MESH,
        [300.0],
    )
    moved = abs(kick.equilibrium.volume[0, 0] - found.equilibrium.volume[0, 0])
    assert moved < found.sem.volume[0, 0] < 6.0 * moved
    np.testing.assert_allclose(found.free_energies_sem, 1e-4)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_errors_are_proportional_to_those_of_the_energies(equation):
    """Also where a volume is not determined, and an error removes the minimum."""
    errors = []
    for sem in (1e-6, 1e-1):
        given = [replace(state, energy_sem=sem) for state in states()]
        found = quasiharmonic(given, MESH, [300.0], equation=equation).sem
        fields = (found.volume, found.expansion, found.bulk_modulus, found.gibbs)
        errors.append(np.ravel(fields) / sem)
    np.testing.assert_allclose(errors[0], errors[1], rtol=0.05)


@pytest.mark.slow
def test_z_scores_of_volume_expansion_and_crossing_have_unit_width():
    """A hundred synthetic series of runs: estimates less truth, over their errors."""
    kelvin, spread, error = np.array([50.0, 250.0, 450.0]), 5e-3, 5e-5
    exact = quasiharmonic(states(), MESH, kelvin, [0.0, 0.005]).equilibrium
    other = _other_phase(kelvin)
    truth = phase_boundary(_gibbs(exact, kelvin), other).crossings[0].temperature
    rng = np.random.default_rng(8)
    scores = []
    for case in range(50):
        given = [
            State(
                scaled(side, spread=spread, seed=1000 * case + k),
                birch_murnaghan(side**3) + error * rng.standard_normal(),
                error,
            )
            for k, side in enumerate(SIDES)
        ]
        found = quasiharmonic(given, MESH, kelvin, [0.0, 0.005])
        own, sem = found.equilibrium, found.sem
        crossing = phase_boundary(_gibbs(own, kelvin, sem.gibbs), other).crossings[0]
        scores.append(
            [
                (own.volume - exact.volume)[0, 1] / sem.volume[0, 1],
                (own.expansion - exact.expansion)[0, 1] / sem.expansion[0, 1],
                (own.bulk_modulus - exact.bulk_modulus)[0, 1] / sem.bulk_modulus[0, 1],
                (own.gibbs - exact.gibbs)[1, 2] / sem.gibbs[1, 2],
                (crossing.temperature - truth) / crossing.temperature_sem,
            ]
        )
    width = np.sqrt((np.array(scores) ** 2).mean(axis=0))
    assert ((width > 0.85) & (width < 1.2)).all(), width
    assert 0.85 < np.sqrt((width**2).mean()) < 1.2


def _gibbs(found, kelvin, sem=None) -> GibbsEnergy:
    zero = np.zeros_like(found.gibbs)
    return GibbsEnergy(
        np.array([0.0, 0.005]), kelvin, found.gibbs, found.entropy, found.volume,
        zero if sem is None else sem,
    )  # fmt: skip


def _others() -> list[State]:
    """Softer and higher in energy: stable at high temperature."""
    return [
        State(
            cubic(s, 3.5 * (SIDE / s) ** 9, 0.3 * (SIDE / s) ** 9),
            0.016 + birch_murnaghan(s**3),
        )
        for s in SIDES
    ]


def _other_phase(kelvin) -> GibbsEnergy:
    return _gibbs(quasiharmonic(_others(), MESH, kelvin, [0.0, 0.005]).equilibrium, kelvin)


def _at_first_pressure(phase: GibbsEnergy) -> GibbsEnergy:
    names = ("gibbs", "entropy", "volume", "gibbs_sem")
    first = {name: getattr(phase, name)[:1] for name in names}
    return replace(phase, pressures=phase.pressures[:1], **first)


def test_phases_cross_where_their_gibbs_energies_are_equal():
    kelvin = np.linspace(50.0, 550.0, 11)
    first = _gibbs(quasiharmonic(states(), MESH, kelvin, [0.0, 0.005]).equilibrium, kelvin)
    second = _other_phase(kelvin)
    found = phase_boundary(first, second)
    one, pressed = found.crossings
    assert one.verdict == "resolved"
    assert first.gibbs[0, 0] < second.gibbs[0, 0]
    assert one.latent_heat > 0.0
    t = one.temperature
    near = np.array([t - 0.5, t, t + 0.5])
    again = phase_boundary(
        _gibbs(quasiharmonic(states(), MESH, near, [0.0, 0.005]).equilibrium, near),
        _other_phase(near),
    )
    assert again.difference[0, 1] == pytest.approx(0.0, abs=2e-7)
    assert one.latent_heat == pytest.approx(
        t * (again.difference[0, 2] - again.difference[0, 0]), rel=1e-3
    )
    # At the temperature of the crossing under pressure, the transition is at that pressure.
    wide = np.array([pressed.temperature - 1.0, pressed.temperature, pressed.temperature + 1.0])
    grid = np.array([0.0, 0.0025, 0.006])
    squeezed = [
        quasiharmonic(given, MESH, wide, grid).equilibrium for given in (states(), _others())
    ]
    ends = [
        GibbsEnergy(
            grid, wide, one.gibbs, one.entropy, one.volume, np.full_like(one.gibbs, 1e-5)
        )
        for one in squeezed
    ]
    at = phase_boundary(*ends)
    assert at.transition_pressure[1] == pytest.approx(0.005, abs=2e-5)
    apart = (squeezed[0].volume - squeezed[1].volume)[:, 1]
    error = 1e-5 * np.sqrt(2.0) / abs(np.interp(0.005, grid, apart))
    assert at.transition_pressure_sem[1] == pytest.approx(error, rel=0.05)
    assert np.isnan(found.transition_pressure[-1])
    alone = phase_boundary(*(_at_first_pressure(phase) for phase in ends))
    assert alone.transition_pressure is None
    # Clausius and Clapeyron
    slope = 0.005 / (pressed.temperature - t)
    assert one.slope == pytest.approx(slope, rel=0.2)


def test_a_crossing_within_the_errors_everywhere_is_not_resolved():
    kelvin = np.linspace(50.0, 550.0, 11)
    first = _gibbs(quasiharmonic(states(), MESH, kelvin, [0.0, 0.005]).equilibrium, kelvin)
    second = _other_phase(kelvin)
    wide = replace(second, gibbs_sem=np.full_like(second.gibbs, 0.05))
    assert phase_boundary(first, wide).crossings[0].verdict == "not resolved"
    above = replace(second, gibbs=second.gibbs + 0.02)
    assert phase_boundary(first, above).crossings[0].verdict == "first"
    assert phase_boundary(above, first).crossings[0].verdict == "second"
    near = replace(above, gibbs_sem=np.full_like(second.gibbs, 0.01))
    (found, _) = phase_boundary(first, near).crossings
    assert found.verdict == "not resolved"
    assert 50.0 < found.low < found.high == 550.0
    with pytest.raises(DataError, match="same --pressures-gpa"):
        phase_boundary(first, replace(second, pressures=second.pressures + 1.0))


def test_errors_that_are_not_known_are_not_zero():
    kelvin = np.linspace(50.0, 550.0, 11)
    first = _gibbs(quasiharmonic(states(), MESH, kelvin, [0.0, 0.005]).equilibrium, kelvin)
    second = _other_phase(kelvin)
    exact = phase_boundary(first, second)
    unknown = replace(second, gibbs_sem=np.full_like(second.gibbs, np.nan))
    found = phase_boundary(first, unknown)
    for one, known in zip(found.crossings, exact.crossings, strict=True):
        assert one.temperature == known.temperature
        assert one.verdict == known.verdict == "resolved"
        assert known.temperature_sem == 0.0
        assert np.isnan([one.temperature_sem, one.low, one.high]).all()
    assert np.isnan(found.transition_pressure_sem).all()
    with pytest.raises(DataError, match="same Gibbs free energy everywhere"):
        phase_boundary(first, first)


def test_a_minimum_outside_the_volumes_names_the_volume_to_add():
    with pytest.raises(DataError, match=r"add force constants .* larger volume") as larger:
        quasiharmonic(states()[:4], MESH, [300.0, 900.0], [-0.005])
    with pytest.raises(DataError, match=r"smaller volume, such as (2[0-9.]+) Å³") as smaller:
        quasiharmonic(states(), MESH, [300.0], [0.2])
    least, most = map(float, re.search(r"from (\S+) to (\S+) GPa", str(smaller.value)).groups())
    inside = np.array([least + 0.01, most - 0.01]) * GIGAPASCAL
    volume = quasiharmonic(states(), MESH, [300.0], inside).equilibrium.volume[:, 0]
    np.testing.assert_allclose(volume, [SIDES[-1] ** 3, SIDES[0] ** 3], rtol=1e-3)
    assert "-0.801 GPa" in str(larger.value)


def test_bad_input_is_refused():
    given = states()
    with pytest.raises(DataError, match="needs 3"):
        quasiharmonic(given[:2], MESH, [300.0])
    with pytest.raises(DataError, match="needs 4"):
        quasiharmonic(given[:3], MESH, [300.0], equation="vinet")
    with pytest.raises(DataError, match="imaginary"):
        quasiharmonic(
            [*given[:5], State(cubic(SIDES[5], 5.0, -0.2), given[5].energy)], MESH, [300.0]
        )
    for wrong in ({"energy": np.nan}, {"energy_sem": np.nan}, {"energy_sem": -1e-3}):
        with pytest.raises(DataError, match="is not a number with its standard error"):
            replace(given[0], **wrong)
    twin = replace(given[0], constants=replace(given[0].constants, temperature=300.0))
    with pytest.raises(DataError, match="different temperatures"):
        quasiharmonic([twin, *given], MESH, [300.0])
    crystal = replace(given[0].constants.crystal, species=("C",))
    with pytest.raises(DataError, match="different crystals"):
        quasiharmonic(
            [replace(twin, constants=replace(twin.constants, crystal=crystal)), *given[1:]],
            MESH,
            [300.0],
        )


@pytest.mark.parametrize("several", [False, True])
def test_a_classical_crystal_has_one_heat_capacity_from_zero_kelvin_on(several):
    """3N k_B at all T; S diverges at 0 K, where α has no value."""
    kelvin = np.array([0.0, 1.0, 300.0])
    given = states()
    if several:
        given = [
            replace(one, constants=replace(one.constants, temperature=t))
            for one in given
            for t in (1.0, 300.0)
        ]
    found = quasiharmonic(given, MESH, kelvin, classical=True).equilibrium
    np.testing.assert_allclose(found.capacity_v / BOLTZMANN, 3.0, rtol=1e-9)
    assert found.capacity_p[0, 0] == pytest.approx(3.0 * BOLTZMANN, rel=1e-9)
    assert np.isnan(found.entropy[0, 0])
    assert np.isnan(found.expansion[0, 0])
    assert np.isfinite(found.volume).all()


def test_force_constants_of_several_temperatures_are_interpolated():
    """F at the temperature of a run is that of the run, and S and C_V are its derivatives."""
    runs = [
        State(cubic(SIDE, 5.0 - 1e-3 * t, 0.4, temperature=t), -1.0 + 1e-5 * t)
        for t in (200.0, 400.0, 600.0)
    ]
    kelvin = np.array([400.0, 449.0, 450.0, 451.0])
    found = volume_functions(runs, POINTS, kelvin)
    alone = volume_functions(runs[1:2], POINTS, kelvin[:1])
    assert found.values[0, 0] == pytest.approx(alone.values[0, 0], rel=1e-12)
    free = found.values[0, 1:]
    assert found.values[1, 2] == pytest.approx(-(free[2] - free[0]) / 2.0, rel=1e-6)
    assert found.values[2, 2] == pytest.approx(
        -450.0 * (free[2] - 2.0 * free[1] + free[0]), rel=1e-4
    )
    with pytest.raises(UsageError, match="the runs are from 200 to 600 K"):
        volume_functions(runs, POINTS, np.array([1000.0]))


def test_mode_gruneisen_parameters_are_those_of_third_order():
    """One potential along the bonds: φ'', φ' by side, and φ''' of third order."""
    stiff, bend, third = 5.0, 0.4, -20.0

    def at(side: float, **more: object) -> ForceConstants:
        apart = side - SIDE
        slope = bend * SIDE + stiff * apart + 0.5 * third * apart**2
        return cubic(side, stiff + third * apart, slope / side, **more)

    triplets = triplets_of_bonds(stiff, bend, third, SIDE)
    points = np.array([[0.5, 0.0, 0.0], [0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    found = mode_gruneisen([at(SIDE - 0.01), at(SIDE), at(SIDE + 0.01)], 1, points)
    wanted = gruneisen_at(at(SIDE, triplets=triplets), points).gamma
    np.testing.assert_allclose(found.gamma[:3], wanted[:3], rtol=1e-3)
    assert np.isnan(found.gamma[3]).all()
    assert found.gamma_sem is None


def test_errors_of_mode_gruneisen_parameters_are_those_of_replicates_solved_anew():
    given = [scaled(side, spread=2e-3, seed=k) for k, side in enumerate(SIDES[1:4])]
    points = np.array([[0.5, 0.0, 0.0], [0.1, 0.2, 0.3]])
    found = mode_gruneisen(given, 1, points)
    np.testing.assert_allclose(found.gamma, GAMMA, atol=4.0 * found.gamma_sem.max())
    variance = 0.0
    for place, one in enumerate(given):
        anew = []
        for values in one.replicates:
            other = [*given]
            other[place] = replace(one, values=values)
            anew.append(mode_gruneisen(other, 1, points).gamma)
        variance += jackknife_sem(anew) ** 2
    np.testing.assert_allclose(found.gamma_sem, np.sqrt(variance), rtol=0.01)


def _anharmonic_state(side: float, rng: np.random.Generator, n_frames: int = 600) -> State:
    """State of a synthetic run, whose mode coordinates y = ωQ/√(k_BT) have U/k_BT = ½y² + ay⁴.

    Force constants are those of least squares of the forces, with a common factor; U0 is
    ⟨U − U_h⟩. Replicates leave out one block of time each.
    """
    a, n_modes, n_blocks, heat = 0.02, 30, 15, BOLTZMANN * KELVIN
    y = rng.standard_normal((3 * n_frames, n_modes))
    y = y[rng.random(y.shape) < np.exp(-a * y**4)][: n_frames * n_modes].reshape(n_frames, -1)
    stiffness = np.linspace(0.2, 2.0, n_modes)  # ω², which weights the squares of forces
    blocks = [
        np.array([(one**2 @ stiffness).sum(), (one**4 @ stiffness).sum(), (one**2).sum(),
                  (one**4).sum(), one.size])
        for one in np.split(y, n_blocks)
    ]  # fmt: skip

    def fitted(sums):
        factor = 1.0 + 4.0 * a * sums[1] / sums[0]
        excess = (0.5 * (1.0 - factor) * sums[2] + a * sums[3]) / sums[4]
        return factor, 3.0 * heat * excess

    total = np.sum(blocks, axis=0)
    factor, excess = fitted(total)
    factors, energies = np.transpose([fitted(total - one) for one in blocks])
    bare = scaled(side)
    constants = replace(
        bare,
        values=factor * bare.values,
        replicates=factors[:, None, None, None] * bare.values,
    )
    rest = np.array([(total - one)[2:] for one in blocks])
    unchanged = (0.5 * (1.0 - factor) * rest[:, 0] + a * rest[:, 1]) / rest[:, 2]
    sem = 3.0 * heat * jackknife_sem(unchanged)
    return State(constants, birch_murnaghan(side**3) + excess, float(sem), energies)


@pytest.mark.slow
def test_the_energy_and_the_vibrations_of_one_run_err_together():
    """A hundred synthetic series of runs: the errors of F, V and G are those of their scatter.

    As if independent, the errors of U0 and of F_h would be more than twice the scatter.
    """
    rng, kelvin, cases = np.random.default_rng(3), [0.5 * KELVIN, KELVIN], []
    for _ in range(100):
        given = [_anharmonic_state(side, rng) for side in SIDES[::2]]
        apart = [replace(one, energy_changes=None) for one in given]
        for one in (given, apart):
            found = quasiharmonic(one, (2, 2, 2), kelvin, classical=True)
            own, sem = found.equilibrium, found.sem
            values = found.free_energies.T, own.volume.T, own.gibbs.T
            errors = found.free_energies_sem.T, sem.volume.T, sem.gibbs.T
            cases.append([np.hstack(values), np.hstack(errors)])
    values, errors = np.reshape(cases, (100, 2, 2, 2, -1)).transpose(2, 1, 3, 0, 4)
    scores = (values - values.mean(axis=2, keepdims=True)) / errors
    width = scores.std(axis=2, ddof=1)
    of_free_energy = np.sqrt((width[..., :-2] ** 2).mean(axis=-1))
    for one in (of_free_energy[0], width[0, ..., -2], width[0, ..., -1]):
        assert ((one > 0.85) & (one < 1.2)).all(), width
    assert of_free_energy[1, 1] < 0.5
