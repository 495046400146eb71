"""Forces of a rotation: none of central springs, waves linear in q of springs that twist."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from trajmodes.phonons.modes import frequencies_at
from trajmodes.pipeline.thermo.asymmetry import rotation_warnings
from trajmodes.thermo.elasticity import acoustic_tensor, sound_velocities
from trajmodes.thermo.rotations import Rotation, rotation
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import BOLTZMANN, GIGAPASCAL, HBAR


def bonds_of(constants):
    """Vectors (p, 3) between the members of pairs, and whether a pair is a site with itself."""
    crystal = constants.crystal
    apart = crystal.sites[constants.second] + constants.lattice - crystal.sites[constants.first]
    bonds = apart @ crystal.cell
    return bonds, np.linalg.norm(bonds, axis=1) < 0.1


def changed(constants, values):
    """Force constants with values (p, 3, 3) of bonds, and those of sites from the sum rule."""
    _, same = bonds_of(constants)
    values = np.where(same[:, None, None], 0.0, values)
    for site in range(constants.crystal.n_sites):
        own = constants.first == site
        values[own & same] = -values[own].sum(axis=0)
    return replace(constants, values=values)


def central(constants):
    """Springs along the bonds alone."""
    bonds, same = bonds_of(constants)
    unit = bonds / np.where(same, 1.0, np.linalg.norm(bonds, axis=1))[:, None]
    along = np.einsum("px,pxy,py->p", unit, constants.values, unit)
    return changed(constants, along[:, None, None] * unit[:, :, None] * unit[:, None, :])


def twisted(constants, strength, along):
    """Add Φ_ij = k(zrᵀ − rzᵀ), which 6mm admits, or k z² isotropic springs of bonds along z."""
    bonds, same = bonds_of(constants)
    z, length = np.array([0.0, 0.0, 1.0]), np.linalg.norm(bonds, axis=1)
    if along == "antisymmetric":
        more = z[:, None] * bonds[:, None, :] - bonds[:, :, None] * z
    else:
        more = -((bonds[:, 2] / np.where(same, 1.0, length)) ** 2)[:, None, None] * np.eye(3)
    return changed(constants, constants.values + strength * more)


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "quartz", "rutile"])
def test_a_rotation_of_central_springs_exerts_no_force(name, crystals, springs):
    constants = central(springs(crystals[name], 4.5))
    found = rotation(constants)
    assert np.abs(found.forces).max() < 1e-10 * found.of_strain
    assert found.temperature < 1e-6
    assert rotation_warnings(found, constants, 10.0) == ()


def test_the_force_is_that_on_a_rotated_neighbourhood(crystals, springs):
    constants = twisted(central(springs(crystals["wurtzite"], 4.5)), 0.05, "isotropic")
    crystal, found = constants.crystal, rotation(constants)
    apart = crystal.sites[constants.second] + constants.lattice - crystal.sites[constants.first]
    for axis, omega in enumerate(np.eye(3)):
        moved = np.cross(omega, apart @ crystal.cell)
        force = np.zeros((crystal.n_sites, 3))
        np.subtract.at(force, constants.first, np.einsum("pxy,py->px", constants.values, moved))
        np.testing.assert_allclose(
            found.forces.reshape(-1, 3, 3)[:, :, axis], force, atol=1e-12
        )
    assert np.abs(found.forces).max() > 0.01
    assert found.temperature < 1e-6


def test_waves_with_a_linear_term_have_the_temperature_of_their_crossing(crystals, springs):
    """The slope of ω² by q near Γ, over the velocity of sound."""
    constants = twisted(central(springs(crystals["wurtzite"], 4.5)), 0.02, "antisymmetric")
    crystal, size = constants.crystal, 1e-5
    found = 0.0
    for n in product((-1.0, 0.0, 1.0), repeat=3):
        if n > (0.0, 0.0, 0.0):
            unit = np.array(n) / np.linalg.norm(n)
            omega, _ = frequencies_at(
                constants, (size * unit @ crystal.cell.T / (2 * np.pi))[None]
            )
            slope = omega.min() ** 2 / size
            found = max(found, slope / sound_velocities(constants, unit).velocity[0])
    known = rotation(constants)
    assert found > 0.0
    assert known.temperature == pytest.approx(HBAR / BOLTZMANN * found, rel=0.01)
    assert rotation_warnings(known, constants)[0].text.count("GPa") == 1
    (warning,) = rotation_warnings(known, constants, 10.0)
    assert f"ħω/k_B = {known.temperature:.2g} K" in warning.text


def test_rounding_errors_of_forces_that_symmetry_makes_zero_are_no_warning(crystals, springs):
    """In a crystal of one atom a cell, no strain and no rotation exerts a force."""
    constants = central(springs(crystals["diamond"], 4.5))
    forces = np.full((1, 9), 1e-16)
    found = Rotation(forces, 1e-18 * np.ones((1, 9)), 2e-16, 0.0, 0.0)
    assert rotation_warnings(found, constants) == ()
    real = found._replace(forces=1e14 * forces, of_strain=1.0)
    assert len(rotation_warnings(real, constants)) == 1


def test_a_force_within_its_error_is_a_warning_only_at_low_temperature(crystals, springs):
    plain = central(springs(crystals["wurtzite"], 4.5))
    noise = np.random.default_rng(3).standard_normal(8)
    for size, count in ((1e-4, 1), (0.02, 0)):
        values = [twisted(plain, 0.02 + size * x, "antisymmetric").values for x in noise]
        constants = twisted(plain, 0.02, "antisymmetric")
        constants = replace(constants, replicates=np.array(values))
        found = rotation(constants)
        assert len(rotation_warnings(found, constants)) == count
        assert len(rotation_warnings(found, constants, 0.9 * found.temperature)) == 1
        assert len(rotation_warnings(found, constants, 1.1 * found.temperature)) == count


def test_heat_capacity_and_entropy_are_wrong_by_one_percent_at_the_temperature(
    crystals, springs
):
    plain = central(springs(crystals["wurtzite"], 4.5))
    constants = twisted(plain, 0.003, "antisymmetric")
    kelvin = float(rotation(constants).temperature) * np.array([0.5, 1.0, 5.0])
    one, other = (thermodynamics(x, (8, 8, 5), kelvin).quantum for x in (plain, constants))
    for name, low, high in (("heat_capacity", 0.004, 0.01), ("entropy", 0.01, 0.02)):
        change = getattr(other, name) / getattr(one, name) - 1.0
        assert low < change[1] < high
        assert change[0] > 2.0 * change[1]
        assert abs(change[2]) < 0.1 * change[1]


def test_the_contribution_is_that_to_the_acoustic_tensor(crystals, springs):
    """Central springs have Λ without it: the stiffness is zero there, and not with a twist."""
    plain = central(springs(crystals["wurtzite"], 4.5))
    constants = twisted(plain, 0.05, "isotropic")
    found = rotation(constants)
    assert rotation(plain).stiffness < 1e-12
    assert found.stiffness > 1e-4
    whole = np.abs(acoustic_tensor(constants, None)).max()
    assert found.stiffness < 0.5 * whole
    (warning,) = rotation_warnings(found, constants)
    assert f"{found.stiffness / GIGAPASCAL:.2g} GPa" in warning.text
    assert "born-huang" in warning.fix
    imposed = SimpleNamespace(quality=SimpleNamespace(constraints=("born_huang",)))
    assert rotation_warnings(found, imposed) == ()
