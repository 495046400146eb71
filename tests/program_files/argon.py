"""A run of argon for whole commands."""

import numpy as np


def argon(path, n_frames=24, a=5.4, seed=0):
    """Argon on fcc sites that oscillate independently, as a LAMMPS dump and a POSCAR."""
    rng = np.random.default_rng(seed)
    base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cells = np.stack(np.meshgrid(*3 * [range(2)], indexing="ij"), -1).reshape(-1, 3)
    sites = ((cells[:, None] + base) * a).reshape(-1, 3)
    with (path / "argon.lammpstrj").open("w") as file:
        for step in range(n_frames):
            u_ax, v_ax = 0.1 * rng.normal(size=(2, *sites.shape)) * [[[1]], [[11]]]
            f_ax = -0.3 * (u_ax - 0.1 * np.roll(u_ax, 1, axis=0))
            box = f"0 {2 * a}\n" * 3
            file.write(
                f"ITEM: UNITS\nmetal\nITEM: TIMESTEP\n{10 * step}\nITEM: NUMBER OF ATOMS"
            )
            file.write(f"\n{len(sites)}\nITEM: BOX BOUNDS pp pp pp\n{box}")
            file.write("ITEM: ATOMS id type element xu yu zu vx vy vz fx fy fz\n")
            for k, row in enumerate(np.hstack([sites + u_ax, v_ax, f_ax]), start=1):
                file.write(f"{k} 1 Ar {' '.join(f'{x:.8f}' for x in row)}\n")
    rows = "\n".join(" ".join(map(str, row)) for row in base)
    (path / "POSCAR").write_text(f"Ar\n{a}\n1 0 0\n0 1 0\n0 0 1\nAr\n4\ndirect\n{rows}\n")
