"""The index is cached, used only while it agrees with the file, and never required."""

import os
import pickle
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.lammps.index import index_dump
from trajmodes.readers.text import index_cache
from trajmodes.readers.text import source as source_module
from trajmodes.readers.text.index_cache import cached_index
from trajmodes.readers.text.source import check_unchanged, open_source, stamp_file

DATA = Path(__file__).parents[2] / "data" / "lammps"

TEXT = b"x" * 200_000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "trajmodes" / "index"


class Build:
    """Count the calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"places": np.arange(5), "names": np.array(["a", "bc"])}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(TEXT)
    return path


def test_an_index_is_built_once(file, cache):
    build = Build()
    for _ in range(3):
        index = cached_index(open_source(file), "kind", build)
        assert index["places"].tolist() == [0, 1, 2, 3, 4]
        assert index["names"].tolist() == ["a", "bc"]
    assert build.calls == 1
    cached_index(open_source(file), "other kind", build)
    assert build.calls == 2
    assert sorted(path.name for path in file.parent.iterdir()) == ["cache", "data"]
    assert [path.suffix for path in cache.iterdir()] == [".npz", ".npz"]


@pytest.mark.parametrize("where", [0, 77_777, 100_000, 199_999])
def test_a_byte_changed_in_place_invalidates_the_index(file, where):
    """Size and time of modification are kept."""
    build, status = Build(), file.stat()
    cached_index(open_source(file), "kind", build)
    data = bytearray(file.read_bytes())
    data[where] = 0
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    cached_index(open_source(file), "kind", build)
    assert build.calls == 2


def test_samples_between_head_and_tail_are_compared(file, monkeypatch):
    """The time of change and the inode are not the only marks."""
    build, status = Build(), file.stat()

    def stamped(path):
        return replace(source_of(path), changed_ns=0, inode=0)

    source_of = source_module.stamp_file
    monkeypatch.setattr(source_module, "stamp_file", stamped)
    monkeypatch.setattr(source_module, "unchanged", lambda _: nullcontext())
    file.write_bytes(bytes(100_000_000))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    cached_index(open_source(file), "kind", build)
    with file.open("r+b") as data:
        data.seek(40_000_000)
        data.write(b"y" * 2_000_000)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    cached_index(open_source(file), "kind", build)
    assert build.calls == 2


def test_a_replaced_file_invalidates_the_index(file):
    build, status = Build(), file.stat()
    cached_index(open_source(file), "kind", build)
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    cached_index(open_source(file), "kind", build)
    assert build.calls == 2


def test_a_changed_time_or_size_invalidates_the_index(file):
    build = Build()
    cached_index(open_source(file), "kind", build)
    os.utime(file, ns=(1, 1))
    cached_index(open_source(file), "kind", build)
    file.write_bytes(b"x" * 200_001)
    os.utime(file, ns=(1, 1))
    cached_index(open_source(file), "kind", build)
    assert build.calls == 3


@pytest.mark.parametrize("damage", [b"", b"PK nothing", None])
def test_a_damaged_cache_is_rebuilt(file, cache, damage):
    build = Build()
    cached_index(open_source(file), "kind", build)
    (place,) = cache.iterdir()
    data = bytearray(place.read_bytes())
    data[len(data) // 2 - 200] ^= 1
    place.write_bytes(data if damage is None else damage)
    index = cached_index(open_source(file), "kind", build)
    assert index["places"].tolist() == [0, 1, 2, 3, 4]
    assert cached_index(open_source(file), "kind", build)["names"].tolist() == ["a", "bc"]
    assert build.calls == 2


def test_objects_are_never_unpickled(file, cache):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    cached_index(open_source(file), "kind", Build())
    (place,) = cache.iterdir()
    with np.load(place) as archive:
        identity = archive["identity"]
    np.savez(place, identity=identity, places=np.array([Trap()], dtype=object))
    build = Build()
    assert cached_index(open_source(file), "kind", build)["places"].tolist() == [0, 1, 2, 3, 4]


def test_an_unwritable_cache_is_ignored(file, cache, monkeypatch):
    build = Build()
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the way")
    cached_index(open_source(file), "kind", build)
    monkeypatch.setattr(index_cache, "user_cache_path", lambda *_, **__: Path("~/.cache"))
    cached_index(open_source(file), "kind", build)
    assert build.calls == 2


def test_indices_not_used_for_the_longest_time_are_removed(tmp_path, cache, monkeypatch):
    files = [tmp_path / name for name in "abc"]
    for age, file in enumerate(files):
        file.write_bytes(TEXT)
        cached_index(open_source(file), "kind", Build())
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, ns=(age, age))
    # The oldest one is used again.
    cached_index(open_source(files[0]), "kind", Build())
    size = next(cache.iterdir()).stat().st_size
    monkeypatch.setattr(index_cache, "CACHE_BYTES", 3 * size)
    (tmp_path / "d").write_bytes(TEXT)
    cached_index(open_source(tmp_path / "d"), "kind", Build())
    assert len(list(cache.iterdir())) == 2
    for file, n_builds in ((files[0], 0), (tmp_path / "d", 0), (files[1], 1)):
        build = Build()
        cached_index(open_source(file), "kind", build)
        assert build.calls == n_builds


def test_many_indices_are_not_listed_for_each_new_one(tmp_path, cache, monkeypatch):
    """A run of a hundred thousand files would otherwise take hours to open."""
    listings = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: listings.append(path) or iterdir(path))
    for name in map(str, range(20)):
        (tmp_path / name).write_bytes(TEXT)
        cached_index(open_source(tmp_path / name), "kind", Build())
    assert listings == [cache]
    assert len(list(cache.iterdir())) == 20


def test_the_index_of_a_short_text_is_not_stored(tmp_path, cache):
    (tmp_path / "short").write_bytes(b"x")
    cached_index(open_source(tmp_path / "short"), "kind", Build())
    assert not cache.exists()


def test_unreadable_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for name, kind, message in [
        ("none", UsageError, "No such file"),
        ("", UsageError, "is a folder, not a trajectory"),
        ("pipe", UsageError, "is a pipe or a device"),
        ("empty", DataError, "empty is empty"),
    ]:
        with pytest.raises(kind, match=message) as caught:
            open_trajectory(tmp_path / name)
        _, *more = str(caught.value).splitlines()
        assert all(line.startswith(("  why: ", "  fix: ")) for line in more)


def test_a_changed_file_is_refused(file):
    stamp = pickle.loads(pickle.dumps(stamp_file(file)))
    check_unchanged(stamp)
    file.write_bytes(b"y")
    with pytest.raises(DataError, match="has changed since it was opened"):
        check_unchanged(stamp)
    file.unlink()
    with pytest.raises(DataError, match="has changed since it was opened"):
        check_unchanged(stamp)


def test_cached_and_fresh_index_of_a_dump_agree():
    source = open_source(DATA / "t_general.lammpstrj")
    first = open_trajectory(DATA / "t_general.lammpstrj", ReadOptions(units="metal"))
    second = open_trajectory(DATA / "t_general.lammpstrj", ReadOptions(units="metal"))
    assert np.array_equal(first.frames.cells, second.frames.cells)
    assert np.array_equal(first.frames.rows.spans[:, 0], index_dump(source).entries[:, 1])
    assert np.array_equal(first.read(0, 3).positions, second.read(0, 3).positions)
