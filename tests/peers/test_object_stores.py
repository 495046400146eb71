"""Runs in stores on the loopback, S3 and Google Storage: their results have the file's bits."""

import gc
import gzip
import lzma
import socket
import time
from importlib.util import find_spec
from pathlib import Path

import fsspec
import netCDF4
import numpy as np
import pytest
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.inputs import input_paths
from trajmodes.readers.text import kept

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]
DATA = Path(__file__).parents[2] / "examples" / "data"
CELL = ["--cell", str(DATA / "silicon.POSCAR"), "--timestep-fs", "1", "--units", "metal"]
N_FRAMES = 150


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def has(*packages):
    return all(find_spec(one) for one in packages)


def forget(scheme):
    """Let go of all connections, while warnings of unclosed ones are ignored."""
    fsspec.get_filesystem_class(scheme).clear_instance_cache()
    gc.collect()


@pytest.fixture(scope="module")
def s3():
    if not has("s3fs", "moto", "flask"):
        pytest.skip("needs s3fs and moto[server]")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - an optional package

    port = free_port()
    with pytest.MonkeyPatch.context() as set_to:
        set_to.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        set_to.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            set_to.setenv(name, "testing")
        set_to.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        try:
            yield "s3"
        finally:
            forget("s3")
            server.stop()


@pytest.fixture(scope="module")
def gcs():
    if not has("gcsfs", "gcp_storage_emulator"):
        pytest.skip("needs gcsfs and gcp-storage-emulator")
    from gcp_storage_emulator.server import create_server  # noqa: PLC0415 - optional

    port = free_port()
    with pytest.MonkeyPatch.context() as set_to:
        set_to.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        # The emulator has no gRPC, by which gcsfs asks for the type of a bucket.
        set_to.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        server = create_server("127.0.0.1", port, in_memory=True)
        server.start()
        try:
            yield "gcs"
        finally:
            forget("gcs")
            server.stop()


@pytest.fixture(params=["s3", "gcs"])
def bucket(request, tmp_path, monkeypatch):
    """File system and URL of a new bucket; this one writes, and shares nothing with readers."""
    scheme = request.getfixturevalue(request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept.forget_all()
    system = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
    name = f"bucket{time.time_ns()}"
    system.mkdir(name)
    return system, f"{scheme}://{name}"


@pytest.fixture(scope="module")
def text():
    whole = lzma.decompress((DATA / "silicon.lammpstrj.xz").read_bytes())
    frames = whole.split(b"ITEM: TIME\n")[: N_FRAMES + 1]
    return frames[0], [b"ITEM: TIME\n" + one for one in frames[1:]]


def results(folder):
    """All numbers but the description of the files."""
    with netCDF4.Dataset(folder / "results.nc") as file:
        file.set_auto_mask(False)
        return {
            name: one[...].tobytes()
            for name, one in file.variables.items()
            if one.dtype is not str and not name.startswith(("input_", "check_"))
        }


def run(files, out, *options):
    words = ["run", *map(str, files), *CELL, "-o", str(out), *options]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return results(out)


def zarr_of(path, folder):
    zarr = pytest.importorskip("zarr")
    frames = open_trajectory(path, ReadOptions())
    block = frames.read(0, frames.n_frames)
    group = zarr.open_group(str(folder), mode="w")
    for name in ("positions", "velocities", "forces"):
        array = getattr(block, name)
        group.create_array(name, data=array, chunks=(50, *array.shape[1:]))
    group["cell"], group["step"] = block.cells, np.asarray(frames.steps)
    return folder


@pytest.mark.parametrize("options", [[], ["--scheduler", "processes:2"]])
@pytest.mark.parametrize("name", ["run.lammpstrj", "run.lammpstrj.gz", "run.zarr", "pieces"])
def test_results_of_an_object_have_the_bits_of_the_file(bucket, text, tmp_path, name, options):
    system, url = bucket
    head, frames = text
    plain = tmp_path / "run.lammpstrj"
    plain.write_bytes(head + b"".join(frames))
    names = [name]
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    elif name == "run.zarr":
        zarr_of(plain, tmp_path / name)
    elif name == "pieces":
        names = ["part.0.lammpstrj", "part.1.lammpstrj"]
        for one, part in zip(names, (frames[:70], frames[70:]), strict=True):
            (tmp_path / one).write_bytes(head + b"".join(part))
    for one in names:
        system.put(str(tmp_path / one), f"{url}/{one}", recursive=one.endswith(".zarr"))
    objects = [f"{url}/part.*.lammpstrj"] if name == "pieces" else [f"{url}/{name}"]
    there = run(objects, tmp_path / "there", *options)
    here = run([tmp_path / one for one in names], tmp_path / "here")
    assert len(here) > 50
    assert there == here


def test_an_object_of_a_pattern_that_is_replaced_is_refused(bucket, text):
    system, url = bucket
    head, frames = text
    content = head + b"".join(frames)
    system.pipe(f"{url}/run.0.lammpstrj", content)
    (path,) = input_paths([f"{url}/*.lammpstrj"])
    opened = open_trajectory(path, ReadOptions())
    opened.read(0, 10)
    system.pipe(f"{url}/run.0.lammpstrj", content[:-200] + content[-200:].replace(b"1", b"2"))
    with pytest.raises(DataError, match="has changed since it was opened"):
        opened.read(10, 20)


def test_errors_name_what_is_missing(bucket):
    system, url = bucket
    system.pipe(f"{url}/folder/object", b"x")
    for name in ("none.lammpstrj", "none.zarr", "folder/none.bin"):
        with pytest.raises(UsageError, match=f"{url}/{name} is not there"):
            tm.open(f"{url}/{name}")
        with pytest.raises(UsageError, match=f"{url}-none/{name} is not there"):
            tm.open(f"{url}-none/{name}")
    with pytest.raises(UsageError, match="folder is a folder, not a trajectory file"):
        tm.open(f"{url}/folder")


def test_credentials_of_s3_are_missing(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    forget(s3)
    with pytest.raises(UsageError, match=r"no credentials are found(.|\n)*FSSPEC_S3_ANON"):
        open_trajectory("s3://bucket/run.lammpstrj")
    forget(s3)
