"""Random damage in files of every reader: a clean error or a result, quickly, in little memory.

Each reader gets a few dozen damaged files here, always the same ones.
``TRAJMODES_FUZZ=100000 pytest tests/faults/test_fuzz.py -m ""`` divides as many among all.
"""

import os
import random
import re
import sys
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import phonopy
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from phonopy.file_IO import write_FORCE_SETS
from phonopy.structure.atoms import PhonopyAtoms

import trajmodes
from program_files.arrays import h5md, vaspout, zarr_folder
from program_files.castep import castep
from program_files.compressions import COMPRESSIONS, through_restart_points
from program_files.cp2k import cp2k
from program_files.espresso import espresso
from program_files.ipi import ipi_run
from program_files.lammps_dumps import binary_dump, yaml_frame
from program_files.netcdf import METAL, amber
from program_files.vasp import vasprun
from simulations.imd import frame, start
from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import job_of
from trajmodes.data.force_constants import ClusterConstants
from trajmodes.errors import TrajmodesError
from trajmodes.formats.cell_file import load_crystal
from trajmodes.formats.open import open_trajectory
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.molecules.hessian import read_hessian
from trajmodes.symmetry.translations import build_supercell

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

DATA = Path(__file__).parents[1] / "data"
SITES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
NACL = Atoms(
    "Na4Cl4", cell=np.eye(3) * 5.64, scaled_positions=[*SITES, *(SITES + 0.5)], pbc=True
)
TOKENS = [
    b"1e308", b"-1", b"0", b"999999999999", b"nan", b"1e-300", b"inf", b"x", b'"', b"[", b"\n",
    b"{", b"-2147483649", b"1e5", b"*a", b"&a ", b"!!python/object:os.system ", b"\xff\xfe",
    b"\0", b",", b"2147483648 ",
]  # fmt: skip
LONGEST_S, MOST_BYTES = 10.0, 1e9
PACKAGE = Path(trajmodes.__file__).parent


def frames_of(path, **options):
    """Whether the run has warnings, and its frames, each as one list of numbers."""
    run = open_trajectory(path, ReadOptions(**options))
    found = run.read(0, run.n_frames)
    arrays = (found.cells, found.positions, found.velocities, found.forces)
    rows = [one.reshape(run.n_frames, -1) for one in arrays if one is not None]
    return any(one.severity == "warning" for one in run.notes), np.concatenate(rows, axis=1)


def copied(source, name, folder, **options):
    path = folder / name
    path.write_bytes((DATA / source).read_bytes())
    return path, lambda: frames_of(path, **options)


def rattled_images():
    images, rng = [NACL.copy() for _ in range(3)], np.random.default_rng(0)
    for seed, image in enumerate(images):
        image.rattle(0.05, seed=seed)
        image.set_momenta(rng.normal(size=(8, 3)))
        image.calc = SinglePointCalculator(image, forces=rng.normal(size=(8, 3)))
    return images


def rattled(name, form, folder):
    ase.io.write(folder / name, rattled_images(), format=form)
    return folder / name, lambda: frames_of(folder / name)


def of_program(write, name, folder):
    write(folder / name, rattled_images())
    return folder / name, lambda: frames_of(folder / name)


def cell(name, form, folder):
    ase.io.write(folder / name, NACL, format=form)
    return folder / name, lambda: load_crystal(folder / name)


def supercells():
    unit = PhonopyAtoms(
        NACL.get_chemical_symbols(),
        cell=NACL.cell.array,
        scaled_positions=NACL.get_scaled_positions(),
    )
    return phonopy.Phonopy(unit, np.eye(3, dtype=int), primitive_matrix="F")


def random_data_set(folder):
    made, rng = supercells(), np.random.default_rng(0)
    vectors = rng.normal(size=(2, 2, 8, 3))
    made.dataset = {"displacements": vectors[0], "forces": vectors[1]}
    made.save(folder / "phonopy_params.yaml")
    return folder / "phonopy_params.yaml", lambda: frames_of(folder / "phonopy_params.yaml")


def force_sets(folder):
    made = supercells()
    made.generate_displacements()
    made.save(folder / "phonopy_disp.yaml", settings={"displacements": True})
    shape = (len(made.supercells_with_displacements), 8, 3)
    made.forces = np.random.default_rng(0).normal(size=shape)
    write_FORCE_SETS(made.dataset, str(folder / "FORCE_SETS"))
    return folder / "FORCE_SETS", lambda: frames_of(folder / "phonopy_disp.yaml")


def dfset(folder):
    cell("SPOSCAR", "vasp", folder)
    rows = np.random.default_rng(0).normal(size=(24, 6))
    np.savetxt(folder / "DFSET", rows, fmt="%.8f")
    place = str(folder / "SPOSCAR")
    return folder / "DFSET", lambda: frames_of(folder / "DFSET", supercell=place)


def job_file(folder):
    path = folder / "job.toml"
    path.write_text(
        'trajectory = ["a.lammpstrj", "b.xyz"]\ncell = "POSCAR"\ntimestep_fs = 1.0\n'
        'cutoff2 = 8.0\nworkers = 2\nframes = [0, 100]\nspecies = ["Si", "C"]\n# "x\n'
    )
    return path, lambda: job_of("run", [str(path)], {})


def hessian(name, folder):
    path, numbers = folder / name, np.eye(6) * 12.345
    np.save(path, numbers) if name.endswith(".npy") else np.savetxt(path, numbers, fmt="%.6f")
    return path, lambda: read_hessian(path, 2)


def universe(name, folder):
    path, rng = folder / name, np.random.default_rng(0)
    made = MDAnalysis.Universe.empty(20, trajectory=True)
    with MDAnalysis.Writer(str(path), 20) as writer:
        for _ in range(4):
            made.atoms.positions = rng.random((20, 3)) * 9.0
            made.dimensions = [10, 10, 10, 90, 90, 90]
            writer.write(made.atoms)
    return path, lambda: frames_of(path)


def of_files(write, main, name, folder):
    write(folder / main, rattled_images())
    return folder / name, lambda: frames_of(folder / main)


def binary_lammps(folder):
    (folder / "a.bin").write_bytes(b"".join(binary_dump(parts=2)[0]))
    return folder / "a.bin", lambda: frames_of(folder / "a.bin")


def compressed(method, folder):
    """A dump of a few restart points, whose index is in the cache."""
    text = (DATA / "lammps" / "o_custom.lammpstrj").read_bytes()
    cuts = [text[k : k + len(text) // 3 + 1] for k in range(0, len(text), len(text) // 3 + 1)]
    path = folder / "a.lammpstrj"
    path.write_bytes(b"".join(map(COMPRESSIONS[method], cuts)))
    frames_of(path, units="metal")
    return path, lambda: frames_of(path, units="metal", allow_partial=True)


def yaml_lammps(folder):
    rows = np.column_stack([np.arange(1, 9), np.random.default_rng(0).normal(size=(8, 3))])
    frames = [yaml_frame(5 * t, rows, columns="id xu yu zu") for t in range(3)]
    (folder / "a.yaml").write_bytes(b"".join(frames))
    return folder / "a.yaml", lambda: frames_of(folder / "a.yaml")


def lammps_netcdf(kind, folder):
    amber(folder / "a.nc", kind=kind, units=METAL)
    return folder / "a.nc", lambda: frames_of(folder / "a.nc")


def of_ipi(name, folder):
    rng = np.random.default_rng(0)
    files = ipi_run(
        folder, {kind: rng.normal(size=(3, 5, 3)) for kind in ("pos", "vel", "for")}
    )
    return folder / name, lambda: frames_of(files, timestep_fs=0.5)


def of_zarr(name, folder):
    path = zarr_folder(folder / "a.zarr", rattled_images())
    return path / name, lambda: frames_of(path, timestep_fs=1.0)


def converted(folder, **options):
    """Chunks that hold the first bytes of numbers, or numbers of single precision."""
    path, _ = copied("lammps/o_custom.lammpstrj", "a.lammpstrj", folder)
    trajmodes.convert(path, folder / "a.nc", units="metal", **options)
    return folder / "a.nc", lambda: frames_of(folder / "a.nc")


def deflated(folder):
    amber(folder / "a.nc", kind="NETCDF4", units=METAL, storage={"zlib": True})
    return folder / "a.nc", lambda: frames_of(folder / "a.nc")


def recording(folder):
    rng = np.random.default_rng(0)
    parts = [frame(t, rng.normal(size=(3, 5, 3)), np.eye(3) * 9.0) for t in range(3)]
    (folder / "a.imd").write_bytes(start() + b"".join(parts))
    return folder / "a.imd", lambda: frames_of(folder / "a.imd", units="metal")


READERS = {
    "recording": recording,
    "LAMMPS NetCDF": lambda at: lammps_netcdf("NETCDF3_64BIT_DATA", at),
    "LAMMPS binary": binary_lammps,
    "LAMMPS yaml": yaml_lammps,
    "dump": lambda at: copied("lammps/o_custom.lammpstrj", "a.lammpstrj", at, units="metal"),
    "xyz": lambda at: copied("o.extxyz", "a.extxyz", at),
    "zst": lambda at: copied("lammps/o_pipe.lammpstrj.zst", "a.zst", at),
    "XDATCAR": lambda at: rattled("XDATCAR", "vasp-xdatcar", at),
    "vasprun.xml": lambda at: of_program(vasprun, "vasprun.xml", at),
    "CASTEP": lambda at: of_program(castep, "a.md", at),
    "CP2K": lambda at: of_files(cp2k, "si-pos-1.xyz", "si-pos-1.xyz", at),
    "CP2K, forces": lambda at: of_files(cp2k, "si-pos-1.xyz", "si-frc-1.xyz", at),
    "CP2K, cells": lambda at: of_files(cp2k, "si-pos-1.xyz", "si-1.cell", at),
    "i-PI": lambda at: of_ipi("sim.pos_0.xyz", at),
    "i-PI, forces": lambda at: of_ipi("sim.for_0.xyz", at),
    "zarr": lambda at: of_zarr("zarr.json", at),
    "zarr, array": lambda at: of_zarr("forces/zarr.json", at),
    "zarr, chunk": lambda at: of_zarr("forces/c/0/0/0", at),
    "cp.x": lambda at: of_files(espresso, "si.pos", "si.pos", at),
    "cp.x, cells": lambda at: of_files(espresso, "si.pos", "si.cel", at),
    "cp.x, velocities": lambda at: of_files(espresso, "si.pos", "si.vel", at),
    "traj": lambda at: rattled("a.traj", "traj", at),
    "POSCAR": lambda at: cell("POSCAR", "vasp", at),
    "CIF": lambda at: cell("cell.cif", "cif", at),
    "yaml": random_data_set,
    "FORCE_SETS": force_sets,
    "DFSET": dfset,
    "TOML": job_file,
    "Hessian": lambda at: hessian("hessian.npy", at),
    "Hessian as text": lambda at: hessian("hessian.txt", at),
    "LAMMPS data": lambda at: cell("a.data", "lammps-data", at),
    "NetCDF": lambda at: universe("a.ncdf", at),
    "GRO": lambda at: universe("a.gro", at),
    "XTC": lambda at: universe("a.xtc", at),
    "TRR": lambda at: universe("a.trr", at),
    "DCD": lambda at: universe("a.dcd", at),
    "FORCE_CONSTANTS": ("phonopy", "FORCE_CONSTANTS"),
    "phonopy yaml": ("phonopy", "phonopy_params.yaml"),
    "TDEP": ("tdep", "outfile.forceconstant"),
    "TDEP, third order": ("tdep", "outfile.forceconstant_thirdorder"),
}
HDF5 = {
    "LAMMPS NetCDF-4": lambda at: lammps_netcdf("NETCDF4", at),
    "NetCDF-4, deflated": deflated,
    "converted": converted,
    "converted, single": lambda at: converted(at, float32=True),
    "HDF5": ("hdf5", "force_constants.h5"),
    "fc2": ("phono3py", "fc2.hdf5"),
    "fc3": ("phono3py", "fc3.hdf5"),
    "H5MD": lambda at: of_program(h5md, "a.h5md", at),
    "vaspout.h5": lambda at: of_program(vaspout, "vaspout.h5", at),
}
"""Each of these files is first read by a process of its own, which takes half a second."""


@pytest.fixture
def prepared(crystals, springs, tmp_path, monkeypatch):
    """``prepared(reader)``: a healthy file, and what reads it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(reader):
        if not isinstance(reader, tuple):
            return reader(tmp_path)
        target, name = reader
        none = np.zeros((1, 3), dtype=int), np.zeros((1, 3, 3), dtype=int)
        cubic = ClusterConstants(*none, np.ones((1, 3, 3, 3)))
        constants = replace(springs(crystals["bcc"], 2.6), triplets=cubic)
        supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
        write_force_constants(constants, supercell, tmp_path, target)
        if name == "phonopy_params.yaml":
            (tmp_path / "FORCE_CONSTANTS").unlink()
        opened = tmp_path / name.removesuffix("_thirdorder")
        return tmp_path / name, lambda: read_force_constants(opened)

    return make


def damaged(text, rng):
    """Change bytes, cut or repeat pieces, or replace tokens, at a few places."""
    found = bytearray(text)
    for _ in range(1 << rng.randrange(3)):
        size = len(found) if rng.random() < 0.5 else min(len(found), 600)
        at, kind = rng.randrange(size), rng.randrange(7)
        if kind < 2:
            found[at] = rng.randrange(256)
        elif kind == 2:
            del found[at : at + rng.randrange(1, 40)]
        elif kind == 3:
            start = rng.randrange(len(found))
            found[at:at] = found[start : start + rng.randrange(1, 200)]
        elif kind == 4 and (token := re.compile(rb"\S+").search(found, at)):
            found[token.start() : token.end()] = rng.choice(TOKENS)
        elif kind == 5:
            found[at:at] = rng.choice(TOKENS)
        elif rng.random() < 0.3:
            del found[max(at, 1) :]
        found = found or bytearray(b"x")
    return bytes(found)


def most_memory():
    """Largest memory that this process has taken, in bytes; 0 where the system does not say."""
    with suppress(ImportError):
        import resource  # noqa: PLC0415 - absent on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0


def assert_foreseen(error, hint):
    """No error that trajmodes raised by mistake is the cause of a clean one.

    Errors of libraries are caught whatever they are, and those of trajmodes with them. An error
    that is caught where it was raised, in one file, is foreseen.
    """
    cause = error
    while (cause := cause.__cause__) is not None:
        files = [frame.filename for frame in traceback.extract_tb(cause.__traceback__)]
        if files and files[0] != files[-1] and not isinstance(cause, TrajmodesError | OSError):
            assert PACKAGE not in Path(files[-1]).parents, (repr(cause), files[-1], hint)


def survive(prepared, reader, n_files, seed):
    path, read = prepared(reader)
    sound, rng = path.read_bytes(), random.Random(seed)
    before = most_memory()
    for number in range(n_files):
        text = damaged(sound, rng)
        path.write_bytes(text)
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read()
        except TrajmodesError as error:
            assert_foreseen(error, f"file {number} of seed {seed}: {text[:2000]!r}")
        except Exception as error:
            error.add_note(f"file {number} of seed {seed}: {text[:2000]!r}")
            raise
        assert time.process_time() - start < LONGEST_S, (number, text[:2000])
        assert most_memory() - before < MOST_BYTES, (number, text[:2000])


def share(default, of_all):
    """Number of files for one reader: `default`, or its part of ``TRAJMODES_FUZZ``."""
    wanted = int(os.environ.get("TRAJMODES_FUZZ", "0"))
    return max(default, int(wanted * of_all))


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_end_in_a_clean_error(prepared, name):
    survive(prepared, READERS[name], share(40, 0.98 / len(READERS)), name)


@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize("method", ["gz", "bz2", "xz", "zst"])
def test_damaged_compressed_files_end_in_a_clean_error(
    prepared, method, is_indexed, monkeypatch
):
    """Read from the beginning, and through restart points of the undamaged file."""
    if is_indexed:
        through_restart_points(monkeypatch, 1 << 10)
    survive(prepared, lambda at: compressed(method, at), share(40, 0.02), method)


@pytest.mark.slow
@pytest.mark.parametrize("name", HDF5)
def test_damaged_hdf5_ends_in_a_clean_error(prepared, name):
    survive(prepared, HDF5[name], share(20, 0.02 / len(HDF5)), name)


IN_PARTS = (
    *(
        "LAMMPS binary",
        "LAMMPS yaml",
        "dump",
        "xyz",
        "XDATCAR",
        "CASTEP",
        "CP2K",
        "CP2K, forces",
    ),
    *("cp.x", "cp.x, cells", "cp.x, velocities", "vasprun.xml", "traj", "FORCE_SETS", "DFSET"),
    *("LAMMPS NetCDF", "NetCDF", "XTC", "TRR", "DCD", "i-PI", "i-PI, forces"),
)


@pytest.mark.parametrize("name", IN_PARTS)
def test_a_part_of_a_file_has_some_of_its_frames_and_says_so(prepared, name):
    """Cut anywhere, or without a line, or with a line twice: no frame differs from all."""
    path, read = prepared(READERS[name])
    sound, rng = path.read_bytes(), random.Random(name)
    _, frames = read()
    parts = [sound[: rng.randrange(1, len(sound))] for _ in range(8)]
    if b"\0" not in sound:
        lines = sound.splitlines(keepends=True)
        for k in rng.choices(range(len(lines)), k=8):
            parts += [
                b"".join(lines[:k] + lines[k + 1 :]),
                b"".join(lines[: k + 1] + lines[k:]),
            ]
    for part in parts:
        path.write_bytes(part)
        with suppress(TrajmodesError):
            is_warned, found = read()
            assert found.shape[1] == frames.shape[1]
            assert all((one == frames).all(axis=1).any() for one in found)
            assert is_warned or len(found) == len(frames)
