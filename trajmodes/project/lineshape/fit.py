"""Frequency, linewidth and lifetime of every set of modes from its power spectrum.

A damped oscillator, seen through the window that was used, is fitted to the bins around each
line (see `oscillator` for the model, `shapes` for its variants, `whittle` for the statistics),
in segments of the length that suits it (`ladder`). Reported are ω₀/2π, the full width at half
maximum γ/2π in THz, and the energy lifetime 1/γ. Errors grow by √χ² where the line is surely
not quite of the model's shape. A line that the spectra cannot show gives no number but a
verdict, and what would resolve it; of one that is too narrow, the frequency is told: see
`verdicts`.
"""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.spectra import BandSpectra, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.models import AREA, GAMMA, OMEGA, LineShape, places
from trajmodes.project.lineshape.resolution import Chosen, climb
from trajmodes.project.lineshape.segment_spectra import Rung
from trajmodes.project.lineshape.verdicts import frequency_known, judge
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
