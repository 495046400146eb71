"""Embedded-atom potentials from DYNAMO files ``funcfl``, ``setfl`` and Finnis–Sinclair.

``funcfl`` (.eam): one element; the embedding function, the effective charge Z in
√(Hartree Bohr), and the density. φ = 27.2 · 0.529 Z²/r in eV, with the rounded factors of the
program DYNAMO. ``setfl`` (.eam.alloy): for each element the embedding function and the density
around it; then r φ in eV Å for each pair. Finnis–Sinclair (.eam.fs): as ``setfl``, with a
density around each element for each element on which it acts. The number of values decides
between these two. Elements are taken by name: atomic numbers in ``setfl`` are often wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.functions import Functions
from trajmodes.potentials.eam.tables import Function, Interpolation, OverDistance, Table

_CHARGES = 27.2 * 0.529
_MOST_BYTES = 2**30
_LONGEST_LINE = 2**20
_UNITS = "metal"


def read_eam(
    path: Path | str,
    *,
    interpolation: Interpolation = "cubic",
    species: Sequence[str] | None = None,
) -> EmbeddedAtom:
    """Read a potential.

    Parameters
    ----------
    interpolation
        ``cubic``, ``lammps`` (forces as LAMMPS computes them from the same file) or ``smooth``,
        which fits the functions of distance of files with few digits.
    species
        Names of the elements in place of those of the file.

    Raises
    ------
    DataError
        If the file is damaged, or of another kind of potential, with its line.
    """
    path = Path(path)
    numbers = _Numbers(path)
    if "UNITS:" in numbers.title and f"UNITS: {_UNITS}" not in numbers.title:
        raise DataError(
            f"the units of the potential are not {_UNITS}",
            where=f"{path}, line 1",
            fix="convert it to eV and Å",
        )
    if _is_funcfl(numbers):
        return _funcfl(numbers, interpolation, species)
    return _setfl(numbers, interpolation, species)


@dataclass(frozen=True, slots=True)
class _Grid:
    n_density: int
    density_step: float
    n_distance: int
    distance_step: float
    cutoff: float


class _Numbers:
    """Lines and numbers of a file, with the number of the last line for errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        try:
            self.size = path.stat().st_size
            if self.size > _MOST_BYTES:
                raise DataError(
                    f"the file has {self.size / 2**20:.0f} MiB, which is more than any "
                    "potential",
                    where=str(path),
                )
            self.lines = self._all_lines()
            self.title = next(self.lines)
            self.head = [next(self.lines) for _ in range(2)]
        except OSError as error:
            raise DataError(
                f"the potential cannot be read: {error.strerror}", where=str(path)
            ) from error
        except StopIteration:
            raise self.error("the file ends in the header") from None

    def _all_lines(self) -> Iterator[str]:
        with self.path.open(encoding="utf-8", errors="replace") as file:
            while text := file.readline(_LONGEST_LINE):
                self.line += 1
                if len(text) == _LONGEST_LINE:
                    raise self.error("a line is longer than 1 MiB")
                yield text

    def error(self, what: str, why: str = "") -> DataError:
        return DataError(what, where=f"{self.path}, line {self.line}", why=why)

    def next_line(self, what: str) -> list[str]:
        """Words of the next line that is not empty."""
        for text in self.lines:
            if words := text.split():
                return words
        raise self.error(f"the file ends before {what}")

    def grid(self, words: list[str]) -> _Grid:
        """Numbers of points, steps and cutoff, as listed in a header."""
        expected = "number and step of densities, number and step of distances, cutoff"
        if len(words) > 5:
            raise self.error(
                f"the header lists {len(words)} numbers where an embedded-atom potential has "
                f"5: {expected}",
                why="it is of another kind, such as eam/he",
            )
        try:
            counts = int(words[0]), int(words[2])
            steps = [_float(words[i]) for i in (1, 3, 4)]
        except (ValueError, IndexError):
            raise self.error(f"the header has no {expected}", why=" ".join(words)) from None
        if min(counts) < 5 or not all(0.0 < one < np.inf for one in steps):
            raise self.error(f"{expected} must be positive, and at least 5 points are needed")
        if 2 * sum(counts) > self.size:
            raise self.error(
                f"the header announces {sum(counts)} numbers for each element, more than the "
                f"file of {self.size} bytes can hold"
            )
        return _Grid(counts[0], steps[0], counts[1], steps[1], steps[2])

    def sections(self) -> list["_Section"]:
        """Read the rest: the numbers that follow each line of an element."""
        found = [_Section([], self.line)]
        for text in self.lines:
            words = text.split()
            if _is_element(words):
                found.append(_Section([], self.line))
                continue
            try:
                found[-1].numbers.extend([_float(word) for word in words])
            except ValueError:
                raise self.error(
                    f"{text.strip()[:60]!r} is not a line of numbers, and not one of an element"
                ) from None
        return found


@dataclass(frozen=True, slots=True)
class _Section:
    """Numbers that follow the line of an element."""

    numbers: list[float]
    line: int

    def cut(self, path: Path, counts: Sequence[int]) -> list[Floats]:
        """Cut into blocks of numbers."""
        values = np.array(self.numbers)
        if not np.isfinite(values).all():
            raise DataError(
                f"number {np.argmin(np.isfinite(values)) + 1} of a section is not finite",
                where=f"{path}, after line {self.line}",
            )
        return np.split(values, np.cumsum(counts)[:-1])


def _float(word: str) -> float:
    return float(word.replace("D", "E").replace("d", "e"))


def _is_element(words: list[str]) -> bool:
    """Whether a line is atomic number, mass, lattice constant, and often the lattice."""
    if not (2 < len(words) < 7 and words[0].isdecimal() and int(words[0]) > 0):
        return False
    return len(words) == 3 or words[-1][0].isalpha()


def _is_funcfl(numbers: _Numbers) -> bool:
    """Whether the second line is that of an element, as in files of one element."""
    return _is_element(numbers.head[0].split())


def _funcfl(
    numbers: _Numbers, interpolation: Interpolation, species: Sequence[str] | None
) -> EmbeddedAtom:
    numbers.line = 2
    number = int(numbers.head[0].split()[0])
    if species is None and not 0 < number < len(chemical_symbols):
        raise numbers.error(f"there is no element of atomic number {number}")
    name = chemical_symbols[number] if species is None else _names(numbers, 1, species)[0]
    numbers.line = 3
    grid = numbers.grid(numbers.head[1].split())
    sections = numbers.sections()
    kind = {"funcfl": [grid.n_density + 2 * grid.n_distance]}
    _kind_of(numbers, sections, kind)
    cut = (grid.n_density, grid.n_distance, grid.n_distance)
    embedding, charge, density = sections[0].cut(numbers.path, cut)
    make = _Tables(numbers.path, grid, interpolation)
    if make.is_lammps:
        # LAMMPS leaves out the last point of these files.
        embedding, charge, density = embedding[:-1], charge[:-1], density[:-1]
    functions = Functions(
        species=(name,),
        embedding={name: make.embedding(embedding, name)},
        density={(name, name): make.radial(density, f"the density of {name}")},
        pair={(name, name): make.pair(_CHARGES * charge**2, name, name)},
        cutoff=make.cutoff,
    )
    return EmbeddedAtom(functions)


def _setfl(
    numbers: _Numbers, interpolation: Interpolation, species: Sequence[str] | None
) -> EmbeddedAtom:
    words = numbers.next_line("the names of the elements")
    if not words[0].isdecimal() or len(words) != int(words[0]) + 1 or len(words) < 2:
        raise numbers.error(
            f"line {numbers.line} is not a number of elements and their names: "
            f"{' '.join(words)[:60]!r}",
            why="the file is not an embedded-atom potential of the kind funcfl or setfl",
        )
    n = len(words) - 1
    names = _names(numbers, n, species or words[1:])
    grid = numbers.grid(numbers.next_line("the header of the tables"))
    first, *sections = numbers.sections()
    if first.numbers or len(sections) != n:
        raise numbers.error(
            f"the file has {len(sections)} sections of elements, and its header names {n}",
            why="a section begins with atomic number, mass, lattice constant and lattice",
        )
    kind = _kind_of(numbers, sections, _layouts(grid, n))
    if kind == "angular-dependent (ADP)":
        raise DataError(
            "the potential is angular-dependent (ADP), which is not an embedded-atom potential",
            where=str(numbers.path),
            fix="compute its forces by LAMMPS, and force constants by differences",
        )
    return _alloy(_Tables(numbers.path, grid, interpolation), names, sections, kind)


def _layouts(grid: _Grid, n: int) -> dict[str, list[int]]:
    """Numbers per section of each kind of file with n elements."""
    layouts = {}
    for kind, n_densities, n_functions in (
        ("setfl", 1, 1),
        ("Finnis–Sinclair", n, 1),
        ("angular-dependent (ADP)", 1, 3),
    ):
        counts = [grid.n_density + n_densities * grid.n_distance] * n
        counts[-1] += n_functions * n * (n + 1) // 2 * grid.n_distance
        layouts[kind] = counts
    return layouts


def _kind_of(numbers: _Numbers, sections: list[_Section], layouts: dict[str, list[int]]) -> str:
    counts = [len(section.numbers) for section in sections]
    for kind, layout in layouts.items():
        if counts == layout:
            return kind
    wanted = " or ".join(f"{layout} ({kind})" for kind, layout in layouts.items())
    raise numbers.error(
        f"the sections of the file have {counts} numbers, and its header announces {wanted}",
        why="the file is cut off, or the header is wrong",
    )


def _alloy(
    make: "_Tables", names: list[str], sections: list[_Section], kind: str
) -> EmbeddedAtom:
    n, grid = len(names), make.grid
    n_densities = n if kind == "Finnis–Sinclair" else 1
    sizes = [grid.n_density, *n_densities * [grid.n_distance]]
    embedding, density, pair = {}, {}, {}
    pairs: list[Floats] = []
    for k, (source, section) in enumerate(zip(names, sections, strict=True)):
        last = n * (n + 1) // 2 if k == n - 1 else 0
        values, *rest = section.cut(make.path, [*sizes, *last * [grid.n_distance]])
        embedding[source] = make.embedding(values, source)
        densities = [
            make.radial(one, f"the density around {source}") for one in rest[:n_densities]
        ]
        for m, at in enumerate(names):
            density[at, source] = densities[m if n_densities > 1 else 0]
        pairs = rest[n_densities:]
    listed = [(a, b) for k, a in enumerate(names) for b in names[: k + 1]]
    for (a, b), values in zip(listed, pairs, strict=True):
        pair[a, b] = pair[b, a] = make.pair(values, a, b)
    return EmbeddedAtom(Functions(tuple(names), embedding, density, pair, make.cutoff))


def _names(numbers: _Numbers, n: int, species: Sequence[str]) -> list[str]:
    names = list(species)
    if len(names) != n or len(set(names)) != n:
        raise UsageError(
            f"the potential has {n} elements, and their names are {', '.join(names)}",
            where=str(numbers.path),
            fix="give one name for each, all different",
        )
    return names


@dataclass(frozen=True, slots=True)
class _Tables:
    """Functions of the tables of one file."""

    path: Path
    grid: _Grid
    interpolation: Interpolation

    @property
    def is_lammps(self) -> bool:
        """Whether the functions are those of LAMMPS."""
        return self.interpolation == "lammps"

    @property
    def cutoff(self) -> float:
        """Cutoff in Å, at most the end of tables that do not hold beyond it."""
        if self.is_lammps:
            return self.grid.cutoff
        return min(self.grid.cutoff, self.grid.distance_step * (self.grid.n_distance - 1))

    def embedding(self, values: Floats, name: str) -> Function:
        """Make the function of the density, never smoothed: it often starts like a root."""
        own: Interpolation = "lammps" if self.is_lammps else "cubic"
        what = f"the embedding function of {name}"
        return Table(what, self.grid.density_step, values, own)

    def radial(self, values: Floats, what: str) -> Table:
        step = self.grid.distance_step
        return Table(what, step, values, self.interpolation, holds=self.is_lammps)

    def pair(self, values: Floats, a: str, b: str) -> OverDistance:
        """Make the pair potential of values of r φ."""
        return OverDistance(self.radial(values, f"the pair potential of {a} and {b}"))
