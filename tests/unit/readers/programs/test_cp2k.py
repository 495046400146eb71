"""Files of CP2K: positions, velocities, forces and cells of one run."""

import numpy as np
import pytest

from program_files.cp2k import cp2k, xyz
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_runs, open_trajectory

FIELDS = ["velocities", "forces"]
RESOLUTION = 2e-6
"""Å/ps. The tenth decimal of a velocity in atomic units."""


def test_cp2k_agrees_with_the_extended_xyz_of_the_run(run, here):
    """The files beside that of the positions are read with it."""
    path = cp2k(here / "si-pos-1.xyz", run.images)
    found = open_trajectory(path)
    run.compare(found, FIELDS, atol=RESOLUTION)
    assert found.steps.tolist() == [0, 2, 4, 6, 8]
    assert found.interval_ps == pytest.approx(1e-3)
    assert [one.name for one in found.paths] == [
        "si-pos-1.xyz",
        "si-vel-1.xyz",
        "si-frc-1.xyz",
        "si-1.cell",
    ]
    assert "si-vel-1.xyz, si-frc-1.xyz, si-1.cell of the same run are read" in str(found.notes)


def test_the_files_may_all_be_named(run, here):
    cp2k(here / "si-pos-1.xyz", run.images)
    files = sorted(here.iterdir())
    run.compare(open_trajectory(files), FIELDS, atol=RESOLUTION)
    (pooled,) = open_runs(files, ReadOptions())
    run.compare(pooled, FIELDS, atol=RESOLUTION)


def test_the_box_may_be_given(run, here):
    path = cp2k(here / "si-pos-1.xyz", run.images)
    box = ReadOptions(box=(7.0, 8.0, 9.0))
    np.testing.assert_array_equal(
        open_trajectory(path, box).read(0, 1).cells[0].diagonal(), [7, 8, 9]
    )
    (here / "si-1.cell").unlink()
    assert open_trajectory(path, box).has_forces
    with pytest.raises(UsageError, match=r"frame 0 has no cell(?s:.*)--box"):
        open_trajectory(path)


def test_a_quantity_that_ends_earlier_shortens_the_run(run, here):
    path = cp2k(here / "si-pos-1.xyz", run.images)
    forces = here / "si-frc-1.xyz"
    lines = forces.read_text().splitlines(keepends=True)
    forces.write_text("".join(lines[:21]))
    found = open_trajectory(path)
    assert found.n_frames == 3
    assert "2 frames after step 4 are left out" in str(found.notes)
    forces.write_text("".join([*lines[:7], *lines[14:]]))
    with pytest.raises(DataError, match="step 2 is in the positions only"):
        open_trajectory(path)


def test_cells_written_at_other_steps_are_an_error(run, here):
    path = cp2k(here / "si-pos-1.xyz", run.images)
    cell = here / "si-1.cell"
    lines = cell.read_text().splitlines(keepends=True)
    cell.write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(DataError, match=r"cell of step 4 is missing .*si-1\.cell"):
        open_trajectory(path)


def test_velocities_without_positions_are_refused(run, here):
    alone = xyz(here / "si-vel-1.xyz", run.images, lambda a: a.positions, every=1)
    with pytest.raises(DataError, match=r"the run has no positions(.|\n)*print &TRAJECTORY"):
        open_trajectory(alone)
    found = open_trajectory(alone, needs="motion")
    assert (found.has_positions, found.has_velocities) == (False, True)
    assert np.isnan(found.read(0, 1).cells).all()
    cp2k(here / "si-pos-1.xyz", run.images)
    assert open_trajectory(alone, needs="motion").has_positions


def test_files_without_positions_are_joined_by_the_steps_of_the_velocities(run, here):
    whole = open_trajectory(cp2k(here / "si-pos-1.xyz", run.images)).read(0, 5)
    (here / "si-pos-1.xyz").unlink()
    for name in ("si-vel-1.xyz", "si-frc-1.xyz"):
        found = open_trajectory(here / name, needs="motion")
        assert found.columns == ("velocities", "forces")
        block = found.read(0, 5)
        for field in ("cells", "velocities", "forces"):
            np.testing.assert_array_equal(getattr(block, field), getattr(whole, field))
