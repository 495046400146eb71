"""Warnings of force constants without the symmetry of the crystal or of free space."""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.data.modes import DECISIVE
from trajmodes.data.thermo import Elasticity, strain_names
from trajmodes.notes import Note
from trajmodes.report.numbers import plus_minus
from trajmodes.thermo.equal_modes import UnequalModes
from trajmodes.thermo.rotations import Rotation
from trajmodes.units import GIGAPASCAL, NEWTON_PER_METRE, THZ

INVARIANT = "--constraints born-huang --constraints huang"
"""Options for force constants that are invariant under rotation and without stress."""
_LEAST = 1e-3
"""Differences below this part of the largest value are rounding of a file."""
_ROUND_OFF = 1e-9
"""Forces in eV/Å per radian below this are rounding errors of zero."""
_WHY = (
    "the force constants lack it: pairs of atoms share them among the images of a supercell of "
    "lower symmetry (a rectangular one of a hexagonal crystal), or they were computed without "
    "symmetry"
)


def asymmetry_warnings(elastic: Elasticity) -> tuple[Note, ...]:
    """Warn if elastic constants differ from their mean over the point group of the crystal."""
    change, sem = elastic.stiffness - elastic.symmetric, elastic.asymmetry_sem
    found = _largest(change, sem, float(np.abs(elastic.stiffness).max()))
    if found is None:
        return ()
    i, j = found
    layer, names = len(elastic.axes) == 2, strain_names(len(change))
    unit, name = (NEWTON_PER_METRE, "N/m") if layer else (GIGAPASCAL, "GPa")
    means = elastic.symmetric, elastic.symmetric_sem
    text = (
        f"the elastic constants lack the symmetry of the crystal: C({names[i]},{names[j]}) "
        f"differs by {_with_error(change, sem, (i, j), unit)} {name} from its mean over the "
        f"point group, {_with_error(*means, (i, j), unit)} {name}"
    )
    return (Note("warning", text, why=_WHY, fix=_fix(is_layer=layer)),)


def unequal_warnings(modes: UnequalModes) -> tuple[Note, ...]:
    """Warn if symmetry-equivalent modes differ."""
    change, sem = modes.differences, modes.differences_sem
    found = _largest(change, sem, modes.highest)
    if found is None:
        return ()
    q, branch = found
    text = (
        "symmetry-equivalent modes differ: branch "
        f"{branch + 1} at q = {point(modes.qpoints[q])} by "
        f"{_with_error(change, sem, (q, branch), THZ)} THz from its mean over equivalent q "
        "points; sums over the zone take one of them for all"
    )
    return (Note("warning", text, why=_WHY, fix=_fix(is_layer=modes.is_layer)),)


def rotation_warnings(
    found: Rotation, constants: ForceConstants, lowest: float | None = None
) -> tuple[Note, ...]:
    """Warn if a rotation of the crystal exerts significant forces.

    The warning also states if these forces make thermodynamics wrong at `lowest`, in K.
    """
    # In a crystal without internal strain all of them are rounding errors.
    scale = max(found.of_strain, _ROUND_OFF / _LEAST)
    largest = _largest(found.forces, found.forces_sem, scale)
    is_cold = lowest is not None and found.temperature > lowest
    if is_invariant(constants) or (largest is None and not is_cold):
        return ()
    s, axis = largest or divmod(int(np.abs(found.forces).argmax()), found.forces.shape[1])
    force = _with_error(found.forces, found.forces_sem, (s, axis), 1.0)
    text = (
        "the force constants are not invariant under rotation: a rotation of the crystal "
        f"exerts {force} eV/Å per radian on "
        f"{constants.crystal.species[s]}, and a strain up to {found.of_strain:.3g} eV/Å; "
    )
    if lowest is None or not is_cold:
        size = f"{found.stiffness / GIGAPASCAL:.2g} GPa"
        text += f"this contributes {size} to the elastic constants"
    else:
        text += (
            "ω² of acoustic waves has a term linear in q, which equals that of sound at "
            f"ħω/k_B = {found.temperature:.2g} K: heat capacity and entropy are wrong by about "
            "1 % there, and by more below"
        )
    why = "noise of the fit and pairs that are left out break the condition of Born and Huang"
    return (Note("warning", text, why=why, fix=f"fit with {INVARIANT}"),)


def is_invariant(constants: ForceConstants) -> bool:
    """Whether the force constants were fitted as invariant under rotation."""
    quality = constants.quality
    return quality is not None and "born_huang" in quality.constraints


def _largest(change: Floats, sem: Floats | None, scale: float) -> tuple[int, int] | None:
    """Index of the most significant change; None if all are insignificant or rounding."""
    # Without internal strain nothing has a size.
    least = np.full_like(change, max(_LEAST * scale, np.finfo(float).tiny))
    excess = np.abs(change) / (least if sem is None else np.maximum(DECISIVE * sem, least))
    i, j = divmod(int(excess.argmax()), change.shape[1])
    return (i, j) if excess[i, j] > 1.0 else None


def _with_error(values: Floats, sem: Floats | None, place: tuple[int, int], unit: float) -> str:
    return plus_minus(values[place] / unit, None if sem is None else sem[place] / unit)


def _fix(*, is_layer: bool) -> str:
    cells = "n × n × 1" if is_layer else "n × n × n"
    return (
        f"run a supercell with the symmetry of the crystal, such as {cells} primitive cells, "
        "or fit with a --cutoff2 within the sphere inscribed in the supercell"
    )
