"""Q on lines and in planes are those that the supercell admits."""

from itertools import product

import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.scattering.wavevectors import commensurate_on, on_grid, section
from trajmodes.scattering.weights import weights
from trajmodes.symmetry.translations import build_supercell

MATRIX = [[2, 1, 0], [0, 3, 1], [-1, 0, 4]]


def _all_points(matrix: np.ndarray, reach: int) -> np.ndarray:
    """All q = S⁻¹ n with small n."""
    integers = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    return np.linalg.solve(np.array(matrix), integers.T).T


@pytest.mark.parametrize(
    ("start", "end", "across"),
    [
        ((0, 0, 0), (2, 0, 0), None),
        ((1, 1, -1), (-1, 0.5, 1), None),
        ((0, 0, 0), (1, 1, 0), (1, -1, 1)),
        ((0.3, 0, 0), (0.3, 1, 0), (0.3, 0, 1)),
    ],
)
def test_all_q_of_the_supercell_on_the_section_are_found(crystals, start, end, across):
    supercell = build_supercell(crystals["triclinic"], MATRIX)
    one = section(supercell.crystal, start, end, across)
    everywhere = _all_points(MATRIX, 12)
    # Solve for places, and keep what lies in the section.
    places = (everywhere - one.corner) @ np.linalg.pinv(one.edges)
    off = np.abs(one.corner + places @ one.edges - everywhere).max(axis=1)
    inside = (off < 1e-9) & ((places > -1e-9) & (places < 1 + 1e-9)).all(axis=1)
    expected = everywhere[inside]
    if not len(expected):
        with pytest.raises(UsageError, match="admits no Q on the plane"):
            commensurate_on(one, supercell)
        return
    found = commensurate_on(one, supercell)
    assert len(found.hkl) == len(expected)
    apart = np.abs(found.qpoints[:, None] - expected).max(axis=2).min(axis=1)
    assert apart.max() < 1e-12


def test_conventional_units_are_those_of_the_cube(crystals):
    crystal = crystals["diamond"]
    found = on_grid(section(crystal, (0, 0, 0), (4, 0, 0), axes="conventional"), 5)
    edge = np.cbrt(4.0 * crystal.volume)
    np.testing.assert_allclose(found.lengths, 2.0 * np.pi / edge * np.arange(5), atol=1e-9)
    assert np.count_nonzero(np.abs(found.cartesian[-1]) > 1e-9) == 1


def test_rounded_thirds_are_exact(crystals):
    supercell = build_supercell(crystals["wurtzite"], np.diag([3, 3, 2]))
    one = section(supercell.crystal, (0, 0, 0), (0.3333, 0.3333, 0))
    found = commensurate_on(one, supercell)
    np.testing.assert_allclose(found.qpoints[-1], [1 / 3, 1 / 3, 0], atol=1e-14)


def test_points_that_span_nothing_are_refused(crystals):
    with pytest.raises(UsageError, match="span no line"):
        section(crystals["bcc"], (1, 0, 0), (1, 0, 0))
    with pytest.raises(UsageError, match="span no plane"):
        section(crystals["bcc"], (0, 0, 0), (1, 0, 0), (2, 0, 0))


def test_amplitudes_are_those_given(crystals):
    waves = on_grid(section(crystals["rock salt"], (0, 0, 0), (2, 0, 0)), 3)
    found = weights("Na:3.63, Cl=9.577", waves)
    np.testing.assert_array_equal(found.values, [[3.63, 9.577]] * 3)
    np.testing.assert_allclose(found.mean_square, 0.5 * (3.63**2 + 9.577**2))
    assert weights("equal", waves).mean_square.tolist() == [1.0] * 3
    with pytest.raises(UsageError, match="no scattering amplitude of Cl"):
        weights("Na:3.63", waves)
    with pytest.raises(UsageError, match="names no scattering amplitudes"):
        weights("Na:x", waves)
    with pytest.raises(DataError, match="all scattering amplitudes are zero"):
        weights("Na:0 Cl:0", waves)


def test_tabulated_amplitudes(crystals):
    pytest.importorskip("periodictable")
    waves = on_grid(section(crystals["rock salt"], (0, 0, 0), (2, 0, 0)), 3)
    neutron, xray = weights("neutron", waves), weights("xray", waves)
    # ITN Neutron News 3, 26 (1992)
    np.testing.assert_allclose(neutron.values[0], [3.63, 9.577], atol=0.01)
    np.testing.assert_allclose(xray.values[0], [11, 17], rtol=2e-3)
    assert (np.diff(xray.values, axis=0) < 0.0).all()
