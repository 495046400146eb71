"""Formats read by ASE and MDAnalysis: units, cells and refusals."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import ase.units
import h5py
import MDAnalysis
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import Trajectory as AseTrajectory
from ase.io import write

from trajmodes.config.groups import ReadOptions
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.foreign import open_foreign
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.xyz.open import open_xyz
from trajmodes.units import DALTON

PLAIN = ReadOptions()
N_FRAMES, N_ATOMS = 4, 12
KJ_PER_MOL = ase.units.kJ / ase.units.mol


def whole(found: Trajectory) -> FrameBlock:
    return found.read(0, found.n_frames)


@pytest.fixture
def images() -> list[Atoms]:
    rng = np.random.default_rng(3)
    made = []
    for _ in range(N_FRAMES):
        cell = [[8, 0.1, 0], [2, 9, 0.2], [1, 0, 10]] + 0.1 * rng.normal(size=(3, 3))
        atoms = Atoms(
            f"Si{N_ATOMS}", positions=rng.random((N_ATOMS, 3)) * 8, cell=cell, pbc=True
        )
        atoms.set_momenta(rng.normal(size=(N_ATOMS, 3)))
        forces = rng.normal(size=(N_ATOMS, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces)
        made.append(atoms)
    return made


def test_ase_traj(tmp_path: Path, images: list[Atoms]) -> None:
    with AseTrajectory(tmp_path / "a.traj", "w") as file:
        for image in images:
            file.write(image)
    found = open_foreign([tmp_path / "a.traj"], ReadOptions(timestep_fs=2.0))
    block = whole(found)
    assert found.species == ("Si",) * N_ATOMS
    assert found.interval_ps == pytest.approx(0.002)
    np.testing.assert_allclose(found.masses, 28.085 * DALTON, rtol=1e-6)
    for t, image in enumerate(images):
        np.testing.assert_array_equal(block.positions[t], image.positions)
        np.testing.assert_array_equal(block.cells[t], image.cell.array)
        np.testing.assert_array_equal(block.forces[t], image.get_forces())
        np.testing.assert_allclose(
            block.velocities[t], image.get_velocities() * (1000 * ase.units.fs), rtol=1e-6
        )
    part = pickle.loads(pickle.dumps(found)).read(1, 3)
    assert part.first_frame == 1
    np.testing.assert_array_equal(part.positions, block.positions[1:3])


def test_several_files_follow_each_other(tmp_path: Path, images: list[Atoms]) -> None:
    for name, part in (("a", images[:1]), ("b", images[1:])):
        with AseTrajectory(tmp_path / f"{name}.traj", "w") as file:
            for image in part:
                file.write(image)
    found = open_foreign([tmp_path / "a.traj", tmp_path / "b.traj"], PLAIN)
    truth = np.array([image.positions for image in images])
    np.testing.assert_array_equal(found.read(0, 4).positions, truth)
    np.testing.assert_array_equal(found.read(1, 3).positions, truth[1:3])
    assert found.segments == ((0, 1), (1, 4))
    assert found.times_ps is None


@pytest.fixture
def universe() -> Any:
    made = MDAnalysis.Universe.empty(N_ATOMS, trajectory=True, velocities=True, forces=True)
    made.trajectory.ts.dimensions = [8, 9, 10, 80, 75, 85]
    return made


def written(universe: Any, path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Write frames with MDAnalysis; return their fields in its units (Å, ps, kJ/(mol Å))."""
    rng = np.random.default_rng(4)
    made = {name: rng.normal(size=(N_FRAMES, N_ATOMS, 3)) * 5 for name in ("x", "v", "f")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = {"velocities": True, "forces": True} if path.suffix == ".ncdf" else {}
        with MDAnalysis.Writer(str(path), N_ATOMS, **more) as file:
            for t in range(N_FRAMES):
                now = universe.trajectory.ts
                now.positions, now.velocities, now.forces = (made[k][t] for k in "xvf")
                now.time, now.frame, now.data["step"] = 0.5 * t, t, 10 * t
                file.write(universe.atoms)
    return made


@pytest.mark.parametrize(
    ("name", "coarse", "moving"),
    [
        ("a.xtc", 6e-3, False),
        ("a.trr", 3e-6, True),
        ("a.dcd", 3e-6, False),
        ("a.ncdf", 3e-6, True),
    ],
)
def test_formats_of_mdanalysis(
    tmp_path: Path,
    universe: Any,
    name: str,
    coarse: float,
    moving: bool,  # noqa: FBT001
) -> None:
    made = written(universe, tmp_path / name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="MDAnalysis")
        found = open_foreign([tmp_path / name], PLAIN)
        block = whole(found)
        part = found.read(2, 4)
    np.testing.assert_allclose(block.positions, made["x"], atol=coarse)
    np.testing.assert_array_equal(part.positions, block.positions[2:])
    truth = MDAnalysis.lib.mdamath.triclinic_vectors([8, 9, 10, 80, 75, 85])
    np.testing.assert_allclose(block.cells, [truth] * N_FRAMES, atol=1e-5)
    assert (found.has_velocities, found.has_forces) == (moving, moving)
    if moving:
        np.testing.assert_allclose(block.velocities, made["v"], atol=3e-6)
        np.testing.assert_allclose(block.forces, made["f"] * KJ_PER_MOL, atol=3e-6)
    if name != "a.dcd":
        assert found.interval_ps == pytest.approx(0.5)
    # No file may be left beside the user's file.
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_dcd_needs_the_time_step(tmp_path: Path, universe: Any) -> None:
    written(universe, tmp_path / "a.dcd")
    assert open_foreign([tmp_path / "a.dcd"], PLAIN).times_ps is None
    found = open_foreign([tmp_path / "a.dcd"], ReadOptions(timestep_fs=2.0))
    assert found.interval_ps == pytest.approx(0.002)


def h5md(path: Path, units: dict[str, str]) -> dict[str, np.ndarray[Any, Any]]:
    """A file whose box is rotated against its axes."""
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    made = {
        "position": rng.normal(size=(N_FRAMES, N_ATOMS, 3)),
        "velocity": rng.normal(size=(N_FRAMES, N_ATOMS, 3)),
        "edges": np.array([np.array([[8.0, 0, 0], [1, 9, 0], [2, 0, 10]]) @ turn] * N_FRAMES),
    }
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/trajectory")
        group.create_group("box").attrs["dimension"] = 3
        for name in ("position", "velocity", "box/edges"):
            here = group.create_group(name)
            here["step"] = 10 * np.arange(N_FRAMES)
            here["time"] = 20.0 * np.arange(N_FRAMES)
            here["value"] = made[name.split("/")[-1]]
            if units:
                here["time"].attrs["unit"] = "fs"
                here["value"].attrs["unit"] = units.get(name, "Angstrom")
    return made


def test_h5md_keeps_the_orientation_of_its_box(tmp_path: Path) -> None:
    units = {"position": "nm", "velocity": "nm ps-1", "box/edges": "nm"}
    made = h5md(tmp_path / "a.h5md", units)
    found = open_foreign([tmp_path / "a.h5md"], PLAIN)
    block = whole(found)
    np.testing.assert_allclose(block.positions, made["position"] * 10, rtol=1e-6)
    np.testing.assert_allclose(block.velocities, made["velocity"] * 10, rtol=1e-6)
    np.testing.assert_allclose(block.cells, made["edges"] * 10, rtol=1e-6)
    np.testing.assert_array_equal(found.steps, 10 * np.arange(N_FRAMES))
    assert found.interval_ps == pytest.approx(0.02)


def test_a_missing_cell_is_required(tmp_path: Path, images: list[Atoms]) -> None:
    with AseTrajectory(tmp_path / "a.traj", "w") as file:
        for image in images:
            image.cell[:] = 0.0
            file.write(image)
    with pytest.raises(UsageError, match=r"frame has no periodic cell .*a\.traj, frame 0"):
        open_foreign([tmp_path / "a.traj"], PLAIN)
    found = open_foreign([tmp_path / "a.traj"], PLAIN, cell=np.eye(3) * 7)
    np.testing.assert_array_equal(whole(found).cells, [np.eye(3) * 7] * N_FRAMES)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda a: a.positions.__setitem__((2, 1), np.nan),
            "positions of atom 2 are not finite",
        ),
        (lambda a: a.numbers.__setitem__(0, 6), "order or kind of the atoms"),
        (lambda a: a.pop(), "has 11 atoms, but the first one has 12"),
        (lambda a: setattr(a, "calc", None), "not every frame has forces"),
    ],
)
def test_invalid_frames_are_reported(
    tmp_path: Path, images: list[Atoms], spoil: Any, message: str
) -> None:
    spoil(images[2])
    if images[2].calc is not None:
        images[2].calc.atoms = images[2].copy()  # otherwise ASE drops the forces as outdated
    with AseTrajectory(tmp_path / "a.traj", "w") as file:
        for image in images:
            file.write(image)
    with pytest.raises(DataError, match=rf"{message}.*a.traj, frame 2"):
        open_foreign([tmp_path / "a.traj"], PLAIN)


@pytest.mark.parametrize("name", ["a.xtc", "a.trr", "a.dcd", "a.ncdf"])
def test_truncated_files_are_refused_or_shorter(
    tmp_path: Path, universe: Any, name: str
) -> None:
    made = written(universe, tmp_path / name)
    path = tmp_path / name
    content = path.read_bytes()
    for keep in (0.99, 0.6, 0.1):
        path.write_bytes(content[: int(keep * len(content))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = open_foreign([path], PLAIN)
            except DataError:
                continue
        n = found.n_frames
        assert n < N_FRAMES
        np.testing.assert_allclose(whole(found).positions, made["x"][:n], atol=6e-3)


def test_times_that_are_not_used_are_noted(tmp_path: Path, universe: Any) -> None:
    """The second file counts its time and its steps from zero again."""
    names = [tmp_path / "a.trr", tmp_path / "b.trr"]
    for name in names:
        written(universe, name)
    alone, both = (open_foreign(files, PLAIN) for files in (names[:1], names))
    assert "are not used" not in " ".join(map(str, alone.notes))
    for kind in ("steps", "times"):
        assert f"the {kind} in the files are not used: they do not increase" in map(
            str, both.notes
        )


def test_xyz_read_by_ase_is_the_same(tmp_path: Path, images: list[Atoms]) -> None:
    write(tmp_path / "a.xyz", images, format="extxyz")
    theirs = whole(open_foreign([tmp_path / "a.xyz"], PLAIN))
    ours = open_xyz([tmp_path / "a.xyz"], PLAIN).read(0, N_FRAMES)
    for name in ("positions", "velocities", "forces", "cells"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-6)


def test_unknown_formats_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.weird"
    path.write_text("nothing that anybody knows\n")
    with pytest.raises(
        DataError,
        match="cannot be read as a trajectory; it begins with “nothing that anybody knows”",
    ):
        open_foreign([path], PLAIN)
    with pytest.raises(UsageError, match="No such file"):
        open_foreign([tmp_path / "none.traj"], PLAIN)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        open_foreign([path], PLAIN)
