"""Runs of one crystal in different supercells are fitted together."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import frequencies_at
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import THZ

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
REACH = 5.0


@pytest.fixture(scope="module")
def frames_of(crystals, springs, hessian_of):
    """``frames_of(name, matrix, n_frames)``: positions, box, species and forces of springs."""

    def make(name, matrix, n_frames=40, seed=0):
        supercell = build_supercell(crystals[name], matrix)
        rng = np.random.default_rng(seed)
        u_tax = 0.03 * rng.normal(size=(n_frames, supercell.n_atoms, 3))
        hessian = hessian_of(springs(crystals[name], REACH), supercell)
        f_tax = -(u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
        f_tax += 1e-3 * rng.normal(size=f_tax.shape)
        species = list(supercell.crystal.species) * supercell.n_cells
        return supercell.positions + u_tax, supercell.cell, species, f_tax

    return make


@pytest.fixture(scope="module")
def run_of(frames_of):
    def make(*case, **options):
        positions, cell, species, forces = frames_of(*case, **options)
        return tm.from_arrays(positions, cell, species, forces=forces)

    return make


Q_LIST = [[0.5, 0.0, 0.5], [0.13, 0.2, 0.31]]


def test_the_larger_box_gives_the_range_and_both_give_data(crystals, run_of, springs):
    small, large = run_of("diamond", CONVENTIONAL), run_of("diamond", 2 * CONVENTIONAL, seed=1)
    with pytest.raises(UsageError, match="inscribed sphere"):
        small.fit(cutoff2=REACH + 0.1)
    both = tm.fit_runs([small, large], cutoff2=REACH + 0.1)
    alone = large.fit(cutoff2=REACH + 0.1)
    assert both.cutoff == REACH + 0.1
    assert both.quality.n_frames == 80
    omega, _ = frequencies_at(springs(crystals["diamond"], REACH), np.array(Q_LIST))
    np.testing.assert_allclose(both.frequencies(Q_LIST) * THZ, omega, rtol=2e-3)
    # the small box adds an eighth of the data
    spread = [jackknife_sem(one.replicates) for one in (both, alone)]
    assert np.linalg.norm(spread[0]) < 1.1 * np.linalg.norm(spread[1])
    # the order of the runs does not matter
    turned = tm.fit_runs([large, small], cutoff2=REACH + 0.1)
    np.testing.assert_allclose(turned.values, both.values, atol=1e-9)


def test_the_default_range_is_that_of_the_larger_box(run_of):
    runs = [run_of("diamond", n * CONVENTIONAL, seed=n) for n in (1, 2)]
    fitted = tm.fit_runs(runs)
    assert fitted.cutoff == pytest.approx(5.431, abs=0.01)
    assert tm.fit_runs(runs, cutoff3=3.0).triplets is not None
    whole = tm.fit_runs(runs, cutoff2="supercell")
    assert whole.cutoff is None
    assert whole.quality.r_squared > 0.999
    with pytest.raises(DataError, match="different supercells"):
        tm.fit_runs(runs, cutoff3="supercell")


def test_another_crystal_is_refused(run_of):
    runs = [run_of("diamond", 2 * CONVENTIONAL), run_of("rock salt", 2 * CONVENTIONAL)]
    with pytest.raises(DataError):
        tm.fit_runs(runs)


def test_files_of_different_boxes_are_runs_of_one_crystal(frames_of, tmp_path):
    for n in (1, 2):
        positions, cell, species, forces = frames_of("diamond", n * CONVENTIONAL, 20, seed=n)
        images = []
        for places, pull in zip(positions, forces, strict=True):
            image = Atoms(species, places, cell=cell, pbc=True)
            image.calc = SinglePointCalculator(image, forces=pull)
            images.append(image)
        write(tmp_path / f"box{n}.xyz", images, format="extxyz")
    files = [str(tmp_path / f"box{n}.xyz") for n in (1, 2)]
    words = ["fit", *files, "--cutoff2", "5.1", "-o", str(tmp_path / "fit")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    fitted = tm.load(tmp_path / "fit")
    assert fitted.force_constants.cutoff == 5.1
    assert fitted.force_constants.quality.n_frames == 40
    # the commensurate q are those of the larger box
    assert np.linalg.det(fitted.to_dataset()["supercell_matrix"]) == pytest.approx(32)
