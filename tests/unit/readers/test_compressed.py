"""Compressed files give their text, or an error with the position of the damage."""

import gzip
import io
import pickle
import random
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from program_files.compressions import COMPRESSIONS, through_restart_points
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, StorageError, TrajmodesWarning
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.text import source as compressed
from trajmodes.readers.text.compressed import stream as decompression

DATA = Path(__file__).parents[2] / "data" / "lammps"
TEXT = "".join(f"{k} {random.Random(k).random()}\n" for k in range(20_000)).encode()


@pytest.fixture(params=["from its beginning", "through restart points"], autouse=True)
def way(request, tmp_path, monkeypatch):
    """How files of a few hundred kilobytes are read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "through restart points":
        through_restart_points(monkeypatch)
    return request.param


def content(source):
    return source.text(0, source.size).encode()


@pytest.mark.parametrize("method", COMPRESSIONS)
@pytest.mark.parametrize("members", [1, 3])
def test_text_of_a_compressed_file(tmp_path, method, members):
    path = tmp_path / "any.name"
    cut = len(TEXT) // members + 1
    parts = [TEXT[k : k + cut] for k in range(0, len(TEXT), cut)]
    path.write_bytes(b"".join(COMPRESSIONS[method](part) for part in parts))
    source = compressed.open_source(path)
    assert content(source) == TEXT
    assert compressed.read_head(path, 100) == TEXT[:100]
    assert content(pickle.loads(pickle.dumps(source))) == TEXT
    assert source.line_at(TEXT.index(b"\n77 ") + 1) == 78


def test_zstd_is_read(tmp_path):
    path = DATA / "o_pipe.lammpstrj.zst"
    text = content(compressed.open_source(path))
    assert text.startswith(b"ITEM: TIMESTEP")
    assert text.count(b"ITEM: ATOMS") == 5
    if shutil.which("zstd"):
        plain = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        assert text == plain
    broken = tmp_path / "cut.zst"
    broken.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="zstd data end too early"):
        compressed.open_source(broken)


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_damage_is_an_error_with_its_position(tmp_path, method):
    data = bytearray(COMPRESSIONS[method](TEXT))
    cut = tmp_path / "cut"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"data end too early, at byte \d+ of the text"):
        compressed.open_source(cut)
    if method == "bz2":
        # Its blocks are larger than this text, so nothing precedes the damage.
        with pytest.raises(DataError, match="at byte 0 of the text"):
            compressed.open_source(cut, allow_partial=True)
    else:
        half = content(compressed.open_source(cut, allow_partial=True))
        assert TEXT.startswith(half)
        assert len(half) > 0.2 * len(TEXT)
    data[len(data) // 2] ^= 0x55
    flipped = tmp_path / "flipped"
    flipped.write_bytes(data)
    with pytest.raises(DataError, match=r"data .*are damaged"):
        compressed.open_source(flipped)


def test_frames_before_damage_can_be_used(tmp_path):
    text = (DATA / "o_all.lammpstrj").read_bytes()
    path = tmp_path / "run.lammpstrj.gz"
    path.write_bytes(gzip.compress(text, 1)[:-12_000])
    with pytest.raises(DataError, match="--allow-partial uses the frames before the damage"):
        open_trajectory(path)
    with pytest.warns(
        TrajmodesWarning, match=r"gzip data end too early.*the last frame \(step"
    ):
        part = open_trajectory(path, ReadOptions(allow_partial=True))
    whole = open_trajectory(DATA / "o_all.lammpstrj")
    assert 0 < part.n_frames < whole.n_frames
    expected = whole.read(0, part.n_frames).positions
    assert np.array_equal(part.read(0, part.n_frames).positions, expected)


def with_flipped_bit(text):
    """Flip one bit of a stored text: only the checksum at the end detects it."""
    data = bytearray(gzip.compress(text, 0))
    data[len(data) // 2] ^= 1
    return bytes(data)


def test_a_wrong_checksum_discards_its_member_only(tmp_path):
    path = tmp_path / "run.gz"
    path.write_bytes(with_flipped_bit(TEXT))
    for partial in (False, True):
        with pytest.raises(DataError, match=r"damaged.*checksum found; no checksum.*byte 0 on"):
            compressed.open_source(path, allow_partial=partial)
    path.write_bytes(gzip.compress(TEXT) + with_flipped_bit(TEXT) + gzip.compress(TEXT))
    assert content(compressed.open_source(path, allow_partial=True)) == TEXT


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_no_text_of_a_damaged_member_is_used(tmp_path, method):
    """Wherever one bit is flipped, what is left is text that was written."""
    pack = COMPRESSIONS[method]
    text = TEXT[:200_000]
    first, second = pack(text), bytearray(pack(text[::-1]))
    path = tmp_path / "run"
    for at in np.linspace(0, len(second) - 1, 40).astype(int):
        damaged = bytearray(second)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(first + damaged)
        try:
            left = content(compressed.open_source(path, allow_partial=True))
        except DataError:
            continue
        assert (text + text[::-1]).startswith(left)


@pytest.mark.parametrize("n_zeros", [1, 5000, 50_000])
@pytest.mark.parametrize("method", COMPRESSIONS)
def test_zeros_behind_a_member_are_padding(tmp_path, method, n_zeros):
    pack = COMPRESSIONS[method]
    path = tmp_path / "run"
    path.write_bytes(pack(TEXT) + bytes(n_zeros) + pack(TEXT[:100]) + bytes(n_zeros))
    assert content(compressed.open_source(path)) == TEXT + TEXT[:100]


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_damage_before_the_first_text_is_damage(tmp_path, method):
    pack = COMPRESSIONS[method]
    data = bytearray(pack((DATA / "o_custom.lammpstrj").read_bytes()))
    path = tmp_path / "run.lammpstrj"
    path.write_bytes(data[:20])
    with pytest.raises(DataError, match="data end too early, at byte 0"):
        open_trajectory(path)
    data[12:40] = bytes(28)
    path.write_bytes(data)
    for partial in (False, True):
        with pytest.raises(DataError, match=r"data (are damaged|end too early)"):
            open_trajectory(path, ReadOptions(allow_partial=partial))


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_memory_of_decompression_is_bounded(tmp_path, method, monkeypatch):
    """A file of some kilobytes that stands for a gigabyte of zeros."""
    monkeypatch.setattr(decompression, "_SMALL", 1 << 22)
    pack = COMPRESSIONS[method]
    path = tmp_path / "run.lammpstrj"
    path.write_bytes(pack(b"ITEM: TIMESTEP\n" + bytes(1 << 24)) * 60)
    tracemalloc.start()
    with pytest.raises(DataError, match="more than 1000 times as long as the file"):
        open_trajectory(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_a_full_disk_is_never_damage(tmp_path, monkeypatch, method, way):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(COMPRESSIONS[method](TEXT))
    monkeypatch.setattr(compressed.tempfile, "TemporaryFile", lambda **_: Full())
    if way == "through restart points" and method != "zst":
        assert content(compressed.open_source(path)) == TEXT
        return
    for partial in (False, True):
        with pytest.raises(StorageError, match=r"cannot be decompressed .*No space left"):
            compressed.open_source(path, allow_partial=partial)


def test_a_full_disk_is_a_storage_error(tmp_path, monkeypatch, way):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT))
    monkeypatch.setattr(compressed.tempfile, "TemporaryFile", full)
    if way == "through restart points":
        assert content(compressed.open_source(path)) == TEXT
        return
    with pytest.raises(StorageError, match="No space left on device"):
        compressed.open_source(path)


def test_an_empty_text_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="contains no text"):
        compressed.open_source(path)
