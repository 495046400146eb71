"""The options of `trajmodes quasiharmonic` and `trajmodes qha`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.option import Group, option


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiharmonicOptions(Group):
    """Free energy as a function of volume."""

    title: ClassVar = "Volumes"
    commands: ClassVar = "quasiharmonic"

    energies: str | None = option(
        "Energy of the crystal without vibrations at each volume in eV per atom: one line for "
        "each folder, in their order, with the standard error after it if there is one.",
        is_path=True,
        metavar="FILE",
        unset="U0 that `trajmodes free-energy` has written into each folder",
    )
    order: int = option(
        "Order of the energies that `trajmodes free-energy` has written: 1 for U0, 2 or 3 with "
        "its cumulants, where the runs resolve them.",
        default=1,
        kind=kinds.whole(1, 3),
        metavar="N",
    )
    pressures_gpa: tuple[float, ...] = option(
        "Pressures in GPa: FIRST:LAST:STEP, or numbers separated by commas.",
        default=(0.0,),
        kind=kinds.PRESSURES,
        commands="quasiharmonic qha",
        also=("pressure",),
        metavar="GPA",
        unset="0",
    )
    equation: Literal["birch-murnaghan", "vinet", "polynomial"] = option(
        "Equation of state that is fitted to F(V); the others are compared with it.",
        default="birch-murnaghan",
    )
    classical: bool = option(
        "Treat vibrations as classical, as molecular dynamics does; otherwise with Bose–"
        "Einstein statistics.",
        commands="quasiharmonic qha",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimisationOptions(Group):
    """The quasiharmonic crystal of a potential."""

    title: ClassVar = "Minimisation"
    commands: ClassVar = "qha"

    temperatures: tuple[float, ...] = option(
        "Temperatures in K: FIRST:LAST:STEP, or numbers separated by commas.",
        default=tuple(map(float, range(0, 401, 25))),
        kind=kinds.TEMPERATURES,
        metavar="K:K:K",
        unset="0:400:25",
    )
    scheme: tuple[str, ...] = option(
        "Coordinates in which G is minimised, separated by commas: full (cell and positions), "
        "zsisa (cell, with positions of lowest static energy), fixed (cell, with fixed "
        "internal strain).",
        default=("full",),
        kind=kinds.SCHEMES,
        metavar="NAME,NAME",
        unset="full",
    )
    mesh: int = option(
        "Mesh of N × N × N points over the Brillouin zone. Compare two.",
        default=8,
        kind=kinds.whole(1, kinds.LARGEST_MESH),
        metavar="N",
    )
    compare: tuple[str, ...] = option(
        "Folder with lattice parameters at temperature: of a run, of trajmodes series or "
        "quasiharmonic. May be repeated.",
        default=(),
        is_path=True,
        metavar="FOLDER",
    )
