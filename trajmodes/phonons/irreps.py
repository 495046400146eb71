"""Irreducible representations of the modes at special points, labelled by phonopy.

An operation {W|w} of the space group that takes q to q + G moves the polarisation vectors by Γ
= e^{−iq·w} Λ, with Λ e at the image p(s) of a site equal to C e_s e^{iG·(τ_p(s) − w)}. Where
e^{−i(qW − q)·w'} = 1 for all pairs of operations, Λ is an ordinary representation of the little
co-group of q (Bradley and Cracknell, The Mathematical Theory of Symmetry in Solids (1972), ch.
3), and its characters are looked up in phonopy's tables of the point groups. The origin is
chosen at a site or midway between two sites so that this holds, if possible. On the zone
boundary of crystals with glide planes or screw axes it is often impossible, and there is no
Mulliken symbol.

Degenerate modes are divided into irreducible sets by the mean of Λ H Λ† over the operations,
with a random Hermitian matrix H: it commutes with all Λ.
"""

from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import spglib

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import minimum_image
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.modes import modes_at, set_starts
from trajmodes.symmetry.operations import SpaceGroup, space_group

# Difference of reduced coordinates, or of phases over 2π, that is rounding.
_SAME = 1e-6


class Irrep(NamedTuple):
    """Modes of a q point that transform by one irreducible representation."""

    label: str
    """Mulliken symbol in the little co-group, such as T1u; empty where there is none."""
    branches: tuple[int, ...]
    """Branches in ascending frequency, from 0."""
    omega: float
    """Frequency in rad/ps; negative means imaginary."""


def irreps_at(constants: ForceConstants, qpoint: npt.ArrayLike) -> tuple[Irrep, ...]:
    """Irreducible representations at q (3,), in ascending order of their frequencies."""
    modes = modes_at(constants, np.reshape(np.asarray(qpoint, dtype=float), (1, 3)))
    little, shifts_gx = _little_group(space_group(constants.crystal), modes.qpoints[0])
    origin = _origin(little, modes)
    sets, traces = [], []
    for branches in _branch_sets(modes):
        matrices_gmn = _matrices(little, modes.vectors[0, branches], shifts_gx, origin)
        place = branches[0]
        for trace_g, size in _irreducible(matrices_gmn):
            sets.append(tuple(range(place, place + size)))
            traces.append(trace_g)
            place += size
    labels = [""] * len(sets) if origin is None else _labels(little, np.array(traces))
    return tuple(
        Irrep(label, branches, float(modes.omega[0, list(branches)].mean()))
        for label, branches in zip(labels, sets, strict=True)
    )


def _little_group(group: SpaceGroup, q: Floats) -> tuple[SpaceGroup, Floats]:
    """Operations that take q to q + G, and G (g, 3) in reduced coordinates."""
    apart_gx = q @ np.linalg.inv(group.rotations) - q
    shifts_gx = np.rint(apart_gx)
    keep: Bools = np.all(np.abs(apart_gx - shifts_gx) < _SAME, axis=1)
    return group.subgroup(keep), shifts_gx[keep]


def _branch_sets(modes: Modes) -> list[Ints]:
    starts = np.flatnonzero(set_starts(modes.sets)[0])
    return np.split(np.arange(modes.omega.shape[1]), starts[1:])


def _origin(little: SpaceGroup, modes: Modes) -> Floats | None:
    """Origin (3,) about which Λ multiplies as the operations do; None if none is found.

    Parities may depend on the choice. The origin is the point that is fixed by most operations,
    and among several such points the one nearest to a site.
    """
    crystal = modes.crystal
    halves = np.array(list(product((0.0, 0.5), repeat=3)))
    middles = 0.5 * (crystal.sites[:, None] + crystal.sites)[:, :, None] + halves
    moved_gx = modes.qpoints[0] @ little.rotations - modes.qpoints[0]
    found: list[tuple[int, float, int]] = []
    points = middles.reshape(-1, 3)
    for number, origin in enumerate(points):
        w_gx = _translations(little, origin)
        turns = moved_gx @ w_gx.T
        if (np.abs(turns - np.rint(turns)) < _SAME).all():
            kept = int((np.abs(w_gx - np.rint(w_gx)) < _SAME).all(axis=1).sum())
            apart = minimum_image((crystal.sites - origin) @ crystal.cell, crystal.cell)
            distance = round(float(np.linalg.norm(apart, axis=1).min()), 4)
            found.append((-kept, distance, number))
    return points[min(found)[2]] if found else None


def _translations(little: SpaceGroup, origin: Floats) -> Floats:
    """Return translations (g, 3) of the operations about another origin."""
    found: Floats = little.translations + little.rotations @ origin - origin
    return found


def _matrices(
    little: SpaceGroup, e_msx: Complexes, shifts_gx: Floats, origin: Floats | None
) -> Complexes:
    """Λ (g, m, m') of all operations between degenerate modes."""
    middle = np.zeros(3) if origin is None else origin
    sites = little.crystal.sites - middle
    found = []
    for turn, place, w, shift in zip(
        little.cartesian,
        little.permutations,
        _translations(little, middle),
        shifts_gx,
        strict=True,
    ):
        phase_s = np.exp(2j * np.pi * ((sites[place] - w) @ shift))
        moved = np.empty_like(e_msx)
        moved[:, place] = phase_s[:, None] * (e_msx @ turn.T)
        found.append(np.einsum("msx,nsx->mn", e_msx.conj(), moved))
    return np.array(found)


def _irreducible(matrices_gmn: Complexes) -> list[tuple[Complexes, int]]:
    """Characters (g,) and dimension of each irreducible part."""
    n = matrices_gmn.shape[1]
    rng = np.random.default_rng(1)
    random = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    turned = matrices_gmn @ (random + random.conj().T) @ matrices_gmn.conj().swapaxes(1, 2)
    values, columns = np.linalg.eigh(turned.mean(axis=0))
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 1e-6 * np.abs(values).max())
    parts = np.split(columns, starts[1:], axis=1)
    return [
        (np.einsum("km,gkl,lm->g", part.conj(), matrices_gmn, part), part.shape[1])
        for part in parts
    ]


def _labels(little: SpaceGroup, characters: Complexes) -> list[str]:
    """Mulliken symbols of characters (set, g) of all operations."""
    from phonopy.phonon.irreps import IrRepLabels  # noqa: PLC0415 - loads slowly

    found = spglib.get_pointgroup(little.rotations)
    if found is None:
        raise DataError(
            "spglib finds no point group", fix="check the symmetry of the cell file"
        )
    symbol, _, axes = found
    rotations = np.linalg.inv(axes) @ little.rotations @ axes
    # phonopy's tables may have the axes in another order than spglib.
    for order in permutations(range(3)):
        turned = np.rint(rotations[:, order][:, :, order]).astype(np.int64)
        try:
            labels = IrRepLabels(characters, turned, symbol.strip(), verbose=False).irrep_labels
        except RuntimeError:
            continue
        return [label or "" for label in labels or [""] * len(characters)]
    return [""] * len(characters)
