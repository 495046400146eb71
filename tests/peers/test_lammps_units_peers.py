"""A particle under a constant force, integrated by LAMMPS in each of its unit styles."""

import shutil
import subprocess

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory

pytestmark = [pytest.mark.peer, pytest.mark.slow]

STYLES = ["metal", "real", "si", "cgs", "electron", "micro", "nano", "lj"]
FORCES = {"metal": 1e-3, "real": 1e3}
INPUT = """
clear
units {style}
atom_style atomic
atom_modify map array
region box block -1 9 0 12 2 9
create_box 1 box
create_atoms 1 single 1 2 3
mass 1 2.5
pair_style zero 1.0
pair_coeff * *
comm_modify cutoff 1.0
neighbor 0.1 bin
timestep {step}
velocity all set 0.3 -0.2 0.5
fix 1 all nve
fix 2 all addforce {force} 0 0
run 0
dump d all custom 5 {style}.lammpstrj id type mass xu yu zu vx vy vz fx fy fz
dump_modify d format float %.17g units yes time yes
run 20
undump d
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    program = shutil.which("lmp")
    if program is None:
        pytest.skip("needs LAMMPS")
    folder = tmp_path_factory.mktemp("units")
    text = "".join(
        # A step and a force that move the particle by some hundredths of the box.
        INPUT.format(style=style, step=0.01, force=FORCES.get(style, 0.7))
        for style in STYLES
    )
    (folder / "in.all").write_text(text)
    run = subprocess.run(
        [program, "-in", "in.all", "-log", "none", "-screen", "none"],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout[-500:] + run.stderr[-500:]
    return folder


@pytest.mark.parametrize("style", STYLES)
def test_newtons_equations_hold_in_internal_units(folder, style):
    lj = (0.0104, 3.4, 39.948) if style == "lj" else None
    trajectory = open_trajectory(folder / f"{style}.lammpstrj", ReadOptions(lj=lj))
    assert trajectory.unit_style == style
    block = trajectory.read(0, trajectory.n_frames)
    time = (trajectory.times_ps - trajectory.times_ps[0])[:, None]
    acceleration = block.forces[0, 0] / trajectory.masses[0]
    x, v = block.positions[:, 0], block.velocities[:, 0]
    assert np.abs(acceleration[0] * time[-1]) > 1e-4 * np.abs(v[0, 0])
    # LAMMPS's own constants have six to eight digits.
    speed = np.abs(v).max()
    assert np.abs(v - (v[0] + acceleration * time)).max() < 3e-6 * speed
    assert np.abs(x - (x[0] + v[0] * time + 0.5 * acceleration * time**2)).max() < 3e-6 * (
        speed * time[-1, 0]
    )
