"""Force constants as an object: frequencies, modes, bands, files of other programs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import xarray as xr

from trajmodes.api.calls import Expression, PathLike, call_text
from trajmodes.api.phonons import PhononProperties
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import MovieKeywords, SampleKeywords, ScanKeywords
from trajmodes.coulomb.charges import symmetric_charges
from trajmodes.data import force_constants as plain
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Supercell, known_supercell
from trajmodes.data.imperfect.species_constants import SpeciesConstants
from trajmodes.data.labels import html_table
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.formats.charges import read_charges
from trajmodes.formats.dipoles import with_charges
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.formats.phonopy import from_phonopy, to_phonopy
from trajmodes.formats.registry import read_supercell
from trajmodes.notes import Note
from trajmodes.pipeline.after_fit import export, movie_job, scan_rows, write_scan
from trajmodes.pipeline.job_folder import Analysis, Log, save_analysis
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.load import read_force_constants as read_plain
from trajmodes.pipeline.run import FitData, fit_only
from trajmodes.pipeline.thermo.sampling import sampled_supercell
from trajmodes.report.numbers import counted
from trajmodes.report.scan import scan_table
from trajmodes.report.summary import render, text_of
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import whole_results
from trajmodes.results.netcdf import NORMAL_EQUATIONS
from trajmodes.results.normal_equations import read_normal_equations
from trajmodes.results.storage import atomic_file
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.sampling import Configurations, harmonic_ensemble

if TYPE_CHECKING:
    import pandas as pd
    from phonopy import Phonopy


@dataclass(frozen=True, eq=False, repr=False)
class ForceConstants(PhononProperties):
    """Force constants of second and, where there are any, third and fourth order.

    Every function that takes `trajmodes.data.force_constants.ForceConstants` takes these too.
    q points are reduced coordinates without 2π, or names of special points such as ``X``.
    """

    record: Analysis | None = None
    """Results of the fit; None where they were read or given."""
    equations: NormalEquationBlocks | None = None
    """Normal equations of the fit, in blocks of time; None where there are none."""

    @classmethod
    def of(cls, constants: plain.ForceConstants, **more: Any) -> "ForceConstants":
        """Give plain force constants the methods of this class."""
        values = {
            one.name: getattr(constants, one.name) for one in fields(plain.ForceConstants)
        }
        return cls(**values, **more)

    @classmethod
    def of_fit(cls, found: Analysis, origin: str) -> "ForceConstants":
        """Force constants of a fit."""
        results = found.results
        return cls.of(
            results.constants,
            supercell=results.supercell,
            origin=origin,
            record=found,
            equations=found.equations,
        )

    @property
    def by_species(self) -> SpeciesConstants | None:
        """Constants of an alloy by pair of species; None unless they were fitted here."""
        return None if self.record is None else self.record.results.by_species

    @classmethod
    def from_phonopy(cls, phonon: "Phonopy") -> "ForceConstants":
        """Take the second-order force constants of a Phonopy object in eV/Å².

        Raises
        ------
        UsageError
            If it holds none.
        DataError
            If they are in other units, or do not belong to its cells.
        """
        constants, supercell = from_phonopy(phonon)
        return cls.of(constants, supercell=supercell, origin="<Phonopy>")

    def to_phonopy(self) -> "Phonopy":
        """Make a Phonopy object of the same crystal, supercell and force constants.

        It gives the same frequencies at the commensurate q points, and at every q if all pairs
        lie within the Wigner–Seitz cell of the supercell.
        """
        return to_phonopy(self, known_supercell(self.supercell))

    def with_charges(self, charges: PathLike | Charges) -> "ForceConstants":
        """Divide the second order into the dipole–dipole part of Born charges and the rest.

        Frequencies at the q points of the supercell do not change; those between them are
        interpolated from the rest. A fit with charges is better: cutoffs may be short.

        Parameters
        ----------
        charges
            Born charges and ε∞, or a file with them: phonopy's BORN or yaml file, vasprun.xml,
            OUTCAR, infile.lotosplitting.

        Raises
        ------
        UsageError
            If there is no such file.
        DataError
            If the charges are of another crystal, or there are charges already.
        """
        supercell = known_supercell(self.supercell)
        if isinstance(charges, Charges):
            found, _ = symmetric_charges(charges, space_group(self.crystal))
        else:
            found, _ = read_charges(Path(charges), self.crystal)
        plain_form = with_charges(self, supercell, found)
        origin = call_text(f"{self.origin}.with_charges", charges)
        return ForceConstants.of(plain_form, supercell=supercell, origin=origin)

    def to_dataset(self) -> xr.Dataset:
        """Results of the fit in one Dataset, as `trajmodes fit` writes them.

        Raises
        ------
        DataError
            If the force constants were not fitted here.
        """
        return to_dataset(self._own_fit().results)

    def save(self, path: PathLike) -> None:
        """Write all orders with their error bars; `trajmodes.read_force_constants` reads them.

        Parameters
        ----------
        path
            A file named ``.h5``; or a folder, for the results of a fit as `trajmodes fit`
            writes them.

        Raises
        ------
        StorageError
            If the system refuses to write.
        """
        place = Path(path)
        if place.suffix != ".h5":
            found = self._own_fit()
            save_analysis(place, to_dataset(found.results), found, Log())
            return
        supercell = known_supercell(self.supercell)
        with atomic_file(place) as partial:
            write_hdf5(self, supercell, partial)

    def write(self, target: str, folder: PathLike) -> tuple[Path, ...]:
        """Write the files of another program; return their paths, the one to load first.

        Parameters
        ----------
        target
            phonopy, phono3py, shengbte, tdep, alamode or hdf5.
        folder
            Where the files go.

        Raises
        ------
        UsageError
            If the format is unknown, or a file would be overwritten that trajmodes did not
            write.
        DataError
            If the format cannot hold the force constants.
        """
        place = Path(folder)
        return export(self, known_supercell(self.supercell), place, {target: place}).files[
            target
        ]

    @takes("scan")
    def scan(self, **options: Unpack[ScanKeywords]) -> "pd.DataFrame":
        """Repeat the fit with other cutoffs, orders and constraints, and with parts of the run.

        The normal equations are used; the trajectory is not read again.

        Parameters
        ----------
        **options
            Options of `trajmodes scan`.

        Returns
        -------
        One row for each fit, with the columns of ``scan.csv``.

        Raises
        ------
        DataError
            If there are no normal equations.
        """
        import pandas as pd  # noqa: PLC0415 - loads slowly

        values = values_of("scan", options)
        points = scan_rows(
            self._known_equations(),
            values["scheme"],
            no_constant_force=values["no_constant_force"],
        )
        if values["output"] is not None:
            write_scan(points, values["output"])
        return pd.DataFrame(dict(scan_table(points).columns))

    def append(self, *runs: LoadedRun) -> "ForceConstants":
        """Fit again with further runs of the same crystal, added to the normal equations.

        Raises
        ------
        DataError
            If there are no normal equations, or a run does not fit their crystal.
        """
        equations = self._known_equations()
        if not runs:
            raise UsageError("no run is given to add", fix="give runs of trajmodes.open")
        files = tuple(name for run in runs for name in run.job.trajectory)
        job = runs[0].job.with_options(trajectory=files, cell=None, output=None)
        calls = (Expression(getattr(run, "origin", repr(run))) for run in runs)
        origin = call_text(f"{self.origin}.append", *calls)
        data = FitData([run.trajectory for run in runs], equations)
        return self.of_fit(fit_only(job, command=origin, log=Log(), data=data), origin)

    @takes("movie")
    def movie(
        self, mode: str, output: PathLike = "mode.xyz", **options: Unpack[MovieKeywords]
    ) -> str:
        """Write one period of a mode as extended XYZ; return a line that describes the file.

        Parameters
        ----------
        mode
            q and branch, such as ``1/2 1/2 0:4`` or ``X:4``; branches count from 1.
        output
            The file. An earlier movie is replaced, any other file is not.
        **options
            Options of `trajmodes movie`.

        Raises
        ------
        UsageError
            If there is no such mode, or the file exists and is not a movie.
        """
        return movie_job(self, mode, **values_of("movie", {"output": output, **options}))

    @takes("sample")
    def sample(self, temperature: float, **options: Unpack[SampleKeywords]) -> Configurations:
        """Draw configurations from the canonical distribution of these force constants.

        Parameters
        ----------
        temperature
            In K.
        **options
            Options of `trajmodes sample`.

        Raises
        ------
        UsageError
            If the temperature is negative, or zero with classical statistics.
        DataError
            If no supercell is known, or modes are imaginary and `imaginary` does not admit
            them.
        """
        given = values_of("sample", {"temperature": temperature, **options})
        supercell = sampled_supercell(self.crystal, self.supercell, given["supercell"])
        ensemble = harmonic_ensemble(
            self,
            supercell,
            given["temperature"],
            quantum=given["quantum"],
            imaginary=given["imaginary"],
        )
        return ensemble.draw(given["number"], np.random.default_rng(given["seed"]))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Warnings and notes of the fit; none where the force constants were read."""
        return () if self.record is None else self.record.results.notes

    def __str__(self) -> str:
        """Summary of the fit, as `trajmodes fit` prints it."""
        return repr(self) if self.record is None else text_of(render(self.to_dataset()))

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        said, warned = super().__repr__(), sum(one.severity == "warning" for one in self.notes)
        return f"{said[:-1]}; {counted(warned, 'warning')} in .notes>" if warned else said

    def _repr_html_(self) -> str:
        return html_table(f"Force constants of {self.crystal.formula}", self._rows())

    def _rows(self) -> Mapping[str, object]:
        rows: dict[str, object] = {"pairs": self.n_pairs}
        for name, clusters in (("triplets", self.triplets), ("quartets", self.quartets)):
            if clusters is not None:
                rows[name] = clusters.n_clusters
        if self.cutoff is not None:
            rows["cutoff"] = f"{self.cutoff:g} Å"
        if self.temperature is not None:
            rows["temperature"] = f"{self.temperature:.1f} K"
        if self.charges is not None:
            rows["dipole–dipole part"] = repr(self.charges)
        rows["error bars"] = "no" if self.replicates is None else "jackknife"
        if self.quality is not None:
            rows["frames"] = self.quality.n_frames
            rows["R²"] = f"{self.quality.r_squared:.4f}"
            if (left_out := self.quality.r_squared_predicted) is not None:
                rows["R² of frames left out"] = f"{left_out:.4f}"
        warned = (note for note in self.notes if note.severity == "warning")
        rows |= {f"warning {k}": str(note) for k, note in enumerate(warned, start=1)}
        return rows

    def _own_fit(self) -> Analysis:
        if self.record is None:
            raise DataError(
                "these force constants were not fitted in this session",
                fix="save them as a file named .h5; read the results of a fit with "
                "trajmodes.load",
            )
        return self.record

    def _known_equations(self) -> NormalEquationBlocks:
        if self.equations is None:
            raise DataError(
                "there are no normal equations of these force constants",
                why="only a fit, or its results folder, has them",
                fix="fit with trajmodes, or read the folder of a fit",
            )
        return self.equations


def read_force_constants(
    path: PathLike, *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants of phonopy, phono3py, TDEP, or trajmodes.

    Parameters
    ----------
    path
        A file that holds force constants, or a folder with those of one program. Files that
        belong together are looked for beside it, under the names their program gives them.
    supercell
        Crystal and supercell that the force constants belong to, for files that do not describe
        them.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder holds force constants of several
        programs.
    DataError
        If a file is damaged, does not belong to the supercell, or lies in a results folder of
        an unfinished run.
    """
    place = Path(path)
    with whole_results(place):
        constants = read_plain(place, supercell=supercell)
        known = read_supercell(place) if supercell is None else supercell
        has_equations = place.is_dir() and (place / NORMAL_EQUATIONS.file).exists()
        equations = read_normal_equations(place) if has_equations else None
    return ForceConstants.of(
        constants,
        supercell=known,
        origin=call_text("trajmodes.read_force_constants", path),
        equations=equations,
    )


def plain_constants(constants: plain.ForceConstants) -> plain.ForceConstants:
    """Return the same without methods and record, as results keep them."""
    if not isinstance(constants, ForceConstants):
        return constants
    names = [one.name for one in fields(plain.ForceConstants)]
    return plain.ForceConstants(**{name: getattr(constants, name) for name in names})
