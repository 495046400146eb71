"""A text that is read while another thread still decompresses it."""

import os
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from program_files.compressions import COMPRESSIONS, through_restart_points
from trajmodes.errors import DataError, StorageError
from trajmodes.readers.text import source as source_module
from trajmodes.readers.text.places import GrowingSpool
from trajmodes.readers.text.source import open_source

TEXT = b"".join(b"%d %.9f\n" % (k, random.Random(k).random()) for k in range(60_000))


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A file of one frame, which has been read once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    through_restart_points(monkeypatch)
    path = tmp_path / "run.zst"
    path.write_bytes(COMPRESSIONS["zst"](TEXT))
    assert open_source(path).data(0, len(TEXT)) == TEXT
    return path


@pytest.fixture
def slow_text(monkeypatch):
    """Decompression that waits before each piece."""
    whole = source_module.decompressed

    def slowly(*given):
        for text in whole(*given):
            time.sleep(0.01)
            yield text

    monkeypatch.setattr(source_module, "decompressed", slowly)


@pytest.mark.usefixtures("slow_text")
def test_what_is_there_is_read_before_the_end(known):
    source = open_source(known)
    assert isinstance(source.place, GrowingSpool)
    assert source.size == len(TEXT)
    assert source.data(0, 1000) == TEXT[:1000]
    rng = random.Random(0)
    spans = [(rng.randrange(len(TEXT)), rng.randrange(1, 200_000)) for _ in range(40)]
    spans = [(start, min(size, len(TEXT) - start)) for start, size in spans]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda span: source.data(*span), spans))
    assert found == [TEXT[start : start + size] for start, size in spans]
    assert source.data(0, len(TEXT)) == TEXT


@pytest.mark.usefixtures("slow_text")
def test_damage_that_came_later_reaches_the_reader(known, monkeypatch):
    """Also if only the checksum at the end shows it."""
    data = bytearray(known.read_bytes())
    data[-1] ^= 1
    status = known.stat()
    identity = source_module.stamp_file(known)
    known.write_bytes(data)
    os.utime(known, ns=(status.st_atime_ns, status.st_mtime_ns))
    monkeypatch.setattr(source_module, "check_unchanged", lambda _: None)
    raw = source_module.TextSource(identity, len(data), source_module.LocalFile(known))
    source = source_module._growing(raw, "zstd", len(TEXT))
    with pytest.raises(DataError, match="zstd data are damaged"):
        source.data(len(TEXT) - 10, 10)
    other = source_module._growing(raw, "zstd", len(TEXT) - 1)
    with pytest.raises(DataError):
        other.data(len(TEXT) - 11, 10)


def test_the_last_bytes_wait_for_the_checksum():
    """A decompressor may return the last text before it finds that it is wrong."""

    def text():
        yield b"all of the text"
        time.sleep(0.1)
        raise DataError("the checksum is another one")

    with tempfile.TemporaryFile() as file:
        spool = GrowingSpool(file, text(), 15, Path("run.zst"))
    with spool.opened() as opened:
        view = memoryview(bytearray(5))
        with pytest.raises(DataError, match="the checksum is another one"):
            spool.read(opened, view, 10)


def test_a_disk_that_becomes_full_is_named(known, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    write = os.write
    monkeypatch.setattr(os, "write", full)
    source = open_source(known)
    with pytest.raises(StorageError, match=r"TMPDIR: No space left"):
        source.data(0, 10)
    monkeypatch.setattr(os, "write", write)


def test_the_thread_ends_with_the_text(known):
    before = threading.active_count()
    source = open_source(known)
    assert source.data(len(TEXT) - 5, 5) == TEXT[-5:]
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before
