"""One short run in all formats, and what every reader of them must do."""

import warnings
from dataclasses import dataclass

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import TrajmodesError
from trajmodes.formats.open import open_trajectory

INTERVAL_FS = 1.5


@dataclass
class Written:
    """A run in ASE's objects, and the same as an extended XYZ file."""

    images: list
    xyz: object

    def array(self, of):
        return np.array([of(image) for image in self.images])

    @property
    def cells(self):
        return self.array(lambda image: image.cell.array)

    @property
    def reduced(self):
        return self.array(lambda image: image.get_scaled_positions(wrap=False))

    def compare(self, found, fields, **tolerance):
        """Compare a trajectory with the extended XYZ file of the same run."""
        truth = open_trajectory(self.xyz, ReadOptions())
        assert found.n_frames == truth.n_frames
        assert found.species == truth.species
        assert [found.has_velocities, found.has_forces] == [
            name in fields for name in ("velocities", "forces")
        ]
        mine, other = found.read(1, found.n_frames), truth.read(1, truth.n_frames)
        for name in ("cells", "positions", *fields):
            np.testing.assert_allclose(
                getattr(mine, name), getattr(other, name), **({"atol": 1e-9} | tolerance)
            )
        assert found.segments == ((0, found.n_frames),)


@pytest.fixture
def run(tmp_path):
    """Five frames of five atoms in a box that changes."""
    rng, images = np.random.default_rng(8), []
    for t in range(5):
        cell = [[6, 0.1, 0], [1, 7, 0.2], [0.5, 0, 8]] + 0.01 * t * rng.normal(size=(3, 3))
        atoms = Atoms("SiSiCOO", scaled_positions=rng.random((5, 3)), cell=cell, pbc=True)
        atoms.set_momenta(rng.normal(size=(5, 3)))
        atoms.calc = SinglePointCalculator(atoms, forces=rng.normal(size=(5, 3)), energy=-1.0)
        images.append(atoms)
    ase.io.write(tmp_path / "truth.xyz", images, format="extxyz")
    return Written(images, tmp_path / "truth.xyz")


@pytest.fixture
def here(tmp_path):
    """Empty folder for the files of a program."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def survive_cuts(monkeypatch, tmp_path):
    """``survive_cuts(path, cuts)``: a file cut at a byte gives the frames before it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def check(path, cuts, **options):
        sound = path.read_bytes()
        whole = open_trajectory(path, ReadOptions(**options)).read
        frames, counts = whole(0, 5), set()
        for cut in cuts:
            path.write_bytes(sound[:cut])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = open_trajectory(path, ReadOptions(**options))
                except TrajmodesError:
                    counts.add(0)
                    continue
            block = found.read(0, found.n_frames)
            counts.add(found.n_frames)
            for name in ("cells", "positions", "velocities", "forces"):
                mine, other = getattr(block, name), getattr(frames, name)
                assert (mine is None) == (other is None), cut
                if mine is not None:
                    np.testing.assert_array_equal(mine, other[: found.n_frames], str(cut))
        path.write_bytes(sound)
        return counts

    return check


VELOCITY = 1e3 * units.fs
"""Å/ps in ASE's unit of velocity."""
