"""Laws of the expansion: truth from exact polynomial forces, edges, sum rules, symmetry."""

import itertools

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import constants_of, fit_equations
from trajmodes.fit.model import model_of
from trajmodes.fit.solution import FitOptions
from trajmodes.symmetry.clusters import SHELL_TOLERANCE, cluster_orbits, inscribed_radius
from trajmodes.symmetry.constraints import Constraints, null_space
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.images import are_of_nearest, images_of_pairs
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
JOINT = FitOptions(scheme="joint")
# supercell matrix, cutoffs in Å by order, number of frames
CASES = {
    "diamond": (2 * CONVENTIONAL, {2: 5.3, 3: 4.0, 4: 2.5}, 12),
    "rock salt": ([[3, 0, 1], [0, 4, 0], [1, -1, 3]], {2: 4.2, 3: 3.0, 4: 3.0}, 12),
    "bcc": ([[4, 0, 0], [0, 5, 1], [1, 0, 4]], {2: None, 3: 3.0, 4: 3.0}, 12),
    "wurtzite": (np.diag([3, 3, 2]), {2: 4.7, 3: 3.3, 4: 2.1}, 25),
    "triclinic": ([[3, 1, 0], [0, 2, 0], [0, -1, 2]], {2: 4.0, 3: 2.6, 4: 2.2}, 60),
    "rutile": (np.diag([2, 2, 3]), {2: 4.0, 3: 2.6, 4: 2.0}, 12),
}
# the same with the largest cutoffs that the supercells admit
EDGES = {
    "diamond": (np.diag([2, 2, 2]), {2: None, 3: None, 4: None}, 30),
    "rock salt": (np.diag([2, 2, 2]), {2: None, 3: None, 4: 2.9}, 30),
    "bcc": (np.diag([3, 3, 3]), {2: None, 3: None, 4: 2.6}, 12),
    "triclinic": (np.diag([2, 2, 2]), {2: None, 3: 2.3}, 60),
}

# all clusters of small supercells, or those beyond the inscribed sphere, shared among images
WHOLE = {
    "diamond": (CONVENTIONAL, {2: "supercell", 3: "supercell", 4: "supercell"}, 10),
    "rock salt": (2 * np.eye(3, dtype=int), {2: "supercell", 3: "supercell"}, 30),
    "wurtzite": (np.diag([2, 2, 1]), {2: "supercell", 3: 4.0}, 60),
    "triclinic": (np.diag([2, 1, 1]), {2: "supercell", 3: "supercell"}, 90),
}


def model_for(crystal, matrix, cutoffs, **options):
    supercell = build_supercell(crystal, matrix)
    expansion = expansion_of(space_group(crystal), supercell, cutoffs)
    scheme = options.pop("scheme", "joint")
    return supercell, model_of(expansion, constraints=Constraints(**options), scheme=scheme)


def all_values(constants):
    higher = (constants.triplets, constants.quartets)
    return [constants.values, *(part.values for part in higher if part is not None)]


def assert_truth_is_found(constants, truth, tolerance=1e-9):
    for found, true in zip(all_values(constants), all_values(truth), strict=True):
        assert np.abs(found - true).max() < tolerance * np.abs(true).max()


def moved(supercell, n_frames, size, seed=1):
    rng = np.random.default_rng(seed)
    return size * rng.normal(size=(n_frames, supercell.n_atoms, 3))


@pytest.fixture
def truth_is_found(image_forces, equations_of):
    """Fit exact forces of random force constants, and return the fit."""

    def check(crystal, matrix, cutoffs, n_frames):
        supercell, model = model_for(crystal, matrix, cutoffs)
        rng = np.random.default_rng(2)
        truth = constants_of(model, rng.normal(size=model.n_parameters))
        # the fit includes a constant force, which is zero
        u_tax = moved(supercell, n_frames, 0.3)
        f_tax = image_forces(truth, supercell, u_tax)
        fit = fit_equations(
            equations_of(model.expansion, supercell, u_tax, f_tax), options=JOINT
        )
        assert_truth_is_found(fit.constants, truth)
        assert fit.constants.quality.rank == fit.constants.quality.n_parameters
        return fit

    return check


@pytest.mark.parametrize("name", CASES)
def test_exact_polynomial_forces_give_the_truth(crystals, truth_is_found, name):
    truth_is_found(crystals[name], *CASES[name])


@pytest.mark.parametrize("name", WHOLE)
def test_all_clusters_of_a_supercell_give_the_truth(crystals, truth_is_found, name):
    matrix, cutoffs, n_frames = WHOLE[name]
    fit = truth_is_found(crystals[name], matrix, cutoffs, n_frames)
    supercell = build_supercell(crystals[name], matrix)
    # the triplets are those of nearest images, and more are listed than there are
    listed = fit.constants.triplets
    images = images_of_pairs(supercell, SHELL_TOLERANCE)
    assert are_of_nearest(images, listed.sites, listed.lattice, listed.values)
    assert listed.n_clusters > fit.model.expansion.bases[2].orbits.n_clusters


@pytest.mark.parametrize("name", EDGES)
def test_clusters_that_fill_the_supercell_give_the_truth(crystals, truth_is_found, name):
    matrix, cutoffs, n_frames = EDGES[name]
    fit = truth_is_found(crystals[name], matrix, cutoffs, n_frames)
    limit = inscribed_radius(build_supercell(crystals[name], matrix))
    assert fit.model.expansion.cutoffs[1].radius == pytest.approx(limit)
    # clusters on the limit have several nearest images
    for basis in fit.model.expansion.bases:
        assert basis.orbits.radii.max() < limit - 1e-4


@pytest.mark.parametrize("name", ["diamond", "rock salt", "wurtzite"])
def test_pair_potentials_within_the_limit_are_fitted_exactly(crystals, equations_of, name):
    """Forces of an anharmonic pair potential, computed without orbits or tensors."""
    crystal = crystals[name]
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    expansion = expansion_of(space_group(crystal), supercell, {2: None, 3: None, 4: None})
    reach = inscribed_radius(supercell) - 1e-2
    u_tax = moved(supercell, 12, 0.1)
    f_tax = np.zeros_like(u_tax)
    atoms = range(supercell.n_atoms)
    cells = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3))) @ supercell.cell
    for a, b in itertools.permutations(atoms, 2):
        for bond in supercell.positions[b] - supercell.positions[a] + cells:
            length = np.linalg.norm(bond)
            if length < reach:
                f_tax[:, a] += _bond_force(bond / length, u_tax[:, b] - u_tax[:, a], length)
    fit = fit_equations(equations_of(expansion, supercell, u_tax, f_tax), options=JOINT)
    # cancellation leaves the square root of rounding in the residual
    assert fit.constants.quality.rms_residual < 1e-6 * fit.constants.quality.rms_force
    assert fit.constants.quality.orders[1].rms_residual > 1e-3 * fit.constants.quality.rms_force


def _bond_force(unit, d_tx, length):
    """Force of third order in d from the potential k₂ s²/2 + k₃ s³/6 + k₄ s⁴/24 + …"""
    stretch = (d_tx @ unit)[:, None]
    size = (d_tx**2).sum(axis=1, keepdims=True)
    k_2, k_3, k_4, bend = 5.0 / length, -9.0 / length, 20.0 / length, 0.7
    along = k_2 * stretch + 0.5 * k_3 * stretch**2 + k_4 * stretch**3 / 6.0
    return along * unit + bend * size * d_tx


@pytest.mark.parametrize(("order", "cutoff"), [(3, 3.19), (2, 3.19), (4, 1.951064)])
@pytest.mark.parametrize("off", [-5e-4, 5e-4])
def test_shells_on_the_cutoff_are_noted_and_treated_as_a_whole(crystals, order, cutoff, off):
    crystal = crystals["wurtzite"]
    supercell = build_supercell(crystal, np.diag([3, 3, 2]))
    cutoffs = {n: 4.0 if n == 2 else 2.5 for n in range(2, order)} | {order: cutoff + off}
    expansion = expansion_of(space_group(crystal), supercell, cutoffs)
    orbits = expansion.bases[order - 1].orbits
    word = "included" if off > 0 else "left out"
    assert orbits.notes
    for note in orbits.notes:
        assert f"lies on the cutoff of {cutoff + off:g} Å and is {word}" in note.text
    # orbit–stabiliser theorem: the orbits are complete
    group_order = orbits.group.n_operations * orbits.stabilisers.shape[2]
    kept = orbits.stabilisers.sum(axis=(1, 2))
    np.testing.assert_array_equal(np.bincount(orbits.orbit) * kept, group_order)
    assert (np.abs(orbits.radii - cutoff) < 1e-3).any() == (off > 0)


def test_noise_in_the_sites_splits_no_orbit(crystals, truth_is_found):
    crystal = crystals["wurtzite"]
    sites = crystal.sites + 1e-6 * np.random.default_rng(1).normal(size=(4, 3))
    noisy = Crystal(crystal.cell, sites, crystal.species, crystal.masses)
    # both species have like neighbours at 3.19 Å, exactly on this cutoff
    fit = truth_is_found(noisy, np.diag([3, 3, 2]), {2: 3.19, 3: 3.19}, 25)
    assert fit.constants.n_pairs == cluster_orbits(space_group(crystal), 2, 3.186).n_clusters
    noted = [note for note in fit.notes if "lies on the cutoff of 3.19 Å" in note.text]
    assert len(noted) >= 4
    assert all(note.text.endswith("and is left out") for note in noted)


def test_cutoffs_by_species_give_the_truth(crystals, truth_is_found):
    reach = {
        2: Cutoff(3.0, {("Na", "Na"): 4.1, ("Cl", "Cl"): 5.0}),
        3: Cutoff(3.0, {("Na", "Na"): 4.1}),
    }
    fit = truth_is_found(crystals["rock salt"], 2 * CONVENTIONAL, reach, 12)
    constants = fit.constants
    crystal = constants.crystal
    for second, farthest in ((0, 3.988), (1, 2.82)):
        of = (constants.first == 0) & (constants.second == second)
        apart = crystal.sites[second] + constants.lattice[of] - crystal.sites[0]
        lengths = np.linalg.norm(apart @ crystal.cell, axis=1)
        assert lengths.max() == pytest.approx(farthest, abs=1e-3)
    # Na–Na–Cl: both Na may be 4.0 Å apart, but two Cl may not
    kinds = np.array(crystal.species)[constants.triplets.sites]
    cells = constants.triplets.lattice[:, [1, 2]]
    different = (cells[:, 0] != cells[:, 1]).any(axis=1)
    assert ((kinds[:, 0] == "Cl") & (kinds[:, 1:] == "Na").all(axis=1) & different).any()
    two = (kinds[:, 0] == "Na") & (kinds[:, 1:] == "Cl").all(axis=1) & different
    assert not two.any()


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic", "rutile"])
def test_fitted_constants_obey_sum_rules_permutations_and_space_group(
    crystals, equations_of, name
):
    matrix, cutoffs, n_frames = CASES[name]
    supercell, model = model_for(crystals[name], matrix, cutoffs)
    rng = np.random.default_rng(4)
    u_tax, f_tax = rng.normal(size=(2, n_frames, supercell.n_atoms, 3))
    constants = fit_equations(equations_of(model.expansion, supercell, u_tax, f_tax)).constants
    group = space_group(crystals[name])
    for part in (constants.triplets, constants.quartets):
        order, size = part.order, np.abs(part.values).max()
        keys = [
            tuple(np.column_stack([s, r]).ravel().tolist())
            for s, r in zip(part.sites, part.lattice, strict=True)
        ]
        place = {key: k for k, key in enumerate(keys)}
        # sums over the last member; those over others follow by permutation
        sums = {}
        for key, value in zip(keys, part.values, strict=True):
            sums[key[:-4]] = sums.get(key[:-4], 0.0) + value
        assert max(np.abs(total).max() for total in sums.values()) < 1e-11 * size
        for pi in itertools.permutations(range(order)):
            cells = part.lattice[:, pi] - part.lattice[:, pi[:1]]
            other = _places(place, part.sites[:, pi], cells)
            rotated = part.values.transpose(0, *(1 + np.array(pi)))
            assert np.abs(part.values[other] - rotated).max() < 1e-11 * size
        for g in range(group.n_operations):
            cells = part.lattice @ group.rotations[g].T + group.shifts[g][part.sites]
            other = _places(place, group.permutations[g][part.sites], cells - cells[:, :1])
            rotated = part.values
            for axis in range(1, order + 1):
                rotated = np.moveaxis(
                    np.tensordot(rotated, group.cartesian[g], axes=(axis, 1)), -1, axis
                )
            assert np.abs(part.values[other] - rotated).max() < 1e-11 * size


def _places(place, sites, cells):
    rows = np.concatenate([sites[:, :, None], cells], axis=2).reshape(len(sites), -1)
    return [place[tuple(row)] for row in rows.tolist()]


def torques_and_stress(constants):
    """Born–Huang sums of each site, and the asymmetry of the Huang bracket, in eV/Å and eV."""
    crystal = constants.crystal
    apart = crystal.sites[constants.second] + constants.lattice - crystal.sites[constants.first]
    r_px = apart @ crystal.cell
    moment = np.einsum("pxy,pz->pxyz", constants.values, r_px)
    sums = np.zeros((crystal.n_sites, 3, 3, 3))
    np.add.at(sums, constants.first, moment - moment.swapaxes(2, 3))
    bracket = np.einsum("pxy,pz,pw->xyzw", constants.values, r_px, r_px)
    return np.abs(sums).max(), np.abs(bracket - bracket.transpose(2, 3, 0, 1)).max()


@pytest.mark.parametrize("name", ["wurtzite", "triclinic"])
@pytest.mark.parametrize("higher", [{}, {3: 2.2}])
def test_constraints_hold_for_the_fitted_constants(crystals, equations_of, name, higher):
    matrix, cutoffs, n_frames = CASES[name]
    supercell, model = model_for(crystals[name], matrix, {2: cutoffs[2], **higher})
    rng = np.random.default_rng(5)
    u_tax, f_tax = rng.normal(size=(2, n_frames, supercell.n_atoms, 3))
    equations = equations_of(model.expansion, supercell, u_tax, f_tax)

    def fitted(**switches):
        options = FitOptions(constraints=Constraints(**switches))
        constants = fit_equations(equations, options=options).constants
        return constants.quality, *torques_and_stress(constants)

    plain, torque, stress = fitted()
    assert min(torque, stress) > 1e-3
    rotated, torque, stress = fitted(born_huang=True)
    assert torque < 1e-11
    assert stress > 1e-3
    assert rotated.n_parameters < plain.n_parameters
    assert rotated.rms_residual > plain.rms_residual
    assert rotated.constraints == ("hermitian", "born_huang")
    _, torque, stress = fitted(huang=True)
    assert stress < 1e-11
    assert torque > 1e-3
    both, torque, stress = fitted(born_huang=True, huang=True)
    assert max(torque, stress) < 1e-11
    assert both.n_parameters < rotated.n_parameters


def spring_model(basis, tension):
    """Springs of random stiffness and tension b = φ′/r for each orbit, with self terms."""
    orbits, crystal = basis.orbits, basis.orbits.group.crystal
    apart = crystal.sites[orbits.sites[:, 1]] + orbits.lattice[:, 1]
    r_px = (apart - crystal.sites[orbits.sites[:, 0]]) @ crystal.cell
    length = np.linalg.norm(r_px, axis=1)
    bonds = length > 1e-6
    unit = r_px / np.where(bonds, length, 1.0)[:, None]
    rng = np.random.default_rng(6)
    stiff, b = rng.uniform(1.0, 3.0, orbits.n_orbits)[orbits.orbit], tension[orbits.orbit]
    outer = unit[:, :, None] * unit[:, None, :]
    values = -((stiff - b)[:, None, None] * outer + b[:, None, None] * np.eye(3))
    values[~bonds] = 0.0
    sums = np.zeros((crystal.n_sites, 3, 3))
    np.add.at(sums, orbits.sites[:, 0], values)
    values[~bonds] = -sums[orbits.sites[~bonds, 0]]
    units = basis.expand(np.eye(basis.n_parameters)).reshape(basis.n_parameters, -1)
    return units @ values.ravel(), r_px, bonds


@pytest.mark.parametrize("name", ["wurtzite", "triclinic"])
def test_central_forces_in_equilibrium_obey_all_constraints(
    crystals, equations_of, image_forces, name
):
    """Without force on any site and without stress the sums vanish analytically."""
    matrix, cutoffs, n_frames = CASES[name]
    supercell, model = model_for(crystals[name], matrix, {2: cutoffs[2]})
    basis = model.expansion.bases[1]
    orbits = basis.orbits
    _, r_px, bonds = spring_model(basis, np.zeros(orbits.n_orbits))
    forces = np.zeros((orbits.n_orbits, supercell.crystal.n_sites, 3))
    np.add.at(forces, (orbits.orbit[bonds], orbits.sites[bonds, 0]), r_px[bonds])
    stress = np.zeros((orbits.n_orbits, 3, 3))
    np.add.at(stress, orbits.orbit[bonds], r_px[bonds, :, None] * r_px[bonds, None, :])
    rows = np.concatenate([forces.reshape(len(forces), -1), stress.reshape(len(stress), -1)], 1)
    balanced = null_space(rows.T)
    rng = np.random.default_rng(7)
    u_tax = moved(supercell, n_frames, 0.1)
    everything = FitOptions(constraints=Constraints(born_huang=True, huang=True))
    for tension, in_equilibrium in (
        (balanced @ rng.normal(size=balanced.shape[1]), True),
        (0.3 * rng.normal(size=orbits.n_orbits), False),
    ):
        truth = basis.constants(spring_model(basis, tension)[0])
        assert (max(torques_and_stress(truth)) < 1e-10) == in_equilibrium
        equations = equations_of(
            model.expansion, supercell, u_tax, image_forces(truth, supercell, u_tax)
        )
        assert_truth_is_found(fit_equations(equations).constants, truth)
        constrained = fit_equations(equations, options=everything).constants
        off = np.abs(constrained.values - truth.values).max() / np.abs(truth.values).max()
        assert off < 1e-9 if in_equilibrium else off > 1e-3


@pytest.mark.parametrize(
    ("name", "n_more"),
    # antisymmetric components of Σ_j Φ_ij that symmetry allows, except those of the total
    [("diamond", 0), ("wurtzite", 0), ("rutile", 0), ("quartz", 4), ("triclinic", 6)],
)
def test_hermiticity_is_an_option(crystals, equations_of, name, n_more):
    crystal = crystals[name]
    matrix = CASES[name][0] if name in CASES else np.diag([2, 2, 2])
    reach = 4.0 if name != "quartz" else 3.0
    supercell, model = model_for(crystal, matrix, {2: reach})
    rng = np.random.default_rng(8)
    u_tax, f_tax = rng.normal(size=(2, 40, supercell.n_atoms, 3))
    equations = equations_of(model.expansion, supercell, u_tax, f_tax)
    strict, unconstrained = (
        fit_equations(equations, options=FitOptions(constraints=Constraints(hermitian=switch)))
        for switch in (True, False)
    )
    counts = [fit.constants.quality.n_parameters for fit in (strict, unconstrained)]
    assert counts[1] - counts[0] == n_more
    sums = np.zeros((2, crystal.n_sites, 3, 3))
    for total, fit in zip(sums, (strict, unconstrained), strict=True):
        np.add.at(total, fit.constants.first, fit.constants.values)
    assert np.abs(sums[0]).max() < 1e-12
    # the sums are antisymmetric, and their sum over all sites vanishes
    assert np.abs(sums[1] + sums[1].swapaxes(1, 2)).max() < 1e-12
    assert np.abs(sums[1].sum(axis=0)).max() < 1e-12
    assert (np.abs(sums[1]).max() > 1e-4) == (n_more > 0)
    residuals = [fit.constants.quality.rms_residual for fit in (strict, unconstrained)]
    assert residuals[1] <= residuals[0] * (1 + 1e-12)
