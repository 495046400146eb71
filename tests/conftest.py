"""Crystals of several kinds and springs between their atoms, for tests of every room."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from trajmodes.data import Crystal, ForceConstants, Supercell
from trajmodes.symmetry.translations import cell_rank
from trajmodes.units import DALTON


def _crystal(cell: object, sites: object, species: str, masses_da: list[float]) -> Crystal:
    masses = np.array(masses_da) * DALTON
    return Crystal(np.array(cell), np.array(sites), tuple(species.split()), masses)


def _crystals() -> dict[str, Crystal]:
    fcc = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    bcc = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    hexagonal = np.array([[3.19, 0.0, 0.0], [-1.595, 3.19 * 0.75**0.5, 0.0], [0.0, 0.0, 5.189]])
    third, ga_n = [[1 / 3, 2 / 3], [2 / 3, 1 / 3]] * 2, [0.0, 0.5, 0.376, 0.876]
    wurtzite = np.column_stack([third, ga_n])
    triclinic = [[4.1, 0.3, -0.2], [0.7, 4.6, 0.5], [-0.4, 0.9, 5.2]]
    low = [[0.02, 0.03, 0.01], [0.48, 0.43, 0.55], [0.1, 0.6, 0.3]]
    none, mid = [0.0] * 3, [0.5] * 3
    return {
        "diamond": _crystal(fcc * 2.7155, [none, [0.25] * 3], "Si Si", [28.085] * 2),
        "rock salt": _crystal(fcc * 2.82, [none, mid], "Na Cl", [22.99, 35.45]),
        "bcc": _crystal(bcc * 1.435, [none], "Fe", [55.845]),
        "wurtzite": _crystal(hexagonal, wurtzite, "Ga Ga N N", [69.723] * 2 + [14.007] * 2),
        "triclinic": _crystal(triclinic, low, "Si O O", [28.085, 15.999, 15.999]),
    }


def _near(crystal: Crystal, reach: int) -> tuple[np.ndarray, ...]:
    """first, second, lattice and vector of all pairs in (2·reach + 1)³ cells."""
    cells = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    s = crystal.n_sites
    first, second, cell = (x.ravel() for x in np.indices((s, s, len(cells))))
    vectors = crystal.positions[second] - crystal.positions[first] + cells[cell] @ crystal.cell
    return first, second, cells[cell], vectors


def _springs(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """−∂²U/∂u∂u' of springs that depend on species and distance alone: fully symmetric."""
    length = np.linalg.norm(vectors, axis=1)
    unit = vectors / length[:, None]
    stiff = 9.0 * np.exp(-(length**2) / 9.0) * kinds
    bend = 0.08 * stiff
    outer = unit[:, :, None] * unit[:, None, :]
    return -((stiff - bend)[:, None, None] * outer + bend[:, None, None] * np.eye(3))


def spring_constants(crystal: Crystal, cutoff: float, strength: float = 1.0) -> ForceConstants:
    """Springs to all neighbours within the cutoff; species make them differ."""
    inverse = np.linalg.norm(np.linalg.inv(crystal.cell), axis=0).max()
    first, second, lattice, vectors = _near(crystal, int(np.ceil(cutoff * inverse)) + 1)
    length = np.linalg.norm(vectors, axis=1)
    keep = (length < cutoff) & (length > 1e-6)
    first, second, lattice, vectors = first[keep], second[keep], lattice[keep], vectors[keep]
    tag = np.array([sum(map(ord, name)) % 7 for name in crystal.species])
    values = strength * _springs(vectors, 1.0 + 0.1 * (tag[first] + tag[second]))
    onsite = np.zeros((crystal.n_sites, 3, 3))
    np.add.at(onsite, first, -values)
    own = np.arange(crystal.n_sites)
    return ForceConstants(
        crystal,
        np.concatenate([own, first]),
        np.concatenate([own, second]),
        np.concatenate([np.zeros((crystal.n_sites, 3), int), lattice]),
        np.concatenate([onsite, values]),
        cutoff=cutoff,
    )


def fold_to_supercell(constants: ForceConstants, supercell: Supercell) -> np.ndarray:
    """Hessian (3a, 3a) of the whole supercell in canonical order, in eV/Å²."""
    s, n = supercell.crystal.n_sites, supercell.n_atoms
    hessian = np.zeros((n, n, 3, 3))
    for c, cell in enumerate(supercell.cells):
        other = cell_rank(supercell, cell + constants.lattice) * s + constants.second
        np.add.at(hessian, (c * s + constants.first, other), constants.values)
    return hessian.swapaxes(1, 2).reshape(3 * n, 3 * n)


@pytest.fixture(scope="session")
def crystals() -> dict[str, Crystal]:
    """Diamond, rock salt, bcc, wurtzite and a triclinic crystal, by name."""
    return _crystals()


@pytest.fixture(scope="session")
def springs() -> Callable[..., ForceConstants]:
    """``springs(crystal, cutoff, strength=1.0)`` builds symmetric constants."""
    return spring_constants


@pytest.fixture(scope="session")
def hessian_of() -> Callable[[ForceConstants, Supercell], np.ndarray]:
    """``hessian_of(constants, supercell)`` is the dense Hessian of a whole supercell."""
    return fold_to_supercell
