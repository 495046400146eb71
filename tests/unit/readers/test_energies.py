"""Potential energies of frames in the files of programs."""

import lzma

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from scipy import constants

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.energies import energies_of_frames, read_energies

ONE = """units metal
Per MPI rank memory allocation (min/avg/max) = 3.3 Mbytes
   Step          Temp          E_pair         E_mol          TotEng
         0   1000          -382.5          0.5             -368.4
        10   518           -374.5          0.5             -367.2
Loop time of 0.19 on 1 procs for 10 steps with 108 atoms
   Step          Temp          E_pair         E_mol          TotEng
         0   500           -381.0          0              -368.4
         5   500           -380.0          0              -368.4
        10   500           -379.0          0              -368.4
Loop time of 0.19 on 1 procs for 10 steps with 108 atoms
"""
MULTI = """units real
------------ Step              0 ----- CPU =            0 (sec) -------------
TotEng   =      -500.0 KinEng   =       100.0 Temp     =       300.0
PotEng   =      -600.0 E_bond   =         0.0 E_angle  =         0.0
------------ Step             10 ----- CPU =            1 (sec) -------------
TotEng   =      -500.0 KinEng   =       100.0 Temp     =       300.0
PotEng   =      -610.0 E_bond   =         0.0 E_angle  =         0.0
"""
YAML = """---
keywords: ['Step', 'Temp', 'PotEng', ]
data:
  - [0, 300.0, -1.5, ]
  - [100, 301.0, -1.25, ]
...
"""
XYZ = """1
Lattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3 energy=-1.5
Si 0 0 0
1
Lattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3 energy=-1.25
Si 0 0 0
"""


@pytest.fixture
def file(tmp_path):
    """``file(text, name="log.lammps")`` writes a file."""

    def write(text, name="log.lammps"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_the_last_run_of_a_log_that_has_the_steps_is_taken(file):
    series = read_energies(file(ONE))
    assert [len(one.energies) for one in series] == [2, 3]
    found = energies_of_frames(series, np.array([0, 5, 10]))
    np.testing.assert_allclose(found, [-381.0, -380.0, -379.0])


def test_bonds_are_part_of_the_potential_energy(file):
    np.testing.assert_allclose(read_energies(file(ONE))[0].energies, [-382.0, -374.0])


def test_energies_in_kcal_per_mol_become_ev(file):
    (series,) = read_energies(file(MULTI))
    kcal = 1e3 * constants.calorie / constants.Avogadro / constants.e
    np.testing.assert_allclose(series.energies, [-600.0 * kcal, -610.0 * kcal], rtol=1e-12)


def test_yaml_output_takes_the_unit_of_the_trajectory(file):
    (series,) = read_energies(file(YAML, "thermo.yaml"), "metal")
    np.testing.assert_array_equal(series.steps, [0, 100])
    np.testing.assert_allclose(series.energies, [-1.5, -1.25])
    with pytest.raises(DataError, match="unit of the energies is not known"):
        read_energies(file(YAML, "thermo.yaml"))


def test_comments_of_extended_xyz_are_in_the_order_of_frames(file):
    series = read_energies(file(XYZ, "run.xyz"))
    np.testing.assert_allclose(energies_of_frames(series, np.array([7, 9])), [-1.5, -1.25])
    with pytest.raises(DataError, match="2 energies, the run 3 frames"):
        energies_of_frames(series, np.array([0, 1, 2]))


def test_comments_with_steps_are_matched_by_step(file):
    lines = iter((10, 20))
    text = "".join(
        f"{line} step={next(lines)}\n" if "Lattice" in line else f"{line}\n"
        for line in XYZ.splitlines()
    )
    series = read_energies(file(text, "run.xyz"))
    found = energies_of_frames(series, np.array([20, 10, 15, 20]))
    np.testing.assert_array_equal(found, [-1.25, -1.5, np.nan, -1.25])
    with pytest.raises(DataError, match=r"only 0 of 2 frames[\s\S]*steps of the file: 10–20"):
        energies_of_frames(series, np.array([1, 2]))


def test_compressed_comments_are_read(tmp_path):
    path = tmp_path / "run.xyz.xz"
    path.write_bytes(lzma.compress(XYZ.encode()))
    np.testing.assert_array_equal(read_energies(path)[0].energies, [-1.5, -1.25])


def test_frames_that_are_selected_keep_their_energies(file):
    series = read_energies(file(XYZ, "run.xyz"))
    found = energies_of_frames(series, np.array([1]), chosen=slice(1, None, 2))
    np.testing.assert_array_equal(found, [-1.25])


@pytest.mark.parametrize("kind", ["traj", "extxyz"])
def test_energies_of_calculators_are_read_by_ase(tmp_path, kind):
    images = [Atoms("Si", cell=np.eye(3), pbc=True) for _ in range(3)]
    for k, image in enumerate(images):
        image.calc = SinglePointCalculator(image, energy=-1.0, free_energy=-1.5 - k)
    path = tmp_path / f"run.{kind}"
    write(path, images)
    # The energy that is consistent with the forces, where a format keeps it
    wanted = [-1.5, -2.5, -3.5] if kind == "traj" else [-1.0] * 3
    np.testing.assert_allclose(read_energies(path)[0].energies, wanted)
    images[1].calc = None
    write(path, images)
    with pytest.raises(DataError, match=r"(has|have) no energy"):
        read_energies(path)


def test_a_dump_of_lammps_asks_for_its_log(file):
    with pytest.raises(UsageError, match=r"--energies log\.lammps"):
        read_energies(file("ITEM: TIMESTEP\n0\n", "run.lammpstrj"))


def test_a_file_without_energies_of_an_unknown_format_is_refused(file):
    with pytest.raises(DataError, match="no potential energies in the file"):
        read_energies(file("what is this\n", "notes.dat"))


def test_steps_without_an_energy_are_unknown(file):
    found = energies_of_frames(read_energies(file(ONE)), np.array([0, 5, 7, 10]))
    np.testing.assert_array_equal(np.isnan(found), [False, False, True, False])


def test_energies_of_other_steps_are_refused(file):
    with pytest.raises(DataError, match=r"only 0 of 3 frames[\s\S]*thermo N with the N of the"):
        energies_of_frames(read_energies(file(ONE)), np.array([100, 110, 120]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units metal\nthermo_modify norm yes\n", "per atom"),
        ("units lj\n", "reduced units"),
        ("units metal\n", "no potential energies in the file"),
        ("units metal\n Step Temp\n 0 300\n", "no potential energy"),
        ("units metal\n Step PotEng\n 0 x1\n", "'x1' is not a number"),
    ],
)
def test_unusable_logs_are_refused(file, text, message):
    with pytest.raises(DataError, match=message):
        read_energies(file(text))
