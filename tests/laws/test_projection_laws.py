"""Laws of the projection: completeness, virial theorem, block cuts, units, gauges."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.data.crystal import Crystal
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.anharmonicity import AnharmonicityReduction
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.energies.covariances import DisplacementCovarianceReduction
from trajmodes.project.energies.ensemble import KineticReduction
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.project.spectra.zoom import BandPlan, ZoomReduction
from trajmodes.streaming.reduction import Together, Transformed
from trajmodes.symmetry.translations import HalfSpace, build_supercell, cell_rank, half_space

LENGTH, N_FRAMES = 32, 150


@pytest.fixture(scope="module")
def solid(oblique_solid):
    """Space, modes and Hessian of a crystal of springs."""
    return oblique_solid


def _motion(space: HalfSpace, hessian: np.ndarray, n_frames: int = N_FRAMES) -> MotionBlock:
    """Random displacements and velocities at rest, with their harmonic forces."""
    rng = np.random.default_rng(6)
    masses = space.supercell.masses[:, None]
    fields = rng.normal(size=(2, n_frames, space.supercell.n_atoms, 3))
    fields -= (masses * fields).sum(axis=2, keepdims=True) / masses.sum()
    forces = -(fields[0].reshape(n_frames, -1) @ hessian).reshape(fields[0].shape)
    return MotionBlock(0, fields[0], fields[1], forces)


def test_kinetic_energy_of_modes_is_that_of_atoms(solid) -> None:
    space, modes, hessian = solid
    motion = _motion(space, hessian)
    v_qmt = Projector(space, modes).velocities(motion.velocities)
    of_modes = 0.5 * np.einsum("q,qmt->t", space.weights, np.abs(v_qmt) ** 2)
    masses = space.supercell.masses[:, None]
    of_atoms = 0.5 * (masses * motion.velocities**2).sum(axis=(1, 2))
    assert np.allclose(of_modes, of_atoms, rtol=1e-12)


def test_mode_force_is_minus_omega_squared_q(solid) -> None:
    """The mode's equation of motion, 𝓕 = −ω²Q, in a harmonic crystal."""
    space, modes, hessian = solid
    amplitudes = Projector(space, modes).project(_motion(space, hessian, 4))
    expected = -(modes.omega * np.abs(modes.omega))[..., None] * amplitudes.coordinate
    assert np.allclose(amplitudes.force, expected, atol=1e-9 * np.abs(expected).max())


def test_virial_energy_is_the_potential_energy_of_a_harmonic_crystal(solid) -> None:
    space, modes, hessian = solid
    motion = _motion(space, hessian)
    projector = Projector(space, modes)
    reduction = EnergyReduction(projector, N_FRAMES)
    energies = reduction.finalize(reduction.chunk(projector.project(motion)))
    assert np.allclose(energies.virial, energies.potential, rtol=1e-8)
    u_tk = motion.displacements.reshape(N_FRAMES, -1)
    total = 0.5 * np.einsum("tk,kl,tl->t", u_tk, hessian, u_tk).mean()
    assert energies.members @ energies.potential == pytest.approx(total, rel=1e-9)


def test_sigma_is_that_of_the_forces_on_the_atoms(solid) -> None:
    """Knoop et al.: residual over whole force, of all atoms, a species, and a part of the run.

    The forces are those of stiffer force constants, with noise that grows in time.
    """
    space, modes, hessian = solid
    motion = _motion(space, hessian)
    rng = np.random.default_rng(8)
    noise = np.linspace(0.0, 9.0, N_FRAMES)[:, None, None] * rng.normal(
        size=motion.forces.shape
    )
    forces = 1.3 * motion.forces + noise
    found = _sigma(space, modes, replace(motion, forces=forces), 8)
    left = forces - motion.forces
    species = np.array(space.supercell.species)
    assert found.whole == pytest.approx(np.sqrt((left**2).sum() / (forces**2).sum()))
    assert set(found.species) == set(species)
    for name, sigma in zip(found.species, found.by_species, strict=True):
        own = species == name
        rest, all_ = ((field[:, own] ** 2).sum() for field in (left, forces))
        assert sigma == pytest.approx(np.sqrt(rest / all_))
    last = slice(N_FRAMES - N_FRAMES // 8, None)
    assert found.by_time[-1] == pytest.approx(
        np.sqrt((left[last] ** 2).sum() / (forces[last] ** 2).sum()), rel=0.02
    )
    assert found.by_time[-1] > found.by_time[0]


def test_sigma_of_a_mode_is_that_of_its_force(solid) -> None:
    """Forces of stiffer constants and no noise: 𝓕 = −1.3 ω²Q in every mode."""
    space, modes, hessian = solid
    motion = _motion(space, hessian)
    found = _sigma(space, modes, replace(motion, forces=1.3 * motion.forces), 8)
    assert found.by_set == pytest.approx(np.full(modes.n_sets, 0.3 / 1.3))
    assert found.whole == pytest.approx(0.3 / 1.3)
    assert found.whole_sem < 1e-12


def test_sigma_leaves_random_forces_out(solid) -> None:
    space, modes, hessian = solid
    motion = _motion(space, hessian)
    per_mass = 0.5 * float((motion.forces**2).mean()) / modes.crystal.masses.mean()
    scale = np.sqrt(per_mass * space.supercell.masses)[:, None]
    random = scale * np.random.default_rng(4).normal(size=motion.forces.shape)
    random -= random.mean(axis=1, keepdims=True)
    noisy = replace(motion, forces=1.3 * motion.forces + random)
    found = _sigma(space, modes, noisy, 8, per_mass)
    assert _sigma(space, modes, noisy, 8).whole > 0.45
    assert found.whole == pytest.approx(0.3 / 1.3, rel=0.15)
    assert np.median(found.by_set) == pytest.approx(0.3 / 1.3, rel=0.3)


def _sigma(
    space: HalfSpace, modes: Modes, motion: MotionBlock, n_blocks: int, noise: float = 0.0
):
    projector = Projector(space, modes)
    reduction = AnharmonicityReduction(projector, motion.n_frames, None, n_blocks, noise=noise)
    return reduction.finalize(reduction.chunk(projector.project(motion)))


@pytest.fixture(scope="module")
def small(crystals, springs, hessian_of):
    crystal = crystals["triclinic"]
    space = half_space(build_supercell(crystal, [[2, 1, 0], [0, 1, 1], [-1, 0, 2]]))
    constants = springs(crystal, 4.5)
    modes = modes_at(constants, space.qpoints, space.weights)
    motion = _motion(space, hessian_of(constants, space.supercell))
    noise = 1.0 + 0.1 * np.random.default_rng(9).normal(size=motion.forces.shape)
    return space, modes, replace(motion, forces=noise * motion.forces)


def _reduction(projector: Projector) -> Transformed:
    ranges = ((0, 70), (70, N_FRAMES))
    parts = {
        "energies": EnergyReduction(projector, N_FRAMES, 16),
        "spectra": WelchReduction(projector, LENGTH, 0.01, ranges),
        "bands": ZoomReduction(projector, BandPlan(2, (16, 8)), 0.01, ranges),
        "correlations": AutocorrelationReduction(projector, 0.01, ranges),
        "displacements": DisplacementCovarianceReduction(projector, N_FRAMES, 8),
        "anharmonicity": AnharmonicityReduction(projector, N_FRAMES, None, 8),
        "ensemble": KineticReduction(projector, N_FRAMES, 0.01, ((0, N_FRAMES),), 8),
    }
    return Transformed(projector.project, Together(parts))


def _cut(motion: MotionBlock, start: int, stop: int) -> MotionBlock:
    fields = (motion.displacements, motion.velocities, motion.forces)
    return MotionBlock(start, *(field[start:stop] for field in fields))


def _same(left: object, right: object, rtol: float = 1e-10) -> None:
    """All numbers of two results, in whatever they are nested."""
    if isinstance(left, dict):
        for name in left:
            _same(left[name], right[name], rtol)
    elif isinstance(left, tuple):
        for one, other in zip(left, right, strict=True):
            _same(one, other, rtol)
    elif hasattr(left, "__dataclass_fields__"):
        for name in left.__dataclass_fields__:
            a, b = getattr(left, name), getattr(right, name)
            if isinstance(a, np.ndarray) and a.dtype.kind in "fc":
                # W/U − 1 is rounding about zero where motion is harmonic.
                scale = 1.0 if "anharmonicity" in name else np.nanmax(np.abs(a), initial=0.0)
                close = np.allclose(a, b, rtol=rtol, atol=rtol * scale, equal_nan=True)
                assert close, (name, np.nanmax(np.abs(a - b)), scale)
            else:
                _same(a, b, rtol)


def _tree(reduction: Transformed, states: list, rng: np.random.Generator):
    """Combine neighbours in an arbitrary order of brackets."""
    states = list(states)
    while len(states) > 1:
        i = int(rng.integers(len(states) - 1))
        states[i : i + 2] = [reduction.combine(states[i], states[i + 1])]
    return reduction.finalize(states[0])


@pytest.mark.slow
@given(
    cuts=st.sets(st.integers(1, N_FRAMES - 1), max_size=12),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_block_cuts_and_order_of_combination_do_not_matter(small, cuts, seed: int) -> None:
    space, modes, motion = small
    reduction = _reduction(Projector(space, modes))
    whole = reduction.finalize(reduction.chunk(motion))
    edges = [0, *sorted(cuts), N_FRAMES]
    states = [reduction.chunk(_cut(motion, a, b)) for a, b in pairwise(edges)]
    cut = _tree(reduction, states, np.random.default_rng(seed))
    _same(whole, cut)


def test_combine_changes_neither_argument(small) -> None:
    space, modes, motion = small
    reduction = _reduction(Projector(space, modes))
    first, second = (reduction.chunk(_cut(motion, *edge)) for edge in ((0, 61), (61, 150)))
    once = reduction.finalize(reduction.combine(first, second))
    again = reduction.finalize(reduction.combine(first, second))
    _same(once, again, rtol=0.0)


@given(mass=st.floats(0.1, 10.0), speed=st.floats(0.1, 10.0))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_energies_scale_with_mass_and_speed_squared(small, mass: float, speed: float) -> None:
    space, modes, motion = small
    crystal: Crystal = replace(modes.crystal, masses=modes.crystal.masses * mass)
    heavy: Modes = replace(modes, crystal=crystal)
    fast = replace(motion, velocities=motion.velocities * speed)
    reduction = _reduction(Projector(space, modes))
    other = _reduction(Projector(space, heavy))
    found = reduction.finalize(reduction.chunk(motion))
    found_scaled = other.finalize(other.chunk(fast))
    energies, scaled = found["energies"], found_scaled["energies"]
    spectra, scaled_spectra = found["spectra"].modes, found_scaled["spectra"].modes
    factor = mass * speed**2
    assert np.allclose(scaled.kinetic, energies.kinetic * factor, rtol=1e-10)
    assert np.allclose(scaled.kinetic_sem, energies.kinetic_sem * factor, rtol=1e-6)
    assert scaled.temperature == pytest.approx(energies.temperature * factor, rel=1e-10)
    assert np.allclose(scaled.omega_ratio, energies.omega_ratio * speed, rtol=1e-10)
    assert np.allclose(scaled_spectra.power, spectra.power * factor, rtol=1e-9)


def test_phases_of_vectors_do_not_matter(small) -> None:
    space, modes, motion = small
    angles = np.random.default_rng(2).uniform(0, 2 * np.pi, modes.omega.shape)
    turned = replace(modes, vectors=modes.vectors * np.exp(1j * angles)[..., None, None])
    results = []
    for any_modes in (modes, turned):
        reduction = _reduction(Projector(space, any_modes))
        results.append(reduction.finalize(reduction.chunk(motion)))
    for result in results:
        # Off-diagonal elements turn with the phases; their trace is in the energies.
        del result["displacements"]
    _same(*results)


def test_rigid_shift_and_drift_change_nothing(small) -> None:
    space, modes, motion = small
    times = np.arange(N_FRAMES)[:, None, None] * 0.01
    drift = np.array([3.0, -2.0, 1.0])
    moved = replace(
        motion,
        displacements=motion.displacements + 0.7 + drift * times,
        velocities=motion.velocities + drift,
    )
    reduction = _reduction(Projector(space, modes))
    blocks = (motion, moved)
    _same(*(reduction.finalize(reduction.chunk(block)) for block in blocks), rtol=1e-9)


def test_translation_by_a_lattice_vector_changes_nothing(small) -> None:
    """The same motion, shifted by one cell: every Q only changes its phase."""
    space, modes, motion = small
    supercell = space.supercell
    cells = cell_rank(supercell, supercell.cells + np.array([1, 0, 0]))
    s = supercell.crystal.n_sites
    atoms = (cells[:, None] * s + np.arange(s)).ravel()
    fields = (motion.displacements, motion.velocities, motion.forces)
    moved = MotionBlock(0, *(field[:, atoms] for field in fields))
    reduction = _reduction(Projector(space, modes))
    blocks = (motion, moved)
    _same(*(reduction.finalize(reduction.chunk(block)) for block in blocks))
