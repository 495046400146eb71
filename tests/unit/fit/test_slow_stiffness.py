"""Error bars of a crystal whose stiffness follows a slow variable, as that of other modes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import LOWER_BOUND
from trajmodes.fit.fit import with_member_scatter
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.fit.members.scatter import MemberScatter
from trajmodes.fit.members.widening import widened
from trajmodes.fit.quality import COHERENT, compared_with_lifetimes, lower_bounds
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell, half_space

LIFETIME = 8.0
"""Correlation time of the stiffness in frames; one frame is 1 ps."""

RUNS = 60


@pytest.fixture
def runs(crystals, springs, hessian_of, reduce_frames, fit_harmonic):
    """``runs(n_frames)``: fits to many runs."""
    supercell = build_supercell(crystals["bcc"], np.diag([2, 2, 2]))
    exact = springs(supercell.crystal, 3.0)
    hessian = hessian_of(exact, supercell)
    memory = np.exp(-1.0 / LIFETIME)

    def make(n_frames):
        rng = np.random.default_rng(0)
        found = []
        for _ in range(RUNS):
            u_tax = rng.normal(size=(n_frames, supercell.n_atoms, 3))
            kicks = rng.normal(size=n_frames) * np.sqrt(1.0 - memory**2)
            stiffness = np.empty(n_frames)
            stiffness[0] = rng.normal()
            for t in range(1, n_frames):
                stiffness[t] = memory * stiffness[t - 1] + kicks[t]
            scale = 1.0 + 0.1 * stiffness[:, None, None]
            f_tax = -scale * (u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
            fit = fit_harmonic(reduce_frames(supercell, u_tax, f_tax), cutoff="supercell")
            found.append(fit)
        return found

    return make


def spread_of(fits):
    """Root mean square of (x − mean of all runs)/error, of the stiffness of the site."""
    values = np.array([fit.constants.values[0, 0, 0] for fit in fits])
    replicates = np.array([fit.constants.replicates.std(axis=0)[0, 0, 0] for fit in fits])
    counts = np.array([len(fit.constants.replicates) for fit in fits])
    errors = replicates * np.sqrt(counts - 1)
    return float(np.sqrt((((values - values.mean()) / errors) ** 2).mean()))


def test_converged_errors_are_the_scatter_of_runs(runs):
    fits = runs(1024)
    assert 0.85 < spread_of(fits) < 1.25
    kept = [compared_with_lifetimes(fit.errors, 1.0, np.array([LIFETIME]))[1] for fit in fits]
    assert kept == [None] * RUNS


@pytest.mark.parametrize("n_frames", [32, 128])
def test_errors_of_short_runs_are_called_lower_bounds(runs, n_frames):
    fits = runs(n_frames)
    assert spread_of(fits) > 1.25
    for fit in fits:
        errors, note = compared_with_lifetimes(fit.errors, 1.0, np.array([LIFETIME]))
        assert not errors.levelled
        assert "lower bounds" in str(note)


N_WAVE_RUNS = 20


def modes_of(fit, supercell):
    space = half_space(supercell)
    return modes_at(fit.constants, space.qpoints, space.weights)


def members_of(fit, covariances):
    return [SameSpace((covariances,), modes_of(fit, covariances.space.supercell))]


def slow_series(rng, shape, memory):
    """(t, …) normal variables whose correlation decays by the factor `memory` per frame."""
    found = rng.normal(size=shape)
    for t in range(1, len(found)):
        found[t] = memory * found[t - 1] + np.sqrt(1.0 - memory**2) * found[t]
    return found


def wave_forces(supercell, hessian, u_tax, stiffness_tq):
    """Forces if the stiffness of the waves at each ±q follows its own variable."""
    shape = (-1, *supercell.shape, supercell.crystal.n_sites, 3)
    f_tax = -(u_tax.reshape(len(u_tax), -1) @ hessian).reshape(u_tax.shape)
    waves = np.fft.fftn(f_tax.reshape(shape), axes=(1, 2, 3))
    rank = np.arange(supercell.n_cells).reshape(supercell.shape)
    opposite = rank[np.ix_(*(-np.arange(n) % n for n in supercell.shape))]
    scale = 1.0 + 0.1 * stiffness_tq[:, np.minimum(rank, opposite)]
    field = np.fft.ifftn(waves * scale[..., None, None], axes=(1, 2, 3)).real
    return field.reshape(u_tax.shape)


@pytest.fixture
def wave_runs(crystals, springs, hessian_of, reduce_frames, fit_harmonic):
    """``wave_runs(memory)``: fits of 64 frames, before and after the comparison of members."""
    supercell = build_supercell(crystals["bcc"], np.diag([4, 4, 4]))
    hessian = hessian_of(springs(supercell.crystal, 3.0), supercell)

    def make(memory):
        rng = np.random.default_rng(0)
        before, after = [], []
        for _ in range(N_WAVE_RUNS):
            u_tax = rng.normal(size=(64, supercell.n_atoms, 3))
            stiffness = slow_series(rng, (64, supercell.n_cells), memory)
            stiffness += 2.0 * rng.normal(size=stiffness.shape)
            f_tax = wave_forces(supercell, hessian, u_tax, stiffness)
            covariances = reduce_frames(supercell, u_tax, f_tax)
            fit = fit_harmonic(covariances, cutoff="supercell")
            before.append(fit)
            after.append(with_member_scatter(fit, members_of(fit, covariances)))
        return supercell, before, after

    return make


def spread_of_frequencies(supercell, fits):
    modes = [modes_of(fit, supercell) for fit in fits]
    omega = np.array([set_mean(one.omega, modes[0]) for one in modes])
    sem = np.array([set_mean(one.omega_sem, modes[0]) for one in modes])
    return float(np.sqrt((((omega - omega.mean(axis=0)) / sem) ** 2).mean()))


def test_scatter_of_equivalent_modes_shows_what_is_slower_than_the_run(wave_runs):
    supercell, before, after = wave_runs(memory=0.99)
    assert spread_of_frequencies(supercell, before) > 1.6
    assert 0.85 < spread_of_frequencies(supercell, after) < 1.25
    notes = [str(note) for fit in after for note in fit.notes]
    assert sum("symmetry-equivalent modes differ by more" in note for note in notes) > 15
    assert np.mean([fit.errors.coherence for fit in after]) == pytest.approx(1.0, abs=0.2)
    for fit in after:
        # short blocks are no lower bound where members show what these do not
        errors, note = compared_with_lifetimes(fit.errors, 1.0, np.array([100.0]))
        assert (note is None) == (fit.errors.coherence < COHERENT)
        assert errors.levelled or note is not None


def test_errors_of_independent_frames_are_not_widened(wave_runs):
    supercell, before, after = wave_runs(memory=0.0)
    spreads = [spread_of_frequencies(supercell, fits) for fits in (before, after)]
    assert 0.85 < spreads[1] < 1.25
    assert spreads[1] == pytest.approx(spreads[0], rel=0.08)


def test_what_all_modes_share_remains_a_lower_bound(
    crystals, springs, hessian_of, reduce_frames, fit_harmonic
):
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    hessian = hessian_of(springs(supercell.crystal, 3.0), supercell)
    rng = np.random.default_rng(0)
    u_tax = rng.normal(size=(64, supercell.n_atoms, 3))
    shared = np.tile(slow_series(rng, (64, 1), 0.9), supercell.n_cells)
    covariances = reduce_frames(
        supercell, u_tax, wave_forces(supercell, hessian, u_tax, shared)
    )
    fit = fit_harmonic(covariances, cutoff="supercell")
    fit = with_member_scatter(fit, members_of(fit, covariances))
    assert fit.errors.coherence > COHERENT
    errors, note = compared_with_lifetimes(fit.errors, 1.0, np.array([10.0]))
    assert not errors.levelled
    assert "lower bounds" in str(note)


@pytest.mark.parametrize(("memory", "unknown"), [(0.99, True), (0.0, False)])
def test_errors_are_lower_bounds_where_slow_energies_hide_what_modes_share(
    request, springs, hessian_of, fit_harmonic, memory, unknown
):
    """Energies and frequencies of the waves vary more slowly than the run lasts, or do not."""
    crystals, reduce_frames = map(request.getfixturevalue, ("crystals", "reduce_frames"))
    supercell = build_supercell(crystals["bcc"], np.diag([4, 4, 4]))
    hessian = hessian_of(springs(supercell.crystal, 3.0), supercell)
    rng = np.random.default_rng(0)
    series = slow_series(rng, (96, supercell.n_cells), memory)
    u_tax = rng.normal(size=(96, supercell.n_atoms, 3))
    # without a Hessian: the amplitude of each wave is scaled
    u_tax = -wave_forces(supercell, np.eye(u_tax[0].size), u_tax, 5.0 * series)
    covariances = reduce_frames(
        supercell, u_tax, wave_forces(supercell, hessian, u_tax, 2.0 * series)
    )
    fit = fit_harmonic(covariances, cutoff="supercell")
    fit = with_member_scatter(fit, members_of(fit, covariances))
    above = fit.errors.may_exceed[1:] > LOWER_BOUND
    notes = [note for note in fit.notes if "are lower bounds: they may be" in note.text]
    assert above.any() == unknown
    assert [note.severity for note in notes] == ["warning"] * unknown


def test_the_range_of_one_frequency_is_one_number(wave_runs):
    supercell, (fit, *_), _ = wave_runs(memory=0.0)
    modes = modes_of(fit, supercell)
    exceed = np.where(modes.sets == modes.sets.max(), 2.0 * LOWER_BOUND, 1.0)
    (note,) = lower_bounds(MemberScatter(exceed, 1.0, exceed, 3.0), modes)
    assert re.search(r"of 1 of \d+ sets of modes, at [\d.]+ THz, are lower bounds", note.text)


def test_widened_replicates_multiply_the_errors_of_frequencies(wave_runs):
    supercell, (fit, *_), _ = wave_runs(memory=0.0)
    modes = modes_of(fit, supercell)
    for power in (0.0, 1.0):
        growth = 4.0 * (1.0 + modes.omega / modes.omega.max()) ** power
        errors = widened(fit.errors, fit.model, modes, MemberScatter(growth, 1.0, growth, 1.0))
        deviation = errors.parameters - errors.parameters.mean(axis=0)
        plain = fit.errors.parameters - fit.errors.parameters.mean(axis=0)
        if power == 0.0:
            np.testing.assert_allclose(deviation, 2.0 * plain, atol=1e-12)
        basis = fit.model.expansion.bases[1]
        own = fit.model.expansion.columns(2)
        again = basis.expand((errors.parameters @ fit.model.null_space.T)[:, own])
        wide = modes_of(
            replace(fit, constants=replace(fit.constants, replicates=again)), supercell
        )
        known = modes.sets >= 0
        ratio = wide.omega_sem[known] / modes.omega_sem[known]
        np.testing.assert_allclose(
            ratio, np.sqrt(growth[known]), rtol=1e-6 if power == 0 else 0.1
        )


def test_one_wave_vector_alone_has_nothing_to_compare_with(
    crystals, springs, hessian_of, reduce_frames, fit_harmonic
):
    supercell = build_supercell(crystals["bcc"], np.diag([1, 1, 2]))
    hessian = hessian_of(springs(supercell.crystal, 3.0), supercell)
    u_tax = np.random.default_rng(0).normal(size=(64, supercell.n_atoms, 3))
    f_tax = -(u_tax.reshape(64, -1) @ hessian).reshape(u_tax.shape)
    covariances = reduce_frames(supercell, u_tax, f_tax)
    fit = fit_harmonic(covariances, cutoff="supercell")
    assert with_member_scatter(fit, members_of(fit, covariances)) is fit
