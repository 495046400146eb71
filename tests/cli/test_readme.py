"""The README: its code runs, its links and commands exist."""

import re
import shlex
from pathlib import Path

import pytest

from trajmodes.cli.program import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *(ROOT / "docs").rglob("*.md")]


PROGRAMS = {
    page: blocks
    for page in PAGES
    if (
        blocks := re.findall(
            r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
        )
    )
}


NEEDS = {"spectral-functions.md": "phono3py"}
"""Libraries of the pages that need more than trajmodes."""
SLOW = {
    "api.md",
    "expansion.md",
    "figures.md",
    "first-run.md",
    "scattering.md",
    "series.md",
    "workflows.md",
}
"""Pages whose code takes longest."""


def _marks(page: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.peer] * (page.name in NEEDS) + [pytest.mark.slow] * (page.name in SLOW)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=_marks(page)) for page in PROGRAMS],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page, monkeypatch, tmp_path):
    """All blocks in order, as a reader would type them into one session."""
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, code in enumerate(PROGRAMS[page], start=1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)
    assert len(names) > 2


def test_no_page_is_left_out():
    assert {page.name for page in PROGRAMS} >= {
        "README.md",
        "api.md",
        "modes.md",
        "molecules.md",
        "spectral-functions.md",
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_blocks_of_python_are_marked_so_that_they_run(path):
    marks = re.findall(r"```(\w+)", path.read_text(encoding="utf-8"))
    assert {"py", "pycon", "ipython", "Python"}.isdisjoint(marks)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_exists(path):
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_and_the_index_lead_to_all_pages():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    names = {page.with_suffix("").as_posix() for page in pages} - {"index"}
    assert {name for name in names if f"\n{name}\n" not in index} == set()
    linked = ("conventions", "method", "fitting", "modes", "molecules")
    assert [name for name in linked if f"(docs/{name}.md)" not in TEXT] == []


def test_every_folder_named_in_the_map_exists():
    rows = TEXT.split("## Where things are")[1]
    names = re.findall(r"`([a-z/]+)`", rows.split("BSD")[0])
    known = ("", "trajmodes", "tests")
    missing = [n for n in names if not any((ROOT / base / n).is_dir() for base in known)]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_of_the_package_that_is_named_exists(path):
    named = re.findall(r"`(trajmodes/[\w/.]+)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


CITATION = re.compile(
    r"(?:Phys|Chem|Mag|Sci|Soc|Solids|Jpn|Rev|Lett|Commun|Materials|Methods|Biometrika"
    r"|Biometrics|Technometrics)\.?(?: [A-C])? (\d+), ([A-Z]?\d+)\b"
)


def _cited(page: Path) -> set[tuple[str, ...]]:
    """Volume and page of each work that a page cites."""
    return set(
        CITATION.findall(" ".join(page.read_text(encoding="utf-8").split()).replace("*", ""))
    )


def test_the_bibliography_has_every_work_that_a_page_cites():
    bibliography = ROOT / "docs" / "bibliography.md"
    cited = set().union(*(_cited(page) for page in PAGES if page != bibliography))
    assert len(cited) > 25
    assert cited - _cited(bibliography) == set()


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_in_the_readme(command):
    assert f"trajmodes {command}" in TEXT


def test_the_commands_that_ci_runs_are_printed():
    assert "pip install . && trajmodes demo " in TEXT
    assert "pip install '.[test]' && pytest " in TEXT


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_shown_has_its_options(path):
    unknown = []
    for words in _commands(path.read_text(encoding="utf-8")):
        known = {name for one in main.commands[words[1]].params for name in one.opts}
        given = {word for word in words[2:] if re.fullmatch(r"--?[a-z].*", word)}
        unknown += [(words[1], word) for word in given - known]
    assert unknown == []


def test_every_option_that_is_named_is_one_of_some_command():
    known = {name for one in main.commands.values() for p in one.params for name in p.opts}
    named = {
        word
        for path in PAGES
        for word in re.findall(r"`(--[a-z0-9-]+)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert named - known == set()


def _commands(text: str) -> list[list[str]]:
    """Command lines of trajmodes in the blocks of a page, in words."""
    lines = [
        line.split("&& ")[-1]
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    words = [shlex.split(line, comments=True) for line in lines]
    return [each for each in words if each[:1] == ["trajmodes"]]
