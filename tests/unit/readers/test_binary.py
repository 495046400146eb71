"""XTC, TRR and DCD files: every number that was written, every way to write it."""

import pickle
import struct
import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from program_files.gromacs import trr_frame
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError
from trajmodes.readers.foreign import open_foreign
from trajmodes.readers.trajectory import Trajectory

PLAIN, STRICT = ReadOptions(), ReadOptions(strict=True)
KJ_PER_MOL = 0.01036427
BOX = np.array([[5.0, 0, 0], [1, 6, 0], [0.5, 0.25, 7]])
"""In nm, with exact numbers in single precision."""


def opened(path: Path, options: ReadOptions = PLAIN) -> Trajectory:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_foreign([path], options)


def positions(path: Path) -> np.ndarray:
    found = opened(path)
    return found.read(0, found.n_frames).positions


def written_xtc(path: Path, frames: np.ndarray, precision: float = 1000.0) -> Path:
    with XTCFile(str(path), "w") as file:
        for t, x in enumerate(frames):
            file.write(x.astype(np.float32), BOX, 5 * t, 0.25 * t, precision)
    return path


def frames_like(kind: str) -> np.ndarray:
    """Positions (t, a, 3) in nm that XTC packs in different ways."""
    rng = np.random.default_rng(7)
    sites = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3) * 0.25
    lattice = sites + 0.005 * rng.normal(size=(4, *sites.shape))
    return {
        "crystal": lattice,
        "negative": lattice - 5.0,
        "molecules": (lattice[:, :, None] + 0.05 * rng.normal(size=(3, 3))).reshape(4, -1, 3),
        "chain": np.cumsum(0.02 * rng.normal(size=(4, 300, 3)), axis=1),
        "gas": 9.0 * rng.random((4, 300, 3)),
        "jumps": np.cumsum(0.003 * rng.standard_cauchy(size=(4, 2000, 3)), axis=1),
        "far apart": rng.random((4, 50, 3)) + 19999.0 * (np.arange(50) > 20)[:, None],
        "one place": np.full((4, 20, 3), 1.25),
        "ten atoms": rng.random((4, 10, 3)),
    }[kind]


@pytest.mark.parametrize("precision", [10.0, 1000.0, 1e5])
@pytest.mark.parametrize(
    "kind",
    ["crystal", "negative", "molecules", "chain", "gas", "jumps", "far apart", "one place"],
)
def test_xtc_holds_the_nearest_multiple_of_its_precision(tmp_path, kind, precision):
    """GROMACS rounds in single precision, so that very large numbers may be one or two off."""
    made = frames_like(kind)
    path = written_xtc(tmp_path / "a.xtc", made, precision)
    numbers = positions(path) / 10.0 * precision
    np.testing.assert_allclose(
        numbers, np.rint(numbers), atol=1e-6 * np.abs(numbers).max() + 1e-9
    )
    scaled = made.astype(np.float32) * precision
    assert np.abs(numbers - scaled).max() <= 0.5 + 2e-7 * np.abs(scaled).max()
    first = np.abs(numbers - made * precision)[0].max()
    assert opened(path).rounding >= 10.0 * first / precision


def test_few_atoms_are_not_packed(tmp_path):
    made = np.random.default_rng(0).random((4, 9, 3)).astype(np.float32)
    path = written_xtc(tmp_path / "a.xtc", made)
    np.testing.assert_array_equal(positions(path), made * np.float64(10.0))
    assert opened(path).precision_digits == 7


def test_xtc_describes_its_frames(tmp_path):
    path = written_xtc(tmp_path / "a.xtc", frames_like("ten atoms"), 500.0)
    found = opened(path)
    assert (found.n_frames, found.n_atoms, found.interval_ps) == (4, 10, 0.25)
    np.testing.assert_array_equal(found.steps, [0, 5, 10, 15])
    np.testing.assert_array_equal(found.read(1, 2).cells, [10.0 * BOX])
    assert "rounds positions to 0.02 Å" in str(found.notes)
    part = pickle.loads(pickle.dumps(found)).read(2, 4)
    np.testing.assert_array_equal(part.positions, found.read(2, 4).positions)


@pytest.mark.parametrize("real", ["f", "d"])
def test_trr_has_all_arrays_in_either_precision(tmp_path, real):
    rng = np.random.default_rng(1)
    made = [{name: rng.normal(size=(5, 3)) for name in "xvf"} for _ in range(3)]
    more = {name: rng.normal(size=(3, 3)) for name in ("vir", "pres")}
    path = tmp_path / "a.trr"
    text = b"".join(trr_frame(real, t, box=BOX, **more, **one) for t, one in enumerate(made))
    path.write_bytes(text)
    found = opened(path)
    block = found.read(0, 3)
    near = {"f": 1e-6, "d": 1e-15}[real]
    for name, got, unit in (
        ("x", block.positions, 10.0),
        ("v", block.velocities, 10.0),
        ("f", block.forces, 0.1 * KJ_PER_MOL),
    ):
        tolerance = near if name != "f" else 1e-6
        truth = np.array([one[name] for one in made]) * unit
        np.testing.assert_allclose(got, truth, rtol=tolerance)
    np.testing.assert_allclose(block.cells, [10.0 * BOX] * 3, rtol=near)
    assert (found.interval_ps, found.precision_digits) == (0.5, {"f": 7, "d": 15}[real])


def test_trr_is_read_as_by_the_library_of_gromacs(tmp_path):
    rng = np.random.default_rng(2)
    x, v, f = rng.normal(size=(3, 4, 20, 3)).astype(np.float32)
    with TRRFile(str(tmp_path / "a.trr"), "w") as file:
        for t in range(4):
            file.write(x[t], v[t], f[t], BOX, t, 0.5 * t, 0.0, 20)
    block = opened(tmp_path / "a.trr").read(0, 4)
    np.testing.assert_array_equal(block.positions, x * np.float64(10.0))
    np.testing.assert_array_equal(block.velocities, v * np.float64(10.0))
    np.testing.assert_allclose(block.forces, f * 0.1 * KJ_PER_MOL, rtol=1e-6)


def test_trr_frames_without_positions_are_refused(tmp_path):
    v = np.ones((5, 3))
    frames = [trr_frame("f", 0, box=BOX, x=v, v=v), trr_frame("f", 1, box=BOX, v=v)]
    (tmp_path / "a.trr").write_bytes(b"".join(frames))
    with pytest.raises(DataError, match=r"not every frame has positions .*a\.trr, frame 1"):
        opened(tmp_path / "a.trr")


def record(data: bytes, order: str) -> bytes:
    mark = struct.pack(order + "i", len(data))
    return mark + data + mark


def dcd(
    made: np.ndarray,
    order: str = "<",
    box: tuple[float, ...] = (),
    *,
    charmm: bool = True,
    axes: int = 3,
    fixed: int = 0,
    announced: int | None = None,
) -> bytes:
    """A file of positions (t, a, 3) in Å; the box is A, γ, B, β, α, C."""
    numbers = [0] * 20
    numbers[0] = len(made) if announced is None else announced
    numbers[1], numbers[2], numbers[8] = 100, 20, fixed
    # X-PLOR has the time step in double precision where CHARMM has the next two numbers.
    numbers[9] = numbers[10] = 77
    if charmm:
        numbers[10], numbers[11], numbers[19] = int(bool(box)), int(axes == 4), 24
    text = record(b"CORD" + struct.pack(order + "20i", *numbers), order)
    text += record(struct.pack(order + "i", 2) + b"*" * 160, order)
    text += record(struct.pack(order + "i", made.shape[1]), order)
    for frame in made:
        if box:
            text += record(struct.pack(order + "6d", *box), order)
        for axis in range(axes):
            text += record(frame[:, axis % 3].astype(order + "f4").tobytes(), order)
    return text


SOME = np.random.default_rng(3).normal(size=(4, 7, 3)).astype(np.float32)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("axes", [3, 4])
@pytest.mark.parametrize("box", [(), (8.0, 90.0, 9.0, 90.0, 90.0, 10.0)])
def test_dcd_is_read_in_every_layout(tmp_path, order, axes, box):
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, order, box, axes=axes))
    found = open_foreign([tmp_path / "a.dcd"], PLAIN, cell=10.0 * BOX)
    block = found.read(0, 4)
    np.testing.assert_array_equal(block.positions, SOME.astype(float))
    np.testing.assert_array_equal(found.steps, [100, 120, 140, 160])
    np.testing.assert_array_equal(block.cells[0], np.diag([8, 9, 10]) if box else 10.0 * BOX)


def test_dcd_of_x_plor_has_no_box(tmp_path):
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, charmm=False))
    found = open_foreign([tmp_path / "a.dcd"], PLAIN, cell=10.0 * BOX)
    np.testing.assert_array_equal(found.read(0, 4).positions, SOME.astype(float))


def test_angles_of_dcd_are_degrees_or_cosines(tmp_path):
    truth = MDAnalysis.lib.mdamath.triclinic_vectors([8, 9, 10, 80, 75, 65], dtype=float)
    cosines = np.cos(np.radians([65, 75, 80])).tolist()
    for gamma, beta, alpha in ((65.0, 75.0, 80.0), cosines):
        text = dcd(SOME, box=(8.0, gamma, 9.0, beta, alpha, 10.0))
        (tmp_path / "a.dcd").write_bytes(text)
        cells = opened(tmp_path / "a.dcd").read(0, 4).cells
        np.testing.assert_allclose(cells, [truth] * 4, atol=1e-12)


@pytest.mark.parametrize(
    "box",
    [
        (8.0, 90.0, 9.0, 90.0, 190.0, 10.0),
        (8.0, 90.0, -9.0, 90.0, 90.0, 10.0),
        (8.0, 30.0, 9.0, 30.0, 170.0, 10.0),
        (8.0, 90.0, 9.0, 90.0, float("nan"), 10.0),
    ],
)
def test_an_impossible_box_of_dcd_is_refused(tmp_path, box):
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, box=box))
    with pytest.raises(DataError, match="is not three lengths and three angles"):
        opened(tmp_path / "a.dcd")


def test_dcd_with_fixed_atoms_is_refused(tmp_path):
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, fixed=2))
    with pytest.raises(DataError, match="2 atoms are fixed"):
        opened(tmp_path / "a.dcd")


def test_fewer_frames_than_a_dcd_announces_are_noted(tmp_path):
    box = (8.0, 90.0, 9.0, 90.0, 90.0, 10.0)
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, box=box))
    assert "announces" not in str(opened(tmp_path / "a.dcd").notes)
    (tmp_path / "a.dcd").write_bytes(dcd(SOME, box=box, announced=9))
    assert "announces 9 frames and has 4" in str(opened(tmp_path / "a.dcd").notes)


def whole_file(name: str, folder: Path) -> Path:
    path = folder / name
    x = frames_like("gas")
    if name == "a.xtc":
        return written_xtc(path, x)
    if name == "a.trr":
        path.write_bytes(b"".join(trr_frame("f", t, box=BOX, x=x[t]) for t in range(4)))
    else:
        path.write_bytes(dcd(x * 10.0, box=(80.0, 90.0, 90.0, 90.0, 90.0, 100.0)))
    return path


@pytest.mark.parametrize("name", ["a.xtc", "a.trr", "a.dcd"])
def test_an_incomplete_last_frame_is_left_out_with_a_note(tmp_path, name):
    path = whole_file(name, tmp_path)
    text, truth = path.read_bytes(), positions(path)
    assert not any("not complete" in str(note) for note in opened(path, STRICT).notes)
    for n_bytes in (1, 40, 100, 1000):
        path.write_bytes(text[:-n_bytes])
        found = opened(path)
        np.testing.assert_array_equal(found.read(0, found.n_frames).positions, truth[:3])
        assert any("the last frame (number 3, " in str(note) for note in found.notes)
        with pytest.raises(DataError, match=r"frame \(number 3, .* is not complete"):
            opened(path, STRICT)
    path.write_bytes(text[: len(text) // 5])
    with pytest.raises(DataError, match="there is no other frame"):
        opened(path)


@pytest.mark.parametrize("name", ["a.xtc", "a.trr", "a.dcd"])
def test_a_head_of_a_frame_in_the_middle_is_checked(tmp_path, name):
    """Damage there must not end the run early in silence."""
    path = whole_file(name, tmp_path)
    text = bytearray(path.read_bytes())
    middle = {"a.xtc": b"\0\0\7\xcb", "a.trr": b"\0\0\7\xc9", "a.dcd": b"\x30\0\0\0"}[name]
    at = text.index(middle, len(text) // 2)
    text[at + 2] ^= 1
    path.write_bytes(text)
    with pytest.raises(DataError, match=rf"{name}, frame [23]"):
        opened(path)


def test_packed_positions_have_the_extremes_that_their_frame_states(tmp_path):
    """GROMACS stores the smallest and largest; they reveal many changed bits."""
    path = written_xtc(tmp_path / "a.xtc", frames_like("gas")[:1])
    text, truth = path.read_bytes(), positions(path)[0]
    bits = np.random.default_rng(0).integers(8 * 92, 8 * len(text) - 32, size=100)
    refused = 0
    for bit in bits.tolist():
        damaged = bytearray(text)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = positions(path)[0]
        except DataError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.min(axis=0), truth.min(axis=0))
            np.testing.assert_array_equal(found.max(axis=0), truth.max(axis=0))
    assert refused > 10
