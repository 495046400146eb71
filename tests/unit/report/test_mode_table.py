import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from trajmodes.data.spectra import Verdict
from trajmodes.errors import DataError, UsageError
from trajmodes.report.show import show
from trajmodes.report.summary import render
from trajmodes.report.text.columns import SHORT
from trajmodes.report.text.mode_table import Choice, render_modes
from trajmodes.report.text.tables import render_table
from trajmodes.results.dataset import to_dataset
from trajmodes.results.netcdf import encode
from trajmodes.results.tables import Table


def printed(dataset, width=160, **choice):
    stream = io.StringIO()
    Console(file=stream, width=width).print(render_modes(dataset, Choice(**choice)))
    return stream.getvalue()


def rows(text):
    """Set → the line of its row."""
    lines = text.splitlines()
    end = next(k for k, line in enumerate(lines) if not line.strip())
    return {int(line[:3]): line for line in lines[2:end] if line[:3].strip().isdigit()}


def cells(text):
    """Set → the cells of its row after q: eleven numbers, and the verdict."""
    split = {g: line[16:].split() for g, line in rows(text).items()}
    return {g: [*words[:11], " ".join(words[11:])] for g, words in split.items()}


@pytest.mark.parametrize("which", ["dataset", "full"])
def test_the_list_fits_100_columns(request, which):
    text = printed(request.getfixturevalue(which), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_a_row_has_all_values(full):
    found = cells(printed(full))
    assert set(found) == set(range(full.sizes["set"]))
    for g, row in found.items():
        one = full.isel(set=g)
        assert row[0].split("–")[0] == str(int(one["branch_first"]))
        for k, name in (
            *((2, "freq_displacement_thz"), (3, "freq_ratio_thz"), (9, "mode_temperature")),
            (1, "freq_harmonic_thz"),
            (10, "heat_capacity_kb"),
        ):
            shown = float(row[k].split("(")[0])
            # To the second digit of the error.
            assert abs(shown - float(one[name])) < 0.1 * float(one[f"{name}_sem"])
        classical = float(one["lifetime_phi3_classical_ps"])
        assert float(row[8]) == pytest.approx(classical, rel=0.01)


def test_a_large_error_of_a_resolved_width_is_explained(full):
    """It is not, where no value that is given has an error of more than half."""
    for factor, expected in ((0.1, False), (0.6, True)):
        errors = {
            f"{one}_sem": factor * full[one] for one in ("linewidth_thz", "lifetime_energy_ps")
        }
        text = " ".join(printed(full.assign(errors)).split())
        assert ("an error of more than half: the value is near the limit" in text) == expected


def test_lifetimes_limits_and_verdicts(full):
    starred = 0
    for g, row in cells(printed(full)).items():
        one = full.isel(set=g)
        verdict = Verdict(str(one["verdict"].item()))
        width, life, energy_life = row[5:8]
        if verdict is Verdict.RESOLVED:
            assert float(life.split("(")[0]) == pytest.approx(
                float(one["lifetime_ps"]), rel=0.2
            )
        elif verdict is Verdict.TOO_NARROW:
            limit = 2.0 * float(one["line_resolution_thz"])
            assert float(width.removeprefix("<")) == pytest.approx(limit, rel=0.05)
            assert float(life.removeprefix(">")) == pytest.approx(
                1.0 / (2.0 * np.pi * limit), rel=0.05
            )
            assert (width[0], life[0]) == ("<", ">")
        else:
            assert (width, life) == ("–", "–")
        apart = abs(float(one["lifetime_disagreement"])) > 2.0
        assert energy_life.endswith("*") is apart
        starred += apart
        energy = Verdict.RESOLVED if one["energy_resolved"] else Verdict.TOO_FEW
        # Both are named, or the one that is not resolved.
        for word in {verdict, energy} - {Verdict.RESOLVED}:
            assert SHORT[word] in row[11]
        assert (row[11] == "resolved") is (verdict is energy is Verdict.RESOLVED)
    assert starred == 1
    both = np.isfinite(full["lifetime_disagreement"].values).sum()
    legend = f"differ by more than 2 combined errors: 1 of {both} sets"
    assert legend in " ".join(printed(full).split())


def test_the_list_is_sorted_as_requested(full):
    by_q, by_frequency = (list(cells(printed(full, sort=key))) for key in ("q", "frequency"))
    assert by_q == sorted(by_q)
    freq = full["freq_harmonic_thz"].values[by_frequency]
    assert (np.diff(freq) >= 0.0).all()
    assert by_frequency != by_q
    by_lifetime = list(cells(printed(full, sort="lifetime")))
    line, energy = (full[n].values for n in ("lifetime_ps", "lifetime_energy_ps"))
    lifetime = np.where(np.isfinite(line), line, energy)[by_lifetime]
    known = int(np.isfinite(lifetime).sum())
    assert np.isfinite(lifetime[:known]).all()
    assert (np.diff(lifetime[:known]) <= 0.0).all()
    assert sorted(by_lifetime) == by_q


def test_unresolved_sets_can_be_left_out(full):
    known = full["resolved"].values | full["energy_resolved"].values
    text = printed(full, only_resolved=True)
    assert set(cells(text)) == set(np.flatnonzero(known))
    assert f"not listed: {(~known).sum()} sets" in text


def test_a_run_without_forces_or_correlations(results):
    projection = replace(results.projection, lifetimes=None)
    text = printed(to_dataset(replace(results, projection=projection)))
    assert "τ energy" not in text
    assert "combined errors" not in text
    assert "τ line" in text


def test_the_summary_has_words_for_every_verdict(full):
    texts = np.array([str(v) for v in Verdict] * 3)[: full.sizes["set"]]
    stream = io.StringIO()
    changed = full.assign(verdict=("set", texts))
    Console(file=stream, width=76).print(render(changed, rows=None))
    assert max(map(len, stream.getvalue().splitlines())) <= 76
    for words in ("overdamped", "short run", "imaginary", "off band"):
        assert words in stream.getvalue()


def test_a_fit_without_projection_is_refused(results):
    with pytest.raises(DataError, match="the results contain no projection on the modes"):
        render_modes(to_dataset(replace(results, projection=None)))


def test_every_verdict_has_words_that_the_legend_explains(full, dataset):
    n_sets = full.sizes["set"]
    texts = np.array([str(v) for v in Verdict] + [str(Verdict.RESOLVED)] * n_sets)[:n_sets]
    changed = full.assign(
        verdict=("set", texts), energy_verdict=("set", np.roll(texts, len(Verdict)))
    )
    text = printed(changed)
    legend = " ".join(text.split("verdict on line and energy autocorrelation: ")[1].split())
    given = {row[11] for row in cells(text).values()}
    assert len(set(SHORT.values())) == len(Verdict)
    for verdict in set(Verdict) - {Verdict.RESOLVED}:
        assert f"line: {SHORT[verdict]}" in given
        assert f"{SHORT[verdict]}: {verdict.partition(': ')[2]}" in legend
    assert "fit failed" not in printed(dataset)


@pytest.mark.parametrize("which", ["dataset", "full"])
@pytest.mark.parametrize("width", [80, 100])
def test_linewidth_and_lifetimes_are_never_left_out(request, which, width):
    lines = printed(request.getfixturevalue(which), width).splitlines()
    for title in ("harmonic", "FWHM", "τ line", "τ energy", "verdict"):
        assert title in lines[0]
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)


def test_long_q_and_lifetimes_do_not_wrap(full):
    lives = np.geomspace(0.5, 5e4, full.sizes["set"])
    q = full["set_q"].values.copy()
    q[3] = (5 / 12, -5 / 12, 1 / 12)
    wide = full.assign(lifetime_phi3_classical_ps=("set", lives), set_q=(full["set_q"].dims, q))
    assert "5/12 -5/12 1/12 " in rows(printed(wide, 100))[3]
    column = printed(wide, columns=("phi3-lifetime",)).splitlines()[2 : 2 + len(lives)]
    assert all("e" not in x for x, life in zip(column, lives, strict=True) if life < 9999)
    assert [float(x) for x in column] == pytest.approx(lives, rel=0.2)
    # Noisy columns are left out first, the harmonic frequency never.
    assert "space: displ., C, ratio, T" in printed(wide, 100)
    # As the last resort words are wrapped, and nothing is truncated.
    assert "…" not in printed(wide, width=70)


def test_columns_and_rows_are_chosen(full):
    names = ("lifetime", "q", "heat_capacity_kb")
    text = printed(full, 40, columns=names, sort="linewidth")
    assert text.splitlines()[0].split() == ["τ", "line", "q", "heat_capacity_kb"]
    width = full["linewidth_thz"].values
    order = list(rows(printed(full, columns=("set", "linewidth"), sort="linewidth")))
    known = int(np.isfinite(width).sum())
    assert (np.diff(width[order][:known]) <= 0.0).all()
    assert not np.isfinite(width[order][known:]).any()
    with pytest.raises(UsageError, match='no column "letters"'):
        printed(full, columns=("letters",))
    with pytest.raises(UsageError, match="cannot be sorted by verdict"):
        printed(full, sort="verdict")


@pytest.mark.parametrize("text", ["0 0 1/2", "0,0,-1/2", "0.5 0 0"])
def test_sets_of_a_q_are_those_of_its_star(full, text):
    q = np.array([float(x) for x in text.replace(",", " ").replace("1/2", "0.5").split()])
    apart = np.stack([full["q"].values - q, full["q"].values + q])
    same = (np.abs(apart - np.round(apart)) < 1e-5).all(axis=-1).any(axis=0)
    assert set(rows(printed(full, q=text))) == set(np.unique(full["mode_set"].values[same]))


def test_a_q_is_given_by_its_name_too(full):
    at_gamma = np.flatnonzero((full["set_q"].values == 0.0).all(axis=1))
    for name in ("Γ", "G", "Gamma"):
        assert set(rows(printed(full, q=name))) == set(at_gamma)
    with pytest.raises(UsageError, match=r"no mode of the results is at q = 0\.1 0 0"):
        printed(full, q="0.1 0 0")


NONE = {"columns": (), "sort": None, "q": None, "resolved": False, "csv": False}


@pytest.fixture(scope="module")
def stored(full_results, tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "results.nc"
    encode(to_dataset(full_results), path)
    return path


def test_tables_are_printed_as_csv_with_all_digits(stored, full):
    chosen = NONE | {"columns": ("set", "line"), "csv": True, "sort": "frequency"}
    lines = [line for line in show(stored, "modes", chosen).splitlines() if line[0] != "#"]
    assert lines[0] == "set,freq_spectrum_thz,freq_spectrum_thz_sem"
    order = np.argsort(full["freq_harmonic_thz"].values, kind="stable")
    found = [line.split(",") for line in lines[1:]]
    assert [int(one[0]) for one in found] == order.tolist()
    wanted = full["freq_spectrum_thz"].values[order]
    known = [float(one[1] or "nan") for one in found]
    np.testing.assert_allclose(known, wanted, rtol=1e-9)
    whole = show(stored, "modes", NONE | {"csv": True, "resolved": True})
    assert "energy_advice" in whole
    rows = [line for line in whole.splitlines() if line[0] != "#"][1:]
    resolved = full["resolved"].values.astype(bool) | full["energy_resolved"].values.astype(
        bool
    )
    assert 0 < len(rows) == resolved.sum() < len(resolved)


@pytest.mark.slow
def test_every_table_of_the_results_can_be_printed(stored):
    with pytest.raises(UsageError, match='no table "nix"') as refused:
        show(stored, "nix", NONE)
    names = refused.value.fix.removeprefix("take one of ").split(", ")
    assert {"modes", "bands", "orders", "spectra"} <= set(names)
    for name in names:
        lines = show(stored, name, NONE).splitlines()
        assert len(lines) > 2
        assert max(map(len, lines)) <= 100
        assert "e-1" not in lines[-1]


def test_columns_of_any_table_are_chosen_and_sorted(stored, full):
    chosen = NONE | {"columns": ("shell_norm",), "sort": "shell_norm"}
    lines = show(stored, "force_constants", chosen).splitlines()[2:]
    assert lines[0].strip() == "shell_norm"
    shown = [float(line.split("(")[0]) for line in lines[1:]]
    assert shown == pytest.approx(np.sort(full["shell_norm"].values), rel=0.1)
    assert len(shown) == full.sizes["shell"]
    with pytest.raises(UsageError, match='no column "nix"'):
        show(stored, "force_constants", NONE | {"sort": "nix"})


def test_frequencies_that_are_rounding_errors_are_zero():
    table = Table("", {"freq_thz": np.array([2e-9, 3.0]), "force": np.array([2e-9, 3.0])}, {})
    stream = io.StringIO()
    Console(file=stream, width=80).print(render_table(table))
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert lines[-2:] == [["0", "2e-09"], ["3", "3"]]


def test_options_of_tables_need_one(stored):
    with pytest.raises(UsageError, match="--csv is for a table"):
        show(stored, None, NONE | {"csv": True})
    with pytest.raises(UsageError, match="--q and --resolved are for the table of modes"):
        show(stored, "bands", NONE | {"q": "X"})
    assert "R²" in show(stored, None, NONE)


def test_special_points_are_named_beside_their_q(full, dataset):
    at_gamma = (full["set_q"].values == 0.0).all(axis=1).tolist()
    assert (full["set_point"].values == "Γ").tolist() == at_gamma
    lines = printed(full).splitlines()[2 : 2 + full.sizes["set"]]
    assert ["0 0 0 Γ" in line for line in lines] == at_gamma
    last = (full["set_point"].values == "Z9").tolist()
    assert any(last)
    assert [" Z9 " in line for line in lines] == last
    assert "set_point" not in dataset
    assert "0 0 0 Γ" not in printed(dataset)


def test_the_number_of_names_is_that_of_q_points(full_results):
    with pytest.raises(DataError, match="q points are given, but 1 names"):
        replace(full_results, point_names=("Γ",))
