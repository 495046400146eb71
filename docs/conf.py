"""Settings of the documentation."""

import os
import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes

from trajmodes import __version__

project = "trajmodes"
author = "The trajmodes developers"
project_copyright = author
release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_click",
    "sphinx_design",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 240
os.environ["MATPLOTLIBRC"] = str(Path(__file__).parent / "static/matplotlibrc")
os.environ["COLUMNS"] = "80"  # of the text that the cells of notebooks print
copybutton_exclude = ".linenos, .gp, .go"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["pages.css"]
smartquotes = False  # two hyphens begin an option
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
    """Leave the fields of a class to its members, and write unions by their names."""
    signature, returned = place[-2:]
    if what == "class":
        return "", None
    array = r"(numpy\._\S*\._)?_?Buffer \|.*?complex \| bytes \| str\]"
    source = r"\S*_Results \| \S+ \| str \| \S*PathLike\[str\]"
    signature = signature and re.sub(source, "Source", re.sub(array, "ArrayLike", signature))
    return signature, returned


def numbered(_app: Any, page: str, source: list[str]) -> None:
    """Give every displayed equation of a page a label, and so a number."""
    parts = re.split(r"^(\$\$.*?\$\$)$", source[0], flags=re.MULTILINE | re.DOTALL)
    name = page.replace("/", "-")
    for number, place in enumerate(range(1, len(parts), 2), start=1):
        parts[place] += f" ({name}-{number})"
    source[0] = "".join(parts)


def options_of(_app: Any, _context: Any, lines: list[str]) -> None:
    """Escape bars in the help of options, where no substitution is meant; names are literal."""
    lines[:] = [
        line if line.startswith(".. option::") else line.replace("|", r"\|") for line in lines
    ]


def description_of(_app: Any, context: Any, lines: list[str]) -> None:
    """Leave the list of commands out of the description of the program: they follow."""
    if hasattr(context.command, "commands"):
        del lines[lines.index("") + 1 :]  # a blank line ends a paragraph


def dashes_of(_app: Any, doctree: nodes.document) -> None:
    """Set a dash between a parameter and its description, where Sphinx writes two hyphens."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def setup(app: Any) -> None:
    """Connect these to the reader of pages, autodoc and sphinx-click."""
    app.connect("source-read", numbered)
    app.connect("doctree-read", dashes_of)
    app.connect("sphinx-click-process-description", description_of)
    app.connect("sphinx-click-process-options", options_of)
    app.connect("autodoc-process-docstring", fields_of)
    app.connect("autodoc-process-signature", signature_of)
