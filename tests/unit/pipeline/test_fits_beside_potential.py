"""Fits beside a potential, extrapolated to 0 K: what is left, and its likely cause."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import FitQuality
from trajmodes.phonons.born_von_karman.projection import force_constants_of, shell_constants
from trajmodes.phonons.born_von_karman.shells import nearest_shells
from trajmodes.pipeline.potentials.comparison import Static, among_each_other, with_potential
from trajmodes.pipeline.potentials.neighbour_models import model_of_constants
from trajmodes.units import NEWTON_PER_METRE

CRYSTAL = Crystal.from_ase(bulk("Cu", a=3.6))
STATIC = np.array([13.0, -1.4, 14.8, 0.4, -0.15, 0.6, 0.3, 0.2, 0.4]) * NEWTON_PER_METRE
SLOPE = np.linspace(-2e-3, 2e-3, 9) * NEWTON_PER_METRE
NOISE = 0.05 * NEWTON_PER_METRE


def _of_shells(values, crystal=CRYSTAL):
    shells = nearest_shells(crystal, 3)
    return force_constants_of(shell_constants(shells, values), shells)


def _fits(offset=0.0, curvature=0.0, *, number=3, noise=None):
    """Fits of copper with errors of 0.05 N/m."""
    rng = np.random.default_rng(1)
    shells = nearest_shells(CRYSTAL, number)
    count = len(shells.names)
    models = []
    for kelvin in (100.0, 200.0, 400.0):
        exact = STATIC + SLOPE * kelvin + curvature * kelvin**2
        exact[:3] += offset * NEWTON_PER_METRE
        samples = exact[:count] + NOISE * np.sqrt(20) * rng.normal(size=(20, count))
        means = (samples.sum(axis=0) - samples) / 19.0
        found = shell_constants(shells, samples.mean(axis=0), replicates=means)
        constants = replace(force_constants_of(found, shells), temperature=kelvin)
        if noise is not None:
            quality = FitQuality(3, 3, 1.0, 100, 0.9, 1.0, 0.3, np.zeros((1, 3)), noise=noise)
            constants = replace(constants, quality=quality)
        models.append(model_of_constants(f"fit{kelvin:.0f}", constants, 3))
    return models


def _last_note(fits, table=0.0):
    own = model_of_constants("copper", _of_shells(STATIC), 3)
    compared = with_potential(own, [], fits, Static(_never, table))
    return compared.notes[-1]


def _never(_: Crystal):
    raise AssertionError("the crystals are the same")


def test_fits_that_are_those_of_the_potential_give_a_note():
    note = _last_note(_fits())
    assert note.severity == "note"
    assert "extrapolated to 0 K" in note.text


@pytest.mark.parametrize(
    ("options", "table", "cause"),
    [
        ({"offset": 1.0, "number": 2}, 0.0, "the fits reach 3.6 Å, and the potential has"),
        ({"offset": 1.0}, 0.5 * NEWTON_PER_METRE, "from the digits of its tables"),
        ({"offset": 1.0, "noise": 0.25}, 0.0, "random ones of 0.25 eV/Å, as of a thermostat"),
        ({"curvature": 1e-5 * NEWTON_PER_METRE}, 0.0, "are not linear in T"),
        ({"offset": 1.0}, 0.0, "the potential is another one"),
    ],
)
def test_what_is_left_is_flagged_with_its_likely_cause(options, table, cause):
    note = _last_note(_fits(**options), table)
    assert note.severity == "warning"
    assert cause in note.why


def test_each_fit_stands_beside_the_potential_in_its_own_crystal():
    """Constants of the potential fall by 1 % for each 0.1 % of the lattice parameter."""

    def potential(crystal):
        strain = np.linalg.norm(crystal.cell[0]) / np.linalg.norm(CRYSTAL.cell[0]) - 1.0
        return _of_shells((1.0 - 10.0 * strain) * STATIC, crystal)

    fits = []
    for one, strain in zip(_fits(), (0.004, 0.001, 0.002), strict=True):
        crystal = replace(CRYSTAL, cell=(1.0 + strain) * CRYSTAL.cell)
        wide = potential(crystal)
        moved = one.whole.values + wide.values - potential(CRYSTAL).values
        more = one.whole.replicates + (wide.values - potential(CRYSTAL).values)
        known = replace(one.whole, crystal=crystal, values=moved, replicates=more)
        fits.append(model_of_constants(one.label, known, 3))
    own = model_of_constants("copper", potential(CRYSTAL), 3)
    compared = with_potential(own, [], fits, Static(potential, 0.0))
    np.testing.assert_allclose(compared.reference[:, 1], 0.96 * STATIC, rtol=1e-9)
    at_one_volume = with_potential(own, [], _fits(), Static(_never, 0.0))
    np.testing.assert_allclose(
        compared.models[-1].constants.values,
        at_one_volume.models[-1].constants.values,
        atol=1e-9,
    )
    # ω² is linear in the constants, and ω nearly.
    np.testing.assert_allclose(
        compared.modes.omega[:, -1], at_one_volume.modes.omega[:, -1], rtol=2e-3
    )
    assert compared.notes[-1].severity == "note"
    assert "at the lattice parameters of its run" in compared.notes[-1].text


def test_fits_that_are_not_on_a_line_are_a_warning_without_a_potential_too():
    straight = among_each_other(_fits())
    assert [note.severity for note in straight.notes] == ["note"]
    curved = among_each_other(_fits(curvature=1e-5 * NEWTON_PER_METRE))
    assert "are not on a line" in curved.notes[-1].text
    assert curved.notes[-1].severity == "warning"
    assert among_each_other(_fits()[:1]).label is None
