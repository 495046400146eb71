"""Minimisation of the quasiharmonic free energy over cell and sites: laws and closed forms."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions
from trajmodes.potentials.potential import State
from trajmodes.thermo.minimisation.coordinates import symmetric_coordinates
from trajmodes.thermo.minimisation.following import Path, followed
from trajmodes.thermo.minimisation.local import (
    ByForceConstants,
    ImaginaryModesError,
    Mesh,
    local_at,
)
from trajmodes.thermo.minimisation.minimum import (
    Conditions,
    LostMinimumError,
    minimise,
    static_minimum,
)
from trajmodes.thermo.minimisation.ramp import Treatment, minimised
from trajmodes.units import BOLTZMANN, DALTON

LENGTHS = {("A", "A"): 2.6, ("A", "B"): 2.8, ("B", "A"): 2.8, ("B", "B"): 3.1}


def morse(depth, alpha, length):
    def function(r, n):
        one = depth * (2.0 * alpha) ** n * (-1.0) ** n * np.exp(-2.0 * alpha * (r - length))
        two = 2.0 * depth * alpha**n * (-1.0) ** n * np.exp(-alpha * (r - length))
        return one - two

    return function


def nothing(x, _n):
    return np.zeros_like(x)


def potential(alpha=5.0, depth=0.3):
    """Morse pairs of two species, without embedding."""
    pairs = {key: morse(depth, alpha, length) for key, length in LENGTHS.items()}
    functions = Functions(
        species=("A", "B"),
        embedding=dict.fromkeys("AB", nothing),
        density=dict.fromkeys(pairs, nothing),
        pair=pairs,
        cutoff=6.0,
    )
    return EmbeddedAtom(functions)


@pytest.fixture(scope="module")
def crystal() -> Crystal:
    """Layers A A B B of an fcc crystal: two free lengths and two free heights."""
    return Crystal(
        cell=np.diag([3.16, 3.16, 6.7]),
        sites=np.array([[0, 0, 0.16], [0.5, 0.5, 0.34], [0, 0, 0.59], [0.5, 0.5, 0.91]]),
        species=("A", "A", "B", "B"),
        masses=np.array([20.0, 20.0, 60.0, 60.0]) * DALTON,
    )


@pytest.fixture(scope="module")
def known(crystal):
    coordinates = symmetric_coordinates(crystal)
    mesh = Mesh.through_gamma(crystal, (2, 2, 1))
    return potential(), coordinates, mesh, static_minimum(potential(), coordinates)


def test_coordinates_are_those_that_symmetry_leaves_free(crystal):
    coordinates = symmetric_coordinates(crystal)
    assert coordinates.n_strains == 2
    assert coordinates.size == 4
    x = np.linspace(0.01, 0.03, coordinates.size)
    moved = symmetric_coordinates(coordinates.structure(x))
    assert moved.size == coordinates.size
    assert abs(coordinates.shifts.sum(axis=1)).max() < 1e-12


def test_the_gradient_is_that_of_the_free_energy(known):
    pot, coordinates, mesh, x = known
    x = x + 0.004 * np.random.default_rng(1).normal(size=len(x))

    def total(at):
        local = local_at(pot, coordinates, mesh, at)
        return local.energy + local.vibrational(250.0, "quantum").total(0) + 0.01 * local.volume

    def difference(move):
        """Central difference without its error of second order (Richardson)."""
        near, far = (total(x + k * move) - total(x - k * move) for k in (1.0, 2.0))
        return (8.0 * near - far) / (12.0 * 2e-4)

    local = local_at(pot, coordinates, mesh, x)
    slopes = local.slopes + local.vibrational(250.0, "quantum").slopes
    slopes = slopes + 0.01 * local.volume_slopes
    wanted = [difference(move) for move in 2e-4 * np.eye(len(x))]
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("statistics", ["quantum", "classical"])
def test_the_curvature_is_that_of_the_free_energy(known, statistics):
    pot, coordinates, mesh, x = known
    local = local_at(pot, coordinates, mesh, x, static=2, second=True)
    whole = local.curvature + local.vibrational(250.0, statistics).curvature
    step = 1e-3

    def slopes(at):
        one = local_at(pot, coordinates, mesh, at)
        return one.slopes + one.vibrational(250.0, statistics).slopes

    wanted = [
        (slopes(x + move) - slopes(x - move)) / (2.0 * step) for move in step * np.eye(len(x))
    ]
    largest = np.abs(whole).max()
    np.testing.assert_allclose(whole, wanted, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize(
    "scheme",
    [
        "zsisa",
        pytest.param("full", marks=pytest.mark.slow),
        pytest.param("fixed", marks=pytest.mark.slow),
    ],
)
def test_expansion_and_compressibility_are_differences_of_minima(known, scheme):
    pot, coordinates, mesh, x = known

    def at(kelvin, pressure):
        conditions = Conditions(kelvin, pressure, scheme, "classical")
        return minimise(pot, coordinates, mesh, x, conditions)

    middle = at(200.0, 0.0)
    by_kelvin = (at(205.0, 0.0).local.x - at(195.0, 0.0).local.x) / 10.0
    by_pressure = (at(200.0, 1e-4).local.x - at(200.0, -1e-4).local.x) / 2e-4
    np.testing.assert_allclose(middle.by_kelvin, by_kelvin, rtol=2e-3, atol=1e-9)
    np.testing.assert_allclose(middle.by_pressure, by_pressure, rtol=2e-3, atol=1e-6)
    assert middle.steps <= 7


def test_schemes_agree_without_vibrations_and_differ_with_them(known):
    pot, coordinates, mesh, x = known
    found = {
        (scheme, kelvin): minimise(
            pot, coordinates, mesh, x, Conditions(kelvin, 0.0, scheme, "classical")
        )
        for scheme in ("full", "zsisa", "fixed")
        for kelvin in (1.0, 300.0)
    }
    for scheme in ("zsisa", "fixed"):
        near = found[scheme, 1.0].local.x - found["full", 1.0].local.x
        assert np.abs(near).max() < 1e-4
    internal = {scheme: found[scheme, 300.0].local.x[2:] for scheme in ("full", "zsisa")}
    assert np.abs(internal["full"] - internal["zsisa"]).max() > 1e-4
    # The full minimum is the lowest.
    energies = [found[scheme, 300.0].gibbs_energy for scheme in ("full", "zsisa", "fixed")]
    assert energies[0] < min(energies[1:]) - 1e-5
    zsisa = found["zsisa", 300.0].local
    assert np.abs(zsisa.slopes[2:]).max() < 1e-6


def test_an_imaginary_mode_and_a_lost_minimum_are_different(known):
    pot, coordinates, mesh, x = known
    stretched = x + np.array([0.4, 0.4, *np.zeros(len(x) - 2)])
    local = local_at(pot, coordinates, mesh, stretched)
    with pytest.raises(ImaginaryModesError, match="a mode is imaginary"):
        local.vibrational(100.0, "quantum")
    with pytest.raises((LostMinimumError, ImaginaryModesError)):
        minimise(pot, coordinates, mesh, x, Conditions(4000.0, 0.0, "full", "classical"))
    with pytest.raises(LostMinimumError, match="no minimum"):
        static_minimum(pot, coordinates, pressure=-0.5)


def test_properties_obey_thermodynamics(known, crystal):
    """S = −∂G/∂T, V = ∂G/∂P, C_P = T ∂S/∂T and β by differences between the states."""
    pot = known[0]
    kelvins = [198.0, 200.0, 202.0]
    found = minimised(pot, crystal, Treatment((2, 2, 1)), kelvins, [-1e-4, 0.0, 1e-4])
    g, middle = found.gibbs_energy, (1, 1)
    assert found.ended == ("", "", "")
    assert found.entropy[middle] == pytest.approx(-(g[1, 2] - g[1, 0]) / 4.0, rel=1e-4)
    assert found.volume[middle] == pytest.approx((g[2, 1] - g[0, 1]) / 2e-4, rel=1e-5)
    by_kelvin = (found.entropy[1, 2] - found.entropy[1, 0]) / 4.0
    assert found.heat_capacity_p[middle] == pytest.approx(200.0 * by_kelvin, rel=1e-3)
    wanted = np.log(found.volume[1, 2] / found.volume[1, 0]) / 4.0
    assert found.volume_expansion[middle] == pytest.approx(wanted, rel=2e-3)
    slope = (found.volume[2, 1] - found.volume[0, 1]) / 2e-4
    assert found.bulk_modulus[middle] == pytest.approx(-found.volume[middle] / slope, rel=2e-3)
    assert found.heat_capacity_v[middle] < found.heat_capacity_p[middle]


def test_matrices_without_force_constants_and_with_listed_bonds_change_nothing(known, crystal):
    pot, treatment = known[0], Treatment((2, 2, 1))
    one, two = (
        minimised(each, crystal, treatment, [0.0, 250.0])
        for each in (pot, ByForceConstants(pot))
    )
    for name in ("volume", "sites", "gibbs_energy", "entropy"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(two, name), rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("scheme", ["full", "zsisa", "fixed"])
def test_the_volume_under_pressure_is_the_slope_of_the_gibbs_energy(known, crystal, scheme):
    pressures = [0.0199, 0.02, 0.0201]
    found = minimised(known[0], crystal, Treatment((2, 2, 1), scheme), [200.0], pressures)
    g, volume = found.gibbs_energy[:, 0], found.volume[:, 0]
    assert volume[1] == pytest.approx((g[2] - g[0]) / 2e-4, rel=1e-6)
    by_pressure = (volume[2] - volume[0]) / 2e-4
    assert found.bulk_modulus[1, 0] == pytest.approx(-volume[1] / by_pressure, rel=2e-4)
    is_fixed = np.abs(found.sites - found.crystal.sites).max() < 1e-12
    assert is_fixed == (scheme == "fixed")


def test_a_ramp_ends_with_its_reason(known, crystal, monkeypatch):
    monkeypatch.setattr("trajmodes.thermo.minimisation.following._SHORTEST", 500.0)
    found = minimised(
        known[0],
        crystal,
        Treatment((2, 2, 1), statistics="classical"),
        [100.0, 300.0, 3000.0, 3100.0],
    )
    assert np.isfinite(found.volume[0, :2]).all()
    assert np.isnan(found.volume[0, 2:]).all()
    assert found.ended[0].startswith("beyond ")


def test_a_failed_long_step_is_no_end():
    """A search that converges only from nearby reaches the temperature in shorter steps."""

    def found(kelvin):
        point = SimpleNamespace(x=np.array([kelvin]))
        conditions = Conditions(kelvin, 0.0, "full", "quantum")
        return SimpleNamespace(
            local=point, conditions=conditions, by_kelvin=np.ones(1), jacobian=np.eye(1)
        )

    reached = [0.0]

    def search(x, conditions, _jacobian):
        assert x[0] == pytest.approx(conditions.kelvin)
        if conditions.kelvin > reached[-1] + 3.0:
            raise LostMinimumError("too far")
        reached.append(conditions.kelvin)
        return found(conditions.kelvin)

    path, reason = followed(search, Path(found(0.0)), Conditions(10.0, 0.0, "full", "quantum"))
    assert (path.kelvin, reason) == (10.0, "")


def test_classical_values_at_zero_temperature_are_limits(known, crystal):
    kelvins = [0.0, 1e-3]
    found = minimised(known[0], crystal, Treatment((1, 1, 1), statistics="classical"), kelvins)
    assert np.isnan(found.entropy[0, 0])
    assert np.isfinite(found.entropy[0, 1])
    for name in ("volume", "heat_capacity_v", "volume_expansion", "bulk_modulus", "gruneisen"):
        at_zero, near = getattr(found, name)[0]
        assert at_zero == pytest.approx(near, rel=1e-5)
    # Each of the modes but the translations has k_B.
    n_modes = 3 * crystal.n_sites - 3
    assert found.heat_capacity_v[0, 0] == pytest.approx(n_modes * BOLTZMANN, rel=1e-9)
    assert found.gibbs_energy[0, 0] == pytest.approx(found.static[0, 0])


@dataclass(frozen=True)
class Layers:
    """Springs of the cell, and of the distance of two layers; Einstein oscillators."""

    spring: float

    def state(self, crystal):
        strain = np.diag(crystal.cell) / 4.0 - 1.0
        apart = (crystal.sites[1, 2] - crystal.sites[0, 2] - 0.4) * crystal.cell[2, 2]
        # E = 5 Σ strain² + ½ k apart², with d(apart) = apart dε_z at constant sites
        stress = np.diag(10.0 * strain * (1.0 + strain))
        stress[2, 2] += self.spring * apart**2
        forces = self.spring * apart * np.array([[0, 0, 1.0], [0, 0, -1.0]])
        energy = 5.0 * strain @ strain + 0.5 * self.spring * apart**2
        return State(energy=energy, forces=forces, stress=stress / crystal.volume)

    def matrices(self, crystal, qpoints):
        acoustic = np.kron(np.eye(2) - np.ones((2, 2)) / 2.0, np.eye(3))
        square = 400.0 * (4.0 / crystal.cell[2, 2]) ** 4
        at_gamma = np.abs(qpoints).max(axis=1) < 1e-9
        found = np.array([acoustic if one else np.eye(6) for one in at_gamma], dtype=complex)
        return square * found


def test_zsisa_needs_a_static_minimum_of_the_positions():
    crystal = Crystal(
        cell=np.diag([4.0, 4.0, 4.0]),
        sites=np.array([[0, 0, 0.0], [0, 0, 0.4]]),
        species=("A", "B"),
        masses=np.array([20.0, 20.0]) * DALTON,
    )
    coordinates, start = symmetric_coordinates(crystal), np.zeros(3)
    mesh = Mesh.through_gamma(crystal, (1, 1, 2))
    conditions = Conditions(100.0, 0.0, "zsisa", "quantum")
    stable = minimise(Layers(2.0), coordinates, mesh, start, conditions)
    assert stable.local.x[1] > 0.0
    with pytest.raises(LostMinimumError, match="positions of zsisa are not a minimum"):
        minimise(Layers(-2.0), coordinates, mesh, start, conditions)
