"""Force constants for phonopy: FORCE_CONSTANTS and phonopy_params.yaml.

phonopy keeps constants between the primitive atoms and all atoms of the supercell, summed over
periodic images; when it needs a phase it divides each of them among the shortest images. Ours
are folded onto the supercell the same way, by lattice vector, so phonopy gives the frequencies
of the given constants at every q if these reach no farther than the Wigner–Seitz cell of the
supercell, and at the commensurate q always.

phonopy's THz hangs on older values of e and u: its frequencies are lower by 1.2e-7 of their
value for that reason alone.
"""

from pathlib import Path

import numpy as np
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_CONSTANTS
from phonopy.structure.atoms import PhonopyAtoms

from trajmodes.arrays import Floats, Ints
from trajmodes.data import ForceConstants, Supercell
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import cell_rank
from trajmodes.units import DALTON

__all__ = ["write_phonopy"]


def write_phonopy(
    constants: ForceConstants, supercell: Supercell, folder: Path, *, compact: bool = True
) -> tuple[Path, Path]:
    """Write FORCE_CONSTANTS and phonopy_params.yaml, each complete in itself.

    Parameters
    ----------
    constants
        The force constants.
    supercell
        The supercell of the run, any integer matrix.
    folder
        An existing folder.
    compact
        Rows for the atoms of one primitive cell only; else for all atoms of the supercell.

    Returns
    -------
    Paths of FORCE_CONSTANTS and phonopy_params.yaml.

    Raises
    ------
    DataError
        If a species is no chemical symbol, sites coincide, or phonopy's supercell is not ours.
    """
    phonon = _phonopy_object(supercell)
    rows = phonon.primitive.p2s_map if compact else np.arange(supercell.n_atoms)
    sites, cells = _addresses(phonon, supercell)
    phonon.force_constants = _fold(constants, supercell, sites, cells, rows)
    text, parameters = folder / "FORCE_CONSTANTS", folder / "phonopy_params.yaml"
    write_FORCE_CONSTANTS(
        phonon.force_constants, text, p2s_map=phonon.primitive.p2s_map if compact else None
    )
    phonon.save(parameters, settings={"force_constants": True})
    return text, parameters


def _phonopy_object(supercell: Supercell) -> Phonopy:
    """Make the same crystal and supercell in phonopy, whose columns are our rows."""
    crystal = supercell.crystal
    try:
        unit = PhonopyAtoms(
            symbols=list(crystal.species),
            cell=crystal.cell,
            scaled_positions=crystal.sites,
            masses=crystal.masses / DALTON,
        )
        # A symmetry search over a large supercell takes minutes and nothing here needs it.
        return Phonopy(unit, supercell.matrix.T, primitive_matrix=np.eye(3), is_symmetry=False)
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"phonopy does not take the crystal: {str(error).splitlines()[0]}",
            where=f"species {', '.join(sorted(set(crystal.species)))}",
            why="a species is no chemical symbol, or sites lie within 1e-5 Å of each other",
            fix="check the cell file",
        ) from error


def _addresses(phonon: Phonopy, supercell: Supercell) -> tuple[Ints, Ints]:
    """Site (a,) and lattice vector (a, 3) of each atom in phonopy's order."""
    crystal = supercell.crystal
    theirs = phonon.supercell
    order = {int(atom): site for site, atom in enumerate(theirs.u2s_map)}
    sites = np.array([order[int(atom)] for atom in theirs.s2u_map], dtype=np.int64)
    reduced = theirs.positions @ np.linalg.inv(crystal.cell) - crystal.sites[sites]
    cells = np.rint(reduced).astype(np.int64)
    ours = cell_rank(supercell, cells) * crystal.n_sites + sites
    if np.abs(reduced - cells).max() > 1e-4 or len(np.unique(ours)) != supercell.n_atoms:
        raise DataError(
            "phonopy's supercell is not the supercell of the run",
            where=f"matrix {supercell.matrix.tolist()}",
            why="its convention for supercell matrices may have changed",
            fix="use a version of phonopy that trajmodes was tested with",
        )
    return sites, cells


def _fold(
    constants: ForceConstants, supercell: Supercell, sites: Ints, cells: Ints, rows: Ints
) -> Floats:
    """Constants between the atoms ``rows`` and all atoms, (r, a, 3, 3), images summed."""
    n_sites = supercell.crystal.n_sites
    atom_of = np.empty(supercell.n_atoms, dtype=np.int64)
    atom_of[cell_rank(supercell, cells) * n_sites + sites] = np.arange(supercell.n_atoms)
    folded = np.zeros((len(rows), supercell.n_atoms, 3, 3))
    for row, atom in enumerate(rows):
        mine = np.flatnonzero(constants.first == sites[atom])
        target = cell_rank(supercell, cells[atom] + constants.lattice[mine])
        atoms = atom_of[target * n_sites + constants.second[mine]]
        np.add.at(folded, (row, atoms), constants.values[mine])
    return folded
