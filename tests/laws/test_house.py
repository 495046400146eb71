"""House rules that readers of the code rely on: sizes of rooms and files, and plain words."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "trajmodes").rglob("*.py"))
MOST_FILES, MOST_LINES = 15, 400

_WORDS = re.compile(
    r"\b(told|tells?|telling|teller|mend(s|ed|ing)?|doors?|spill(s|ed|ing)?|ladders?|rungs?"
    r"|climb(s|ed|ing)?|ledgers?|lean(s|ed|ing)?|stray|eats?|eaten|food|seams?|nouns?"
    r"|(is|be|are) had)\b",
    re.IGNORECASE,
)
"""Words that no paper of the field uses for what they stood for; the glossary of
docs/conventions.md has the standard terms."""


def _prose() -> list[Path]:
    own = Path(__file__)
    files = [*PACKAGE, *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*"), ROOT / "README.md"]
    files += (ROOT / "tests").rglob("*.py")
    return [path for path in files if path.suffix in (".py", ".md") and path != own]


def test_a_folder_holds_few_enough_files_to_find_one():
    counts = Counter(path.parent for path in PACKAGE if path.name != "__init__.py")
    crowded = {
        str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_FILES
    }
    assert crowded == {}


def test_no_file_is_longer_than_a_reader_can_hold():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE}
    assert {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("path", _prose(), ids=lambda path: str(path.relative_to(ROOT)))
def test_words_are_those_of_the_field(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{n}: {line.strip()}" for n, line in enumerate(lines, 1) if _WORDS.search(line)]
    assert found == []


def test_the_word_list_refuses_what_it_should():
    assert _WORDS.search("The run is told apart.")
    assert not _WORDS.search("A foretold outspill is no whole word.")


_INTERNAL = (
    "data",
    "fit",
    "molecules",
    "phonons",
    "potentials",
    "project",
    "scattering",
    "thermo",
)
_CYCLIC = re.compile(r"(?<![^_])thz(?![^_])", re.IGNORECASE)


def _names(path: Path) -> set[str]:
    """All names in a file: variables, attributes, functions, parameters and keywords."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    given = (
        getattr(node, part, None) for node in nodes for part in ("id", "attr", "arg", "name")
    )
    return {name for name in given if isinstance(name, str)} - {"THZ"}


@pytest.mark.parametrize("room", _INTERNAL)
def test_frequencies_are_in_rad_per_ps_where_physics_is_computed(room):
    """THz is for options, results and texts: a name with ``_thz`` is a value in THz."""
    files = sorted((ROOT / "trajmodes" / room).rglob("*.py"))
    assert files
    found = {
        path.name: [name for name in _names(path) if _CYCLIC.search(name)] for path in files
    }
    assert {name: names for name, names in found.items() if names} == {}


def test_the_search_for_thz_finds_what_it_should():
    assert _CYCLIC.search("freq_thz_sem")
    assert _CYCLIC.search("_LOWEST_THZ")
    assert not _CYCLIC.search("synthz")


def test_results_do_not_depend_on_the_order_of_compilation():
    """Functions compiled after one with fast arithmetic may inherit it from numba's helpers.

    It is allowed around the one real product whose sum it lets the compiler vectorise.
    """
    users = [path.name for path in PACKAGE if "fastmath" in path.read_text(encoding="utf-8")]
    assert users == ["kernels.py"]


def _slices_assigned(text: str) -> list[str]:
    """Assignments of anything but a number to a slice of an array, in compiled functions."""
    return [
        ast.unparse(node)
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        and any("kernel" in ast.unparse(one) for one in function.decorator_list)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign | ast.AugAssign)
        and not re.fullmatch(r"-?[\d.]+|True|False|np\.nan|np\.inf", ast.unparse(node.value))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Subscript)
        and any(isinstance(one, ast.Slice) for one in ast.walk(target.slice))
    ]


def test_kernels_assign_no_arrays():
    """The message of an error of their shapes takes numba seconds to compile."""
    found = {path: _slices_assigned(path.read_text(encoding="utf-8")) for path in PACKAGE}
    assert not {path: lines for path, lines in found.items() if lines}
    assert _slices_assigned("@kernel()\ndef f(a, b):\n    a[1:] += b") == ["a[1:] += b"]
    assert not _slices_assigned("@kernel()\ndef f(a, b):\n    a[:] = 0.0\n    a[1] = b[1]")
