"""From frames to motion: drift, net force, refused frames."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match


@pytest.fixture(scope="module")
def run(crystals, einstein):
    return einstein(crystals["rock salt"], [[2, 1, 0], [-1, 2, 1], [0, 1, 3]])


@pytest.fixture(scope="module")
def displacer(crystals, run):
    return Displacer(match(crystals["rock salt"], run))


def test_forces_are_proportional_to_displacements_of_oscillators(run, displacer):
    """F = −M ω² u of an oscillator holds, up to the means that are subtracted."""
    motion = displacer(run.read(0, 5))
    masses = displacer.match.supercell.masses[:, None]
    expected = -masses * (2.0 * np.pi * 8.0) ** 2 * motion.displacements
    # The reference is the user's crystal: no coordinate of rock salt is free to relax.
    assert motion.forces == pytest.approx(expected, abs=1e-9)


def test_drift_and_net_force_are_returned(run, displacer):
    n_frames, box = run.n_frames, run.cells[0]
    way = np.linspace(0.0, 0.4, n_frames)[:, None, None] * box[0]
    push = np.array([0.01, 0.0, -0.02])
    moved = replace(
        run,
        positions=run.positions + way,
        velocities=run.velocities + push,
        forces=run.forces + push,
    )
    still, plain = displacer.measure(run.read(0, n_frames))
    motion, figures = displacer.measure(moved.read(0, n_frames))
    assert figures.drift - plain.drift == pytest.approx(way[:, 0], abs=1e-9)
    assert figures.drift_velocity - plain.drift_velocity == pytest.approx(
        np.tile(push, (n_frames, 1))
    )
    assert figures.net_force - plain.net_force == pytest.approx(
        np.tile(push * run.n_atoms, (n_frames, 1)), abs=1e-9
    )
    assert figures.farthest == pytest.approx(plain.farthest, abs=1e-9)
    assert figures.farthest[3] == pytest.approx(
        np.linalg.norm(motion.displacements[3], axis=1).max()
    )
    assert motion.velocities == pytest.approx(still.velocities, abs=1e-9)


def test_absent_fields_stay_absent(run, displacer):
    bare = replace(run, velocities=None, forces=None).read(2, 4)
    motion, figures = displacer.measure(bare)
    assert motion.first_frame == 2
    assert motion.velocities is None
    assert motion.forces is None
    assert figures.net_force is None


def test_drift_is_weighted_by_mass(run, displacer):
    """If one heavy atom moves, the others move back by its share of the mass."""
    frame = run.read(0, 1)
    heavy = int(np.argmax(displacer.match.supercell.masses[displacer.match.permutation]))
    positions = frame.positions.copy()
    positions[0, heavy, 0] += 0.1
    change = (
        displacer(replace(frame, positions=positions)).displacements
        - displacer(frame).displacements
    )
    masses = displacer.match.supercell.masses
    share = masses[displacer.match.permutation[heavy]] / masses.sum()
    other = displacer.match.permutation[heavy - 1]
    assert change[0, other, 0] == pytest.approx(-0.1 * share, abs=1e-12)


def test_hopped_atom_is_named(run, displacer):
    positions = run.positions.copy()
    positions[7, 4] += [1.4, 2.1, 0.0]
    block = replace(run, positions=positions).read(5, 9)
    with pytest.raises(
        DataError, match=r"atom 105 is 2.\d+ Å from its site \(frame 7, step 35"
    ):
        displacer(block)


def test_nan_is_not_a_small_displacement(run, displacer):
    positions = run.positions.copy()
    positions[1, 4, 2] = np.nan
    with pytest.raises(DataError, match=r"is nan Å from its site \(frame 1"):
        displacer(replace(run, positions=positions).read(0, 2))


def test_other_box_is_refused(run, displacer):
    cells = run.cells.copy()
    cells[3] *= 1.00001
    with pytest.raises(DataError, match=r"differs from that of the match by 1.00e-05"):
        displacer(replace(run, cells=cells).read(0, 6))


def test_other_number_of_atoms_is_refused(crystals, einstein, displacer):
    other = einstein(crystals["rock salt"], 2 * np.eye(3, dtype=int))
    with pytest.raises(DataError, match="a frame has 16 atoms, but the match has 26"):
        displacer(other.read(0, 1))
