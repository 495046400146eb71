"""Force constants of alloys by pair of species.

The alloys have random tensors, made symmetric by averages over the space group and over both
orders of the atoms of a pair; no orbit or stabiliser is used. Their forces are summed over all
pairs of atoms of the box.
"""

import pickle
from itertools import product

import numpy as np
import pytest

from trajmodes.data.crystal import Occupation
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.by_species import Arrangement, fit_by_species, species_expansion
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import atom_at, build_supercell


class RandomAlloy:
    """Random tensors of all pairs of decorated sites within a cutoff that symmetry allows."""

    def __init__(self, crystal, cutoff, names, seed=0):
        self.crystal, self.names = crystal, names
        cells = np.array(list(product(range(-3, 4), repeat=3)))
        n = crystal.n_sites
        self.pairs = [
            (i, j, tuple(cell))
            for i, j, cell in product(range(n), range(n), cells.tolist())
            if 1e-6 < np.linalg.norm(self.bond(i, j, cell)) < cutoff
        ]
        group = space_group(crystal)
        turns = [np.linalg.inv(crystal.cell) @ w.T @ crystal.cell for w in group.rotations]
        maps = [
            self._images(w, t) for w, t in zip(group.rotations, group.translations, strict=True)
        ]
        random = np.random.default_rng(seed)
        keys = [
            (*pair, a, b)
            for pair in self.pairs
            for a, b in product(names[pair[0]], names[pair[1]])
        ]
        raw = {key: random.normal(size=(3, 3)) for key in keys}
        # Vectors are rows here: v' = v T, and a tensor of two vectors becomes Tᵀ Φ T.
        self.tensors = {
            key: sum(
                t @ raw[*moved[key[:3]], *key[3:]] @ t.T
                for t, moved in zip(turns, maps, strict=True)
            )
            / len(turns)
            for key in keys
        }
        self.tensors = {
            key: 0.5 * (x + self._reverse(key).T) for key, x in self.tensors.items()
        }

    def bond(self, i, j, cell):
        reduced = self.crystal.sites[j] + cell - self.crystal.sites[i]
        return reduced @ self.crystal.cell

    def _reverse(self, key):
        i, j, cell, a, b = key
        return self.tensors[j, i, tuple(-x for x in cell), b, a]

    def _images(self, w, translation):
        """Pair that an operation maps each pair to."""
        moved, sites = {}, self.crystal.sites
        for i, j, cell in self.pairs:
            ends = [w @ x + translation for x in (sites[i], sites[j] + cell)]
            found = []
            for end in ends:
                apart = end - sites
                s = int(np.abs(apart - np.rint(apart)).max(axis=1).argmin())
                found.append((s, np.rint(apart[s]).astype(int)))
            (p, here), (q, there) = found
            moved[i, j, cell] = (p, q, tuple((there - here).tolist()))
        return moved

    def forces(self, supercell, species, u_tax):
        """Forces on all atoms, each with a self term of its own; none on empty sites."""
        f_tax = np.zeros_like(u_tax)
        for (i, j, cell), (k, home) in product(self.pairs, enumerate(supercell.cells)):
            first = k * self.crystal.n_sites + i
            second = int(atom_at(supercell, j, home + cell))
            if species[first] and species[second]:
                phi = self.tensors[i, j, cell, species[first], species[second]]
                f_tax[:, first] -= (u_tax[:, second] - u_tax[:, first]) @ phi.T
        return f_tax


def arrangement(supercell, species):
    occupation = Occupation(
        supercell, tuple(species), np.array([float(bool(x)) for x in species])
    )
    return Arrangement(occupation, np.zeros((supercell.n_atoms, 3)))


def random_species(supercell, names, seed=3, empty=0.0):
    random = np.random.default_rng(seed)
    found = [str(random.choice(names[s])) for s in supercell.site_index]
    return ["" if random.random() < empty else name for name in found]


def fitted(supercell, cutoff, species, u_tax, f_tax, options=None):
    """Fit of one run, and the expansion."""
    parent = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    found = species_expansion(parent, [arrangement(supercell, species)])
    rows = found.rows(0, len(u_tax), 8)
    parts = [rows.finalize(rows.chunk(MotionBlock(0, u_tax, None, f_tax)))]
    return fit_by_species(found, parts, options or FitOptions()), found


ALLOYS = {
    "diamond": (3 * np.eye(3, dtype=int), 4.0, [["Ge", "Si"]] * 2),
    "rock salt": (3 * np.eye(3, dtype=int), 4.2, [["K", "Na"], ["Br", "Cl"]]),
    # Antisites: A–B and B–A are different pairs of inequivalent sites.
    "zincblende": (3 * np.eye(3, dtype=int), 4.2, [["As", "Ga"]] * 2),
    "wurtzite": (np.diag([3, 3, 2]), 3.3, [["Al", "Ga"]] * 2 + [["N"]] * 2),
    "bcc": (4 * np.eye(3, dtype=int), 3.2, [["Cr", "Fe", "Ni"]]),
}


def crystal_of(crystals, kind):
    if kind != "zincblende":
        return crystals[kind]
    diamond = crystals["diamond"]
    return type(diamond)(diamond.cell, diamond.sites, ("Ga", "As"), diamond.masses)


@pytest.fixture(scope="module")
def alloys(crystals):
    def make(kind):
        matrix, cutoff, names = ALLOYS[kind]
        crystal = crystal_of(crystals, kind)
        return build_supercell(crystal, matrix), cutoff, RandomAlloy(crystal, cutoff, names)

    return make


@pytest.mark.parametrize("empty", [0.0, 0.05])
@pytest.mark.parametrize("kind", ALLOYS)
def test_constants_of_a_random_harmonic_alloy_are_recovered(alloys, kind, empty):
    supercell, cutoff, alloy = alloys(kind)
    species = random_species(supercell, alloy.names, empty=empty)
    u_tax = np.random.default_rng(1).normal(size=(24, supercell.n_atoms, 3))
    f_tax = alloy.forces(supercell, species, u_tax)
    (found, _), _ = fitted(supercell, cutoff, species, u_tax, f_tax)
    crystal = supercell.crystal
    for k, (i, j) in enumerate(found.sites.tolist()):
        apart = found.bonds[k] - crystal.positions[j] + crystal.positions[i]
        cell = tuple(np.rint(apart @ np.linalg.inv(crystal.cell)).astype(int).tolist())
        exact = alloy.tensors[i, j, cell, *found.species[k].split("–")]
        np.testing.assert_allclose(found.values[k], exact, atol=1e-8)
        unit = found.bonds[k] / np.linalg.norm(found.bonds[k])
        assert found.longitudinal[k] == pytest.approx(-unit @ exact @ unit)
        across = np.linalg.svd(unit[None])[2][1:]
        expected = -np.einsum("kx,xy,ky->", across, exact, across) / 2.0
        assert found.transverse[k] == pytest.approx(expected)
    assert found.quality.r_squared == pytest.approx(1.0, abs=1e-12)
    assert found.values_sem.max() < 1e-8


@pytest.mark.parametrize("kind", ALLOYS)
def test_every_pair_of_species_has_the_tensors_that_averages_over_the_group_leave(alloys, kind):
    """An operation that exchanges the sites of a pair restricts A–A, but not A–B."""
    supercell, cutoff, alloy = alloys(kind)
    species = random_species(supercell, alloy.names)
    parent = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    found = species_expansion(parent, [arrangement(supercell, species)])
    basis = found.expansion.bases[1]
    spans = [RandomAlloy(alloy.crystal, cutoff, alloy.names, seed).tensors for seed in range(9)]
    rank = 0
    for c in basis.orbits.representatives[basis.orbits.radii > 0.0]:
        first, second = basis.orbits.sites[c]
        cell = tuple(basis.orbits.lattice[c, 1].tolist())
        names = (basis.orbits.group.crystal.species[d] for d in (first, second))
        sites = found.placed[0].parent[[first, second]].tolist()
        key = (*sites, cell, *names)
        rank += np.linalg.matrix_rank([one[key].ravel() for one in spans])
    counts = basis.counts[basis.orbits.radii > 0.0]
    assert counts.sum() == rank
    if kind == "diamond":
        of = zip(basis.orbits.labels(), basis.orbits.radii.round(2), basis.counts, strict=True)
        second_neighbours = {label: n for label, radius, n in of if radius == 3.84}
        assert second_neighbours == {"Ge–Ge": 4, "Ge–Si": 5, "Si–Si": 4}


@pytest.mark.parametrize("kind", ["diamond", "wurtzite", "triclinic"])
def test_with_one_species_on_each_site_the_fit_is_that_of_the_perfect_crystal(
    crystals, equations_of, kind
):
    crystal = crystals[kind]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    cutoff = {"diamond": 4.0, "wurtzite": 3.3, "triclinic": 5.0}[kind]
    u_tax, f_tax = np.random.default_rng(4).normal(size=(2, 40, supercell.n_atoms, 3))
    f_tax -= f_tax.mean(axis=1, keepdims=True)
    (found, _), _ = fitted(supercell, cutoff, supercell.species, u_tax, f_tax)
    mean = fit_equations(equations_of(supercell, {2: cutoff}, u_tax, f_tax, 8)).constants
    listed = zip(mean.first.tolist(), mean.second.tolist(), mean.lattice, strict=True)
    place = {(i, j, tuple(cell.tolist())): p for p, (i, j, cell) in enumerate(listed)}
    inverse = np.linalg.inv(crystal.cell)
    for k, (i, j) in enumerate(found.sites.tolist()):
        apart = found.bonds[k] - crystal.positions[j] + crystal.positions[i]
        p = place[i, j, tuple(np.rint(apart @ inverse).astype(int).tolist())]
        np.testing.assert_allclose(found.values[k], mean.values[p], atol=1e-10)
        np.testing.assert_allclose(found.replicates[:, k], mean.replicates[:, p], atol=1e-10)
    assert found.quality.r_squared == pytest.approx(mean.quality.r_squared, abs=1e-10)
    assert found.quality.n_parameters == mean.quality.n_parameters


def test_the_mean_self_term_of_every_species_is_symmetric(crystals):
    """At low symmetry this is a constraint, of the neighbours that the atoms have."""
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    names = [["Ge", "Si"], ["O"], ["O", "S"]]
    species = random_species(supercell, names)
    u_tax, f_tax = np.random.default_rng(4).normal(size=(2, 40, supercell.n_atoms, 3))
    (free, _), _ = fitted(
        supercell, 4.0, species, u_tax, f_tax,
        FitOptions(constraints=Constraints(hermitian=False)),
    )  # fmt: skip
    (bound, _), found = fitted(supercell, 4.0, species, u_tax, f_tax)
    assert bound.quality.n_parameters < free.quality.n_parameters

    def largest_antisymmetric(constants):
        """Over the sites and species, of the sum over all neighbours of all atoms."""
        orbits = found.expansion.bases[1].orbits
        sums = {}
        shown = orbits.radii[orbits.orbit] > 0.0
        occupied = found.placed[0].occupied
        for c in np.flatnonzero(shown):
            (i, j), step = orbits.sites[c], orbits.lattice[c, 1]
            others = atom_at(supercell, 0, supercell.cells + step) // crystal.n_sites
            n = (occupied[:, i] & occupied[others, j]).sum()
            k = orbits.orbit[c] - np.count_nonzero(orbits.radii == 0.0)
            # One site of each kind, and no operation but the identity: pairs and their reverse.
            reverse = orbits.permutation[c] != 0
            phi = constants.values[k]
            names = np.array(orbits.group.crystal.species)[orbits.sites[c]]
            if names[0] > names[1] or (names[0] == names[1] and reverse):
                phi = phi.T
            sums[i] = sums.get(i, 0.0) + n * phi
        return max(np.abs(x - x.T).max() for x in sums.values())

    assert largest_antisymmetric(bound) < 1e-9
    assert largest_antisymmetric(free) > 1e-3


def test_pairs_that_do_not_occur_are_named_and_left_out(alloys):
    supercell, cutoff, alloy = alloys("diamond")
    species = ["Ge" if a == 5 else "Si" for a in range(supercell.n_atoms)]
    u_tax = np.random.default_rng(1).normal(size=(24, supercell.n_atoms, 3))
    (found, notes), _ = fitted(
        supercell, cutoff, species, u_tax, alloy.forces(supercell, species, u_tax)
    )
    assert found.species == ("Ge–Si", "Si–Si") * 2
    assert found.counts.tolist() == [4, 104, 12, 312]
    assert found.absent == ("Ge–Ge 2.352 Å", "Ge–Ge 3.840 Å")
    text = "no run has pairs Ge–Ge 2.352 Å, Ge–Ge 3.840 Å: their constants are not fitted"
    assert notes[0].text == f"by pair of species: {text}"


def test_pairs_that_the_forces_do_not_determine_are_an_error_that_names_them(alloys):
    """All germanium at rest together: no force depends on the constants of its pairs."""
    supercell, cutoff, alloy = alloys("diamond")
    species = random_species(supercell, alloy.names)
    u_tax = np.random.default_rng(1).normal(size=(24, supercell.n_atoms, 3))
    u_tax[:, [name == "Ge" for name in species]] = 0.0
    f_tax = alloy.forces(supercell, species, u_tax)
    with pytest.raises(
        DataError, match=r"by pair of species, 6 of 19 .*Ge–Ge 2.352 Å, Ge–Ge 3"
    ):
        fitted(supercell, cutoff, species, u_tax, f_tax)
    options = FitOptions(minimum_norm=True)
    (found, notes), _ = fitted(supercell, cutoff, species, u_tax, f_tax, options)
    assert found.quality.rank == found.quality.n_parameters - 6
    assert "do not determine pairs Ge–Ge 0.000 Å, Ge–Ge 2.352 Å" in notes[0].text


def test_runs_of_several_arrangements_are_pooled(alloys):
    supercell, cutoff, alloy = alloys("diamond")
    parent = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    some = [random_species(supercell, alloy.names, seed) for seed in (1, 2)]
    found = species_expansion(parent, [arrangement(supercell, one) for one in some])
    parts = []
    for run, species in enumerate(some):
        u_tax = np.random.default_rng(run).normal(size=(12, supercell.n_atoms, 3))
        block = MotionBlock(0, u_tax, None, alloy.forces(supercell, species, u_tax))
        rows = pickle.loads(pickle.dumps(found.rows(run, 12, 4)))
        parts.append(rows.finalize(rows.chunk(block)))
    constants = fit_by_species(found, parts, FitOptions()).constants
    assert constants.counts.sum() == 2 * (108 + 324)
    assert constants.quality.r_squared == pytest.approx(1.0, abs=1e-12)


def test_mean_distances_are_those_of_the_mean_positions(alloys):
    supercell, cutoff, alloy = alloys("diamond")
    species = random_species(supercell, alloy.names)
    offsets = np.random.default_rng(2).normal(size=(supercell.n_atoms, 3), scale=0.03)
    parent = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
    atoms = arrangement(supercell, species)._replace(offsets=offsets)
    found = species_expansion(parent, [atoms])
    places = supercell.positions + offsets
    images = np.array(list(product((-1, 0, 1), repeat=3))) @ supercell.cell
    apart = np.linalg.norm(places[:, None] - places + images[:, None, None], axis=-1)
    apart = apart.min(axis=0)[np.triu_indices(supercell.n_atoms, 1)]
    pairs = np.array(species)[np.array(np.triu_indices(supercell.n_atoms, 1))]
    labels = np.array(["–".join(sorted(pair)) for pair in pairs.T.tolist()])
    orbits = found.expansion.bases[1].orbits
    for label, radius, n, mean in zip(
        orbits.labels(), orbits.radii, found.counts, found.mean_distances, strict=True
    ):
        if radius > 0.0:
            named = labels == "–".join(sorted(label.split("–")))
            near = apart[named & (np.abs(apart - radius) < 0.3)]
            assert len(near) == n
            assert near.mean() == pytest.approx(mean)


def test_pairs_that_share_images_are_refused(crystals):
    supercell = build_supercell(crystals["diamond"], 2 * np.eye(3, dtype=int))
    parent = expansion_of(space_group(supercell.crystal), supercell, {2: "supercell"})
    with pytest.raises(UsageError, match="cutoff within the supercell"):
        species_expansion(parent, [arrangement(supercell, supercell.species)])
