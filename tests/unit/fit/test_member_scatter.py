"""Error bars where the frequencies of all modes follow the energies of slow modes."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations, with_member_scatter
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.many_parameters.fit import fit_covariances, with_scatter_of_members
from trajmodes.fit.many_parameters.least_squares import least_squares
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.fit.members.scatter import MemberScatter
from trajmodes.fit.members.widening import widened, widened_by_gradients
from trajmodes.fit.normal_equations import pooled
from trajmodes.fit.solution import FitOptions
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell, half_space

FRAMES = 128
MEMORY = 0.98
"""Correlation of the amplitudes of neighbouring frames: energies decay over 25 frames."""


class Waves:
    """Harmonic crystal: each plane wave has a slow amplitude and a random phase."""

    def __init__(self, constants, supercell):
        self.supercell, space = supercell, half_space(supercell)
        self.modes = modes_at(constants, space.qpoints, space.weights)
        known_qm = self.modes.sets >= 0
        q, m = np.nonzero(known_qm)
        self.omega, self.sets = self.modes.omega[known_qm], self.modes.sets[known_qm]
        angle_kc = 2.0 * np.pi * space.qpoints[q] @ supercell.cells.T
        vectors_kx = self.modes.vectors[q, m, 0]
        self.waves_kax = np.exp(1j * angle_kc)[:, :, None] * vectors_kx[:, None]
        self.waves_kax *= (space.weights[q] / self.omega)[:, None, None]

    def run(self, rng, couplings, memory):
        """Displacements and forces; the stiffness of a wave follows the energies of all.

        `couplings` (g, g) are those of the sets of equivalent modes.
        """
        shape = (2, FRAMES, len(self.omega))
        amplitude = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        for t in range(1, FRAMES):
            amplitude[:, t] *= np.sqrt(1.0 - memory**2)
            amplitude[:, t] += memory * amplitude[:, t - 1]
        energy_tk = (np.abs(amplitude) ** 2).sum(axis=0) / 4.0 - 1.0
        scale_tk = 1.0 + energy_tk @ couplings[np.ix_(self.sets, self.sets)]
        turn = np.exp(2j * np.pi * rng.random(size=shape[1:]))
        q_tk = amplitude[0] * turn + amplitude[1] * turn.conj()
        g_tk = -self.modes.crystal.masses[0] * self.omega**2 * scale_tk * q_tk
        u_tax, f_tax = (np.tensordot(x, self.waves_kax, axes=1).real for x in (q_tk, g_tk))
        return u_tax, f_tax + 0.2 * f_tax.std() * rng.normal(size=f_tax.shape)


@pytest.fixture
def crystal_of_waves(crystals, springs):
    """``crystal_of_waves(n)``: supercell and waves of n³ cells."""

    def make(n):
        supercell = build_supercell(crystals["bcc"], np.diag([n, n, n]))
        exact = springs(supercell.crystal, 3.0)
        return supercell, Waves(exact, supercell)

    return make


@pytest.fixture
def couplings():
    """``couplings(waves)``: random couplings of the sets of equivalent modes."""

    def make(waves):
        n_sets = waves.modes.n_sets
        return 0.006 * np.random.default_rng(1).normal(size=(n_sets, n_sets))

    return make


def same_space(fit, *covariances):
    space = covariances[0].space
    alone = replace(fit.constants, replicates=None)
    return SameSpace(covariances, modes_at(alone, space.qpoints, space.weights))


def frequencies(fit, modes):
    found = modes_at(fit.constants, modes.qpoints, modes.weights)
    return set_mean(found.omega, modes), set_mean(found.omega_sem, modes)


def spread(omega, sem):
    """Root mean square of (ω − mean of all runs)/error."""
    deviation = np.array(omega) - np.mean(omega, axis=0)
    return float(np.sqrt(((deviation / np.array(sem)) ** 2).mean()))


def test_what_all_modes_share_is_found_from_the_energies(
    crystal_of_waves, couplings, reduce_frames, fit_harmonic
):
    supercell, waves = crystal_of_waves(4)
    rng = np.random.default_rng(0)
    before, after = [], []
    for _ in range(12):
        covariances = reduce_frames(supercell, *waves.run(rng, couplings(waves), MEMORY))
        fit = fit_harmonic(covariances, cutoff="supercell")
        before.append(frequencies(fit, waves.modes))
        wide = with_member_scatter(fit, [same_space(fit, covariances)])
        after.append(frequencies(wide, waves.modes))
    assert spread(*zip(*before, strict=True)) > 1.7
    assert 0.85 < spread(*zip(*after, strict=True)) < 1.25


def test_runs_in_different_supercells_are_compared_together(
    crystal_of_waves, couplings, reduce_frames
):
    (large, waves), (small, others) = crystal_of_waves(4), crystal_of_waves(3)
    expansion = expansion_of(space_group(large.crystal), large, {2: Cutoff(3.5)})
    rng = np.random.default_rng(0)
    before, after = [], []
    for _ in range(8):
        runs = [
            reduce_frames(cell, *one.run(rng, couplings(one), MEMORY), 16)
            for cell, one in ((large, waves), (small, others), (small, others))
        ]
        parts = [harmonic_equations(one, expansion) for one in runs]
        fit = fit_equations(pooled(parts, large))
        spaces = [same_space(fit, runs[0]), same_space(fit, *runs[1:])]
        before.append(frequencies(fit, waves.modes))
        after.append(frequencies(with_member_scatter(fit, spaces), waves.modes))
    assert spread(*zip(*before, strict=True)) > 1.3
    assert 0.8 < spread(*zip(*after, strict=True)) < 1.25


def test_later_frames_stand_for_those_of_an_earlier_fit(
    crystal_of_waves, couplings, reduce_frames
):
    supercell, waves = crystal_of_waves(4)
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: "supercell"})
    rng = np.random.default_rng(0)
    earlier, later = (
        reduce_frames(supercell, *waves.run(rng, couplings(waves), MEMORY)) for _ in range(2)
    )
    fit = fit_equations(
        pooled([harmonic_equations(one, expansion) for one in (earlier, later)])
    )
    _, plain = frequencies(fit, waves.modes)
    _, of_both = frequencies(
        with_member_scatter(fit, [same_space(fit, earlier, later)]), waves.modes
    )
    _, of_later = frequencies(with_member_scatter(fit, [same_space(fit, later)]), waves.modes)
    assert of_later.mean() > 1.3 * plain.mean()
    assert of_later.mean() == pytest.approx(of_both.mean(), rel=0.4)


def test_many_parameters_are_widened_as_few_are(crystal_of_waves, couplings, reduce_frames):
    supercell, waves = crystal_of_waves(3)
    frames = waves.run(np.random.default_rng(0), couplings(waves), MEMORY)
    covariances = reduce_frames(supercell, *frames)
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: Cutoff(3.5)})
    fit = fit_equations(harmonic_equations(covariances, expansion))
    modes = same_space(fit, covariances).modes
    growth = 1.0 + 3.0 * modes.omega / modes.omega.max()
    scatter = MemberScatter(growth, 1.0, growth, 1.0)
    few = widened(fit.errors, fit.model, modes, scatter)
    problem = least_squares(covariances, expansion, FitOptions())
    z_bz = (fit.errors.parameters @ fit.model.null_space.T)[:, expansion.columns(2)]
    many = widened_by_gradients(replace(fit.errors, parameters=z_bz), problem, modes, scatter)
    z_bz = (few.parameters @ fit.model.null_space.T)[:, expansion.columns(2)]
    np.testing.assert_allclose(many.parameters, z_bz, atol=1e-5 * z_bz.std(axis=0).max())


def test_errors_of_many_parameters_grow_by_the_scatter_of_members(
    crystal_of_waves, couplings, reduce_frames
):
    supercell, waves = crystal_of_waves(4)
    frames = waves.run(np.random.default_rng(0), couplings(waves), MEMORY)
    covariances = reduce_frames(supercell, *frames)
    expansion = expansion_of(space_group(supercell.crystal), supercell, {2: "supercell"})
    fit = fit_covariances(covariances, expansion)
    space = same_space(fit, covariances)
    wide = with_scatter_of_members(fit, space, expansion, FitOptions())
    few = fit_equations(harmonic_equations(covariances, expansion))
    few = with_member_scatter(few, [space])
    _, plain = frequencies(fit, waves.modes)
    _, expected = frequencies(few, waves.modes)
    _, found = frequencies(wide, waves.modes)
    assert found.mean() > 1.5 * plain.mean()
    # with all pairs of the supercell a frequency does depend on its own q alone
    np.testing.assert_allclose(found, expected, rtol=0.05)
