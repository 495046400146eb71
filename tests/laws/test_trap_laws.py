"""Pitfalls of projecting a run on modes: each has a test that fails without its remedy.

The motion of a crystal of springs is known exactly. It is written in each of the ways that
cause trouble, and must be unchanged after reading and projection. Each test also omits the
remedy, and finds another result.

=====================================  =====================================================
pitfall                                test (below tests/)
=====================================  =====================================================
phases must be those of the vectors    unit/project/test_projector.py::test_phases_of_the_cells_alone_are_wrong
phases must be those of the vectors    laws/test_trap_laws.py::test_phases_are_those_of_the_vectors
both signs of f are one spectrum       unit/project/test_welch.py::test_both_directions_of_travel_are_pooled
wrapped positions                      laws/test_trap_laws.py::test_wrapped_positions
thermal expansion and phases           laws/test_trap_laws.py::test_phases_do_not_see_thermal_expansion
constants of another volume            unit/project/test_checks.py::test_another_lattice_parameter_is_warned_about
sites of the constants                 unit/project/test_checks.py::test_a_site_in_another_cell_is_refused
restricted triclinic frame             laws/test_trap_laws.py::test_a_rotated_frame
restricted triclinic frame             laws/test_matching_laws.py::test_restricted_and_general_triclinic_are_one_motion
unsorted ids                           laws/test_trap_laws.py::test_unsorted_ids
unsorted ids                           unit/readers/test_lammps_dump.py::test_rows_are_sorted_by_id_and_ids_may_have_gaps
units of velocities                    laws/test_trap_laws.py::test_units_of_velocities
units of velocities                    unit/matching/test_diagnosis.py::test_wrong_units_are_named
differenced velocities                 laws/test_trap_laws.py::test_differenced_velocities
differenced velocities                 unit/project/test_checks.py::test_too_strong_an_attenuation_is_refused
aliasing by the stride of the dump     laws/test_trap_laws.py::test_frames_too_far_apart
aliasing by the stride of the dump     unit/matching/test_diagnosis.py::test_coarse_frames_are_reported_with_a_fine_enough_stride
Verlet shift                           unit/project/test_checks.py::test_a_velocity_verlet_run_has_the_predicted_frequency
thermostat                             unit/project/test_thermostat.py::test_a_bath
restarts and gaps                      unit/project/test_welch.py::test_no_product_or_segment_crosses_a_gap
restarts and gaps                      unit/project/test_sampling.py::test_no_difference_spans_a_gap
resolution of the window               unit/project/test_lineshape.py::test_a_line_below_the_resolution_is_not_resolved
resolution of the window               unit/project/test_lineshape.py::test_the_window_does_not_broaden_the_line
degenerate modes only as sets          unit/project/test_energies.py::test_only_sets_of_degenerate_modes_have_defined_energies
imaginary modes                        laws/test_trap_laws.py::test_imaginary_modes
imaginary modes                        unit/project/test_energies.py::test_imaginary_mode_has_kinetic_energy_only
acoustic modes at Γ                    laws/test_trap_laws.py::test_drift_does_not_change_the_temperature
acoustic modes at Γ                    unit/project/test_energies.py::test_drift_enters_no_average
=====================================  =====================================================
"""  # noqa: E501 - long names of tests

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from trajmodes.config.groups import ReadOptions
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.diagnosis import diagnose
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match
from trajmodes.phonons.modes import modes_at
from trajmodes.project.checks import nyquist_note, require_correctable
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Projector
from trajmodes.project.sampling import DifferencedMotion, attenuation
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.trajectory import Trajectory
from trajmodes.symmetry.translations import HalfSpace, build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

TESTS = Path(__file__).parents[1]
MATRIX = [[2, 1, 0], [-1, 2, 1], [0, 1, 3]]
N_FRAMES, INTERVAL_PS, KELVIN = 160, 0.01, 300.0


@dataclass(frozen=True)
class Truth:
    """An exact motion of all modes of a crystal of springs."""

    space: HalfSpace
    modes: Modes
    motion: MotionBlock

    @property
    def crystal(self):
        return self.space.supercell.crystal

    def run(self, **changed: object) -> Trajectory:
        """Frames as a simulation would hand them over, some fields of them changed."""
        supercell = self.space.supercell
        given = {
            "positions": supercell.positions + self.motion.displacements,
            "cells": supercell.cell,
            "species": supercell.species,
            "velocities": self.motion.velocities,
            "forces": self.motion.forces,
            "masses_da": supercell.masses / DALTON,
            "interval_ps": INTERVAL_PS,
        } | changed
        return trajectory_of_arrays(
            given.pop("positions"), given.pop("cells"), given.pop("species"), **given
        )

    def kinetic(self, velocities: np.ndarray) -> np.ndarray:
        """(g, t) kinetic energy of each set, whatever origin and frame the match chose."""
        v_qmt = Projector(self.space, self.modes).velocities(velocities)
        return self.of_sets(np.abs(v_qmt) ** 2)

    def of_sets(self, square_qmt: np.ndarray) -> np.ndarray:
        """(g, t) sums over sets."""
        sums = np.zeros((self.modes.n_sets, square_qmt.shape[-1]))
        for (q, m), label in np.ndenumerate(self.modes.sets):
            if label >= 0:
                sums[label] += 0.5 * self.modes.weights[q] * square_qmt[q, m]
        return sums


@pytest.fixture(scope="module")
def truth(crystals, springs, hessian_of) -> Truth:
    crystal = crystals["rock salt"]
    constants = springs(crystal, 4.5)
    space = half_space(build_supercell(crystal, MATRIX))
    supercell, rng = space.supercell, np.random.default_rng(4)
    masses = np.repeat(supercell.masses, 3)
    square, vectors = np.linalg.eigh(
        hessian_of(constants, supercell) / np.sqrt(np.outer(masses, masses))
    )
    omega, vectors = np.sqrt(square[3:]), vectors[:, 3:]
    phase = omega * INTERVAL_PS * np.arange(N_FRAMES)[:, None]
    phase += rng.uniform(0.0, 2.0 * np.pi, len(omega))
    size = np.sqrt(2.0 * BOLTZMANN * KELVIN * rng.exponential(size=len(omega)))
    shape = (N_FRAMES, -1, 3)
    u, v, f = (
        ((size * amplitude) @ vectors.T * masses**power).reshape(shape)
        for amplitude, power in (
            (np.cos(phase) / omega, -0.5),
            (-np.sin(phase), -0.5),
            (-np.cos(phase) * omega, 0.5),
        )
    )
    modes = modes_at(constants, space.qpoints, space.weights)
    assert 8.0 * THZ < modes.omega.max() < 20.0 * THZ
    return Truth(space, modes, MotionBlock(0, u, v, f))


def _read(truth: Truth, run: Trajectory) -> MotionBlock:
    return Displacer(match(truth.crystal, run))(run.read(0, run.n_frames))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.allclose(one, other, rtol=0.0, atol=1e-8 * np.abs(other).max())


def test_every_trap_has_its_tests() -> None:
    """Each test named in the table exists."""
    rows = re.findall(r"^.{38}\s(\S+\.py)::(test_\w+)$", __doc__, re.MULTILINE)
    assert len(rows) == len(re.findall("::", __doc__)) >= 25
    for file, name in rows:
        text = (TESTS / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, f"{file}::{name}"


def test_the_exact_motion_is_projected_exactly(truth) -> None:
    motion = _read(truth, truth.run())
    assert _same(truth.kinetic(motion.velocities), truth.kinetic(truth.motion.velocities))


def test_phases_are_those_of_the_vectors(truth) -> None:
    """𝓕 = −ω²Q holds for every mode with the phases of the atoms, not with those of the
    cells.
    """
    expected = -(truth.modes.omega**2)[..., None]
    for phases, holds in (
        (truth.space.phases, True),
        (np.ones_like(truth.space.phases), False),
    ):
        projector = Projector(replace(truth.space, phases=phases), truth.modes)
        q_qmt = projector.coordinates(truth.motion.displacements)
        f_qmt = projector.forces(truth.motion.forces)
        assert _same(f_qmt, expected * q_qmt) == holds


def test_wrapped_positions(truth) -> None:
    supercell = truth.space.supercell
    reduced = (supercell.positions + truth.motion.displacements) @ np.linalg.inv(supercell.cell)
    wrapped = (reduced - np.floor(reduced)) @ supercell.cell
    assert np.abs(np.diff(wrapped, axis=0)).max() > 1.0
    motion = _read(truth, truth.run(positions=wrapped))
    expected = truth.kinetic(truth.motion.displacements)
    assert _same(truth.kinetic(motion.displacements), expected)
    plain = wrapped - wrapped.mean(axis=0)
    assert not _same(truth.kinetic(plain), expected)


def test_phases_do_not_see_thermal_expansion(truth) -> None:
    """A run one per cent larger than the crystal of the force constants: the same
    amplitudes.
    """
    supercell, v_tax = truth.space.supercell, truth.motion.velocities
    larger = 1.01 * supercell.positions
    run = truth.run(positions=larger + truth.motion.displacements, cells=1.01 * supercell.cell)
    expected = truth.kinetic(v_tax)
    assert _same(truth.kinetic(_read(truth, run).velocities), expected)
    # Phases of the positions in the run, in reciprocal vectors of the crystal.
    crystal = truth.crystal
    waves = np.exp(-2j * np.pi * truth.modes.qpoints @ np.linalg.inv(crystal.cell).T @ larger.T)
    bras = truth.modes.vectors.conj()[:, :, supercell.site_index]
    weights = np.sqrt(supercell.masses / supercell.n_cells)
    v_qmt = np.einsum("qmax,qa,a,tax->qmt", bras, waves, weights, v_tax, optimize=True)
    assert not _same(truth.of_sets(np.abs(v_qmt) ** 2), expected)
    straight = np.exp(
        -2j
        * np.pi
        * truth.modes.qpoints
        @ np.linalg.inv(crystal.cell).T
        @ supercell.positions.T
    )
    v_qmt = np.einsum("qmax,qa,a,tax->qmt", bras, straight, weights, v_tax, optimize=True)
    assert _same(truth.of_sets(np.abs(v_qmt) ** 2), expected)


def test_a_rotated_frame(truth) -> None:
    """LAMMPS puts the first box vector along x and rotates everything with it."""
    supercell, motion = truth.space.supercell, truth.motion
    turn = Rotation.from_rotvec([0.4, -0.9, 0.7]).as_matrix()
    run = truth.run(
        positions=(supercell.positions + motion.displacements) @ turn,
        cells=supercell.cell @ turn,
        velocities=motion.velocities @ turn,
        forces=motion.forces @ turn,
    )
    expected = truth.kinetic(motion.velocities)
    assert _same(truth.kinetic(_read(truth, run).velocities), expected)
    assert not _same(truth.kinetic(motion.velocities @ turn), expected)


def test_unsorted_ids(truth, tmp_path) -> None:
    """An unsorted dump has its rows in another order in every frame."""
    supercell, rng = truth.space.supercell, np.random.default_rng(7)
    kinds = {"Na": 1, "Cl": 2}
    n_frames, n_atoms = 12, supercell.n_atoms
    # Restricted boxes only in this format: along x, in the xy plane, and on.
    lower = np.linalg.qr(supercell.cell.T)
    turn = lower.Q * np.sign(np.diag(lower.R))
    box = supercell.cell @ turn
    x_tax = (supercell.positions + truth.motion.displacements) @ turn
    v_tax = truth.motion.velocities @ turn
    corners = [box[1, 0], box[2, 0], box[1, 0] + box[2, 0], 0.0]
    text, shuffled = "", np.empty((n_frames, n_atoms, 3))
    for t in range(n_frames):
        order = rng.permutation(n_atoms)
        shuffled[t] = truth.motion.velocities[t, order]
        text += f"ITEM: TIMESTEP\n{10 * t}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n"
        text += "ITEM: BOX BOUNDS xy xz yz pp pp pp\n"
        text += f"{min(corners):.15g} {box[0, 0] + max(corners):.15g} {box[1, 0]:.15g}\n"
        low, high = min(0.0, box[2, 1]), box[1, 1] + max(0.0, box[2, 1])
        text += (
            f"{low:.15g} {high:.15g} {box[2, 0]:.15g}\n0 {box[2, 2]:.15g} {box[2, 1]:.15g}\n"
        )
        text += "ITEM: ATOMS id type xu yu zu vx vy vz\n"
        for a in order:
            numbers = " ".join(f"{x:.14g}" for x in (*x_tax[t, a], *v_tax[t, a]))
            text += f"{a + 1} {kinds[supercell.species[a]]} {numbers}\n"
    (tmp_path / "run.lammpstrj").write_text(text, encoding="utf-8")
    run = open_trajectory(
        tmp_path / "run.lammpstrj", ReadOptions(units="metal", timestep_fs=1.0)
    )
    found = match(truth.crystal, run, type_map={1: "Na", 2: "Cl"})
    motion = Displacer(found)(run.read(0, n_frames))
    expected = truth.kinetic(truth.motion.velocities[:n_frames])
    assert _same(truth.kinetic(motion.velocities), expected)
    assert not _same(truth.kinetic(shuffled), expected)


def test_units_of_velocities(truth) -> None:
    """Å/fs read as Å/ps: the kinetic temperature is a millionth of that from the forces."""
    sound = truth.run()
    assert diagnose(sound, match(truth.crystal, sound)).usable
    wrong = truth.run(velocities=1e-3 * truth.motion.velocities)
    found = match(truth.crystal, wrong)
    with pytest.raises(DataError, match=r"velocities give .* K, forces and displacements .* K"):
        diagnose(wrong, found)


def test_differenced_velocities(truth) -> None:
    """Exact for a harmonic crystal, where each mode has one frequency."""
    run = truth.run(velocities=None)
    displacer = Displacer(match(truth.crystal, run))
    motion = DifferencedMotion(
        lambda start, stop: displacer(run.read(start, stop)), run.segments, INTERVAL_PS
    )
    assert motion.segments == ((0, N_FRAMES - 2),)
    differences = motion(0, motion.n_frames).velocities
    expected = truth.kinetic(truth.motion.velocities[1:-1])
    plain = truth.kinetic(differences)
    highest = np.abs(truth.modes.omega).max()
    assert plain.sum() < 0.97 * expected.sum()
    require_correctable(highest, INTERVAL_PS)
    kept = attenuation(truth.modes.omega, INTERVAL_PS)
    v_qmt = Projector(truth.space, truth.modes).velocities(differences) / kept[..., None]
    assert _same(truth.of_sets(np.abs(v_qmt) ** 2), expected)
    with pytest.raises(DataError, match="frames are too far apart"):
        require_correctable(highest, 3.0 * INTERVAL_PS)


def test_frames_too_far_apart(truth) -> None:
    """A line above the Nyquist frequency appears below it: a warning says so."""
    row, branch = np.unravel_index(truth.modes.omega.argmax(), truth.modes.omega.shape)
    highest = truth.modes.omega[row, branch]
    stride = int(np.ceil(1.3 * np.pi / (highest * INTERVAL_PS)))
    v_t = Projector(truth.space, truth.modes).velocities(truth.motion.velocities)[row, branch]
    peaks = []
    for every in (1, stride):
        seen = v_t[::every] * np.hanning(len(v_t[::every]))
        freq = np.fft.fftfreq(4096, every * INTERVAL_PS)
        peaks.append(abs(freq[np.abs(np.fft.fft(seen, 4096)).argmax()]))
    assert peaks[0] == pytest.approx(highest / THZ, abs=0.3)
    assert peaks[1] < 0.9 * highest / THZ
    omega = truth.modes.omega.ravel()
    assert nyquist_note(omega, INTERVAL_PS) is None
    assert nyquist_note(omega, stride * INTERVAL_PS).severity == "warning"


def _energies(truth: Truth, modes: Modes, motion: MotionBlock):
    reduction = EnergyReduction(Projector(truth.space, modes), motion.n_frames)
    return reduction.finalize(reduction.chunk(reduction.projector.project(motion)))


def test_imaginary_modes(truth) -> None:
    """They have kinetic energy and a frequency from the ratio, but no potential energy."""
    label = int(truth.modes.sets[3, 0])
    omega = np.where(truth.modes.sets == label, -1.0, 1.0) * truth.modes.omega
    soft = replace(truth.modes, omega=omega)
    known, found = (_energies(truth, modes, truth.motion) for modes in (truth.modes, soft))
    assert np.isnan(found.potential[label])
    assert np.isfinite(np.delete(found.potential, label)).all()
    for name in ("kinetic", "omega_ratio", "omega_displacement"):
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=1e-12)
    assert (found.omega_ratio > 0.0).all()
    # As if it were a frequency it would have given a number, and a wrong one.
    assert np.isfinite(known.potential[label])


def test_drift_does_not_change_the_temperature(truth) -> None:
    """A crystal that moves at 20 Å/ps: the drift is in the acoustic modes at Γ."""
    times = INTERVAL_PS * np.arange(N_FRAMES)[:, None, None]
    push = np.array([20.0, -5.0, 0.0])
    flying = MotionBlock(
        0,
        truth.motion.displacements + push * times,
        truth.motion.velocities + push,
        truth.motion.forces,
    )
    still, moved = (_energies(truth, truth.modes, block) for block in (truth.motion, flying))
    assert moved.temperature == pytest.approx(still.temperature, rel=1e-9)
    assert moved.kinetic == pytest.approx(still.kinetic, rel=1e-9)
    v_qmt = Projector(truth.space, truth.modes).velocities(flying.velocities)
    everything = 0.5 * (truth.modes.weights[:, None, None] * np.abs(v_qmt) ** 2).sum()
    assert everything > 1.5 * truth.of_sets(np.abs(v_qmt) ** 2).sum()
    run = truth.run(positions=truth.space.supercell.positions + flying.displacements)
    motion = _read(truth, run)
    expected = truth.kinetic(truth.motion.displacements)
    assert _same(truth.kinetic(motion.displacements), expected)
