"""Motion does not depend on the order, rotation, shift, wrapping or drift of a run's atoms."""

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import Match, match
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

DATA = Path(__file__).parents[1] / "data"
MATRICES = {
    "diamond": [[-2, 2, 2], [2, -2, 2], [2, 2, -2]],
    "rock salt": [[2, 1, 0], [-1, 2, 1], [0, 1, 3]],
    "bcc": [[3, 1, 0], [0, 3, -1], [1, 0, 3]],
    "wurtzite": [[2, 0, 0], [1, 2, 0], [0, 1, 2]],
    "triclinic": [[2, 1, 0], [0, 2, 0], [-1, 0, 3]],
}
SETTINGS = settings(max_examples=12, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Run:
    """A trajectory in memory, with the fields that a match and a displacement need."""

    cell: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    species: tuple[str, ...]
    moved: np.ndarray
    unwrapped: bool = True
    has_forces: bool = True

    ids = types = masses = ideal = None
    paths = (Path("memory"),)

    @property
    def n_frames(self) -> int:
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    def place(self, frame: int, atom: int) -> str:
        return f"frame {frame}, atom {atom}"

    def read(self, start: int, stop: int) -> FrameBlock:
        return FrameBlock(
            start,
            np.arange(start, stop),
            np.broadcast_to(self.cell, (stop - start, 3, 3)),
            self.positions[start:stop],
            self.velocities[start:stop],
            self.forces[start:stop],
            self.unwrapped,
        )


def ideal_run(crystal: Crystal, matrix: object, rng: np.random.Generator) -> Run:
    supercell = build_supercell(crystal, matrix)
    shape = (9, supercell.n_atoms, 3)
    moved, v, f = rng.normal(0.0, 0.05, shape), rng.normal(size=shape), rng.normal(size=shape)
    return Run(supercell.cell, supercell.positions + moved, v, f, supercell.species, moved)


def turned(run: Run, turn: np.ndarray) -> Run:
    names = ("cell", "positions", "velocities", "forces")
    return replace(run, **{name: getattr(run, name) @ turn for name in names})


def permuted(run: Run, order: np.ndarray) -> Run:
    names = ("positions", "velocities", "forces")
    fields = {name: getattr(run, name)[:, order] for name in names}
    return replace(run, **fields, species=tuple(run.species[a] for a in order))


def folded(run: Run, rng: np.random.Generator) -> Run:
    """Positions wrapped into the box, some displaced by box vectors."""
    reduced = run.positions @ np.linalg.inv(run.cell)
    reduced = reduced - np.floor(reduced) + rng.integers(-2, 3, reduced.shape)
    return replace(run, positions=reduced @ run.cell, unwrapped=False)


def drifted(run: Run, rng: np.random.Generator) -> Run:
    """The crystal moves by more than half a box from frame to frame."""
    way = np.cumsum(rng.normal(0.0, 0.6, (run.n_frames, 1, 3)), axis=0)
    return replace(
        run, positions=run.positions + way @ run.cell, velocities=run.velocities + way
    )


def motion_of(crystal: Crystal, run: Run) -> tuple[Match, MotionBlock]:
    found = match(crystal, run)
    assert_consistent(found)
    return found, Displacer(found)(run.read(0, run.n_frames))


def assert_consistent(found: Match) -> None:
    """Reference, permutation, rotation, shift and box give the same positions."""
    ideal = found.supercell.positions[found.permutation]
    box = found.box @ found.rotation
    apart = (found.reference - found.shift) @ found.rotation - ideal
    reduced = apart @ np.linalg.inv(box)
    # A shift of the sites among themselves is in `relaxation`, none of it rigid.
    assert np.abs((reduced - np.rint(reduced)) @ box).max() < 1e-9
    assert np.abs(found.supercell.cell - box).max() < 1e-9
    assert sorted(found.permutation) == list(range(found.supercell.n_atoms))


def by_file(found: Match, field: np.ndarray) -> np.ndarray:
    """A field (t, a, 3) in the order of the file's atoms, whatever the origin."""
    return field[:, found.permutation]


def assert_same_motion(
    one: tuple[Match, MotionBlock], other: tuple[Match, MotionBlock], tolerance: float = 1e-10
) -> None:
    for field in ("displacements", "velocities", "forces"):
        mine, theirs = (
            by_file(found, getattr(motion, field)) for found, motion in (one, other)
        )
        assert np.abs(mine - theirs).max() < tolerance, field


names = st.sampled_from(sorted(MATRICES))
seeds = st.integers(0, 2**31)


@given(names, seeds)
@SETTINGS
def test_given_motion_is_recovered(crystals, name, seed):
    """The given motion is recovered, without the centre of mass, in the user's frame."""
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = ideal_run(crystal, MATRICES[name], rng)
    found, motion = motion_of(crystal, run)
    assert np.abs(found.rotation - np.eye(3)).max() < 1e-10
    weights = found.supercell.masses[found.permutation][:, None]
    weights = weights / weights.sum()
    for put_in, field in ((run.moved, "displacements"), (run.velocities, "velocities")):
        expected = put_in - (weights * put_in).sum(axis=1, keepdims=True)
        found_ones = by_file(found, getattr(motion, field))
        if field == "displacements":
            # The reference may relax where symmetry allows: the same for all frames.
            found_ones = found_ones + _relaxed(found, weights)
        assert np.abs(found_ones - expected).max() < 1e-10
    net = run.forces.mean(axis=1, keepdims=True)
    assert np.abs(by_file(found, motion.forces) - (run.forces - net)).max() < 1e-10
    assert np.abs(motion.forces.sum(axis=1)).max() < 1e-11


def _relaxed(found: Match, weights: np.ndarray) -> np.ndarray:
    """Displacement (a, 3) of each atom's site, without the centre of mass."""
    moved = found.relaxation[found.permutation % found.supercell.crystal.n_sites]
    return moved - (weights * moved).sum(axis=0)


@given(names, seeds)
@SETTINGS
def test_order_of_atoms_does_not_matter(crystals, name, seed):
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = ideal_run(crystal, MATRICES[name], rng)
    found, motion = motion_of(crystal, run)
    order = rng.permutation(run.n_atoms)
    again, there = motion_of(crystal, permuted(run, order))
    assert again.residual_rms == pytest.approx(found.residual_rms, abs=1e-10)
    mine = by_file(found, motion.displacements)[:, order]
    assert np.abs(by_file(again, there.displacements) - mine).max() < 1e-10


@given(names, seeds)
@SETTINGS
def test_shift_folding_and_drift_do_not_matter(crystals, name, seed):
    """With one match, and with a match of their own."""
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = ideal_run(crystal, MATRICES[name], rng)
    found, motion = motion_of(crystal, run)
    moving = drifted(replace(run, positions=run.positions + rng.normal(0.0, 9.0, 3)), rng)
    for other in (moving, folded(run, rng), folded(moving, rng)):
        block = other.read(0, other.n_frames)
        assert_same_motion((found, motion), (found, Displacer(found)(block)))
        assert_same_motion((found, motion), motion_of(crystal, other))


@given(names, seeds)
@SETTINGS
def test_rotation_matters_by_a_symmetry_only(crystals, name, seed):
    """Motion is in the user's frame, which is unique for the triclinic crystal."""
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = ideal_run(crystal, MATRICES[name], rng)
    found, motion = motion_of(crystal, run)
    turn = Rotation.random(random_state=seed % 2**32).as_matrix()
    again, there = motion_of(crystal, turned(run, turn))
    assert again.residual_rms == pytest.approx(found.residual_rms, abs=1e-10)
    assert np.abs(again.strain).max() < 1e-10
    assert np.linalg.det(again.rotation) == pytest.approx(1.0)
    operations = space_group(crystal, tolerance=1e-3).cartesian
    # (g,) largest difference when C turns one into the other
    mine, theirs = by_file(found, motion.displacements), by_file(again, there.displacements)
    worst = [np.abs(mine @ c.T - theirs).max() for c in operations]
    assert min(worst) < 1e-10
    if name == "triclinic":
        assert np.abs(again.rotation - turn.T).max() < 1e-10
        assert (again.supercell.matrix == found.supercell.matrix).all()


@given(names, seeds)
@SETTINGS
def test_choice_of_primitive_vectors_does_not_matter(crystals, name, seed):
    """The same crystal in a skewed cell, its sites in other cells."""
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = ideal_run(crystal, MATRICES[name], rng)
    found, motion = motion_of(crystal, run)
    basis = np.array([[1, 2, 0], [0, 1, 0], [-1, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    )
    sites = crystal.sites @ np.linalg.inv(basis) + rng.integers(-2, 3, (crystal.n_sites, 3))
    skewed = replace(crystal, cell=basis @ crystal.cell, sites=sites)
    again, there = motion_of(skewed, run)
    assert (again.supercell.matrix @ basis == found.supercell.matrix).all()
    assert_same_motion((found, motion), (again, there))


@given(names, seeds)
@SETTINGS
def test_strain_is_found(crystals, name, seed):
    crystal, rng = crystals[name], np.random.default_rng(seed)
    strain = rng.uniform(-0.015, 0.015, (3, 3))
    strain = 0.5 * (strain + strain.T)
    stretched = replace(crystal, cell=crystal.cell @ (np.eye(3) + strain))
    run = ideal_run(stretched, MATRICES[name], rng)
    found = match(crystal, run)
    largest = np.linalg.eigvalsh(strain)
    assert np.linalg.eigvalsh(found.strain) == pytest.approx(largest, abs=1e-10)
    inside = found.supercell.cell @ found.rotation.T
    assert np.abs(inside - run.cell).max() < 1e-10


@given(names, seeds, st.integers(1, 8))
@SETTINGS
def test_blocks_do_not_matter(crystals, name, seed, cut):
    crystal, rng = crystals[name], np.random.default_rng(seed)
    run = folded(drifted(ideal_run(crystal, MATRICES[name], rng), rng), rng)
    displacer = pickle.loads(pickle.dumps(Displacer(match(crystal, run))))
    whole = displacer(run.read(0, run.n_frames))
    parts = [displacer(run.read(0, cut)), displacer(run.read(cut, run.n_frames))]
    assert parts[1].first_frame == cut
    for field in ("displacements", "velocities", "forces"):
        joined = np.concatenate([getattr(part, field) for part in parts])
        assert np.array_equal(joined, getattr(whole, field))


def test_restricted_and_general_triclinic_are_one_motion():
    """LAMMPS wrote one run in its own frame and in the user's."""
    cell = 2.63 * np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    crystal = Crystal(cell, np.full((1, 3), 0.1), ("Ar",), np.array([39.948 * DALTON]))
    blocks: list[tuple[Match, MotionBlock]] = []
    for name in ("match_t_restricted.lammpstrj", "match_t_general.lammpstrj"):
        run = open_trajectory(DATA / name, ReadOptions(units="metal", timestep_fs=2.0))
        found = match(crystal, run)
        assert (found.supercell.matrix == 3 * np.eye(3)).all()
        blocks.append((found, Displacer(found)(run.read(0, run.n_frames))))
    (turned_one, _), (plain_one, _) = blocks
    assert np.abs(plain_one.rotation - np.eye(3)).max() < 1e-9
    assert np.abs(turned_one.rotation - np.eye(3)).max() > 0.1
    assert_same_motion(*blocks, tolerance=1e-9)
