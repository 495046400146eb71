"""The Eckart frame: rigid motion is removed exactly, and vibrations are recovered."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.molecules.eckart import (
    best_rotations,
    eckart_frame,
    parallel_angles,
    rotations_about,
    shortest_rotations,
)
from trajmodes.molecules.geometry import bond_tree, centred, isolated, rigid_motions
from trajmodes.molecules.reference import follow_axis, molecule_reference
from trajmodes.readers.arrays import trajectory_of_arrays, trajectory_of_atoms
from trajmodes.units import DALTON

NO_BOX = np.full((3, 3), np.nan)
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
CARBON_DIOXIDE = np.array([[0.3, 1.0, 2.0], [1.1, 1.6, 2.6], [-0.5, 0.4, 1.4]])
MASSES = {"H": 1.008, "C": 12.011, "O": 15.999, "Cu": 63.546}
SHAPES = {
    "bent": ("O H H", WATER),
    "linear": ("C O O", CARBON_DIOXIDE),
    "two": ("C O", CARBON_DIOXIDE[:2]),
    "one": ("O", WATER[:1]),
    "bulky": ("Cu Cu C O H", np.random.default_rng(1).normal(size=(5, 3)) * 2.5),
}


def molecule_of(shape):
    names, positions = SHAPES[shape]
    species = tuple(names.split())
    masses = np.array([MASSES[name] for name in species]) * DALTON
    return isolated(species, positions, masses)


def block_of(positions, velocities=None, forces=None, cell=NO_BOX, first=0):
    n = len(positions)
    cells = np.broadcast_to(cell, (n, 3, 3))
    return FrameBlock(
        first,
        np.arange(first, first + n),
        cells,
        positions,
        velocities,
        forces,
        unwrapped=False,
    )


def internal(molecule, n_frames, size, rng):
    """Motion (t, a, 3) that obeys the Eckart conditions."""
    root = np.sqrt(molecule.masses)[:, None]
    rigid = rigid_motions(molecule)
    flat = rng.normal(size=(n_frames, 3 * molecule.n_atoms))
    flat -= flat @ rigid.T @ rigid
    return size * flat.reshape(n_frames, -1, 3) / root * np.sqrt(DALTON)


def tumbling(molecule, u, w, rng):
    """Frames with displacements u and internal velocities w, moved and rotated at random."""
    n = len(u)
    turns = Rotation.random(n, random_state=int(rng.integers(1 << 30))).as_matrix()
    spin, speed = rng.normal(size=(2, n, 3))
    y = centred(molecule.positions, molecule.masses) + u
    lab = np.einsum("txy,tay->tax", turns, y)
    positions = lab + 30.0 * rng.normal(size=(n, 1, 3))
    velocities = np.einsum("txy,tay->tax", turns, w) + np.cross(spin[:, None], lab)
    return positions, velocities + speed[:, None], turns


@pytest.mark.parametrize("shape", ["bent", "bulky"])
def test_motion_is_recovered_from_moved_and_rotated_frames(shape):
    molecule, rng = molecule_of(shape), np.random.default_rng(3)
    u, w = internal(molecule, 40, 0.05, rng), internal(molecule, 40, 2.0, rng)
    positions, velocities, turns = tumbling(molecule, u, w, rng)
    f = rng.normal(size=u.shape)
    f -= f.mean(axis=1, keepdims=True)
    forces = np.einsum("txy,tay->tax", turns, f)
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(positions, velocities, forces))
    np.testing.assert_allclose(motion.displacements, u, atol=1e-10)
    np.testing.assert_allclose(motion.velocities, w, atol=1e-10)
    np.testing.assert_allclose(motion.forces, f, atol=1e-10)


def test_eckart_conditions_hold_for_any_motion():
    molecule, rng = molecule_of("bulky"), np.random.default_rng(5)
    positions = molecule.positions + 0.1 * rng.normal(size=(30, 5, 3))
    velocities = rng.normal(size=(30, 5, 3))
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(positions, velocities))
    weighted = molecule.masses[:, None] * centred(molecule.positions, molecule.masses)
    for field in (motion.displacements, motion.velocities):
        assert np.abs(np.einsum("a,tax->tx", molecule.masses, field)).max() < 1e-14
        assert np.abs(np.cross(weighted, field).sum(axis=1)).max() < 1e-13


def test_velocity_is_the_derivative_of_the_displacement():
    molecule, rng = molecule_of("bulky"), np.random.default_rng(6)
    start, speed = molecule.positions, 5.0 * rng.normal(size=(5, 3))
    step = 1e-4
    times = np.arange(-2, 3)[:, None, None] * step
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(start + 0.1 + times * speed, np.broadcast_to(speed, (5, 5, 3))))
    slope = (motion.displacements[3] - motion.displacements[1]) / (2.0 * step)
    np.testing.assert_allclose(motion.velocities[2], slope, atol=1e-5)


def test_rotations_are_proper_and_least_squares():
    molecule, rng = molecule_of("bulky"), np.random.default_rng(7)
    about = centred(molecule.positions, molecule.masses)
    places = centred(about + 0.2 * rng.normal(size=(20, 5, 3)), molecule.masses)
    turns, gap = best_rotations(places, about, molecule.masses)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-12)
    assert gap.min() > 0.01

    def misfit(matrices):
        apart = np.einsum("txy,tay->tax", matrices, places) - about
        return np.einsum("a,tax->t", molecule.masses, apart**2)

    nudge = Rotation.from_rotvec(1e-3 * rng.normal(size=(20, 3))).as_matrix()
    assert (misfit(nudge @ turns) > misfit(turns)).all()


def test_linear_molecule_is_parallel_transported():
    molecule, rng = molecule_of("linear"), np.random.default_rng(8)
    bare = eckart_frame(molecule, bond_tree(molecule.positions))
    n = 400
    # One bend in a plane that is fixed in the molecule, while it tumbles about a fixed axis
    # across itself: parallel transport keeps the plane of the bend.
    line = bare.line
    across = np.cross(line, [0.3, -0.2, 0.9])
    across /= np.linalg.norm(across)
    bend = np.einsum("a,x->ax", [1.0, *(-0.5 * MASSES["C"] / MASSES["O"],) * 2], across)
    u = 0.1 * np.sin(np.arange(n) * 0.3)[:, None, None] * bend
    w = internal(molecule, n, 1.0, rng)
    axis = np.cross(line, [1.0, 0.2, 0.1])
    turns = Rotation.from_rotvec(
        0.05 * np.arange(n)[:, None] * axis / np.linalg.norm(axis)
    ).as_matrix()
    y = centred(molecule.positions, molecule.masses) + u
    positions = np.einsum("txy,tay->tax", turns, y) + 4.0
    spin = rng.normal(size=(n, 3))
    velocities = np.einsum(
        "txy,tay->tax", turns, w + np.cross(_no_axial(spin, line)[:, None], y)
    )
    trajectory = trajectory_of_arrays(
        positions, 500.0 * np.eye(3), molecule.species, velocities=velocities
    )
    frame = follow_axis(bare, trajectory)
    motion = frame(trajectory.read(0, n))
    # The first frame is turned by the shortest way, which fixes one angle for all.
    turn, _ = Rotation.align_vectors(
        np.vstack([motion.displacements[5, 0], line]), np.vstack([u[5, 0], line])
    )
    np.testing.assert_allclose(motion.displacements, u @ turn.as_matrix().T, atol=1e-10)
    np.testing.assert_allclose(motion.velocities, w @ turn.as_matrix().T, atol=1e-10)
    parts = [frame(trajectory.read(a, b)) for a, b in ((0, 7), (7, 250), (250, n))]
    joined = np.concatenate([part.displacements for part in parts])
    np.testing.assert_allclose(joined, motion.displacements, atol=1e-13)


def _no_axial(spin, line):
    return spin - np.outer(spin @ line, line)


def test_parallel_angles_of_opposite_directions_are_defined():
    line = np.array([0.0, 0.6, 0.8])
    angles = np.linspace(0.0, 2.0 * np.pi, 41)  # passes −line exactly
    across = np.array([0.0, 0.8, -0.6])
    heads = np.cos(angles)[:, None] * line + np.sin(angles)[:, None] * across
    turns = rotations_about(line, parallel_angles([heads], line)) @ shortest_rotations(
        heads, line
    )
    np.testing.assert_allclose(
        turns @ turns.swapaxes(1, 2), np.tile(np.eye(3), (41, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(
        np.einsum("txy,ty->tx", turns, heads), np.tile(line, (41, 1)), atol=1e-12
    )
    # What is across the plane of the tumbling never moves.
    np.testing.assert_allclose(
        turns @ [1.0, 0.0, 0.0], np.tile([1.0, 0.0, 0.0], (41, 1)), atol=1e-9
    )


@pytest.mark.parametrize(
    ("shape", "external"), [("bent", 6), ("linear", 5), ("two", 5), ("one", 3)]
)
def test_external_motions_are_counted(shape, external):
    molecule = molecule_of(shape)
    rows = rigid_motions(molecule)
    assert len(rows) == external
    np.testing.assert_allclose(rows @ rows.T, np.eye(external), atol=1e-12)


@pytest.mark.parametrize("shape", ["two", "one"])
def test_molecules_of_one_and_two_atoms(shape):
    molecule, rng = molecule_of(shape), np.random.default_rng(9)
    u, w = internal(molecule, 10, 0.03, rng), internal(molecule, 10, 1.0, rng)
    positions, velocities, _ = tumbling(molecule, u, w, rng)
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(positions, velocities))
    np.testing.assert_allclose(
        np.linalg.norm(motion.displacements, axis=2), np.linalg.norm(u, axis=2), atol=1e-12
    )
    assert np.abs(motion.velocities).max() < (10.0 if shape == "two" else 1e-12)


def test_molecules_cut_by_periodic_boundaries_are_made_whole():
    molecule, rng = molecule_of("bent"), np.random.default_rng(10)
    box = np.array([[5.0, 0.0, 0.0], [1.0, 5.5, 0.0], [0.0, -1.0, 6.0]])
    u = internal(molecule, 200, 0.05, rng)
    positions, _, _ = tumbling(molecule, u, u, rng)
    reduced = positions @ np.linalg.inv(box)
    folded = (reduced - np.floor(reduced)) @ box
    assert np.abs(np.diff(folded, axis=1)).max() > 3.0  # some are cut
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(folded, cell=box))
    np.testing.assert_allclose(motion.displacements, u, atol=1e-10)


def test_a_tight_box_without_periodicity_has_no_effect():
    # ASE writes a Lattice for a molecule centred in a box, pbc "F F F": here it is so tight
    # that nearest images would fold the bond away.
    molecule = molecule_of("two")
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    motion = frame(block_of(molecule.positions[None], cell=1.2 * np.eye(3)))
    assert np.abs(motion.displacements).max() < 1e-12


@pytest.mark.parametrize("shape", ["bent", "two", "bulky"])
def test_box_of_the_first_frame_decides_about_periodic_links(shape):
    molecule = molecule_of(shape)
    places = molecule.positions

    def lengths(positions, box):
        return np.sort(bond_tree(positions, box).lengths)

    expected = lengths(places, None)
    # Wrapped tightly around the molecule, as LAMMPS does with boundaries s or m.
    tight = np.diag(np.ptp(places, axis=0) + 0.02)
    np.testing.assert_allclose(lengths(places, tight), expected)
    # In a roomy box it is cut by a wall.
    box = 25.0 * np.eye(3)
    cut = (places - places[0] + [0.1, 24.9, 12.0]) % 25.0
    assert np.ptp(cut, axis=0).max() > 20.0
    np.testing.assert_allclose(lengths(cut, box), expected)


def test_broken_bond_is_refused():
    molecule = molecule_of("bent")
    positions = np.tile(molecule.positions, (3, 1, 1))
    positions[2, 1, 1] += 3.0
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    with pytest.raises(
        DataError, match=r"atoms 0 and 1 are 3\.8\d Å apart, but 0\.97 Å in the reference"
    ):
        frame(block_of(positions))


def test_exchanged_atoms_are_refused():
    molecule = molecule_of("bulky")
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 2.0, 0], [0, 2, 0], [1, 1, 2.0]])
    pyramid = isolated(molecule.species, square, molecule.masses)
    frame = eckart_frame(pyramid, bond_tree(square))
    swapped = square[None, [1, 0, 2, 3, 4]]
    with pytest.raises(DataError, match=r"atom \d is .* Å from its site, nearest to that of"):
        frame(block_of(swapped))


def test_numbers_that_are_not_finite_are_refused():
    molecule = molecule_of("bent")
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    positions = np.tile(molecule.positions, (4, 1, 1))
    forces = np.zeros((4, 3, 3))
    forces[2, 1, 0] = np.inf
    with pytest.raises(DataError, match=r"the force of atom 1 is not finite \(frame 2, step 2"):
        frame(block_of(positions, forces=forces))
    positions[3, 2, 1] = np.nan
    with pytest.raises(DataError, match="the position of atom 2 is not finite"):
        frame(block_of(positions))


def test_missing_atoms_are_refused():
    molecule = molecule_of("bent")
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    with pytest.raises(DataError, match="a frame has 2 atoms, but the reference has 3"):
        frame(block_of(molecule.positions[None, :2]))


def test_molecule_without_defined_orientation_is_refused():
    # A bent molecule stretched to a straight one has no angle about its line.
    molecule = molecule_of("bent")
    straight = np.outer([0.0, 1.0, -1.0], [0.0, 0.9, 0.0])
    frame = eckart_frame(molecule, bond_tree(straight))
    with pytest.raises(DataError, match="so distorted that its orientation is not defined"):
        frame(block_of(straight[None]))


class TestReference:
    """The reference from a file, or as the average."""

    def trajectory(self, shape="bent", n=300, size=0.03, **settings):
        molecule, rng = molecule_of(shape), np.random.default_rng(11)
        u = internal(molecule, n, size, rng)
        positions, _, _ = tumbling(molecule, u - u.mean(axis=0), u, rng)
        return molecule, trajectory_of_arrays(
            positions, 1000.0 * np.eye(3), molecule.species, **settings
        )

    def test_average_is_the_equilibrium_structure(self):
        molecule, trajectory = self.trajectory()
        frame, notes = molecule_reference(trajectory, molecule.species)
        mean = frame.molecule.positions

        def distances(x):
            return np.linalg.norm(x[:, None] - x, axis=2)

        np.testing.assert_allclose(distances(mean), distances(molecule.positions), atol=2e-3)
        again = frame(trajectory.read(0, 300)).displacements
        assert np.abs(again.mean(axis=0)).max() < 1e-10
        assert "the average structure of all frames" in str(notes[0])

    def test_linear_on_average(self):
        molecule, trajectory = self.trajectory("linear", size=0.06)
        frame, notes = molecule_reference(trajectory, molecule.species)
        assert frame.line is not None
        assert len(rigid_motions(frame.molecule)) == 5
        assert "linear on average" in " ".join(map(str, notes))

    def test_bent_on_average(self):
        molecule, trajectory = self.trajectory("bent", size=0.06)
        assert molecule_reference(trajectory, molecule.species)[0].line is None

    def test_file(self, tmp_path):
        molecule, trajectory = self.trajectory()
        rows = [
            f"{s} {x} {y} {z}" for s, (x, y, z) in zip(molecule.species, WATER, strict=True)
        ]
        path = tmp_path / "mol.xyz"
        path.write_text("\n".join(["3", "", *rows]) + "\n")
        frame, notes = molecule_reference(trajectory, molecule.species, path)
        np.testing.assert_allclose(frame.molecule.positions, WATER, atol=1e-12)
        assert notes == ()

    @pytest.mark.parametrize(
        ("rows", "text"),
        [
            (["H 0 0 0", "O 0 0 1", "H 1 0 0"], "not in the order of the trajectory"),
            (["O 0 0 0", "H 0 0 1"], "the reference is HO, but the trajectory is H2O"),
        ],
    )
    def test_other_atoms_are_refused(self, tmp_path, rows, text):
        molecule, trajectory = self.trajectory(n=3)
        path = tmp_path / "mol.xyz"
        path.write_text("\n".join([str(len(rows)), "", *rows]) + "\n")
        with pytest.raises(DataError, match=text):
            molecule_reference(trajectory, molecule.species, path)

    def test_missing_file_is_refused(self, tmp_path):
        molecule, trajectory = self.trajectory(n=3)
        with pytest.raises(UsageError, match="reference file does not exist"):
            molecule_reference(trajectory, molecule.species, tmp_path / "none.xyz")
        (tmp_path / "bad.xyz").write_text("nonsense\n")
        with pytest.raises(UsageError, match="ASE cannot read the reference file"):
            molecule_reference(trajectory, molecule.species, tmp_path / "bad.xyz")

    def test_unknown_element_is_refused(self):
        _, trajectory = self.trajectory(n=3)
        with pytest.raises(DataError, match="X is not a chemical element"):
            molecule_reference(trajectory, ("X", "H", "H"))

    def test_coinciding_atoms_are_refused(self):
        with pytest.raises(DataError, match="atoms 0 and 2 coincide"):
            bond_tree(WATER[[0, 1, 0]])


def test_frames_in_memory_need_no_box():
    arrays = trajectory_of_arrays(WATER[None], None, ("O", "H", "H"))
    images = trajectory_of_atoms([Atoms("OHH", WATER)], isolated=True)
    for trajectory in (arrays, images):
        assert np.isnan(trajectory.read(0, 1).cells).all()
        frame = molecule_reference(trajectory, trajectory.species)[0]
        assert np.abs(frame(trajectory.read(0, 1)).displacements).max() < 1e-12
    with pytest.raises(DataError, match="the cell has no volume"):
        trajectory_of_atoms([Atoms("OHH", WATER)])


@pytest.mark.parametrize(
    "comment",
    [
        "",
        'Properties=species:S:1:pos:R:3 pbc="F F F"',
        'Lattice="2 0 0 0 2 0 0 0 2" Properties=species:S:1:pos:R:3 pbc="F F F"',
    ],
    ids=["plain", "extended", "tight box"],
)
def test_files_without_box(tmp_path, comment):
    path = tmp_path / "run.xyz"
    rows = [f"{s} {x} {y} {z}" for s, (x, y, z) in zip("OHH", WATER, strict=True)]
    path.write_text("\n".join(["3", comment, *rows] * 2) + "\n")
    trajectory = open_trajectory(path, isolated=True)
    assert np.isfinite(trajectory.read(0, 2).cells).all() == ("Lattice" in comment)
    # Notes on the box are left out of the results of molecules.
    assert all(note.subject == "box" for note in trajectory.notes if "pbc" in note.text)
    frame, _ = molecule_reference(trajectory, trajectory.species)
    assert np.abs(frame(trajectory.read(0, 2)).displacements).max() < 1e-12
    if "Lattice" not in comment:
        with pytest.raises(UsageError, match="frame 0 has no cell"):
            open_trajectory(path)


def test_uniform_acceleration_is_subtracted_from_the_forces():
    """A uniform acceleration excites no vibration and is subtracted from the forces."""
    molecule, rng = molecule_of("bulky"), np.random.default_rng(8)
    u = internal(molecule, 10, 0.05, rng)
    positions, _, turns = tumbling(molecule, u, u, rng)
    own = rng.normal(size=u.shape)
    own -= own.mean(axis=1, keepdims=True)
    pull = molecule.masses[:, None] * rng.normal(size=(10, 1, 3)) / molecule.masses.mean()
    forces = np.einsum("txy,tay->tax", turns, own) + pull
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    np.testing.assert_allclose(frame(block_of(positions, None, forces)).forces, own, atol=1e-10)
