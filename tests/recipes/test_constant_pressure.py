"""Argon at constant pressure, by LAMMPS: its mean box, and force constants of motion in it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm

pytestmark = [pytest.mark.slow, pytest.mark.peer]

CELLS = 4
INPUT = """
units metal
lattice fcc {a}
region all block 0 {cells} 0 {cells} 0 {cells}
create_box 1 all
create_atoms 1 box
mass 1 39.948
pair_style lj/cut 8.5
pair_coeff 1 1 0.0104 3.4
velocity all create 80 4711 mom yes
timestep 0.004
fix bath all {bath}
thermo 1000
run 5000
reset_timestep 0
variable length equal lx
fix box all ave/time 10 1 10 v_length file {name}.length
dump frames all custom 25 {name}.lammpstrj id element xu yu zu vx vy vz fx fy fz
dump_modify frames element Ar sort id units yes
run 25000
"""
POSCAR = "argon\n{a}\n0 0.5 0.5\n0.5 0 0.5\n0.5 0.5 0\nAr\n1\nDirect\n0 0 0\n"


def simulate(folder: Path, name: str, a: float, bath: str) -> np.ndarray:
    """Run LAMMPS for 100 ps; return the length (t,) of the box in Å."""
    text = INPUT.format(name=name, a=a, cells=CELLS, bath=bath)
    (folder / f"in.{name}").write_text(text)
    words = ["lmp", "-in", f"in.{name}", "-log", f"{name}.log"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return np.loadtxt(folder / f"{name}.length")[:, 1]


def analysed(folder: Path, name: str, a: float) -> tm.Results:
    cell = folder / f"{name}.POSCAR"
    cell.write_text(POSCAR.format(a=a))
    words = {"cell": cell, "timestep_fs": 4.0, "cutoff": 6.5, "box": "average"}
    return tm.run(folder / f"{name}.lammpstrj", **words)


@pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS")
def test_frequencies_in_the_mean_box_are_those_of_a_fixed_one(tmp_path):
    length = simulate(tmp_path, "npt", 5.35, "npt temp 40 40 0.2 iso 0 0 2.0")
    moving = analysed(tmp_path, "npt", length.mean() / CELLS)
    box, sem = (moving[name].values for name in ("box_mean", "box_mean_sem"))
    assert np.abs(np.diag(box) - length.mean()).max() < 3.0 * np.diag(sem).max()
    assert np.diag(sem).max() < 1e-3 * length.mean()
    rms = np.diag(moving["box_strain_rms"].values)
    np.testing.assert_allclose(rms, length.std() / length.mean(), rtol=0.3)
    simulate(tmp_path, "nvt", length.mean() / CELLS, "nvt temp 40 40 0.2")
    fixed = analysed(tmp_path, "nvt", length.mean() / CELLS)
    assert "box_mean" not in fixed.dataset
    ratio = moving["freq_harmonic_thz"].values / fixed["freq_harmonic_thz"].values
    assert abs(ratio.mean() - 1.0) < 0.01
    assert np.abs(ratio - 1.0).max() < 0.03
