"""ledger.nc: a ledger as an xarray Dataset, to be fitted again, extended or pooled later.

The columns are not stored but made again from crystal, supercell and cutoffs; the tensors of
the representatives are kept beside them to prove that they are the same.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion, Reach, expansion_of
from trajmodes.fit.ledger import Ledger, Source
from trajmodes.symmetry import Cutoff, build_supercell, parse_cutoff, space_group

__all__ = ["ledger_dataset", "ledger_of", "read_ledger"]

FORMAT = "trajmodes ledger"
FORMAT_VERSION = 1

_SUPERCELL = "supercell"
_SAME = 1e-6
"""Largest difference of tensor components that are made again on another machine."""

_DAMAGE = (OSError, RuntimeError, ValueError, AttributeError, LookupError, MemoryError)
"""What the NetCDF library raises where bytes of a file are not as they were written."""


def ledger_dataset(ledger: Ledger) -> xr.Dataset:
    """Dataset of a ledger, with units and meaning in its attributes.

    Parameters
    ----------
    ledger
        The ledger.
    """
    crystal, expansion = ledger.expansion.crystal, ledger.expansion
    sources = ledger.sources or (Source("", np.nan, np.nan),) * (int(ledger.run.max()) + 1)
    gram = "column column_2"
    told = {
        "cell": ("vector xyz", crystal.cell, "Å", "primitive cell, rows are lattice vectors"),
        "sites": ("site vector", crystal.sites, "1", "reduced coordinates"),
        "species": ("site", np.array(crystal.species, dtype=str), "", "chemical symbols"),
        "masses": ("site", crystal.masses, "eV ps2/Å2", "masses"),
        "supercell_matrix": (
            "vector vector_2",
            ledger.supercell.matrix,
            "1",
            "rows are the supercell vectors in primitive ones",
        ),
        "order": ("order", np.array(expansion.orders), "1", "orders of the constants"),
        "cutoff": (
            "order",
            np.array([_exact(reach) for reach in expansion.cutoffs], dtype=str),
            "Å",
            "radius, and radii for pairs of species; that of order 1 means nothing",
        ),
        "column_order": (
            "column",
            np.repeat(expansion.orders, np.diff(expansion.starts)),
            "1",
            "order of the constants that a column belongs to",
        ),
        "check": ("check", _fingerprint(expansion), "1", "tensors of the representatives"),
        "block_run": ("block", ledger.run, "1", "run that each block of time belongs to"),
        "frames": ("block", ledger.frames, "1", "frames in the block"),
        "gram": (f"block {gram}", ledger.gram, "Å^(n+m-2)", "sums of products of columns"),
        "moment": ("block column", ledger.moment, "eV Å^(n-2)", "products with the forces"),
        "square": ("block", ledger.square, "eV2/Å2", "sum of squares of the forces"),
        "displacement_sum": (
            "block site xyz",
            ledger.displacement_sum,
            "Å",
            "sum over frames of the mean displacement of each site",
        ),
        "force_sum": (
            "block site xyz",
            ledger.force_sum,
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
    }
    return xr.Dataset(
        {
            name: (dims.split(), values, {"units": units, "long_name": text})
            for name, (dims, values, units, text) in told.items()
        },
        attrs={
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "title": "block Gram ledger of a fit of force constants",
            "convention": "residual = square - 2 moment.z + z.gram.z for parameters z of the "
            "orbits before sum rules; rows act on displacements relative to the force's atom",
        },
    )


def ledger_of(dataset: xr.Dataset, *, where: str = "") -> Ledger:
    """Ledger from its Dataset.

    Parameters
    ----------
    dataset
        As `ledger_dataset` makes it.
    where
        Where it comes from, for error messages.

    Raises
    ------
    DataError
        If it is no ledger, of a newer version, or its columns cannot be made again.
    """
    _check_format(dataset, where)
    crystal = Crystal(
        cell=dataset["cell"].values,
        sites=dataset["sites"].values,
        species=tuple(str(symbol) for symbol in dataset["species"].values),
        masses=dataset["masses"].values,
    )
    supercell = build_supercell(crystal, dataset["supercell_matrix"].values)
    reaches: dict[int, Reach] = {
        int(order): "supercell" if str(text) == _SUPERCELL else parse_cutoff(str(text))
        for order, text in zip(dataset["order"].values, dataset["cutoff"].values, strict=True)
        if order > 1
    }
    expansion = expansion_of(space_group(crystal, tolerance=1e-3), supercell, reaches)
    known, made = dataset["check"].values, _fingerprint(expansion)
    if known.shape != made.shape or np.abs(known - made).max(initial=0.0) > _SAME:
        raise DataError(
            "the columns of this ledger cannot be made again",
            where=where,
            why="it was written with another version of trajmodes or of spglib, which sorts or "
            "sees the symmetry of the crystal differently",
            fix="read the trajectory again with this version",
        )
    names = [str(name) for name in dataset["source"].values]
    numbers = zip(
        names,
        dataset["temperature"].values.tolist(),
        dataset["interval_ps"].values.tolist(),
        strict=True,
    )
    return Ledger(
        supercell=supercell,
        expansion=expansion,
        run=dataset["block_run"].values,
        frames=dataset["frames"].values,
        gram=dataset["gram"].values,
        moment=dataset["moment"].values,
        square=dataset["square"].values,
        displacement_sum=dataset["displacement_sum"].values,
        force_sum=dataset["force_sum"].values,
        sources=tuple(Source(*one) for one in numbers) if any(names) else (),
    )


def read_ledger(path: str | Path) -> Ledger:
    """Read ledger.nc, or that of a results folder.

    Parameters
    ----------
    path
        The file or the folder.

    Raises
    ------
    DataError
        If the file is missing, damaged, no ledger, or of a newer version.
    """
    source = Path(path)
    if source.is_dir():
        source = source / "ledger.nc"
    if not source.is_file():
        raise DataError(
            "there is no ledger",
            where=str(source),
            fix="give the ledger.nc that `trajmodes fit` wrote",
        )
    try:
        dataset = xr.load_dataset(source, engine="netcdf4")
    except _DAMAGE as error:
        raise DataError(
            "the ledger cannot be read",
            where=str(source),
            why=f"it is no NetCDF-4 file, or it was cut off or changed ({error})",
            fix="give the ledger.nc that `trajmodes fit` wrote",
        ) from error
    return ledger_of(dataset, where=str(source))


def _exact(reach: Cutoff | None) -> str:
    """Text of a cutoff that gives back the same numbers: not rounded for the eye."""
    if reach is None:
        return _SUPERCELL
    named = (f"{a}-{b}:{radius!r}" for (a, b), radius in sorted(reach.by_species.items()))
    return " ".join([repr(reach.radius), *named])


def _check_format(dataset: xr.Dataset, where: str) -> None:
    version = dataset.attrs.get("format_version")
    if dataset.attrs.get("format") != FORMAT:
        raise DataError(
            "this NetCDF file does not hold a trajmodes ledger",
            where=where,
            why=f"its attribute 'format' is {dataset.attrs.get('format')!r}, not {FORMAT!r}",
            fix="give the ledger.nc that `trajmodes fit` wrote",
        )
    if not isinstance(version, int | np.integer) or not 1 <= version <= FORMAT_VERSION:
        raise DataError(
            f"the ledger has format version {version}, known is up to {FORMAT_VERSION}",
            where=where,
            why="a newer trajmodes wrote the file",
            fix="update trajmodes",
        )


def _fingerprint(expansion: Expansion) -> Floats:
    """Tensors of the representatives of all orbits, one after the other."""
    return np.concatenate(
        [basis.tensors[basis.orbits.representatives].ravel() for basis in expansion]
    )
