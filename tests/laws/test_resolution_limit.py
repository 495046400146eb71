"""The resolution limit drawn in figures is the one used for verdicts."""

import numpy as np
import pytest

from trajmodes.data.spectra import NARROWEST, BandSpectra, Verdict
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.lineshape.models import LineShape, Observed, model_of
from trajmodes.project.spectra.segments import resolution_of
from trajmodes.units import THZ


def test_the_advice_for_a_narrow_line_names_the_limit_in_figures():
    length, interval_ps = 1000, 0.01
    limit = NARROWEST * resolution_of(length, interval_ps)
    bins = np.arange(1, length // 2)[None, :]
    power = np.full((1, length // 2 + 1), 1e-9)
    inside = np.ones(bins.shape, bool)
    observed = Observed(bins, inside, power[:, 1:-1], np.ones(1), length, interval_ps)
    theta = np.array([[0.0, 10.0 * THZ, np.log(0.3 * limit)]])
    power[:, 1:-1], _ = model_of(LineShape())(observed, theta)
    spectra = BandSpectra(np.zeros(1, dtype=int), power, np.array([50.0]), length, interval_ps)
    fits = fit_lines([spectra], theta[:, 1])
    assert fits.verdicts == (Verdict.TOO_NARROW,)
    # The values used by figures, and the advice.
    assert NARROWEST * fits.resolution[0] == pytest.approx(limit)
    assert fits.segment_ps == pytest.approx([length * interval_ps])
    assert f"narrower than {limit / THZ:.3g} THz" in fits.advice[0]
