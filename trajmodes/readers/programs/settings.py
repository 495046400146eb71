"""Advice on the settings by which each program writes data that are missing in a run."""

from typing import Literal, NamedTuple

Missing = Literal["forces", "velocities", "frames", "positions"]


class _Settings(NamedTuple):
    """Settings by which a program writes each quantity, and frames at short intervals."""

    forces: str
    velocities: str
    frames: str
    positions: str
    """In a run of velocities; positions alone are not enough for a fit."""


_ATTACH = "attach Trajectory('run.traj', 'w', atoms) to the dynamics of ASE"
_IPI = "let i-PI write positions, velocities and forces, three <trajectory> with one stride"
_GPUMD = "let GPUMD write all: dump_exyz INTERVAL 1 1"
_SETTINGS = {
    "VASP": _Settings(
        "vasprun.xml of the same run has forces, XDATCAR has none",
        "vaspout.h5 has velocities if VELOCITY = .TRUE. (VASP 6.4 and later); vasprun.xml and "
        "XDATCAR have none",
        "VASP: NBLOCK = 1, and ML_OUTBLOCK = 1 in machine-learned runs",
        "vaspout.h5 and vasprun.xml of the same run have positions and forces",
    ),
    "CP2K": _Settings(
        "let CP2K print &FORCES in &MOTION &PRINT with the EACH of &TRAJECTORY",
        "let CP2K print &VELOCITIES in &MOTION &PRINT with the EACH of &TRAJECTORY",
        "CP2K: a smaller EACH in &MOTION &PRINT",
        "let CP2K print &TRAJECTORY and &FORCES in &MOTION &PRINT with the EACH of &VELOCITIES",
    ),
    "Quantum ESPRESSO": _Settings(
        "cp.x writes NAME.for if tprnfor = .true.",
        "cp.x writes NAME.vel beside NAME.pos",
        "cp.x: a smaller iprint",
        "cp.x writes NAME.pos beside NAME.vel, and NAME.for if tprnfor = .true.",
    ),
    "CASTEP": _Settings(
        "NAME.md of CASTEP has forces in its lines <-- F",
        "NAME.md of CASTEP has velocities in its lines <-- V",
        "CASTEP: a smaller MD_SAMPLE_ITER",
        "NAME.md of CASTEP has positions in its lines <-- R",
    ),
    "i-PI": _Settings(_IPI, _IPI, "i-PI: a smaller stride of every <trajectory>", _IPI),
    "ase": _Settings(
        f"{_ATTACH}; it keeps the forces of the calculator",
        _ATTACH,
        "ASE: a smaller interval",
        f"{_ATTACH}; it keeps positions and forces",
    ),
    "gpumd": _Settings(_GPUMD, _GPUMD, "GPUMD: a smaller interval of dump_exyz", _GPUMD),
}
"""Name of the units of a file → settings of its program."""


def how_to_write(program: str, missing: Missing, at_most_fs: float | None = None) -> str:
    """State how a program writes missing data; ``at_most_fs`` is the interval of frames."""
    every = "" if at_most_fs is None else f" of frames at most {at_most_fs:.3g} fs apart"
    known = _SETTINGS.get(program)
    if known is None:
        return f"write positions, velocities and forces{every}, for example as extended XYZ"
    return f"{getattr(known, missing)}{every and f'; write positions{every}'}"
