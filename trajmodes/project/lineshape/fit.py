"""Frequency, linewidth and lifetime of every set of modes from its power spectrum.

A damped oscillator, seen through the window that was used, is fitted to the bins around each
line (see `oscillator` for the model, `shapes` for its variants, `whittle` for the statistics),
in segments of the length that suits it (`ladder`). Reported are ω₀/2π, the full width at half
maximum γ/2π in THz, and the energy lifetime 1/γ. Errors grow by √χ² where the line is surely
not quite of the model's shape. A line that the spectra cannot show gives no number but a
verdict, and what would resolve it; of one that is too narrow, the frequency is told: see
`verdicts`.

Whether a fitted line deserves to be reported, and if not, why and what would help.

A line is resolved when its width is not significantly below two resolutions, nor below one,
its shape is that of one line, and the error of its width is smaller than half of it. All
widths are full widths at half maximum; the resolution is that of a line without any width.

A line narrower than that has no width to be told, but a place. Its bins are those of the
window, made of one amplitude in each segment, so that they tell the place better than bins that
scatter apart, as the error of the fit takes them to do: that is on the safe side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.labels import two_digits
from trajmodes.data.spectra import NARROWEST, BandSpectra, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.goodness_of_fit import CHANCE_SIGMAS
from trajmodes.project.lineshape.models import AREA, GAMMA, OMEGA, LineShape, places
from trajmodes.project.lineshape.resolution import Chosen, climb
from trajmodes.project.lineshape.segment_spectra import Rung
from trajmodes.units import THZ

_OSCILLATOR = LineShape()


def fit_lines(
    ladder: Sequence[BandSpectra], guess_thz: Floats, shape: LineShape = _OSCILLATOR
) -> LineFits:
    """Fit one line to the spectrum of each set.

    Parameters
    ----------
    ladder
        Spectra of the same sets with segments of several lengths, in any order. The band of
        the shortest ones should be the whole axis: it is where lines are sought first.
    guess_thz
        (g,) where to look: the line is sought between half and 1.5 times this frequency,
        everywhere if it is not positive.
    shape
        What is fitted.

    Raises
    ------
    DataError
        If there are no spectra.
    """
    if not ladder:
        raise DataError("no spectra to fit lines to", fix="give at least one segment length")
    rungs = [Rung.of(spectra) for spectra in ladder]
    rungs.sort(key=lambda rung: rung.resolution, reverse=True)
    chosen = climb(rungs, guess_thz, shape)
    return _told(rungs, chosen, shape)


def _told(rungs: list[Rung], chosen: Chosen, shape: LineShape) -> LineFits:
    """Numbers where they deserve it, reasons where they do not."""
    surely = chosen.goodness - 2.0 * chosen.goodness_sem
    scale = np.sqrt(np.fmax(surely, 1.0))[:, None]
    sem = np.sqrt(np.maximum(chosen.variances, 0.0)) * scale
    verdicts, advice = judge(rungs, chosen, sem, shape)
    oscillates = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
    resolved = oscillates | np.array([verdict is Verdict.OVERDAMPED for verdict in verdicts])

    def shown(values: Floats) -> Floats:
        return np.where(resolved, values, np.nan)

    known = frequency_known(rungs, chosen, sem, shape, verdicts)
    theta, width = chosen.parameters, chosen.width_thz
    lifetime = np.where(oscillates, 1.0 / (width * THZ), np.nan)
    where = places(shape)
    area = np.exp(theta[:, AREA])
    extra: dict[str, Floats] = {}
    if where.lean is not None:
        extra["asymmetry"] = shown(theta[:, where.lean])
        extra["asymmetry_sem"] = shown(sem[:, where.lean])
    if where.baseline is not None:
        extra["baseline"] = shown(area * theta[:, where.baseline])
    if where.ratio is not None:
        extra["partner_freq_thz"] = shown(theta[:, where.ratio + OMEGA] / THZ)
        extra["partner_linewidth_thz"] = shown(np.exp(theta[:, where.ratio + GAMMA]) / THZ)
        extra["partner_kinetic"] = shown(area * np.exp(theta[:, where.ratio]))
    rung = np.maximum(chosen.rung, 0)
    return LineFits(
        freq_thz=np.where(known, chosen.center_thz, np.nan),
        freq_thz_sem=np.where(known, sem[:, OMEGA] / THZ, np.nan),
        linewidth_thz=shown(width),
        linewidth_thz_sem=shown(width * sem[:, GAMMA]),
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * sem[:, GAMMA],
        kinetic=shown(area),
        goodness=chosen.goodness,
        verdicts=tuple(verdicts),
        advice=tuple(advice),
        segment_ps=np.array([one.spectra.duration_ps for one in rungs])[rung],
        resolution_thz=np.array([one.resolution for one in rungs])[rung],
        **extra,
    )


_LARGEST_RELATIVE_SEM = 0.5
_LARGEST_STRAY = 0.4
"""Root mean square and relative misfit that the place of a line without width may have."""
_LEAST_SHARE = 0.5
"""One line must hold half the power of the spectrum."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the length of segments that was chosen lets one see, (g,) each."""

    resolution: Floats
    segment_ps: Floats
    nyquist: Floats

    @staticmethod
    def of(rungs: list[Rung], chosen: Chosen) -> "_Sight":
        def each(values: list[float]) -> Floats:
            return np.array(values)[np.maximum(chosen.rung, 0)]

        return _Sight(
            resolution=each([rung.resolution for rung in rungs]),
            segment_ps=each([1.0 / rung.df for rung in rungs]),
            nyquist=each([rung.nyquist_thz for rung in rungs]),
        )


def frequency_known(
    rungs: list[Rung], chosen: Chosen, sem: Floats, shape: LineShape, verdicts: list[Verdict]
) -> Bools:
    """Tell whether there is a line of the shape whose place is known (g,).

    That is, whether the error of ω₀² is smaller than half of it: of an overdamped line it may
    not be, for what goes back more slowly than a segment is long looks like free diffusion.

    Parameters
    ----------
    rungs, chosen, sem, shape
        As of `judge`.
    verdicts
        Those of `judge`.
    """
    _, share = _shares(rungs, chosen, shape)
    # A window's own shape leaves nothing to chance: what strays from it is a second line.
    strays = np.maximum(chosen.goodness - 1.0, 0.0) / chosen.averages > _LARGEST_STRAY**2
    strays &= chosen.goodness - CHANCE_SIGMAS * chosen.goodness_sem > 1.0
    one = ~chosen.odd & ~strays & (share >= _LEAST_SHARE)
    placed = [
        verdict in (Verdict.RESOLVED, Verdict.OVERDAMPED)
        or (verdict is Verdict.TOO_NARROW and alone)
        for verdict, alone in zip(verdicts, one, strict=True)
    ]
    return np.array(placed, dtype=bool) & _certain(chosen, sem)


def _certain(chosen: Chosen, sem: Floats) -> Bools:
    """Whether the error of ω₀² is smaller than half of it (g,)."""
    certain: Bools = 2.0 * sem[:, OMEGA] < _LARGEST_RELATIVE_SEM * chosen.parameters[:, OMEGA]
    return certain


def judge(
    rungs: list[Rung], chosen: Chosen, sem: Floats, shape: LineShape
) -> tuple[list[Verdict], list[str]]:
    """Verdict and advice for each line.

    Parameters
    ----------
    rungs
        The spectra.
    chosen
        The fits.
    sem
        (g, n) standard errors of the parameters.
    shape
        What was fitted.
    """
    sight, known = _Sight.of(rungs, chosen), _certain(chosen, sem)
    relative, width = sem[:, GAMMA], chosen.width_thz
    center = chosen.center_thz
    total, share = _shares(rungs, chosen, shape)
    finite = np.isfinite(chosen.parameters[:, :3]).all(axis=1) & np.isfinite(relative)
    narrow = (width < sight.resolution) | (
        width * (1.0 + 2.0 * relative) < NARROWEST * sight.resolution
    )
    beyond = (width > 0.5 * sight.nyquist) | (center > sight.nyquist) | (center <= 0.0)
    # In this order: the first that holds is the verdict.
    findings = [
        (Verdict.FAILED, ~finite | ~chosen.converged | ~(total > 0.0)),
        (Verdict.TOO_BROAD, beyond),
        (Verdict.OUTSIDE, ~chosen.held | (narrow & chosen.missed)),
        (Verdict.TOO_NARROW, narrow),
        (Verdict.NO_LINE, chosen.odd | (share < _LEAST_SHARE)),
        (Verdict.TOO_FEW, relative > _LARGEST_RELATIVE_SEM),
        (Verdict.OVERDAMPED, center < 0.5 * width),
    ]
    verdicts, advice = [], []
    for g in range(len(width)):
        verdict = next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        verdicts.append(verdict)
        advice.append(
            _advise(
                verdict,
                (float(center[g]), float(width[g]), float(relative[g]), bool(known[g])),
                (float(sight.resolution[g]), float(sight.segment_ps[g])),
            )
        )
    return verdicts, advice


def _shares(rungs: list[Rung], chosen: Chosen, shape: LineShape) -> tuple[Floats, Floats]:
    """Power of the widest band, which holds most of it, and the part of it in the lines."""
    totals = np.array([rung.total() for rung in rungs])
    widest, rows = np.argmax(totals, axis=0), np.arange(totals.shape[1])
    total = totals[widest, rows]
    area = np.exp(chosen.parameters[:, AREA])
    where = places(shape)
    if where.lean is not None:
        # The continuum that a line interferes with is part of it, however strong.
        return total, np.ones_like(total)
    rest = total
    if where.baseline is not None:
        breadth = np.array([rung.breadth() for rung in rungs])[widest, rows]
        rest = total - area * chosen.parameters[:, where.baseline] * breadth
    if where.ratio is not None:
        area = area * (1.0 + np.nan_to_num(np.exp(chosen.parameters[:, where.ratio])))
    return total, area / np.maximum(rest, np.finfo(float).tiny)


def _advise(
    verdict: Verdict, line: tuple[float, float, float, bool], segment: tuple[float, float]
) -> str:
    center, width, relative, omega_known = line
    times = max((min(relative, 1e3) / _LARGEST_RELATIVE_SEM) ** 2, 1.0)
    advice = {
        Verdict.RESOLVED: "",
        Verdict.TOO_NARROW: _longer(width, *segment),
        Verdict.TOO_FEW: (
            f"the width is uncertain by {100 * relative:.0f} %; a run"
            f" {two_digits(1.2 * times)} times as long would do"
        ),
        Verdict.NO_LINE: (
            "several lines, or not the shape of a damped oscillator: look at the spectrum;"
            " a larger supercell or a longer run may show which"
        ),
        Verdict.TOO_BROAD: (
            "as broad as the spectrum: frames closer in time, if the mode is not overdamped"
        ),
        Verdict.OUTSIDE: (
            f"the line is near {center:.3g} THz and about {width:.2g} THz wide, and reaches"
            " beyond the band that was kept around the expected frequency: constants of this"
            " temperature, or a coarser --resolution-thz, whose band is wider, would do"
        ),
        Verdict.OVERDAMPED: (
            "goes back without oscillating, at last in"
            f" {width / (THZ * center**2):.3g} ps (γ/ω₀²): frequency and width are those of"
            " the damped oscillator"
        )
        if omega_known
        else "goes back without oscillating, more slowly than the segments can tell",
        Verdict.FAILED: "look at the spectrum: the fit found no maximum of the likelihood",
    }
    return advice[verdict]


def _longer(width: float, resolution: float, segment_ps: float) -> str:
    """Tell what a line that is too narrow asks for."""
    floor = NARROWEST * resolution
    # A width far below the resolution is hardly known: do not promise too much.
    wanted = segment_ps * max(floor / max(width, 1e-3 * resolution), 1.0)
    return (
        f"narrower than {floor:.3g} THz, so it lives longer than"
        f" {1.0 / (THZ * floor):.3g} ps; --resolution-thz"
        f" {two_digits(resolution * segment_ps / wanted)} and a run of"
        f" {two_digits(2.0 * wanted)} ps"
        f" would do (segments of {two_digits(wanted)} ps, now {segment_ps:.3g} ps)"
    )
