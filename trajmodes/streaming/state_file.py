"""The state of a reduction as a file of plain arrays.

A state consists of arrays, numbers, texts, tuples, lists, mappings, and of the frozen data of
trajmodes. The file is NumPy's ``.npz``: arrays keep their bits and their order in memory, and
have checksums. The structure is JSON. Nothing in the file is executed: only data classes that
the program has already loaded are constructed.
"""

import json
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError

Array = npt.NDArray[Any]
_TREE = "tree"
_PACKAGE = "trajmodes."
_SEQUENCES = {"list": list, "tuple": tuple}


def write_state(file: BinaryIO, state: Any) -> None:
    """Write a state to an open file.

    Raises
    ------
    TypeError
        If the state has a part of another kind.
    """
    arrays: list[Array] = []
    tree = json.dumps(_encoded(state, arrays)).encode()
    named = {f"a{k}": array for k, array in enumerate(arrays)}
    np.savez(file, allow_pickle=False, **{_TREE: np.frombuffer(tree, dtype=np.uint8)}, **named)


def read_state(path: Path) -> Any:
    """Read a state.

    Raises
    ------
    DataError
        If the file is damaged, or of another version of trajmodes.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return _decoded(json.loads(file[_TREE].tobytes()), file)
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
        RecursionError,
    ) as error:
        raise DataError(
            f"the state of a pass cannot be read: {error}",
            where=str(path),
            why="the file is damaged, or another version of trajmodes wrote it",
            fix=f"remove {path.parent}, and repeat the run",
        ) from error


def _encoded(value: Any, arrays: list[Array]) -> Any:
    """JSON for a value, whose arrays are added to a list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        kind = "array" if isinstance(value, np.ndarray) else "number"
        return {kind: len(arrays) - 1}
    if isinstance(value, Mapping):
        pairs = [[_encoded(k, arrays), _encoded(one, arrays)] for k, one in value.items()]
        return {"mapping": pairs}
    if isinstance(value, list) or type(value) is tuple:
        parts = [_encoded(one, arrays) for one in value]
        return {"list" if isinstance(value, list) else "tuple": parts}
    names = _field_names(type(value))
    if names is None:
        raise TypeError(f"a state holds a {type(value).__name__}, which cannot be written")
    made = {name: _encoded(getattr(value, name), arrays) for name in names}
    return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": made}


def _decoded(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """Value of its JSON."""
    if not isinstance(tree, dict):
        return tree
    if "class" in tree:
        given = {name: _decoded(one, arrays) for name, one in tree["fields"].items()}
        return _class_of(tree["class"])(**given)
    ((kind, content),) = tree.items()
    if kind in ("array", "number"):
        array = arrays[f"a{int(content)}"]
        return array if kind == "array" else array[()]
    if kind == "mapping":
        return {_decoded(k, arrays): _decoded(one, arrays) for k, one in content}
    return _SEQUENCES[kind](_decoded(one, arrays) for one in content)


def _field_names(kind: type) -> tuple[str, ...] | None:
    """Names of the arguments of a data class; None for other classes."""
    if not kind.__module__.startswith(_PACKAGE):
        return None
    if is_dataclass(kind):
        return tuple(one.name for one in fields(kind) if one.init)
    names = getattr(kind, "_fields", None)
    return names if issubclass(kind, tuple) else None


def _class_of(name: str) -> type:
    """Class of data of that name, if the program has loaded it."""
    module, _, qualified = name.partition(":")
    found = getattr(sys.modules.get(module), qualified, None)
    if not isinstance(found, type) or _field_names(found) is None or found.__module__ != module:
        raise ValueError(f"there are no data of the class {name!r}")
    return found
