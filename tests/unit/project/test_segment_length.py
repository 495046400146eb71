"""Fits at the segment length that suits each line, and fits of other line shapes."""

import numpy as np
import pytest

from trajmodes.data.spectra import BandSpectra, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.curves import line_models
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.lineshape.models import LineShape
from trajmodes.project.spectra.segments import effective_segments, hann, resolution_thz

INTERVAL, N_FRAMES, MEMBERS, RUNS = 0.02, 4096, 5, 100
LENGTHS = (128, 512, 2048)
FINEST = resolution_thz(LENGTHS[-1], INTERVAL)
FREQ = 6.1


def oscillator(
    freq: np.ndarray, center: float, width: float, asymmetry: float = 0.0
) -> np.ndarray:
    """One-sided spectrum of area ½ in THz with aliasing.

    Fano interference is not aliased.
    """

    def line(f: np.ndarray) -> np.ndarray:
        return f**2 * width / np.pi / ((f**2 - center**2) ** 2 + width**2 * f**2)

    folded = sum(line(freq + k / INTERVAL) for k in range(-60, 61))
    kappa = (freq**2 - center**2) / (width * center)
    return folded + line(freq) * ((1 + asymmetry * kappa) ** 2 - 1)


def simulated(seed: int, spectrum, runs: int = RUNS) -> np.ndarray:
    """Gaussian series (i, t) of this spectrum, cut from series twice as long."""
    rng = np.random.default_rng(seed)
    n = 2 * N_FRAMES
    power = spectrum(np.arange(n // 2 + 1) / (n * INTERVAL))
    size = (runs * MEMBERS, len(power))
    waves = np.sqrt(power / 2) * (rng.normal(size=size) + 1j * rng.normal(size=size))
    return (np.fft.irfft(waves, axis=1) * np.sqrt(n / INTERVAL))[:, :N_FRAMES]


def welch(velocity: np.ndarray, length: int, band: tuple[float, float] | None = None):
    starts = range(0, N_FRAMES - length + 1, length // 2)
    power = np.zeros((len(velocity), length // 2 + 1))
    for first in starts:
        power += np.abs(np.fft.rfft(velocity[:, first : first + length] * hann(length))) ** 2
    power[:, 1:-1] *= 2.0
    power *= 0.5 * INTERVAL / (3 / 8 * length * len(starts))
    power = power.reshape(-1, MEMBERS, power.shape[1]).mean(axis=1)
    averages = np.full(len(power), MEMBERS * effective_segments([len(starts)]))
    first, last = (0, power.shape[1])
    if band is not None:
        first, last = (int(f * length * INTERVAL) for f in band)
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
    fits = fitted(int(7 * widths), lambda f: oscillator(f, FREQ, width), runs=runs)
    assert_errors_agree(fits.freq_thz, fits.freq_thz_sem, FREQ)
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, width)
    assert np.nanmean(fits.reduced_chi2) == pytest.approx(1.0, abs=0.1)


def test_short_segments_are_chosen_for_broad_lines() -> None:
    for widths, length in ((6.0, 2048), (30.0, 512), (80.0, 128)):
        width = widths * FINEST
        fits = fitted(3, lambda f, width=width: oscillator(f, FREQ, width), runs=20)
        assert np.allclose(fits.segment_ps, length * INTERVAL)
        assert np.allclose(fits.resolution_thz, resolution_thz(length, INTERVAL))


def test_short_segments_measure_broad_lines_better() -> None:
    velocity = simulated(4, lambda f: oscillator(f, FREQ, 80 * FINEST), runs=20)
    spectra, guess = spectra_of_lengths(velocity), np.full(20, FREQ)
    short, long = fit_lines(spectra, guess), fit_lines(spectra[-1:], guess)
    gain = np.mean(long.linewidth_thz_sem / short.linewidth_thz_sem)
    assert 1.05 < gain < 1.5


def test_the_order_of_the_lengths_does_not_matter() -> None:
    spectra = spectra_of_lengths(simulated(5, lambda f: oscillator(f, FREQ, 0.5), runs=5))
    there, back = (fit_lines(s, np.full(5, FREQ)) for s in (spectra, spectra[::-1]))
    assert np.array_equal(there.linewidth_thz, back.linewidth_thz)


def test_no_spectra_are_refused() -> None:
    with pytest.raises(DataError, match="no spectra to fit lines to"):
        fit_lines([], np.zeros(3))


@pytest.mark.parametrize("half", [2.0, 0.4, 0.33])
def test_bands_that_cover_the_line_give_its_width(half: float) -> None:
    """Also where they end within the line, and cover it by chance for some of the sets."""
    velocity = simulated(6, lambda f: oscillator(f, FREQ, 0.4))
    band = (FREQ - half, FREQ + half)
    spectra = [welch(velocity, 128), welch(velocity, 512, band), welch(velocity, 2048, band)]
    fits = fit_lines(spectra, np.full(RUNS, FREQ))
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 0.4, least=0.9)


def test_a_line_outside_its_band_gets_that_verdict() -> None:
    velocity = simulated(7, lambda f: oscillator(f, FREQ, 0.3), runs=20)
    spectra = [welch(velocity, 128), welch(velocity, 2048, (8.0, 12.0))]
    fits = fit_lines(spectra, np.full(20, 7.0))
    assert verdicts(fits, Verdict.OUTSIDE) == 1.0
    assert np.isnan(fits.linewidth_thz).all()
    assert "the line is near 6." in fits.advice[0]
    # A broad line is measured in the short segments, for any band of the long ones.
    velocity = simulated(7, lambda f: oscillator(f, FREQ, 3.5), runs=20)
    spectra = [welch(velocity, 128), welch(velocity, 2048, (8.0, 12.0))]
    fits = fit_lines(spectra, np.full(20, 7.0))
    assert verdicts(fits, Verdict.RESOLVED) == 1.0


def test_fano_lines_are_recovered() -> None:
    for seed, asymmetry in ((10, 0.12), (11, -0.08)):
        shape = LineShape("fano")
        fits = fitted(seed, lambda f, a=asymmetry: oscillator(f, FREQ, 0.6, a), shape=shape)
        assert fits.asymmetry is not None
        assert_errors_agree(fits.asymmetry, fits.asymmetry_sem, asymmetry)
        assert_errors_agree(fits.freq_thz, fits.freq_thz_sem, FREQ)
        assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 0.6)
        assert np.mean(fits.kinetic) == pytest.approx(0.5, rel=0.03)


def test_an_asymmetric_line_is_not_an_oscillator() -> None:
    """Its frequency is biased, or its shape is rejected."""
    slightly = fitted(11, lambda f: oscillator(f, FREQ, 0.6, -0.08))
    assert np.nanmean((slightly.freq_thz - FREQ) / slightly.freq_thz_sem) < -1.0
    much = fitted(10, lambda f: oscillator(f, FREQ, 0.6, 0.12))
    assert verdicts(much, Verdict.RESOLVED) == 0.0


def test_a_symmetric_line_has_no_asymmetry() -> None:
    fits = fitted(12, lambda f: oscillator(f, FREQ, 0.6), shape=LineShape("fano"))
    assert_errors_agree(fits.asymmetry, fits.asymmetry_sem, 0.0)
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 0.6)


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_a_baseline_is_recovered(level: float) -> None:
    """Without a baseline in the model the line would be fitted too broad."""
    shape = LineShape(baseline=True)
    fits = fitted(13, lambda f: oscillator(f, FREQ, 0.3) + level, shape=shape, runs=200)
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
    assert error < 2e-4
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 0.3)
    assert np.mean(fits.kinetic) == pytest.approx(0.5, rel=0.03)


def test_two_overlapping_lines_are_recovered() -> None:
    def spectrum(f: np.ndarray) -> np.ndarray:
        return 0.65 * oscillator(f, FREQ, 0.3) + 0.35 * oscillator(f, FREQ + 0.45, 0.4)

    fits = fitted(14, spectrum, shape=LineShape("two-oscillators"))
    assert_errors_agree(fits.freq_thz, fits.freq_thz_sem, FREQ)
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 0.3)
    assert np.mean(fits.kinetic) == pytest.approx(0.325, rel=0.03)
    assert np.mean(fits.partner_freq_thz) == pytest.approx(FREQ + 0.45, abs=0.01)
    assert np.mean(fits.partner_linewidth_thz) == pytest.approx(0.4, rel=0.05)
    assert np.mean(fits.partner_kinetic) == pytest.approx(0.175, rel=0.05)


def test_the_stronger_of_two_lines_comes_first() -> None:
    """In any order of fitting; with a baseline, which is relative to the area of the first."""

    def spectrum(f: np.ndarray) -> np.ndarray:
        return 0.3 * oscillator(f, FREQ - 1, 0.1) + 0.7 * oscillator(f, FREQ, 0.3) + 0.002

    shape = LineShape("two-oscillators", baseline=True)
    fits = fitted(15, spectrum, shape=shape, runs=40, guess=FREQ - 1)
    assert np.median(fits.freq_thz) == pytest.approx(FREQ, abs=0.02)
    assert np.median(fits.partner_freq_thz) == pytest.approx(FREQ - 1, abs=0.02)
    assert (fits.partner_kinetic < fits.kinetic).all()
    assert np.median(fits.baseline) == pytest.approx(0.002, rel=0.2)


def test_one_line_has_no_partner() -> None:
    fits = fitted(16, lambda f: oscillator(f, FREQ, 0.3), shape=LineShape("two-oscillators"))
    alone = np.isnan(fits.partner_freq_thz)
    assert alone.mean() > 0.97
    plain = fitted(16, lambda f: oscillator(f, FREQ, 0.3))
    assert np.array_equal(fits.linewidth_thz[alone], plain.linewidth_thz[alone])


@pytest.mark.parametrize(("freq", "width"), [(1.0, 1.5), (1.0, 2.5), (0.5, 3.0)])
def test_soft_modes_at_finite_temperature_have_a_line(freq: float, width: float) -> None:
    """The harmonic frequency is imaginary; the damping is near critical, or beyond."""
    fits = fitted(17, lambda f: oscillator(f, freq, width), guess=-2.0)
    assert_errors_agree(fits.freq_thz, fits.freq_thz_sem, freq)
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, width)
    if width > 2 * freq:
        assert verdicts(fits, Verdict.OVERDAMPED) == 1.0
        assert np.isnan(fits.lifetime_ps).all()
        assert "relaxes without oscillating" in fits.advice[0]
    else:
        assert verdicts(fits, Verdict.RESOLVED) == 1.0
        assert np.isfinite(fits.lifetime_ps).all()


def test_a_frequency_near_zero_does_not_diverge() -> None:
    """Free diffusion: the width is known, and the frequency is only known to be low."""
    fits = fitted(18, lambda f: oscillator(f, 0.01, 3.0), guess=0.0, runs=40)
    assert verdicts(fits, Verdict.OVERDAMPED) > 0.9
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, 3.0, least=0.9)
    assert np.isnan(fits.freq_thz).mean() > 0.8
    assert any("more slowly than the segments resolve" in text for text in fits.advice)


def friction_with_memory(freq: np.ndarray) -> np.ndarray:
    """Mori's oscillator with Γ(ω) = Γ₀/(1 − iωτ): wings fall as ω⁻⁴ and not as ω⁻²."""
    omega = 2 * np.pi * np.maximum(freq, 1e-9)
    friction = 20.0 / (1 - 0.08j * omega)
    return 2 * (1 / (-1j * omega + (8 * np.pi) ** 2 / (-1j * omega) + friction)).real


@pytest.mark.parametrize(("width", "away", "spike"), [(0.15, 0.7, 0.15), (0.12, 0.5, 0.08)])
def test_a_spike_beside_a_line_does_not_affect_it(
    width: float, away: float, spike: float
) -> None:
    """The spike is in the widest range of the fit, and in none of the narrower ones."""

    def spectrum(f: np.ndarray) -> np.ndarray:
        other = oscillator(f, FREQ + away, 0.2 * FINEST)
        return (1 - spike) * oscillator(f, FREQ, width) + spike * other

    fits = fitted(24, spectrum)
    assert verdicts(fits, Verdict.RESOLVED) > 0.95
    assert_errors_agree(fits.freq_thz, fits.freq_thz_sem, FREQ)
    assert_errors_agree(fits.linewidth_thz, fits.linewidth_thz_sem, width)


def test_a_plateau_is_rejected() -> None:
    """Although a broad line fits its middle well."""
    fits = fitted(25, lambda f: (np.abs(f - FREQ) < 0.4) + 1e-3, runs=40)
    assert verdicts(fits, Verdict.NO_LINE) > 0.9


def test_wings_of_another_shape_do_not_bias_the_width(monkeypatch) -> None:
    """Only the surroundings of the line are fitted: the whole range gives 30 % too much."""
    fine = np.linspace(0.5, 40, 400_001)
    power = friction_with_memory(fine)
    above = fine[power > 0.5 * power.max()]
    known = above[-1] - above[0]
    spectra, guess = (
        spectra_of_lengths(simulated(19, friction_with_memory, runs=30)),
        np.full(30, 4.0),
    )
    fits = fit_lines(spectra, guess)
    assert verdicts(fits, Verdict.RESOLVED) > 0.9
    assert np.nanmean(fits.linewidth_thz) == pytest.approx(known, rel=0.1)
    # The model is drawn only where it agrees with the spectrum.
    data = line_models(spectra, fits, guess)
    away = np.abs(data.freq_thz - np.nanmean(fits.freq_thz)) / known
    shown = np.isfinite(data.model)
    assert (shown.sum(axis=1)[np.isfinite(fits.linewidth_thz)] > 8).all()
    ratio = np.nanmean(data.power[shown] / data.model[shown])
    assert ratio == pytest.approx(1.0, abs=0.1)
    assert np.nanmax(away) > 4 > np.median(np.nanmax(np.where(shown, away, 0), axis=1))
    monkeypatch.setattr("trajmodes.project.lineshape.resolution._RANGES", (4.0,))
    blind = fit_lines(spectra, guess)
    assert np.nanmean(blind.linewidth_thz) > 1.3 * known
    assert np.nanmedian(blind.reduced_chi2) > 5 * np.nanmedian(fits.reduced_chi2)


SHAPES = [
    LineShape(kind, baseline=baseline)
    for kind in ("oscillator", "fano", "two-oscillators")
    for baseline in (False, True)
]


@pytest.mark.parametrize("shape", SHAPES)
def test_plotted_models_agree_with_the_spectra(shape: LineShape) -> None:
    """Models are omitted where no line was resolved."""

    def spectrum(f: np.ndarray) -> np.ndarray:
        if shape.kind == "two-oscillators":
            return 0.6 * oscillator(f, FREQ, 0.3) + 0.4 * oscillator(f, FREQ + 0.6, 0.3)
        return oscillator(f, FREQ, 0.4, 0.08 if shape.kind == "fano" else 0.0)

    spectra = spectra_of_lengths(simulated(20, spectrum, runs=20))
    guess = np.full(20, FREQ)
    fits = fit_lines(spectra, guess, shape)
    data = line_models(spectra, fits, guess)
    resolved = np.isfinite(fits.linewidth_thz)
    assert resolved.mean() > 0.9
    assert data.freq_thz.shape == data.power.shape == data.model.shape
    assert data.freq_thz.shape[1] <= 400
    near = np.abs(data.freq_thz - FREQ) < 0.5
    assert np.isfinite(data.model[resolved][near[resolved]]).all()
    assert np.isnan(data.model[~resolved]).all()
    ratio = (data.power / data.model)[near & resolved[:, None]]
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert 0.1 < ratio.std() < 0.6


def test_model_of_one_line_when_two_were_requested() -> None:
    spectra = spectra_of_lengths(simulated(21, lambda f: oscillator(f, FREQ, 0.4), runs=10))
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
    velocity = simulated(22, lambda f: oscillator(f, FREQ, 3.0), runs=4)
    spectra, guess = [welch(velocity, 4096)], np.full(4, FREQ)
    data = line_models(spectra, fit_lines(spectra, guess), guess)
    assert 200 < data.freq_thz.shape[1] <= 400
    steps = np.diff(data.freq_thz[0][np.isfinite(data.freq_thz[0])])
    assert np.allclose(steps[:-1], steps[0])
    assert steps[0] > 1.5 / (4096 * INTERVAL)
    ratio = (data.power / data.model)[np.abs(data.freq_thz - FREQ) < 2]
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)


def test_the_spectrum_is_shown_where_no_line_is_resolved() -> None:
    velocity = simulated(23, lambda f: oscillator(f, FREQ, 0.1 * FINEST), runs=4)
    spectra, guess = spectra_of_lengths(velocity), np.full(4, FREQ)
    data = line_models(spectra, fit_lines(spectra, guess), guess)
    assert np.isnan(data.model).all()
    assert (np.nanmin(data.freq_thz, axis=1) < FREQ).all()
    assert (np.nanmax(data.freq_thz, axis=1) > FREQ).all()
    assert np.isfinite(data.power[np.isfinite(data.freq_thz)]).all()
