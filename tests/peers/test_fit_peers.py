"""hiPhive and symfc on the same frames: the same parameters and the same force constants."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from ase import Atoms

from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group, supercell_group
from trajmodes.symmetry.translations import build_supercell, cell_rank

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
SLOW = pytest.mark.slow
# crystal, supercell matrix, cutoffs in Å by order, frames
CASES = {
    "diamond 2": ("diamond", 3 * CONVENTIONAL, {2: 8.0}, 4),
    "diamond 2 3": ("diamond", 2 * CONVENTIONAL, {2: 5.2, 3: 4.2}, 4),
    "diamond 2 3 4": ("diamond", np.diag([2, 2, 2]), {2: 3.7, 3: 3.7, 4: 2.5}, 8),
    "wurtzite 2": ("wurtzite", np.diag([3, 3, 2]), {2: 4.7}, 15),
    "wurtzite 2 3": ("wurtzite", np.diag([4, 4, 2]), {2: 4.7, 3: 3.3}, 4),
    "wurtzite 2 3 4": ("wurtzite", np.diag([2, 2, 2]), {2: 3.1, 3: 3.1, 4: 2.1}, 15),
    "rutile 2 3": ("rutile", np.diag([2, 2, 3]), {2: 4.2, 3: 2.6}, 12),
    "rutile 2 3 4": ("rutile", np.diag([1, 1, 2]), {2: 2.2, 3: 2.0, 4: 2.0}, 20),
    "quartz 2 3": ("quartz", np.diag([2, 2, 2]), {2: 4.2, 3: 2.7}, 20),
    "quartz 2 3 4": ("quartz", np.diag([1, 1, 2]), {2: 2.4, 3: 1.7, 4: 1.7}, 20),
    "monoclinic 2 3": ("monoclinic", np.diag([1, 1, 1]), {2: 2.5, 3: 2.2}, 60),
    "monoclinic 2 3 4": ("monoclinic", np.diag([1, 1, 1]), {2: 2.5, 3: 2.2, 4: 2.1}, 90),
    "triclinic 2": ("triclinic", np.diag([3, 2, 2]), {2: 4.05}, 40),
    "triclinic 2 3 4": ("triclinic", np.diag([2, 2, 2]), {2: 4.05, 3: 2.6, 4: 2.2}, 40),
    "bcc 2 3": ("bcc", [[4, 0, 0], [0, 5, 1], [1, 0, 4]], {2: 4.2, 3: 3.5}, 8),
}
# clusters that fill the supercell, which symfc has and hiPhive has not
SHARED = {
    "diamond 2 3 4, all": ("diamond", CONVENTIONAL, dict.fromkeys((2, 3, 4), "supercell"), 20),
    "diamond 2 3, all": ("diamond", np.diag([2, 2, 2]), {2: "supercell", 3: "supercell"}, 8),
    "diamond 2 3, beyond": ("diamond", 2 * CONVENTIONAL, {2: "supercell", 3: 6.5}, 8),
    "wurtzite 2 3, beyond": ("wurtzite", np.diag([2, 2, 2]), {2: "supercell", 3: 4.0}, 20),
    "triclinic 2 3, all": (
        "triclinic",
        np.diag([2, 1, 1]),
        {2: "supercell", 3: "supercell"},
        60,
    ),
}
# numbers of free parameters that are known from elsewhere
KNOWN = {"diamond 2": {2: 31}, "diamond 2 3": {3: 27}}


class Frames(NamedTuple):
    supercell: object
    cutoffs: dict
    displacements: np.ndarray
    forces: np.ndarray
    known: dict


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=SLOW if name == "diamond 2" else ()) for name in CASES],
)
def frames(request, crystals, springs, hessian_of):
    name, matrix, cutoffs, n_frames = CASES[request.param]
    supercell = build_supercell(crystals[name], matrix)
    assert cutoffs[2] < inscribed_radius(supercell)
    hessian = hessian_of(springs(crystals[name], cutoffs[2] + 0.5), supercell)
    u_tax, f_tax = moved(hessian, n_frames)
    return Frames(supercell, cutoffs, u_tax, f_tax, KNOWN.get(request.param, {}))


@pytest.fixture(scope="module", params=SHARED)
def shared_frames(request, crystals, springs, hessian_of):
    name, matrix, cutoffs, n_frames = SHARED[request.param]
    supercell = build_supercell(crystals[name], matrix)
    hessian = hessian_of(springs(crystals[name], 4.0), supercell)
    return Frames(supercell, cutoffs, *moved(hessian, n_frames), {})


def moved(hessian, n_frames):
    """Random displacements, and forces of springs, anharmonic ones, and noise."""
    rng = np.random.default_rng(5)
    u_tx = 0.1 * rng.normal(size=(n_frames, len(hessian)))
    near = np.roll(u_tx, 3, axis=1) - u_tx
    f_tx = -u_tx @ hessian + 4.0 * near**2 - 20.0 * near**3
    f_tx += 0.05 * rng.normal(size=u_tx.shape)
    u_tax, f_tax = (x.reshape(len(x), -1, 3) for x in (u_tx, f_tx))
    return u_tax, f_tax - f_tax.mean(axis=1, keepdims=True)


def fitted(frames, group):
    """Joint fit without a constant force term, which the peers do not have."""
    expansion = expansion_of(group, frames.supercell, frames.cutoffs)
    for basis in expansion.bases:
        # cutoffs lie between shells: nothing to disagree about
        assert not any("lies on the cutoff" in note.text for note in basis.orbits.notes)
    reduction = ForceRows(expansion, frames.supercell, len(frames.displacements), 4)
    block = MotionBlock(0, frames.displacements, None, frames.forces)
    equations = reduction.finalize(reduction.chunk(block))
    fit = fit_equations(equations, options=FitOptions(scheme="joint", constant_force=False))
    counts = {one.order: one.n_parameters for one in fit.constants.quality.orders}
    assert frames.known.items() <= counts.items()
    return fit.constants, counts


def clusters_of(constants, supercell):
    """Order, atoms (c, n) of the clusters of the first cell, and their constants."""
    sites = np.column_stack([constants.first, constants.second])
    lattice = np.stack([0 * constants.lattice, constants.lattice], axis=1)
    parts = [(sites, lattice, constants.values)]
    higher = (constants.triplets, constants.quartets)
    parts += [(one.sites, one.lattice, one.values) for one in higher if one is not None]
    n_sites = supercell.crystal.n_sites
    for sites, lattice, values in parts:
        yield sites.shape[1], cell_rank(supercell, lattice) * n_sites + sites, values


def assert_equal(ours, theirs):
    assert np.abs(ours - theirs).max() < 1e-7 * np.abs(ours).max()


def test_constants_equal_hiphive(frames):
    hiphive = pytest.importorskip("hiphive")
    optimise = pytest.importorskip("trainstation").Optimizer
    supercell = frames.supercell
    crystal = supercell.crystal
    constants, counts = fitted(frames, space_group(crystal))
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    ideal = Atoms(
        supercell.species, cell=supercell.cell, positions=supercell.positions, pbc=True
    )
    space = hiphive.ClusterSpace(primitive, [*frames.cutoffs.values()])
    assert {order: space.get_n_dofs_by_order(order) for order in counts} == counts
    container = hiphive.StructureContainer(space)
    for u_ax, f_ax in zip(frames.displacements, frames.forces, strict=True):
        frame = ideal.copy()
        frame.new_array("displacements", u_ax)
        frame.new_array("forces", f_ax)
        container.add_structure(frame)
    optimizer = optimise(container.get_fit_data(), train_size=1.0, check_condition=False)
    optimizer.train()
    potential = hiphive.ForceConstantPotential(space, optimizer.parameters)
    theirs = potential.get_force_constants(ideal)
    for _, atoms, values in clusters_of(constants, supercell):
        assert_equal(values, np.array([theirs[tuple(row)] for row in atoms.tolist()]))


def symfc_solver(symfc, supercell, cutoffs, **frames):
    kinds = sorted(set(supercell.species))
    atoms = symfc.utils.utils.SymfcAtoms(
        cell=supercell.cell,
        scaled_positions=supercell.positions @ np.linalg.inv(supercell.cell) % 1.0,
        numbers=[kinds.index(symbol) + 1 for symbol in supercell.species],
    )
    return symfc.Symfc(atoms, cutoff=cutoffs, log_level=0, **frames)


def test_constants_equal_symfc(frames):
    symfc = pytest.importorskip("symfc")
    pytest.importorskip("symfc.utils.utils")
    supercell = frames.supercell
    # symfc knows only the symmetry of the supercell, which may be less than the crystal's
    group = supercell_group(space_group(supercell.crystal), supercell)
    constants, counts = fitted(frames, group)
    data = {"displacements": frames.displacements, "forces": frames.forces}
    solver = symfc_solver(symfc, supercell, frames.cutoffs, **data)
    solver.run(orders=[*frames.cutoffs], is_compact_fc=True)
    assert {n: solver.basis_set[n].basis_set.shape[1] for n in counts} == counts
    place = {int(a): k for k, a in enumerate(solver.p2s_map)}
    for order, atoms, values in clusters_of(constants, supercell):
        # symfc lists clusters that start at one atom of each kind of its own choice
        own = np.array([a in place for a in atoms[:, 0].tolist()])
        assert own.any()
        home = np.array([place[a] for a in atoms[own, 0].tolist()])
        assert_equal(values[own], solver.force_constants[order][(home, *atoms[own, 1:].T)])


def test_constants_of_all_clusters_equal_symfc(shared_frames):
    """Sums over the images, which is what symfc has; the images share them."""
    symfc = pytest.importorskip("symfc")
    pytest.importorskip("symfc.utils.utils")
    frames, supercell = shared_frames, shared_frames.supercell
    constants, counts = fitted(frames, space_group(supercell.crystal))
    reach = {n: None if one == "supercell" else one for n, one in frames.cutoffs.items()}
    data = {"displacements": frames.displacements, "forces": frames.forces}
    solver = symfc_solver(symfc, supercell, reach, **data)
    solver.run(orders=[*reach], is_compact_fc=False)
    assert {n: solver.basis_set[n].basis_set.shape[1] for n in counts} == counts
    for order, atoms, values in clusters_of(constants, supercell):
        theirs = solver.force_constants[order][: supercell.crystal.n_sites]
        ours = np.zeros_like(theirs)
        np.add.at(ours, tuple(atoms.T), values)
        assert_equal(ours, theirs)


@pytest.mark.slow
def test_additional_triplets_of_symfc_are_rings_around_the_supercell(crystals):
    """Three atoms in a row around a period of three: each near to the next by an image.

    Their nearest distances are within the cutoff, yet no three images of them are: not a
    cluster of the crystal. A longer supercell has no such rings, and then all counts agree.
    """
    symfc = pytest.importorskip("symfc")
    pytest.importorskip("symfc.utils.utils")
    counts = {}
    for repeats in (3, 4):
        supercell = build_supercell(crystals["wurtzite"], np.diag([repeats, repeats, 2]))
        group = supercell_group(space_group(supercell.crystal), supercell)
        expansion = expansion_of(group, supercell, {2: 4.7, 3: 3.3})
        basis = expansion.bases[2]
        free = null_space(constraint_rows(basis, Constraints()))
        solver = symfc_solver(symfc, supercell, {3: 3.3})
        solver.compute_basis_set(3)
        theirs = solver.basis_set[3].basis_set.shape[1]
        counts[repeats] = free.shape[1], theirs, rings(supercell, basis, 3.3)
    ours, theirs, n_rings = counts[3]
    assert (ours, theirs) == (204, 218)
    assert n_rings > 0
    assert counts[4] == (204, 204, 0)


def rings(supercell, basis, cutoff):
    """Number of triplets of atoms that are near pair by pair and are folded from no cluster."""
    inverse = np.linalg.inv(supercell.cell)
    apart = (supercell.positions[:, None] - supercell.positions) @ inverse
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    apart = (apart - np.rint(apart))[:, :, None] + images
    near = np.linalg.norm(apart @ supercell.cell, axis=-1).min(axis=2) < cutoff
    first = np.arange(supercell.crystal.n_sites)
    listed = near[first][:, :, None] & near[first][:, None, :] & near
    ranks = cell_rank(supercell, basis.orbits.lattice)
    atoms = ranks * supercell.crystal.n_sites + basis.orbits.sites
    return int(listed.sum()) - len(np.unique(atoms, axis=0))
