"""α-quartz: a shell model and its structure."""

from pathlib import Path

from ase import Atoms

from trajmodes.data.crystal import Crystal

QUARTZ = (Path(__file__).parents[2] / "examples" / "data" / "quartz.toml").read_text("utf-8")


def quartz(values) -> Crystal:
    """α-quartz, P3_221, of a, c and the four free coordinates u, x, y, z."""
    a, c, u, x, y, z = values
    sites = [[-u, -u, 0], [u, 0, 1 / 3], [0, u, 2 / 3]]
    sites += [[x, y, z], [-y, x - y, 1 / 3 + z], [y - x, -x, 2 / 3 + z]]
    sites += [[y, x, -z], [-x, y - x, 1 / 3 - z], [x - y, -y, 2 / 3 - z]]
    cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]]
    return Crystal.from_ase(Atoms("Si3O6", scaled_positions=sites, cell=cell, pbc=True))
