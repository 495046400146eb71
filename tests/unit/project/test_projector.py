import pickle
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import HalfSpace


def _by_definition(space: HalfSpace, modes: Modes, field: np.ndarray, power: float):
    """The defining sum of conventions.md, with the positions of the atoms in the phase."""
    supercell = space.supercell
    reduced = supercell.positions @ np.linalg.inv(supercell.crystal.cell)
    phases = np.exp(-2j * np.pi * space.qpoints @ reduced.T)
    bras = modes.vectors[:, :, supercell.site_index].conj()
    weighted = supercell.masses[:, None] ** power * field
    sums = np.einsum("qmax,qa,tax->qmt", bras, phases, weighted)
    return sums / np.sqrt(supercell.n_cells)


def test_amplitudes_equal_their_definition(space: HalfSpace, modes: Modes) -> None:
    field = np.random.default_rng(1).normal(size=(7, space.supercell.n_atoms, 3))
    projector = Projector(space, modes)
    for verb, power in (
        (projector.coordinates, 0.5),
        (projector.velocities, 0.5),
        (projector.forces, -0.5),
    ):
        assert np.allclose(verb(field), _by_definition(space, modes, field, power), atol=1e-12)


def test_phases_of_the_cells_alone_are_wrong(space: HalfSpace, modes: Modes) -> None:
    """With the phases of the cells the same vectors give other amplitudes."""
    field = np.random.default_rng(1).normal(size=(1, space.supercell.n_atoms, 3))
    projector = Projector(space, modes)
    wrong = Projector(replace(space, phases=np.ones_like(space.phases)), modes)
    assert not np.allclose(projector.coordinates(field), wrong.coordinates(field), atol=1e-3)


def test_amplitudes_do_not_depend_on_the_batch(space: HalfSpace, modes: Modes) -> None:
    field = np.random.default_rng(2).normal(size=(2000, space.supercell.n_atoms, 3))
    projector = Projector(space, modes)
    one_by_one = np.concatenate(
        [projector.velocities(field[t : t + 1]) for t in range(9)], axis=2
    )
    assert np.allclose(projector.velocities(field)[:, :, :9], one_by_one, rtol=0, atol=1e-14)
    assert np.allclose(
        projector.velocities(field)[:, :, -3:], projector.velocities(field[-3:]), atol=1e-14
    )


def test_missing_fields_stay_missing(space: HalfSpace, modes: Modes) -> None:
    u_tax = np.zeros((2, space.supercell.n_atoms, 3))
    amplitudes = Projector(space, modes).project(MotionBlock(5, u_tax, None, None))
    assert amplitudes.first_frame == 5
    assert amplitudes.velocity is None
    assert amplitudes.force is None


def test_projector_can_be_pickled(space: HalfSpace, modes: Modes) -> None:
    field = np.random.default_rng(3).normal(size=(2, space.supercell.n_atoms, 3))
    projector = Projector(space, modes)
    again = pickle.loads(pickle.dumps(projector))
    assert np.array_equal(again.forces(field), projector.forces(field))


def test_other_q_points_are_refused(space: HalfSpace, modes: Modes) -> None:
    order = np.roll(np.arange(space.n_qpoints), 1)
    with pytest.raises(DataError, match="list different q points"):
        Projector(space, replace(modes, qpoints=modes.qpoints[order]))
