"""What the README shows runs."""

import re
from pathlib import Path

import pytest

from trajmodes.cli import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_tour_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Å/ps" in printed
    assert "lifetime_ps_sem" in printed


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 2
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_folder_named_in_the_map_exists():
    rows = TEXT.split("## Where things are")[1]
    names = re.findall(r"`([a-z/]+)`", rows.split("BSD")[0])
    known = ("", "trajmodes", "tests")
    missing = [n for n in names if not any((ROOT / base / n).is_dir() for base in known)]
    assert missing == []


@pytest.mark.parametrize("command", ["check", "run", "fit", "scan", "export", "show", "demo"])
def test_every_command_of_the_readme_exists(command):
    assert command in main.commands
    assert f"trajmodes {command}" in TEXT
