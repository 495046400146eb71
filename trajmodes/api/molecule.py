"""The normal modes of an isolated molecule or cluster, and their results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Unpack

from trajmodes.api.calls import PathLike, call_text, in_memory
from trajmodes.config.job import job_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import MoleculeKeywords
from trajmodes.data.labels import html_table
from trajmodes.pipeline import molecule as molecules
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.molecule_job import modes_table, molecule_job, show_molecule
from trajmodes.units import THZ

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

    from trajmodes.readers.trajectory import Trajectory


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MoleculeResults(molecules.MoleculeResults):
    """Normal modes of a molecule: frequencies, and the spectra and energies of the run."""

    @property
    def vibrations(self) -> "pd.DataFrame":
        """Vibrations, one row each, with the columns of ``modes.csv``."""
        import pandas as pd  # noqa: PLC0415 - loads slowly

        return pd.DataFrame(dict(modes_table(self).columns)).set_index("mode")

    def __str__(self) -> str:
        """Summary, as `trajmodes molecule` prints it."""
        return show_molecule(self, {})

    def _repr_html_(self) -> str:
        rows = {
            f"mode {number}": f"{thz:.4g} THz"
            for number, thz in zip(self.table.mode, self.table.omega / THZ, strict=True)
        }
        return html_table(f"Vibrations of {self.molecule.crystal.formula}", rows)


@takes("molecule")
def molecule(
    data: "PathLike | Iterable[PathLike] | Sequence[Atoms] | Trajectory",
    **options: Unpack[MoleculeKeywords],
) -> MoleculeResults:
    """Find the normal modes of a molecule or a cluster, without periodicity.

    Parameters
    ----------
    data
        Trajectory files, a list of ASE Atoms, or a trajectory that is open. The time between
        Atoms is `timestep_fs`.
    **options
        Options of `trajmodes molecule`; with ``output`` the folder is written as well.

    Raises
    ------
    UsageError
        If a file, or information that only the user has, is missing.
    DataError
        If the frames are damaged, inconsistent, or too few.
    """
    frames, names = in_memory(data, options, isolated=True)
    job = job_of("molecule", names, options)
    if job.running.output is not None:
        command = call_text("trajmodes.molecule", data, **options)
        found = molecule_job(job, command=command, frames=frames).results
    else:
        run = molecules.open_molecule(job, frames=frames)
        found = molecules.analyse_molecule(run, log=Log())
    values = {one.name: getattr(found, one.name) for one in fields(molecules.MoleculeResults)}
    return MoleculeResults(**values)
