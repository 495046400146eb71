"""Potentials of ``funcfl`` files, one for each element, mixed as in LAMMPS.

The pair potential of two elements is φ = 27.2 · 0.529 Z_a Z_b / r in eV, and the density around
an atom is that of its own file. Tables of several files are interpolated to one grid, with the
largest steps and the farthest ends of all, by cubic polynomials through four points. Beyond the
end of its table a function keeps its last value, as in ``PairEAM::file2array`` of LAMMPS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols

from trajmodes.arrays import Floats
from trajmodes.errors import UsageError
from trajmodes.potentials.eam.dynamo import (
    Grid,
    Numbers,
    Tables,
    is_element,
    kind_of,
    names_of,
)
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions
from trajmodes.potentials.eam.tables import Interpolation

_CHARGES = 27.2 * 0.529


def is_funcfl(numbers: Numbers) -> bool:
    """Whether the second line is that of an element, as in files of one element."""
    return is_element(numbers.head[0].split())


def read_funcfl(
    files: Sequence[Numbers], interpolation: Interpolation, species: Sequence[str] | None
) -> EmbeddedAtom:
    """Read the potential of one or several elements; `species` names them in order.

    Raises
    ------
    UsageError
        If two files are of the same element.
    DataError
        If a file is damaged.
    """
    given: Sequence[str | None] = [None] * len(files)
    if species is not None:
        given = names_of(files[0], len(files), species)
    elements = [_element(one, name) for one, name in zip(files, given, strict=True)]
    names = [one.name for one in elements]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"two files are of {twice}: {', '.join(str(one.path) for one in files)}",
            fix="give one file for each element",
        )
    grid = elements[0].grid if len(elements) == 1 else _common([one.grid for one in elements])
    make = Tables(files[0].path, grid, interpolation)
    n = slice(None, -1) if make.is_lammps else slice(None)  # LAMMPS leaves out the last point.
    density, pair = {}, {}
    for first in elements:
        of_first = make.radial(first.density_on(grid)[n], f"the density of {first.name}")
        for second in elements:
            charges = first.charge_on(grid) * second.charge_on(grid)
            density[second.name, first.name] = of_first
            pair[first.name, second.name] = make.pair(
                _CHARGES * charges[n], first.name, second.name
            )
    embedding = {
        one.name: make.embedding(one.embedding_on(grid)[n], one.name) for one in elements
    }
    return EmbeddedAtom(Functions(tuple(names), embedding, density, pair, make.cutoff))


@dataclass(frozen=True, slots=True)
class _Element:
    """Tables of one file."""

    name: str
    grid: Grid
    embedding: Floats
    charge: Floats
    density: Floats

    def embedding_on(self, grid: Grid) -> Floats:
        """Values of F on another grid."""
        steps = self.grid.density_step, grid.density_step
        return _resampled(self.embedding, *steps, grid.n_density)

    def charge_on(self, grid: Grid) -> Floats:
        """Values of Z on another grid."""
        steps = self.grid.distance_step, grid.distance_step
        return _resampled(self.charge, *steps, grid.n_distance)

    def density_on(self, grid: Grid) -> Floats:
        """Values of the density on another grid."""
        steps = self.grid.distance_step, grid.distance_step
        return _resampled(self.density, *steps, grid.n_distance)


def _element(numbers: Numbers, name: str | None) -> _Element:
    numbers.line = 2
    number = int(numbers.head[0].split()[0])
    if name is None:
        if not 0 < number < len(chemical_symbols):
            raise numbers.error(f"there is no element of atomic number {number}")
        name = chemical_symbols[number]
    numbers.line = 3
    grid = numbers.grid(numbers.head[1].split())
    sections = numbers.sections()
    kind_of(numbers, sections, {"funcfl": [grid.n_density + 2 * grid.n_distance]})
    cut = (grid.n_density, grid.n_distance, grid.n_distance)
    embedding, charge, density = sections[0].cut(numbers.path, cut)
    return _Element(name, grid, embedding, charge, density)


def _common(grids: Sequence[Grid]) -> Grid:
    """Grid of the largest steps and the farthest ends."""
    density_step = max(one.density_step for one in grids)
    distance_step = max(one.distance_step for one in grids)
    densities = max((one.n_density - 1) * one.density_step for one in grids)
    distances = max((one.n_distance - 1) * one.distance_step for one in grids)
    return Grid(
        int(densities / density_step + 0.5) + 1,
        density_step,
        int(distances / distance_step + 0.5) + 1,
        distance_step,
        max(one.cutoff for one in grids),
    )


def _resampled(values: Floats, step: float, other: float, count: int) -> Floats:
    """Values at (0, 1, …, count − 1) other steps, by Lagrange's polynomial of four points."""
    if step == other and count == len(values):
        return values
    x = np.arange(float(count)) * other / step
    second = np.clip(x.astype(np.int64), 1, len(values) - 3)
    p = np.minimum(x - second, 2.0)
    before, here, after, last = (values[second + shift] for shift in (-1, 0, 1, 2))
    found: Floats = (
        -p * (p - 1.0) * (p - 2.0) / 6.0 * before
        + (p * p - 1.0) * (p - 2.0) / 2.0 * here
        - p * (p + 1.0) * (p - 2.0) / 2.0 * after
        + p * (p * p - 1.0) / 6.0 * last
    )
    return found
