"""YAML of other programs as plain data: numbers, text, lists and mappings.

Nothing in a file is constructed or executed. Before it is loaded, tags of Python objects,
references within the file and deep nesting are refused, so a small file can neither run code,
nor expand in memory, nor overflow the stack of the parser (libyaml composes nested nodes
recursively, without a limit).
"""

from pathlib import Path
from typing import Any

import yaml

from trajmodes.errors import DataError
from trajmodes.readers.text.source import open_source

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 32
_LARGEST = 1 << 30
"""Bytes of text. Ten million force constants take 0.3 GB."""
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file whose top level is a mapping, as plain data.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it is damaged, too long, not YAML, not a mapping, or contains more than plain data.
    """
    return parse_yaml(read_yaml_text(path), path)


def read_yaml_text(path: Path) -> bytes:
    """Read the text of a file, compressed or not; one that is too long is refused."""
    source = open_source(path)
    if source.size > _LARGEST:
        raise DataError(
            f"the file contains {source.size / 1e9:.1f} GB of text",
            where=str(path),
            why=f"YAML is read up to {_LARGEST / 1e9:.1f} GB",
            fix="give force constants as HDF5",
        )
    return source.data(0, source.size)


def parse_yaml(text: bytes, path: Path) -> dict[str, Any]:
    """Parse text whose top level is a mapping; ``path`` is its source."""
    try:
        _require_plain(text, path)
        content = yaml.load(text, Loader=_LOADER)
    # A date or number out of the range of Python raises ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise DataError(
            f"the file is not YAML: {message}",
            where=str(path),
            why="it was truncated or changed, or is of another kind",
        ) from None
    if not isinstance(content, dict):
        raise DataError("the YAML file has no mapping at its top level", where=str(path))
    return content


def _require_plain(text: bytes, path: Path) -> None:
    """Refuse tags, references and deep nesting, from the events of the parser."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise DataError(
                "the YAML file refers to other parts of itself",
                where=where,
                why="phonopy writes no references, and a few of them can exceed all memory",
                fix="write the numbers out",
            )
        if "python" in (getattr(event, "tag", None) or ""):
            raise DataError(
                f"the YAML file requests a Python object: {event.tag}",
                where=where,
                why="such a file can execute code",
                fix="do not use the file unless you know who wrote it; remove the line",
            )
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > _DEEPEST:
            raise DataError(f"the YAML file is nested deeper than {_DEEPEST}", where=where)
