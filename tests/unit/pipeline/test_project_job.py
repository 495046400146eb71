"""A run projected on given force constants, in memory: silicon at 1140 K."""

import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import trajmodes as tm
from trajmodes.config.job import job_from_mapping
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.pipeline.project_job import project_job
from trajmodes.results.dataset import to_dataset
from trajmodes.results.outputs import TABLES
from trajmodes.units import W_MK

DATA = Path(__file__).parents[3] / "examples" / "data"
N_FRAMES = 2000
SHORT = (0, 160)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The bundled run, unpacked, the first 900 frames."""
    path = tmp_path_factory.mktemp("silicon") / "run.lammpstrj"
    with lzma.open(DATA / "silicon.lammpstrj.xz", "rt") as packed:
        head, *frames = packed.read().split("ITEM: TIME\n")
    path.write_text("ITEM: TIME\n".join([head, *frames[:N_FRAMES]]))
    return path


@pytest.fixture(scope="module")
def whole(run):
    """Constants fitted to the run, and its projection on them."""
    return tm.run(run, cell=DATA / "silicon.POSCAR", cutoff=4.0).analysis.results


def project(run, constants, frames=(0, None), **options):
    """Results of the projection of a run, as the analysis makes them."""
    opened = tm.open(run, frames=frames)
    found = opened.project(constants, **options)
    return found.analysis.results if "output" not in options else found


@pytest.fixture(scope="module")
def projected(run, whole):
    return project(run, whole.constants, conductivity=6, workers=1)


def numbers(results) -> dict[str, np.ndarray]:
    data = results if isinstance(results, xr.Dataset) else to_dataset(results)
    kinds = {str(name): one.values for name, one in data.data_vars.items()}
    return {name: one for name, one in kinds.items() if np.issubdtype(one.dtype, np.number)}


def equal(left, right, tolerance: float = 0.0) -> int:
    """Compare all numbers that both have; return their count."""
    one, two = numbers(left), numbers(right)
    shared = one.keys() & two.keys() - {"input_bytes"}
    for name in shared:
        scale = np.nanmax(np.abs(two[name]), initial=1e-300)
        np.testing.assert_allclose(
            one[name], two[name], atol=tolerance * scale, rtol=0.0, err_msg=name
        )
    return len(shared)


def test_charges_beside_the_constants_are_used_and_named(run, whole, tmp_path):
    write_force_constants(whole.constants, whole.supercell, tmp_path, "phonopy")
    (tmp_path / "BORN").write_text("14.4\n2 0 0 0 2 0 0 0 2\n1 0 0 0 1 0 0 0 1\n")
    with pytest.raises(DataError, match="violate their sum rule"):
        project(run, tmp_path, SHORT)


def test_constants_of_the_run_give_the_numbers_of_the_run(whole, projected):
    assert equal(projected, whole, 1e-9) > 60
    assert projected.projection.energies.temperature == pytest.approx(1140.0, rel=0.03)
    assert projected.fit_errors is None


def test_the_number_of_workers_does_not_change_a_bit(run, whole, projected):
    three = project(run, whole.constants, conductivity=6, workers=3)
    assert equal(three, projected) > 60
    assert numbers(three).keys() == numbers(projected).keys()


def test_the_folder_holds_what_is_in_memory(run, whole, projected, tmp_path, monkeypatch):
    monkeypatch.setattr("trajmodes.report.write.OUTPUTS", TABLES)
    words = {"conductivity": 6, "workers": 3, "output": tmp_path / "out"}
    project(run, whole.constants, **words)
    stored = xr.load_dataset(tmp_path / "out" / "results.nc")
    assert equal(stored, projected) > 60
    # What was written serves as constants again, by the job of the command.
    given = {
        "trajectory": [str(run)],
        "force_constants": str(tmp_path / "out"),
        "conductivity": 6,
    }
    job = job_from_mapping({**given, "output": str(tmp_path / "again")})
    assert equal(project_job(job, command="test").results, projected) > 60
    again = read_force_constants(tmp_path / "again")
    np.testing.assert_array_equal(again.values, whole.constants.values)


def test_conductivity_of_a_cubic_crystal_is_one_number(projected):
    found = projected.conductivity
    assert found is not None, projected.warnings
    kappa = found.classical.kappa / W_MK
    np.testing.assert_allclose(kappa, kappa[0, 0] * np.eye(3), atol=1e-6 * kappa[0, 0])
    assert 1.0 < kappa[0, 0] < 100.0
    assert found.mesh[0] >= 6
    assert len(set(found.mesh)) == 1
    # Quantum heat capacities are smaller, little at 1140 K.
    assert 0.9 < found.quantum.isotropic / found.classical.isotropic < 1.0


def test_verdicts_reach_the_results_with_the_numbers_behind_them(projected):
    """ρ_E decides whether the run was NVE; equipartition has a temperature of its own."""
    data, found = to_dataset(projected), projected.projection
    ensemble, test = found.ensemble, found.equipartition
    for name, value in (
        ("energy_fluctuation", ensemble.energy_ratio),
        ("energy_fluctuation_sem", ensemble.energy_ratio_sem),
        ("energy_drift_k_per_ps", ensemble.drift_k_per_ps),
        ("energy_drift_k_per_ps_sem", ensemble.drift_k_per_ps_sem),
        ("equipartition_temperature", test.temperature),
        ("equipartition_temperature_sem", test.temperature_sem),
    ):
        assert np.isfinite(value), name
        assert float(data[name]) == value, name
    # The run was made at constant energy: cov(K, K + U) is zero, var K is not.
    assert data["thermostat"].item() == "NVE"
    assert abs(float(data["energy_fluctuation"])) < 0.2
    assert float(data["kinetic_fluctuation"]) > 0.3
    kelvin, sem = (float(data[f"equipartition_temperature{end}"]) for end in ("", "_sem"))
    assert kelvin == pytest.approx(float(data["temperature"]), abs=5.0 * sem)
    # Two-sided: one in three beyond one standard error.
    chance = data["equipartition_probability"].values
    z = np.abs(data["equipartition_z"].values)
    assert ((chance < 0.3173) == (z > 1.0)).all()


def test_a_mesh_holds_the_points_of_the_supercell_however_few_are_asked_for(run, whole):
    found = project(run, whole.constants, conductivity=1).conductivity
    assert found.mesh == (4, 4, 4)
    assert found.classical.kappa[0, 0] > W_MK


def test_a_conductivity_that_a_short_run_cannot_give_is_a_warning(run, whole):
    found = project(run, whole.constants, conductivity=6, frames=SHORT)
    assert found.conductivity is None
    assert any("no lifetime is resolved" in str(text) for text in found.warnings)
    assert (found.projection.energies.kinetic > 0.0).all()


def test_a_strain_of_one_percent_is_a_warning_and_of_eight_an_error(run, whole):
    def strained(by):
        crystal = whole.constants.crystal
        return replace(whole.constants, crystal=replace(crystal, cell=crystal.cell / (1 + by)))

    near = project(run, strained(-0.01), frames=SHORT)
    assert any("-1.00% in length and -2.97% in volume" in str(text) for text in near.warnings)
    with pytest.raises(DataError, match=r"lengths differ by \+8\.0%"):
        project(run, strained(0.08), frames=SHORT)


def test_single_frames_may_not_be_left_out(run, whole, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text(f'trajectory = "{run}"\nhops = "exclude"\n')
    with pytest.raises(UsageError, match="frames cannot be left out"):
        project(job, whole.constants, frames=SHORT)


def test_saved_amplitudes_need_a_folder(run, whole):
    with pytest.raises(UsageError, match="are written to a folder, and none is given"):
        project(run, whole.constants, frames=SHORT, save_amplitudes=["0 0 0:all"])
