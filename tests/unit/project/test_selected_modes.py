"""Selected modes: every spelling of q, either sign, and invalid texts; their series from disk.

Series are read back as computed, for any order of blocks.
"""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trajmodes.data.labels import point
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.selected_modes import (
    AmplitudeSeriesReduction,
    ChosenMode,
    parse_modes,
)
from trajmodes.results.dataset import amplitude_batches
from trajmodes.results.netcdf import AMPLITUDES, write_series
from trajmodes.streaming.reduction import Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import THZ

N_FRAMES = 203
TIMES_PS = 0.01 * np.arange(N_FRAMES) + 5.0
BLOCKS = [(0, 50), (50, 51), (51, 120), (120, N_FRAMES)]


def _text(q: np.ndarray) -> str:
    return " ".join(f"{x:.9f}" for x in q)


def _chosen(texts: list[str], modes: Modes) -> tuple[ChosenMode, ...]:
    return parse_modes(texts, modes, partial(zone_point, modes.crystal))


def test_q_is_found_in_any_zone_and_with_either_sign(modes: Modes) -> None:
    for row, q in enumerate(modes.qpoints):
        (own,) = _chosen([f"{_text(q)}:2"], modes)
        assert (own.row, own.branch, own.opposite) == (row, 1, False)
        (away,) = _chosen([f"{_text(q + np.array([1, -2, 0]))}:2"], modes)
        assert (away.row, away.opposite) == (row, False)
        (other,) = _chosen([f"{_text(-q)}:2"], modes)
        assert other.row == row
        assert other.opposite == (modes.weights[row] == 2.0)


def test_fractions_commas_and_all(modes: Modes) -> None:
    name = point(modes.qpoints[3])
    assert "/" in name
    rows = {mode.row for mode in _chosen([f"{name}:all"], modes)}
    assert rows == {3}
    assert [mode.branch for mode in _chosen([f"{name}:all"], modes)] == list(range(6))
    assert [mode.branch for mode in _chosen([f"{name}: 1, 4"], modes)] == [0, 3]
    twice = _chosen(["0 0 0:4,5", "0 0 0:5"], modes)
    assert [mode.branch for mode in twice] == [3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (4, "does not name a mode"),
        ("0 0 0", "does not name a mode"),
        ("0 0:1", "is not a point of the zone"),
        ("x 0 0:1", "is not a point of the zone"),
        ("1/0 0 0:1", "is not a point of the zone"),
        ("0 0 0:7", r"a branch that does not exist(.|\n)*from 1 to 6"),
        ("0 0 0:0", "a branch that does not exist"),
        ("0 0 0:-1", "a branch that does not exist"),
        ("0 0 0:", "a branch that does not exist"),
        ("1/7 0 0:1", r"not commensurate(.|\n)*nearby: .*; "),
        ("nan 0 0:1", "is not a point of the zone"),
        ("inf 0 0:1", "is not a point of the zone"),
    ],
)
def test_invalid_texts_are_refused(modes: Modes, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _chosen([text], modes)


def test_an_empty_selection_is_refused(modes: Modes) -> None:
    with pytest.raises(UsageError, match="no mode was chosen"):
        _chosen([], modes)


def test_a_point_may_be_given_by_its_label(modes: Modes) -> None:
    places = {"X": modes.qpoints[2], "-X": -modes.qpoints[2], "off": np.array([0.1, 0.2, 0.3])}
    asked: list[str] = []

    def point_of(words: str) -> np.ndarray:
        asked.append(words)
        return places[words]

    (own, other) = parse_modes(["X:2", "-X:3"], modes, point_of)
    assert (own.row, own.branch, own.opposite) == (2, 1, False)
    assert (other.row, other.opposite) == (2, modes.weights[2] == 2.0)
    np.testing.assert_allclose(own.qpoint, modes.qpoints[2], atol=1e-12)
    with pytest.raises(UsageError, match="not commensurate"):
        parse_modes(["off:1"], modes, point_of)
    with pytest.raises(UsageError, match="“X:9” names a branch that does not exist"):
        parse_modes(["X:9"], modes, point_of)
    asked.clear()
    parse_modes(["0 0 0:4"], modes, point_of)
    assert asked == []


@pytest.fixture
def motion(space: HalfSpace) -> MotionBlock:
    rng = np.random.default_rng(8)
    shape = (N_FRAMES, space.supercell.n_atoms, 3)
    return MotionBlock(0, rng.normal(size=shape), rng.normal(size=shape), None)


@pytest.fixture
def reduction(space: HalfSpace, modes: Modes, tmp_path) -> AmplitudeSeriesReduction:
    q, minus = _text(modes.qpoints[3]), _text(-modes.qpoints[4])
    chosen = _chosen([f"{q}:all", f"{minus}:2", "0 0 0:5"], modes)
    return AmplitudeSeriesReduction(
        Projector(space, modes), chosen, TIMES_PS, tmp_path / "scratch"
    )


def _amplitudes(
    reduction: AmplitudeSeriesReduction, motion: MotionBlock, start: int, stop: int
) -> Amplitudes:
    return reduction.projector.project(motion.part(slice(start, stop)))


def _expected(reduction: AmplitudeSeriesReduction, motion: MotionBlock) -> list[np.ndarray]:
    amplitudes = reduction.projector.project(motion)
    series = []
    for field in (amplitudes.coordinate, amplitudes.velocity):
        rows = [
            field[mode.row, mode.branch].conj()
            if mode.opposite
            else field[mode.row, mode.branch]
            for mode in reduction.chosen
        ]
        series.append(np.array(rows).T)
    return series


def _whole(reduction: AmplitudeSeriesReduction, motion: MotionBlock, blocks=BLOCKS):
    states = [reduction.chunk(_amplitudes(reduction, motion, *edge)) for edge in blocks]
    state = states[0]
    for later in states[1:]:
        state = reduction.combine(state, later)
    return reduction.finalize(state)


def written(amplitude_series, path):
    write_series(amplitude_batches(amplitude_series), path, AMPLITUDES)
    return path


def test_series_are_read_back_with_coordinates_and_units(
    reduction, motion, modes, tmp_path
) -> None:
    whole = _whole(reduction, motion)
    q_tk, v_tk = _expected(reduction, motion)
    assert np.allclose(whole.values[:, 0], q_tk, rtol=0.0, atol=1e-13)
    assert np.allclose(whole.values[:, 1], v_tk, rtol=0.0, atol=1e-13)
    with xr.open_dataset(written(whole, tmp_path / "modes.nc")) as found:
        for k, name in enumerate(("Q", "Qdot")):
            series = whole.values[:, k]
            assert np.array_equal(found[name].sel(part="real"), series.real)
            assert np.array_equal(found[name].sel(part="imaginary"), series.imag)
        assert found.Q.units == "sqrt(eV) ps"
        assert found.Qdot.units == "sqrt(eV)"
        assert np.array_equal(found.time, TIMES_PS)
        assert found.time.units == "ps"
        assert found.q.to_numpy()[6] == pytest.approx(-modes.qpoints[4], abs=1e-8)
        assert found.branch.to_numpy().tolist() == [1, 2, 3, 4, 5, 6, 2, 5]
        assert found.freq_thz.to_numpy()[0] == pytest.approx(modes.omega[3, 0] / THZ)
        assert "Q_-q = conj(Q_q)" in found.conventions


def test_the_opposite_wave_is_the_one_of_minus_q(reduction, motion, modes) -> None:
    """From the definition, with −q and the conjugate vector."""
    whole, supercell = _whole(reduction, motion), reduction.projector.space.supercell
    reduced = supercell.positions @ np.linalg.inv(supercell.crystal.cell)
    bra = modes.vectors[4, 1].conj().conj()[supercell.site_index]
    phases = np.exp(2j * np.pi * reduced @ modes.qpoints[4])
    weights = np.sqrt(supercell.masses / supercell.n_cells)
    q_t = np.einsum("a,a,ax,tax->t", weights, phases, bra, motion.displacements)
    assert np.allclose(whole.values[:, 0, 6], q_t, atol=1e-12)


def test_order_repetition_and_threads_do_not_matter(reduction, motion) -> None:
    once = np.array(_whole(reduction, motion).values)
    reduction.path.unlink()
    mixed = [*BLOCKS[::-1], BLOCKS[1], (30, 90)]
    parts = [_amplitudes(reduction, motion, *edge) for edge in mixed]
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(reduction.chunk, parts))
    state = states[0]
    for other in states[1:]:
        state = reduction.combine(state, other)
    assert np.allclose(reduction.finalize(state).values, once, rtol=0.0, atol=1e-13)


def test_amplitude_series_stream(reduction, motion) -> None:
    sent = pickle.loads(pickle.dumps(reduction))
    projected = Transformed(sent.projector.project, sent)

    def read(start: int, stop: int) -> MotionBlock:
        return motion.part(slice(start, stop))

    whole = stream(read, BLOCKS, projected, workers=2)
    assert np.allclose(whole.values[:, 0], _expected(reduction, motion)[0], atol=1e-13)


def test_without_velocities_only_q_is_written(reduction, motion, tmp_path) -> None:
    whole = _whole(reduction, replace(motion, velocities=None))
    assert whole.values.shape[1] == 1
    with xr.open_dataset(written(whole, tmp_path / "modes.nc")) as found:
        assert "Qdot" not in found


def test_batches_of_writing_do_not_matter(reduction, motion, tmp_path, monkeypatch) -> None:
    whole = _whole(reduction, motion)
    monkeypatch.setattr("trajmodes.results.dataset._BATCH_BYTES", 16 * 2 * 8 * 17)
    with xr.open_dataset(written(whole, tmp_path / "modes.nc")) as found:
        assert np.array_equal(found.Qdot.sel(part="imaginary"), whole.values[:, 1].imag)


def test_missing_data_is_refused(reduction, motion, tmp_path) -> None:
    first, last = (
        reduction.chunk(_amplitudes(reduction, motion, *edge))
        for edge in (BLOCKS[0], BLOCKS[3])
    )
    with pytest.raises(DataError, match=r"only frames \(\(0, 50\), \(120, 203\)\)"):
        reduction.finalize(reduction.combine(first, last))
    bare = reduction.chunk(_amplitudes(reduction, replace(motion, velocities=None), 50, 51))
    with pytest.raises(DataError, match="velocities are missing in a part"):
        reduction.combine(first, bare)
    with pytest.raises(DataError, match=r"frames 200 to 250 exceed a run of 203"):
        reduction.chunk(replace(_amplitudes(reduction, motion, 0, 50), first_frame=200))
    nowhere = replace(reduction, path=tmp_path / "no" / "where")
    with pytest.raises(StorageError, match="time series could not be written"):
        nowhere.chunk(reduction.projector.project(motion))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device without space")
def test_a_full_disk_is_an_error(reduction, motion) -> None:
    full = replace(reduction, path=Path("/dev/full"))
    with pytest.raises(StorageError, match=r"No space left(.|\n)*fewer modes"):
        full.chunk(full.projector.project(motion))
