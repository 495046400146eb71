"""Equilibrium volume of copper from free energies, against the pressure of the same runs."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main

pytestmark = [pytest.mark.peer, pytest.mark.slow]

KELVIN = 300.0
SIDES = np.linspace(3.595, 3.675, 5)
SAMPLE = """
fix pure all store/force
fix bath all langevin {kelvin} {kelvin} 0.2 {seed} zero yes
thermo 20
thermo_style custom step pe press
thermo_modify norm no format float %.12g
run 2000
reset_timestep 0
fix out all print 20 "$(press:%.12g)" screen no file pressure.txt
dump d all custom 20 run.lammpstrj id type element xu yu zu f_pure[1] f_pure[2] f_pure[3]
dump_modify d sort id format float %.10g units yes time yes element Cu &
  colname f_pure[1] fx colname f_pure[2] fy colname f_pure[3] fz
run 30000
"""


@pytest.fixture(scope="module")
def folders(run_copper):
    found = []
    for k, side in enumerate(SIDES):
        seed = 100 + k
        folder = run_copper(SAMPLE.format(kelvin=KELVIN, seed=seed), KELVIN, side, seed)
        write(folder / "POSCAR", bulk("Cu", "fcc", a=side), format="vasp", direct=True)
        run = tm.open(folder / "run.lammpstrj", cell=str(folder / "POSCAR"))
        run.fit(temperature=KELVIN, output=folder / "fit")
        fit, log = folder / "fit", folder / "log.lammps"
        words = ["free-energy", fit, "--energies", log, "-o", fit / "free-energy"]
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        found.append(folder)
    return found


def test_the_volume_of_lowest_free_energy_has_no_pressure(folders):
    """To second order in the cumulants, which depend on the volume."""
    volumes = SIDES**3 / 4.0
    bars = [np.loadtxt(folder / "pressure.txt", skiprows=1)[:1500] for folder in folders]
    means = np.mean(bars, axis=1)
    blocks = np.reshape(bars, (len(bars), 20, -1)).mean(axis=2)
    apart = volumes - volumes[2]
    curve = np.polynomial.Polynomial.fit(apart, means * 1e-4, 3)
    (root,) = (x.real for x in curve.roots() if abs(x.imag) < 1e-9 and abs(x.real) < 0.5)
    modulus = -(volumes[2] + root) * curve.deriv()(root)
    # The error of one run, an upper bound of that of the fit.
    error = 1e-4 * blocks.std(axis=1).mean() / np.sqrt(20) * (volumes[2] + root) / modulus
    found = tm.quasiharmonic(
        [folder / "fit" for folder in folders],
        temperatures=KELVIN,
        mesh=16,
        classical=True,
        order=2,
    )
    volume, sem = (float(found[name][0, 0]) for name in ("qha_volume", "qha_volume_sem"))
    assert sem < 5e-4 * volume
    assert abs(volume - volumes[2] - root) < 3.0 * np.hypot(sem, error)
    bulk, bulk_sem = (
        float(found[name][0, 0]) for name in ("qha_modulus_gpa", "qha_modulus_gpa_sem")
    )
    assert abs(bulk - modulus) < 3.0 * np.hypot(bulk_sem, 0.02 * modulus)
