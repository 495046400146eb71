"""Temperatures, forces, drift and frequency bound of a run, from pairs of neighbouring frames.

With equipartition each mode has ⟨|Q̇|²⟩ = k_BT and ⟨ω²|Q|²⟩ = k_BT, so ⟨|F|²/M⟩/⟨M|v|²⟩ is the
mean of ω² over the modes. With the change ΔF over one interval Δ, ⟨|ΔF|²/M⟩/(Δ²⟨|F|²/M⟩) is at
most ⟨ω⁴⟩/⟨ω²⟩. Both are lower bounds of the highest ω².

The interval itself is measured from the motion. With v̄ the mean of the velocities of both
frames, a mode has Δu·v̄/|v̄|² = (2/ω) tan(ωΔ/2) and |Δv|²/|v̄|² = 4 tan²(ωΔ/2) = R, hence

    Δ = (Δu·v̄/|v̄|²) atan(√R/2)/(√R/2).

With sums over all modes in place of one, the relative error of Δ is at most 3c², where 1 + c is
the factor (√R/2)/atan(√R/2), as long as the correlation of neighbouring velocities is above one
half. Velocities of the Verlet algorithm are too small by the fraction (ωh)²/6 for a time step
h, on average by R/6 (h/Δ)².
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError
from trajmodes.matching.average import box_change
from trajmodes.matching.displacements import Displacer, FrameFigures, Hops
from trajmodes.matching.match import Match
from trajmodes.matching.outliers import Limits, Outliers, limits_of
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import BOLTZMANN

ENOUGH = 8
"""Least number of sampled frames for means of equilibrium."""
_PAIRS = 64
_SAMPLE_BYTES = 1 << 27
CORRELATED = 0.5
"""Least correlation of neighbouring velocities from which the time between frames is
measured."""
_FLOOR = 5e-3
"""Least relative error of a measured interval: thermostats and rounding."""


class Interval(NamedTuple):
    """Time between frames, from displacements and velocities."""

    ps: float
    sem_ps: float
    """Its standard error, from the sample and the method."""


@dataclass(frozen=True, slots=True)
class RunSample:
    """Quantities of a sample of frames; None if the file lacks the field."""

    frames: Ints
    """(t,) first frame of each pair."""
    kinetic: Floats | None
    """(t,), unit: K. Kinetic temperature of 3N − 3 degrees of freedom, without drift."""
    kinetic_by_species: Mapping[str, Floats]
    """The same (t,) of the atoms of each species; empty without velocities."""
    virial: Floats | None
    """(t,), unit: K. −Σ u·F / (3N − 3) k_B, equal to the kinetic one in a harmonic crystal."""
    displacement_rms: float | None
    """Root mean square of displacement components in Å."""
    farthest: float | None
    """Largest displacement of an atom in Å."""
    force_rms: float | None
    """Root mean square of force components in eV/Å."""
    net_force: float | None
    """Largest net force of a frame in eV/Å."""
    drift: float | None
    """Largest distance in Å of the centre of mass from that of the first frame, up to box
    vectors if positions are wrapped."""
    drift_speed: float | None
    """Largest speed of the centre of mass in Å/ps."""
    box_change: float
    """Largest relative change of the box."""
    omega_bound: float | None
    """Lower bound of the highest frequency in rad/ps; None from fewer than eight frames."""
    interval: Interval | None
    """Time between frames from displacements and velocities; None if frames are too few or too
    far apart."""
    correlation: float | None
    """Correlation of the velocities of neighbouring frames, the mean of cos ωΔ over the modes;
    of the forces where there are no velocities, None without both."""
    limits: Limits = field(repr=False)


class _Moments(NamedTuple):
    """Sums over atoms of the fields of a pair of frames; nan if the file lacks them."""

    kinetic: float
    virial: float
    square_u: float
    square_f: float
    rate: float
    """Σ |F|²/M."""
    change_rate: float
    """Σ |ΔF|²/M."""
    momentum: float
    """Σ M |v|²."""
    change_momentum: float
    """Σ M |Δv|²."""
    path: float
    """Σ M Δu·v̄, v̄ the mean of both velocities."""
    square_path: float
    """Σ M |v̄|²."""
    product: float
    """Σ M v·(v + Δv)."""


def sample_run(
    trajectory: Trajectory,
    match: Match,
    *,
    n_pairs: int = _PAIRS,
    hops: Hops = "refuse",
    outliers: Outliers = "refuse",
) -> RunSample:
    """Evaluate pairs of frames spread evenly over a run, fewer if it is short or very large.

    ``hops`` and ``outliers`` are those of `Displacer`.

    Raises
    ------
    DataError
        If a frame cannot be used: the box changes, an atom hopped, a value is an outlier.
    """
    unlimited = Displacer(match, "exclude", place=trajectory.place)
    # Frames and their motion: three fields of three components.
    pair_bytes = 2 * 2 * 9 * 8 * trajectory.n_atoms
    n_pairs = min(n_pairs, max(ENOUGH, _SAMPLE_BYTES // pair_bytes))
    starts, length = _pairs(trajectory, n_pairs)
    blocks = [trajectory.read(int(t), int(t) + length) for t in starts]
    motions = [unlimited(block) for block in blocks]
    limits = limits_of(motions, match.supercell, trajectory.n_frames, match.spacing)
    displacer = replace(unlimited, hops=hops, outliers=outliers, limits=limits)
    measured = [displacer.measure(block) for block in blocks]
    whole = [k for k, (motion, _) in enumerate(measured) if motion.n_frames == length]
    if not whole:
        raise DataError(
            "no sampled frame can be used: an atom has left its site, or a value is an outlier",
            where=f"{len(starts)} pairs of frames",
            why="atoms diffuse, the crystal melted, or the file is damaged",
            fix="use a temperature, or a part of the run, where every atom keeps its site",
        )
    starts, blocks = starts[whole], [blocks[k] for k in whole]
    measured = [measured[k] for k in whole]
    # Without the empty sites of an imperfect crystal.
    there = np.sort(match.permutation)
    masses = match.masses[there]
    table = np.array([_moments(_of_atoms(motion, there), masses) for motion, _ in measured])
    sums = _Moments(*(float(x) for x in table.mean(axis=0)))
    directions = 3 * len(masses) - 3
    temperatures = table[:, :2] / max(directions, 1) / BOLTZMANN
    has_u, has_v = trajectory.has_positions, trajectory.has_velocities
    has_f, has_virial = trajectory.has_forces, trajectory.has_forces and has_u
    farthest = [one.farthest.max() for _, one in measured if one.farthest is not None]
    figures = [figures for _, figures in measured]
    correlation = _correlation(sums)
    return RunSample(
        frames=starts,
        kinetic=temperatures[:, 0] if has_v else None,
        kinetic_by_species=_by_species([motion for motion, _ in measured], match),
        virial=temperatures[:, 1] if has_virial else None,
        displacement_rms=float(np.sqrt(sums.square_u / (3 * len(masses)))) if has_u else None,
        farthest=float(max(farthest)) if has_u else None,
        force_rms=float(np.sqrt(sums.square_f / (3 * len(masses)))) if has_f else None,
        net_force=_largest([one.net_force for one in figures]),
        drift=_drift(trajectory, match, [displacer.on_sites(one) for one in blocks], figures),
        drift_speed=_largest([one.drift_velocity for one in figures]),
        box_change=max(float(box_change(block.cells, match.box).max()) for block in blocks),
        # A few frames may all be from the start, which is not in equilibrium.
        omega_bound=(
            _omega_bound(sums, trajectory.interval_ps) if len(starts) >= ENOUGH else None
        ),
        interval=_known_interval(table, trajectory),
        correlation=correlation,
        limits=limits,
    )


def _pairs(trajectory: Trajectory, n_pairs: int) -> tuple[Ints, int]:
    """First frames of pairs without a gap, and length 2; without pairs, all frames and 1."""
    inside = [np.arange(start, stop - 1) for start, stop in trajectory.segments]
    first = np.concatenate([*inside, np.empty(0, dtype=np.int64)]).astype(np.int64)
    length = 2 if len(first) else 1
    first = first if len(first) else np.arange(trajectory.n_frames)
    chosen = np.linspace(0, len(first) - 1, min(n_pairs, len(first))).astype(np.int64)
    return first[np.unique(chosen)], length


def _of_atoms(motion: MotionBlock, atoms: Ints) -> MotionBlock:
    """Motion of some atoms; unchanged if these are all atoms."""
    u, v, f = motion.displacements, motion.velocities, motion.forces
    if all(one is None or len(atoms) == one.shape[1] for one in (u, v, f)):
        return motion
    return replace(
        motion,
        displacements=None if u is None else u[:, atoms],
        velocities=None if v is None else v[:, atoms],
        forces=None if f is None else f[:, atoms],
    )


def _moments(motion: MotionBlock, masses: Floats) -> _Moments:
    u, v, f = motion.displacements, motion.velocities, motion.forces
    weight = masses[:, None]
    nan = float("nan")
    values = dict.fromkeys(_Moments._fields, nan)
    if u is not None:
        values["square_u"] = float((u[0] ** 2).sum())
    if f is not None:
        if u is not None:
            values["virial"] = -float((u[0] * f[0]).sum())
        values["square_f"] = float((f[0] ** 2).sum())
        values["rate"] = float((f[0] ** 2 / weight).sum())
        if len(f) > 1:
            values["change_rate"] = float(((f[1] - f[0]) ** 2 / weight).sum())
    if v is not None:
        values["kinetic"] = values["momentum"] = float((weight * v[0] ** 2).sum())
        if len(v) > 1:
            mean = 0.5 * (v[0] + v[1])
            values["change_momentum"] = float((weight * (v[1] - v[0]) ** 2).sum())
            if u is not None:
                values["path"] = float((weight * (u[1] - u[0]) * mean).sum())
            values["square_path"] = float((weight * mean**2).sum())
            values["product"] = float((weight * v[0] * v[1]).sum())
    return _Moments(**values)


def _correlation(sums: _Moments) -> float | None:
    """Correlation of neighbouring velocities, or of forces; None without both."""
    if sums.momentum > 0.0 and np.isfinite(sums.product):
        return sums.product / sums.momentum
    if sums.rate > 0.0 and np.isfinite(sums.change_rate):
        return 1.0 - 0.5 * sums.change_rate / sums.rate
    return None


def _omega_bound(sums: _Moments, interval_ps: float | None) -> float | None:
    """Square root of the largest ratio of moments that is known."""
    pairs = [(sums.rate, sums.momentum)]
    if interval_ps is not None:
        pairs.append((sums.change_momentum / interval_ps**2, sums.momentum))
        pairs.append((sums.change_rate / interval_ps**2, sums.rate))
    known = [top / below for top, below in pairs if below > 0.0 and np.isfinite(top / below)]
    return float(np.sqrt(max(known))) if known else None


def interval_from_motion(
    trajectory: Trajectory, motion: Callable[[int, int], MotionBlock], masses: Floats
) -> Interval | None:
    """Estimate the time between frames from pairs of frames [start, stop) of any run.

    The result is None without velocities, and if frames are too few or too far apart.
    """
    starts, length = _pairs(trajectory, _PAIRS)
    pairs = [motion(int(t), int(t) + length) for t in starts]
    return _known_interval(np.array([_moments(pair, masses) for pair in pairs]), trajectory)


def _known_interval(table: Floats, trajectory: Trajectory) -> Interval | None:
    """Interval from moments (t, n) of pairs; None if they are too few or too far apart."""
    sums = _Moments(*(float(x) for x in table.mean(axis=0)))
    if len(table) < ENOUGH or not sums.square_path > 0.0 or np.isnan(sums.path):
        return None
    if (_correlation(sums) or 0.0) < CORRELATED:
        return None
    return _interval(table, max(trajectory.time.step_stride, 1))


def _interval(table: Floats, n_steps: int) -> Interval:
    """Time between frames, ``n_steps`` apart, from moments (t, n) of pairs of them."""
    pairs = [_Moments(*row) for row in table]
    path, square, change = (
        np.array([getattr(one, name) for one in pairs])
        for name in ("path", "square_path", "change_momentum")
    )
    raw = path.sum() / square.sum()
    ratio = change.sum() / square.sum()
    half = 0.5 * np.sqrt(ratio)
    interval = raw * np.arctan(half) / half
    scatter = np.sqrt(((path - raw * square) ** 2).sum()) / path.sum()
    bias = 3.0 * (raw / interval - 1.0) ** 2
    verlet = ratio / (6.0 * n_steps**2)
    return Interval(
        float(interval), float(interval * np.linalg.norm([scatter, bias, verlet, _FLOOR]))
    )


def _by_species(motions: list[MotionBlock], match: Match) -> dict[str, Floats]:
    """Kinetic temperature (t,) in K of each species in the first frame of each block."""
    fields = [motion.velocities[0] for motion in motions if motion.velocities is not None]
    if not fields:
        return {}
    masses, species = match.masses, np.array(match.species)
    energy_ta = masses * (np.stack(fields) ** 2).sum(axis=2)
    temperatures = {}
    for name in dict.fromkeys(filter(None, match.species)):
        its = species == name
        # Without the motion of the centre of mass.
        directions = 3.0 * (its.sum() - masses[its].sum() / masses.sum())
        temperatures[name] = energy_ta[:, its].sum(axis=1) / max(directions, 1.0) / BOLTZMANN
    return temperatures


def _largest(vectors: list[Floats | None]) -> float | None:
    present = [vector for vector in vectors if vector is not None]
    return max(float(np.linalg.norm(v, axis=1).max()) for v in present) if present else None


def _drift(
    trajectory: Trajectory, match: Match, blocks: list[FrameBlock], figures: list[FrameFigures]
) -> float | None:
    drifts = [one.drift for one in figures if one.drift is not None]
    if not drifts:
        return None
    if trajectory.unwrapped:
        masses = match.masses[match.permutation]
        share = masses / masses.sum()
        centres = np.concatenate([share @ block.positions_or_raise() for block in blocks])
        moved = centres - centres[0]
    else:
        box = match.box @ match.rotation
        drift = np.concatenate(drifts)
        moved = minimum_image(drift - drift[0], box)
    return float(np.linalg.norm(moved, axis=1).max())


def mean_and_error(values: Floats | None) -> tuple[float, float]:
    """Mean and standard error of sampled values (t,); nan if there are none."""
    if values is None:
        return float("nan"), float("nan")
    sem = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(sem)
