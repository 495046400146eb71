import csv
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.report import write
from trajmodes.report.write import write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import open_folder
from trajmodes.results.outputs import TABLES
from trajmodes.results.tables import Table, energy_density_table


def tables_of(dataset):
    """All tables under ``tables``, by the name of the file."""
    return {
        output.name.removeprefix("tables/"): output.make(dataset)
        for output in TABLES
        if output.name.startswith("tables/") and output.is_possible(dataset)
    }


def read(table, path):
    """Header comment, and columns as lists of texts."""
    table.write(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return comment, {name: [row[name] for row in rows] for name in rows[0]}


def numbers(texts):
    return np.array([float(text or "nan") for text in texts])


def test_modes_have_one_row_for_each_set(dataset, tmp_path):
    comment, columns = read(tables_of(dataset)["modes.csv"], tmp_path / "modes.csv")
    for name in ("freq_spectrum_thz", "linewidth_thz", "lifetime_ps_sem", "mode_temperature"):
        assert numbers(columns[name]) == pytest.approx(
            dataset[name].values, rel=1e-9, nan_ok=True
        )
    assert columns["set_q_b"] == [f"{x:.10g}" for x in dataset["set_q"].values[:, 1]]
    assert columns["verdict"] == dataset["verdict"].values.tolist()
    assert any(
        line.startswith("#   lifetime_ps: energy lifetime, from the linewidth, in ps")
        for line in comment
    )


def test_a_comma_in_advice_stays_in_its_column(dataset, tmp_path):
    _, columns = read(tables_of(dataset)["modes.csv"], tmp_path / "modes.csv")
    assert columns["advice"] == dataset["advice"].values.tolist()
    assert any("," in text for text in columns["advice"])


def test_quotes_and_line_ends_are_kept(tmp_path):
    texts = np.array(['say "a"', "two\nlines", "plain"])
    table = Table("texts", {"text": texts, "n": np.array([1, 2, 3])}, {})
    table.write(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        next(stream)
        assert [row["text"] for row in csv.DictReader(stream)] == texts.tolist()


def test_energies_have_one_row_for_each_mode(results, dataset, tmp_path):
    _, columns = read(tables_of(dataset)["energies.csv"], tmp_path / "energies.csv")
    sets = results.modes.sets.ravel()
    assert numbers(columns["mode_set"]) == pytest.approx(sets)
    for k, name in enumerate(("kinetic", "potential", "virial")):
        single = results.projection.energies.single[k].ravel() * 1e3
        shown = numbers(columns[f"mode_{name}_mev"])
        assert shown == pytest.approx(single, rel=1e-9, nan_ok=True)
    assert columns["mode_kinetic_mev"][0] == ""
    assert "mode_virial_mev_sem" in columns
    assert columns["branch"][:7] == ["1", "2", "3", "4", "5", "6", "1"]
    assert numbers(columns["q_c"])[::6] == pytest.approx(results.modes.qpoints[:, 2])


def test_energies_have_travelling_waves(results, dataset, tmp_path):
    _, columns = read(tables_of(dataset)["energies.csv"], tmp_path / "energies.csv")
    forward = results.projection.energies.travelling[0].ravel() * 1e3
    assert numbers(columns["travelling_forward_mev"]) == pytest.approx(
        forward, rel=1e-9, nan_ok=True
    )
    assert "travelling_backward_mev_sem" in columns


def test_spectra_are_columns(full, tmp_path):
    tables = tables_of(full)
    for name, power in (("spectra", "power"), ("spectra_entropy", "power_entropy")):
        _, columns = read(tables[f"{name}.csv"], tmp_path / "spectra.csv")
        assert len(columns) == 1 + full.sizes["set"]
        assert numbers(columns[f"{power}_5"]) == pytest.approx(full[power].values[5], rel=1e-9)


@pytest.mark.parametrize(
    ("file", "place", "names"),
    [
        ("lines.csv", "line_freq_thz", ["line_power", "line_model"]),
        ("correlations.csv", "acf_lag_ps", ["energy_acf", "energy_acf_sem"]),
    ],
)
def test_lines_and_correlations_are_in_long_form(dataset, tmp_path, file, place, names):
    _, columns = read(tables_of(dataset)[file], tmp_path / file)
    label = numbers(columns["set"])
    for g in (0, 7):
        known = np.isfinite(dataset[place].values[g])
        for name in (place, *names):
            assert numbers(columns[name])[label == g] == pytest.approx(
                dataset[name].values[g, known], rel=1e-9, nan_ok=True
            )


def test_density_counts_the_degrees_of_freedom(dataset, tmp_path):
    _, columns = read(tables_of(dataset)["vdos.csv"], tmp_path / "vdos.csv")
    density = numbers(columns["density"])
    area = density.sum() * (float(columns["freq_thz"][1]) - float(columns["freq_thz"][0]))
    # The centre of mass has three of 384 degrees of freedom; the wings exceed the axis.
    assert area == pytest.approx(3 * (1 - 1 / 128), rel=0.02)
    along = sum(numbers(columns[f"density_{x}"]) for x in "xyz")
    assert along == pytest.approx(density, rel=1e-8)
    assert numbers(columns["density_Si"]) == pytest.approx(density, rel=1e-8)
    raw = dataset["vdos"].values[1, 2]
    assert numbers(columns["vdos_1_z"]) == pytest.approx(raw, rel=1e-9)


def test_energy_density_has_one_row_for_each_point_and_frequency(full, tmp_path):
    # By symmetry both sites are equal; here they are made different.
    sites = full["map_site_power"].values * np.array([1.0, 2.0])[:, None, None]
    full = full.assign(map_site_power=(full["map_site_power"].dims, sites))
    _, columns = read(energy_density_table(full), tmp_path / "sed.csv")
    n_bins = full.sizes["map_freq_thz"]
    here = slice(3 * n_bins, 4 * n_bins)
    point = full.isel(map_point=3)
    assert numbers(columns["map_q_c"])[here] == pytest.approx(float(point["map_q"][2]))
    for column, wanted in (
        ("map_freq_thz", full["map_freq_thz"]),
        ("map_power", point["map_power"]),
        ("map_branch_power_5", point["map_branch_power"][4]),
        ("map_site_power_1_y", point["map_site_power"][1, 1]),
    ):
        assert numbers(columns[column])[here] == pytest.approx(wanted.values, rel=1e-9)


def test_pairs_of_sets_are_listed_once(full, tmp_path):
    table = tables_of(full)["energy_correlation.csv"]
    _, columns = read(table, tmp_path / "energy_correlation.csv")
    pairs = list(zip(columns["set"], columns["set_2"], strict=True))
    assert len(pairs) == len(set(pairs)) == 31 * 32 // 2
    at = pairs.index(("1", "2"))
    assert float(columns["energy_correlation"][at]) == pytest.approx(0.3)


def test_bands_compared(full, tmp_path):
    _, columns = read(tables_of(full)["renormalised.csv"], tmp_path / "renormalised.csv")
    for kind in ("freq", "quasi_particle", "displacement"):
        for end in ("", "_sem"):
            name = f"band_{kind}_thz{end}"
            assert numbers(columns[f"{name}_4"]) == pytest.approx(full[name].values[:, 3])


def test_conductivity(full, tmp_path):
    tables = tables_of(full)
    comment, columns = read(tables["conductivity.csv"], tmp_path / "conductivity.csv")
    assert "300 K" in comment[0]
    kappa = full["kappa_quantum_w_mk_sem"].values
    for k, (x, y) in enumerate(zip(columns["xyz"], columns["xyz_2"], strict=True)):
        wanted = kappa["xyz".index(x), "xyz".index(y)]
        assert float(columns["kappa_quantum_w_mk_sem"][k]) == pytest.approx(wanted)
    for kind, axis in (("spectral", "kappa_freq_thz"), ("cumulative", "kappa_path")):
        _, columns = read(tables[f"conductivity_{kind}.csv"], tmp_path / "kappa.csv")
        assert numbers(columns[axis]) == pytest.approx(full[axis].values)
        assert len(columns) == 3


def test_very_large_tables_are_not_written(dataset, tmp_path, monkeypatch):
    with open_folder(tmp_path) as folder:
        monkeypatch.setattr(write, "OUTPUTS", TABLES)
        files = write_results(dataset, folder, dict)
        assert files["results.nc"] == "all results as an xarray Dataset"
        monkeypatch.setattr(write, "MOST_CELLS", 6000)
        files = write_results(dataset, folder, dict)
    assert "tables/modes.csv" in files
    for name in ("tables/spectra.csv", "tables/lines.csv"):
        assert name not in files
        assert name in files["results.nc"]
    assert files["results.nc"].endswith(" not written: more than 6 000 cells")


def test_modes_have_lifetimes_of_three_methods(full, tmp_path):
    comment, columns = read(tables_of(full)["modes.csv"], tmp_path / "modes.csv")
    for name in (
        *("lifetime_ps", "lifetime_energy_ps_sem", "lifetime_disagreement"),
        *("heat_capacity_kb", "anharmonicity_sem", "equipartition_z", "free_path_sem"),
        *("line_asymmetry", "partner_kinetic_mev", "line_resolution_thz"),
    ):
        assert numbers(columns[name]) == pytest.approx(full[name].values, rel=1e-9, nan_ok=True)
    assert columns["energy_verdict"] == full["energy_verdict"].values.tolist()
    assert any("upper bound" in line for line in comment)


def test_bands_have_a_column_for_each_branch(dataset, tmp_path):
    _, columns = read(tables_of(dataset)["bands.csv"], tmp_path / "bands.csv")
    freq = dataset["band_freq_thz"].values
    assert numbers(columns["band_freq_thz_6"]) == pytest.approx(freq[:, 5], rel=1e-9)
    assert "band_freq_thz_sem_1" in columns


def test_constants_by_shell(dataset, tmp_path):
    table = tables_of(dataset)["force_constants.csv"]
    _, columns = read(table, tmp_path / "force_constants.csv")
    assert columns["shell_species"] == ["Si–Si", "Si–Si"]
    assert numbers(columns["shell_norm_sem"]) == pytest.approx(
        dataset["shell_norm_sem"].values, rel=1e-9
    )


def test_tables_without_data_are_left_out(results):
    bare = to_dataset(replace(results, projection=None))
    assert set(tables_of(bare)) == {
        *("bands.csv", "force_constants.csv", "irreps.csv", "modes.csv", "orders.csv")
    }


def test_modes_have_widths_of_perturbation_theory(full, tmp_path):
    comment, columns = read(tables_of(full)["modes.csv"], tmp_path / "modes.csv")
    for name in (
        *("linewidth_phi3_classical_thz", "lifetime_phi3_classical_ps"),
        *("linewidth_phi3_quantum_thz", "lifetime_phi3_quantum_ps"),
        *("gruneisen", "gruneisen_sem"),
    ):
        assert numbers(columns[name]) == pytest.approx(full[name].values, rel=1e-9)
    assert any("linewidth_phi3_quantum_thz: perturbative" in line for line in comment)


def test_bands_have_gruneisen_parameters(full, tmp_path):
    _, columns = read(tables_of(full)["bands.csv"], tmp_path / "bands.csv")
    gamma = full["band_gruneisen"].values[:, 2]
    assert numbers(columns["band_gruneisen_3"]) == pytest.approx(gamma, rel=1e-9, nan_ok=True)
    assert columns["band_gruneisen_1"][0] == ""
    assert "band_gruneisen_sem_3" in columns


def test_orders_have_one_row_each(full_results, full, tmp_path):
    comment, columns = read(tables_of(full)["orders.csv"], tmp_path / "orders.csv")
    orders = full_results.constants.quality.orders
    assert comment[0].endswith("sequential fit")
    assert columns["order"] == ["2", "3", "4"]
    assert columns["order_cutoff"] == [one.cutoff for one in orders]
    assert numbers(columns["order_rms_residual"]) == pytest.approx(
        [one.rms_residual for one in orders]
    )
    assert columns["order_scheme_distance"][2] == ""


@pytest.mark.parametrize(("order", "name"), [(3, "triplet"), (4, "quartet")])
def test_clusters_by_shell(full, tmp_path, order, name):
    table = tables_of(full)[f"force_constants{order}.csv"]
    comment, columns = read(table, tmp_path / "clusters.csv")
    shell = f"{name}_shell"
    assert columns[f"{shell}_species"][0] == "–".join(["Si"] * order)
    for part in ("norm", "norm_sem", "perimeter", "multiplicity"):
        assert numbers(columns[f"{shell}_{part}"]) == pytest.approx(
            full[f"{shell}_{part}"].values
        )
    sides = [
        numbers(columns[f"{shell}_distances_{k}"]) for k in range(order * (order - 1) // 2)
    ]
    distances = full[f"{shell}_distances"].values
    assert np.array(sides).T.ravel() == pytest.approx(distances.ravel())
    assert any(f"eV/Å{'³⁴'[order - 3]}" in line for line in comment)


def test_gruneisen_parameters_of_the_sets(full, tmp_path):
    comment, columns = read(tables_of(full)["gruneisen.csv"], tmp_path / "gruneisen.csv")
    assert "classical mean 0.53, quantum mean 0.47 at 300 K" in comment[0]
    assert numbers(columns["gruneisen_sem"]) == pytest.approx(full["gruneisen_sem"].values)
