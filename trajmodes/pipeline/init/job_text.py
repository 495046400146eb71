"""A job file with comments: every option of a command, with its meaning and default."""

import json
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from trajmodes.config.job import OF_A_JOB
from trajmodes.config.option import Option, options_in

_WIDTH = 92


def commented_job(
    command: str, given: Mapping[str, Any], remarks: Mapping[str, str], head: str
) -> str:
    """Text of a job file in which all options of a command are explained.

    Parameters
    ----------
    command
        The command of the job.
    given
        Name → value of the options that are set; all others are comments.
    remarks
        Name → source of the value, or the reason why there is none.
    head
        First lines, which describe the file.
    """
    lines = [*_comment(head), ""]
    lines += _entry("trajectory", given, remarks)
    for group in OF_A_JOB.values():
        options = [one for one in options_in(group) if command in one.commands]
        if options:
            lines += ["", "", *_comment(f"--- {group.title} ---")]
        for one in options:
            lines += ["", *_comment(_meaning(one, command)), *_entry(one.name, given, remarks)]
            if one.name not in given:
                lines.append(f"# {one.name} = {_placeholder(one)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    paragraphs = text.splitlines()
    return [
        f"# {line}".rstrip()
        for one in paragraphs
        for line in wrap(one, _WIDTH, break_on_hyphens=False) or [""]
    ]


def _meaning(one: Option, command: str) -> str:
    default = one.default_text(command)
    return one.declared.help + (f"\nDefault: {default}." if default else "")


def _entry(name: str, given: Mapping[str, Any], remarks: Mapping[str, str]) -> Iterator[str]:
    if name in remarks:
        yield from _comment(f"Here: {remarks[name]}")
    if name in given:
        yield f"{name} = {json.dumps(given[name], ensure_ascii=False)}"


def _placeholder(one: Option) -> str:
    """Default as a value, or the form of a value if there is no default."""
    if one.default not in (None, ()) and not one.declared.unset:
        return json.dumps(one.kind.write(one.default), ensure_ascii=False)
    if one.kind.choices:
        words = " or ".join(json.dumps(word) for word in one.kind.choices)
        return f"[{words}]" if one.kind.is_list else words
    return f"<{one.declared.metavar or one.kind.words}>"
