"""Read and write files of other programs.

In: cell files, displacements and forces, force constants, and every trajectory that
`trajmodes.readers` opens. Out: `Crystal`, `Trajectory` and `ForceConstants`, and force
constants in the units and the layout of a program.

The interface of a format, `Format`, is defined here: how its files are recognised, read and
written. `registry` is the list of formats, and `open` recognises the format of a file and
groups files into runs. Each program has one file for reading and writing: `phonopy` (with
`phonopy_yaml`), `phono3py`, `shengbte`, `tdep`, `alamode`, and `hdf5` for all force constants
in trajmodes' own layout. They share `cell_file` (crystals, supercells, POSCAR) and `folding`
(force constants by lattice vector and between the atoms of a supercell).

phono3py itself is needed only to read its own yaml files with displacements.

| format | second order | third order | fourth order | read back | displacements and forces |
|---|---|---|---|---|---|
| phonopy | yes | no | no | yes | yaml, FORCE_SETS; FORCES_FC3, FORCES_FC2 of phono3py |
| phono3py | yes | yes | no | yes | by phonopy |
| shengbte | yes | required | for FourPhonon | no | no |
| tdep | yes | yes | yes | yes | infile.positions, infile.forces |
| alamode | yes | yes | yes | no | DFSET |
| hdf5 | yes | yes | yes | yes, with error bars and the quality of the fit | no |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trajmodes.config.groups import ReadOptions
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.readers.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Export:
    """Files written for another program."""

    paths: tuple[Path, ...]
    """The files; the one to load first comes first."""
    notes: tuple[str, ...] = ()
    """Limits of the files and advice for the user, a sentence each."""


@dataclass(frozen=True, slots=True)
class ConstantsReader:
    """How files of force constants are recognised and read."""

    recognise: Callable[[Path], bool]
    """Whether a file, by name and content, is one of the program's, even if it is damaged."""
    read: Callable[[Path, Supercell | None], ForceConstants]
    """Read a recognised file and those beside it, on the given supercell or their own."""
    read_supercell: Callable[[Path], Supercell]
    """Read the supercell of a recognised file."""
    charges: Callable[[Path], Path | None] = lambda _: None
    """The file with Born charges that belongs to a recognised file; None if there is none."""


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """How files of displacements and forces are recognised and read."""

    recognise: Callable[[Path, bytes], bool]
    """Whether a path, by its name or the first bytes of its text, is the program's."""
    read: Callable[[Path, ReadOptions], Trajectory]
    """Read a file or folder."""
    cell_file: Callable[[Path], Path | None] = lambda _: None
    """The cell file that belongs to a path; None if there is none."""
    charges: tuple[str, ...] = ()
    """Names of files with Born charges that belong to a path, beside that of the path."""
    is_folder: bool = False
    """Whether the files of a folder are read together."""
    holds_supercell: bool = False
    """Whether the files contain their supercell, so that none may be given."""
    holds_units: bool = True
    """Whether the format defines its units, so that none may be given."""
    others: Callable[[Path, ReadOptions], Sequence[Trajectory]] = lambda *_: ()
    """Read the other data sets of a file or folder, in other supercells: runs of their own."""


@dataclass(frozen=True, slots=True)
class Format:
    """The files of one program; None where the program has none."""

    write_force_constants: Callable[[ForceConstants, Supercell, Path], Export]
    """Write force constants to an existing folder."""
    constants: ConstantsReader | None = None
    snapshots: SnapshotReader | None = None
