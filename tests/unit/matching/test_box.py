"""Boxes that fluctuate: refused by default, used with their mean on request."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.matching.average import average_structure, box_motion, in_box
from trajmodes.matching.diagnosis import diagnose
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import match
from trajmodes.symmetry.operations import space_group

EYE3 = 3 * np.eye(3, dtype=int)


def swelling(run, size=1e-3):
    """Boxes that grow steadily by a total strain along x, atoms with them."""
    growth = np.ones((run.n_frames, 3))
    growth[:, 0] += size * np.linspace(-0.5, 0.5, run.n_frames)
    growth = growth[:, None]
    return replace(run, cells=run.cells * growth, positions=run.positions * growth)


def test_strain_and_drift_of_an_expanding_box():
    growth = 1.0 + np.array([-3e-3, -1e-3, 1e-3, 3e-3])
    cells = np.eye(3) * 5.0 * growth[:, None, None]
    motion = box_motion(cells)
    assert motion.mean == pytest.approx(5.0 * np.eye(3))
    assert motion.largest == pytest.approx(3e-3)
    assert motion.rms == pytest.approx(np.sqrt(3 * 5e-6))
    assert motion.drift == pytest.approx(4e-3)
    assert "drift" not in motion.summary
    assert "from the first half to the second 4.00e-03, in 4 frames" in motion.summary


def test_a_single_box_has_no_drift():
    motion = box_motion(np.eye(3)[None] * 4.0)
    assert (motion.largest, motion.rms, motion.drift) == (0.0, 0.0, 0.0)
    assert motion.mean_sem is None
    assert motion.strain_rms_sem is None


def test_reduced_coordinates_are_kept():
    rng = np.random.default_rng(0)
    cells, box = rng.normal(size=(5, 3, 3)) + 4 * np.eye(3), np.diag([4.0, 5.0, 6.0])
    s = rng.normal(size=(5, 7, 3))
    assert in_box(s @ cells, cells, box) == pytest.approx(s @ box)


def test_a_fluctuating_box_is_refused_with_its_strain(crystals, einstein):
    run = einstein(crystals["bcc"], EYE3)
    npt = swelling(run)
    expected = r"up to 0\.05 %(.|\n)*rms strain 3.0\de-04(.|\n)*second 5.\d+e-04"
    with pytest.raises(DataError, match=expected + r"(.|\n)*--box average"):
        match(crystals["bcc"], npt)
    with pytest.raises(
        DataError, match=r"differs from that(.|\n)*rms strain(.|\n)*--box average"
    ):
        Displacer(match(crystals["bcc"], run))(npt.read(0, 9))


def test_average_box_is_noted_and_used_by_the_check(crystals, einstein):
    run = einstein(crystals["bcc"], EYE3)
    found = match(
        crystals["bcc"], swelling(run), average=average_structure(swelling(run), box="average")
    )
    (note,) = found.notes
    assert "the box fluctuates (rms strain 3.0" in note.text
    assert "mean box, 7.4565 × 7.4565 × 7.4565 Å, 109.47°, 109.47°, 109.47°" in note.text
    diagnosis = diagnose(swelling(run), found)
    assert diagnosis.figures["box change"].value == pytest.approx(0.05, rel=1e-6)
    still = diagnose(run, match(crystals["bcc"], run))
    now, then = diagnosis.figures["displacement"].value, still.figures["displacement"].value
    assert now == pytest.approx(then, rel=1e-3)


def test_a_fixed_box_has_no_fluctuation(crystals, einstein):
    run = einstein(crystals["bcc"], EYE3)
    found = match(crystals["bcc"], run, average=average_structure(run, box="average"))
    assert found.box_motion is None
    assert found.notes == ()


def test_a_box_far_from_the_mean_is_refused(crystals, einstein):
    run = einstein(crystals["bcc"], EYE3)
    found = match(
        crystals["bcc"], swelling(run), average=average_structure(swelling(run), box="average")
    )
    with pytest.raises(DataError, match=r"differs(.|\n)*with a constant mean box"):
        Displacer(found)(replace(run, cells=run.cells * 1.1).read(0, 2))


def test_noise_of_the_mean_box_does_not_lower_the_symmetry(crystals, einstein):
    run = einstein(crystals["diamond"], EYE3)
    rng = np.random.default_rng(0)
    strain = np.eye(3) * (1.0 + 2e-3) + rng.normal(size=(run.n_frames, 3, 3)) * 2e-3
    npt = replace(run, cells=run.cells @ strain, positions=run.positions @ strain)
    found = match(crystals["diamond"], npt, average=average_structure(npt, box="average"))
    assert len(found.notes) == 1
    shear = found.strain - np.eye(3) * found.strain[0, 0]
    assert np.abs(shear).max() < 1e-12
    assert found.box == pytest.approx(found.supercell.cell @ found.rotation.T, abs=1e-9)
    assert found.residual_max < 0.05
    motion = found.box_motion
    parts = np.linalg.inv(motion.mean) @ motion.means
    assert parts == pytest.approx(parts[:, :1, :1] * np.eye(3), abs=1e-12)
    error = motion.mean - run.cells[0] * 1.002
    assert np.abs(error).max() < 4 * motion.mean_sem.max()
    symmetric = 0.5 * (strain + strain.swapaxes(1, 2))
    assert motion.strain_rms == pytest.approx(symmetric.std(axis=0), rel=0.2)


def test_a_mean_box_of_lower_symmetry_is_kept(crystals, einstein):
    run = einstein(crystals["diamond"], EYE3)
    stretch = np.diag([1.01, 1.0, 1.0])
    npt = swelling(replace(run, cells=run.cells @ stretch, positions=run.positions @ stretch))
    found = match(crystals["diamond"], npt, average=average_structure(npt, box="average"))
    assert np.ptp(np.linalg.eigvalsh(found.strain)) == pytest.approx(0.01, abs=1e-5)
    assert any("lowers the symmetry" in str(note) for note in found.notes)


def test_crystal_found_in_a_noisy_mean_box_has_its_symmetry(crystals, einstein):
    run = einstein(crystals["diamond"], EYE3)
    rng = np.random.default_rng(1)
    strain = np.eye(3) + rng.normal(size=(run.n_frames, 3, 3)) * 3e-3
    npt = replace(run, cells=run.cells @ strain, positions=run.positions @ strain)
    average = average_structure(npt, box="average")
    crystal = find_crystal(average, npt.species).crystal
    lengths = np.linalg.norm(crystal.cell, axis=1)
    assert np.ptp(lengths) < 1e-12
    assert crystal.volume == pytest.approx(abs(np.linalg.det(average.box)) / 27, rel=1e-4)
    found = match(crystal, npt, average=average)
    assert found.space_group == "Fd-3m"
    assert space_group(found.supercell.crystal, tolerance=1e-6).n_operations == 48
