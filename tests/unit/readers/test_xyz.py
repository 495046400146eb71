"""XYZ trajectories of all programs against ASE, LAMMPS dumps and the written numbers."""

import bz2
import gzip
import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.config.groups import ReadOptions
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.lammps.open import open_lammps_dump
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.xyz.open import open_xyz
from trajmodes.units import DALTON

DATA = Path(__file__).parents[2] / "data"
PLAIN = ReadOptions()


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def whole(trajectory: Trajectory) -> FrameBlock:
    return trajectory.read(0, trajectory.n_frames)


def frame(rows: list[str], comment: str) -> str:
    return "\n".join([str(len(rows)), comment, *rows, ""])


def saved(path: Path, *frames: str) -> list[Path]:
    path.write_text("".join(frames), encoding="utf-8")
    return [path]


BOX = 'Lattice="4 0 0 0 5 0 0 0 6"'
TWO = ["Si 0 0 0 1 2 3", "C 1.5 1 1 4 5 6"]


@pytest.mark.parametrize(
    ("ours", "dump"), [("o.extxyz", "o_all.lammpstrj"), ("t.extxyz", "t_restricted.lammpstrj")]
)
def test_lammps_extxyz_equals_the_dump_of_the_same_run(ours: str, dump: str) -> None:
    found = open_xyz([DATA / ours], PLAIN)
    truth = open_lammps_dump([DATA / "lammps" / dump], PLAIN)
    block, other = whole(found), whole(truth)
    assert (found.n_frames, found.n_atoms, found.unit_style) == (
        truth.n_frames,
        truth.n_atoms,
        "metal",
    )
    np.testing.assert_array_equal(block.steps, other.steps)
    np.testing.assert_allclose(found.times_ps, truth.times_ps, atol=1e-9)
    assert found.interval_ps == pytest.approx(0.02, rel=1e-9)
    np.testing.assert_allclose(block.cells, other.cells, rtol=5e-6, atol=0)
    # The dump is unwrapped and this format is not: equal up to box vectors.
    shift = (other.positions - block.positions) @ np.linalg.inv(other.cells)
    apart = (shift - np.rint(shift)) @ other.cells
    np.testing.assert_allclose(apart, 0.0, atol=6e-5)
    np.testing.assert_allclose(block.velocities, other.velocities, rtol=6e-6, atol=1e-12)
    np.testing.assert_allclose(block.forces, other.forces, rtol=6e-6, atol=1e-12)
    assert found.species == ("Ar",) * found.n_atoms
    assert not found.unwrapped
    assert found.precision_digits == 6
    assert any("metal is used" in str(note) for note in found.notes)
    # Six digits of numbers below 10 Å; of larger ones in the tilted run.
    assert found.rounding == pytest.approx({"o.extxyz": 5e-6, "t.extxyz": 5e-5}[ours])
    assert not any("are rounded" in str(note) for note in found.notes)


def test_lammps_plain_xyz_numbers_types_and_steps() -> None:
    cell = np.eye(3) * 10.52
    found = open_xyz([DATA / "o.xyz"], ReadOptions(timestep_fs=2.0), cell=cell)
    np.testing.assert_array_equal(found.steps, [0, 10, 20, 30, 40])
    assert found.interval_ps == pytest.approx(0.02)
    assert found.species is None
    np.testing.assert_array_equal(found.types, np.ones(32))
    block, other = whole(found), whole(open_xyz([DATA / "o.extxyz"], PLAIN))
    np.testing.assert_array_equal(block.positions, other.positions)
    np.testing.assert_array_equal(block.cells, other.cells)
    assert block.velocities is None
    assert block.forces is None


def test_plain_xyz_without_a_cell_is_refused() -> None:
    with pytest.raises(UsageError, match=r"(?s)frame 0 has no cell.*fix: give the (cell|box)"):
        open_xyz([DATA / "o.xyz"], PLAIN)


def test_a_wrong_unit_style_contradicts_the_temperature() -> None:
    with pytest.raises(
        UsageError, match=r"(?s)units real, but the comment gives 60 K.*--units metal"
    ):
        open_xyz([DATA / "o.extxyz"], ReadOptions(units="real"))


def test_units_real_are_converted(tmp_path: Path) -> None:
    paths = saved(
        tmp_path / "a.xyz",
        *(
            frame(
                ["Ar 0 0 0 .1 0 0 1 0 0", "Ar 2 2 2 -.1 0 0 2 0 0"],
                f"Timestep={s} Time={s}.0 {BOX} "
                "Properties=species:S:1:pos:R:3:vel:R:3:forces:R:3",
            )
            for s in (0, 4)
        ),
    )
    found = open_xyz(paths, ReadOptions(units="real"))
    block = whole(found)
    assert block.velocities is not None
    assert block.forces is not None
    assert block.velocities[0, 0, 0] == pytest.approx(100.0)
    assert block.forces[0, 1, 0] == pytest.approx(2 * ase.units.kcal / ase.units.mol, rel=1e-6)
    assert found.interval_ps == pytest.approx(0.004)


def ase_run(seed: int, n_frames: int, masses: bool, forces: bool) -> list[Atoms]:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n_frames):
        cell = np.diag([8.0, 9.0, 10.0]) + rng.normal(size=(3, 3))
        atoms = Atoms("SiC2O", positions=rng.normal(size=(4, 3)) * 9, cell=cell, pbc=True)
        if masses:
            atoms.set_masses([30.0, 13.0, 12.0, 17.0])
        atoms.set_momenta(rng.normal(size=(4, 3)) * 10)
        if forces:
            atoms.calc = SinglePointCalculator(
                atoms, energy=-1.0, forces=rng.normal(size=(4, 3)), stress=np.zeros(6)
            )
        images.append(atoms)
    return images


infos = st.dictionaries(
    st.text("abc XYZ_'\"=[]{}", min_size=1).filter(str.strip),
    st.one_of(
        st.text("ab =\"'[]{},\t", max_size=8),
        st.integers(-9, 9),
        st.booleans(),
        st.floats(allow_nan=False),
        st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=1, max_size=3),
    ),
    max_size=4,
)


@given(seed=st.integers(0, 99), masses=st.booleans(), forces=st.booleans(), info=infos)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_files_of_ase_are_read_back(
    tmp_path_factory: Any,
    seed: int,
    masses: bool,  # noqa: FBT001
    forces: bool,  # noqa: FBT001
    info: dict[str, Any],
) -> None:
    path = tmp_path_factory.mktemp("ase") / "run.xyz"
    images = ase_run(seed, 3, masses, forces)
    # ASE does not escape equals signs and tabs in keys and values.
    clean = {
        key: value
        for key, value in info.items()
        if "=" not in key and not (isinstance(value, str) and set(value) & {"=", "\t"})
    }
    for image in images:
        image.info.update(clean)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path, images, format="extxyz")
    found = open_xyz([path], PLAIN)
    block = whole(found)
    assert found.unit_style == "ase"
    assert found.species == ("Si", "C", "C", "O")
    assert found.masses is not None
    np.testing.assert_allclose(found.masses, images[0].get_masses() * DALTON, rtol=1e-8)
    assert block.velocities is not None
    for t, image in enumerate(images):
        np.testing.assert_allclose(block.positions[t], image.positions, atol=5.1e-9)
        np.testing.assert_array_equal(block.cells[t], image.cell.array)
        per_ps = 1000 * ase.units.fs  # CODATA of different years agree to seven digits.
        np.testing.assert_allclose(
            block.velocities[t], image.get_velocities() * per_ps, rtol=1e-6, atol=1e-6
        )
        if forces:
            assert block.forces is not None
            np.testing.assert_allclose(block.forces[t], image.get_forces(), atol=5.1e-9)
    assert found.has_forces == forces


def test_kinetic_energy_of_momenta_is_that_of_ase(tmp_path: Path) -> None:
    images = ase_run(5, 2, masses=True, forces=False)
    write(tmp_path / "a.xyz", images, format="extxyz")
    found = open_xyz([tmp_path / "a.xyz"], PLAIN)
    velocities = whole(found).velocities
    assert found.masses is not None
    assert velocities is not None
    kinetic = 0.5 * np.einsum("a,tax,tax->t", found.masses, velocities, velocities)
    np.testing.assert_allclose(kinetic, [i.get_kinetic_energy() for i in images], rtol=1e-7)


def test_gpumd(tmp_path: Path) -> None:
    properties = "species:S:1:pos:R:3:mass:R:1:vel:R:3:forces:R:3:unwrapped_position:R:3"
    nine = "1 0 0 0 1 0 0 0 1"
    paths = saved(
        tmp_path / "dump.xyz",
        *(
            frame(
                [
                    "Si 0 0 0 28.0855 0.01 0 0 1 2 3 4 5 6",
                    "C 1 1 1 12.011 0 0 0.02 4 5 6 7 8 9",
                ],
                f'Time={10 * t}.00000000 pbc="T T T" {BOX} energy=-1.0 virial="{nine}" '
                f'stress="{nine}" Properties={properties}',
            )
            for t in (1, 2, 3)
        ),
    )
    found = open_xyz(paths, PLAIN)
    block = whole(found)
    assert (found.unit_style, found.unwrapped, block.unwrapped) == ("gpumd", True, True)
    np.testing.assert_allclose(found.times_ps, [0.01, 0.02, 0.03])
    assert found.interval_ps == pytest.approx(0.01)
    np.testing.assert_array_equal(found.steps, [0, 1, 2])
    np.testing.assert_array_equal(block.positions[1], [[4, 5, 6], [7, 8, 9]])
    np.testing.assert_allclose(block.velocities[2], [[10, 0, 0], [0, 0, 20]])
    np.testing.assert_array_equal(block.forces[0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(found.masses, np.array([28.0855, 12.011]) * DALTON)


def test_velocities_of_unknown_unit_require_units(tmp_path: Path) -> None:
    comment = f"{BOX} Properties=species:S:1:pos:R:3:vel:R:3"
    paths = saved(tmp_path / "a.xyz", frame(TWO, comment))
    with pytest.raises(UsageError, match="--units metal"):
        open_xyz(paths, PLAIN)
    velocities = whole(open_xyz(paths, ReadOptions(units="gpumd"))).velocities
    np.testing.assert_allclose(velocities, [[[1e3, 2e3, 3e3], [4e3, 5e3, 6e3]]])


def test_ids_sort_atoms_and_species_follow(tmp_path: Path) -> None:
    comment = f"{BOX} Properties=species:S:1:id:I:1:pos:R:3"
    paths = saved(
        tmp_path / "a.xyz",
        frame(["C 7 1 1 1", "Si 3 2 2 2"], comment),
        frame(["Si 3 4 4 4", "C 7 3 3 3"], comment),
    )
    found = open_xyz(paths, PLAIN)
    assert found.species == ("Si", "C")
    np.testing.assert_array_equal(found.ids, [3, 7])
    np.testing.assert_array_equal(whole(found).positions[:, :, 0], [[2, 1], [4, 3]])


def test_atomic_numbers_replace_species(tmp_path: Path) -> None:
    comment = f"{BOX} Properties=Z:I:1:pos:R:3"
    paths = saved(tmp_path / "a.xyz", frame(["14 1 1 1", "6 2 2 2"], comment))
    assert open_xyz(paths, PLAIN).species == ("Si", "C")


def test_masses_in_another_unit_are_noted(tmp_path: Path) -> None:
    comment = f"{BOX} Properties=species:S:1:pos:R:3:mass:R:1"
    paths = saved(tmp_path / "a.xyz", frame(["Si 1 1 1 2910.85", "Si 2 2 2 2910.85"], comment))
    assert any(
        "103.6 times that of the element" in str(n) for n in open_xyz(paths, PLAIN).notes
    )
    found = open_xyz(paths, ReadOptions(units="quip"))
    np.testing.assert_allclose(found.masses, 28.0855 * DALTON, rtol=1e-5)
    assert not any("times that of the element" in str(note) for note in found.notes)


def test_species_may_be_any_bytes(tmp_path: Path) -> None:
    text = frame(TWO, f"{BOX} Properties=species:S:1:pos:R:3:force:R:3").replace("Si", "S§")
    (tmp_path / "a.xyz").write_bytes(text.encode("latin-1") * 2)
    found = open_xyz([tmp_path / "a.xyz"], PLAIN)
    assert found.species is None
    assert whole(found).n_frames == 2


def test_blank_lines_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    straight = saved(tmp_path / "a.xyz", *(frame(TWO, f"Step={s} {BOX}") for s in (1, 2)))
    text = "\ufeff\r\n" + straight[0].read_text(encoding="utf-8")
    text = text.replace(" ", "  \t ").replace("\n", "  \r\n").replace('"  \t ', '" ')
    text = text.replace("2  \r\nStep=2", "  \r\n\r\n  2  \r\nStep=2") + "\r\n  \r\n"
    odd = tmp_path / "b.xyz"
    odd.write_bytes(text.encode())
    comment = "Properties=species:S:1:pos:R:3:spare:R:3"
    for path in (straight[0], odd):
        content = path.read_bytes().replace(b"Step=", comment.encode() + b" Step=")
        path.write_bytes(content)
    one, two = open_xyz(straight, PLAIN), open_xyz([odd], PLAIN)
    np.testing.assert_array_equal(two.steps, [1, 2])
    np.testing.assert_array_equal(whole(one).positions, whole(two).positions)
    np.testing.assert_array_equal(whole(one).cells, whole(two).cells)


def test_columns_may_be_reordered_between_frames(tmp_path: Path) -> None:
    paths = saved(
        tmp_path / "a.xyz",
        frame(
            ["Si 0 0 0 1 2 3", "C 1 1 1 4 5 6"],
            f"{BOX} Properties=species:S:1:pos:R:3:force:R:3",
        ),
        frame(
            ["1 2 3 0 0 1 Si", "4 5 6 1 1 2 C"],
            f"{BOX} Properties=force:R:3:pos:R:3:species:S:1",
        ),
        frame(
            ["1 2 3 0 0 1 Si", "4 5 6 1 1 2 C"],
            f"{BOX} Properties=force:R:3:pos:R:3:species:S:1",
        ),
        frame(
            ["Si 0 0 3 1 2 3", "C 1 1 1 4 5 6"],
            f"{BOX} Properties=species:S:1:pos:R:3:force:R:3",
        ),
    )
    block = whole(open_xyz(paths, PLAIN))
    np.testing.assert_array_equal(block.positions[:, 0, 2], [0, 1, 1, 3])
    np.testing.assert_array_equal(block.forces, [[[1, 2, 3], [4, 5, 6]]] * 4)


def test_columns_may_change_behind_the_species(tmp_path: Path) -> None:
    # The rows do not show the change; only the comments do.
    one, two = "species:S:1:pos:R:3:force:R:3", "species:S:1:force:R:3:pos:R:3"
    paths = saved(
        tmp_path / "a.xyz",
        *(
            frame(["Si 0 0 0 1 2 3", "C 1 1 1 4 5 6"], f"{BOX} Properties={p}")
            for p in (one, two, two, one, one)
        ),
    )
    found = open_xyz(paths, PLAIN)
    assert found.n_frames == 5
    np.testing.assert_array_equal(whole(found).positions[:, 0, 2], [0, 3, 3, 0, 0])
    np.testing.assert_array_equal(whole(found).forces[:, 0, 2], [3, 0, 0, 3, 3])


def test_constant_steps_are_ignored(tmp_path: Path) -> None:
    paths = saved(tmp_path / "a.xyz", *[frame(TWO[:1], f"{BOX} Timestep=1")] * 3)
    found = open_xyz(paths, ReadOptions(timestep_fs=5.0))
    np.testing.assert_array_equal(found.steps, [0, 1, 2])
    assert found.interval_ps == pytest.approx(0.005)
    assert any(
        "time step is used as the time between frames" in str(note) for note in found.notes
    )


def test_files_are_ordered_by_step_and_rewritten_steps_used_once(tmp_path: Path) -> None:
    def run(name: str, steps: list[int], x: float) -> Path:
        frames = [frame([f"Si {x + s} 0 0"], f"Timestep={s} {BOX}") for s in steps]
        return saved(tmp_path / name, *frames)[0]

    late, early = (
        run("a.xyz", [30, 40, 50, 80, 90], 0.5),
        run("b.xyz", [0, 10, 20, 30, 40], 0.0),
    )
    found = open_xyz([late, early], ReadOptions(timestep_fs=1.0))
    np.testing.assert_array_equal(found.steps, [0, 10, 20, 30, 40, 50, 80, 90])
    np.testing.assert_array_equal(
        whole(found).positions[:, 0, 0], [0, 10, 20, 30.5, 40.5, 50.5, 80.5, 90.5]
    )
    assert found.paths == (early, late)
    # A restart starts a segment, because its path may differ.
    assert found.segments == ((0, 3), (3, 6), (6, 8))
    assert found.interval_ps == pytest.approx(0.01)
    assert any("step 30 to step 40 (a restart)" in str(note) for note in found.notes)


def test_backward_steps_are_refused(tmp_path: Path) -> None:
    frames = [frame(["Si 0 0 0"], f"Timestep={s} {BOX}") for s in (0, 10, 5)]
    with pytest.raises(DataError, match=r"steps go back from 10 to 5.*\(.*a.xyz, step 5\)"):
        open_xyz(saved(tmp_path / "a.xyz", *frames), PLAIN)


def test_a_time_step_that_contradicts_the_file_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"of 1 fs is given, but the times in the file imply 2 fs"
    ):
        open_xyz([DATA / "o.extxyz"], ReadOptions(timestep_fs=1.0))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_compressed_files(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "o.extxyz.packed"
    path.write_bytes(pack((DATA / "o.extxyz").read_bytes()))
    found, truth = open_xyz([path], PLAIN), open_xyz([DATA / "o.extxyz"], PLAIN)
    np.testing.assert_array_equal(whole(found).positions, whole(truth).positions)


@given(cuts=st.lists(st.integers(0, 5), min_size=1, max_size=4))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_frames_do_not_depend_on_the_range_read(cuts: list[int]) -> None:
    found = open_xyz([DATA / "o.extxyz"], PLAIN)
    bounds = sorted({0, found.n_frames, *cuts})
    parts = [found.read(a, b) for a, b in pairwise(bounds)]
    truth = whole(found)
    for name in ("steps", "cells", "positions", "velocities", "forces"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(truth, name))


def test_reads_are_safe_in_threads_and_after_pickling() -> None:
    found = open_xyz([DATA / "o.extxyz"], PLAIN)
    truth = whole(found).positions
    copy = pickle.loads(pickle.dumps(found))
    with ThreadPoolExecutor(4) as pool:
        for block in pool.map(lambda t: copy.read(t % 5, t % 5 + 1), range(100)):
            np.testing.assert_array_equal(block.positions[0], truth[block.first_frame])


def test_ranges_outside_are_refused() -> None:
    found = open_xyz([DATA / "o.extxyz"], PLAIN)
    assert found.read(2, 2).n_frames == 0
    with pytest.raises(UsageError, match="frames 3 to 6 are requested of 5"):
        found.read(3, 6)


def test_times_of_unknown_unit_and_incomplete_steps_are_noted(tmp_path: Path) -> None:
    def noted(*comments: str, **options: Any) -> str:
        frames = [frame(["Si 0 0 0", "C 1 1 1"], f"{BOX} {text}") for text in comments]
        run = open_xyz(saved(tmp_path / "a.xyz", *frames), ReadOptions(**options))
        return " ".join(map(str, run.notes))

    assert "the time in the comment lines is not used" in noted("Time=0", "Time=1")
    assert "is not used" not in noted("Time=0", "Time=1", units="metal")
    assert "is not used" not in noted("Time=0", "Time=1", timestep_fs=1.0)
    assert "some frames have no time" in noted("Time=0", "x=1", units="metal")
    assert "1 of 3 frames have no step number" in noted("step=0", "step=1", "x=1")
    assert "no step number" not in noted("step=0", "step=1", "step=2")
    assert "no step number" not in noted("x=0", "x=1")
