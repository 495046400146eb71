"""Canonical configurations: covariances of the Hessian, statistics, files, errors."""

import numpy as np
import pytest
from ase.io import read
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from trajmodes.cli import main
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.pipeline.thermo.structures import structure_writers
from trajmodes.symmetry.translations import (
    build_supercell,
    half_space,
    lattice_field,
    lattice_transform,
)
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.units import ASE_TIME, BOLTZMANN, DALTON, HBAR


@pytest.fixture(scope="module")
def crystal(crystals):
    return crystals["diamond"]


@pytest.fixture(scope="module")
def constants(crystal, springs):
    return springs(crystal, 2.6)


@pytest.mark.parametrize("matrix", [np.diag([2, 3, 4]), [[2, 1, 0], [0, 3, 1], [1, 0, 3]]])
def test_a_field_is_that_of_its_waves(crystal, matrix):
    space = half_space(build_supercell(crystal, matrix))
    field = np.random.default_rng(2).normal(size=(3, space.supercell.n_atoms, 3))
    back = lattice_field(space, lattice_transform(space, field))
    np.testing.assert_allclose(back, field, atol=1e-12)


@pytest.mark.parametrize("quantum", [False, True])
@pytest.mark.parametrize("matrix", [np.diag([2, 2, 2]), [[3, 1, 0], [0, 2, 0], [0, 1, 2]]])
def test_covariances_are_functions_of_the_hessian(
    crystal, constants, hessian_of, matrix, quantum
):
    """⟨uuᵀ⟩ = M^{-½} f(D) M^{-½} with D from the dense Hessian of the supercell."""
    supercell = build_supercell(crystal, matrix)
    ensemble = harmonic_ensemble(constants, supercell, 300.0, quantum=quantum)
    # The factor of each wave, applied to unit fields, gives the dense factor of the supercell.
    n = 3 * supercell.n_atoms
    units = lattice_transform(ensemble.space, np.eye(n).reshape(n, -1, 3))
    hessian = hessian_of(constants, supercell)
    root = np.repeat(supercell.masses, 3) ** -0.5
    square, vectors = np.linalg.eigh(hessian * np.outer(root, root))
    moving = square > 1e-6 * square.max()
    omega = np.sqrt(np.where(moving, square, 1.0))
    heat = BOLTZMANN * 300.0
    energy = 0.5 * HBAR * omega / np.tanh(0.5 * HBAR * omega / heat) if quantum else heat
    for spread, power in ((ensemble.spread, -2), (ensemble.velocity_spread, 0)):
        factor = lattice_field(ensemble.space, units @ spread.swapaxes(1, 2)).reshape(n, n).T
        wanted = (vectors * np.where(moving, energy * omega**power, 0.0)) @ vectors.T
        wanted *= np.outer(root, root)
        np.testing.assert_allclose(factor @ factor.T, wanted, atol=1e-9 * abs(wanted).max())


def test_drawn_configurations_have_these_covariances(crystal, constants):
    """Equipartition of ½uΦu and of the kinetic energy, within the scatter of χ²."""
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    ensemble = harmonic_ensemble(constants, supercell, 500.0)
    number, freedom = 400, 3 * supercell.n_atoms - 3
    found = ensemble.draw(number, np.random.default_rng(7))
    kinetic = (supercell.masses[:, None] * found.velocities**2).sum()
    mean = kinetic / (number * freedom * BOLTZMANN)
    assert mean == pytest.approx(500.0, rel=4.0 * np.sqrt(2.0 / (number * freedom)))
    again = ensemble.draw(number, np.random.default_rng(7))
    np.testing.assert_array_equal(found.displacements, again.displacements)
    assert abs(found.displacements.mean(axis=1)).max() < 1e-12


def test_at_zero_only_quantum_atoms_move(crystal, constants):
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    with pytest.raises(UsageError, match="classical atoms do not move at 0 K"):
        harmonic_ensemble(constants, supercell, 0.0)
    cold = harmonic_ensemble(constants, supercell, 0.0, quantum=True)
    warm = harmonic_ensemble(constants, supercell, 1.0, quantum=True)
    np.testing.assert_allclose(cold.spread, warm.spread, atol=1e-9)
    assert abs(cold.spread).max() > 1e-3


def test_imaginary_modes_are_refused_or_given_their_absolute_frequency(crystal, springs):
    unstable = springs(crystal, 2.6, -1.0)
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    with pytest.raises(DataError, match=r"(?s)imaginary.*--imaginary absolute"):
        harmonic_ensemble(unstable, supercell, 300.0)
    lifted = harmonic_ensemble(unstable, supercell, 300.0, imaginary="absolute")
    stable = harmonic_ensemble(springs(crystal, 2.6), supercell, 300.0)
    # Springs of opposite sign have the same modes, with ω² of opposite sign.
    assert lifted.n_absolute == 3 * supercell.n_atoms - 3
    covariance, wanted = (
        one.spread @ one.spread.conj().swapaxes(1, 2) for one in (lifted, stable)
    )
    np.testing.assert_allclose(covariance, wanted, atol=1e-9 * abs(wanted).max())


@pytest.mark.parametrize("program", ["xyz", "lammps", "vasp"])
def test_files_are_read_back(crystals, springs, tmp_path, program):
    crystal = crystals["wurtzite"]
    supercell = build_supercell(crystal, [[2, 0, 0], [0, 2, 0], [0, 1, 1]])
    found = harmonic_ensemble(springs(crystal, 3.0), supercell, 300.0).draw(
        2, np.random.default_rng(0)
    )
    writers = structure_writers(
        supercell, found.displacements, found.velocities, "temperature_K=300", program
    )
    for name, write in writers.items():
        write(tmp_path / name)
    kinds = {"xyz": "extxyz", "lammps": "lammps-data", "vasp": "vasp"}
    given = found.to_ase()
    if program == "xyz":
        images = read(tmp_path / "configurations.xyz", index=":", format="extxyz")
        velocities = [image.arrays["vel"] for image in images]
    else:
        images = [read(tmp_path / name, format=kinds[program]) for name in writers]
        velocities = [image.get_velocities() / ASE_TIME for image in images]
    assert len(images) == 2
    for image, mine, v_ax in zip(images, given, velocities, strict=True):
        assert image.get_volume() == pytest.approx(supercell.n_cells * crystal.volume)
        order = np.argsort(np.array(mine.numbers), kind="stable")
        theirs = np.argsort(np.array(image.numbers), kind="stable")
        distances = mine.get_all_distances(mic=True)[np.ix_(order, order)]
        np.testing.assert_allclose(
            image.get_all_distances(mic=True)[np.ix_(theirs, theirs)], distances, atol=1e-6
        )
        if program != "vasp":
            speeds = np.linalg.norm(mine.get_velocities() / ASE_TIME, axis=1)[order]
            np.testing.assert_allclose(np.linalg.norm(v_ax, axis=1)[theirs], speeds, rtol=1e-6)


def test_the_command_writes_files_and_says_so(crystal, constants, tmp_path):
    runner = CliRunner()
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    file = tmp_path / "force_constants.h5"
    write_hdf5(constants, supercell, file)
    words = ["sample", str(file), "--temperature", "300", "--number", "4"]
    done = runner.invoke(main, [*words, "-o", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert "4 classical configurations of 16 atoms at 300 K" in done.output
    assert len(read(tmp_path / "new" / "configurations.xyz", index=":")) == 4
    more = ["--supercell", "3,2,2", "--to", "lammps", "--quantum"]
    done = runner.invoke(main, [*words, *more, "-o", str(tmp_path / "new")])
    assert "4 quantum configurations of 24 atoms" in done.output
    # Files of the earlier command are replaced, not left beside the new ones.
    names = sorted(path.name for path in (tmp_path / "new").iterdir() if path.name[0] != ".")
    assert names == [f"00{k}.data" for k in (1, 2, 3, 4)]
    (tmp_path / "new" / "results.nc").touch()
    done = runner.invoke(main, [*words, "-o", str(tmp_path / "new")])
    assert done.exit_code == 2
    assert "holds the results of a run" in done.output


@pytest.mark.parametrize("turned", [False, True])
def test_a_mode_without_restoring_force_is_refused_in_any_axes(turned):
    """A simple cubic crystal of radial springs does not resist shear."""
    turn = Rotation.from_euler("xyz", [0.3, 0.5, 0.7] if turned else [0, 0, 0]).as_matrix()
    crystal = Crystal(2.0 * np.eye(3) @ turn.T, [[0, 0, 0]], ("Po",), [209 * DALTON])
    lattice = np.array([[x, y, z] for x, y, z in np.ndindex(3, 3, 3)]) - 1
    lattice = lattice[abs(lattice).sum(axis=1) == 1]
    unit = lattice @ turn.T
    values = -5.0 * unit[:, :, None] * unit[:, None, :]
    constants = ForceConstants(
        crystal,
        np.zeros(7, int),
        np.zeros(7, int),
        np.vstack([[[0, 0, 0]], lattice]),
        np.concatenate([[-values.sum(axis=0)], values]),
    )
    supercell = build_supercell(crystal, np.diag([3, 3, 3]))
    for imaginary in ("refuse", "absolute"):
        with pytest.raises(DataError, match="has the frequency 0"):
            harmonic_ensemble(constants, supercell, 300.0, imaginary=imaginary)
