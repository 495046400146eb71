"""A fit that needs more memory than there is ends before the trajectory is read."""

import re

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.errors import UsageError
from trajmodes.fit import memory
from trajmodes.fit.many_parameters import fit as many_parameters
from trajmodes.pipeline import fit
from trajmodes.pipeline.check.show import show_check
from trajmodes.symmetry.translations import build_supercell

CRYSTAL = Crystal(
    cell=np.array([[4.9, 0.0, 0.0], [0.4, 5.1, 0.0], [0.3, 0.2, 5.3]]),
    sites=np.array([[0.02, 0.0, 0.0], [0.5, 0.51, 0.03]]),
    species=("Si", "C"),
    masses=np.ones(2),
)


@pytest.fixture
def run():
    """A crystal without symmetry in 8 cells."""
    supercell, rng = build_supercell(CRYSTAL, np.diag([2, 2, 2])), np.random.default_rng(0)
    u_tax = 0.05 * rng.normal(size=(64, supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    return tm.from_arrays(
        supercell.positions + u_tax,
        supercell.cell,
        list(supercell.species),
        forces=-3.0 * u_tax + 0.01 * rng.normal(size=u_tax.shape),
        cell=CRYSTAL.to_ase(),
    )


def allow(monkeypatch, n_bytes):
    monkeypatch.setattr(memory, "memory_bytes", lambda: int(n_bytes))


@pytest.mark.parametrize("options", [{"cutoff3": 4.0}, {"method": "lasso", "strength": 0.1}])
def test_too_many_parameters_are_refused_before_the_pass(monkeypatch, run, options):
    allow(monkeypatch, 1e6)
    monkeypatch.setattr(fit, "stream", lambda *_, **__: pytest.fail("the run is read"))
    with pytest.raises(UsageError, match=r"needs [\d.]+ GB of memory, of which .* 0\.001") as e:
        run.fit(cutoff2=4.5, **options)
    order = 3 if "cutoff3" in options else 2
    assert f"--cutoff{order}" in str(e.value)
    assert ("--method ridge" in str(e.value)) is (order == 2)


def test_the_check_says_the_same(monkeypatch, run):
    assert "of memory, of which" not in show_check(run)
    allow(monkeypatch, 1e6)
    shown = re.sub(r"\s+", " ", show_check(run))
    assert "GB of memory, of which there are 0.001 GB" in shown


@pytest.mark.parametrize("method", ["least-squares", "ridge"])
def test_fits_without_normal_equations_need_no_memory_for_them(monkeypatch, run, method):
    monkeypatch.setattr(many_parameters, "MANY", 10)
    allow(monkeypatch, 1e6)
    found = run.fit(cutoff2=4.5, method=method)
    assert found.quality.n_parameters > 10


def test_a_scan_is_refused_too(monkeypatch, run):
    constants = run.fit(cutoff2=4.5)
    allow(monkeypatch, 1e6)
    with pytest.raises(UsageError, match="GB of memory"):
        constants.scan()
