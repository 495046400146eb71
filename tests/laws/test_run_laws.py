"""The whole job, from the text of a dump to the lines: conventions of the file do not matter.

The run is written as LAMMPS writes it, with all digits, so reader, match, fit, phonons and
projection are all part of the law.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import trajmodes as tm
from trajmodes.config.job import job_from_mapping
from trajmodes.data.crystal import Supercell
from trajmodes.data.results import Results
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.fit import fit_runs
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import load
from trajmodes.project.energies.autocorrelation import AutocorrelationReduction
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.project.spectra.welch import WelchReduction
from trajmodes.report.summary import overview_rows
from trajmodes.streaming.reduction import Together, Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN

SKEW = [[2, 1, 0], [-1, 2, 0], [0, 1, 2]]
N_FRAMES, INTERVAL_PS = 256, 0.01
few = settings(max_examples=3, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Run:
    """A crystal in harmonic motion with some noise on the forces, as arrays in one frame."""

    supercell: Supercell
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    order: np.ndarray
    rotation: np.ndarray
    strains: np.ndarray | None = None
    """(t, 3, 3) of the box; reduced coordinates are those of the box without it."""

    def write(self, folder: Path, name: str = "run.lammpstrj") -> Path:
        """Dump with box as `abc origin`, rows shuffled, and the crystal as POSCAR."""
        strains = (
            np.zeros((len(self.positions), 3, 3)) if self.strains is None else self.strains
        )
        boxes = self.supercell.cell @ (np.eye(3) + strains) @ self.rotation
        positions = self.positions @ (np.eye(3) + strains)
        fields = (positions, self.velocities, self.forces)
        rows = np.concatenate([field @ self.rotation for field in fields], axis=2)[
            :, self.order
        ]
        names = np.array(self.supercell.species)[self.order]
        lines = []
        for t, frame in enumerate(rows):
            lines += ["ITEM: UNITS", "metal", "ITEM: TIMESTEP", str(10 * t)]
            lines += ["ITEM: NUMBER OF ATOMS", str(len(frame))]
            lines += ["ITEM: BOX BOUNDS abc origin pp pp pp"]
            lines += [" ".join(f"{x:.17g}" for x in vector) + " 0" for vector in boxes[t]]
            lines += ["ITEM: ATOMS id element xu yu zu vx vy vz fx fy fz"]
            lines += [
                f"{a + 1} {names[a]} " + " ".join(f"{x:.17g}" for x in frame[a])
                for a in range(len(frame))
            ]
        path = folder / name
        path.write_text("\n".join(lines) + "\n")
        crystal = self.supercell.crystal
        kinds = list(dict.fromkeys(crystal.species))
        sites = [
            " ".join(f"{x:.17g}" for x in site)
            for kind in kinds
            for site, species in zip(crystal.sites, crystal.species, strict=True)
            if species == kind
        ]
        cell = [" ".join(f"{x:.17g}" for x in row) for row in crystal.cell]
        counts = " ".join(str(crystal.species.count(kind)) for kind in kinds)
        text = ["crystal", "1.0", *cell, " ".join(kinds), counts, "Direct", *sites]
        (folder / "POSCAR").write_text("\n".join(text) + "\n")
        return path


@pytest.fixture(scope="module")
def base(crystals, springs, hessian_of) -> Run:
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, SKEW)
    hessian = hessian_of(springs(crystal, 3.4), supercell)
    root = np.sqrt(np.repeat(supercell.masses, 3))
    squares, vectors = np.linalg.eigh(hessian / np.outer(root, root))
    assert (squares[3:] > 1.0).all()
    random = np.random.default_rng(11)
    n = len(squares) - 3
    omega, vectors = np.sqrt(squares[3:]), vectors[:, 3:] / root[:, None]
    size = np.sqrt(BOLTZMANN * 150.0 * random.exponential(2.0, n)) / omega
    angle = omega * INTERVAL_PS * np.arange(N_FRAMES)[:, None] + random.uniform(0, 7, n)
    u = (size * np.cos(angle)) @ vectors.T
    v = (-omega * size * np.sin(angle)) @ vectors.T
    f = -u @ hessian + random.normal(0.0, 0.02, u.shape)
    shape = (N_FRAMES, -1, 3)
    positions = supercell.positions + u.reshape(shape)
    order = np.arange(supercell.n_atoms)
    return Run(supercell, positions, v.reshape(shape), f.reshape(shape), order, np.eye(3))


def analysed(run: Run, folder: Path) -> dict[str, np.ndarray]:
    """The numbers that must not change, in an order that cannot change either."""
    path = run.write(folder)
    found = tm.run(path, cell=folder / "POSCAR", timestep_fs=1.0, cutoff=3.4, workers=2)
    return numbers_of(found.analysis.results)


def numbers_of(results: Results) -> dict[str, np.ndarray]:
    """Results that do not depend on conventions."""
    constants, projection = results.constants, results.projection
    pairs = np.lexsort((*constants.lattice.T, constants.second, constants.first))
    by_q = np.lexsort(np.round(results.modes.qpoints % 1.0 % 1.0, 6).T)
    return {
        "constants": constants.values[pairs],
        "replicates": constants.replicates[:, pairs],
        "frequencies": np.sort(results.modes.omega[by_q].ravel())[3:],
        "kinetic": np.sort(projection.energies.kinetic),
        "potential": np.sort(projection.energies.potential),
        "virial": np.sort(projection.energies.virial),
        "spectra": projection.spectra.power.sum(axis=0),
        "temperature": np.array([projection.energies.temperature]),
    }


@pytest.fixture(scope="module")
def truth(base, tmp_path_factory) -> dict[str, np.ndarray]:
    return analysed(base, tmp_path_factory.mktemp("base"))


def assert_same(found: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> None:
    for name, values in truth.items():
        error = np.abs(found[name] - values).max() / np.abs(values).max()
        assert error < 1e-10, f"{name} differs by {error:.1e}"


def test_the_truth_is_not_trivial(truth):
    assert truth["temperature"][0] == pytest.approx(150.0, rel=0.3)
    assert len(truth["kinetic"]) > 30
    assert np.ptp(truth["kinetic"]) > 0.1 * truth["kinetic"].mean()


@few
@given(seed=st.integers(0, 99))
def test_the_order_of_atoms_does_not_matter(base, truth, tmp_path_factory, seed):
    order = np.random.default_rng(seed).permutation(base.supercell.n_atoms)
    folder = tmp_path_factory.mktemp("order")
    assert_same(analysed(replace(base, order=order), folder), truth)


@few
@given(seed=st.integers(0, 99))
def test_the_frame_of_the_file_does_not_matter(base, truth, tmp_path_factory, seed):
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    folder = tmp_path_factory.mktemp("rotation")
    assert_same(analysed(replace(base, rotation=rotation), folder), truth)


@few
@given(seed=st.integers(0, 99))
def test_a_rigid_shift_and_a_drift_do_not_matter(base, truth, tmp_path_factory, seed):
    random = np.random.default_rng(seed)
    shift, drift = random.uniform(-9, 9, 3), random.uniform(-4, 4, 3)
    times = INTERVAL_PS * np.arange(N_FRAMES)
    moved = replace(
        base,
        positions=base.positions + shift + drift * times[:, None, None],
        velocities=base.velocities + drift,
        forces=base.forces + random.uniform(-0.1, 0.1, 3),
    )
    assert_same(analysed(moved, tmp_path_factory.mktemp("drift")), truth)


def test_a_fluctuating_box_changes_constants_by_less_than_its_strain(base, truth, tmp_path):
    """Displacements are those in the mean box; the box itself is reported with its errors."""
    size = 2e-3
    strains = np.random.default_rng(3).normal(0.0, size, (N_FRAMES, 3, 3))
    strains = (strains + strains.swapaxes(1, 2)) / 2
    path = replace(base, strains=strains).write(tmp_path)
    words = {"cell": tmp_path / "POSCAR", "timestep_fs": 1.0, "cutoff": 3.4}
    found = tm.run(path, box="average", **words)
    moved = numbers_of(found.analysis.results)
    for name in ("constants", "frequencies", "potential"):
        error = np.abs(moved[name] - truth[name]).max() / np.abs(truth[name]).max()
        assert error < size, f"{name} differs by {error:.1e}"
    expected = {"box_mean": base.supercell.cell, "box_strain_rms": strains.std(axis=0)}
    for name, value in expected.items():
        z = (found[name].values - value) / found[f"{name}_sem"].values
        assert 0.3 < np.sqrt((z**2).mean()) < 1.7, name
    (sides,) = (text for name, text in overview_rows(found.dataset) if name == "Mean box")
    assert sides.count("±") == 3


@pytest.fixture(scope="module")
def loaded(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuts")
    words = {"trajectory": [str(base.write(folder))], "cell": str(folder / "POSCAR")}
    return load(job_from_mapping({**words, "timestep_fs": 1.0, "cutoff": 3.4}), log=Log())


def reductions(loaded):
    modes_fit = fit_runs([loaded], log=Log()).fit
    space = half_space(loaded.supercell)
    projector = Projector(space, modes_at(modes_fit.constants, space.qpoints, space.weights))
    n, ranges = loaded.n_frames, loaded.trajectory.segments
    parts = {
        "energies": EnergyReduction(projector, n),
        "spectra": WelchReduction(projector, 64, INTERVAL_PS, ranges),
        "correlations": AutocorrelationReduction(projector, INTERVAL_PS, ranges),
    }
    return ForceCovariance(space, n), Transformed(projector.project, Together(parts))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(inner=st.sets(st.integers(1, N_FRAMES - 1), max_size=12))
def test_cuts_do_not_matter(loaded, inner):
    ends = [0, *sorted(inner), N_FRAMES]
    cuts = list(pairwise(ends))
    for reduction in reductions(loaded):
        whole = stream(loaded.motion, [(0, N_FRAMES)], reduction)
        parts = stream(loaded.motion, cuts, reduction)
        assert_close_fields(parts, whole)


def test_the_number_of_workers_does_not_change_a_bit(loaded):
    cuts = [(i, min(i + 10, N_FRAMES)) for i in range(0, N_FRAMES, 10)]
    for reduction in reductions(loaded):
        one, three = (stream(loaded.motion, cuts, reduction, workers=n) for n in (1, 3))
        assert_close_fields(one, three, tolerance=0.0)


def assert_close_fields(left, right, tolerance: float = 1e-10) -> None:
    if isinstance(left, dict):
        for name in left:
            assert_close_fields(left[name], right[name], tolerance)
        return
    if isinstance(left, tuple):
        for one, other in zip(left, right, strict=True):
            assert_close_fields(one, other, tolerance)
        return
    if not hasattr(left, "__dataclass_fields__"):
        assert_close(left, right, tolerance)
        return
    arrays = {n: getattr(left, n) for n in left.__dataclass_fields__}
    compared = 0
    for name, values in arrays.items():
        if isinstance(values, np.ndarray):
            assert_close(values, getattr(right, name), tolerance)
            compared += 1
    assert compared >= 2


def assert_close(left, right, tolerance: float) -> None:
    assert (left is None) == (right is None)
    if left is not None:
        scale = np.nanmax(np.abs(right), initial=1e-300)
        np.testing.assert_allclose(left / scale, right / scale, atol=tolerance, rtol=0.0)
