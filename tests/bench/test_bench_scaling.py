"""Cost of tasks and states on a cluster of this computer, and what follows for larger ones.

The time of a pass is modelled as in docs/scaling.md. Stretches that take no time show what a
task costs, and large states what their transfer costs. The table is printed for the rate of
reading and reducing that ``TRAJMODES_BENCH_RATE`` names, in bytes of text a second on one core.
"""

import os
import time

import numpy as np
import pytest

from simulations.passes import States, span
from trajmodes.streaming import schedule
from trajmodes.streaming.schedule import stream
from trajmodes.streaming.workers import scheduled_on

pytestmark = [pytest.mark.bench]

RUN_BYTES = 10e12
STRETCH_BYTES = 1.5e9
"""Text of the longest stretch: 64 blocks of 15 MB in memory."""
STATE_BYTES = 8e6
DISK_BYTES_PER_S = 20e9
N_STRETCHES = 64
SIZES = (1e3, 1e6, 4e6, 8e6)
REPEATS = 5


def seconds(n_bytes):
    begin = time.perf_counter()
    stream(span, [(k, k + 1) for k in range(N_STRETCHES)], States(n_bytes))
    return time.perf_counter() - begin


def fitted():
    """Seconds for a task, and for each byte of a state, with their errors."""
    sizes = np.repeat(SIZES, REPEATS)
    times = np.array([seconds(size) for size in sizes]) / N_STRETCHES
    design = np.stack([np.ones(len(sizes)), sizes], axis=1)
    values, residual, *_ = np.linalg.lstsq(design, times, rcond=None)
    variance = residual[0] / (len(sizes) - 2)
    return values, np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))


def pass_seconds(n_workers, rate, task_s, byte_s):
    """Longest of three: workers, disk, and the one process that submits and receives."""
    n_stretches = max(RUN_BYTES / STRETCH_BYTES, schedule.STRETCHES_EACH * n_workers)
    per_node = 2 ** int(np.log2(max(1, n_workers // 4)))
    reducing = np.ceil(n_stretches / n_workers) * RUN_BYTES / n_stretches / rate
    combining = (np.log2(per_node) + 1) * STATE_BYTES * byte_s
    submitting = 2 * n_stretches * task_s + n_stretches / per_node * STATE_BYTES * byte_s
    disk = RUN_BYTES / DISK_BYTES_PER_S
    return reducing + combining, disk, submitting


def test_cost_of_tasks_and_states(monkeypatch):
    pytest.importorskip("distributed")
    # Every block is a stretch.
    monkeypatch.setattr(schedule, "STRETCHES_EACH", N_STRETCHES)
    monkeypatch.setattr(schedule, "STRETCHES_LEFT", N_STRETCHES)
    with scheduled_on("local:2"):
        seconds(SIZES[0])
        (task_s, byte_s), errors = fitted()
    monkeypatch.undo()
    rate = float(os.environ.get("TRAJMODES_BENCH_RATE", "9e7"))
    print(f"\ntask {1e3 * task_s:.2f} ± {1e3 * errors[0]:.2f} ms")  # noqa: T201
    print(f"state {1e9 * byte_s:.2f} ± {1e9 * errors[1]:.2f} s/GB")  # noqa: T201
    print("workers  reducing/s  disk/s  one process/s")  # noqa: T201
    for n_workers in (1, 10, 100, 300, 1000):
        parts = pass_seconds(n_workers, rate, task_s, byte_s)
        print(f"{n_workers:7d} " + " ".join(f"{one:10.0f}" for one in parts))  # noqa: T201
    assert task_s < 0.1
