from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.data.spectra import BandSpectra, Verdict
from trajmodes.project.lineshape import resolution
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.spectra.segments import effective_segments, hann, resolution_of
from trajmodes.units import THZ

LENGTH, INTERVAL, FREQ = 512, 0.01, 12.3 * THZ
RESOLUTION = resolution_of(LENGTH, INTERVAL)
RUNS = 200


def _velocities(rng, count: int, n_frames: int, omega: float, gamma: float) -> np.ndarray:
    """Damped oscillators at ⟨v²⟩ = 1 by the exact propagator, (i, t)."""
    step = expm(np.array([[0.0, 1.0], [-(omega**2), -gamma]]) * INTERVAL)
    equilibrium = np.diag([omega**-2, 1.0])
    kick = np.linalg.cholesky(equilibrium - step @ equilibrium @ step.T)
    state = np.sqrt(equilibrium) @ rng.normal(size=(2, count))
    velocity = np.empty((n_frames, count))
    for t in range(n_frames):
        velocity[t] = state[1]
        state = step @ state + kick @ rng.normal(size=(2, count))
    return velocity.T


def _spectra(velocity: np.ndarray, members: int) -> BandSpectra:
    """Spectra of sets of real oscillators: complex ±q series are two of them."""
    starts = range(0, velocity.shape[1] - LENGTH + 1, LENGTH // 2)
    power = np.zeros((len(velocity), LENGTH // 2 + 1))
    for first in starts:
        waves = np.fft.rfft(velocity[:, first : first + LENGTH] * hann(LENGTH))
        power += np.abs(waves) ** 2
    power[:, 1:-1] *= 2.0
    power *= 0.5 * INTERVAL / (2 * np.pi * 3 / 8 * LENGTH * len(starts))
    pooled = power.reshape(-1, members, power.shape[1]).mean(axis=1)
    averages = np.full(len(pooled), members * effective_segments([len(starts)]))
    first = np.zeros(len(pooled), dtype=int)
    return BandSpectra(first, pooled, averages, LENGTH, INTERVAL)


def _simulated(seed: int, members: int, width: float, segments: float = 2.0, runs: int = RUNS):
    rng = np.random.default_rng(seed)
    velocity = _velocities(rng, runs * members, int(segments * LENGTH), FREQ, width)
    return _spectra(velocity, members)


def _guess(spectra: BandSpectra, freq: float = FREQ * 1.03) -> np.ndarray:
    return np.full(len(spectra.power), freq)


@pytest.mark.slow
@pytest.mark.parametrize("members", [2, 12])
@pytest.mark.parametrize("widths", [2.5, 3.0, 6.0, 15.0, 40.0])
def test_errors_agree_with_the_scatter(widths: float, members: int) -> None:
    """Damped oscillators of 2.5 to 40 resolutions: z-scores of frequency and linewidth."""
    width = widths * RESOLUTION
    spectra = _simulated(int(widths) + members, members, width)
    fits = fit_lines([spectra], _guess(spectra))
    resolved = np.isfinite(fits.linewidth)
    assert resolved.mean() > 0.95
    for value, sem, truth in (
        (fits.omega, fits.omega_sem, FREQ),
        (fits.linewidth, fits.linewidth_sem, width),
    ):
        z = ((value - truth) / sem)[resolved]
        assert abs(z.mean()) < 0.2
        assert 0.85 < z.std() < 1.25
    assert np.nanmean(fits.reduced_chi2) == pytest.approx(1.0, abs=0.1)
    assert np.mean(fits.error_factor == 1.0) > 0.9
    assert np.nanmean(fits.kinetic) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(("members", "widths"), [(2, 1.25), (2, 1.5), (12, 1.5)])
def test_lines_near_the_limit_are_not_too_wide(members: int, widths: float) -> None:
    """Those that are resolved by chance were 20 to 30 % too wide, by one to two errors."""
    width = widths * RESOLUTION
    spectra = _simulated(int(100 * widths) + members, members, width)
    fits = fit_lines([spectra], _guess(spectra))
    resolved = np.isfinite(fits.linewidth)
    assert 0.05 < resolved.mean() < 0.8
    relative = (fits.linewidth_sem / fits.linewidth)[resolved]
    z = np.log(fits.linewidth[resolved] / width) / relative
    assert abs(z.mean()) < 0.5
    assert 0.7 < z.std() < 1.3


@pytest.mark.slow
@pytest.mark.parametrize("widths", [0.7, 1.0, 1.5, 2.0])
def test_few_averages_do_not_make_a_line_resolved(widths: float) -> None:
    """Few windows of few members: widths of one resolution seem to be two by chance."""
    rng = np.random.default_rng(int(10 * widths))
    runs = 150
    velocity = _velocities(rng, 12 * runs, 41 * LENGTH // 2, FREQ, widths * RESOLUTION)
    for members, windows in product((1, 2, 4, 12), (3, 6, 12, 40)):
        count = min(12 // members, 4) * members * runs
        spectra = _spectra(velocity[:count, : (windows + 1) * LENGTH // 2], members)
        fits = fit_lines([spectra], _guess(spectra))
        resolved = np.isfinite(fits.linewidth)
        part, case = resolved.mean(), (members, windows)
        assert part <= {0.7: 0.03, 1.0: 0.08}.get(widths, 1.0), case
        assert part > 0.95 or widths < 2.0 or spectra.averages[0] < 11.0, case
        if part > 0.1:
            relative = (fits.linewidth_sem / fits.linewidth)[resolved]
            z = np.log(fits.linewidth[resolved] / (widths * RESOLUTION)) / relative
            assert abs(z.mean()) < 0.5, case
        # The frequency does not depend on the width, and is known.
        z = (fits.omega - FREQ) / fits.omega_sem
        assert np.isfinite(z).mean() > 0.95, case
        assert 0.75 < np.nanstd(z) < 1.25, case
        for advice in {fits.advice[g] for g in np.flatnonzero(~resolved)}:
            assert "would resolve it" in advice


def test_lifetime_is_one_over_gamma() -> None:
    spectra = _simulated(3, 12, 5 * RESOLUTION, runs=20)
    fits = fit_lines([spectra], _guess(spectra))
    assert np.allclose(fits.lifetime_ps, 1 / fits.linewidth, rtol=1e-12)
    relative = fits.linewidth_sem / fits.linewidth
    assert np.allclose(fits.lifetime_ps_sem / fits.lifetime_ps, relative, rtol=1e-12)


def test_the_window_does_not_broaden_the_line() -> None:
    """Without the window in the model a line of 2 resolutions would be fitted too broad."""
    width = 2 * RESOLUTION
    spectra = _simulated(5, 24, width, runs=60)
    fits = fit_lines([spectra], _guess(spectra))
    assert np.nanmean(fits.linewidth) == pytest.approx(width, rel=0.03)
    mean = spectra.power.mean(axis=0)
    fine = np.linspace(FREQ - 5 * width, FREQ + 5 * width, 2001)
    seen = np.interp(fine, spectra.omega[0], mean)
    above = fine[seen > 0.5 * seen.max()]
    assert above[-1] - above[0] > 1.15 * width


@pytest.mark.parametrize("widths", [0.05, 0.3, 1.0])
def test_a_line_below_the_resolution_is_not_resolved(widths: float) -> None:
    spectra = _simulated(int(100 * widths), 12, widths * RESOLUTION, segments=3, runs=40)
    fits = fit_lines([spectra], _guess(spectra))
    narrow = [verdict is Verdict.TOO_NARROW for verdict in fits.verdicts]
    assert np.mean(narrow) > 0.95
    for g in np.flatnonzero(narrow):
        assert np.isnan([fits.linewidth[g], fits.lifetime_ps[g]]).all()
        assert "lives longer than" in fits.advice[g]
        assert "--resolution-thz" in fits.advice[g]


def test_the_advised_resolution_resolves_a_narrow_line() -> None:
    """Half a resolution wide: segments four times as long make it two."""
    spectra = _simulated(9, 24, 0.5 * RESOLUTION, segments=3, runs=20)
    advice = fit_lines([spectra], _guess(spectra)).advice
    asked = [float(text.split("segments of ")[1].split(" ps")[0]) for text in advice]
    assert np.median(asked) == pytest.approx(4 * LENGTH * INTERVAL, rel=0.15)


@pytest.mark.parametrize("half_distance", [4.0, 1.4])
def test_two_lines_are_not_fitted_by_one(half_distance: float) -> None:
    """Nor is one of them the line of the mode, if they are two and a half widths apart."""
    rng = np.random.default_rng(12)
    width = 3 * RESOLUTION
    halves = [
        _velocities(rng, 40 * 12, 2 * LENGTH, FREQ + shift, width)
        for shift in (-half_distance * THZ, half_distance * THZ)
    ]
    spectra = _spectra((halves[0] + halves[1]) / np.sqrt(2), 12)
    fits = fit_lines([spectra], _guess(spectra, FREQ))
    assert np.mean([verdict is Verdict.NO_LINE for verdict in fits.verdicts]) > 0.8
    assert np.isnan(fits.lifetime_ps).mean() > 0.9


def test_noise_is_not_a_line() -> None:
    rng = np.random.default_rng(13)
    spectra = _spectra(rng.normal(size=(30 * 12, 2 * LENGTH)), 12)
    fits = fit_lines([spectra], _guess(spectra))
    assert not any(verdict is Verdict.RESOLVED for verdict in fits.verdicts)
    assert np.isnan(fits.linewidth).all()


def test_too_little_data_gives_that_verdict() -> None:
    """One real mode in one segment: the width is very uncertain."""
    spectra = _simulated(14, 1, 2 * RESOLUTION, segments=1)
    fits = fit_lines([spectra], _guess(spectra))
    kinds = set(fits.verdicts)
    assert Verdict.TOO_FEW in kinds
    for verdict, advice, sem, value in zip(
        fits.verdicts, fits.advice, fits.linewidth_sem, fits.linewidth, strict=True
    ):
        if verdict is Verdict.TOO_FEW:
            assert "times as long would resolve it" in advice
        if verdict is Verdict.RESOLVED:
            # Beyond one half only by the correction for selection.
            assert sem < 2.0 * value
            assert advice == ""


def test_a_zero_spectrum_fails_with_a_reason() -> None:
    spectra = _simulated(15, 4, 5 * RESOLUTION, runs=3)
    power = spectra.power.copy()
    power[1] = 0.0
    fits = fit_lines([replace(spectra, power=power)], _guess(spectra))
    assert fits.verdicts[1] is Verdict.FAILED
    assert fits.advice[1]
    assert fits.verdicts[0] is fits.verdicts[2] is Verdict.RESOLVED


def test_lines_of_imaginary_modes_are_found() -> None:
    """The line is then searched everywhere."""
    spectra = _simulated(16, 12, 5 * RESOLUTION, runs=10)
    fits = fit_lines([spectra], _guess(spectra, -3.0))
    known = fit_lines([spectra], _guess(spectra))
    # The ranges of bins may differ by one.
    assert (np.abs(fits.omega - known.omega) < 0.2 * known.omega_sem).all()


def test_overdamped_motion_has_no_lifetime() -> None:
    rng = np.random.default_rng(17)
    spectra = _spectra(_velocities(rng, 10 * 12, 2 * LENGTH, 3.0 * THZ, 90.0 * THZ), 12)
    fits = fit_lines([spectra], _guess(spectra, 3.0 * THZ))
    assert not any(verdict is Verdict.RESOLVED for verdict in fits.verdicts)


def test_the_range_of_the_fit_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice or half as much of the wings changes the result by less than its error."""
    spectra = _simulated(18, 12, 8 * RESOLUTION, runs=40)
    usual = fit_lines([spectra], _guess(spectra))
    for widths in (2.0, 8.0):
        monkeypatch.setattr("trajmodes.project.lineshape.resolution._RANGES", (widths,))
        other = fit_lines([spectra], _guess(spectra))
        for name in ("omega", "linewidth"):
            shift = getattr(other, name) - getattr(usual, name)
            sem = getattr(usual, f"{name}_sem")
            assert np.sqrt(np.mean((shift / sem) ** 2)) < 1.0
            assert abs(np.mean(shift / sem)) < 0.2


def test_each_line_is_fitted_independently() -> None:
    """Batches and padding change nothing: sets alone or together give the same numbers."""
    broad, sharp = (_simulated(19, 12, width * RESOLUTION, runs=5) for width in (30.0, 3.0))
    both = replace(
        broad,
        first_bin=np.concatenate([broad.first_bin, sharp.first_bin]),
        power=np.concatenate([broad.power, sharp.power]),
        averages=np.concatenate([broad.averages, sharp.averages]),
    )
    together = fit_lines([both], _guess(both))
    apart = [fit_lines([spectra], _guess(spectra)) for spectra in (broad, sharp)]
    for name in ("omega", "linewidth", "linewidth_sem", "reduced_chi2"):
        expected = np.concatenate([getattr(fits, name) for fits in apart])
        assert np.allclose(getattr(together, name), expected, rtol=1e-6)


def test_the_advised_run_is_two_segments_long() -> None:
    """Half a resolution wide: segments four times as long, and a run of twice that."""
    spectra = _simulated(9, 24, 0.5 * RESOLUTION, segments=3, runs=20)
    advice = fit_lines([spectra], _guess(spectra)).advice
    runs = [float(text.split("a run of ")[1].split(" ps")[0]) for text in advice]
    assert np.median(runs) == pytest.approx(8 * LENGTH * INTERVAL, rel=0.15)
    longer = [float(text.split("lives longer than ")[1].split(" ps")[0]) for text in advice]
    assert np.array(longer) == pytest.approx(0.5 / RESOLUTION, rel=0.01)


def test_a_line_with_little_of_the_power_is_rejected() -> None:
    """Even if it is fitted well: most of the motion is elsewhere."""
    rng = np.random.default_rng(14)
    line = _velocities(rng, 12 * 20, 4 * LENGTH, FREQ, 3 * RESOLUTION)
    white = rng.normal(size=line.shape)
    for share, expected_verdict in ((0.35, Verdict.NO_LINE), (0.9, Verdict.RESOLVED)):
        mixed = np.sqrt(share) * line + np.sqrt(1.0 - share) * white
        spectra = _spectra(mixed, 12)
        verdicts = fit_lines([spectra], _guess(spectra)).verdicts
        assert np.mean([verdict is expected_verdict for verdict in verdicts]) > 0.9


def _of_length(velocity: np.ndarray, length: int) -> BandSpectra:
    """Spectrum of one set of oscillators (i, t) from segments of one length."""
    starts = range(0, velocity.shape[1] - length + 1, length // 2)
    parts = [velocity[:, first : first + length] * hann(length) for first in starts]
    power = np.mean([np.abs(np.fft.rfft(part)) ** 2 for part in parts], axis=(0, 1))
    power[1:-1] *= 2.0
    power *= 0.5 * INTERVAL / (2 * np.pi * 3 / 8 * length)
    averages = np.array([len(velocity) * effective_segments([len(starts)])])
    return BandSpectra(np.zeros(1, dtype=int), power[None], averages, length, INTERVAL)


def _narrow(envelope: np.ndarray) -> list[BandSpectra]:
    """Short and long segments of a very narrow line, with an amplitude that depends on time."""
    rng = np.random.default_rng(5)
    velocity = envelope * _velocities(rng, 2, len(envelope), FREQ, RESOLUTION / 40.0)
    return [_of_length(velocity, n) for n in (LENGTH, 4 * LENGTH)]


def test_a_narrow_line_that_is_weak_in_the_middle_of_the_run_has_a_frequency() -> None:
    """One long segment is mostly its middle: it holds little of the energy of the line, as in
    a molecule whose few modes exchange energy slowly.
    """
    fits = fit_lines(_narrow(np.abs(np.linspace(-1.0, 1.0, 4 * LENGTH))), np.array([FREQ]))
    assert fits.verdicts == (Verdict.TOO_NARROW,)
    assert fits.segment_ps[0] == pytest.approx(4 * LENGTH * INTERVAL)
    assert fits.omega[0] == pytest.approx(FREQ, abs=0.2 * RESOLUTION)


def _within(spectra: BandSpectra, reach: float) -> BandSpectra:
    """The part of a spectrum within a distance of the first line."""
    inside = np.abs(spectra.omega - FREQ) <= reach
    return replace(spectra, power=np.where(inside, spectra.power, np.nan))


@pytest.mark.parametrize("widths", [0.02, 3.0])
def test_one_line_of_two_that_are_far_apart_is_not_the_line_of_the_mode(widths: float) -> None:
    """As in a Fermi doublet: the long segments cover a band that contains one of them."""
    rng = np.random.default_rng(6)
    other, width, n_frames = 1.3 * FREQ, widths * RESOLUTION, 16 * LENGTH
    both = [_velocities(rng, 4, n_frames, omega, width) for omega in (FREQ, other)]
    first, second = (velocity / velocity.std() for velocity in both)
    for share, two in ((0.4, True), (0.3, True), (0.1, False)):
        velocity = np.sqrt(1.0 - share) * first + np.sqrt(share) * second
        short, long = (_of_length(velocity, n) for n in (LENGTH, 4 * LENGTH))
        fits = fit_lines([short, _within(long, 10.0 * RESOLUTION)], np.array([FREQ]))
        assert (fits.verdicts[0] is Verdict.NO_LINE) == two
        assert np.isnan(fits.omega[0]) == two
        if two:
            found = [float(text.split()[0]) for text in fits.advice[0].split("near ")[1:]]
            expected = np.array([FREQ, other]) / THZ
            assert found == pytest.approx(expected, abs=0.5 * RESOLUTION / THZ)
            assert "--line two-oscillators" in fits.advice[0]


def test_a_fit_that_does_not_converge_does_not_put_the_line_outside_the_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where long segments fail, what short ones show is kept: a line narrower than they."""
    whole = resolution._fit

    def fails(spectra, rows, starts, shape):
        lines = whole(spectra, rows, starts, shape)
        long = spectra.band.segment_frames > LENGTH
        return replace(lines, converged=lines.converged & (not long))

    monkeypatch.setattr(resolution, "_fit", fails)
    fits = fit_lines(_narrow(np.ones(4 * LENGTH)), np.array([FREQ]))
    assert fits.verdicts == (Verdict.TOO_NARROW,)
    assert fits.omega[0] == pytest.approx(FREQ, abs=0.1 * RESOLUTION)


def test_members_that_are_alike_have_a_larger_error() -> None:
    """Counted twice, the members of a set would be known too well by √2."""
    width = 6 * RESOLUTION
    spectra = _simulated(41, 6, width)
    twice = replace(spectra, averages=2.0 * spectra.averages)
    right, found = (fit_lines([one], _guess(one)) for one in (spectra, twice))
    for value, sem, truth in (
        ("omega", "omega_sem", FREQ),
        ("linewidth", "linewidth_sem", width),
    ):
        z = (getattr(found, value) - truth) / getattr(found, sem)
        assert 0.85 < np.nanstd(z) < 1.25
        larger = getattr(right, sem) / getattr(found, sem)
        assert 0.8 < np.nanmedian(larger) < 1.2
