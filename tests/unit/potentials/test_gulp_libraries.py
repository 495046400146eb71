"""Libraries of GULP: the models of TOML files; what is not understood is refused."""

import numpy as np
import pytest
from ase import Atoms

from silicon.quartz import QUARTZ, quartz
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.pipeline.potentials.sources import open_potential
from trajmodes.potentials.relaxation import relaxed
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.units import KILOJOULE_PER_MOLE

# M. J. Sanders, M. Leslie, C. R. A. Catlow, J. Chem. Soc., Chem. Commun. 1984, 1271
SILICA = """\
# Silica
species
Si core  4.00000
O_O2-  core  0.86902
O_O2-  shel -2.86902
buckingham
Si core O_O2- shel 1283.907 0.32052 10.66 0.0 12.0
O_O2- shel O_O2- shel 22764.0 0.149 &
   27.88   12.0   # a smallest distance is not needed
three
Si core O_O2- shel O_O2- shel 2.09724 109.47 1.9 1.9 3.5
spring
O_O2- 74.92
"""
SILICA_TOML = (
    QUARTZ.replace("1316.374", "1283.907")
    .replace("0.3205\n", "0.32052\n")
    .replace("27.879", "27.88")
    .replace("cutoff = 2.2", "cutoff = 1.9")
)
START = np.array([4.85, 5.35, 0.465, 0.41, 0.276, 0.222])


def library(tmp_path, text):
    path = tmp_path / "model.lib"
    path.write_text(text, encoding="utf-8")
    return open_potential([path], {})


def same_state(one, other, crystal):
    here, there = one.state(crystal), other.state(crystal)
    assert here.energy == pytest.approx(there.energy, rel=1e-12)
    np.testing.assert_allclose(here.forces, there.forces, atol=1e-10)
    np.testing.assert_allclose(here.stress, there.stress, atol=1e-12)
    assert np.abs(here.forces).max() > 0.01


def test_silica_is_the_model_of_its_toml_file(tmp_path):
    path = tmp_path / "silica.toml"
    path.write_text(SILICA_TOML, encoding="utf-8")
    same_state(library(tmp_path, SILICA), read_shell_model(path), quartz(START))


@pytest.mark.slow
def test_quartz_relaxes_as_in_the_file_of_toml(tmp_path):
    path = tmp_path / "silica.toml"
    path.write_text(SILICA_TOML, encoding="utf-8")
    cells = [
        relaxed(model.near(quartz(START)), quartz(START), cell=True).cell
        for model in (library(tmp_path, SILICA), read_shell_model(path))
    ]
    np.testing.assert_allclose(cells[0], cells[1], atol=1e-6)


R = 2.3
FORMS = {
    "buckingham inter\nAr Ne 900.0 0.3 12.0 0.0 5.0 0 0 0": 900 * np.exp(-R / 0.3) - 12 / R**6,
    "buck kcal\nAr Ne 900.0 0.3 12.0 5.0": (900 * np.exp(-R / 0.3) - 12 / R**6)
    * 4.184
    * KILOJOULE_PER_MOLE,
    "lennard\nAr Ne 400.0 30.0 5.0": 400 / R**12 - 30 / R**6,
    "lennard_jones 9 6 kjmol\nAr Ne 4.0d2 3.E1 0.0 5.0 1 0": (400 / R**9 - 30 / R**6)
    * KILOJOULE_PER_MOLE,
    "morse\nAr Ne 0.8 1.7 2.0 5.0": 0.8 * ((1 - np.exp(-1.7 * (R - 2.0))) ** 2 - 1),
    "harmonic\nAr core Ne core 3.0 2.1 0.0 5.0": 0.5 * 3.0 * (R - 2.1) ** 2,
    "harm\nAr Ne 3.0 2.1 0.0 1.0 5.0": 0.5 * 3.0 * (R - 2.1) ** 2,
    "BUCK\nAr Ne 900.0 0.3 12.0 2.4 5.0": 0.0,  # nearer than its smallest distance
    "buck\nAr Ne 900.0 0.3 12.0 5.0\ncutp 2.2": 0.0,
}


@pytest.mark.parametrize("text", FORMS)
def test_pair_energies_are_those_of_their_formulas(text, tmp_path):
    """Of one pair at 2.3 Å."""
    atoms = Atoms("ArNe", [[1, 1, 1], [1, 1, 1 + R]], cell=3 * [9.0], pbc=True)
    model = library(tmp_path, f"species 2\nAr core 0.0\nNe 0.0\n{text}\n")
    energy = model.state(Crystal.from_ase(atoms)).energy
    assert energy == pytest.approx(FORMS[text], rel=1e-12, abs=1e-15)


def test_an_angle_acts_up_to_three_cutoffs(tmp_path):
    """½k(θ − θ₀)² of one angle of 100°, with ends 2.298 Å apart."""
    places = 1.5 * np.array(
        [[0, 0, 0], [1, 0, 0], [np.cos(np.pi / 1.8), np.sin(np.pi / 1.8), 0]]
    )
    crystal = Crystal.from_ase(Atoms("SiO2", places + 4, cell=3 * [9.0], pbc=True))
    head = "species\nSi core 0\nO core 0\nthree\nSi O O 2.0 110.0 "
    half = 0.5 * 2.0 * np.radians(10.0) ** 2
    for cutoffs, energy in (
        ("1.6 1.6 2.4", half),
        ("1.6 1.6 2.2", 0.0),
        ("1.4 1.4 2.4", 0.0),
        ("0. 1.6 0. 1.6 0. 2.4", half),
        ("1.6 1.6 2.4 1 0", half),
    ):
        found = library(tmp_path, head + cutoffs + "\n").state(crystal).energy
        assert found == pytest.approx(energy, abs=1e-14)


def test_springs_have_both_constants(tmp_path):
    """½k₂r² + k₄r⁴/24, of which the second derivative at rest is k₂."""
    model = library(tmp_path, SILICA.replace("O_O2- 74.92", "O_O2- shel 74.92 500.0"))
    spring, r = model.terms.springs["O"], np.array([0.2])
    assert spring(r, 0)[0] == pytest.approx(0.5 * 74.92 * 0.04 + 500.0 * 0.0016 / 24.0)
    assert spring(0 * r, 2)[0] == 74.92


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("three\n", "three bond\n", r"three acts on molecules: bond \(.*line 10\)"),
        ("three\n", "three exponential\n", r"unknown option of three: exponential \(.*line 10"),
        ("buckingham\n", "buck4\n", r"buck4 is not understood \(.*line 6"),
        ("buckingham\n", "buckingham intra\n", "acts on molecules: intra"),
        ("buckingham\n", "lennard epsilon\n", "unknown option of lennard_jones: epsilon"),
        ("# Silica\n", "opti conp\n", r"opti is not understood \(.*line 1"),
        ("Si core  4.00000", "Si core", "and one charge"),
        ("Si core  4.00000", "Si core  4.0.0", r"4\.0\.0 is not a number \(.*line 3"),
        ("Si core  4.00000", "Si core  4e99", "larger than"),
        ("Si core  4.00000", "O core  4.0", r"O and O_O2- are labels of the same element"),
        ("O_O2-  shel -2.86902\n", "", "no charge of O shell"),
        ("O_O2- 74.92", "O_O2- 74.92 1", r"k2, or k2 and k4 \(.*line 13"),
        ("O_O2- 74.92", "O_O2- -74.92", "holds no shell"),
        ("spring\nO_O2- 74.92\n", "", "O shell has no spring"),
        ("spring\nO_O2- 74.92\n", "spring\n", r"no line follows spring \(.*line 12"),
        ("1.9 1.9 3.5", "1.9 1.9", "instead of k, θ₀ and three cutoffs"),
        ("1.9 1.9 3.5", "1.9 2.0 3.5", "cutoffs of the bonds differ"),
        ("1.9 1.9 3.5", "1. 1.9 1. 1.9 0. 3.5", "smallest distances is not read"),
        ("Si core O_O2- shel 1283", "Sj core O_O2- shel 1283", r"Sj is no species \(.*line 7"),
        (" 10.66 0.0 12.0", " 10.66 12.0 0.0", "is no length between"),
        (" 10.66 0.0 12.0", " 10.66 0.0 12.0 2 0 0", "are not 3 flags"),
        (" 10.66 0.0 12.0", " 10.66", "3 numbers instead of 3 parameters"),
        ("0.32052", "0.0", "is no length"),
        ("O_O2- 74.92\n", "O_O2- 74.92 &\n", "nothing follows the continued line"),
        ("species\n", "species 4\n", "3 lines follow species 4"),
        ("species\n", "spring\n", "no section species"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, old, new, text):
    assert old in SILICA
    with pytest.raises(DataError, match=text):
        library(tmp_path, SILICA.replace(old, new, 1))


def test_a_species_with_two_labels_is_left_to_the_user(tmp_path):
    """Which of two ions a crystal has is not guessed."""
    model = library(tmp_path, SILICA.replace("Si core  4.0", "Si_1 core 4.0\nSi_2 core  4.0")
                    .replace("Si core O", "Si_1 core O"))  # fmt: skip
    with pytest.raises(DataError, match=r"no charge of Si \(.*Si_1, Si_2"):
        model.state(quartz(START))
