"""Deviations of ω² for replicates of the force constants."""

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.phonons import frequency_errors
from trajmodes.phonons.bands import dispersion
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sums
from trajmodes.phonons.frequency_errors import square_deviations
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path, commensurate
from trajmodes.phonons.renormalised import quasi_particle_constants
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

Q = np.array([[0, 0, 0], [0.5, 0, 0.5], [0.21, -0.37, 0.45]])


def exchanged(constants):
    """Index of the reverse (j, i, −R) of each pair."""
    pairs = zip(constants.first, constants.second, map(tuple, constants.lattice), strict=True)
    place = {pair: number for number, pair in enumerate(pairs)}
    return [place[j, i, tuple(-x for x in cell)] for i, j, cell in place]


def noisy(constants, n_replicates):
    """Replicates that keep the exchange of indices and nothing else."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(n_replicates, *constants.values.shape))
    return constants.values + noise + noise[:, exchanged(constants)].swapaxes(2, 3)


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic", "quartz"])
@pytest.mark.parametrize("chunk", [2 * 2**20, 1])
def test_deviations_are_those_of_the_expectation_values(
    name, chunk, crystals, springs, monkeypatch
):
    monkeypatch.setattr(frequency_errors, "_CHUNK_BYTES", chunk)
    constants = springs(crystals[name], 4.5)
    modes = modes_at(constants, Q)
    vectors = modes.vectors.reshape(*modes.omega.shape, -1)
    replicates = noisy(constants, 5)
    direct = np.stack(
        [
            np.einsum("qmk,qkl,qml->qm", vectors.conj(), dynamical_matrices(one, Q), vectors)
            for one in lattice_sums(constants, replicates)
        ],
        axis=-1,
    ).real
    found = square_deviations(constants, replicates, Q, vectors)
    wanted = direct - direct.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(direct).max())


def test_replicates_without_the_symmetry_of_exchange_are_refused(crystals, springs):
    constants = springs(crystals["wurtzite"], 4.5)
    replicates = noisy(constants, 3)
    replicates[1, 7, 0, 1] += 1.0
    with pytest.raises(DataError, match="not transposes"):
        modes_at(replace(constants, replicates=replicates), Q)


@pytest.mark.slow
def test_bands_of_64_sites_without_symmetry_take_seconds(springs):
    rng = np.random.default_rng(5)
    corner = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    cubic = np.concatenate([corner, corner + 0.25])
    cells = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    species = rng.permutation(["Si", "Ge"] * 32)
    crystal = Crystal(
        11.06 * np.eye(3),
        ((cubic + cells) / 2).reshape(-1, 3),
        tuple(species),
        np.where(species == "Si", 28.085, 72.63) * DALTON,
    )
    supercell = build_supercell(crystal, np.diag([2, 1, 1]))
    constants = springs(crystal, 5.0)
    modes = modes_at(constants, *commensurate(supercell))
    omega = np.sqrt(np.abs(set_mean(modes.omega**2, modes)))
    path = band_path(crystal, 0.02)
    start = process_time()
    particles, _ = quasi_particle_constants(modes, supercell, omega, 0.01 * omega, 300.0)
    bands = dispersion(particles, path)
    assert process_time() - start < 8.0
    assert (bands.omega_sem[:, -10:] > 0).all()
