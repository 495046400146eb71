"""The box of a LAMMPS dump: its vectors, whether they make sense, where it is periodic."""

import re

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.notes import Note

_BOUNDS = re.compile(r"ITEM:\sBOX BOUNDS\b(.*)")
_SIDE = re.compile(r"[pfsm]{2}")
_KINDS = {"f": "fixed", "s": "shrink-wrapped", "m": "shrink-wrapped"}


def box_vectors(kinds: Ints, rows: Floats) -> tuple[Floats, Floats]:
    """Box vectors as rows (t, 3, 3) and corners (t, 3) of all frames.

    LAMMPS writes the bounding box of a restricted triclinic cell; the manual's page
    "Triclinic simulation boxes" gives the way back.

    Parameters
    ----------
    kinds
        (t,) numbers in a row of the box, `Entry.BOX`.
    rows
        (t, 12) these rows, one behind the other.
    """
    cells, origins = np.zeros((len(kinds), 3, 3)), np.zeros((len(kinds), 3))
    general = kinds == 4
    abc = rows[general].reshape(-1, 3, 4)
    cells[general], origins[general] = abc[:, :, :3], abc[:, :, 3]
    for width in (2, 3):
        some = kinds == width
        bounds = rows[some, : 3 * width].reshape(-1, 3, width)
        tilt = bounds[:, :, 2] if width == 3 else np.zeros((len(bounds), 3))
        xy, xz, yz = tilt.T
        low, high = bounds[:, :, 0].copy(), bounds[:, :, 1].copy()
        shifts = np.stack([np.zeros_like(xy), xy, xz, xy + xz])
        low[:, 0] -= shifts.min(axis=0)
        high[:, 0] -= shifts.max(axis=0)
        low[:, 1] -= np.minimum(0.0, yz)
        high[:, 1] -= np.maximum(0.0, yz)
        box = np.zeros((len(bounds), 3, 3))
        # Absurd numbers may overflow: `flat_box` finds them.
        with np.errstate(over="ignore"):
            box[:, [0, 1, 2], [0, 1, 2]] = high - low
        box[:, 1, 0], box[:, 2, 0], box[:, 2, 1] = xy, xz, yz
        cells[some], origins[some] = box, low
    return cells, origins


def flat_box(cells: Floats) -> int | None:
    """First frame whose box vectors are not a right-handed cell of some volume, if any.

    Parameters
    ----------
    cells
        (t, 3, 3) box vectors as rows, unit: Å.
    """
    # Absurd numbers may overflow: then there is no volume to speak of either.
    with np.errstate(all="ignore"):
        volumes = np.linalg.det(cells)
    wrong = np.flatnonzero(~((volumes > 0.0) & np.isfinite(volumes)))
    return int(wrong[0]) if len(wrong) else None


def boundary_notes(header: str) -> list[Note]:
    """Note directions that are not periodic; old headers do not say which these are.

    Parameters
    ----------
    header
        All lines of the header.
    """
    found = _BOUNDS.search(header)
    words = found[1].split() if found else []
    sides = [word for word in words if _SIDE.fullmatch(word)]
    names = "abc" if "abc" in words else "xyz"
    open_sides = {name: side for name, side in zip(names, sides, strict=False) if side != "pp"}
    if not open_sides:
        return []
    kinds = " and ".join(
        dict.fromkeys(_KINDS[k] for s in open_sides.values() for k in s if k != "p")
    )
    flags = ", ".join(f"{name} ({side})" for name, side in open_sides.items())
    text = (
        f"the box is not periodic but {kinds} along {flags}, yet all directions are taken as "
        "periodic"
    )
    return [Note("warning", text, fix="boundary p p p", subject="box")]
