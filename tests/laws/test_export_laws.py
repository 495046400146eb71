"""Force constants are preserved by the files of other programs.

Formats that trajmodes reads are read by it. For the others, and also for TDEP, readers here
follow the read statements of the program: ShengBTE's input.f90 (FourPhonon's for fourth order),
TDEP's type_forceconstant_*.f90, and anphon's fcs_phonon.cpp with its table of 27 images.
"""

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import constants as codata

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.formats.registry import (
    read_force_constants,
    read_supercell,
    write_force_constants,
)
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import DALTON

BOHR = codata.physical_constants["Bohr radius"][0] / codata.angstrom
RYDBERG = codata.physical_constants["Rydberg constant times hc in eV"][0]

Table = dict[tuple[int, ...], np.ndarray]

MATRICES = [
    np.diag([3, 3, 2]),
    np.array([[3, 0, 0], [1, 3, 0], [0, 1, 3]]),
    np.array([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]),
]


def table(
    crystal: Crystal, sites: np.ndarray, lattice: np.ndarray, values: np.ndarray
) -> Table:
    """Force constants by sites and vectors from the first member (in 1e-5 of a lattice vector).

    Unlike lattice vectors, these do not depend on the cell that a site is assigned to.
    """
    ends = lattice + crystal.sites[sites]
    steps = np.rint(1e5 * (ends - ends[:, :1])).astype(int)
    found: Table = {}
    for s, step, value in zip(sites, steps, values, strict=True):
        key = (*map(int, s), *map(int, step.ravel()))
        found[key] = found.get(key, 0.0) + value
    return {key: value for key, value in found.items() if np.abs(value).max() > 1e-13}


def orders(constants: ForceConstants) -> dict[int, tuple[np.ndarray, ...]]:
    """Sites, lattice vectors and values of all orders."""
    sites = np.stack([constants.first, constants.second], axis=1)
    lattice = np.stack([np.zeros_like(constants.lattice), constants.lattice], axis=1)
    found = {2: (sites, lattice, constants.values)}
    for c in (constants.triplets, constants.quartets):
        if c is not None:
            found[c.order] = c.sites, c.lattice, c.values
    return found


def tables(constants: ForceConstants, like: Crystal) -> dict[int, Table]:
    """Tables of all orders, with sites numbered as in another crystal."""
    apart = constants.crystal.sites[:, None] - like.sites
    place = np.abs(apart - np.rint(apart)).max(axis=2).argmin(axis=1)
    assert [like.species[s] for s in place] == list(constants.crystal.species)
    shift = np.rint(constants.crystal.sites - like.sites[place]).astype(int)
    return {
        n: table(like, place[sites], lattice + shift[sites], values)
        for n, (sites, lattice, values) in orders(constants).items()
    }


def assert_same(found: Table, wanted: Table, rtol: float = 1e-12) -> None:
    assert found.keys() == wanted.keys()
    largest = max(np.abs(value).max() for value in wanted.values())
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=rtol * largest)


def neighbours(crystal: Crystal, site: int, reach: float) -> list[tuple[int, np.ndarray]]:
    cells = np.array(list(itertools.product(range(-2, 3), repeat=3)))
    place = (cells[:, None] + crystal.sites - crystal.sites[site]) @ crystal.cell
    return [(s, cells[c]) for c, s in np.argwhere(np.linalg.norm(place, axis=2) < reach)]


def random_clusters(
    crystal: Crystal, reach: float, order: int, rng: np.random.Generator
) -> ClusterConstants:
    """Random force constants of some clusters, symmetric under exchange of members."""
    total: Table = {}
    for _ in range(8):
        first = int(rng.integers(crystal.n_sites))
        near = neighbours(crystal, first, reach / 2)
        chosen = [near[rng.integers(len(near))] for _ in range(order - 1)]
        members = [(first, np.zeros(3, dtype=int)), *chosen]
        value = rng.normal(size=(3,) * order)
        for turn in itertools.permutations(range(order)):
            sites = [members[m][0] for m in turn]
            cells = np.array([members[m][1] for m in turn]) - members[turn[0]][1]
            key = (*sites, *map(int, cells.ravel()))
            total[key] = total.get(key, 0.0) + value.transpose(turn)
    keys = np.array(list(total))
    return ClusterConstants(
        keys[:, :order],
        keys[:, order:].reshape(-1, order, 3),
        np.array(list(total.values())),
        cutoff=reach,
    )


def random_constants(crystal: Crystal, supercell: Supercell, seed: int) -> ForceConstants:
    """Force constants of orders 2 to 4 that act at nearest images only."""
    box = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    length = np.linalg.norm(box @ supercell.cell, axis=1)
    reach = 0.49 * float(length[length > 0].min())
    rng = np.random.default_rng(seed)
    keys, values = [], []
    for i in range(crystal.n_sites):
        for j, cell in neighbours(crystal, i, reach):
            twin = (j, i, *(-cell))
            new = (i, j, *cell)
            value = rng.normal(size=(3, 3)) if twin not in keys else values[keys.index(twin)].T
            keys.append(tuple(map(int, new)))
            values.append(value + value.T if twin == new else value)
    table_of_keys = np.array(keys)
    return ForceConstants(
        crystal,
        table_of_keys[:, 0],
        table_of_keys[:, 1],
        table_of_keys[:, 2:],
        np.array(values),
        cutoff=reach,
        triplets=random_clusters(crystal, reach, 3, rng),
        quartets=random_clusters(crystal, reach, 4, rng),
    )


def unfolded(crystal: Crystal) -> Crystal:
    """The same kind of crystal with sites outside the cell and alternating species."""
    species = ("O", "Si", "Si", "O")[: crystal.n_sites]
    table_da = {"O": 15.999, "Si": 28.085}
    masses = np.array([table_da[name] for name in species]) * DALTON
    moved = crystal.sites + np.arange(3 * crystal.n_sites).reshape(-1, 3) % 4 - 2
    return Crystal(crystal.cell, moved, species, masses)


def written(constants, supercell, target, factory):
    folder = factory.mktemp(target)
    export = write_force_constants(constants, supercell, folder, target)
    assert all(path.exists() for path in export.paths)
    return folder


cases = given(
    case=st.tuples(
        st.sampled_from(["diamond", "bcc", "wurtzite", "triclinic"]),
        st.sampled_from(MATRICES),
        st.integers(0, 99),
        st.booleans(),
    )
)
few = settings(max_examples=5, deadline=None, derandomize=True)


def example(crystals, case) -> tuple[Supercell, ForceConstants]:
    name, matrix, seed, odd = case
    crystal = unfolded(crystals[name]) if odd else crystals[name]
    supercell = build_supercell(crystal, matrix)
    return supercell, random_constants(crystal, supercell, seed)


@pytest.mark.parametrize(
    ("target", "kept"),
    [("phonopy", {2}), ("phono3py", {2, 3}), ("tdep", {2, 3, 4}), ("hdf5", {2, 3, 4})],
)
@pytest.mark.parametrize("with_supercell", [True, False])
@cases
@few
def test_written_force_constants_are_read_back(
    target, kept, with_supercell, case, crystals, tmp_path_factory
):
    supercell, constants = example(crystals, case)
    folder = written(constants, supercell, target, tmp_path_factory)
    # TDEP sorts atoms by species, so the crystal of its files differs from that of the run.
    with_supercell = with_supercell and not (target == "tdep" and case[3])
    found = read_force_constants(folder, supercell=supercell if with_supercell else None)
    if with_supercell:
        assert found.crystal is supercell.crystal or target == "hdf5"
    wanted = tables(constants, supercell.crystal)
    again = tables(found, supercell.crystal)
    assert again.keys() == kept
    np.testing.assert_allclose(read_supercell(folder).cell, supercell.cell, atol=1e-12)
    for n in kept:
        assert_same(again[n], wanted[n])


def read_shengbte(folder, crystal: Crystal, n: int) -> Table:
    """Read blocks of FORCE_CONSTANTS_3RD or _4TH as in input.f90 of ShengBTE and FourPhonon."""
    name = {3: "FORCE_CONSTANTS_3RD", 4: "FORCE_CONSTANTS_4TH"}[n]
    lines = [line.split() for line in (folder / name).read_text().splitlines() if line.strip()]
    (count,) = map(int, lines[0])
    step = 1 + (n - 1) + 1 + 3**n
    assert len(lines) == 1 + count * step
    sites, lattice, values = [], [], []
    for c in range(count):
        block = lines[1 + c * step : 1 + (c + 1) * step]
        assert int(block[0][0]) == c + 1
        vectors = np.array(block[1:n], dtype=float) @ np.linalg.inv(crystal.cell)
        lattice.append(np.concatenate([np.zeros((1, 3)), np.rint(vectors)]))
        sites.append(np.array(block[n], dtype=int) - 1)
        value = np.empty((3,) * n)
        for words in block[n + 1 :]:
            value[tuple(int(word) - 1 for word in words[:n])] = float(words[n])
        values.append(value)
    return table(crystal, np.array(sites), np.array(lattice), np.array(values))


@cases
@few
def test_shengbte_reads_third_and_fourth_order(case, crystals, tmp_path_factory):
    supercell, constants = example(crystals, case)
    folder = written(constants, supercell, "shengbte", tmp_path_factory)
    wanted = tables(constants, supercell.crystal)
    for n in (3, 4):
        assert_same(read_shengbte(folder, supercell.crystal, n), wanted[n])


def read_tdep(path, n: int) -> tuple[np.ndarray, ...]:
    """Read one order as TDEP's readfromfile: sites, vectors from the first member, values."""
    lines = iter([line.split() for line in path.read_text().splitlines()])
    n_sites, _ = int(next(lines)[0]), float(next(lines)[0])
    sites, lattice, values = [], [], []
    for s in range(n_sites):
        for _ in range(int(next(lines)[0])):
            listed = n if n > 2 else 1
            members = [int(next(lines)[0]) - 1 for _ in range(listed)]
            vectors = np.array([next(lines)[:3] for _ in range(listed)], dtype=float)
            rows = np.array([next(lines)[:3] for _ in range(3 ** (n - 1))], dtype=float)
            sites.append(members if n > 2 else [s, *members])
            lattice.append(vectors if n > 2 else np.concatenate([np.zeros((1, 3)), vectors]))
            values.append(rows.reshape((3,) * n))
    assert n > 2 or int(next(lines)[0]) == 0
    return np.array(sites), np.array(lattice), np.array(values)


def read_cell(path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Cell, species and sites of a POSCAR, sites wrapped as in TDEP."""
    lines = [line.split() for line in path.read_text().splitlines()]
    cell = np.array(lines[2:5], dtype=float) * float(lines[1][0])
    counts = [int(word) for word in lines[6]]
    species = [x for x, count in zip(lines[5], counts, strict=True) for _ in range(count)]
    assert lines[7][0][0] in "dD"
    sites = np.array(lines[8 : 8 + sum(counts)], dtype=float)
    assert ((sites >= 0) & (sites < 1)).all()
    return cell, species, sites


@cases
@few
def test_tdep_reads_every_cluster_within_the_cutoff(case, crystals, tmp_path_factory):
    supercell, constants = example(crystals, case)
    folder = written(constants, supercell, "tdep", tmp_path_factory)
    cell, species, sites = read_cell(folder / "infile.ucposcar")
    tidy = Crystal(cell, sites, tuple(species), np.ones(len(sites)))
    found = {}
    for n, end in ((2, ""), (3, "_thirdorder"), (4, "_fourthorder")):
        found[n] = read_tdep(folder / f"outfile.forceconstant{end}", n)
    pairs = found[2]
    again = ForceConstants(
        tidy, pairs[0][:, 0], pairs[0][:, 1], pairs[1][:, 1], pairs[2],
        triplets=ClusterConstants(*found[3]), quartets=ClusterConstants(*found[4]),
    )  # fmt: skip
    wanted = tables(constants, supercell.crystal)
    for n, now in tables(again, supercell.crystal).items():
        assert_same(now, wanted[n])
    # TDEP's remap: as many triplets as there are pairs of neighbours near each other.
    ends = (found[3][1] + sites[found[3][0]]) @ cell
    apart = ends[:, :, None] - ends[:, None]
    reach = np.linalg.norm(apart, axis=3).max() + 1e-6
    near = [neighbours(tidy, s, reach) for s in range(len(sites))]
    for s, around in enumerate(near):
        place = np.array([cells + sites[j] for j, cells in around]) @ cell
        close = np.linalg.norm(place[:, None] - place, axis=2) < reach
        assert close.sum() == (found[3][0][:, 0] == s).sum()
    _, names, places = read_cell(folder / "infile.ssposcar")
    assert sorted(names) == sorted(supercell.species)
    assert len(np.unique(np.round(places, 9), axis=0)) == supercell.n_atoms


def read_alamode(path, supercell: Supercell) -> dict[int, Table]:
    """Read force constants as anphon's load_fcs_xml, permutations of members included."""
    root = ET.parse(path).getroot()
    axes = [root.findtext(f"Structure/LatticeVector/a{i}").split() for i in (1, 2, 3)]
    box = np.array(axes, dtype=float) * BOHR
    place = np.array([p.text.split() for p in root.iter("pos")], dtype=float)
    first_of = {
        int(m.get("atom")): int(m.text) - 1 for m in root.iter("map") if m.get("tran") == "1"
    }
    site_of = {int(m.text) - 1: int(m.get("atom")) - 1 for m in root.iter("map")}
    images = [x for x in itertools.product((-1, 0, 1), repeat=3) if any(x)]
    images.insert(0, (0, 0, 0))
    found: dict[int, Table] = {}
    for n, tag in ((2, "HARMONIC"), (3, "ANHARM3"), (4, "ANHARM4")):
        total: Table = {}
        for element in root.find(f"ForceConstants/{tag}"):
            words = [element.get(f"pair{m}").split() for m in range(1, n + 1)]
            start = first_of[int(words[0][0])]
            rest = [tuple(int(x) - 1 for x in w) for w in words[1:]]
            numbers = [3 * atom + direction for atom, direction, _ in rest]
            assert numbers == sorted(numbers)
            # std::next_permutation from sorted: each order of the numbers once.
            turns = {
                tuple(numbers[m] for m in turn): turn
                for turn in reversed(list(itertools.permutations(range(n - 1))))
            }
            for turn in turns.values():
                members = [rest[m] for m in turn]
                ends = [place[a] + images[c] - place[start] for a, _, c in members]
                steps = np.array(ends) @ box @ np.linalg.inv(supercell.crystal.cell)
                keys = np.rint(1e5 * np.concatenate([np.zeros((1, 3)), steps])).astype(int)
                sites = [site_of[start], *(site_of[a] for a, _, _ in members)]
                key = (*sites, *map(int, keys.ravel()))
                directions = (int(words[0][1]) - 1, *(d for _, d, _ in members))
                value = total.setdefault(key, np.zeros((3,) * n))
                value[directions] += float(element.text) * RYDBERG / BOHR**n
        found[n] = {k: v for k, v in total.items() if np.abs(v).max() > 1e-13}
    return found


@cases
@few
def test_anphon_reads_all_force_constants(case, crystals, tmp_path_factory):
    supercell, constants = example(crystals, case)
    folder = written(constants, supercell, "alamode", tmp_path_factory)
    found = read_alamode(folder / "alamode.xml", supercell)
    wanted = tables(constants, supercell.crystal)
    for n in (2, 3, 4):
        assert_same(found[n], wanted[n], rtol=1e-11)


@cases
@few
def test_dynamical_matrices_are_preserved_by_phonopy(case, crystals, tmp_path_factory):
    supercell, constants = example(crystals, case)
    folder = written(constants, supercell, "phonopy", tmp_path_factory)
    q = np.random.default_rng(3).uniform(-1, 1, (4, 3))
    wanted = dynamical_matrices(lattice_sum(constants), q)
    found = dynamical_matrices(
        lattice_sum(read_force_constants(folder, supercell=supercell)), q
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())
