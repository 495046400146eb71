"""Damaged files of potentials give an error of the package, or finite force constants."""

import numpy as np
import pytest
from ase.build import bulk

from embedded_atom.alloy import alloy_functions, lines, tables
from trajmodes.data.crystal import Crystal
from trajmodes.errors import TrajmodesError
from trajmodes.potentials.eam.files import read_eam

pytestmark = pytest.mark.faults

R = 0.1 * np.arange(45)
WORDS = (b"nan ", b"1e400 ", b"-1 ", b"\n", b"9" * 30, b"fcc ", b"\x00", b"0x1 ")


def one_element() -> str:
    rho = 0.05 * np.arange(400)
    return (
        "title\n28 58.7 3.52 FCC\n400 0.05 45 0.1 4.4\n"
        + lines(-np.sqrt(rho))
        + 2 * lines(np.exp(-R))
    )


def damaged(text: str, kind: int, rng: np.random.Generator) -> bytes:
    content = bytearray(text.encode())
    if kind == 0:
        content[rng.integers(len(content))] = rng.integers(256)
    elif kind == 1:
        content[rng.integers(150)] = rng.integers(32, 127)
    elif kind == 2:
        start, stop = sorted(rng.integers(len(content), size=2))
        del content[start:stop]
    else:
        place = rng.integers(200)
        content[place:place] = WORDS[rng.integers(len(WORDS))]
    return bytes(content)


@pytest.mark.parametrize("kind", range(4))
def test_damage_is_refused_or_harmless(kind, tmp_path):
    crystal = Crystal.from_ase(bulk("Ni", a=3.8))
    alloy = tables(alloy_functions(), ["Ni", "Al"], by_pairs=True, r=R)
    rng = np.random.default_rng(kind)
    path = tmp_path / "damaged.eam"
    refused = 0
    for text in (alloy, one_element()):
        for _ in range(40):
            path.write_bytes(damaged(text, kind, rng))
            try:
                potential = read_eam(path)
                values = potential.force_constants(crystal).values
                potential.notes(crystal)
            except TrajmodesError:
                refused += 1
            else:
                assert np.isfinite(values).all()
    assert refused > 0
