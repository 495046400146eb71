"""Settings of the documentation."""

import os
import re
import textwrap
from typing import Any

from trajmodes import __version__

project = "trajmodes"
author = "The trajmodes developers"
project_copyright = author
release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 240
os.environ["COLUMNS"] = "80"  # of the text that the cells of notebooks print
copybutton_exclude = ".linenos, .gp, .go"
html_theme = "furo"
html_title = "trajmodes"
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

_FIELDS = {"Parameters": "param", "Raises": "raises"}


def _escaped(found: re.Match[str]) -> str:
    return re.sub(r"([*|])", r"\\\1", found[0])


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
    # A star begins emphasis, and bars a substitution, where no code is.
    text = re.sub(r"^:param (\*+)", _escaped, text, flags=re.MULTILINE)
    lines[:] = re.sub(r"\|\w+\|", _escaped, text).split("\n")


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
