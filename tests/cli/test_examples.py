"""Every example runs, and prints what it says it prints."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

# Together more than some seconds.
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path, capsys):
    def call(name: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, str(tmp_path / "results")])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_silicon(example, tmp_path):
    text = example("silicon.py")
    assert "lifetime_ps" in text
    assert (tmp_path / "results" / "results.nc").is_file()


def test_lifetimes(example, tmp_path):
    text = example("lifetimes.py")
    rows = text.split("both within 2 errors: ")
    within, both = (int(word) for word in rows[1].split(" sets")[0].split(" of "))
    assert both > 10
    assert within >= 0.9 * both
    assert "not resolved: narrower than the resolution" in rows[0]
    assert "equipartition holds" in rows[1]
    movie = (tmp_path / "results" / "lowest.xyz").read_text()
    assert movie.count("Lattice=") == 24
    # A transverse mode at the shortest q of the supercell, four cells long.
    assert "freq_THz=4.0" in movie


def test_anharmonic(example, tmp_path):
    text = example("anharmonic.py")
    assert "triplets to 3.9 Å" in text
    assert "mean γ" in text
    assert (tmp_path / "results" / "export" / "phono3py" / "fc3.hdf5").is_file()


def test_copper(example):
    text = example("copper.py")
    rows = text.split("eV/Å²\n")[1]
    # Symmetry in the frame of the POSCAR: xy, xz, yx and zx vanish, yz and zy do not.
    values = [float(word) for word in rows.replace("[", " ").replace("]", " ").split()]
    assert values[1] == values[2] == values[3] == values[6] == 0.0
    assert abs(values[5]) > 0.1


def test_raw_stream(example):
    text = example("raw_stream.py")
    assert "root mean square speed" in text
    assert "mean square displacements" in text


def test_molecule(example):
    text = example("molecule.py")
    assert "OH2: 3 atoms, 3 vibrations, 6 external motions" in text
    assert "harmonic potential over kinetic energy [1" in text.replace("0.99", "1.00")


def test_every_example_is_tested():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in tested for path in EXAMPLES.glob("*.py"))


def test_series(example, tmp_path):
    text = example("series.py")
    zero = text.split("ω² of N branch 1 is zero at ")[1]
    kelvin, sem = (float(word) for word in zero.split(" K")[0].split(" ± "))
    page = (EXAMPLES.parent / "docs" / "series.md").read_text(encoding="utf-8")
    printed = [float(one) for one in re.findall(r"T_c = (\d+) ± (\d+) K", page)[0]]
    assert np.abs(np.array(printed) - (kelvin, sem)).max() < 1.5
    # From seven longer runs between 800 and 1400 K: 503 ± 33 K.
    assert abs(kelvin - 503.0) < 3.0 * sem
    assert "by extrapolation" in zero
    assert (tmp_path / "results" / "force_constants_900K.h5").is_file()
    assert (tmp_path / "results" / "figures" / "bands.png").is_file()


def test_polar(example, tmp_path):
    text = example("polar.py")
    without, with_charges = (
        float(line.split()[-2]) for line in text.splitlines() if "rms residual" in line
    )
    assert with_charges < 0.7 * without
    static, ratio = text.split("ε0 = ")[1].split("\n")[0].split(", (LO/TO)² ε∞ = ")
    assert static == ratio
    assert (tmp_path / "results" / "tables" / "polar.csv").is_file()
