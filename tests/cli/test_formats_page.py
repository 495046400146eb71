"""Every line of docs/formats.md by which a run is read reads a run of that format."""

import re
import shlex
from pathlib import Path

import ase.io
import pytest
from click.testing import CliRunner

from program_files.every_format import MAKERS, write
from program_files.silicon_run import N_FRAMES, kinetic_temperature, silicon_run, supercell
from trajmodes.cli.program import main

PAGE = Path(__file__).parents[2] / "docs/formats.md"


def _lines() -> list[str]:
    """Commands in the last column of the tables that say how to read a file."""
    found, inside = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        inside = line.endswith("| how to read it |") or (inside and line.startswith("|"))
        if inside:
            found += re.findall(r"`trajmodes (.+?)`", line.rstrip("| ").rsplit(" | ", 1)[-1])
    return found


LINES = {shlex.split(line)[1]: line for line in _lines()}


def called(line: str, *more: str, code: int = 0) -> str:
    name = shlex.split(line)[1]
    write(name)
    ase.io.write("POSCAR", supercell(), format="vasp", direct=True)
    words = shlex.split(line.replace("NAME", "si"))
    done = CliRunner().invoke(main, [*words, *more])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_each_line_has_a_file():
    assert set(LINES) == set(MAKERS)


@pytest.mark.parametrize("name", LINES)
def test_the_file_of_each_line_is_found_suitable(name):
    """The options of the line, with the job that only reads."""
    job = LINES[name].split()[0]
    # Formats that have positions alone stand with the job check, which misses the forces.
    text = called(re.sub(r"^\w+", "check", LINES[name]), code=3 if job == "check" else 0)
    refused = re.search("(not|neither) for force constants", text)
    assert (refused is not None) == (job == "check")
    values = dict(re.findall(r"^(\w+(?: \w+)*) {2,}([\d.]+)", text, re.MULTILINE))
    assert (values["atoms"], values["frames"]) == ("64", str(N_FRAMES))
    kelvin = kinetic_temperature(silicon_run(MAKERS[name][0]))
    if job == "run":
        assert float(values["kinetic temperature"]) == pytest.approx(kelvin, rel=0.01)
    if job in {"run", "fit"}:
        assert float(values["virial temperature"]) == pytest.approx(kelvin, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in LINES if not LINES[n].startswith("check")])
def test_each_line_does_its_job(name):
    text = called(LINES[name], "-o", "out")
    assert Path("out/results.nc").is_file(), text
