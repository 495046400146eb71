"""The quasiharmonic approximation of phonopy and trajmodes with the same force constants."""

from dataclasses import replace
from functools import partial

import numpy as np
import phonopy
import pytest
from ase.build import bulk
from phonopy.physical_units import get_physical_units
from scipy.optimize import minimize

from trajmodes.data.crystal import Crystal
from trajmodes.formats.phonopy import to_phonopy
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions
from trajmodes.potentials.terms.functions import exponential, morse
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.minimisation.ramp import Treatment, minimised
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


def test_a_and_c_are_those_of_a_direct_minimum_of_free_energies_of_phonopy(
    crystals, springs, monkeypatch
):
    """No form in ln a and ln c: each step of the minimisation asks phonopy for F at a and c."""
    mesh, kelvin = (5, 5, 3), np.array([0.0, 280.0, 300.0, 320.0])
    start, known = crystals["wurtzite"], springs(crystals["wurtzite"], 3.2)
    size = build_supercell(start, np.diag([3, 3, 2]))

    def state(a: float, c: float) -> State:
        """Wurtzite with a and c in units of those of the crystal."""
        cell = start.cell * np.array([[a], [a], [c]])
        values = known.values * a**-9.0 * c**-6.0
        constants = replace(known, crystal=replace(start, cell=cell), values=values)
        x, y = np.log([a, c])
        static = 120.0 * x**2 + 40.0 * x * y + 55.0 * y**2 - 300.0 * x**3 - 150.0 * y**3
        return State(constants, static)

    def free_energy(place: np.ndarray, t: float) -> float:
        one = state(*np.exp(place))
        peer = to_phonopy(one.constants, replace(size, crystal=one.constants.crystal))
        peer.run_mesh(mesh)
        peer.run_thermal_properties(temperatures=[t], cutoff_frequency=1e-3)
        found = peer.thermal_properties.free_energy[0]
        return one.energy + found / get_physical_units().EvTokJmol

    direct = np.array(
        [
            minimize(
                free_energy, [0.004, 0.004], (t,), "Nelder-Mead",
                options={"xatol": 1e-7, "fatol": 1e-11},
            ).x
            for t in kelvin
        ]
    )  # fmt: skip
    coarse = partial(zone_points, fine_at_gamma=False)
    monkeypatch.setattr(properties, "zone_points", coarse)
    # Near the minimum, so that the form of third degree is exact to 1e-6.
    steps = np.linspace(1.0, 1.015, 4)
    states = [state(a, c) for a in steps for c in steps]
    found = properties.quasiharmonic(states, mesh, kelvin)
    lengths = np.linalg.norm(start.cell, axis=1)[[0, 2]] * np.exp(direct)
    ours = np.stack([found.axes.a[0], found.axes.c[0]], axis=-1)
    np.testing.assert_allclose(ours, lengths, rtol=2e-6)
    expansions = (direct[3] - direct[1]) / (kelvin[3] - kelvin[1])
    own = [found.axes.expansion_a[0, 2], found.axes.expansion_c[0, 2]]
    np.testing.assert_allclose(own, expansions, rtol=5e-3)
    assert abs(expansions[0] - expansions[1]) > 0.1 * abs(expansions).max()


def test_minima_of_a_potential_are_those_of_phonopy():
    """Embedded atoms of fcc nickel: forces and moduli here, and there free energies alone."""
    factors = (-1.0, -0.5, 0.25, -0.375)
    functions = Functions(
        species=("Ni",),
        embedding={"Ni": lambda rho, n: 0.4 * factors[n] * rho ** (0.5 - n)},
        density={("Ni", "Ni"): exponential(150.0, -2.0)},
        pair={("Ni", "Ni"): morse(0.3, 1.5, 2.6)},
        cutoff=4.2,
    )
    potential, kelvin = EmbeddedAtom(functions), np.arange(0.0, 411.0, 10.0)
    found = minimised(potential, Crystal.from_ase(bulk("Ni", a=3.5)), Treatment(MESH), kelvin)
    edges = np.cbrt(4.0 * found.volume[0])
    assert found.ended == ("",)
    assert np.ptp(edges) > 5e-3
    energies, peers = [], []
    for a in np.linspace(0.99 * edges[0], 1.01 * edges[-1], 9):
        crystal = Crystal.from_ase(bulk("Ni", a=a))
        energies.append(potential.state(crystal).energy)
        supercell = build_supercell(crystal, np.diag(MESH))
        peers.append(to_phonopy(potential.force_constants(crystal), supercell))
    theirs = phonopy.run_qha(
        peers, kelvin, energies, mesh=MESH, eos="vinet", exclude_gamma_acoustic=True
    )
    assert theirs.lattice is not None
    n = len(theirs.temperatures)
    assert n > 38
    cube = np.sqrt(2.0) * theirs.lattice.lattice_parameters[:, 0]
    np.testing.assert_allclose(edges[:n], cube, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.bulk_modulus[0, :n], theirs.bulk_moduli, rtol=1e-4)
    # phonopy differentiates V(T) on the grid of temperatures.
    wanted = theirs.thermal_expansion
    ours = found.volume_expansion[0, :n]
    np.testing.assert_allclose(ours[8:], wanted[8:], atol=1e-3 * wanted.max(), rtol=0)
