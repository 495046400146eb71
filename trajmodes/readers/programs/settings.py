"""Advice on the settings by which each program writes data that are missing in a run."""

from typing import Literal, NamedTuple

Missing = Literal["forces", "velocities", "frames"]


class _Settings(NamedTuple):
    """Settings by which a program writes forces, velocities, and frames at short intervals."""

    forces: str
    velocities: str
    frames: str


_ATTACH = "attach Trajectory('run.traj', 'w', atoms) to the dynamics of ASE"
_IPI = "let i-PI write positions, velocities and forces, three <trajectory> with one stride"
_GPUMD = "let GPUMD write all: dump_exyz INTERVAL 1 1"
_SETTINGS = {
    "VASP": _Settings(
        "vasprun.xml of the same run has forces, XDATCAR has none",
        "vaspout.h5 has velocities if VELOCITY = .TRUE. (VASP 6.4 and later); vasprun.xml and "
        "XDATCAR have none",
        "VASP: NBLOCK = 1, and ML_OUTBLOCK = 1 in machine-learned runs",
    ),
    "CP2K": _Settings(
        "let CP2K print &FORCES in &MOTION &PRINT with the EACH of &TRAJECTORY",
        "let CP2K print &VELOCITIES in &MOTION &PRINT with the EACH of &TRAJECTORY",
        "CP2K: a smaller EACH in &MOTION &PRINT",
    ),
    "Quantum ESPRESSO": _Settings(
        "cp.x writes NAME.for if tprnfor = .true.",
        "cp.x writes NAME.vel beside NAME.pos",
        "cp.x: a smaller iprint",
    ),
    "CASTEP": _Settings(
        "NAME.md of CASTEP has forces in its lines <-- F",
        "NAME.md of CASTEP has velocities in its lines <-- V",
        "CASTEP: a smaller MD_SAMPLE_ITER",
    ),
    "i-PI": _Settings(_IPI, _IPI, "i-PI: a smaller stride of every <trajectory>"),
    "ase": _Settings(
        f"{_ATTACH}; it keeps the forces of the calculator", _ATTACH, "ASE: a smaller interval"
    ),
    "gpumd": _Settings(_GPUMD, _GPUMD, "GPUMD: a smaller interval of dump_exyz"),
}
"""Name of the units of a file → settings of its program."""


def how_to_write(program: str, missing: Missing, at_most_fs: float | None = None) -> str:
    """State how a program writes missing data; ``at_most_fs`` is the interval of frames."""
    every = "" if at_most_fs is None else f" of frames at most {at_most_fs:.3g} fs apart"
    known = _SETTINGS.get(program)
    if known is None:
        return f"write positions, velocities and forces{every}, for example as extended XYZ"
    return f"{getattr(known, missing)}{every and f'; write positions{every}'}"
