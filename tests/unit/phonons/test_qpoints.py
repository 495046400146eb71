"""Lists of q points, the points on a band path, and the names of special points."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal
from trajmodes.errors import TrajmodesWarning, UsageError
from trajmodes.phonons.qpoints import (
    band_path,
    commensurate,
    joined_axes,
    mesh,
    on_path,
    point_names,
    sections_with,
    shared_mesh,
    spaced_mesh,
    special_points,
)
from trajmodes.symmetry.stars import star_images, star_labels
from trajmodes.symmetry.translations import build_supercell, half_space

CUBIC = [[-4, 4, 4], [4, -4, 4], [4, 4, -4]]  # conventional 4 × 4 × 4 of an fcc crystal
NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]


def test_commensurate_points_keep_the_order_of_the_transform(crystals):
    supercell = build_supercell(crystals["diamond"], [[2, 1, 0], [0, 3, 0], [1, 0, 4]])
    space = half_space(supercell)
    qpoints, weights = commensurate(supercell)
    np.testing.assert_array_equal(qpoints, space.qpoints)
    np.testing.assert_array_equal(weights, space.weights)
    whole = qpoints @ supercell.matrix.T
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-12)
    assert weights.sum() == supercell.n_cells


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("divisions", [(8, 8, 8), (2, 3, 4), (4, 4, 2), (1, 1, 1)])
def test_a_mesh_holds_one_point_of_each_star(name, divisions, crystals):
    qpoints, weights = mesh(crystals[name], divisions)
    assert (qpoints >= -0.5).all()
    assert (qpoints < 0.5).all()
    assert weights.sum() == np.prod(divisions)
    full = np.indices(divisions).reshape(3, -1).T / divisions
    labels = star_labels(crystals[name], np.concatenate([qpoints, full]))
    np.testing.assert_array_equal(labels[: len(qpoints)], np.arange(len(qpoints)))
    counts = np.bincount(labels[len(qpoints) :])
    np.testing.assert_array_equal(counts, weights)


def test_the_mesh_of_silicon_has_the_known_number_of_points(crystals):
    # 8 × 8 × 8 through Γ of an fcc crystal: 29, as every electronic-structure code prints.
    assert len(mesh(crystals["diamond"], (8, 8, 8))[1]) == 29


@pytest.mark.parametrize("divisions", [(0, 1, 1), (2, 2), (-1, 2, 2)])
def test_a_mesh_without_points_is_refused(divisions, crystals):
    with pytest.raises(UsageError, match="three positive numbers of points"):
        mesh(crystals["bcc"], divisions)


def test_the_path_of_silicon(crystals):
    path = band_path(crystals["diamond"], 0.05)
    places, names = path.ticks()
    assert names == ("Γ", "X", "U|K", "Γ", "L", "W", "X")
    a = 5.431
    lengths = np.array([1.0, 0.125**0.5, 1.125**0.5, 0.75**0.5, 0.5**0.5, 0.5]) * 2 * np.pi / a
    np.testing.assert_allclose(np.diff(places), lengths, rtol=1e-9)
    assert path.n_sections == 6
    assert path.labels[0] == ("Γ", "X")
    np.testing.assert_allclose(path.qpoints[0], 0.0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_points_of_a_path_are_equally_spaced(name, crystals):
    crystal, spacing = crystals[name], 0.07
    path = band_path(crystal, spacing)
    cartesian = path.qpoints @ np.linalg.inv(crystal.cell).T * 2 * np.pi
    assert path.offsets[-1] == len(path.distance)
    for k in range(path.n_sections):
        part = slice(path.offsets[k], path.offsets[k + 1])
        steps = np.linalg.norm(np.diff(cartesian[part], axis=0), axis=1)
        np.testing.assert_allclose(steps, np.diff(path.distance[part]), atol=1e-12)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
        assert spacing / 2 < steps[0] <= spacing * (1 + 1e-9)
    inner = path.offsets[1:-1]
    np.testing.assert_allclose(path.distance[inner], path.distance[inner - 1], atol=1e-12)


def test_the_path_is_that_of_the_users_own_cell(crystals):
    """Another choice of primitive vectors, rotated in space, gives the same wave vectors."""
    crystal = crystals["diamond"]
    change = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    other = Crystal(
        change @ crystal.cell @ turn,
        crystal.sites @ np.linalg.inv(change),
        crystal.species,
        crystal.masses,
    )
    path, again = band_path(crystal, 0.1), band_path(other, 0.1)
    assert again.labels == path.labels
    np.testing.assert_allclose(again.distance, path.distance, atol=1e-6)
    # q·R does not know the basis: expressed in the first one, the points are of one star.
    points = again.qpoints @ np.linalg.inv(change).T
    images = star_images(crystal, path.qpoints)
    apart = images - points
    gap = np.abs(apart - np.rint(apart)).max(axis=2).min(axis=0)
    assert gap.max() < 1e-6


def test_a_cell_with_few_digits_keeps_its_path(crystals):
    crystal = crystals["wurtzite"]
    rounded = Crystal(
        crystal.cell.round(5), crystal.sites.round(5), crystal.species, crystal.masses
    )
    path, wanted = band_path(rounded, 0.1), band_path(crystal, 0.1)
    assert path.labels == wanted.labels
    np.testing.assert_allclose(path.qpoints, wanted.qpoints, atol=1e-4)


def test_a_cell_that_is_not_primitive_gives_a_warning(crystals):
    crystal = crystals["bcc"]
    double = Crystal(
        2.87 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("Fe", "Fe"),
        np.repeat(crystal.masses, 2),
    )  # fmt: skip
    with pytest.warns(TrajmodesWarning, match="its bands are folded"):
        path = band_path(double, 0.1)
    np.testing.assert_allclose(path.ticks()[0], band_path(crystal, 0.1).ticks()[0], rtol=1e-6)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan")])
def test_a_spacing_must_be_positive(spacing, crystals):
    with pytest.raises(UsageError, match="spacing of a band path must be positive"):
        band_path(crystals["bcc"], spacing)


def test_q_points_of_cubic_silicon_supercell_on_the_path(crystals):
    crystal = crystals["diamond"]
    qpoints, _ = commensurate(build_supercell(crystal, CUBIC))
    path = band_path(crystal, 0.1)
    hits = on_path(path, qpoints)
    unit = 2 * np.pi / 5.431
    places, _ = path.ticks()
    distance = np.unique(hits.distance.round(9))
    # Δ: whole multiples of the smallest vector of the cube, Γ and X included.
    np.testing.assert_allclose(
        distance[distance < places[1] + 1e-6], np.arange(5) / 4 * unit, atol=1e-8
    )
    # Λ: Γ, one half, L; L–W–X: the zone-boundary points of the cube.
    np.testing.assert_allclose(
        distance[(distance > places[3] - 1e-6) & (distance < places[4] + 1e-6)] - places[3],
        np.array([0, 1 / 4, 1 / 2]) * 3**0.5 * unit,
        atol=1e-8,
    )
    assert (np.diff(hits.distance) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_points_on_the_path_agree_with_a_brute_force_search(name, crystals):
    crystal = crystals[name]
    qpoints, _ = commensurate(build_supercell(crystal, [[4, 0, 0], [0, 4, 0], [0, 0, 2]]))
    path = band_path(crystal, 0.5)
    hits = on_path(path, qpoints)
    found = set(zip(hits.index.tolist(), hits.distance.round(4).tolist(), strict=True))
    assert len(found) == len(hits.index)
    wanted = set()
    grid = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    images = star_images(crystal, qpoints)[:, :, None, :] + grid
    for k in range(path.n_sections):
        start, end = path.offsets[k], path.offsets[k + 1] - 1
        step = path.qpoints[end] - path.qpoints[start]
        t = (images - path.qpoints[start]) @ step / (step @ step)
        off = np.abs(images - path.qpoints[start] - t[..., None] * step).max(axis=-1)
        good = (off < 1e-6) & (t > -1e-6) & (t < 1 + 1e-6)
        place = path.distance[start] + t * (path.distance[end] - path.distance[start])
        for index, at in zip(np.nonzero(good)[1], place[good], strict=True):
            wanted.add((int(index), round(float(at), 4) + 0.0))
    assert found == wanted


def test_both_ends_of_a_full_period_are_found(crystals):
    path = BandPath(
        crystals["triclinic"], np.array([[0, 0, 0], [1, 0, 0]]), np.array([0, 2.0]),
        np.array([0, 2]), (("Γ", "Γ"),),
    )  # fmt: skip
    hits = on_path(path, [[0, 0, 0], [0.25, 0, 0], [0.25, 0.1, 0]])
    np.testing.assert_allclose(hits.distance, [0.0, 0.5, 1.5, 2.0])
    np.testing.assert_array_equal(hits.index, [0, 1, 1, 0])


@pytest.mark.parametrize("sign", [-1, 1])
def test_noise_at_the_corners_of_a_path_is_tolerated(sign, crystals):
    path = BandPath(
        crystals["triclinic"], np.array([[0, sign * 1e-6, 0], [0, -0.5, 1e-6]]),
        np.array([0, 1.0]), np.array([0, 2]), (("Γ", "Y"),),
    )  # fmt: skip
    hits = on_path(path, [[0, 0, 0], [0, 0.5, 0], [0, 0.25, 0]])
    np.testing.assert_array_equal(hits.index, [0, 2, 1])
    np.testing.assert_allclose(hits.distance, [0, 0.5, 1], atol=1e-5)
    back = BandPath(path.crystal, path.qpoints[::-1], path.distance, path.offsets, path.labels)
    np.testing.assert_array_equal(on_path(back, [[0, 0, 0], [0, 0.5, 0]]).index, [1, 0])


def counts(crystal, matrix):
    qpoints, weights = commensurate(build_supercell(crystal, matrix))
    found = Counter()
    for name, weight in zip(point_names(crystal, qpoints), weights, strict=True):
        found[name] += int(weight)
    return found


def test_stars_of_the_face_centred_cube_have_their_known_sizes(crystals):
    found = counts(crystals["diamond"], [[-4, 4, 4], [4, -4, 4], [4, 4, -4]])
    # Of 256 points; U and K are one star, of which K is named first.
    wanted = {"Γ": 1, "X": 3, "L": 4, "W": 6, "K": 12}
    assert {name: found[name] for name in wanted} == wanted
    assert sum(found.values()) == 256
    assert set(found) == {"", *wanted}


def test_stars_of_the_hexagonal_zone(crystals):
    found = counts(crystals["wurtzite"], np.diag([6, 6, 2]))
    wanted = {"Γ": 1, "A": 1, "M": 3, "L": 3, "K": 2, "H": 2}
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) == {"", *wanted}


@pytest.mark.parametrize(
    "turn", [[[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[1, 0, 0], [1, 1, 0], [0, -1, 1]]]
)
def test_names_do_not_depend_on_the_choice_of_the_cell(crystals, turn):
    one = crystals["wurtzite"]
    turned = np.array(turn)
    other = Crystal(
        turned @ one.cell, one.sites @ np.linalg.inv(turned), one.species, one.masses
    )
    qpoints, _ = commensurate(build_supercell(one, np.diag([6, 6, 2])))
    # q·(a row of the cell) is what it was.
    assert point_names(other, qpoints @ turned.T) == point_names(one, qpoints)


def test_axes_mixed_by_symmetry_are_grouped(crystals):
    assert joined_axes(crystals["diamond"]) == [(0, 1, 2)]
    assert joined_axes(crystals["wurtzite"]) == [(0, 1), (2,)]
    assert joined_axes(crystals["triclinic"]) == [(0,), (1,), (2,)]


def test_a_spaced_mesh_is_fine_enough_and_equal_along_axes_that_symmetry_mixes(crystals):
    diamond = crystals["diamond"]
    skew = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    other = replace(
        diamond, cell=skew @ diamond.cell, sites=diamond.sites @ np.linalg.inv(skew)
    )
    for crystal in (diamond, other, crystals["wurtzite"]):
        counts = np.array(spaced_mesh(crystal, 0.1))
        lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
        for axes in map(list, joined_axes(crystal)):
            assert set(counts[axes]) == {int(np.ceil(lengths[axes].max() / 0.1))}
    lengths = np.linalg.norm(np.linalg.inv(other.cell), axis=0)
    assert np.ptp(lengths) > 0.1 * lengths.max()


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("shear", [0.0, 0.7])
def test_path_and_meshes_of_a_layer_lie_in_its_plane(axis, shear):
    """Γ M K of graphene (Hinuma et al.), whatever vector leads out of the plane."""
    cell = np.array([[2.46, 0, 0], [-1.23, 2.46 * 0.75**0.5, 0], [shear, 0, 18.0]])
    sites = np.array([[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
    order = np.roll([0, 1, 2], axis - 2)
    crystal = Crystal(cell[order], sites[:, order], ("C", "C"), np.array([12.0, 12.0]))
    points, sections = special_points(crystal)
    assert sorted(points) == ["K", "M", "Γ"]
    assert sections == [("Γ", "M"), ("M", "K"), ("K", "Γ")]
    assert np.abs(band_path(crystal, 0.1).qpoints[:, axis]).max() < 1e-12
    assert spaced_mesh(crystal, 0.1)[axis] == 1
    ones = build_supercell(crystal, np.diag(np.where(np.arange(3) == axis, 1, 6)))
    assert shared_mesh(ones, (6, 6, 6)) == tuple(1 if k == axis else 6 for k in range(3))


def test_the_standard_path_is_cut_to_sections_that_a_supercell_fills():
    """A 1 × 1 × 4 supercell of the simple cube has q along one axis alone."""
    crystal = Crystal(np.eye(3) * 5.0, [[0.0, 0.0, 0.0]], ("Po",), [209.0])
    qpoints, _ = commensurate(build_supercell(crystal, np.diag([1, 1, 4])))
    path = band_path(crystal, 0.1)
    cut = sections_with(path, qpoints)
    assert cut.labels == (("Γ", "X"),)
    np.testing.assert_allclose(on_path(cut, qpoints).distance * 5.0, np.pi * np.arange(3) / 2)
    # The star of Γ alone fills no section, and the path is kept.
    assert sections_with(path, [[0.0, 0.0, 0.0]]) is path


def test_sections_that_are_left_follow_each_other(crystals):
    crystal = crystals["diamond"]
    qpoints, _ = commensurate(build_supercell(crystal, 2 * np.eye(3, dtype=int)))
    path = band_path(crystal, 0.1)
    cut = sections_with(path, qpoints)
    assert 0 < cut.n_sections < path.n_sections
    assert set(cut.labels) < set(path.labels)
    starts, ends = cut.offsets[:-1], cut.offsets[1:] - 1
    np.testing.assert_allclose(cut.distance[starts[1:]], cut.distance[ends[:-1]])
    for k, label in enumerate(cut.labels):
        same = path.labels.index(label)
        whole = slice(path.offsets[same], path.offsets[same + 1])
        np.testing.assert_array_equal(cut.qpoints[starts[k] : ends[k] + 1], path.qpoints[whole])
        hits = on_path(cut, qpoints).distance
        inside = (hits > cut.distance[starts[k]] - 1e-6) & (hits < cut.distance[ends[k]] + 1e-6)
        assert inside.sum() > 1
