"""Units written as text, such as ``nm ps-1`` or ``kJ/mol/nm``: their values in eV, Å, ps.

A unit is a product of names with whole exponents (H5MD, MDAnalysis: ``kJ mol-1 nm-1``), or a
quotient (AMBER: ``kilocalorie/mole/angstrom``).
"""

import re

import numpy as np
from scipy import constants as codata

from trajmodes.errors import UnitsError
from trajmodes.readers.units import ATOMIC_UNITS
from trajmodes.units import DALTON, FEMTOSECOND

_EV = codata.electron_volt
_MOLE = codata.Avogadro
# Name → value, and exponents of length, time, energy and mass.
_LENGTH, _TIME, _ENERGY, _MASS, _NUMBER = (
    (1, 0, 0, 0),
    (0, 1, 0, 0),
    (0, 0, 1, 0),
    (0, 0, 0, 1),
    (0, 0, 0, 0),
)
_NAMES: dict[str, tuple[float, tuple[int, int, int, int]]] = {
    **dict.fromkeys(("angstrom", "angstroms", "ang", "a", "å"), (1.0, _LENGTH)),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), (10.0, _LENGTH)),
    **dict.fromkeys(("pm", "picometer"), (1e-2, _LENGTH)),
    **dict.fromkeys(("bohr", "a0"), (ATOMIC_UNITS.length, _LENGTH)),
    **dict.fromkeys(("m", "meter", "metre"), (1e10, _LENGTH)),
    **dict.fromkeys(("ps", "picosecond", "picoseconds"), (1.0, _TIME)),
    **dict.fromkeys(("fs", "femtosecond", "femtoseconds"), (FEMTOSECOND, _TIME)),
    **dict.fromkeys(("ns", "nanosecond"), (1e3, _TIME)),
    **dict.fromkeys(("s", "second"), (1e12, _TIME)),
    **dict.fromkeys(("ev", "electronvolt"), (1.0, _ENERGY)),
    "mev": (1e-3, _ENERGY),
    **dict.fromkeys(
        ("hartree", "ha", "eh"), (ATOMIC_UNITS.force * ATOMIC_UNITS.length, _ENERGY)
    ),
    **dict.fromkeys(("rydberg", "ry"), (ATOMIC_UNITS.force * ATOMIC_UNITS.length / 2, _ENERGY)),
    **dict.fromkeys(("j", "joule"), (1.0 / _EV, _ENERGY)),
    **dict.fromkeys(("kj", "kilojoule"), (1e3 / _EV, _ENERGY)),
    **dict.fromkeys(("kcal", "kilocalorie"), (1e3 * codata.calorie / _EV, _ENERGY)),
    **dict.fromkeys(("u", "amu", "da", "dalton"), (DALTON, _MASS)),
    **dict.fromkeys(("mol", "mole"), (_MOLE, _NUMBER)),
}
_QUANTITIES = {
    "length": _LENGTH,
    "time": _TIME,
    "velocity": (1, -1, 0, 0),
    "force": (-1, 0, 1, 0),
    "mass": _MASS,
}
_WORD = re.compile(r"([^\W\d]+)(?:\*\*|\^)?([+-]?\d{1,2})?")
_PRODUCT = re.compile(r"\s+\*?\s*|(?<!\*)\*(?!\*)\s*|·")
_UNKNOWN = (1.0, (99, 99, 99, 99))
_LONGEST = 100


def unit_value(text: str, quantity: str, where: str) -> float:
    """Value of a unit of length, time, velocity, force or mass.

    Raises
    ------
    UnitsError
        If the unit is empty or unknown, or one of another quantity.
    """
    value, found = 1.0, np.zeros(4, dtype=int)
    parts = text.strip()[:_LONGEST].split("/")
    for sign, part in zip((1, *[-1] * len(parts)), parts, strict=False):
        for word in _PRODUCT.split(part.strip()):
            match = _WORD.fullmatch(word)
            factor, exponents = _NAMES.get(match[1].lower() if match else "", _UNKNOWN)
            power = sign * int(match[2] or 1) if match else sign
            value *= factor**power
            found += power * np.array(exponents)
    if np.isfinite(value) and tuple(found.tolist()) == _QUANTITIES[quantity]:
        return float(value)
    raise UnitsError(
        f"the unit of {quantity}, “{text[:40]}”, is not known"
        if text.strip()
        else f"the unit of {quantity} is not given",
        where=where,
        why="a unit is a text, such as “nm ps-1”, in the attribute unit or units of an array",
        fix="write this attribute (h5py: file[name].attrs['unit'] = …), or give the units of "
        "all arrays: --units metal for Å, ps, eV",
    )
