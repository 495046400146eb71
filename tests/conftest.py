"""Crystals and spring force constants for all tests."""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.fit.expansion import CutoffChoice, expansion_of
from trajmodes.fit.fit import Fit, fit_equations
from trajmodes.fit.harmonic import ForceCovariances, harmonic_equations
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import cell_rank
from trajmodes.units import DALTON


@pytest.fixture(scope="session", autouse=True)
def _terminal_of_hundred_columns() -> Iterator[None]:
    """Fix the width of tables, which is that of the terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        yield


def _crystal(cell: object, sites: object, species: str, masses_da: list[float]) -> Crystal:
    masses = np.array(masses_da) * DALTON
    return Crystal(np.array(cell), np.array(sites), tuple(species.split()), masses)


def _quartz() -> Crystal:
    """α-quartz, P3_221: Levien, Prewitt, Weidner, Am. Mineral. 65, 920 (1980)."""
    a, c, x, (p, q, r) = 4.916, 5.4054, 0.4697, (0.4135, 0.2669, 0.7858)
    silicon = [[x, 0, 2 / 3], [0, x, 1 / 3], [-x, -x, 0]]
    oxygen = [
        [p, q, r], [-q, p - q, r + 2 / 3], [q - p, -p, r + 1 / 3],
        [q, p, -r], [p - q, -q, 1 / 3 - r], [-p, q - p, 2 / 3 - r],
    ]  # fmt: skip
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, c]]
    masses = [28.085] * 3 + [15.999] * 6
    return _crystal(cell, silicon + oxygen, "Si Si Si O O O O O O", masses)


def _baddeleyite() -> Crystal:
    """Monoclinic ZrO2, P2_1/c: Howard, Hill, Reichert, Acta Cryst. B 44, 116 (1988)."""
    beta = np.radians(99.23)
    cell = [[5.1505, 0, 0], [0, 5.2116, 0], [5.3173 * np.cos(beta), 0, 5.3173 * np.sin(beta)]]
    free = [[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]]
    sites = [
        image
        for x, y, z in free
        for image in ([x, y, z], [-x, y + 0.5, 0.5 - z], [-x, -y, -z], [x, 0.5 - y, z + 0.5])
    ]
    return _crystal(cell, sites, "Zr " * 4 + "O " * 8, [91.224] * 4 + [15.999] * 8)


def _crystals() -> dict[str, Crystal]:
    fcc = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    bcc = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    hexagonal = np.array([[3.19, 0.0, 0.0], [-1.595, 3.19 * 0.75**0.5, 0.0], [0.0, 0.0, 5.189]])
    third, ga_n = [[1 / 3, 2 / 3], [2 / 3, 1 / 3]] * 2, [0.0, 0.5, 0.376, 0.876]
    wurtzite = np.column_stack([third, ga_n])
    rutile = [
        [0.305, 0.305, 0.0],
        [0.695, 0.695, 0.0],
        [0.195, 0.805, 0.5],
        [0.805, 0.195, 0.5],
    ]
    triclinic = [[4.1, 0.3, -0.2], [0.7, 4.6, 0.5], [-0.4, 0.9, 5.2]]
    low = [[0.02, 0.03, 0.01], [0.48, 0.43, 0.55], [0.1, 0.6, 0.3]]
    none, mid = [0.0] * 3, [0.5] * 3
    return {
        "diamond": _crystal(fcc * 2.7155, [none, [0.25] * 3], "Si Si", [28.085] * 2),
        "rock salt": _crystal(fcc * 2.82, [none, mid], "Na Cl", [22.99, 35.45]),
        "bcc": _crystal(bcc * 1.435, [none], "Fe", [55.845]),
        "wurtzite": _crystal(hexagonal, wurtzite, "Ga Ga N N", [69.723] * 2 + [14.007] * 2),
        "rutile": _crystal(
            np.diag([4.594, 4.594, 2.959]),
            [[0.0] * 3, [0.5] * 3, *rutile],
            "Ti Ti O O O O",
            [47.867] * 2 + [15.999] * 4,
        ),
        "quartz": _quartz(),
        "monoclinic": _baddeleyite(),
        "triclinic": _crystal(triclinic, low, "Si O O", [28.085, 15.999, 15.999]),
    }


def _near(crystal: Crystal, reach: int) -> tuple[np.ndarray, ...]:
    """List first, second, lattice and vector of all pairs in (2·reach + 1)³ cells."""
    cells = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    s = crystal.n_sites
    first, second, cell = (x.ravel() for x in np.indices((s, s, len(cells))))
    vectors = crystal.positions[second] - crystal.positions[first] + cells[cell] @ crystal.cell
    return first, second, cells[cell], vectors


def _springs(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Φ of springs that depend on species and distance alone, and hence are symmetric."""
    length = np.linalg.norm(vectors, axis=1)
    unit = vectors / length[:, None]
    stiff = 9.0 * np.exp(-(length**2) / 9.0) * kinds
    bend = 0.08 * stiff
    outer = unit[:, :, None] * unit[:, None, :]
    return -((stiff - bend)[:, None, None] * outer + bend[:, None, None] * np.eye(3))


def spring_constants(crystal: Crystal, cutoff: float, strength: float = 1.0) -> ForceConstants:
    """Connect all neighbours within the cutoff by springs that depend on the species."""
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


@pytest.fixture(scope="session", autouse=True)
def _one_thread_of_blas() -> Iterator[None]:
    """Limit BLAS to one thread: tests may run in parallel."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_process_draws() -> Iterator[None]:
    """Draw figures in the process of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "trajmodes.pipeline.job_folder.second_painter", lambda _folder: nullcontext()
        )
        yield


@pytest.fixture(scope="session")
def crystals() -> dict[str, Crystal]:
    """Crystals by name: diamond, rock salt, bcc, wurtzite, rutile, quartz and others."""
    return _crystals()


@pytest.fixture(scope="session")
def springs() -> Callable[..., ForceConstants]:
    """``springs(crystal, cutoff, strength=1.0)`` builds force constants of springs."""
    return spring_constants


@pytest.fixture(scope="session")
def charges_of() -> Callable[..., Charges]:
    """``charges_of(crystal, seed=0)`` draws charges up to 1.5 e and ε∞ with its symmetry."""

    def draw(crystal: Crystal, seed: int = 0) -> Charges:
        random = np.random.default_rng(seed)
        group = space_group(crystal)
        born = random.normal(size=(crystal.n_sites, 3, 3))
        total = np.zeros_like(born)
        for turn, sites in zip(group.cartesian, group.permutations, strict=True):
            total[sites] += turn @ born @ turn.T
        born = total - total.mean(axis=0)
        born *= 1.5 / np.abs(born).max()
        epsilon = np.mean([c @ np.diag([2.0, 3.0, 4.0]) @ c.T for c in group.cartesian], axis=0)
        return symmetric_charges(Charges(born, epsilon), group)[0]

    return draw


@pytest.fixture(scope="session")
def fit_harmonic() -> Callable[..., Fit]:
    """``fit_harmonic(covariances, cutoff=None, **options)`` fits the second order."""

    def fit(covariances: ForceCovariances, cutoff: CutoffChoice = None, **options: Any) -> Fit:
        supercell = covariances.space.supercell
        expansion = expansion_of(space_group(supercell.crystal), supercell, {2: cutoff})
        return fit_equations(harmonic_equations(covariances, expansion), **options)

    return fit


@pytest.fixture(scope="session")
def hessian_of() -> Callable[[ForceConstants, Supercell], np.ndarray]:
    """``hessian_of(constants, supercell)`` is the dense Hessian of a whole supercell."""
    return fold_to_supercell


@pytest.fixture
def default_signals():
    """Handle signals as in a terminal, where tests run in the background or under nohup."""
    handlers = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
