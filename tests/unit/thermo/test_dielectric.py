"""Longitudinal and transverse modes at Γ, and the static dielectric tensor."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.thermo.dielectric import lo_to_splitting, static_dielectric

POLAR = ("rock salt", "wurtzite", "rutile", "quartz", "monoclinic", "triclinic")


@pytest.fixture(params=POLAR)
def polar(request, crystals, springs, charges_of):
    crystal = crystals[request.param]
    return replace(springs(crystal, 3.5, 12.0), charges=charges_of(crystal))


def test_squares_of_the_frequencies_are_as_the_dielectric_tensors(polar):
    """Π ω²(n) / Π ω² = n·ε0·n / n·ε∞·n along every direction of every crystal."""
    static, fast = static_dielectric(polar), polar.charges.dielectric
    np.testing.assert_allclose(static, static.T, atol=1e-12 * np.abs(static).max())
    for direction in np.random.default_rng(0).normal(size=(3, 3)):
        found = lo_to_splitting(polar, direction)
        ratio = np.prod((found.longitudinal / found.transverse) ** 2)
        n = found.direction
        assert ratio == pytest.approx((n @ static @ n) / (n @ fast @ n), rel=1e-8)
        assert (found.longitudinal >= found.transverse - 1e-9).all()


def test_bands_reach_gamma_from_the_side_of_their_section(crystals, springs, charges_of):
    """The uniaxial wurtzite splits differently along its axis and across it."""
    crystal = crystals["wurtzite"]
    constants = replace(springs(crystal, 3.5, 12.0), charges=charges_of(crystal))
    bands = dispersion(constants, band_path(crystal, 0.05, "M G A"))
    path = bands.path
    (before, after) = np.flatnonzero(~path.qpoints.any(axis=1))
    for place, neighbour in ((before, before - 1), (after, after + 1)):
        q = 1e-4 * path.qpoints[neighbour]
        near = frequencies_at(constants, q[None])[0][0]
        np.testing.assert_allclose(bands.omega[place, 3:], near[3:], atol=1e-4)
    assert np.abs(bands.omega[before] - bands.omega[after]).max() > 0.1


def test_gamma_of_a_supercell_has_no_macroscopic_field(polar):
    """A list of q without directions gives the modes of a periodic simulation."""
    modes = modes_at(polar, [[0, 0, 0], [0.1, 0.2, 0.3]])
    found = lo_to_splitting(polar, [0, 0, 1])
    optic = modes.omega[0][modes.sets[0] >= 0]
    np.testing.assert_allclose(np.sort(optic), found.transverse, atol=1e-9)
    assert (modes.sets[0] < 0).sum() == 3


def test_error_bars_of_the_splitting(crystals, springs, charges_of):
    crystal = crystals["rock salt"]
    constants = replace(springs(crystal, 3.5, 12.0), charges=charges_of(crystal))
    factors = np.array([0.99, 1.01, 1.02])[:, None, None, None]
    noisy = replace(constants, replicates=constants.values * factors)
    found = lo_to_splitting(noisy, [1, 0, 0])
    assert (found.transverse_sem > 0.0).all()
    # dω = d(ω²)/2ω with the same change of the short-range part
    product = found.transverse_sem * found.transverse
    np.testing.assert_allclose(product, found.longitudinal_sem * found.longitudinal, rtol=1e-6)


def test_what_needs_charges_says_so(crystals, springs):
    bare = springs(crystals["rock salt"], 3.5)
    with pytest.raises(DataError, match="no Born charges"):
        static_dielectric(bare)
    with pytest.raises(DataError, match="no Born charges"):
        lo_to_splitting(bare, [0, 0, 1])


def test_a_direction_is_needed(polar):
    with pytest.raises(UsageError, match="not all zero"):
        lo_to_splitting(polar, [0, 0, 0])
    with pytest.raises(DataError, match="as many directions"):
        frequencies_at(polar, np.zeros((2, 3)), np.zeros((1, 3)))


def test_a_ferroelectric_instability_is_named(crystals, springs, charges_of):
    crystal = crystals["rock salt"]
    weak = replace(springs(crystal, 3.5, 0.01), charges=charges_of(crystal))
    with pytest.raises(DataError, match="ferroelectric instability"):
        static_dielectric(weak)
