"""Self-consistent force constants of a crystal whose self-consistent phonons are known."""

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

import trajmodes as tm
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN

TRANSVERSE, QUARTIC, KELVIN = 0.3, 30.0, 400.0


class Bonds(Calculator):
    """Bonds to the nearest neighbours: ½ t |r|² + ½ k s² + ¼ g s⁴, s = r along the bond.

    ``bonds`` are the two atoms of each bond and its direction; places are the ideal positions.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self, bonds, places, longitudinal):
        super().__init__()
        self.bonds, self.places, self.longitudinal = bonds, places, longitudinal

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        first, second, unit = self.bonds
        u_ax = atoms.positions - self.places
        apart = u_ax[second] - u_ax[first]
        along = (apart * unit).sum(axis=1)
        pull = self.longitudinal * along + QUARTIC * along**3
        force = TRANSVERSE * apart + pull[:, None] * unit
        forces = np.zeros_like(u_ax)
        np.add.at(forces, first, force)
        np.add.at(forces, second, -force)
        self.results = {"energy": 0.0, "forces": forces}


@pytest.fixture(scope="module")
def supercell(crystals):
    return build_supercell(crystals["bcc"], 3 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))


@pytest.fixture(scope="module")
def bonds(supercell):
    atoms = supercell.crystal.to_ase()
    length = np.sqrt(3.0) / 2.0 * 2.87
    inverse = np.linalg.inv(supercell.cell)
    apart = supercell.positions[None] - supercell.positions[:, None]
    reduced = apart @ inverse
    apart = (reduced - np.rint(reduced)) @ supercell.cell
    distance = np.linalg.norm(apart, axis=-1)
    first, second = np.nonzero(np.triu(abs(distance - length) < 0.05))
    assert len(first) == 4 * supercell.n_atoms
    assert len(atoms) == 1
    unit = apart[first, second] / distance[first, second][:, None]
    return first, second, unit


def hessian(supercell, bonds, longitudinal):
    """(3a, 3a) Hessian of the harmonic bonds."""
    first, second, unit = bonds
    n = supercell.n_atoms
    block = TRANSVERSE * np.eye(3) + longitudinal * unit[:, :, None] * unit[:, None, :]
    full = np.zeros((n, n, 3, 3))
    for one, other, sign in ((first, first, 1), (second, second, 1), (first, second, -1)):
        np.add.at(full, (one, other), sign * block)
        if sign < 0:
            np.add.at(full, (other, one), sign * block)
    return full.swapaxes(1, 2).reshape(3 * n, 3 * n)


def exact_longitudinal(supercell, bonds, longitudinal):
    """The bond constant k + 3g⟨s²⟩ of self-consistent phonon theory, by dense matrices."""
    first, second, unit = bonds
    effective = abs(longitudinal) + 1.0
    for _ in range(2000):
        square, vectors = np.linalg.eigh(hessian(supercell, bonds, effective))
        inverse = (vectors[:, 3:] / square[3:]) @ vectors[:, 3:].T
        covariance = BOLTZMANN * KELVIN * inverse.reshape(supercell.n_atoms, 3, -1, 3)
        c = covariance.swapaxes(1, 2)
        relative = c[first, first] + c[second, second] - c[first, second] - c[second, first]
        spread = np.einsum("bx,bxy,by->b", unit, relative, unit).mean()
        new = longitudinal + 3.0 * QUARTIC * spread
        if abs(new - effective) < 1e-12:
            break
        effective = 0.5 * (effective + new)
    return effective


@pytest.mark.parametrize("longitudinal", [2.0, pytest.param(-0.6, marks=pytest.mark.slow)])
def test_the_force_constants_are_those_of_self_consistent_phonons(
    supercell, bonds, tmp_path, longitudinal
):
    """Also of a crystal that is unstable without motion, started from its own cell."""
    static = np.linalg.eigvalsh(hessian(supercell, bonds, longitudinal))
    assert (static[0] < -0.1) == (longitudinal < 0)
    cell = tmp_path / "iron.vasp"
    supercell.crystal.to_ase().write(cell, format="vasp")
    found = tm.self_consistent(
        cell,
        Bonds(bonds, supercell.positions, longitudinal),
        KELVIN,
        supercell=supercell.matrix.tolist(),
        number=60,
        imaginary="absolute",
        cutoff2=2.7,
        seed=3,
    )
    note = found.record.results.notes[0]
    assert note.text.startswith("self-consistent force constants"), note
    assert found.temperature == KELVIN
    assert found.has_static_part is False
    wanted = np.sqrt(
        np.linalg.eigvalsh(
            hessian(supercell, bonds, exact_longitudinal(supercell, bonds, longitudinal))
        )[3:]
        / supercell.masses[0]
    )
    modes = found.record.results.modes
    counted = modes.sets >= 0
    repeats = np.broadcast_to(modes.weights[:, None], counted.shape)[counted].astype(int)
    omega = np.repeat(modes.omega[counted], repeats)
    sem = np.repeat(modes.omega_sem[counted], repeats)
    order = np.argsort(omega)
    z = (omega[order] - np.sort(wanted)) / sem[order]
    assert np.sqrt((z**2).mean()) < 3.0
    np.testing.assert_allclose(omega[order], np.sort(wanted), rtol=0.03)
    # Force constants of the static crystal are far from these.
    assert abs(exact_longitudinal(supercell, bonds, longitudinal) - longitudinal) > 0.3


def test_the_iterations_end_with_a_warning_if_they_are_too_few(supercell, bonds, tmp_path):
    cell = tmp_path / "iron.vasp"
    supercell.crystal.to_ase().write(cell, format="vasp")
    found = tm.self_consistent(
        cell,
        Bonds(bonds, supercell.positions, 2.0),
        KELVIN,
        supercell=supercell.matrix.tolist(),
        number=60,
        cutoff2=2.7,
        iterations=1,
    )
    (warning, *_) = found.record.results.warnings
    assert "have not settled: 1 iterations of 60 classical" in warning.text


def test_a_calculator_without_forces_is_an_error(supercell, springs):
    class Broken(Calculator):
        implemented_properties = ("energy",)

    start = tm.ForceConstants.of(springs(supercell.crystal, 2.7), supercell=supercell)
    with pytest.raises(DataError, match=r"the calculator gives no forces.*configuration 0"):
        tm.self_consistent(start, Broken(), KELVIN, number=20, cutoff2=2.7)
