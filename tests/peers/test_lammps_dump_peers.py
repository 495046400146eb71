"""Dumps of one run that LAMMPS wrote on three processors, in all its forms."""

import shutil
import subprocess

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.inputs import input_paths

pytestmark = [pytest.mark.peer, pytest.mark.slow]

ALL = "id type xu yu zu vx vy vz fx fy fz"
WRAPPED = "id type x y z ix iy iz vx vy vz fx fy fz"
DUMPS = {
    "text": f"custom 10 text.lammpstrj {ALL}",
    "yaml": f"yaml 10 yaml.yaml {ALL}",
    "general": f"custom 10 general.lammpstrj {WRAPPED}",
    "binary": f"custom 10 binary.bin {ALL}",
    "scaled": "custom 10 scaled.bin type xs ys zs id ix iy iz vx vy vz fx fy fz",
    "turned": f"custom 10 turned.bin {WRAPPED}",
    "pieces": f"custom 10 pieces.%.lammpstrj {ALL}",
    "parts": f"custom 10 parts.%.bin {ALL}",
}
INPUT = """
units real
lattice custom 1.0 a1 2.63 2.63 0 a2 0 2.63 2.63 a3 2.63 0 2.63 &
    basis 0.1 0.1 0.1 triclinic/general
create_box 2 NULL 0 4 0 4 0 4
create_atoms 1 box
set atom 5*9 type 2
mass 1 39.948
mass 2 20.0
pair_style lj/cut 4.5
pair_coeff * * 0.24 3.40
velocity all create 60 1234
fix 1 all nve
timestep 2.0
neigh_modify every 1 delay 0 check no
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    program, launcher = shutil.which("lmp"), shutil.which("mpirun")
    if program is None or launcher is None:
        pytest.skip("needs LAMMPS and MPI")
    folder = tmp_path_factory.mktemp("dumps")
    lines = [INPUT]
    for name, dump in DUMPS.items():
        form = "" if ".bin" in dump else " format float %20.17g"
        general = " triclinic/general yes" if name in ("general", "turned") else ""
        lines += [f"dump {name} all {dump}"]
        lines += [f"dump_modify {name} units yes time yes{form}{general}"]
    (folder / "in.all").write_text("\n".join([*lines, "run 40\n"]))
    words = [launcher, "-n", "3", program, "-in", "in.all", "-log", "none", "-screen", "none"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return folder


@pytest.mark.parametrize(
    ("files", "truth"),
    [
        (["binary.bin"], "text.lammpstrj"),
        (["yaml.yaml"], "text.lammpstrj"),
        (["scaled.bin"], "text.lammpstrj"),
        (["turned.bin"], "general.lammpstrj"),
        (["pieces.%.lammpstrj"], "text.lammpstrj"),
        (["parts.%.bin"], "binary.bin"),
    ],
)
def test_every_form_agrees_with_the_text(folder, files, truth):
    run = open_trajectory(input_paths([str(folder / name) for name in files]), ReadOptions())
    text = open_trajectory(folder / truth, ReadOptions())
    np.testing.assert_array_equal(run.times_ps, text.times_ps)
    np.testing.assert_array_equal(run.types, text.types)
    assert (run.unit_style, run.n_frames, run.n_atoms) == ("real", 5, 64)
    block, expected = run.read(0, 5), text.read(0, 5)
    for name in ("cells", "positions", "velocities", "forces"):
        got, wanted = getattr(block, name), getattr(expected, name)
        np.testing.assert_allclose(got, wanted, rtol=1e-14, atol=1e-14 * abs(wanted).max())
