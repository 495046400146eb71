"""The command `trajmodes free-energy`, from runs and their energies to files."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from click.testing import CliRunner
from phonopy.harmonic.force_constants import compact_fc_to_full_fc

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.errors import DataError
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.quasiharmonic import static_energy
from trajmodes.report.write import PROPERTY_FILES
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.quasiharmonic.volume_functions import State, volume_functions
from trajmodes.thermo.sampling import harmonic_ensemble
from trajmodes.thermo.zone_modes import zone_points

KELVIN, GROUND, N_FRAMES = 300.0, -4.5, 200


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def done(*words: object) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def frames(crystals, springs, hessian_of) -> list[Atoms]:
    """Frames of a harmonic crystal with energies and forces."""
    crystal = crystals["bcc"]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    constants = springs(crystal, 3.3)
    ensemble = harmonic_ensemble(constants, supercell, KELVIN)
    drawn = ensemble.draw(2 * N_FRAMES, np.random.default_rng(3))
    hessian, found = hessian_of(constants, supercell), drawn.to_ase()
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(found))
    for atoms, u_ax, extra in zip(found, drawn.displacements, noise, strict=True):
        force = -(hessian @ u_ax.ravel()).reshape(u_ax.shape)
        energy = len(atoms) * GROUND - 0.5 * (force * u_ax).sum() + extra
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=force)
    return found


def save(path: Path, frames: list[Atoms]) -> Path:
    path.parent.mkdir(exist_ok=True)
    write(path, frames)
    return path


@pytest.fixture(scope="module")
def folder(frames, tmp_path_factory) -> Path:
    """Folder with the first half of the frames and their fit."""
    place = tmp_path_factory.mktemp("harmonic")
    run = save(place / "run.xyz", frames[:N_FRAMES])
    words = ("--cutoff2", "3.3", "--temperature", KELVIN, "--timestep-fs", 5)
    done("fit", run, *words, "-o", place / "fit")
    return place


@pytest.fixture(scope="module")
def written(folder) -> tuple[Path, str]:
    return folder / "f", done("free-energy", folder / "fit", "--mesh", 4, "-o", folder / "f")


def test_the_energies_of_the_trajectory_are_the_default(folder, written):
    dataset = tm.load(written[0]).to_dataset()
    run = tm.open(folder / "run.xyz", timestep_fs=5)
    found = tm.read_force_constants(folder / "fit").free_energy(run, mesh=4)
    np.testing.assert_allclose(dataset["run_free_energy"], found.total, rtol=1e-9)
    np.testing.assert_allclose(dataset["run_free_energy_sem"], found.total_sem, rtol=1e-6)
    assert float(dataset["run_free_energy_term"][0]) == pytest.approx(GROUND, abs=1e-4)
    rms = float(dataset["run_difference_rms"])
    assert rms == pytest.approx(0.01, rel=0.2)
    moments = dataset["run_difference_moment"].mean("difference_block")
    assert float(moments[1]) == pytest.approx(rms**2, rel=0.05)
    assert float(dataset["run_difference_density"].integrate("difference_deviation")) == (
        pytest.approx(1.0, abs=0.02)
    )
    assert int(dataset["free_energy_frames"]) == N_FRAMES


def test_the_files_and_the_summary_hold_the_results(written):
    place, text = written
    table = pd.read_csv(place / "tables" / "free_energy.csv", comment="#")
    dataset = tm.load(place).to_dataset()
    classical = dataset["run_free_energy"].sel(statistics="classical")
    np.testing.assert_allclose(table["run_free_energy_classical"], classical, rtol=1e-9)
    assert (place / "figures" / "free_energy.png").stat().st_size > 10_000
    names = {str(one.relative_to(place)) for one in place.rglob("*.*") if one.is_file()}
    assert {one for one in names if not one.startswith(".")} <= set(PROPERTY_FILES)
    assert "resolves F to third order" in " ".join(text.split())
    assert "resolves F to third order" in " ".join(done("show", place / "results.nc").split())


def test_the_energy_and_its_replicates_give_the_error_of_the_free_energy(folder, written):
    """Added to the replicates of F_h they have the error of F, which `free-energy` writes."""
    dataset, constants = tm.load(written[0]).to_dataset(), read_force_constants(folder / "fit")
    points = zone_points(constants.crystal, (4, 4, 4))
    n_sites, kelvin = constants.crystal.n_sites, np.array([KELVIN])
    (folder / "fit" / "free-energy").symlink_to(written[0], target_is_directory=True)
    for order in (1, 2):
        energy, sem, changes = static_energy(str(folder / "fit"), order)
        state = State(constants, n_sites * energy, n_sites * sem, n_sites * changes)
        found = volume_functions([state], points, kelvin, classical=True)
        free = dataset.sel(statistics="classical", expansion_order=order)
        assert found.values[0, 0] / n_sites == pytest.approx(float(free["run_free_energy"]))
        error = found.free_energy_sem[0] / n_sites
        assert error == pytest.approx(float(free["run_free_energy_sem"]), rel=0.05)
    other = replace(state, energy_changes=changes[:3])
    with pytest.raises(DataError, match="another fit"):
        volume_functions([other], points, kelvin)


def test_runs_of_a_continued_fit_are_all_read(folder, frames):
    later = save(folder / "later" / "run.xyz", frames[N_FRAMES:])
    done("fit", later, "--append", folder / "fit", "--timestep-fs", 5, "-o", folder / "both")
    done("free-energy", folder / "both", "--mesh", 4, "-o", folder / "f2")
    dataset = tm.load(folder / "f2").to_dataset()
    assert int(dataset["free_energy_frames"]) == 2 * N_FRAMES
    files = ("--energies", folder / "run.xyz", "--energies", later)
    done("free-energy", folder / "both", *files, "--mesh", 4, "-o", folder / "f3")
    again = tm.load(folder / "f3").to_dataset()
    np.testing.assert_array_equal(again["run_free_energy"], dataset["run_free_energy"])
    failed = call("free-energy", folder / "both", *files, *files[:2], "-o", folder / "f4")
    assert failed.exit_code != 0
    assert "3 files of energies are given for 2 runs" in " ".join(failed.output.split())


def test_a_fit_that_replaced_its_own_folder_is_refused(folder, frames, tmp_path):
    own, later = tmp_path / "own", save(tmp_path / "later" / "run.xyz", frames[N_FRAMES:])
    shutil.copytree(folder / "fit", own)
    done("fit", later, "--append", own, "--timestep-fs", 5, "-o", own)
    failed = call("free-energy", own, "-o", tmp_path / "f")
    assert failed.exit_code != 0
    assert "replaced its own folder" in " ".join(failed.output.split())


def test_energies_of_a_trajectory_of_ase_are_the_same(folder, frames, written, tmp_path):
    energies = save(tmp_path / "run.traj", frames[:N_FRAMES])
    words = ("--energies", energies, "--mesh", 4, "-o", tmp_path / "f")
    done("free-energy", folder / "fit", *words)
    one, other = (tm.load(place).to_dataset() for place in (written[0], tmp_path / "f"))
    np.testing.assert_allclose(one["run_free_energy"], other["run_free_energy"], rtol=1e-8)
    short = save(tmp_path / "short.traj", frames[:150])
    run = tm.open(folder / "run.xyz", timestep_fs=5)
    constants = tm.read_force_constants(folder / "fit")
    with pytest.raises(DataError, match="150 energies, the run 200 frames"):
        constants.free_energy(run, short)


def test_a_run_of_another_crystal_is_refused(folder, crystals, springs):
    run = tm.open(folder / "run.xyz", timestep_fs=5)
    other = replace(springs(crystals["diamond"], 3.0), temperature=KELVIN)
    constants = tm.ForceConstants.of(other, supercell=run.supercell)
    with pytest.raises(DataError, match="crystal"):
        constants.free_energy(run)


def test_energies_of_a_data_set_of_phonopy_are_found(crystals, springs, tmp_path):
    crystal = crystals["bcc"]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    own = tm.ForceConstants.of(springs(crystal, 3.3), supercell=supercell)
    made = own.to_phonopy()
    phi = made.force_constants
    if len(phi) < len(made.supercell):
        phi = compact_fc_to_full_fc(made.primitive, phi)
    made.generate_displacements(number_of_snapshots=100, temperature=KELVIN, random_seed=2)
    u_tax = made.displacements
    f_tax = -np.einsum("abxy,tby->tax", phi, u_tax)
    energies = len(made.supercell) * GROUND - 0.5 * np.einsum("tax,tax->t", f_tax, u_tax)
    made.dataset = {
        "displacements": u_tax, "forces": f_tax, "supercell_energies": energies,
    }  # fmt: skip
    made.save(tmp_path / "phonopy_params.yaml", settings={"force_constants": False})
    words = ("--cutoff2", 3.3, "--temperature", KELVIN, "-o", tmp_path / "fit")
    done("fit", tmp_path / "phonopy_params.yaml", *words)
    done("free-energy", tmp_path / "fit", "--mesh", 4, "-o", tmp_path / "f")
    terms = tm.load(tmp_path / "f").to_dataset()["run_free_energy_term"]
    np.testing.assert_allclose(terms, [GROUND, 0.0, 0.0, 0.0], atol=1e-6)


def test_a_scheduler_that_does_not_exist_is_refused(folder):
    result = call("free-energy", folder / "fit", "--scheduler", "anywhere")
    assert result.exit_code == 2
    assert 'no scheduler "anywhere"' in result.output


@pytest.mark.slow
def test_other_processes_give_the_same_bits(folder, written):
    words = ("--mesh", 4, "--scheduler", "processes:1", "-o", folder / "f3")
    done("free-energy", folder / "fit", *words)
    here, there = (tm.load(one).to_dataset() for one in (written[0], folder / "f3"))
    for name in ("run_free_energy", "run_free_energy_sem", "run_difference_moment"):
        np.testing.assert_array_equal(there[name], here[name])
