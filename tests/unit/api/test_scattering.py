"""Dynamic structure factors as methods of runs and force constants, and as files."""

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import trajmodes as tm
from trajmodes.data.spectra import Wavevectors
from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.scattering.one_phonon import widths_at
from trajmodes.report.figures.catalogue import SCATTERING_OUTPUTS
from trajmodes.results.netcdf import encode
from trajmodes.results.outputs import TABLES
from trajmodes.units import THZ

LINE = {"q_from": "2,0,0", "q_to": "6,0,0", "axes": "conventional"}
PLANE = {"q_to": "4,4,0", "q_across": "0,0,4", "axes": "conventional"}


@pytest.fixture(scope="module")
def line(run, fc):
    return run.sqw(fc, **LINE, currents=True)


def test_one_phonon_scattering_of_the_fit_is_seen_in_the_run(line):
    """The strongest bins of both are those of the same phonon, and as strong."""
    freq = line["scattering_freq_thz"].values
    run, one = line["sqw"].values, line["one_phonon_sqw"].values
    q = line["sqw_q"].values
    inside = np.abs(q - np.rint(q)).max(axis=1) > 1e-6
    assert inside.sum() >= 4
    resolution = float(line["sqw_resolution_thz"])
    peaks = [freq[2 + values[inside, 2:].argmax(axis=1)] for values in (run, one)]
    np.testing.assert_allclose(*peaks, atol=2.0 * resolution)
    both = (line["one_phonon_created"] + line["one_phonon_annihilated"]).values.sum(axis=1)
    static, sem = line["sqw_static"].values, line["sqw_static_sem"].values
    # A few tenths of the intensity are of two phonons, at 1140 K.
    assert (both[inside] < static[inside] + 3.0 * sem[inside]).all()
    assert both[inside].sum() > 0.5 * static[inside].sum()


def test_the_current_along_q_is_the_density_by_continuity(line):
    """C_L = ω² S/Q², summed over each spectrum: the second moment of S."""
    omega = 2.0 * np.pi * line["scattering_freq_thz"].values
    moment = (omega**2 * line["sqw"].values).sum(axis=1) / line["sqw_length"].values ** 2
    # The frames are so far apart that some scattering of two phonons is folded back.
    np.testing.assert_allclose(line["sqw_longitudinal"].values.sum(axis=1), moment, rtol=0.2)


def test_bragg_peaks_are_apart(line):
    """(4 0 0) of silicon is as strong as the Debye–Waller factor says; (2 0 0) is forbidden."""
    hkl, bragg = line["sqw_hkl"].values, line["sqw_bragg"].values
    place = int(np.abs(hkl - [4, 0, 0]).sum(axis=1).argmin())
    expected = line.crystal.n_sites * 32 * line["debye_waller"].values[place].mean() ** 2
    np.testing.assert_allclose(bragg[place], expected, rtol=0.1)
    assert (np.delete(bragg, place) < 1e-3 * bragg[place]).all()


def test_without_force_constants_there_is_the_run_alone(run):
    found = run.sqw(**PLANE)
    assert "one_phonon_sqw" not in found.dataset
    assert found["sqw_place"].shape == (found["sqw_hkl"].shape[0], 2)
    assert (found["sqw"].values >= 0.0).all()
    moving = found["sqw_length"].values > 0.0
    assert (found["sqw_sem"].values[moving] > 0.0).all()
    # At Q = 0 the density does not fluctuate.
    assert found["sqw"].values[~moving].max() < 1e-12


def test_positions_are_enough(run, silicon):
    block = run.frames(0, run.n_frames)
    species = ["Si"] * run.supercell.n_atoms
    interval = run.trajectory.interval_ps
    bare = tm.from_arrays(
        block.positions, block.cells, species, interval_ps=interval, cell=silicon["cell"]
    )
    found = bare.sqw(**LINE)
    np.testing.assert_allclose(found["sqw_static"].values, run.sqw(**LINE)["sqw_static"].values)
    assert len(found["not_done"]) == 1  # the one-phonon part
    without = bare.sqw(**LINE, currents=True)
    np.testing.assert_array_equal(without["sqw"].values, found["sqw"].values)
    one, other = without["not_done"].values.tolist()
    assert "one-phonon structure factor: there are no force constants" in one
    assert "spectra of currents: the run has no velocities" in other


def test_one_phonon_scattering_has_errors_and_goes_through_the_lines(fc):
    found = fc.one_phonon(**LINE, points=21, temperature=300.0)
    thz = fc.frequencies(found["sqw_q"].values[5])
    np.testing.assert_allclose(found["one_phonon_freq_thz"].values[5], thz, atol=1e-9)
    assert (found["one_phonon_sqw_sem"].values >= 0.0).all()
    assert found["one_phonon_sqw_sem"].values.max() > 0.0
    step = float(np.diff(found["scattering_freq_thz"].values)[0])
    # Away from the reciprocal lattice point all intensity at positive f is that of the lines.
    total = found["one_phonon_sqw"].values.sum(axis=1)[3] * step
    assert total == pytest.approx(float(found["one_phonon_created"].values[3].sum()), rel=0.02)
    hot = fc.one_phonon(**LINE, points=21, classical=True)
    assert float(hot["sqw_temperature"]) == pytest.approx(fc.temperature)


@pytest.mark.slow
def test_everything_is_written_and_read_again(run, fc, results, tmp_path):
    written = run.sqw(fc, **LINE, output=tmp_path / "sqw")
    again = tm.load(tmp_path / "sqw")
    np.testing.assert_array_equal(written["sqw"].values, again["sqw"].values)
    possible = {one.name for one in SCATTERING_OUTPUTS if one.is_possible(again.dataset)}
    found = {
        str(path.relative_to(tmp_path / "sqw")) for path in (tmp_path / "sqw").rglob("*.*")
    }
    assert possible | {"results.nc", ".trajmodes.files"} == found
    table = pd.read_csv(tmp_path / "sqw" / "tables" / "sqw.csv", comment="#")
    np.testing.assert_allclose(
        table["sqw"].values.reshape(written["sqw"].shape), written["sqw"].values, rtol=1e-9
    )
    lines = pd.read_csv(tmp_path / "sqw" / "tables" / "one_phonon.csv", comment="#")
    assert len(lines) == written["one_phonon_freq_thz"].size
    fc.one_phonon(**PLANE, points=5, output=tmp_path / "plane")
    assert (tmp_path / "plane" / "figures" / "sqw_plane.png").stat().st_size > 10_000
    with pytest.raises(UsageError, match="no results folder"):
        run.sqw(fc, **LINE, widths="measured")
    results.save(tmp_path / "modes")
    wide = run.sqw(tmp_path / "modes", **LINE, widths="measured")
    width = wide["one_phonon_width_thz"].values
    known = results["linewidth_thz"].values
    assert np.isin(width[np.isfinite(width)].round(9), known.round(9)).all()
    assert np.isfinite(width).any()
    with pytest.raises(DataError, match="no phi3 widths"):
        run.sqw(tmp_path / "modes", **LINE, widths="phi3")


def test_widths_are_those_of_the_statistics_at_every_equivalent_q(results, tmp_path):
    """Perturbation theory has linewidths of both occupations; q and −q + G have the same."""
    sets, q = results["mode_set"].values, results["q"].values
    width = 0.01 * (1.0 + np.arange(results["linewidth_thz"].size))
    dataset = results.dataset.assign(
        linewidth_phi3_classical_thz=("set", width),
        linewidth_phi3_quantum_thz=("set", 2.0 * width),
    )
    encode(dataset, tmp_path / "results.nc")
    wanted = np.where(sets >= 0, width[sets], np.nan) * THZ
    for sign, shift in ((1.0, 0.0), (-1.0, 0.0), (1.0, [2, -1, 0]), (-1.0, [0, 3, 1])):
        points = sign * q + shift
        waves = Wavevectors(results.crystal, points, points, np.zeros((len(q), 1)))
        for quantum, factor in ((False, 1.0), (True, 2.0)):
            found = widths_at(str(tmp_path), "phi3", waves, quantum=quantum)
            np.testing.assert_allclose(found, factor * wanted)
    elsewhere = np.full((1, 3), 0.123)
    waves = Wavevectors(results.crystal, elsewhere, elsewhere, np.zeros((1, 1)))
    with pytest.raises(DataError, match="does not admit"):
        widths_at(str(tmp_path), "phi3", waves, quantum=True)


def test_debye_waller_factors_without_imaginary_modes_are_a_warning(crystals, springs):
    """Larger off-diagonal elements keep the symmetry of a cube, and make it unstable."""
    stable, found = springs(crystals["bcc"], 4.0), []
    for factor in (1.0, 4.0):
        values = stable.values * np.where(np.eye(3), 1.0, factor)
        constants = tm.ForceConstants.of(replace(stable, values=values))
        dataset = constants.one_phonon(q_to="1,0,0", temperature=300.0, points=3)
        found.append(" ".join(dataset["warnings"].values if "warnings" in dataset else ()))
    assert not found[0]
    assert "not part of ⟨uu⟩" in found[1]


def test_widths_of_all_modes_are_a_table(results, tmp_path):
    (output,) = (one for one in TABLES if one.name == "tables/widths.csv")
    output.make(results.dataset).write(tmp_path / "widths.csv")
    table = pd.read_csv(tmp_path / "widths.csv", comment="#")
    assert len(table) == results["mode_freq_thz"].size
    row = table.iloc[-1]
    assert row["linewidth_thz"] == pytest.approx(
        float(results["linewidth_thz"].values[int(row["mode_set"])]), nan_ok=True, rel=1e-9
    )
    assert table["linewidth_thz"][table["mode_set"] < 0].isna().all()


def test_what_is_missing_is_named(run, fc):
    with pytest.raises(UsageError, match="no line of scattering vectors"):
        run.sqw(fc)
    with pytest.raises(UsageError, match="three numbers"):
        run.sqw(fc, q_to="1,2")
    with pytest.raises(UsageError, match="admits no Q"):
        run.sqw(fc, q_from="0.1,0.01,0", q_to="0.1,0.02,0")
    with pytest.raises(UsageError, match="only Q = 0"):
        run.sqw(fc, q_to="0.1,0,0")
    with pytest.raises(UsageError, match="widths of lines are given without the force"):
        run.sqw(**LINE, widths="measured")
    with pytest.raises(UsageError, match="does not allow a resolution"):
        run.sqw(**LINE, resolution_thz=1e-3)
    with pytest.raises(UsageError, match="no scattering amplitude of Si"):
        run.sqw(**LINE, weights="Ge:8.185")


def test_methods_show_their_options():
    for method in (tm.Run.sqw, tm.ForceConstants.one_phonon):
        names = inspect.signature(method).parameters
        assert {"q_from", "q_to", "q_across", "axes", "weights", "widths"} <= set(names)
