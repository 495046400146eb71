"""Embedded-atom potentials from DYNAMO files ``funcfl``, ``setfl`` and Finnis–Sinclair.

``funcfl`` (.eam): one element; the embedding function, the effective charge Z in
√(Hartree Bohr), and the density. φ = 27.2 · 0.529 Z²/r in eV, with the rounded factors of the
program DYNAMO. ``setfl`` (.eam.alloy): for each element the embedding function and the density
around it; then r φ in eV Å for each pair. Finnis–Sinclair (.eam.fs): as ``setfl``, with a
density around each element for each element on which it acts. The number of values decides
between these two. Elements are taken by name: atomic numbers in ``setfl`` are often wrong.
"""

from collections.abc import Sequence
from pathlib import Path

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.potentials.eam.dynamo import Grid, Numbers, Section, Tables, kind_of, names_of
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.eam.funcfl import is_funcfl, read_funcfl
from trajmodes.potentials.eam.functions import Functions
from trajmodes.potentials.eam.tables import Interpolation

_UNITS = "metal"


def read_eam(
    *paths: Path | str,
    interpolation: Interpolation = "cubic",
    species: Sequence[str] | None = None,
) -> EmbeddedAtom:
    """Read a potential.

    Parameters
    ----------
    *paths
        The file; or several ``funcfl`` files, one for each element of an alloy.
    interpolation
        ``cubic``, ``lammps`` (forces as LAMMPS computes them from the same file) or ``smooth``,
        which fits the functions of distance of files with few digits.
    species
        Names of the elements, which replace those of the file.

    Raises
    ------
    UsageError
        If one of several files is not of one element, or two are of the same.
    DataError
        If a file is damaged, or of another kind of potential; the error names the line.
    """
    files = [Numbers(Path(path)) for path in paths]
    for numbers in files:
        if "UNITS:" in numbers.title and f"UNITS: {_UNITS}" not in numbers.title:
            raise DataError(
                f"the units of the potential are not {_UNITS}",
                where=f"{numbers.path}, line 1",
                fix="convert it to eV and Å",
            )
    others = [numbers for numbers in files if not is_funcfl(numbers)]
    if not others:
        return read_funcfl(files, interpolation, species)
    if len(files) > 1:
        raise UsageError(
            f"{others[0].path} is not a potential of one element",
            why="only potentials of one element each (funcfl) are mixed to that of an alloy",
            fix="give one file",
        )
    return _setfl(files[0], interpolation, species)


def _setfl(
    numbers: Numbers, interpolation: Interpolation, species: Sequence[str] | None
) -> EmbeddedAtom:
    words = numbers.next_line("the names of the elements")
    if not words[0].isdecimal() or len(words) != int(words[0]) + 1 or len(words) < 2:
        raise numbers.error(
            f"line {numbers.line} is not a number of elements and their names: "
            f"{' '.join(words)[:60]!r}",
            why="the file is not an embedded-atom potential of the kind funcfl or setfl",
        )
    n = len(words) - 1
    names = names_of(numbers, n, species or words[1:])
    grid = numbers.grid(numbers.next_line("the header of the tables"))
    first, *sections = numbers.sections()
    if first.numbers or len(sections) != n:
        raise numbers.error(
            f"the file has {len(sections)} sections of elements, and its header names {n}",
            why="a section begins with atomic number, mass, lattice constant and lattice",
        )
    kind = kind_of(numbers, sections, _layouts(grid, n))
    if kind == "angular-dependent (ADP)":
        raise DataError(
            "the potential is angular-dependent (ADP), which is not an embedded-atom potential",
            where=str(numbers.path),
            fix="compute its forces by LAMMPS, and force constants by differences",
        )
    return _alloy(Tables(numbers.path, grid, interpolation), names, sections, kind)


def _layouts(grid: Grid, n: int) -> dict[str, list[int]]:
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


def _alloy(
    make: "Tables", names: list[str], sections: list[Section], kind: str
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
