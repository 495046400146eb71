"""States of reductions as files: all bits come back, and nothing else is made."""

from collections.abc import Mapping

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.project.energies.ensemble import KineticState, KineticSums, _Edge
from trajmodes.project.spectra.segment_reduction import PartSums
from trajmodes.project.spectra.segments import Series
from trajmodes.streaming.reduction import BlockSums
from trajmodes.streaming.state_file import read_state, write_state


def written(path, state):
    with path.open("wb") as file:
        write_state(file, state)
    return read_state(path)


def assert_same(one, other):
    assert type(one) is type(other) or isinstance(one, Mapping)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.flags.f_contiguous == other.flags.f_contiguous
        assert one.tobytes("A") == other.tobytes("A")
    elif isinstance(one, Mapping):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    elif hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            assert_same(getattr(one, name), getattr(other, name))
    else:
        assert repr(one) == repr(other)


def test_every_kind_of_part_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(2, 3, 4)) + 1j * rng.normal(size=(2, 3, 4))
    sums = BlockSums(
        {3: KineticSums(2, rng.normal(size=4), np.zeros(5)), 1: KineticSums(1, *waves[:2])}
    )
    state = {
        "whole": (None, True, 7, 0.1, float("nan"), -0.0, "α"),
        "arrays": [waves, np.asfortranarray(waves[0].real), np.zeros((0, 3)), np.float32(2.5)],
        "kinetic": KineticState(sums, _Edge(0, 0.1, 0.2), _Edge(9, 1.0, 2.0)),
        "segments": PartSums((0, 8), None, (Series(4, waves),)),
    }
    assert_same(state, written(tmp_path / "state", state))


def test_a_part_that_no_file_can_keep_is_named(tmp_path):
    with pytest.raises(TypeError, match="function"):
        written(tmp_path / "state", {"f": written})


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "trajmodes.errors:DataError", "trajmodes.none:None"]
)
def test_only_data_of_trajmodes_are_made(tmp_path, name):
    tree = f'{{"class": "{name}", "fields": {{}}}}'.encode()
    np.savez(tmp_path / "state.npz", tree=np.frombuffer(tree, dtype=np.uint8))
    with pytest.raises(DataError, match="there are no data of the class"):
        read_state(tmp_path / "state.npz")


def test_a_damaged_file_is_an_error(tmp_path):
    path = tmp_path / "state"
    written(path, {"a": np.arange(100.0), "b": [1, (2, 3)]})
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for cut in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="cannot be read"):
            read_state(path)
    unseen = 0
    for place in rng.integers(0, len(whole), 200):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            found = read_state(path)
        except DataError:
            continue
        unseen += 1
        # Names and dates in the list of the archive carry no numbers.
        assert np.array_equal(found["a"], np.arange(100.0))
        assert found["b"] == [1, (2, 3)]
    assert unseen < 100
