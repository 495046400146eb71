"""Commands and their options, made from the declarations in `trajmodes.config`."""

import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from trajmodes.cli.terminal import ending, print_result
from trajmodes.config.job import Job, commands_with, job_of, job_options, options_of
from trajmodes.config.option import Option
from trajmodes.config.running import FOLDERS
from trajmodes.errors import UsageError

Printed = Callable[..., None]
Decorator = Callable[[Callable[..., str]], click.Command]


_SHORT = {"output": ("-o",), "verbose": ("-v",)}
"""Options with a short spelling."""


class Command(click.Command):
    """A command whose help lists its options by group."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; an option of another command is an error that names the command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").replace("-", "_")
            if name not in job_options():
                raise
            belonging = commands_with(name)
            text = f"{error.option_name} belongs to {belonging}, not to this command."
            raise click.UsageError(text, ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each group with its title."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                title = parameter.title if isinstance(parameter, _Option) else "Help"
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class _Option(click.Option):
    """An option with the title of its group."""

    title = ""


def _file_names(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Let the shell complete names of files and folders."""
    return [CompletionItem(typed, type="file")]


argument = partial(click.argument, shell_complete=_file_names)
"""Argument that names files or folders."""


def command(group: click.Group, *arguments: Callable[[Printed], Printed]) -> Decorator:
    """Make a decorator that adds a command with its options to the program.

    The function has the name of the command, and returns the text to print.
    """

    def decorate(function: Callable[..., str]) -> click.Command:
        name = function.__name__.replace("_", "-")

        @wraps(function)
        def printed(**given: Any) -> None:
            with ending():
                print_result(function(**given))

        options = [_click_option(option, name) for option in options_of(name).values()]
        made: Printed = printed
        for parameter in reversed([*arguments, *options]):
            made = parameter(made)
        return group.command(cls=Command)(made)

    return decorate


def given_job(command: str, given: Mapping[str, Any]) -> Job:
    """Job of a command line; options that were not given are None.

    Raises
    ------
    UsageError
        If options contradict each other, or a job file is wrong.
    """
    options = {name: value for name, value in given.items() if value not in (None, ())}
    trajectory = options.pop("trajectory")
    return job_of(command, trajectory, options, folder=FOLDERS.get(command))


def command_line() -> str:
    """Return the command line, quoted for a shell; it is part of the provenance of results."""
    return shlex.join(["trajmodes", *sys.argv[1:]])


def _click_option(option: Option, command: str) -> Callable[[Printed], Printed]:
    declared = option.declared
    default = option.default_text(command)
    flags = (*option.flags, option.name)
    more: dict[str, Any] = {"metavar": declared.metavar or "TEXT", "callback": _reader(option)}
    if option.kind.choices:
        more = {"type": click.Choice(option.kind.choices)}
    if option.kind.is_switch:
        more = {"is_flag": True}
    if declared.bare:
        more |= {"is_flag": False, "flag_value": declared.bare}
    if declared.is_path or option.name == "output":
        more["shell_complete"] = _file_names
    # A default, even None, would satisfy a required option.
    more |= {"required": True} if declared.is_required else {"default": None}
    made = click.option(
        *_SHORT.get(option.name, ()),
        *flags,
        cls=_Option,
        multiple=option.kind.is_list,
        help=declared.help + (f" [default: {default}]" if default else ""),
        **more,
    )

    def decorate(function: Printed) -> Printed:
        function = made(function)
        function.__click_params__[-1].title = option.group  # type: ignore[attr-defined]
        return function

    return decorate


def _reader(option: Option) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Make a callback that reads the value from its text."""

    def read(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        try:
            return option.read(value) if isinstance(value, str) else value
        except UsageError as error:
            raise click.BadParameter(str(error)) from None

    return read
