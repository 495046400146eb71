"""Potential energies of frames, from the files in which programs write them.

Logs of LAMMPS have them in the thermodynamic output (styles one, custom, multi and yaml), which
is matched to frames by the step. A log may hold several runs, and steps may begin anew in each:
every run is a separate series. Extended XYZ has ``energy=`` in the comment of each frame, and
possibly ``step=`` or ``timestep=``. All other files are read by ASE, frame by frame.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.ase import read_ase_energies
from trajmodes.readers.text.source import open_source, read_head
from trajmodes.readers.units import unit_factors
from trajmodes.readers.xyz.comment import parse_comment, parse_real

LAMMPS_STYLES = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
"""Unit styles of LAMMPS that have a unit of energy."""

_UNITS = re.compile(r"^\s*units\s+(\w+)\s*(?:#.*)?$")
_PER_ATOM = re.compile(r"^\s*thermo_modify\s.*\bnorm\s+yes\b")
_MULTI = re.compile(r"^-+\s*Step\s+(\d+)\s*-")
_PAIR = re.compile(r"([A-Za-z_][\w/\[\]]*)\s*=\s*(\S+)")
_KEYWORDS = re.compile(r"^\s*keywords:\s*\[(.*)\]\s*$")
_ROW = re.compile(r"^\s*-\s*\[(.*)\]\s*$")
_XYZ = re.compile(r"\.(?:ext)?xyz(?:\.\w+)?$")
_OF_ASE = (".traj", ".xml")
_LOG = re.compile(rb"LAMMPS|^\s*units\s|^\s*Step\s|^Per MPI rank|^keywords:", re.MULTILINE)
_ALL = slice(None)
_PIECE = 1 << 24
"""Bytes of text that are read at once."""
_FIX = (
    "write it at every frame: thermo_style custom step pe, thermo N with the N of the dump, "
    "and thermo_modify norm no format float %.12g"
)


@dataclass(frozen=True, slots=True)
class EnergySeries:
    """Potential energies of one run of a program."""

    energies: Floats
    """(n,), unit: eV, of all atoms together."""
    steps: Ints | None
    """(n,) step of each; None where they follow each other like the frames."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, energies="n")
        freeze(self, sizes, np.int64, steps="n")


def read_energy_list(path: Path) -> tuple[Floats, Floats]:
    """Read energies (n,) and their standard errors (n,), zero where there is none.

    A line has an energy and perhaps its error, separated by spaces or a comma. Empty lines, and
    text behind a ``#``, are ignored.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If a line is not of this form, or an error is negative.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the energies cannot be read", where=str(path), why=str(error)
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if (
            len(values) not in (1, 2)
            or not np.isfinite(values).all()
            or min(values[1:], default=0) < 0
        ):
            raise DataError(
                f"“{line.strip()[:60]}” is not an energy",
                where=f"{path}, line {number}",
                fix="write one energy in eV per atom on each line, and its error after it if "
                "there is one",
            )
        rows.append((values[0], values[1] if len(values) == 2 else 0.0))
    if not rows:
        raise DataError("there are no energies", where=str(path))
    energies, errors = np.array(rows).T
    return energies, errors


def read_energies(path: Path, units: str | None = None) -> tuple[EnergySeries, ...]:
    """Read the potential energies of a log of LAMMPS, its YAML output, extended XYZ, or ASE.

    Parameters
    ----------
    units
        Unit style of LAMMPS, if the file does not name it.

    Raises
    ------
    DataError
        If the file has no energies, they are per atom, or their unit is unknown.
    """
    head = read_head(path)
    if _XYZ.search(path.name):
        return _of_comments(path)
    if b"\0" in head or path.suffix in _OF_ASE:
        return (EnergySeries(read_ase_energies(path), None),)
    if head.startswith(b"ITEM:"):
        raise UsageError(
            "a dump of LAMMPS has no potential energies",
            where=str(path),
            fix="give the log of the run: --energies log.lammps",
        )
    source = open_source(path)
    lines = source.text(0, source.size).splitlines()
    named = [match[1] for line in lines if (match := _UNITS.match(line))]
    style = named[-1] if named else units
    if any(_PER_ATOM.match(line) for line in lines) or style == "lj":
        raise DataError(
            "the energies of the log are per atom, or in reduced units",
            where=str(path),
            fix="thermo_modify norm no writes those of all atoms",
        )
    runs = list(_runs(_thermo_rows(lines, path)))
    if not runs:
        if _LOG.search(head):
            raise DataError(
                "there are no potential energies in the file", where=str(path), fix=_FIX
            )
        return (EnergySeries(read_ase_energies(path), None),)
    if style is None:
        raise DataError(
            "the unit of the energies is not known",
            where=str(path),
            why="neither the log nor the trajectory names the unit style",
            fix="keep the line `units metal` of the input in the log, or give --units",
        )
    factors = unit_factors(style)
    return tuple(_series(run, factors.force * factors.length) for run in runs)


def energies_of_frames(
    series: Sequence[EnergySeries],
    steps: Ints,
    *,
    where: str = "",
    chosen: slice = _ALL,
    least: float = 0.5,
) -> Floats:
    """(t,) potential energy in eV of frames with given steps (t,); nan for frames without one.

    Of the runs of a file with most of the frames, the last one is used.

    Parameters
    ----------
    chosen
        The frames among those of the file of frames.
    least
        Fraction of the frames that must have an energy.

    Raises
    ------
    DataError
        If fewer frames have an energy, or if energies without steps differ in number from the
        frames.
    """
    best = np.full(len(steps), np.nan)
    for one in reversed(series):
        if one.steps is None:
            for energies in (one.energies, one.energies[chosen]):
                if len(energies) == len(steps):
                    return energies
            raise DataError(
                f"the file has {len(one.energies)} energies, the run {len(steps)} frames",
                where=where,
                fix="give the file of the same frames",
            )
        place = np.searchsorted(one.steps, steps)
        place = np.minimum(place, len(one.steps) - 1)
        found = np.where(one.steps[place] == steps, one.energies[place], np.nan)
        if np.isfinite(found).sum() > np.isfinite(best).sum():
            best = found
    if np.isfinite(best).sum() < least * len(steps):
        known = [one.steps for one in series if one.steps is not None]
        shown = ", ".join(f"{own[0]}–{own[-1]}" for own in known)
        raise DataError(
            f"only {int(np.isfinite(best).sum())} of {len(steps)} frames have an energy",
            where=f"{where}; steps of the file: {shown}; of the frames: {steps[0]}–{steps[-1]}",
            why="the energies are those of another run, or were written at other steps",
            fix=_FIX,
        )
    return best


def _of_comments(path: Path) -> tuple[EnergySeries, ...]:
    """Energies in the comments of extended XYZ, by step if all comments have one."""
    lines = _lines(path)
    energies, steps, number = [], [], 0
    for line in lines:
        number += 1
        if not line.strip():
            break
        try:
            n_atoms = int(line)
        except ValueError:
            raise DataError(
                "the number of atoms is not a number", where=f"{path}, line {number}"
            ) from None
        comment = next(lines, b"").decode("utf-8", errors="replace")
        values = parse_comment(comment)
        if "energy" not in values:
            raise DataError(
                "a frame has no energy",
                where=f"{path}, line {number + 1}",
                fix="write energy=… in the comment of every frame, in eV; or give a log with "
                "--energies",
            )
        energies.append(parse_real(values["energy"], "energy"))
        step = values.get("timestep", values.get("step", ""))
        steps += [int(step)] if step.isdecimal() else []
        next(islice(lines, n_atoms - 1, n_atoms), None) if n_atoms else None
        number += n_atoms + 1
    if len(steps) < len(energies) or len(set(steps)) < 2:
        return (EnergySeries(np.array(energies), None),)
    runs = _runs(zip(steps, energies, strict=True))
    return tuple(_series(run, 1.0) for run in runs)


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of a text, compressed or not, read piece by piece."""
    source, rest = open_source(path), b""
    for start in range(0, source.size, _PIECE):
        piece = rest + source.data(start, min(_PIECE, source.size - start))
        *lines, rest = piece.split(b"\n")
        yield from lines
    if rest:
        yield rest


def _thermo_rows(lines: Sequence[str], path: Path) -> Iterator[tuple[int, float]]:
    """Step and potential energy of each output, in the unit of the file."""
    columns: list[str] = []
    step: int | None = None
    for line in lines:
        words = line.split()
        if match := _MULTI.match(line):
            step = int(match[1])
        elif step is not None and "PotEng" in line:
            values = dict(_PAIR.findall(line))
            yield step, _number(values["PotEng"], path)
            step = None
        elif match := _KEYWORDS.match(line):
            columns = [word.strip(" '\"") for word in match[1].split(",")]
        elif columns and (match := _ROW.match(line)):
            yield _step_and_energy(columns, match[1].replace(",", " ").split(), path)
        elif words and words[0] == "Step":
            columns = words
        elif columns and len(words) == len(columns) and words[0].isdigit():
            yield _step_and_energy(columns, words, path)
        elif words and words[0] in ("Loop", "..."):
            columns = []


def _step_and_energy(columns: list[str], words: list[str], path: Path) -> tuple[int, float]:
    values = dict(zip(columns, words, strict=False))
    if "Step" not in values:
        raise DataError(
            "the thermodynamic output does not number its steps",
            where=f"{path}, columns {' '.join(columns)}",
            fix=_FIX,
        )
    if "PotEng" in values:
        return int(values["Step"]), _number(values["PotEng"], path)
    if "E_pair" in values:
        parts = (values["E_pair"], values.get("E_mol", "0"))
        return int(values["Step"]), sum(_number(part, path) for part in parts)
    raise DataError(
        "the thermodynamic output has no potential energy",
        where=f"{path}, columns {' '.join(columns)}",
        fix=_FIX,
    )


def _number(word: str, path: Path) -> float:
    try:
        return float(word)
    except ValueError:
        raise DataError(f"{word!r} is not a number", where=str(path)) from None


def _runs(rows: Iterable[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    """Cut the output where steps begin anew; of a repeated step one is kept."""
    run: list[tuple[int, float]] = []
    for step, energy in rows:
        if run and step == run[-1][0]:
            run.pop()
        if run and step < run[-1][0]:
            yield run
            run = []
        run.append((step, energy))
    if run:
        yield run


def _series(rows: list[tuple[int, float]], factor: float) -> EnergySeries:
    steps, energies = zip(*rows, strict=True)
    return EnergySeries(factor * np.array(energies), np.array(steps))
