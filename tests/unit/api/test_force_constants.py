"""Force constants as an object: frequencies, other programs, files, scans, movies."""

from dataclasses import replace

import numpy as np
import pytest
from ase.io import read

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.units import THZ


def test_frequencies_are_those_of_modes_and_bands(fc):
    x, l = np.array([0.5, 0.0, 0.5]), np.array([0.5, 0.5, 0.5])  # noqa: E741 - the point L
    omega = fc.modes([x, l]).omega / THZ
    np.testing.assert_allclose(fc.frequencies([x, l]), omega)
    np.testing.assert_allclose(fc.frequencies("X"), omega[0], atol=1e-9)
    assert fc.frequencies(x).shape == (6,)
    bands = fc.bands("G X")
    np.testing.assert_allclose(bands.omega[-1] / THZ, omega[0], atol=1e-9)
    assert fc.bands("auto").path.n_sections > 3
    with pytest.raises(UsageError, match=r"shape \(2,\) where \(3,\)"):
        fc.frequencies([0.0, 0.5])


def test_phonopy_has_the_same_frequencies_both_ways(fc):
    phonon = fc.to_phonopy()
    back = tm.ForceConstants.from_phonopy(phonon)
    for q in ([0.5, 0.0, 0.5], [0.25, 0.0, 0.25], [0.0, 0.0, 0.0]):
        phonon.run_qpoints([q])
        theirs = phonon.qpoints.frequencies[0]
        np.testing.assert_allclose(theirs, fc.frequencies(q), atol=1e-3)
        np.testing.assert_allclose(back.frequencies(q), fc.frequencies(q), atol=1e-6)
    phonon.force_constants = None
    with pytest.raises(UsageError, match="holds no force constants"):
        tm.ForceConstants.from_phonopy(phonon)


def test_a_saved_file_holds_everything(fc, tmp_path):
    fc.save(tmp_path / "fc.h5")
    again = tm.read_force_constants(tmp_path / "fc.h5")
    for name in ("first", "second", "lattice", "values", "replicates"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fc, name))
    assert again.quality.r_squared == fc.quality.r_squared
    np.testing.assert_array_equal(again.supercell.matrix, fc.supercell.matrix)
    assert [path.name for path in tmp_path.iterdir()] == ["fc.h5"]
    with pytest.raises(DataError, match="no normal equations"):
        again.scan()
    with pytest.raises(DataError, match="not fitted in this session"):
        again.to_dataset()


def test_the_folder_of_a_fit_can_be_scanned(fc, tmp_path):
    fc.save(tmp_path / "fit")
    again = tm.read_force_constants(tmp_path / "fit")
    table = again.scan()
    assert {"kind", "label", "rms_predicted"} <= set(table.columns)
    same = fc.scan(output=tmp_path / "scan")
    assert table.equals(same)
    assert (tmp_path / "scan" / "scan.csv").exists()


def test_files_of_other_programs_go_where_they_are_asked_for(fc, tmp_path):
    paths = fc.write("phonopy", tmp_path / "phonopy")
    assert {path.parent for path in paths} == {tmp_path / "phonopy"}
    again = tm.read_force_constants(tmp_path / "phonopy")
    np.testing.assert_allclose(again.frequencies("X"), fc.frequencies("X"), atol=1e-6)
    with pytest.raises(UsageError, match="there is no format"):
        fc.write("nothing", tmp_path / "nothing")
    with pytest.raises(DataError, match=r"cubic|third"):
        fc.write("shengbte", tmp_path / "shengbte")


def test_a_movie_shows_the_mode_at_its_frequency(fc, tmp_path):
    said = fc.movie("X:4", tmp_path / "mode.xyz", frames=8)
    frames = read(tmp_path / "mode.xyz", ":")
    assert len(frames) == 8
    assert f"{fc.frequencies('X')[3]:.4g} THz" in said


def test_a_crystal_goes_to_ase_and_back(fc):
    back = Crystal.from_ase(fc.crystal.to_ase())
    np.testing.assert_allclose(back.positions, fc.crystal.positions, atol=1e-12)
    np.testing.assert_allclose(back.masses, fc.crystal.masses, rtol=1e-12)
    assert back.species == fc.crystal.species


def test_velocities_and_representations_are_methods(crystals, springs):
    constants = tm.ForceConstants.of(springs(crystals["diamond"], 4.5))
    velocity = constants.group_velocities([0.1, 0.2, 0.05])
    assert velocity.shape == (6, 3)
    operator = constants.velocity_operator([[0.1, 0.2, 0.05]])
    diagonal = np.einsum("mmx->mx", operator.elements[0].real)
    np.testing.assert_allclose(diagonal, velocity, atol=1e-9)
    acoustic, optical = constants.irreps()
    assert (acoustic.label, optical.label) == ("T1u", "T2g")
    assert optical.branches == (3, 4, 5)
    bands = constants.bands("G X")
    assert bands.connection.shape == bands.omega.shape


def test_a_fit_tells_its_notes_and_counts_its_warnings(fc, tmp_path):
    shown = " ".join(str(fc).split())
    assert fc.notes
    assert all(note.text in shown for note in fc.notes)
    assert f"R² = {fc.quality.r_squared:.5f}" in shown
    assert "warning" not in repr(fc)
    warned = replace(fc.record.results, notes=(*fc.notes, Note("warning", "beyond the data")))
    doubtful = replace(fc, record=fc.record._replace(results=warned))
    assert repr(doubtful).endswith("; 1 warning in .notes>")
    assert "beyond the data" in doubtful._repr_html_()
    fc.save(tmp_path / "fc.h5")
    read = tm.read_force_constants(tmp_path / "fc.h5")
    assert (str(read), read.notes) == (repr(read), ())
