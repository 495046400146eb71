"""The average structure, and the crystal found in it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.matching.average import average_structure
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import match
from trajmodes.matching.species import species_of_run
from trajmodes.symmetry.operations import space_group

MATRICES = {
    "diamond": ([[-2, 2, 2], [2, -2, 2], [2, 2, -2]], "Fd-3m"),
    "rock salt": ([[2, 1, 0], [-1, 2, 1], [0, 1, 3]], "Fm-3m"),
    "bcc": ([[3, 1, 0], [0, 3, -1], [1, 0, 3]], "Im-3m"),
    "wurtzite": ([[3, 0, 0], [1, 3, 0], [0, 1, 2]], "P6_3mc"),
    "triclinic": ([[2, 1, 0], [0, 2, 0], [-1, 0, 3]], "P1"),
}


def test_average_of_a_folded_and_drifting_run(crystals, einstein):
    run = einstein(crystals["rock salt"], 2 * np.eye(3, dtype=int), n_frames=200)
    plain = average_structure(run)
    assert len(plain.frames) == 64
    assert (plain.frames[0], plain.frames[-1]) == (0, 199)
    box = run.cells[0]
    way = np.cumsum(np.full((200, 1, 3), 0.13), axis=0) - 0.13
    reduced = run.positions @ np.linalg.inv(box) + way
    folded = replace(run, positions=(reduced - np.floor(reduced)) @ box)
    other = average_structure(folded)
    assert other.deviations == pytest.approx(plain.deviations, abs=1e-9)
    apart = (other.positions - plain.positions) @ np.linalg.inv(box)
    assert np.abs(apart - np.rint(apart)).max() < 1e-9


def test_deviations_have_no_mean(crystals, einstein):
    average = average_structure(einstein(crystals["bcc"], 3 * np.eye(3, dtype=int)))
    assert np.abs(average.deviations.mean(axis=0)).max() < 1e-12
    assert np.abs(average.deviations.mean(axis=1)).max() < 1e-12


def test_empty_run_is_refused(crystals, einstein):
    run = einstein(crystals["bcc"], 3 * np.eye(3, dtype=int))
    empty = replace(run, positions=run.positions[:0], cells=run.cells[:0], segments=((0, 0),))
    with pytest.raises(DataError, match="has no complete frame"):
        average_structure(empty)


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_crystal_is_found_in_the_average(crystals, einstein, name):
    matrix, symbol = MATRICES[name]
    run = einstein(crystals[name], matrix, n_frames=100, freq_thz=7.3)
    found = find_crystal(average_structure(run), run.species)
    assert found.crystal.n_sites == crystals[name].n_sites
    assert found.crystal.volume == pytest.approx(crystals[name].volume, rel=1e-9)
    assert space_group(found.crystal, tolerance=1e-5).symbol == symbol
    assert symbol in str(found.notes[0])
    again = match(found.crystal, run)
    assert np.abs(again.rotation - np.eye(3)).max() < 1e-9
    assert again.residual_rms < 0.05


def test_crystal_is_found_in_one_frame(crystals, einstein):
    run = einstein(crystals["diamond"], 3 * np.eye(3, dtype=int), n_frames=1, temperature=50)
    found = find_crystal(average_structure(run), run.species)
    assert found.crystal.n_sites == 2


def test_distortion_beyond_the_noise_is_kept(crystals, einstein):
    """A doubled cell whose two halves differ by more than the noise is not halved."""
    bcc = crystals["bcc"]
    cell = np.diag([2, 1, 1]) @ bcc.cell
    sites = np.array([[0.0, 0.0, 0.0], [0.52, 0.0, 0.0]])
    double = replace(
        bcc, cell=cell, sites=sites, species=("Fe",) * 2, masses=[bcc.masses[0]] * 2
    )
    run = einstein(double, 3 * np.eye(3, dtype=int), n_frames=200, temperature=20)
    assert find_crystal(average_structure(run), run.species).crystal.n_sites == 2


def test_crystal_with_a_vacancy_is_refused(crystals, einstein):
    run = einstein(crystals["bcc"], 4 * np.eye(3, dtype=int), temperature=10)
    run = replace(run, positions=run.positions[:, 1:], velocities=None, forces=None)
    with pytest.raises(DataError, match="no translation maps the average structure"):
        find_crystal(average_structure(run), run.species[1:])


def test_elements_without_a_cell_file(crystals, einstein):
    run = einstein(crystals["rock salt"], np.eye(3, dtype=int))
    assert species_of_run(run) == ("Na", "Cl")
    bare = replace(run, species=None)
    assert species_of_run(replace(bare, masses=crystals["rock salt"].masses)) == ("Na", "Cl")
    assert species_of_run(replace(bare, types=np.array([2, 1])), {1: "Na", 2: "Cl"}) == (
        "Cl",
        "Na",
    )
    with pytest.raises(UsageError, match="does not contain the elements"):
        species_of_run(bare)


@pytest.mark.parametrize(
    ("symbol", "fix"),
    [
        ("Gee", "name the elements of the atom types"),
        ("si", "write Si$"),
        ("D", "an isotope has the symbol of its element"),
        ("X", "name the elements of the atom types"),
    ],
)
def test_symbols_of_no_element_are_refused(crystals, einstein, symbol, fix):
    run = einstein(crystals["rock salt"], np.eye(3, dtype=int))
    for changed, types in (
        (replace(run, species=("Na", symbol)), None),
        (replace(run, types=np.array([1, 2])), {1: "Na", 2: symbol}),
    ):
        with pytest.raises(UsageError, match=f"“{symbol}” is not a chemical symbol") as raised:
            species_of_run(changed, types)
        assert re.search(fix, raised.value.fix)
        assert species_of_run(changed, types, any_symbol=True) == ("Na", symbol)
