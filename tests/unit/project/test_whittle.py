from dataclasses import replace

import numpy as np
import pytest

from trajmodes.project.lineshape.models import LineShape, Observed, model_of
from trajmodes.project.lineshape.whittle import fit_whittle

LENGTH, INTERVAL = 1024, 0.01
BINS = np.arange(60, 180)[None]


def _observed(level: float) -> Observed:
    """A line, and a constant below it."""
    inside, power = np.ones(BINS.shape, bool), np.ones(BINS.shape)
    observed = Observed(BINS, inside, power, np.full(1, 40.0), LENGTH, INTERVAL)
    line, _ = model_of(LineShape())(observed, np.array([[0.0, 72.0, np.log(4.0)]]))
    return replace(observed, power=line + level)


START = np.array([[0.3, 70.0, np.log(6.0)]])


@pytest.mark.parametrize("level", [0.0, 5e-4])
def test_a_spectrum_without_noise_is_fitted_exactly(level: float) -> None:
    start = np.append(START, [[0.0]], axis=1)
    lines = fit_whittle(_observed(level), start, LineShape(baseline=True))
    assert lines.converged.all()
    assert np.allclose(
        lines.parameters, [[0.0, 72.0, np.log(4.0), level]], rtol=1e-5, atol=1e-5
    )


def test_a_baseline_is_never_negative() -> None:
    """Where the wings fall faster than those of a line, the baseline is zero."""
    observed = _observed(-1.5e-4)
    assert (observed.power > 0.0).all()
    start = np.append(START, [[3e-4]], axis=1)
    with_one = fit_whittle(observed, start, LineShape(baseline=True))
    without = fit_whittle(observed, START, LineShape())
    assert with_one.converged.all()
    assert with_one.parameters[0, 3] == 0.0
    sem = np.sqrt(np.diagonal(without.covariance[0]))
    assert (np.abs(with_one.parameters[0, :3] - without.parameters[0]) < 2e-3 * sem).all()
    assert with_one.cost == pytest.approx(without.cost, rel=1e-9)
