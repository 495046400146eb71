"""Text → energies, spectra and lifetimes of all modes: time, memory, and programs beside ours.

Runs as large as these are not with the project: variables of the environment name them, and
without one its bench takes the run of the examples, or is skipped.

=================================  ==========================================================
``TRAJMODES_BENCH_DUMP``           dump of silicon, conventional cells of 5.431 Å, step of 1 fs
``TRAJMODES_BENCH_CONSTANTS``      results folder with its constants; else they are fitted
``TRAJMODES_BENCH_GAN``            dump of gallium nitride, step of 0.5 fs, with constants and
``TRAJMODES_BENCH_GAN_CONSTANTS``  cell of its own
``TRAJMODES_BENCH_GAN_CELL``
``TRAJMODES_BENCH_LARGE``          dump of 4 096 atoms, which is made where there is none
``TRAJMODES_BENCH_LARGE_FRAMES``   and so many frames of it
=================================  ==========================================================
"""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import scipy.fft

from bench.measuring import measured
from trajmodes.api.runs import open_run
from trajmodes.config.job import job_from_mapping
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.spectra import BandSpectra
from trajmodes.formats.registry import read_force_constants
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.project_job import project_only
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.lineshape.models import LineShape, Observed, model_of
from trajmodes.symmetry.translations import HalfSpace, build_supercell, cell_rank, half_space
from trajmodes.units import BOLTZMANN, DALTON

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
DIAMOND = (
    "0 0 0\n0 .5 .5\n.5 0 .5\n.5 .5 0\n.25 .25 .25\n.25 .75 .75\n.75 .25 .75\n.75 .75 .25\n"
)
COUNTED = ("open and match", "projection", "lines and lifetimes")
"""Stages from text to energies, spectra and lifetimes."""
LARGE_INTERVAL, LARGE_KELVIN, LARGE_GAMMA = 0.005, 300.0, 0.5


class CpuLog(Log):
    """Measures CPU seconds of each stage too, which depend less on other processes."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, *, has_bars: bool = False) -> Iterator[None]:
        start = time.process_time()
        with super().stage(name, has_bars=has_bars):
            yield
        self.cpu[name] = time.process_time() - start


class Took(NamedTuple):
    """Time of one job."""

    stages: dict[str, float]
    cpu_stages: dict[str, float]
    n_frames: int

    @property
    def counted(self) -> float:
        return sum(self.stages[name] for name in COUNTED)

    @property
    def cpu(self) -> float:
        return sum(self.cpu_stages[name] for name in COUNTED)

    def __str__(self) -> str:
        parts = ", ".join(
            f"{name} {seconds:.2f} ({self.cpu_stages[name]:.2f} of CPU)"
            for name, seconds in self.stages.items()
        )
        return f"{parts}; load {os.getloadavg()[0]:.1f}"


def say(text: str) -> None:
    print(f"\n{text}")  # noqa: T201 - a bench prints


def project(words: dict[str, object]) -> Took:
    """Project a run twice, and take the better time: the first one fills caches."""
    n_frames = open_run(
        words["trajectory"][0], cell=words["cell"], units="metal",
        timestep_fs=words["timestep_fs"],
    ).n_frames  # fmt: skip
    tries = []
    for _ in range(2):
        log = CpuLog()
        found = project_only(job_from_mapping(words), command="bench", log=log)
        tries.append(Took(dict(log.seconds), log.cpu, n_frames))
        assert np.isfinite(found.results.projection.energies.kinetic).all()
    return min(tries, key=lambda took: took.counted)


@pytest.fixture(scope="module")
def silicon(tmp_path_factory) -> dict[str, object]:
    """Words of a job on silicon."""
    folder = tmp_path_factory.mktemp("silicon")
    given, constants = (os.environ.get(f"TRAJMODES_BENCH_{x}") for x in ("DUMP", "CONSTANTS"))
    cell = EXAMPLES / "silicon.POSCAR"
    if given:
        cell = folder / "POSCAR"
        box = "5.431 0 0\n0 5.431 0\n0 0 5.431\n"
        cell.write_text(f"silicon\n1.0\n{box}Si\n8\nDirect\n{DIAMOND}")
    dump = given or str(EXAMPLES / "silicon.lammpstrj.xz")
    words = {"trajectory": (dump,), "cell": str(cell), "timestep_fs": 1.0, "units": "metal"}
    if constants is None:
        constants = str(folder / "fit")
        options = ["--cell", str(cell), "--timestep-fs", "1", "--units", "metal"]
        measured(["fit", dump, *options, "--cutoff", "5", "-o", constants])
    return {**words, "force_constants": constants}


@pytest.fixture(scope="module")
def nitride() -> dict[str, object]:
    """Words of a job on gallium nitride."""
    names = ("GAN", "GAN_CELL", "GAN_CONSTANTS")
    given = [os.environ.get(f"TRAJMODES_BENCH_{name}") for name in names]
    if None in given:
        pytest.skip("no run of gallium nitride is given")
    dump, cell, constants = given
    return {
        "trajectory": (dump,), "cell": cell, "force_constants": constants,
        "timestep_fs": 0.5, "units": "metal",
    }  # fmt: skip


def test_silicon_beside_dynasor(silicon, dynasors_seconds):
    """The target is 5 000 frames/s for 512 atoms on two cores."""
    took = project(silicon)
    words = {"cell": silicon["cell"], "units": "metal", "timestep_fs": 1.0}
    theirs = dynasors_seconds(open_run(silicon["trajectory"][0], **words))
    rate = took.n_frames / took.counted
    say(
        f"silicon, {took.n_frames} frames: {took.counted:.2f} s, {rate:.0f} frames/s, of CPU"
        f" {took.cpu:.2f} s ({took});"
        f" dynasor, in memory, projection alone: {1.0 / theirs:.0f} frames/s,"
        f" ratio {rate * theirs:.1f}"
    )


def test_gallium_nitride_beside_dynaphopy(nitride):
    """The target is 4 s for 108 atoms and 20 001 frames, fits included."""
    took = project(nitride)
    say(
        f"gallium nitride, {took.n_frames} frames: {took.counted:.2f} s, of CPU"
        f" {took.cpu:.2f} s ({took})"
    )
    theirs = dynaphopys_seconds(nitride)
    say(f"DynaPhoPy, velocities in memory: {theirs:.1f} s, ratio {theirs / took.counted:.1f}")


def dynaphopys_seconds(words: dict[str, object]) -> float:
    """Seconds for spectra and fits of all commensurate modes, once velocities are read."""
    dynaphopy = pytest.importorskip("dynaphopy")
    atoms = pytest.importorskip("dynaphopy.atoms")
    dynamics = pytest.importorskip("dynaphopy.dynamics")
    link = pytest.importorskip("dynaphopy.interface.phonopy_link")
    run = open_run(
        words["trajectory"][0], cell=words["cell"], units="metal",
        timestep_fs=words["timestep_fs"],
    )  # fmt: skip
    supercell, crystal = run.supercell, run.supercell.crystal
    repeat = np.rint(
        np.linalg.norm(supercell.cell, axis=1) / np.linalg.norm(crystal.cell, axis=1)
    ).astype(int)
    structure = atoms.Structure(
        positions=crystal.positions,
        cell=crystal.cell,
        masses=crystal.masses / DALTON,
        atomic_elements=list(crystal.species),
        primitive_matrix=np.eye(3),
    )
    apart = structure.get_positions(repeat)[:, None] - supercell.positions
    apart = apart @ np.linalg.inv(supercell.cell)
    order = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
    hessian = whole_hessian(read_force_constants(words["force_constants"]), supercell)
    constants = hessian[order][:, order]
    structure.set_force_constants(link.ForceConstants(constants, supercell=np.diag(repeat)))
    velocities = run.motion(0, run.n_frames).velocities[:, order].astype(complex)
    interval = run.trajectory.interval_ps
    start = time.perf_counter()
    series = dynamics.Dynamics(
        structure=structure,
        velocity=velocities,
        time=interval * np.arange(run.n_frames),
        supercell=supercell.cell,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        peer = dynaphopy.Quasiparticle(series)
        peer.parameters.silent = True
        found = peer.get_commensurate_points_data()
    assert len(found["q_points"]) == supercell.n_cells
    return time.perf_counter() - start


def whole_hessian(constants: ForceConstants, supercell: Supercell) -> np.ndarray:
    """Constants (a, a, 3, 3) between the atoms of a supercell."""
    sites, n = supercell.crystal.n_sites, supercell.n_atoms
    hessian = np.zeros((n, n, 3, 3))
    for c, cell in enumerate(supercell.cells):
        other = cell_rank(supercell, cell + constants.lattice) * sites + constants.second
        np.add.at(hessian, (c * sites + constants.first, other), constants.values)
    return hessian


def test_many_atoms(silicon, tmp_path):
    """At most 1.5 GB, and 1.5 times the time of 512 atoms for an atom and a frame."""
    n_frames = int(os.environ.get("TRAJMODES_BENCH_LARGE_FRAMES", "260"))
    dump = Path(os.environ.get("TRAJMODES_BENCH_LARGE", tmp_path / "large.lammpstrj"))
    constants = read_force_constants(silicon["force_constants"])
    matrix = np.rint(8 * 5.431 * np.linalg.inv(constants.crystal.cell)).astype(int)
    supercell = build_supercell(constants.crystal, matrix)
    if not dump.exists():
        write_dump(dump, constants, supercell, n_frames)
    large = {**silicon, "trajectory": (str(dump),)}
    options = ["--cell", silicon["cell"], "--force-constants", silicon["force_constants"]]
    options += ["--timestep-fs", "1", "--units", "metal", "-o", str(tmp_path / "modes")]
    whole, peak = measured(["project", str(dump), *options])
    small, took = project(silicon), project(large)
    n_small = open_run(
        silicon["trajectory"][0], cell=silicon["cell"], units="metal", timestep_fs=1.0
    ).supercell.n_atoms
    work, less = took.n_frames * supercell.n_atoms, small.n_frames * n_small
    wall, cpu = ((a / work) / (b / less) for a, b in (
        (took.counted, small.counted), (took.cpu, small.cpu),
    ))  # fmt: skip
    say(
        f"{supercell.n_atoms} atoms, {took.n_frames} frames: peak {peak:.0f} MB, command"
        f" {whole:.1f} s ({took});\n{n_small} atoms: ({small});\ntime per atom and frame"
        f" {1e6 * took.counted / work:.3f} µs, of the smaller run"
        f" {1e6 * small.counted / less:.3f} µs, ratio {wall:.2f}; of CPU {cpu:.2f}"
    )


def write_dump(
    path: Path, constants: ForceConstants, supercell: Supercell, n_frames: int
) -> None:
    """Write damped oscillators in a heat bath, with the modes of the constants, as a dump."""
    space = half_space(supercell)
    modes = modes_at(constants, space.qpoints, space.weights)
    moving = modes.omega > 0.1
    omega = np.where(moving, modes.omega, 1.0)
    step, kick = steps(omega)
    rng = np.random.default_rng(7)
    kets = (
        modes.vectors.reshape(*omega.shape, -1).swapaxes(1, 2)
        * space.phases.conj().repeat(3, axis=1)[..., None]
    )
    root = np.sqrt(supercell.masses)[:, None]
    one = np.where(moving, np.sqrt(BOLTZMANN * LARGE_KELVIN), 0.0)
    state = np.array([one / omega, one]) * waves(rng, omega.shape)
    edges = "".join(f"0 {edge:.10g}\n" for edge in np.diag(supercell.cell))
    head = f"{supercell.n_atoms}\nITEM: BOX BOUNDS pp pp pp\n{edges}"
    line = "%d 1" + 9 * " %.8g" + "\n"
    ids = np.arange(1.0, supercell.n_atoms + 1.0)[:, None]
    with path.open("w", encoding="utf-8") as file:
        for t in range(n_frames):
            q, v = state
            fields = [
                real_space(space, kets, one_of) for one_of in (q, v, -(modes.omega**2) * q)
            ]
            columns = [ids, supercell.positions + fields[0] / root, fields[1] / root]
            rows = np.hstack([*columns, fields[2] * root])
            file.write(
                f"ITEM: TIMESTEP\n{5 * t}\nITEM: NUMBER OF ATOMS\n{head}"
                "ITEM: ATOMS id type xu yu zu vx vy vz fx fy fz\n"
            )
            file.write((line * len(rows)) % tuple(rows.ravel()))
            noise = one * np.array([waves(rng, omega.shape), waves(rng, omega.shape)])
            state = np.einsum("xyqm,yqm->xqm", step, state)
            state += np.einsum("xyqm,yqm->xqm", kick, noise)


def steps(omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact propagator (2, 2, q, m) of a damped oscillator, and of the bath noise."""
    dt, gamma = LARGE_INTERVAL, LARGE_GAMMA
    shifted = np.sqrt(omega**2 - 0.25 * gamma**2)
    c, s = np.cos(shifted * dt), np.sin(shifted * dt) / shifted
    step = np.exp(-0.5 * gamma * dt) * np.array(
        [[c + 0.5 * gamma * s, s], [-(omega**2) * s, c - 0.5 * gamma * s]]
    )
    still = np.zeros((*omega.shape, 2, 2))
    still[..., 0, 0], still[..., 1, 1] = omega**-2.0, 1.0
    moved = np.moveaxis(step, (0, 1), (-2, -1))
    kick = np.linalg.cholesky(still - moved @ still @ moved.swapaxes(-1, -2))
    return step, np.moveaxis(kick, (-2, -1), (0, 1))


def waves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex numbers of mean square 1."""
    real, imaginary = np.sqrt(0.5) * rng.normal(size=(2, *shape))
    return real + 1j * imaginary


def real_space(space: HalfSpace, kets: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Mass-weighted field (a, 3) of amplitudes (q, m): the inverse of a projection."""
    supercell = space.supercell
    n_sites, shape = supercell.crystal.n_sites, supercell.shape
    half = (*shape[:2], shape[2] // 2 + 1)
    grid = np.zeros((np.prod(half), 3 * n_sites), complex)
    grid[space.bins] = (kets @ amplitudes[..., None])[..., 0]
    field = scipy.fft.irfftn(grid.reshape(*half, -1), shape, axes=(0, 1, 2), norm="ortho")
    return field.reshape(-1, 3)


def test_lines_of_every_shape():
    """The target is 500 sets/s, with one line, a Fano line, or two lines."""
    rng = np.random.default_rng(2)
    n_sets, interval = 200, 0.015
    omega = 2.0 * np.pi * rng.uniform(2.0, 16.0, n_sets)
    gamma = 2.0 * np.pi * 10 ** rng.uniform(-1.5, 0.0, n_sets)
    spectra = []
    for length in (512, 2048):
        bins = np.tile(np.arange(1, length // 2), (n_sets, 1))
        inside, ones = np.ones(bins.shape, bool), np.ones(bins.shape)
        observed = Observed(bins, inside, ones, ones[:, 0], length, interval)
        theta = np.stack([0.0 * omega, omega, np.log(gamma)], axis=1)
        line, _ = model_of(LineShape())(observed, theta)
        averages = 20.0 * 16384 / length
        power = np.pad(line * rng.gamma(averages, 1.0 / averages, line.shape), ((0, 0), (1, 1)))
        first = np.zeros(n_sets, dtype=int)
        spectra.append(BandSpectra(first, power, np.full(n_sets, averages), length, interval))
    for kind in ("oscillator", "fano", "two-oscillators"):
        for baseline in (False, True):
            seconds = []
            for _ in range(3):
                start = time.process_time()
                fits = fit_lines(spectra, omega, LineShape(kind, baseline))
                seconds.append(time.process_time() - start)
            assert np.isfinite(fits.linewidth).mean() > 0.5
            say(f"{kind}, baseline {baseline}: {n_sets / min(seconds):.0f} sets/s of CPU")
