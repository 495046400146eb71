import numpy as np
import pytest

from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.pair_range import choose_range
from trajmodes.fit.solution import FitOptions
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space


@pytest.fixture
def salt(crystals):
    return build_supercell(crystals["rock salt"], 2 * np.eye(3, dtype=int))


@pytest.fixture
def frames_of(salt, springs, hessian_of, reduce_frames, random_frames):
    """Frames of a salt whose springs reach a distance; the inscribed sphere reaches 3.99 Å."""

    def make(reach, n_frames=300, noise=0.02):
        hessian = hessian_of(springs(salt.crystal, reach), salt)
        u_tax, noise_tax = random_frames(salt, n_frames)
        u_tax = 0.05 * u_tax
        f_tax = -(u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
        return reduce_frames(salt, u_tax, f_tax + noise * noise_tax)

    return make


@pytest.fixture
def wurtzite_of_low_symmetry(crystals, springs, hessian_of, reduce_frames, random_frames):
    """Six noisy frames of springs between nearest neighbours in a crystal without symmetry."""
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
    hessian = hessian_of(springs(crystal, 3.0), supercell)
    u_tax, noise_tax = random_frames(supercell, 6)
    u_tax = 0.05 * u_tax
    f_tax = -(u_tax.reshape(6, -1) @ hessian).reshape(u_tax.shape)
    return reduce_frames(supercell, u_tax, f_tax + 0.3 * f_tax.std() * noise_tax), crystal


def chosen(covariances):
    crystal = covariances.space.supercell.crystal
    return choose_range([covariances], space_group(crystal), FitOptions())


def test_forces_within_the_sphere_need_no_longer_range(frames_of):
    choice = chosen(frames_of(3.5))
    assert choice.cutoff is None
    assert "reach 3.99 Å" in choice.note.text


def test_forces_beyond_the_sphere_take_all_pairs_of_the_supercell(frames_of, salt, springs):
    covariances = frames_of(6.5)
    choice = chosen(covariances)
    assert choice.cutoff == "supercell"
    assert "all pairs of the supercell" in choice.note.text
    # and only they give the frequencies of the crystal
    space = half_space(salt)
    exact = modes_at(springs(salt.crystal, 6.5), space.qpoints, space.weights)
    group = space_group(salt.crystal)

    def largest_error(cutoff):
        expansion = expansion_of(group, salt, {2: cutoff})
        fit = fit_equations(harmonic_equations(covariances, expansion))
        found = modes_at(fit.constants, space.qpoints, space.weights)
        return np.abs(found.omega - exact.omega).max() / exact.omega.max()

    assert largest_error(choice.cutoff) < 2e-3
    assert largest_error(None) > 0.02


def test_exact_forces_within_the_sphere_keep_it(frames_of):
    assert chosen(frames_of(3.5, noise=0.0)).cutoff is None


def test_frames_that_do_not_determine_a_range_are_said(salt, reduce_frames):
    """One atom is displaced: pairs of atoms of the other species are undetermined."""
    u_tax = np.zeros((1, salt.n_atoms, 3))
    u_tax[0, 0, 0] = 0.01
    choice = chosen(reduce_frames(salt, u_tax, -u_tax))
    assert choice.cutoff is None
    assert "could not be tested" in choice.note.text
    assert "--cutoff2 supercell" in choice.note.fix


@pytest.mark.parametrize(("reach", "cutoff"), [(3.5, None), (6.5, "supercell")])
def test_one_displaced_atom_of_each_species_decides(
    salt, springs, hessian_of, reduce_frames, reach, cutoff
):
    """As in calculations with finite displacements: no frame can be left out."""
    hessian = hessian_of(springs(salt.crystal, reach), salt)
    u_tax = np.zeros((2, salt.n_atoms, 3))
    u_tax[[0, 1], [0, 1], 0] = 0.01
    noise_tax = 1e-4 * np.random.default_rng(1).normal(size=u_tax.shape)
    f_tax = noise_tax - (u_tax.reshape(2, -1) @ hessian).reshape(u_tax.shape)
    f_tax -= f_tax.mean(axis=1, keepdims=True)
    choice = chosen(reduce_frames(salt, u_tax, f_tax))
    assert choice.cutoff == cutoff
    assert "left out" not in choice.note.text


def test_frames_too_few_for_the_sphere_take_a_shorter_cutoff(wurtzite_of_low_symmetry):
    covariances, crystal = wurtzite_of_low_symmetry
    choice = choose_range([covariances], space_group(crystal), FitOptions())
    assert 2.5 < choice.cutoff.largest < 4.0 < inscribed_radius(covariances.space.supercell)
    assert "too few for the largest cutoff" in choice.note.text
    # it predicts frames that were not fitted better than the sphere does
    quality = [
        fit_equations(
            harmonic_equations(
                covariances,
                expansion_of(space_group(crystal), covariances.space.supercell, {2: cutoff}),
            )
        ).constants.quality
        for cutoff in (choice.cutoff, None)
    ]
    assert quality[0].r_squared < quality[1].r_squared
    assert quality[0].r_squared_predicted > quality[1].r_squared_predicted


def test_runs_count_together(frames_of, salt):
    covariances = frames_of(6.5)
    group = space_group(salt.crystal)
    other = frames_of(6.5, n_frames=200)
    assert choose_range([covariances, other], group, FitOptions()).cutoff == "supercell"
