"""Files of shell models: α-quartz relaxes to its published structure; bad files are refused."""

import numpy as np
import pytest
from ase import Atoms
from scipy.optimize import minimize

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.files import read_shell_model

QUARTZ = """\
# M. B. Taylor, N. L. Allan, J. A. O. Bruno, G. D. Barrera, Phys. Rev. B 59, 353 (1999), Table I
[charges]
Si = 4.0
O = 0.86902
"O shell" = -2.86902
[springs]
O = { k = 74.92 }
[[pair]]
between = ["Si", "O shell"]
form = "buckingham"
A = 1316.374
rho = 0.3205
C = 10.66
cutoff = 12.0
[[pair]]
between = ["O shell", "O shell"]
form = "buckingham"
A = 22764.0
rho = 0.149
C = 27.879
cutoff = 12.0
[[angle]]
centre = "Si"
ends = ["O shell", "O shell"]
form = "harmonic"
k = 2.09724
theta0 = 109.47
cutoff = 2.2
"""


def quartz(values) -> Crystal:
    """α-quartz, P3_221, of a, c and the four free coordinates u, x, y, z."""
    a, c, u, x, y, z = values
    sites = [[-u, -u, 0], [u, 0, 1 / 3], [0, u, 2 / 3]]
    sites += [[x, y, z], [-y, x - y, 1 / 3 + z], [y - x, -x, 2 / 3 + z]]
    sites += [[y, x, -z], [-x, y - x, 1 / 3 - z], [x - y, -y, 2 / 3 - z]]
    cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]]
    return Crystal.from_ase(Atoms("Si3O6", scaled_positions=sites, cell=cell, pbc=True))


def write(tmp_path, text):
    path = tmp_path / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_quartz_relaxes_to_the_published_structure(tmp_path):
    """Static a and c of the paper; no force and no stress are left in other coordinates."""
    start = np.array([4.9, 5.4, 0.465, 0.41, 0.276, 0.222])
    model = read_shell_model(write(tmp_path, QUARTZ)).near(quartz(start))

    def energy(values):
        crystal, step = quartz(values), 1e-6
        state = model.state(crystal)
        stress = state.stress * crystal.volume
        slope = [(stress[0, 0] + stress[1, 1]) / values[0], stress[2, 2] / values[1]]
        for k in range(2, 6):
            moved = quartz(values + step * np.eye(6)[k])
            shift = (moved.positions - crystal.positions) / step
            slope.append(-(state.forces * shift).sum())
        return state.energy, np.array(slope)

    found = minimize(energy, start, jac=True, method="BFGS", options={"gtol": 1e-5})
    assert found.x[:2] == pytest.approx([4.90, 5.41], abs=0.006)
    state = model.state(quartz(found.x))
    assert np.abs(state.forces).max() < 1e-4
    assert np.abs(state.stress).max() < 1e-5


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("rho = 0.3205\n", "", r"rho is missing \(.*pair.*1"),
        ("rho = 0.149", "rho = 0.0", "rho is not positive"),
        ("rho = 0.149", "rho = nan", "rho is no finite number"),
        ("theta0 = 109.47", "theta = 109.47", r"unknown name theta \(.*angle.*1"),
        ('form = "harmonic"', 'form = "square"', "no form 'square'"),
        ("O = { k = 74.92 }", "", "O shell has no spring"),
        ("O = 0.86902\n", "", "no charge of O"),
        ('centre = "Si"', 'centre = "Sj"', "no charge of Sj"),
        ('["Si", "O shell"]', '["Si"]', "between is no list of two particles"),
        ("[charges]", "[charge]", "unknown name charge"),
    ],
)
def test_bad_files_are_refused_and_the_place_is_named(tmp_path, old, new, text):
    assert old in QUARTZ
    path = write(tmp_path, QUARTZ.replace(old, new, 1))
    with pytest.raises(DataError, match=text):
        read_shell_model(path)
