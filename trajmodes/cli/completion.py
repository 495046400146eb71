"""`trajmodes completion`: completion of commands, options and file names in shells."""

from pathlib import Path

import click
from click.shell_completion import get_completion_class

from trajmodes.cli.options import command
from trajmodes.cli.root import main
from trajmodes.errors import StorageError

_NAME, _VARIABLE = "trajmodes", "_TRAJMODES_COMPLETE"
_PLACES = {
    "bash": ".local/share/bash-completion/completions/trajmodes",
    "zsh": ".zfunc/_trajmodes",
    "fish": ".config/fish/completions/trajmodes.fish",
}
"""Shell → file below the home folder that it reads."""
_MORE = {
    "bash": "it is read by new shells, if bash-completion is installed",
    "zsh": "add to ~/.zshrc:  fpath+=~/.zfunc; autoload -Uz compinit; compinit",
    "fish": "it is read by new shells",
}


@command(main, click.argument("shell", type=click.Choice(list(_PLACES))))
def completion(shell: str, *, install: bool) -> str:
    """Print the script with which a shell completes commands and options, or install it.

    For the present shell alone: eval "$(trajmodes completion bash)".
    """
    made = get_completion_class(shell)
    assert made is not None
    script = f"{made(main, {}, _NAME, _VARIABLE).source().rstrip()}\n"
    if not install:
        return script
    path = Path.home() / _PLACES[shell]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            "the completion could not be installed",
            where=str(path),
            why=error.strerror or str(error),
            fix=f"write it elsewhere: trajmodes completion {shell} > FILE",
        ) from error
    return f"{path}: {_MORE[shell]}\n"
