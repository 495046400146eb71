"""Layers: planar and buckled, in any vacuum, are registered; the run decides the vacuum."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import layer_of
from trajmodes.matching.average import average_structure
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import match
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON


def layer(species, buckling, period, lattice=2.46, place=0.5) -> Crystal:
    """Honeycomb of two elements whose planes are ``buckling`` Å apart."""
    half = lattice * 0.75**0.5
    cell = np.array([[lattice, 0, 0], [-lattice / 2, half, 0], [0, 0, period]])
    up = place + buckling / period
    sites = np.array([[1 / 3, 2 / 3, place], [2 / 3, 1 / 3, up]])
    return Crystal(cell, sites, tuple(species), np.array([12.011, 13.0]) * DALTON)


LAYERS = {
    "graphene": ("CC", 0.0, 2.46),
    "nearly planar": ("CC", 0.02, 2.46),
    "boron nitride": ("BN", 0.0, 2.5),
    "silicene": ("CC", 0.45, 3.87),
    "thick": ("BN", 3.1, 3.2),
}
MATRICES = ([[5, 0, 0], [0, 5, 0], [0, 0, 1]], [[6, 0, 0], [3, 6, 0], [0, 0, 1]])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("matrix", MATRICES, ids=["hexagonal", "rectangular"])
@pytest.mark.parametrize("period", [9.0, 19.7, 60.0])
def test_a_layer_is_registered_in_any_vacuum(einstein, name, matrix, period):
    species, buckling, lattice = LAYERS[name]
    run = einstein(
        layer(species, buckling, period + buckling, lattice), matrix, temperature=200
    )
    # The cell file has another vacuum, and the layer at its edge.
    given = layer(species, buckling, 15.0 + buckling, lattice, place=0.97)
    found = match(given, run)
    assert np.abs(found.supercell.cell - run.cells[0]).max() < 1e-8
    assert found.residual_rms < 0.05
    assert np.abs(found.strain).max() < 1e-8
    assert any("the distance in the run is used" in str(note) for note in found.notes)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_found_without_a_cell_file(einstein, name):
    species, buckling, lattice = LAYERS[name]
    run = einstein(layer(species, buckling, 20.0, lattice), MATRICES[1], temperature=200)
    crystal = find_crystal(average_structure(run), run.species).crystal
    assert crystal.n_sites == 2
    found = match(crystal, run)
    assert found.supercell.n_cells == 36
    assert found.residual_rms < 0.05


def test_displacements_about_a_known_layer(einstein):
    """As in ALAMODE's DFSET: the structure is exact, and planar to the last digit."""
    crystal = layer("BN", 0.0, 20.0)
    run = einstein(crystal, MATRICES[1], temperature=300)
    ideal = build_supercell(crystal, MATRICES[1]).positions
    found = match(crystal, replace(run, ideal=ideal))
    assert found.residual_max < 1e-9
    assert np.abs(found.supercell.cell - run.cells[0]).max() < 1e-8


def test_bending_a_layer_is_no_hop_but_a_step_in_its_plane_is(einstein):
    run = einstein(layer("CC", 0.0, 20.0), MATRICES[0], temperature=10.0)
    displacer = Displacer(match(layer("CC", 0.0, 20.0), run))
    bent = run.positions.copy()
    phase = 2 * np.pi * bent[..., 0] / np.linalg.norm(run.cells[0, 0])
    bent[..., 2] += 2.0 * np.cos(phase)
    moved = displacer(replace(run, positions=bent).read(0, run.n_frames))
    assert np.abs(moved.displacements[..., 2]).max() > 1.8
    stepped = bent.copy()
    stepped[3, 4, :2] += 1.3
    with pytest.raises(Exception, match="from its site"):
        displacer(replace(run, positions=stepped).read(0, run.n_frames))


def test_graphite_and_chains_are_no_layers(crystals):
    assert layer_of(np.diag([2.46, 4.26, 6.7]), np.array([[0, 0, 0.25], [0, 0, 0.75]])) is None
    assert layer_of(np.diag([2.5, 20.0, 20.0]), np.array([[0.0, 0.5, 0.5]])) is None
    assert all(layer_of(one.cell, one.sites) is None for one in crystals.values())
    skew = layer_of(np.array([[3.0, 0, 0], [1, 3, 0], [1, 2, 15.0]]), np.array([[0, 0, 0.99]]))
    assert (skew.axis, skew.period) == (2, pytest.approx(15.0))
