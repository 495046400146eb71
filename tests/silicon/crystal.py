"""Silicon in the Born model of diamond: force constants, modes and bands."""

import numpy as np

from trajmodes.data.bands import BandPath, Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import (
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.data.modes import Modes
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import DALTON, THZ

A = 5.431
TEMPERATURE = 300.0
CRYSTAL = Crystal(
    cell=A / 2 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
    sites=np.array([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]),
    species=("Si", "Si"),
    masses=np.full(2, 28.0855 * DALTON),
)


def born_constants(rng, n_blocks=10, noise=0.004):
    """Nearest neighbours by the Born model, second ones weak, self terms by the sum rule."""
    bond = np.array([[0, 0, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    pairs = [(0, 1, r) for r in bond] + [(1, 0, -r) for r in bond]
    hops = [h for h in np.ndindex(3, 3, 3) if np.abs(np.array(h) - 1).sum() > 0]
    lattice = [np.array(h) - 1 for h in hops]
    near = [r for r in lattice if np.isclose(np.linalg.norm(r @ CRYSTAL.cell), A / 2**0.5)]
    pairs += [(s, s, r) for s in (0, 1) for r in near]
    values = []
    for i, j, r in pairs:
        d = (r + CRYSTAL.sites[j] - CRYSTAL.sites[i]) @ CRYSTAL.cell
        if i != j:
            u = np.sign(d)
            values.append(-(3.45 * np.eye(3) + 2.4 * (np.outer(u, u) - np.eye(3))))
        else:
            values.append(-0.10 * np.eye(3) + 0.04 * np.outer(d, d) / (d @ d))
    values = np.array(values)
    first = np.array([p[0] for p in pairs])
    self_terms = [-values[first == s].sum(axis=0) for s in (0, 1)]
    pairs += [(0, 0, np.zeros(3, int)), (1, 1, np.zeros(3, int))]
    values = np.concatenate([values, self_terms])
    scales = 1.0 + noise * rng.standard_normal((n_blocks, 1, 1, 1)) / np.sqrt(n_blocks)
    shell_noise = noise * rng.standard_normal((n_blocks, len(pairs), 1, 1)) / 10
    return ForceConstants(
        crystal=CRYSTAL,
        first=np.array([p[0] for p in pairs]),
        second=np.array([p[1] for p in pairs]),
        lattice=np.array([p[2] for p in pairs]),
        values=values,
        replicates=values * scales + shell_noise * np.eye(3),
        temperature=TEMPERATURE,
        cutoff=4.5,
        quality=FitQuality(
            n_parameters=7,
            rank=7,
            condition=83.0,
            n_frames=20001,
            r_squared=0.98765,
            rms_force=0.83,
            rms_residual=0.092,
            first_order=np.zeros((2, 3)),
            orders=(OrderQuality(2, "4.5", 7, 0.98765, 0.092, np.nan, np.nan),),
        ),
    )


def solve(constants, qpoints):
    """Angular frequencies (q, m) and vectors (q, m, s, 3) by the definition of D(q)."""
    between = (
        constants.lattice + CRYSTAL.sites[constants.second] - CRYSTAL.sites[constants.first]
    )
    d = np.zeros((len(qpoints), 2, 3, 2, 3), complex)
    for p in range(constants.n_pairs):
        wave = np.exp(2j * np.pi * qpoints @ between[p])
        i, j = constants.first[p], constants.second[p]
        d[:, i, :, j, :] += wave[:, None, None] * constants.values[p] / CRYSTAL.masses[0]
    square, vectors = np.linalg.eigh(d.reshape(-1, 6, 6))
    omega = np.sign(square) * np.sqrt(np.abs(square))
    return omega, vectors.transpose(0, 2, 1).reshape(-1, 6, 2, 3)


def label_sets(qpoints, omega):
    """Sets by equal frequencies: q with the same six belong to one star."""
    labels = np.full(omega.shape, -1)
    known = {}
    for q, row in enumerate(omega):
        for m, w in enumerate(row):
            if np.abs(qpoints[q]).max() < 1e-9 and m < 3:
                continue
            key = (*np.round(row, 5), round(float(w), 5))
            labels[q, m] = known.setdefault(key, len(known))
    return labels


def mode_results(rng, n):
    supercell = build_supercell(CRYSTAL, n)
    space = half_space(supercell)
    constants = born_constants(rng)
    omega, vectors = solve(constants, space.qpoints)
    modes = Modes(
        crystal=CRYSTAL,
        qpoints=space.qpoints,
        weights=space.weights,
        omega=omega,
        vectors=vectors,
        omega_sem=0.002 * np.abs(omega) + 0.02,
        sets=label_sets(space.qpoints, omega),
    )
    return supercell, constants, modes


def set_means(modes):
    """Frequency (g,) in THz and number of real degrees of freedom (g,) of every set."""
    freq, members = np.zeros(modes.n_sets), np.zeros(modes.n_sets, int)
    for g in range(modes.n_sets):
        inside = modes.sets == g
        freq[g] = modes.omega[inside].mean() / THZ
        members[g] = int((inside * modes.weights[:, None]).sum())
    return freq, members


# Γ–X–U|K–Γ–L, reduced coordinates of the fcc primitive cell.
CORNERS = [
    (("GAMMA", (0, 0, 0)), ("X", (0.5, 0, 0.5))),
    (("X", (0.5, 0, 0.5)), ("U", (0.625, 0.25, 0.625))),
    (("K", (0.375, 0.375, 0.75)), ("GAMMA", (0, 0, 0))),
    (("GAMMA", (0, 0, 0)), ("L", (0.5, 0.5, 0.5))),
]


def band_path(constants, n=40):
    reciprocal = 2 * np.pi * np.linalg.inv(CRYSTAL.cell).T
    distance, qpoints = [], []
    start = 0.0
    for (_, head), (_, tail) in CORNERS:
        length = np.linalg.norm((np.array(tail) - head) @ reciprocal)
        distance += list(start + length * np.linspace(0, 1, n))
        qpoints += list(np.linspace(head, tail, n))
        start += length
    path = BandPath(
        crystal=CRYSTAL,
        qpoints=np.array(qpoints),
        distance=np.array(distance),
        offsets=n * np.arange(len(CORNERS) + 1),
        labels=tuple((name, other) for (name, _), (other, _) in CORNERS),
    )
    omega, _ = solve(constants, path.qpoints)
    connection = np.tile(np.arange(omega.shape[1]), (len(omega), 1))
    irreps = (("A1",) * omega.shape[1],) * len(path.corners)
    return Bands(path, omega, 0.003 * np.abs(omega) + 0.02 * THZ, connection, irreps)
