"""Spectral functions beside phono3py, and beside molecular dynamics of a known crystal.

The crystal is fcc with one atom in the cell. Its energy is Σ ½k s² + ⅙g s³ over bonds, s the
elongation along the fixed direction of the bond: the force constants are exactly those of
second and third order. There is no fourth order, and at fixed volume no tadpole, by symmetry.
The bubble is the complete self-energy of lowest order.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import minimize

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.kernels import kernel
from trajmodes.phonons.anharmonic.linewidths import perturbative_linewidths
from trajmodes.phonons.anharmonic.self_energy import self_energies
from trajmodes.phonons.anharmonic.spectral_function import (
    real_part,
    seen_in_segments,
    spectral_functions,
)
from trajmodes.phonons.anharmonic.three_phonon import scattering_on
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import mesh
from trajmodes.symmetry.stars import star_images
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, DALTON, THZ

pytestmark = pytest.mark.peer

pytest.importorskip("phono3py")

N, STIFF, CUBIC, KELVIN = 6, 2.0, -14.0, 20.0
# Time step in ps, steps between stored frames, frames of a segment.
STEP, EVERY, LENGTH = 0.003, 6, 4096
MASS = 40.0 * DALTON
CRYSTAL = Crystal(
    2.0 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
    np.zeros((1, 3)),
    ("Ar",),
    np.array([MASS]),
)
HALF = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, -1, 0], [1, 0, -1], [0, 1, -1]])
SUPERCELL = build_supercell(CRYSTAL, N * np.eye(3, dtype=int))


def directions(bonds: np.ndarray) -> np.ndarray:
    vectors = bonds @ CRYSTAL.cell
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def constants() -> ForceConstants:
    bonds = np.concatenate([HALF, -HALF])
    along = directions(bonds)
    pairs = -STIFF * np.einsum("bi,bj->bij", along, along)
    rows, values = [], []
    for bond, n in zip(bonds, along, strict=True):
        cube = CUBIC * np.einsum("i,j,k->ijk", n, n, n)
        for far in itertools.product((False, True), repeat=2):
            rows.append([0 * bond, *(bond if one else 0 * bond for one in far)])
            values.append(-cube * (-1.0) ** (2 - sum(far)))
    lattice, place = np.unique(np.reshape(rows, (-1, 9)), axis=0, return_inverse=True)
    summed = np.zeros((len(lattice), 3, 3, 3))
    np.add.at(summed, place.ravel(), np.array(values))
    triplets = ClusterConstants(
        np.zeros((len(lattice), 3), int), lattice.reshape(-1, 3, 3), summed, cutoff=3.0
    )
    zeros = np.zeros(len(bonds) + 1, int)
    return ForceConstants(
        CRYSTAL,
        zeros,
        zeros,
        np.concatenate([[[0, 0, 0]], bonds]),
        np.concatenate([-pairs.sum(axis=0)[None], pairs]),
        cutoff=3.0,
        triplets=triplets,
    )


def test_gamma_at_the_frequencies_of_the_modes_is_half_the_linewidth(constants):
    qpoints = [[1 / 6, 1 / 6, 0.0], [1 / 6, 1 / 3, 0.0]]
    widths = perturbative_linewidths(constants, SUPERCELL, (N, N, N), KELVIN, qpoints)
    found = self_energies(constants, SUPERCELL, (N, N, N), KELVIN, qpoints, 3000)
    for gamma, wanted in (
        (found.quantum, widths.quantum),
        (found.classical, widths.classical),
    ):
        golden = spectral_functions(found, gamma, None, remove_static=True).golden_rule
        np.testing.assert_allclose(golden, wanted, rtol=0.02)


def test_the_real_part_is_that_of_phono3py(constants):
    """Its real part is a sum over the mesh with smearing ε, and no transform of Γ."""
    q, epsilon = np.array([[1 / 12, 1 / 6, 1 / 4]]), 0.4
    found = self_energies(constants, SUPERCELL, (12, 12, 12), KELVIN, q, 300)
    scattering = scattering_on(constants, SUPERCELL, (12, 12, 12))
    points, _ = scattering.grid_points(q)
    freq = found.grid / THZ
    _, shifts = scattering.peer.run_real_self_energy(
        points, [KELVIN], frequency_points=freq, epsilons=[epsilon]
    )
    # The smearing convolves Δ, an even function, with a Lorentzian.
    wide = np.linspace(-60.0, 60.0, 12_001)
    delta = real_part(found.grid, found.quantum[0], np.abs(wide) * THZ) / THZ
    kernel_vw = epsilon / np.pi / ((wide[:, None] - freq) ** 2 + epsilon**2)
    ours = (delta @ kernel_vw) * (wide[1] - wide[0])
    # phono3py leaves out ω = 0.
    difference = (ours - shifts[0, 0, 0])[:, 1:]
    for m in range(3):
        scale = np.abs(ours[m]).max()
        assert np.sqrt((difference[m] ** 2).mean()) < 0.03 * scale


def test_the_spectral_function_is_that_of_phono3py(constants):
    """Its spectral function is that of the displacement, ours times ω_q/ω."""
    q = np.array([[1 / 12, 1 / 6, 1 / 4]])
    found = self_energies(constants, SUPERCELL, (12, 12, 12), KELVIN, q, 300)
    scattering = scattering_on(constants, SUPERCELL, (12, 12, 12))
    points, _ = scattering.grid_points(q)
    freq = found.grid / THZ
    module = pytest.importorskip("phono3py.phonon3.spectral_function")
    peer = module.SpectralFunction(
        scattering.peer.phph_interaction, points, freq, temperatures=[KELVIN]
    )
    peer.run()
    theirs = peer.spectral_functions[0, 0, 0]
    mean = spectral_functions(found, found.quantum, None, remove_static=False).mean[0] * THZ
    for m, own in enumerate(found.omega[0] / THZ):
        # Far from the line, where it does not change within a bin.
        away = (np.abs(freq - own) > 10.0 * freq[1]) & (freq > 1.0) & (freq < 18.0)
        wanted = theirs[m] * freq / own
        np.testing.assert_allclose(mean[m][away], wanted[away], rtol=0.05, atol=1e-6)


@dataclass(frozen=True)
class Motion:
    """Means over a molecular-dynamics run at all q points (q) of the supercell."""

    kelvin: float
    square: np.ndarray
    """(q, m) ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩."""
    omega: np.ndarray
    power: np.ndarray
    """(q, m, w) spectrum S(ω) of ½|Q̇|²."""
    duration: float


@kernel
def verlet(u, v, bonds, along, n_steps, seen_u, seen_v):  # noqa: C901, PLR0917 - a kernel
    """Velocity Verlet; u and v are stored at every few steps, and kept at the end."""
    force = np.zeros_like(u)
    for t in range(n_steps):
        force[:] = 0.0
        for b in range(len(bonds)):
            i, j, k = bonds[b, 0], bonds[b, 1], bonds[b, 2]
            s = 0.0
            for x in range(3):
                s += along[k, x] * (u[j, x] - u[i, x])
            pull = STIFF * s + 0.5 * CUBIC * s * s
            for x in range(3):
                force[i, x] += pull * along[k, x]
                force[j, x] -= pull * along[k, x]
        for i in range(len(u)):
            for x in range(3):
                if t > 0:
                    v[i, x] += 0.5 * STEP * force[i, x] / MASS
        if t % EVERY == 0 and t // EVERY < len(seen_u):
            seen_u[t // EVERY] = u
            seen_v[t // EVERY] = v
        for i in range(len(u)):
            for x in range(3):
                v[i, x] += 0.5 * STEP * force[i, x] / MASS
                u[i, x] += STEP * v[i, x]


@pytest.fixture(scope="module")
def motion(constants) -> Motion:
    cells = SUPERCELL.cells
    number = {tuple((cell % N).tolist()): k for k, cell in enumerate(cells)}
    bonds = np.array(
        [
            (k, number[tuple(((cell + h) % N).tolist())], d)
            for k, cell in enumerate(cells)
            for d, h in enumerate(HALF)
        ]
    )
    along = directions(HALF)
    qpoints = np.array(list(itertools.product(range(N), repeat=3))) / N
    modes = modes_at(constants, qpoints)
    vectors = modes.vectors[:, :, 0, :]
    phase = np.exp(-2j * np.pi * qpoints @ cells.T) / np.sqrt(N**3)
    rng = np.random.default_rng(1)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(LENGTH) / LENGTH)
    shape = (LENGTH, len(cells), 3)
    sums, power = np.zeros((2, len(qpoints), 3)), 0.0
    thermal = np.sqrt(BOLTZMANN * KELVIN)
    for _ in range(2):
        size = np.where(modes.omega > 1.0, thermal / np.maximum(modes.omega, 1.0), 0.0)
        start = size * (rng.normal(size=size.shape) + 1j * rng.normal(size=size.shape))
        u = np.einsum("qm,qmx,qa->ax", start, vectors, phase.conj()).real / np.sqrt(MASS)
        v = rng.normal(size=u.shape) * thermal / np.sqrt(MASS)
        v -= v.mean(axis=0)
        none = np.zeros((0, *u.shape))
        verlet(u, v, bonds, along, 15_000, none, none.copy())
        for _ in range(5):
            seen_u, seen_v = np.zeros(shape), np.zeros(shape)
            verlet(u, v, bonds, along, LENGTH * EVERY, seen_u, seen_v)
            amplitude, velocity = (
                np.einsum("qa,tax,qmx->tqm", phase, x, vectors.conj(), optimize=True)
                * np.sqrt(MASS)
                for x in (seen_u, seen_v)
            )
            spectrum = np.fft.fft(velocity * window[:, None, None], axis=0)
            power = power + np.moveaxis(np.abs(spectrum) ** 2, 0, -1)
            sums += [(np.abs(x) ** 2).mean(axis=0) for x in (amplitude, velocity)]
    interval, count = STEP * EVERY, 10
    scale = interval / (2.0 * np.pi * count * (window**2).sum())
    half = LENGTH // 2
    both = 0.5 * scale * (power[..., 1:half] + power[..., :half:-1])
    # of Verlet's trajectory of a harmonic oscillator, whose velocity is at whole steps
    ratio = sums[1] / np.where(sums[0] > 0.0, sums[0], np.inf)
    return Motion(
        kelvin=float(sums[1][1:].mean()) / count / BOLTZMANN,
        square=ratio / (1.0 - 0.25 * ratio * STEP**2),
        omega=2.0 * np.pi * np.arange(1, half) / (LENGTH * interval),
        power=both,
        duration=LENGTH * interval,
    )


@dataclass(frozen=True)
class Level:
    """A star of q and a degenerate frequency: predicted self-energy, and means of the run."""

    omega: float
    gamma: np.ndarray
    delta: np.ndarray
    static: float
    golden: float
    weight: int
    square: float
    power: np.ndarray


@pytest.fixture(scope="module")
def levels(constants, motion) -> tuple[np.ndarray, list[Level]]:
    irreducible, _ = mesh(CRYSTAL, (N, N, N))
    points = irreducible[np.abs(irreducible).max(axis=1) > 0.0]
    found = self_energies(constants, SUPERCELL, (12, 12, 12), motion.kelvin, points)
    lines = spectral_functions(found, found.classical, None, remove_static=False)
    images = star_images(CRYSTAL, np.array(list(itertools.product(range(N), repeat=3))) / N)
    made = []
    for k, q in enumerate(points):
        star = np.flatnonzero(equal_modulo_lattice(images, q, 1e-6).any(axis=0))
        starts = np.flatnonzero(np.diff(found.omega[k], prepend=-1.0) > 1e-5)
        for first, end in zip(starts, np.append(starts[1:], 3), strict=True):
            part = slice(first, end)
            made.append(
                Level(
                    omega=float(found.omega[k, first]),
                    gamma=found.classical[k, first],
                    delta=lines.shift[k, first],
                    static=float(lines.static_shift[k, first]),
                    golden=float(lines.golden_rule[k, first]),
                    weight=len(star) * (end - first),
                    square=float(motion.square[star, part].mean()),
                    power=motion.power[star, part].mean(axis=(0, 1)),
                )
            )
    return found.grid, made


@pytest.mark.slow
def test_the_static_self_energy_is_in_the_displacements_of_a_run(levels):
    """ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩ of the run is ω_q² + 2ω_qΔ(0), which force constants of a run have."""
    _, made = levels
    predicted = np.array([2.0 * one.omega * one.static for one in made])
    measured = np.array([one.square - one.omega**2 for one in made])
    # The error of ⟨|Q|²⟩ falls with the number of lifetimes in the run.
    weight = np.array([one.weight * one.golden / one.omega**4 for one in made])
    slope = (weight * predicted * measured).sum() / (weight * predicted**2).sum()
    rest = weight * (measured - slope * predicted) ** 2
    error = np.sqrt(rest.sum() / (len(made) - 1) / (weight * predicted**2).sum())
    assert error < 0.06
    assert abs(slope - 1.0) < 4.0 * error


@pytest.mark.slow
def test_spectra_of_a_run_have_the_predicted_widths_and_shifts(motion, levels):
    """Whittle likelihood of all spectra with Γ and Δ scaled: both factors are 1."""
    grid, made = levels
    bin_width = 2.0 * np.pi / motion.duration
    resolved = [one for one in made if one.golden > bin_width]
    assert len(resolved) > 6
    steps = 2.0 / STEP * np.sin(0.5 * motion.omega * STEP)

    def misfit(factors: np.ndarray) -> float:
        total = 0.0
        for one in resolved:
            # Verlet's oscillator has a frequency of which this is the true one.
            near = np.abs(motion.omega - one.omega) < 1.0 * THZ
            energy = (factors[1] * one.delta, factors[0] * one.gamma)
            seen = seen_in_segments(one.omega, grid, energy, steps[near], motion.duration)
            expected = 0.5 * BOLTZMANN * motion.kelvin * seen
            ratio = one.power[near] / expected
            total += one.weight * float((ratio + np.log(expected)).sum())
        return total

    best = minimize(
        misfit,
        [1.0, 1.0],
        method="Nelder-Mead",
        options={"xatol": 0.01, "fatol": 1e-5, "maxiter": 50},
    )
    assert best.x[0] == pytest.approx(1.0, abs=0.1)
    assert best.x[1] == pytest.approx(1.0, abs=0.15)
    # Without the shift the spectra are described far worse.
    assert misfit(np.array([1.0, 0.0])) > misfit(np.array([1.0, 1.0])) + 100.0
