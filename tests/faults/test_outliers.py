"""One damaged number in a run is reported, or its frame left out; no intact run is refused."""

import lzma
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match
from trajmodes.matching.sample import sample_run
from trajmodes.readers.arrays import trajectory_of_arrays

ROOT = Path(__file__).parents[2]
DATA = ROOT / "examples" / "data"
DEMO = ROOT / "trajmodes" / "pipeline" / "demo_run"
SILICON = DATA / "silicon.lammpstrj.xz", DATA / "silicon.POSCAR"
COPPER = DATA / "copper.lammpstrj.xz", DATA / "copper.POSCAR"
ZIRCONIUM = DEMO / "zirconium.lammpstrj.xz", DEMO / "POSCAR"
COLUMNS = ["id", "element", "xu", "yu", "zu", "vx", "vy", "vz", "fx", "fy", "fz"]
FRAMES = 400
SAMPLED, ATOM = 0, 17
"""A frame that every sample holds, and an atom."""
HEADER = 11
"""Lines of a frame before its rows."""


def frames_of(path: Path, n_frames: int = FRAMES) -> list[str]:
    _, *frames = lzma.decompress(path.read_bytes()).decode().split("ITEM: TIME\n")
    return ["ITEM: TIME\n" + frame for frame in frames[:n_frames]]


def write(path: Path, frames: list[str]) -> Path:
    path.write_text("".join(["ITEM: UNITS\nmetal\n", *frames]), encoding="utf-8")
    return path


def damaged(frames: list[str], frame: int, column: str, change) -> list[str]:
    """Frames in which one number of the atom is replaced."""
    lines = frames[frame].splitlines()
    words = lines[HEADER + ATOM - 1].split()
    assert words[0] == str(ATOM)
    words[COLUMNS.index(column)] = change(words[COLUMNS.index(column)])
    lines[HEADER + ATOM - 1] = " ".join(words)
    return [*frames[:frame], "\n".join(lines) + "\n", *frames[frame + 1 :]]


def without_point(word: str) -> str:
    return word.replace(".", "")


def nine_for_point(word: str) -> str:
    return word.replace(".", "9")


def read_all(run) -> int:
    return sum(block.n_frames for block in run)


@pytest.fixture(scope="module")
def silicon():
    return frames_of(SILICON[0])


@pytest.mark.parametrize("frame", [SAMPLED, 201])
@pytest.mark.parametrize("column", ["vx", "vz", "fx", "fy"])
@pytest.mark.parametrize("change", [without_point, nine_for_point])
def test_a_number_without_its_point_is_reported(silicon, tmp_path, frame, column, change):
    """Frame, step, atom, file, line, component and value are those of the damage."""
    path = write(tmp_path / "run.lammpstrj", damaged(silicon, frame, column, change))
    text = path.read_text().splitlines()
    step = silicon[frame].splitlines()[3]
    with pytest.raises(DataError) as caught:
        read_all(tm.open(path, cell=SILICON[1]))
    said = re.match(
        rf"(\w+) of atom {ATOM} is (\S+) \S+, \S+ standard deviations "
        rf"\(frame {frame}, step {step}; {re.escape(str(path))}, line (\d+)\)",
        str(caught.value),
    )
    assert said is not None, caught.value
    assert said[1] == column
    row = text[int(said[3]) - 1].split()
    assert row[0] == str(ATOM)
    assert float(said[2]) == float(row[COLUMNS.index(column)])
    assert "--outliers drop" in caught.value.fix


@pytest.mark.parametrize("frame", [SAMPLED, 201])
def test_a_wrong_position_is_reported(silicon, tmp_path, frame):
    change = {"xu": lambda word: str(float(word) + 4.0)}
    path = write(tmp_path / "run.lammpstrj", damaged(silicon, frame, "xu", change["xu"]))
    with pytest.raises(
        DataError, match=rf"atom {ATOM} is \d\.\d+ Å from .*frame {frame}.*, line"
    ):
        read_all(tm.open(path, cell=SILICON[1]))


@pytest.mark.parametrize("frame", [SAMPLED, 201])
def test_a_position_too_large_to_be_exact_is_refused(silicon, tmp_path, frame):
    far = 10.91 * 1e9
    moved = damaged(silicon, frame, "yu", lambda word: f"{float(word) + far:.4f}")
    path = write(tmp_path / "run.lammpstrj", moved)
    for outliers in ("refuse", "drop"):
        with pytest.raises(DataError, match=rf"y of atom {ATOM} is 1\.091\d*e\+10 Å.*line"):
            read_all(tm.open(path, cell=SILICON[1], outliers=outliers))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("column", ["xu", "vy", "fz"])
@pytest.mark.parametrize("word", ["1e308", "-1.7e308", "1e999", "9" * 200])
def test_overflow_is_an_error_with_its_position(silicon, tmp_path, column, word):
    path = write(tmp_path / "run.lammpstrj", damaged(silicon, 201, column, lambda _: word))
    with pytest.raises(DataError) as caught:
        read_all(tm.open(path, cell=SILICON[1]))
    assert re.search(r"frame 201, step \d+.*, line \d+", str(caught.value))
    name = column.removesuffix("u")
    assert re.search(rf"^{name} of atom {ATOM} is|column {column}\)", str(caught.value))


@pytest.mark.filterwarnings("error")
def test_overflow_by_a_unit_factor_gives_no_warning(silicon, tmp_path):
    """The number becomes infinite, and is an outlier where it is used."""
    text = write(tmp_path / "run.lammpstrj", damaged(silicon, 3, "vy", lambda _: "1e307"))
    path = tmp_path / "real.lammpstrj"
    path.write_text(text.read_text().replace("metal", "real"))
    block = open_trajectory(path).read(0, 5)
    assert np.argwhere(~np.isfinite(block.velocities)).tolist() == [[3, ATOM - 1, 1]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("field", ["positions", "velocities", "forces"])
def test_overflow_in_arrays_is_an_error_with_its_position(silicon, tmp_path, field):
    """Frames in memory are not parsed: the numbers are found where they are used."""
    path = write(tmp_path / "run.lammpstrj", silicon)
    run = tm.open(path, cell=SILICON[1])
    block = run.frames(5, 9)
    values = getattr(block, field).copy()
    values[2, ATOM - 1, 1] = 1e308
    with pytest.raises(DataError, match=rf"y of atom {ATOM} is 1e\+308 \S+, .*frame 7"):
        run.displacer(replace(block, **{field: values}))


def test_frames_with_outliers_may_be_left_out_of_a_fit(silicon, tmp_path):
    """The force constants are those of the run without these frames, and their number is
    stated.
    """
    bad = damaged(silicon, SAMPLED, "fx", without_point)
    bad = damaged(bad, 201, "vy", without_point)
    bad = damaged(bad, 300, "zu", lambda word: str(float(word) + 5.0))
    path = write(tmp_path / "bad.lammpstrj", bad)
    folder = tmp_path / "fit"
    words = ["fit", path, "--cell", SILICON[1], "--cutoff2", "4.0", "-o", folder]
    refused = CliRunner().invoke(main, [str(word) for word in words])
    assert refused.exit_code == DataError.exit_code
    assert not folder.exists()
    done = CliRunner().invoke(
        main, [str(word) for word in [*words, "--outliers", "drop", "-v"]]
    )
    assert done.exit_code == 0, done.output
    assert f"3 of {FRAMES} frames were left out: a value was an outlier" in " ".join(
        done.output.split()
    )
    run = tm.open(path, cell=SILICON[1], outliers="drop")
    assert read_all(run) == FRAMES - 3
    used = {int(t) for block in run for t in block.indices}
    assert used == set(range(FRAMES)) - {SAMPLED, 201, 300}


def test_frames_are_not_left_out_of_spectra(tmp_path, silicon):
    path, job = write(tmp_path / "run.lammpstrj", silicon), tmp_path / "job.toml"
    job.write_text(f'trajectory = "{path}"\ncell = "{SILICON[1]}"\noutliers = "drop"\n')
    with pytest.raises(UsageError, match=r"frames cannot be left out(.|\n)*--outliers drop"):
        tm.run(job, output=str(tmp_path / "results"))


@pytest.mark.parametrize("run", [SILICON, COPPER, ZIRCONIUM])
def test_no_bundled_run_is_refused(run):
    """Zirconium at 1400 K is the most anharmonic: its largest force is 9.6 σ."""
    loaded = tm.open(run[0], cell=run[1])
    assert read_all(loaded) == loaded.n_frames
    assert loaded.displacer.limits.factor < 30.0


def sound(positions, velocities, forces, box) -> bool:
    """Whether all frames of a silicon crystal in memory are used."""
    frames = trajectory_of_arrays(
        positions, box, ["Si"] * 64, velocities=velocities, forces=forces, interval_ps=0.01
    )
    found = match(load_crystal(SILICON[1]).crystal, frames)
    limits = sample_run(frames, found).limits
    motion = Displacer(found, limits=limits)(frames.read(0, len(positions)))
    return motion.n_frames == len(positions)


def test_a_start_from_the_ideal_lattice_has_no_outlier(silicon, tmp_path):
    """All atoms are on their sites at first, and move increasingly."""
    run = tm.open(write(tmp_path / "run.lammpstrj", silicon), cell=SILICON[1])
    block, site = run.frames(0, FRAMES), run.match.reference
    for n_still, n_growing in ((3, 50), (20, 100), (150, 250)):
        part = (np.arange(FRAMES) - n_still) / n_growing
        grown = np.clip(part, 0.0, 1.0)[:, None, None]
        moved = site + grown * (block.positions - site)
        # The velocities are drawn at twice the temperature, and half of it becomes potential.
        fast = np.sqrt(2.0 - grown**2) * block.velocities
        assert sound(moved, fast, grown * block.forces, block.cells)


def test_frames_with_one_displaced_atom_have_no_outlier(silicon, tmp_path):
    """Most forces are near zero, and a few are not."""
    run = tm.open(write(tmp_path / "run.lammpstrj", silicon), cell=SILICON[1])
    site, box = run.match.reference, run.match.box
    positions = np.repeat(site[None], 12, axis=0)
    forces = 1e-5 * np.random.default_rng(1).normal(size=positions.shape)
    for t, frame in enumerate(positions):
        apart = site - site[t]
        near = np.linalg.norm(apart - np.rint(apart / box[0, 0]) * box[0, 0], axis=1) < 2.6
        frame[t, t % 3] += 0.02
        forces[t, near, t % 3] += 0.07
        forces[t, t, t % 3] -= 5 * 0.07
    assert sound(positions, None, forces, box)
