"""Binary dumps by the layout of ``DumpCustom::write_header`` of LAMMPS."""

import struct

import numpy as np


def binary_frame(
    step, rows, *, columns, order="<", box=(0.0, 4.0) * 3, tilt=(), units="metal",
    time=None, parts=1, name="DUMPCUSTOM", revision=2, sides=(0,) * 6,
):  # fmt: skip
    """One frame: rows (a, c) in ``parts`` of several processors."""
    kind = {0: 0, 3: 1, 6: 2}[len(tilt)]
    head = struct.pack(f"{order}q{len(name)}s", -len(name), name.encode())
    head += struct.pack(order + "2i2q7i", 1, revision, step, len(rows), kind, *sides)
    head += np.array([*box, *tilt]).astype(order + "f8").tobytes()
    head += struct.pack(
        f"{order}2i{len(units)}s", len(columns.split()), len(units), units.encode()
    )
    head += (
        struct.pack("b", 0)
        if time is None
        else struct.pack("b", 1) + struct.pack(order + "d", time)
    )
    head += struct.pack(f"{order}i{len(columns)}si", len(columns), columns.encode(), parts)
    for part in np.array_split(np.asarray(rows, dtype=float), parts):
        head += struct.pack(order + "i", part.size) + part.astype(order + "f8").tobytes()
    return head


def yaml_frame(step, rows, *, columns, tilt="", box=((-1, 4.5), (0, 4), (0, 4))):
    """One frame as ``dump yaml`` writes it; rows (a, c)."""
    names = ", ".join(columns.split())
    lines = "".join(f"  - [ {' , '.join(f'{x:.17g}' for x in row)}, ]\n" for row in rows)
    bounds = "".join(f"  - [ {low}, {high} ]\n" for low, high in box)
    return (
        f"---\ncreator: LAMMPS\ntimestep: {step}\nunits: metal\ntime: {0.001 * step:.16g}\n"
        f"natoms: {len(rows)}\nboundary: [ p, p, p, p, f, f, ]\nthermo:\n"
        "  - keywords: [ Step, Temp, ]\n  - data: [ 0, 60, ]\n"
        f"box:\n{bounds}{tilt}"
        f"keywords: [ {names},  ]\ndata:\n{lines}...\n"
    ).encode()


COLUMNS = "id type xu yu zu vx vy vz fx fy fz"


def binary_dump(n_frames=4, n_atoms=5, *, shuffled=True, **options):
    """Frames of random numbers, ids in any order, and their numbers (t, 3, a, 3) by id."""
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=(n_frames, 3, n_atoms, 3))
    frames = []
    for t in range(n_frames):
        ids = rng.permutation(n_atoms) if shuffled else np.arange(n_atoms)
        rows = np.column_stack([ids + 1, 1 + ids % 2, *(one[ids] for one in numbers[t])])
        options |= {"columns": COLUMNS}
        frames.append(binary_frame(10 * t, rows, time=0.01 * t, **options))
    return frames, numbers
