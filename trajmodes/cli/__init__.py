"""The program ``trajmodes``: parses, calls the pipeline, prints.

Open `root` first: it lists the commands.
"""

from trajmodes.cli.program import main

__all__ = ["main"]
