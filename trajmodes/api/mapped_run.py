"""Maps of a run over wavevector and frequency, as methods of the run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from trajmodes.api.calls import Expression, PathLike, call_text
from trajmodes.api.force_constants import plain_constants
from trajmodes.api.results import Results, load, results_of
from trajmodes.config.job import Job
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import SedKeywords, SqwKeywords
from trajmodes.data import force_constants as plain
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.project_job import Given
from trajmodes.pipeline.scattering.sed import sed_job, spectral_energy
from trajmodes.pipeline.scattering.structure_factor import (
    dynamic_structure_factor,
    structure_factor_job,
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MappedRun(LoadedRun):
    """A run with the methods that map its motion."""

    origin: str = ""
    """The call that opened it."""

    @takes("sed")
    def sed(
        self,
        force_constants: plain.ForceConstants | PathLike | None = None,
        **options: Unpack[SedKeywords],
    ) -> Results:
        """Map the spectral energy density of the run along a path through the zone.

        Parameters
        ----------
        force_constants
            Force constants whose bands are drawn and whose branches are separated; optional.
        **options
            Options of `trajmodes sed`.

        Raises
        ------
        UsageError
            If no commensurate q lies on the path, or the path names an unknown point.
        DataError
            If the frames are too far apart, or the run is too short for spectra.
        """
        job, given, command = self._job_on(force_constants, "sed", options)
        if job.running.output is None:
            return results_of(spectral_energy(job, command=command, given=given))
        sed_job(job, command=command, given=given)
        return load(job.running.output)

    @takes("sqw")
    def sqw(
        self,
        force_constants: plain.ForceConstants | PathLike | None = None,
        **options: Unpack[SqwKeywords],
    ) -> Results:
        """Calculate the coherent dynamic structure factor S(Q, ω) on a line or in a plane.

        Parameters
        ----------
        force_constants
            Force constants whose one-phonon scattering is compared; optional.
        **options
            Options of `trajmodes sqw`.

        Raises
        ------
        UsageError
            If no line is given, or the supercell admits no Q on it.
        DataError
            If the run is too short for spectra.
        """
        job, given, command = self._job_on(force_constants, "sqw", options)
        if job.running.output is None:
            return Results(dynamic_structure_factor(job, command=command, given=given))
        structure_factor_job(job, command=command, given=given)
        return load(job.running.output)

    def _job_on(
        self,
        force_constants: plain.ForceConstants | PathLike | None,
        method: str,
        options: Mapping[str, Any],
    ) -> tuple[Job, Given, str]:
        """Job of a method, the data in memory, and the text of the call.

        Nothing is written where no output is given.
        """
        named, constants = None, None
        if isinstance(force_constants, str | os.PathLike):
            named = os.fspath(force_constants)
        elif force_constants is not None:
            constants = plain_constants(force_constants)
        given = {"output": None, **options, "force_constants": named}
        origin = getattr(force_constants, "origin", "")
        first = Expression(origin) if origin else force_constants
        arguments = () if force_constants is None else (first,)
        command = call_text(f"{self.origin}.{method}", *arguments, **options)
        return self.job.with_options(**given), Given(constants, self.trajectory), command
