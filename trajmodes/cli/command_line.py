"""The command line as it was given, for the provenance of what it makes."""

import shlex
import sys


def command_line() -> str:
    """Return the command line, quoted so that a shell takes it as it stands."""
    return shlex.join(["trajmodes", *sys.argv[1:]])
