"""Band paths through the Brillouin zone, dispersions and spectral maps along them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal


@dataclass(frozen=True, slots=True)
class BandPath:
    """Straight sections through the Brillouin zone, each with both end points."""

    crystal: Crystal
    qpoints: Floats
    """(q, 3), reduced coordinates, section after section."""
    distance: Floats
    """(q,), unit: 1/Å, 2π included. Cumulative length of the path, constant over a jump."""
    offsets: Ints
    """(k + 1,) section k is offsets[k]:offsets[k + 1]."""
    labels: tuple[tuple[str, str], ...]
    """(k,) names of the first and the last point of each section."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", distance="q")
        freeze(self, {}, np.int64, offsets="o")

    @property
    def n_sections(self) -> int:
        """Number of straight sections."""
        return len(self.labels)

    def directions(self) -> Floats:
        """(q, 3) Cartesian unit vectors along the section of each point."""
        ends, starts = self.offsets[1:] - 1, self.offsets[:-1]
        steps = (self.qpoints[ends] - self.qpoints[starts]) @ np.linalg.inv(self.crystal.cell).T
        steps = steps / np.linalg.norm(steps, axis=1, keepdims=True)
        return np.repeat(steps, np.diff(self.offsets), axis=0)

    def ticks(self) -> tuple[Floats, tuple[str, ...]]:
        """Distances and names of the corners; a jump is named ``U|K``."""
        places = [float(self.distance[0])]
        names = [self.labels[0][0]]
        for k, (start, end) in enumerate(self.labels):
            if start != names[-1]:
                names[-1] = f"{names[-1]}|{start}"
            places.append(float(self.distance[self.offsets[k + 1] - 1]))
            names.append(end)
        return np.array(places), tuple(names)

    @property
    def corners(self) -> Floats:
        """(k, 3) q points of the ticks; at a jump the first of its two points."""
        found: Floats = self.qpoints[np.concatenate([self.offsets[:1], self.offsets[1:] - 1])]
        return found

    @property
    def jumps(self) -> Ints:
        """(j,) index of the first point of each section after a jump."""
        jumps = [
            int(self.offsets[k + 1])
            for k in range(self.n_sections - 1)
            if self.labels[k][1] != self.labels[k + 1][0]
        ]
        return np.array(jumps, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Bands:
    """Frequencies along a path, ascending at every point."""

    path: BandPath
    omega: Floats
    """(q, m), unit: rad/ps. Negative means imaginary."""
    omega_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error; None where the force constants have none."""
    connection: Ints | None = None
    """(q, m) branch, from 0, that each connected band has at each point: bands are continued
    through crossings by their polarisation vectors. None where it was not computed."""
    irreps: tuple[tuple[str, ...], ...] | None = None
    """(k, m) Mulliken symbol of each branch, without macroscopic field, at the ticks of the
    path; at a jump those of its first point. Empty where there is none; None where it was not
    computed."""

    def __post_init__(self) -> None:
        sizes = {"q": len(self.path.distance)}
        freeze(self, sizes, float, omega="q m", omega_sem="q m")
        freeze(self, sizes, np.int64, connection="q m")


@dataclass(frozen=True, slots=True)
class RenormalisedBands:
    """Bands of effective force constants obtained from the motion, not from the forces."""

    kind: Literal["quasi-particles", "displacements"]
    """From the frequencies of spectral lines with the eigenvectors of the fit, or from the
    covariance of displacements."""
    bands: Bands
    own: Bools | None = None
    """(g,) sets whose own frequency was used; for the others the fitted one. None for all."""

    def __post_init__(self) -> None:
        freeze(self, {}, bool, own="g")


@dataclass(frozen=True, slots=True)
class SpectralMap:
    """Velocity spectra at the commensurate points (k) of a path through the zone."""

    distance: Floats
    """(k,), unit: 1/Å. Distance along the path, as in `BandPath.distance`."""
    qpoints: Floats
    """(k, 3), reduced coordinates of the commensurate q, or of a symmetry-equivalent one."""
    omega: Floats
    """(w,), unit: rad/ps."""
    power: Floats
    """(k, w), unit: eV ps/rad. Sum over all branches, or equivalently over all sites and
    directions; mean over the star of q."""
    branches: Floats | None = None
    """(k, m, w), unit: eV ps/rad. Spectra of the branches, mean over the star and degenerate
    branches. None without force constants."""
    sites: Floats | None = None
    """(k, s, 3, w), unit: eV ps/rad. Without eigenvectors: spectra of the sites and directions
    at exactly the q of `qpoints`. None where not asked for."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, distance="k", qpoints="k 3", omega="w", power="k w")
        sizes = {"k": len(self.distance), "w": len(self.omega)}
        freeze(self, sizes, float, branches="k m w", sites="k s 3 w")
