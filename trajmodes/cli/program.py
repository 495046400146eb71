"""The program ``trajmodes`` with all its commands."""

from trajmodes.cli import completion, property_commands, run_commands
from trajmodes.cli.root import main

__all__ = ["completion", "main", "property_commands", "run_commands"]
