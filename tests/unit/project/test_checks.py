"""Force constants of another lattice parameter: a warning; of another crystal: an error.

Frames too far apart are reported; a velocity Verlet integration has the predicted frequency.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from trajmodes.errors import DataError
from trajmodes.project.checks import (
    check_lattice,
    nyquist_note,
    require_correctable,
    verlet_frequency,
    verlet_note,
)
from trajmodes.units import THZ

NAMES = ("diamond", "wurtzite", "quartz", "triclinic")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_crystal_is_accepted_for_any_origin(crystals, name):
    crystal = crystals[name]
    assert check_lattice(crystal, crystal) == ()
    shifted = replace(crystal, sites=crystal.sites + np.array([0.37, -2.1, 0.5]))
    assert check_lattice(crystal, shifted) == ()
    noisy = replace(crystal, cell=crystal.cell * 1.0001, sites=crystal.sites + 1e-6)
    assert check_lattice(crystal, noisy) == ()


@pytest.mark.parametrize("name", NAMES)
def test_another_lattice_parameter_is_warned_about(crystals, name):
    crystal = crystals[name]
    (note,) = check_lattice(crystal, replace(crystal, cell=crystal.cell * 1.01))
    assert "belong to another lattice parameter" in note.text
    assert "+1.00% in length and +3.03% in volume" in note.text
    assert "differ by about -4.5%" in note.text


def test_shear_is_a_strain_as_well(crystals):
    crystal = crystals["diamond"]
    sheared = crystal.cell @ np.array([[1.0, 0.01, 0.0], [0.01, 1.0, 0.0], [0.0, 0.0, 1.0]])
    (note,) = check_lattice(crystal, replace(crystal, cell=sheared))
    assert "1.00% in length" in note.text


def test_a_turned_cell_is_refused(crystals):
    crystal = crystals["quartz"]
    turn = Rotation.from_rotvec([0.0, 0.0, np.radians(5.0)]).as_matrix()
    with pytest.raises(DataError, match=r"is rotated by 5\.00°(.|\n)*axes of their own"):
        check_lattice(crystal, replace(crystal, cell=crystal.cell @ turn.T))


def test_other_vectors_of_the_same_lattice_are_refused(crystals):
    crystal = crystals["diamond"]
    basis = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    other = replace(
        crystal, cell=basis @ crystal.cell, sites=crystal.sites @ np.linalg.inv(basis)
    )
    with pytest.raises(DataError, match=r"strained by(.|\n)*chosen differently"):
        check_lattice(crystal, other)


def test_another_crystal_is_refused(crystals):
    diamond, triclinic = crystals["diamond"], crystals["triclinic"]
    with pytest.raises(DataError, match="constants contains Si2, that of the run Ga2N2"):
        check_lattice(diamond, crystals["wurtzite"])
    other = replace(diamond, species=("Si", "Ge"))
    with pytest.raises(
        DataError, match="species differ: Si Si in the force constants, Si Ge in"
    ):
        check_lattice(diamond, other)
    larger = replace(diamond, cell=diamond.cell * 1.1)
    with pytest.raises(DataError, match=r"strained by 10\.0%"):
        check_lattice(diamond, larger)
    moved = triclinic.sites + np.array([[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    with pytest.raises(
        DataError, match=r"site 1 of the force constants is 0\.\d+ Å(.|\n)*structure"
    ):
        check_lattice(triclinic, replace(triclinic, sites=moved))


def test_another_order_of_sites_is_reported(crystals):
    crystal = crystals["triclinic"]
    order = [0, 2, 1]
    with pytest.raises(
        DataError, match=r"those of the run are numbers 0 2 1 of the force const"
    ):
        check_lattice(crystal, replace(crystal, sites=crystal.sites[order]))
    wurtzite = crystals["wurtzite"]
    order = [2, 3, 0, 1]
    mixed = replace(
        wurtzite,
        sites=wurtzite.sites[order],
        species=tuple(wurtzite.species[k] for k in order),
        masses=wurtzite.masses[order],
    )
    with pytest.raises(
        DataError, match="sites are in another order: Ga Ga N N in the force const"
    ):
        check_lattice(wurtzite, mixed)


@pytest.mark.parametrize("name", NAMES)
def test_a_site_in_another_cell_is_refused(crystals, name):
    """Its phase e^{−iq·τ} would differ from that of its vector."""
    crystal = crystals[name]
    sites = crystal.sites.copy()
    sites[-1] += [1, 0, -1]
    with pytest.raises(DataError, match="is in another cell than that of the run"):
        check_lattice(crystal, replace(crystal, sites=sites))


def test_relaxed_sites_give_a_warning(crystals):
    crystal = crystals["triclinic"]
    sites = crystal.sites.copy()
    sites[1] += np.array([0.1, 0.0, 0.0]) @ np.linalg.inv(crystal.cell)
    (note,) = check_lattice(crystal, replace(crystal, sites=sites))
    assert "sites of the force constants are up to 0.0" in note.text


def test_masses_are_compared(crystals):
    crystal = crystals["diamond"]
    heavy = replace(crystal, masses=crystal.masses * np.array([1.0, 30.0 / 28.085]))
    (note,) = check_lattice(crystal, heavy)
    assert "site 1 has 30.0000 Da in the run and 28.0850 Da" in note.text
    with pytest.raises(DataError, match="masses differ: site 0 has"):
        check_lattice(crystal, replace(crystal, masses=crystal.masses * np.array([2.0, 1.0])))


def _verlet(omega: float, step: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    x, v, f = 1.0, 0.0, -(omega**2)
    xs, vs = np.empty(n_steps), np.empty(n_steps)
    for t in range(n_steps):
        xs[t], vs[t] = x, v
        v += 0.5 * step * f
        x += step * v
        f = -(omega**2) * x
        v += 0.5 * step * f
    return xs, vs


@pytest.mark.parametrize(("freq_thz", "step"), [(15.0, 2e-3), (40.0, 2e-3), (5.0, 1e-3)])
def test_a_velocity_verlet_run_has_the_predicted_frequency(
    freq_thz: float, step: float
) -> None:
    omega = freq_thz * THZ
    xs, vs = _verlet(omega, step, 20_000)
    times = step * np.arange(len(xs))
    shifted = float(verlet_frequency(np.array(omega), step))
    assert xs == pytest.approx(np.cos(shifted * times), abs=1e-6)
    taper = np.hanning(len(xs))
    short = 1.0 - (taper @ vs**2) / (omega**2 * (taper @ xs**2))
    note = verlet_note(omega, 1e3 * step)
    assert note is None or f"relative to the potential energy by {short:.2%}" in note.text
    assert (note is None) == (freq_thz == 5.0)


def test_shift_of_a_common_case() -> None:
    """15 THz at 2 fs: +0.15 %."""
    omega = np.array(15.0 * THZ)
    assert verlet_frequency(omega, 2e-3) / omega - 1.0 == pytest.approx(0.0015, abs=2e-5)


def test_the_shift_is_that_of_the_recursion() -> None:
    """x' − 2x + x'' = −(ωh)²x has cos(ω_md h) = 1 − (ωh)²/2."""
    omega = np.array([1e-3, 20.0, 94.0, 300.0])
    shifted = verlet_frequency(omega, 2e-3)
    expected = np.arccos(1.0 - 0.5 * (2e-3 * omega) ** 2) / 2e-3
    assert shifted[1:] == pytest.approx(expected[1:], rel=1e-9)
    assert (shifted[1:] > omega[1:]).all()


def test_an_unstable_time_step_has_no_frequency() -> None:
    assert np.isnan(verlet_frequency(np.array([1001.0]), 2e-3)).all()
    assert "no simulation is stable with this" in str(verlet_note(1001.0, 2.0))


@pytest.mark.parametrize(
    ("freq_thz", "step_fs", "message"),
    [(15.0, 2.0, "by 0.15%"), (15.0, 1.0, None), (15.0, None, None), (-2.0, 1.0, None)],
)
def test_only_noticeable_shifts_are_reported(freq_thz, step_fs, message) -> None:
    note = verlet_note(freq_thz * THZ, step_fs)
    assert (note is None) == (message is None)
    if message is not None:
        assert message in note.text
        assert "potential energy by 0.89%" in note.text


def test_frames_too_far_apart_are_reported() -> None:
    omega = THZ * np.array([-1.0, 15.0, 16.0])
    assert nyquist_note(omega, 0.005) is None
    near, beyond = nyquist_note(omega, 0.03), nyquist_note(omega, 0.032)
    assert near.severity == "note"
    assert beyond.severity == "warning"
    assert "the lines of 1 of 3 sets" in beyond.text
    assert near.fix == beyond.fix == "write frames at most 28.4 fs apart"


def test_too_strong_an_attenuation_is_refused() -> None:
    require_correctable(16.0 * THZ, 0.0127)
    with pytest.raises(DataError, match=r"amplitude to 0\.65, below(.|\n)*at most 12\.7 fs"):
        require_correctable(16.0 * THZ, 0.0138)
    with pytest.raises(DataError, match=r"resolve no more than 16\.7 THz"):
        require_correctable(16.0 * THZ, 0.03)
