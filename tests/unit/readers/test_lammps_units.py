"""Unit styles against each other and against the constants of LAMMPS."""

import pytest
from scipy import constants

from trajmodes.errors import UsageError
from trajmodes.readers.units import unit_factors
from trajmodes.units import BOLTZMANN, DALTON

STYLES = ["metal", "real", "si", "cgs", "electron", "micro", "nano"]
# From LAMMPS, src/update.cpp, release 22Jul2025: the constants of each style that convert force
# over mass to acceleration, and m v² to energy, in the units of the style.
FORCE_TO_ACCELERATION = {
    "metal": 1.0 / 1.0364269e-4,
    "real": 1.0 / 48.88821291 / 48.88821291,
    "si": 1.0,
    "cgs": 1.0,
    "electron": 0.937582899,
    "micro": 1.0,
    "nano": 1.0,
}


@pytest.mark.parametrize("style", STYLES)
def test_newtons_law_holds_in_each_style(style):
    unit = unit_factors(style)
    acceleration = unit.force / unit.mass / (unit.length / unit.time**2)
    assert acceleration == pytest.approx(FORCE_TO_ACCELERATION[style], rel=2e-6)


@pytest.mark.parametrize("style", STYLES)
def test_velocity_is_length_per_time(style):
    unit = unit_factors(style)
    assert unit.velocity == pytest.approx(unit.length / unit.time, rel=1e-14)


@pytest.mark.parametrize("style", STYLES)
def test_a_thermal_argon_atom_has_its_energy_in_every_style(style):
    # 300 K: v² = k_BT/m along each axis, from SI alone.
    unit = unit_factors(style)
    mass = 39.948 * constants.atomic_mass
    speed = (constants.Boltzmann * 300.0 / mass) ** 0.5
    metre = unit_factors("si").velocity / unit.velocity
    kilogram = unit_factors("si").mass / unit.mass
    energy = (kilogram * mass * unit.mass) * (metre * speed * unit.velocity) ** 2
    assert energy == pytest.approx(BOLTZMANN * 300.0, rel=1e-12)


def test_lj_reduced_units_of_argon():
    lj = (0.0104, 3.4, 39.948)
    unit = unit_factors("lj", lj)
    # The time unit of argon is 2.15 ps, its velocity unit 158 m/s.
    assert unit.time == pytest.approx(2.145, abs=2e-3)
    assert unit.velocity == pytest.approx(1.585, abs=2e-3)
    assert unit.force * unit.length == pytest.approx(0.0104)
    assert unit.mass == pytest.approx(39.948 * DALTON)
    assert unit.mass * unit.velocity**2 == pytest.approx(0.0104)


def test_unknown_styles_are_refused():
    with pytest.raises(UsageError, match="multiples of ε, σ and m"):
        unit_factors("lj")
    with pytest.raises(UsageError, match="must be positive"):
        unit_factors("lj", (0.0, 3.4, 40.0))
    with pytest.raises(UsageError, match="'Metal' is not a unit style"):
        unit_factors("Metal")
