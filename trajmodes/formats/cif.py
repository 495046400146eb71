"""CIF files with the mean square displacements U_ij of the sites (written only)."""

from math import floor, isfinite, log10

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal

_SIX = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def cif_text(crystal: Crystal, tensors: Floats, sem: Floats | None, temperature: float) -> str:
    """Text of a CIF file without symmetry.

    Parameters
    ----------
    tensors
        (s, 3, 3) U^{ij} in Å², in the basis of CIF files.
    sem
        (s, 3, 3) standard errors, written in brackets; None if unknown.
    temperature
        In K.
    """
    lengths = np.linalg.norm(crystal.cell, axis=1)
    unit = crystal.cell / lengths[:, None]
    angles = np.degrees(np.arccos(np.clip(unit @ unit.T, -1.0, 1.0)))
    labels = [
        f"{name}{crystal.species[: s + 1].count(name)}"
        for s, name in enumerate(crystal.species)
    ]
    lines = [
        f"data_{crystal.formula}",
        "_space_group_name_H-M_alt 'P 1'",
        *(
            f"_cell_length_{name} {length:.8f}"
            for name, length in zip("abc", lengths, strict=True)
        ),
        *(
            f"_cell_angle_{name} {angles[i, j]:.8f}"
            for name, i, j in (("alpha", 1, 2), ("beta", 0, 2), ("gamma", 0, 1))
        ),
        f"_cell_volume {crystal.volume:.8f}",
        f"_diffrn_ambient_temperature {temperature:g}",
        "loop_",
        "_space_group_symop_operation_xyz",
        "x,y,z",
        "loop_",
        *(f"_atom_site_{name}" for name in ("label", "type_symbol")),
        *(f"_atom_site_fract_{name}" for name in "xyz"),
        "_atom_site_adp_type",
    ]
    for label, name, site in zip(labels, crystal.species, crystal.sites, strict=True):
        lines.append(
            f"{label} {name} {' '.join(f'{x:.10f}' for x in site.round(12) + 0.0)} Uani"
        )
    lines += ["loop_", "_atom_site_aniso_label"]
    lines += [f"_atom_site_aniso_U_{i + 1}{j + 1}" for i, j in _SIX]
    for s, label in enumerate(labels):
        numbers = (
            _number(tensors[s, i, j], None if sem is None else sem[s, i, j]) for i, j in _SIX
        )
        lines.append(f"{label} {' '.join(numbers)}")
    return "\n".join(lines) + "\n"


def _number(value: float, sem: float | None) -> str:
    """Format a number with the standard uncertainty of its last digits in brackets."""
    # Below this, an error is rounding: symmetry fixes the number.
    if sem is None or not isfinite(sem) or not sem > 1e-9:
        return f"{value:.8f}"
    digits = max(1, 1 - floor(log10(sem)))
    return f"{value:.{digits}f}({round(sem * 10**digits)})"
