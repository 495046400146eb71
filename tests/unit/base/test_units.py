"""The unit system against independently known numbers."""

import pytest

from trajmodes import units


def test_dalton_in_internal_units():
    assert pytest.approx(1.036426965268e-4, rel=1e-9) == units.DALTON


def test_boltzmann_in_ev_per_kelvin():
    # CODATA 2018: 8.617333262e-5 eV/K, exact to the digits printed.
    assert pytest.approx(8.617333262e-5, rel=1e-9) == units.BOLTZMANN


def test_one_terahertz_of_a_quantum_is_4_135667_mev():
    # h = 4.135667696e-15 eV s (CODATA 2018).
    assert pytest.approx(4.135667696, rel=1e-9) == units.HBAR * units.THZ / units.MEV


def test_one_inverse_centimetre_is_29_979_ghz():
    # Light goes 29979245800 cm in a second, by definition.
    assert pytest.approx(0.0299792458, rel=1e-12) == units.WAVENUMBER / units.THZ


@pytest.mark.parametrize("name", ["PARSEC", "parsec"])
def test_names_that_are_no_units_are_refused(name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(units, name)
