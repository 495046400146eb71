"""Crystals that are not perfect: isotopes, alloys, vacancies, interstitials.

The boxes move harmonically, in the exact modes of their own dynamical matrix, with the masses
and the springs that they have. The waves of the perfect crystal unfold this motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from ase.build import bulk

import trajmodes as tm
from trajmodes.config.job import Job
from trajmodes.data.crystal import Supercell
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.modes import modes_at
from trajmodes.project.projector import Projector
from trajmodes.report.summary import render, text_of
from trajmodes.results.dataset import to_dataset
from trajmodes.results.tables import density_table
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.units import BOLTZMANN, DALTON, THZ

N_FRAMES, INTERVAL_PS, KELVIN = 4000, 0.008, 20.0


@dataclass(frozen=True)
class Box:
    """A box of a crystal with given atoms on its sites, in harmonic motion."""

    supercell: Supercell
    hessian: np.ndarray
    """(3n, 3n) of the atoms that are there."""
    atoms: np.ndarray
    """(n,) their sites in canonical order."""
    masses: np.ndarray
    species: Sequence[str]
    omega: np.ndarray
    waves: np.ndarray
    """(3n, m) mass-weighted modes without the translations."""
    interval_ps: float = INTERVAL_PS

    def fields(self, n_frames=N_FRAMES, seed=1):
        """Displacements, velocities and forces (t, n, 3)."""
        random = np.random.default_rng(seed)
        phase = random.uniform(0.0, 2.0 * np.pi, len(self.omega))
        angle = self.omega * self.interval_ps * np.arange(n_frames)[:, None] + phase
        size = np.sqrt(2.0 * BOLTZMANN * KELVIN)
        root = np.sqrt(np.repeat(self.masses, 3))
        u = size * np.cos(angle) / self.omega @ self.waves.T / root
        v = -size * np.sin(angle) @ self.waves.T / root
        return tuple(x.reshape(n_frames, -1, 3) for x in (u, v, -u @ self.hessian))

    def run(self, n_frames=N_FRAMES, *, extra=None, shuffle=True, offset=0.0, **options):
        """The run, its atoms in another order, one more if its position (3,) is given."""
        u, v, f = self.fields(n_frames)
        x = self.supercell.positions[self.atoms] + u + offset
        species, masses = list(self.species), self.masses
        if extra is not None:
            more = np.zeros((n_frames, 1, 3))
            x = np.concatenate([more + extra, x], axis=1)
            v, f = (np.concatenate([more, one], axis=1) for one in (v, f))
            species, masses = [species[0], *species], np.concatenate([[masses[0]], masses])
        order = np.random.default_rng(3).permutation(len(species)) if shuffle else slice(None)
        return tm.from_arrays(
            x[:, order],
            self.supercell.cell,
            np.array(species)[order].tolist(),
            velocities=v[:, order],
            forces=f[:, order],
            masses_da=masses[order] / DALTON,
            interval_ps=self.interval_ps,
            cell=self.supercell.crystal.to_ase(),
            **options,
        )


def box_of(hessian_of, constants, matrix, *, masses_da=None, species=None, empty=()) -> Box:
    """Make a box; springs to empty sites are cut."""
    supercell = build_supercell(constants.crystal, matrix)
    n = supercell.n_atoms
    atoms = np.setdiff1d(np.arange(n), empty)
    pairs = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
    pairs = pairs[np.ix_(atoms, atoms)].copy()
    own = np.arange(len(atoms))
    pairs[own, own] = 0.0
    pairs[own, own] = -pairs.sum(axis=1)
    hessian = pairs.swapaxes(1, 2).reshape(3 * len(atoms), -1)
    masses = supercell.masses if masses_da is None else np.asarray(masses_da) * DALTON
    masses = masses[atoms]
    root = np.sqrt(np.repeat(masses, 3))
    square, waves = np.linalg.eigh(hessian / root / root[:, None])
    species = supercell.species if species is None else species
    names = [species[a] for a in atoms]
    omega = np.sqrt(square[3:])
    return Box(supercell, hessian, atoms, masses, names, omega, waves[:, 3:])


def isotopes(supercell: Supercell, share=0.25, ratio=1.3) -> np.ndarray:
    """Masses in Da, some of them of a heavier isotope."""
    heavy = np.random.default_rng(5).random(supercell.n_atoms) < share
    return supercell.masses / DALTON * np.where(heavy, ratio, 1.0)


@pytest.fixture(scope="module")
def constants(crystals, springs):
    return springs(crystals["diamond"], 4.0)


@pytest.fixture(scope="module")
def small(constants) -> Supercell:
    return build_supercell(constants.crystal, 2 * np.eye(3, dtype=int))


def waves_of(run, constants):
    """Amplitudes of all fields of a run, and the weights of its q points."""
    space = half_space(run.supercell)
    of_mean = replace(constants, crystal=run.supercell.crystal)
    modes = modes_at(of_mean, space.qpoints, space.weights)
    found = Projector(space, modes).project(run.scaled_motion(0, run.n_frames))
    return found, space.weights


@pytest.mark.parametrize("kind", ["isotopes", "alloy", "vacancy", "interstitial"])
def test_energies_of_all_waves_are_those_of_the_atoms(hessian_of, constants, small, kind):
    masses, species, empty, extra = isotopes(small), None, (), None
    if kind != "isotopes":
        species = ["Ge" if a % 5 == 0 else "Si" for a in range(small.n_atoms)]
    if kind == "vacancy":
        empty = (7,)
    if kind == "interstitial":
        extra = 0.5 * small.crystal.cell.sum(axis=0) + 0.02
    box = box_of(
        hessian_of, constants, small.matrix, masses_da=masses, species=species, empty=empty
    )
    run = box.run(300, extra=extra, imperfect=True)
    found, weights = waves_of(run, constants)
    u, v, f = box.fields(300)
    kinetic = 0.5 * np.einsum("a,tax,tax->t", box.masses, v, v)
    waves = 0.5 * np.einsum("q,qmt->t", weights, np.abs(found.velocity) ** 2)
    assert np.abs(waves / kinetic - 1.0).max() < 1e-10
    if kind == "isotopes":
        work = np.einsum("tax,tax->t", u, f)
    else:
        # Both are counted from their means.
        work = np.einsum("tax,tax->t", u - u.mean(axis=0), f - f.mean(axis=0))
    virial = np.einsum("q,qmt->t", weights, (found.coordinate.conj() * found.force).real)
    assert np.abs(virial - work).max() < 1e-9 * np.abs(work).max()


def unfolded(box, run, constants):
    """Weights (q, m, n) of the exact modes of a box in the waves of the perfect crystal."""
    space, supercell = half_space(run.supercell), run.supercell
    crystal = supercell.crystal
    modes = modes_at(replace(constants, crystal=crystal), space.qpoints, space.weights)
    reduced = (supercell.cells[:, None] + crystal.sites).reshape(-1, 3)[box.atoms]
    phases = np.exp(-2j * np.pi * space.qpoints @ reduced.T) / np.sqrt(supercell.n_cells)
    vectors = modes.vectors[:, :, box.atoms % crystal.n_sites].conj()
    waves = box.waves.reshape(len(box.atoms), 3, -1)
    return np.abs(np.einsum("qa,qmax,axn->qmn", phases, vectors, waves)) ** 2


@pytest.mark.parametrize("empty", [(), (3,)])
def test_peaks_are_those_of_the_exact_modes_unfolded(hessian_of, constants, small, empty):
    box = box_of(
        hessian_of, constants, small.matrix, masses_da=isotopes(small, ratio=2.0), empty=empty
    )
    run = box.run(imperfect=True)
    found, weights = waves_of(run, constants)
    exact = unfolded(box, run, constants)
    # The waves are complete: every mode of the box is spread over them.
    assert np.einsum("q,qmn->n", weights, exact) == pytest.approx(1.0)
    window = np.hanning(N_FRAMES)
    power = np.abs(np.fft.fft(found.velocity * window)) ** 2
    power = power[..., : N_FRAMES // 2] + power[..., :0:-1][..., : N_FRAMES // 2]
    peak_thz = np.fft.fftfreq(N_FRAMES, INTERVAL_PS)[power.argmax(axis=-1)]
    largest = np.sort(exact, axis=-1)
    sharp = largest[..., -1] > 2.0 * largest[..., -2]
    assert sharp.sum() > 5
    expected_thz = box.omega[exact.argmax(axis=-1)] / THZ
    resolution_thz = 2.0 / (N_FRAMES * INTERVAL_PS)
    assert np.abs(peak_thz - expected_thz)[sharp].max() < resolution_thz


def test_what_is_on_the_sites_is_reported(hessian_of, constants, small):
    species = ["Ge" if a in (2, 9, 11) else "Si" for a in range(small.n_atoms)]
    box = box_of(hessian_of, constants, small.matrix, species=species, empty=(4,))
    place = 0.5 * small.crystal.cell.sum(axis=0)
    run = box.run(50, extra=place, imperfect=True)
    occupation = run.match.occupation
    assert occupation.composition == {"Si": {"Si": 12, "Ge": 3, "": 1}}
    assert (occupation.n_vacancies, occupation.n_extra) == (1, 1)
    assert occupation.species.index("") == 4 or occupation.masses.min() == 0.0
    assert np.ptp(run.supercell.crystal.masses) == 0.0
    texts = [str(note) for note in run.notes]
    assert any("12 Si, 3 Ge" in text or "3 Ge, 12 Si" in text for text in texts)
    assert any("1 atoms are on no site and are left out" in text for text in texts)


def test_temperature_counts_the_atoms_that_are_there(hessian_of, constants, small):
    box = box_of(hessian_of, constants, small.matrix, empty=(4,))
    run = box.run(400, imperfect=True)
    kelvin = run.diagnosis.figures["kinetic temperature"].value
    assert kelvin == pytest.approx(KELVIN, rel=0.02)


def test_alloy_of_a_compound_replaces_one_element(crystals, springs, hessian_of):
    salt = springs(crystals["rock salt"], 4.5)
    supercell = build_supercell(salt.crystal, 2 * np.eye(3, dtype=int))
    species = list(supercell.species)
    species[0], species[6] = "K", "K"
    box = box_of(hessian_of, salt, supercell.matrix, species=species)
    run = box.run(50, imperfect=True)
    assert run.match.occupation.composition == {"Na": {"K": 2, "Na": 6}, "Cl": {"Cl": 8}}


def test_imperfect_crystals_are_refused_unless_asked_for(hessian_of, constants, small):
    masses = isotopes(small)
    with pytest.raises(DataError, match=r"differ in mass(.|\n)*--imperfect"):
        box_of(hessian_of, constants, small.matrix, masses_da=masses).run(50)
    with pytest.raises(DataError, match=r"integer number(.|\n)*--imperfect"):
        box_of(hessian_of, constants, small.matrix, empty=(3,)).run(50)


def test_a_cell_of_displaced_atoms_may_lack_an_element_of_the_run(tmp_path):
    """An impurity in a crystal whose cell file is a snapshot without it."""
    atoms, random = bulk("Si", cubic=True) * (2, 2, 2), np.random.default_rng(1)
    names = ["Ge" if k == 5 else "Si" for k in range(len(atoms))]
    positions = atoms.positions + random.normal(scale=0.01, size=(20, len(atoms), 3))
    atoms.positions += random.normal(scale=0.02, size=atoms.positions.shape)
    atoms.write(tmp_path / "POSCAR", format="vasp")
    box = np.array(atoms.cell)
    run = tm.from_arrays(
        positions, box, names, interval_ps=0.01, cell=tmp_path / "POSCAR", imperfect=True
    )
    assert run.match.occupation.species.count("Ge") == 1


def test_too_many_empty_sites_are_refused(hessian_of, constants, small):
    box = box_of(hessian_of, constants, small.matrix, empty=(1, 4, 10))
    with pytest.raises(DataError):
        box.run(50, imperfect=True)


def test_fits_refuse_atoms_without_a_site(hessian_of, constants, small):
    box = box_of(hessian_of, constants, small.matrix)
    run = box.run(50, extra=0.5 * small.crystal.cell.sum(axis=0), imperfect=True)
    with pytest.raises(DataError, match="1 atoms of the run are on no site"):
        run.fit()


def test_fits_with_empty_sites_need_a_cutoff(hessian_of, constants, small):
    box = box_of(hessian_of, constants, small.matrix, empty=(4,))
    with pytest.raises(UsageError, match="some sites are empty"):
        box.run(50, imperfect=True).fit()


def test_constants_beside_a_vacancy_are_exact(hessian_of, constants):
    """Springs to the empty site are cut, and the self terms of its neighbours with them."""
    matrix = 3 * np.eye(3, dtype=int)
    run = box_of(hessian_of, constants, matrix, empty=(11,)).run(300, imperfect=True)
    fitted = run.fit(cutoff2=4.0)
    found, wanted = (hessian_of(one, run.supercell) for one in (fitted, constants))
    assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()
    assert fitted.quality.r_squared == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["vacancy", "isotopes"])
def test_the_free_energy_of_an_imperfect_run_is_refused(hessian_of, constants, small, kind):
    """It would be that of another crystal."""
    empty, masses = ((4,), None) if kind == "vacancy" else ((), isotopes(small))
    box = box_of(hessian_of, constants, small.matrix, empty=empty, masses_da=masses)
    run = box.run(50, imperfect=True)
    with pytest.raises(DataError, match="not of a perfect crystal"):
        tm.ForceConstants.of(constants).free_energy(run, np.zeros(50), mesh=2)


def test_the_free_energy_of_a_perfect_run_needs_no_more(hessian_of, constants, small):
    run = box_of(hessian_of, constants, small.matrix).run(50, imperfect=True)
    assert run.match.occupation is not None
    at_temperature = replace(constants, temperature=KELVIN)
    tm.ForceConstants.of(at_temperature).free_energy(run, np.zeros(50), mesh=2)


def test_constants_of_isotopes_are_exact(hessian_of, constants, small):
    """Displacements and forces obey the same constants, whatever the masses."""
    box = box_of(hessian_of, constants, small.matrix, masses_da=isotopes(small))
    run = box.run(200, imperfect=True)
    fitted = run.fit(cutoff2="supercell")
    found = hessian_of(fitted, run.supercell)
    wanted = hessian_of(constants, run.supercell)
    assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()


def test_temperatures_beside_vacancies_are_those_of_the_atoms(crystals, springs, hessian_of):
    """Every wave is divided by its share of the atoms; sums over waves are left as they are."""
    salt = springs(crystals["rock salt"], 4.5)
    matrix = 3 * np.eye(3, dtype=int)
    box = box_of(hessian_of, salt, matrix, empty=(0, 8, 20, 34))
    results = box.run(imperfect=True).project(salt).analysis.results
    dataset = to_dataset(results)
    share = dataset["equipartition_share"].values
    assert share.min() < 0.9
    assert share.max() > 0.95
    # A few parts in a thousand of some waves are in the motion of the centre of mass.
    assert dataset["mode_temperature"].values == pytest.approx(KELVIN, rel=0.03)
    assert float(dataset["temperature"]) == pytest.approx(KELVIN, rel=0.01)
    along = dataset["freq_displacement_thz"].values / dataset["freq_ratio_thz"].values
    assert along == pytest.approx(1.0, abs=0.02)
    u, _, _ = box.fields()
    site = box.atoms % salt.crystal.n_sites
    squares = [((u - u.mean(axis=0))[:, site == s] ** 2).mean() for s in (0, 1)]
    measured = np.einsum("sxx->s", results.run_displacements.measured) / 3.0
    assert measured == pytest.approx(squares, rel=0.01)
    columns = density_table(dataset).columns
    area = np.sum(columns["density"]) * np.diff(columns["freq_thz"])[0]
    assert area == pytest.approx(3.0 * (1.0 - 1.0 / len(box.atoms)), rel=0.02)


def lines_and_frequencies(
    hessian_of, constants, n, share, ratio, *, n_frames=6000, interval_ps=INTERVAL_PS
):
    """Lines of a run with isotopes, its occupation, and frequencies of the mean masses."""
    matrix = n * np.eye(3, dtype=int)
    masses = isotopes(build_supercell(constants.crystal, matrix), share, ratio)
    box = box_of(hessian_of, constants, matrix, masses_da=masses)
    run = replace(box, interval_ps=interval_ps).run(n_frames, imperfect=True)
    lines = run.project(constants).analysis.results.projection.lines
    points = (np.indices((24,) * 3).reshape(3, -1).T + 0.25) / 24
    of_mean = replace(constants, crystal=run.supercell.crystal)
    omega = modes_at(of_mean, points, np.ones(len(points))).omega.ravel()
    resolved = np.isfinite(lines.linewidth) & (lines.omega > 4.0 * THZ)
    assert resolved.sum() > 40
    return lines.omega[resolved], lines.linewidth[resolved], run.match.occupation, omega


@pytest.mark.slow
def test_widths_of_isotopes_are_those_of_perturbation_theory(hessian_of, constants):
    """S.-I. Tamura, Phys. Rev. B 27, 858 (1983), summed over the modes with a resolved line."""
    place, width, occupation, omega = lines_and_frequencies(hessian_of, constants, 8, 0.5, 1.2)
    spread = 0.25 * THZ
    apart = (place[:, None] - omega) / spread
    density = 3.0 * np.exp(-0.5 * apart**2).mean(axis=1) / np.sqrt(2.0 * np.pi) / spread
    expected = np.pi / 6.0 * occupation.mass_variance.mean() * place**2 * density
    assert width.sum() / expected.sum() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("n", "share", "n_frames", "interval_ps"),
    [
        pytest.param(6, 0.1, 6000, INTERVAL_PS, marks=pytest.mark.slow),
        # 14 of 1024 atoms, half a nanosecond.
        pytest.param(8, 0.01, 24_000, 0.02, marks=pytest.mark.soak),
    ],
)
def test_widths_of_heavy_isotopes_are_those_of_the_t_matrix(
    hessian_of, constants, n, share, n_frames, interval_ps
):
    """Second order overestimates them twofold; all orders of scattering by one site do not.

    Σ = ⟨t⟩/(1 + ⟨t⟩G), t = V/(1 − VG), V = ω²(1 − m/M): the average T matrix of one site,
    R. J. Elliott, J. A. Krumhansl and P. L. Leath, Rev. Mod. Phys. 46, 465 (1974).
    """
    place, width, occupation, omega = lines_and_frequencies(
        hessian_of, constants, n, share, 1.35, n_frames=n_frames, interval_ps=interval_ps
    )
    square = place**2 + 2j * place * 0.06 * THZ
    green = (1.0 / (square[:, None] - omega**2)).mean(axis=1)
    ratio = occupation.masses / occupation.supercell.masses
    defect = (place[:, None] ** 2) * (1.0 - ratio)
    mean = (defect / (1.0 - defect * green[:, None])).mean(axis=1)
    expected = -(mean / (1.0 + mean * green)).imag / place
    second = -(np.mean(defect**2, axis=1) * green).imag / place
    assert second.sum() > 1.5 * width.sum()
    assert width.sum() / expected.sum() == pytest.approx(1.0, abs=0.15)


@pytest.fixture(scope="module")
def alloy(crystals):
    """A run of an alloy whose springs depend on the species of both atoms."""
    supercell = build_supercell(crystals["diamond"], 3 * np.eye(3, dtype=int))
    n, random = supercell.n_atoms, np.random.default_rng(1)
    names = np.where(random.random(n) < 0.5, "Si", "Ge")
    stiff = {("Si", "Si"): 9.0, ("Ge", "Si"): 8.0, ("Ge", "Ge"): 7.0}
    places, hessian = supercell.positions, np.zeros((n, 3, n, 3))
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    for a, b in np.argwhere(np.triu(np.ones((n, n)), 1)):
        for apart in places[b] - places[a] + images @ supercell.cell:
            length = np.linalg.norm(apart)
            if length < 4.0:
                outer = np.outer(apart, apart) / length**2
                bond = stiff[tuple(sorted(names[[a, b]].tolist()))] * (
                    0.1 if length > 3.0 else 1
                )
                phi = bond * (0.9 * outer + 0.1 * np.eye(3))
                for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
                    hessian[i, :, j] += sign * phi
    u = random.normal(size=(200, n, 3), scale=0.03)
    relaxed = places + random.normal(size=(n, 3), scale=0.02)
    forces = -np.einsum("axby,tby->tax", hessian, u - u.mean(axis=0))
    return tm.from_arrays(
        relaxed + u - u.mean(axis=0),
        supercell.cell,
        names.tolist(),
        forces=forces,
        interval_ps=0.01,
        cell=supercell.crystal.to_ase(),
        imperfect=True,
    )


def test_constants_by_pair_of_species_are_in_the_results(alloy, tmp_path):
    fitted = alloy.fit(cutoff2=4.0, by_species=True)
    found = fitted.by_species
    assert found.species == ("Ge–Ge", "Ge–Si", "Si–Si") * 2
    assert repr(found).endswith("of 6 orbits: Ge–Ge, Ge–Si, Si–Si, with error bars>")
    stiff = np.array([7.0, 8.0, 9.0, 0.7, 0.8, 0.9])
    np.testing.assert_allclose(found.longitudinal, stiff, rtol=1e-8)
    np.testing.assert_allclose(found.transverse, 0.1 * stiff, rtol=1e-7)
    assert found.quality.r_squared > 1.0 - 1e-12
    assert fitted.quality.r_squared < 0.999
    # Atoms are at their own mean positions.
    assert 1e-4 < np.abs(found.mean_distances - found.distances).max() < 0.03
    # Mean constants are those of a fit without species.
    np.testing.assert_array_equal(fitted.values, alloy.fit(cutoff2=4.0).values)
    fitted.save(tmp_path / "fit")
    read = tm.load(tmp_path / "fit")
    np.testing.assert_allclose(read["alloy_longitudinal"], found.longitudinal)
    np.testing.assert_allclose(read["alloy_constants_sem"], found.values_sem)
    table = (tmp_path / "fit" / "tables" / "alloy_pairs.csv").read_text(encoding="utf-8")
    assert table.splitlines()[-6].startswith("Ge–Ge,2.3516")
    text = " ".join(text_of(render(fitted.record.results)).split())
    assert "By species R² = 1.00000" in text
    assert f"{fitted.quality.r_squared:.5f} with mean constants" in text
    assert "Ge–Si 170 3.840 3.8" in text


def test_fits_by_pair_of_species_refuse_what_they_do_not_take(alloy):
    with pytest.raises(UsageError, match="need a cutoff in Å"):
        alloy.fit(by_species=True)
    with pytest.raises(UsageError, match=r"of second order(.|\n)*leave out --by-species"):
        alloy.fit(cutoff2=4.0, cutoff3=3.0, by_species=True)
    with pytest.raises(UsageError, match="of second order"):
        alloy.fit(cutoff2=4.0, constraints="born-huang", by_species=True)
    with pytest.raises(UsageError, match=r"those of an alloy(.|\n)*--imperfect"):
        replace(alloy, job=Job(trajectory=("a",))).fit(cutoff2=4.0, by_species=True)


def test_fits_by_pair_of_species_refuse_charges(crystals, springs, hessian_of):
    salt = springs(crystals["rock salt"], 4.5)
    supercell = build_supercell(salt.crystal, 3 * np.eye(3, dtype=int))
    species = ["K" if a in (0, 6) else name for a, name in enumerate(supercell.species)]
    run = box_of(hessian_of, salt, supercell.matrix, species=species).run(50, imperfect=True)
    charges = {"born_charges": ["Na 1", "Cl -1"], "dielectric": 2.3}
    with pytest.raises(UsageError, match="not fitted with Born charges"):
        run.fit(cutoff2=4.2, by_species=True, **charges)


def test_constants_by_pair_of_species_beside_a_vacancy_are_exact(hessian_of, constants):
    """Two runs of different arrangements, whose springs do not depend on the species."""
    matrix, runs = 3 * np.eye(3, dtype=int), []
    for seed, empty in ((1, (11,)), (2, ())):
        species = np.random.default_rng(seed).choice(["Si", "Ge"], 54).tolist()
        box = box_of(hessian_of, constants, matrix, species=species, empty=empty)
        runs.append(box.run(100 + 20 * seed, imperfect=True))
    found = tm.fit_runs(runs, cutoff2=4.0, by_species=True).by_species
    # The vacancy has taken 4 nearest and 12 second neighbours.
    assert found.counts[:3].sum() == 2 * 108 - 4
    assert found.counts[3:].sum() == 2 * 324 - 12
    own = constants.crystal
    bonds = own.positions[constants.second] - own.positions[constants.first]
    bonds += constants.lattice @ own.cell
    for bond, values in zip(found.bonds, found.values, strict=True):
        spring = np.abs(bonds - bond).max(axis=1).argmin()
        np.testing.assert_allclose(values, constants.values[spring], atol=1e-6)
