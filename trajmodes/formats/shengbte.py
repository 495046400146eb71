"""ShengBTE: FORCE_CONSTANTS_2ND, FORCE_CONSTANTS_3RD, and a CONTROL to start from.

Layouts follow ShengBTE's README and its input.f90. FORCE_CONSTANTS_3RD consists of blocks: a
number, the Cartesian lattice vectors of the second and third atom in Å, the three atoms counted
from 1, and 27 force constants in eV/Å³, the last direction fastest. FORCE_CONSTANTS_2ND is
phonopy's FORCE_CONSTANTS between all atoms of n1 × n2 × n3 primitive cells, sites slowest and
n1 fastest, as phonopy orders them. ShengBTE accepts no supercell of another shape, so that
second order is folded onto a sufficiently large diagonal supercell; `scell` of CONTROL gives
it. Fourth order goes to FORCE_CONSTANTS_4TH, which FourPhonon reads: as above, with three
vectors, four atoms and 81 force constants.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats import Export, Format
from trajmodes.formats.folding import diagonal_container, fold_pairs, grid_order
from trajmodes.units import DALTON

_ROOM_TEMPERATURE_K = 300


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write CONTROL and the force constants of second, third and, if any, fourth order."""
    from phonopy.file_IO import write_FORCE_CONSTANTS  # noqa: PLC0415 - loads slowly

    if constants.triplets is None:
        raise DataError(
            "there are no third-order force constants to write for ShengBTE",
            why="the fit was of second order only",
            fix="fit with --cutoff3, or export to phonopy",
        )
    container = diagonal_container(constants, supercell)
    pairs = folder / "FORCE_CONSTANTS_2ND"
    order = grid_order(container)
    folded = fold_pairs(constants, order, np.arange(container.n_atoms))
    write_FORCE_CONSTANTS(folded, pairs)
    control = folder / "CONTROL"
    control.write_text(_control(constants, container), encoding="utf-8")
    cubic = folder / "FORCE_CONSTANTS_3RD"
    _write_blocks(constants.triplets, constants.crystal, cubic)
    paths = [control, pairs, cubic]
    charges = "off" if constants.charges is None else "on"
    kelvin = _temperature(constants)
    own = "that of the force constants" if constants.temperature else "a default"
    notes = [
        "CONTROL: ngrid and scalebroad are initial values, to be converged; "
        f"T = {kelvin:g} K is {own}; isotopes are off, and Born charges are {charges}"
    ]
    if constants.quartets is not None:
        paths.append(folder / "FORCE_CONSTANTS_4TH")
        _write_blocks(constants.quartets, constants.crystal, paths[-1])
        notes.append("FORCE_CONSTANTS_4TH is read by FourPhonon, not by ShengBTE itself")
    return Export(tuple(paths), tuple(notes))


def _temperature(constants: ForceConstants) -> float:
    """Temperature in K for CONTROL; ShengBTE does not accept 0 K."""
    return constants.temperature or _ROOM_TEMPERATURE_K


def _write_blocks(clusters: ClusterConstants, crystal: Crystal, path: Path) -> None:
    """Write one block for each cluster whose force constants are not zero."""
    n = clusters.order
    strong = np.flatnonzero(clusters.values.any(axis=tuple(range(1, n + 1))))
    labels = [" ".join(map(str, d)) for d in itertools.product((1, 2, 3), repeat=n)]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(strong)}\n")
        for number, c in enumerate(strong, start=1):
            vectors = clusters.lattice[c, 1:] @ crystal.cell
            lines = ["", f"{number:6d}"]
            lines += ["".join(f" {x:18.10f}" for x in vector) for vector in vectors]
            lines += ["".join(f" {site + 1:5d}" for site in clusters.sites[c])]
            lines += [
                f" {label} {x:24.15E}"
                for label, x in zip(labels, clusters.values[c].ravel(), strict=True)
            ]
            file.write("\n".join(lines) + "\n")


def _control(constants: ForceConstants, container: Supercell) -> str:
    """Write a complete CONTROL with the crystal of the run and simple settings."""
    crystal = constants.crystal
    # Atoms of one symbol may differ in mass, so an element is a symbol and a mass.
    kinds = list(dict.fromkeys(zip(crystal.species, crystal.masses.tolist(), strict=True)))
    types = [kinds.index(k) + 1 for k in zip(crystal.species, crystal.masses, strict=True)]
    names = " ".join(f'"{name}"' for name, _ in kinds)
    masses = " ".join(f"{mass / DALTON:.8f}" for _, mass in kinds)
    lines = ["&allocations"]
    lines += [
        f"  nelements={len(kinds)},",
        f"  natoms={crystal.n_sites},",
        "  ngrid(:)=12 12 12",
    ]
    lines += ["&end", "&crystal", "  lfactor=0.1,"]
    for i, row in enumerate(crystal.cell, start=1):
        lines += [f"  lattvec(:,{i})=" + " ".join(f"{x:.15f}" for x in row) + ","]
    lines += [f"  elements={names},", f"  types={' '.join(map(str, types))},"]
    for i, row in enumerate(crystal.sites, start=1):
        lines += [f"  positions(:,{i})=" + " ".join(f"{x:.15f}" for x in row) + ","]
    lines += [f"  masses={masses},", f"  gfactors={' '.join(['0.0'] * len(kinds))},"]
    polar = constants.charges is not None
    if constants.charges is not None:
        lines += [*_charge_lines(constants.charges)]
    lines += [f"  scell(:)={' '.join(str(n) for n in np.diag(container.matrix))}", "&end"]
    lines += ["&parameters", f"  T={_temperature(constants):g},", "  scalebroad=1.0", "&end"]
    lines += ["&flags", f"  nonanalytic=.{str(polar).upper()}.,", "  isotopes=.FALSE.,"]
    lines += ["  autoisotopes=.FALSE.", "&end"]
    return "\n".join(lines) + "\n"


def _charge_lines(charges: Charges) -> Iterator[str]:
    """Lines of ε∞ and Z*; the first index of born is the direction of the field."""
    for i, row in enumerate(charges.dielectric, start=1):
        yield f"  epsilon(:,{i})={_numbers(row)},"
    for site, tensor in enumerate(charges.born, start=1):
        for i, column in enumerate(tensor.T, start=1):
            yield f"  born(:,{i},{site})={_numbers(column)},"


def _numbers(row: Floats) -> str:
    return " ".join(f"{x:.12f}" for x in row)


FORMAT = Format(write_force_constants=write)
