"""A text that is read while another thread still decompresses it."""

import itertools
import os
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from program_files.compressions import COMPRESSIONS, through_restart_points
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, StorageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.text import source as source_module
from trajmodes.readers.text.compressed import stream
from trajmodes.readers.text.places import GrowingSpool
from trajmodes.readers.text.source import open_source

DUMP = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
2000
ITEM: BOX BOUNDS pp pp pp
0.0 9.0
0.0 9.0
0.0 9.0
ITEM: ATOMS id type xu yu zu
{rows}"""
XYZ = """2000
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 Timestep={step}
{rows}"""
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


@pytest.mark.parametrize(("name", "form"), [("lammpstrj", DUMP), ("xyz", XYZ)])
def test_a_run_opens_before_its_end_is_there(name, form, tmp_path, monkeypatch):
    """The first frame is a perfect crystal, so the rounding is that of later ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    through_restart_points(monkeypatch)
    path, label = tmp_path / f"run.{name}.zst", "Si" if form == XYZ else "{} 1"
    frames = []
    for step in range(60):
        x = "1.5" if step == 0 else f"1.{step:02}34567"
        rows = "".join(f"{label} {x} 0.5 0.5\n".format(atom + 1) for atom in range(2000))
        frames.append(form.format(step=step, rows=rows))
    path.write_bytes(COMPRESSIONS["zst"]("".join(frames).encode()))
    options = ReadOptions(units="metal", timestep_fs=1.0)
    known = open_trajectory(path, options)
    monkeypatch.setattr(stream, "_PIECE", 1 << 16)
    whole, may_go_on = source_module.decompressed, threading.Event()

    def held(*given):
        text = whole(*given)
        yield from itertools.islice(text, 10)
        assert may_go_on.wait(10.0), "the end of the text was read"
        yield from text

    monkeypatch.setattr(source_module, "decompressed", held)
    run = open_trajectory(path, options)
    assert (run.rounding, run.precision_digits) == (known.rounding, known.precision_digits)
    assert run.precision_digits == 8
    may_go_on.set()
    assert run.read(59, 60).positions[0, 0, 0] == 1.5934567


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
