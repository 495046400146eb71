"""Velocities alone of crystals with defects, and in a box that fluctuates."""

import ase
import numpy as np
import pytest

import trajmodes as tm
from program_files.arrays import arrays_of
from program_files.silicon_run import silicon_run, supercell
from tests.unit.pipeline.test_imperfect import INTERVAL_PS, box_of, isotopes
from tests.unit.pipeline.test_velocities_alone import OF_VELOCITIES
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

N_FRAMES = 200


def require_equal(found, whole):
    """Compare all results of velocities that the whole run has."""
    names = [name for name in OF_VELOCITIES if name in whole.dataset]
    assert {"kinetic_mev", "mode_temperature", "temperature", "power"} <= {*names}
    for name in names:
        np.testing.assert_array_equal(found[name].values, whole[name].values, err_msg=name)


@pytest.fixture(scope="module")
def constants(crystals, springs):
    return springs(crystals["diamond"], 4.0)


def alone(run, *, frame=5, imperfect=True):
    """Open the velocities of a run, with the atoms of one of its frames as the structure."""
    whole, block = run.trajectory, run.frames(0, run.n_frames)
    snapshot = ase.Atoms(whole.species, positions=block.positions[frame], cell=block.cells[0])
    return tm.from_arrays(
        None,
        block.cells,
        whole.species,
        velocities=block.velocities,
        masses_da=whole.masses / DALTON,
        interval_ps=INTERVAL_PS,
        cell=snapshot,
        imperfect=imperfect,
    )


@pytest.mark.parametrize("kind", ["isotopes", "alloy", "vacancy", "interstitial"])
def test_defects_are_those_of_the_structure(hessian_of, constants, kind):
    small = build_supercell(constants.crystal, 2 * np.eye(3, dtype=int))
    given = {"masses_da": isotopes(small)}
    if kind != "isotopes":
        given["species"] = ["Ge" if a % 5 == 0 else "Si" for a in range(small.n_atoms)]
    if kind == "vacancy":
        given["empty"] = (7,)
    extra = 0.5 * small.crystal.cell.sum(axis=0) + 0.02 if kind == "interstitial" else None
    run = box_of(hessian_of, constants, small.matrix, **given).run(
        N_FRAMES, extra=extra, imperfect=True
    )
    whole, found = run.project(constants), alone(run).project(constants)
    require_equal(found, whole)
    assert ("equipartition_share" in whole.dataset) == (kind == "vacancy")
    if kind == "vacancy":
        share = "equipartition_share"
        np.testing.assert_array_equal(found[share].values, whole[share].values)
    texts = [note.text for note in found.analysis.results.notes]
    assert any(text.startswith("not a perfect crystal") for text in texts)
    assert any("hops are not seen" in text for text in texts)


def test_defects_are_refused_unless_asked_for(hessian_of, constants):
    """The structure with a vacancy is not the crystal of the force constants."""
    matrix = 2 * np.eye(3, dtype=int)
    run = box_of(hessian_of, constants, matrix, empty=(3,)).run(50, imperfect=True)
    with pytest.raises(DataError, match=r"integer number(.|\n)*--imperfect"):
        alone(run, imperfect=False).project(constants)


def strained(images, *, shear):
    """Arrays of a run whose box fluctuates: reduced positions and velocities stay the same."""
    arrays, t = arrays_of(images), np.arange(len(images))[:, None, None]
    strain = 0.004 * np.sin(t / 11.0) * np.eye(3)
    if shear:
        strain = strain + 0.001 * np.sin(t / 5.0 + [[0, 1, 2], [1, 3, 4], [2, 4, 5]])
    for name in ("positions", "cells"):
        arrays[name] = arrays[name] @ (np.eye(3) + strain)
    return arrays


@pytest.mark.parametrize("shear", [False, True])
def test_a_box_that_fluctuates_is_needed_for_its_mean_alone(shear):
    """Modes refer to the mean box, and velocities are Cartesian in it."""
    arrays, options = strained(silicon_run(10.0, n_frames=200), shear=shear), {}
    symbols = ["Si"] * 64
    options = {"units": "metal", "timestep_fs": 10.0, "cell": supercell()}
    of_velocities = {name: arrays[name] for name in ("velocities", "cells")}
    whole = tm.open({**arrays, "species": symbols}, box="average", **options)
    run = tm.open({**of_velocities, "species": symbols}, box="average", **options)
    constants = whole.fit(cutoff2=4.0)
    found, expected = run.project(constants), whole.project(constants)
    require_equal(found, expected)
    for name in ("box_mean", "box_mean_sem", "box_strain_rms"):
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)
    with pytest.raises(DataError, match=r"the box changes in time(.|\n)*--box average"):
        tm.open({**of_velocities, "species": symbols}, **options)
