"""phonopy and trajmodes with the same force constants."""

import numpy as np
import phonopy
import pytest
from phonopy.phonon.band_structure import get_band_qpoints_by_seekpath
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON, THZ

pytestmark = pytest.mark.peer

# Older values of e and u in phonopy.
PHONOPY_THZ = get_physical_units().DefaultToTHz * np.sqrt(DALTON) * THZ

NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]


@pytest.fixture
def beside(crystals, springs, hessian_of):
    """``beside(name)`` gives our constants and phonopy with the same Hessian."""

    def build(name: str) -> tuple[ForceConstants, phonopy.Phonopy]:
        crystal = crystals[name]
        supercell = build_supercell(crystal, [[4, 0, 0], [0, 4, 0], [1, 0, 3]])
        constants = springs(crystal, 0.999 * inscribed_radius(supercell))
        unit = PhonopyAtoms(
            symbols=crystal.species, cell=crystal.cell, scaled_positions=crystal.sites,
            masses=crystal.masses / DALTON,
        )  # fmt: skip
        peer = phonopy.Phonopy(
            unit, supercell.matrix.T, primitive_matrix=np.eye(3), is_symmetry=False
        )
        order = canonical_order(peer.supercell.positions, supercell)
        n = supercell.n_atoms
        hessian = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
        peer.force_constants = np.ascontiguousarray(hessian[order][:, order])
        return constants, peer

    return build


def canonical_order(positions: np.ndarray, supercell: Supercell) -> np.ndarray:
    apart = (positions[:, None] - supercell.positions) @ np.linalg.inv(supercell.cell)
    return np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_dynamical_matrices_equal_those_of_phonopy(name, beside):
    constants, peer = beside(name)
    qpoints = np.random.default_rng(1).uniform(-1, 1, (20, 3))
    ours = dynamical_matrices(lattice_sum(constants), qpoints) * DALTON
    peer.run_qpoints(qpoints, with_dynamical_matrices=True)
    for theirs, wanted in zip(peer.qpoints.dynamical_matrices, ours, strict=True):
        np.testing.assert_allclose(theirs, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_projectors_of_degenerate_sets_equal_those_of_phonopy(name, beside):
    constants, peer = beside(name)
    qpoints = np.array([[0.5, 0.5, 0], [0.25, 0.1, -0.3], [0.5, 0, 0]])
    modes = modes_at(constants, qpoints)
    peer.run_qpoints(qpoints, with_eigenvectors=True)
    theirs = peer.qpoints.eigenvectors.swapaxes(1, 2)  # rows
    ours = modes.vectors.reshape(theirs.shape)
    for q in range(len(qpoints)):
        for label in np.unique(modes.sets[q]):
            member = modes.sets[q] == label
            wanted = theirs[q, member].T @ theirs[q, member].conj()
            found = ours[q, member].T @ ours[q, member].conj()
            np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_bands_equal_those_of_phonopy(name, beside):
    constants, peer = beside(name)
    path = band_path(constants.crystal, 0.3)
    ours = dispersion(constants, path).omega / THZ
    peer.run_band_structure(np.split(path.qpoints, path.offsets[1:-1]))
    theirs = np.concatenate(peer.band_structure.frequencies) / PHONOPY_THZ
    top = np.abs(ours).max() ** 2
    np.testing.assert_allclose(
        theirs * np.abs(theirs), ours * np.abs(ours), rtol=0, atol=1e-10 * top
    )
    # Its distances carry no 2π and, like ours, do not grow over a jump.
    along = np.concatenate(peer.band_structure.distances) * 2 * np.pi
    np.testing.assert_allclose(along, path.distance, atol=1e-9)


# phonopy takes seekpath's coordinates as they are, for its standardised cell: they are right
# where the user's cell is that one, which the triclinic cell is not.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "triclinic"])
def test_the_path_equals_that_of_phonopy_in_a_standard_cell(name, beside):
    constants, peer = beside(name)
    sections, _, _ = get_band_qpoints_by_seekpath(peer.primitive, 2)
    path = band_path(constants.crystal, 1.0)
    ends = np.stack([path.offsets[:-1], path.offsets[1:] - 1], axis=1)
    np.testing.assert_allclose(path.qpoints[ends], np.array(sections), atol=1e-6)
