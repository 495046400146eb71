"""One declaration of an option: command line, job file, Python and documentation follow it."""

import inspect
import re
from pathlib import Path
from typing import Unpack

import click
import pytest
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.api.runs import open_run
from trajmodes.cli.program import main
from trajmodes.config import typed_keywords
from trajmodes.config.job import job_from_mapping, options_of
from trajmodes.config.keywords import takes
from trajmodes.config.reference import keywords_module, options_page
from trajmodes.config.typed_keywords import FitKeywords

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = (
    "check",
    "run",
    "fit",
    "project",
    "sed",
    "sqw",
    "molecule",
    "modes",
    "movie",
    "export",
    "thermo",
    "elastic",
    "quasiharmonic",
    "phases",
    "spectral-function",
)
FUNCTIONS = {
    "check": open_run,
    "run": tm.run,
    "fit": tm.fit_runs,
    "molecule": tm.molecule,
}


@pytest.mark.parametrize("command", [*COMMANDS, "scan", "demo"])
def test_the_command_line_has_the_options_of_its_command(command):
    made = {
        parameter.name: parameter.opts
        for parameter in main.commands[command].params
        if isinstance(parameter, click.Option)
    }
    declared = options_of(command)
    assert made.keys() == declared.keys()
    for name, one in declared.items():
        assert set(one.flags) <= set(made[name])
    text = CliRunner().invoke(main, [command, "--help"], terminal_width=500).output
    for one in declared.values():
        assert one.declared.help[:50] in text
        default = one.default_text(command)
        assert not default or f"[default: {default}]" in text
        assert f"\n{one.group}:\n" in text


@pytest.mark.parametrize("command", FUNCTIONS)
def test_a_function_has_the_keywords_of_its_command(command):
    function = FUNCTIONS[command]
    parameters = inspect.signature(function).parameters
    keywords = {name: one for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters.values())
    assert keywords.keys() == options_of(command).keys() - {"force_constants", "verbose"}
    for name, one in keywords.items():
        declared = options_of(command)[name]
        assert one.default == declared.default
        assert one.annotation == declared.annotation
        entry = re.search(rf"^{name}\n((?:    .*\n)+)", inspect.getdoc(function), re.MULTILINE)
        assert declared.declared.help in " ".join(entry[1].split())


def test_a_method_takes_options_too():
    class Run:
        @takes("fit")
        def fit(self, **options: Unpack[FitKeywords]):
            """Fit.

            Parameters
            ----------
            **options
                Options of a fit.

            Returns
            -------
            The options.
            """
            return options

    signature = inspect.signature(Run().fit)
    assert "self" not in signature.parameters
    assert signature.parameters["cutoff2"].annotation == float | str | None
    assert "cutoff2\n    Cutoff in Å" in inspect.getdoc(Run.fit)
    assert "Returns\n-------\nThe options." in inspect.getdoc(Run.fit)
    assert Run().fit(cutoff2=8.0) == {"cutoff2": 8.0}


def test_the_page_of_options_is_that_of_the_declarations():
    # Written by python -m trajmodes.config.reference.
    assert (DOCS / "options.md").read_text(encoding="utf-8") == options_page()


def test_the_typed_keywords_are_those_of_the_declarations():
    # Written by python -m trajmodes.config.reference.
    assert Path(typed_keywords.__file__).read_text(encoding="utf-8") == keywords_module()


def test_every_option_of_a_job_is_on_a_command_line():
    taken = {name for command in COMMANDS for name in options_of(command)}
    assert set(job_from_mapping({"trajectory": "a"}).settings) - {"trajectory"} <= taken


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "1.5"], "workers is '1.5' but must be a positive whole number"),
        (["--workers", "0"], "workers is '0' but must be a positive whole number"),
        (["--timestep-fs", "1e300"], "timestep_fs is '1e300' but must be a positive number"),
        (["--timestep-fs", "inf"], "timestep_fs is 'inf' but must be a positive number"),
        (["--temperature", "nan"], "temperature is 'nan' but must be a positive number"),
        (["--frames", "9:3"], "frames is '9:3' but must be START:STOP"),
        (["--conductivity", "many"], "conductivity is 'many' but must be a whole number"),
        (["--conductivity", "1000000"], "must be a whole number from 1 to 1000"),
        (["--perturbation", "0"], "must be a whole number from 1 to 1000"),
        (["--box", "1,2"], "box is '1,2' but must be three or nine numbers"),
        (["--cutoff", "far"], '"far" is not a cutoff'),
        (["--cutoff4", "3"], "a cutoff of the fourth order is given, but none of the third"),
        (["--method", "ridge", "--errors", "sandwich"], "no error bars for a regularised fit"),
    ],
)
def test_a_wrong_value_ends_as_one_message(words, message):
    result = CliRunner().invoke(main, ["run", "none.xyz", *words])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
