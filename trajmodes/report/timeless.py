"""HDF5 without the time of day, so that the same results give the same bytes.

NetCDF-C asks HDF5 not to keep times for variables, but the root group keeps four of them.
Layout: HDF5 File Format Specification 3.0, II.A (superblock) and IV.A.1.b (object header,
version 2). The checksum is Bob Jenkins' lookup3 (2006, public domain).
"""

import struct

__all__ = ["without_times"]

_SUPERBLOCK_VERSIONS = (2, 3)
_ROOT_ADDRESS = 36
_TIMES = slice(6, 22)
_STORES_TIMES = 0x20


def without_times(image: bytes) -> bytes:
    """Blank the times of the root group of an HDF5 file.

    Parameters
    ----------
    image
        Content of a file. One that is laid out in another way comes back as it is.
    """
    if image[8] not in _SUPERBLOCK_VERSIONS:
        return image
    (start,) = struct.unpack_from("<Q", image, _ROOT_ADDRESS)
    flags = image[start + 5]
    if image[start : start + 5] != b"OHDR\x02" or not flags & _STORES_TIMES:
        return image
    # Behind the times: phase-change values if flag 4 is set, then the size of the messages.
    at = start + _TIMES.stop + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 0x03)
    end = at + width + int.from_bytes(image[at : at + width], "little")
    header = bytearray(image[start:end])
    if image[end : end + 4] != _lookup3(header):
        return image
    header[_TIMES] = bytes(16)
    return image[:start] + bytes(header) + _lookup3(header) + image[end + 4 :]


def _lookup3(key: bytes | bytearray) -> bytes:
    """(4,) bytes, the checksum that HDF5 puts behind its headers."""
    a = b = c = (0xDEADBEEF + len(key)) & 0xFFFFFFFF
    padded = bytes(key) + bytes(-len(key) % 12)
    words = struct.unpack(f"<{len(padded) // 4}I", padded)
    for k in range(0, len(words), 3):
        a, b, c = (_wrap(x + y) for x, y in zip((a, b, c), words[k : k + 3], strict=True))
        if k + 3 < len(words):
            a, b, c = _mix(a, b, c)
    return struct.pack("<I", _finish(a, b, c))


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turn in (4, 6, 8, 16, 19, 4):
        a = _wrap(a - c) ^ _rotate(c, turn)
        c = _wrap(c + b)
        a, b, c = b, c, a
    return a, b, c


def _finish(a: int, b: int, c: int) -> int:
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = _wrap((c ^ b) - _rotate(b, turn))
        a, b, c = b, c, a
    return b


def _wrap(x: int) -> int:
    return x & 0xFFFFFFFF


def _rotate(x: int, turn: int) -> int:
    return _wrap(x << turn) | (x >> (32 - turn))
