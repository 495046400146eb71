"""The job of `trajmodes demo`, and the texts around it."""

from importlib.resources import files
from pathlib import Path

from trajmodes.config.groups import MatchOptions
from trajmodes.config.job import Job
from trajmodes.config.running import RunningOptions


def demo_job(output: str) -> Job:
    """Job of the demonstration: the main job on a LAMMPS run that is part of the package."""
    folder = Path(str(files("trajmodes.pipeline"))) / "demo_run"
    return Job(
        trajectory=(str(folder / "zirconium.lammpstrj.xz"),),
        matching=MatchOptions(cell=str(folder / "POSCAR")),
        running=RunningOptions(output=output),
    )


def demo_prologue(job: Job) -> str:
    """Text that explains the demonstration before it starts."""
    script = Path(job.trajectory[0]).with_name("zirconium.in")
    return f"""\
bcc zirconium at 1400 K: unstable in harmonic theory, stabilised by anharmonicity.
128 atoms, 64 ps at constant energy, run with LAMMPS ({script}).

This is the same as

  trajmodes run {job.trajectory[0]} \\
      --cell {job.matching.cell} -o {job.folder}

  first pass   displacements and forces → effective force constants → phonons at 1400 K
  second pass  displacements and velocities → energy, spectrum and lifetime of every mode

"""


def demo_epilogue(job: Job) -> str:
    """Text that says which files to look at next."""
    return f"""
Look at
  {job.folder}/figures/     first the bands over the measured spectra: no branch is imaginary,
                            although the crystal is unstable at 0 K; lines are broad at N
  {job.folder}/results.nc   all results, for xarray; `trajmodes show` prints them again
  {job.folder}/run.toml     the job; change it and run it again

Your own run:
  trajmodes check run.lammpstrj --cell POSCAR --timestep-fs 1
  trajmodes run   run.lammpstrj --cell POSCAR --timestep-fs 1 -o results/
"""
