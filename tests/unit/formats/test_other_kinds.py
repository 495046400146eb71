"""A file of another kind than the one that is wanted is named, with what to give instead."""

import numpy as np
import pytest

from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import read_atoms
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.average import average_structure
from trajmodes.readers.other_kinds import refuse_other_kind

LOG = """LAMMPS (22 Jul 2025)
units metal
pair_style eam/alloy
pair_coeff * * Cu.eam.alloy Cu
Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes
   Step          Temp          TotEng
         0   600            -334.1
"""
SCRIPT = """# copper
units metal
read_data copper.data
pair_style eam/alloy
fix 1 all nve
run 1000
"""
DATA = """copper

1 atoms
1 atom types
0.0 3.61 xlo xhi
0.0 3.61 ylo yhi
0.0 3.61 zlo zhi

Masses

1 63.546

Atoms # atomic

1 1 0.0 0.0 0.0
"""
RESTART = b"LammpS RestartT\0\1\0\0\0"
RESULTS = b"\x89HDF\r\n\x1a\n\2\10\10\0format\0\0trajmodes results\0"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
DUMP = "dump 1 all custom 10 run.lammpstrj id type xu yu zu vx vy vz fx fy fz"
KINDS = [
    ("log.lammps", LOG, "log of a LAMMPS run, with thermodynamic", DUMP, "write_data run.data"),
    ("run.lammpstrj", LOG, "log of a LAMMPS run", DUMP, "write_data run.data"),
    ("out.log", LOG.split("\n", 4)[4], "log of a LAMMPS run", DUMP, "write_data run.data"),
    ("copper.in", SCRIPT, "an input script of LAMMPS", DUMP, "write_data run.data"),
    ("run.xyz", SCRIPT, "an input script of LAMMPS", DUMP, "write_data run.data"),
    ("run.restart", RESTART, "a restart file of LAMMPS", DUMP, "lmp -restart2data run.restart"),
    ("bands.png", PNG, "a picture or a PDF", "give the trajectory", "give a POSCAR"),
    ("run.dump", PNG, "a picture or a PDF", "give the trajectory", "give a POSCAR"),
    ("a.json", '{"frames": [1]}', "a JSON file", "ase convert a.json", "ase convert a.json"),
    ("job.toml", 'cell = "POSCAR"', "a job file", "trajmodes run job.toml", "names as cell"),
    ("a.nc", RESULTS, "a file of results", "trajmodes show a.nc", "phonopy_params.yaml"),
    ("FORCE_CONSTANTS", "1 1\n1 1\n", "force constants", "--force-constants", "params.yaml"),
]


@pytest.mark.parametrize(("name", "content", "what", "frames", "structure"), KINDS)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, what, frames, structure):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=f"this is .*{what}.*, not a trajectory") as caught:
        open_trajectory(path)
    assert frames in caught.value.fix
    with pytest.raises(UsageError, match=f"this is .*{what}.*, not a structure") as caught:
        read_atoms(path)
    assert structure in caught.value.fix


def test_a_data_file_is_a_structure_and_no_trajectory(tmp_path):
    path = tmp_path / "copper.data"
    path.write_text(DATA)
    with pytest.raises(
        UsageError, match=r"which has one structure, not a traj(.|\n)*--cell cop"
    ):
        open_trajectory(path)
    assert read_atoms(path, ("Cu",)).get_chemical_symbols() == ["Cu"]


def test_a_frame_with_positions_alone_is_no_run(tmp_path):
    path = tmp_path / "POSCAR"
    rows = "3.6 0 0", "0 3.6 0", "0 0 3.6", "Cu", "1", "direct", "0 0 0"
    path.write_text("\n".join(("copper", "1.0", *rows)) + "\n")
    assert np.allclose(read_atoms(path).positions, 0.0)
    with pytest.raises(DataError, match=r"one structure, not a trajectory(.|\n)*--cell"):
        average_structure(open_trajectory(path))


def test_folders_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"this is a folder, not a traj(.|\n)*/\*\.lammpstrj"):
        open_trajectory(tmp_path)
    with pytest.raises(UsageError, match="this is a folder, not a structure"):
        read_atoms(tmp_path)
    for name in ("run.toml", "results.nc", "phonopy_params.yaml"):
        (tmp_path / name).write_bytes(b"\x89HDF")
    for path in (tmp_path, tmp_path / "results.nc"):
        with pytest.raises(
            UsageError, match=r"results(.|\n)*of trajmodes, not a traj"
        ) as caught:
            open_trajectory(path)
        assert "run.toml names" in caught.value.fix
        with pytest.raises(UsageError, match=r"of trajmodes, not a structure") as caught:
            read_atoms(path)
        assert f"--cell {tmp_path / 'phonopy_params.yaml'}" in caught.value.fix


def test_binary_trajectories_are_refused_as_structures_only(tmp_path):
    for head in (b"CDF\x02\0\0", b"\x54\0\0\0CORD", b"\x00\x00\x07\xcb\0\0"):
        with pytest.raises(UsageError, match="a binary trajectory, which has no elements"):
            refuse_other_kind(tmp_path / "run", head, "structure")
        refuse_other_kind(tmp_path / "run", head, "trajectory")


def test_no_format_that_is_read_is_mistaken(tmp_path):
    heads = (
        b"ITEM: TIMESTEP\n0\n",
        b'8\nLattice="5 0 0 0 5 0 0 0 5"\nCu 0 0 0\n',
        b'<?xml version="1.0"?>\n<modeling>\n',
        b"copper\n1.0\n3.6 0 0\n0 3.6 0\n0 0 3.6\nCu\n1\ndirect\n0 0 0\n",
        b"data_copper\n_cell_length_a 3.6\n",
    )
    for head in heads:
        for wanted in ("trajectory", "structure"):
            refuse_other_kind(tmp_path / "file", head, wanted)
