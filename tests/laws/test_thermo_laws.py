"""Error bars of thermodynamics over many synthetic runs, and ⟨uu⟩ of a sampled crystal."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.project.energies.covariances import DisplacementCovarianceReduction
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.displacements import run_displacements, symmetrised
from trajmodes.thermo.elasticity import elasticity
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import BOLTZMANN

N_RUNS, N_BLOCKS, KELVIN = 50, 20, 300.0
SOME_Q = [[0.1, 0.2, 0.35], [0.5, 0.0, 0.0]]


@pytest.mark.slow
def test_z_scores_of_synthetic_runs_have_unit_spread(crystals, springs):
    """Each block of a run gives the force constants with independent normal errors."""
    crystal = crystals["bcc"]
    whole, near = springs(crystal, 4.5), springs(crystal, 2.6)
    keys = [(*r,) for r in whole.lattice.tolist()]
    other = np.zeros_like(whole.values)
    other[[keys.index((*r,)) for r in near.lattice.tolist()]] = near.values
    mesh = (4, 4, 4)
    truth = _estimates(whole, mesh)[0]
    rng = np.random.default_rng(3)
    scores = []
    for _ in range(N_RUNS):
        a, b = 0.02 * rng.standard_normal((2, N_BLOCKS, 1, 1, 1))
        blocks = whole.values * (1.0 + a) + b * other
        mean = blocks.mean(axis=0)
        left_out = (N_BLOCKS * mean - blocks) / (N_BLOCKS - 1)
        value, sem = _estimates(replace(whole, values=mean, replicates=left_out), mesh)
        scores.append((value - truth) / sem)
    spread = np.sqrt((np.array(scores) ** 2).mean(axis=0))
    # Twenty blocks and fifty runs give 1.06 ± 0.11.
    assert ((spread > 0.85) & (spread < 1.2)).all(), spread


def _estimates(constants, mesh) -> tuple[np.ndarray, np.ndarray]:
    """F, U, S, C_V, ⟨u²⟩, Debye temperature, C_11, C_12, C_44, and ω; and their errors."""
    found = thermodynamics(constants, mesh, [KELVIN], fine_at_gamma=False)
    elastic = elasticity(constants)
    names = ("free_energy", "energy", "entropy", "heat_capacity")
    values, errors = (
        [
            *(getattr(found.quantum, f"{name}{end}") for name in names),
            getattr(found.displacements, f"classical{end}"),
            getattr(found.debye, f"elastic{end}"),
            getattr(elastic, f"stiffness{end}"),
        ]
        for end in ("", "_sem")
    )

    def flat(parts: list) -> np.ndarray:
        *functions, moved, theta, stiffness = parts
        one = [float(x[0]) for x in functions] + [moved[0, 0, 0, 0], theta]
        return np.array([*one, *(stiffness[i, j] for i, j in ((0, 0), (0, 1), (3, 3)))])

    omega, omega_sem = frequencies_at(constants, SOME_Q)
    if omega_sem is None:
        return np.append(flat(values), omega), np.zeros(9 + omega.size)
    return np.append(flat(values), omega), np.append(flat(errors), omega_sem)


def test_displacements_are_those_of_a_sampled_crystal(crystals, springs):
    """Gaussian amplitudes of all modes of a supercell, of variance k_BT/ω²."""
    crystal = crystals["wurtzite"]
    constants = springs(crystal, 4.0)
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    rng = np.random.default_rng(6)
    n_frames, n_sites = 400, crystal.n_sites
    places = (supercell.cells[:, None] + crystal.sites).reshape(-1, 3)
    u_tax = np.zeros((n_frames, supercell.n_atoms, 3))
    site = supercell.site_index
    for q, weight, omega, vectors, sets in zip(
        modes.qpoints, modes.weights, modes.omega, modes.vectors, modes.sets, strict=True
    ):
        moving = sets >= 0
        sigma = np.where(
            moving, np.sqrt(BOLTZMANN * KELVIN) / np.where(moving, omega, 1.0), 0.0
        )
        real, imaginary = rng.standard_normal((2, n_frames, len(omega))) * sigma
        amplitude = (real + 1j * imaginary) * np.sqrt(0.5) if weight == 2 else real + 0j
        phase = np.exp(2j * np.pi * places @ q)
        wave = np.einsum("tm,msx->tsx", amplitude, vectors)[:, site] * phase[:, None]
        # At q = −q the vectors can be real up to a phase, which is arbitrary: take it out.
        if weight == 1:
            turned = np.einsum("tm,msx->tsx", real, _real(vectors, crystal.sites, q))[:, site]
            wave = turned * np.cos(2 * np.pi * supercell.cells @ q).repeat(n_sites)[:, None]
        u_tax += weight * wave.real
    u_tax /= np.sqrt(supercell.n_cells * supercell.masses)[:, None]
    measured = np.stack(
        [
            np.einsum("tax,tay->xy", u_tax[:, site == s], u_tax[:, site == s])
            / (n_frames * supercell.n_cells)
            for s in range(n_sites)
        ]
    )
    wanted = thermodynamics(constants, (3, 3, 3), [KELVIN], fine_at_gamma=False)
    expected = wanted.displacements.classical[0]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(measured, expected, atol=0.04 * scale)


def _real(vectors: np.ndarray, sites: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Real orthonormal vectors at q = −q, with the phases of the cells: of the same modes."""
    turned = vectors * np.exp(2j * np.pi * sites @ q)[:, None]
    flat = turned.reshape(len(turned), -1)
    # u uᵀ summed over a mode is real up to a phase: the phase of Σ u².
    phase = np.exp(-0.5j * np.angle((flat**2).sum(axis=1)))
    return (flat * phase[:, None]).real.reshape(vectors.shape)


def test_displacements_of_a_run_are_those_of_its_atoms(crystals, springs):
    """Summed over the covariances of modes, or over atoms: the same, and near the harmonic."""
    crystal = crystals["wurtzite"]
    constants = springs(crystal, 4.0)
    supercell = build_supercell(crystal, [[2, 1, 0], [-1, 2, 0], [0, 0, 2]])
    space, n_frames = half_space(supercell), 640
    modes = modes_at(constants, space.qpoints, space.weights)
    ensemble = harmonic_ensemble(constants, supercell, KELVIN)
    drawn = ensemble.draw(n_frames, np.random.default_rng(8))
    projector = Projector(space, modes)
    motion = MotionBlock(0, drawn.displacements, drawn.velocities, None)
    amplitudes = projector.project(motion)
    covariance, energies = (
        one.finalize(one.chunk(amplitudes))
        for one in (
            DisplacementCovarianceReduction(projector, n_frames),
            EnergyReduction(projector, n_frames),
        )
    )
    group = space_group(crystal)
    found = run_displacements(covariance, modes, energies, group)
    sites = [drawn.displacements[:, supercell.site_index == s] for s in range(crystal.n_sites)]
    apart = [one - one.mean(axis=(0, 1)) for one in sites]
    direct = [np.einsum("tax,tay->xy", one, one) / (n_frames * one.shape[1]) for one in apart]
    wanted = symmetrised(np.array(direct), group)
    np.testing.assert_allclose(found.measured, wanted, rtol=0, atol=1e-9 * wanted.max())
    ellipsoids = np.einsum("sxx->sx", (found.measured - found.harmonic) / found.measured_sem)
    assert 0.2 < np.sqrt((ellipsoids**2).mean()) < 2.0
    assert np.einsum("sxx->sx", found.measured_sem).max() < 0.02 * wanted.max()
    isotropic = 8.0 * np.pi**2 / 3.0
    np.testing.assert_allclose(found.b_iso, isotropic * np.einsum("sxx->s", wanted), rtol=1e-9)
    # The error of a sum is at most the sum of the errors: u_x and u_y share one here.
    of_components = isotropic * np.einsum("sxx->sx", found.measured_sem)
    assert (found.b_iso_sem < of_components.sum(axis=1)).all()
    assert (found.b_iso_sem > 0.4 * of_components.sum(axis=1)).all()
