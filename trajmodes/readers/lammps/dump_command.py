"""The LAMMPS commands that write a dump with everything that an analysis needs."""

from trajmodes.readers.trajectory import Trajectory


def dump_lines(
    trajectory: Trajectory, species: tuple[str, ...], *, stride: int | None = None
) -> str:
    """``dump`` and ``dump_modify`` lines for a later run of the same system.

    Parameters
    ----------
    trajectory
        The run as it is.
    species
        Elements of the crystal, named to LAMMPS in the order of types where one is known.
    stride
        Steps between frames; as they are where it is not given.
    """
    steps = trajectory.steps
    every = stride or (int(steps[1] - steps[0]) if len(steps) > 1 else 1)
    names = " ".join(_by_type(trajectory, species))
    return (
        f"dump d all custom {every} run.lammpstrj id type element xu yu zu vx vy vz fx fy fz\n"
        f"dump_modify d sort id format float %.10g units yes time yes element {names}"
    )


def _by_type(trajectory: Trajectory, species: tuple[str, ...]) -> list[str]:
    if trajectory.types is None or trajectory.species is None:
        return list(dict.fromkeys(species))
    named = dict(zip(trajectory.types.tolist(), trajectory.species, strict=True))
    return [named.get(kind, "X") for kind in range(1, max(named) + 1)]
