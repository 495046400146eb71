"""Restart points give the text of a whole decompression, and are found once."""

import io
import os
import pickle
import random
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from threading import Event, get_ident

import numpy as np
import pytest

from program_files.compressions import COMPRESSIONS, through_restart_points
from trajmodes.errors import DataError
from trajmodes.readers.text import kept
from trajmodes.readers.text import source as source_module
from trajmodes.readers.text.compressed import points
from trajmodes.readers.text.compressed.stream import CompressionError
from trajmodes.readers.text.source import open_source

RANDOM = random.Random(1)
TEXT = b"".join(b"%d %.9f\n" % (k, RANDOM.random()) for k in range(40_000))
# Random bytes are stored as they are, in blocks that begin at whole bytes.
TEXT += RANDOM.randbytes(400_000) + TEXT[:200_000]


def in_parts(pack, text, size):
    return b"".join(pack(text[k : k + size]) for k in range(0, len(text), size))


def xz_blocks(text):
    """One stream of many blocks."""
    words = ["xz", "-c", "-1", "--block-size=60000"]
    return subprocess.run(words, input=text, capture_output=True, check=True).stdout


FORMS = {
    "gz": COMPRESSIONS["gz"],
    "gz, stored": lambda text: COMPRESSIONS["gz"](text, 0),
    "gz, members": lambda text: in_parts(COMPRESSIONS["gz"], text, 50_000),
    "bz2": lambda text: COMPRESSIONS["bz2"](text, 1),
    "bz2, streams": lambda text: in_parts(COMPRESSIONS["bz2"], text, 150_000) + bytes(9),
    "xz, blocks": xz_blocks,
    "xz, streams": lambda text: in_parts(COMPRESSIONS["xz"], text, 150_000) + bytes(8),
    "zst, frames": lambda text: in_parts(COMPRESSIONS["zst"], text, 50_000),
    "zst of pzstd": lambda text: in_parts(
        lambda part: b"\x50\x2aM\x18\4\0\0\0size" + COMPRESSIONS["zst"](part), text, 50_000
    ),
}


@pytest.fixture(autouse=True)
def restarting(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    through_restart_points(monkeypatch)
    kept.forget_all()


@pytest.fixture
def packed(tmp_path):
    def make(form, text=TEXT):
        path = tmp_path / "run"
        path.write_bytes(FORMS[form](text))
        return path

    return make


def refuse(*_, **__):
    raise AssertionError("the file is decompressed from its beginning")


@pytest.mark.parametrize("form", FORMS)
def test_text_at_any_offset(packed, form, monkeypatch):
    path = packed(form)
    opened = open_source(path)
    assert opened.data(0, opened.size) == TEXT
    starts = opened.place.points.starts
    assert len(starts) > 5
    rng = random.Random(0)
    for _ in range(60):
        start, stop = sorted(rng.randrange(len(TEXT)) for _ in range(2))
        stop = min(stop, start + 100_000)
        assert opened.data(start, stop - start) == TEXT[start:stop]
    # Another opening, and another process, need no decompression from the beginning.
    monkeypatch.setattr(source_module, "decompressed", refuse)
    monkeypatch.setattr(points, "decompressed", refuse)
    for again in (open_source(path), pickle.loads(pickle.dumps(opened))):
        assert again.data(300_000, 5000) == TEXT[300_000:305_000]


@pytest.mark.parametrize("form", FORMS)
def test_text_between_points_alone(packed, form):
    """No point needs what was decompressed before it."""
    path = packed(form)
    found = open_source(path).place.points
    data, spans = path.read_bytes(), list(pairwise(found.starts.tolist()))
    for k in reversed(range(len(spans))):
        start, stop = spans[k]
        if start < stop:
            compressed = data[slice(*found.compressed_range(k))]
            assert found.text(k, compressed) == TEXT[start:stop]


@pytest.mark.parametrize("shift", range(8))
def test_empty_blocks_of_deflate_end_at_any_bit(shift):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = packer.compress(b"text " * 9) + packer.flush()
    behind = (int.from_bytes(data, "little") << shift | (1 << shift) - 1).to_bytes(
        len(data) + 1, "little"
    )
    text = points.after_empty_blocks(behind, shift)
    assert zlib.decompressobj(-15).decompress(text) == b"text " * 9


def read_or_error(opened):
    """Text of an error; empty if all text is right."""
    try:
        assert opened.data(0, opened.size) == TEXT
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("form", ["gz", "bz2", "xz, blocks", "zst, frames"])
def test_a_byte_that_changes_behind_the_index_is_seen(packed, form, monkeypatch):
    """Also where size, times and ends of the file are as before."""
    path = packed(form)
    opened = open_source(path)
    monkeypatch.setattr(source_module, "unchanged", lambda _: nullcontext())
    data, n_seen = bytearray(path.read_bytes()), 0
    for at in np.linspace(100, len(data) - 100, 25).astype(int):
        data[at] ^= 4
        path.write_bytes(data)
        kept.forget_all()
        error = read_or_error(opened)
        assert "data are damaged between bytes" in error or not error
        n_seen += bool(error)
        data[at] ^= 4
    # Others are bytes of padding, and of checksums of the file itself.
    assert n_seen >= 22


@pytest.mark.parametrize("form", ["gz", "bz2", "xz, blocks", "zst, frames"])
def test_points_of_a_replaced_file_are_not_used(packed, form):
    path = packed(form)
    assert open_source(path).data(0, 1000) == TEXT[:1000]
    status = path.stat()
    other = TEXT[::-1]
    packed(form, other)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    opened = open_source(path)
    assert opened.data(0, opened.size) == other


def test_memory_of_texts_is_bounded(packed, monkeypatch):
    monkeypatch.setattr(kept, "KEPT_BYTES", 100_000)
    opened = open_source(packed("gz"))
    for start in (0, 500_000, 900_000, 100, 700_000):
        assert opened.data(start, 90_000) == TEXT[start : start + 90_000]
        assert sum(kept._sizes.values()) <= 100_000
    assert set(kept._pieces) == set(kept._sizes)


def test_a_thread_that_waits_for_a_piece_makes_the_next_one(packed, monkeypatch):
    opened = open_source(packed("gz"))
    made, is_made, may_go, text = [], Event(), Event(), points.RestartPoints.text

    def slow(self, k, data):
        made.append(k)
        if k == 0:
            assert may_go.wait(20.0)
        if k == 2:
            raise CompressionError("damaged", 0)
        is_made.set()
        return text(self, k, data)

    monkeypatch.setattr(points.RestartPoints, "text", slow)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(opened.data, 0, 100)
        while made != [0]:
            time.sleep(0.001)
        second = pool.submit(opened.data, 100, 100)
        assert is_made.wait(20.0)
        third = pool.submit(opened.data, 200, 100)
        while made != [0, 1, 2]:
            time.sleep(0.001)
        may_go.set()
        found = [one.result(20.0) for one in (first, second, third)]
    assert b"".join(found) == TEXT[:300]
    starts = opened.place.points.starts.tolist()
    assert opened.data(starts[1], 100) == TEXT[starts[1] : starts[1] + 100]
    with pytest.raises(DataError, match="damaged"):
        opened.data(starts[2], 100)
    assert made == [0, 1, 2, 2]


def test_another_thread_makes_the_next_pieces_of_a_series(packed, monkeypatch):
    opened = open_source(packed("zst, frames"))
    starts, text = opened.place.points.starts.tolist(), points.RestartPoints.text
    made, here, is_helped = [], get_ident(), Event()

    def noted(self, k, data):
        if get_ident() != here:
            is_helped.set()
        elif k >= 3:
            assert is_helped.wait(20.0)
        made.append((k, get_ident() == here))
        return text(self, k, data)

    monkeypatch.setattr(points.RestartPoints, "text", noted)
    for k in (0, 2, 1):
        assert opened.data(starts[k], 100) == TEXT[starts[k] : starts[k] + 100]
    assert made == [(0, True), (2, True), (1, True)]
    kept.forget_all()
    made.clear()
    assert opened.data(0, opened.size) == TEXT
    assert sorted(k for k, _ in made) == list(range(len(starts) - 1))
    assert not all(is_here for _, is_here in made)


def test_points_do_not_depend_on_the_number_of_threads(packed, monkeypatch):
    path = packed("zst of pzstd")
    size = path.stat().st_size
    found = []
    for n in (1, 4):
        monkeypatch.setattr(points, "available_processors", lambda n=n: n)
        with path.open("rb") as file:
            found.append(points.find_points(file, "zstd", size, path).arrays())
    for name, one in found[0].items():
        assert np.array_equal(one, found[1][name]), name
    assert size > 2 * points._RUN
    # Damage of any part is found, whichever thread meets it.
    data = bytearray(path.read_bytes())
    for at in (size // 10, size // 2, size - 100):
        data[at] ^= 4
        assert points.find_points(io.BytesIO(bytes(data)), "zstd", size, path) is None
        data[at] ^= 4


def test_without_rapidgzip_the_text_is_the_same(packed, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidgzip", None)
    opened = open_source(packed("gz"))
    assert not hasattr(opened.place, "points")
    assert opened.data(0, opened.size) == TEXT


def test_a_pass_in_small_reads_is_the_same():
    """What a decompressor returns does not depend on how much it is given."""
    for form, method in (("gz", "gzip"), ("bz2", "bzip2"), ("xz, blocks", "xz")):
        data = FORMS[form](TEXT)
        found = [
            points.find_points(file, method, len(data), "run")
            for file in (io.BytesIO(data), io.BufferedReader(io.BytesIO(data), 100))
        ]
        assert np.array_equal(found[0].starts, found[1].starts)
        assert np.array_equal(found[0].checks, found[1].checks)
