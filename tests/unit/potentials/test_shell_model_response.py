"""Elastic, piezoelectric and dielectric tensors against relaxation, phonons, long waves."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.relaxation import relaxed
from trajmodes.potentials.shell_model.model import ShellModel
from trajmodes.potentials.shell_model.terms import PairTerm, Terms
from trajmodes.potentials.terms import functions as of
from trajmodes.thermo.dielectric import polar_modes
from trajmodes.thermo.elasticity import elasticity


def strained(crystal, i, j, size):
    strain = np.zeros((3, 3))
    strain[i, j] += 0.5 * size
    strain[j, i] += 0.5 * size
    return replace(crystal, cell=crystal.cell @ (np.eye(3) + strain))


def dipole(model, crystal, reference):
    """Σ z r of cores and shells at reduced coordinates, in the unstrained cell."""
    lists = model.lists
    particles, _ = lists.relaxed(crystal)
    reduced = particles.positions @ np.linalg.inv(crystal.cell)
    return lists.ewald.charges @ reduced @ reference.cell


@pytest.mark.parametrize(("strain", "place"), [(0, (0, 0)), (3, (1, 2))])
def test_constants_are_differences_with_relaxation(static_quartz, strain, place):
    model, crystal = static_quartz
    found, h = model.response(crystal), 4e-3
    for relax in (False, True):
        cells = [strained(crystal, *place, k * h) for k in (-1, 1)]
        if relax:
            cells = [relaxed(model, one) for one in cells]
        low, high = (model.state(one) for one in cells)
        energy = model.state(crystal).energy
        c = (low.energy + high.energy - 2.0 * energy) / (h**2 * crystal.volume)
        stiffness = found.stiffness if relax else found.stiffness_clamped
        assert stiffness[strain, strain] == pytest.approx(c, rel=3e-3)
        # Stress by strain: a whole row
        row = [
            (high.stress - low.stress)[i, j] / (2.0 * h)
            for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
        ]
        np.testing.assert_allclose(row, stiffness[strain], atol=3e-3 * stiffness.max())
        change = np.subtract(*(dipole(model, one, crystal) for one in reversed(cells)))
        e = found.piezoelectric if relax else found.piezoelectric_clamped
        wanted = change / (2.0 * h * crystal.volume)
        np.testing.assert_allclose(e[:, strain], wanted, atol=0.01 * np.abs(e).max())


def test_dielectric_constants_are_those_of_the_modes(static_quartz):
    """ε0 from Z*, ε∞ and ω of the transverse modes, and from the second derivatives."""
    model, crystal = static_quartz
    found = model.response(crystal)
    np.testing.assert_allclose(found.dielectric, model.charges(crystal).dielectric, atol=1e-9)
    static = polar_modes(model.force_constants(crystal)).static
    np.testing.assert_allclose(found.dielectric_static, static, atol=1e-6)


def oxide():
    terms = Terms(
        charges={"Mg": 2.0, "O": 0.81, "O shell": -2.81},
        springs={"O": of.harmonic(103.07)},
        pairs=(
            PairTerm(("Mg", "O shell"), of.buckingham(1430.0, 0.295, 0.0), 8.0),
            PairTerm(("O shell", "O shell"), of.buckingham(22764.0, 0.149, 28.0), 8.0),
        ),
    )
    return ShellModel(terms)


def test_long_waves_have_the_same_elastic_constants():
    """Of a crystal whose atoms are at centres of inversion: no quadrupoles."""
    start = Crystal.from_ase(bulk("MgO", "rocksalt", a=4.2))
    model = oxide().near(start)
    crystal = relaxed(model, start, cell=True)
    found = model.response(crystal)
    by_waves = elasticity(model.force_constants(crystal)).stiffness
    np.testing.assert_allclose(by_waves, found.stiffness, atol=5e-3 * found.stiffness.max())
    np.testing.assert_allclose(found.stiffness, found.stiffness_clamped, atol=1e-6)
    np.testing.assert_allclose(found.piezoelectric, 0.0, atol=1e-9)


def test_an_unstable_crystal_has_no_response():
    crystal = Crystal.from_ase(bulk("MgO", "rocksalt", a=4.9))
    assert np.linalg.eigvalsh(oxide().hessian(crystal))[0] < -0.1
    with pytest.raises(DataError, match="not at a minimum"):
        oxide().response(crystal)
