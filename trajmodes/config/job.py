"""A job: what to read and what to calculate, from the command line, a job file or Python.

A job file has the same names as the options, with underscores; paths are relative to it::

    trajectory = ["run.lammpstrj"]
    cell = "POSCAR"
    timestep_fs = 1.0
    cutoff2 = 8.0
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trajmodes.config.groups import (
    ForceConstantOptions,
    MatchOptions,
    MoleculeOptions,
    PhononOptions,
    ProjectionOptions,
    ReadOptions,
)
from trajmodes.config.option import Group, Option, options_in
from trajmodes.config.plain_toml import read_toml
from trajmodes.config.polar import PolarOptions
from trajmodes.config.result_groups import OF_OTHER_COMMANDS
from trajmodes.config.running import RunningOptions
from trajmodes.config.scattering import ScatteringOptions
from trajmodes.errors import UsageError, instead_of

PathName = str | PathLike[str]

OF_A_JOB: Mapping[str, type[Group]] = MappingProxyType(
    {
        "reading": ReadOptions,
        "matching": MatchOptions,
        "fit": ForceConstantOptions,
        "polar": PolarOptions,
        "phonons": PhononOptions,
        "projection": ProjectionOptions,
        "scattering": ScatteringOptions,
        "molecule": MoleculeOptions,
        "running": RunningOptions,
    }
)
"""Attribute of `Job` → group of options."""

STANDARD_INPUT = "-"
"""Name of a trajectory that comes through a pipe."""
URL = re.compile(r"[a-z][a-z0-9+.-]+:/")
"""Pattern of the beginning of a URL, which names no file of this computer."""

_HOLDS = "a few lines of the form name = value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to read and what to calculate: the files of a run, and the options by group."""

    trajectory: tuple[str, ...]
    """Trajectory files."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    matching: MatchOptions = field(default_factory=MatchOptions)
    fit: ForceConstantOptions = field(default_factory=ForceConstantOptions)
    polar: PolarOptions = field(default_factory=PolarOptions)
    phonons: PhononOptions = field(default_factory=PhononOptions)
    projection: ProjectionOptions = field(default_factory=ProjectionOptions)
    scattering: ScatteringOptions = field(default_factory=ScatteringOptions)
    molecule: MoleculeOptions = field(default_factory=MoleculeOptions)
    running: RunningOptions = field(default_factory=RunningOptions)

    def __post_init__(self) -> None:
        if not self.trajectory:
            raise UsageError("no trajectory was given", fix="name at least one trajectory file")
        if self.fit.by_species and not self.matching.imperfect:
            raise UsageError(
                "force constants by pair of species are those of an alloy, and this run is "
                "taken for a perfect crystal",
                fix="give --imperfect too, and the perfect crystal as --cell",
            )

    @property
    def folder(self) -> str:
        """Folder of the results.

        Raises
        ------
        UsageError
            If the job names none.
        """
        if self.running.output is None:
            raise UsageError("no folder for the results is named", fix="give output")
        return self.running.output

    @property
    def settings(self) -> dict[str, Any]:
        """Values of all options by name, with the trajectory."""
        values = {
            one.name: getattr(getattr(self, attribute), one.name)
            for attribute, group in OF_A_JOB.items()
            for one in options_in(group)
        }
        return {"trajectory": self.trajectory, **values}

    def with_options(self, **given: Any) -> "Job":
        """Copy of the job with other values of some options.

        Raises
        ------
        UsageError
            If an option does not exist or does not take the value.
        """
        return job_from_mapping({**self.settings, **_by_name(given)})


@cache
def job_options() -> Mapping[str, Option]:
    """All options of a job by name."""
    return {one.name: one for group in OF_A_JOB.values() for one in options_in(group)}


@cache
def options_of(command: str) -> Mapping[str, Option]:
    """Options that a command takes, by name and in order."""
    groups = (*OF_A_JOB.values(), *OF_OTHER_COMMANDS)
    found = (one for group in groups for one in options_in(group))
    return {one.name: one for one in found if command in one.commands}


def of_groups(attributes: Iterable[str]) -> frozenset[str]:
    """Names of the options in some groups of a `Job`."""
    return frozenset(one.name for name in attributes for one in options_in(OF_A_JOB[name]))


def require_taken(command: str, given: Iterable[str], taken: Collection[str]) -> None:
    """Refuse keywords that a function does not take.

    Raises
    ------
    UsageError
        If there are such keywords; it names the option that was meant, or the function that
        takes it.
    """
    for name in _by_name(dict.fromkeys(given)):
        if name in taken:
            continue
        if name in job_options() and name in options_of(command):
            raise UsageError(
                f"{name} says how to read a run, and this run is open already",
                fix="give it to trajmodes.open",
            )
        if name in job_options():
            raise _of_other_command(name, command)
        raise UsageError(f'there is no option "{name}"', fix=instead_of(name, sorted(taken)))


def _of_other_command(name: str, command: str) -> UsageError:
    return UsageError(
        f"{name} is not an option of `trajmodes {command}`",
        fix=f"leave it out; it belongs to {commands_with(name)}",
    )


def values_of(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all options of a command that has no job file, checked.

    Raises
    ------
    UsageError
        If a value is not allowed.
    """
    options = options_of(command)
    return {name: one.checked(given.get(name)) for name, one in options.items()}


def job_of(
    command: str,
    trajectory: PathName | Iterable[PathName],
    given: Mapping[str, Any],
    *,
    folder: str | None = None,
) -> Job:
    """Job of a command, from its options or from a job file.

    Parameters
    ----------
    trajectory
        Trajectory files, or one job file (``.toml``), whose options `given` replaces. It may
        hold options of other commands as well.
    folder
        Folder of the results where neither a job file nor `given` names one.

    Raises
    ------
    UsageError
        If an option does not exist, is not one of the command, or does not take its value.
    """
    paths = [trajectory] if isinstance(trajectory, str | PathLike) else trajectory
    names = [fspath(path) for path in paths]
    options = _by_name(given)
    for name in options:
        if name in job_options() and name not in options_of(command):
            raise _of_other_command(name, command)
    settings: dict[str, Any] = {"trajectory": names}
    where = ""
    if len(names) == 1 and names[0].endswith(".toml"):
        where = names[0]
        settings = _settings_in(Path(where), command)
    settings = {"output": folder, **settings}
    return job_from_mapping({**settings, **_checked(options, "")}, where=where)


def job_from_mapping(given: Mapping[str, Any], *, where: str = "") -> Job:
    """Make a job from names and values; `where` is their source, for error messages.

    Raises
    ------
    UsageError
        If an option does not exist, the trajectory is missing or a value is not allowed.
    """
    values = _checked(given, where)
    if "trajectory" not in values:
        raise UsageError("trajectory is missing", where=where, fix="add trajectory = …")
    groups: dict[str, Any] = {}
    try:
        for attribute, group in OF_A_JOB.items():
            names = [one.name for one in options_in(group)]
            groups[attribute] = group(**{n: values[n] for n in names if n in values})
        return Job(trajectory=values["trajectory"], **groups)
    except UsageError as error:
        raise _at(error, where) from None


def toml_text(job: Job) -> str:
    """Text of a job file for the same job; its paths are absolute, so that it may be moved.

    Options that are not set are left out.
    """
    values = job.settings
    values["trajectory"] = _placed(job.trajectory, Path.cwd())
    for name, one in job_options().items():
        if one.declared.is_path and values[name] is not None:
            values[name] = _beside(str(values[name]), Path.cwd())
        values[name] = one.kind.write(values[name])
    return _settings_text(values)


def _settings_in(path: Path, command: str) -> dict[str, Any]:
    """Read the settings of a job file; make its paths relative to the working directory."""
    values = _checked(read_toml(path, "job file", _HOLDS), str(path))
    for name, one in job_options().items():
        if name not in values:
            continue
        if one.declared.is_path:
            values[name] = _beside(str(values[name]), path.parent)
        is_for_molecules = one.commands == {"molecule"} and values[name] != one.default
        if is_for_molecules and command != "molecule":
            raise UsageError(
                f"{name} is an option of `trajmodes molecule` only",
                where=str(path),
                fix="leave it out",
            )
    if "trajectory" in values:
        values["trajectory"] = _placed(values["trajectory"], path.parent)
    return values


def _placed(names: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Names of files relative to a folder; standard input is not a file."""
    return tuple(one if one == STANDARD_INPUT else _beside(one, folder) for one in names)


def _beside(name: str, folder: Path) -> str:
    """Name of a file relative to a folder; a URL stays as it is."""
    return name if URL.match(name) else str(folder / name)


def _by_name(given: Mapping[str, Any]) -> dict[str, Any]:
    """Given values by the names of their options, whichever spelling was used."""
    names = {also: one.name for one in job_options().values() for also in one.declared.also}
    found: dict[str, Any] = {}
    for spelling, value in given.items():
        name = names.get(spelling, spelling)
        if name in found:
            raise UsageError(
                f"{name} is given twice, as {spelling} too", fix="leave one of them out"
            )
        found[name] = value
    return found


def _checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values by the names of their options, checked."""
    try:
        return {name: _value(name, value) for name, value in _by_name(given).items()}
    except UsageError as error:
        raise _at(error, where) from None


def _value(name: str, value: Any) -> Any:
    if name == "trajectory":
        return _files(value)
    if name not in job_options():
        raise UsageError(
            f'there is no option "{name}"',
            fix=instead_of(name, ("trajectory", *job_options())),
        )
    return job_options()[name].checked(value)


def _files(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise UsageError(f"trajectory is {value!r} but must be a list of texts")
    return tuple(names)


def _at(error: UsageError, where: str) -> UsageError:
    place = error.where or where
    return UsageError(error.what, where=place, why=error.why, fix=error.fix)


def commands_with(name: str) -> str:
    """List the commands that have an option of job files."""
    one = job_options()[name]
    return ", ".join(f"`trajmodes {name}`" for name in sorted(one.commands))


def _settings_text(values: Mapping[str, Any]) -> str:
    """Text of a job file, without values that are None and empty lists."""
    lines = []
    for name, value in values.items():
        if value is None or value == ():
            continue
        # The numbers, strings, booleans and flat lists of JSON are those of TOML.
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
