"""Files of VASP: vasprun.xml, XDATCAR, vaspout.h5."""

import ase.io
import numpy as np
import pytest

from program_files.vasp import vasprun
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning
from trajmodes.formats.open import open_trajectory
from trajmodes.units import DALTON


def test_vasprun_agrees_with_the_extended_xyz_of_the_run(run, here):
    found = open_trajectory(vasprun(here / "vasprun.xml", run.images))
    run.compare(found, ["forces"], atol=1e-7)
    assert found.interval_ps == pytest.approx(1.5e-3)
    # Masses are those of VASP's dynamics.
    truth = [28.085, 28.085, 13.003, 16.0, 16.0]
    np.testing.assert_allclose(found.masses / DALTON, truth, rtol=1e-12)
    assert found.notes == ()


def test_vasprun_is_read_as_ase_reads_it(run, here):
    path = vasprun(here / "vasprun.xml", run.images)
    block = open_trajectory(path).read(0, 5)
    for t, image in enumerate(ase.io.read(path, index=":")):
        np.testing.assert_allclose(block.positions[t], image.positions, atol=1e-12)
        np.testing.assert_array_equal(block.forces[t], image.get_forces())


@pytest.mark.parametrize("learned", [range(5), range(1, 5), (2, 3)])
def test_steps_with_learned_forces_are_read_in_order(run, here, learned):
    incar = '<i type="logical" name="ML_LMLFF"> T  </i>'
    found = open_trajectory(vasprun(here / "a.xml", run.images, incar=incar, learned=learned))
    run.compare(found, ["forces"], atol=1e-7)
    assert found.interval_ps == pytest.approx(1.5e-3)
    assert "machine-learned" in str(found.notes)


def test_learned_steps_may_be_written_at_an_interval(run, here):
    incar = '<i type="logical" name="ML_LMLFF"> T  </i><i type="int" name="ML_OUTBLOCK"> 10</i>'
    path = vasprun(here / "a.xml", run.images, incar=incar, learned=range(5))
    assert open_trajectory(path).interval_ps == pytest.approx(1.5e-2)


def test_a_relaxation_has_no_time(run, here):
    found = open_trajectory(vasprun(here / "vasprun.xml", run.images, ibrion=2))
    assert found.interval_ps is None
    assert "not one of molecular dynamics" in str(found.notes)


def test_vasprun_cut_anywhere_gives_the_whole_steps(run, here, survive_cuts):
    path = vasprun(here / "vasprun.xml", run.images, learned=(2,))
    size = path.stat().st_size
    assert survive_cuts(path, range(7, size - 1, 401)) == set(range(6))
    path.write_bytes(path.read_bytes()[: size * 3 // 4])
    with pytest.warns(TrajmodesWarning, match=r"the last frame .* is not complete"):
        open_trajectory(path)
    with pytest.raises(DataError, match="is not complete"):
        open_trajectory(path, ReadOptions(strict=True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</structure>", "</structuce>", "mismatched tag"),
        ("<v>       6.", "<v>       **", "is not a number .*from line 45, basis, row 1"),
        ('name="forces" >', 'name="forces" ><v> 1 2 3 </v>', "6 forces .* 5 atoms"),
        ("<c>Si</c>", "<c>12</c>", "does not name its atoms"),
    ],
)
def test_damage_is_located(run, here, old, new, message):
    path = vasprun(here / "vasprun.xml", run.images)
    text = path.read_text()
    at = text.index(old, 0 if "<c>" in old else text.index(" <structure>\n"))
    path.write_text(text[:at] + text[at:].replace(old, new, 1))
    with pytest.raises(DataError, match=rf"(?s){message}"):
        open_trajectory(path)


def test_a_tag_without_end_is_refused(here):
    path = here / "vasprun.xml"
    path.write_text("<modeling>" + "<i name='" + "x" * 5_000_000)
    with pytest.raises(DataError, match="longer than"):
        open_trajectory(path)


@pytest.mark.parametrize("kind", ["constant", "variable"])
def test_xdatcar_agrees_with_the_extended_xyz_of_the_run(run, here, kind):
    """ASE writes headers like VASP in a run at constant pressure."""
    images, path = run.images, here / "XDATCAR"
    if kind == "constant":
        for image in images:
            image.set_cell(images[0].cell, scale_atoms=True)
        ase.io.write(run.xyz, images, format="extxyz")
    ase.io.write(path, images, format="vasp-xdatcar")
    lines = path.read_text().splitlines(keepends=True)
    if kind == "constant":
        # VASP writes one header if the cell is constant, ASE always several.
        lines = [line for k, line in enumerate(lines) if k < 7 or k % 13 >= 7]
        path.write_text("".join(lines))
    found = open_trajectory(path, ReadOptions(timestep_fs=1.0))
    run.compare(found, [], atol=1e-6)
    assert found.steps.tolist() == [1, 2, 3, 4, 5]
    assert found.interval_ps == pytest.approx(1e-3)


def test_the_scale_of_an_xdatcar_multiplies_its_cell(run, here):
    path = here / "XDATCAR"
    ase.io.write(path, run.images, format="vasp-xdatcar")
    truth = open_trajectory(path).read(0, 5)
    lines = path.read_text().splitlines()
    for t, k in enumerate(range(0, len(lines), 13)):
        volume = abs(np.linalg.det(truth.cells[t]))
        lines[k + 1] = f" {2.0 if t % 2 else -8.0 * volume:.12f}"
    path.write_text("\n".join(lines) + "\n")
    block = open_trajectory(path).read(0, 5)
    np.testing.assert_allclose(block.positions, 2.0 * truth.positions, rtol=1e-9)
    np.testing.assert_allclose(block.cells, 2.0 * truth.cells, rtol=1e-9)


def test_xdatcar_cut_anywhere_gives_the_whole_frames(run, here, survive_cuts):
    path = here / "XDATCAR"
    ase.io.write(path, run.images, format="vasp-xdatcar")
    size = path.stat().st_size
    assert survive_cuts(path, [*range(1, size, 53), size]) == set(range(6))


@pytest.mark.parametrize(
    ("line", "new", "message"),
    [
        (24, "", "4 rows for 5 atoms"),
        (15, " 1.0", "frame 1 has no header"),
        (19, "Direct configurat?on= 2", "frame 1 has no header"),
        (12, " 0.1 0.2", "frame 0, from line 9, row 5"),
    ],
)
def test_a_damaged_xdatcar_is_an_error(run, here, line, new, message):
    path = here / "XDATCAR"
    ase.io.write(path, run.images, format="vasp-xdatcar")
    lines = path.read_text().splitlines()
    lines[line] = new
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=message):
        open_trajectory(path)
