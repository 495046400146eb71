import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console, Group

from trajmodes.data.results import Finding, InputFile
from trajmodes.notes import Note
from trajmodes.report.sections import fit_section, lifetimes_line
from trajmodes.report.summary import render
from trajmodes.report.text.check import check_rows, render_check
from trajmodes.results.dataset import to_dataset
from trajmodes.units import THZ, W_MK


def printed(renderable, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("width", [76, 80, 100])
@pytest.mark.parametrize("which", ["results", "full_results"])
def test_the_summary_fits_the_width_without_colour(request, which, width):
    text = printed(render(request.getfixturevalue(which), rows=None), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "\x1b" not in text


def test_a_dataset_and_its_results_have_the_same_summary(results, dataset):
    assert printed(render(dataset)) == printed(render(replace(results, timings={})))


def test_the_overview(results):
    text = printed(render(results), 100)
    for line in (
        "Run            si.lammpstrj (1.05 GB)",
        "Crystal        Si2, 2 sites in 40.05 Å³",
        "Supercell      [4 0 0, 0 4 0, 0 0 4], 64 cells, 128 atoms",
        "Temperature    300.40 ± 0.90 K",
        "given force constants, fitted earlier: 7 parameters (full rank), cutoff 4.5 Å",
        "36 q points (one of each ±q), 216 modes in 31 sets",
        "Equipartition  holds (χ² = ",
        "Thermostat     NVE: the kinetic energy fluctuates by 0.51 ± 0.03",
        "Lifetimes      20 of 31 sets resolved from the spectral line, 17 from the energy",
        "velocities have six digits only, see [thermo] in the input",
        "two frames were dropped",
        "scan 1.2, fit 3.4, project 5.6, total 10.2",
    ):
        assert line in text


def test_rounding_errors_of_the_cell_are_not_printed(dataset):
    cell = dataset["cell"].values.copy()
    cell[0] += [-1e-12, 1e-12, -2e-13]
    noisy = dataset.assign(cell=(dataset["cell"].dims, cell))
    wanted = "Cell           (0, 2.7155, 2.7155) (2.7155, 0, 2.7155)"
    assert wanted in printed(render(noisy), 100)


def test_a_row_of_the_table(results, dataset):
    line = next(
        line
        for line in printed(render(results, rows=None), 100).splitlines()
        if line.split()[:5] == ["0", "0", "0", "0", "4–6"]
    )
    one = dataset.isel(set=0)
    harmonic, freq, width, life, energy_life = line.split()[5:10]
    assert float(harmonic.split("(")[0]) == pytest.approx(15.4976, abs=1e-2)
    assert float(freq.split("(")[0]) == pytest.approx(float(one["freq_spectrum_thz"]), abs=0.01)
    assert float(width.split("(")[0]) == pytest.approx(float(one["linewidth_thz"]), abs=0.01)
    assert float(life.split("(")[0]) == pytest.approx(float(one["lifetime_ps"]), abs=0.01)
    assert energy_life == "–"
    assert line.split()[10:] == ["energy:", "few", "data"]


def test_the_number_of_rows_is_limited_and_stated(results):
    text = printed(render(results, rows=5))
    caption = (
        "; 5 of 31 sets, those with a lifetime first; all sets: trajmodes show FOLDER modes"
    )
    assert caption in " ".join(text.split())
    assert "FOLDER" not in printed(render(results, rows=None))
    fit = printed(render(replace(results, projection=None), rows=5), 100)
    assert "; 5 of 31 sets, spread over the frequencies; all sets: tables/modes.csv" in fit


def test_sets_with_a_lifetime_of_any_kind_come_first(results, dataset):
    known = dataset["resolved"].values | dataset["energy_resolved"].values
    assert known.sum() > dataset["resolved"].values.sum()
    text = printed(render(results, rows=int(known.sum())), 100)
    rows = text[text.index("set q") : text.index("1.234(56)")].splitlines()[2:]
    assert {int(row[:3]) for row in rows} == set(np.flatnonzero(known))


def test_one_advice_of_many_is_given_as_an_example(dataset):
    verdicts = dataset["verdict"].values
    narrow = np.flatnonzero(verdicts == "not resolved: narrower than the resolution")
    advice = dataset["advice"].values.astype(object)
    advice[narrow[0]] = "lives longer than 6.3 ps"
    text = " ".join(printed(render(dataset.assign(advice=("set", advice.astype(str))))).split())
    assert f"for example set {narrow[0]}: lives longer than 6.3 ps; see modes.csv" in text


def test_sections_of_the_path_without_q_are_named(dataset):
    assert "no q of the supercell" not in printed(render(dataset))
    place, ends = dataset["map_distance"].values, dataset["tick_distance"].values
    few = dataset.isel(map_point=(place > ends[-2] - 1e-9))
    text = " ".join(printed(render(few), 100).split())
    assert "no q of the supercell on Γ–X, X–U" in text


def test_each_reason_is_listed_once(results):
    text = " ".join(printed(render(results)).split())
    advice = "segments of 80 ps, a run of 800 ps, would resolve it"
    assert f"spectral line of 10 sets, narrower than the resolution: {advice}" in text
    reason = "too little data for an error bar: a run of 500 ps would resolve it"
    assert f"energy autocorrelation of 14 sets, {reason}" in text
    assert f"line of 1 set, the spectrum does not have the shape of one line: {advice}" in text


@pytest.mark.parametrize(
    ("square", "square_sem", "words"),
    [
        (-0.12, 0.20, "f² = -0.12 ± 0.20 THz², zero within its error"),
        (-0.12, 0.05, "f² = -0.120 ± 0.050 THz², the crystal is unstable"),
        (-0.001, 0.20, "f² = -0.00 ± 0.20 THz², zero within its error"),
    ],
)
def test_an_imaginary_mode_and_its_significance(results, square, square_sem, words):
    freq = -np.sqrt(-square)
    modes = results.modes
    first = modes.sets == 0
    sem = min(square_sem / (2 * abs(freq)), np.sqrt(square_sem))
    changed = replace(
        modes,
        omega=np.where(first, 2 * np.pi * freq, modes.omega),
        omega_sem=np.where(first, 2 * np.pi * sem, modes.omega_sem),
    )
    text = " ".join(printed(render(replace(results, modes=changed))).split())
    assert "set 0 at q = 0 0 0 is imaginary" in text
    assert words in text


def test_failed_equipartition_names_the_largest_deviation(results):
    given = results.projection.equipartition
    z = given.z.copy()
    z[4] = -7.0
    failed = replace(given, z=z, chi_squared=90.0, failing=[4])
    projection = replace(results.projection, equipartition=failed)
    text = " ".join(printed(render(replace(results, projection=projection))).split())
    assert "Equipartition fails in set 4 (χ² = 90.0 for 30, p = " in text
    assert "largest deviation: set 4, -7.0 standard errors" in text


def test_a_thermostat_is_named(results):
    hot = replace(results.projection.ensemble, verdict="thermostatted", text="it was on")
    projection = replace(results.projection, ensemble=hot)
    text = printed(render(replace(results, projection=projection)))
    assert "thermostatted: it was on" in text


@pytest.mark.parametrize("count", [0, 1, 7])
def test_lifetimes_that_disagree_are_named(results, count):
    lines, lifetimes = results.projection.lines, results.projection.lifetimes
    both = np.isfinite(lines.lifetime_ps) & np.isfinite(lifetimes.lifetime_ps)
    agreed = np.where(both, lines.lifetime_ps, lifetimes.lifetime_ps)
    sets = np.flatnonzero(both)[:count]
    agreed[sets] += 2.1 * np.hypot(lines.lifetime_ps_sem, lifetimes.lifetime_ps_sem)[sets]
    projection = replace(results.projection, lifetimes=replace(lifetimes, lifetime_ps=agreed))
    text = " ".join(printed(render(replace(results, projection=projection))).split())
    n_both = int(both.sum())
    assert (
        f"both methods agree within 2 standard errors in {n_both - count} of {n_both} sets"
        in text
    )
    assert ("disagree" in text) is bool(count)
    if count == 1:
        assert f"but disagree in set {sets[0]}" in text
    if count == 7:
        assert f"but disagree in sets {sets[0]}, " in text
        assert f"{sets[4]} and 2 more" in text


def test_lifetimes_of_one_kind_alone(results):
    projection = replace(results.projection, lifetimes=None)
    text = stripped(replace(results, projection=projection))
    assert "Lifetimes      20 of 31 sets resolved from the spectral line\n" in text
    assert "energy autocorrelation" not in text


def test_conductivity_has_a_standard_error(full_results):
    given = full_results.conductivity
    classical = replace(
        given.classical,
        kappa=150.0 * W_MK * np.eye(3),
        kappa_sem=np.full((3, 3), 12.0 * W_MK),
        filled_share=0.25,
    )
    quantum = replace(
        given.quantum,
        kappa=np.diag([120.0, 121.0, 180.0]) * W_MK,
        kappa_sem=np.full((3, 3), 11.0 * W_MK),
    )
    given = replace(given, classical=classical, quantum=quantum)
    text = " ".join(printed(render(replace(full_results, conductivity=given))).split())
    assert "κ = 150 ± 12 classical; x 120 ± 11, y 121 ± 11, z 180 ± 11 quantum" in text
    assert "at 300 K, mesh 11 × 11 × 11; 25 % of the classical value from lifetimes" in text


def test_a_rank_deficient_fit_is_in_capitals(results):
    quality = replace(results.constants.quality, rank=6)
    constants = replace(results.constants, quality=quality)
    text = printed(render(replace(results, constants=constants)))
    assert "7 parameters (RANK 6 ONLY)" in " ".join(text.split())


def test_without_a_projection(results):
    bare = replace(results, projection=None, convergence=None, warnings=(), notes=())
    text = printed(render(to_dataset(bare)))
    assert "Temperature 300 K" in " ".join(text.split())
    assert "Warnings" not in text
    assert "resolved" not in text


def test_at_most_three_input_files_are_named(results):
    inputs = tuple(InputFile(f"run.{k}", 1000, "") for k in range(9))
    provenance = replace(results.provenance, inputs=inputs)
    text = printed(render(replace(results, provenance=provenance)), 100)
    assert "run.0 (1 kB), run.1 (1 kB), run.2 (1 kB), and 6 more files" in text


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((6_810_000, 6_810_000), "2 × run.xyz (6.81 MB each), POSCAR (127 B)"),
        ((1000, 2000), "2 × run.xyz (3 kB in total), POSCAR (127 B)"),
    ],
)
def test_files_of_the_same_name_are_one_item(results, sizes, words):
    inputs = [InputFile("run.xyz", size, "") for size in sizes]
    inputs.insert(1, InputFile("POSCAR", 127, ""))
    provenance = replace(results.provenance, inputs=tuple(inputs))
    assert f"Run            {words}\n" in stripped(replace(results, provenance=provenance))
    more = (*inputs, InputFile("a", 1, ""), InputFile("b", 1, ""))
    provenance = replace(results.provenance, inputs=more)
    text = stripped(replace(results, provenance=provenance))
    assert f"{words}, a (1 B), and 1 more file\n" in text


def stripped(results):
    lines = printed(render(results), 100).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def test_files_are_listed(results):
    text = printed(render(results, files={"out/results.nc": "all results"}))
    assert "out/results.nc: all results" in text


def test_notes_of_a_check_begin_with_the_worst():
    diagnosis = {
        "drift": Finding(1.5e-6, "Å/ps", "of the centre of mass [small]"),
        "units": Finding(float("nan"), "", "metal"),
    }
    notes = [
        Note("ok", "all atoms match"),
        Note("note", "the cell was reduced"),
        Note("error", "no velocities", why="the dump lacks them", fix="dump vx vy vz"),
        Note("warning", "six digits", fix="dump_modify 1 format float %.10g"),
    ]
    lines = printed(render_check(check_rows(diagnosis), notes)).splitlines()
    text = " ".join(" ".join(lines).split())
    assert " ".join(lines[1].split()) == "drift 1.5e-06 Å/ps of the centre of mass [small]"
    assert lines[2].split() == ["units", "metal"]
    assert text.index("error no velocities") < text.index("warning six digits")
    assert text.index("fix dump vx vy vz") < text.index("warning six digits")
    assert text.index("why the dump lacks them") < text.index("fix dump vx vy vz")
    assert text.index("warning six digits") < text.index("note the cell was reduced")
    assert lines[-1].split() == ["ok", "all", "atoms", "match"]


def test_the_table_of_orders(full_results):
    text = printed(render(full_results), 100)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    fit = (
        "62 parameters (full rank), cutoffs 8 Å (2nd order), 4.5 Å (3rd order), "
        "3 Si-Si:2.5 Å (4th order), 20001"
    )
    assert fit in " ".join(text.split())
    assert lines["2nd"] == [
        "2nd",
        "order",
        "8",
        "31",
        "0.985000",
        "0.1",
        "(0.101)",
        "12",
        "0.4",
    ]
    assert lines["3rd"][:6] == ["3rd", "order", "4.5", "27", "0.999600", "0.016"]
    assert lines["4th"][-1] == "–"
    assert "sequential fit; imposed: Hermitian, Huang; rms residual with this" in text


def test_the_section_of_the_fit(full_results):
    text = " ".join(printed(render(full_results)).split())
    for line in (
        "small: σ = 0.1700 ± 0.0010, the rms force that the second-order force constants",
        "jackknife over 16 blocks of 1250 frames, 3.4 frames per independent frame (mean "
        "over the force constants of all orders); converged",
        "frequencies of a joint and a sequential fit differ by 0.012 THz (rms)",
        "Stability stable: the lowest ω² is 4.930 ± 0.020 THz² at q = 0 1/8 1/8, branch 1",
        "Run length all frequencies are known to ±0.05 THz after a run of 320 ps",
        "differ from the reference structure: largest shift 0.0050 ± 0.0010 Å (site 0, Si)",
        "mean residual forces are zero",
        "mean γ = 0.530 ± 0.012 classical, 0.470 ± 0.013 quantum at 300 K, mesh 14 × 14 × 12",
        "three-phonon scattering at 300 K, mesh 16 × 16 × 16: median",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.2, "are 1.200 ± 0.050 times the classical ones (mean of the 20 broadest"),
        (3.5, "three-phonon perturbation theory does not describe this run"),
        (np.nan, "the run resolves too few of the broadest lines for a comparison"),
    ],
)
def test_the_run_is_compared_with_perturbation_theory(full, ratio, words):
    text = " ".join(printed(Group(*fit_section(full.assign(phi3_ratio=ratio)))).split())
    assert words in text


def test_unconverged_and_undecided_results_say_so(full_results):
    bad = replace(
        full_results,
        fit_errors=replace(full_results.fit_errors, levelled=False),
        stability=replace(full_results.stability, verdict="not decided", squared=0.1 * THZ**2),
        reference=replace(full_results.reference, shift=np.zeros((2, 3))),
    )
    text = " ".join(printed(render(bad)).split())
    assert "not converged with the block length: lower bounds" in text
    assert "not decided: ω² = 0.100 ± 0.020 THz²" in text
    assert "mean positions agree with the reference structure, as symmetry requires" in text


def test_a_shift_within_its_error_is_no_disagreement(full_results):
    small = replace(full_results.reference, shift=[[0.002, 0, 0], [0, 0, 0]])
    text = " ".join(printed(render(replace(full_results, reference=small))).split())
    assert "agree with the reference structure: largest shift 0.0020 ± 0.0010 Å (site 0" in text


def test_a_block_of_one_frame_is_singular(full_results):
    errors = replace(full_results.fit_errors, parameters=np.ones((8, 3)), block_frames=1.0)
    text = " ".join(printed(render(replace(full_results, fit_errors=errors))).split())
    assert "jackknife over 8 blocks of 1 frame, " in text


def test_lower_orders_of_a_joint_fit_have_no_prediction(full_results):
    quality = full_results.constants.quality
    pairs = replace(quality.orders[0], rms_predicted=np.nan)
    quality = replace(quality, orders=(pairs, *quality.orders[1:]), scheme="joint")
    joint = replace(full_results, constants=replace(full_results.constants, quality=quality))
    text = printed(render(joint), 100)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert lines["2nd"][5:7] == ["0.1", "(–)"]
    assert "joint fit; imposed" in text


@pytest.mark.parametrize(("sigma", "word"), [(0.1, "small"), (0.3, "moderate"), (0.5, "large")])
def test_anharmonicity_is_small_moderate_or_large(full_results, sigma, word):
    quality = full_results.constants.quality
    orders = (replace(quality.orders[0], rms_residual=sigma * quality.rms_force),)
    constants = replace(
        full_results.constants, quality=replace(quality, orders=orders), triplets=None
    )
    only = replace(full_results, constants=constants, convergence=None, projection=None)
    text = " ".join(printed(render(only)).split())
    words = f"{word}: the rms residual of the second-order force constants is σ = {sigma:.3f}"
    assert words in text


def test_a_fit_without_projection(full_results):
    text = printed(render(replace(full_results, projection=None, comparison=None)))
    header = next(line for line in text.splitlines() if line.startswith("set"))
    assert header.split() == ["set", "q", "br.", "harmonic", "Φ3", "FWHM", "γ"]
    assert "median" in text
    assert "of the run are" not in text
    assert "resolved" not in text


def test_a_second_order_fit_has_no_table_of_orders(results):
    text = printed(render(results))
    assert not any(line.startswith("order") for line in text.splitlines())


@pytest.mark.parametrize(("share", "shown"), [(0.1, False), (0.4, True)])
def test_energies_that_decay_with_several_rates_are_counted(full, share, shown):
    resolved = np.flatnonzero(full["energy_resolved"].values)
    misfits = np.where(full["energy_resolved"].values, 0.3, np.nan)
    misfits[resolved[: round(share * len(resolved))]] = 5.0
    text = lifetimes_line(full.assign(energy_chi2_ratio=("set", misfits)))
    phrase = f"({(misfits > 1.0).sum()} of these decay with more than one rate: larger errors)"
    assert (phrase in text) == shown
    assert f"{len(resolved)} from the energy autocorrelation" in text
