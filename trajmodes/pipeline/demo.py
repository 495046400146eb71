"""The demonstration: the main job on a LAMMPS run that comes with the program."""

from importlib.resources import files
from pathlib import Path

from trajmodes.config.groups import MatchOptions, RunningOptions
from trajmodes.config.job import Job

_FOLDER = Path(str(files("trajmodes.pipeline"))) / "demo_run"


def demo_job(output: str) -> Job:
    """Job of the demonstration.

    Parameters
    ----------
    output
        Folder of the results.
    """
    return Job(
        trajectory=(str(_FOLDER / "zirconium.lammpstrj.xz"),),
        matching=MatchOptions(cell=str(_FOLDER / "POSCAR")),
        running=RunningOptions(output=output),
    )


def demo_prologue(job: Job) -> str:
    """Tell what the demonstration is about to do.

    Parameters
    ----------
    job
        Job of the demonstration.
    """
    return f"""\
bcc zirconium at 1400 K: a crystal that harmonic theory calls unstable, held up by its own heat.
128 atoms, 64 ps at constant energy, run with LAMMPS ({_FOLDER / "zirconium.in"}).

What follows is the same as

  trajmodes run {job.trajectory[0]} \\
      --cell {job.matching.cell} -o {job.folder}

  first pass   displacements and forces → effective force constants → phonons at 1400 K
  second pass  displacements and velocities → energy, spectrum and lifetime of every mode

"""


def demo_epilogue(job: Job) -> str:
    """Tell where to look next.

    Parameters
    ----------
    job
        Job of the demonstration.
    """
    return f"""
Look at
  {job.folder}/figures/     the bands over the measured spectra first: no branch is imaginary,
                            although at 0 K this crystal is unstable; lines are broad at N
  {job.folder}/results.nc   everything, for xarray; `trajmodes show` prints it again
  {job.folder}/run.toml     the job; change it and `trajmodes run` it

Your own run:
  trajmodes check run.lammpstrj --cell POSCAR --timestep-fs 1
  trajmodes run   run.lammpstrj --cell POSCAR --timestep-fs 1 -o results/
"""
