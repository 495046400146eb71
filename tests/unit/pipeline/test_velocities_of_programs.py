"""Files with velocities alone, of all programs that write them, are read as whole runs are."""

import numpy as np
import pytest
import xarray as xr

import trajmodes as tm
from program_files import every_format
from program_files.arrays import UNITS, arrays_of
from program_files.silicon_run import silicon_run, supercell
from program_files.velocities_alone import MAKERS
from tests.unit.pipeline.test_not_done import law
from tests.unit.pipeline.test_velocities_alone import require_same
from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.partial.not_done import PARTS

LAMMPS = r"dump d all custom \d+ run.lammpstrj id type element xu yu zu"
LINES = {
    "run.bin": LAMMPS,
    "run.yaml": LAMMPS,
    "run.nc": LAMMPS,
    "sim.vel_0.xyz": "let i-PI write positions, velocities and forces",
    "NAME-vel-1.xyz": "let CP2K print &TRAJECTORY and &FORCES",
    "NAME.vel": r"cp\.x writes NAME\.pos beside NAME\.vel",
}
"""File → advice on how its program writes positions; others are of no known program."""
OPTIONS = {"sim.vel_0.xyz": {"timestep_fs": 0.5}, "run.trr": {"species": ["Si"]}}
STRUCTURE = supercell()


def whole_and_alone(name, folder, n_frames):
    """Open a run, and its velocities alone in the same format."""
    kind, write = MAKERS[name]
    interval_fs, write_whole = every_format.MAKERS[kind]
    images = silicon_run(interval_fs, n_frames=n_frames)
    one, other = folder / "whole", folder / "alone"
    one.mkdir()
    other.mkdir()
    write_whole(one / kind.replace("NAME", "si"), images)
    alone = other / name.replace("NAME", "si")
    write(alone, images)
    files = sorted(one.glob("sim.*")) or one / kind.replace("NAME", "si")
    options = {"cell": STRUCTURE, **OPTIONS.get(name, {})}
    return tm.open(files, **options), tm.open(alone, **options)


@pytest.mark.parametrize("name", MAKERS)
def test_velocities_are_those_of_the_whole_run_to_the_bit(name, tmp_path):
    whole, alone = whole_and_alone(name, tmp_path, 20)
    assert alone.fields == ["velocities"]
    motion, truth = alone.motion(0, 20), whole.motion(0, 20)
    assert motion.displacements is None
    # MDAnalysis, which writes the whole TRR, rounds to single precision in another order.
    atol = 1e-6 if name == "run.trr" else 0.0
    np.testing.assert_allclose(motion.velocities, truth.velocities, rtol=0.0, atol=atol)
    assert alone.trajectory.interval_ps == pytest.approx(whole.trajectory.interval_ps, rel=1e-6)
    for of in ("cell", "positions", "masses"):
        one, other = (getattr(run.supercell, of) for run in (alone, whole))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MAKERS)
def test_a_fit_is_refused_with_the_lines_of_the_program(name, tmp_path):
    path = tmp_path / name.replace("NAME", "si")
    MAKERS[name][1](path, silicon_run(10.0, n_frames=12))
    options = {"cell": STRUCTURE, **OPTIONS.get(name, {})}
    line = LINES.get(name, "write positions, velocities and forces, for example as extended")
    whole = rf"no (positions|coordinates)(.|\n)*{line}(.|\n)*velocities are enough"
    if name in {"run.bin", "run.yaml"}:
        whole = r"no coordinates among the columns id type vx vy vz(.|\n)*xu yu zu(.|\n)*enough"
    with pytest.raises(DataError, match=whole):
        tm.fit_runs(path, **options)
    with pytest.raises(DataError, match=rf"no positions: force constants(.|\n)*{line}"):
        tm.run(path, **options)


@pytest.mark.parametrize(
    "name", ["NAME-vel-1.xyz", pytest.param("sim.vel_0.xyz", marks=pytest.mark.slow)]
)
def test_a_projection_of_velocities_is_that_of_the_whole_run(name, tmp_path):
    whole, alone = whole_and_alone(name, tmp_path, 200)
    constants = whole.fit(cutoff2=4.0)
    found = alone.project(constants)
    require_same(found, whole.project(constants))
    assert np.isfinite(found["mode_temperature"].values).all()
    results = found.analysis.results
    assert law(results, fits=False) == {p.name for p in PARTS if "positions" in p.needs}
    (missing,) = results.not_done
    assert LINES[name] in missing.fix


@pytest.mark.parametrize("given", ["box", "structure", "neither"])
def test_velocities_of_cp2k_need_no_file_of_cells(given, tmp_path):
    """The box is that of the structure, unless it is given."""
    MAKERS["NAME-vel-1.xyz"][1](tmp_path / "si-vel-1.xyz", silicon_run(10.0, n_frames=12))
    (tmp_path / "si-1.cell").unlink()
    options = {"box": (10.86, 10.86, 10.86)} if given == "box" else {}
    if given == "neither":
        with pytest.raises(UsageError, match="the sites of the atoms are unknown"):
            tm.open(tmp_path / "si-vel-1.xyz")
        return
    run = tm.open(tmp_path / "si-vel-1.xyz", cell=STRUCTURE, **options)
    np.testing.assert_array_equal(run.frames(3, 5).cells, [STRUCTURE.cell.array] * 2)
    said = [note.text for note in run.notes if "no box" in note.text]
    assert [text.partition(": ")[0] for text in said] == ["the run has no box"][
        given == "box" :
    ]


@pytest.mark.parametrize("kind", ["from_arrays", "dictionary", "xarray", "npz"])
def test_arrays_of_velocities_are_those_of_the_whole_run(kind, tmp_path):
    arrays = arrays_of(silicon_run(10.0, n_frames=20))
    given = {name: arrays[name] for name in ("velocities", "cells")}
    cell, symbols = STRUCTURE, ["Si"] * 64
    whole = tm.from_arrays(species=symbols, interval_ps=0.01, cell=cell, **arrays)
    options = {"units": "metal", "timestep_fs": 10.0, "cell": cell}
    if kind == "from_arrays":
        run = tm.from_arrays(None, species=symbols, interval_ps=0.01, cell=cell, **given)
    elif kind == "dictionary":
        run = tm.open({**given, "species": symbols}, **options)
    elif kind == "npz":
        np.savez(tmp_path / "run.npz", **given, species=symbols)
        run = tm.open(np.load(tmp_path / "run.npz"), **options)
    else:
        axes = {"velocities": ("frame", "atom", "xyz"), "cells": ("frame", "vector", "xyz")}
        made = {
            name: (axes[name], one, {"units": UNITS.get(name, "angstrom")})
            for name, one in given.items()
        }
        run = tm.open(xr.Dataset(made), timestep_fs=10.0, cell=cell)
    assert run.fields == ["velocities"]
    motion, truth = run.motion(0, 20), whole.motion(0, 20)
    np.testing.assert_array_equal(motion.velocities, truth.velocities)
    with pytest.raises(DataError, match="no positions: force constants"):
        run.fit()
    with pytest.raises(DataError, match="no positions: force constants"):
        tm.run(run)


def test_arrays_of_velocities_may_have_the_box_of_the_structure():
    velocities = arrays_of(silicon_run(10.0, n_frames=12))["velocities"]
    more = {"species": ["Si"] * 64, "interval_ps": 0.01, "cell": STRUCTURE}
    run = tm.from_arrays(None, None, velocities=velocities, **more)
    np.testing.assert_array_equal(run.frames(0, 1).cells[0], STRUCTURE.cell.array)
    with pytest.raises(DataError, match=r"the run has no positions(.|\n)*are: forces"):
        tm.from_arrays(None, None, forces=velocities, **more)
    with pytest.raises(DataError, match="neither positions nor velocities"):
        tm.from_arrays(None, None, **more)


@pytest.mark.parametrize("float32", [False, True])
def test_converted_velocities_are_the_same_run(float32, tmp_path):
    images = silicon_run(10.0, n_frames=20)
    MAKERS["sim.vel_0.xyz"][1](tmp_path / "sim.vel_0.xyz", images)
    made = tmp_path / "run.nc"
    tm.convert(tmp_path / "sim.vel_0.xyz", made, timestep_fs=0.5, float32=float32)
    runs = (
        tm.open(tmp_path / "sim.vel_0.xyz", cell=STRUCTURE, timestep_fs=0.5),
        tm.open(made, cell=STRUCTURE),
    )
    old, new = (run.trajectory.read(0, 20) for run in runs)
    assert runs[1].fields == ["velocities"]
    np.testing.assert_array_equal(old.cells, new.cells)
    if float32:
        np.testing.assert_allclose(old.velocities, new.velocities, rtol=1e-7)
    else:
        np.testing.assert_array_equal(old.velocities, new.velocities)
    assert runs[1].trajectory.interval_ps == runs[0].trajectory.interval_ps


def test_velocities_written_at_other_steps_are_not_those_of_a_run():
    """An array without its own steps needs as many frames as that of the velocities."""
    arrays = arrays_of(silicon_run(10.0, n_frames=12))
    data = {"velocities": arrays["velocities"], "forces": arrays["forces"][:6]}
    with pytest.raises(DataError, match="there are 12 frames of velocities and 6 of forces"):
        tm.open({**data, "species": ["Si"] * 64}, units="metal", cell=STRUCTURE)
