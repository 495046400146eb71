"""The command for a molecule, from trajectory files to a results folder."""

import csv

import netCDF4
import numpy as np
import pytest
from ase import Atoms, build, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from scipy.spatial.transform import Rotation

from trajmodes.api.molecule import molecule
from trajmodes.config.job import job_from_mapping
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.molecules.geometry import is_bonded_to_images, isolated, vibrational_space
from trajmodes.pipeline.molecule import open_molecule
from trajmodes.pipeline.molecule_job import molecule_job, show_molecule
from trajmodes.units import ATOMIC_AMPLITUDE, BOLTZMANN, DALTON, THZ

N_FRAMES, STEP_FS = 600, 1.0
POSITIONS = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
RELAXED = Atoms("OHH", POSITIONS)
MOLECULE = isolated(("O", "H", "H"), POSITIONS, RELAXED.get_masses() * DALTON)
OMEGA = np.array([45.0, 105.0, 110.0]) * THZ
SPACE, ROOT = vibrational_space(MOLECULE), np.repeat(np.sqrt(MOLECULE.masses), 3)
HESSIAN = ROOT[:, None] * (SPACE.T * OMEGA**2 @ SPACE) * ROOT
AMPLITUDE = np.sqrt(2.0 * BOLTZMANN * 80.0) / OMEGA


@pytest.fixture(scope="module")
def images():
    """Frames of harmonic vibrations in a rotating molecule."""
    times = np.arange(N_FRAMES) * STEP_FS * 1e-3
    angle = np.outer(times, OMEGA) + np.array([0.1, 1.2, 2.3])
    q, p = AMPLITUDE * np.cos(angle), -AMPLITUDE * OMEGA * np.sin(angle)
    fields = [rows.reshape(-1, 3, 3) for rows in (q @ SPACE / ROOT, p @ SPACE / ROOT)]
    f = (-(q * OMEGA**2) @ SPACE * ROOT).reshape(-1, 3, 3)
    spin = np.array([4.0, 1.0, -2.0])
    turns = Rotation.from_rotvec(times[:, None] * spin).as_matrix()
    about = fields[0] + POSITIONS - RELAXED.get_center_of_mass()
    x = np.einsum("txy,tay->tax", turns, about)
    v = np.einsum("txy,tay->tax", turns, fields[1]) + np.cross(spin, x)
    f = np.einsum("txy,tay->tax", turns, f)
    found = []
    for t in range(N_FRAMES):
        image = Atoms("OHH", x[t])
        image.set_velocities(v[t] / (1e3 * units.fs))
        image.calc = SinglePointCalculator(image, forces=f[t])
        found.append(image)
    return found


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("molecule")
    write(path / "run.xyz", images, format="extxyz")
    write(path / "mol.xyz", RELAXED, format="extxyz")
    np.save(path / "hessian.npy", HESSIAN)
    return path


def job(folder, **settings):
    given = {"trajectory": [str(folder / "run.xyz")], "timestep_fs": STEP_FS, **settings}
    return job_from_mapping({"output": str(folder / "out"), **given})


def files(folder, *, hessian=True, series=False):
    given = {"hessian": str(folder / "hessian.npy")} if hessian else {}
    return {"reference": str(folder / "mol.xyz"), "series": series, **given}


@pytest.mark.parametrize("hessian", [True, False], ids=["file", "fit"])
def test_results_folder(folder, hessian):
    written = molecule_job(
        job(folder, **files(folder, hessian=hessian, series=True)), command="x"
    )
    results = written.results
    np.testing.assert_allclose(results.table.omega, OMEGA, rtol=1e-5)
    assert results.fitted is not hessian
    assert results.n_external == 6
    kinetic = results.projection.energies.kinetic
    np.testing.assert_allclose(kinetic, 0.5 * BOLTZMANN * 80.0, rtol=0.02)
    out = folder / "out"
    names = {"modes.csv", "reference.xyz", "hessian.npy", "vectors.npy", "run.log", "run.toml"}
    assert {p.name for p in out.iterdir() if p.name[0] != "."} == names | {
        "normal_coordinates.nc",
        "spectra.png",
    }
    assert (out / "spectra.png").read_bytes()[:4] == b"\x89PNG"
    np.testing.assert_allclose(np.load(out / "hessian.npy"), HESSIAN, atol=1e-3 * HESSIAN.max())
    rows = [r for r in (out / "modes.csv").read_text().splitlines() if r[0] != "#"]
    assert rows[0].startswith("mode,set,freq_thz,freq_thz_sem,wavenumber_cm")
    assert len(rows) == 4
    first = next(csv.DictReader(rows))
    turns = {"freq_thz": 1.0, "wavenumber_cm": 33.35640952, "energy_mev": 4.135667696}
    for name, of_one_thz in turns.items():
        assert float(first[name]) == pytest.approx(OMEGA[0] / THZ * of_one_thz, rel=1e-5)
    back = read(out / "reference.xyz")
    np.testing.assert_allclose(back.positions, POSITIONS, atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(np.load(out / "vectors.npy"), axis=(1, 2)), 1.0)
    text = show_molecule(results, written.files)
    assert "OH2: 3 atoms, 3 vibrations, 6 external motions" in text
    assert f"{OMEGA[0] / THZ:.3f}" in text
    assert "vibrational temperature" in text
    notes = show_molecule(results, {}).partition("note: ")[2].splitlines()
    assert len(notes) > 1
    assert all(len(line) <= 80 for line in notes)


def test_coordinates_of_every_frame_are_written(folder):
    molecule_job(job(folder, **files(folder, series=True)), command="x")
    with netCDF4.Dataset(folder / "out" / "normal_coordinates.nc") as data:
        assert data["position"].shape == (N_FRAMES, 3)
        size = np.sqrt(data["position"][:] ** 2 + data["velocity"][:] ** 2)
        np.testing.assert_allclose(
            size, np.tile(AMPLITUDE / ATOMIC_AMPLITUDE, (N_FRAMES, 1)), rtol=1e-4
        )
        np.testing.assert_array_equal(data["frame"][:], np.arange(N_FRAMES))


def test_atoms_in_memory_are_accepted(images):
    found = molecule(images, timestep_fs=STEP_FS)
    np.testing.assert_allclose(found.table.omega, OMEGA, rtol=1e-3)
    assert repr(found).startswith("<MoleculeResults of OH2: 3 vibrations, 4")


def test_a_molecule_has_no_note_on_its_box(tmp_path):
    image = RELAXED.copy()
    image.cell = np.diag([20.0, 20.0, 20.0])
    write(tmp_path / "run.xyz", [image] * 3, format="extxyz", columns=["symbols", "positions"])
    trajectory = open_trajectory(tmp_path / "run.xyz")
    assert [note.subject for note in trajectory.notes] == ["box"]
    run = open_molecule(job(tmp_path), frames=trajectory)
    assert not any(note.subject == "box" for note in run.notes)


def test_snapshots_without_time_have_energies_and_no_spectra(images):
    found, whole = molecule(images[::7]), molecule(images[::7], timestep_fs=7.0 * STEP_FS)
    np.testing.assert_allclose(found.table.omega, OMEGA, rtol=1e-3)
    left, right = (one.projection.energies.kinetic for one in (found, whole))
    np.testing.assert_allclose(left, right, rtol=1e-12)
    (missing,) = found.not_done
    assert "spectra, linewidths and lifetimes: the time between frames is unknown" in str(
        missing
    )
    assert str(missing) in show_molecule(found, {})


def test_positions_of_a_molecule_without_time_give_frequencies(folder, tmp_path, images):
    np.save(tmp_path / "h.npy", HESSIAN)
    bare = [Atoms("OHH", image.positions) for image in images[::7]]
    found = molecule(bare, hessian=str(tmp_path / "h.npy"), reference=str(folder / "mol.xyz"))
    np.testing.assert_allclose(found.table.omega, OMEGA, rtol=1e-6)
    assert found.projection is None
    texts = list(map(str, found.not_done))
    assert "mode energies and temperatures" in texts[0]
    assert "the run has no velocities, and the time between frames is unknown" in texts[0]
    assert "W, the potential energy from forces: the run has no forces" in texts[1]


def test_an_imaginary_mode_is_noted(folder, tmp_path):
    square = np.array([-1.0, 1.0, 1.0]) * OMEGA**2
    np.save(tmp_path / "h.npy", ROOT[:, None] * (SPACE.T * square @ SPACE) * ROOT)
    given = {"reference": folder / "mol.xyz", "hessian": tmp_path / "h.npy", "series": True}
    written = molecule_job(job(folder, output=tmp_path / "out", **given), command="x")
    assert written.results.table.omega[0] < 0.0
    assert any("ṽ = Q̇/ω, energy, occupation" in str(note) for note in written.results.notes)
    with netCDF4.Dataset(tmp_path / "out" / "normal_coordinates.nc") as data:
        velocity = data["velocity"][:].filled(np.nan)
    assert np.isnan(velocity[:, 0]).all()
    assert np.isfinite(velocity[:, 1:]).all()


def test_options_of_crystals_are_refused(folder):
    with pytest.raises(UsageError, match="covariances of energies are available for crystals"):
        molecule_job(job(folder, energy_covariance=True, **files(folder)), command="x")


def test_hessian_needs_its_reference(folder):
    with pytest.raises(UsageError, match="a Hessian is given, but not the geometry"):
        job(folder, hessian=folder / "hessian.npy")
    with pytest.raises(UsageError, match="a Hessian is given, but not the geometry"):
        molecule(folder / "run.xyz", hessian="hessian.npy", timestep_fs=1.0)


def test_hessian_of_another_orientation_is_refused(folder, tmp_path):
    turn = np.kron(np.eye(3), Rotation.from_rotvec([0.0, 0.0, 0.8]).as_matrix())
    np.save(tmp_path / "h.npy", turn @ HESSIAN @ turn.T)
    given = {"reference": folder / "mol.xyz", "hessian": tmp_path / "h.npy"}
    with pytest.raises(DataError, match="does not vanish for rotations"):
        molecule_job(job(folder, **given), command="x")


def test_a_rounded_hessian_is_noted(folder, tmp_path):
    np.save(tmp_path / "h.npy", HESSIAN + 0.01 * np.eye(9) * HESSIAN.max())
    given = {"reference": folder / "mol.xyz", "hessian": tmp_path / "h.npy"}
    written = molecule_job(job(folder, **given), command="x")
    assert any(
        "does not vanish exactly for translations" in str(note)
        for note in written.results.notes
    )


def test_a_run_without_forces_and_hessian_is_refused(images):
    bare = [Atoms("OHH", image.positions) for image in images[:50]]
    with pytest.raises(DataError, match="the run has no forces, so second derivatives cannot"):
        molecule(bare, timestep_fs=STEP_FS)


def test_short_runs_have_no_error_bars(images):
    found = molecule(images[:6])
    assert any(
        "too short for error bars of the frequencies" in str(note) for note in found.notes
    )


def test_one_atom_has_no_vibrations():
    atom = Atoms("Ar", [[0.0, 0.0, 0.0]])
    atom.calc = SinglePointCalculator(atom, forces=np.zeros((1, 3)))
    with pytest.raises(DataError, match="a single atom has no vibrations"):
        molecule([atom] * 5)


def test_a_time_step_that_the_motion_contradicts_is_refused(folder):
    """As for crystals: displacements over velocities give the time between frames."""
    with pytest.raises(DataError, match=r"as if frames were [01]\.\d* ± .* apart, not 1\.6 fs"):
        molecule_job(job(folder, timestep_fs=1.6), command="x")
    accepted = job(folder, timestep_fs=1.6, accept=["time-step"])
    notes = molecule_job(accepted, command="x").results.notes
    assert any("apart, not 1.6 fs" in note.text for note in notes)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_crystal_is_not_taken_for_a_molecule(tmp_path, periodic):
    crystal = bulk("Si", cubic=True).repeat(2)
    rng = np.random.default_rng(2)
    images = []
    for _ in range(20):
        image = crystal.copy()
        image.rattle(0.05, rng=rng)
        image.calc = SinglePointCalculator(image, forces=-(image.positions - crystal.positions))
        image.pbc = periodic
        images.append(image)
    write(tmp_path / "run.xyz", images, format="extxyz")
    if not periodic:  # a cluster in a tight box
        assert open_molecule(job(tmp_path)).n_frames == 20
        return
    with pytest.raises(DataError, match="bonded to their images in the periodic box"):
        open_molecule(job(tmp_path))
    accepted = open_molecule(job(tmp_path, accept=["periodic"]))
    assert any("accepted (--accept periodic)" in note.text for note in accepted.notes)


def test_molecules_in_their_boxes_are_not_crystals():
    for name in ("H2O", "C6H6", "C60"):
        atoms = build.molecule(name, vacuum=2.0)
        # Cut by the boundary of its box.
        folded = (atoms.positions + 0.5 * atoms.cell.lengths()) % atoms.cell.lengths()
        assert not is_bonded_to_images(folded, atoms.cell.array), name
    for solid in (bulk("NaCl", "rocksalt", 5.6), bulk("Fe"), build.graphene(vacuum=8.0)):
        assert is_bonded_to_images(solid.positions, solid.cell.array), solid


def test_amplitudes_of_all_vibrations_are_written(folder):
    """Q and Q̇/ω are i-PI's normal-mode position and velocity, which ``--series`` writes."""
    molecule_job(
        job(folder, save_amplitudes=["all"], **files(folder, series=True)), command="x"
    )
    with netCDF4.Dataset(folder / "out" / "normal_coordinates.nc") as data:
        position, velocity = data["position"][:], data["velocity"][:]
    with netCDF4.Dataset(folder / "out" / "amplitudes.nc") as data:
        assert data["Q"].shape == (N_FRAMES, 3, 2)
        for name, expected in (("Q", position), ("Qdot_over_omega", velocity)):
            found = data[name][:, :, 0] / ATOMIC_AMPLITUDE
            np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
    with pytest.raises(UsageError, match="written to a folder, and none is given"):
        molecule(folder / "run.xyz", timestep_fs=STEP_FS, save_amplitudes=["all"])


def test_the_modes_of_a_table_have_a_temperature_and_a_place_in_equipartition(images):
    found = molecule(images, timestep_fs=STEP_FS)
    kelvin = 2.0 / BOLTZMANN * found.projection.energies.kinetic
    np.testing.assert_allclose(found.vibrations["temperature"], kelvin)
    assert "equipartition_z" in found.vibrations
    assert "equipartition" in str(found)
