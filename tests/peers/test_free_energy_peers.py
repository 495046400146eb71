"""Free energy of copper against thermodynamic integration to an Einstein crystal in LAMMPS.

Nonequilibrium switching there and back: Freitas, Asta, de Koning, Comput. Mater. Sci. 112, 333
(2016). The centre of mass is at rest in both crystals, so that each has 3N − 3 oscillators.
"""

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.units import BOLTZMANN, DALTON, HBAR

pytestmark = [pytest.mark.peer, pytest.mark.slow]

KELVIN, SPRING, MASS_DA, N_ATOMS = 500.0, 4.2, 63.55, 108
SAMPLE = f"""
fix pure all store/force
fix bath all langevin {KELVIN} {KELVIN} 0.2 99 zero yes
thermo 20
thermo_style custom step pe
thermo_modify norm no format float %.12g
run 3000
reset_timestep 0
dump d all custom 20 run.lammpstrj id type element xu yu zu f_pure[1] f_pure[2] f_pure[3]
dump_modify d sort id format float %.10g units yes time yes element Cu &
  colname f_pure[1] fx colname f_pure[2] fy colname f_pure[3] fz
run 40000
"""
SWITCH = f"""
fix switch all ti/spring {SPRING} 15000 3000 function 2
fix bath all langevin {KELVIN} {KELVIN} 0.2 77 zero yes
run 3000
fix out all print 1 "$(pe:%.12g) $(f_switch:%.12g) $(f_switch[1]:%.12g)" screen no file there
run 15000
unfix out
run 3000
fix out all print 1 "$(pe:%.12g) $(f_switch:%.12g) $(f_switch[1]:%.12g)" screen no file back
run 15000
"""


@pytest.fixture(scope="module")
def folder(run_copper):
    return run_copper(SAMPLE, KELVIN)


def _integrated(folder):
    """Free energy per atom by integration over λ from the crystal to the springs and back."""
    work = []
    for name in ("there", "back"):
        whole, springs, coupling = np.loadtxt(folder / name, unpack=True)
        work.append(np.trapezoid(whole - springs, coupling))
    heat = BOLTZMANN * KELVIN
    omega = np.sqrt(SPRING / (MASS_DA * DALTON))
    einstein = (3 * N_ATOMS - 3) * heat * np.log(HBAR * omega / heat)
    return (einstein + 0.5 * (work[0] - work[1])) / N_ATOMS


@pytest.fixture(scope="module")
def expected(run_copper):
    return _integrated(run_copper(SWITCH, KELVIN))


def _of_supercell(found, values):
    """Values of F with the harmonic part at the q points of the supercell alone."""
    return values - found.harmonic[0] + found.commensurate[0]


def test_free_energy_is_that_of_thermodynamic_integration(folder, expected):
    run = tm.open(folder / "run.lammpstrj")
    constants = run.fit(temperature=KELVIN)
    found = constants.free_energy(run, folder / "log.lammps", mesh=4)
    orders = _of_supercell(found, found.total[0])
    assert abs(orders[2] - expected) < 1e-3
    assert abs(orders[2] - expected) < abs(orders[0] - expected)
    assert found.terms.converges
    assert found.order >= 2


def test_all_orders_give_the_free_energy_of_thermodynamic_integration(folder, expected):
    run = tm.open(folder / "run.lammpstrj")
    constants = run.fit(temperature=KELVIN, cutoff3=4.0, cutoff4=3.0)
    found = constants.free_energy(run, folder / "log.lammps", mesh=4)
    assert abs(_of_supercell(found, found.integrated[0]) - expected) < 0.5e-3
    # Third and fourth order leave a tenth of the fluctuations of the energy or less.
    assert found.anharmonic.rest.terms[1] < 0.1 * found.terms.terms[1]
