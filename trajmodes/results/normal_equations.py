"""normal_equations.nc: normal equations as a Dataset, for later fits, extensions and pooling.

The columns of the design matrix are not stored: they are rebuilt from crystal, supercell and
cutoffs. The tensors of the orbit representatives are stored to check that they are the same.
"""

import os

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.expansion import CutoffChoice, Expansion, expansion_of
from trajmodes.fit.normal_equations import NormalEquationBlocks, Source
from trajmodes.results.netcdf import NORMAL_EQUATIONS, read_dataset
from trajmodes.symmetry.cutoffs import Cutoff, parse_cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell

_SUPERCELL = "supercell"
_SAME = 1e-6
"""Largest difference between tensor components rebuilt on different machines."""


def read_normal_equations(path: str | os.PathLike[str]) -> NormalEquationBlocks:
    """Read the normal equations of a fit, from ``normal_equations.nc`` or its results folder.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind or version, or in the results folder of
        an unfinished run.
    """
    return equations_of(read_dataset(path, NORMAL_EQUATIONS), where=os.fspath(path))


def equations_dataset(equations: NormalEquationBlocks) -> xr.Dataset:
    """Describe normal equations as a Dataset with units and meanings in its attributes."""
    crystal, expansion = equations.expansion.crystal, equations.expansion
    sources = equations.sources or (Source("", np.nan, np.nan),) * (
        int(equations.run.max()) + 1
    )
    gram = "column column_2"
    variables = {
        "cell": ("vector xyz", crystal.cell, "Å", "primitive cell, rows are lattice vectors"),
        "sites": ("site vector", crystal.sites, "1", "reduced coordinates"),
        "species": ("site", np.array(crystal.species, dtype=str), "", "chemical symbols"),
        "masses": ("site", crystal.masses, "eV ps2/Å2", "masses"),
        "supercell_matrix": (
            "vector vector_2",
            equations.supercell.matrix,
            "1",
            "rows are the supercell vectors in primitive ones; of several, the largest",
        ),
        "order": ("order", np.array(expansion.orders), "1", "orders of the force constants"),
        "cutoff": (
            "order",
            np.array([_exact(reach) for reach in expansion.cutoffs], dtype=str),
            "Å",
            "radius, and radii for pairs of species; without meaning for order 1",
        ),
        "column_order": (
            "column",
            np.repeat(expansion.orders, np.diff(expansion.starts)),
            "1",
            "order of the force constants of each column",
        ),
        "check": (
            "check",
            _fingerprint(expansion),
            "1",
            "tensors of the orbit representatives",
        ),
        "block_run": ("block", equations.run, "1", "run that each block of time belongs to"),
        "frames": ("block", equations.frames, "1", "frames in the block"),
        "components": ("block", equations.components, "1", "force components in the block"),
        "gram": (f"block {gram}", equations.gram, "Å^(n+m-2)", "sums of products of columns"),
        "moment": ("block column", equations.moment, "eV Å^(n-2)", "products with the forces"),
        "square": ("block", equations.square, "eV2/Å2", "sum of squares of the forces"),
        "displacement_sum": (
            "block site xyz",
            equations.displacement_sum,
            "Å",
            "sum over frames of the mean displacement of each site",
        ),
        "force_sum": (
            "block site xyz",
            equations.force_sum,
            "eV/Å",
            "sum over frames of the mean force on each site",
        ),
        "source": ("run", np.array([s.name for s in sources], dtype=str), "", "files"),
        "temperature": ("run", np.array([s.temperature for s in sources]), "K", "temperature"),
        "interval_ps": (
            "run",
            np.array([s.interval_ps for s in sources]),
            "ps",
            "time between frames",
        ),
        "displaced_atoms": (
            "run",
            np.array([s.displaced_atoms for s in sources]),
            "1",
            "atoms of the known supercell that the frames are displaced from; 0: its average",
        ),
    }
    charges, whole_square = equations.charges, equations.whole_square
    if charges is not None and whole_square is not None:
        variables |= {
            "born": ("site xyz xyz_2", charges.born, "e", "Born charges"),
            "dielectric": ("xyz xyz_2", charges.dielectric, "1", "dielectric tensor"),
            "whole_square": (
                "block",
                whole_square,
                "eV2/Å2",
                "sum of squares of the forces, with the dipole-dipole forces",
            ),
        }
        if charges.quadrupoles is not None:
            axes, text = "site xyz xyz_2 xyz_3", "dynamical quadrupoles"
            variables["quadrupoles"] = (axes, charges.quadrupoles, "e Å", text)
    return xr.Dataset(
        {
            name: (dims.split(), values, {"units": units, "long_name": text})
            for name, (dims, values, units, text) in variables.items()
        },
        attrs={
            "title": "normal equations of a fit of force constants, in blocks of time",
            "convention": "residual = square - 2 moment.z + z.gram.z for parameters z of the "
            "orbits before sum rules; rows act on displacements relative to the force's atom",
        },
    )


def equations_of(dataset: xr.Dataset, *, where: str = "") -> NormalEquationBlocks:
    """Read normal equations from a Dataset made by `equations_dataset`; `where` is its file.

    Raises
    ------
    DataError
        If the columns of the design matrix cannot be rebuilt.
    """
    crystal = Crystal(
        cell=dataset["cell"].values,
        sites=dataset["sites"].values,
        species=tuple(str(symbol) for symbol in dataset["species"].values),
        masses=dataset["masses"].values,
    )
    supercell = build_supercell(crystal, dataset["supercell_matrix"].values)
    cutoffs: dict[int, CutoffChoice] = {
        int(order): "supercell" if str(text) == _SUPERCELL else parse_cutoff(str(text))
        for order, text in zip(dataset["order"].values, dataset["cutoff"].values, strict=True)
        if order > 1
    }
    expansion = expansion_of(space_group(crystal, tolerance=1e-3), supercell, cutoffs)
    stored, rebuilt = dataset["check"].values, _fingerprint(expansion)
    if stored.shape != rebuilt.shape or np.abs(stored - rebuilt).max(initial=0.0) > _SAME:
        raise DataError(
            "the columns of these normal equations cannot be rebuilt",
            where=where,
            why="they were written with another version of trajmodes or of spglib, which finds "
            "or orders the symmetry operations of the crystal differently",
            fix="read the trajectory again with this version",
        )
    names = [str(name) for name in dataset["source"].values]
    numbers = [dataset[name].values.tolist() for name in ("temperature", "interval_ps")]
    if "displaced_atoms" in dataset:
        numbers.append(dataset["displaced_atoms"].values.tolist())
    stored_as_named = ["frames", "components", "gram", "moment", "square"]
    stored_as_named += ["displacement_sum", "force_sum"]
    charges = None
    if "born" in dataset:
        more = dataset["quadrupoles"].values if "quadrupoles" in dataset else None
        charges = Charges(dataset["born"].values, dataset["dielectric"].values, more)
        stored_as_named.append("whole_square")
    return NormalEquationBlocks(
        supercell=supercell,
        expansion=expansion,
        run=dataset["block_run"].values,
        **{name: dataset[name].values for name in stored_as_named},
        sources=tuple(map(Source, names, *numbers)) if any(names) else (),
        charges=charges,
    )


def _exact(reach: Cutoff | None) -> str:
    """Text of a cutoff with all digits."""
    if reach is None:
        return _SUPERCELL
    named = (f"{a}-{b}:{radius!r}" for (a, b), radius in sorted(reach.by_species.items()))
    return " ".join([repr(reach.radius), *named])


def _fingerprint(expansion: Expansion) -> Floats:
    """Tensors of the representatives of all orbits, one after the other."""
    return np.concatenate(
        [basis.tensors[basis.orbits.representatives].ravel() for basis in expansion]
    )
