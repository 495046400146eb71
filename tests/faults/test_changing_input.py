"""Files that are replaced, rewritten, shortened or removed while they are read, or that grow.

No frame of another file is ever taken for one of the run, in either pass. Frames that are
appended, as by a simulation that still runs, change nothing.
"""

import gzip
import os
import pickle
import shutil
from functools import partial

import MDAnalysis
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryWriter
from click.testing import CliRunner

import trajmodes as tm
from program_files.argon import argon
from program_files.arrays import h5md, plain_hdf5, vaspout, zarr_folder
from program_files.castep import castep
from program_files.gpumd import Run, dump_xyz, movie_nc
from program_files.ipi import ipi_run
from program_files.lammps_dumps import COLUMNS, binary_frame, yaml_frame
from program_files.vasp import vasprun
from trajmodes.cli.program import main
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.trajectory import Trajectory

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

SLOW = pytest.mark.slow
N_FRAMES, N_ATOMS = 6, 5
CELL = np.diag([9.0, 10.0, 11.0])


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def vectors(seed):
    """Positions, velocities and forces (3, t, a, 3)."""
    rng = np.random.default_rng(seed)
    return rng.random((3, N_FRAMES, N_ATOMS, 3)) * 8.0


def images(seed):
    found = []
    for x, v, f in zip(*vectors(seed), strict=True):
        atoms = Atoms("ArArArArAr", positions=x, cell=CELL, pbc=True)
        atoms.set_velocities(v)
        atoms.calc = SinglePointCalculator(atoms, forces=f)
        found.append(atoms)
    return found


def gpumd(seed):
    return Run(0.01 * np.arange(N_FRAMES), CELL, *vectors(seed))


def rows(seed):
    marks = np.array([[k + 1, 1] for k in range(N_ATOMS)])
    return [np.hstack([marks, *frame]) for frame in zip(*vectors(seed), strict=True)]


def text(path, seed):
    lines = []
    for t, frame in enumerate(rows(seed)):
        lines += [
            f"ITEM: UNITS\nmetal\nITEM: TIMESTEP\n{t}\nITEM: NUMBER OF ATOMS\n{N_ATOMS}\n"
        ]
        lines += ["ITEM: BOX BOUNDS pp pp pp\n", *(f"0 {x}\n" for x in np.diag(CELL))]
        lines += [f"ITEM: ATOMS {COLUMNS}\n"]
        lines += [" ".join(f"{x:.9g}" for x in row) + "\n" for row in frame]
    path.write_text("".join(lines))


def packed_text(path, seed):
    plain = path.with_suffix(".plain")
    text(plain, seed)
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=seed))


def frames_of_lammps(path, seed, write):
    path.write_bytes(
        b"".join(write(t, frame, columns=COLUMNS) for t, frame in enumerate(rows(seed)))
    )


def converted(path, seed):
    source = path.with_suffix(".lammpstrj")
    text(source, seed)
    tm.convert(source, path, force=True)


def universe(path, seed):
    made = MDAnalysis.Universe.empty(N_ATOMS, trajectory=True)
    with MDAnalysis.Writer(str(path), N_ATOMS) as writer:
        for x in vectors(seed)[0]:
            made.atoms.positions = x
            made.dimensions = [*np.diag(CELL), 90, 90, 90]
            writer.write(made.atoms)


def ase_traj(path, seed):
    with TrajectoryWriter(str(path), "w") as writer:
        for image in images(seed):
            writer.write(image)


def of_images(write, path, seed):
    write(path, images(seed))


def ipi(path, seed):
    kinds = dict(zip(("pos", "vel", "for"), vectors(seed), strict=True))
    folder = path.parent / f"ipi-{seed}"
    folder.mkdir(exist_ok=True)
    ipi_run(folder, kinds)
    shutil.copy(folder / "sim.pos_0.xyz", path)


FORMATS = {
    "a.lammpstrj": text,
    "a.lammpstrj.gz": packed_text,
    "a.bin": partial(frames_of_lammps, write=partial(binary_frame, box=(0, 9, 0, 10, 0, 11))),
    "a.yaml": partial(frames_of_lammps, write=yaml_frame),
    "classic.nc": lambda path, seed: movie_nc(path, gpumd(seed), ("velocity",)),
    "deflated.nc": lambda path, seed: movie_nc(path, gpumd(seed), ("velocity",), deflate=1),
    "converted.nc": converted,
    "a.xyz": lambda path, seed: dump_xyz(path, gpumd(seed), ("velocity",)),
    "ipi.xyz": ipi,
    "a.xtc": universe,
    "a.trr": universe,
    "a.dcd": universe,
    "a.h5md": partial(of_images, h5md),
    "a.h5": partial(of_images, plain_hdf5),
    "vaspout.h5": partial(of_images, vaspout),
    "vasprun.xml": partial(of_images, vasprun),
    "a.md": partial(of_images, castep),
    "a.traj": ase_traj,
    "a.zarr": partial(of_images, zarr_folder),
}


def opened(path):
    steps = path.suffix in {".zarr", ".traj"} or path.name == "ipi.xyz"
    return open_trajectory(path, ReadOptions(timestep_fs=1.0 if steps else None))


def replaced(path, write):
    other = path.with_name(f"other-{path.name}")
    write(other, seed=1)
    if path.is_dir():
        shutil.rmtree(path)
    other.replace(path)


def rewritten(path, write):
    """In place, in the same inode if it is a file."""
    other = path.with_name(f"other-{path.name}")
    write(other, seed=1)
    if path.is_dir():
        write(path, seed=1)
        return
    with path.open("r+b") as file:
        file.write(other.read_bytes())
        file.truncate()


def shortened(path, _write):
    if path.is_dir():
        zarr = pytest.importorskip("zarr")
        array = zarr.open_group(str(path))["forces"]
        array.resize((2, *array.shape[1:]))
        return
    os.truncate(path, path.stat().st_size // 2)


def removed(path, _write):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "change",
    [replaced, shortened, *(pytest.param(one, marks=SLOW) for one in (rewritten, removed))],
)
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, name, change):
    path, write = tmp_path / name, FORMATS[name]
    write(path, seed=0)
    run = opened(path)
    assert run.n_frames == N_FRAMES
    run.read(0, 3)
    change(path, write)
    with pytest.raises(DataError, match="has changed since it was opened") as error:
        run.read(3, N_FRAMES)
    assert error.value.fix == "repeat the command"


def test_a_chunk_that_is_written_again_is_an_error(tmp_path):
    """The descriptions of the arrays stay as they are."""
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    zarr_folder(path, images(0))
    run = opened(path)
    run.read(0, 3)
    group = zarr.open_group(str(path))
    before = {one: one.stat().st_mtime_ns for one in path.rglob("zarr.json")}
    group["forces"][3:] = vectors(1)[2, 3:]
    assert all(one.stat().st_mtime_ns == time for one, time in before.items())
    with pytest.raises(DataError, match=r"forces/.* has changed since it was opened") as error:
        pickle.loads(pickle.dumps(run)).read(3, N_FRAMES)
    assert error.value.fix == "repeat the command"
    # Opened again, it is the new run.
    assert np.array_equal(opened(path).read(3, 6).forces, vectors(1)[2, 3:])


GROWING = ("a.lammpstrj", "a.bin", "a.yaml", "a.xyz", "ipi.xyz", "a.md", "a.traj", "classic.nc")


@pytest.mark.parametrize("name", GROWING)
def test_a_file_that_grows_has_the_frames_that_it_had(tmp_path, name):
    path, write = tmp_path / name, FORMATS[name]
    write(path, seed=0)
    run = opened(path)
    wanted = run.read(0, N_FRAMES)
    if name == "a.traj":
        with TrajectoryWriter(str(path), "a") as writer:
            writer.write(images(1)[0])
    else:
        with path.open("r+b") as file:
            if name == "classic.nc":
                file.seek(4)
                file.write((N_FRAMES + 1).to_bytes(4, "big"))
            file.seek(0, os.SEEK_END)
            file.write(path.read_bytes()[-200:])
    found = run.read(0, N_FRAMES)
    np.testing.assert_array_equal(found.positions, wanted.positions)


def contents(folder):
    return {one.name: one.read_bytes() for one in folder.rglob("*.nc")}


READ = Trajectory.read


def changed_at(monkeypatch, number, change):
    """Let a file change when blocks of a run are read for the n-th time; return the count."""
    calls = []

    def counted(self, start, stop):
        calls.append((start, stop))
        if len(calls) == number:
            change()
        return READ(self, start, stop)

    monkeypatch.setattr(Trajectory, "read", counted)
    return calls


@pytest.mark.parametrize(
    ("form", "kept_in_memory"),
    [
        ("text", False),
        pytest.param("text", True, marks=SLOW),
        pytest.param("converted", False, marks=SLOW),
    ],
)
def test_a_change_in_either_pass_ends_a_command(tmp_path, monkeypatch, form, kept_in_memory):
    """Unless all frames were read before and are kept: then the results are those of them."""
    argon(tmp_path)
    path, kept, other = (tmp_path / name for name in ("argon.lammpstrj", "kept", "other"))
    other.mkdir()
    argon(other, seed=1)
    path_of_other = other / "argon.lammpstrj"
    if form == "converted":
        path, path_of_other = (
            tm.convert(one, one.with_suffix(".nc")) for one in (path, path_of_other)
        )
    out = tmp_path / "out"
    shutil.copy2(path, kept)
    words = ["run", path, "--timestep-fs", 2, "--cell", tmp_path / "POSCAR", "--cutoff", 3.9]
    words = [*map(str, words), "--workers", "1", "-o", str(out)]
    if not kept_in_memory:
        monkeypatch.setattr("trajmodes.readers.frames_in_memory._MOST_BYTES", 0.0)
    calls = changed_at(monkeypatch, 0, None)
    assert CliRunner().invoke(main, words).exit_code == 0
    whole, reads = contents(out), list(calls)
    in_second_pass = [k for k, one in enumerate(reads, start=1) if one == reads[-1]][-1]
    for number in (2, len(reads) // 2, in_second_pass):
        shutil.rmtree(out, ignore_errors=True)
        path.unlink()
        shutil.copy2(kept, path)
        shutil.copy2(path_of_other, other / "copy")
        calls = changed_at(monkeypatch, number, lambda: (other / "copy").replace(path))
        result = CliRunner().invoke(main, words)
        assert len(calls) >= number
        if kept_in_memory and result.exit_code == 0:
            assert number > 2
            assert contents(out) == whole
        else:
            assert result.exit_code == 3, (number, reads, result.output)
            assert "has changed since it was opened" in result.output
            assert not (out / "results.nc").exists()
