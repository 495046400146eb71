"""Third derivatives of pairs and angles: those of second order by differences."""

import numpy as np
import pytest

from trajmodes.potentials.terms import functions as of
from trajmodes.potentials.terms.pairs import PairList
from trajmodes.potentials.terms.particles import Particles
from trajmodes.potentials.terms.third_derivatives import (
    length_derivatives,
    third_of_pairs,
    third_of_triples,
)
from trajmodes.potentials.terms.triples import (
    AngularFunction,
    TripleList,
    bending,
    harmonic_exponential,
)

PLACES = np.array([[0.1, 0.2, -0.1], [1.5, 0.4, 0.3], [-0.2, 1.9, 0.6]])
BOX = np.diag([50.0, 50.0, 50.0])
H = 2e-3

ARM = of.screened(1.0, 1.5, 4.0)
ANGLES = {
    "Stillinger–Weber": AngularFunction(ARM, ARM, of.cosine_harmonic(20.0, 109.47)),
    "harmonic angle": bending(of.HarmonicAngle(4.0, 109.47)),
    "harmonic–exponential": harmonic_exponential(3.0, 105.0, 0.8, 1.1),
    "lengths of both bonds": AngularFunction(
        of.morse(1.0, 1.2, 1.6), of.power(2.0, -3), of.cosine_harmonic(2.0, 120.0)
    ),
}
PAIRS = {
    "Morse": of.morse(2.0, 1.6, 1.4),
    "Lennard-Jones": of.lennard_jones(0.3, 1.5),
    "Buckingham": of.buckingham(1400.0, 0.3, 27.0),
}


def difference(function, at, step=H):
    """Derivatives (…, n) of an array along all coordinates, to order h⁴."""
    moves = step * np.eye(at.size).reshape(-1, *at.shape)
    return np.stack(
        [
            (
                8.0 * (function(at + m) - function(at - m))
                - function(at + 2 * m)
                + function(at - 2 * m)
            )
            / (12.0 * step)
            for m in moves
        ],
        axis=-1,
    )


def second(one, places):
    """Second derivatives (n, n, 3, 3) between different particles."""
    blocks = one.blocks(Particles(BOX, places))
    found = np.zeros((len(places), len(places), 3, 3))
    np.add.at(found, (blocks.first, blocks.second), blocks.values)
    return found + found.transpose(1, 0, 3, 2)


def test_derivatives_of_a_length_are_those_of_the_one_before():
    vectors = np.random.default_rng(1).normal(size=(4, 3)) + 1.5
    found = length_derivatives(vectors)
    for order in range(4):
        for k, vector in enumerate(vectors):
            wanted = difference(lambda x, n=order: length_derivatives(x[None])[n][0], vector)
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(found[order + 1][k], wanted, atol=1e-7 * scale)


@pytest.mark.parametrize("name", PAIRS)
def test_third_derivatives_of_pairs_are_those_of_the_second(name):
    one = PairList(np.array([0]), np.array([1]), np.zeros((1, 3), int), PAIRS[name])
    found = third_of_pairs(one, Particles(BOX, PLACES))[0, 0, :, 0, :, 0]
    wanted = difference(lambda places: -second(one, places)[0, 1], PLACES)[..., 3:6]
    np.testing.assert_allclose(found, wanted, atol=1e-7 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ANGLES)
def test_third_derivatives_of_angles_are_those_of_the_second(name):
    one = TripleList(np.array([0]), np.array([[1, 2]]), np.zeros((1, 2, 3), int), ANGLES[name])
    found = third_of_triples(one, Particles(BOX, PLACES))[0]
    wanted = difference(lambda places: second(one, places)[1, 2], PLACES)[..., 3:]
    mixed = found[0, :, 1]
    scale = np.abs(found).max()
    np.testing.assert_allclose(mixed.reshape(3, 3, 6), wanted, atol=1e-7 * scale)
    # The centre moves against both ends: Φ_c,a = −(Φ_aa + Φ_ba).
    wanted = difference(lambda places: -second(one, places)[0], PLACES)[1:, ..., 3:]
    sums = found.sum(axis=0).transpose(1, 0, 2, 3, 4).reshape(2, 3, 3, 6)
    np.testing.assert_allclose(sums, wanted, atol=1e-7 * scale)
    np.testing.assert_allclose(found, found.transpose(4, 5, 2, 3, 0, 1), atol=1e-13 * scale)
