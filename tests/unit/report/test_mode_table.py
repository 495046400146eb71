import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from trajmodes.data.spectra import Verdict
from trajmodes.errors import DataError
from trajmodes.report.mode_table import render_modes
from trajmodes.report.summary import render
from trajmodes.results.dataset import to_dataset


def printed(dataset, width=140, **options):
    stream = io.StringIO()
    Console(file=stream, width=width).print(render_modes(dataset, **options))
    return stream.getvalue()


def cells(text):
    """Set → the cells of its row without q."""
    rows = {}
    for line in text.splitlines()[2:]:
        words = line[16:].split()
        if line[:3].strip().isdigit() and len(words) == 12:
            rows[int(line[:3])] = words
    return rows


@pytest.mark.parametrize("which", ["dataset", "full"])
def test_the_list_fits_100_columns(request, which):
    text = printed(request.getfixturevalue(which), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_a_row_has_all_values(full):
    rows = cells(printed(full))
    assert set(rows) == set(range(full.sizes["set"]))
    for g, row in rows.items():
        one = full.isel(set=g)
        assert row[0].split("–")[0] == str(int(one["branch_first"]))
        for k, name in (
            *((2, "freq_displacement_thz"), (3, "freq_ratio_thz"), (5, "mode_temperature")),
            (1, "freq_harmonic_thz"),
            (6, "heat_capacity_kb"),
        ):
            shown = float(row[k].split("(")[0])
            # To the first digit of the error.
            assert abs(shown - float(one[name])) < float(one[f"{name}_sem"])
        classical = float(one["lifetime_phi3_classical_ps"])
        assert float(row[10]) == pytest.approx(classical, rel=0.01)


def test_lifetimes_limits_and_verdicts(full):
    letters = {Verdict.RESOLVED: "·", Verdict.TOO_NARROW: "n", Verdict.NO_LINE: "p"}
    starred = 0
    for g, row in cells(printed(full)).items():
        one = full.isel(set=g)
        verdict = Verdict(str(one["verdict"].item()))
        width, life, energy_life = row[7:10]
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
        assert row[11] == letters[verdict] + ("·" if one["energy_resolved"] else "d")
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
    assert f"not listed: {(~known).sum()} sets without a lifetime" in text


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


def test_every_verdict_has_a_letter(full, dataset):
    n_sets = full.sizes["set"]
    texts = np.array([str(v) for v in Verdict] + [str(Verdict.RESOLVED)] * n_sets)[:n_sets]
    changed = full.assign(
        verdict=("set", texts), energy_verdict=("set", np.roll(texts, len(Verdict)))
    )
    text = printed(changed)
    legend = text.split("verdicts on line and energy autocorrelation: ")[1].split()
    letters = {row[11][0] for row in cells(text).values()}
    # One letter for each verdict, explained in the legend.
    assert len(letters) == len(Verdict)
    assert letters <= set(legend)
    assert "fit failed" not in printed(dataset)


def test_long_q_and_lifetimes_do_not_wrap(full):
    lives = np.geomspace(0.5, 5e4, full.sizes["set"])
    q = full["set_q"].values.copy()
    q[3] = (5 / 12, -5 / 12, 1 / 12)
    wide = full.assign(lifetime_phi3_classical_ps=("set", lives), set_q=(full["set_q"].dims, q))
    text = printed(wide, 100)
    rows = text[: text.index("columns left out")].splitlines()
    assert len(rows) == 2 + full.sizes["set"]
    assert max(map(len, rows)) <= 100
    assert "5/12 -5/12 1/12 " in rows[5]
    shown = [row.split()[-2] for row in rows[2:]]
    assert all("e" not in x for x, life in zip(shown, lives, strict=True) if life < 9999)
    assert [float(x) for x in shown] == pytest.approx(lives, rel=0.2)
    # Noisy columns are left out first, the harmonic frequency last.
    assert "space: displ." in text
    assert "harmonic" in rows[0]
    assert "displ." in printed(full)
    # As the last resort q is wrapped, and nothing is truncated.
    assert "…" not in printed(wide, width=60)


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
