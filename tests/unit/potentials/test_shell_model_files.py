"""Files of shell models: α-quartz relaxes to its published structure; bad files are refused."""

import numpy as np
import pytest
from scipy.optimize import minimize

from silicon.quartz import QUARTZ, quartz
from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.files import read_shell_model


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
