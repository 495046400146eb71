"""The quasiharmonic minimum of a cubic crystal beside phonopy's free energies by volume."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.formats.phonopy import to_phonopy
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.minimisation.local import ByForceConstants
from trajmodes.thermo.minimisation.ramp import Treatment, minimised

pytestmark = pytest.mark.peer

KELVIN = [0.0, 150.0, 300.0, 450.0]
DIVISIONS = (4, 4, 4)
EV_IN_KJ_PER_MOL = 96.48533212331


def morse(r, n):
    short, long = (np.exp(-k * 1.4 * (r - 2.85)) for k in (2.0, 1.0))
    return 0.35 * (-1.4) ** n * (2.0**n * short - 2.0 * long)


def nothing(x, _n):
    return np.zeros_like(x)


def embedding(x, n):
    return -0.6 * (x**0.5, 0.5 * x**-0.5, -0.25 * x**-1.5, 0.375 * x**-2.5)[n]


def density(r, n):
    return (-1.1) ** n * np.exp(-1.1 * (r - 2.85))


@pytest.mark.parametrize("is_embedded", [False, True], ids=["morse", "embedded"])
def test_the_minimum_is_that_of_free_energies_of_phonopy(is_embedded):
    crystal = Crystal.from_ase(bulk("Al", "fcc", a=3.95))
    functions = Functions(
        ("Al",),
        {"Al": embedding if is_embedded else nothing},
        {("Al", "Al"): density if is_embedded else nothing},
        {("Al", "Al"): morse},
        4.4,
    )
    potential = EmbeddedAtom(functions)
    found = minimised(ByForceConstants(potential), crystal, Treatment(DIVISIONS), KELVIN)
    own = 2.0**0.5 * np.linalg.norm(found.cells[0, :, 0], axis=1)

    lengths = np.linspace(own[0] - 0.01, own[-1] + 0.01, 9)
    free = []
    for length in lengths:
        cell = replace(crystal, cell=crystal.cell * (length / 3.95))
        supercell = build_supercell(cell, 4 * np.eye(3, dtype=int))
        peer = to_phonopy(potential.force_constants(cell), supercell)
        peer.run_mesh(DIVISIONS, is_gamma_center=True)
        peer.run_thermal_properties(temperatures=KELVIN, cutoff_frequency=1e-3)
        vibrational = peer.thermal_properties.free_energy / EV_IN_KJ_PER_MOL
        free.append(potential.state(cell).energy + vibrational)
    middle, half = lengths.mean(), np.ptp(lengths) / 2.0
    for k, values in enumerate(np.array(free).T):
        curve = np.polynomial.Polynomial.fit((lengths - middle) / half, values, 6)
        roots = curve.deriv().roots()
        inside = roots[(np.abs(roots.imag) < 1e-9) & (np.abs(roots.real) < 1.0)].real
        assert len(inside) == 1
        assert own[k] == pytest.approx(middle + half * inside[0], abs=1e-5)
        assert found.free_energy[0, k] == pytest.approx(curve(inside[0]), abs=1e-6)
    assert own[-1] - own[0] > 0.01
