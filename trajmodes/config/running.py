"""Options of execution: folder, threads, checkpoints, time limit."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.option import Group, option

FOLDERS = {
    "run": "results",
    "fit": "fit",
    "project": "modes",
    "sed": "sed",
    "sqw": "sqw",
    "one-phonon": "one-phonon",
    "molecule": "modes",
    "thermo": "thermo",
    "elastic": "elastic",
    "quasiharmonic": "quasiharmonic",
    "spectral-function": "spectral-function",
    "phases": "phases",
    "free-energy": "free-energy",
    "demo": "trajmodes-demo",
    "live": "live",
    "sctdep": "self-consistent",
    "series": "series",
    "bvk": "bvk",
    "potential": "potential",
    "qha": "qha",
}
"""Command → its default folder of results."""

PASSES = "run fit project sed sqw molecule resume"
"""Commands that stream a run, and can be continued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningOptions(Group):
    """Folder of the results, number of threads, and checkpoints."""

    title: ClassVar = "Output and threads"
    commands: ClassVar = "run live fit project sed sqw molecule sctdep resume"

    output: str | None = option(
        "Folder of the results.",
        commands="run live fit project sed sqw one-phonon molecule scan thermo elastic "
        "quasiharmonic phases demo sctdep series spectral-function "
        "free-energy bvk potential qha",
        metavar="FOLDER",
        unset="nothing is written",
        defaults=FOLDERS,
        is_path=True,
    )
    workers: int | None = option(
        "Number of threads.",
        commands="run live fit project sed sqw molecule sctdep resume convert",
        metavar="N",
        unset="all cores",
    )
    scheduler: str | None = option(
        "Where the run is reduced: threads; processes:N or local:N on this computer; a Dask "
        "scheduler by its address (tcp://host:8786) or file (.json); slurm:N or pbs:N jobs.",
        commands=f"{PASSES} free-energy",
        metavar="WHERE",
        unset="threads",
    )
    checkpoint_every: float | Literal["never"] | None = option(
        "Seconds between two checkpoints, from which `trajmodes resume` continues a command "
        "that was ended; or never.",
        commands=PASSES,
        kind=kinds.or_word(kinds.number(1e-3, 1e6), "never"),
        metavar="S|never",
        unset="300",
    )
    max_hours: float | None = option(
        "Time that the command may take, in hours; it ends with a checkpoint and exit code 6.",
        commands=PASSES,
        metavar="HOURS",
        unset="no limit",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions(Group):
    """File that a run is converted to."""

    title: ClassVar = "New file"
    commands: ClassVar = "convert"

    float32: bool = option(
        "Round numbers to single precision (7 digits); otherwise every bit is kept.",
        default=False,
    )
    force: bool = option("Replace an existing file; otherwise an error.", default=False)
