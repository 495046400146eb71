"""Settings of the documentation."""

import re
import textwrap
from typing import Any

from trajmodes import __version__

project = "trajmodes"
author = "The trajmodes developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
html_theme = "furo"
html_title = "trajmodes"
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

_FIELDS = {"Parameters": "param", "Raises": "raises"}


def fields_of(_app: Any, *place: Any) -> None:
    """Turn the sections of a docstring into fields.

    Napoleon takes what stands before a colon for a type; docstrings here have no types.
    """
    lines = place[-1]
    text, *sections = re.split(r"^([A-Z]\w+)\n-{3,}\n", "\n".join(lines), flags=re.MULTILINE)
    for head, body in zip(sections[::2], sections[1::2], strict=True):
        if head in _FIELDS:
            text += re.sub(r"^(\S.*)$", rf":{_FIELDS[head]} \1:", body, flags=re.MULTILINE)
        elif head == "Returns":
            text += ":returns:\n" + textwrap.indent(body, "    ")
        else:
            text += f".. rubric:: {head}\n\n{body}"
    lines[:] = text.split("\n")


def signature_of(_app: Any, what: str, *place: Any) -> tuple[str | None, str | None]:
    """Leave the fields of a class to its members, and write ArrayLike as numpy's users do."""
    signature, returned = place[-2:]
    if what == "class":
        return "", None
    array = r"(numpy\._\S*\._)?_?Buffer \|.*?complex \| bytes \| str\]"
    return signature and re.sub(array, "ArrayLike", signature), returned


def setup(app: Any) -> None:
    """Connect both to autodoc."""
    app.connect("autodoc-process-docstring", fields_of)
    app.connect("autodoc-process-signature", signature_of)
