"""Results of a run on silicon, and of a scan of its fit."""

from dataclasses import replace

import numpy as np
import pytest

from silicon.results import make_full, make_results
from trajmodes.data.force_constants import (
    FitQuality,
    OrderQuality,
    ScanPoint,
)
from trajmodes.results.dataset import to_dataset
from trajmodes.units import THZ


def scan_point(kind, label, cutoffs, forces, **rest):
    """One fit of a scan; forces: rms residual in the fit and in frames left out, in eV/Å."""
    orders = [
        OrderQuality(2 + k, cutoff, 3, 0.9, *forces, 0.01)
        for k, cutoff in enumerate(cutoffs.split(" | "))
    ]
    quality = FitQuality(
        *(31, 31, 54.0, 2000, 1.0 - forces[0] ** 2, 1.0, forces[0], np.zeros((2, 3))),
        orders=tuple(orders),
    )
    return ScanPoint(kind, label, **{"order": 3, "value": np.nan, "quality": quality} | rest)


def make_scan():
    """Rows of a scan; 5 Å is enough for the second order, 4 Å for the third."""
    rows = []
    for order, radii in ((2, (3.0, 4.0, 5.0, 6.0, 7.0)), (3, (3.0, 4.0, 5.0))):
        for k, radius in enumerate(radii):
            left = 0.01 + 0.1 * np.exp(-6.0 * (k if order == 2 else k + 1))
            row = scan_point(
                *("cutoff", f"order {order} to {radius:.2f} Å"),
                f"{radius} | 4.5" if order == 2 else f"8 | {radius}",
                (left, left * (1.0 + 2e-4 * (k - 3) ** 2)),
                order=order,
                value=radius,
                lowest_squared=(-0.3 if k == 0 else 4.93) * THZ**2,
            )
            quality = replace(row.quality, n_parameters=10 * order + 7 * k)
            rows.append(replace(row, quality=quality))
    for order, left in ((2, 0.1), (3, 0.01)):
        label = f"up to order {order}"
        rows.append(scan_point("order", label, "8", (left, np.nan), value=float(order)))
    rows.append(scan_point("constraints", "+ Huang", "8 | 4.5", (0.01, 0.011)))
    for frames in (500, 1000, 2000):
        left = 0.01 * (1.0 - 20.0 / frames)
        row = scan_point(
            *("time", f"first {frames} frames", "8 | 4.5", (left, 0.0201 - left)),
            value=float(frames),
            lowest_squared=(4.9 + 1.0 / frames) * THZ**2,
        )
        rows.append(row)
    return rows


@pytest.fixture(scope="session")
def results():
    return make_results()


@pytest.fixture(scope="session")
def dataset(results):
    return to_dataset(results)


@pytest.fixture(scope="session")
def full_results(results):
    return make_full(results)


@pytest.fixture(scope="session")
def full(full_results):
    return to_dataset(full_results)


@pytest.fixture(scope="session")
def scan_rows():
    return make_scan()
