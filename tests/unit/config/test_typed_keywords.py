"""What a type checker says of the keywords of the public functions."""

from pathlib import Path

import pytest
from mypy import api as mypy

ROOT = Path(__file__).parents[3]

HEAD = """
from pathlib import Path
import numpy as np
import trajmodes as tm
run = tm.open("run.xyz", cell="POSCAR")
"""

RIGHT = (
    "run.fit(cutoff2=4, cutoff3='4.5 Si-O:3', constraints='huang', workers=None)",
    "run.fit(constraints=['huang', 'born-huang'], append=Path('fit'), scheme='joint')",
    "tm.open('a', box=[[5.0, 0, 0], [0, 5.0, 0], [0, 0, 5.0]], frames='9:', lj=(1, 2, 3.0))",
    "tm.open('a', box=np.eye(3), frames=[9, None], species=['Ga', 'N'], cell=Path('POSCAR'))",
    "run.project(run.fit(), conductivity='auto', save_amplitudes=['X:4'], line='fano')",
    "run.project('fit', conductivity=True, save_amplitudes=['all'])",
)

WRONG = {
    "run.fit(cutof2=8)": 'Unexpected keyword argument "cutof2"',
    "run.fit(cutoff2=[8.0])": 'Argument "cutoff2"',
    "run.fit(cell='POSCAR')": 'Unexpected keyword argument "cell"',
    "run.fit(method='lsq')": 'Argument "method"',
    "run.fit(constraints=['huan'])": "List item 0",
    "run.fit(workers='two')": 'Argument "workers"',
    "tm.open('a', units='metall')": 'Argument "units"',
    "tm.open('a', timestep_fs='1')": 'Argument "timestep_fs"',
    "run.project('fit', conductivity='fine')": 'Argument "conductivity"',
    "run.project('fit', maximum_entropy=1.5)": 'Argument "maximum_entropy"',
    "tm.opened('a')": 'has no attribute "opened"',
}


@pytest.mark.slow
def test_a_checker_accepts_right_calls_and_refuses_wrong_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    path = tmp_path / "user.py"
    path.write_text(HEAD + "\n".join([*RIGHT, *WRONG]) + "\n", encoding="utf-8")
    where = [f"--cache-dir={tmp_path}", "--config-file=", "--ignore-missing-imports"]
    report, _, _ = mypy.run([str(path), *where, "--no-error-summary"])
    lines = [line.split(":", 3) for line in report.splitlines() if ": error:" in line]
    found = {int(number): said for _, number, _, said in lines}
    first = HEAD.count("\n") + len(RIGHT) + 1
    assert found.keys() == set(range(first, first + len(WRONG))), report
    for number, (call, said) in enumerate(WRONG.items(), first):
        assert said in found[number], call
