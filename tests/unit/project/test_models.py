from dataclasses import replace

import numpy as np
import pytest

from trajmodes.project.lineshape.models import LineShape, Observed, extended, model_of, places

LENGTH, INTERVAL = 256, 0.01
BINS = np.arange(5, 90)[None]
OBSERVED = Observed(
    BINS, np.ones(BINS.shape, bool), np.ones(BINS.shape), np.ones(1), LENGTH, INTERVAL
)
SHAPES = [
    LineShape(kind, baseline=baseline)
    for kind in ("oscillator", "fano", "two-oscillators")
    for baseline in (False, True)
]


def _some(shape: LineShape) -> np.ndarray:
    theta = extended(np.array([[0.3, 80.0, np.log(6.0)]]), shape)
    where = places(shape)
    if where.asymmetry is not None:
        theta[:, where.asymmetry] = 0.2
    if where.baseline is not None:
        theta[:, where.baseline] = 0.01
    if where.ratio is not None:
        theta[:, where.ratio :] = [-0.7, 95.0, np.log(12.0)]
    return theta


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_equal_finite_differences_for_every_shape(shape: LineShape) -> None:
    theta, model = _some(shape), model_of(shape)
    power, slopes = model(OBSERVED, theta)
    # The area multiplies all.
    assert np.array_equal(slopes[:, 0], power)
    for n in range(1, theta.shape[1]):
        h = np.zeros_like(theta)
        h[:, n] = 1e-5
        known = (model(OBSERVED, theta + h)[0] - model(OBSERVED, theta - h)[0]) / 2e-5
        assert np.allclose(slopes[:, n], known, rtol=0, atol=1e-6 * np.abs(known).max())


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_extended_parameters_give_the_same_curve(shape: LineShape) -> None:
    one = LineShape(baseline=shape.baseline)
    theta = _some(one)
    power, _ = model_of(one)(OBSERVED, theta)
    again, _ = model_of(shape)(OBSERVED, extended(theta, shape))
    assert np.allclose(power, again, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_changes_nothing(shape: LineShape) -> None:
    """Values up to the last fitted bin are unchanged, and zero after it."""
    inside = np.ones(BINS.shape, bool)
    inside[:, 60:] = inside[:, 7] = False
    theta, model = _some(shape), model_of(shape)
    known = model(OBSERVED, theta)
    padded = model(replace(OBSERVED, inside=inside), theta)
    for all_of_it, part in zip(known, padded, strict=True):
        assert np.allclose(part[..., :60], all_of_it[..., :60], rtol=1e-13)
        assert not part[..., 60:].any()
