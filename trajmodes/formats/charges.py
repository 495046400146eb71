"""Born charges and dielectric tensors beside force constants or forces of other programs.

They are not used: force constants are taken as they are in the file, without a long-range part
of their own. A user who gives them expects the splitting of longitudinal and transverse modes
at Γ, and gets a warning.
"""

from pathlib import Path

from trajmodes.notes import Note

_NAMES = {"BORN", "infile.lotosplitting"}
"""Files of phonopy and TDEP that hold charges."""
_KEYS = ("nac:", "born_effective_charge:", "dielectric_constant:")
"""Entries of charges in a yaml file of phonopy or phono3py, at the start of a line."""


def charges_in(*paths: Path) -> Path | None:
    """Find the first of the files that exists and holds charges; None if there is none."""
    return next((path for path in paths if path.is_file() and _has_charges(path)), None)


def _has_charges(path: Path) -> bool:
    if path.suffix not in {".yaml", ".yml"}:
        return path.name in _NAMES
    with path.open(encoding="utf-8", errors="replace") as lines:
        return any(line.startswith(_KEYS) for line in lines)


def charges_notes(*paths: Path) -> tuple[Note, ...]:
    """Warn that the charges in the first of the files that holds any are not used."""
    path = charges_in(*paths)
    if path is None:
        return ()
    note = Note(
        "warning",
        f"the Born charges and the dielectric tensor in {path} are not used: force constants "
        "and forces are taken as they are, without the long-range part that the program of the "
        "file treats apart",
        why="trajmodes has no long-range Coulomb forces beyond the supercell: longitudinal and "
        "transverse optical modes do not split at Γ, and bands near Γ lack their slope",
        fix="compare frequencies at the other q points of the supercell, where forces between "
        "all pairs of it suffice",
    )
    return (note,)
