"""A movie shows the requested mode with the requested amplitude, and ASE reads it."""

from dataclasses import replace

import numpy as np
import pytest
from ase.io import read

from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import StorageError, UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.project.projector import Projector
from trajmodes.report.movie import (
    Wave,
    is_movie,
    make_movie,
    smallest_commensurate,
    wave_of,
    write_movie,
)
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, THZ

MATRIX = [[2, 1, 0], [0, 3, 0], [1, 0, 2]]
ROWS = (1, 2, 6)


@pytest.fixture(scope="module")
def solid(crystals, springs):
    """Space and modes of a crystal of low symmetry, without degenerate branches."""
    crystal = crystals["triclinic"]
    space = half_space(build_supercell(crystal, MATRIX))
    constants = springs(crystal, 4.5)
    return constants, modes_at(constants, space.qpoints, space.weights)


def _amplitudes(constants, movie):
    """Modes of the supercell of a movie, its motion on them, and the row of its q or −q."""
    space = half_space(movie.supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    block = MotionBlock(0, movie.displacements, movie.velocities, None)
    q = movie.wave.qpoint
    (row,) = (
        k
        for k, other in enumerate(space.qpoints)
        if any(equal_modulo_lattice(other, sign * q, 1e-9) for sign in (1, -1))
    )
    return modes, Projector(space, modes).project(block), row


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("opposite", [False, True])
def test_a_movie_contains_only_its_mode(solid, row, opposite):
    constants, modes = solid
    wave = wave_of(modes, row, 4)
    if opposite:
        wave = replace(wave, qpoint=-wave.qpoint, vector=wave.vector.conj())
    movie = make_movie(wave, n_frames=8)
    own, amplitudes, row = _amplitudes(constants, movie)
    size = np.abs(amplitudes.coordinate)
    others = np.ones(size.shape[:2], dtype=bool)
    others[row, 4] = False
    assert size[row, 4].max() > 1e-3
    assert size[others].max() < 1e-12 * size[row, 4].max()
    # Q(t) ∝ e^{−iωt}, Q̇ = −iωQ; that of −q is the conjugate one.
    q_t, v_t = amplitudes.coordinate[row, 4], amplitudes.velocity[row, 4]
    sign = -1.0 if equal_modulo_lattice(own.qpoints[row], wave.qpoint, 1e-9) else 1.0
    if not wave.is_standing:
        assert v_t == pytest.approx(sign * 1j * wave.omega * q_t, rel=1e-9)
        assert np.abs(q_t) == pytest.approx(np.abs(q_t[0]), rel=1e-9)
    assert movie.times_ps[1] == pytest.approx(2 * np.pi / wave.omega / 8)


def test_both_standing_and_running_waves_are_tested(solid):
    _, modes = solid
    assert {wave_of(modes, row, 4).is_standing for row in ROWS} == {True, False}


def test_velocities_are_derivatives_of_displacements(solid):
    _, modes = solid
    movie = make_movie(wave_of(modes, 1, 7), n_frames=400)
    ahead, behind = (np.roll(movie.displacements, -k, axis=0) for k in (1, -1))
    step = movie.times_ps[1]
    moved = (ahead - behind) / (2 * step)
    assert moved == pytest.approx(movie.velocities, abs=1e-4 * np.abs(moved).max())


def test_the_largest_displacement_is_as_requested(solid):
    _, modes = solid
    movie = make_movie(wave_of(modes, 1, 0), n_frames=720, amplitude=0.25)
    longest = np.linalg.norm(movie.displacements, axis=2).max()
    assert longest == pytest.approx(0.25, rel=1e-4)
    assert longest <= 0.25 + 1e-12


@pytest.mark.parametrize("row", ROWS)
def test_the_thermal_amplitude_obeys_equipartition(solid, row):
    constants, modes = solid
    wave = wave_of(modes, row, 6)
    movie = make_movie(wave, n_frames=16, temperature=300.0)
    _, amplitudes, row = _amplitudes(constants, movie)
    square = (np.abs(amplitudes.coordinate[row, 6]) ** 2).mean()
    assert wave.omega**2 * square == pytest.approx(BOLTZMANN * 300.0, rel=1e-9)


@pytest.mark.parametrize(
    ("q", "n_cells"),
    [((0, 0, 0), 1), ((0.5, 0.5, 0), 2), ((1 / 3, 0, 0), 3), ((0.25, -0.5, 1 / 3), 12)],
)
def test_the_smallest_supercell_holds_the_wave(crystals, q, n_cells):
    supercell = smallest_commensurate(crystals["wurtzite"], q)
    assert supercell.n_cells == n_cells
    turns = supercell.matrix @ np.array(q)
    assert np.allclose(turns, np.rint(turns), atol=1e-9)


def test_a_degenerate_standing_wave_stays_in_its_subspace(crystals, springs):
    crystal = crystals["wurtzite"]
    space = half_space(build_supercell(crystal, 2 * np.eye(3, dtype=int)))
    constants = springs(crystal, 4.5)
    modes = modes_at(constants, space.qpoints, space.weights)
    for branch in range(12):
        wave = wave_of(modes, 1, branch)
        movie = make_movie(wave, n_frames=3, temperature=300.0)
        own, amplitudes, row = _amplitudes(constants, movie)
        size = np.abs(amplitudes.coordinate) ** 2
        inside = own.sets == own.sets[row, branch]
        assert size[~inside].max() < 1e-20 * size.max()
        total = wave.omega**2 * size[inside].sum(axis=0).mean()
        assert total == pytest.approx(BOLTZMANN * 300.0, rel=1e-6)


def test_ase_reads_a_movie(solid, tmp_path):
    _, modes = solid
    movie = make_movie(wave_of(modes, 2, 8), n_frames=5)
    frames = read(write_movie(movie, tmp_path / "mode.xyz"), index=":")
    assert len(frames) == 5
    for t, atoms in enumerate(frames):
        assert atoms.pbc.all()
        assert atoms.cell.array == pytest.approx(movie.supercell.cell, abs=1e-9)
        assert tuple(atoms.get_chemical_symbols()) == movie.supercell.species
        apart = atoms.positions - movie.supercell.positions - movie.displacements[t]
        boxes = apart @ np.linalg.inv(movie.supercell.cell)
        assert np.allclose(boxes, np.rint(boxes), atol=1e-9)
        assert atoms.arrays["vel"] == pytest.approx(movie.velocities[t], abs=1e-9)
        assert atoms.info["time_ps"] == pytest.approx(movie.times_ps[t], rel=1e-6)
        assert atoms.info["freq_THz"] == pytest.approx(movie.wave.omega / THZ, rel=1e-6)
        assert atoms.info["branch"] == 9
        assert atoms.info["velocity_unit"] == "Angstrom/ps"
        assert atoms.info["size"] == "largest displacement 0.3 Angstrom"


def test_an_imaginary_mode_has_a_pattern_but_no_time(solid, tmp_path):
    _, modes = solid
    wave = wave_of(modes, 1, 3)
    soft = Wave(wave.crystal, wave.qpoint, 4, -wave.omega, wave.vector)
    movie = make_movie(soft, n_frames=4)
    assert movie.velocities is None
    assert movie.times_ps is None
    frames = read(write_movie(movie, tmp_path / "soft.xyz"), index=":")
    assert "vel" not in frames[0].arrays
    with pytest.raises(UsageError, match="no thermal amplitude"):
        make_movie(soft, temperature=300.0)


def test_impossible_movies_are_refused(solid, tmp_path):
    _, modes = solid
    wave = wave_of(modes, 1, 3)
    with pytest.raises(UsageError, match="either an amplitude or a temperature"):
        make_movie(wave, amplitude=0.1, temperature=300.0)
    with pytest.raises(UsageError, match="must be positive, not"):
        make_movie(wave, amplitude=-0.1)
    with pytest.raises(UsageError, match="no small supercell is commensurate"):
        smallest_commensurate(wave.crystal, [0.1234, 0, 0])
    with pytest.raises(StorageError, match="could not be written"):
        write_movie(make_movie(wave), tmp_path)


def test_a_movie_is_distinguished_from_other_files(solid, tmp_path):
    _, modes = solid
    path = write_movie(make_movie(wave_of(modes, 1, 3), n_frames=2), tmp_path / "mode.xyz")
    assert is_movie(path)
    for text in (
        "",
        "2\n",
        '1\nLattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1\nH\n',
        "\x00",
    ):
        path.write_text(text)
        assert not is_movie(path)
    assert not is_movie(tmp_path / "none.xyz")
    assert not is_movie(tmp_path)
