"""The commands about modes, from a dump to their files and texts.

The run is of a triclinic crystal, where every mode is a set of its own: damped harmonic motion
at one temperature, exact at every frame.
"""

import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from scipy.linalg import cholesky, expm

from trajmodes.cli.program import main
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.results.outputs import TABLES
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN

N_FRAMES, INTERVAL_PS, KELVIN = 1500, 0.006, 150.0
GAP = (700, 760)
CUTOFF = 3.4
SUPERCELL = [[4, 0, 0], [0, 2, 0], [0, 1, 2]]
SAVED_MODES = {"1/4 0 0": (2, 5), "0 0 1/2": (9,), "3/4 0 0": (2,)}


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def done(*words: object) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def one_line(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, comment="#")


@pytest.fixture(scope="module", autouse=True)
def _few_figures():
    """Draw no figures: they have their own tests, and take the longest time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trajmodes.report.write.OUTPUTS", TABLES)
        yield


def damped(omega, friction, random) -> tuple[np.ndarray, np.ndarray]:
    """Coordinate and velocity (t, m) of Langevin oscillators, by their exact propagator."""
    n, kt = len(omega), BOLTZMANN * KELVIN
    turn, kick = np.empty((n, 2, 2)), np.empty((n, 2, 2))
    for m in range(n):
        turn[m] = expm(np.array([[0, 1], [-(omega[m] ** 2), -friction[m]]]) * INTERVAL_PS)
        spread = np.diag([kt / omega[m] ** 2, kt])
        kick[m] = cholesky(spread - turn[m] @ spread @ turn[m].T, lower=True)
    state = random.normal(size=(n, 2)) * np.sqrt(kt) * np.stack([1 / omega, omega**0], 1)
    states = []
    for noise in random.normal(size=(N_FRAMES, n, 2)):
        state = np.einsum("mij,mj->mi", turn, state) + np.einsum("mij,mj->mi", kick, noise)
        states.append(state)
    q, p = np.moveaxis(np.array(states), 2, 0)
    return q, p


@pytest.fixture(scope="module")
def frames(crystals, springs, hessian_of):
    """Supercell, and text of every row (t, a) with ids, positions, velocities and forces."""
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, SUPERCELL)
    hessian = hessian_of(springs(crystal, CUTOFF), supercell)
    root = np.sqrt(np.repeat(supercell.masses, 3))
    squares, vectors = np.linalg.eigh(hessian / np.outer(root, root))
    omega, vectors = np.sqrt(squares[3:]), vectors[:, 3:] / root[:, None]
    random = np.random.default_rng(5)
    # Some lines are narrower than the resolution of a run of 9 ps.
    friction = np.where(np.arange(len(omega)) % 5, 4.0, 0.02)
    q, p = damped(omega, friction, random)
    u, v = q @ vectors.T, p @ vectors.T
    f = -u @ hessian + random.normal(0.0, 0.02, u.shape)
    shape = (N_FRAMES, -1, 3)
    positions = supercell.positions + u.reshape(shape)
    fields = {"x": positions, "v": v.reshape(shape), "f": f.reshape(shape)}
    return supercell, fields


def dump(path: Path, frames, *, columns: str = "xvf", gap: tuple[int, int] = (0, 0)) -> Path:
    """A LAMMPS dump of the run, without some columns or some frames."""
    supercell, fields = frames
    names = {"x": "xu yu zu", "v": "vx vy vz", "f": "fx fy fz"}
    head = [
        "ITEM: NUMBER OF ATOMS",
        str(supercell.n_atoms),
        "ITEM: BOX BOUNDS abc origin pp pp pp",
        *(" ".join(f"{x:.17g}" for x in vector) + " 0" for vector in supercell.cell),
        "ITEM: ATOMS id element " + " ".join(names[column] for column in columns),
    ]
    rows = np.concatenate([fields[column] for column in columns], axis=2)
    form = " ".join(["%.12g"] * rows.shape[2])
    frame_form = "\n".join(f"{a + 1} {s} {form}" for a, s in enumerate(supercell.species))
    lines = ["ITEM: UNITS", "metal"]
    for t, frame in enumerate(rows):
        if not gap[0] <= t < gap[1]:
            lines += ["ITEM: TIMESTEP", str(6 * t), *head]
            lines.append(frame_form % tuple(frame.ravel()))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def world(frames, tmp_path_factory) -> Path:
    """Folder with the run, the run without velocities, the run with a gap, and the crystal."""
    folder = tmp_path_factory.mktemp("modes")
    dump(folder / "run.lammpstrj", frames)
    dump(folder / "still.lammpstrj", frames, columns="xf")
    dump(folder / "gap.lammpstrj", frames, gap=GAP)
    crystal = frames[0].crystal
    rows = [" ".join(f"{x:.17g}" for x in row) for row in (*crystal.cell, *crystal.sites)]
    text = ["crystal", "1.0", *rows[:3], "Si O", "1 2", "Direct", *rows[3:]]
    (folder / "POSCAR").write_text("\n".join(text) + "\n")
    return folder


@pytest.fixture(scope="module")
def fitted(world) -> Path:
    """Folder of `trajmodes fit`, with the constants for phonopy and TDEP beside."""
    cell = ["--cell", world / "POSCAR", "--timestep-fs", 1]
    done("fit", world / "run.lammpstrj", *cell, "--cutoff", CUTOFF, "-o", world / "fit")
    done("export", world / "fit", "--to", "phonopy", "--to", "tdep", "-o", world / "export")
    return world / "fit"


def on(fitted: Path, *more: object, run: str = "run", constants: Path | None = None) -> list:
    """Words after the name of a command that takes a run and constants."""
    path = fitted.parent / f"{run}.lammpstrj"
    return [path, "--force-constants", constants or fitted, "--timestep-fs", 1, *more]


EXTRA_OPTIONS = ["--energy-covariance", "--maximum-entropy", 20, "--line", "fano", "--baseline"]
SAVE_OPTIONS = [
    word
    for q, branches in SAVED_MODES.items()
    for word in ("--save-amplitudes", f"{q}:{','.join(map(str, branches))}")
]


@pytest.fixture(scope="module")
def projected(fitted) -> Path:
    """Folder of `trajmodes project` with all options."""
    folder = fitted.parent / "projected"
    options = [*EXTRA_OPTIONS, *SAVE_OPTIONS, "--path", "G X | 0,0,0 0,0,1/2"]
    text = done("project", *on(fitted, *options, "-o", folder), "-v")
    (folder / "output.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def plain(fitted) -> xr.Dataset:
    """Results of `trajmodes project` without options."""
    done("project", *on(fitted, "-o", fitted.parent / "plain"))
    return xr.load_dataset(fitted.parent / "plain" / "results.nc")


def same(left: xr.Dataset, right: xr.Dataset, tolerance: float = 0.0) -> int:
    """Compare all numbers that both have; return their count."""
    compared = 0
    for name in set(left.data_vars) & set(right.data_vars):
        one, two = left[name].values, right[name].values
        if np.issubdtype(one.dtype, np.number):
            assert one.shape == two.shape, name
            scale = np.nanmax(np.abs(two), initial=1e-300)
            np.testing.assert_allclose(one, two, atol=tolerance * scale, rtol=0, err_msg=name)
            compared += 1
    return compared


def test_the_run_is_not_trivial(plain):
    assert float(plain.temperature) == pytest.approx(KELVIN, rel=0.05)
    assert plain.sizes["set"] == 9 * 10 - 3
    assert 0.05 < float(plain.resolved.mean()) < 0.95


# --- which constants


@pytest.mark.parametrize("kind", ["folder", "FORCE_CONSTANTS", "alone", "tdep"])
def test_constants_of_other_programs_give_the_same(fitted, plain, tmp_path, kind):
    export, more = fitted.parent / "export", []
    path = {
        "folder": fitted,
        "FORCE_CONSTANTS": export / "phonopy" / "FORCE_CONSTANTS",
        "alone": tmp_path / "FORCE_CONSTANTS",
        "tdep": export / "tdep" / "outfile.forceconstant",
    }[kind]
    if kind == "alone":
        path.write_bytes((export / "phonopy" / "FORCE_CONSTANTS").read_bytes())
        without = call("project", *on(fitted, "-o", tmp_path / "out", constants=path))
        assert without.exit_code in (2, 3)
        assert "fix:" in without.stderr
        more = ["--cell", fitted.parent / "POSCAR"]
    done("project", *on(fitted, *more, "-o", tmp_path / "out", constants=path))
    found = xr.load_dataset(tmp_path / "out" / "results.nc")
    names = ["mode_freq_thz", "kinetic_mev", "freq_spectrum_thz"]
    # Files of force constants do not contain the reference sites, which matters at Γ.
    names += [] if kind == "alone" else ["potential_mev"]
    for name in names:
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("strain", "code"), [(0.01, 0), (0.08, 3)])
def test_constants_of_another_volume_are_warned_of_or_refused(fitted, tmp_path, strain, code):
    known = read_force_constants(fitted)
    crystal = replace(known.crystal, cell=known.crystal.cell / (1.0 + strain))
    moved = replace(known, crystal=crystal)
    write_force_constants(moved, build_supercell(crystal, SUPERCELL), tmp_path / "fc", "hdf5")
    words = on(fitted, "-o", tmp_path / "out", constants=tmp_path / "fc")
    result = call("project", *words, "-v")
    assert result.exit_code == code, result.output
    if code == 0:
        assert "differs by +1.00% in length and +3.03% in volume" in one_line(result.stdout)
    else:
        assert "lengths differ by +8.0%" in one_line(result.stderr)
        assert not (tmp_path / "out" / "results.nc").exists()


@pytest.fixture(scope="module")
def whole(fitted) -> xr.Dataset:
    """Results of `trajmodes run`."""
    folder = fitted.parent
    cell = ["--cell", folder / "POSCAR", "--timestep-fs", 1, "--cutoff", CUTOFF]
    done("run", folder / "run.lammpstrj", *cell, "-o", folder / "whole")
    return xr.load_dataset(folder / "whole" / "results.nc")


def test_the_numbers_are_those_of_the_run_that_fitted_the_constants(plain, whole):
    for name in ("mode_freq_thz", "temperature", "kinetic_mev", "linewidth_thz"):
        np.testing.assert_allclose(plain[name], whole[name], rtol=1e-6, atol=1e-6)
    # A shift of the reference is a wave at Γ alone.
    away = np.abs(whole.set_q.values).max(axis=1) > 0
    ours, theirs = (one.potential_mev.values[away] for one in (plain, whole))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_displacements_are_counted_from_the_same_sites(plain, whole):
    np.testing.assert_allclose(plain.sites, whole.sites, atol=1e-6)
    np.testing.assert_allclose(plain.potential_mev, whole.potential_mev, rtol=1e-5)


# --- what can be asked for


def test_saved_amplitudes_have_the_energies_of_the_table(projected):
    series = xr.load_dataset(projected / "amplitudes.nc")
    assert series.sizes["frame"] == N_FRAMES
    np.testing.assert_allclose(np.diff(series.time), INTERVAL_PS, rtol=1e-9)
    chosen = [(q, m) for q, branches in SAVED_MODES.items() for m in branches]
    assert series.branch.values.tolist() == [m for _, m in chosen]
    energies = table(projected / "tables" / "energies.csv").set_index(
        ["q_a", "q_b", "q_c", "branch"]
    )
    kinetic = 0.5e3 * (series.Qdot**2).sum("part").mean("frame").values
    # In the table 3/4 is 1/4, and 1/2 is -1/2.
    listed = [(0.25, 0, 0, 2), (0.25, 0, 0, 5), (0, 0, -0.5, 9), (0.25, 0, 0, 2)]
    theirs = [energies.loc[key, "mode_kinetic_mev"] for key in listed]
    np.testing.assert_allclose(kinetic, theirs, rtol=1e-8)


def test_opposite_waves_are_conjugate_and_velocities_are_derivatives(projected):
    series = xr.load_dataset(projected / "amplitudes.nc")
    q, v = (series[name].values @ np.array([1.0, 1j]) for name in ("Q", "Qdot"))
    np.testing.assert_allclose(q[:, 3], q[:, 0].conj(), rtol=1e-12)
    # White noise on the velocities is what central differences cannot follow.
    apart = np.gradient(q[:, 0], INTERVAL_PS)[1:-1] - v[1:-1, 0]
    assert np.sqrt(np.mean(np.abs(apart) ** 2) / np.mean(np.abs(v[:, 0]) ** 2)) < 0.1


def test_energies_of_pairs_of_modes_are_kept(projected):
    found = xr.load_dataset(projected / "results.nc")
    correlation = found.energy_correlation.values
    np.testing.assert_allclose(correlation, correlation.T, atol=1e-12)
    apart = ~np.eye(len(correlation), dtype=bool)
    # Independent oscillators: 1 of a mode with itself, none with the others.
    assert abs(np.mean(correlation[apart])) < 0.05
    assert found.energy_covariance_mev2.dims == ("qpoint", "branch", "qpoint_2", "branch_2")
    assert (projected / "tables" / "energy_correlation.csv").exists()


def test_maximum_entropy_spectra_hold_the_kinetic_energy(projected):
    found = xr.load_dataset(projected / "results.nc")
    assert int(found.entropy_order) == 20
    step = float(found.entropy_freq_thz[1] - found.entropy_freq_thz[0])
    area = found.power_entropy.sum("entropy_freq_thz") * step * 1e3
    # The half-overlapping segments of a short run do not weigh all frames alike.
    np.testing.assert_allclose(area, found.kinetic_mev, rtol=0.25)
    assert float((area / found.kinetic_mev).mean()) == pytest.approx(1.0, abs=0.03)
    peak = found.entropy_freq_thz[found.power_entropy.argmax("entropy_freq_thz")]
    assert np.median(np.abs(peak.values - found.freq_harmonic_thz.values)) < 0.3


def test_asymmetric_lines_and_baselines_are_fitted(projected, plain):
    found = xr.load_dataset(projected / "results.nc")
    assert np.isfinite(found.line_asymmetry).sum() > 10
    height = found.line_power.max("line_bin").values
    small = np.abs(found.line_baseline.values) < height
    assert small[np.isfinite(found.line_baseline)].all()
    for name in ("line_asymmetry", "line_baseline"):
        assert name not in plain or plain[name].isnull().all()


def test_the_path_is_the_given_one(projected):
    found = xr.load_dataset(projected / "results.nc")
    assert found.tick_label.values.tolist() == ["Γ", "X|0 0 0", "0 0 1/2"]
    np.testing.assert_allclose(found.path_q[-1], [0, 0, 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("G Q", '"Q" is not a point of the zone'),
        ("G", "fewer than two points"),
        ("G X | X", "fewer than two points"),
        ("X X", "has the point X twice in a row"),
        ("0,0 1/2,0", "is not a point of the zone"),
    ],
)
def test_an_invalid_path_is_refused(fitted, tmp_path, path, words):
    result = call("project", *on(fitted, "--path", path, "-o", tmp_path / "out"))
    assert result.exit_code == 2
    assert words in one_line(result.stderr)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("1/4 0 0:10", "names a branch that does not exist"),
        ("1/3 0 0:1", "not commensurate with the supercell"),
        ("1/4 0 0", "does not name a mode"),
    ],
)
def test_an_unknown_mode_is_refused(fitted, tmp_path, mode, words):
    result = call("project", *on(fitted, "--save-amplitudes", mode, "-o", tmp_path / "out"))
    assert result.exit_code == 2
    assert words in one_line(result.stderr)


def test_a_job_file_says_the_same_as_the_command_line(fitted, projected):
    settings = tomllib.loads((projected / "run.toml").read_text())
    wanted = {
        "force_constants": str(fitted),
        "energy_covariance": True,
        "maximum_entropy": 20,
        "line": "fano",
        "baseline": True,
        "save_amplitudes": ["1/4 0 0:2,5", "0 0 1/2:9", "3/4 0 0:2"],
        "path": "G X | 0,0,0 0,0,1/2",
    }
    assert {name: settings[name] for name in wanted} == wanted
    folder = fitted.parent / "again"
    done("project", projected / "run.toml", "-o", folder)
    first, second = (xr.load_dataset(path / "results.nc") for path in (projected, folder))
    assert same(first, second) > 60
    saved = [xr.load_dataset(path / "amplitudes.nc") for path in (projected, folder)]
    xr.testing.assert_identical(*saved)


# --- runs that lack something


def test_velocities_by_differences_give_the_same_energies(fitted, plain):
    folder = fitted.parent / "still"
    text = one_line(done("project", *on(fitted, "-o", folder, run="still"), "-v"))
    assert "the run has no velocities: differences of positions are used" in text
    found = xr.load_dataset(folder / "results.nc")
    # Differences lose the wings of damped motion at high frequencies.
    assert float(found.temperature) == pytest.approx(float(plain.temperature), rel=0.02)
    apart = found.kinetic_mev / plain.kinetic_mev - 1.0
    assert abs(float(apart.mean())) < 0.02
    assert 0.0 < np.abs(apart).max() < 0.1


def test_a_gap_leaves_fewer_segments(fitted, plain):
    folder = fitted.parent / "gap-out"
    words = ["--resolution-thz", 1, "-o"]
    done("project", *on(fitted, *words, folder, run="gap"))
    done("project", *on(fitted, *words, fitted.parent / "nogap"))
    gap, whole = (
        xr.load_dataset(fitted.parent / name / "results.nc") for name in ("gap-out", "nogap")
    )
    assert (gap.averages < whole.averages).all()
    assert (gap.averages > 0.8 * whole.averages).all()
    assert int(gap.segment_frames) == int(whole.segment_frames)
    assert int(whole.n_frames) == N_FRAMES
    assert float(gap.temperature) == pytest.approx(float(plain.temperature), rel=0.02)


# --- sed, modes, movie


def test_sed_over_sites_is_sed_over_branches(fitted):
    folder = fitted.parent / "sed"
    text = done("sed", *on(fitted, "--path", "G X", "-o", folder))
    assert "3 points of the path" in one_line(text)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    wanted = "results.nc tables/sed.csv tables/bands.csv figures/sed.png"
    assert {*wanted.split(), "figures/sed_branches.png"} <= names
    found = xr.load_dataset(folder / "results.nc")
    sites = found.map_site_power.sum(["site", "xyz"]).values
    branches = found.map_branch_power.sum("branch").values
    np.testing.assert_allclose(sites[1:], branches[1:], atol=1e-9 * branches.max(), rtol=0)
    assert found.map_q.values[:, 0].tolist() == [0.0, 0.25, -0.5]
    np.testing.assert_allclose(found.map_power, branches, rtol=1e-12)


@pytest.mark.parametrize(
    ("every", "with_constants", "words"),
    [
        (9, False, "the highest frequency is above"),
        (6, False, "give --force-constants, or write frames more often"),
        (6, True, "the frames are too far apart for the lines of"),
        (1, False, ""),
        (1, True, ""),
    ],
)
def test_sed_warns_of_frames_too_far_apart(fitted, every, with_constants, words):
    """Every sixth frame resolves 14 THz, every ninth 9 THz, and the crystal has 20 THz."""
    cell = ["--cell", fitted.parent / "POSCAR", "--timestep-fs", 1]
    run = on(fitted) if with_constants else [fitted.parent / "run.lammpstrj", *cell]
    folder = fitted.parent / f"sed-far-{every}-{with_constants}"
    thinned = ["--path", "G X", "--frames", f"::{every}", "-o", folder]
    text = one_line(done("sed", *run, *thinned))
    assert words in text
    phrases = ("are lost", "wrong frequencies")
    assert any(one in text for one in phrases) == bool(words)


def test_sed_needs_neither_constants_nor_velocities(fitted):
    maps = {}
    for run in ("run", "still"):
        folder = fitted.parent / f"sed-{run}"
        cell = ["--cell", fitted.parent / "POSCAR", "--timestep-fs", 1, "--path", "G X"]
        done("sed", fitted.parent / f"{run}.lammpstrj", *cell, "-o", folder)
        maps[run] = xr.load_dataset(folder / "results.nc")
        assert not (folder / "tables" / "bands.csv").exists()
        assert "map_branch_power" not in maps[run]
        sites = maps[run].map_site_power.sum(["site", "xyz"])
        np.testing.assert_allclose(sites, maps[run].map_power, rtol=1e-9)
    area = [one.map_power.integrate("map_freq_thz").values for one in maps.values()]
    # Nine branches, of ½ k_BT each.
    assert area[0][1:].mean() == pytest.approx(9 * BOLTZMANN * KELVIN / 2, rel=0.3)
    np.testing.assert_allclose(area[1][1:], area[0][1:], rtol=0.05)


def rows(text: str) -> list[str]:
    """Rows of sets, without head and legend."""
    return [line for line in text.splitlines() if line[:3].strip().isdecimal()]


def test_modes_lists_every_set(fitted, plain):
    text = done("modes", fitted.parent / "plain")
    head = text.splitlines()[0].split()
    assert head[:4] == ["set", "q", "br.", "harmonic"]
    assert head[-1] == "verdict"
    assert {"FWHM", "τ", "energy"} < set(head)
    assert [int(row.split()[0]) for row in rows(text)] == list(range(plain.sizes["set"]))
    assert done("modes", fitted.parent / "plain" / "results.nc") == text


def test_modes_can_leave_out_and_sort(fitted, plain):
    known = (plain.resolved.values + plain.energy_resolved.values) > 0
    text = done("modes", fitted.parent / "plain", "--resolved", "--sort", "lifetime")
    order = [int(row.split()[0]) for row in rows(text)]
    assert sorted(order) == np.flatnonzero(known).tolist()
    assert f"not listed: {(~known).sum()} sets" in one_line(text)
    life = plain.lifetime_ps.fillna(plain.lifetime_energy_ps).values[order]
    assert all(one >= two for one, two in pairwise(life))
    text = done("modes", fitted.parent / "plain", "--sort", "frequency")
    order = [int(row.split()[0]) for row in rows(text)]
    assert order == np.argsort(plain.freq_harmonic_thz.values).tolist()


def test_modes_of_a_fit_are_refused(fitted):
    result = call("modes", fitted)
    assert result.exit_code == 3
    assert "no projection on the modes" in result.stderr


def test_a_movie_is_read_by_ase(fitted, tmp_path):
    path = tmp_path / "mode.xyz"
    words = ["--frames", 12, "--amplitude", 0.2, "-o", path]
    text = one_line(done("movie", fitted, "1/4 0 0:4", *words))
    images = ase.io.read(path, index=":")
    # A wave of four cells of three atoms.
    assert [len(image) for image in images] == [12] * 12
    assert "12 frames of 12 atoms" in text
    positions = np.array([image.positions for image in images])
    away = positions - 0.5 * (positions[0] + positions[6])
    assert np.linalg.norm(away, axis=2).max() == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("1/4 0 0:14", "names a branch that does not exist"),
        ("1/4 0 0:all", "a movie shows one mode"),
        ("Q:1", "is not a point of the zone"),
    ],
)
def test_a_movie_of_an_unknown_mode_is_refused(fitted, tmp_path, mode, words):
    result = call("movie", fitted, mode, "-o", tmp_path / "mode.xyz")
    assert result.exit_code == 2
    assert words in one_line(result.stderr)
    assert not (tmp_path / "mode.xyz").exists()
