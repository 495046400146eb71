"""Frames in memory: arrays and lists of ASE Atoms."""

import pickle

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.arrays import trajectory_of_arrays, trajectory_of_atoms
from trajmodes.readers.trajectory import select_frames
from trajmodes.units import DALTON

BOX = np.array([[4.0, 0.0, 0.0], [0.5, 4.2, 0.0], [0.0, 0.3, 4.4]])


def images(n_frames=3, seed=0):
    rng = np.random.default_rng(seed)
    ideal = Atoms("NaCl", cell=BOX, pbc=True, scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]])
    found = []
    for _ in range(n_frames):
        image = ideal.copy()
        image.positions += rng.normal(size=(2, 3)) * 0.05
        image.calc = SinglePointCalculator(image, forces=rng.normal(size=(2, 3)))
        found.append(image)
    return ideal, found


def test_atoms_are_read_unchanged():
    ideal, frames = images()
    for image in frames:
        image.set_velocities(np.full((2, 3), 0.01 * units.Ang / units.fs))
    run = trajectory_of_atoms(frames, interval_ps=0.002)
    block = run.read(1, 3)
    assert (run.n_frames, run.n_atoms, run.species) == (3, 2, ("Na", "Cl"))
    assert run.times_ps == pytest.approx([0.0, 0.002, 0.004])
    assert run.masses == pytest.approx(ideal.get_masses() * DALTON)
    assert block.first_frame == 1
    assert block.positions == pytest.approx(np.stack([i.positions for i in frames[1:]]))
    assert block.forces == pytest.approx(np.stack([i.get_forces() for i in frames[1:]]))
    # 0.01 Å/fs
    assert block.velocities == pytest.approx(np.full((2, 2, 3), 10.0))
    assert block.cells[0] == pytest.approx(BOX)
    assert run.ideal is None


def test_ideal_structure_is_kept():
    ideal, frames = images()
    run = trajectory_of_atoms(frames, ideal=ideal)
    assert run.ideal == pytest.approx(ideal.positions)
    assert run.times_ps is None
    assert np.shares_memory(select_frames(run, 1, None).ideal, run.ideal)


def test_selected_frames_equal_those_of_the_whole_run():
    _, frames = images(6)
    run = trajectory_of_atoms(frames, interval_ps=0.002)
    part = select_frames(select_frames(run, 1, None), 1, 4)
    block, same = part.read(1, 3), run.read(3, 5)
    assert (part.n_frames, block.first_frame) == (3, 1)
    assert block.positions.tolist() == same.positions.tolist()
    assert block.forces.tolist() == same.forces.tolist()
    assert block.steps.tolist() == same.steps.tolist()
    with pytest.raises(UsageError, match="frames 2 to 4 are requested of 3"):
        part.read(2, 4)
    every = select_frames(run, 1, None, 2)
    assert every.read(0, 3).positions.tolist() == run.read(0, 6).positions[1::2].tolist()
    assert every.read(1, 3).forces.tolist() == run.read(0, 6).forces[3::2].tolist()
    assert every.interval_ps == pytest.approx(0.004)
    assert every.read(1, 1).positions.shape == (0, *run.read(0, 1).positions.shape[1:])


def test_forces_are_those_before_constraints():
    _, frames = images()
    for image in frames:
        image.set_constraint(FixAtoms([0]))
    assert np.abs(trajectory_of_atoms(frames).read(0, 3).forces[:, 0]).min() > 0.0


def test_forces_may_be_an_array_of_the_atoms():
    _, frames = images()
    for image in frames:
        image.set_array("REF_forces", image.get_forces())
        image.calc = None
    run = trajectory_of_atoms(frames)
    assert run.has_forces
    assert run.read(0, 1).forces[0] == pytest.approx(frames[0].arrays["REF_forces"])


def test_nothing_is_calculated():
    _, frames = images()
    for image in frames:
        image.calc = LennardJones()
    assert not trajectory_of_atoms(frames).has_forces


def test_trajectories_can_be_pickled():
    run = pickle.loads(pickle.dumps(trajectory_of_atoms(images()[1])))
    assert run.read(0, 3).positions.shape == (3, 2, 3)


def test_invalid_atoms_are_refused():
    ideal, frames = images()
    with pytest.raises(DataError, match="list of Atoms is empty"):
        trajectory_of_atoms([])
    with pytest.raises(DataError, match="frame 2 has 4 atoms and frame 0 has 2"):
        trajectory_of_atoms([*frames[:2], frames[2] * (2, 1, 1)])
    with pytest.raises(DataError, match=r"order or kind.*frame 1, atom 0: Cl where.*has Na"):
        trajectory_of_atoms([frames[0], frames[1][[1, 0]]])
    with pytest.raises(DataError, match="the ideal structure has 4 atoms"):
        trajectory_of_atoms(frames, ideal=ideal * (2, 1, 1))
    frames[1].calc = None
    with pytest.raises(DataError, match=r"1 of 3 frames have no forces \(frame 1\)"):
        trajectory_of_atoms(frames)
    frames[0].pbc, frames[0].cell = False, np.zeros((3, 3))
    with pytest.raises(DataError, match=r"the cell has no volume \(frame 0\)"):
        trajectory_of_atoms(frames[:1])


def test_invalid_arrays_are_refused():
    x = np.zeros((4, 2, 3))
    forces = np.zeros((4, 2, 3))
    forces[2, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"forces of atom 1 is not finite \(frame 2\)"):
        trajectory_of_arrays(x, BOX, ["Na", "Cl"], forces=forces)
    with pytest.raises(DataError, match=r"positions have shape \(0, 2, 3\)"):
        trajectory_of_arrays(x[:0], BOX, ["Na", "Cl"])
    with pytest.raises(DataError, match="1 species for 2 atoms"):
        trajectory_of_arrays(x, BOX, ["Na"])
    with pytest.raises(DataError, match=r"MemoryFrames.forces has shape \(3, 2, 3\)"):
        trajectory_of_arrays(x, BOX, ["Na", "Cl"], forces=forces[:3] * 0.0)
    with pytest.raises(UsageError, match="between frames is -1 ps, which is not positive"):
        trajectory_of_arrays(x, BOX, ["Na", "Cl"], interval_ps=-1.0)
    with pytest.raises(UsageError, match="frames 3 to 5 are requested of 4"):
        trajectory_of_arrays(x, BOX, ["Na", "Cl"]).read(3, 5)
