"""Laws of molecular vibrations, from frames to frequencies and energies."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.vibrations import Vibrations
from scipy.spatial.transform import Rotation

from trajmodes.molecules.eckart import eckart_frame
from trajmodes.molecules.geometry import bond_tree, isolated, vibrational_space
from trajmodes.molecules.hessian import hessian_reduction, pairs_of_hessian
from trajmodes.molecules.normal_modes import mode_table, normal_modes
from trajmodes.molecules.reference import follow_axis, molecule_reference
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.streaming.reduction import Together, Transformed
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.translations import half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ, WAVENUMBER

KELVIN = 50.0
STEP_PS = 0.001
BOX = 1000.0 * np.eye(3)


def harmonic_run(n_frames, seed=0):
    """A bent molecule with exactly harmonic internal motion, which drifts and rotates.

    Every vibration has the energy k_BT; all frequencies are whole numbers of THz, and the run
    is 5 ps long, so that time means over it are exact.
    """
    rng = np.random.default_rng(seed)
    positions = np.array(
        [[0.0, 0.0, 0.1], [0.0, 0.8, -0.5], [0.3, -0.8, -0.5], [1.2, 0.1, 0.4]]
    )
    molecule = isolated(("O", "H", "C", "N"), positions, np.array([16.0, 1, 12, 14]) * DALTON)
    space = vibrational_space(molecule)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    vectors = turn @ space
    omega = np.array([11.0, 14.0, 20.0, 31.0, 47.0, 50.0]) * THZ
    times = np.arange(n_frames) * STEP_PS
    angle = np.outer(times, omega) + rng.uniform(0.0, 2.0 * np.pi, 6)
    q = np.sqrt(2.0 * BOLTZMANN * KELVIN) / omega * np.cos(angle)
    p = -np.sqrt(2.0 * BOLTZMANN * KELVIN) * np.sin(angle)
    root = np.repeat(np.sqrt(molecule.masses), 3)

    def field(rows):
        return rows.reshape(n_frames, -1, 3)

    u, w = field(q @ vectors / root), field(p @ vectors / root)
    f = field(-(q * omega**2) @ vectors * root)
    spin = np.array([3.0, -5.0, 8.0])  # rad/ps: half a turn in the run, and more
    lab = Rotation.from_rotvec(times[:, None] * spin).as_matrix()
    y = u + positions - molecule.masses @ positions / molecule.masses.sum()
    turned = np.einsum("txy,tay->tax", lab, y)
    drift = np.array([10.0, -20.0, 5.0])
    places = turned + times[:, None, None] * drift
    speeds = np.einsum("txy,tay->tax", lab, w) + np.cross(spin, turned) + drift
    forces = np.einsum("txy,tay->tax", lab, f)
    trajectory = trajectory_of_arrays(
        places,
        BOX,
        molecule.species,
        velocities=speeds,
        forces=forces,
        masses_da=molecule.masses / DALTON,
        interval_ps=STEP_PS,
    )
    return molecule, omega, trajectory


def analysed(molecule, trajectory):
    """Modes and energies of a run about a reference."""
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    blocks = cut_blocks(trajectory.segments, 30 * trajectory.n_atoms)

    def read(start, stop):
        return frame(trajectory.read(start, stop))

    constants = stream(read, blocks, hessian_reduction(molecule, trajectory.n_frames))
    modes = normal_modes(molecule, constants)
    projector = Projector(half_space(molecule), modes)
    parts = {"energies": EnergyReduction(projector, trajectory.n_frames)}
    found = stream(read, blocks, Transformed(projector.project, Together(parts)))
    return modes, found["energies"]


def test_rotating_molecule_has_its_frequencies_and_energies():
    molecule, omega, trajectory = harmonic_run(5000)
    modes, energies = analysed(molecule, trajectory)
    np.testing.assert_allclose(modes.omega[0, 6:], omega, rtol=1e-8)
    half = 0.5 * BOLTZMANN * KELVIN
    for energy in (energies.kinetic, energies.potential, energies.virial):
        np.testing.assert_allclose(energy, half, rtol=1e-6)
    np.testing.assert_allclose(energies.omega_ratio, omega, rtol=1e-6)
    assert energies.temperature == pytest.approx(KELVIN, rel=1e-6)


def test_rigid_motion_of_every_frame_changes_nothing():
    molecule, _, trajectory = harmonic_run(600)
    block = trajectory.read(0, 600)
    rng = np.random.default_rng(4)
    turns = Rotation.random(600, random_state=5).as_matrix()
    spin, speed, place = rng.normal(size=(3, 600, 1, 3)) * 10.0

    def turned(field):
        return np.einsum("txy,tay->tax", turns, field)

    moved = turned(block.positions - block.positions.mean(axis=1, keepdims=True))
    other = trajectory_of_arrays(
        moved + place,
        BOX,
        molecule.species,
        velocities=turned(block.velocities) + np.cross(spin, moved) + speed,
        forces=turned(block.forces),
        masses_da=molecule.masses / DALTON,
        interval_ps=STEP_PS,
    )
    (one, left), (two, right) = analysed(molecule, trajectory), analysed(molecule, other)
    np.testing.assert_allclose(two.omega, one.omega, rtol=1e-10, atol=1e-9)
    for name in ("kinetic", "potential", "virial", "omega_ratio"):
        np.testing.assert_allclose(getattr(right, name), getattr(left, name), rtol=1e-10)


def test_file_and_fit_agree():
    molecule, _, trajectory = harmonic_run(400)
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    reduction = hessian_reduction(molecule, 400)
    fitted = reduction.finalize(reduction.chunk(frame(trajectory.read(0, 400))))
    modes = normal_modes(molecule, fitted)
    vectors = modes.vectors[0].real.reshape(12, 12)
    root = np.repeat(np.sqrt(molecule.masses), 3)
    hessian = root[:, None] * (vectors.T * modes.omega[0] ** 2 @ vectors) * root
    again = normal_modes(molecule, pairs_of_hessian(molecule, hessian))
    np.testing.assert_allclose(again.omega, modes.omega, rtol=1e-9)


def carbon_dioxide_run(n_frames, spin, every=6, step_ps=0.0005):
    """Cold, rotating O=C=O by velocity Verlet: stiff bonds, bending ½κ|x_O + x_O' − 2x_C|².

    Returns the reference, lying in another direction, the four frequencies, and the run.
    """
    masses = np.array([12.011, 15.999, 15.999])[:, None] * DALTON
    stretch, bend, length = 90.0, 2.5, 1.16
    middle, apart = np.array([[-2.0, 1.0, 1.0], [0.0, 1.0, -1.0]])[:, :, None]

    def force(x):
        bonds = x[1:] - x[0]
        sizes = np.linalg.norm(bonds, axis=1, keepdims=True)
        pull = stretch * (sizes - length) * bonds / sizes
        bent = bend * (x[1] + x[2] - 2.0 * x[0])
        return np.concatenate([pull.sum(axis=0)[None], -pull]) - middle * bent

    axis, across = np.array([0.48, 0.6, 0.64]), np.array([0.8, 0.0, -0.6])
    x = length * apart * axis
    # Tumbling about an axis that is across, by `spin` in rad/ps, and all four vibrations.
    direction = 0.3 * across + 0.2 * np.cross(axis, across) + 0.5 * axis
    v = np.cross(spin * across, x) + middle * direction * DALTON / masses + 0.2 * apart * axis
    f, kept = force(x), []
    for step in range(n_frames * every):
        if step % every == 0:
            kept.append((x, v, f))
        v = v + 0.5 * step_ps * f / masses
        x = x + step_ps * v
        f = force(x)
        v = v + 0.5 * step_ps * f / masses
    places, speeds, forces = map(np.array, zip(*kept, strict=True))
    trajectory = trajectory_of_arrays(
        places,
        None,
        ("C", "O", "O"),
        velocities=speeds,
        forces=forces,
        masses_da=masses[:, 0] / DALTON,
        interval_ps=every * step_ps,
    )
    carbon, oxygen = masses[:2, 0]
    ratio = masses.sum() / (carbon * oxygen)
    bends = np.sqrt(2.0 * bend * ratio)
    omega = [bends, bends, np.sqrt(stretch / oxygen), np.sqrt((stretch + 2.0 * bend) * ratio)]
    reference = isolated(
        ("C", "O", "O"), length * apart * np.array([0.0, 0.0, 1.0]), masses[:, 0]
    )
    return reference, np.array(omega), trajectory


def test_linear_molecule_has_five_external_motions():
    molecule, omega, trajectory = carbon_dioxide_run(2000, spin=1.0)
    frame = follow_axis(eckart_frame(molecule, bond_tree(molecule.positions)), trajectory)
    reduction = hessian_reduction(molecule, 2000)
    constants = reduction.finalize(reduction.chunk(frame(trajectory.read(0, 2000))))
    modes = normal_modes(molecule, constants)
    assert (modes.sets[0] == -1).sum() == 5
    np.testing.assert_allclose(modes.omega[0, 5:], omega, rtol=1e-3)


@pytest.mark.parametrize("followed", [True, False])
def test_bending_of_a_rotating_linear_molecule_is_one_line(followed):
    molecule, omega, trajectory = carbon_dioxide_run(3000, spin=7.0)
    frame = eckart_frame(molecule, bond_tree(molecule.positions))
    if followed:
        frame = follow_axis(frame, trajectory)
    motion = frame(trajectory.read(0, 3000))
    # Σ over both directions across the line of the spectrum of the bending coordinate.
    bend = motion.velocities[:, 1:, :2].sum(axis=1) - 2.0 * motion.velocities[:, 0, :2]
    power = (np.abs(np.fft.rfft(bend * np.hanning(3000)[:, None], axis=0)) ** 2).sum(axis=1)
    freq = np.fft.rfftfreq(3000, trajectory.interval_ps)
    share = power[np.abs(freq - omega[0] / THZ) < 0.4].sum() / power.sum()
    # By the shortest way alone, the frame turns about the molecule once in each tumble.
    assert (share > 0.99) if followed else (share < 0.9)


@pytest.mark.parametrize("given", [True, False], ids=["given reference", "average"])
def test_cold_cluster_has_the_frequencies_that_ase_calculates(cold_cluster, given, tmp_path):
    relaxed, expected, trajectory = cold_cluster
    path = tmp_path / "reference.xyz"
    relaxed.write(path)
    frame, _ = molecule_reference(trajectory, trajectory.species, path if given else None)
    n = trajectory.n_frames
    reduction = hessian_reduction(frame.molecule, n)
    constants = reduction.finalize(reduction.chunk(frame(trajectory.read(0, n))))
    table = mode_table(normal_modes(frame.molecule, constants))
    np.testing.assert_allclose(table.omega / WAVENUMBER, expected, rtol=1e-3)
    assert constants.quality.r_squared > 0.9999


@pytest.fixture(scope="module")
def cold_cluster(tmp_path_factory):
    """Rotating trigonal bipyramid of copper at 0.01 K by EMT (NVE), and ASE's frequencies."""
    ring = 1.5 * np.array(
        [[np.cos(x), np.sin(x), 0.0] for x in 2.0 * np.pi / 3.0 * np.arange(3)]
    )
    atoms = Atoms("Cu5", [*ring, [0, 0, 1.9], [0, 0, -1.9]], calculator=EMT())
    BFGS(atoms, logfile=None).run(fmax=1e-7, steps=400)
    relaxed = atoms.copy()
    vibrations = Vibrations(
        atoms, name=str(tmp_path_factory.mktemp("ase") / "vib"), delta=0.002
    )
    vibrations.run()
    data = vibrations.get_vibrations()
    expected = data.get_frequencies().real[6:]
    vectors = data.get_modes(all_atoms=True)[6:]
    # Each vibration starts with the same energy, moving or displaced, the molecule spinning.
    kt = 0.01 * units.kB
    rng = np.random.default_rng(1)
    omega = data.get_energies().real[6:] / (units._hbar * units.J * units.second)
    phase = rng.uniform(0.0, 2.0 * np.pi, 9)
    spread = np.sqrt(2.0 * kt) * np.cos(phase) / omega
    speed = np.sqrt(2.0 * kt) * np.sin(phase)
    places = relaxed.positions + np.tensordot(spread, vectors, 1)
    spin = np.cross([3e-5, -2e-5, 4e-5], places - relaxed.get_center_of_mass())
    atoms.set_positions(places)
    atoms.set_velocities(np.tensordot(speed, vectors, 1) + spin)
    frames = []

    def keep():
        frames.append((atoms.get_positions(), atoms.get_velocities(), atoms.get_forces()))

    dynamics = VelocityVerlet(atoms, 3.0 * units.fs)
    dynamics.attach(keep, interval=4)
    dynamics.run(1200)
    positions, velocities, forces = map(np.array, zip(*frames, strict=True))
    per_ps = 1e3 * units.fs
    trajectory = trajectory_of_arrays(
        positions,
        BOX,
        relaxed.get_chemical_symbols(),
        velocities=velocities * per_ps,
        forces=forces,
        interval_ps=0.012,
    )
    return relaxed, expected, trajectory
