"""Elements of recordings, which have neither elements nor types nor masses."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

import trajmodes as tm
from simulations.imd import frame, start
from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError
from trajmodes.units import DALTON

ROCK_SALT = Crystal(
    4.0 * np.ones((3, 3)) - 4.0 * np.eye(3),
    [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
    ("Na", "I"),
    np.array([22.99, 126.9]) * DALTON,
)


@pytest.fixture
def recorded(einstein, tmp_path):
    """A run of rock salt: its frames in memory, and their recording."""
    run = einstein(ROCK_SALT, 2 * np.eye(3, dtype=int))
    order = np.random.default_rng(5).permutation(run.n_atoms)
    fields = np.stack([run.positions, run.velocities, run.forces], axis=1)[:, :, order]
    steps = zip(run.steps, fields, run.cells, strict=True)
    frames = [frame(int(step), vectors, cell) for step, vectors, cell in steps]
    path = tmp_path / "stream.imd"
    path.write_bytes(start() + b"".join(frames))
    return run, np.array(run.species)[order], run.positions.mean(axis=0)[order], path


def cell_file(path, symbols, positions, cell):
    write(path, Atoms(symbols, positions, cell=cell, pbc=True), format="extxyz")
    return path


def test_a_cell_file_of_as_many_atoms_names_them_in_its_order(recorded, tmp_path):
    run, symbols, positions, path = recorded
    cell = cell_file(tmp_path / "cell.xyz", symbols, positions, run.cells[0])
    found = tm.open(path, cell=cell, units="metal")
    assert found.trajectory.species == tuple(symbols)
    one = tm.open(path, cell=cell, units="metal", symprec=0.1).supercell
    assert sorted(one.species) == sorted(symbols)


def test_one_symbol_for_each_atom_is_taken_in_order(recorded):
    _, symbols, _, path = recorded
    found = tm.open(path, species=tuple(symbols), units="metal")
    assert sorted(found.supercell.species) == sorted(symbols)
    with pytest.raises(UsageError, match="give one element for all atoms, or 16"):
        tm.open(path, species=("Na", "I"), units="metal")


@pytest.mark.parametrize("change", ["sorted", "exchanged"])
def test_another_order_of_the_cell_file_is_refused(recorded, tmp_path, change):
    """Sorted by element; or each atom on a site of the other element, by a common shift."""
    run, symbols, positions, path = recorded
    order = np.argsort(symbols) if change == "sorted" else slice(None)
    shift = 4.0 if change == "exchanged" else 0.0
    cell = cell_file(tmp_path / "a.xyz", symbols[order], positions[order] + shift, run.cells[0])
    with pytest.raises(UsageError, match="does not contain the elements"):
        tm.open(path, cell=cell, units="metal")
