"""What makes each program write positions, velocities and forces of a run, for advice."""

_SETTINGS = {
    "VASP": "with VASP 6.4 and later VELOCITY = .TRUE. writes velocities to vaspout.h5, which "
    "has positions and forces too; vasprun.xml of the same run has forces, XDATCAR has "
    "positions only",
    "CP2K": "let CP2K print &TRAJECTORY, &VELOCITIES and &FORCES in &MOTION &PRINT, all with "
    "one EACH",
    "Quantum ESPRESSO": "let cp.x write NAME.pos, NAME.vel and NAME.for (tprnfor = .true.), "
    "at the interval iprint",
    "CASTEP": "NAME.md of CASTEP has all of them, at the interval MD_SAMPLE_ITER",
    "i-PI": "let i-PI write three files <trajectory> with one stride: positions, velocities, "
    "forces",
    "ase": "write the Atoms with their calculator during the run: "
    "Trajectory('run.traj', 'w', atoms), attached to the dynamics",
    "gpumd": "let GPUMD write them: dump_exyz INTERVAL 1 1",
}
"""Name of the units of a file → what its program needs."""


def how_to_write(program: str, every: str = "") -> str:
    """Say how to write a run with a program, with the interval ``every`` if it is given."""
    known = _SETTINGS.get(program)
    if known is None:
        return f"write positions, velocities and forces{every}, for example as extended XYZ"
    return f"{known}; write them{every.removeprefix(' of')}" if every else known
