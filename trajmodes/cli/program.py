"""The program ``trajmodes`` with all its commands."""

from trajmodes.cli import property_commands, run_commands
from trajmodes.cli.root import main

__all__ = ["main", "property_commands", "run_commands"]
