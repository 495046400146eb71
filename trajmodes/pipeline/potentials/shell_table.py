"""Tables of Born–von Kármán constants (TOML), and of measured frequencies (CSV).

A table of constants has a crystal, a unit, and one entry for each shell::

    title = "copper at 49 K"
    structure = "fcc:3.604:Cu"
    unit = "N/m"  # or "eV/Å²", "dyn/cm"

    [[shell]]
    bond = [1, 1, 0]  # in units of half the lattice parameter; in Å if not cubic
    alpha1 = 13.1
    alpha1_error = 0.2  # optional: for all constants, or for none
    alpha3 = -1.4
    alpha3_error = 0.3
    beta3 = 14.8
    beta3_error = 0.2

If several shells have this bond, ``sites = [0, 1]`` of its two ends, from 0, selects one. The
constants of shells that are not listed are zero. Other crystals are given by ``cell =
"POSCAR"``, a path relative to the table, or by ``lattice`` (Å), ``positions`` (reduced
coordinates), ``species``, and ``masses_da`` if these are not those of the elements.

A table of frequencies has a heading and one line for each of them, with columns ``h,k,l``
(coordinates of q in the reciprocal vectors of the conventional cell) or ``q1,q2,q3``
(reduced coordinates of the primitive cell), ``branch``, ``frequency_thz`` or ``frequency_mev``,
and, if known, ``error_thz`` or ``error_mev``.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from trajmodes.arrays import Floats
from trajmodes.config.plain_toml import read_toml
from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.shell_constants import MeasuredFrequencies, ShellConstants
from trajmodes.errors import DataError
from trajmodes.phonons.born_von_karman.projection import shell_constants
from trajmodes.phonons.born_von_karman.shells import NeighbourShells, nearest_shells, selected
from trajmodes.pipeline.potentials.structures import crystal_of
from trajmodes.symmetry.operations import conventional_vectors
from trajmodes.units import DALTON, HBAR, MEV, NEWTON_PER_METRE, THZ

_UNITS = {"N/m": 1.0, "eV/Å²": 1.0 / NEWTON_PER_METRE, "dyn/cm": 1e-3}
"""Unit → N/m."""
_LETTERS = {"α": "alpha", "β": "beta", "γ": "gamma", "−": "-"}
_OF_CRYSTAL = ("structure", "cell", "lattice", "positions", "species", "masses_da")
_OF_TABLE = ("title", "source", *_OF_CRYSTAL, "unit", "shell")
_HOLDS = "a crystal, a unit and entries [[shell]]"
_ROUNDING = 1e-3
_MOST_BYTES = 2**20
_HBAR_MEV = HBAR / MEV


def read_shell_table(path: Path) -> tuple[ShellConstants, NeighbourShells]:
    """Read a table of constants, and the listed shells from the nearest outwards.

    Raises
    ------
    UsageError
        If it is not a TOML file, or has no crystal.
    DataError
        If a shell, a constant or a unit is not known, a shell is listed twice, or a constant
        or the error of one is missing.
    """
    table = read_toml(path, "table of constants", _HOLDS)
    where = str(path)
    _require_known(table, _OF_TABLE, where)
    crystal = _crystal(table, path)
    unit = table.get("unit", "N/m")
    if unit not in _UNITS:
        raise DataError(f"no unit {unit}", where=where, fix=f"one of {', '.join(_UNITS)}")
    entries = table.get("shell")
    if not (
        isinstance(entries, list) and entries and all(isinstance(e, dict) for e in entries)
    ):
        raise DataError("there is no shell", where=where, fix=f"a table holds {_HOLDS}")
    shells = _shells_of(crystal, entries, where)
    values, sem = np.zeros((2, len(shells.names)))
    known = any(key.endswith("_error") for entry in entries for key in entry)
    seen: set[int] = set()
    for entry in entries:
        h = _shell_of(entry, shells, where)
        if h in seen:
            raise DataError(
                f"the shell of the bond {entry['bond']} is listed twice", where=where
            )
        seen.add(h)
        own = np.flatnonzero(shells.shell == h)
        keys = [ascii_name(shells.names[n]) for n in own]
        place = f"{where}, shell {entry['bond']}"
        _require_known(entry, ("bond", "sites", *keys, *(f"{k}_error" for k in keys)), place)
        for n, key in zip(own, keys, strict=True):
            values[n] = _number(entry, key, place)
            if known:
                sem[n] = _number(entry, f"{key}_error", place)
    factor = _UNITS[unit] * NEWTON_PER_METRE
    found = shell_constants(
        shells, values * factor, given_sem=np.abs(sem) * factor if known else None
    )
    return found, shells


def shell_table(found: ShellConstants, title: str) -> str:
    """Text of a table that `read_shell_table` reads."""
    crystal, sems = found.crystal, found.values_sem
    lines = [f"title = {json.dumps(title, ensure_ascii=False)}", 'unit = "N/m"']
    lines += [f"lattice = {crystal.cell.tolist()}", f"positions = {crystal.sites.tolist()}"]
    lines += [f"species = {json.dumps(list(crystal.species))}"]
    lines += [f"masses_da = {(crystal.masses / DALTON).tolist()}"]
    for h in range(found.n_shells):
        lines += ["", "[[shell]]", f"bond = {found.bonds[h].tolist()}"]
        lines.append(f"sites = {found.sites[h].tolist()}")
        for n in np.flatnonzero(found.shell == h):
            key = ascii_name(found.names[n])
            lines.append(f"{key} = {found.values[n] / NEWTON_PER_METRE:.10g}")
            if sems is not None:
                lines.append(f"{key}_error = {sems[n] / NEWTON_PER_METRE:.4g}")
    return "\n".join(lines) + "\n"


def ascii_name(name: str) -> str:
    """Name of a constant as in a table: alpha1 for α1."""
    for letter, word in _LETTERS.items():
        name = name.replace(letter, word)
    return name


def read_measured(path: Path, crystal: Crystal) -> MeasuredFrequencies:
    """Read a table of measured frequencies.

    Raises
    ------
    DataError
        If a column is missing, or a value is not a number.
    """
    rows = _rows(path)
    names = set(rows[0])
    unit = "thz" if "frequency_thz" in names else "mev"
    required = ("branch", f"frequency_{unit}")
    axes = ("h", "k", "l") if {"h", "k", "l"} <= names else ("q1", "q2", "q3")
    missing = [name for name in (*axes, *required) if name not in names]
    if missing:
        raise DataError(
            f"the table has no column {', '.join(missing)}",
            where=str(path),
            fix="columns are h,k,l or q1,q2,q3, then branch, frequency_thz or frequency_mev, "
            "and error_thz or error_mev if known",
        )
    q = _columns(path, rows, axes)
    if axes[0] == "h":
        # Components along the reciprocal vectors of the conventional cell.
        q = q @ np.linalg.inv(conventional_vectors(crystal)).T
    factor = THZ if unit == "thz" else 1.0 / _HBAR_MEV
    error = f"error_{unit}"
    return MeasuredFrequencies(
        qpoints=q,
        omega=_columns(path, rows, (f"frequency_{unit}",))[:, 0] * factor,
        branch=tuple(row["branch"].strip() for row in rows),
        omega_sem=_columns(path, rows, (error,))[:, 0] * factor if error in names else None,
    )


def _crystal(table: Mapping[str, Any], path: Path) -> Crystal:
    """Crystal of a table: from lattice and positions, a structure in words, or a file."""
    if "lattice" not in table:
        cell = table.get("cell")
        file = None if cell is None else str(path.parent / str(cell))
        return crystal_of(table.get("structure"), file)
    try:
        species = tuple(map(str, table["species"]))
        masses = table.get("masses_da")
        if masses is None:
            masses = [atomic_masses[atomic_numbers[name]] for name in species]
        lattice, positions = (np.array(table[k], dtype=float) for k in ("lattice", "positions"))
        return Crystal(lattice, positions, species, np.array(masses, dtype=float) * DALTON)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the crystal of the table is not complete: {error}",
            where=str(path),
            fix="give lattice, positions and species, one position for each of the species",
        ) from None


def _shells_of(
    crystal: Crystal, entries: Iterable[Mapping[str, Any]], where: str
) -> NeighbourShells:
    """Find the nearest shells of a crystal, as many as a table needs."""
    found = nearest_shells(crystal, 1)
    unit = 1.0 if found.half_parameter is None else found.half_parameter
    longest = max(float(np.linalg.norm(_bond(entry, where))) for entry in entries) * unit
    number = 1
    while found.distances[-1] <= longest + _ROUNDING and number < 200:
        number *= 2
        found = nearest_shells(crystal, number)
    within = int((found.distances <= longest + _ROUNDING).sum())
    return selected(found, max(within, 1))


def _shell_of(entry: Mapping[str, Any], shells: NeighbourShells, where: str) -> int:
    bond = _bond(entry, where)
    near = np.linalg.norm(shells.indices - bond, axis=1) < 10.0 * _ROUNDING
    if "sites" in entry:
        near &= (shells.sites == np.array(entry["sites"])).all(axis=1)
    if near.sum() == 1:
        return int(near.argmax())
    listed = ", ".join(
        f"{row.tolist()} of sites {pair.tolist()}"
        for row, pair in zip(shells.indices, shells.sites, strict=True)
    )
    raise DataError(
        f"{'several shells have' if near.any() else 'no shell has'} the bond {bond.tolist()}",
        where=where,
        why="constants refer to one bond of each shell",
        fix=f"give one of these, with its sites if several are equal: {listed}",
    )


def _bond(entry: Mapping[str, Any], where: str) -> Floats:
    value = entry.get("bond")
    if not (isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))):
        raise DataError("a shell has no bond", where=where, fix="such as bond = [1, 1, 0]")
    return np.array(value, dtype=float)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if not (isinstance(value, int | float) and np.isfinite(value)):
        what = f"{key} is missing" if value is None else f"{key} is not a number"
        fix = "give 0 for a constant that is zero"
        if key.endswith("_error"):
            fix = "give the errors of all constants, or of none"
        raise DataError(what, where=where, fix=fix)
    return float(value)


def _require_known(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise DataError(f"no entry {key}", where=where, fix=f"one of {', '.join(known)}")


def _rows(path: Path) -> list[dict[str, str]]:
    if path.stat().st_size > _MOST_BYTES:
        raise DataError("the table is larger than 1 MiB", where=str(path))
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    rows = [
        {(name or "").strip(): value or "" for name, value in row.items() if name is not None}
        for row in csv.DictReader(lines)
    ]
    if not rows:
        raise DataError("the table has no frequencies", where=str(path))
    return rows


def _columns(path: Path, rows: list[dict[str, str]], names: tuple[str, ...]) -> Floats:
    values = np.zeros((len(rows), len(names)))
    for k, row in enumerate(rows):
        for column, name in enumerate(names):
            try:
                values[k, column] = float(row[name])
            except (ValueError, KeyError):
                raise DataError(
                    f"{name} is not a number: {row.get(name)!r}",
                    where=f"{path}, frequency {k + 1}",
                ) from None
    if not np.isfinite(values).all():
        raise DataError("a number is not finite", where=str(path))
    return values
