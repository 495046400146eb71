"""Band paths, and the dispersion and spectra along them.

A path given as text is ``auto``, the standard path of the crystal, or a list of points
separated by blanks. Each point is the name of a special point (``GAMMA`` or ``G`` for Γ), or
three numbers or fractions separated by commas. ``|`` ends a continuous part of the path::

    G X W | 0,0,0 1/2,1/2,1/2
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.bands import BandPath, Bands, SpectralMap
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import (
    SAME_Q,
    parse_point,
    special_points,
)
from trajmodes.symmetry.stars import star_images


def dispersion(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands of the force constants along a path; their replicates give error bars.

    Raises
    ------
    DataError
        If the path was made for another cell, or the force constants are not symmetric under
        exchange of their indices.
    """
    if not np.allclose(path.crystal.cell, constants.crystal.cell, rtol=0.0, atol=1e-6):
        raise DataError(
            "the band path was made for another cell than the force constants",
            fix="make it with band_path(constants.crystal, spacing)",
        )
    omega, omega_sem = frequencies_at(constants, path.qpoints)
    return Bands(path, omega, omega_sem)


def spectral_map(path: BandPath, modes: Modes, spectra: PowerSpectra) -> SpectralMap | None:
    """Velocity spectra of each branch at the commensurate points of the path, and their sum.

    ``spectra`` are those of the sets of ``modes``, which are at the commensurate points. The
    result is None if no commensurate point with a spectrum lies on the path.
    """
    hits = on_path(path, modes.qpoints)
    shown = (modes.sets[hits.index] >= 0).any(axis=1)
    if not shown.any():
        return None
    rows = hits.index[shown]
    sets_km = modes.sets[rows]
    branches_kmw = np.where((sets_km >= 0)[..., None], spectra.power[sets_km], 0.0)
    return SpectralMap(
        distance=hits.distance[shown],
        qpoints=modes.qpoints[rows],
        freq_thz=spectra.freq_thz,
        power=branches_kmw.sum(axis=1),
        branches=branches_kmw,
    )


def chosen_path(crystal: Crystal, text: str, spacing: float) -> BandPath:
    """Make the band path that a text describes, as in the module's docstring.

    Parameters
    ----------
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If a point is not known, or a part of the path has fewer than two points.
    """
    if text.strip().lower() == "auto":
        return band_path(crystal, spacing)
    special, _ = special_points(crystal)
    corners, labels = [], []
    for part in text.split("|"):
        points = [parse_point(word, special) for word in part.split()]
        if len(points) < 2:
            raise UsageError(
                f'a part of the path "{text}" has fewer than two points',
                fix=f"give points such as: {' '.join(list(special)[:3])}",
            )
        for (q_start, start), (q_end, end) in pairwise(points):
            if np.allclose(q_start, q_end):
                raise UsageError(f'the path "{text}" has the point {start} twice in a row')
            corners.append([q_start, q_end])
            labels.append((start, end))
    return _sampled_path(crystal, np.array(corners), tuple(labels), spacing)


@dataclass(frozen=True, slots=True)
class PathHits:
    """Points of a band path that belong to the stars of some q points, by distance."""

    index: Ints
    """(h,) index of the q in the list."""
    distance: Floats
    """(h,), unit: 1/Å, 2π included. Distance along the path."""
    section: Ints
    """(h,) section of the path."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, index="h", section="h")
        freeze(self, sizes, float, distance="h")


def band_path(crystal: Crystal, spacing: float) -> BandPath:
    """Make the standard band path of a crystal, in the cell as it is; see `special_points`.

    Parameters
    ----------
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If the spacing is not positive.
    """
    points, sections = special_points(crystal)
    corners = np.array([[points[start], points[end]] for start, end in sections])
    return _sampled_path(crystal, corners, tuple(sections), spacing)


def _sampled_path(
    crystal: Crystal, corners: Floats, labels: tuple[tuple[str, str], ...], spacing: float
) -> BandPath:
    """Path along sections with given ends (k, 2, 3) in reduced coordinates."""
    if not spacing > 0.0:
        raise UsageError(f"the spacing of a band path must be positive, got {spacing}")
    reciprocal = 2.0 * np.pi * np.linalg.inv(crystal.cell).T
    steps = corners[:, 1] - corners[:, 0]
    lengths = np.linalg.norm(steps @ reciprocal, axis=1)
    counts = np.ceil(lengths / spacing - 1e-9).astype(np.int64) + 1
    parts = [np.linspace(0.0, 1.0, count) for count in counts]
    before = np.cumsum(lengths) - lengths
    return BandPath(
        crystal=crystal,
        qpoints=np.concatenate(
            [
                a + t[:, None] * step
                for (a, _), t, step in zip(corners, parts, steps, strict=True)
            ]
        ),
        distance=np.concatenate(
            [d + t * length for d, t, length in zip(before, parts, lengths, strict=True)]
        ),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        labels=labels,
    )


def on_path(path: BandPath, qpoints: npt.ArrayLike) -> PathHits:
    """Find where q points (q, 3), or members of their stars, lie on a band path.

    Images of one q at the same distance along the path are counted once.
    """
    images_gqx = star_images(path.crystal, qpoints)
    ends = path.offsets[1:] - 1
    rows: list[Floats] = []
    for k, (start, end) in enumerate(zip(path.offsets[:-1], ends, strict=True)):
        index, fraction = _on_section(images_gqx, path.qpoints[start], path.qpoints[end])
        near, far = path.distance[start], path.distance[end]
        place = near + fraction * (far - near)
        rows.append(np.stack([place, index, np.full(len(index), k)], axis=1))
    hits = np.concatenate(rows)
    hits = hits[np.lexsort((hits[:, 0], hits[:, 1]))]
    distinct = np.abs(np.diff(hits[:, :2], axis=0, prepend=-1.0)).max(axis=1) > SAME_Q
    hits = hits[distinct]
    hits = hits[np.argsort(hits[:, 0], kind="stable")]
    return PathHits(hits[:, 1].astype(np.int64), hits[:, 0], hits[:, 2].astype(np.int64))


def _on_section(images_gqx: Floats, start: Floats, end: Floats) -> tuple[Ints, Floats]:
    """Find q and t ∈ [0, 1] where an image of q is start + t (end − start) modulo 1."""
    step = end - start
    axis = int(np.argmax(np.abs(step)))
    # Along the axis of the largest step each integer n gives one candidate for t.
    integers = np.arange(np.ceil(abs(step[axis])) + 1.0) * np.sign(step[axis])
    residue = images_gqx[..., axis] - start[axis]
    residue -= np.floor(residue / np.sign(step[axis]) + SAME_Q) * np.sign(step[axis])
    t_ngq = (residue + integers[:, None, None]) / step[axis]
    near = equal_modulo_lattice(images_gqx, start + t_ngq[..., None] * step, SAME_Q)
    inside = (t_ngq > -SAME_Q) & (t_ngq < 1.0 + SAME_Q)
    _, _, index = np.nonzero(near & inside)
    return index.astype(np.int64), np.clip(t_ngq[near & inside], 0.0, 1.0)
