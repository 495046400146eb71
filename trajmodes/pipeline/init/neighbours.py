"""Files beside a trajectory: cell files that may describe it, and inputs and logs of LAMMPS."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trajmodes.readers.units import LAMMPS_STYLES, unit_factors
from trajmodes.units import FEMTOSECOND

_CELL = re.compile(
    r"POSCAR|CONTCAR|ucposcar|ssposcar|\.vasp$|\.cif$|\.data$|^data\.|\.lmp$", re.IGNORECASE
)
_SCRIPT = re.compile(r"^log\.|^in\.|\.log$|\.in$|\.lammps$", re.IGNORECASE)
_MOST_CELLS, _LARGEST_SCRIPT = 8, 50_000_000
_TIMESTEP = re.compile(r"^\s*timestep\s+([-+.\deE]+)\s*(?:#.*)?$", re.MULTILINE)
_UNITS = re.compile(r"^\s*units\s+(\w+)\s*(?:#.*)?$", re.MULTILINE)


class TimeStep(NamedTuple):
    """Time step of a simulation, and the file in which it was found."""

    femtoseconds: float
    file: Path


def cells_beside(trajectory: Path, given: Iterable[Path]) -> list[Path]:
    """Cell files in the folder of a trajectory, those with its name first, eight at most."""
    names = {path.resolve() for path in given}
    found = [
        path
        for path in sorted(trajectory.absolute().parent.iterdir())
        if path.is_file() and _CELL.search(path.name) and path.resolve() not in names
    ]
    stem = _stem(trajectory)
    return sorted(found, key=lambda path: _stem(path) != stem)[:_MOST_CELLS]


def time_steps_beside(trajectory: Path) -> list[TimeStep]:
    """Time steps in inputs and logs of LAMMPS that name the trajectory, or else in all logs.

    The last one of a file counts, as in LAMMPS.
    """
    found, naming = [], []
    for path in sorted(trajectory.absolute().parent.iterdir()):
        if not _SCRIPT.search(path.name) or not path.is_file():
            continue
        if path.stat().st_size > _LARGEST_SCRIPT:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        steps, styles = _TIMESTEP.findall(text), _UNITS.findall(text)
        if not steps or not styles or styles[-1] not in LAMMPS_STYLES - {"lj"}:
            continue
        try:
            number = float(steps[-1])
        except ValueError:
            continue
        one = TimeStep(number * unit_factors(styles[-1]).time / FEMTOSECOND, path)
        found.append(one)
        if re.search(rf"\b{re.escape(_plain_name(trajectory))}\b", text):
            naming.append(one)
    return naming or found


def _plain_name(path: Path) -> str:
    """Name without the suffix of a compressed file."""
    return path.stem if path.suffix in (".xz", ".gz", ".bz2", ".zst") else path.name


def _stem(path: Path) -> str:
    """Name up to its first dot or underscore."""
    return re.split(r"[._]", path.name)[0]
