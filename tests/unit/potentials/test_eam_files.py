"""Embedded-atom potentials from files: what is read, interpolation, and what is refused."""

import numpy as np
import pytest
from ase.build import bulk

from embedded_atom.alloy import CUTOFF, D_R, D_RHO, N_R, N_RHO, RHO, R, lines, tables
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.potentials.eam.files import read_eam
from trajmodes.potentials.eam.tables import Table


@pytest.fixture
def finnis_sinclair(alloy, tmp_path):
    path = tmp_path / "alloy.eam.fs"
    path.write_text(tables(alloy.functions, ["Ni", "Al"], by_pairs=True))
    return path


def replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(("kind", "error"), [("cubic", 1e-5), ("lammps", 1e-3)])
def test_a_file_of_finnis_and_sinclair_gives_its_functions(
    alloy, triclinic, finnis_sinclair, kind, error
):
    found = read_eam(finnis_sinclair, interpolation=kind)
    here, there = found.state(triclinic), alloy.state(triclinic)
    assert here.energy == pytest.approx(there.energy, rel=error)
    np.testing.assert_allclose(here.forces, there.forces, atol=error)
    expected = alloy.force_constants(triclinic).values
    constants = found.force_constants(triclinic).values
    np.testing.assert_allclose(constants, expected, atol=5 * error * np.abs(expected).max())


def test_a_file_of_the_kind_setfl_has_one_density_around_each_element(alloy, tmp_path):
    path = tmp_path / "alloy.eam.alloy"
    path.write_text(tables(alloy.functions, ["Ni", "Al"], by_pairs=False))
    found = read_eam(path).functions
    r = np.array([2.5, 3.1])
    for source in ("Ni", "Al"):
        expected = alloy.functions.density[source, source](r, 0)
        for at in ("Ni", "Al"):
            np.testing.assert_allclose(found.density[at, source](r, 0), expected, rtol=1e-6)


def test_a_file_of_one_element_has_charges(tmp_path):
    rho, r = RHO, R
    charge = np.exp(-r) * (r < CUTOFF)
    path = tmp_path / "Ni.eam"
    path.write_text(
        f"title\n28 58.7 3.52 FCC\n{N_RHO} {D_RHO} {N_R} {D_R} {CUTOFF}\n"
        + lines(-np.sqrt(rho))
        + lines(charge)
        + lines(np.exp(-0.5 * r))
    )
    found = read_eam(path).functions
    assert found.species == ("Ni",)
    at = np.array([2.0, 3.3])
    np.testing.assert_allclose(
        found.pair["Ni", "Ni"](at, 0), 27.2 * 0.529 * np.exp(-2 * at) / at, rtol=1e-6
    )
    np.testing.assert_allclose(found.density["Ni", "Ni"](at, 0), np.exp(-0.5 * at), rtol=1e-6)
    assert read_eam(path, species=["Cu"]).functions.species == ("Cu",)


def test_elements_without_the_name_of_a_lattice_are_read(finnis_sinclair):
    replaced(finnis_sinclair, "1 58.7 3.5 fcc", "1 58.7 3.5")
    assert read_eam(finnis_sinclair).functions.species == ("Ni", "Al")


def test_exponents_of_fortran_are_read(finnis_sinclair):
    replaced(finnis_sinclair, f" {CUTOFF}", " 0.44D+01")
    assert read_eam(finnis_sinclair).functions.cutoff == CUTOFF


def test_an_angular_dependent_potential_is_refused_by_name(alloy, tmp_path):
    text = tables(alloy.functions, ["Ni", "Al"], by_pairs=False)
    text += 6 * lines(np.zeros(N_R))
    path = tmp_path / "alloy.adp"
    path.write_text(text)
    with pytest.raises(DataError, match=r"angular-dependent \(ADP\)"):
        read_eam(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2 Ni Al", "3 Ni Al", r"line 4 is not a number of elements .*line 4"),
        ("2 Ni Al", "2 Ni Ni", "their names are Ni, Ni"),
        (f" {CUTOFF}", f" {CUTOFF} 1.0", r"lists 6 numbers where .*eam/he"),
        (f" {CUTOFF}", " -1", "must be positive.*line 5"),
        (f" {CUTOFF}", "", "the header has no number and step.*line 5"),
        (str(N_RHO), str(10**9), "announces 1000000300 numbers"),
        (str(N_RHO), str(N_RHO + 1), r"have \[1000, 1900\] numbers, and its header"),
        ("metal", "real", "units of the potential are not metal .*line 1"),
        (
            "1 58.7 3.5 fcc\n",
            "1 58.7 3.5 fcc\n1 2 x3 4\n",
            r"'1 2 x3 4' is not a line .*line 7",
        ),
        ("1 58.7 3.5 fcc\n", "", "sections of elements, and its header names 2"),
        ("1 58.7 3.5 fcc\n0 ", "1 58.7 3.5 fcc\nnan ", "is not finite .*after line 6"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(finnis_sinclair, old, new, message):
    text = finnis_sinclair.read_text().replace("-0 ", "0 ")
    finnis_sinclair.write_text(text)
    with pytest.raises((DataError, UsageError), match=f"(?s){message}"):
        read_eam(replaced(finnis_sinclair, old, new))


def test_a_file_that_is_cut_off_is_refused(finnis_sinclair):
    text = finnis_sinclair.read_text()
    for length in (10, 60, 500, len(text) // 2, len(text) - 30):
        finnis_sinclair.write_text(text[:length])
        with pytest.raises(DataError, match=r"alloy\.eam\.fs"):
            read_eam(finnis_sinclair)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"No such file.*none\.eam"):
        read_eam(tmp_path / "none.eam")


def test_densities_outside_the_table_are_refused(finnis_sinclair):
    crystal = Crystal.from_ase(bulk("Al", a=2.2))
    with pytest.raises(DataError, match=r"embedding function of Al is needed at .* to 19.95"):
        read_eam(finnis_sinclair).state(crystal)


def test_few_digits_give_a_warning_and_are_smoothed(alloy, tmp_path):
    fine = 0.0005 * np.arange(9001)
    path = tmp_path / "alloy.eam.fs"
    path.write_text(tables(alloy.functions, ["Ni", "Al"], by_pairs=True, r=fine, digits=8))
    lattices = np.linspace(2.8, 3.2, 15)
    crystals = [Crystal.from_ase(bulk("NiAl", "cesiumchloride", a=a)) for a in lattices]
    rough, smooth = read_eam(path), read_eam(path, interpolation="smooth")
    (note,) = rough.notes(crystals[0])
    assert note.severity == "warning"
    assert "so few digits" in note.text
    assert smooth.notes(crystals[0]) == ()

    def errors(potential):
        return [
            np.abs(potential.parts(one).bonds - alloy.parts(one).bonds).max()
            for one in crystals
        ]

    assert np.mean(errors(smooth)) < 0.05 * np.mean(errors(rough))


def test_the_noise_of_a_table_is_that_of_its_second_derivative():
    rng = np.random.default_rng(7)
    step, sigma = 0.01, 1e-7
    x = step * np.arange(4000)
    table = Table("a wave", step, np.sin(x) + sigma * rng.normal(size=len(x)))
    at = rng.uniform(5.0, 35.0, 2000)
    scatter = np.std(table(at, 2) + np.sin(at))
    assert np.mean(table.noise(at)) == pytest.approx(scatter, rel=0.1)


def test_a_smooth_table_has_no_noise():
    x = 0.01 * np.arange(1000)
    assert Table("a wave", 0.01, np.sin(x)).noise(np.array([3.0, 5.0])).max() < 1e-9


def test_the_interpolation_of_lammps_has_slopes_of_five_points():
    step = 0.1
    values = np.random.default_rng(4).normal(size=12)
    table = Table("any", step, values, "lammps")
    inner = step * np.arange(2, 10)
    expected = values[:-4] - values[4:] + 8.0 * (values[3:-1] - values[1:-3])
    np.testing.assert_allclose(table(inner, 1), expected / (12.0 * step), atol=1e-12)
    np.testing.assert_allclose(table(inner, 0), values[2:-2], atol=1e-12)


def test_a_coarse_table_is_not_smoothed():
    with pytest.raises(UsageError, match="too few to smooth it"):
        Table("any", 0.01, np.zeros(500), "smooth")


def one_element(path, number, decay, *, n_r=N_R, d_r=D_R, cutoff=CUTOFF):
    """File of an element with Z = exp(−decay r), and density exp(−2 decay r), to its cutoff."""
    r = d_r * np.arange(n_r)
    path.write_text(
        f"title\n{number} 58.7 3.52 FCC\n{N_RHO} {D_RHO} {n_r} {d_r} {cutoff}\n"
        + lines(-np.sqrt(RHO))
        + lines(np.exp(-decay * r))
        + lines(np.exp(-2.0 * decay * r))
    )
    return path


@pytest.mark.parametrize("kind", ["cubic", "lammps"])
def test_files_of_two_elements_are_mixed(tmp_path, kind):
    nickel = one_element(tmp_path / "Ni.eam", 28, 1.0)
    copper = one_element(tmp_path / "Cu.eam", 29, 0.5, n_r=420, d_r=0.0123, cutoff=4.9)
    found = read_eam(nickel, copper, interpolation=kind).functions
    assert found.species == ("Ni", "Cu")
    assert found.cutoff == 4.9
    at = np.array([2.0, 2.507, 3.3])
    for pair in (("Ni", "Cu"), ("Cu", "Ni")):
        expected = 27.2 * 0.529 * np.exp(-1.5 * at) / at
        np.testing.assert_allclose(found.pair[pair](at, 0), expected, rtol=1e-6)
        density = np.exp((-1.0 if pair[1] == "Cu" else -2.0) * at)
        np.testing.assert_allclose(found.density[pair](at, 0), density, rtol=1e-6)
    np.testing.assert_allclose(
        found.pair["Cu", "Cu"](at, 0), 27.2 * 0.529 * np.exp(-at) / at, rtol=1e-6
    )


def test_only_different_elements_of_one_file_each_are_mixed(tmp_path, finnis_sinclair):
    nickel = one_element(tmp_path / "Ni.eam", 28, 1.0)
    with pytest.raises(UsageError, match="two files are of Ni"):
        read_eam(nickel, nickel)
    with pytest.raises(UsageError, match=r"alloy.eam.fs is not a potential of one element"):
        read_eam(nickel, finnis_sinclair)
    assert read_eam(nickel, nickel, species=["Ni", "Co"]).functions.species == ("Ni", "Co")
