"""Files of one run that CP2K and cp.x write beside each other, found by their names.

CP2K writes ``NAME-pos-1.xyz``, ``NAME-vel-1.xyz``, ``NAME-frc-1.xyz`` and ``NAME-1.cell``;
cp.x of Quantum ESPRESSO writes ``NAME.pos``, ``.vel``, ``.for`` and ``.cel``.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from trajmodes.notes import Note

_CP2K = re.compile(r"(.*)-(pos|vel|frc)(-\d+)\.xyz")
_CELL = re.compile(r"(.*)(-\d+)\.cell")
_ESPRESSO = {".vel": "velocities", ".for": "forces", ".cel": "cells"}


def positions_file(path: Path) -> Path:
    """Find the file of positions beside a file of another quantity; the file itself if none."""
    places = []
    if found := _CP2K.fullmatch(path.name):
        places.append(path.with_name(f"{found[1]}-pos{found[3]}.xyz"))
    if found := _CELL.fullmatch(path.name):
        places.append(path.with_name(f"{found[1]}-pos{found[2]}.xyz"))
    if path.suffix in _ESPRESSO:
        places.append(path.with_suffix(".pos"))
    return next((place for place in places if place.is_file()), path)


def positions_files(paths: Iterable[Path]) -> list[Path]:
    """Replace files of other quantities by those of the positions beside them."""
    given = list(paths)
    places = {path: positions_file(path) for path in given}
    others = {path for path, place in places.items() if place != path}
    whole = [path for path in given if path not in others]
    extra = dict.fromkeys(places[path] for path in given if path in others)
    return [*whole, *(place for place in extra if place not in whole)]


def companions(path: Path) -> dict[str, Path]:
    """Other files beside one of positions or velocities: velocities, forces, cells."""
    places: dict[str, Path] = {}
    found = _CP2K.fullmatch(path.name)
    if found:
        stem, number = found[1], found[3]
        places = {
            "velocities": path.with_name(f"{stem}-vel{number}.xyz"),
            "forces": path.with_name(f"{stem}-frc{number}.xyz"),
            "cells": path.with_name(f"{stem}{number}.cell"),
        }
    if path.suffix in {".pos", ".vel"}:
        places = {name: path.with_suffix(suffix) for suffix, name in _ESPRESSO.items()}
    return {name: one for name, one in places.items() if one.is_file() and one != path}


def quantity_in_name(path: Path) -> str:
    """Quantity that the name of an XYZ file of CP2K gives; positions by default."""
    found = _CP2K.fullmatch(path.name)
    return {"vel": "velocities", "frc": "forces"}.get(found[2] if found else "", "positions")


def companions_note(paths: list[Path]) -> tuple[Note, ...]:
    """Note which files are read with the one that was given."""
    if not paths:
        return ()
    names = ", ".join(path.name for path in paths)
    return (Note("note", f"{names} of the same run {'is' if len(paths) == 1 else 'are'} read"),)
