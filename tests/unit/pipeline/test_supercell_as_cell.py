"""A supercell given as cell file: noise is not structure, and nothing takes minutes."""

from time import perf_counter

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import trajmodes as tm


def run_of(ideal: Atoms, n_frames: int = 24) -> list[Atoms]:
    """Frames of atoms that each vibrate about their site, with ASE's units of velocity."""
    rng = np.random.default_rng(5)
    phase = rng.uniform(0.0, 2.0 * np.pi, ideal.positions.shape)
    frames = []
    for t in range(n_frames):
        one = ideal.copy()
        one.positions += 0.08 * np.cos(0.3 * t + phase)
        one.set_velocities(-0.08 * 0.3 * np.sin(0.3 * t + phase) / ase.units.fs)
        frames.append(one)
    return frames


def saved(folder, atoms: Atoms, noise: float):
    noisy = atoms.copy()
    noisy.positions += np.random.default_rng(3).normal(0.0, noise, atoms.positions.shape)
    path = folder / "POSCAR"
    ase.io.write(path, noisy)
    return path


def texts(run) -> str:
    return "\n".join(map(str, run.notes))


@pytest.mark.parametrize("noise", [0.001, 0.1])
def test_a_snapshot_as_cell_gives_the_primitive_cell_of_the_average(tmp_path, noise):
    ideal = bulk("Si", "diamond", a=5.43, cubic=True).repeat(2)
    path = saved(tmp_path, ideal, noise)
    run = tm.open(run_of(ideal), cell=path, timestep_fs=1.0)
    assert run.supercell.crystal.n_sites == 2
    assert run.supercell.n_cells == 32
    assert "2-atom primitive cell, which is used" in texts(run)
    assert {note.severity for note in run.notes if "primitive cell" in note.text} == {"note"}
    within = tm.open(run_of(ideal), cell=path, timestep_fs=1.0, symprec=3.0 * noise)
    assert within.supercell.crystal.n_sites == 2
    assert "moved by up to" in texts(within)


def test_a_thousand_noisy_atoms_are_matched_in_two_seconds(tmp_path):
    ideal = bulk("Si", "diamond", a=5.43, cubic=True).repeat(5)
    path, frames = saved(tmp_path, ideal, 0.05), run_of(ideal, 4)
    tm.open(frames, cell=path, timestep_fs=1.0)  # compiles
    start = perf_counter()
    run = tm.open(frames, cell=path, timestep_fs=1.0)
    assert perf_counter() - start < 4.0  # 2 s on an idle machine
    assert run.supercell.crystal.n_sites == 2


def vacancy() -> Atoms:
    atoms = bulk("Si", "diamond", a=5.43, cubic=True).repeat(3)
    del atoms[17]
    return atoms


def alloy() -> Atoms:
    atoms = bulk("Si", "diamond", a=5.5, cubic=True).repeat(3)
    atoms.symbols[np.random.default_rng(8).permutation(216)[:108]] = "Ge"
    return atoms


@pytest.mark.parametrize("made", [vacancy, alloy])
@pytest.mark.parametrize("order", ["of the file", "another"])
def test_a_cell_with_a_defect_or_of_an_alloy_is_one_cell(tmp_path, made, order):
    ideal = made()
    path = saved(tmp_path, ideal, 0.05)
    atoms = (
        ideal
        if order == "of the file"
        else ideal[np.random.default_rng(1).permutation(len(ideal))]
    )
    start = perf_counter()
    run = tm.open(run_of(atoms, 8), cell=path, timestep_fs=1.0)
    assert perf_counter() - start < 10.0  # it took minutes
    assert run.supercell.n_cells == 1
    assert "its only q point is Γ" in texts(run)
    assert run.match.residual_rms < 0.1
    assert sorted(run.match.permutation) == list(range(len(ideal)))


def test_two_cells_of_an_alloy(tmp_path):
    ideal = alloy()
    run = tm.open(
        run_of(ideal.repeat((2, 1, 1)), 6), cell=saved(tmp_path, ideal, 0.03), timestep_fs=1.0
    )
    assert run.supercell.matrix.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
