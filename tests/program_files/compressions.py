"""Compression of small test files, and their reading through restart points."""

import bz2
import gzip
import lzma
import sys

from trajmodes.readers.text import index_cache, source
from trajmodes.readers.text.compressed import candidates, points

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    # As the program zstd does, with a checksum.
    "zst": lambda text: zstd.compress(
        text, options={zstd.CompressionParameter.checksum_flag: 1}
    ),
}


def through_restart_points(monkeypatch, shortest=1 << 14):
    """Read files of some kilobytes as if they were large ones."""
    monkeypatch.setattr(source, "_SMALL", 1)
    monkeypatch.setattr(index_cache, "_SMALLEST", 1)
    monkeypatch.setattr(points, "_SHORTEST", shortest)
    monkeypatch.setattr(points, "_RUN", 4 * shortest)
    monkeypatch.setattr(candidates, "_CHUNK", shortest)
