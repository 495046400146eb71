"""Phonons of a calculator at a temperature, beside ASE's at rest."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.phonons import Phonons as StaticPhonons

from trajmodes.errors import UsageError
from trajmodes.units import HBAR, THZ
from trajmodes.workflow.ase import Phonons
from trajmodes.workflow.dynamics import Dynamics

COLD = Dynamics(temperature=5.0, steps=200, timestep_fs=5.0, interval=5, equilibration=150)


@pytest.fixture(scope="module")
def phonons(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copper")
    found = Phonons(
        bulk("Cu", a=3.59), EMT(), (4, 4, 4), dynamics=COLD, name=str(folder / "copper")
    )
    found.run()
    found.read()
    return found


@pytest.mark.slow
def test_near_zero_kelvin_the_bands_are_those_of_small_displacements(phonons, tmp_path):
    atoms = bulk("Cu", a=3.59)
    static = StaticPhonons(atoms, EMT(), (4, 4, 4), name=str(tmp_path / "static"))
    static.run()
    static.read(acoustic=True)
    # At these q a supercell of 4 cells needs no interpolation.
    path = atoms.cell.bandpath(special_points=None, path="GXL", npoints=0)
    expected = static.get_band_structure(path, verbose=False).energies
    found = phonons.get_band_structure(path).energies
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[0, 1:], expected[0, 1:], rtol=0.01)


def test_a_path_of_another_cell_of_the_crystal_has_the_same_energies(phonons):
    """The q of ASE belong to the cell of its path, ours to that of the crystal."""
    cubic = bulk("Cu", a=3.59, cubic=True)
    path = cubic.cell.bandpath(path=np.array([[0.0, 0.0, 1.0], [0.5, 0.5, 0.5]]), npoints=2)
    x, zone_edge = phonons.get_band_structure(path).energies[0]
    np.testing.assert_allclose(x, phonons.force_constants.frequencies("X") * THZ * HBAR)
    np.testing.assert_allclose(zone_edge, phonons.force_constants.frequencies("L") * THZ * HBAR)


def test_the_density_of_states_counts_every_branch(phonons):
    density = phonons.get_dos((4, 4, 4))
    assert density.get_weights().sum() == pytest.approx(3.0)
    assert density.get_energies().max() < 0.04


def test_a_run_that_exists_is_not_repeated(phonons):
    before = phonons.path.stat().st_mtime_ns
    phonons.run()
    assert phonons.path.stat().st_mtime_ns == before


def test_the_modes_of_the_run_have_its_temperature(phonons):
    results = phonons.project()
    assert float(results["temperature"]) == pytest.approx(5.0, rel=0.2)


def test_nothing_fitted_is_an_error():
    with pytest.raises(UsageError, match="call read"):
        Phonons(bulk("Cu"), dynamics=COLD).get_dos()


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"interval": 400}, {"timestep_fs": 0}]
)
def test_impossible_dynamics_are_an_error(wrong):
    with pytest.raises(UsageError):
        Dynamics(**{"temperature": 300.0, "steps": 200, **wrong})
