"""Damaged packed positions of XTC files are never unpacked beyond the end of an array.

Compiled code does not check its indices: here the same code runs as plain Python, on arrays
that accept no index outside them.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

pytestmark = pytest.mark.faults

PROGRAM = """
import random, struct, sys
import numpy as np
from trajmodes.readers.binary import packed

class Checked(np.ndarray):
    def __getitem__(self, key):
        for axis, index in enumerate(key if isinstance(key, tuple) else (key,)):
            if not isinstance(index, slice):
                assert 0 <= index < self.shape[axis], (key, self.shape)
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        self[key]
        super().__setitem__(key, value)

class Numpy:
    def __getattr__(self, name):
        made = getattr(np, name)
        if name in ("frombuffer", "empty"):
            return lambda *given, **named: made(*given, **named).view(Checked)
        return made

packed.np, packed._SMALL = Numpy(), packed._SMALL.view(Checked)
rng, n_damaged = random.Random(0), 0
for name in sys.argv[1:]:
    whole = open(name, "rb").read()
    n_atoms, = struct.unpack_from(">i", whole, 4)
    *extremes, small, n_bytes = struct.unpack_from(">3i3iii", whole, 60)
    sound = whole[92 : 92 + n_bytes]
    lows, highs = np.reshape(extremes, (2, 3))
    assert packed.unpack(sound, lows, highs, small, n_atoms) is not None
    for _ in range(60):
        data, change = bytearray(sound), rng.randrange(5)
        for _ in range(rng.randrange(1, 9)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if change == 0:
            data = data[: rng.randrange(len(data))]
        more = np.array([1 << rng.randrange(31) for _ in range(3)]) if change == 1 else 0
        width = rng.randrange(-3, 99) if change == 2 else small
        count = rng.randrange(1, 2 * n_atoms) if change == 3 else n_atoms
        n_damaged += packed.unpack(bytes(data), lows, highs + more, width, count) is None
print(n_damaged)
"""


def test_indices_stay_inside_their_arrays(tmp_path):
    rng = np.random.default_rng(0)
    names = []
    for precision, made in (
        (1000.0, np.cumsum(0.02 * rng.normal(size=(30, 3)), axis=0)),
        (1000.0, 9.0 * rng.random((30, 3))),
        (1e6, rng.random((30, 3)) + 900.0 * (np.arange(30) > 20)[:, None]),
    ):
        names.append(str(tmp_path / f"{len(names)}.xtc"))
        with XTCFile(names[-1], "w") as file:
            file.write(made.astype(np.float32), np.eye(3), 0, 0.0, precision)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", PROGRAM, *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
