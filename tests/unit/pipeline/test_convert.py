"""Runs converted to NetCDF: the same run to the bit, readable by others, damage noticed."""

import gzip
import pickle

import h5py
import netCDF4
import numpy as np
import pytest
from ase.io.netcdftrajectory import NetCDFTrajectory

import trajmodes as tm
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.units import unit_factors

COLUMNS = "id type element mass xu yu zu vx vy vz fx fy fz"
N_ATOMS, N_FRAMES = 12, 23


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def dump(path, form="%.8g", *, style="metal", columns=COLUMNS, steps=None, change=None):
    """Write a dump of a tilted box that breathes, atoms in any order; no two numbers agree."""
    rng = np.random.default_rng(1)
    lines = [f"ITEM: UNITS\n{style}\n"]
    for t, step in enumerate(range(0, 10 * N_FRAMES, 10) if steps is None else steps):
        a = 7.0 + 0.01 * np.sin(t)
        lines.append(f"ITEM: TIME\n{0.001 * step:.10g}\nITEM: TIMESTEP\n{step}\n")
        lines.append(f"ITEM: NUMBER OF ATOMS\n{N_ATOMS}\nITEM: BOX BOUNDS xy xz yz pp pp pp\n")
        lines.append(f"0 {a + 0.75:.12g} 0.5\n-1 {a:.12g} 0.25\n0 {a:.12g} 0\n")
        lines.append(f"ITEM: ATOMS {columns}\n")
        numbers = rng.normal(size=(N_ATOMS, 9)) * [[9, 9, 9, 5, 5, 5, 0.3, 0.3, 0.3]]
        if change is not None:
            change(t, numbers)
        for k in rng.permutation(N_ATOMS):
            name, mass = (("Ga", "69.723"), ("N", "14.007"))[k % 2]
            named = {"id": k + 1, "type": 1 + k % 2, "element": name, "mass": mass}
            row = [str(named[c]) for c in columns.split() if c in named]
            lines.append(" ".join(row + [form % x for x in numbers[k]]) + "\n")
    path.write_text("".join(lines))
    return path


def assert_same_run(one, other):
    assert (one.n_atoms, one.n_frames) == (other.n_atoms, other.n_frames)
    for name in ("steps", "times_ps", "ids", "types", "masses"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.time.numbered, one.interval_ps) == (other.time.numbered, other.interval_ps)
    assert (one.segments, one.species) == (other.segments, other.species)
    for name in ("unit_style", "unwrapped", "precision_digits", "rounding", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    for start, stop in ((0, one.n_frames), (3, 5), (one.n_frames - 1, one.n_frames)):
        here, there = one.read(start, stop), other.read(start, stop)
        for name in ("cells", "positions", "velocities", "forces"):
            np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


@pytest.mark.parametrize("style", ["metal", "real"])
@pytest.mark.parametrize(
    ("form", "n_bytes"), [("%g", 4), ("%.8g", 5), ("%.10g", 6), ("%.17g", 8)]
)
def test_the_run_is_that_of_the_text_to_the_bit(tmp_path, form, n_bytes, style):
    """Text takes the bytes of its digits, in units of the run and in others."""
    path = dump(tmp_path / "a.lammpstrj", form, style=style)
    new = tm.convert(path, tmp_path / "a.nc")
    run = open_trajectory(new)
    assert_same_run(open_trajectory(path), run)
    assert_same_run(pickle.loads(pickle.dumps(run)), run)
    assert run.species[:2] == ("Ga", "N")
    with h5py.File(new) as file:
        for name in ("coordinates", "velocities", "forces"):
            assert file[name].id.get_type().get_precision() == 8 * n_bytes
    with pytest.raises(UnitsError, match="defines its units"):
        open_trajectory(new, ReadOptions(units="metal"))


def test_gaps_image_flags_and_missing_fields_are_kept(tmp_path):
    steps = [*range(0, 100, 10), *range(200, 330, 10)]
    columns = "id type x y z ix iy iz vx vy vz"
    path = dump(tmp_path / "a.lammpstrj", "%.0f", columns=columns, steps=steps)
    run = open_trajectory(path)
    assert len(run.segments) == 2
    assert not run.has_forces
    assert_same_run(run, open_trajectory(tm.convert(path, tmp_path / "a.nc")))


def test_numbers_that_text_of_few_digits_cannot_hold_are_kept_in_full(tmp_path, monkeypatch):
    """One number too small for a quotient of whole numbers, in a chunk that is no sample."""
    monkeypatch.setattr("trajmodes.pipeline.convert.write._CHUNK", 2 * 24 * N_ATOMS)

    def change(t, numbers):
        if t == 7:
            numbers[3, 4] = 1.2345e-21

    path = dump(tmp_path / "a.lammpstrj", change=change)
    new = tm.convert(path, tmp_path / "a.nc")
    assert_same_run(open_trajectory(path), open_trajectory(new))
    with h5py.File(new) as file:
        array = file["velocities"]
        chunks = [array.id.get_chunk_info(k) for k in range(array.id.get_num_chunks())]
        assert [one.chunk_offset[0] for one in chunks if one.filter_mask] == [6]
        wanted = open_trajectory(path).read(6, 8).velocities
        np.testing.assert_allclose(array[6:8], wanted, rtol=1e-8)


def test_other_programs_read_the_digits_of_the_text(tmp_path):
    path = dump(tmp_path / "a.lammpstrj")
    block = open_trajectory(path).read(0, N_FRAMES)
    new = tm.convert(path, tmp_path / "a.nc")
    with netCDF4.Dataset(new) as file:
        assert file.Conventions == "AMBER"
        for name, values in (
            ("coordinates", block.positions), ("velocities", block.velocities),
            ("forces", block.forces),
        ):  # fmt: skip
            np.testing.assert_allclose(file[name][:], values, rtol=0.5e-8)
        lengths = np.linalg.norm(block.cells, axis=2)
        np.testing.assert_allclose(file["cell_lengths"][:], lengths, rtol=1e-14)
    atoms = NetCDFTrajectory(str(new))[4]
    np.testing.assert_allclose(atoms.positions, block.positions[4], rtol=0.5e-8)
    np.testing.assert_allclose(
        np.sort(atoms.cell.cellpar()), np.sort(_cellpar(block.cells[4])), rtol=1e-12
    )


def _cellpar(cell):
    unit = cell / np.linalg.norm(cell, axis=1)[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return [*np.linalg.norm(cell, axis=1), *angles]


def test_parts_of_a_run_that_were_converted_are_joined(tmp_path):
    path = dump(tmp_path / "a.lammpstrj")
    parts = [
        tm.convert(path, tmp_path / f"{k}.nc", frames=frames)
        for k, frames in enumerate(((0, 9, 1), (9, None, 1)))
    ]
    whole, joined = open_trajectory(path), open_trajectory(parts)
    assert_same_run(whole, joined)
    thin = open_trajectory(path, ReadOptions(frames=(1, 20, 3)))
    new = tm.convert(path, tmp_path / "thin.nc", frames=(1, 20, 3))
    assert_same_run(thin, open_trajectory(new))


def test_single_precision_and_compressed_text(tmp_path):
    path = dump(tmp_path / "a.lammpstrj")
    text, half = path.read_bytes(), path.stat().st_size // 2
    # Programs that compress in parallel write several members.
    packed = tmp_path / "a.lammpstrj.gz"
    packed.write_bytes(gzip.compress(text[:half]) + gzip.compress(text[half:]))
    run = open_trajectory(tm.convert(packed, tmp_path / "a.nc", float32=True))
    wanted, found = open_trajectory(path).read(0, N_FRAMES), run.read(0, N_FRAMES)
    np.testing.assert_array_equal(found.positions, wanted.positions.astype(np.float32))
    np.testing.assert_array_equal(found.cells, wanted.cells)
    assert run.precision_digits == 7
    assert run.rounding > 0.0


def test_a_changed_byte_is_noticed_or_changes_nothing(tmp_path):
    new = tm.convert(dump(tmp_path / "a.lammpstrj"), tmp_path / "a.nc")
    wanted = open_trajectory(new).read(0, N_FRAMES)
    with h5py.File(new) as file:
        chunk = file["forces"].id.get_chunk_info(0)
    data = bytearray(new.read_bytes())
    data[chunk.byte_offset + 17] ^= 1
    new.write_bytes(data)
    with pytest.raises(DataError, match="checksum"):
        open_trajectory(new).read(0, N_FRAMES)
    data[chunk.byte_offset + 17] ^= 1
    new.write_bytes(data)
    again = open_trajectory(new).read(0, N_FRAMES)
    np.testing.assert_array_equal(again.forces, wanted.forces)


def test_files_are_not_replaced_unasked_and_never_left_incomplete(tmp_path):
    path, new = dump(tmp_path / "a.lammpstrj"), tmp_path / "a.nc"
    tm.convert(path, new)
    content = new.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        tm.convert(path, new)
    with pytest.raises(UsageError, match="one of those"):
        tm.convert(new, new, force=True)
    with pytest.raises(UsageError, match=r"must end with \.nc"):
        tm.convert(path, tmp_path / "a.xyz")

    def change(t, numbers):
        numbers[0, 0] = np.nan if t == 15 else 0.0

    bad = dump(tmp_path / "b.lammpstrj", change=change)
    with pytest.raises(DataError):
        tm.convert(bad, new, force=True)
    assert new.read_bytes() == content
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"a.lammpstrj", "b.lammpstrj", "a.nc", "cache"}
    dump(path, style="real")
    tm.convert(path, new, force=True)
    assert open_trajectory(new).unit_style == "real"
    velocity = open_trajectory(path).read(0, 1).velocities
    assert np.abs(velocity).max() > unit_factors("real").velocity


@pytest.mark.slow
def test_results_are_those_of_the_text_to_the_bit(tmp_path):
    path, cell = "examples/data/silicon.lammpstrj.xz", "examples/data/silicon.POSCAR"
    options = {"cell": cell, "cutoff2": 4.0, "frames": (0, 300, 1)}
    wanted = tm.run(path, **options).to_dataset()
    found = tm.run(tm.convert(path, tmp_path / "a.nc"), **options).to_dataset()
    assert wanted.variables.keys() == found.variables.keys()
    # The name, size and columns of the file differ; the size is the last line of the check.
    others = {"input_name", "input_bytes", "input_sha256", "check_text"}
    np.testing.assert_array_equal(wanted["check_value"][:-1], found["check_value"][:-1])
    for name in wanted.variables.keys() - others - {"check_value"}:
        np.testing.assert_array_equal(wanted[name].values, found[name].values, err_msg=name)
