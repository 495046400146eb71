import io
import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from silicon.properties import make_properties
from trajmodes.matching.average import box_motion
from trajmodes.notes import Note
from trajmodes.phonons.shells import shells_of
from trajmodes.report.summary import render
from trajmodes.results.dataset import to_dataset
from trajmodes.results.schema import DIMENSIONS, VARIABLES, variable_of
from trajmodes.units import BOLTZMANN, MEV, THZ, W_MK


@pytest.fixture(scope="module")
def properties() -> list[xr.Dataset]:
    return make_properties()


@pytest.fixture(scope="module")
def full(full_results):
    """Every result, one that the run did not allow, and a box that fluctuates."""
    missing = Note("warning", "not done: bands from displacements: too few frames")
    box = box_motion(np.eye(3) * np.linspace(9.9, 10.1, 8)[:, None, None])
    return to_dataset(replace(full_results, not_done=(missing,), box=box))


def test_every_variable_is_declared(full, properties):
    everything = [item for one in (full, *properties) for item in one.variables.items()]
    for name, variable in everything:
        if name in DIMENSIONS and name not in VARIABLES:
            continue
        declared = variable_of(str(name))
        assert variable.dims == declared.dimensions
        assert variable.attrs["units"] == declared.unit
        assert variable.attrs["long_name"]


def test_every_declared_variable_is_written(full, properties):
    # A bulk crystal has no thickness, a run without noise no noise, a cubic cell no a and c,
    # force constants of forces are not those of displacements, and runs of different volumes at
    # one temperature have no shift.
    absent = {"kappa_thickness", "force_noise", "r_squared_without_noise", "covariance_frames"}
    of_axes = ("qha_ratio", "qha_expansion_a", "qha_expansion_c", "series_axial_gruneisen")
    absent |= {"series_shift_thz", "series_line_shift_thz"}
    absent |= {name for name in VARIABLES if name.startswith(of_axes)}
    written = {name for one in (full, *properties) for name in one.variables}
    assert set(VARIABLES) - absent <= written


@pytest.mark.parametrize("width", [80, 100])
def test_no_number_of_a_summary_is_cut_or_a_rounding_error(full, properties, width):
    for dataset in (full, *properties):
        stream = io.StringIO()
        Console(file=stream, width=width).print(render(dataset))
        text = stream.getvalue()
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert re.search(r"[0-9]e-1[0-9]", text) is None


def test_every_dimension_is_explained(full, properties):
    assert {axis for one in (full, *properties) for axis in one.dims} == set(DIMENSIONS)


def test_the_unit_is_part_of_the_name():
    for name, variable in VARIABLES.items():
        endings = {"THz": "_thz", "meV": "_mev", "Da": "_da", "byte": "_bytes"}
        endings |= {"meV²": "_mev2", "W/(m K)": "_w_mk", "k_B": "_kb"}
        if variable.unit in endings:
            assert name.endswith(endings[variable.unit]), name


def test_sets_agree_with_a_direct_count(results, dataset):
    modes = results.modes
    for g in range(modes.n_sets):
        at = np.argwhere(modes.sets == g)
        first = at[0, 0]
        branches = at[at[:, 0] == first, 1] + 1
        one = dataset.isel(set=g)
        assert one["set_q"].values == pytest.approx(modes.qpoints[first])
        assert int(one["star_size"]) == modes.weights[np.unique(at[:, 0])].sum()
        assert int(one["degeneracy"]) == len(branches)
        assert int(one["branch_first"]) == branches.min()
        assert int(one["branch_last"]) == branches.max()
        omega = modes.omega[first, branches - 1].mean()
        assert float(one["freq_harmonic_thz"]) == pytest.approx(omega / THZ)
        assert int(one["members"]) == int(one["star_size"]) * len(branches)


def test_units_of_the_dataset(results, dataset):
    energies = results.projection.energies
    assert dataset["mode_temperature"].values == pytest.approx(2 * energies.kinetic / BOLTZMANN)
    assert dataset["kinetic_mev"].values == pytest.approx(energies.kinetic / MEV)
    assert dataset["mass_da"].values == pytest.approx([28.0855, 28.0855])
    assert dataset["mode_freq_thz"].values == pytest.approx(results.modes.omega / THZ)


def test_what_the_projection_says_is_not_made_again(results, dataset):
    energies, test = results.projection.energies, results.projection.equipartition
    assert (dataset["anharmonicity"].values == energies.anharmonicity).all()
    assert (dataset["anharmonicity_sem"].values == energies.anharmonicity_sem).all()
    assert (dataset["heat_capacity_kb_sem"].values == energies.heat_capacity_kb_sem).all()
    assert (dataset["equipartition_z"].values == test.z).all()
    assert float(dataset["equipartition_p"]) == test.p_value
    assert dataset["thermostat"].item() == "NVE"


def test_waves_belong_to_single_modes(results, dataset):
    forward, backward = results.projection.energies.travelling
    for name, values in (("forward", forward), ("backward", backward)):
        shown = dataset[f"travelling_{name}_mev"]
        assert shown.dims == ("qpoint", "branch")
        assert shown.values == pytest.approx(values / MEV, nan_ok=True)
    assert np.isnan(dataset["travelling_forward_mev"].values[0, :3]).all()


def test_lines_have_their_own_resolution(results, dataset):
    lines = results.projection.lines
    assert dataset["line_segment_ps"].values == pytest.approx(lines.segment_ps)
    assert set(dataset["line_segment_ps"].values.round(6)) == {20.0, 40.0}
    known = np.isfinite(dataset["line_freq_thz"].values)
    step = np.nanmedian(np.diff(dataset["line_freq_thz"].values, axis=1), axis=1)
    assert step == pytest.approx(1 / dataset["line_segment_ps"].values)
    assert (known == np.isfinite(dataset["line_power"].values)).all()


def test_both_lifetimes_are_compared(results, dataset):
    line, energy = results.projection.lines, results.projection.lifetimes
    for g in range(dataset.sizes["set"]):
        z = float(dataset["lifetime_disagreement"][g])
        if not (dataset["resolved"][g] and dataset["energy_resolved"][g]):
            assert np.isnan(z)
            continue
        variance = energy.lifetime_ps_sem[g] ** 2 + line.lifetime_ps_sem[g] ** 2
        assert z == pytest.approx((energy.lifetime_ps[g] - line.lifetime_ps[g]) / variance**0.5)
    assert "upper bound" in dataset["lifetime_disagreement"].attrs["conventions"]


def test_sites_share_the_spectra_of_the_modes(results, dataset):
    power = np.where(
        (results.modes.sets >= 0)[..., None], dataset["power"].values[results.modes.sets], 0.0
    )
    weight = results.modes.weights / results.modes.weights.sum()
    whole = np.einsum("q,qmw->w", weight, power)
    assert dataset["vdos"].sum(("site", "xyz")).values == pytest.approx(whole)


def test_covariance_has_the_axes_of_the_modes(full_results, full):
    covariance = full_results.projection.covariance.modes
    n_branches = full.sizes["branch"]
    one = full["energy_covariance_mev2"].isel(qpoint=3, branch=1, qpoint_2=3, branch_2=1)
    assert float(one) == pytest.approx(covariance[3 * n_branches + 1, 3 * n_branches + 1] * 1e6)


def test_renormalised_bands_keep_their_kind(full_results, full):
    quasi, displaced = full_results.renormalised
    assert full["band_quasi_particle_thz"].values == pytest.approx(quasi.bands.omega / THZ)
    sem = displaced.bands.omega_sem / THZ
    assert full["band_displacement_thz_sem"].values == pytest.approx(sem)
    assert (full["quasi_particle_own"].values == quasi.own).all()


def test_conductivity(full_results, full):
    given = full_results.conductivity
    area = full["kappa_spectral_classical"].integrate("kappa_freq_thz")
    assert float(area) == pytest.approx(given.classical.isotropic / W_MK, rel=1e-2)
    assert full["free_path"].dims == ("set",)


def test_complex_vectors_are_recovered_from_their_parts(results, dataset):
    parts = dataset["mode_vectors"]
    vectors = parts.sel(reim="re").values + 1j * parts.sel(reim="im").values
    assert (vectors == results.modes.vectors).all()


def test_a_jump_of_the_path_begins_a_segment(results, dataset):
    at = results.bands.path.jumps[0]
    segment = dataset["path_segment"].values
    assert segment[at - 1] == 0
    assert segment[at] == 1
    assert set(segment) == {0, 1}


def test_variables_of_stages_left_out_are_absent(results):
    constants = replace(results.constants, replicates=None, quality=None, cutoff=None)
    bare = to_dataset(
        replace(
            results,
            projection=None,
            convergence=None,
            constants=constants,
            shells=shells_of(constants),
            modes=replace(results.modes, omega_sem=None),
            bands=replace(results.bands, omega_sem=None),
            diagnosis={},
            warnings=(),
            notes=(),
        )
    )
    assert not [name for name in bare.variables if str(name).endswith("_sem")]
    absent = {
        "power",
        "kinetic_mev",
        "line_freq_thz",
        "vdos",
        "thermostat",
        "r_squared",
        "cutoff",
        "run_fraction",
        "check_name",
    }
    assert not absent & set(bare.variables)
    assert 0 not in bare.sizes.values()
    assert "freq_harmonic_thz" in bare


def test_energies_without_forces(results):
    energies = replace(
        results.projection.energies,
        virial=None,
        virial_sem=None,
        anharmonicity=None,
        anharmonicity_sem=None,
    )
    projection = replace(results.projection, energies=energies)
    dataset = to_dataset(replace(results, projection=projection))
    assert "anharmonicity" not in dataset
    assert "potential_mev" in dataset


def test_timings_are_not_stored(results):
    hurried = replace(results, timings={"fit": 0.1})
    assert to_dataset(hurried).identical(to_dataset(results))


def test_higher_constants_are_stored_without_replicates(full_results, full):
    for order, clusters in (
        (3, full_results.constants.triplets),
        (4, full_results.constants.quartets),
    ):
        assert (full[f"force_constants{order}"].values == clusters.values).all()
        assert (full[f"fc{order}_sites"].values == clusters.sites).all()
        assert (full[f"fc{order}_lattice"].values == clusters.lattice).all()
        assert full[f"force_constants{order}"].attrs["units"] == f"eV/Å{'³⁴'[order - 3]}"
        assert f"fc{order}_replicates" not in full


def test_orders_have_a_dimension_of_their_own(full_results, full):
    orders = full_results.constants.quality.orders
    assert full["order"].values.tolist() == [2, 3, 4]
    for k, one in enumerate(orders):
        here = full.sel(order=one.order)
        assert str(here["order_cutoff"].item()) == one.cutoff
        assert int(here["order_parameters"]) == one.n_parameters
        assert float(here["order_rms_predicted"]) == one.rms_predicted
        change = full_results.convergence.change[:, k]
        assert (here["fit_order_change"].values == change).all()
    assert float(full["fit_anharmonicity"]) == pytest.approx(0.1 / 0.83)
    assert full["fit_constraint"].values.tolist() == ["hermitian", "huang"]


def test_verdicts_and_means(full):
    assert int(full["lowest_branch"]) == 1
    assert bool(full["error_levelled"])
    assert full["gruneisen_mesh"].values.tolist() == [14, 14, 12]
    width = full["linewidth_phi3_quantum_thz"].values
    assert full["lifetime_phi3_quantum_ps"].values == pytest.approx(1 / (2 * np.pi * width))


def test_zero_or_unknown_widths_have_no_lifetime(full_results):
    width, sets = full_results.perturbation.classical.copy(), full_results.modes.sets
    width[sets == 0], width[sets == 1] = 0.0, np.nan
    changed = replace(full_results.perturbation, classical=width)
    lifetime = to_dataset(replace(full_results, perturbation=changed))
    assert np.isnan(lifetime["lifetime_phi3_classical_ps"].values[:2]).all()
    assert np.isfinite(lifetime["lifetime_phi3_classical_ps"].values[2:]).all()
