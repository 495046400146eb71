"""Files of shell models: α-quartz relaxes to its published structure; bad files are refused."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from scipy.optimize import minimize

from silicon.quartz import QUARTZ, quartz
from trajmodes.data.crystal import Crystal
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


R1, R2, THETA, WIDE = 1.6, 1.9, np.radians(103.0), np.radians(95.0)
FORMS = {
    "buckingham": ("A = 900.0, rho = 0.3, C = 12.0", 900 * np.exp(-R1 / 0.3) - 12 / R1**6),
    "lennard_jones": (
        "epsilon = 0.3, sigma = 1.5",
        1.2 * ((1.5 / R1) ** 12 - (1.5 / R1) ** 6),
    ),
    "morse": (
        "depth = 0.8, alpha = 1.7, r0 = 1.4",
        0.8 * ((1 - np.exp(-1.7 * (R1 - 1.4))) ** 2 - 1),
    ),
    "harmonic": ("k = 3.0, r0 = 1.5", 0.5 * 3.0 * (R1 - 1.5) ** 2),
    "harmonic angle": ("k = 2.0, theta0 = 95.0", 0.5 * 2.0 * (THETA - WIDE) ** 2),
    "harmonic_exponential angle": (
        "k = 9.0, theta0 = 95.0, R1 = 0.8, R2 = 1.1",
        9.0 * np.exp(-R1 / 0.8 - R2 / 1.1) * (THETA - WIDE) ** 2,
    ),
    "cosine_harmonic angle": (
        "k = 2.0, theta0 = 95.0",
        0.5 * 2.0 * (np.cos(THETA) - np.cos(WIDE)) ** 2,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_have_the_energies_of_their_formulas_and_their_derivatives(tmp_path, name):
    """Of one molecule; forces and second derivatives to 1e-7 of differences of fourth order."""
    form, _, angle = name.partition(" ")
    parameters, energy = FORMS[name]
    row = 'centre = "Si"\nends = ["O", "N"]' if angle else 'between = ["Si", "O"]'
    text = f"[[{angle or 'pair'}]]\n{row}\ncutoff = 2.0\nform = '{form}'\n"
    model = read_shell_model(write(tmp_path, text + parameters.replace(", ", "\n")))
    places = [[0, 0, 0], [R1, 0, 0], [R2 * np.cos(THETA), R2 * np.sin(THETA), 0]]
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    count = 3 if angle else 2
    atoms = Atoms("SiON"[: count + 1], np.array(places)[:count] @ turn, cell=12 * np.eye(3))
    atoms.pbc = True
    crystal = Crystal.from_ase(atoms)
    model = model.near(crystal)

    def state(coordinate, step):
        x = crystal.positions.ravel() + step * np.eye(3 * count)[coordinate]
        return model.state(replace(crystal, sites=x.reshape(-1, 3) / 12.0))

    assert state(0, 0.0).energy == pytest.approx(energy, rel=1e-10)
    h = 2e-3
    runs = [[state(k, m * h) for m in (-2, -1, 1, 2)] for k in range(3 * count)]
    slopes = [(8 * (r[2].energy - r[1].energy) - r[3].energy + r[0].energy) / (12 * h)
              for r in runs]  # fmt: skip
    rows = [(8 * (r[2].forces - r[1].forces) - r[3].forces + r[0].forces) / (12 * h)
            for r in runs]  # fmt: skip
    forces, hessian = state(0, 0.0).forces.ravel(), model.hessian(crystal)
    np.testing.assert_allclose(-np.array(slopes), forces, atol=1e-7 * np.abs(forces).max())
    wanted = -np.array(rows).reshape(hessian.shape)
    np.testing.assert_allclose(hessian, wanted, atol=1e-7 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("rho = 0.3205\n", "", r"rho is missing \(.*pair.*1"),
        ("rho = 0.149", "rho = 0.0", "rho is not larger than"),
        ("rho = 0.149", "rho = nan", "rho is no finite number"),
        ("theta0 = 109.47", "theta = 109.47", r"unknown name theta \(.*angle.*1"),
        ('form = "harmonic"', 'form = "square"', "no form 'square'"),
        ("O = { k = 74.92 }", "", "O shell has no spring"),
        ("O = 0.86902\n", "", "no charge of O"),
        ('centre = "Si"', 'centre = "Sj"', "no charge of Sj"),
        ('["Si", "O shell"]', '["Si"]', "between is not a list of two particles"),
        ("[charges]", "[charge]", "unknown name charge"),
        ("cutoff = 2.2", "cutoff = 2e6", r"cutoff is larger than 100 \(.*angle.*1"),
        ("k = 74.92", "k = -74.92", r"holds no shell \(.*springs. O"),
        ("k = 74.92", "k = 74.92, k3 = 1.0", r"unknown name k3 \(.*springs. O"),
        ("A = 22764.0", "A = 1e400", r"A is no finite number: inf \(.*pair.*2"),
        ('"harmonic"', '"harmonic_exponential"\nR1 = 1.0\nR2 = 2.0', "R1 and R2 differ"),
    ],
)
def test_bad_files_are_refused_and_the_place_is_named(tmp_path, old, new, text):
    assert old in QUARTZ
    path = write(tmp_path, QUARTZ.replace(old, new, 1))
    with pytest.raises(DataError, match=text):
        read_shell_model(path)


def test_without_charges_shells_need_springs_and_crystals_known_species(tmp_path):
    """Neither is left out of the energy silently."""
    loose = '[[pair]]\nbetween = ["Ar", "O shell"]\ncutoff = 5.0\n'
    loose += 'form = "harmonic"\nk = 1.0\nr0 = 2.0'
    with pytest.raises(DataError, match="O shell has no spring"):
        read_shell_model(write(tmp_path, loose))
    model = read_shell_model(write(tmp_path, loose.replace("O shell", "Ar")))
    xenon = Crystal.from_ase(Atoms("Xe", cell=3 * [4.0], pbc=True))
    with pytest.raises(DataError, match=r"no energy of Xe \(.*Ar"):
        model.state(xenon)
    with pytest.raises(DataError, match="the file is empty"):
        read_shell_model(write(tmp_path, ""))
