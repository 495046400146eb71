"""Objects that a URL names give the bits of the local file, and are read in parts."""

import gzip
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest

import trajmodes as tm
from program_files.compressions import COMPRESSIONS, through_restart_points
from program_files.http_server import served
from program_files.lammps_dumps import COLUMNS, binary_dump, yaml_frame
from program_files.netcdf import METAL, amber
from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import job_of, toml_text
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_runs, open_trajectory, sibling_cell_file
from trajmodes.readers.inputs import input_paths
from trajmodes.readers.text import kept, remote
from trajmodes.readers.text.remote import named_path
from trajmodes.readers.text.stamp import stamp_file

pytest.importorskip("aiohttp")
OPTIONS = ReadOptions(units="metal")
N_FRAMES, N_ATOMS = 60, 20


@pytest.fixture(autouse=True)
def small_pieces(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "_PIECE", 1 << 12)
    kept.forget_all()


def text_dump(n_frames=N_FRAMES, seed=0):
    rng = np.random.default_rng(seed)
    frames = []
    for t in range(n_frames):
        rows = "".join(
            f"{k + 1} 1 " + " ".join(f"{x:.10g}" for x in rng.normal(size=9)) + "\n"
            for k in range(N_ATOMS)
        )
        frames.append(
            f"ITEM: TIMESTEP\n{10 * t}\nITEM: NUMBER OF ATOMS\n{N_ATOMS}\n"
            f"ITEM: BOX BOUNDS pp pp pp\n{'0 9' + chr(10)}{('0 9' + chr(10)) * 2}"
            f"ITEM: ATOMS {COLUMNS}\n{rows}"
        )
    return "".join(frames).encode()


def yaml_dump(path):
    rng = np.random.default_rng(0)
    names = "id type xu yu zu"
    rows = np.column_stack([np.arange(1, 6), np.ones(5), rng.normal(size=(5, 3))])
    frames = [yaml_frame(5 * t, rows, columns=names) for t in range(9)]
    path.write_bytes(b"".join(frames))


def extended_xyz(path):
    rng = np.random.default_rng(0)
    lattice = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:vel:R:3:force:R:3'
    with path.open("w") as file:
        for t in range(N_FRAMES):
            file.write(f"{N_ATOMS}\n{lattice} Time={10.0 * t}\n")
            for row in rng.normal(size=(N_ATOMS, 9)):
                file.write("Si " + " ".join(f"{x:.10g}" for x in row) + "\n")


WRITERS = {
    "run.lammpstrj": lambda path: path.write_bytes(text_dump()),
    "run.bin": lambda path: path.write_bytes(b"".join(binary_dump(40, 20)[0])),
    "run.yaml": yaml_dump,
    "run.extxyz": extended_xyz,
    "run.nc": lambda path: amber(path, kind="NETCDF3_64BIT_DATA", units=METAL),
    **{
        f"run.lammpstrj.{name}": lambda path, pack=pack: path.write_bytes(pack(text_dump()))
        for name, pack in COMPRESSIONS.items()
    },
}


def same_numbers(one, other):
    here, there = one.read(0, one.n_frames), other.read(0, other.n_frames)
    for name in ("cells", "positions", "velocities", "forces"):
        a, b = getattr(here, name), getattr(there, name)
        if a is None or b is None:
            assert a is b
        else:
            assert np.array_equal(a, b, equal_nan=True)
    assert np.array_equal(one.steps, other.steps)
    return True


@pytest.mark.parametrize("through_points", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_an_object_is_its_local_file(tmp_path, name, through_points, monkeypatch):
    if through_points:
        through_restart_points(monkeypatch, 1 << 12)
    WRITERS[name](tmp_path / name)
    local = open_trajectory(tmp_path / name, OPTIONS)
    with served({name: (tmp_path / name).read_bytes()}) as objects:
        run = open_trajectory(f"{objects.url}/{name}", OPTIONS)
        assert str(run.paths[0]) == f"{objects.url}/{name}"
        assert same_numbers(local, run)
        # A worker opens it by itself; threads share what was read.
        again = pickle.loads(pickle.dumps(run))
        with ThreadPoolExecutor(4) as pool:
            blocks = list(pool.map(lambda t: again.read(t, t + 1), range(local.n_frames)))
        for t, block in enumerate(blocks):
            assert np.array_equal(block.positions, local.read(t, t + 1).positions)


def test_only_the_parts_that_are_needed_are_read():
    text = text_dump(400)
    with served({"run.lammpstrj": text}) as objects:
        name = f"{objects.url}/run.lammpstrj"
        open_trajectory(name, OPTIONS)
        kept.forget_all()
        before = objects.n_sent
        # The frames are found in the cache of indices.
        run = open_trajectory(name, OPTIONS)
        run.read(200, 210)
        assert objects.n_sent - before < 0.2 * len(text)


def test_an_object_that_changes_is_refused():
    with served({"run.lammpstrj": text_dump()}) as objects:
        run = open_trajectory(f"{objects.url}/run.lammpstrj", OPTIONS)
        objects.contents["run.lammpstrj"] = text_dump(seed=1)
        kept.forget_all()
        with pytest.raises(DataError, match="has changed since it was opened"):
            run.read(0, 10)
        # Opened again, it is the new one: an index of the old one is not used.
        objects.contents["run.lammpstrj"] = text_dump(30, seed=2)
        assert open_trajectory(f"{objects.url}/run.lammpstrj", OPTIONS).n_frames == 30


def test_errors_name_the_object():
    text = text_dump()
    with served(
        {"run.lammpstrj": text, "empty": b"", "cut.gz": gzip.compress(text)[:-99]}
    ) as at:
        with pytest.raises(UsageError, match=f"{at.url}/none is not there"):
            open_trajectory(f"{at.url}/none")
        with pytest.raises(DataError, match=f"{at.url}/empty is empty"):
            open_trajectory(f"{at.url}/empty")
        with pytest.raises(DataError, match=r"gzip data end too early.*http://127"):
            open_trajectory(f"{at.url}/cut.gz", OPTIONS)
        at.gives_ranges = False
        with pytest.raises(DataError, match="the server gives no parts of a file"):
            open_trajectory(f"{at.url}/run.lammpstrj", OPTIONS)
        url = at.url
    with pytest.raises(UsageError, match=r"is not there, or its server does not answer"):
        open_trajectory(f"{url}/run.lammpstrj")


@pytest.mark.parametrize("name", ["run.traj", "run.h5md", "run.pdb", "run.yaml"])
def test_formats_of_other_libraries_are_read_from_this_computer(name):
    contents = {
        ".h5md": b"\x89HDF\r\n\x1a\n" + bytes(500),
        ".yaml": b"phonopy:\n  a: 2\n",
    }
    content = contents.get(name[3:], b"x" * 500)
    with (
        served({name: content}) as objects,
        pytest.raises(UsageError, match=r"from this computer only(.|\n)*fix: copy it"),
    ):
        open_trajectory(f"{objects.url}/{name}")


def test_a_folder_of_zarr_in_a_store(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    rng = np.random.default_rng(0)
    for name in ("positions", "velocities", "forces"):
        group[name] = rng.normal(size=(9, 8, 3))
    group["cell"] = np.tile(9.0 * np.eye(3), (9, 1, 1))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "a.zarr"), "/bucket/a.zarr", recursive=True)
    try:
        run = open_trajectory("memory://bucket/a.zarr", OPTIONS)
        assert same_numbers(open_trajectory(tmp_path / "a.zarr", OPTIONS), run)
        again = pickle.loads(pickle.dumps(run))
        assert np.array_equal(again.read(2, 4).forces, run.read(2, 4).forces)
        assert sibling_cell_file("memory://bucket/a.zarr") is None
        stamp = stamp_file("memory://bucket/a.zarr")
        sizes = [one.stat().st_size for one in tmp_path.rglob("*") if one.is_file()]
        assert stamp.size == sum(sizes)
        with pytest.raises(UsageError, match=r"none.zarr is not there"):
            open_trajectory("memory://bucket/none.zarr", OPTIONS)
    finally:
        memory.rm("/bucket", recursive=True)
    with pytest.raises(UsageError, match="cannot be read from a web server"):
        open_trajectory("https://host/a.zarr")


@pytest.mark.parametrize(
    ("name", "fix"),
    [("s3://bucket/run.lammpstrj", "s3fs"), ("gcs://bucket/run.nc", "gcsfs")],
)
def test_the_package_of_a_store_is_named(name, fix, monkeypatch):
    monkeypatch.setitem(sys.modules, fix, None)
    with pytest.raises(UsageError, match=f"fix: pip install {fix}"):
        open_trajectory(name)


def test_names_of_objects(tmp_path, monkeypatch):
    memory = fsspec.filesystem("memory")
    for k in (2, 1):
        memory.pipe(f"/bucket/run.{k}.lammpstrj", text_dump(4 * k))
    try:
        names = [str(path) for path in input_paths(["memory://bucket/run.*.lammpstrj"])]
        assert names == [f"memory://bucket/run.{k}.lammpstrj" for k in (1, 2)]
        with pytest.raises(UsageError, match="no object matches the pattern"):
            input_paths(["memory://bucket/none*"])
        # A job file may be anywhere; a name with % or ? is one object.
        monkeypatch.chdir(tmp_path)
        job = job_of("run", names, {"timestep_fs": 1.0})
        assert all(name in toml_text(job) for name in names)
        url = "https://host/a%20b.lammpstrj?version=1"
        assert [str(path) for path in input_paths([url])] == [url]
        path = named_path(names[0])
        assert pickle.loads(pickle.dumps(path)) == path
        assert str(path.parent) == "memory://bucket"
        assert len(open_runs(input_paths(names[:1]), OPTIONS)) == 1
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_crystal_is_found_in_an_object_as_in_the_file(monkeypatch):
    monkeypatch.setattr(remote, "_PIECE", 1 << 20)
    data = Path(__file__).parents[3] / "examples" / "data"
    name = "silicon.lammpstrj.xz"
    local = tm.open(data / name, cell=data / "silicon.POSCAR")
    with served({name: (data / name).read_bytes()}) as objects:
        run = tm.open(f"{objects.url}/{name}", cell=data / "silicon.POSCAR")
        assert np.array_equal(run.supercell.matrix, local.supercell.matrix)
        here, there = local.arrays()["velocities"], run.arrays()["velocities"]
        assert np.array_equal(here[:20].compute(), there[:20].compute())
