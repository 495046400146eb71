"""Fits at the segment length that suits each line, and fits of other line shapes."""

from itertools import combinations

import numpy as np
import pytest

from trajmodes.data.spectra import BandSpectra, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.fit import fit_lines, line_models
from trajmodes.project.lineshape.models import LineShape
from trajmodes.project.lineshape.resolution import choose_segment_length
from trajmodes.project.lineshape.segment_fits import SegmentSpectra
from trajmodes.project.spectra.segments import effective_segments, hann, resolution_of
from trajmodes.units import THZ

INTERVAL, N_FRAMES, MEMBERS, RUNS = 0.02, 4096, 5, 100
LENGTHS = (128, 512, 2048)
FINEST = resolution_of(LENGTHS[-1], INTERVAL)
FREQ = 6.1 * THZ


def oscillator(
    omega: np.ndarray, center: float, width: float, asymmetry: float = 0.0
) -> np.ndarray:
    """One-sided spectrum of area ½ with aliasing.

    Fano interference is not aliased.
    """

    def line(w: np.ndarray) -> np.ndarray:
        return w**2 * width / np.pi / ((w**2 - center**2) ** 2 + width**2 * w**2)

    folded = sum(line(omega + k * THZ / INTERVAL) for k in range(-60, 61))
    kappa = (omega**2 - center**2) / (width * center)
    return folded + line(omega) * ((1 + asymmetry * kappa) ** 2 - 1)


def simulated(seed: int, spectrum, runs: int = RUNS) -> np.ndarray:
    """Gaussian series (i, t) of this spectrum, cut from series twice as long."""
    rng = np.random.default_rng(seed)
    n = 2 * N_FRAMES
    power = THZ * spectrum(THZ * np.arange(n // 2 + 1) / (n * INTERVAL))
    size = (runs * MEMBERS, len(power))
    waves = np.sqrt(power / 2) * (rng.normal(size=size) + 1j * rng.normal(size=size))
    return (np.fft.irfft(waves, axis=1) * np.sqrt(n / INTERVAL))[:, :N_FRAMES]


def welch(velocity: np.ndarray, length: int, band: tuple[float, float] | None = None):
    starts = range(0, N_FRAMES - length + 1, length // 2)
    power = np.zeros((len(velocity), length // 2 + 1))
    for first in starts:
        power += np.abs(np.fft.rfft(velocity[:, first : first + length] * hann(length))) ** 2
    power[:, 1:-1] *= 2.0
    power *= 0.5 * INTERVAL / (THZ * 3 / 8 * length * len(starts))
    power = power.reshape(-1, MEMBERS, power.shape[1]).mean(axis=1)
    averages = np.full(len(power), MEMBERS * effective_segments([len(starts)]))
    first, last = (0, power.shape[1])
    if band is not None:
        first, last = (int(w / THZ * length * INTERVAL) for w in band)
    firsts = np.full(len(power), first)
    return BandSpectra(firsts, power[:, first:last], averages, length, INTERVAL)


def spectra_of_lengths(velocity: np.ndarray) -> list[BandSpectra]:
    return [welch(velocity, length) for length in LENGTHS]


def fitted(seed: int, spectrum, guess=FREQ * 1.03, shape=None, runs: int = RUNS) -> LineFits:
    spectra = spectra_of_lengths(simulated(seed, spectrum, runs))
    return fit_lines(spectra, np.full(runs, guess), shape or LineShape())


def assert_errors_agree(
    values: np.ndarray, sems: np.ndarray, truth: float, least: float = 0.95
) -> None:
    known = np.isfinite(values)
    assert known.mean() >= least
    z = ((values - truth) / sems)[known]
    assert abs(z.mean()) < max(0.2, 3 / np.sqrt(len(z)))
    assert 0.8 < z.std() < 1.25


def verdicts(fits: LineFits, kind: Verdict) -> float:
    return float(np.mean([verdict is kind for verdict in fits.verdicts]))


# Widths in the finest resolution: some where the choice changes, where a bias would appear.
@pytest.mark.parametrize("widths", [2.5, 6.0, 15.0, 16.0, 17.5, 40.0, 63.0, 66.0, 100.0])
def test_the_choice_of_segment_length_leaves_no_bias(widths: float) -> None:
    width = widths * FINEST
    runs = 250
    fits = fitted(int(7 * widths), lambda w: oscillator(w, FREQ, width), runs=runs)
    assert_errors_agree(fits.omega, fits.omega_sem, FREQ)
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, width)
    assert np.nanmean(fits.reduced_chi2) == pytest.approx(1.0, abs=0.1)


def test_short_segments_are_chosen_for_broad_lines() -> None:
    for widths, length in ((6.0, 2048), (30.0, 512), (80.0, 128)):
        width = widths * FINEST
        fits = fitted(3, lambda w, width=width: oscillator(w, FREQ, width), runs=20)
        assert np.allclose(fits.segment_ps, length * INTERVAL)
        assert np.allclose(fits.resolution, resolution_of(length, INTERVAL))


def test_short_segments_measure_broad_lines_better() -> None:
    velocity = simulated(4, lambda w: oscillator(w, FREQ, 80 * FINEST), runs=20)
    spectra, guess = spectra_of_lengths(velocity), np.full(20, FREQ)
    short, long = fit_lines(spectra, guess), fit_lines(spectra[-1:], guess)
    gain = np.mean(long.linewidth_sem / short.linewidth_sem)
    assert 1.05 < gain < 1.5


def test_the_order_of_the_lengths_does_not_matter() -> None:
    spectra = spectra_of_lengths(simulated(5, lambda w: oscillator(w, FREQ, 0.5 * THZ), runs=5))
    there, back = (fit_lines(s, np.full(5, FREQ)) for s in (spectra, spectra[::-1]))
    assert np.array_equal(there.linewidth, back.linewidth)


def test_no_spectra_are_refused() -> None:
    with pytest.raises(DataError, match="there are no spectra to fit"):
        fit_lines([], np.zeros(3))


@pytest.mark.parametrize("half", [2.0, 0.4, 0.33])
def test_bands_that_cover_the_line_give_its_width(half: float) -> None:
    """Also where they end within the line, and cover it by chance for some of the sets."""
    velocity = simulated(6, lambda w: oscillator(w, FREQ, 0.4 * THZ))
    band = (FREQ - half * THZ, FREQ + half * THZ)
    spectra = [welch(velocity, 128), welch(velocity, 512, band), welch(velocity, 2048, band)]
    fits = fit_lines(spectra, np.full(RUNS, FREQ))
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, 0.4 * THZ, least=0.9)


def test_a_line_outside_its_band_gets_that_verdict() -> None:
    velocity = simulated(7, lambda w: oscillator(w, FREQ, 0.3 * THZ), runs=20)
    spectra = [welch(velocity, 128), welch(velocity, 2048, (8.0 * THZ, 12.0 * THZ))]
    fits = fit_lines(spectra, np.full(20, 7.0 * THZ))
    assert verdicts(fits, Verdict.OUTSIDE) == 1.0
    assert np.isnan(fits.linewidth).all()
    assert "the line is near 6." in fits.advice[0]
    # A broad line is measured in the short segments, for any band of the long ones.
    velocity = simulated(7, lambda w: oscillator(w, FREQ, 3.5 * THZ), runs=20)
    spectra = [welch(velocity, 128), welch(velocity, 2048, (8.0 * THZ, 12.0 * THZ))]
    fits = fit_lines(spectra, np.full(20, 7.0 * THZ))
    assert verdicts(fits, Verdict.RESOLVED) == 1.0


def test_fano_lines_are_recovered() -> None:
    shape, width = LineShape("fano"), 0.6 * THZ
    for seed, asymmetry in ((10, 0.12), (11, -0.08)):
        fits = fitted(seed, lambda w, a=asymmetry: oscillator(w, FREQ, width, a), shape=shape)
        assert fits.asymmetry is not None
        assert_errors_agree(fits.asymmetry, fits.asymmetry_sem, asymmetry)
        assert_errors_agree(fits.omega, fits.omega_sem, FREQ)
        assert_errors_agree(fits.linewidth, fits.linewidth_sem, width)
        assert np.mean(fits.kinetic) == pytest.approx(0.5, rel=0.03)


def test_an_asymmetric_line_is_not_an_oscillator() -> None:
    """Its frequency is biased, or its shape is rejected."""
    slightly = fitted(11, lambda w: oscillator(w, FREQ, 0.6 * THZ, -0.08))
    assert np.nanmean((slightly.omega - FREQ) / slightly.omega_sem) < -1.0
    much = fitted(10, lambda w: oscillator(w, FREQ, 0.6 * THZ, 0.12))
    assert verdicts(much, Verdict.RESOLVED) == 0.0


def test_a_symmetric_line_has_no_asymmetry() -> None:
    fits = fitted(12, lambda w: oscillator(w, FREQ, 0.6 * THZ), shape=LineShape("fano"))
    assert_errors_agree(fits.asymmetry, fits.asymmetry_sem, 0.0)
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, 0.6 * THZ)


@pytest.mark.parametrize("level", [0.0, 0.01 / THZ])
def test_a_baseline_is_recovered(level: float) -> None:
    """Without a baseline in the model the line would be fitted too broad."""
    shape = LineShape(baseline=True)
    fits = fitted(13, lambda w: oscillator(w, FREQ, 0.3 * THZ) + level, shape=shape, runs=200)
    assert fits.baseline is not None
    error = np.std(fits.baseline) / np.sqrt(200)
    if level:
        assert abs(np.mean(fits.baseline) - level) < 4 * error
    else:
        # Half of the fits would be negative without the constraint, and are at zero.
        assert (fits.baseline >= 0.0).all()
        assert 0.35 < np.mean(fits.baseline == 0.0) < 0.65
        # Half-normal distribution: mean √(1/2π) and variance ½ − 1/2π.
        assert np.mean(fits.baseline) == pytest.approx(0.683 * np.std(fits.baseline), rel=0.35)
    assert error < 2e-4 / THZ
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, 0.3 * THZ)
    assert np.mean(fits.kinetic) == pytest.approx(0.5, rel=0.03)


def test_two_overlapping_lines_are_recovered() -> None:
    def spectrum(w: np.ndarray) -> np.ndarray:
        line = 0.65 * oscillator(w, FREQ, 0.3 * THZ)
        return line + 0.35 * oscillator(w, FREQ + 0.45 * THZ, 0.4 * THZ)

    fits = fitted(14, spectrum, shape=LineShape("two-oscillators"))
    assert_errors_agree(fits.omega, fits.omega_sem, FREQ)
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, 0.3 * THZ)
    assert np.mean(fits.kinetic) == pytest.approx(0.325, rel=0.03)
    assert np.mean(fits.partner_omega) == pytest.approx(FREQ + 0.45 * THZ, abs=0.01 * THZ)
    assert np.mean(fits.partner_linewidth) == pytest.approx(0.4 * THZ, rel=0.05)
    assert np.mean(fits.partner_kinetic) == pytest.approx(0.175, rel=0.05)


def test_the_stronger_of_two_lines_comes_first() -> None:
    """In any order of fitting; with a baseline, which is relative to the area of the first."""

    def spectrum(w: np.ndarray) -> np.ndarray:
        weak = 0.3 * oscillator(w, FREQ - THZ, 0.1 * THZ)
        return weak + 0.7 * oscillator(w, FREQ, 0.3 * THZ) + 0.002 / THZ

    shape = LineShape("two-oscillators", baseline=True)
    fits = fitted(15, spectrum, shape=shape, runs=40, guess=FREQ - THZ)
    assert np.median(fits.omega) == pytest.approx(FREQ, abs=0.02 * THZ)
    assert np.median(fits.partner_omega) == pytest.approx(FREQ - THZ, abs=0.02 * THZ)
    assert (fits.partner_kinetic < fits.kinetic).all()
    assert np.median(fits.baseline) == pytest.approx(0.002 / THZ, rel=0.2)


def test_one_line_has_no_partner() -> None:
    two, width = LineShape("two-oscillators"), 0.3 * THZ
    fits = fitted(16, lambda w: oscillator(w, FREQ, width), shape=two)
    alone = np.isnan(fits.partner_omega)
    assert alone.mean() > 0.97
    plain = fitted(16, lambda w: oscillator(w, FREQ, width))
    assert np.array_equal(fits.linewidth[alone], plain.linewidth[alone])


@pytest.mark.parametrize(("freq", "width"), [(1.0, 1.5), (1.0, 2.5), (0.5, 3.0)])
def test_soft_modes_at_finite_temperature_have_a_line(freq: float, width: float) -> None:
    """The harmonic frequency is imaginary; the damping is near critical, or beyond."""
    omega, gamma = freq * THZ, width * THZ
    fits = fitted(17, lambda w: oscillator(w, omega, gamma), guess=-2.0 * THZ)
    assert_errors_agree(fits.omega, fits.omega_sem, omega)
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, gamma)
    if width > 2 * freq:
        assert verdicts(fits, Verdict.OVERDAMPED) == 1.0
        assert np.isnan(fits.lifetime_ps).all()
        assert "relaxes without oscillating" in fits.advice[0]
    else:
        assert verdicts(fits, Verdict.RESOLVED) == 1.0
        assert np.isfinite(fits.lifetime_ps).all()


def test_a_frequency_near_zero_does_not_diverge() -> None:
    """Free diffusion: the width is known, and the frequency is only known to be low."""
    fits = fitted(18, lambda w: oscillator(w, 0.01 * THZ, 3.0 * THZ), guess=0.0, runs=40)
    assert verdicts(fits, Verdict.OVERDAMPED) > 0.9
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, 3.0 * THZ, least=0.9)
    assert np.isnan(fits.omega).mean() > 0.8
    assert any("more slowly than the segments resolve" in text for text in fits.advice)


def friction_with_memory(omega: np.ndarray) -> np.ndarray:
    """Mori's oscillator with Γ(ω) = Γ₀/(1 − iωτ): wings fall as ω⁻⁴ and not as ω⁻²."""
    omega = np.maximum(omega, 1e-9)
    friction = 20.0 / (1 - 0.08j * omega)
    return 1 / np.pi * (1 / (-1j * omega + (8 * np.pi) ** 2 / (-1j * omega) + friction)).real


@pytest.mark.parametrize(("width", "away", "spike"), [(0.15, 0.7, 0.15), (0.12, 0.5, 0.08)])
def test_a_spike_beside_a_line_does_not_affect_it(
    width: float, away: float, spike: float
) -> None:
    """The spike is in the widest range of the fit, and in none of the narrower ones."""

    def spectrum(w: np.ndarray) -> np.ndarray:
        other = oscillator(w, FREQ + away * THZ, 0.2 * FINEST)
        return (1 - spike) * oscillator(w, FREQ, width * THZ) + spike * other

    fits = fitted(24, spectrum)
    assert verdicts(fits, Verdict.RESOLVED) > 0.95
    assert_errors_agree(fits.omega, fits.omega_sem, FREQ)
    assert_errors_agree(fits.linewidth, fits.linewidth_sem, width * THZ)


def test_a_plateau_is_rejected() -> None:
    """Although a broad line fits its middle well."""
    fits = fitted(25, lambda w: (np.abs(w - FREQ) < 0.4 * THZ) + 1e-3, runs=40)
    assert verdicts(fits, Verdict.NO_LINE) > 0.9


def test_wings_of_another_shape_do_not_bias_the_width(monkeypatch) -> None:
    """Only the surroundings of the line are fitted: the whole range gives 30 % too much."""
    fine = THZ * np.linspace(0.5, 40, 400_001)
    power = friction_with_memory(fine)
    above = fine[power > 0.5 * power.max()]
    known = above[-1] - above[0]
    spectra, guess = (
        spectra_of_lengths(simulated(19, friction_with_memory, runs=30)),
        np.full(30, 4.0 * THZ),
    )
    fits = fit_lines(spectra, guess)
    assert verdicts(fits, Verdict.RESOLVED) > 0.9
    assert np.nanmean(fits.linewidth) == pytest.approx(known, rel=0.1)
    # The model is drawn only where it agrees with the spectrum.
    data = line_models(spectra, fits, guess)
    away = np.abs(data.omega - np.nanmean(fits.omega)) / known
    shown = np.isfinite(data.model)
    assert (shown.sum(axis=1)[np.isfinite(fits.linewidth)] > 8).all()
    ratio = np.nanmean(data.power[shown] / data.model[shown])
    assert ratio == pytest.approx(1.0, abs=0.1)
    assert np.nanmax(away) > 4 > np.median(np.nanmax(np.where(shown, away, 0), axis=1))
    monkeypatch.setattr("trajmodes.project.lineshape.resolution._RANGES", (4.0,))
    assert verdicts(fit_lines(spectra, guess), Verdict.NO_LINE) > 0.9
    segments = sorted(map(SegmentSpectra.of, spectra), key=lambda one: -one.resolution)
    blind = choose_segment_length(segments, guess, LineShape())
    assert np.mean(blind.width) > 1.2 * known
    assert np.median(blind.reduced_chi2) > 5 * np.nanmedian(fits.reduced_chi2)


def merged_lines(omega: np.ndarray) -> np.ndarray:
    """Two lines that overlap so much that they look like one of an odd shape."""
    weaker = oscillator(omega, FREQ + 1.5 * THZ, 1.5 * THZ)
    return 0.6 * oscillator(omega, FREQ, 0.8 * THZ) + 0.4 * weaker


def test_fits_of_an_odd_shape_do_not_depend_on_the_segment_length() -> None:
    """Neither do their error bars, whether the deviation shows in each bin or in their mean."""
    velocity, guess = simulated(20, merged_lines, runs=40), np.full(40, FREQ)
    fits = [fit_lines([welch(velocity, length)], guess) for length in (256, 512, 1024, 2048)]
    widths = np.array([one.linewidth for one in fits])
    sems = np.array([one.linewidth_sem for one in fits])
    for i, j in combinations(range(4), 2):
        z = (widths[i] - widths[j]) / np.hypot(sems[i], sems[j])
        assert np.mean(np.abs(z) < 2.0) > 0.95
    typical = np.mean(sems, axis=1)
    assert typical.max() < 1.3 * typical.min()
    chi2 = [np.median(one.reduced_chi2) for one in fits]
    assert min(chi2) > 1.5
    # The deviation is the same in all runs: their scatter is less than the errors without it.
    factors = np.array([one.error_factor for one in fits])
    assert (np.median(factors, axis=1) > 2.0).all()
    assert (widths.std(axis=1, ddof=1) < np.mean(sems / factors, axis=1)).all()


def test_the_shape_that_fits_better_is_named() -> None:
    """A resolved line of an odd shape has advice; one of the right shape has none."""
    odd = {
        "--line fano": lambda w: oscillator(w, FREQ, 0.6 * THZ, 0.1),
        "--line two-oscillators": merged_lines,
        "--baseline": lambda w: oscillator(w, FREQ, 0.15 * THZ) + 0.04 / THZ,
    }
    for seed, (option, spectrum) in enumerate(odd.items()):
        advice = [text for text in fitted(30 + seed, spectrum, runs=40).advice if text]
        named = [f"; {option} describes the spectrum better" in text for text in advice]
        assert len(named) > 5
        assert np.mean(named) > 0.7
    right = fitted(33, lambda w: oscillator(w, FREQ, 0.6 * THZ), runs=40)
    assert set(right.advice) == {""}


SHAPES = [
    LineShape(kind, baseline=baseline)
    for kind in ("oscillator", "fano", "two-oscillators")
    for baseline in (False, True)
]


@pytest.mark.parametrize("shape", SHAPES)
def test_plotted_models_agree_with_the_spectra(shape: LineShape) -> None:
    """Models are omitted where no line was resolved."""

    def spectrum(w: np.ndarray) -> np.ndarray:
        if shape.kind == "two-oscillators":
            centers = {FREQ: 0.6, FREQ + 0.6 * THZ: 0.4}
            return sum(a * oscillator(w, c, 0.3 * THZ) for c, a in centers.items())
        return oscillator(w, FREQ, 0.4 * THZ, 0.08 if shape.kind == "fano" else 0.0)

    spectra = spectra_of_lengths(simulated(20, spectrum, runs=20))
    guess = np.full(20, FREQ)
    fits = fit_lines(spectra, guess, shape)
    data = line_models(spectra, fits, guess)
    resolved = np.isfinite(fits.linewidth)
    assert resolved.mean() > 0.9
    assert data.omega.shape == data.power.shape == data.model.shape
    assert data.omega.shape[1] <= 400
    near = np.abs(data.omega - FREQ) < 0.5 * THZ
    assert np.isfinite(data.model[resolved][near[resolved]]).all()
    assert np.isnan(data.model[~resolved]).all()
    ratio = (data.power / data.model)[near & resolved[:, None]]
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert 0.1 < ratio.std() < 0.6


def test_model_of_one_line_when_two_were_requested() -> None:
    velocity = simulated(21, lambda w: oscillator(w, FREQ, 0.4 * THZ), runs=10)
    spectra = spectra_of_lengths(velocity)
    guess = np.full(10, FREQ)
    one, two = (
        fit_lines(spectra, guess, LineShape(kind)) for kind in ("oscillator", "two-oscillators")
    )
    alone = np.isnan(two.partner_kinetic)
    assert alone.sum() > 7
    models = [line_models(spectra, fits, guess).model[alone] for fits in (one, two)]
    assert np.allclose(*models, rtol=1e-9, equal_nan=True)


def test_many_bins_are_averaged() -> None:
    """Means of neighbours, at the same frequencies as the model."""
    velocity = simulated(22, lambda w: oscillator(w, FREQ, 3.0 * THZ), runs=4)
    spectra, guess = [welch(velocity, 4096)], np.full(4, FREQ)
    data = line_models(spectra, fit_lines(spectra, guess), guess)
    assert 200 < data.omega.shape[1] <= 400
    steps = np.diff(data.omega[0][np.isfinite(data.omega[0])])
    assert np.allclose(steps[:-1], steps[0])
    assert steps[0] > 1.5 * THZ / (4096 * INTERVAL)
    ratio = (data.power / data.model)[np.abs(data.omega - FREQ) < 2 * THZ]
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)


def test_the_spectrum_is_shown_where_no_line_is_resolved() -> None:
    velocity = simulated(23, lambda w: oscillator(w, FREQ, 0.1 * FINEST), runs=4)
    spectra, guess = spectra_of_lengths(velocity), np.full(4, FREQ)
    data = line_models(spectra, fit_lines(spectra, guess), guess)
    assert np.isnan(data.model).all()
    assert (np.nanmin(data.omega, axis=1) < FREQ).all()
    assert (np.nanmax(data.omega, axis=1) > FREQ).all()
    assert np.isfinite(data.power[np.isfinite(data.omega)]).all()
