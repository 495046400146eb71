"""Runs without positions: what they are enough for, and how their program writes positions."""

from trajmodes.errors import DataError
from trajmodes.readers.lammps.dump import dump_lines
from trajmodes.readers.programs.settings import how_to_write
from trajmodes.readers.trajectory import Needs, Trajectory
from trajmodes.readers.units import LAMMPS_STYLES

VELOCITIES_ARE_ENOUGH = (
    "velocities are enough for trajmodes project with the force constants of another run, and "
    "for trajmodes sed"
)


def lines_with_positions(trajectory: Trajectory, species: tuple[str, ...] = ()) -> str:
    """Say how the program of a run without positions writes them."""
    if trajectory.unit_style in LAMMPS_STYLES:
        return dump_lines(trajectory, species or trajectory.species or ("SYMBOLS",))
    return how_to_write(trajectory.unit_style, "positions")


def require_motion(trajectory: Trajectory, needs: Needs) -> Trajectory:
    """Return a run that has what is needed.

    Raises
    ------
    DataError
        If it has no positions, unless these are not needed or velocities take their place.
    """
    alone = trajectory.has_velocities
    if trajectory.has_positions or needs == "anything" or (needs == "motion" and alone):
        return trajectory
    fix = lines_with_positions(trajectory)
    raise DataError(
        "the run has no positions",
        where=trajectory.file_names,
        why=f"the fields of its frames are: {', '.join(_fields(trajectory)) or 'none'}",
        fix=f"{fix}\n{VELOCITIES_ARE_ENOUGH}: give a structure of the same atoms, --cell FILE"
        if alone
        else fix,
    )


def _fields(trajectory: Trajectory) -> list[str]:
    has = {"velocities": trajectory.has_velocities, "forces": trajectory.has_forces}
    return [name for name, there in has.items() if there]
