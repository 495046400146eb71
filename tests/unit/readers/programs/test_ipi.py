"""Files of i-PI: quantities of one run in several files, with units and cell in the comment."""

import numpy as np
import pytest
from scipy import constants as codata

from program_files.ipi import CELL, ipi, ipi_run
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError
from trajmodes.formats.open import open_runs, open_trajectory
from trajmodes.readers.xyz.comment import parse_comment

N_FRAMES = 12
BOHR = codata.value("Bohr radius") / codata.angstrom
VELOCITY = codata.value("atomic unit of velocity") * codata.pico / codata.angstrom
FORCE = codata.value("Hartree energy in eV") / BOHR


@pytest.fixture
def fields():
    rng = np.random.default_rng(4)
    return {name: rng.normal(size=(N_FRAMES, 5, 3)) for name in ("pos", "vel", "for")}


@pytest.mark.parametrize("cell_unit", ["angstrom", "atomic_unit"])
@pytest.mark.parametrize("cell", ["abcABC", "H"])
def test_positions_velocities_and_forces_are_joined(tmp_path, fields, cell_unit, cell) -> None:
    files = ipi_run(tmp_path, fields, cell_unit=cell_unit, cell=cell)
    run = open_trajectory(files[::-1], ReadOptions(timestep_fs=0.5))
    assert (run.n_frames, run.has_velocities, run.has_forces) == (N_FRAMES, True, True)
    assert run.interval_ps == pytest.approx(1e-3)
    assert run.species == tuple("OHHOH")
    block = run.read(3, 9)
    for found, name, unit in (
        (block.positions, "pos", 1.0),
        (block.velocities, "vel", VELOCITY),
        (block.forces, "for", FORCE),
    ):
        assert found == pytest.approx(fields[name][3:9] * unit, rel=1e-6)
    # The axes of i-PI's cell: a along x, b in the plane xy.
    assert block.cells == pytest.approx(np.broadcast_to(CELL.array, (6, 3, 3)), abs=1e-5)
    (pooled,) = open_runs(files, ReadOptions(timestep_fs=0.5))
    assert pooled.read(3, 9).forces == pytest.approx(block.forces)


@pytest.mark.parametrize(
    "comment",
    [
        "# CELL(abcABC):   9.0 10.0 11.0 90.0 90.0 90.0  Step: 7  Bead: 0 "
        "positions{angstrom}  cell{angstrom}",
        "# CELL(abcABC): 9.0 10.0 11.0 90.0 90.0 90.0 cell{angstrom} Traj: "
        "positions{angstrom} Step: 7 Bead: 0",
        "# CELL[GENH]: 9.0 0.0 0.0 0.0 10.0 0.0 0.0 0.0 11.0 Step: 7 Bead: 0 "
        "positions{angstrom} cell{angstrom}",
    ],
)
def test_comments_of_all_versions_are_read(comment) -> None:
    values = parse_comment(comment)
    assert (values["ipi"], values["unit"], values["step"]) == ("positions", "angstrom", "7")
    cell = np.array(values["lattice"].split(), float).reshape(3, 3)
    assert cell == pytest.approx(np.diag([9.0, 10.0, 11.0]))


def test_velocities_may_be_written_more_often(tmp_path, fields) -> None:
    """Frames are joined by their steps."""
    pos = ipi(tmp_path / "p.xyz", fields["pos"][:6], "positions{atomic_unit}", every=4)
    vel = ipi(tmp_path / "v.xyz", fields["vel"], "velocities{angstrom/ps}")
    block = open_trajectory([pos, vel], ReadOptions(timestep_fs=0.5)).read(0, 6)
    assert block.positions == pytest.approx(BOHR * fields["pos"][:6], rel=1e-6)
    assert block.velocities == pytest.approx(fields["vel"][::2], rel=1e-6)
    dense = ipi(tmp_path / "d.xyz", fields["pos"], "positions{angstrom}", every=1)
    with pytest.raises(DataError, match="is in the positions only"):
        open_trajectory([dense, vel])


def test_what_does_not_belong_together_is_refused(tmp_path, fields) -> None:
    pos, vel, _ = ipi_run(tmp_path, fields)
    with pytest.raises(DataError, match="no positions"):
        open_trajectory(vel)
    other = ipi(tmp_path / "b.xyz", fields["vel"], "velocities{atomic_unit}", bead=3)
    with pytest.raises(DataError, match="beads 0, 3 of a path integral"):
        open_trajectory([pos, other])
    momenta = ipi(tmp_path / "m.xyz", fields["vel"], "momenta{atomic_unit}")
    with pytest.raises(DataError, match="this file has momenta"):
        open_trajectory([pos, momenta])
    strange = ipi(tmp_path / "s.xyz", fields["vel"], "velocities{furlong/week}")
    with pytest.raises(UnitsError, match="the velocities are in furlong/week"):
        open_trajectory([pos, strange])
