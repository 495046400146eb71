from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.stars import set_members
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import BOLTZMANN

N_FRAMES = 64


@pytest.fixture
def motion(space: HalfSpace) -> MotionBlock:
    rng = np.random.default_rng(7)
    shape = (N_FRAMES, space.supercell.n_atoms, 3)
    return MotionBlock(0, *(rng.normal(size=shape) for _ in range(3)))


def _energies(space: HalfSpace, modes: Modes, motion: MotionBlock):
    reduction = EnergyReduction(Projector(space, modes), motion.n_frames, n_blocks=16)
    return reduction.finalize(reduction.chunk(reduction.projector.project(motion)))


def test_energies_equal_their_definitions(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    energies = _energies(space, modes, motion)
    amplitudes = Projector(space, modes).project(motion)
    known = modes.sets >= 0
    assert np.array_equal(modes.sets[known], np.arange(modes.n_sets))
    square = (np.abs(amplitudes.coordinate) ** 2).mean(axis=2)[known]
    speed = (np.abs(amplitudes.velocity) ** 2).mean(axis=2)[known]
    work = (amplitudes.coordinate.conj() * amplitudes.force).real.mean(axis=2)[known]
    assert np.allclose(energies.kinetic, 0.5 * speed, rtol=1e-12)
    assert np.allclose(energies.potential, 0.5 * modes.omega[known] ** 2 * square, rtol=1e-12)
    assert np.allclose(energies.virial, -0.5 * work, rtol=1e-9)
    assert np.allclose(energies.omega_ratio, np.sqrt(speed / square), rtol=1e-12)
    half_kt = 0.5 * BOLTZMANN * energies.temperature
    assert np.allclose(energies.omega_displacement, np.sqrt(2 * half_kt / square), rtol=1e-12)


def test_temperature_is_that_of_the_atoms(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    masses = space.supercell.masses[:, None]
    v_tax = motion.velocities - (masses * motion.velocities).sum(axis=1, keepdims=True) / (
        masses.sum()
    )
    twice_kinetic = (masses * v_tax**2).sum(axis=(1, 2)).mean()
    freedom = 3 * space.supercell.n_atoms - 3
    energies = _energies(space, modes, motion)
    assert energies.temperature == pytest.approx(twice_kinetic / BOLTZMANN / freedom, rel=1e-12)
    assert energies.members.sum() == freedom


def test_drift_enters_no_average(space: HalfSpace, modes: Modes, motion: MotionBlock) -> None:
    """The acoustic modes at Γ contain only drift and are excluded."""
    drifting = replace(motion, velocities=motion.velocities + np.array([5.0, -3.0, 2.0]))
    still, moved = (_energies(space, modes, block) for block in (motion, drifting))
    assert moved.temperature == pytest.approx(still.temperature, rel=1e-10)
    assert np.allclose(moved.kinetic, still.kinetic, rtol=1e-10)


def test_only_sets_of_degenerate_modes_have_defined_energies(
    space: HalfSpace, paired: Modes, motion: MotionBlock
) -> None:
    """Any unitary mixture within a set gives the same results, but not for single modes."""
    rng = np.random.default_rng(3)
    vectors = paired.vectors.copy()
    for q in range(space.n_qpoints):
        for label in np.unique(paired.sets[q]):
            rows = np.flatnonzero(paired.sets[q] == label)
            matrix = rng.normal(size=(len(rows),) * 2) + 1j * rng.normal(size=(len(rows),) * 2)
            vectors[q, rows] = np.tensordot(np.linalg.qr(matrix)[0], vectors[q, rows], 1)
    omega = paired.omega.copy()
    for label in range(paired.n_sets):
        omega[paired.sets == label] = omega[paired.sets == label].mean()
    paired = replace(paired, omega=omega)
    mixed = replace(paired, vectors=vectors)
    before, after = (_energies(space, modes, motion) for modes in (paired, mixed))
    for name in (
        "kinetic",
        "virial",
        "kinetic_sem",
        "virial_sem",
        "omega_ratio",
        "heat_capacity_kb",
    ):
        assert np.allclose(getattr(before, name), getattr(after, name), rtol=1e-10), name
    single = np.arange(paired.sets.size).reshape(paired.sets.shape) - 3
    single[0, :3] = -1
    before, after = (
        _energies(space, replace(modes, sets=single), motion) for modes in (paired, mixed)
    )
    assert not np.allclose(before.kinetic, after.kinetic, rtol=1e-3)


def test_members_count_real_degrees_of_freedom(space: HalfSpace, modes: Modes) -> None:
    pair = (space.weights == 2.0)[:, None] & (modes.sets >= 0)
    members = set_members(modes)
    assert (members[modes.sets[pair]] == 2).all()
    assert members.sum() == 3 * space.supercell.n_atoms - 3


def test_imaginary_mode_has_kinetic_energy_only(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    omega = modes.omega.copy()
    omega[2, 0] *= -1.0
    energies = _energies(space, replace(modes, omega=omega), motion)
    label = modes.sets[2, 0]
    assert np.isnan(energies.potential[label])
    assert np.isnan(energies.potential_sem[label])
    assert np.isfinite(np.delete(energies.potential, label)).all()
    assert np.isfinite(energies.kinetic).all()
    assert energies.omega_ratio[label] > 0.0
    assert np.isfinite(energies.omega_ratio_sem[label])
    for name in ("anharmonicity", "heat_capacity_kb"):
        for values in (getattr(energies, name), getattr(energies, f"{name}_sem")):
            assert np.flatnonzero(np.isnan(values)).tolist() == [label], name
    assert np.isnan(energies.travelling[:, 2, 0]).all()
    assert np.isnan(energies.travelling_sem[:, 2, 0]).all()
    assert np.isfinite(energies.travelling[:, 2, 1:]).all()


def test_missing_velocities_are_refused(space: HalfSpace, modes: Modes) -> None:
    projector = Projector(space, modes)
    block = MotionBlock(0, np.zeros((9, space.supercell.n_atoms, 3)), None, None)
    with pytest.raises(DataError, match=r"attenuated.*0\.875"):
        EnergyReduction(projector, 9).chunk(projector.project(block))


def test_attenuation_of_differenced_velocities() -> None:
    """The number in that message: 10 THz sampled every 10 fs, central differences."""
    times = np.arange(100_000) * 0.01
    position = np.sin(2 * np.pi * 10.0 * times + 0.3)
    velocity = (position[2:] - position[:-2]) / 0.02
    share = (velocity**2).mean() / (0.5 * (2 * np.pi * 10.0) ** 2)
    assert share == pytest.approx(0.875, abs=2e-3)


def test_without_forces_there_is_no_virial(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    energies = _energies(space, modes, replace(motion, forces=None))
    assert energies.virial is None
    assert energies.virial_sem is None
    assert energies.anharmonicity is None
    assert energies.anharmonicity_sem is None


def test_missing_frames_are_noticed(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    reduction = EnergyReduction(Projector(space, modes), N_FRAMES + 1)
    with pytest.raises(DataError, match="64 of 65 frames"):
        reduction.finalize(reduction.chunk(reduction.projector.project(motion)))


def _wave(space: HalfSpace, modes: Modes, q: int, m: int, direction: float) -> MotionBlock:
    """u ~ Re e exp[i(q·r ∓ ωt)] of one mode, with its velocities."""
    supercell, omega = space.supercell, modes.omega[q, m]
    # r of an atom is its cell and its ideal site
    r_ax = (supercell.cells[:, None] + supercell.crystal.sites).reshape(-1, 3)
    space_a = 2 * np.pi * r_ax @ space.qpoints[q]
    vector = np.tile(modes.vectors[q, m], (supercell.n_cells, 1))
    if direction < 0:
        # The wave along −q has the vector of −q, which is e*.
        vector, space_a = vector.conj(), -space_a
    times = np.linspace(0.0, 2 * np.pi / omega, N_FRAMES, endpoint=False)
    u_tax = np.exp(1j * (space_a - omega * times[:, None]))[..., None] * vector
    u_tax *= 0.1 / np.sqrt(supercell.masses)[:, None]
    return MotionBlock(0, u_tax.real, (-1j * omega * u_tax).real, None)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_travelling_wave_has_its_energy_in_one_direction(
    space: HalfSpace, modes: Modes, direction: float
) -> None:
    """cos(q·r − ωt) travels along +q."""
    q, m = int(np.flatnonzero(space.weights == 2.0)[0]), 2
    motion = _wave(space, modes, q, m, direction)
    travelling = _energies(space, modes, motion).travelling
    masses = space.supercell.masses[:, None]
    kinetic = 0.5 * (masses * motion.velocities**2).sum(axis=(1, 2)).mean()
    expected = np.where(modes.sets >= 0, np.zeros((2, *modes.omega.shape)), np.nan)
    # The wave has one energy, twice the kinetic one on average.
    expected[0 if direction > 0 else 1, q, m] = 2 * kinetic
    assert np.allclose(travelling, expected, atol=1e-12 * kinetic, rtol=1e-10, equal_nan=True)


def test_travelling_energies_are_those_of_standing_ones(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    energies = _energies(space, modes, motion)
    amplitudes = Projector(space, modes).project(motion)
    q_qmt, v_qmt = amplitudes.coordinate, amplitudes.velocity
    waves = [modes.omega[..., None] * q_qmt + sign * 1j * v_qmt for sign in (1, -1)]
    expected = 0.5 * (np.abs(np.array(waves)) ** 2).mean(axis=-1)
    known = modes.sets >= 0
    assert np.allclose(energies.travelling[:, known], expected[:, known], rtol=1e-12)
    assert np.isnan(energies.travelling[:, ~known]).all()
    # Sets are single modes here.
    standing = energies.kinetic + energies.potential
    assert np.allclose(energies.travelling.sum(axis=0)[known], 2 * standing, rtol=1e-12)
    same = known & (space.weights == 1.0)[:, None]
    assert np.array_equal(energies.travelling[0][same], energies.travelling[1][same])
    assert same.sum() > 0
    assert (energies.travelling_sem[:, known] > 0.0).all()


def test_anharmonicity_and_its_error(
    space: HalfSpace, modes: Modes, motion: MotionBlock
) -> None:
    """The common part of U and W cancels: a factor between them has no error."""
    soft = replace(motion, displacements=0.1 * motion.displacements)
    field = Projector(space, modes).coordinates(soft.displacements)
    energies = _energies(space, modes, soft)
    expected = energies.virial / energies.potential - 1.0
    assert np.allclose(energies.anharmonicity, expected, rtol=1e-12)
    assert (energies.anharmonicity_sem > 0.0).all()
    force = -0.97 * (modes.omega**2)[..., None] * field
    reduction = EnergyReduction(Projector(space, modes), N_FRAMES, n_blocks=16)
    amplitudes = replace(Projector(space, modes).project(soft), force=force)
    energies = reduction.finalize(reduction.chunk(amplitudes))
    assert np.allclose(energies.anharmonicity, -0.03, rtol=1e-12)
    assert (energies.anharmonicity_sem < 1e-12).all()
    assert (energies.virial_sem > 1e-3 * energies.virial).all()
