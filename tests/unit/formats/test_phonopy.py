"""phonopy reads the files written for it."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import phonopy
import pytest
from phonopy.file_IO import parse_FORCE_CONSTANTS, write_FORCE_CONSTANTS
from phonopy.physical_units import get_physical_units

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.phonopy import cells_of, phonopy_object
from trajmodes.formats.registry import (
    read_force_constants,
    write_force_constants,
)
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON, THZ

# Older values of e and u in phonopy.
PHONOPY_THZ = get_physical_units().DefaultToTHz * np.sqrt(DALTON) * THZ
MATRICES = [
    np.diag([4, 4, 3]),
    [[3, 1, 0], [0, 4, 1], [1, 0, 4]],
    [[-2, 2, 2], [2, -2, 2], [2, 2, -2]],
]
NAMES = ["diamond", "bcc", "wurtzite", "triclinic"]


def squares(found: phonopy.Phonopy, qpoints: np.ndarray) -> np.ndarray:
    """Signed squares in THz²: relative differences of zero frequencies are meaningless."""
    found.run_qpoints(qpoints)
    freq = found.qpoints.frequencies / PHONOPY_THZ
    return freq * np.abs(freq)


def our_squares(constants: ForceConstants, qpoints: np.ndarray) -> np.ndarray:
    freq = frequencies_at(constants, qpoints)[0] / THZ
    return freq * np.abs(freq)


def write_phonopy(constants: ForceConstants, supercell: Supercell, folder: Path) -> list[Path]:
    """Paths of FORCE_CONSTANTS and phonopy_params.yaml."""
    return sorted(write_force_constants(constants, supercell, folder, "phonopy").paths)


def general_q(n: int) -> np.ndarray:
    return np.random.default_rng(11).uniform(-1, 1, (n, 3))


def whole_supercell(constants: ForceConstants, supercell: Supercell) -> ForceConstants:
    """Sum force constants over images, and divide them among nearest ones, by brute force."""
    crystal, inverse = supercell.crystal, np.linalg.inv(supercell.matrix)
    shifts = np.array(list(itertools.product(range(-2, 3), repeat=3))) @ supercell.matrix
    sums: dict[tuple[int, ...], np.ndarray] = {}
    for i, j, cell, value in zip(
        constants.first, constants.second, constants.lattice, constants.values, strict=True
    ):
        home = cell - np.floor(cell @ inverse + 1e-9).astype(int) @ supercell.matrix
        key = (int(i), int(j), *map(int, home))
        sums[key] = sums.get(key, 0.0) + value
    rows = []
    for (i, j, *home), value in sums.items():
        images = np.array(home) + shifts
        vectors = (images + crystal.sites[j] - crystal.sites[i]) @ crystal.cell
        length = np.linalg.norm(vectors, axis=1)
        nearest = images[length < length.min() + 1e-5]
        rows += [(i, j, image, value / len(nearest)) for image in nearest]
    first, second, lattice, values = (np.array(column) for column in zip(*rows, strict=True))
    return ForceConstants(crystal, first, second, lattice, values)


@pytest.mark.parametrize("matrix", MATRICES, ids=["diagonal", "skew", "cube"])
@pytest.mark.parametrize("name", NAMES)
def test_phonopy_gives_the_same_frequencies(name, matrix, crystals, springs, tmp_path):
    supercell = build_supercell(crystals[name], matrix)
    constants = springs(crystals[name], 0.999 * inscribed_radius(supercell))
    paths = write_phonopy(constants, supercell, tmp_path)
    assert [path.name for path in paths] == ["FORCE_CONSTANTS", "phonopy_params.yaml"]
    found = phonopy.load(paths[1], is_symmetry=False, is_nac=False)
    q = np.concatenate([commensurate(supercell)[0], general_q(20)])
    wanted = our_squares(constants, q)
    # 1e-8 THz at the highest frequency, as a tolerance of ω²
    allowed = 2e-8 * np.sqrt(wanted.max())
    np.testing.assert_allclose(squares(found, q), wanted, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "triclinic"])
def test_equally_near_images_are_divided_as_in_phonopy(name, crystals, springs, tmp_path):
    supercell = build_supercell(crystals[name], [[2, 0, 0], [0, 2, 0], [1, 0, 2]])
    constants = whole_supercell(springs(crystals[name], 7.0), supercell)
    _, parameters = write_phonopy(constants, supercell, tmp_path)
    found = phonopy.load(parameters, is_symmetry=False, is_nac=False)
    q = general_q(20)
    wanted = our_squares(constants, q)
    np.testing.assert_allclose(
        squares(found, q), wanted, rtol=0, atol=2e-8 * np.sqrt(np.abs(wanted).max())
    )


def test_the_force_constants_file_alone_suffices(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["wurtzite"], [[3, 0, 0], [1, 2, 0], [0, 0, 2]])
    constants = springs(crystals["wurtzite"], 3.0)
    text, parameters = write_phonopy(constants, supercell, tmp_path)
    found = phonopy.load(parameters, is_symmetry=False, is_nac=False)
    # phonopy compares the row numbers of the file with its own primitive atoms.
    read = parse_FORCE_CONSTANTS(text, p2s_map=found.primitive.p2s_map)
    assert read.shape == (supercell.crystal.n_sites, supercell.n_atoms, 3, 3)
    found.force_constants = read
    q = general_q(5)
    wanted = our_squares(constants, q)
    np.testing.assert_allclose(squares(found, q), wanted, rtol=0, atol=1e-7)


def test_force_constants_are_rows_of_the_hessian(crystals, springs, hessian_of, tmp_path):
    supercell = build_supercell(crystals["triclinic"], [[2, 0, 1], [0, 2, 0], [0, 1, 2]])
    constants = springs(crystals["triclinic"], 6.0)
    text, parameters = write_phonopy(constants, supercell, tmp_path)
    read = parse_FORCE_CONSTANTS(text)
    loaded = phonopy.load(parameters, is_symmetry=False, is_nac=False)
    theirs, rows = loaded.supercell, loaded.primitive.p2s_map
    # Canonical number of each of their atoms, by position modulo the supercell.
    apart = theirs.positions[:, None] - supercell.positions
    reduced = apart @ np.linalg.inv(supercell.cell)
    ours = np.abs(reduced - np.rint(reduced)).max(axis=2).argmin(axis=1)
    n = supercell.n_atoms
    wanted = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
    np.testing.assert_allclose(read, wanted[ours[rows]][:, ours], rtol=0, atol=1e-14)
    np.testing.assert_allclose(theirs.masses * DALTON, supercell.masses[ours], rtol=1e-6)
    assert theirs.symbols == [supercell.species[a] for a in ours]


def test_an_unknown_species_is_refused(crystals, springs, tmp_path):
    known = crystals["bcc"]
    odd = Crystal(known.cell, known.sites, ("Qq",), known.masses)
    supercell = build_supercell(odd, np.diag([2, 2, 2]))
    with pytest.raises(DataError, match="phonopy does not accept the crystal"):
        write_phonopy(springs(odd, 2.6), supercell, tmp_path)


def test_coinciding_sites_are_refused(crystals, springs, tmp_path):
    known = crystals["bcc"]
    twin = Crystal(
        known.cell, np.array([[0.0] * 3, [1e-7] * 3]), ("Fe", "Fe"), np.repeat(known.masses, 2)
    )
    constants = springs(twin, 2.6)
    with pytest.raises(DataError, match="Cell trimming failed"):
        write_phonopy(constants, build_supercell(twin, np.diag([2, 2, 2])), tmp_path)


def test_a_supercell_of_another_shape_is_refused(crystals):
    crystal = crystals["triclinic"]
    skew = build_supercell(crystal, [[2, 1, 0], [0, 2, 0], [0, 0, 2]])
    transposed = build_supercell(crystal, skew.matrix.T)
    with pytest.raises(DataError, match="not the supercell of the run"):
        cells_of(phonopy_object(transposed), skew)


def test_notes_list_what_is_omitted(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    short = springs(crystals["bcc"], 2.6)
    assert write_force_constants(short, supercell, tmp_path, "phonopy").notes == ()
    cubic = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.ones((1, 3, 3, 3))
    )
    long = replace(springs(crystals["bcc"], 6.0), triplets=cubic)
    left_out, beyond = write_force_constants(long, supercell, tmp_path, "phonopy").notes
    assert "third and fourth order are not written" in left_out
    assert "commensurate q only" in beyond


def test_force_constants_of_another_crystal_are_refused(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    text, _ = write_phonopy(springs(crystals["bcc"], 2.6), supercell, tmp_path)
    other = build_supercell(crystals["diamond"], np.diag([3, 3, 3]))
    with pytest.raises(
        DataError, match="1 × 27 force constants, but the cells require 2 or 54 × 54"
    ):
        read_force_constants(text, supercell=other)


def test_rows_of_other_atoms_are_refused(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["diamond"], np.diag([2, 2, 2]))
    constants = springs(crystals["diamond"], 2.6)
    text, parameters = write_phonopy(constants, supercell, tmp_path)
    loaded = phonopy.load(parameters, is_symmetry=False, is_nac=False)
    write_FORCE_CONSTANTS(loaded.force_constants, text, p2s_map=np.array([1, 9]))
    with pytest.raises(DataError, match="made with another primitive cell"):
        read_force_constants(text)
