"""The text of DYNAMO files: headers, tables of numbers, and the functions made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.potentials.eam.tables import Function, Interpolation, OverDistance, Table

_MOST_BYTES = 2**30
_LONGEST_LINE = 2**20


@dataclass(frozen=True, slots=True)
class Grid:
    """Points of the tables of a file, and its cutoff in Å."""

    n_density: int
    density_step: float
    n_distance: int
    distance_step: float
    cutoff: float


class Numbers:
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
        """Make an error that names the file and the line."""
        return DataError(what, where=f"{self.path}, line {self.line}", why=why)

    def next_line(self, what: str) -> list[str]:
        """Return the words of the next line that is not empty."""
        for text in self.lines:
            if words := text.split():
                return words
        raise self.error(f"the file ends before {what}")

    def grid(self, words: list[str]) -> Grid:
        """Read numbers of points, steps and cutoff, as listed in a header."""
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
        return Grid(counts[0], steps[0], counts[1], steps[1], steps[2])

    def sections(self) -> list["Section"]:
        """Read the rest: the numbers that follow each line of an element."""
        found = [Section([], self.line)]
        for text in self.lines:
            words = text.split()
            if is_element(words):
                found.append(Section([], self.line))
                continue
            try:
                found[-1].numbers.extend([_float(word) for word in words])
            except ValueError:
                raise self.error(
                    f"{text.strip()[:60]!r} is not a line of numbers, and not one of an element"
                ) from None
        return found


@dataclass(frozen=True, slots=True)
class Section:
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


def is_element(words: list[str]) -> bool:
    """Whether a line lists atomic number, mass, lattice constant, and often the lattice."""
    if not (2 < len(words) < 7 and words[0].isdecimal() and int(words[0]) > 0):
        return False
    return len(words) == 3 or words[-1][0].isalpha()


def kind_of(numbers: Numbers, sections: list[Section], layouts: dict[str, list[int]]) -> str:
    """Name the kind of file by the numbers in its sections; DataError if no kind matches."""
    counts = [len(section.numbers) for section in sections]
    for kind, layout in layouts.items():
        if counts == layout:
            return kind
    wanted = " or ".join(f"{layout} ({kind})" for kind, layout in layouts.items())
    raise numbers.error(
        f"the sections of the file have {counts} numbers, and its header announces {wanted}",
        why="the file is cut off, or the header is wrong",
    )


def names_of(numbers: Numbers, n: int, species: Sequence[str]) -> list[str]:
    """List n different names of elements; UsageError if these are others."""
    names = list(species)
    if len(names) != n or len(set(names)) != n:
        raise UsageError(
            f"the potential has {n} elements, and their names are {', '.join(names)}",
            where=str(numbers.path),
            fix="give one name for each, all different",
        )
    return names


@dataclass(frozen=True, slots=True)
class Tables:
    """Functions of the tables of one file."""

    path: Path
    grid: Grid
    interpolation: Interpolation

    @property
    def is_lammps(self) -> bool:
        """Whether the functions are those of LAMMPS."""
        return self.interpolation == "lammps"

    @property
    def cutoff(self) -> float:
        """Cutoff in Å, at most the end of tables that are not continued beyond it."""
        if self.is_lammps:
            return self.grid.cutoff
        return min(self.grid.cutoff, self.grid.distance_step * (self.grid.n_distance - 1))

    def embedding(self, values: Floats, name: str) -> Function:
        """Make the function of the density, unsmoothed because it often starts as a root."""
        own: Interpolation = "lammps" if self.is_lammps else "cubic"
        what = f"the embedding function of {name}"
        return Table(what, self.grid.density_step, values, own)

    def radial(self, values: Floats, what: str) -> Table:
        """Make a function of the distance."""
        step = self.grid.distance_step
        return Table(what, step, values, self.interpolation, holds=self.is_lammps)

    def pair(self, values: Floats, a: str, b: str) -> OverDistance:
        """Make the pair potential from values of r φ."""
        return OverDistance(self.radial(values, f"the pair potential of {a} and {b}"))
