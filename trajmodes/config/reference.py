"""The page ``docs/options.md``, made from the declarations of the options."""

from typing import get_args

from trajmodes.config.job import OF_A_JOB, OF_OTHER_COMMANDS
from trajmodes.config.option import Option, options_in

_HEAD = """\
# Options

Every option has one name: with hyphens on the command line (`--timestep-fs 1`), with
underscores in a job file (`timestep_fs = 1`) and as a keyword in Python (`timestep_fs=1`).
This page is made from the declarations in `trajmodes/config/groups.py` by
`trajmodes.config.reference.options_page()`.
"""

_COLUMNS = "| option | value | default | meaning | commands |\n|---|---|---|---|---|\n"


def options_page() -> str:
    """Text of the page, in Markdown: one table for each group."""
    parts = [_HEAD]
    for group in (*OF_A_JOB.values(), *OF_OTHER_COMMANDS):
        rows = "".join(map(_row, options_in(group)))
        parts.append(f"## {group.title}\n\n{group.__doc__}\n\n{_COLUMNS}{rows}")
    return "\n".join(parts)


def _row(one: Option) -> str:
    names = ", ".join(f"`{flag}`" for flag in one.flags)
    commands = ", ".join(f"`{name}`" for name in sorted(one.commands))
    cells = (names, _value(one), _default(one), one.declared.help, commands)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _value(one: Option) -> str:
    if one.kind.choices:
        return ", ".join(f"`{word}`" for word in one.kind.choices)
    if one.declared.is_path:
        return "file or folder"
    return "switch" if one.kind.is_switch else one.kind.words


def _default(one: Option) -> str:
    """Default of an option; that of a command where it differs."""
    folders = one.declared.defaults
    text = one.default_text()
    is_word = text and not one.declared.unset
    parts = [f"`{text}`" if is_word else text]
    if folders:
        listed = ", ".join(f"`{folder}` ({name})" for name, folder in folders.items())
        parts = [f"{listed}; in Python {text}"]
    if type(None) in get_args(one.annotation) and not text:
        parts = ["none"]
    return "".join(parts)
