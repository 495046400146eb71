"""Figures of the projection and of the properties derived from it."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.spectra import Verdict
from trajmodes.project.checks import verlet_frequency, verlet_ratio
from trajmodes.report.figures.bands import draw_renormalised
from trajmodes.report.figures.energies import draw_covariance, draw_energies
from trajmodes.report.figures.lifetimes import draw_conductivity, draw_lifetimes
from trajmodes.report.figures.spectra import (
    choose_sets,
    draw_correlations,
    draw_density,
    draw_spectra,
)
from trajmodes.report.figures.spectral_map import draw_bands, draw_energy_density, patches
from trajmodes.report.figures.style import save_png, sheet
from trajmodes.results.dataset import to_dataset
from trajmodes.units import THZ


@pytest.fixture(scope="module")
def figures(full):
    makers = {
        "spectra": draw_spectra,
        "correlations": draw_correlations,
        "lifetimes": draw_lifetimes,
        "energies": draw_energies,
        "vdos": draw_density,
        "renormalised": draw_renormalised,
        "sed": draw_energy_density,
        "covariance": draw_covariance,
        "conductivity": draw_conductivity,
    }
    with sheet():
        return {name: draw(full) for name, draw in makers.items()}


def curves(axes):
    """Label → (n, 2) points drawn."""
    named = {}
    for line in axes.lines:
        named[line.get_label()] = line.get_xydata()
    for bars in axes.containers:
        if hasattr(bars, "has_yerr"):
            named[bars.get_label()] = bars.lines[0].get_xydata()
    return named


def unresolved(results, verdict):
    """The same results with one verdict for all lines and energy autocorrelations."""
    lines, lifetimes = results.projection.lines, results.projection.lifetimes
    n_sets = len(lines.verdicts)
    nothing, verdicts = np.full(n_sets, np.nan), (verdict,) * n_sets
    lines = replace(
        lines,
        omega=nothing,
        omega_sem=nothing,
        linewidth=nothing,
        linewidth_sem=nothing,
        lifetime_ps=nothing,
        lifetime_ps_sem=nothing,
        verdicts=verdicts,
    )
    lifetimes = replace(
        lifetimes, lifetime_ps=nothing, lifetime_ps_sem=nothing, verdicts=verdicts
    )
    projection = replace(results.projection, lines=lines, lifetimes=lifetimes)
    return to_dataset(replace(results, projection=projection))


def test_sets_are_chosen_by_frequency_with_some_unresolved_ones(dataset):
    chosen = choose_sets(dataset, dataset["resolved"].values)
    assert len(chosen) == len(set(chosen)) == 12
    assert (np.diff(dataset["freq_harmonic_thz"].values[chosen]) >= 0).all()
    assert (~dataset["resolved"].values[chosen]).sum() == 3


def test_panels_show_the_fitted_spectra(full, figures):
    chosen = choose_sets(full, full["resolved"].values)
    for axes, g in zip(figures["spectra"].axes, chosen, strict=True):
        drawn = [line.get_xydata() for line in axes.lines]
        spectrum = next(
            xy
            for xy, line in zip(drawn, axes.lines, strict=True)
            if line.get_drawstyle() == "steps-mid"
        )
        power = dict(
            zip(
                full["line_freq_thz"].values[g], full["line_power"].values[g] * 1e3, strict=True
            )
        )
        assert [power[x] for x in spectrum[:, 0]] == pytest.approx(spectrum[:, 1])
        assert len(spectrum) > 15
        assert len(drawn) == 4  # spectrum, model, maximum entropy, harmonic


def test_panels_show_the_energy_autocorrelations(full, figures):
    chosen = choose_sets(full, full["energy_resolved"].values)
    for axes, g in zip(figures["correlations"].axes, chosen, strict=True):
        bars = axes.containers[0].lines[0].get_xydata()
        known = dict(
            zip(full["acf_lag_ps"].values[g], full["energy_acf"].values[g], strict=True)
        )
        assert [known[x] for x in bars[:, 0]] == pytest.approx(bars[:, 1])
        assert bars[0, 0] == pytest.approx(np.nanmin(full["acf_lag_ps"].values[g]))
        if full["energy_resolved"].values[g]:
            assert axes.get_xlim()[1] > 3.0 * float(full["lifetime_energy_ps"][g])
            several = any("several decay rates" in text.get_text() for text in axes.texts)
            assert several == (float(full["energy_chi2_ratio"][g]) > 1.0)


def test_lifetimes_of_three_methods(full, figures):
    axes, twin, _ = figures["lifetimes"].axes
    drawn = curves(axes)
    resolved, energy = full["resolved"].values, full["energy_resolved"].values
    narrow = full["verdict"].values == str(Verdict.TOO_NARROW)
    for label, wanted in (
        (f"from the line ({resolved.sum()})", full["lifetime_ps"].values[resolved]),
        (
            f"from the energy autocorrelation ({energy.sum()})",
            full["lifetime_energy_ps"].values[energy],
        ),
        (
            f"lower limit, line too narrow ({narrow.sum()})",
            1 / (4 * np.pi * full["line_resolution_thz"].values[narrow]),
        ),
        ("Φ3, quantum", full["lifetime_phi3_quantum_ps"].values),
        ("Φ3, classical, mesh 16 × 16 × 16", full["lifetime_phi3_classical_ps"].values),
    ):
        assert drawn[label][:, 1] == pytest.approx(wanted)
    low, high = axes.get_ylim()
    assert low < np.nanmin(full["lifetime_ps"].values)
    assert high > np.nanmax(full["lifetime_ps"].values)
    # The right axis has the linewidth of each lifetime.
    assert 2 * np.pi * np.array(twin.get_ylim()) == pytest.approx([1 / low, 1 / high])


def test_lifetimes_from_line_and_energy_are_compared(full, figures):
    side = figures["lifetimes"].axes[2]
    drawn = curves(side)
    apart = np.abs(full["lifetime_disagreement"].values)
    for label, shown in (
        (f"within 2 errors ({(apart <= 2).sum()})", apart <= 2),
        (f"beyond 2 errors ({(apart > 2).sum()})", apart > 2),
    ):
        wanted = full[["lifetime_ps", "lifetime_energy_ps"]].isel(set=shown)
        assert drawn[label] == pytest.approx(wanted.to_array().values.T)
    assert side.get_xlim() == side.get_ylim()


def test_lifetimes_of_one_kind_have_one_panel(results):
    dataset = to_dataset(
        replace(results, projection=replace(results.projection, lifetimes=None))
    )
    with sheet():
        assert len(draw_lifetimes(dataset).axes) == 2


@pytest.mark.slow
@pytest.mark.parametrize("verdict", [Verdict.TOO_NARROW, Verdict.NO_LINE])
def test_figures_without_resolved_modes(results, verdict, tmp_path):
    dataset = unresolved(results, verdict)
    with sheet():
        for draw, labels in (
            (draw_spectra, ["spectrum, not resolved", "harmonic"]),
            (draw_correlations, ["autocorrelation, not resolved"]),
        ):
            figure = draw(dataset)
            (legend,) = figure.legends
            assert [text.get_text() for text in legend.get_texts()] == labels
            save_png(figure, tmp_path / "figure.png")
        save_png(draw_lifetimes(dataset), tmp_path / "figure.png")


def test_a_panel_extends_to_a_line_far_from_the_harmonic_frequency(results):
    dataset = unresolved(results, Verdict.TOO_NARROW).isel(set=slice(0, 1))
    freq, power = dataset["line_freq_thz"].values[0], dataset["line_power"].copy()
    place = int(np.flatnonzero(np.isfinite(freq))[-3])
    power[:] = np.where(np.isfinite(freq), 1e-9, np.nan)
    power[0, place] = 1.0
    far = freq[place] - 40.0 * float(dataset["line_resolution_thz"][0])
    dataset = dataset.assign(line_power=power, freq_harmonic_thz=("set", [far]))
    with sheet():
        (axes,) = draw_spectra(dataset).axes
    assert axes.get_xlim()[0] < far
    assert axes.get_xlim()[1] > freq[place]


def test_energies_show_the_test_of_equipartition(full, figures):
    upper, histogram, heat, excess = figures["energies"].axes
    assert upper.get_title(loc="left").startswith("Equipartition holds (χ² = ")
    drawn = heat.containers[0].lines[0].get_xydata()
    assert drawn[:, 1] == pytest.approx(full["heat_capacity_kb"].values)
    assert "W/U" in excess.get_ylabel()
    area = sum(bar.get_height() * bar.get_width() for bar in histogram.patches)
    assert area == pytest.approx(1.0)


def test_energies_of_a_run_without_forces_and_tests(results, tmp_path):
    projection = results.projection
    energies = replace(
        projection.energies,
        virial=None,
        virial_sem=None,
        anharmonicity=None,
        anharmonicity_sem=None,
        heat_capacity_kb=np.full(31, np.nan),
    )
    projection = replace(projection, energies=energies, equipartition=None)
    with sheet():
        figure = draw_energies(to_dataset(replace(results, projection=projection)))
        save_png(figure, tmp_path / "figure.png")
    assert len(figure.axes) == 2


def test_density_by_species_and_direction_only_if_these_differ(full, figures):
    (alone,) = figures["vdos"].axes
    assert list(curves(alone)) == ["run", "force constants"]
    two = full.assign_coords(species=("site", ["Ga", "N"]))
    with sheet():
        (kinds,) = draw_density(two).axes
    assert list(curves(kinds)) == ["run, total", "force constants", "Ga", "N"]
    shifted = full["vdos"].values.copy()
    shifted[:, 2] = np.roll(shifted[:, 2], 20, axis=1)
    with sheet():
        figure = draw_density(two.assign(vdos=(full["vdos"].dims, shifted)))
    assert [list(curves(axes)) for axes in figure.axes] == [
        ["run, total", "force constants", "Ga", "N"],
        ["run, total", "force constants", "x", "y", "z"],
    ]
    drawn = curves(figure.axes[1])
    parts = sum(drawn[x][:, 1] for x in "xyz")
    assert parts == pytest.approx(drawn["run, total"][:, 1])


def test_bands_compared(full, figures):
    axes, _ = figures["renormalised"].axes
    drawn = np.concatenate(
        [line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 2]
    )
    names = ("band_freq_thz", "band_quasi_particle_thz", "band_displacement_thz")
    wanted = np.concatenate([full[name].values.ravel() for name in names])
    assert np.sort(drawn) == pytest.approx(np.sort(wanted))
    assert len(axes.collections) == 3 * 2  # error bands: two segments of the path each
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == [
        *("force constants", "quasi-particles", "displacements", "±2 standard errors"),
    ]


def test_the_label_of_the_differences_is_no_longer_than_its_axis(figures):
    figure = figures["renormalised"]
    figure.canvas.draw()
    below = figure.axes[1]
    assert below.yaxis.label.get_window_extent().height < below.get_window_extent().height


@pytest.mark.parametrize(("apart", "words"), [(-6.9e-5, "−0.0001 THz"), (-1e-6, "0 THz")])
def test_a_median_has_no_digits_beyond_any_error(full, apart, words):
    plain = full.drop_vars("timestep_ps", errors="ignore")
    moved = plain.assign(freq_ratio_thz=plain["freq_harmonic_thz"] + apart)
    texts = draw_renormalised(moved).axes[1].get_legend().get_texts()
    assert f"displacements: median {words}" in " ".join(one.get_text() for one in texts)


def test_differences_of_the_sets_from_the_fitted_ones(full, figures):
    below = figures["renormalised"].axes[1]
    fitted, fitted_sem = (full[f"freq_harmonic_thz{x}"].values for x in ("", "_sem"))
    own = full["quasi_particle_own"].values
    half = np.pi * fitted * full["timestep_ps"].item()  # ωh/2
    # In a velocity Verlet run: the line, and the ratio of velocities to displacements.
    in_run = (fitted * np.arcsin(half) / half, fitted * np.sqrt(1.0 - half**2))
    assert len(below.containers) == 2
    for bars, name, expected, used, kind in zip(
        below.containers,
        ("freq_spectrum_thz", "freq_ratio_thz"),
        in_run,
        (own, np.isfinite(full["freq_ratio_thz"].values)),
        ("quasi-particles", "displacements"),
        strict=True,
    ):
        value = (full[name].values - expected)[used]
        sem = np.hypot(full[f"{name}_sem"].values, fitted_sem)[used]
        freq, apart = bars.lines[0].get_data()
        assert freq == pytest.approx(fitted[used])
        assert apart == pytest.approx(value)
        ends = np.array([x[:, 1] for x in bars.lines[2][0].get_segments()])
        assert np.diff(ends, axis=1)[:, 0] == pytest.approx(2.0 * sem)
        far = (np.abs(value) > 2.0 * sem).sum()
        label = bars.get_label()
        assert label.startswith(f"{kind}: median ")
        assert float(label.split()[2].replace("−", "-")) == pytest.approx(
            np.median(value), rel=0.06
        )
        assert label.endswith(f", {far} of {used.sum()} sets beyond 2 errors")
        low, high = below.get_ylim()
        assert low < value.min() < value.max() < high


def test_the_shift_of_velocity_verlet_is_no_difference(full):
    """Sets that differ from the fitted ones only by the time step lie on the line."""
    step, omega = 2e-3, full["freq_harmonic_thz"].values * THZ
    moved = full.assign(
        timestep_ps=((), step),
        freq_spectrum_thz=("set", verlet_frequency(omega, step) / THZ),
        freq_ratio_thz=("set", verlet_ratio(omega, step) / THZ),
        **{
            f"freq_{name}_thz_sem": ("set", 1e-6 + 0.0 * omega)
            for name in ("spectrum", "ratio")
        },
    )
    with sheet():
        figure = draw_renormalised(moved)
        plain = draw_renormalised(moved.drop_vars("timestep_ps"))
    for bars in figure.axes[1].containers:
        assert np.abs(bars.lines[0].get_ydata()).max() < 1e-9
        assert ", 0 of " in bars.get_label()
    assert all(
        np.abs(bars.lines[0].get_ydata()).max() > 5e-3 for bars in plain.axes[1].containers
    )


def test_bands_without_sets_have_one_panel(full):
    none = full.assign(quasi_particle_own=("set", np.zeros(full.sizes["set"], bool)))
    with sheet():
        only = draw_renormalised(none.drop_vars("freq_ratio_thz"))
        assert len(draw_renormalised(none).axes[1].containers) == 1
    assert len(only.axes) == 1
    assert only.axes[0].get_title(loc="left") == ""


def test_one_kind_of_bands_alone(full_results):
    only = full_results.renormalised[1:]
    with sheet():
        figure = draw_renormalised(to_dataset(replace(full_results, renormalised=only)))
    legend = figure.axes[0].get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["force constants", "displacements", "±2 standard errors"]


def test_each_branch_has_a_panel(full, figures):
    panels = figures["sed"].axes[:-1]
    assert len(panels) == 6
    for m, axes in enumerate(panels):
        shown = axes.collections[0].get_array()
        rows = [patch.row for patch in patches(full)]
        strongest = 1e3 * full["map_branch_power"].values[rows, m].max()
        assert float(shown.max()) == pytest.approx(strongest)
        drawn = np.concatenate(
            [line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 2]
        )
        assert np.sort(drawn) == pytest.approx(np.sort(full["band_freq_thz"].values[:, m]))


def test_all_branches_have_one_axis_of_frequency(full, figures):
    """Widths and slopes of different branches can be compared."""
    panels = figures["sed"].axes[:-1]
    assert len({axes.get_ylim() for axes in panels}) == 1
    low, high = panels[0].get_ylim()
    band = full["band_freq_thz"].values
    assert low <= max(band.min(), 0.0)
    assert high > band.max()


def test_axes_of_energies_hold_the_error_bars_and_no_negative_heat_capacity(full):
    sem = np.full_like(full["anharmonicity_sem"].values, 0.5)
    scattered = full["heat_capacity_kb"].values.copy()
    scattered[::2] = 3.5
    dataset = full.assign(anharmonicity_sem=("set", sem), heat_capacity_kb=("set", scattered))
    with sheet():
        *_, heat, excess = draw_energies(dataset).axes
    assert heat.get_ylim()[0] == 0.0
    assert excess.get_ylim()[1] > 0.5


def test_the_correlation_matrix_is_sorted_by_frequency(full, figures):
    axes, _ = figures["covariance"].axes
    order = np.argsort(full["freq_harmonic_thz"].values, kind="stable")
    shown = axes.images[0].get_array()
    assert np.array_equal(shown, full["energy_correlation"].values[np.ix_(order, order)])
    low, high = axes.images[0].get_clim()
    assert low == -high


def test_conductivity_by_frequency_and_path(full, figures):
    spectral, cumulative, free = figures["conductivity"].axes
    drawn = curves(spectral)
    mean = np.diag(full["kappa_classical_w_mk"].values).mean()
    (label,) = [label for label in drawn if label.startswith("classical")]
    assert float(label.split(": ")[1].split()[0]) == pytest.approx(mean, rel=0.01)
    assert drawn[label][:, 1] == pytest.approx(full["kappa_spectral_classical"].values)
    # Å in the file, nm in the figure.
    assert cumulative.lines[0].get_xdata() == pytest.approx(full["kappa_path"].values / 10)
    assert cumulative.get_ylim()[1] > cumulative.lines[0].get_ydata().max()
    known = np.isfinite(full["free_path"].values)
    bars = free.containers[0].lines[0].get_ydata()
    assert bars == pytest.approx(full["free_path"].values[known] / 10)


def test_imaginary_renormalised_bands(full_results, tmp_path):
    soft = full_results.renormalised[0]
    lower = replace(soft.bands, omega=soft.bands.omega - 3.0 * THZ, omega_sem=None)
    soft = replace(soft, bands=lower)
    dataset = to_dataset(replace(full_results, renormalised=(soft,)))
    with sheet():
        figure = draw_renormalised(dataset)
        save_png(figure, tmp_path / "figure.png")
        assert draw_bands(dataset).axes[0].get_ylim()[0] == 0.0
    assert figure.axes[0].get_ylabel() == "Frequency (THz), imaginary below 0"
