"""The brief summary: at most 20 lines of 80 columns, the verdict first, the loudest problem."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from trajmodes.data.energies import EnsembleVerdict
from trajmodes.data.results import Finding
from trajmodes.notes import Note
from trajmodes.report.summary import show_results
from trajmodes.report.text.brief import MOST_LINES, Brief
from trajmodes.report.text.check import brief_of_check, check_rows
from trajmodes.report.text.of_run import brief_of_run
from trajmodes.results.dataset import to_dataset
from trajmodes.units import THZ

FILES = {
    f"out/{name}": "" for name in ("results.nc", "tables/a.csv", "tables/b.csv", "run.log")
}
LONG = Note("warning", 9 * "some words of a text ", why=9 * "reason ", fix="a\nb\nc\nd\ne\nf")


def printed(brief, width=80, **terminal):
    stream = io.StringIO()
    Console(file=stream, width=width, **terminal).print(brief)
    return stream.getvalue()


def brief_of(results, files=FILES):
    return brief_of_run(results, to_dataset(results), files)


def fitted(results):
    return replace(results, projection=None, comparison=None)


def warned(results):
    return replace(results, warnings=(LONG, LONG, *results.warnings))


@pytest.mark.parametrize("change", [lambda one: one, fitted, warned])
@pytest.mark.parametrize("which", ["results", "full_results"])
@pytest.mark.parametrize("width", [80, 120])
def test_a_brief_has_at_most_20_lines_and_the_verdict_first(request, which, change, width):
    results = change(request.getfixturevalue(which))
    lines = printed(brief_of(results), width).splitlines()
    assert len(lines) <= MOST_LINES == 20
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("Si2 at 300")
    assert [line.split()[0] for line in lines if line[:1].isupper()][1] == "Fit"
    assert any(line.startswith("warning") for line in lines)
    has_lines = results.projection is not None and results.projection.lifetimes is not None
    assert any(line.startswith("Lifetimes") for line in lines) == has_lines
    assert f"trajmodes show out ({len(results.warnings)} warning" in "\n".join(lines)


def test_the_files_are_counted_and_not_listed(results):
    text = printed(brief_of(results))
    assert "Results" in text
    assert "out: results.nc, 2 tables; 4 files in all" in text
    assert "a.csv" not in text
    assert "out/run.log" in show_results(results, FILES, verbose=True)
    assert "Results" not in printed(brief_of(results, {}))


def problems(results):
    """Results with one problem each, and a phrase of its text."""
    energies, quality = results.projection, results.constants.quality
    z = energies.equipartition.z.copy()
    failed = replace(energies.equipartition, z=z, failing=[4], chi_squared=90.0)
    hot = replace(energies.ensemble, verdict=EnsembleVerdict.THERMOSTATTED, text="it was on")
    lives = replace(energies.lifetimes, lifetime_ps=9.0 * energies.lifetimes.lifetime_ps)
    unstable = replace(results.stability, verdict="unstable", squared=-(THZ**2))
    constants = replace(results.constants, quality=replace(quality, rank=1))
    return [
        (replace(results, stability=unstable), "the crystal is unstable"),
        (replace(results, constants=constants), "the forces determine 1 of"),
        (replace(results, projection=replace(energies, equipartition=failed)), "fails in set"),
        (replace(results, projection=replace(energies, ensemble=hot)), "thermostatted run"),
        (replace(results, projection=replace(energies, lifetimes=lives)), "energy disagree in"),
    ]


@pytest.mark.parametrize("k", range(5))
def test_what_is_wrong_with_the_results_is_the_first_warning(full_results, k):
    changed, phrase = problems(replace(full_results, warnings=()))[k]
    assert "\nwarning" not in printed(brief_of(replace(full_results, warnings=())))
    text = printed(brief_of(replace(changed, warnings=(LONG,))))
    first = text.split("\nwarning")[1]
    assert phrase in " ".join(first.split()[:20])


def test_equipartition_that_fails_is_said_once(full_results):
    text = printed(brief_of(problems(full_results)[2][0]), 200)
    assert text.count("equipartition") == 1


def test_a_run_without_spectra_says_why_before_all_else(results):
    why = Note("warning", "no spectra")
    bare = replace(results.projection, lines=None, line_data=None, lifetimes=None)
    text = printed(
        brief_of(replace(results, projection=bare, warnings=(LONG,), not_done=(why,)))
    )
    assert "energies of all modes, no spectra" in text.splitlines()[0]
    assert text.split("\nwarning")[1].split()[:2] == ["no", "spectra"]


def test_colours_are_for_terminals_that_want_them(results, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    brief = brief_of(results)
    assert "\x1b" not in printed(brief)
    assert "\x1b[1;33m" in printed(brief, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "33m" not in printed(brief, force_terminal=True)


CHECK = {
    "atoms": Finding(128, "", "all on sites"),
    "kinetic temperature": Finding(1403.06, "K", "± 11, 3N − 3"),
    "box change": Finding(1.8e-13, "%", "largest"),
    "interval": Finding(np.nan, "", "not known"),
}


@pytest.mark.parametrize(
    ("concerns", "words"),
    [
        ((), "The run is suited for force constants and for spectra and lifetimes"),
        (("fit",), "suited for spectra and lifetimes, not for force constants"),
        (("spectra",), "suited for force constants, not for spectra and lifetimes"),
        (("fit", "spectra"), "neither for force constants nor for spectra and lifetimes"),
        (("all",), "The run cannot be used as it is"),
    ],
)
def test_a_check_says_first_what_the_run_is_suited_for(concerns, words):
    notes = [LONG, Note("ok", "fine"), *(Note("error", "bad", concerns=c) for c in concerns)]
    lines = printed(brief_of_check(check_rows(CHECK), notes)).splitlines()
    assert words in lines[0]
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 80
    # An error is printed before a warning that was found earlier.
    words = [line.split()[0] for line in lines if line.startswith(("error", "warning"))]
    assert words[: len(concerns)] == ["error"] * min(len(concerns), len(words))
    assert "kinetic temperature  1403 ± 11 K, 3N − 3" in "\n".join(lines)


@pytest.mark.parametrize(
    ("severity", "words"),
    [
        ("warning", "suited for force constants and for some spectra and lifetimes"),
        ("note", "suited for force constants and for spectra and lifetimes"),
    ],
)
def test_lines_that_are_lost_are_in_the_first_line(severity, words):
    notes = [Note(severity, "lines above the Nyquist frequency are lost", concerns="spectra")]
    assert words in printed(brief_of_check(check_rows(CHECK), notes)).splitlines()[0]


def test_rounding_errors_are_printed_as_zero():
    values = {name: value for name, value, *_ in check_rows(CHECK)}
    assert values == {
        "atoms": "128",
        "kinetic temperature": "1403",
        "box change": "0",
        "interval": "",
    }


def test_a_text_that_is_cut_says_so():
    lines = printed(Brief("done", (), (("row", 99 * "word "),), ()), 40).splitlines()
    assert len(lines) == 1 + 3
    assert lines[-1].endswith(" word …")
    assert max(map(len, lines)) <= 40


def test_warnings_of_one_fix_print_it_once():
    two = tuple(Note("warning", text, fix="dump d all custom 25 f id") for text in ("a", "b"))
    text = printed(Brief("Si", two, (), ()))
    assert text.count("warning") == 2
    assert text.count("dump d all custom") == 1
    assert text.index("dump d") < text.index("b\n")
