"""dynasor's ModeProjector and ours with the same modes."""

import warnings

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import DALTON, FEMTOSECOND

pytestmark = pytest.mark.peer


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("diamond", [[2, 0, 0], [0, 2, 0], [0, 0, 3]]),
        ("wurtzite", [[2, 1, 0], [0, 2, 0], [0, 1, 2]]),
        ("triclinic", [[2, 1, 0], [0, 1, 1], [-1, 0, 2]]),
    ],
)
def test_amplitudes_equal_dynasors(crystals, springs, hessian_of, name, matrix) -> None:
    """Q = Q, and P = conj(Q̇), F = conj(𝓕) in the convention of dynasor (fs for ps).

    So are the energies of every single mode, kinetic, potential and virial.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modes_module = pytest.importorskip("dynasor.modes.mode_projector")
        ase = pytest.importorskip("ase")

    crystal = crystals[name]
    space = half_space(build_supercell(crystal, matrix))
    supercell = space.supercell
    primitive = ase.Atoms(
        crystal.species,
        positions=crystal.positions,
        cell=crystal.cell,
        masses=crystal.masses / DALTON,
        pbc=True,
    )
    whole = ase.Atoms(
        supercell.species,
        positions=supercell.positions,
        cell=supercell.cell,
        masses=supercell.masses / DALTON,
        pbc=True,
    )
    n_atoms = supercell.n_atoms
    hessian = hessian_of(springs(crystal, 4.5), supercell)
    constants = hessian.reshape(n_atoms, 3, n_atoms, 3).swapaxes(1, 2)
    theirs = modes_module.ModeProjector(primitive, whole, constants)

    # Their q are in [0, 1); their vectors have the phase of the cells only.
    their_q = np.asarray(theirs.q_reduced, dtype=float)
    distance = space.qpoints[:, None] - their_q
    place = (np.abs(distance - np.rint(distance)).max(axis=2) < 1e-9).argmax(axis=1)
    vectors = theirs.polarizations[place] * space.phases[:, None, :, None]
    omega = theirs.omegas[place] / FEMTOSECOND
    sets = np.zeros(omega.shape, dtype=int)
    modes = Modes(crystal, space.qpoints, space.weights, omega, vectors, None, sets)

    u_ax, v_ax, f_ax = np.random.default_rng(5).normal(size=(3, n_atoms, 3))
    theirs.set_u(u_ax)
    theirs.set_v(v_ax * FEMTOSECOND)
    theirs.set_f(f_ax)
    ours = Projector(space, modes)
    for mine, their, factor in (
        (ours.coordinates(u_ax[None]), theirs.get_Q(), FEMTOSECOND),
        (ours.velocities(v_ax[None]).conj(), theirs.get_P(), 1.0),
        (ours.forces(f_ax[None]).conj(), theirs.get_F(), 1.0 / FEMTOSECOND),
    ):
        expected = their[place] * factor
        # Their Dalton and ours are from different CODATA sets.
        ratio = np.vdot(expected, mine[..., 0]).real / np.vdot(expected, expected).real
        assert ratio == pytest.approx(1.0, abs=1e-7)
        assert np.allclose(mine[..., 0], ratio * expected, atol=1e-10 * np.abs(expected).max())
    energies = (
        (theirs.kinetic_energies, 0.5 * np.abs(ours.velocities(v_ax[None])[..., 0]) ** 2),
        (
            theirs.potential_energies,
            0.5 * (omega * np.abs(ours.coordinates(u_ax[None])[..., 0])) ** 2,
        ),
        (
            theirs.virial_energies.real,
            -0.5 * (ours.coordinates(u_ax[None]).conj() * ours.forces(f_ax[None]))[..., 0].real,
        ),
    )
    for expected, mine in energies:
        assert np.allclose(mine, expected[place], rtol=1e-6, atol=1e-6 * np.abs(mine).max())
