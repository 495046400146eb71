"""A slab of springs: exact second moments of its layers, and waves of its surfaces."""

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111

import trajmodes as tm
from program_files.columns import check_figures_in_a_column
from trajmodes.config.job import values_of
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.phonons.modes import frequencies_at
from trajmodes.pipeline.thermo.properties import thermo_job
from trajmodes.potentials.neighbours import bonds_within
from trajmodes.thermo.slab import slab_of
from trajmodes.thermo.thermodynamics import thermodynamics

A, SPRING, N_LAYERS = 4.0, 2.0, 16


def springs(crystal, cutoff=2.9):
    """Springs along the bonds to nearest neighbours."""
    bonds = bonds_within(crystal, cutoff)
    unit = bonds.vectors / bonds.lengths[:, None]
    pairs = -SPRING * unit[:, :, None] * unit[:, None, :]
    own = np.zeros((crystal.n_sites, 3, 3))
    np.subtract.at(own, bonds.first, pairs)
    sites = np.arange(crystal.n_sites)
    return ForceConstants(
        crystal,
        np.concatenate([bonds.first, sites]),
        np.concatenate([bonds.second, sites]),
        np.concatenate([bonds.lattice, np.zeros((len(sites), 3), dtype=int)]),
        np.concatenate([pairs, own]),
        cutoff=cutoff,
    )


def layered(n_layers, shift=0.0):
    atoms = fcc111("Al", (1, 1, n_layers), a=A, vacuum=6.0)
    atoms.pbc = True
    atoms.positions[:, 2] += shift
    atoms.wrap()
    return Crystal.from_ase(atoms)


def analysed(crystal, spacing=0.2, mesh=9):
    constants = springs(crystal)
    found = thermodynamics(constants, (mesh, mesh, 1), [300.0])
    return found, slab_of(constants, found.density, spacing)


@pytest.fixture(scope="module")
def slab():
    return analysed(layered(N_LAYERS))


def test_layers_are_planes_and_their_densities_sum_to_the_total(slab):
    thermo, found = slab
    np.testing.assert_array_equal(found.layers, np.arange(N_LAYERS))
    np.testing.assert_allclose(found.heights, np.arange(N_LAYERS) * A / 3**0.5, atol=1e-9)
    np.testing.assert_allclose(
        found.density.sum(axis=0), thermo.density.total, atol=1e-12 * thermo.density.total.max()
    )


def test_second_moments_are_those_of_the_bonds_of_each_layer(slab):
    # ⟨ω²⟩ of a site is the trace of its self term over 3M: k/3M for each of its bonds.
    _, found = slab
    mass = layered(N_LAYERS).masses[0]
    n_bonds = np.full(N_LAYERS, 12.0)
    n_bonds[[0, -1]] = 9.0
    expected = np.sqrt(n_bonds * SPRING / (3.0 * mass))
    np.testing.assert_allclose(found.mean_omega, expected, rtol=5e-3)


def test_the_lowest_wave_at_the_edge_of_the_zone_is_one_of_the_surface(slab):
    _, found = slab
    path = found.bands.path
    _, names = path.ticks()
    corner = path.corners[names.index("M")]
    here = int(np.flatnonzero((np.abs(path.qpoints - corner) < 1e-9).all(axis=1))[0])
    rayleigh = found.bands.omega[here, :2]
    weight = found.weight[here].sum(axis=1)
    assert found.outer == 2
    assert (weight[:2] > 0.8).all()
    # Waves of the bulk with the same wavevector in the plane, and any along the normal.
    solid = Crystal.from_ase(bulk("Al", a=A))
    cell = fcc111("Al", (1, 1, 1), a=A).cell.array
    flat = corner[:2] @ np.linalg.pinv(cell[:2]).T
    normal = np.array([0.0, 0.0, 1.0])
    # The cell of the slab has its normal along z, that of the bulk along (1 1 1).
    turn = _turn_to_bulk(cell, solid)
    along = np.linspace(0.0, 3.0**0.5 / A, 121)
    waves = (flat + along[:, None] * normal) @ turn
    edge = frequencies_at(springs(solid), waves @ solid.cell.T)[0][:, 0].min()
    assert (rayleigh < 0.97 * edge).all()
    inside = np.sort(found.bands.omega[here])[2]
    assert inside > 0.98 * edge


def _turn_to_bulk(cell, solid):
    """Rotation from the axes of the slab to those of the bulk."""
    first = solid.cell[1] - solid.cell[0]
    normal = np.array([1.0, 1.0, 1.0]) / 3**0.5
    target = np.array([first / np.linalg.norm(first), np.zeros(3), normal])
    target[1] = np.cross(target[2], target[0])
    own = cell[0] / np.linalg.norm(cell[0])
    source = np.array([own, np.cross([0.0, 0.0, 1.0], own), [0.0, 0.0, 1.0]])
    return source.T @ target


def test_the_place_of_the_slab_in_its_cell_does_not_matter():
    _, here = analysed(layered(5), spacing=0.8, mesh=3)
    _, there = analysed(layered(5, shift=4.0), spacing=0.8, mesh=3)
    np.testing.assert_allclose(here.heights, there.heights, atol=1e-9)
    np.testing.assert_allclose(np.sort(here.mean_omega), np.sort(there.mean_omega), rtol=1e-9)
    np.testing.assert_allclose(here.weight.sum(axis=2), there.weight.sum(axis=2), atol=1e-6)


def test_degenerate_waves_have_their_mean_in_each_surface(slab):
    # The two surfaces are equal: so are their parts of every set.
    _, found = slab
    np.testing.assert_allclose(found.weight[..., 0], found.weight[..., 1], atol=1e-6)


@pytest.mark.parametrize("crystal", [Crystal.from_ase(bulk("Al", a=A)), layered(3)])
def test_other_crystals_are_no_slabs(crystal):
    assert analysed(crystal, spacing=0.8, mesh=2)[1] is None


def test_thermo_writes_layers_and_surface_modes(tmp_path):
    values = values_of("thermo", {"output": str(tmp_path), "mesh": 4, "temperatures": [300.0]})
    thermo_job(springs(layered(8)), values, command="")
    layers = pd.read_csv(tmp_path / "tables" / "layers.csv", comment="#")
    assert layers["layer"].tolist() == list(range(1, 9))
    modes = pd.read_csv(tmp_path / "tables" / "surface_modes.csv", comment="#")
    assert ((modes["lower"] + modes["upper"]) > 0.5).all()
    assert len(modes) > 0
    assert (tmp_path / "figures" / "slab.png").exists()
    drawn = check_figures_in_a_column(tm.load(tmp_path).to_dataset())
    assert {"layer-dos", "surface-bands"} <= drawn
