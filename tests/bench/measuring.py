"""Time and peak memory of one command of trajmodes."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def measured(words: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of one command.

    The peak is polled: the one that the system reports at the end counts the parent as well.
    """
    start, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "trajmodes", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = status.read_text(encoding="utf-8").splitlines()
            marks = [line.split()[1] for line in lines if line.startswith("VmHWM")]
            peak = max(peak, *(float(mark) / 1e3 for mark in marks), 0.0)
            time.sleep(0.01)
    assert process.returncode == 0
    return time.perf_counter() - start, peak
