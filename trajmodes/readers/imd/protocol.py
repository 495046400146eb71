"""The bytes of the IMD protocol, version 3: the beginning of a session, and its frames.

A packet is a header of two numbers of four bytes in network byte order, its type and a length,
and a body. A session begins with a handshake, whose length is the version in the byte order of
the simulation, and seven flags, which say what a frame contains. All frames are then alike:
time, energies, box, positions, velocities and forces, in this order, those whose flag is set.
Numbers of a body are in the byte order of the simulation, positions, velocities and forces in
single precision. Source: https://imdclient.readthedocs.io, LAMMPS src/MISC/fix_imd.cpp.
"""

import struct
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError

HEADER_SIZE = 8
VERSION = 3
VECTORS = ("positions", "velocities", "forces")
"""Packets with three numbers for each atom."""
_HEADER = struct.Struct(">ii")
_N_FLAGS = 7
START_SIZE = 2 * HEADER_SIZE + _N_FLAGS
"""Bytes of the beginning of a session."""
_MOST_ATOMS = 50_000_000
"""More than any simulation sends in one frame: a larger number is damaged."""


class Packet(IntEnum):
    """Types of packets."""

    DISCONNECT = 0
    ENERGIES = 1
    POSITIONS = 2
    GO = 3
    HANDSHAKE = 4
    KILL = 5
    PAUSE = 7
    SESSION = 10
    RESUME = 11
    TIME = 12
    BOX = 13
    VELOCITIES = 14
    FORCES = 15


def header(packet: Packet, length: int = 0) -> bytes:
    """Header of a packet; packets from a client have no body."""
    return _HEADER.pack(packet, length)


@dataclass(frozen=True, slots=True)
class Session:
    """Contents of the frames of a session, in the order of the flags."""

    time: bool = True
    energies: bool = False
    box: bool = True
    positions: bool = True
    wrapped: bool = True
    """Whether positions are wrapped into the box."""
    velocities: bool = True
    forces: bool = True
    byte_order: str = "<"
    """That of the simulation: < or >."""

    def start(self) -> bytes:
        """Bytes at the beginning of a session of this kind."""
        version = struct.pack(f"{self.byte_order}i", VERSION)
        flags = [getattr(self, one.name) for one in fields(self)[:_N_FLAGS]]
        return (
            header(Packet.HANDSHAKE)[:4] + version + header(Packet.SESSION, _N_FLAGS)
        ) + bytes(flags)


def session_of(start: bytes) -> Session:
    """Read the beginning of a session.

    Raises
    ------
    DataError
        If the session is not of version 3.
    """
    if len(start) < START_SIZE:
        raise DataError(f"the session begins with {len(start)} of {START_SIZE} bytes")
    handshake, _ = _HEADER.unpack(start[:HEADER_SIZE])
    versions = {
        order: struct.unpack(f"{order}i", start[4:HEADER_SIZE])[0] for order in ("<", ">")
    }
    byte_order = min(versions, key=lambda order: abs(versions[order]))
    if handshake != Packet.HANDSHAKE:
        raise DataError(
            f"the first bytes are {start[:HEADER_SIZE]!r}, not a handshake of IMD",
            why="another program uses this port, or the file is no recording",
        )
    if versions[byte_order] != VERSION:
        raise DataError(
            f"this is version {versions[byte_order]} of IMD, and version {VERSION} is needed",
            why="version 2 sends positions alone",
            fix="fix ID all imd PORT version 3 (LAMMPS of February 2025 or later)",
        )
    flags = start[2 * HEADER_SIZE :]
    if start[HEADER_SIZE : 2 * HEADER_SIZE] != header(Packet.SESSION, _N_FLAGS):
        raise DataError(
            "no description of the session follows the handshake",
            why="the simulation does not keep to the protocol, or bytes were lost",
        )
    if len(flags) != _N_FLAGS or max(flags) > 1:
        raise DataError(f"the session is described by {flags!r}, not by seven flags")
    names = [one.name for one in fields(Session)[:_N_FLAGS]]
    given = dict(zip(names, map(bool, flags), strict=True))
    session = Session(**given, byte_order=byte_order)
    if not any(getattr(session, name) for name in VECTORS):
        raise DataError(
            f"the frames have no {', no '.join(VECTORS)}",
            fix="leave out “coordinates off” in fix imd",
        )
    return session


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The bytes of a frame of a session, and of its headers."""

    n_atoms: int
    kind: np.dtype[Any]
    """A frame; each packet is a header ``NAME_header`` and a body ``NAME``."""
    headers: dict[str, tuple[int, int]]
    """Each header, as it must be."""

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return self.kind.itemsize

    def view(self, data: Any) -> npt.NDArray[Any]:
        """View the whole frames (t,) in bytes."""
        return np.frombuffer(data, dtype=self.kind, count=len(data) // self.size)

    def n_sound(self, frames: npt.NDArray[Any]) -> int:
        """Count the frames before the first one that has a wrong header."""
        right = np.ones(len(frames), dtype=bool)
        for name, expected in self.headers.items():
            right &= (frames[name] == expected).all(axis=1)
        return len(frames) if right.all() else int(right.argmin())

    def require_sound(self, part: memoryview, where: str) -> None:
        """Raise a `DataError` if a header in the first bytes of a frame is wrong."""
        for name, expected in self.headers.items():
            place: int = self.kind.fields[name][1]  # type: ignore[index]
            if len(part) < place + HEADER_SIZE:
                return
            found = _HEADER.unpack_from(part, place)
            if found != expected:
                raise self._wrong(name, found, where)

    def damage(self, frame: Any, where: str) -> DataError:
        """Describe the first wrong header of a frame."""
        name = next(name for name, one in self.headers.items() if (frame[name] != one).any())
        return self._wrong(name, tuple(frame[name].tolist()), where)

    def _wrong(self, name: str, found: tuple[int, ...], where: str) -> DataError:
        return DataError(
            f"a packet of {name.removesuffix('_header')} has the header {found}, which should "
            f"be {self.headers[name]}",
            where=where,
            why="bytes were lost or damaged, or the number of atoms has changed",
        )


def _packets(session: Session, n_atoms: int) -> list[tuple[str, Packet, int, Any]]:
    """Name, type, length and body of the packets of a frame."""
    order = session.byte_order
    time = [("step_length", f"{order}f8"), ("time", f"{order}f8"), ("step", f"{order}i8")]
    vectors = (f"{order}f4", (n_atoms, 3))
    every = [
        ("time", Packet.TIME, 1, np.dtype(time)),
        ("energies", Packet.ENERGIES, 1, (f"{order}f4", (10,))),
        ("box", Packet.BOX, 1, (f"{order}f4", (3, 3))),
        ("positions", Packet.POSITIONS, n_atoms, vectors),
        ("velocities", Packet.VELOCITIES, n_atoms, vectors),
        ("forces", Packet.FORCES, n_atoms, vectors),
    ]
    return [one for one in every if getattr(session, one[0])]


def layout(session: Session, n_atoms: int) -> Layout:
    """Layout of the frames of a session with a number of atoms."""
    columns: list[Any] = []
    headers = {}
    for name, packet, length, body in _packets(session, n_atoms):
        columns.append((f"{name}_header", ">i4", (2,)))
        columns.append((name, *body) if isinstance(body, tuple) else (name, body))
        headers[f"{name}_header"] = (int(packet), length)
    return Layout(n_atoms, np.dtype(columns), headers)


def head_size(session: Session) -> int:
    """Bytes of a frame up to the end of the header of its first vectors."""
    return layout(session, 1).kind.fields[_first_vectors(session)][1]  # type: ignore[index]


def n_atoms_of(head: bytes, session: Session) -> int:
    """Read the number of atoms from the first `head_size` bytes of a frame.

    Raises
    ------
    DataError
        If there is no header of vectors, or its number of atoms is impossible.
    """
    if len(head) < HEADER_SIZE:
        raise DataError("there is no frame", why="the simulation sent none")
    packet, n_atoms = _HEADER.unpack(head[-HEADER_SIZE:])
    name = _first_vectors(session)
    if packet != Packet[name.upper()] or not 0 < n_atoms <= _MOST_ATOMS:
        raise DataError(
            f"a packet of type {packet} and length {n_atoms} is where {name} of atoms are "
            "expected",
            where="frame 0",
            why="bytes were lost or damaged, or the simulation does not keep to the protocol",
        )
    return int(n_atoms)


def _first_vectors(session: Session) -> str:
    return next(name for name in VECTORS if getattr(session, name))
