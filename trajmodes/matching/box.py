"""How much the box of a run moves, and frames taken to their mean box.

At constant pressure (NPT) the cell h(t) fluctuates. With rows as box vectors, x = s h(t) has
the reduced coordinates s; in the mean box ⟨h⟩ the same atoms lie at s ⟨h⟩ = x h(t)⁻¹ ⟨h⟩.
Displacements are counted there: u = (s − s_ref) ⟨h⟩. Velocities and forces stay as they are,
Cartesian: they are not turned or stretched by the strain of the frame, an error of that strain
relative (some 10⁻³). Velocities must be those about the moving box (peculiar ones), as LAMMPS
and GROMACS write them; else the flow of the box, strain rate times distance, is in them.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from trajmodes.arrays import Floats, freeze
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class BoxMotion:
    """The mean box of some frames, and how far they are from it."""

    mean: Floats
    """(3, 3), unit: Å. Mean box vectors, as rows."""
    n_frames: int
    """Number of frames that it is the mean of."""
    largest: float
    """Largest component of the strain from the mean box to that of a frame."""
    rms: float
    """Root mean square over the frames of the norm √Σε² of that strain."""
    drift: float
    """Largest component of the strain from the mean box of the first half of the frames to that
    of the second half."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, mean="3 3")

    @property
    def told(self) -> str:
        """Fluctuation and drift in words."""
        return (
            f"rms strain {self.rms:.2e}, from the first half to the second {self.drift:.2e}, "
            f"{self.n_frames} frames seen"
        )


def box_motion(cells: Floats) -> BoxMotion:
    """Mean and motion of boxes.

    Parameters
    ----------
    cells
        (t, 3, 3) box vectors in Å, as rows, in order of time.
    """
    mean = cells.mean(axis=0)
    strain = np.linalg.inv(mean) @ cells - np.eye(3)
    # The part of the strain that a rotation of the box would be is none.
    strain = 0.5 * (strain + strain.swapaxes(1, 2))
    half = len(cells) // 2
    drift = strain[-half:].mean(axis=0) - strain[:half].mean(axis=0) if half else np.zeros(1)
    return BoxMotion(
        mean,
        len(cells),
        float(box_change(cells, mean).max()),
        float(np.sqrt((strain**2).sum(axis=(1, 2)).mean())),
        float(np.abs(drift).max()),
    )


def box_change(cells: Floats, box: Floats) -> Floats:
    """Largest component (t,) of the strain that takes one box (3, 3) to others (t, 3, 3).

    Parameters
    ----------
    cells
        The boxes, rows as vectors in Å.
    box
        The one that they are compared with.
    """
    strain: Floats = np.abs(np.linalg.inv(box) @ cells - np.eye(3)).max(axis=(1, 2))
    return strain


def in_box(positions: Floats, cells: Floats, box: Floats) -> Floats:
    """Positions (t, a, 3) in Å with the same reduced coordinates in another box.

    Parameters
    ----------
    positions
        (t, a, 3) in Å.
    cells
        (t, 3, 3) box vectors of each frame in Å, as rows.
    box
        (3, 3) box vectors of the box wanted.
    """
    moved = np.empty(positions.shape)
    _mapped(positions, np.ascontiguousarray(np.linalg.inv(cells) @ box), moved)
    return moved


def box_notes(motion: BoxMotion | None) -> tuple[Note, ...]:
    """Note on the mean box and how the box moves about it.

    Parameters
    ----------
    motion
        Mean and motion of the box; None if it is fixed.
    """
    if motion is None:
        return ()
    lengths = np.linalg.norm(motion.mean, axis=1)
    sides = " × ".join(f"{length:.5g}" for length in lengths)
    unit = motion.mean / lengths[:, None]
    cosines = np.clip((unit @ unit.T)[[1, 2, 0], [2, 0, 1]], -1.0, 1.0)
    angles = ", ".join(f"{angle:.2f}°" for angle in np.degrees(np.arccos(cosines)))
    text = (
        f"the box moves ({motion.told}): displacements are those of reduced coordinates in the "
        f"mean box, {sides} Å, {angles}"
    )
    return (Note("warning", text),)


@njit(nogil=True, cache=True)
def _mapped(x_tax, maps_txy, out_tay):  # type: ignore[no-untyped-def]
    """Apply a linear map of its own to every frame."""
    for t in range(x_tax.shape[0]):
        for a in range(x_tax.shape[1]):
            x0, x1, x2 = x_tax[t, a, 0], x_tax[t, a, 1], x_tax[t, a, 2]
            for y in range(3):
                out_tay[t, a, y] = (
                    x0 * maps_txy[t, 0, y] + x1 * maps_txy[t, 1, y] + x2 * maps_txy[t, 2, y]
                )
