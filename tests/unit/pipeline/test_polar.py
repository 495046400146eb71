"""Jobs on a polar crystal: charges of options and of data, fits, projections and results."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

import trajmodes as tm
from trajmodes.config.job import job_of
from trajmodes.coulomb.supercells import dipole_forces
from trajmodes.data.charges import Charges
from trajmodes.data.lattice import minimum_image
from trajmodes.errors import DataError, UsageError
from trajmodes.fit import fit
from trajmodes.formats.open import charges_of_data
from trajmodes.notes import Note
from trajmodes.phonons.modes import frequencies_at
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON, THZ

NUMBERS = {"born_charges": ["Na 1.1", "Cl -1.1"], "dielectric": 2.4}
BORN = "14.4\n2.4 0 0 0 2.4 0 0 0 2.4\n1.1 0 0 0 1.1 0 0 0 1.1\n-1.1 0 0 0 -1.1 0 0 0 -1.1\n"
Q = np.random.default_rng(1).uniform(-0.5, 0.5, (4, 3))


@pytest.fixture(scope="module")
def model(crystals, springs):
    """Springs and dipoles of NaCl, and its supercell."""
    salt = crystals["rock salt"]
    charges = Charges(np.array([1.1, -1.1])[:, None, None] * np.eye(3), 2.4 * np.eye(3))
    constants = replace(springs(salt, 3.0, 5.0), charges=charges)
    return constants, build_supercell(salt, [[-2, 2, 2], [2, -2, 2], [2, 2, -2]])


@pytest.fixture(scope="module")
def frames(model, hessian_of):
    """Arguments of `trajmodes.from_arrays` for snapshots of the model."""
    constants, supercell = model
    u_tax = 0.02 * np.random.default_rng(0).normal(size=(40, supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    short = -u_tax.reshape(40, -1) @ hessian_of(constants, supercell)
    f_tax = short.reshape(u_tax.shape) + dipole_forces(supercell, constants.charges)(u_tax)
    return {
        "positions": supercell.positions + u_tax,
        "cells": supercell.cell,
        "species": list(supercell.species),
        "masses_da": supercell.masses / DALTON,
        "forces": f_tax,
        "ideal": supercell.positions,
    }


def test_numbers_and_a_file_give_the_same_fit(model, frames, tmp_path):
    constants, _ = model
    (tmp_path / "BORN").write_text(BORN)
    run = tm.from_arrays(**frames)
    one = run.fit(cutoff2=3.2, **NUMBERS)
    two = run.fit(cutoff2=3.2, born=tmp_path / "BORN")
    np.testing.assert_array_equal(one.values, two.values)
    wanted = frequencies_at(constants, Q)[0] / THZ
    np.testing.assert_allclose(np.sort(one.frequencies(Q)), wanted, atol=1e-3)
    assert one.quality.rms_residual < 1e-6 * one.quality.rms_force
    plain = run.fit(cutoff2=3.2)
    assert plain.charges is None
    assert plain.quality.rms_residual > 1e3 * one.quality.rms_residual
    notes = one.record.results.notes
    assert any("mean Born charges of the sites: " in note.text for note in notes)


def test_forces_that_are_left_out_are_named_before_their_errors(frames, monkeypatch):
    short = Note("warning", "errors are lower bounds")
    monkeypatch.setattr(fit, "lower_bounds", lambda *_: (short,))
    found = tm.from_arrays(**frames).fit(cutoff2=3.2).record.results.warnings
    dipoles = next(note for note in found if "like that of dipoles" in note.text)
    assert found.index(dipoles) < found.index(short)


def test_higher_orders_are_fitted_beside_dipoles(model, frames):
    """The third order takes rows frame by frame; that of a harmonic crystal is zero."""
    constants, _ = model
    found = tm.from_arrays(**frames).fit(cutoff2=3.2, cutoff3=3.2, **NUMBERS)
    assert np.abs(found.triplets.values).max() < 1e-5
    wanted = frequencies_at(constants, Q)[0] / THZ
    np.testing.assert_allclose(np.sort(found.frequencies(Q)), wanted, atol=1e-3)


def test_charges_stay_with_the_constants(frames, tmp_path):
    run = tm.from_arrays(**frames)
    found = run.fit(cutoff2=3.2, **NUMBERS)
    found.save(tmp_path / "salt.h5")
    again = tm.read_force_constants(tmp_path / "salt.h5")
    np.testing.assert_array_equal(again.frequencies(Q), found.frequencies(Q))
    folder = tmp_path / "fit"
    found.save(folder)
    results = tm.load(folder)
    np.testing.assert_array_equal(results.force_constants.frequencies(Q), found.frequencies(Q))
    longer = tm.read_force_constants(folder)
    with pytest.raises(DataError, match="given twice"):
        longer.append(run)


@pytest.mark.slow
def test_other_charges_are_not_appended(frames):
    run = tm.from_arrays(**frames)
    found = run.fit(cutoff2=3.2, **NUMBERS)
    halves = {
        **frames, "positions": frames["positions"][20:], "forces": frames["forces"][20:],
    }  # fmt: skip
    more = tm.from_arrays(**halves)
    assert found.append(more).quality.n_frames == 60
    plain = run.fit(cutoff2=3.2)
    job = more.job.with_options(**NUMBERS)
    with pytest.raises(DataError, match="differ in Born charges"):
        plain.append(replace(more, job=job))


def test_charges_are_given_to_whole_constants(frames, model, tmp_path):
    """A fit to all pairs of the supercell, and charges given later: no jump at Γ is lost."""
    _, supercell = model
    whole = tm.from_arrays(**frames).fit(cutoff2="supercell")
    (tmp_path / "BORN").write_text(BORN)
    polar = whole.with_charges(tmp_path / "BORN")
    wanted = whole.frequencies([[0.5, 0.5, 0.0], [0.25, 0.25, 0.0]])
    found = polar.frequencies([[0.5, 0.5, 0.0], [0.25, 0.25, 0.0]])
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    split = polar.frequencies([0, 0, 0], direction=[0, 0, 1])
    bare = polar.frequencies([0, 0, 0])
    np.testing.assert_allclose(bare, whole.frequencies([0, 0, 0]), atol=1e-6)
    ratio = np.prod(split[3:] / bare[3:]) ** 2
    np.testing.assert_allclose(
        polar.static_dielectric(), ratio * 2.4 * np.eye(3), rtol=1e-9, atol=1e-9
    )
    assert polar.supercell is whole.supercell
    assert supercell.n_atoms == polar.supercell.n_atoms


def test_charges_beside_data_are_used_unless_left_out(model, tmp_path):
    constants, _ = model
    path = tmp_path / "phonopy_disp.yaml"
    path.write_text("phonopy:\n")
    (tmp_path / "BORN").write_text(BORN)
    for options, expected in (({}, True), ({"no_charges": True}, False)):
        job = job_of("fit", [path], options)
        found = charges_of_data(job.polar, constants.crystal, [path])
        assert (found.charges is not None) == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"born_charges": ["Na 1"]}, "needed together"),
        ({"dielectric": 2.0}, "needed together"),
        ({"born": "BORN", **NUMBERS}, "given in several ways"),
        ({"born": "BORN", "no_charges": True}, "given in several ways"),
        ({"dielectric": [1.0, 2.0], "born_charges": ["Na 1"]}, "one, three or nine numbers"),
    ],
)
def test_contradictory_options_are_refused(options, text):
    with pytest.raises(UsageError, match=text):
        job_of("fit", ["run.lammpstrj"], options)


class _Harmonic(Calculator):
    """Forces of the model, for configurations near its sites."""

    implemented_properties: ClassVar = ["forces"]

    def __init__(self, model, hessian):
        super().__init__()
        self.constants, self.supercell = model
        self.hessian = hessian

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        u_ax = minimum_image(atoms.positions - self.supercell.positions, self.supercell.cell)
        u_ax = u_ax - u_ax.mean(axis=0)
        long = dipole_forces(self.supercell, self.constants.charges)(u_ax[None])[0]
        short = -(self.hessian @ u_ax.ravel()).reshape(u_ax.shape)
        self.results["forces"] = short + long


@pytest.mark.slow
def test_self_consistent_constants_have_dipoles(model, hessian_of, tmp_path):
    """Those of a harmonic crystal are the crystal's own, whatever they start from."""
    constants, supercell = model
    cell = tmp_path / "salt.vasp"
    supercell.crystal.to_ase().write(cell, format="vasp")
    found = tm.self_consistent(
        cell,
        _Harmonic(model, hessian_of(constants, supercell)),
        50.0,
        supercell=supercell.matrix.tolist(),
        number=10,
        cutoff2=3.2,
        **NUMBERS,
    )
    assert found.charges is not None
    wanted = frequencies_at(constants, Q)[0] / THZ
    np.testing.assert_allclose(np.sort(found.frequencies(Q)), wanted, rtol=1e-3)


@pytest.mark.slow
def test_self_consistent_constants_keep_the_charges_of_their_start(model, hessian_of):
    constants, supercell = model
    found = tm.self_consistent(
        tm.ForceConstants.of(constants, supercell=supercell),
        _Harmonic(model, hessian_of(constants, supercell)),
        50.0,
        number=10,
        cutoff2=3.2,
    )
    np.testing.assert_array_equal(found.charges.born, constants.charges.born)
    wanted = frequencies_at(constants, Q)[0] / THZ
    np.testing.assert_allclose(np.sort(found.frequencies(Q)), wanted, rtol=1e-3)
