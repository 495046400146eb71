"""Modes on which a growing recording is projected: given ones, or those of its first frames."""

from dataclasses import replace

import numpy as np

from trajmodes.config.job import Job
from trajmodes.data.modes import Modes
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import Log, StartBar, Written, output_folder
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.project_job import Given, project_job, run_on_constants
from trajmodes.pipeline.run import FirstPass, analyse, first_pass, fitted_modes
from trajmodes.units import THZ


class GivenModes:
    """Modes of given force constants."""

    def __init__(self, job: Job, bars: StartBar) -> None:
        """Match the recording to the crystal of the force constants."""
        self._job = job
        self._matched = run_on_constants(job, log=Log(bars))

    @property
    def run(self) -> LoadedRun:
        """The recording as it was matched."""
        return self._matched.run

    def written(self, run: LoadedRun, command: str, bars: StartBar) -> Written:
        """Project the frames so far, and write the results folder."""
        given = Given(matched=self._matched._replace(run=run))
        return project_job(self._job, command=command, bars=bars, given=given)


class FittedModes:
    """Modes of force constants that are fitted to the first frames.

    All frames so far are fitted too. This shows how accurate the frequencies are, and how much
    they differ from those of the modes.
    """

    def __init__(self, job: Job, bars: StartBar) -> None:
        """Match the recording to its crystal."""
        self._job = job
        self._first: FirstPass | None = None
        self.run = load(job, log=Log(bars))
        """The recording as it was matched."""

    def written(self, run: LoadedRun, command: str, bars: StartBar) -> Written:
        """Fit and project the frames so far, and write the results folder."""
        log = Log(bars)
        with output_folder(self._job, log, for_phonopy=True) as output:
            found = analyse(run, command=command, log=log, bars=bars, find=self._found)
            return output.write(found)

    def _found(self, run: LoadedRun, command: str, log: Log, bars: StartBar) -> FirstPass:
        """Force constants of the first frames, and the errors of those of all frames so far."""
        if self._first is None:
            self._first = first_pass(run, command, log, bars)
            return self._first
        first, results = self._first, self._first.results
        # The sites and the range of the first frames are kept.
        job = _with_range_of(first.equations, run.job).with_options(displacements_from="given")
        known = replace(first.run, trajectory=run.trajectory)
        text = (
            f"force constants and modes are those of the first {first.run.n_frames} of "
            f"{run.n_frames} frames"
        )
        if run.trajectory.has_forces:
            modes, length = fitted_modes(replace(known, job=job), log=log, bars=bars)
            changed_thz = _largest_change(modes, results.modes) / THZ
            text += f"; a fit to all of them changes frequencies by up to {changed_thz:.2g} THz"
            results = replace(results, run_length=length)
        results = replace(results, notes=(Note("note", text), *results.notes))
        return FirstPass(known, results, first.equations)


def _with_range_of(equations: NormalEquationBlocks | None, job: Job) -> Job:
    """Keep the range of the second order that was chosen before higher orders were fitted.

    To choose it anew, frames would be read again, and another range would need all of them.
    """
    if equations is None or job.fit.cutoff3 is None or job.fit.cutoff2 is not None:
        return job
    reach = equations.expansion.cutoffs[1]
    return job.with_options(cutoff2="supercell" if reach is None else reach.radius)


def _largest_change(modes: Modes, earlier: Modes) -> float:
    """Largest difference of the frequencies of two fits in rad/ps."""
    return float(np.abs(modes.omega - earlier.omega)[earlier.sets >= 0].max(initial=0.0))
