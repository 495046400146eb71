"""A phonon mode as a movie in extended XYZ, for viewers and ASE.

    u_lb(t) = A Re[e_b e^{i(q·r_lb − ωt)}]/√M_b

in a supercell commensurate with q; r are the ideal positions. The frames cover one period
without its end. The amplitude A gives either a chosen largest displacement in Å, or the thermal
amplitude of the mode, for which equipartition gives ½ω²|Q|² = ½k_BT on average. A wave that
travels along q consists of the modes at ±q with Q_{−q} = Q_q*, so that
u = 2 Re[Q e e^{iq·r}]/√(N_c M). If −q equals q up to a reciprocal lattice vector, Q is real and
u = Q e e^{iq·r}/√(N_c M) is a standing wave. The vector of a degenerate mode need not be real
there up to a phase; the movie then shows its real part, which belongs to the same set of
degenerate modes.
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
from trajmodes.errors import StorageError, UsageError
from trajmodes.report.extended_xyz import write_xyz
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, THZ

_LARGEST_DENOMINATOR = 99
_TOLERANCE = 1e-6
_LONGEST_LINE = 4096
_SLOWEST = 1e-3 * THZ
"""Slower modes are translations up to rounding errors, and have no period."""


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
    def has_period(self) -> bool:
        """Whether the mode has a period: it is neither imaginary nor a translation."""
        return self.omega > _SLOWEST

    @property
    def is_standing(self) -> bool:
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
    """Description of the amplitude."""

    def __post_init__(self) -> None:
        sizes = {"a": self.supercell.n_atoms}
        freeze(self, sizes, float, displacements="t a 3", velocities="t a 3", times_ps="t")


def wave_of(modes: Modes, row: int, branch: int) -> Wave:
    """Take one mode from a list, by the indices of its q and branch."""
    omega, vector = float(modes.omega[row, branch]), modes.vectors[row, branch]
    return Wave(modes.crystal, modes.qpoints[row], branch + 1, omega, vector)


def smallest_commensurate(crystal: Crystal, qpoint: npt.ArrayLike) -> Supercell:
    """Find the smallest supercell commensurate with q, in the most compact shape.

    Raises
    ------
    UsageError
        If the reduced coordinates are not fractions with denominators below a hundred.
    """
    q_x = np.asarray(qpoint, dtype=float)
    parts = [Fraction(float(x)).limit_denominator(_LARGEST_DENOMINATOR) for x in q_x]
    if max(abs(float(part) - x) for part, x in zip(parts, q_x, strict=True)) > _TOLERANCE:
        raise UsageError(
            f"no small supercell is commensurate with q = {point(q_x)}",
            fix=f"give q as fractions with denominators up to {_LARGEST_DENOMINATOR}",
        )
    n_cells = lcm(*(part.denominator for part in parts))
    rows = _sublattice([int(part * n_cells) for part in parts], n_cells)
    matrix = reduced_cell(rows @ crystal.cell).change @ rows
    return build_supercell(crystal, matrix if np.linalg.det(matrix) > 0 else -matrix)


def _sublattice(wave: list[int], modulus: int) -> Ints:
    """Basis (rows) of all integer vectors n with wave·n divisible by the modulus."""
    rows = np.vstack([np.eye(3, dtype=np.int64), np.zeros((1, 3), dtype=np.int64)])
    values = [*(x % modulus for x in wave), modulus]
    # Euclidean algorithm on wave·n and the modulus; rows with value zero are in the lattice.
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
    *,
    n_frames: int = 32,
    amplitude: float | None = None,
    temperature: float | None = None,
) -> Movie:
    """Make the frames of one period of a wave in the smallest commensurate supercell.

    Parameters
    ----------
    amplitude
        Largest displacement of an atom in Å: 0.3 unless a temperature is given.
    temperature
        Temperature in K of a thermal amplitude, which decreases with the size of the supercell.

    Raises
    ------
    UsageError
        If amplitude and temperature are both given or not positive, if a mode without a period
        has no thermal amplitude, or if there is no frame.
    """
    if n_frames < 1 or (amplitude is not None and temperature is not None):
        raise UsageError("give at least one frame, and either an amplitude or a temperature")
    given = temperature if amplitude is None else amplitude
    if given is not None and not given > 0.0:
        raise UsageError(
            f"the amplitude or temperature of a movie must be positive, not {given}"
        )
    supercell = smallest_commensurate(wave.crystal, wave.qpoint)
    reduced = supercell.cells[:, None] + wave.crystal.sites
    phases = np.exp(2j * np.pi * reduced @ wave.qpoint)
    # Complex displacements (c, s, 3) of all atoms.
    pattern = phases[..., None] * _shown_vector(wave) / np.sqrt(wave.crystal.masses)[:, None]
    shape_ax = pattern.reshape(-1, 3)
    if temperature is None:
        factor = (amplitude or 0.3) / _largest_displacement(shape_ax)
        size = f"largest displacement {amplitude or 0.3:g} Angstrom"
    else:
        factor = _thermal_factor(wave, supercell, temperature)
        size = f"thermal at {temperature:g} K"
    turn_t = np.exp(-2j * np.pi * np.arange(n_frames) / n_frames)
    waves_tax = factor * turn_t[:, None, None] * shape_ax
    if not wave.has_period:
        return Movie(wave, supercell, waves_tax.real, None, None, size)
    velocities = (-1j * wave.omega * waves_tax).real
    times_ps = np.arange(n_frames) / n_frames * 2.0 * np.pi / wave.omega
    return Movie(wave, supercell, waves_tax.real, velocities, times_ps, size)


def _shown_vector(wave: Wave) -> Complexes:
    """Polarisation vector (s, 3); for a standing wave real up to the phases q·r."""
    if not wave.is_standing:
        return wave.vector
    turns = np.exp(2j * np.pi * wave.crystal.sites @ wave.qpoint)[:, None]
    plain = turns * wave.vector
    # The phase that makes the real part largest: Σ (e e^{−iφ})² real and positive.
    real = (plain * np.exp(-0.5j * np.angle((plain**2).sum()))).real
    shown: Complexes = real / np.linalg.norm(real) / turns
    return shown


def _largest_displacement(shape_ax: Complexes) -> float:
    """Largest |Re(z e^{−iωt})| of an atom at any time: the major semi-axis of its ellipse."""
    squares = (np.abs(shape_ax) ** 2).sum(axis=1)
    return float(np.sqrt(0.5 * (squares + np.abs((shape_ax**2).sum(axis=1)))).max())


def _thermal_factor(wave: Wave, supercell: Supercell, temperature: float) -> float:
    """Factor of the displacements for which ⟨|Q|²⟩ over the period is k_BT/ω²."""
    if not wave.has_period:
        raise UsageError(
            "a mode without a period has no thermal amplitude",
            why="it is imaginary, or a translation",
            fix="give an amplitude in Å",
        )
    mean = np.sqrt(BOLTZMANN * temperature / supercell.n_cells) / wave.omega
    # A standing wave has Q = √2 √⟨Q²⟩ cos ωt, a travelling one a constant |Q|.
    return float(mean * (np.sqrt(2.0) if wave.is_standing else 2.0))


def write_movie(movie: Movie, path: Path) -> Path:
    """Write a movie as extended XYZ.

    Velocities are in Å/ps. The ideal positions are inside the supercell. An existing file is
    replaced.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    wave, qpoint = movie.wave, " ".join(f"{x:.8g}" for x in movie.wave.qpoint)
    head = (
        f'q="{qpoint}" branch={wave.branch} freq_THz={wave.omega / THZ:.8g} '
        f'size="{movie.size}" frame='
    )
    comments = [f"{head}{t}" for t in range(len(movie.displacements))]
    if movie.times_ps is not None:
        comments = [
            f"{comment} time_ps={time:.8g}"
            for comment, time in zip(comments, movie.times_ps, strict=True)
        ]
    try:
        write_xyz(path, movie.supercell, movie.displacements, movie.velocities, comments)
    except OSError as error:
        raise StorageError(
            f"the movie could not be written: {error.strerror or error}",
            where=str(path),
            fix="check the folder, its permissions and the free space on its disk",
        ) from error
    return path


def is_movie(path: Path) -> bool:
    """Whether a file was written by `write_movie`, from its first lines."""
    try:
        with path.open("rb") as file:
            _, head = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    except OSError:
        return False
    return all(word in head for word in (b'q="', b" branch=", b" freq_THz=", b' size="'))
