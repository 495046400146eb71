"""α-quartz by a shell model: seconds of F with all gradients, and of a ramp of temperatures."""

import time

import numpy as np
import pytest

from silicon.quartz import QUARTZ, quartz
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.thermo.minimisation.coordinates import symmetric_coordinates
from trajmodes.thermo.minimisation.local import Mesh, local_at
from trajmodes.thermo.minimisation.ramp import Treatment, minimised

pytestmark = [pytest.mark.bench, pytest.mark.slow]

START = np.array([4.9, 5.4, 0.465, 0.41, 0.276, 0.222])


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "quartz.toml"
    path.write_text(QUARTZ, encoding="utf-8")
    return read_shell_model(path)


def test_free_energy_and_gradients(model, capsys):
    crystal = quartz(START)
    coordinates, near = symmetric_coordinates(crystal), model.near(crystal)
    mesh, x = Mesh.through_gamma(crystal, (4, 4, 4)), np.zeros(6)

    def gradient():
        return local_at(near, coordinates, mesh, x).vibrational(300.0, "quantum").slopes

    seconds = min(_seconds(gradient) for _ in range(5))
    with capsys.disabled():
        print(f"\nF and gradients of quartz, 4 x 4 x 4: {seconds:.3f} s (must: 0.3)")  # noqa: T201
    assert np.isfinite(gradient()).all()


def test_ramp(model, capsys):
    kelvins = np.arange(0.0, 401.0, 25.0)
    seconds, of_processor, reached = {}, {}, {}
    for scheme in ("zsisa", "full"):
        start, start_cpu = time.perf_counter(), time.process_time()
        found = minimised(model, quartz(START), Treatment((4, 4, 4), scheme), kelvins)
        seconds[scheme] = round(time.perf_counter() - start, 1)
        of_processor[scheme] = round(time.process_time() - start_cpu, 1)
        reached[scheme] = int(np.isfinite(found.volume[0]).sum())
    with capsys.disabled():
        text = f"{seconds} s (must: 120 together), processor {of_processor} s"
        print(f"\nramp of quartz, 0 to 400 K: {text}")  # noqa: T201
    assert reached["zsisa"] == len(kelvins)
    assert reached["full"] < len(kelvins)


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
