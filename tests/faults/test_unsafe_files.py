"""Files that would run code, or expand beyond all memory, are refused and do neither."""

import gzip
import os
import pickle
import signal
import tracemalloc
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest
from ase.build import bulk

from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.formats.cell_file import load_crystal, read_atoms
from trajmodes.formats.open import open_trajectory
from trajmodes.formats.registry import (
    read_force_constants,
    read_supercell,
    write_force_constants,
)
from trajmodes.molecules.hessian import read_hessian
from trajmodes.readers.ase import read_with_ase
from trajmodes.symmetry.translations import build_supercell

pytestmark = pytest.mark.faults


class Canary:
    """An object whose unpickling makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path):
    """A file that code in another file would create; it must not exist at the end."""
    path = tmp_path / "code_was_run"
    yield path
    assert not path.exists()


def test_the_canary_detects_code(tmp_path):
    pickle.loads(pickle.dumps(Canary(tmp_path / "sung")))
    assert (tmp_path / "sung").exists()


@pytest.fixture
def folder(crystals, springs, tmp_path):
    """Force constants as phonopy and phono3py store them."""
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    for target in ("phonopy", "phono3py"):
        write_force_constants(
            springs(crystals["bcc"], 2.6), supercell, tmp_path / target, target
        )
    return tmp_path


def opened_as(path: Path) -> list:
    """All ways in which a yaml file of phonopy is read."""
    return [
        lambda: read_force_constants(path),
        lambda: read_force_constants(path.parent),
        lambda: read_supercell(path.parent),
        lambda: open_trajectory(path),
        lambda: load_crystal(path),
    ]


PYTHON = [
    "!!python/object/apply:os.mkdir ['{}']",
    "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{}']]",
    "!!python/object/new:os.mkdir ['{}']",
    "!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{}']",
]


@pytest.mark.parametrize("name", ["phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml"])
@pytest.mark.parametrize("line", PYTHON)
def test_a_yaml_file_runs_nothing(line, name, folder, mark):
    path = folder / "phonopy" / name
    text = (folder / "phonopy" / "phonopy_params.yaml").read_text()
    (folder / "phonopy" / "phonopy_params.yaml").unlink()
    path.write_text(f"{text}\nx: {line.format(mark)}\n")
    (folder / "phonopy" / "FORCE_CONSTANTS").unlink()
    for read in opened_as(path):
        with pytest.raises(DataError, match=r"requests a Python object(.|\n)*execute code"):
            read()


@pytest.mark.parametrize("program", ["phonopy", "phono3py"])
def test_a_yaml_file_beside_the_constants_runs_nothing(program, folder, mark):
    path = folder / program / f"{program}_params.yaml"
    path.write_text(f"x: {PYTHON[0].format(mark)}\n{path.read_text()}")
    constants = (
        folder / program / {"phonopy": "FORCE_CONSTANTS", "phono3py": "fc2.hdf5"}[program]
    )
    if program == "phono3py":
        constants = constants.rename(constants.with_name("force_constants.hdf5"))
    with pytest.raises(DataError, match=rf"Python object.*\n?.*{path.name}, line 1"):
        read_force_constants(constants)


def test_a_compressed_yaml_file_runs_nothing(folder, mark):
    path = folder / "phonopy_params.yaml.gz"
    path.write_bytes(gzip.compress(f"phonopy:\nx: {PYTHON[0].format(mark)}\n".encode()))
    with pytest.raises(DataError, match="requests a Python object"):
        open_trajectory(path)


BOMB = "a0: &a0 [0, 0]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12)
)
# A parser that limits the depth itself (PyYAML 6.0.4) may find it before ours does.
TOO_DEEP = "nested deeper|maximum nesting depth"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BOMB, "refers to other parts of itself"),
        ("x: " + "[" * 100_000, TOO_DEEP),
        ("x: " + "{a: " * 100_000, TOO_DEEP),
        ("x:\n" + "- " * 100_000 + "x\n", TOO_DEEP),
        ("x: " + "[ #]\n" * 100_000, TOO_DEEP + "|not YAML"),
        ("x: 2026-99-99\n", "not YAML"),
        ("supercell_matrix: [[90000, 0, 0], [0, 90000, 0], [0, 0, 90000]]\n", "supercell of"),
    ],
)
def test_a_yaml_file_cannot_expand(text, match, folder):
    path = folder / "phonopy" / "phonopy_params.yaml"
    path.write_text(f"{path.read_text()}\n{text}")
    tracemalloc.start()
    with pytest.raises(DataError, match=match):
        read_force_constants(folder / "phonopy" / "FORCE_CONSTANTS")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_a_pickled_trajectory_is_not_loaded(tmp_path, mark):
    path = tmp_path / "run.traj"
    path.write_bytes(b"PickleTrajectory" + pickle.dumps(Canary(mark)))
    with pytest.raises(TrajmodesError, match=r"run\.traj"):
        open_trajectory(path)
    with pytest.raises(TrajmodesError, match=r"run\.traj"):
        load_crystal(path)


@pytest.mark.parametrize("name", ["run.pckl", "run.pkl", "run.pickle", "run.npy", "run.py"])
def test_python_files_are_refused(name, tmp_path, mark):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Canary(mark)))
    if name == "run.py":
        path.write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    for read in (open_trajectory, load_crystal, lambda p: read_hessian(p, 1)):
        with pytest.raises(TrajmodesError, match=r"run\."):
            read(path)


def test_a_hessian_of_objects_is_refused(tmp_path, mark):
    path = tmp_path / "hessian.npy"
    np.save(path, np.array([[Canary(mark)]], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"allow_pickle=False|Python objects"):
        read_hessian(path, 1)


def test_a_hessian_that_announces_too_much_or_is_cut_is_refused(tmp_path):
    numbers = np.eye(6) * 12.345
    path = tmp_path / "hessian.npy"
    np.save(path, numbers)
    path.write_bytes(path.read_bytes().replace(b"(6, 6)", b"(9" + b"9" * 3 + b",9)"))
    tracemalloc.start()
    with pytest.raises(TrajmodesError, match=r"hessian\.npy"):
        read_hessian(path, 2)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    table = tmp_path / "hessian.txt"
    np.savetxt(table, numbers, fmt="%.6f")
    assert np.allclose(read_hessian(table, 2)[0], numbers)
    table.write_text(table.read_text().rstrip()[:-2])
    with pytest.raises(DataError, match="inside its last number"):
        read_hessian(table, 2)


def test_an_hdf5_file_of_objects_is_refused(folder, mark):
    path = folder / "phono3py" / "fc2.hdf5"
    path = path.rename(path.with_name("force_constants.hdf5"))
    with h5py.File(path, "r+") as file:
        del file["force_constants"]
        pickled = np.frombuffer(pickle.dumps(Canary(mark)), dtype=np.uint8)
        kind = h5py.opaque_dtype(np.dtype(f"V{len(pickled)}"))
        file["force_constants"] = np.full((1, 27, 3, 3), pickled.tobytes(), dtype=kind)
    with pytest.raises(DataError, match="cannot be read"):
        read_force_constants(path)


@pytest.mark.parametrize("suffix", ["db", "json", "aselmdb"])
def test_databases_are_refused_by_content_and_by_name(suffix, tmp_path):
    path = tmp_path / f"cell.{suffix}"
    path.write_text('{"1": {"numbers": [1]}}\n')
    for read in (open_trajectory, load_crystal):
        with pytest.raises(UsageError, match="this is a JSON file, not a"):
            read(path)
    path.write_text("no JSON\n")
    for read in (open_trajectory, load_crystal):
        with pytest.raises(UsageError, match=r"ASE's format “\w+” is not read(.|\n)*database"):
            read(path)


def test_a_file_named_like_a_server_is_a_file(tmp_path, monkeypatch):
    """ASE would take a relative path that begins so as the address of a database."""
    monkeypatch.chdir(tmp_path)
    ase.io.write(tmp_path / "cell.cif", bulk("Si"))
    Path("cell.cif").rename("postgres.cif")
    assert len(read_with_ase(Path("postgres.cif"))) == 2


@pytest.mark.parametrize("suffix", ["imd", "MEMORY", "chemfiles", "rdkit"])
def test_servers_and_objects_are_refused_by_name(suffix, tmp_path):
    path = tmp_path / f"run.{suffix}"
    path.write_text("localhost:8888\n")
    with pytest.raises(UsageError, match=r"MDAnalysis's format “\w+” is not read"):
        open_trajectory(path)


ENTITIES = (
    '<!ENTITY a0 "aaaaaaaaaa">\n'
    + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">\n' for n in range(9))
    + '<!ENTITY file SYSTEM "file:///etc/passwd">\n'
)


@pytest.mark.parametrize("name", ["vasprun.xml", "cell.xsd", "cell.xtd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp500"])
def test_entities_of_xml_are_refused(name, encoding, tmp_path):
    body = f"<!DOCTYPE modeling [\n{ENTITIES}]>\n<modeling>&a9;</modeling>\n"
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    path = tmp_path / name
    if encoding == "utf-16":
        path.write_bytes((head + body).encode(encoding))
    else:
        path.write_bytes(head.encode() + body.encode(encoding))
    with pytest.raises(TrajmodesError, match=r"defines an entity|not XML|UTF-16"):
        load_crystal(path)
    with pytest.raises(TrajmodesError, match=r"defines an entity|not XML|UTF-16"):
        open_trajectory(path)


CP2K = """&FORCE_EVAL
 &SUBSYS
  &CELL
   A 5.4 0 0
   B 0 5.4 0
   C 0 0 5.4
  &END CELL
  &COORD
   Si 0 0 0
   Si 1.35 1.35 1.35
  &END COORD
 &END SUBSYS
&END FORCE_EVAL
"""
GAMESS = (
    " $DATA\nSi2\nSI 14.0 0.0 0.0 0.0\n $END\n $GRAD\nE= -1.0\nSI 14.0 0.0 0.0 0.0\n $END\n"
)


@pytest.fixture
def alarm():
    """Ends a test that takes longer than 20 s with an error."""

    def ring(*_):
        raise TimeoutError("the file is read for ever")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 20.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize(
    ("name", "text", "end"), [("a.restart", CP2K, "SUBSYS\n"), ("a.dat", GAMESS, "$END\n")]
)
def test_files_that_ase_reads_for_ever_are_refused(tmp_path, name, text, end):
    path, whole = tmp_path / name, text.rindex(end) + len(end)
    for size in range(1, whole - len(end), 7):
        path.write_text(text[:size])
        with pytest.raises(TrajmodesError):
            open_trajectory(path)
        with pytest.raises(TrajmodesError):
            read_atoms(path)
    path.write_text(text)
    assert set(read_with_ase(path).get_chemical_symbols()) == {"Si"}


def bounded(read, match):
    """Whether a file is refused before memory is reserved for its announced contents."""
    tracemalloc.start()
    with pytest.raises(DataError, match=match):
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_counts_beyond_the_file_size_are_refused(folder, tmp_path):
    poscar = tmp_path / "POSCAR"
    poscar.write_text("x\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n900000000\ndirect\n0 0 0\n")
    bounded(lambda: load_crystal(poscar), "announces 900000000 atoms, but the file has")
    (tmp_path / "XDATCAR").write_text(poscar.read_text())
    bounded(lambda: open_trajectory(tmp_path / "XDATCAR"), "announces 900000000 atoms")
    whole = poscar.read_text().replace("900000000", "1")
    (tmp_path / "XDATCAR").write_text(whole + poscar.read_text())
    bounded(lambda: open_trajectory(tmp_path / "XDATCAR"), "announces 900000000 atoms")
    constants = folder / "phonopy" / "FORCE_CONSTANTS"
    constants.write_text("100000 100000\n1 1\n0 0 0\n")
    bounded(lambda: read_force_constants(constants), "the file ends where")


@pytest.mark.parametrize("shape", [(40000, 40000, 3, 3), (1, 27, 3, 3, 10**8)])
def test_an_hdf5_file_that_announces_too_much_is_refused(shape, folder):
    path = folder / "phono3py" / "fc2.hdf5"
    path = path.rename(path.with_name("force_constants.hdf5"))
    with h5py.File(path, "r+") as file:
        del file["force_constants"]
        file.create_dataset("force_constants", shape, "f8", chunks=(1,) * len(shape))
    bounded(lambda: read_force_constants(path), "force constants, but the cells require")


def test_a_trajmodes_file_that_announces_too_much_is_refused(crystals, springs, tmp_path):
    supercell = build_supercell(crystals["bcc"], np.diag([3, 3, 3]))
    write_force_constants(springs(crystals["bcc"], 2.6), supercell, tmp_path, "hdf5")
    path = tmp_path / "force_constants.h5"
    with h5py.File(path, "r+") as file:
        del file["pairs/values"]
        file.create_dataset("pairs/values", (10**9, 3, 3), "f8", chunks=(1000, 3, 3))
    bounded(
        lambda: read_force_constants(path), r"cannot be read: .*announces 72000000000 bytes"
    )


@pytest.mark.parametrize("read", [read_force_constants, load_crystal])
def test_yaml_of_more_than_a_gibibyte_is_not_read(read, tmp_path):
    path = tmp_path / "phonopy_params.yaml"
    path.write_text("phonopy:\nforce_constants:\n")
    os.truncate(path, (1 << 30) + 1)
    tracemalloc.start()
    with pytest.raises(DataError, match="GB of text"):
        read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e8
