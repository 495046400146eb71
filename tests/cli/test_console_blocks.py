"""Every console block of the pages runs as it is printed, on small files of the names in it.

Lines of other programs are left out. CI runs those of the README.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from program_files.console_inputs import ROOT, write_inputs
from trajmodes.cli.program import main

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = ("trajmodes", "for", "done", "printf")
OTHER_TESTS = ("imd://", "trajmodes resume", "tcp://", "slurm:")
"""Lines that join a running LAMMPS (`test_imd_peers`), go on with a run that was killed
(`test_checkpoint`), or need a scheduler (`test_workers`)."""
CRYSTALS = {
    "series.md": "zirconium_1400K",
    "zirconium.md": "zirconium_1400K",
    "temperatures.md": "zirconium_1400K",
    "polar.md": "salt",
}
"""Pages whose run is not one of silicon."""
METALS = {"born-von-karman.md": "Cu"}
"""Pages whose fits of a metal are not of gold."""
LONG = {"shell-models.md-1", "quartz.md-2"}
"""Blocks of minutes, which CI does not run; the tutorial of quartz does the same in Python."""
WRITTEN_ON_PAGE = {
    "cu.toml": r"```toml\n(title.*?)```",
    "silica.lib": r"```text\n(species.*?)```",
}
"""Files that stand on a page."""
OF_THE_SHELL = re.compile(r"[;|>*$]|printf")
"""What bash must read: loops, pipes, patterns of names."""
NEEDS = {
    r"pair_style|\.eam\b|\.sw\b": "lammps",  # its potentials
    r"local:\d": "distributed",
    r"neutron|xray": "periodictable",
    r"spectral-function": "phono3py",
}
"""What a block may have → library that it needs, and that the tests of peers have."""


def _lines(block: str) -> list[str]:
    whole = block.replace("\\\n", " ").splitlines()
    lines = [line for line in whole if line.split()[:1] and line.split()[0] in OURS]
    return [line for line in lines if not any(one in line for one in OTHER_TESTS)]


def _needed(script: str) -> list[str]:
    """Libraries beyond those of the package."""
    other = script.replace("gold.eam.alloy", "")  # it is in the examples
    return [library for pattern, library in NEEDS.items() if re.search(pattern, other)]


def _blocks() -> list:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
        for number, block in enumerate(blocks, 1):
            script = "\n".join(_lines(block))
            if script:
                name = f"{page.name}-{number}"
                mark = pytest.mark.peer if _needed(script) else pytest.mark.slow
                mark = pytest.mark.soak if name in LONG else mark
                found.append(pytest.param(page, script, marks=mark, id=name))
    return found


def _words(script: str) -> list[str]:
    """Words of the commands; a word of a loop stands once for each value."""
    quoted = shlex.split(script.replace(";", " "), comments=True)
    words = [word for several in quoted for word in several.split()]
    values = re.findall(r"for a in (.*?);", script)
    return [
        word.replace("$a", value)
        for word in words
        for value in (values[0].split() if "$a" in word else [""])
    ]


@pytest.mark.parametrize(("page", "script"), _blocks())
def test_a_block_runs(page, script, tmp_path_factory, tmp_path, monkeypatch):
    for library in _needed(script):
        pytest.importorskip(library)
    store = tmp_path_factory.getbasetemp() / "results of pages"
    store.mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = "".join(one.read_text(encoding="utf-8") for one in PAGES)
    for name, pattern in WRITTEN_ON_PAGE.items():
        if name in script:
            content = re.search(pattern, text, re.DOTALL)[1]
            Path(name).write_text(content, encoding="utf-8")
    Path("mine.mplstyle").write_text("axes.grid: true\n", encoding="utf-8")
    write_inputs(
        _words(script), store, CRYSTALS.get(page.name, "silicon"), METALS.get(page.name, "Au")
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    if OF_THE_SHELL.search(script):
        _run_by_bash(script)
        return
    for line in script.splitlines():
        # To start the program takes longer than many of the commands.
        result = CliRunner().invoke(main, shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"


def _run_by_bash(script: str) -> None:
    ours = f'trajmodes() {{ {shlex.quote(sys.executable)} -m trajmodes "$@"; }}'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{ours}\n{script}"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_no_page_is_left_out():
    with_blocks = {
        page.name for page in PAGES if "```console" in page.read_text(encoding="utf-8")
    }
    run = {one.values[0].name for one in _blocks()}
    # The line of live.md needs a running LAMMPS.
    assert with_blocks - run == {"live.md"}
