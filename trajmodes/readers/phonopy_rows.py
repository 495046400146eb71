"""The numbers of a type-2 data set, taken from the text: a yaml parser needs 10 s per million.

phonopy and phono3py write them, one atom in a row, as::

    dataset:
      displacements:
      - # 1
        - [  0.0074,  -0.0194,  -0.0216 ]
        …
      forces:
      …
"""

import re

from trajmodes.arrays import Floats
from trajmodes.readers.number_rows import parse_rows

__all__ = ["without_rows"]

_BLOCK = re.compile(rb"^dataset:\n(?: .*\n)+", re.MULTILINE)
_FIELD = re.compile(
    rb"^  (displacements|forces):\n((?:  - *(?:#.*)?\n(?:    - \[[^\]\n]*\].*\n)+)+)",
    re.MULTILINE,
)
_FRAME = re.compile(rb"^  - ", re.MULTILINE)
_ROW = re.compile(rb"\[([^\]\n]*)\]")


def without_rows(text: bytes, where: str) -> tuple[bytes, dict[str, Floats]]:
    """Cut the data set out of a yaml file and read it.

    Parameters
    ----------
    text
        The file.
    where
        Its name, for messages.

    Returns
    -------
    The rest of the text, and displacements and forces (t, a, 3) as far as the data set has
    them. The whole text and nothing, where the data set is not laid out in rows.

    Raises
    ------
    DataError
        If a row holds what is not a finite number, or too many or too few of them.
    """
    block = _BLOCK.search(text + b"\n")
    fields = {} if block is None else {m[1].decode(): m[2] for m in _FIELD.finditer(block[0])}
    if block is None or "displacements" not in fields:
        return text, {}
    arrays = {}
    for name, rows in fields.items():
        n_frames = len(_FRAME.findall(rows))
        body = b"\n".join(_ROW.findall(rows)).replace(b",", b" ")
        vectors = parse_rows(body.split(b"\n"), 1, f"{where}, {name}, row")[0]
        if len(vectors) % n_frames:
            return text, {}
        arrays[name] = vectors.reshape(n_frames, -1, 3)
    return text[: block.start()] + text[block.end() :], arrays
