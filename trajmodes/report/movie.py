"""A phonon as a movie: extended XYZ that viewers and ASE read.

    u_lb(t) = A Re[e_b e^{i(q·r_lb − ωt)}]/√M_b

in a supercell that the wave fits into, r the ideal positions; one period, without its end. The
size A is a choice: the largest displacement in Å, or that of the mode at a temperature, where
equipartition gives ½ω²|Q|² = ½k_BT on average. The wave of q alone runs along q; it is the
modes at ±q together, with Q_{−q} = Q_q*, so that u = 2 Re[Q e e^{iq·r}]/√(N_c M). Where −q is
q up to a reciprocal lattice vector, Q is real and u = Q e e^{iq·r}/√(N_c M) a standing wave; of
degenerate modes whose vectors are not real there but for the phase, the real part is shown,
which is one of the same set.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.labels import point
from trajmodes.data.lattice import equal_modulo_lattice, reduced_cell
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, THZ

_LARGEST_DENOMINATOR = 99
_TOLERANCE = 1e-6
_LONGEST_LINE = 4096
_SLOWEST = 1e-3 * THZ
"""Slower modes have no period: they are translations, or rounding of such."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One mode at one q."""

    crystal: Crystal
    qpoint: Floats
    """(3,) reduced coordinates."""
    branch: int
    """Counted from 1."""
    omega: float
    """Frequency in rad/ps, negative where imaginary."""
    vector: Complexes
    """(s, 3) polarisation vector of norm 1, with the phase of the atom positions."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")
        freeze(self, {"s": self.crystal.n_sites}, complex, vector="s 3")

    @property
    def moves(self) -> bool:
        """Whether it has a period: not imaginary, and no translation."""
        return self.omega > _SLOWEST

    @property
    def stands(self) -> bool:
        """Whether −q is q up to a reciprocal lattice vector."""
        return bool(equal_modulo_lattice(self.qpoint, -self.qpoint, _TOLERANCE))


@dataclass(frozen=True, slots=True)
class Movie:
    """One period of a wave."""

    wave: Wave
    supercell: Supercell
    displacements: Floats
    """(t, a, 3), unit: Å, atoms in canonical order."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps; None for a mode without a period."""
    times_ps: Floats | None
    """(t,); None for a mode without a period."""
    size: str
    """How the size of the displacements was chosen, in words."""

    def __post_init__(self) -> None:
        sizes = {"a": self.supercell.n_atoms}
        freeze(self, sizes, float, displacements="t a 3", velocities="t a 3", times_ps="t")


def wave_of(modes: Modes, row: int, branch: int, *, opposite: bool = False) -> Wave:
    """Take one mode from a list.

    Parameters
    ----------
    modes
        The modes.
    row, branch
        Indices of q and branch, counted from 0.
    opposite
        Whether the mode at −q is meant, whose vector is the conjugate one.
    """
    vector = modes.vectors[row, branch]
    return Wave(
        modes.crystal,
        -modes.qpoints[row] if opposite else modes.qpoints[row],
        branch + 1,
        float(modes.omega[row, branch]),
        vector.conj() if opposite else vector,
    )


def smallest_commensurate(crystal: Crystal, qpoint: npt.ArrayLike) -> Supercell:
    """Fewest cells that a wave fits into, in the most compact shape.

    Parameters
    ----------
    crystal
        The crystal.
    qpoint
        (3,) reduced coordinates, fractions with denominators below a hundred.

    Raises
    ------
    UsageError
        If q is no such fraction: no supercell holds the wave.
    """
    q_x = np.asarray(qpoint, dtype=float)
    parts = [Fraction(float(x)).limit_denominator(_LARGEST_DENOMINATOR) for x in q_x]
    if max(abs(float(part) - x) for part, x in zip(parts, q_x, strict=True)) > _TOLERANCE:
        raise UsageError(
            f"no small supercell holds a wave of q = {point(q_x)}",
            fix=f"give q as fractions with denominators up to {_LARGEST_DENOMINATOR}",
        )
    n_cells = lcm(*(part.denominator for part in parts))
    rows = _sublattice([int(part * n_cells) for part in parts], n_cells)
    matrix = reduced_cell(rows @ crystal.cell).change @ rows
    return build_supercell(crystal, matrix if np.linalg.det(matrix) > 0 else -matrix)


def _sublattice(wave: list[int], modulus: int) -> Ints:
    """Rows that span all integer vectors n with wave·n divisible by the modulus."""
    rows = np.vstack([np.eye(3, dtype=np.int64), np.zeros((1, 3), dtype=np.int64)])
    values = [*(x % modulus for x in wave), modulus]
    # Euclid on wave·n and the modulus itself: rows whose value became zero stay inside.
    while sum(value != 0 for value in values) > 1:
        live = [k for k in range(4) if values[k]]
        small = min(live, key=lambda k: values[k])
        for k in live:
            if k != small:
                factor = values[k] // values[small]
                values[k] -= factor * values[small]
                rows[k] -= factor * rows[small]
    left = [k for k in range(4) if values[k] == 0]
    return rows[left]


def make_movie(
    wave: Wave,
    matrix: npt.ArrayLike | None = None,
    *,
    n_frames: int = 32,
    amplitude: float | None = None,
    temperature: float | None = None,
) -> Movie:
    """Make one period of a wave in a supercell.

    Parameters
    ----------
    wave
        The mode.
    matrix
        (3, 3) supercell; None for the smallest one that the wave fits into.
    n_frames
        Number of frames.
    amplitude
        Largest displacement of an atom in Å: 0.3 unless a temperature is given.
    temperature
        Temperature in K to take the size from instead. It is smaller the larger the supercell.

    Raises
    ------
    UsageError
        If amplitude and temperature are both given, or not positive, the mode has no period
        and so no thermal size, or there is no frame.
    DataError
        If the wave does not fit into the supercell.
    """
    if n_frames < 1 or (amplitude is not None and temperature is not None):
        raise UsageError("give at least one frame, and either an amplitude or a temperature")
    given = temperature if amplitude is None else amplitude
    if given is not None and not given > 0.0:
        raise UsageError(f"the size of a movie must be positive, not {given}")
    supercell = _supercell(wave, matrix)
    reduced = supercell.cells[:, None] + wave.crystal.sites
    phases = np.exp(2j * np.pi * reduced @ wave.qpoint)
    # (c, s, 3) complex pattern of the displacements of all atoms.
    pattern = phases[..., None] * _shown(wave) / np.sqrt(wave.crystal.masses)[:, None]
    shape_ax = pattern.reshape(-1, 3)
    if temperature is None:
        factor = (amplitude or 0.3) / _largest(shape_ax)
        size = f"largest displacement {amplitude or 0.3:g} Angstrom"
    else:
        factor, size = _thermal(wave, supercell, temperature), f"thermal at {temperature:g} K"
    turn_t = np.exp(-2j * np.pi * np.arange(n_frames) / n_frames)
    waves_tax = factor * turn_t[:, None, None] * shape_ax
    if not wave.moves:
        return Movie(wave, supercell, waves_tax.real, None, None, size)
    velocities = (-1j * wave.omega * waves_tax).real
    times_ps = np.arange(n_frames) / n_frames * 2.0 * np.pi / wave.omega
    return Movie(wave, supercell, waves_tax.real, velocities, times_ps, size)


def _supercell(wave: Wave, matrix: npt.ArrayLike | None) -> Supercell:
    if matrix is None:
        return smallest_commensurate(wave.crystal, wave.qpoint)
    supercell = build_supercell(wave.crystal, matrix)
    if not equal_modulo_lattice(supercell.matrix @ wave.qpoint, 0.0, _TOLERANCE):
        raise DataError(
            f"a wave of q = {point(wave.qpoint)} does not fit into the supercell "
            f"{supercell.matrix.tolist()}",
            fix="give a supercell that q is commensurate with, or none for the smallest one",
        )
    return supercell


def _shown(wave: Wave) -> Complexes:
    """Polarisation vector (s, 3); of a standing wave the one that is real but for phases."""
    if not wave.stands:
        return wave.vector
    turns = np.exp(2j * np.pi * wave.crystal.sites @ wave.qpoint)[:, None]
    plain = turns * wave.vector
    # The phase that makes the real part largest: Σ (e e^{−iφ})² real and positive.
    real = (plain * np.exp(-0.5j * np.angle((plain**2).sum()))).real
    shown: Complexes = real / np.linalg.norm(real) / turns
    return shown


def _largest(shape_ax: Complexes) -> float:
    """Largest |Re(z e^{−iωt})| of an atom at any time: half the long axis of its ellipse."""
    squares = (np.abs(shape_ax) ** 2).sum(axis=1)
    return float(np.sqrt(0.5 * (squares + np.abs((shape_ax**2).sum(axis=1)))).max())


def _thermal(wave: Wave, supercell: Supercell, temperature: float) -> float:
    """Factor of the pattern for ⟨|Q|²⟩ = k_BT/ω² over the period."""
    if not wave.moves:
        raise UsageError(
            "a mode without a period has no thermal amplitude",
            why="it is imaginary, or a translation",
            fix="give an amplitude in Å",
        )
    mean = np.sqrt(BOLTZMANN * temperature / supercell.n_cells) / wave.omega
    # A standing wave Q = √2 √⟨Q²⟩ cos ωt; a running one has constant |Q|.
    return float(mean * (np.sqrt(2.0) if wave.stands else 2.0))


def write_movie(movie: Movie, path: Path) -> Path:
    """Write a movie as extended XYZ.

    Velocities are in Å/ps, the cell is that of the supercell, atoms are about their ideal
    positions folded into it.

    Parameters
    ----------
    movie
        The movie.
    path
        The file; one that is there already is replaced.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    supercell = movie.supercell
    reduced = supercell.positions @ np.linalg.inv(supercell.cell)
    ideal = (reduced - np.floor(reduced + 1e-9)) @ supercell.cell
    columns = "species:S:1:pos:R:3" + ("" if movie.velocities is None else ":vel:R:3")
    lattice = " ".join(f"{x:.10f}" for x in supercell.cell.ravel())
    head = f'Lattice="{lattice}" Properties={columns} pbc="T T T" {_described(movie)}'
    try:
        with path.open("w", encoding="utf-8") as file:
            for t, u_ax in enumerate(movie.displacements):
                fields = [ideal + u_ax]
                fields += [] if movie.velocities is None else [movie.velocities[t]]
                time = "" if movie.times_ps is None else f" time_ps={movie.times_ps[t]:.8g}"
                file.write(f"{supercell.n_atoms}\n{head} frame={t}{time}\n")
                for name, row in zip(supercell.species, np.hstack(fields), strict=True):
                    file.write(f"{name} " + " ".join(f"{x:.10f}" for x in row) + "\n")
    except OSError as error:
        raise StorageError(
            f"the movie could not be written: {error.strerror or error}",
            where=str(path),
            fix="check the folder, its rights and the space on its disk",
        ) from error
    return path


def is_movie(path: Path) -> bool:
    """Whether a file begins as `write_movie` writes it.

    Parameters
    ----------
    path
        The file.
    """
    try:
        with path.open("rb") as file:
            _, head = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    except OSError:
        return False
    return all(word in head for word in (b'q="', b" branch=", b" freq_THz=", b' size="'))


def _described(movie: Movie) -> str:
    wave = movie.wave
    qpoint = " ".join(f"{x:.8g}" for x in wave.qpoint)
    unit = "" if movie.velocities is None else ' velocity_unit="Angstrom/ps"'
    return (
        f'q="{qpoint}" branch={wave.branch} freq_THz={wave.omega / THZ:.8g} '
        f'size="{movie.size}"{unit}'
    )
