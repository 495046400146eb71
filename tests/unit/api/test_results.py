"""Results as an object: round trips, amplitudes, tables and panels."""

from functools import partial
from html.parser import HTMLParser

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

import trajmodes as tm
from trajmodes.data.labels import html_table
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.project.projector import Projector
from trajmodes.project.selected_modes import parse_modes
from trajmodes.symmetry.translations import half_space
from trajmodes.units import MEV

MODES = ("1/2 0 0:3", "1/2 0 0:all")


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "results"
    results.save(path)
    return path


def test_what_is_saved_is_loaded_again(results, folder, tmp_path):
    loaded = tm.load(folder)
    xr.testing.assert_identical(
        loaded.to_dataset().drop_encoding(), results.to_dataset().drop_encoding()
    )
    fc = results.force_constants
    np.testing.assert_array_equal(loaded.force_constants.values, fc.values)
    pd.testing.assert_frame_equal(loaded.modes, results.modes)
    assert repr(loaded) == repr(results)
    assert str(loaded) == str(results)
    loaded.save(tmp_path / "copy")
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    copies = tmp_path / "copy"
    assert names == {path.relative_to(copies) for path in copies.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="would replace one of their inputs"):
        loaded.save(folder)


def test_tables_have_the_columns_of_the_files(results, folder):
    for name in results.tables:
        file = next(path for path in folder.rglob(f"{name}.csv"))
        stored = pd.read_csv(file, comment="#")
        assert list(results.table(name).columns) == list(stored.columns)
        assert len(results.table(name)) == len(stored)
    with pytest.raises(UsageError, match="no table"):
        results.table("nothing")
    with pytest.raises(DataError, match="no data for the table conductivity"):
        results.table("conductivity")


def test_the_density_of_states_counts_the_branches(results):
    states, freq = results["dos"].values, results["dos_freq_thz"].values
    n_branches = results.dataset.sizes["branch"]
    assert np.trapezoid(states, freq) == pytest.approx(n_branches, rel=1e-3)
    # The run has the same density, broadened: its mean square frequency is that of the forces.
    run, at = results["vdos"].values.sum(axis=(0, 1)), results["freq_thz"].values
    squares = [
        np.trapezoid(f**2 * g, f) / np.trapezoid(g, f) for f, g in ((freq, states), (at, run))
    ]
    assert squares[0] == pytest.approx(squares[1], rel=0.1)


def test_amplitudes_are_those_of_the_projector(results, run):
    found = results.amplitudes(*MODES)
    assert isinstance(found["Q"].data, da.Array)
    modes = results.analysis.results.modes
    matched = results.analysis.run
    projector = Projector(half_space(matched.supercell), modes)
    chosen = parse_modes(MODES, modes, partial(zone_point, modes.crystal))
    part = projector.project(matched.motion(100, 130))
    for k, mode in enumerate(chosen):
        pairs = (("Q", part.coordinate), ("Qdot", part.velocity))
        for name, field in pairs:
            ours = field[mode.row, mode.branch]
            ours = ours.conj() if mode.opposite else ours
            np.testing.assert_allclose(found[name][100:130, k].values, ours, atol=1e-15)
    assert found["Qdot"].attrs["units"] == "sqrt(eV)"
    np.testing.assert_allclose(np.diff(found["time"]), run.trajectory.interval_ps)


def test_their_squares_are_the_energies(results):
    """⟨½|Q̇|²⟩ and ⟨½ω²|Q|²⟩ of every mode are the mean energies in the results."""
    found = results.amplitudes("1/2 0 0:all")
    dataset = results.to_dataset()
    listed = np.abs(np.abs(dataset["q"].values) - [0.5, 0.0, 0.0]).max(axis=1)
    row = int(np.flatnonzero(listed < 1e-9)[0])
    kinetic = 0.5 * (np.abs(found["Qdot"]) ** 2).mean("frame").values / MEV
    np.testing.assert_allclose(kinetic, dataset["mode_kinetic_mev"].values[row], rtol=1e-9)
    omega = 2.0 * np.pi * found["freq_thz"].values
    potential = 0.5 * omega**2 * (np.abs(found["Q"]) ** 2).mean("frame").values / MEV
    np.testing.assert_allclose(potential, dataset["mode_potential_mev"].values[row], rtol=1e-9)


def test_loaded_results_open_their_run_again(results, folder):
    ours = results.amplitudes("1/2 0 0:3").isel(frame=slice(0, 50))
    again = tm.load(folder).amplitudes("1/2 0 0:3").isel(frame=slice(0, 50))
    for name in ("Q", "Qdot"):
        np.testing.assert_allclose(again[name].values, ours[name].values, atol=1e-9)


@pytest.mark.slow
def test_saved_amplitudes_are_read(run, fc, results, tmp_path):
    saved = run.project(fc, save_amplitudes=["1/2 0 0:all"], output=tmp_path / "out")
    assert (tmp_path / "out" / "amplitudes.nc").exists()
    (tmp_path / "out" / "run.toml").unlink()
    ours, theirs = (one.amplitudes("1/2 0 0:3") for one in (saved, results))
    for name in ("Q", "Qdot"):
        assert isinstance(ours[name].data, da.Array)
        np.testing.assert_array_equal(ours[name].values, theirs[name].values)
        assert ours[name].attrs == theirs[name].attrs
    ours.close()


def test_a_run_that_is_gone_is_named(results, folder, monkeypatch):
    loaded = tm.load(folder)
    text = loaded.dataset.attrs["run_file"].replace("silicon.lammpstrj.xz", "gone.xz")
    monkeypatch.setitem(loaded.dataset.attrs, "run_file", text)
    with pytest.raises(UsageError, match=r"cannot be read(.|\n)*gone.xz"):
        loaded.amplitudes("1/2 0 0:3")
    with pytest.raises(UsageError, match="not commensurate"):
        results.amplitudes("1/7 0 0:3")


PANELS = {
    "bands": ("band_freq_thz", 6),
    "lifetimes": ("lifetime_ps", None),
    "energies": ("mode_temperature", None),
    "vdos": ("vdos", None),
}


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_is_drawn_into_the_axes_that_are_given(results, name):
    axes = Figure().subplots()
    assert getattr(results.plot, name)(ax=axes) is axes
    assert axes.lines
    own = getattr(results.plot, name)()
    assert len(own.lines) == len(axes.lines)
    own.figure.canvas.draw()


def test_the_data_drawn_are_those_of_the_results(results, fc):
    axes = fc.plot(Figure().subplots(), path="G X")
    drawn = np.array([line.get_ydata()[-1] for line in axes.lines if len(line.get_xdata()) > 2])
    np.testing.assert_allclose(np.sort(drawn), fc.frequencies("X"), atol=1e-9)
    axes = results.plot.spectrum("1/2 0 0:3", ax=Figure().subplots())
    number = int(results.modes.index[results.modes["freq_harmonic_thz"].argmax()])
    assert results.plot.spectrum(number).lines
    assert results.plot.correlation(number).lines
    thz = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert any(abs(fc.frequencies([0.5, 0.0, 0.0])[2] - x) < 1e-6 for x in thz)
    with pytest.raises(UsageError, match="no set of modes"):
        results.plot.spectrum("0 0 0:1")


class Cells(HTMLParser):
    """Text of the cells, by tag."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found.append((self.open[-1], data))


def test_every_object_says_what_it_is(run, fc, results):
    for one, words in (
        (run, ("Run of Si2", "800")),
        (fc, ("ForceConstants of Si2", "34 pairs")),
        (fc.modes("X"), ("Modes of Si2", "6 branches")),
        (results, ("Results of Si2", "64")),
    ):
        text = repr(one)
        assert len(text) < 200
        assert "\n" not in text
        assert all(word in text for word in words), text
        parser = Cells()
        parser.feed(one._repr_html_())
        assert parser.open == []
        assert {"caption", "th", "td"} == {tag for tag, _ in parser.found}


def test_text_in_a_table_is_escaped():
    parser = Cells()
    parser.feed(html_table("a < b", {"<script>": "x & y"}))
    assert parser.found == [("caption", "a < b"), ("th", "<script>"), ("td", "x & y")]


def test_modes_are_the_columns_that_most_users_need(results):
    few, all_ = results.modes, results.table("modes")
    assert len(few.columns) <= 30 < len(all_.columns)
    assert {"freq_spectrum_thz", "lifetime_ps", "lifetime_ps_sem", "verdict"} <= {*few.columns}
    assert "heat_capacity_kb" in all_
    assert "heat_capacity_kb" not in few


def test_velocities_over_the_frequency_have_the_amplitude_of_coordinates(results):
    """As i-PI defines normal-mode velocities; imaginary modes and translations have none."""
    found = results.amplitudes("1/2 1/2 0:all")
    size = (np.abs(found["Q"]) ** 2).mean("frame").values
    speed = (np.abs(found["Qdot_over_omega"]) ** 2).mean("frame").values
    assert speed == pytest.approx(size, rel=0.5)
    translations = results.amplitudes("0 0 0:1-3")["Qdot_over_omega"].values
    assert np.isnan(translations).all()


def test_a_run_of_few_lifetimes_says_how_well_its_errors_are_known(results):
    """20 ps of silicon at 1140 K are about five lifetimes."""
    energies = results.analysis.results.projection.energies
    assert 3.0 < energies.lifetimes_in_run < 10.0
    assert "known within a factor of two" in " ".join(str(results).split())
