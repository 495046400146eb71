"""Copper in LAMMPS: a Langevin thermostat in the forces, and thermostats outside of them."""

import pytest

import trajmodes as tm
from trajmodes.matching.conclusions import stored_forces_advice
from trajmodes.pipeline.check.show import show_check

pytestmark = [pytest.mark.peer, pytest.mark.slow]

KELVIN, DAMPING_PS = 500.0, 0.5
INPUT = """
fix warm all langevin {kelvin} {kelvin} 0.1 99
run 2000
unfix warm
reset_timestep 0
{forces}
{thermostat}
{dump}
run 5000
"""
PLAIN = """dump d all custom 5 run.lammpstrj id type element xu yu zu vx vy vz fx fy fz
dump_modify d sort id format float %.10g units yes time yes element Cu"""
LANGEVIN = f"fix bath all langevin {KELVIN} {KELVIN} {DAMPING_PS} 1234 zero "
THERMOSTATS = {
    "langevin": LANGEVIN + "no",
    "langevin zero": LANGEVIN + "yes",
    "nose-hoover": f"unfix move\nfix move all nvt temp {KELVIN} {KELVIN} 0.2",
    "none": "",
}


@pytest.fixture(scope="module")
def copper(run_copper):
    """``copper(thermostat, forces, dump)`` runs LAMMPS and opens the trajectory."""

    def run(thermostat, forces="", dump=PLAIN):
        text = INPUT.format(kelvin=KELVIN, forces=forces, thermostat=thermostat, dump=dump)
        return tm.open(run_copper(text, KELVIN) / "run.lammpstrj")

    return run


@pytest.mark.parametrize("name", ["nose-hoover", "none"])
def test_forces_without_a_thermostat_are_not_suspected(copper, name):
    run = copper(THERMOSTATS[name])
    quality = run.fit().quality
    assert quality.noise is None
    assert "random forces" not in show_check(run)


@pytest.mark.parametrize("name", ["langevin", "langevin zero"])
def test_a_langevin_thermostat_is_named_and_its_advice_gives_clean_forces(copper, name):
    run = copper(THERMOSTATS[name])
    shown = show_check(run)
    assert "like those of a Langevin thermostat" in " ".join(shown.split())
    quality = run.fit().quality
    assert quality.r_squared < 0.5
    store, *dump = stored_forces_advice(run.trajectory, run.match).splitlines()
    assert store in shown
    clean = copper(THERMOSTATS[name], forces=store, dump="\n".join(dump)).fit().quality
    assert clean.noise is None
    assert clean.r_squared > 0.9
    assert abs(quality.anharmonicity - clean.anharmonicity) < 3.0 * quality.anharmonicity_sem
