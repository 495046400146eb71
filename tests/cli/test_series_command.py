"""`trajmodes series` and `trajmodes.series`: from runs at several temperatures to files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import trajmodes as tm
from program_files.columns import check_figures_in_a_column
from silicon.results import make_results
from trajmodes.cli.program import main
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.report.write import SERIES_FILES
from trajmodes.results.dataset import to_dataset
from trajmodes.symmetry.translations import build_supercell

KELVIN = (300.0, 600.0, 900.0, 1200.0)
SALT = Path(__file__).parents[2] / "examples" / "data" / "salt.lammpstrj.xz"


def done(*words: object) -> str:
    result = CliRunner().invoke(main, ["series", *map(str, words)])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def refused(*words: object) -> str:
    result = CliRunner().invoke(main, ["series", *map(str, words)])
    assert result.exit_code != 0
    return " ".join(result.output.split())


def constants_at(whole: ForceConstants, kelvin: float, seed: int) -> ForceConstants:
    """Force constants that soften linearly in T, with replicates."""
    values = whole.values * (1.0 - 2e-4 * kelvin)
    scale = 1.0 + 1e-3 * np.random.default_rng(seed).standard_normal(8)
    cell = whole.crystal.cell * (1.0 + 1e-5 * kelvin)
    return replace(
        whole,
        crystal=replace(whole.crystal, cell=cell),
        values=values * scale.mean(),
        replicates=values * scale[:, None, None, None],
        temperature=kelvin,
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory, crystals, springs) -> list[Path]:
    """Files of force constants of four runs."""
    whole = springs(crystals["rock salt"], 4.5)
    home = tmp_path_factory.mktemp("runs")
    paths = []
    for k, kelvin in enumerate(KELVIN):
        constants = constants_at(whole, kelvin, k)
        paths.append(home / f"T{kelvin:g}.h5")
        supercell = build_supercell(constants.crystal, 2 * np.eye(3, dtype=int))
        write_hdf5(constants, supercell, paths[-1])
    return paths


@pytest.fixture(scope="module")
def written(stored, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("series") / "out"
    # The order of the runs does not matter.
    text = done(*stored[::-1], "-o", folder, "--at", "450,1000", "--path", "G X")
    return folder, text


def test_frequencies_soften_as_the_force_constants_do(written):
    folder, text = written
    dataset = tm.load(folder).to_dataset()
    drawn = check_figures_in_a_column(dataset)
    assert {"point-frequencies", "slopes", "lattice", "series-bands"} <= drawn
    np.testing.assert_allclose(dataset["run_temperature"], KELVIN)
    assert int(dataset["series_order"]) == 1
    freq, sem = dataset["series_freq_thz"].values, dataset["series_freq_thz_sem"].values
    scale = np.sqrt(1.0 - 2e-4 * np.array(KELVIN))
    ratio = freq / freq[:, :1] * scale[0] / scale
    assert (np.abs(ratio - 1.0) < 6.0 * sem / freq).all()
    middle = freq[:, 0] / scale[0] * np.sqrt(1.0 - 2e-4 * 750.0)
    slope = -0.5 * 2e-4 * middle / (1.0 - 2e-4 * 750.0)
    error = dataset["freq_slope_thz_k_sem"].values
    assert (np.abs(dataset["freq_slope_thz_k"].values - slope) < 5.0 * error).all()
    shift, wrong = (dataset[f"series_shift_thz{x}"].values for x in ("", "_sem"))
    assert (np.abs(shift - freq[:, 0] * (scale[-1] / scale[0] - 1.0)) < 5.0 * wrong).all()
    np.testing.assert_allclose(wrong, np.hypot(sem[:, 0], sem[:, -1]), rtol=1e-12)
    assert float(dataset["linear_expansion"][0]) == pytest.approx(1e-5, rel=0.02)
    assert "4 runs, 300 to 1200 K" in text
    assert "average of 1, T (" in text
    assert dataset["series_weight"].sum() == pytest.approx(1.0)
    assert "no ω² is zero" in text
    assert str(dataset["series_kind"].item()) == "isobaric"


def test_all_files_are_written_and_the_tables_agree_with_the_results(written):
    folder, _ = written
    names = set(SERIES_FILES) - {"figures/linewidths.png", "figures/gruneisen.png"}
    assert all((folder / name).stat().st_size > 100 for name in names)
    results = tm.load(folder)
    assert set(results.tables) == {"runs", "series", "curves", "elastic", "lattice", "bands"}
    table = pd.read_csv(folder / "tables" / "series.csv", comment="#")
    freq = results["series_freq_thz"].values
    np.testing.assert_allclose(table["series_freq_thz_300K"], freq[:, 0], rtol=1e-9)
    bands = results.table("bands")
    own = results["series_band_freq_thz"].values
    np.testing.assert_allclose(bands["series_band_freq_thz_900K_2"], own[:, 1, 2])
    curves = results.table("curves")
    np.testing.assert_allclose(curves["curve_freq_thz_0"], results["curve_freq_thz"][:, 0])
    assert "4 runs" in str(results)
    assert "runs 4" in repr(results)


def test_interpolated_constants_are_read_as_any_others(written, stored, crystals, springs):
    found = tm.read_force_constants(written[0] / "force_constants_450K.h5")
    assert found.temperature == 450.0
    exact = springs(crystals["rock salt"], 4.5).values * (1.0 - 2e-4 * 450.0)
    np.testing.assert_allclose(found.values, exact, rtol=3e-3, atol=1e-9)
    series = tm.series(stored, path="G X")
    at = series.at(450.0)
    np.testing.assert_array_equal(at.values, found.values)
    np.testing.assert_allclose(at.replicates, found.replicates)
    omega = at.modes("X")
    assert (omega.omega_sem > 0.0).all()


def test_temperatures_outside_the_runs_are_refused_unless_asked_for(stored, tmp_path):
    folder = tmp_path / "out"
    assert "1500 K is outside the range of the runs, 300 to 1200 K" in refused(
        *stored, "-o", folder, "--at", "1500"
    )
    assert not folder.exists()
    done(*stored, "-o", folder, "--at", "1500", "--extrapolate", "--path", "G X")
    assert (folder / "force_constants_1500K.h5").is_file()
    series = tm.series(stored, path="G X")
    with pytest.raises(UsageError, match="outside the range"):
        series.at(100.0)
    assert series.at(100.0, extrapolate=True).temperature == 100.0
    text = refused(*stored, "-o", tmp_path / "other", "--at", "500", "--at-volume", "45")
    assert "do not separate the effects of temperature and volume" in text


def test_runs_in_memory_give_the_same_as_files(stored, written, tmp_path):
    given = [tm.read_force_constants(path) for path in stored]
    series = tm.series(given, path="G X")
    on_disk = tm.load(written[0])
    for name in ("series_freq_thz", "curve_freq_thz", "lattice_parameter"):
        np.testing.assert_array_equal(series[name], on_disk[name])
    assert series.temperatures == KELVIN
    assert series.volumes == pytest.approx([one.crystal.volume for one in given])
    assert [one.n_pairs for one in series.force_constants] == [given[0].n_pairs] * 4
    assert len(series.modes) == series.dataset.sizes["series_set"]
    assert series.soft_modes.empty
    assert "4 runs" in str(series)
    assert "300 to 1200 K" in repr(series)
    series.save(tmp_path / "saved", at=[700.0])
    assert (tmp_path / "saved" / "force_constants_700K.h5").is_file()
    assert (tmp_path / "saved" / "figures" / "soft_modes.png").is_file()


@pytest.mark.slow
def test_a_trajectory_is_fitted_first(tmp_path):
    fitted = tm.open(SALT).fit(cutoff2=4.2)
    warmer = tmp_path / "warmer.h5"
    replace(fitted, values=0.9 * fitted.values, temperature=300.0).save(warmer)
    words = ("--cutoff2", "4.2", "-o", tmp_path / "out", "--path", "G X")
    # The run has no velocities.
    text = done(SALT, warmer, "--temperatures", "100,300", *words)
    assert "pass through all runs" in text
    dataset = tm.load(tmp_path / "out").to_dataset()
    np.testing.assert_allclose(
        dataset["series_freq_thz"][:, 1], np.sqrt(0.9) * dataset["series_freq_thz"][:, 0]
    )


def test_the_bands_of_a_series_are_those_of_all_runs(written):
    results = tm.load(written[0])
    drawn = [line.get_ydata() for line in tm.plot.bands(results).lines]
    curves = results.to_dataset()["series_band_freq_thz"].values
    for freq in curves.reshape(len(curves), -1).T:
        assert any(len(y) == len(freq) and np.allclose(y, freq) for y in drawn)


@pytest.fixture(scope="module")
def projected(tmp_path_factory) -> list[tm.Results]:
    """Results of silicon with lines whose width is proportional to the temperature."""
    whole, found = make_results(), []
    for kelvin in (200.0, 300.0, 450.0):
        values = whole.constants.values
        # The same for both directions of a pair, unlike those of the made-up results.
        replicates = values * np.linspace(0.99, 1.01, 10)[:, None, None, None]
        constants = replace(whole.constants, replicates=replicates, temperature=kelvin)
        lines = whole.projection.lines
        scale = kelvin / 300.0
        lines = replace(
            lines, linewidth=scale * lines.linewidth, linewidth_sem=scale * lines.linewidth_sem
        )
        projection = replace(whole.projection, lines=lines)
        dataset = to_dataset(replace(whole, constants=constants, projection=projection))
        dataset["temperature"] = ((), kelvin, dataset["temperature"].attrs)
        folder = tmp_path_factory.mktemp("projected")
        write_hdf5(constants, whole.supercell, folder / "force_constants.h5")
        found.append(tm.Results(dataset, folder=folder))
    return found


def test_linewidths_of_projected_runs_have_an_exponent(projected, tmp_path):
    series = tm.series(projected, path="G X")
    exponent = series["linewidth_exponent"].values
    known = np.isfinite(exponent)
    assert known.sum() > 5
    np.testing.assert_allclose(exponent[known], 1.0, rtol=1e-9)
    width = series["series_linewidth_thz"].values[known]
    np.testing.assert_allclose(width[:, 2], 1.5 * width[:, 1])
    assert "FWHM ∝ Tⁿ with n = 1" in " ".join(str(series).split())
    series.save(tmp_path / "series")
    assert (tmp_path / "series" / "figures" / "linewidths.png").stat().st_size > 10_000
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "series" / "results.nc")])
    assert shown.exit_code == 0, shown.output
    assert "n of FWHM ∝ Tⁿ" in shown.stdout


@pytest.fixture(scope="module")
def with_one_fit(projected) -> list[tm.Results]:
    """The same, projected on the force constants of the first run; lines soften with T."""
    first = projected[0].to_dataset()
    found = []
    for one, softening in zip(projected, (1.0, 0.98, 0.95), strict=True):
        dataset = one.to_dataset()
        dataset["fit_temperature"] = first["fit_temperature"]
        dataset["freq_spectrum_thz"] = softening * first["freq_spectrum_thz"]
        found.append(tm.Results(dataset, folder=one.folder))
    return found


def test_runs_that_were_projected_on_one_fit_give_a_series_of_their_lines(
    with_one_fit, tmp_path
):
    series = tm.series(with_one_fit)
    line = series["series_line_freq_thz"].values
    known = np.isfinite(line).all(axis=1)
    assert known.sum() > 5
    np.testing.assert_allclose(line[known, 2], 0.95 * line[known, 0])
    shift = series["series_line_shift_thz"].values
    np.testing.assert_allclose(shift[known], -0.05 * line[known, 0])
    assert np.isnan(shift[~np.isfinite(line[:, [0, 2]]).all(axis=1)]).all()
    assert "series_shift_thz" not in series.dataset
    assert "line shift" in str(series)
    # Softening of 2 % in 100 K and 3 % in 150 K is a straight line.
    at, sem = series["freq_slope_thz_k"].values, series["freq_slope_thz_k_sem"].values
    np.testing.assert_allclose(at[known], -2e-4 * line[known, 0], rtol=1e-6)
    assert (sem[known] > 0.0).all()
    np.testing.assert_allclose(series["linewidth_exponent"].values[known], 1.0, rtol=1e-9)
    curve = series["curve_freq_thz"].values
    np.testing.assert_allclose(curve[[0, -1]][:, known].T, line[known][:, [0, 2]], rtol=1e-9)
    assert "series_freq_thz" not in series.dataset
    text = " ".join(str(series).split())
    assert "3 runs, 200 to 450 K" in text
    assert "modes are those of one set of force constants" in text
    assert "3" in repr(series)
    series.save(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert {"frequencies.png", "linewidths.png", "series.csv", "curves.csv"} <= names
    assert not names & {"bands.png", "soft_modes.png", "lattice.png", "bands.csv"}
    assert "3 runs" in str(tm.load(tmp_path / "out"))
    for call in (lambda: series.at(300.0), lambda: series.soft_modes):
        with pytest.raises(UsageError, match="spectral lines alone"):
            call()


def test_lines_of_different_modes_are_refused(with_one_fit, stored):
    first, *others = with_one_fit
    dataset = first.to_dataset()
    dataset["freq_harmonic_thz"] = 1.01 * dataset["freq_harmonic_thz"]
    foreign = tm.Results(dataset, folder=first.folder)
    with pytest.raises(DataError, match=r"different force constants(.|\n)*--force-constants"):
        tm.series([*others, foreign])
    with pytest.raises(DataError, match="no spectral lines"):
        tm.series([*others, stored[0]])


def test_runs_of_other_volumes_give_gruneisen_parameters(crystals, springs, tmp_path):
    whole = springs(crystals["rock salt"], 4.5)
    supercell = build_supercell(whole.crystal, 2 * np.eye(3, dtype=int))
    runs = []
    for seed, (kelvin, strain) in enumerate([(300, 0.0), (300, 0.01), (600, 0.01), (900, 0.0)]):
        one = constants_at(whole, float(kelvin), seed)
        # ω ∝ V^(−2): γ is 2 for every mode.
        scale = (1.0 + strain) ** -12
        crystal = replace(whole.crystal, cell=(1.0 + strain) * whole.crystal.cell)
        runs.append(
            tm.ForceConstants.of(
                replace(
                    one,
                    crystal=crystal,
                    values=scale * one.values,
                    replicates=scale * one.replicates,
                ),
                supercell=replace(supercell, crystal=crystal),
                origin=f"run {seed}",
            )
        )
    series = tm.series(runs, path="G X")
    gamma, sem = series["series_gruneisen"].values, series["series_gruneisen_sem"].values
    assert (np.abs(gamma - 2.0) < 4.0 * sem + 0.1).all()
    assert "separated" in str(series)
    middle = np.exp(np.log(series.volumes).mean())
    assert series.at(450.0).crystal.volume == pytest.approx(middle)
    small, large = series.volumes[0], max(series.volumes)
    assert series.at(450.0, volume=large).crystal.volume == pytest.approx(large)
    wide, narrow = (series.at(450.0, volume=one).values for one in (large, small))
    np.testing.assert_allclose(wide, (small / large) ** 4 * narrow, rtol=0.02, atol=1e-9)
    with pytest.raises(UsageError, match=r"50 Å³ is outside the range of the runs"):
        series.at(450.0, volume=50.0)
    with pytest.raises(UsageError, match=r"do not separate(.|\n)*c/a"):
        series.at(450.0, ratio=1.6)
    series.save(tmp_path / "out", at=[450.0], volume=large)
    assert (tmp_path / "out" / f"force_constants_450K_{large:g}A3.h5").is_file()
    assert (tmp_path / "out" / "figures" / "gruneisen.png").stat().st_size > 5_000


def test_runs_of_one_temperature_say_nothing_of_expansion(crystals, springs, tmp_path):
    whole = springs(crystals["rock salt"], 4.5)
    files = []
    for seed, strain in enumerate((0.0, 0.01, 0.02)):
        one = constants_at(whole, 300.0, seed)
        crystal = replace(whole.crystal, cell=(1.0 + strain) * whole.crystal.cell)
        supercell = build_supercell(crystal, 2 * np.eye(3, dtype=int))
        files.append(tmp_path / f"{seed}.h5")
        write_hdf5(replace(one, crystal=crystal), supercell, files[-1])
    done(*files, "-o", tmp_path / "out", "--path", "G X")
    dataset = tm.load(tmp_path / "out").to_dataset()
    for name in ("linear_expansion", "freq_slope_thz_k"):
        assert np.isnan(dataset[name].values).all()
    assert np.isfinite(dataset["series_gruneisen"].values).any()


def test_runs_that_are_not_comparable_are_refused(stored, tmp_path, crystals, springs):
    other = tmp_path / "other.h5"
    diamond = replace(springs(crystals["diamond"], 4.5), temperature=700.0)
    write_hdf5(diamond, build_supercell(diamond.crystal, 2 * np.eye(3, dtype=int)), other)
    text = refused(stored[0], other, "-o", tmp_path / "out")
    assert "hold different crystals" in text
    assert "other.h5" in text
    static = tmp_path / "static.h5"
    salt = springs(crystals["rock salt"], 4.5)
    write_hdf5(salt, build_supercell(salt.crystal, 2 * np.eye(3, dtype=int)), static)
    assert "--temperatures" in refused(stored[0], static, "-o", tmp_path / "out")
    done(stored[1], static, "--temperatures", "600,0", "-o", tmp_path / "out", "--path", "G X")
    sampled = tmp_path / "sampled.h5"
    for path, kelvin, has_static in ((static, 0.0, True), (sampled, 700.0, False)):
        one = replace(salt, temperature=kelvin, has_static_part=has_static)
        write_hdf5(one, build_supercell(salt.crystal, 2 * np.eye(3, dtype=int)), path)
    text = refused(static, sampled, "-o", tmp_path / "mixed")
    assert "contain the static part of the self-energy" in text
    assert "in the same way" in text
    one = ("--temperatures", "600", "-o", tmp_path / "out")
    assert "1 temperature given for 2 runs" in refused(stored[1], static, *one)
    assert "two temperatures or more" in refused(stored[0], "-o", tmp_path / "single")
    near = tmp_path / "near.h5"
    short = replace(springs(crystals["rock salt"], 3.0), temperature=900.0)
    write_hdf5(short, build_supercell(short.crystal, 2 * np.eye(3, dtype=int)), near)
    assert "same cutoff" in refused(stored[0], near, "-o", tmp_path / "pairs")
    assert "cannot read" in refused(stored[0], tmp_path / "no.such", "-o", tmp_path / "none")


@pytest.mark.parametrize(("factor", "is_told"), [(1.6, True), (1.1, False)])
def test_errors_that_are_lower_bounds_are_told(projected, factor, is_told):
    sizes = projected[0].dataset.sizes
    factors = ("set", np.full(sizes["set"], factor))
    runs = [
        replace(one, dataset=one.dataset.assign(freq_harmonic_error_factor=factors))
        for one in (projected[0], projected[-1])
    ]
    text = " ".join(str(tm.series(runs, path="G X")).split())
    said = "may be up to 1.6 times larger, and with them those of shifts and slopes"
    assert (said in text) is is_told
    assert text.count("times larger") == 2 * is_told


def test_lower_bounds_of_fits_in_memory_are_told():
    run = tm.open(SALT, frames=(0, 300))
    fits = [run.fit(cutoff2=4.0), run.fit(cutoff2=4.0)]
    errors = fits[0].record.results.fit_errors
    widened = replace(errors, may_exceed=np.full(errors.may_exceed.shape, 1.7))
    results = replace(fits[0].record.results, fit_errors=widened)
    fits[0] = replace(fits[0], record=fits[0].record._replace(results=results))
    text = " ".join(str(tm.series(fits, temperatures=(300.0, 310.0))).split())
    assert "may be up to 1.7 times larger" in text
