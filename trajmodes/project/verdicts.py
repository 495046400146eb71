"""Whether a fitted line deserves to be reported, and if not, why and what would help.

A line is resolved when its width is not significantly below two resolutions, nor below one,
its shape is that of one line, and the error of its width is smaller than half of it. All
widths are full widths at half maximum; the resolution is that of a line without any width.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import PowerSpectra, Verdict
from trajmodes.project.whittle import Lines
from trajmodes.project.window import resolution_thz
from trajmodes.units import THZ

__all__ = ["judge"]

# In units of the resolution, by the convention of this program.
_NARROWEST = 2.0
_LARGEST_RELATIVE_SEM = 0.5
# One line must hold half the power of the spectrum, and the spectrum must not stray from the
# model by more than this, root mean square and relative, unless chance alone does it.
_LEAST_SHARE = 0.5
_LARGEST_MISFIT = 0.75
_CHANCE_SIGMAS = 4.0


def judge(
    spectra: PowerSpectra, lines: Lines, width_thz: Floats, relative_sem: Floats
) -> tuple[list[Verdict], list[str]]:
    """Verdict and advice for each line.

    Parameters
    ----------
    spectra
        The spectra that were fitted.
    lines
        The fits.
    width_thz
        (g,) fitted full widths at half maximum.
    relative_sem
        (g,) their relative standard errors.
    """
    resolution = resolution_thz(spectra.segment_frames, spectra.interval_ps)
    df, nyquist = spectra.freq_thz[1], spectra.freq_thz[-1]
    area = np.exp(lines.parameters[:, 0])
    share = area / np.maximum(spectra.power.sum(axis=1) * df, np.finfo(float).tiny)
    excess = np.maximum(lines.goodness - 1.0, 0.0)
    stray = np.sqrt(excess / spectra.averages) > _LARGEST_MISFIT
    odd = stray & (excess > _CHANCE_SIGMAS * lines.goodness_sem)
    finite = np.isfinite(lines.parameters).all(axis=1) & np.isfinite(relative_sem)
    center = lines.parameters[:, 1] / THZ
    narrow = (width_thz < resolution) | (
        width_thz * (1.0 + 2.0 * relative_sem) < _NARROWEST * resolution
    )
    # In this order: the first that holds is the verdict.
    findings = [
        (Verdict.FAILED, ~finite | ~lines.converged | ~(spectra.power.sum(axis=1) > 0.0)),
        (Verdict.TOO_BROAD, (width_thz > 0.5 * nyquist) | (center > nyquist) | (center <= 0.0)),
        (Verdict.TOO_NARROW, narrow),
        (Verdict.NO_LINE, odd | (share < _LEAST_SHARE)),
        (Verdict.TOO_FEW, relative_sem > _LARGEST_RELATIVE_SEM),
    ]
    verdicts, advice = [], []
    for g, width in enumerate(width_thz):
        verdict = next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        verdicts.append(verdict)
        advice.append(_advise(verdict, spectra, float(width), float(relative_sem[g])))
    return verdicts, advice


def _advise(verdict: Verdict, spectra: PowerSpectra, width: float, relative: float) -> str:
    segment_ps = spectra.segment_frames * spectra.interval_ps
    resolution = resolution_thz(spectra.segment_frames, spectra.interval_ps)
    match verdict:
        case Verdict.TOO_NARROW:
            floor = _NARROWEST * resolution
            # A width far below the resolution is hardly known: do not promise too much.
            wanted = segment_ps * max(floor / max(width, 1e-3 * resolution), 1.0)
            return (
                f"narrower than {floor:.3g} THz, so it lives longer than"
                f" {1.0 / (THZ * floor):.3g} ps; --resolution-thz"
                f" {resolution * segment_ps / wanted:.2g} and a run of {2.0 * wanted:.2g} ps"
                f" would do (segments of {wanted:.2g} ps, now {segment_ps:.3g} ps)"
            )
        case Verdict.TOO_FEW:
            times = (relative / _LARGEST_RELATIVE_SEM) ** 2
            return (
                f"the width is uncertain by {100 * relative:.0f} %; a run"
                f" {max(times, 1.0) * 1.2:.2g} times as long would do"
            )
        case Verdict.NO_LINE:
            return (
                "several lines, or not the shape of a damped oscillator: look at the spectrum;"
                " a larger supercell or a longer run may show which"
            )
        case Verdict.TOO_BROAD:
            return (
                "as broad as the spectrum: frames closer in time, if the mode is not overdamped"
            )
        case Verdict.FAILED:
            return "look at the spectrum: the fit found no maximum of the likelihood"
        case _:
            return ""
