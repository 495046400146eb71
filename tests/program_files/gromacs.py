"""Frames of TRR as GROMACS writes them."""

import struct

import numpy as np


def trr_frame(real: str, step: int, *, step_ps: float = 0.5, **arrays: np.ndarray) -> bytes:
    """Return a frame; ``real`` is f or d, arrays are box, x, v, f and others."""
    size = struct.calcsize(real)
    n_atoms = len(next(array for name, array in arrays.items() if len(name) == 1))
    names = ("ir", "e", "box", "vir", "pres", "top", "sym", "x", "v", "f")
    sizes = [arrays[name].size * size if name in arrays else 0 for name in names]
    head = struct.pack(">3i12s13i", 1993, 13, 12, b"GMX_trn_file", *sizes, n_atoms, step, 0)
    numbers = np.concatenate(
        [[step_ps * step, 0.0], *(arrays[n].ravel() for n in names if n in arrays)]
    )
    return head + numbers.astype(f">{real}{size}".replace("d", "f")).tobytes()
