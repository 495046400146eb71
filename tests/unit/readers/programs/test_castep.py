"""CASTEP's .md file."""

import ase.io
import numpy as np
import pytest

from program_files.castep import castep
from trajmodes.errors import DataError
from trajmodes.formats.open import open_trajectory

FIELDS = ["velocities", "forces"]


def test_castep_agrees_with_the_extended_xyz_of_the_run(run, here):
    found = open_trajectory(castep(here / "si.md", run.images))
    run.compare(found, FIELDS, rtol=1e-7, atol=1e-9)
    assert found.interval_ps == pytest.approx(1e-3, rel=1e-7)
    assert found.notes == ()


def test_the_times_of_a_file_are_in_atomic_units(run, here):
    """One atomic unit of time is 0.0242 fs."""
    path = castep(here / "si.md", run.images)
    alone = [
        line.split()[0] for line in path.read_text().splitlines() if len(line.split()) == 1
    ]
    assert float(alone[1]) == pytest.approx(1.0 / 0.02418884326586)
    np.testing.assert_allclose(open_trajectory(path).times_ps, 1e-3 * np.arange(5), rtol=1e-7)


def test_castep_is_read_as_ase_reads_it(run, here):
    path = castep(here / "si.md", run.images)
    block = open_trajectory(path).read(0, 5)
    for t, image in enumerate(ase.io.read(path, index=":", format="castep-md")):
        np.testing.assert_allclose(block.positions[t], image.positions, rtol=1e-7)
        np.testing.assert_allclose(block.cells[t], image.cell.array, rtol=1e-7)
        np.testing.assert_allclose(block.forces[t], image.get_forces(), rtol=1e-7)


def test_a_file_cut_anywhere_gives_the_whole_steps(run, here, survive_cuts):
    path = castep(here / "si.md", run.images)
    size = path.stat().st_size
    assert survive_cuts(path, [*range(1, size, 97), size]) == set(range(6))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  <-- F", "  <-- G", "atoms of the lines <-- F are not those of step 0"),
        (" O           1", " C           1", "are not those of step 0"),
        ("E-001", "E-0x1", "is not a number .*from line"),
        ("<-- h", "<-- i", "no cell"),
    ],
)
def test_damage_is_located(run, here, old, new, message):
    path = castep(here / "si.md", run.images)
    text = path.read_text()
    at = len(text) // 2
    path.write_text(text[:at] + text[at:].replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        open_trajectory(path)
