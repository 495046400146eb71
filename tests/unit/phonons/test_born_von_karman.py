"""Born–von Kármán constants: names, closed forms, errors, and fits to measured frequencies."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal as with_space_group

from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.shell_constants import MeasuredFrequencies
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.born_von_karman.measured import fit_to_frequencies
from trajmodes.phonons.born_von_karman.projection import (
    constants_in,
    force_constants_of,
    inadmissible_part,
    replicates_of,
    shell_constants,
)
from trajmodes.phonons.born_von_karman.shells import nearest_shells, shells_of
from trajmodes.phonons.modes import frequencies_at, modes_at

FCC = Crystal.from_ase(bulk("Au", "fcc", a=4.08))
BCC = Crystal.from_ase(bulk("Fe", "bcc", a=2.87))
CRYSTALS = {
    "fcc": FCC,
    "bcc": BCC,
    "diamond": Crystal.from_ase(bulk("Si", "diamond", a=5.43)),
    "rock salt": Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.64)),
    "hcp": Crystal.from_ase(bulk("Mg", "hcp", a=3.2, c=5.2)),
}


def _low_symmetry():
    """Crystals with sites at which an antisymmetric tensor is invariant."""
    quartz = with_space_group(
        ["Si", "O"],
        [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.7858)],
        spacegroup=152,
        cellpar=[4.916, 4.916, 5.405, 90, 90, 120],
    )
    pyrite = with_space_group(
        ["Fe", "S"],
        [(0, 0, 0), (0.385, 0.385, 0.385)],
        spacegroup=205,
        cellpar=[5.42, 5.42, 5.42, 90, 90, 90],
    )
    monoclinic = with_space_group(
        ["Zr", "O", "O"],
        [(0.2754, 0.0395, 0.2083), (0.07, 0.3317, 0.3447), (0.4496, 0.7569, 0.4792)],
        spacegroup=14,
        cellpar=[5.15, 5.21, 5.32, 90, 99.23, 90],
    )
    triclinic = bulk("GaAs", "zincblende", a=5.6)
    rng = np.random.default_rng(8)
    triclinic.set_cell(
        triclinic.cell.array @ (np.eye(3) + 0.1 * rng.normal(size=(3, 3))), scale_atoms=True
    )
    atoms = {"quartz": quartz, "pyrite": pyrite, "P2₁/c": monoclinic, "P1": triclinic}
    return {name: Crystal.from_ase(one) for name, one in atoms.items()}


LOW = _low_symmetry()


def _by_shell(shells):
    names = np.array(shells.names)
    return [
        (tuple(row), tuple(names[shells.shell == h]))
        for h, row in enumerate(shells.indices.astype(int).tolist())
    ]


def test_constants_of_fcc_and_bcc_are_those_of_the_tables():
    """Shells 1 to 5 as listed by Squires (1963) and Svensson, Brockhouse, Rowe (1967)."""
    assert _by_shell(nearest_shells(FCC, 5)) == [
        ((1, 1, 0), ("α1", "α3", "β3")),
        ((2, 0, 0), ("α1", "α2")),
        ((2, 1, 1), ("α1", "α2", "β1", "β2")),
        ((2, 2, 0), ("α1", "α3", "β3")),
        ((3, 1, 0), ("α1", "α2", "α3", "β3")),
    ]
    assert _by_shell(nearest_shells(BCC, 5)) == [
        ((1, 1, 1), ("α1", "β1")),
        ((2, 0, 0), ("α1", "α2")),
        ((2, 2, 0), ("α1", "α3", "β3")),
        ((3, 1, 1), ("α1", "α2", "β1", "β2")),
        ((2, 2, 2), ("α1", "β1")),
    ]
    assert nearest_shells(FCC, 5).multiplicity.tolist() == [12, 6, 24, 12, 24]


def test_second_neighbours_of_diamond_have_an_antisymmetric_constant():
    """Herman, J. Phys. Chem. Solids 8, 405 (1959): μ, λ, ν, δ."""
    shells = nearest_shells(CRYSTALS["diamond"], 2)
    assert [n for n, h in zip(shells.names, shells.shell, strict=True) if h == 1] == [
        "α1",
        "α3",
        "β3",
        "γ1",
    ]


@pytest.mark.parametrize("name", CRYSTALS)
def test_force_constants_of_constants_give_these_back(name):
    shells = nearest_shells(CRYSTALS[name], 5)
    values = np.random.default_rng(1).normal(size=len(shells.names))
    given = force_constants_of(shell_constants(shells, values), shells)
    found = constants_in(given, shells_of(given))
    np.testing.assert_allclose(found.values, values, atol=1e-12)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", LOW)
def test_some_shells_of_a_crystal_of_low_symmetry_make_the_nearest_force_constants(name):
    """The sum rule relates all shells: those of a part of them need not obey it."""
    crystal = LOW[name]
    shells = nearest_shells(crystal, 12)
    values = np.random.default_rng(1).normal(size=len(shells.names))
    whole = force_constants_of(shell_constants(shells, values), shells)
    complete = constants_in(whole, shells)
    assert inadmissible_part(complete, shells) < 1e-12
    np.testing.assert_allclose(
        force_constants_of(complete, shells).values, whole.values, atol=1e-12
    )
    few = nearest_shells(crystal, 4)
    found = constants_in(whole, few)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-12)
    given = force_constants_of(found, few)
    n, pairs = crystal.n_sites, slice(0, -crystal.n_sites)
    self_terms = given.values[-n:]
    np.testing.assert_allclose(self_terms, self_terms.swapaxes(1, 2), atol=1e-12)
    sums = np.zeros((n, 3, 3))
    np.add.at(sums, given.first, given.values)
    np.testing.assert_allclose(sums, 0.0, atol=1e-12)
    # The change is orthogonal to all force constants that the shells can have.
    again = constants_in(given, few)
    change = few.parameters @ (found.values - again.values)
    part = np.linalg.norm(change) / np.linalg.norm(few.parameters @ found.values)
    assert part > 0.01
    assert inadmissible_part(found, few) == pytest.approx(part, rel=1e-9)
    other = np.random.default_rng(2).normal(size=len(few.names))
    allowed = force_constants_of(shell_constants(few, other), few)
    moved = few.basis.expand(change)
    assert abs(np.sum(moved * allowed.values[pairs])) < 1e-10


def test_constants_that_the_sum_rule_relates_are_fitted_to_frequencies():
    """Tellurium, of which one combination of the constants of two shells is not free."""
    atoms = with_space_group(
        ["Te"], [(0.2633, 0, 1 / 3)], spacegroup=152, cellpar=[4.457, 4.457, 5.929, 90, 90, 120]
    )
    shells = nearest_shells(Crystal.from_ase(atoms), 2)
    along = shells.vectors / shells.distances[:, None]
    rng = np.random.default_rng(9)
    values = 0.1 * rng.normal(size=len(shells.names))
    for h, strength in enumerate((3.0, 1.0)):
        own = np.flatnonzero(shells.shell == h)
        wanted = strength * (0.9 * np.outer(along[h], along[h]) + 0.1 * np.eye(3))
        columns = shells.matrices[own].reshape(len(own), 9).T
        values[own] += np.linalg.lstsq(columns, wanted.ravel(), rcond=None)[0]
    given = shell_constants(shells, values)
    assert inadmissible_part(given, shells) > 0.01
    qpoints = rng.uniform(-0.5, 0.5, (5, 3))
    omega = frequencies_at(force_constants_of(given, shells), qpoints)[0]
    branches = tuple(map(str, range(1, 10)))
    data = MeasuredFrequencies(np.repeat(qpoints, 9, axis=0), omega.ravel(), branches * 5)
    found, _ = fit_to_frequencies(data, shells)
    again = frequencies_at(force_constants_of(found, shells), qpoints)[0]
    np.testing.assert_allclose(again, omega, rtol=1e-7)
    assert inadmissible_part(found, shells) < 1e-12


def test_components_of_the_chosen_bond_of_a_cubic_star_are_not_negative():
    """Without inversion too; in decreasing order where the class has a fourfold axis or 4̄."""
    for crystal in (Crystal.from_ase(bulk("ZnS", "zincblende", a=5.4)), LOW["pyrite"]):
        assert (nearest_shells(crystal, 12).indices >= 0.0).all()
    ordered = nearest_shells(Crystal.from_ase(bulk("ZnS", "zincblende", a=5.4)), 12).indices
    assert (np.diff(ordered, axis=1) <= 1e-9).all()


def test_frequencies_along_the_cube_axis_have_the_closed_form():
    """M ω² = 8 α1 (1 − cos πζ) + 2 α1' (1 − cos 2πζ) for L, 4 (α1 + α3), 2 α2' for T."""
    shells = nearest_shells(FCC, 2)
    values = np.array([1.0, -0.1, 1.2, 0.2, -0.05])
    given = force_constants_of(shell_constants(shells, values), shells)
    zeta = np.linspace(0.1, 1.0, 5)
    qpoints = (zeta[:, None] / 4.08 * np.eye(3)[0]) @ FCC.cell.T
    near, far = 1.0 - np.cos(np.pi * zeta), 1.0 - np.cos(2.0 * np.pi * zeta)
    a1, a3, _, far1, far2 = values
    along = np.sqrt((8.0 * a1 * near + 2.0 * far1 * far) / FCC.masses[0])
    across = np.sqrt((4.0 * (a1 + a3) * near + 2.0 * far2 * far) / FCC.masses[0])
    omega, _ = frequencies_at(given, qpoints)
    np.testing.assert_allclose(omega, np.stack([across, across, along], axis=1), rtol=1e-12)


def test_bonds_of_a_central_potential_have_the_constants_of_its_derivatives():
    """K = φ'/r (1 − r̂r̂) + φ'' r̂r̂; of the bond (2, 1, 1): β1 = (φ'' − φ'/r)/6, β2 = twice it."""
    shells = nearest_shells(FCC, 3)
    stiff, slack = 2.0, -0.3
    unit = shells.vectors / shells.distances[:, None]
    k_hxy = np.einsum("hx,hy->hxy", unit, unit) * (stiff - slack) + slack * np.eye(3)
    wanted = []
    for name, h in zip(shells.names, shells.shell, strict=True):
        axis = int(name[1]) - 1
        place = (axis, axis) if name[0] == "α" else ((axis + 1) % 3, (axis + 2) % 3)
        wanted.append(k_hxy[h][place])
    found = shell_constants(shells, np.array(wanted))
    np.testing.assert_allclose(found.axial, [[stiff, slack]] * 3, atol=1e-12)
    third = found.values[found.shell == 2]
    np.testing.assert_allclose(third[2:], [(stiff - slack) / 6.0, (stiff - slack) / 3.0])


def test_the_part_that_breaks_the_symmetry_is_found_and_left_out():
    shells = nearest_shells(BCC, 2)
    values = np.array([1.0, 0.7, 0.5, 0.1])
    given = force_constants_of(shell_constants(shells, values), shells)
    rng = np.random.default_rng(2)
    noise = 0.05 * rng.normal(size=given.values.shape)
    found = constants_in(replace(given, values=given.values + noise), shells)
    assert np.abs(found.values - values).max() < 0.1
    k_norm = np.linalg.norm(given.values[0])
    # The average keeps the noise of 2 of 72 components.
    assert found.residual[0] == pytest.approx(0.05 * 3.0 / k_norm, rel=0.2)


def test_errors_are_those_of_the_replicates():
    shells = nearest_shells(BCC, 2)
    values = np.array([1.0, 0.7, 0.5, 0.1])
    root = np.random.default_rng(3).normal(size=(4, 4))
    replicates = replicates_of(values, root)
    whole = shell_constants(shells, values, replicates=replicates)
    np.testing.assert_allclose(whole.values_sem, np.sqrt(np.diag(root @ root.T)), rtol=1e-12)
    given = force_constants_of(whole, shells)
    np.testing.assert_allclose(constants_in(given, shells).replicates, replicates, atol=1e-12)
    # r̂·K·r̂ of the bond (1, 1, 1) is α1 + 2 β1.
    wanted = np.linalg.norm(np.array([1.0, 2.0]) @ root[:2])
    assert whole.axial_sem[0, 0] == pytest.approx(wanted, rel=1e-9)


def _measured(constants, n, rng, sem=None):
    """Frequencies at random q, of a random branch each, with noise of a relative error."""
    qpoints = rng.uniform(-0.5, 0.5, (n, 3))
    branch = rng.integers(1, 4, n)
    exact = frequencies_at(constants, qpoints)[0][np.arange(n), branch - 1]
    if sem is None:
        return MeasuredFrequencies(qpoints, exact, tuple(map(str, branch)))
    errors = sem * exact
    noisy = exact + errors * rng.normal(size=n)
    return MeasuredFrequencies(qpoints, noisy, tuple(map(str, branch)), errors)


def _iron():
    shells = nearest_shells(BCC, 2)
    values = np.array([1.0, 0.9, 0.8, 0.05])
    return shells, values, force_constants_of(shell_constants(shells, values), shells)


def test_exact_frequencies_give_the_constants():
    shells, values, given = _iron()
    found, quality = fit_to_frequencies(_measured(given, 30, np.random.default_rng(4)), shells)
    np.testing.assert_allclose(found.values, values, rtol=1e-6)
    assert quality.reduced_chi2 is None


def test_longitudinal_and_transverse_branches_are_known_by_their_polarisation():
    """Along the cube diagonal of bcc the longitudinal branch goes below the transverse one."""
    shells, values, given = _iron()
    zeta = np.linspace(0.1, 0.9, 9)
    directions = np.array([[1.0, 0, 0], [1.0, 1.0, 1.0]])
    cartesian = (zeta[None, :, None] * directions[:, None]).reshape(-1, 3) / 2.87
    qpoints = cartesian @ BCC.cell.T
    modes = modes_at(given, qpoints)
    along = np.einsum("x,qmx->qm", np.ones(3), modes.vectors[:, :, 0])
    along[:9] = modes.vectors[:9, :, 0, 0]
    place = np.abs(along).argmax(axis=1)
    longitudinal = modes.omega[np.arange(18), place]
    others = (np.arange(3) != place[:, None]) * modes.omega**2
    transverse = np.sqrt(others.sum(axis=1) / 2.0)
    assert (longitudinal[9:] < transverse[9:]).any()
    data = MeasuredFrequencies(
        np.concatenate([qpoints, qpoints]),
        np.concatenate([longitudinal, transverse]),
        ("L",) * 18 + ("T",) * 18,
    )
    found, _ = fit_to_frequencies(data, shells)
    np.testing.assert_allclose(found.values, values, rtol=1e-6)


def test_one_transverse_frequency_is_refused_where_there_are_two_branches():
    shells, _, given = _iron()
    cartesian = np.array([[0.3, 0.0, 0.0], [0.3, 0.3, 0.0], [0.2, 0.2, 0.2], [0.1, 0.2, 0.3]])
    qpoints = cartesian / 2.87 @ BCC.cell.T
    omega = frequencies_at(given, qpoints)[0]
    # Rounded as printed in a table: on the axis still.
    near = qpoints + 1e-4 * np.random.default_rng(7).normal(size=qpoints.shape)
    for q in (qpoints, near):
        mixed = MeasuredFrequencies(q, omega[:, 0], ("T", "T", "T", "T"))
        with pytest.raises(DataError, match="T of frequencies 2, 4 is not unique"):
            fit_to_frequencies(mixed, shells)


@pytest.mark.slow
def test_errors_of_fitted_constants_are_those_of_repeated_measurements():
    shells, values, given = _iron()
    rng = np.random.default_rng(5)
    deviations = []
    for _ in range(60):
        found, quality = fit_to_frequencies(_measured(given, 40, rng, 0.01), shells)
        deviations.append((found.values - values) / found.values_sem)
        assert 0.3 < quality.reduced_chi2 < 2.5
    assert 0.85 < np.sqrt(np.mean(np.square(deviations))) < 1.15


def test_frequencies_that_do_not_determine_the_constants_are_refused():
    shells, _, given = _iron()
    with pytest.raises(UsageError, match="3 frequencies cannot determine 4"):
        fit_to_frequencies(_measured(given, 3, np.random.default_rng(6)), shells)
    along = np.linspace(0.05, 0.45, 9)[:, None] * np.array([1.0, -1.0, 1.0])
    one = MeasuredFrequencies(along, frequencies_at(given, along)[0][:, 2], ("3",) * 9)
    with pytest.raises(DataError, match="do not determine"):
        fit_to_frequencies(one, shells)
    with pytest.raises(UsageError, match="no branch 7"):
        fit_to_frequencies(replace(one, branch=("7",) * 9), shells)
