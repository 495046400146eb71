"""Diagnosis of runs whose temperature, frequency and faults are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.matching.diagnosis import diagnose
from trajmodes.matching.match import match
from trajmodes.notes import Note
from trajmodes.units import BOLTZMANN, THZ

FREQ_THZ = 8.0


@pytest.fixture(scope="module")
def run(crystals, einstein):
    return einstein(crystals["diamond"], 3 * np.eye(3, dtype=int), n_frames=120)


@pytest.fixture(scope="module")
def found(crystals, run):
    return match(crystals["diamond"], run)


@pytest.fixture(scope="module")
def coarse(run):
    """Every twelfth frame of a run at 8 THz: 60 fs apart, Nyquist 8.3 THz, with no margin."""
    pick = slice(None, None, 12)
    return replace(
        run,
        positions=run.positions[pick],
        cells=run.cells[pick],
        velocities=run.velocities[pick],
        forces=run.forces[pick],
        interval_ps=0.06,
        segments=((0, 10),),
    )


def note_with(diagnosis, words):
    chosen = [one for one in diagnosis.verdict if words in one.text]
    assert len(chosen) == 1, [one.text for one in diagnosis.verdict]
    return chosen[0]


def test_a_sound_run_has_no_warning(run, found):
    diagnosis = diagnose(run, found)
    figures = diagnosis.figures
    assert figures["kinetic temperature"].value == pytest.approx(300.0, rel=0.05)
    assert figures["virial temperature"].value == pytest.approx(300.0, rel=0.05)
    assert figures["highest frequency"].value == pytest.approx(FREQ_THZ, rel=0.03)
    assert figures["Nyquist frequency"].value == pytest.approx(100.0)
    assert figures["interval from motion"].value == pytest.approx(5.0, rel=0.03)
    assert figures["interval"].text == "5 steps of 1 fs"
    assert figures["box change"].value < 1e-10
    assert figures["digits"].value == 10
    assert figures["q points"].value == 27
    assert diagnosis.weights.sum() == 27
    assert len(diagnosis.qpoints) == 14
    assert diagnosis.usable
    assert {one.severity for one in diagnosis.verdict} == {"ok"}


@pytest.mark.parametrize(
    ("style", "velocity", "force", "likely"),
    [
        # Written in real, read as metal: velocities a thousandth, forces 23 times too large.
        ("metal", 1e-3, 23.0605, "units real"),
        ("real", 1e3, 1 / 23.0605, "units metal"),
        ("metal", 1e-3, 1.0, "velocities seem to be in Å/fs"),
        ("metal", 1.0, -1.0, "of opposite sign"),
    ],
)
def test_wrong_units_are_named(run, found, style, velocity, force, likely):
    wrong = replace(
        run,
        unit_style=style,
        velocities=run.velocities * velocity,
        forces=run.forces * force,
    )
    with pytest.raises(DataError, match=rf"velocities give .* K, forces(.|\n)*{likely}"):
        diagnose(wrong, found)


def test_few_frames_cannot_verify_units(run, found):
    short = replace(
        run,
        positions=run.positions[:3],
        cells=run.cells[:3],
        velocities=run.velocities[:3],
        forces=run.forces[:3] * 100.0,
        segments=((0, 3),),
    )
    assert note_with(diagnose(short, found), "too few frames").severity == "warning"


def test_single_frame(run, found):
    one = replace(
        run,
        positions=run.positions[:1],
        cells=run.cells[:1],
        velocities=run.velocities[:1],
        forces=run.forces[:1],
        segments=((0, 1),),
        interval_ps=None,
    )
    diagnosis = diagnose(one, found)
    assert "interval" not in diagnosis.figures
    assert note_with(diagnosis, "time between frames is not known").severity == "error"


def test_dump_lines_for_missing_forces_and_velocities_are_given(run, found):
    bare = replace(run, velocities=None, forces=None)
    diagnosis = diagnose(bare, found)
    assert not diagnosis.usable
    assert "kinetic temperature" not in diagnosis.figures
    for words in ("no forces", "no velocities"):
        lines = note_with(diagnosis, words).fix.splitlines()
        assert lines[0].startswith("dump d all custom 5 ")
        assert lines[0].endswith("id type element xu yu zu vx vy vz fx fy fz")
        assert lines[1].startswith("dump_modify d sort id format float %.10g")
        assert lines[1].endswith("element Si")


def test_spectra_without_velocities_need_frames_close_together(run, coarse, found):
    """At 8 THz a phase of 0.25 between frames is small enough, and one of 3.0 is not."""
    near, far = (diagnose(replace(one, velocities=None), found) for one in (run, coarse))
    note = note_with(near, "no velocities")
    assert (note.severity, note.subject) == ("warning", "fields")
    note = note_with(far, "no velocities, and frames are 60 fs apart")
    assert (note.severity, note.subject, note.concerns) == ("error", "not-done", "spectra")


def test_files_of_other_programs_get_no_lines_for_lammps(run, coarse, found):
    """A file of positions that VASP wrote."""
    bare = replace(
        run, velocities=None, forces=None, unit_style="VASP", paths=(Path("XDATCAR"),)
    )
    fixes = [one.fix for one in diagnose(bare, found).verdict if one.severity != "ok"]
    assert len(fixes) == 2
    assert "vasprun.xml of the same run has forces" in fixes[0]
    assert "VELOCITY = .TRUE." in fixes[1]
    far = replace(coarse, unit_style="gpumd")
    note = note_with(diagnose(far, found), "Nyquist 8.33 THz")
    wanted = float(note.fix.partition("at most ")[2].split()[0])
    assert wanted == pytest.approx(1e3 / (2.0 * 3.0 * FREQ_THZ), rel=0.01)


def test_coarse_frames_are_reported_with_a_fine_enough_stride(coarse, found):
    note = note_with(diagnose(coarse, found), "Nyquist 8.33 THz")
    assert note.severity == "warning"
    # Steps are 5 apart in the file, 12 fs each: 1 step gives 42 THz, 2 steps 21 THz.
    assert note.fix.startswith("dump d all custom 1 ")


@pytest.mark.parametrize("given_ps", [0.005 / 1.5, 0.005 / 1.03, 0.005 * 1.03, 0.010])
def test_a_time_step_that_the_motion_contradicts_is_an_error(run, found, given_ps):
    """The motion of known oscillators shows 5 fs to half a per cent."""
    wrong = replace(run, interval_ps=given_ps)
    note = note_with(diagnose(wrong, found), "atoms move as if frames were")
    apart, step = f"{1e3 * given_ps:.4g}", f"{1e3 * given_ps / 5:.3g}"
    frames = f"5 ± 0.025 fs apart, not {apart} fs"
    assert f"{frames}: a time step of 1 fs, not {step} fs" in note.text
    assert (note.severity, note.concerns) == ("error", "spectra")
    accepted = diagnose(wrong, found, accept=("time-step",))
    note = note_with(accepted, "atoms move as if frames were")
    assert note.severity == "warning"
    assert "accepted (--accept time-step)" in note.text


def of_modes(run, matched, freqs_thz, interval_ps, n_frames=40):
    """The atoms of a run as oscillators of several frequencies, in velocities and positions."""
    rng = np.random.default_rng(5)
    masses, n_atoms = matched.supercell.masses[:, None], run.n_atoms
    omega = rng.choice(np.asarray(freqs_thz), (n_atoms, 3)) * THZ
    phase = rng.uniform(0.0, 2.0 * np.pi, (n_atoms, 3))
    size = np.sqrt(2.0 * BOLTZMANN * 300.0 / masses) / omega
    angle = omega * interval_ps * np.arange(n_frames)[:, None, None] + phase
    u, v = size * np.cos(angle), -size * omega * np.sin(angle)
    f = -masses * omega**2 * u
    u, v = (x - np.average(x, axis=1, weights=masses[:, 0])[:, None] for x in (u, v))
    return replace(
        run,
        positions=matched.supercell.positions + u,
        velocities=v,
        forces=f - f.mean(axis=1, keepdims=True),
        cells=np.broadcast_to(matched.supercell.cell, (n_frames, 3, 3)),
        species=matched.supercell.species,
        interval_ps=interval_ps,
        segments=((0, n_frames),),
    )


@pytest.mark.parametrize("interval_fs", [1.0, 5.0, 12.0, 18.0, 40.0, 61.0, 100.0])
def test_right_frames_at_any_distance_give_no_alarm_on_the_time_step(run, found, interval_fs):
    """Modes up to 16 THz: nothing is said where frames are too far apart."""
    right = of_modes(run, found, np.linspace(1.0, 16.0, 31), 1e-3 * interval_fs)
    diagnosis = diagnose(right, found)
    assert not [one for one in diagnosis.verdict if "as if" in one.text]
    shown = diagnosis.figures.get("interval from motion")
    assert (shown is None) == (interval_fs > 30.0)
    if shown is not None:
        error = float(shown.text.split()[1].rstrip(","))
        assert abs(shown.value - interval_fs) < 2.0 * error
        assert error < 0.05 * interval_fs


@pytest.mark.parametrize("missing", ["forces", "velocities"])
def test_far_frames_of_one_field_do_not_show_the_highest_frequency(
    monkeypatch, run, found, missing
):
    """One rate of change at 100 fs is at most 4 THz, for motion of any frequency."""
    in_steps = property(lambda self: 100 * np.arange(self.n_frames))
    monkeypatch.setattr(type(run), "steps", in_steps)
    far = replace(of_modes(run, found, np.linspace(5.0, 16.0, 31), 0.1), **{missing: None})
    verdict = diagnose(far, found).verdict
    assert not [one for one in verdict if "dense enough" in one.text]
    (note,) = (one for one in verdict if "too far for an estimate" in one.text)
    assert note.fix.startswith("dump d all custom 10 ")  # steps of 1 fs


def test_frames_that_resolve_the_motion_give_no_warning(run, found):
    """25 fs resolve 20 THz, above motion up to 12 THz."""
    verdict = diagnose(of_modes(run, found, np.linspace(3.0, 12.0, 31), 0.025), found).verdict
    assert {one.severity for one in verdict} == {"ok"}


def test_interchanged_elements_are_an_error(crystals, einstein):
    """NaCl with Na and Cl exchanged: the temperature of all atoms hardly changes."""
    right = einstein(crystals["rock salt"], 3 * np.eye(3, dtype=int), n_frames=120)
    found = match(crystals["rock salt"], right)
    assert {one.severity for one in diagnose(right, found).verdict} == {"ok"}
    other = {"Na": "Cl", "Cl": "Na"}
    wrong = replace(right, species=tuple(other[name] for name in right.species))
    found = match(crystals["rock salt"], wrong)
    diagnosis = diagnose(wrong, found)
    assert 290.0 < diagnosis.figures["kinetic temperature"].value < 340.0
    note = note_with(diagnosis, "temperatures of the species differ")
    assert note.severity == "error"
    assert "Cl for Na, Na for Cl the temperatures agree" in note.why
    accepted = note_with(
        diagnose(wrong, found, accept=("temperature",)), "temperatures of the species differ"
    )
    assert accepted.severity == "warning"


def test_rounding_is_compared_with_the_motion(run, found):
    """Up to 0.001 Å, while atoms move by 0.06 Å; half of that is below a hundredth."""
    coarse = replace(run, rounding=1e-3, notes=(Note("warning", "digits", subject="rounding"),))
    diagnosis = diagnose(coarse, found)
    note = note_with(diagnosis, "are rounded by")
    assert all(one.text != "digits" for one in diagnosis.verdict)
    assert note.text.startswith("coordinates are rounded by up to 1e-03 Å, 2%")
    assert diagnosis.figures["digits"].text.endswith("rounded by up to 1e-03 Å")
    fine = diagnose(replace(run, rounding=5e-4), found)
    assert {one.severity for one in fine.verdict} == {"ok"}
    assert "format float %.10g" in note.fix


def test_net_force_is_reported(run, found):
    pushed = replace(run, forces=run.forces + 0.1)
    diagnosis = diagnose(pushed, found)
    assert diagnosis.figures["net force"].value == pytest.approx(0.1 * 54 * 3**0.5, rel=1e-6)
    assert note_with(diagnosis, "do not add up to zero").severity == "warning"


def test_heating_is_reported(run, found):
    grown = np.linspace(0.9, 1.1, run.n_frames)[:, None, None]
    hotter = replace(run, velocities=run.velocities * grown)
    assert (
        "K from the first half"
        in note_with(diagnose(hotter, found), "temperature changes").text
    )


def test_notes_are_passed_on(run, found):
    kept = Note("warning", "a note of the reader: no forces are rounded", fix="do this")
    fields = Note("warning", "the dump lacks something", subject="fields")
    diagnosis = diagnose(replace(run, notes=(kept, fields)), found)
    assert kept in diagnosis.verdict
    assert fields not in diagnosis.verdict


def test_net_force_and_drift_are_reported_with_units(run, found):
    """A force of 0.4 of the typical one on one atom of 54: a net force that no crystal has."""
    forces = run.forces.copy()
    size = float(np.sqrt((forces**2).mean()))
    forces[:, 7, 0] += 0.4 * size
    assert "net force" in diagnose(run, found).figures
    for factor, wrong in ((1.0, False), (3.0, True)):
        pushed = run.forces + factor * (forces - run.forces)
        diagnosis = diagnose(replace(run, forces=pushed), found)
        figure = diagnosis.figures["net force"]
        assert figure.value == pytest.approx(factor * 0.4 * size, rel=1e-6)
        assert figure.unit == "eV/Å"
        note = [one for one in diagnosis.verdict if "do not add up to zero" in one.text]
        assert bool(note) is wrong
    assert note[0].severity == "warning"
    assert "wrong or incomplete" in note[0].text
    assert diagnosis.figures["drift"].unit == "Å"
    assert "Å/ps" in diagnosis.figures["drift"].text


def test_frames_with_hops_may_be_excluded(run, found):
    positions = run.positions.copy()
    positions[40:60, 3] += [0.0, 2.5, 0.0]
    hopped = replace(run, positions=positions)
    with pytest.raises(DataError, match=r"atom 104 is 2.\d+ Å from(.|\n)*--hops exclude"):
        diagnose(hopped, found)
    diagnosis = diagnose(hopped, found, hops="exclude")
    assert not set(diagnosis.sample.frames.tolist()) & set(range(39, 60))
    assert diagnosis.figures["kinetic temperature"].value == pytest.approx(300.0, rel=0.06)
    positions[:, 3] += [0.0, 2.5, 0.0]
    with pytest.raises(DataError, match="no sampled frame can be used"):
        diagnose(replace(run, positions=positions), found, hops="exclude")
