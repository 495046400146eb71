"""The quasiharmonic approximation of phonopy and trajmodes with the same force constants."""

from dataclasses import replace
from functools import partial

import numpy as np
import phonopy
import pytest

from trajmodes.formats.phonopy import to_phonopy
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.quasiharmonic import properties
from trajmodes.thermo.quasiharmonic.volume_functions import State
from trajmodes.thermo.zone_modes import zone_points
from trajmodes.units import GIGAPASCAL

pytestmark = pytest.mark.peer

MESH = (7, 7, 7)
KELVIN = np.arange(0.0, 1011.0, 10.0)
SCALES = np.linspace(0.985, 1.025, 7)
EQUATIONS = [("birch-murnaghan", "birch_murnaghan"), ("vinet", "vinet")]


@pytest.fixture(scope="module")
def beside(crystals, springs):
    """Rock salt at seven volumes, stiffer where it is smaller, and phonopy's objects."""
    states, peers = [], []
    for scale in SCALES:
        crystal = crystals["rock salt"]
        crystal = replace(crystal, cell=crystal.cell * scale)
        constants = springs(crystal, 3.2 * scale)
        constants = replace(constants, values=constants.values * scale**-11.0)
        x = scale**-2.0
        energy = 16.0 * ((x - 1.0) ** 3 * 5.0 + (x - 1.0) ** 2 * (6.0 - 4.0 * x)) - 7.0
        states.append(State(constants, energy))
        peers.append(to_phonopy(constants, build_supercell(crystal, 3 * np.eye(3, dtype=int))))
    return states, peers


@pytest.mark.parametrize(("equation", "of_peer"), EQUATIONS)
@pytest.mark.parametrize("pressure_gpa", [0.0, 2.0])
def test_all_properties_equal_those_of_phonopy(
    beside, equation, of_peer, pressure_gpa, monkeypatch
):
    """phonopy differentiates V(T) on the grid of temperatures, and S(V) and C_V(V) of a fit.

    It fits the equation of state to F + pV, which under pressure is another curve than ours.
    """
    states, peers = beside
    coarse = partial(zone_points, fine_at_gamma=False)
    monkeypatch.setattr(properties, "zone_points", coarse)
    whole = properties.quasiharmonic(
        states, MESH, KELVIN, pressure_gpa * GIGAPASCAL, equation=equation
    )
    found = whole.equilibrium
    theirs = phonopy.run_qha(
        peers,
        KELVIN,
        [state.energy for state in states],
        mesh=MESH,
        eos=of_peer,
        pressure=pressure_gpa,
        exclude_gamma_acoustic=True,
    )
    n = len(theirs.temperatures)
    assert n > 95
    same = 1.0 if pressure_gpa == 0.0 else 100.0

    def compare(ours, peer, tolerance, first=0):
        top = np.abs(peer[first:]).max()
        np.testing.assert_allclose(ours[0, first:n], peer[first:], atol=tolerance * top, rtol=0)

    compare(found.volume, theirs.equilibrium_volumes, 1e-6 * same)
    compare(found.gibbs, theirs.gibbs_free_energies, 1e-6 * same)
    compare(found.bulk_modulus, theirs.bulk_moduli, 2e-5 * same)
    compare(found.entropy, theirs.entropy_temperature, 1e-5 * same)
    compare(3.0 * found.expansion, theirs.thermal_expansion, 1e-3, first=8)
    compare(found.capacity_p, theirs.heat_capacity_P.heat_capacities, 1e-4 * same, first=8)
    compare(found.gruneisen, theirs.gruneisen_parameters, 1e-2, first=8)
    assert theirs.lattice is not None
    # Its unit cell is the primitive one here, ours the cube of which that is a quarter.
    edge = np.sqrt(2.0) * theirs.lattice.lattice_parameters[:, 0]
    compare(whole.lengths[..., 0], edge, 1e-6 * same)
