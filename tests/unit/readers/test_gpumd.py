"""Files of GPUMD: the frames are those of the text that LAMMPS wrote of the same run."""

from pathlib import Path

import numpy as np
import pytest

from program_files.gpumd import Run, dump_xyz, movie_nc, standard_axes
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory

DATA = Path(__file__).parents[2] / "data/lammps"
BOXES = {"right angles": "o_all", "oblique": "t_restricted", "oblique, turned": "t_general"}
ALL = ("mass", "velocity", "force", "potential", "unwrapped_position", "virial")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run_of(box):
    """Frames of a dump of LAMMPS; no two numbers agree."""
    text = open_trajectory(DATA / f"{BOXES[box]}.lammpstrj", ReadOptions(units="metal"))
    block = text.read(0, text.n_frames)
    forces = block.forces + 0.1 * np.sin(np.arange(block.forces.size)).reshape(
        block.forces.shape
    )
    times = 0.002 * text.steps
    return Run(times, block.cells[0], block.positions, block.velocities, forces)


def assert_same(path, run, axes, *, unwrapped, rounding):
    """Vectors are those of the run in some axes, to the rounding of positions."""
    found = open_trajectory(path)
    block = found.read(0, found.n_frames)
    np.testing.assert_allclose(found.times_ps, run.times, atol=1e-12)
    np.testing.assert_allclose(block.cells, [run.cell @ axes.T] * len(run.times), atol=1e-7)
    positions = run.positions if unwrapped else run.wrapped()
    assert found.unwrapped == block.unwrapped == unwrapped
    np.testing.assert_allclose(block.positions, positions @ axes.T, rtol=0, atol=rounding)
    np.testing.assert_allclose(
        block.velocities, run.velocities @ axes.T, rtol=0, atol=max(1e3 * 0.6e-8, rounding)
    )
    if block.forces is not None:
        np.testing.assert_allclose(block.forces, run.forces @ axes.T, rtol=0, atol=rounding)
    return found


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize(
    ("real", "deflate", "rounding"), [("f4", None, 2e-6), ("f8", None, 1e-12), ("f8", 1, 1e-12)]
)
def test_netcdf_is_the_text_of_the_run(tmp_path, box, real, deflate, rounding):
    """In the orientation of the file; velocities in Å/ps, forces in kcal/mol/Å."""
    run = run_of(box)
    axes = standard_axes(run.cell)
    for quantities in (("velocity", "force"), ALL):
        path = movie_nc(tmp_path / "a.nc", run, quantities, real=real, deflate=deflate)
        unwrapped = "unwrapped_position" in quantities
        found = assert_same(path, run, axes, unwrapped=unwrapped, rounding=rounding)
        assert found.has_forces
        np.testing.assert_array_equal(found.types, 0)


@pytest.mark.parametrize("box", BOXES)
def test_extended_xyz_is_the_text_of_the_run(tmp_path, box):
    """In the orientation of the run; velocities in Å/fs, times in fs, eight decimals."""
    run = run_of(box)
    for quantities in (("velocity", "force"), ALL):
        path = dump_xyz(tmp_path / "dump.xyz", run, quantities)
        unwrapped = "unwrapped_position" in quantities
        found = assert_same(path, run, np.eye(3), unwrapped=unwrapped, rounding=0.6e-8)
        assert found.unit_style == "gpumd"
        assert set(found.species) == {"Ar"}


def test_netcdf_of_older_versions_is_read_unless_the_box_is_turned(tmp_path):
    """They did not turn vectors into the orientation of lengths and angles."""
    path = tmp_path / "movie.nc"
    for box in ("right angles", "oblique"):
        run = run_of(box)
        movie_nc(path, run, ("velocity",), real="f8", since_5_7=False)
        assert_same(path, run, np.eye(3), unwrapped=False, rounding=1e-12)
    movie_nc(path, run_of("oblique, turned"), ("velocity",), real="f8", since_5_7=False)
    with pytest.raises(DataError, match="outside the box") as error:
        open_trajectory(path)
    assert "dump_exyz" in error.value.fix


def test_a_box_that_is_not_periodic_is_asked_for(tmp_path):
    """The length of that direction is zero."""
    run = run_of("right angles")
    path = movie_nc(tmp_path / "a.nc", run, ("velocity",), periodic=(1, 1, 0))
    with pytest.raises(UsageError, match="box"):
        open_trajectory(path)
    found = open_trajectory(path, ReadOptions(box=tuple(run.cell.ravel())))
    np.testing.assert_allclose(found.read(0, 1).cells[0], run.cell)
