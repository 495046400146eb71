"""Files that are generated from the declarations of the options.

``docs/options.md`` is for readers, ``typed_keywords.py`` for type checkers and editors.
``python -m trajmodes.config.reference`` writes both.
"""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from trajmodes.config.job import OF_A_JOB, of_groups, options_of
from trajmodes.config.kinds import members_of
from trajmodes.config.option import Option, options_in
from trajmodes.config.result_groups import OF_OTHER_COMMANDS
from trajmodes.config.terminal import TerminalOptions

_HEAD = """\
# Options

Every option has one name: with hyphens on the command line (`--timestep-fs 1`), with
underscores in a job file (`timestep_fs = 1`) and as a keyword in Python (`timestep_fs=1`).
This page is made from the declarations in `trajmodes/config/groups.py` and
`trajmodes/config/result_groups.py` by `python -m trajmodes.config.reference`.
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


_OF_OPEN_RUN = ("polar", "phonons", "projection", "running")

KEYWORDS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "ReadKeywords": ("all functions that read a run", "molecule", ("reading", "matching")),
    "ConstantsKeywords": ("all functions that fit force constants", "run", ("fit",)),
    "ConvertKeywords": ("`trajmodes.convert`", "convert", ()),
    "ScanKeywords": ("`ForceConstants.scan`", "scan", ()),
    "MovieKeywords": ("`ForceConstants.movie`", "movie", ()),
    "ThermoKeywords": ("`ForceConstants.thermodynamics`", "thermo", ()),
    "ShellKeywords": ("`trajmodes.born_von_karman`", "bvk", ()),
    "PotentialKeywords": ("`trajmodes.potential`", "potential", ()),
    "MinimisationKeywords": ("`trajmodes.minimised`", "qha", ()),
    "ElasticKeywords": ("`ForceConstants.elasticity`", "elastic", ()),
    "QuasiharmonicKeywords": ("`trajmodes.quasiharmonic`", "quasiharmonic", ()),
    "SpectralKeywords": ("`ForceConstants.spectral_functions`", "spectral-function", ()),
    "SampleKeywords": ("`ForceConstants.sample`", "sample", ()),
    "SelfConsistentKeywords": ("`trajmodes.self_consistent`", "sctdep", ()),
    "SeriesKeywords": ("`trajmodes.series`", "series", ()),
    "ArraysKeywords": ("`trajmodes.from_arrays`", "check", ("matching",)),
    "OpenKeywords": ("`trajmodes.open`", "check", ()),
    "FitKeywords": ("`Run.fit`", "fit", ("fit", *_OF_OPEN_RUN)),
    "SedKeywords": ("`Run.sed`", "sed", _OF_OPEN_RUN),
    "SqwKeywords": ("`Run.sqw`", "sqw", (*_OF_OPEN_RUN, "scattering")),
    "OnePhononKeywords": ("`ForceConstants.one_phonon`", "one-phonon", ()),
    "ProjectKeywords": ("`Run.project`", "project", _OF_OPEN_RUN),
    "FitRunsKeywords": ("`trajmodes.fit_runs`", "fit", ()),
    "RunKeywords": ("`trajmodes.run`", "run", ()),
    "LiveKeywords": ("`trajmodes.live`", "live", ()),
    "MoleculeKeywords": ("`trajmodes.molecule`", "molecule", ()),
}
"""Class of keywords → function that takes them, command, groups of a `Job` (empty: all)."""

_OWN = {
    "SedKeywords": {"force_constants"},
    "SqwKeywords": {"force_constants"},
    "ProjectKeywords": {"force_constants"},
    "ArraysKeywords": {"species"},
    "MovieKeywords": {"output"},
    "QuasiharmonicKeywords": {"energies"},
    "ShellKeywords": {"compare"},
    "PotentialKeywords": {"compare"},
    "SelfConsistentKeywords": {"temperature", "lammps", "program", "output"},
    "SampleKeywords": {"temperature", "to", "output"},
    "SeriesKeywords": {"at", "extrapolate", "output"},
}
"""Class of keywords → options of the command that are not keywords: parameters of the function,
and files that only the command writes."""

_OF_THE_TERMINAL = {one.name for one in options_in(TerminalOptions)}
"""Options of the terminal, which are not keywords."""

_KEYWORDS_HEAD = """\
\"""Types of the keywords of the Python functions, for type checkers and editors (PEP 692).

Written by ``python -m trajmodes.config.reference``: change the declarations in `groups`.
\"""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import numpy.typing as npt
    from ase import Atoms

"""

_WIDTH = 96


def keywords_module() -> str:
    """Text of the module ``typed_keywords``: one class of keywords for each set of options.

    A class inherits from each class all of whose keywords it has.
    """
    aliases: dict[str, str] = {}
    classes: dict[str, dict[str, str]] = {}
    texts = []
    for name, (function, command, groups) in KEYWORDS.items():
        taken = options_of(command).keys() - _OWN.get(name, set()) - _OF_THE_TERMINAL
        taken &= of_groups(groups) if groups else taken
        options = [one for key, one in options_of(command).items() if key in taken]
        chosen = [one for one in options if one.kind.choices]
        aliases |= {_alias(one): _literal(one.kind.choices) for one in chosen}
        own = {one.name: _type(one) for one in options}
        classes[name] = dict(own)
        bases = []
        for base, inherited in sorted(classes.items(), key=lambda item: -len(item[1])):
            if base != name and inherited.items() <= own.items():
                bases.append(base)
                own = {key: text for key, text in own.items() if key not in inherited}
        lines = [f"class {name}({', '.join(bases or ['TypedDict'])}, total=False):"]
        lines += [f'    """Keywords of {function}."""', *([""] if own else [])]
        lines += [f"    {key}: {text}" for key, text in own.items()]
        texts.append("\n".join(lines) + "\n")
    head = _KEYWORDS_HEAD + "".join(map(_assignment, aliases, aliases.values()))
    return "\n\n".join([head, *texts])


def _type(one: Option) -> str:
    """Type of the values that a keyword takes, as it is written in Python."""
    if one.declared.keyword_type:
        return one.declared.keyword_type
    found: list[str] = []
    for member in members_of(one.annotation):
        if get_origin(member) is tuple:
            items = [_word(one, item) for part in get_args(member) for item in members_of(part)]
            item = " | ".join(dict.fromkeys(text for text in items if text))
            texts = [f"Sequence[{item}]"]
            texts = [*([item] if one.kind.is_list else []), *texts]
            texts = [*(["str"] if one.kind.from_text else []), *texts]
        else:
            texts = [_word(one, member)]
        found += texts
    return " | ".join(found)


def _word(one: Option, member: Any) -> str:
    """Name of a type that is neither a union nor a tuple; empty for the dots of a tuple."""
    if get_origin(member) is Literal:
        return _alias(one) if one.kind.choices else _literal(get_args(member))
    if member is str and one.declared.is_path:
        return "str | PathLike[str]"
    return "None" if member is NoneType else str(getattr(member, "__name__", ""))


def _alias(one: Option) -> str:
    return "".join(part.capitalize() for part in one.name.split("_"))


def _literal(words: tuple[str, ...]) -> str:
    return "Literal[" + ", ".join(f'"{word}"' for word in words) + "]"


def _assignment(name: str, text: str) -> str:
    """Line that names a type; one word to a line where it is too long."""
    line = f"{name} = {text}\n"
    if len(line) > _WIDTH:
        inner = text[len("Literal[") : -1].replace(", ", ",\n    ")
        line = f"{name} = Literal[\n    {inner},\n]\n"
    return line


if __name__ == "__main__":
    home = Path(__file__).parent
    (home / "typed_keywords.py").write_text(keywords_module(), encoding="utf-8")
    (home.parents[1] / "docs" / "options.md").write_text(options_page(), encoding="utf-8")
